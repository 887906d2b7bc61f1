"""`planner plan`: the whole follow-up plan, as one page to hand in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import (
    Backend,
    Cluster,
    Evidence,
    Force,
    Jobs,
    Json,
    Margin,
    Name,
    PlanFor,
    Progress,
    Quiet,
    Readings,
    Scenario,
    Scheduler,
    Seed,
    Sides,
    Targets,
    Test,
    find_analysis,
    option,
    option_values,
    put_out,
    refuse_existing,
    words,
)
from planner.reports.measures import MEASURES, OTHER_WORDS, TRUTHS

HELP = """The whole follow-up plan: one self-contained HTML page for the committee.

\b
Examples:
  planner plan --analysis chronic-after --out plan
  planner plan --analysis chronic-after --budget 120 --attrition 0.1 --cage 4

Writes plan.html with its numbers (plan.json), tables and figures.
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words({**MEASURES, **TRUTHS, **OTHER_WORDS}))
def plan(
    ctx: typer.Context,
    analysis: Name = None,
    evidence: Evidence = None,
    reading: Readings = None,
    target: Targets = None,
    plan_for: PlanFor = "new-lab",
    budget: Annotated[int | None, option("--budget", "Animals that can be bought.")] = None,
    attrition: Annotated[float, option("--attrition", "Share of animals lost [0].")] = 0.0,
    cage: Annotated[int | None, option("--cage", "Animals per cage, to count cages.")] = None,
    sd: Annotated[float | None, option("--sd", "The outcome's SD in its own unit.")] = None,
    unit: Annotated[str | None, option("--unit", "That unit, such as gram.")] = None,
    sesoi: Annotated[
        float | None, option("--sesoi", "Smallest effect of interest (SDs), instead of zero.")
    ] = None,
    margin: Margin = "raw",
    test: Test = "student",
    alpha: Annotated[float, option("--alpha", "Significance level [0.05].")] = 0.05,
    sides: Sides = "two",
    allocation: Annotated[str, option("--allocation", "Treated to control animals [1:1].")] = "1:1",
    treated: Annotated[
        int, option("--treated", "Treated groups against one control; alpha is divided [1].")
    ] = 1,
    cluster: Cluster = "none",
    reps: Annotated[int | None, option("--reps", "Replications per size [100000].")] = None,
    mcse: Annotated[
        float | None,
        option(
            "--mcse", "Or the largest simulation error of a chance; bias and decay keep theirs."
        ),
    ] = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    backend: Backend = "threads",
    scheduler: Scheduler = None,
    json: Json = False,
    out: Annotated[Path | None, option("--out", "Folder to write [plan-NAME].")] = None,
    scenario: Scenario = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.backends import running_on
    from planner.errors import InputError
    from planner.options import parse_allocation
    from planner.plans import plan as make_plan
    from planner.reports.plan import plan_page
    from planner.two_arm import DEFAULT_TARGETS

    given = option_values(ctx, plan, scenario)
    file = None if given["evidence"] is None else Path(given["evidence"])
    found = find_analysis(given["analysis"], file, given["reading"] or [])
    if found is None:
        raise InputError("nothing to plan from: give --analysis NAME or --evidence FILE.toml")
    folder = out if out is not None or json else Path(f"plan-{_file_name(found.name)}")
    refuse_existing(folder, force)
    with Progress(quiet) as progress, running_on(given["backend"], given["scheduler"]):
        result = make_plan(
            found,
            target=given["target"] or DEFAULT_TARGETS,
            allocation=parse_allocation(given["allocation"]),
            asked={"evidence": None if file is None else str(file),
                   "reading": given["reading"] or []},
            progress=progress,
            **{
                name: given[name]
                for name in (
                    "plan_for", "budget", "attrition", "cage", "sd", "unit", "sesoi", "margin",
                    "test", "alpha", "sides", "treated", "cluster", "reps", "mcse", "seed", "jobs",
                )
            },
        )  # fmt: skip
    put_out(result, as_json=json, out=folder, force=force, quiet=quiet, page=plan_page)


def _file_name(name: str) -> str:
    """A name that may be a folder's."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:60] or "review"
