"""Study-level data in an evidence file: whether they fit the pooled numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np

from planner.evidence_schema import AnalysisTable, NumberTable, PairTable, StudyDataTable
from planner.group_sizes import LARGEST, SMALLEST
from planner.quantities import Quantity
from planner.study_data import StudyData
from planner.study_table import Z95

Problem = tuple[str, str]  # path of the field, what is wrong


def wrong_studies(part: AnalysisTable) -> Iterator[Problem]:
    """What is impossible about the studies of one analysis, or contradicts its numbers."""
    table, k = part.study_data, int(part.k.value)
    if table is None:
        return
    columns: dict[str, Sequence[object] | None] = {
        "yi": table.yi, "vi": table.vi, "n1": table.n1, "n2": table.n2, "study": table.study,
        "cluster": table.cluster, "control": table.control,
    }  # fmt: skip
    unequal = [
        (f"study_data.{name}", f"found {len(column)} values; accepted: one per study, k is {k}")
        for name, column in columns.items()
        if column is not None and len(column) != k
    ]
    if unequal:
        yield from unequal
        return
    for i, value in enumerate(table.vi):
        if value <= 0:
            yield f"study_data.vi.{i}", f"found {value}; accepted: a sampling variance above 0"
    for name, sizes in (("n1", table.n1), ("n2", table.n2)):
        for i, size in enumerate(sizes):
            if not SMALLEST <= size <= LARGEST:
                text = f"found {size}; accepted: whole numbers from {SMALLEST} to {LARGEST}"
                yield f"study_data.{name}.{i}", f"{text} animals per group"
    if all(value > 0 for value in table.vi):
        yield from _other_numbers(part, table)


def _other_numbers(part: AnalysisTable, table: StudyDataTable) -> Iterator[Problem]:
    """Printed numbers that pooling the studies does not give, within their rounding."""
    g, se, tau2, q, i2 = _pooled([float(y) for y in table.yi], [float(v) for v in table.vi])
    half = Z95 * se
    accepted = "what pooling the studies gives (DL), or a file without [study_data]"
    numbers: list[tuple[str, NumberTable | None, float]] = [
        ("g", part.g, g), ("se", part.se, se), ("I2", part.I2, i2), ("tau2", part.tau2, tau2),
        ("Q", part.Q, q),
    ]  # fmt: skip
    for name, printed, value in numbers:
        if printed is not None and _apart(printed.value, value):
            yield name, f"found {printed.value}, but the studies give {value:.6g}; {accepted}"
    if isinstance(part.ci, PairTable):
        ends = (g - half, g + half)
        if any(_apart(end, value) for end, value in zip(part.ci.value, ends, strict=True)):
            lb, ub = part.ci.value
            text = f"found [{lb}, {ub}], but the studies give [{ends[0]:.6g}, {ends[1]:.6g}]"
            yield "ci", f"{text}; {accepted}"


def _apart(printed: Decimal, value: float) -> bool:
    """Whether a number would not be printed like this; the last digits of floats are forgiven."""
    lo, hi = Quantity(printed).interval
    slack = 1e-9 * (1.0 + abs(value))
    return not lo - slack <= value <= hi + slack


def _pooled(yi: Sequence[float], vi: Sequence[float]) -> tuple[float, float, float, float, float]:
    """Pooled effect, standard error, tau^2, Q and I^2 (percent).

    DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2; plain Python, so that reading a
    file starts no engine.
    """
    w = [1.0 / v for v in vi]
    total = math.fsum(w)
    fixed = math.fsum(a * y for a, y in zip(w, yi, strict=True)) / total
    q = math.fsum(a * (y - fixed) ** 2 for a, y in zip(w, yi, strict=True))
    excess = max(0.0, q - (len(yi) - 1.0))
    tau2 = excess / (total - math.fsum(a * a for a in w) / total)
    w = [1.0 / (v + tau2) for v in vi]
    total = math.fsum(w)
    mu = math.fsum(a * y for a, y in zip(w, yi, strict=True)) / total
    return mu, 1.0 / math.sqrt(total), tau2, q, 100.0 * excess / q if q > 0.0 else 0.0


def study_data(table: StudyDataTable, turn: bool) -> StudyData:
    """The studies of a file; `turn` where lower values are the benefit."""
    sign = -1.0 if turn else 1.0
    labels = table.study or tuple(f"study {i + 1}" for i in range(len(table.yi)))
    return StudyData(
        labels=labels,
        yi=np.array([sign * float(value) for value in table.yi]) + 0.0,
        vi=np.array([float(value) for value in table.vi]),
        n1=np.array(table.n1, dtype=float), n2=np.array(table.n2, dtype=float),
        vtype=table.vtype, estimator=table.estimator,
        cluster=table.cluster, control=table.control,
    )  # fmt: skip


def size_notes(data: StudyData) -> list[str]:
    """How the sizes that are simulated follow from those of the studies."""
    unequal = int(np.sum(data.n1 != data.n2))
    if not unequal:
        return []
    return [
        f"{unequal} of {len(data.n1)} studies have groups of different size; simulated are two "
        "equal groups of their harmonic mean, 2 n1 n2 / (n1 + n2), rounded (derived)."
    ]
