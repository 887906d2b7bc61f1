"""The commands that repeat a plan, and those beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.reports.terminal import command_line
from planner.results import Result


def commands(
    base: Result, bias: Result, decay: Result | None, scenario: Mapping[str, Any]
) -> list[dict[str, str]]:
    """What to type, and what it gives."""
    asked = {name: scenario[name] for name in ("evidence", "reading")}

    def line(command: str, values: Mapping[str, Any]) -> str:
        return command_line({"command": command, "scenario": {**values, **asked}})

    evidence = {name: scenario[name] for name in ("analysis", "evidence", "reading")}
    found = [
        {"gives": "this page", "line": line("plan", scenario)},
        {"gives": "chances and required sizes", "line": line("power", base.scenario)},
        {"gives": "the truth that is planned from, and whether it gives the published numbers back",
         "line": line("calibrate", {**evidence, "cluster": scenario["cluster"]})},
        {"gives": "what selection would do", "line": line("bias", bias.scenario)},
        {"gives": "the published numbers and their readings", "line": _evidence(scenario)},
    ]  # fmt: skip
    if decay is not None:
        typed = command_line({"command": "decay", "scenario": decay.scenario})
        found.insert(3, {"gives": "when to test", "line": typed})
    return found


def _evidence(scenario: Mapping[str, Any]) -> str:
    import shlex

    words = ["planner", "evidence", "show"]
    if scenario["analysis"] is not None:
        words.append(scenario["analysis"])
    if scenario["evidence"] is not None:
        words += ["--evidence", scenario["evidence"]]
    return shlex.join(words)
