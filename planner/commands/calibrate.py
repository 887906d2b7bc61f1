"""`planner calibrate`: which truths give the published numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import (
    Cluster,
    Evidence,
    Force,
    Jobs,
    Json,
    Name,
    Out,
    Progress,
    Quiet,
    Readings,
    Scenario,
    Seed,
    Share,
    find_analysis,
    option,
    option_values,
    put_out,
    words,
)
from planner.references import MECHANISM_SOURCES

HELP = """Which true effects give the published numbers, and does the model give them back?

\b
Examples:
  planner calibrate --analysis chronic-after
  planner calibrate --analysis single-early --mechanism step --weight 0.2
"""
WORDS = {
    "matched truth": "the (mu, tau) whose median simulated g and I2 are the published ones",
    "mu": "mean true effect over laboratories, in SDs",
    "tau": "standard deviation of the true effects between laboratories",
    "joint draws": "truths that reproduced the publication to its rounding, flat prior",
    "check": "published number beside what simulated syntheses publish",
    "mechanism": "what stands between a study and its publication: planner bias --help",
    "weight": "for step: chance of a study with one-sided p > 0.025, others being published",
}
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words(WORDS, MECHANISM_SOURCES))
def calibrate(
    ctx: typer.Context,
    analysis: Name = None,
    evidence: Evidence = None,
    reading: Readings = None,
    cluster: Cluster = "none",
    share: Share = None,
    prior: Annotated[
        str, option("--prior", "On tau: uniform (default) or half-normal.")
    ] = "uniform",
    mechanism: Annotated[
        str | None, option("--mechanism", "Truths if studies were selected, such as step.")
    ] = None,
    weight: Annotated[str | None, option("--weight", "Strengths of step, such as 0.2.")] = None,
    strength: Annotated[str | None, option("--strength", "Strengths of another mechanism.")] = None,
    cuts: Annotated[
        str | None, option("--cuts", "Of step, one-sided p; with --weight 0.5:0.2,... [0.025].")
    ] = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    json: Json = False,
    out: Out = None,
    scenario: Scenario = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.calibration_results import calibration_result
    from planner.errors import InputError
    from planner.reports.selected import selected_page
    from planner.reports.terminal import calibration_page
    from planner.results import Result
    from planner.truths import calibrate as find_truths

    given = option_values(ctx, calibrate, scenario)
    file = None if given["evidence"] is None else Path(given["evidence"])
    found = find_analysis(given["analysis"], file, given["reading"] or [])
    if found is None:
        raise InputError("nothing to calibrate: give --analysis NAME or --evidence FILE.toml")
    selected = {name: given[name] for name in ("mechanism", "weight", "strength", "cuts")}
    if given["mechanism"] is not None and given["prior"] != "uniform":
        raise InputError("--prior does not go with --mechanism; accepted: uniform")
    with Progress(quiet) as progress:
        common = {"seed": given["seed"], "jobs": given["jobs"], "progress": progress}
        own = {"cluster": given["cluster"], "share": given["share"]}
        truth = find_truths(found, **own, **selected, **common)
        if isinstance(truth, Result):
            result, page = truth, selected_page
        else:
            others = [
                find_truths(found, cluster=level, **common)
                for level in ("none", "study", "lab")
                if level != truth.cluster and found.clustered(level)
            ]
            result = calibration_result(found, truth, others, given["prior"], given["seed"])
            page = calibration_page
    asked = {"evidence": None if file is None else str(file), "reading": given["reading"] or []}
    result = replace(result, scenario={**result.scenario, **asked})
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=page)
