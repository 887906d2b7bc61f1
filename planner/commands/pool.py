"""`planner pool`: pool study-level data, and make evidence from it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import (
    Force,
    Json,
    Out,
    Quiet,
    Scenario,
    option,
    option_values,
    put_out,
    words,
)
from planner.references import TEST_SOURCES
from planner.reports.pool_words import POOL_WORDS

HELP = """Pool study-level data: the average effect, and how much laboratories differ.

\b
Examples:
  planner pool stroke.csv --benefit lower --by species
  planner pool stroke.csv --benefit lower --write-evidence stroke.toml

\b
One row per study, with the columns (1 is the treated group, 2 the control)
  n1, mean1, sd1, n2, mean2, sd2     or sem1, sem2 instead of the SDs
  yi, vi  or  yi, sei  or  yi, ci_lb, ci_ub     and n1, n2 to plan from
metafor's names (n1i, m1i, sd1i, ...) are understood. Optional columns: study,
cluster (same laboratory or publication), control (same control animals), and
others for --where and --by.
"""
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words(POOL_WORDS, TEST_SOURCES))
def pool(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.csv", show_default=False, help="The studies.")
    ] = None,
    benefit: Annotated[
        str, option("--benefit", "Which values are better: higher (default) or lower.")
    ] = "higher",
    estimator: Annotated[
        str | None, option("--estimator", "DL, REML, PM, FE; the first is reported [all].")
    ] = None,
    interval: Annotated[
        str | None, option("--interval", "wald, hk, hk-wald; the first is reported [all].")
    ] = None,
    where: Annotated[
        list[str] | None, option("--where", "Only rows with this value.", "COLUMN=VALUE")
    ] = None,
    by: Annotated[str | None, option("--by", "Compare subgroups.", "COLUMN")] = None,
    vtype: Annotated[
        str, option("--vtype", "Variance of effects from means: CMA (default), LS or UB.")
    ] = "CMA",
    measure: Annotated[
        str, option("--measure", "What yi is: SMD (default), or another name.")
    ] = "SMD",
    alpha: Annotated[float, option("--alpha", "Intervals have level 1 - alpha [0.05].")] = 0.05,
    fill_side: Annotated[
        str, option("--fill-side", "Of trim and fill: auto (default), left or right.")
    ] = "auto",
    skip_incomplete: Annotated[
        bool, option("--skip-incomplete", "Leave incomplete rows out, and list them.")
    ] = False,
    write_evidence: Annotated[
        Path | None, option("--write-evidence", "Write evidence to plan from.", "FILE.toml")
    ] = None,
    name: Annotated[str | None, option("--name", "Its analysis [the file's name].")] = None,
    title: Annotated[str | None, option("--title", "Its title.")] = None,
    source: Annotated[str | None, option("--source", "Its citation.")] = None,
    json: Json = False,
    out: Out = None,
    scenario: Scenario = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.errors import InputError
    from planner.pooled_evidence import prepare_evidence
    from planner.pooled_evidence import write_evidence as write
    from planner.pooling_data import ASKED
    from planner.pooling_data import pool as pool_studies
    from planner.reports.pool import pool_page

    given = option_values(ctx, pool, scenario)
    if given["file"] is None:
        raise InputError(
            "no file: planner pool FILE.csv, with one row per study\n"
            "columns: yi,vi or n1,mean1,sd1,n2,mean2,sd2 (more: planner pool --help)"
        )
    if write_evidence is None and (name or title or source):
        raise InputError("--name, --title and --source describe evidence: give --write-evidence")
    asked = {key: given[key] for key in ASKED if given[key] is not None}
    result = pool_studies(given["file"], **asked)
    evidence = ""
    if write_evidence is not None:
        evidence = prepare_evidence(
            result, write_evidence, name=name, title=title, source=source, force=force
        )
    if out is not None:
        result.save(out, force=force)
    if write_evidence is not None:
        write(evidence, write_evidence)
    page = partial(pool_page, saved=out)
    put_out(result, as_json=json, out=None, force=force, quiet=quiet, page=page)
    for place in (out, write_evidence):
        if place is not None and not quiet:
            print(f"Written to {place}", file=sys.stderr)
