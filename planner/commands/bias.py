"""`planner bias`: what small-study effects do, which tests see it, which corrections help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import Progress, find_analysis, option, option_values, put_out
from planner.reports.bias_measures import BIAS_WORDS

_WORDS = "\n".join(f"  {name:<15}{text}" for name, text in BIAS_WORDS.items())
HELP = """Could it all be publication bias? Tests and corrections under small-study mechanisms.

\b
Examples:
  planner bias --analysis single-early
  planner bias --analysis chronic-after --mechanism carter,peak --k 6,20
"""
app = typer.Typer(
    rich_markup_mode=None, add_completion=False, help=HELP, epilog="\b\nWords:\n" + _WORDS
)


@app.callback(invoke_without_command=True, help=HELP, epilog="\b\nWords:\n" + _WORDS)
def bias(
    ctx: typer.Context,
    analysis: Annotated[
        str | None, option("--analysis", "Published meta-analysis.", "NAME")
    ] = None,
    evidence: Annotated[Path | None, option("--evidence", "Another review (TOML).")] = None,
    reading: Annotated[
        list[str] | None,
        option("--reading", "Another reading of a contradiction.", "TOPIC=OPTION"),
    ] = None,
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
    mu: Annotated[float | None, option("--mu", "Mean true effect by hand (SDs).")] = None,
    tau: Annotated[float | None, option("--tau", "SD between laboratories by hand.")] = None,
    cluster: Annotated[
        str, option("--cluster", "Comparisons that depend: none (default), study or lab.")
    ] = "none",
    share: Annotated[
        float | None, option("--share", "Share of tau^2 between clusters [1 with clusters].")
    ] = None,
    vtype: Annotated[
        str, option("--vtype", "Sampling variance of g: CMA (default), LS or UB.")
    ] = "CMA",
    alpha: Annotated[float, option("--alpha", "Significance level, two-sided [0.05].")] = 0.05,
    reps: Annotated[int | None, option("--reps", "Replications per situation [4000].")] = None,
    mcse: Annotated[float | None, option("--mcse", "Or the simulation error wanted.")] = None,
    seed: Annotated[int, option("--seed", "Seed [1].", min=0)] = 1,
    jobs: Annotated[int | None, option("--jobs", "Threads; changes no number.", min=1)] = None,
    json: Annotated[bool, option("--json", "One JSON object on stdout.")] = False,
    out: Annotated[Path | None, option("--out", "Also write files and figures here.")] = None,
    scenario: Annotated[Path | None, option("--scenario", "Run a saved scenario.")] = None,
    force: Annotated[bool, option("--force", "Replace existing files.")] = False,
    quiet: Annotated[bool, option("--quiet", "No progress, no notes.")] = False,
) -> None:
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
    with Progress(quiet) as progress:
        result = run(found, progress=progress, **common)
    asked = {"evidence": None if file is None else str(file), "reading": given["reading"] or []}
    result = replace(result, scenario={**result.scenario, **asked})
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=bias_page)
