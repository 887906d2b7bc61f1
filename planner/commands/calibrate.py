"""`planner calibrate`: which truths give the published numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import Progress, find_analysis, option, option_values, put_out

HELP = """Which true effects give the published numbers, and does the model give them back?

\b
Examples:
  planner calibrate --analysis chronic-after
  planner calibrate --analysis chronic-during --cluster lab
"""
EPILOG = """\b
Words:
  matched truth the (mu, tau) whose median simulated g and I2 are the published ones
  mu            mean true effect over laboratories, in SDs
  tau           standard deviation of the true effects between laboratories
  joint draws   truths that reproduced the publication to its rounding, flat prior
  check         published number beside what simulated syntheses publish
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False, help=HELP, epilog=EPILOG)


@app.callback(invoke_without_command=True, help=HELP, epilog=EPILOG)
def calibrate(
    ctx: typer.Context,
    analysis: Annotated[
        str | None, option("--analysis", "Published meta-analysis.", "NAME")
    ] = None,
    evidence: Annotated[Path | None, option("--evidence", "Another review (TOML).")] = None,
    reading: Annotated[
        list[str] | None,
        option("--reading", "Another reading of a contradiction.", "TOPIC=OPTION"),
    ] = None,
    cluster: Annotated[
        str, option("--cluster", "Comparisons that depend: none (default), study or lab.")
    ] = "none",
    share: Annotated[
        float | None, option("--share", "Share of tau^2 between clusters [1 with clusters].")
    ] = None,
    prior: Annotated[
        str, option("--prior", "On tau: uniform (default) or half-normal.")
    ] = "uniform",
    seed: Annotated[int, option("--seed", "Seed [1].", min=0)] = 1,
    jobs: Annotated[int | None, option("--jobs", "Threads; changes no number.", min=1)] = None,
    json: Annotated[bool, option("--json", "One JSON object on stdout.")] = False,
    out: Annotated[Path | None, option("--out", "Also write files and figures here.")] = None,
    scenario: Annotated[Path | None, option("--scenario", "Run a saved scenario.")] = None,
    force: Annotated[bool, option("--force", "Replace existing files.")] = False,
    quiet: Annotated[bool, option("--quiet", "No progress, no notes.")] = False,
) -> None:
    from planner.calibration import calibrate as find_truths
    from planner.calibration_results import calibration_result
    from planner.errors import InputError
    from planner.reports.terminal import calibration_page

    given = option_values(ctx, calibrate, scenario)
    file = None if given["evidence"] is None else Path(given["evidence"])
    found = find_analysis(given["analysis"], file, given["reading"] or [])
    if found is None:
        raise InputError("nothing to calibrate: give --analysis NAME or --evidence FILE.toml")
    with Progress(quiet) as progress:
        common = {"seed": given["seed"], "jobs": given["jobs"], "progress": progress}
        truth = find_truths(found, cluster=given["cluster"], share=given["share"], **common)
        others = [
            find_truths(found, cluster=level, **common)
            for level in ("none", "study", "lab")
            if level != truth.cluster and found.clustered(level)
        ]
    result = calibration_result(found, truth, others, given["prior"], given["seed"])
    asked = {"evidence": None if file is None else str(file), "reading": given["reading"] or []}
    result = replace(result, scenario={**result.scenario, **asked})
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=calibration_page)
