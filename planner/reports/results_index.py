"""The index of results/: what each scenario found, with its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def index(root: Path, scenarios: Sequence[Any], kinds: Mapping[str, str]) -> str:
    """A Markdown page of the scenarios that are in the folder."""
    lines = [
        "# Results",
        "",
        "Written by `planner reproduce`; `planner reproduce --check` runs everything again and "
        "compares. Each folder has the page (`page.txt`), all numbers (`result.json` or "
        "`plan.json`, and `performance.csv`), figures, and what made them (`scenario.toml`, "
        "`provenance.json`).",
    ]
    for kind, question in kinds.items():
        own = [one for one in scenarios
               if one.kind == kind and (root / one.name / one.result_file).exists()]  # fmt: skip
        if not own:
            continue
        lines += ["", f"## {question}", "", "| | answer |", "|---|---|"]
        for one in own:
            lines.append(f"| {_links(root, one)} | {_answer(root, one)} |")
        lines += ["", _pictures(root, own)]
    return "\n".join(lines) + "\n"


def _links(root: Path, scenario: Any) -> str:
    name = scenario.name
    links = [f"[{name}]({name}/page.txt)"]
    if (root / name / "plan.html").exists():
        links.append(f"[page]({name}/plan.html)")
    links.append(f"[numbers]({name}/{scenario.result_file})")
    return "<br>".join(links)


def _answer(root: Path, scenario: Any) -> str:
    file = root / scenario.name / scenario.result_file
    answer = str(json.loads(file.read_text(encoding="utf-8"))["answer"])
    return " ".join(answer.split()).replace("|", "\\|")


def _pictures(root: Path, scenarios: Sequence[Any]) -> str:
    """A figure of each scenario: that of its question, its curve, or the first."""
    found = []
    for one in scenarios:
        order = (one.kind, "curve")
        written = sorted(
            (root / one.name).glob("*.svg"), key=lambda f: (*(f.stem != name for name in order), f)
        )
        if written:
            place = f"{one.name}/{written[0].name}"
            found.append(f'<img src="{place}" alt="{one.name}: {written[0].stem}" width="420">')
    return "\n".join(found)
