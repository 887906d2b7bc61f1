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
        self.shown = not quiet and sys.stderr.isatty()
        self.started = time.monotonic()
        self.stage, self.stage_started, self.last = "", 0.0, 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.stage_started = stage, now
        if not self.shown or now - self.started < 2.0 or now - self.last < 0.2:
            return
        self.last = now
        share = done / total
        left = (now - self.stage_started) * (1.0 - share) / share if share > 0.0 else 0.0
        bar = "#" * round(24 * share)
        print(f"\r{stage}: [{bar:<24}] {share:4.0%}, {left:.0f} s left ", end="",
              file=sys.stderr, flush=True)  # fmt: skip

    def close(self) -> None:
        """Clear the line."""
        if self.shown and self.last:
            print("\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)


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
