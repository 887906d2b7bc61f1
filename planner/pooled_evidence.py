"""From pooled studies to evidence that can be planned from, and that keeps its studies."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from planner.errors import InputError
from planner.files import write_atomically
from planner.study_table import StudyTable

if TYPE_CHECKING:
    from planner.pooling_data import Pool
    from planner.published import Analysis

ONLY_SMD = "Only standardized mean differences are planned from"
_WIDTH = 96  # of the lines of numbers
_CLOSE = 0.01  # share by which a variance may miss its formula, because it was rounded


def evidence_analysis(pool: Pool, name: str) -> Analysis:
    """The pooled studies as an analysis of this name.

    Raises
    ------
    InputError : they cannot be planned from; see `evidence_text`.
    """
    from planner.evidence_files import review_from_text

    text = evidence_text(pool, name=name)
    return review_from_text(text, f"evidence from {pool.studies.file}").analysis(name)


def prepare_evidence(
    pool: Pool, path: Path, *, name: str | None, title: str | None, source: str | None, force: bool
) -> str:
    """The text of an evidence file that can be written to this place and read from there.

    Raises
    ------
    InputError : the studies cannot be planned from, or the file exists and `force` is not given.
    """
    from planner.evidence_files import review_from_text

    if path.is_dir():
        raise InputError(f"--write-evidence {path} is a folder; accepted: the name of a file")
    if path.exists() and path.samefile(pool.studies.file):
        raise InputError(f"--write-evidence {path} holds the studies; accepted: another name")
    if path.exists() and not force:
        raise InputError(f"--write-evidence {path} exists; use --force to replace it")
    text = evidence_text(pool, name=name, title=title or path.stem, source=source)
    review_from_text(text, str(path), stem=path.stem)
    return text


def write_evidence(text: str, path: Path) -> None:
    """Write an evidence file, whole or not at all.

    Raises
    ------
    InputError : it cannot be written.
    """
    try:
        with write_atomically(path) as file:
            file.write(text.encode())
    except OSError as error:
        reason = error.strerror
        raise InputError(f"--write-evidence {path}: cannot be written ({reason})") from None


def evidence_text(
    pool: Pool, *, name: str | None = None, title: str | None = None, source: str | None = None
) -> str:
    """An evidence file in TOML: the pooled numbers (DerSimonian-Laird, Wald) and the studies.

    Parameters
    ----------
    name : of its analysis; without one, the numbers stand at the top level
    title, source : of the review; from the file's name without them

    Raises
    ------
    InputError : no standardized mean differences, a single study, or no animals per group.
    """
    from sims.inference import summarize

    table = pool.studies
    _check(pool, table)
    assert table.n1 is not None
    assert table.n2 is not None
    main = summarize(table.yi, table.vi, "DL", "wald")
    digits = max(4, 2 - math.floor(math.log10(main.se)))
    vtype, fits = _variance(pool, table)
    file = Path(table.file).name
    note = _quoted(f"pooled from {file} (DL, Wald)")
    cited = f'where = "study_data", status = "derived", note = {note}'

    def derived(value: str) -> str:
        return f"{{ value = {value}, {cited} }}"

    ends = f"[{main.ci_lb:.{digits}f}, {main.ci_ub:.{digits}f}]"
    i2 = 0.0 if main.QE <= 0.0 else 100.0 * max(0.0, main.QE - (table.k - 1.0)) / main.QE
    lines = [
        "# Made by planner pool from study-level data; the studies stand below, one value each",
        "# in the order of `study`. Change the data and run it again rather than this file.",
        "",
        f"title = {_quoted(title or name or Path(table.file).stem)}",
        f"source = {_quoted(source or f'Study-level data in {file}')}",
        'measure = "SMD"',
        'benefit = "higher"',
        "",
    ]
    prefix = ""
    if name is not None:
        prefix = f"analyses.{_quoted(name)}."
        lines += [f"[{prefix[:-1]}]"]
    lines += [
        f"k = {derived(str(table.k))}",
        f"g = {derived(f'{main.estimate:.{digits}f}')}",
        f"ci = {derived(ends)}",
        f"I2 = {derived(f'{i2:.2f}')}",
        *_list("notes", [_quoted(text) for text in _notes(pool, table, fits)], 1),
        "",
        f"[{prefix}study_data]",
        'estimator = "DL"',
        f'vtype = "{vtype}"',
        *_list("study", [_quoted(label) for label in table.labels], 1),
    ]
    for column, labels in (("cluster", table.cluster), ("control", table.control)):
        if labels is not None:
            lines += _list(column, [_quoted(label) for label in labels], 1)
    for column, sizes in (("n1", table.n1), ("n2", table.n2)):
        lines += _list(column, [f"{size:.0f}" for size in sizes])
    for column, values in (("yi", table.yi), ("vi", table.vi)):
        lines += _list(column, [_digits(value) for value in values])
    return "\n".join(lines) + "\n"


def _check(pool: Pool, table: StudyTable) -> None:
    measure = pool.extra["measure"]
    if measure != "SMD":
        raise InputError(
            f"evidence: the effects are {measure}. {ONLY_SMD};\naccepted: --measure SMD, if that "
            "is what yi is"
        )
    if table.n1 is None or table.n2 is None:
        raise InputError(
            f"evidence: {table.file} has no group sizes, which planning needs\naccepted: columns "
            "n1 and n2 (animals treated and control) beside the effects"
        )
    if table.k < 2:
        raise InputError(
            "evidence: one study alone shows no difference between laboratories; accepted: at "
            "least 2 studies"
        )


def _variance(pool: Pool, table: StudyTable) -> tuple[str, bool]:
    """How vi was calculated, and whether that is known: the formula that gives all of them."""
    asked = str(pool.scenario["vtype"])
    if table.computed:
        return asked, True
    from sims.effects import VARIANCES, sampling_variance

    assert table.n1 is not None
    assert table.n2 is not None
    away = {}
    for name in (asked, *VARIANCES):
        terms = [
            sampling_variance(float(a), float(b), VARIANCES[name])
            for a, b in zip(table.n1, table.n2, strict=True)
        ]
        formula = np.array([a + b * g * g for (_, a, b), g in zip(terms, table.yi, strict=True)])
        away[name] = float(np.max(np.abs(table.vi / formula - 1.0)))
    best = min(away, key=lambda name: away[name])
    return (best, True) if away[best] <= _CLOSE else (asked, False)


def _notes(pool: Pool, table: StudyTable, fits: bool) -> Iterable[str]:
    if pool.scenario["benefit"] == "lower":
        yield "Lower values are the benefit: signs were turned, so that positive is benefit here."
    if pool.scenario["where"]:
        yield f"Only rows with {' and '.join(pool.scenario['where'])}."
    if table.left_out:
        yield f"{len(table.left_out)} incomplete rows were left out."
    if not table.computed:
        yield "yi was taken for a standardized mean difference (Hedges g), as it was given."
    if not fits:
        text = "The given variances follow no formula of Hedges g that new studies could be"
        yield f"{text} simulated with: {pool.scenario['vtype']} is taken."


def _list(name: str, items: Sequence[str], per_line: int | None = None) -> list[str]:
    """A TOML list over as many lines as it needs."""
    if not items:
        return []
    lines, line = [f"{name} = ["], "   "
    for i, item in enumerate(items):
        full = len(line) + len(item) + 2 > _WIDTH if per_line is None else i % per_line == 0
        if full and line.strip():
            lines.append(line)
            line = "   "
        line += f" {item},"
    return [*lines, line, "]"]


def _digits(value: float) -> str:
    """A number with all its digits, at most 30 after the point."""
    exact = Decimal(repr(float(value)))
    exponent = exact.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -30:
        exact = exact.quantize(Decimal(1).scaleb(-30))
    return format(exact, "f")


def _quoted(text: str) -> str:
    """A TOML string on one line."""
    clean = " ".join(text.split())
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007F")
