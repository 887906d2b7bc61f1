"""Evidence files: from TOML text to a `Review`, with every check at the border."""

from __future__ import annotations

import copy
import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from pydantic import ValidationError

from planner.errors import InputError
from planner.evidence_checks import contradictions, heterogeneity, wrong_sizes
from planner.evidence_schema import (
    FLAT,
    AnalysisTable,
    CitedTable,
    FactTable,
    NumberTable,
    PairTable,
    ReadingTable,
    ReviewTable,
    SizesTable,
    complaint,
    found,
)
from planner.evidence_studies import size_notes, study_data, wrong_studies
from planner.group_sizes import IntArray, Sizes
from planner.published import Analysis, Option, Reading, Review
from planner.quantities import Fact, Interval, Quantity, Wording
from planner.study_data import StudyData

LARGEST_FILE = 1_000_000  # bytes
SHOWN = 2  # problems told at once

Rows = Sequence[Mapping[str, str]]


def review_from_file(path: Path) -> Review:
    """The review of a TOML file that somebody brings; InputError for anything wrong with it."""
    text = _text_of(path)
    return review_from_text(
        text, str(path), stem=path.stem, option=f"--evidence {quote(str(path))}"
    )


def review_from_text(
    text: str, file: str, *, stem: str = "review", table: str = "", option: str = ""
) -> Review:
    """The review of a TOML text.

    Parameters
    ----------
    text, file : the TOML and the name it has in error messages
    stem : name of the analysis of a file that has a single one at the top level
    table : CSV with one row per comparison; only the catalogue has one
    option : how a command line names the file; the catalogue needs none
    """
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of 5000 digits
        csv_hint = "; study-level data go to: planner pool FILE" if file.endswith(".csv") else ""
        raise InputError(f"{file}: not TOML: {_first_line(error)}{csv_hint}") from None
    rows = list(csv.DictReader(io.StringIO(table)))
    return _Builder(data, file, stem, rows, option).review()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _text_of(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; accepted: an evidence file in TOML")
        if not path.exists():
            raise InputError(
                f"{path}: file not found; accepted: an evidence file in TOML\n"
                "a template to start from: planner evidence init FILE"
            )
        if not path.is_file():
            raise InputError(f"{path}: not a regular file; accepted: an evidence file in TOML")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: larger than 1 MB; accepted: an evidence file in TOML")
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8; accepted: an evidence file in UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class _Builder:
    """One parsed file; `analyses` reads it anew under other readings."""

    data: dict[str, Any]
    file: str
    stem: str
    rows: Rows
    option: str

    @property
    def flat(self) -> bool:
        return "analyses" not in self.data

    def review(self) -> Review:
        table = self._table(self.data)
        readings = {reading.topic: _reading(reading) for reading in table.readings}
        for reading in table.readings:
            for name in reading.concerns:
                if name not in table.analyses:
                    path = f"readings.{reading.topic}.concerns"
                    text = f"no analysis {found(name)}; accepted: {', '.join(table.analyses)}"
                    raise self._refuse([(path, text)])
            for name, option in reading.options.items():
                if option.set:  # its paths exist: said when the file is read, not on use
                    self._chosen(table, {reading.topic: name})
        return Review(
            title=table.title,
            citation=table.source.citation,
            doi=table.source.doi,
            analyses=self.analyses({}),
            readings=readings,
            facts={
                group: {name: _as_fact(fact) for name, fact in facts.items()}
                for group, facts in table.facts.items()
            },
            comparisons=tuple(self.rows),
            build=self.analyses,
        )

    def analyses(self, chosen: Mapping[str, str]) -> dict[str, Analysis]:
        """The analyses under these readings (topic to option)."""
        data = self._chosen(self._table(self.data), chosen)
        table = self._table(data)
        taken = {
            reading.topic: chosen.get(reading.topic, reading.default) for reading in table.readings
        }
        return {
            name: self._analysis(name, part, table, taken) for name, part in table.analyses.items()
        }

    def _refuse(self, problems: Sequence[tuple[str, str]]) -> InputError:
        lines = [f"{self.file}: {_printable(path)}: {text}" for path, text in problems]
        return InputError("\n".join(lines[:SHOWN]))

    def _table(self, data: Mapping[str, Any]) -> ReviewTable:
        if self.flat:
            inner = {key: value for key, value in data.items() if key in FLAT}
            outer = {key: value for key, value in data.items() if key not in FLAT}
            data = {**outer, "analyses": {self.stem: inner}}
        elif data["analyses"] == {}:
            raise self._refuse([("analyses", "empty; accepted: at least one [analyses.NAME]")])
        try:
            return ReviewTable.model_validate(data)
        except ValidationError as error:
            # what is missing comes last: often it is only misspelt
            errors = sorted(error.errors(), key=lambda e: e["type"] == "missing")
            raise self._refuse([complaint(e, self.flat) for e in errors]) from None

    def _chosen(self, table: ReviewTable, chosen: Mapping[str, str]) -> dict[str, Any]:
        """The file's data with the values that the chosen options put in their place."""
        data = copy.deepcopy(self.data)
        for reading in table.readings:
            option = reading.options[chosen.get(reading.topic, reading.default)]
            for change in option.set:
                *parents, last = change.path.split(".")
                target: Any = data
                for key in parents:
                    target = target.get(key) if isinstance(target, dict) else None
                if not isinstance(target, dict) or last not in target:
                    path = f"readings.{reading.topic}.set"
                    raise self._refuse(
                        [(path, f"no value at {found(change.path)}; accepted: an existing path")]
                    )
                if not isinstance(target[last], dict):
                    target[last] = change.value
                    continue
                target[last]["value"] = change.value
                target[last]["where"] = option.where
                if change.status:
                    target[last]["status"] = change.status
                if change.note:
                    target[last]["note"] = change.note
        return data

    def _analysis(
        self, name: str, part: AnalysisTable, table: ReviewTable, readings: Mapping[str, str]
    ) -> Analysis:
        prefix = "" if self.flat else f"analyses.{name}."
        problems = [(prefix + path, text) for path, text in contradictions(part)]
        if part.comparisons and not self.rows:
            text = "only the catalogue has such a table; accepted: study = [...] and lab = [...]"
            problems.append((f"{prefix}comparisons", text))
        turn = table.benefit == "lower"
        printed_sizes = part.group_sizes or (None if part.study_data else table.group_sizes)
        sizes_path = "group_sizes" if part.group_sizes is None else f"{prefix}group_sizes"
        if part.study_data is not None:
            if part.group_sizes is not None or (self.flat and table.group_sizes is not None):
                text = "stands beside study_data; accepted: n1 and n2 there, and no group_sizes"
                problems.append((sizes_path, text))
        elif printed_sizes is None:
            text = "missing; accepted: median and range, or one size per study"
            problems.append(("group_sizes", text))
        else:
            problems += [(sizes_path, text) for text in wrong_sizes(printed_sizes, part.k.value)]
        if not problems:
            problems += [(prefix + path, text) for path, text in wrong_studies(part)]
        if problems:
            raise self._refuse(problems)
        data = None if part.study_data is None else study_data(part.study_data, turn)
        try:
            sizes = _sizes(printed_sizes, data)
        except InputError as error:
            raise self._refuse([(sizes_path, str(error))]) from None

        k = int(part.k.value)
        rows = _entering(self.rows, part.comparisons)
        notes = list(part.notes)
        if rows and len(rows) != k:
            notes.append(
                f"The table of comparisons has {len(rows)} such rows, the analysis {k}: "
                "which ones entered is not known, nor how they cluster."
            )
        notes += [] if data is None else size_notes(data)
        kind, amount = heterogeneity(part)
        return Analysis(
            name=name,
            title=part.title or table.title,
            review=table.title,
            citation=table.source.citation,
            k=k,
            printed_k=_quantity(part.k, "comparisons"),
            studies=part.studies,
            g=_quantity(part.g, "SD", turn),
            se=None if part.se is None else _quantity(part.se, "SD"),
            ci=None if part.ci is None else _interval(part.ci, "SD", turn),
            heterogeneity_kind=kind,
            heterogeneity=_quantity(amount, "%" if kind == "I2" else ""),
            p=None if part.p is None else Wording(part.p.value, **_cited(part.p, "")),
            sizes=sizes,
            printed_sizes={} if printed_sizes is None else _printed_sizes(printed_sizes),
            clusters=_clusters(part, rows, k, data),
            comparisons=tuple(rows),
            notes=tuple(notes),
            readings=readings,
            data=data,
            option=self._option(name, len(table.analyses)),
        )

    def _option(self, name: str, count: int) -> str:
        alone = bool(self.option) and count == 1
        return self.option if alone else f"{self.option} --analysis {name}".lstrip()


def _printable(path: str) -> str:
    text = repr(path)[1:-1]
    return text if len(text) <= 100 else text[:97] + "..."


def _cited(table: CitedTable, unit: str) -> dict[str, Any]:
    return {
        "unit": table.unit or unit,
        "where": table.where,
        "status": table.status,
        "note": table.note,
    }


def _quantity(table: NumberTable, unit: str, turn: bool = False) -> Quantity:
    return Quantity(-table.value if turn else table.value, **_cited(table, unit))


def _interval(table: PairTable, unit: str, turn: bool = False) -> Interval:
    lb, ub = table.value
    return Interval(*((-ub, -lb) if turn else (lb, ub)), **_cited(table, unit))


def _as_fact(table: FactTable) -> Fact:
    cited = _cited(table, "")
    match table.value:
        case Decimal():
            return Quantity(table.value, **cited)
        case str():
            return Wording(table.value, **cited)
        case _:
            return Interval(*table.value, **cited)


def _reading(table: ReadingTable) -> Reading:
    options = {
        name: Option(
            text=option.text,
            where=option.where,
            values=tuple(option.values),
            unit=option.unit,
            status=option.status,
            note=option.note,
            changes=tuple(change.path for change in option.set),
        )
        for name, option in table.options.items()
    }
    return Reading(
        topic=table.topic,
        question=table.question,
        default=table.default,
        reason=table.reason,
        options=options,
        concerns=table.concerns,
        documentation=table.documentation,
    )


def _sizes(table: SizesTable | None, data: StudyData | None) -> Sizes:
    if table is None:
        assert data is not None  # files without either are refused
        return Sizes.of_studies(data.equal_sizes.tolist())
    if table.sizes is not None:
        return Sizes.of_studies(table.sizes)
    assert table.median is not None
    assert table.range is not None
    lo, hi = table.range.value
    mean = None if table.mean is None else float(table.mean.value)
    return Sizes.from_summary(float(table.median.value), (int(lo), int(hi)), mean)


def _printed_sizes(table: SizesTable) -> dict[str, Fact]:
    unit = "animals per group"
    printed: dict[str, Fact] = {}
    if table.median is not None:
        printed["median"] = _quantity(table.median, unit)
    if table.range is not None:
        printed["range"] = _interval(table.range, unit)
    if table.mean is not None:
        printed["mean"] = _quantity(table.mean, unit)
    return printed


def _entering(rows: Rows, wanted: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """The rows of the table that enter an analysis, with the delay they have in it.

    `wanted` has an `enters`, and per column the values that are let in; `without` lists the
    comparisons left out.
    """
    entering = []
    for row in rows:
        names = row["enters"].split(";")
        for name in wanted.get("enters", ()):
            if name not in names:
                continue
            here = {**row, "enters": name, "delay": row["delay"].split(";")[names.index(name)]}
            columns = {key: values for key, values in wanted.items() if key != "without"}
            if here["comparison"] not in wanted.get("without", ()) and all(
                here[key] in values for key, values in columns.items()
            ):
                entering.append(here)
    return entering


def _clusters(
    part: AnalysisTable, rows: Rows, k: int, data: StudyData | None
) -> dict[str, IntArray]:
    """Labels 0, 1, ... in order of appearance; a level whose labels are not known is absent."""
    own = None if data is None else data.dependent
    given = {"study": part.study or own, "lab": part.lab}
    if len(rows) == k:
        given = {level: tuple(row[level] for row in rows) for level in given}
    clusters = {}
    for level, names in given.items():
        if names is not None:
            order = list(dict.fromkeys(names))
            labels = np.array([order.index(name) for name in names], dtype=np.int64)
            labels.setflags(write=False)
            clusters[level] = labels
    return clusters
