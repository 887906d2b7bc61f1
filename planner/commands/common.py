"""What commands share: finding the analysis, progress, and putting a result out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from planner.errors import InputError
from planner.options import parse_readings

if TYPE_CHECKING:
    from planner.published import Analysis
    from planner.results import Result


def option(flag: str, text: str, metavar: str | None = None, **more: Any) -> Any:
    """An option whose default stands in its text."""
    return typer.Option(flag, help=text, metavar=metavar, show_default=False, **more)


def find_analysis(
    name: str | None, evidence: Path | None, readings: Sequence[str]
) -> Analysis | None:
    """The analysis that --analysis, --evidence and --reading ask for; None without either."""
    from planner.published import analysis, read

    if evidence is not None:
        return read(evidence, name, parse_readings(readings))
    if name is None:
        if readings:
            raise InputError("--reading needs --analysis: readings belong to a publication")
        return None
    return analysis(name, parse_readings(readings))


class Progress:
    """A bar with the time left on stderr, for work of more than two seconds on a terminal."""

    def __init__(self, quiet: bool) -> None:
        self.wanted = not quiet and sys.stderr.isatty()
        self.started = time.monotonic()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self.wanted or (self.bar is None and time.monotonic() - self.started < 2.0):
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self.bar = Bar(console=Console(stderr=True), transient=True)
            self.bar.start()
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(stage, total=total)
        self.bar.update(self.tasks[stage], completed=done)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def put_out(
    result: Result,
    *,
    as_json: bool,
    out: Path | None,
    force: bool,
    quiet: bool,
    page: Callable[[Result], str],
) -> None:
    """Print a result as a page or as JSON; with --out also write its files."""
    if out is not None:
        result.save(out, force=force)
    if as_json:
        print(result.json())
    else:
        print(printable(page(result), sys.stdout.encoding))
    if out is not None and not quiet:
        print(f"Written to {out}", file=sys.stderr)


def printable(text: str, encoding: str | None) -> str:
    """The text with characters that the output cannot show replaced."""
    name = encoding or "ascii"
    return text.encode(name, "replace").decode(name)


def option_values(ctx: Any, scenario: Path | None, command: str) -> dict[str, Any]:
    """Values of all options: what was typed, else the scenario file, else the default."""
    values = dict(ctx.params)
    if scenario is None:
        return values
    from planner.options import read_scenario

    parameters = {parameter.name: parameter for parameter in ctx.command.params}
    for name, value in read_scenario(scenario, command, values).items():
        if ctx.get_parameter_source(name).name != "DEFAULT":
            continue
        if isinstance(value, list) and not parameters[name].multiple:
            value = ",".join(str(item) for item in value)
        try:
            values[name] = parameters[name].type_cast_value(ctx, value)
        except typer.BadParameter as error:
            raise InputError(f"{scenario.name}: {name}: {error.message}") from None
    return values
