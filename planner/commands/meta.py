"""`planner meta`: new meta-analyses, updates, studies in several laboratories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from planner.commands.common import (
    Backend,
    Cluster,
    Evidence,
    Force,
    Jobs,
    Json,
    Mcse,
    Mu,
    Name,
    Out,
    Progress,
    Quiet,
    Readings,
    Scenario,
    Scheduler,
    Seed,
    Share,
    Targets,
    Tau,
    find_analysis,
    option,
    option_values,
    put_out,
    words,
)
from planner.reports.measures import META_WORDS

HELP = """New meta-analyses: what they conclude, how often wrongly; is one more study worth it?

\b
Examples:
  planner meta --analysis chronic-after
  planner meta --analysis chronic-after --update --new-studies 0:6 --n 8,12,16
  planner meta --analysis chronic-after --labs 1:8 --animals 48,96
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words(META_WORDS))
def meta(
    ctx: typer.Context,
    analysis: Name = None,
    evidence: Evidence = None,
    reading: Readings = None,
    mu: Mu = None,
    tau: Tau = None,
    k: Annotated[
        str | None, option("--k", "Studies in a synthesis: 4:20:4 or 6,9 [published, 3 to 20].")
    ] = None,
    n: Annotated[str | None, option("--n", "Animals per group, fixed: 4:20:2 or 4,6,8.")] = None,
    sizes: Annotated[
        str, option("--sizes", "published (default), or a range such as 4:12.")
    ] = "published",
    update: Annotated[bool, option("--update", "Add new studies to the published ones.")] = False,
    new_studies: Annotated[
        str | None, option("--new-studies", "With --update: how many are added [0:6].")
    ] = None,
    labs: Annotated[
        str | None, option("--labs", "Laboratories that share --animals, such as 1:8.")
    ] = None,
    animals: Annotated[
        str | None, option("--animals", "With --labs: animals in all, such as 48,96.")
    ] = None,
    estimator: Annotated[
        str | None,
        option("--estimator", "Of FE, DL, PM, REML; the first is the answer's [DL,REML]."),
    ] = None,
    interval: Annotated[
        str | None, option("--interval", "Of wald, hk, hk-wald; the same [all; --labs: hk,wald].")
    ] = None,
    target: Targets = None,
    plan_for: Annotated[
        str, option("--plan-for", "new-lab (default), assurance or discounted.")
    ] = "new-lab",
    cluster: Cluster = "none",
    share: Share = None,
    vtype: Annotated[
        str | None,
        option("--vtype", "Sampling variance of g: CMA, LS or UB [the evidence's, else CMA]."),
    ] = None,
    alpha: Annotated[float, option("--alpha", "Significance level, two-sided [0.05].")] = 0.05,
    reps: Annotated[int | None, option("--reps", "Replications per design [50000].")] = None,
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
    from planner.options import parse_range

    given = option_values(ctx, meta, scenario)
    file = None if given["evidence"] is None else Path(given["evidence"])
    by_hand = given["mu"] is not None or given["tau"] is not None
    if by_hand and not given["update"] and (given["analysis"] is not None or file is not None):
        raise InputError("--mu and --tau set the truth by hand: leave out --analysis, --evidence")
    if given["update"] and given["labs"] is not None:
        raise InputError("--update and --labs answer different questions: give one of them")
    for name, other in (("new_studies", "update"), ("animals", "labs")):
        if given[name] is not None and not given[other]:
            raise InputError(f"--{name.replace('_', '-')} goes with --{other}")
    found = find_analysis(given["analysis"], file, given["reading"] or [])
    ranges: dict[str, Any] = {
        name: None
        if given[name] is None
        else parse_range(given[name], f"--{name}".replace("_", "-"))
        for name in ("k", "n", "new_studies", "labs", "animals")
    }
    common: dict[str, Any] = {
        name: given[name]
        for name in (
            "mu", "tau", "estimator", "interval", "cluster", "share", "vtype", "alpha", "reps",
            "mcse", "seed", "jobs",
        )
    }  # fmt: skip
    with Progress(quiet) as progress, running_on(given["backend"], given["scheduler"]):
        common["progress"] = progress
        run: Any
        if given["update"]:
            from planner import updates
            from planner.reports.meta import update_page as page

            _refuse(given, ("k", "sizes", "plan_for", "target"), "--update")
            run, own = updates.update, {name: ranges[name] for name in ("n", "new_studies")}
        elif given["labs"] is not None:
            from planner import multi_lab
            from planner.reports.meta import labs_page as page

            _refuse(given, ("k", "n", "sizes", "cluster", "share"), "--labs")
            del common["cluster"], common["share"]
            run, own = multi_lab.labs, {name: ranges[name] for name in ("labs", "animals")}
            own |= {name: given[name] for name in ("plan_for", "target")}
        else:
            from planner import new_reviews
            from planner.reports.meta import meta_page as page

            run, own = new_reviews.meta, {name: ranges[name] for name in ("k", "n")}
            own |= {name: given[name] for name in ("sizes", "plan_for", "target")}
        options = {**common, **own}
        result = run(found, **{name: x for name, x in options.items() if x not in (None, [], ())})
    asked = {"evidence": None if file is None else str(file), "reading": given["reading"] or []}
    result = replace(result, scenario={**result.scenario, **asked})
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=page)


def _refuse(given: dict[str, Any], names: tuple[str, ...], mode: str) -> None:
    """Options that a mode does not know must not be taken in silence."""
    from planner.errors import InputError

    defaults = {"sizes": "published", "plan_for": "new-lab", "cluster": "none"}
    for name in names:
        if given[name] not in (None, defaults.get(name), [], ()):
            raise InputError(f"--{name.replace('_', '-')} does not go with {mode}")
