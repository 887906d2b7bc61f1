"""`planner store`: what finished work is kept, and making room."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.commands.common import Json, Quiet, option, put_out
from planner.errors import InputError
from planner.notes import silence

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="""Finished work that long runs go on from: what is kept, and making room.

\b
Examples:
  planner store
  planner store prune --older-than 30
""",
)


@app.callback(invoke_without_command=True)
def store(ctx: typer.Context, json: Json = False, quiet: Quiet = False) -> None:
    ctx.obj = (json, quiet)
    silence(quiet)
    if ctx.invoked_subcommand is None:
        from planner.cache_contents import show_store
        from planner.reports.store import store_page

        put_out(show_store(), as_json=json, out=None, force=False, quiet=True, page=store_page)


@app.command()
def prune(
    ctx: typer.Context,
    older_than: Annotated[
        float | None, option("--older-than", "Work unused for so many days [30].", "DAYS")
    ] = None,
    every: Annotated[bool, option("--all", "All finished work.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete what was not used for long, and compiled code of earlier versions.

    \b
    Examples:
      planner store prune --older-than 7
      planner store prune --all
    """
    from planner.cache_contents import prune_store
    from planner.reports.store import store_page

    silence(quiet or ctx.obj[1])
    if every and older_than is not None:
        raise InputError("--all and --older-than contradict each other: give one of them")
    if older_than is not None and not older_than >= 0.0:
        raise InputError(f"--older-than {older_than:g}; accepted: 0 or more days")
    result = prune_store(older_than, every)
    put_out(result, as_json=json or ctx.obj[0], out=None, force=False, quiet=True, page=store_page)
