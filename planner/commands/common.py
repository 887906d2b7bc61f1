"""What commands share: finding the analysis, progress, and putting a result out."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.errors import InputError
from planner.notes import note, silence
from planner.options import parse_readings
from planner.reports.text import WIDTH, paragraph, printable

if TYPE_CHECKING:
    from planner.published import Analysis
    from planner.results import Result


def option(flag: str, text: str, metavar: str | None = None, **more: Any) -> Any:
    """An option whose default stands in its text."""
    return typer.Option(flag, help=text, metavar=metavar, show_default=False, **more)


def words(meanings: Mapping[str, str], sources: Mapping[str, str] | None = None) -> str:
    """The end of a command's help: where methods come from, what the words of its tables mean."""
    text = "\n".join(["\b", "Words:", *_listed(meanings)])
    if not sources:
        return text
    return "\n".join(["\b", "References:", *_listed(sources), "", text])


def _listed(texts: Mapping[str, str]) -> list[str]:
    """A name and its text on each line."""
    width = max(len(name) for name in texts) + 2
    # Two columns less than a page: help is indented.
    return [
        line
        for name, text in texts.items()
        for line in paragraph(text, f"  {name:<{width}}", width=WIDTH - 2)
    ]


def catalogue_names(incomplete: str) -> list[str]:
    """Analyses of the catalogue that begin like this, for the shell's completion."""
    from planner.published import catalogue_review

    return [name for name in catalogue_review().analyses if name.startswith(incomplete)]


def one_of(*names: str) -> Callable[[str], list[str]]:
    """The names that begin like what was typed, for the shell's completion."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


# Options that mean the same in every command.
Name = Annotated[
    str | None,
    option("--analysis", "Published meta-analysis.", "NAME", autocompletion=catalogue_names),
]
Evidence = Annotated[Path | None, option("--evidence", "Another review (TOML).")]
Readings = Annotated[
    list[str] | None, option("--reading", "Another reading of a contradiction.", "TOPIC=OPTION")
]
Mu = Annotated[float | None, option("--mu", "Mean true effect by hand (SDs).")]
Tau = Annotated[float | None, option("--tau", "SD between laboratories by hand.")]
Targets = Annotated[
    list[float] | None, option("--target", "Target chance, repeatable [0.8 and 0.9].")
]
Cluster = Annotated[
    str,
    option("--cluster", "Comparisons that depend: none (default), study or lab.",
           autocompletion=one_of("none", "study", "lab")),
]  # fmt: skip
Share = Annotated[
    float | None, option("--share", "Share of tau^2 between clusters [1 with clusters].")
]
Mcse = Annotated[
    float | None, option("--mcse", "Or the largest simulation error of a chance, such as 0.002.")
]
Seed = Annotated[int, option("--seed", "Seed [1].", min=0)]
Jobs = Annotated[int | None, option("--jobs", "Threads; changes no number.", min=1)]
Backend = Annotated[
    str,
    option("--backend", "Where it runs: threads (default) or dask; changes no number. Calibrations "
           "run on threads here, with either.",
           autocompletion=one_of("threads", "dask")),
]  # fmt: skip
PlanFor = Annotated[
    str,
    option("--plan-for", "new-lab (default), pooled, assurance or discounted.",
           autocompletion=one_of("new-lab", "pooled", "assurance", "discounted")),
]  # fmt: skip
Test = Annotated[
    str,
    option("--test", "student (default) or welch.", autocompletion=one_of("student", "welch")),
]
Sides = Annotated[
    str,
    option("--sides", "two (default), greater or less.",
           autocompletion=one_of("two", "greater", "less")),
]  # fmt: skip
Margin = Annotated[
    str,
    option("--margin", "Of --sesoi: raw (default) or standardized.",
           autocompletion=one_of("raw", "standardized")),
]  # fmt: skip
Scheduler = Annotated[
    str | None, option("--scheduler", "With --backend dask: tcp://HOST:PORT.", "ADDRESS")
]
Json = Annotated[bool, option("--json", "One JSON object on stdout.")]
Out = Annotated[Path | None, option("--out", "Also write files and figures here.")]
Scenario = Annotated[Path | None, option("--scenario", "Run a saved scenario.")]
Force = Annotated[bool, option("--force", "Replace existing files.")]
Quiet = Annotated[bool, option("--quiet", "No progress, no notes.")]


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
    """A bar with the time left on stderr, for work of more than two seconds on a terminal.

    It opens by itself when the two seconds are over: a stage that has just begun may say nothing
    more for long. Elsewhere, as in a log, one line says what takes so long.
    """

    AFTER = 2.0  # seconds
    SAID_AFTER = 20.0  # seconds, where there is no terminal

    def __init__(self, quiet: bool) -> None:
        silence(quiet)
        self.wanted = not quiet
        self.terminal = sys.stderr.isatty()
        self.bar: Any = None
        self.tasks: dict[str, Any] = {}
        self.latest: dict[str, tuple[int, int]] = {}
        self.late = False  # the line is due, and nothing was running when it was
        self.lock = threading.Lock()
        when = self.AFTER if self.terminal else self.SAID_AFTER
        self.timer = threading.Timer(when, self._open if self.terminal else self._say)
        self.timer.daemon = True

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not self.wanted:
            return
        with self.lock:
            self.latest[stage] = (done, total)
            if self.bar is not None:
                self._show(stage)
            elif self.late:
                self._say_once()

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        with self.lock:
            if not self.wanted:
                return
            self.bar = Bar(console=Console(stderr=True), transient=True)
            self.bar.start()
            for stage, (done, total) in self.latest.items():
                if done < total:
                    self._show(stage)

    def _say(self) -> None:
        with self.lock:
            self.late = True
            self._say_once()

    def _say_once(self) -> None:
        stages = [stage for stage, (done, total) in self.latest.items() if done < total]
        if self.wanted and stages:
            self.late = False
            note(f"at work on: {stages[-1]} (on a terminal a bar shows the time left)")

    def _show(self, stage: str) -> None:
        done, total = self.latest[stage]
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(stage, total=total)
        self.bar.update(self.tasks[stage], completed=done, total=total)

    def __enter__(self) -> Progress:
        if self.wanted:
            self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        with self.lock:
            self.wanted = False
            if self.bar is not None:
                self.bar.stop()


def parts(typed: Sequence[str]) -> list[str]:
    """Names typed with commas, in repeated options, or both."""
    return [part.strip() for text in typed for part in text.split(",") if part.strip()]


def refuse_existing(out: Path | None, force: bool) -> None:
    """Refuse a folder that holds a result already or cannot be written, before any calculation.

    Raises
    ------
    InputError : --out names a file, a folder that cannot be written or made, or one with a result
        and --force is not given.
    """
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; accepted: a folder, new or empty")
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"--out {out}: {there} is a file; accepted: a folder, new or empty")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: {there} cannot be written; accepted: another folder")
    for name in () if force else ("plan.html", "scenario.toml", "result.json", "performance.csv"):
        if (out / name).exists():
            raise InputError(f"{out / name} exists; use --force to replace it")


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


def option_values(
    ctx: typer.Context, function: Callable[..., None], scenario: Path | None
) -> dict[str, Any]:
    """Values of all options of a command: what was typed, else the scenario's, else the default.

    Raises
    ------
    InputError : --out cannot take a result; the scenario file cannot be read, or has unknown
        options or wrong values.
    """
    values = dict(ctx.params)
    if "force" in values:
        refuse_existing(values.get("out"), values["force"])
    if scenario is None:
        return values
    from typing import get_type_hints

    from pydantic import TypeAdapter, ValidationError

    from planner.options import read_scenario

    kinds = get_type_hints(function)
    for name, value in read_scenario(scenario, function.__name__, values).items():
        source = ctx.get_parameter_source(name)
        if source is None or source.name != "DEFAULT":
            continue
        if isinstance(value, list) and kinds[name] == str | None:
            # Lists of numbers are typed as one text, such as --n 4,6,8.
            value = ",".join(str(item) for item in value)
        if isinstance(value, str) and kinds[name] == list[str] | None:
            value = [value]  # a list of names may be typed, or saved, as one text
        try:
            values[name] = TypeAdapter(kinds[name]).validate_python(value)
        except ValidationError as error:
            found = error.errors()[0]
            raise InputError(
                f"{scenario.name}: {name} = {value!r}: {found['msg'].lower()}"
            ) from None
    return values
