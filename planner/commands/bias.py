"""`planner bias`: what small-study effects do, which tests see it, which corrections help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Annotated

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
    Tau,
    find_analysis,
    option,
    option_values,
    put_out,
    words,
)
from planner.references import MECHANISM_SOURCES, TEST_SOURCES
from planner.reports.bias_measures import BIAS_WORDS

HELP = """Could it all be publication bias? Tests and corrections under small-study mechanisms.

\b
Examples:
  planner bias --analysis single-early
  planner bias --analysis chronic-after --mechanism carter,peak --k 6,20
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words(BIAS_WORDS, {**MECHANISM_SOURCES, **TEST_SOURCES}))
def bias(
    ctx: typer.Context,
    analysis: Name = None,
    evidence: Evidence = None,
    reading: Readings = None,
    mechanism: Annotated[
        str, option("--mechanism", "Names, or several together: step+peak=3 [step].")
    ] = "step",
    weight: Annotated[str | None, option("--weight", "Strengths of step [1,0.5,0.2,0.05].")] = None,
    strength: Annotated[str | None, option("--strength", "Strengths of other mechanisms.")] = None,
    cuts: Annotated[
        str | None, option("--cuts", "Of step, one-sided p; with --weight 0.5:0.2,... [0.025].")
    ] = None,
    k: Annotated[str | None, option("--k", "Studies in a synthesis [published].")] = None,
    n: Annotated[str | None, option("--n", "Animals per group, fixed: 4:20:2 or 4,6,8.")] = None,
    sizes: Annotated[
        str, option("--sizes", "published (default), or a range such as 4:12.")
    ] = "published",
    detector: Annotated[str | None, option("--detector", "Which tests [all].")] = None,
    correction: Annotated[str | None, option("--correction", "Which corrections [all].")] = None,
    estimator: Annotated[
        str, option("--estimator", "Of the uncorrected estimate: FE, DL, PM, REML [DL].")
    ] = "DL",
    mu: Mu = None,
    tau: Tau = None,
    cluster: Cluster = "none",
    share: Share = None,
    vtype: Annotated[
        str, option("--vtype", "Sampling variance of g: CMA (default), LS or UB.")
    ] = "CMA",
    alpha: Annotated[float, option("--alpha", "Significance level, two-sided [0.05].")] = 0.05,
    reps: Annotated[int | None, option("--reps", "Replications per situation [4000].")] = None,
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
    from planner.reports.bias import bias_page
    from planner.small_study import bias as run

    given = option_values(ctx, bias, scenario)
    file = None if given["evidence"] is None else Path(given["evidence"])
    by_hand = given["mu"] is not None or given["tau"] is not None
    if by_hand and (given["analysis"] is not None or file is not None):
        raise InputError("--mu and --tau set the truth by hand: leave out --analysis, --evidence")
    found = find_analysis(given["analysis"], file, given["reading"] or [])
    common = {
        name: given[name]
        for name in (
            "mechanism", "weight", "strength", "cuts", "sizes", "detector", "correction",
            "estimator", "mu", "tau", "cluster", "share", "vtype", "alpha", "reps", "mcse", "seed",
            "jobs",
        )
        if given[name] is not None
    }  # fmt: skip
    common |= {
        name: parse_range(given[name], f"--{name}")
        for name in ("k", "n")
        if given[name] is not None
    }
    with Progress(quiet) as progress, running_on(given["backend"], given["scheduler"]):
        result = run(found, progress=progress, **common)
    # Readings belong to what was typed: the command that follows has them, too.
    more = "".join(f" --reading {quote(one)}" for one in given["reading"] or [])
    warnings = [
        {**said, "text": said["text"] + more} if said["code"] == "truth" else said
        for said in result.warnings
    ]
    asked = {"evidence": None if file is None else str(file), "reading": given["reading"] or []}
    result = replace(result, scenario={**result.scenario, **asked}, warnings=warnings)
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=bias_page)
