"""The command line: finds the command, turns errors into two lines and an exit code."""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from planner._version import __version__
from planner.errors import InputError, RunError, check_engine, unknown
from planner.interruptions import INTERRUPTED, interruptions_heard
from planner.notes import as_before

# Typer may carry its own copy of click: its usage errors are reached through typer's names.
USAGE_ERROR: Any = typer.BadParameter.__base__

# Commands by the question they answer; each is imported only when it runs.
COMMANDS = {
    "power": ("How many animals do I need?", "One new two-arm experiment: its chance of success."),
    "decay": (
        "How many animals do I need?",
        "Sizes and days that show the decay, what is left, the half-life.",
    ),
    "plan": ("One page for the committee", "The whole follow-up plan: one page to hand in."),
    "evidence": ("What does the literature say?", "The published numbers and their places."),
    "pool": ("What does the literature say?", "Pool study-level data; make evidence from it."),
    "calibrate": ("What does the literature say?", "Which truths give the published numbers."),
    "meta": (
        "Would a new review or another laboratory help?",
        "A new meta-analysis, an update, a multi-laboratory study.",
    ),
    "bias": (
        "Could it all be publication bias?",
        "Tests and corrections under small-study mechanisms.",
    ),
    "benchmark": ("For maintainers", "Simulation speed against its limit."),
    "reproduce": ("For maintainers", "Everything under results/ again."),
    "store": ("For maintainers", "Finished work that long runs go on from."),
}

HELP = """Plan the next animal study from a published systematic review.

\b
Examples:
  planner power --analysis chronic-after
  planner evidence show chronic-after
"""


class Commands(TyperGroup):
    """Loads a command when it is asked for, so that --help needs none of them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            raise unknown("command", cmd_name, COMMANDS)
        module = import_module(f"planner.commands.{cmd_name}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for question in dict.fromkeys(question for question, _ in COMMANDS.values()):
            with formatter.section(question):
                rows = [(name, text) for name, (asked, text) in COMMANDS.items()
                        if asked == question]  # fmt: skip
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    help=HELP,
    rich_markup_mode=None,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def start(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        print(f"planner {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (0, 1, 2 or 130)."""
    # The libraries make many objects that stay: searching them for garbage again and again while
    # they load takes a seventh of the time to the first answer.
    # Nor need they be searched once more, three times, when the program ends.
    atexit.register(gc.freeze)
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    # Joblib's, when a run is interrupted while workers are busy: whoever interrupts knows it.
    warnings.filterwarnings("ignore", r"\d+ tasks (have been|which were still)", UserWarning)
    try:
        with as_before(), interruptions_heard():
            return _run(arguments)
    finally:
        gc.set_threshold(*before)


def _run(arguments: Sequence[str] | None) -> int:
    command = typer.main.get_command(app)
    try:
        check_engine()
        code = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="planner",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except InputError as error:
        return _fail(str(error), 2)
    except RunError as error:
        return _fail(str(error), 1)
    except USAGE_ERROR as error:
        hint = f"\nHelp: {error.ctx.command_path} --help" if error.ctx is not None else ""
        return _fail(error.format_message().replace("\n", " ") + hint, 2)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            return _fail(f"output cannot be written ({error.strerror})", 1)
        # The reader of a pipe has seen enough; Python must not complain when it flushes.
        sys.stdout = None
        return 0
    if code == INTERRUPTED:  # typer has caught the interruption itself
        return _interrupted()
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    runs = sys.modules.get("planner.long_runs")  # nothing is loaded for a farewell
    kept = runs is not None and runs.anything_kept()
    more = "; what was finished is kept: the same command goes on" if kept else ""
    return _fail(f"interrupted{more}", INTERRUPTED)


def _fail(text: str, code: int) -> int:
    from planner.reports.text import printable, two_lines

    print(printable(two_lines(f"planner: {text}"), sys.stderr.encoding), file=sys.stderr)
    return code
