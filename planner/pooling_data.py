"""Pooling study-level data: every estimator with every interval, and what hangs on one study."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, unknown
from planner.pooled_small_study import small_study_rows
from planner.references import references
from planner.results import Result, plain, provenance
from planner.study_columns import KNOWN
from planner.study_files import read_cells
from planner.study_table import StudyTable, read_studies
from sims.names import ESTIMATORS, INTERVALS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from planner.published import Analysis
    from sims.inference import Summary

DEFAULT_ESTIMATORS = ("DL", *(name for name in ESTIMATORS if name != "DL"))
BENEFITS = ("higher", "lower")
VTYPES = ("CMA", "LS", "UB")
# Options of the command that are arguments here.
ASKED = (
    "benefit", "vtype", "measure", "estimator", "interval", "where", "by", "alpha", "fill_side",
    "skip_incomplete",
)  # fmt: skip
MOST_LEFT_OUT = 500  # studies; each is left out once, and all the others pooled again
MOST_GROUPS = 50  # subgroups that are compared with each other


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pool(Result):
    """What `planner pool` found: a `Result` that keeps its studies.

    Parameters
    ----------
    studies : the study-level data behind it
    """

    studies: StudyTable

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The estimates as a table, one row per estimator and interval."""
        import pandas as pd

        return pd.DataFrame(self.document()["estimates"])

    def forest(self) -> Axes | Any:
        """The studies with their intervals, and the pooled effect."""
        return self.plot("forest")

    def funnel(self) -> Axes | Any:
        """Effects against their standard errors, and against 1/sqrt(n)."""
        return self.plot("funnel")

    def analysis(self, name: str) -> Analysis:
        """The pooled studies as evidence to plan from; it keeps the studies.

        Raises
        ------
        InputError : no standardized mean differences, fewer than 2 studies, no n1 and n2.
        """
        from planner.pooled_evidence import evidence_analysis

        return evidence_analysis(self, name)

    def _contents(self) -> dict[str, bytes]:
        import pandas as pd

        studies = pd.DataFrame(self.document()["studies"])
        text = studies.to_csv(index=False, lineterminator="\n")
        return {**super()._contents(), "studies.csv": text.encode()}


def pool(
    path: str | Path,
    *,
    benefit: str = "higher",
    vtype: str = "CMA",
    measure: str = "SMD",
    estimator: str | Sequence[str] = DEFAULT_ESTIMATORS,
    interval: str | Sequence[str] = tuple(INTERVALS),
    where: Mapping[str, str] | Sequence[str] = (),
    by: str | None = None,
    alpha: float = 0.05,
    fill_side: str = "auto",
    skip_incomplete: bool = False,
) -> Pool:
    """Pool the studies of a CSV file.

    Parameters
    ----------
    path : one row per study, with yi and vi (or sei, or ci_lb and ci_ub), or with the animals,
        means and SDs (or SEMs) of both groups, 1 being the treated one
    benefit : ``"higher"``, or ``"lower"`` to turn signs so that positive is benefit
    vtype : sampling variance of effects calculated from means: ``"CMA"``, ``"LS"`` or ``"UB"``
    measure : what yi is, if not a standardized mean difference
    estimator, interval : names; the first of each is what the answer is about
    where : column to value, or ``["column=value", ...]``: only rows that have them all
    by : column that names the subgroups to compare
    alpha : intervals have level 1 - alpha
    fill_side : side that trim and fill fills: ``"auto"`` (as metafor), ``"left"``, ``"right"``
    skip_incomplete : leave incomplete rows out, and list them, instead of refusing them

    Returns
    -------
    Pool, with the estimates as its table.

    Raises
    ------
    InputError : an option, column, row or cell that is wrong.
    """
    estimators = _names(estimator, ESTIMATORS, "--estimator")
    intervals = _names(interval, INTERVALS, "--interval")
    pairs = _pairs(where)
    if benefit not in BENEFITS:
        raise unknown("--benefit", str(benefit), BENEFITS)
    if vtype not in VTYPES:
        raise unknown("--vtype", str(vtype), VTYPES)
    if not 0.0 < alpha < 0.5:
        raise InputError(f"--alpha {alpha}; accepted: above 0 and below 0.5")
    if not measure.strip() or len(measure) > 40:
        raise InputError(f"--measure {measure[:40]!r}; accepted: a name of at most 40 characters")
    standardized = measure.upper() == "SMD"
    cells = read_cells(Path(path), KNOWN)
    table = read_studies(
        cells, benefit=benefit, vtype=vtype, where=pairs, by=by, skip_incomplete=skip_incomplete
    )
    if table.group is not None and len(set(table.group)) > MOST_GROUPS:
        raise InputError(
            f"--by {by}: column has {len(set(table.group))} different values; accepted: at most "
            f"{MOST_GROUPS} subgroups"
        )
    if table.computed and not standardized:
        raise InputError(
            f"--measure {measure}: means and SDs are pooled as standardized mean differences; "
            "accepted: --measure SMD, or a file with yi and vi"
        )
    numbers = pooled_numbers(
        table, estimators, intervals, alpha, by, fill_side, standardized=standardized
    )
    scenario = {
        "file": str(path), "benefit": benefit, "vtype": vtype, "measure": measure,
        "estimator": list(estimators), "interval": list(intervals),
        "where": [f"{name}={value}" for name, value in pairs], "by": by, "alpha": alpha,
        "fill_side": fill_side, "skip_incomplete": skip_incomplete,
    }  # fmt: skip
    return _result(table, numbers, scenario, "SMD" if standardized else measure)


def _result(
    table: StudyTable, numbers: Mapping[str, Any], scenario: Mapping[str, Any], measure: str
) -> Pool:
    from planner.reports.forest import forest
    from planner.reports.funnel import funnel
    from planner.reports.pool_words import pool_answer, pool_headline, pool_warnings

    facts = plain({**numbers, "measure": measure, "scenario": scenario})
    digest = hashlib.sha256()
    for part in (table.yi, table.vi, table.n1, table.n2):
        digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
    return Pool(
        command="pool",
        answer=pool_answer(facts),
        warnings=pool_warnings(table, facts),
        scenario=scenario,
        provenance={
            **provenance(1, studies=digest.hexdigest()[:16]),
            "references": references(
                detectors=[row["detector"] for row in numbers["detectors"]],
                corrections=[row["correction"] for row in numbers["corrections"]],
            ),
        },
        extra={**numbers, "measure": measure, "headline": pool_headline(table, facts)},
        figures={"forest": forest, "funnel": funnel},
        studies=table,
    )


def pooled_numbers(
    table: StudyTable, estimators: Sequence[str], intervals: Sequence[str], alpha: float,
    by: str | None = None, fill_side: str = "auto", *, standardized: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Everything that is calculated from the studies, as the JSON output names it."""
    from sims.inference import leave_one_out

    rows = [row for name in estimators for row in _estimates(table, name, intervals, alpha)]
    left: list[dict[str, Any]] = []
    if 2 <= table.k <= MOST_LEFT_OUT:
        without = leave_one_out(table.yi, table.vi, estimators[0], intervals[0], alpha)
        left = [
            {"study": label, "line": line, **_fields(summary, intervals[0])}
            for label, line, summary in zip(table.labels, table.lines, without, strict=True)
        ]
    return {
        "k": table.k,
        "estimates": rows,
        **small_study_rows(table, estimators[0], alpha, fill_side, standardized),
        "studies": _studies(table, rows[0], alpha),
        "leave_one_out": left,
        "subgroups": _subgroups(table, by, estimators[0], intervals[0], alpha),
        "left_out": [dict(row) for row in table.left_out],
    }


def _estimates(
    table: StudyTable, estimator: str, intervals: Sequence[str], alpha: float
) -> list[dict[str, Any]]:
    """Rows of one estimator; comparisons that depend add one with a robust interval."""
    from sims.inference import prediction_interval, summarize

    rows = []
    for interval in intervals:
        summary = summarize(table.yi, table.vi, estimator, interval, alpha)
        fields = _fields(summary, interval)
        rows.append({"estimator": estimator, "interval": interval, **fields})
    labels = table.cluster or table.control
    if labels is None:
        return rows
    from sims.robust import robust_summary

    base = rows[0]
    # Of one study alone tau2 is not known, nor is there another cluster.
    tau2 = 0.0 if table.k == 1 else base["tau2"]
    main = robust_summary(table.yi, table.vi, tau2, np.array(labels), alpha)
    pi = (math.nan, math.nan)
    if estimator != "FE":
        pi = prediction_interval(main, base["tau2"], main.df, alpha)
    own = {**main._asdict(), "pi_lb": pi[0], "pi_ub": pi[1],
           "riley_lb": math.nan, "riley_ub": math.nan}  # fmt: skip
    own["n_clusters"] = len(set(labels))
    return [*rows, {**base, "interval": "cr2", **own}]


def _fields(summary: Summary, interval: str) -> dict[str, Any]:
    """A summary as the JSON output has it: where a number does not exist it is NaN."""
    fields = summary._asdict()
    converged = fields.pop("ok")
    if summary.k == 1:
        # Of one study nothing is known about the spread between laboratories.
        fields |= dict.fromkeys(("tau2", "I2", "H2", "QE", "QEp"), math.nan)
        if interval != "wald":
            fields |= dict.fromkeys(("se", "ci_lb", "ci_ub", "stat", "df", "pval"), math.nan)
    return {**fields, "converged": bool(converged)}


def _studies(table: StudyTable, main: Mapping[str, Any], alpha: float) -> list[dict[str, Any]]:
    from sims.inference import critical_value

    tau2 = 0.0 if math.isnan(main["tau2"]) else main["tau2"]
    weight = 1.0 / (table.vi + tau2)
    half = critical_value(alpha, math.inf) * np.sqrt(table.vi)
    columns: dict[str, Any] = {
        "study": table.labels, "line": table.lines, "yi": table.yi, "vi": table.vi,
        "ci_lb": table.yi - half, "ci_ub": table.yi + half,
        "weight": 100.0 * weight / weight.sum(), "n1": table.n1, "n2": table.n2,
        "cluster": table.cluster, "control": table.control, "group": table.group,
    }  # fmt: skip
    return [
        {name: None if column is None else column[i] for name, column in columns.items()}
        for i in range(table.k)
    ]


def _subgroups(
    table: StudyTable, by: str | None, estimator: str, interval: str, alpha: float
) -> dict[str, Any]:
    """Subgroups at their common tau2, and their differences; empty without --by."""
    if table.group is None:
        return {}
    from sims.subgroups import compare_subgroups

    found = compare_subgroups(table.yi, table.vi, table.group, estimator, interval, alpha)
    fields = found._asdict()
    groups = [
        {"group": group.label, "compared": group.compared, **_fields(group.summary, "wald")}
        for group in fields.pop("groups")
    ]
    pairs = []
    for pair in fields.pop("pairs"):
        numbers = pair._asdict()
        first, second = numbers.pop("first"), numbers.pop("second")
        estimate, adjusted = numbers.pop("difference"), numbers.pop("pval_adjusted")
        pairs.append({"group1": first, "group2": second, "estimate": estimate, **numbers,
                      "pval_bonferroni": adjusted})  # fmt: skip
    converged = fields.pop("ok")
    return {"by": by, **fields, "converged": converged, "groups": groups, "pairs": pairs}


def _names(asked: str | Sequence[str], known: Mapping[str, int], option: str) -> tuple[str, ...]:
    """Names as typed (``"DL,REML"``) or listed, in any case, each once."""
    given = asked.split(",") if isinstance(asked, str) else list(asked)
    by_case = {name.lower(): name for name in known}
    found = []
    for name in given:
        text = str(name).strip()
        if text.lower() not in by_case:
            raise unknown(option, text, known)
        found.append(by_case[text.lower()])
    if not found:
        raise InputError(f"{option}: names none; accepted: {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def _pairs(where: Mapping[str, str] | Iterable[str]) -> list[tuple[str, str]]:
    if isinstance(where, Mapping):
        return [(_clean(str(name)), _clean(str(value))) for name, value in where.items()]
    pairs = []
    for text in [where] if isinstance(where, str) else where:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--where {text[:60]!r}; accepted: COLUMN=VALUE, such as species=rat")
        pairs.append((_clean(name), _clean(value)))
    return pairs


def _clean(text: str) -> str:
    # As cells are read.
    return " ".join(text.split())
