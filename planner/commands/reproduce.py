"""`planner reproduce`: everything under results/ again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner.commands.common import Force, Jobs, Json, Progress, Quiet, option

HELP = """Everything under results/ again, from committed scenarios.

\b
Examples:
  planner reproduce --out results --force
  planner reproduce power calibrate --check

A NAME is a scenario or a kind of them; --list prints all. With --check nothing is written:
counts must be equal to those that are kept, other numbers to 1e-9.
"""


def scenario_names(incomplete: str) -> list[str]:
    """Scenarios and kinds of them that begin like this, for the shell's completion."""
    from planner.reproduction import KINDS, scenarios

    names = [*KINDS, *(one.name for one in scenarios())]
    return [name for name in names if name.startswith(incomplete)]


app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=HELP)
def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", show_default=False, help="Which.", autocompletion=scenario_names
        ),
    ] = None,
    out: Annotated[Path, option("--out", "Where they are kept [results].")] = Path("results"),
    check: Annotated[bool, option("--check", "Compare, write nothing.")] = False,
    only_list: Annotated[bool, option("--list", "Print the scenarios.")] = False,
    jobs: Jobs = None,
    json: Json = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.reproduction import KINDS, scenarios
    from planner.reproduction import reproduce as run_again

    if only_list:
        found = scenarios(names or ())
        for kind in dict.fromkeys(one.kind for one in found):
            print(KINDS[kind])
            print("\n".join(f"  {one.name}" for one in found if one.kind == kind))
        return
    with Progress(quiet) as progress:
        result = run_again(
            names or (), out=out, check=check, force=force, jobs=jobs, progress=progress
        )
    document = result.document()
    if json:
        from json import dumps

        print(dumps(document, indent=1, allow_nan=False))
    else:
        print(document["answer"])
        for row in result.rows:
            for place in row["differences"][:5]:
                print(f"  {row['scenario']}: {place}")
    if result.differ:
        raise typer.Exit(1)
