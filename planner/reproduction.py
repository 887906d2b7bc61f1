"""Everything under results/ again: committed scenarios, run by the commands themselves.

A scenario is what `--scenario` takes, so each can be run alone. Two runs agree when their counts
are equal and their other numbers differ by less than 1e-9.
"""

from __future__ import annotations

import io
import json
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from planner.errors import InputError, unknown
from planner.files import write_atomically

TOLERANCE = 1e-9
# In the order of the questions they answer; names begin with one of these.
KINDS = {
    "calibrate": "Which true effects would have been published like this?",
    "power": "How many animals does one new experiment need?",
    "meta": "What would a new review of such studies conclude?",
    "update": "What would more studies change in the published review?",
    "labs": "How many laboratories should share the animals?",
    "bias": "Could it be publication bias?",
    "decay": "When is the effect gone?",
    "pool": "What do somebody's own studies say?",
    "plan": "What can be handed in?",
}
# Not what was found: how it was made, which differs between machines, and the words about it.
NOT_FOUND = (
    "provenance", "version", "answer", "warnings", "headline", "paragraphs", "form", "arrive",
    "ademp", "commands", "why", "check_answer", "doubts",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A committed run: its name, its command, and the file with its options."""

    name: str
    command: str
    file: Path

    @property
    def kind(self) -> str:
        """The question it belongs to."""
        return self.name.partition("-")[0]

    @property
    def result_file(self) -> str:
        """The file that holds its JSON."""
        return "plan.json" if self.command == "plan" else "result.json"

    @property
    def home(self) -> Path:
        """The folder from which it runs: this one, or the clone whose data it needs.

        Raises
        ------
        InputError : it needs data that are in neither
        """
        options = tomllib.loads(self.file.read_text(encoding="utf-8"))
        needed = options.get("file") or options.get("evidence")
        clone = Path(__file__).parent.parent
        for folder in (Path(), clone):
            if needed is None or (folder / needed).exists():
                return folder
        raise InputError(
            f"{self.name} needs {needed}, which is in the source repository and is not installed;\n"
            "accepted: run it in a clone, or name the scenarios to run without it"
        )


def scenarios(names: Iterable[str] = ()) -> list[Scenario]:
    """The committed scenarios, or those with these names or of these kinds, in reading order.

    Raises
    ------
    InputError : a name that does not exist.
    """
    folder = Path(str(resources.files("planner.catalogue"))) / "scenarios"
    found = {}
    for file in sorted(folder.glob("*.toml")):
        command = tomllib.loads(file.read_text(encoding="utf-8"))["command"]
        found[file.stem] = Scenario(name=file.stem, command=command, file=file)
    order = list(KINDS)
    every = sorted(found.values(), key=lambda one: (order.index(one.kind), one.name))
    chosen = list(names)
    for name in chosen:
        if name not in found and name not in KINDS:
            raise unknown("scenario", name, [*KINDS, *found])
    return [one for one in every if not chosen or one.name in chosen or one.kind in chosen]


def reproduce(
    names: Iterable[str] = (),
    *,
    out: str | Path = "results",
    check: bool = False,
    force: bool = False,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Reproduction:
    """Run committed scenarios and write a folder for each and an index, or compare with these.

    Parameters
    ----------
    names : of scenarios or kinds; default all
    out : folder with a folder for each scenario
    check : write nothing, compare with what is there
    force : replace what is there
    jobs : threads; changes no number

    Raises
    ------
    InputError : a name that does not exist, files that exist (without `force`), nothing to
        compare with (`check`), or a command that failed
    """
    from tempfile import TemporaryDirectory

    chosen, root = scenarios(names), Path(out)
    for one in chosen:
        _ = one.home  # what it needs is there
        there = (root / one.name / one.result_file).exists()
        if check and not there:
            raise InputError(f"{root / one.name}: nothing to compare with; run it without --check")
        if there and not check and not force:
            raise InputError(f"{root / one.name} exists; use --force to replace it")
    rows = []
    with TemporaryDirectory() as scratch:
        for done, one in enumerate(chosen):
            if progress is not None:
                progress("scenarios", done, len(chosen))
            folder = Path(scratch) / one.name if check else root / one.name
            run(one, folder, jobs)
            new = _read(folder / one.result_file)
            apart = differences(_read(root / one.name / one.result_file), new) if check else []
            rows.append({"scenario": one.name, "command": one.command, "answer": new["answer"],
                         "differences": apart})  # fmt: skip
    if progress is not None:
        progress("scenarios", len(chosen), len(chosen))
    if not check:
        from planner.reports.results_index import index

        with write_atomically(root / "README.md") as file:
            file.write(index(root, scenarios(), KINDS).encode())
    return Reproduction(rows=rows, out=str(root), checked=check)


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What was run again; `differences` of each row are empty where nothing differs."""

    rows: list[dict[str, Any]]
    out: str
    checked: bool

    @property
    def differ(self) -> list[str]:
        """Scenarios whose numbers are not those that are kept."""
        return [row["scenario"] for row in self.rows if row["differences"]]

    def document(self) -> dict[str, Any]:
        """The JSON object."""
        from planner._version import __version__

        n, differ = len(self.rows), self.differ
        if not self.checked:
            which = "1 scenario is" if n == 1 else f"{n} scenarios are"
            answer = f"{which} in {self.out}; start with README.md."
        elif differ:
            answer = f"{len(differ)} of {n} scenarios differ from {self.out}: {', '.join(differ)}."
        else:
            which = "1 scenario agrees" if n == 1 else f"{n} scenarios agree"
            answer = f"{which} with {self.out}: counts exactly, numbers to 1e-9."
        return {"schema": 1, "command": "reproduce", "version": __version__, "answer": answer,
                "warnings": [], "scenarios": self.rows}  # fmt: skip


def run(scenario: Scenario, folder: Path, jobs: int | None = None) -> None:
    """Run one scenario's command into a folder, with its page as page.txt.

    Raises
    ------
    InputError : the command failed; its message
    """
    from planner.cli import main

    folder = folder.absolute()
    line = [scenario.command, "--scenario", str(scenario.file), "--out", str(folder), "--force",
            "--quiet"]  # fmt: skip
    if jobs is not None and scenario.command != "pool":
        line += ["--jobs", str(jobs)]
    page, said = io.StringIO(), io.StringIO()
    with chdir(scenario.home), redirect_stdout(page), redirect_stderr(said):
        code = main(line)
    if code != 0:
        raise InputError(f"{scenario.name}: {said.getvalue().strip() or f'exit code {code}'}")
    # The page stands beside the files that it names, wherever both were made.
    text = page.getvalue().replace(f"{folder}{os.sep}", "")
    with write_atomically(folder / "page.txt") as file:
        file.write(text.encode())


def _read(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def differences(kept: Any, new: Any, place: str = "", most: int = 20) -> list[str]:
    """Places where a new result is not the kept one; what was only added is no difference.

    Whole numbers and names are equal or not; other numbers may differ by 1e-9, absolutely or
    relative to the larger one. Sentences are not compared: they follow the numbers.
    """
    found: list[str] = []
    if isinstance(kept, Mapping) and isinstance(new, Mapping):
        for name, value in kept.items():
            if not place and name in NOT_FOUND:
                continue
            if name not in new:
                found.append(f"{place}/{name} is missing")
            else:
                found += differences(value, new[name], f"{place}/{name}")
    elif isinstance(kept, list) and isinstance(new, list):
        if len(kept) != len(new):
            found.append(f"{place} has {len(new)} entries, kept {len(kept)}")
        for i, (one, other) in enumerate(zip(kept, new, strict=False)):
            found += differences(one, other, f"{place}/{i}")
    elif not _same(kept, new):
        found.append(f"{place} is {new!r}, kept {kept!r}")
    return found[:most]


def _same(kept: Any, new: Any) -> bool:
    if isinstance(kept, float) and isinstance(new, (float, int)) and not isinstance(new, bool):
        return math.isclose(kept, new, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(kept) is type(new) and bool(kept == new)
