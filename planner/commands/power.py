"""`planner power`: how many animals one new experiment needs."""

from __future__ import annotations

from dataclasses import replace
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
    Mcse,
    Mu,
    Name,
    Out,
    PlanFor,
    Progress,
    Quiet,
    Readings,
    Scenario,
    Scheduler,
    Seed,
    Sides,
    Targets,
    Tau,
    Test,
    find_analysis,
    option,
    option_values,
    put_out,
    words,
)
from planner.reports.measures import MEASURES, OTHER_WORDS, TRUTHS

HELP = """One new two-arm experiment: its chance of success over n per group, and the n it needs.

\b
Examples:
  planner power --analysis chronic-after
  planner power --mu 1.1 --tau 0.5 --n 4:20:2 --target 0.8
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words({**MEASURES, **TRUTHS, **OTHER_WORDS}))
def power(
    ctx: typer.Context,
    analysis: Name = None,
    evidence: Evidence = None,
    reading: Readings = None,
    mu: Mu = None,
    tau: Tau = None,
    n: Annotated[str | None, option("--n", "Sizes per treated group: 4:20:2 or 4,6,8.")] = None,
    animals: Annotated[int | None, option("--animals", "Animals in all, instead of --n.")] = None,
    target: Targets = None,
    plan_for: PlanFor = "new-lab",
    cluster: Cluster = "none",
    test: Test = "student",
    alpha: Annotated[float, option("--alpha", "Significance level [0.05].")] = 0.05,
    sides: Sides = "two",
    allocation: Annotated[str, option("--allocation", "Treated to control animals [1:1].")] = "1:1",
    treated: Annotated[
        int, option("--treated", "Treated groups against one control; alpha is divided [1].")
    ] = 1,
    attrition: Annotated[float, option("--attrition", "Share of animals lost [0].")] = 0.0,
    sesoi: Annotated[
        float | None, option("--sesoi", "Smallest effect of interest (SDs), instead of zero.")
    ] = None,
    margin: Margin = "raw",
    shrink: Annotated[
        list[float] | None, option("--shrink", "True effect smaller by this share; repeatable.")
    ] = None,
    sd: Annotated[float | None, option("--sd", "The outcome's SD in its own unit.")] = None,
    unit: Annotated[str | None, option("--unit", "That unit, such as gram.")] = None,
    reps: Annotated[int | None, option("--reps", "Replications per size [100000].")] = None,
    mcse: Mcse = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    backend: Backend = "threads",
    scheduler: Scheduler = None,
    json: Json = False,
    out: Out = None,
    scenario: Scenario = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.backends import running_on
    from planner.errors import InputError
    from planner.options import parse_allocation, parse_sizes
    from planner.reports.terminal import power_page
    from planner.two_arm import DEFAULT_TARGETS
    from planner.two_arm import power as plan

    given = option_values(ctx, power, scenario)
    sizes = given["n"]
    evidence = None if given["evidence"] is None else Path(given["evidence"])
    by_hand = given["mu"] is not None or given["tau"] is not None
    if by_hand and (given["analysis"] is not None or evidence is not None):
        raise InputError("--mu and --tau set the truth by hand: leave out --analysis, --evidence")
    found = find_analysis(given["analysis"], evidence, given["reading"] or [])
    with Progress(quiet) as progress, running_on(given["backend"], given["scheduler"]):
        result = plan(
            found,
            n=None if sizes is None else parse_sizes(sizes),
            target=given["target"] or DEFAULT_TARGETS,
            allocation=parse_allocation(given["allocation"]),
            shrink=given["shrink"] or (),
            progress=progress,
            **{
                name: given[name]
                for name in (
                    "mu", "tau", "plan_for", "test", "alpha", "sides", "treated", "attrition",
                    "sesoi", "margin", "animals", "sd", "unit", "cluster", "reps", "mcse", "seed",
                    "jobs",
                )
            },
        )  # fmt: skip
    asked = {"evidence": None if evidence is None else str(evidence),
             "reading": given["reading"] or []}  # fmt: skip
    result = replace(result, scenario={**result.scenario, **asked})
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=power_page)
