"""`planner benchmark`: simulation speed against its limit."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.commands.common import Force, Json, Out, Progress, Quiet, option, put_out, words

HELP = """Simulation speed: each kernel against drawing the random numbers it needs.

\b
Examples:
  planner benchmark
  planner benchmark --kernel synthesis --kernel two-arm --json
"""
WORDS = {
    "replicate": "one simulated experiment, meta-analysis or trial, analysed",
    "ns of its numbers": "drawing the random numbers of a replicate and nothing else",
    "ratio": "the one divided by the other, in this run, on one thread",
}
app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP, epilog=words(WORDS))
def benchmark(
    kernel: Annotated[
        list[str] | None, option("--kernel", "Those with this in their name; repeatable [all].")
    ] = None,
    repetitions: Annotated[int, option("--repetitions", "Of which the median is taken [9].")] = 9,
    json: Json = False,
    out: Out = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.reports.speed import speed_page
    from planner.speed import benchmark as measure

    with Progress(quiet) as progress:
        result = measure(kernel or (), repetitions=repetitions, progress=progress)
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=speed_page)
