"""Whether published numbers can be true together, within what rounding allows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from planner.evidence_schema import AnalysisTable, NumberTable, SizesTable, found
from planner.group_sizes import LARGEST, SMALLEST
from planner.published import Z95
from planner.quantities import Quantity

MOST_COMPARISONS = 10_000
Z = Decimal(str(Z95))

Problem = tuple[str, str]  # path of the field, what is wrong


def contradictions(part: AnalysisTable) -> Iterator[Problem]:
    """What is impossible about the numbers of one analysis."""
    k = part.k.value
    if k != k.to_integral_value() or not 2 <= k <= MOST_COMPARISONS:
        accepted = f"a whole number from 2 to {MOST_COMPARISONS}"
        why = " (one comparison shows no heterogeneity)" if k == 1 else ""
        yield "k", f"found {k}; accepted: {accepted}{why}"
    else:
        yield from _wrong_counts(part, int(k))
    yield from _wrong_heterogeneity(part)
    if part.se is None and part.ci is None:
        yield "ci", "missing; accepted: the 95% interval as printed, or se"
    if part.se is not None and part.se.value <= 0:
        yield "se", f"found {part.se.value}; accepted: a standard error above 0"
    elif part.ci is not None:
        yield from _wrong_interval(part)


def _wrong_counts(part: AnalysisTable, k: int) -> Iterator[Problem]:
    if part.studies is not None and not 1 <= part.studies <= k:
        yield "studies", f"found {part.studies}; accepted: 1 to k ({k})"
    for level, labels in (("study", part.study), ("lab", part.lab)):
        if labels is not None and len(labels) != k:
            yield level, f"found {len(labels)} labels; accepted: one per comparison, k is {k}"


def _wrong_heterogeneity(part: AnalysisTable) -> Iterator[Problem]:
    given = {"I2": part.I2, "tau2": part.tau2, "Q": part.Q}
    values = {name: table.value for name, table in given.items() if table is not None}
    if len(values) != 1:
        text = f"found {' and '.join(values)}" if values else "missing"
        yield "I2", f"{text}; accepted: exactly one of I2 (percent), tau2, Q"
    for name, value in values.items():
        if value < 0 or (name == "I2" and value > 100):
            accepted = "percent, 0 to 100" if name == "I2" else "a number of at least 0"
            yield name, f"found {value}; accepted: {accepted}"


def _wrong_interval(part: AnalysisTable) -> Iterator[Problem]:
    assert part.ci is not None
    lb, ub = part.ci.value
    g = part.g.value
    if lb >= ub:
        yield "ci", f"found [{lb}, {ub}]; accepted: lower end first, the ends different"
        return
    if not lb <= g <= ub:
        yield "ci", f"found [{lb}, {ub}], which excludes g {g}; accepted: an interval around g"
        return
    # rounding of both ends: what the centre and the half-width are known to
    slack = (Quantity(lb).halfwidth + Quantity(ub).halfwidth) / 2
    centre, half = (lb + ub) / 2, (ub - lb) / 2
    if abs(centre - g) > slack + Quantity(g).halfwidth:
        text = f"found [{lb}, {ub}], centre {centre:f}, but g is {g}"
        yield "ci", f"{text}; accepted: a 95% Wald interval, g -/+ 1.96 se, within rounding"
    if part.se is None:
        return
    lo, hi = (half - slack) / Z, (half + slack) / Z
    se_lo, se_hi = Quantity(part.se.value).bounds
    if hi < se_lo or se_hi < lo:
        means = f"{max(lo, Decimal(0)):.3g} to {hi:.3g}"
        text = f"half-width {half:f} means a standard error of {means}, but se is {part.se.value}"
        yield "ci", f"{text}; accepted: a 95% Wald interval, or only one of se and ci"


def wrong_sizes(table: SizesTable, k: Decimal) -> Iterator[str]:
    """What is impossible about the group sizes, beyond what `Sizes` itself refuses."""
    limits = f"whole numbers from {SMALLEST} to {LARGEST} animals per group"
    if table.sizes is not None:
        if len(table.sizes) != k:
            yield f"found {len(table.sizes)} sizes; accepted: one per comparison, k is {k}"
        wrong = [size for size in table.sizes if not SMALLEST <= size <= LARGEST]
        if wrong:
            yield f"found {wrong[0]}; accepted: {limits}"
        return
    assert table.range is not None
    assert table.median is not None
    lo, hi = table.range.value
    if any(end != end.to_integral_value() or not SMALLEST <= end <= LARGEST for end in (lo, hi)):
        yield f"range: found {found([lo, hi])}; accepted: {limits}"
    elif lo > hi:
        yield f"range: found {found([lo, hi])}; accepted: smaller end first"
    elif not lo <= table.median.value <= hi:
        yield f"median: found {table.median.value}; accepted: within the range {lo} to {hi}"


def heterogeneity(part: AnalysisTable) -> tuple[str, NumberTable]:
    """The kind of heterogeneity that is printed, and its table."""
    for kind, table in (("I2", part.I2), ("tau2", part.tau2), ("Q", part.Q)):
        if table is not None:
            return kind, table
    raise AssertionError("contradictions() lets no analysis pass without one")
