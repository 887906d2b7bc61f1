"""What `planner calibrate --mechanism` prints: the truths behind a selected literature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from planner.calibration import Calibration
from planner.errors import InputError
from planner.mechanisms import Strength, Swept, distance, swept
from planner.published import Analysis
from planner.references import references
from planner.results import Result, provenance
from planner.selected_calibration import STAGE, Selected, calibrate_selected
from planner.selected_joint import few_sets
from sims.smallstudy_names import STRENGTHS

if TYPE_CHECKING:
    import pandas as pd

# Less room than this between an interval's end and the prior's bound, in halves of the interval:
# of a normal distribution the bound then cuts off more than half a percent.
_ROOM = 0.3


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SelectedTruths(Result):
    """What `planner calibrate --mechanism` found: a `Result` whose table is the truths."""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The truths as a table, one row per strength."""
        import pandas as pd

        rows = self.document()["selected"]
        table = pd.DataFrame([{k: v for k, v in row.items() if k != "check"} for row in rows])
        table["cut_off"] = [",".join(names) for names in table["cut_off"]]
        return table.dropna(axis=1, how="all")


def selected_result(
    analysis: Analysis,
    calibration: Calibration,
    mechanism: str,
    weight: Any = None,
    strength: Any = None,
    cuts: Any = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> SelectedTruths:
    """Which truths give the published numbers under a mechanism, over its strengths.

    Parameters
    ----------
    analysis, calibration : what was published, and the truths without selection
    mechanism : one of `sims.smallstudy_names.MECHANISMS`, or several that act together
    weight, strength : the strengths asked for; the first that is not neutral is the answer's
    cuts : of step, one-sided p

    A usual strength that was not asked for, and under which no truth fits, is left out and named.

    Raises
    ------
    InputError : a name or strength that does not exist, or under which no truth fits.
    """
    one = _single(mechanism, weight, strength, cuts)
    # The band of worlds: the usual strengths as well, if they are of this mechanism.
    several = any(isinstance(x, tuple) for x in one.strengths)
    usual = () if several else STRENGTHS[one.name]
    order = sorted({*one.strengths, *usual}, key=lambda x: distance(one.name, x))
    typed = weight is not None or strength is not None or len(one.strengths) == 1
    needed = one.strengths if typed else ()
    found: dict[Strength, Selected] = {}
    without: dict[Strength, InputError] = {}
    for done, x in enumerate(order):
        if progress is not None:
            progress(STAGE, done, len(order))
        try:
            (found[x],) = calibrate_selected(
                analysis, calibration, one.only(x), seed=seed, jobs=jobs, complete=True
            )
        except InputError as error:
            if x in needed:
                raise
            without[x] = error
        if progress is not None:
            progress(STAGE, done + 1, len(order))
    if not found:
        raise next(iter(without.values()))
    # With others at work no strength of this one does nothing: its own neutral one is skipped.
    possible = [x for x in one.strengths if x in found] or list(found)
    asked = next((x for x in possible if distance(one.name, x) > 0.0), possible[0])
    wanted, chosen = one.columns(asked), found[asked]
    from planner.reports.selected import band, selected_answer, selected_warnings

    rows = [_row(x, calibration.prior, analysis) for x in found.values()]
    none_fits = [one.columns(x) for x in without]
    facts = {"analysis": analysis, "calibration": calibration, "chosen": chosen, "rows": rows,
             "cuts": one.cuts, "none_fits": none_fits}  # fmt: skip
    prior = dict(zip(("mu_low", "mu_high", "tau_low", "tau_high"), calibration.prior, strict=True))
    return SelectedTruths(
        command="calibrate",
        answer=selected_answer(facts),
        warnings=selected_warnings(facts),
        scenario={
            "analysis": analysis.name, "evidence": None, "reading": [],
            "mechanism": mechanism, "weight": _typed(weight), "strength": _typed(strength),
            "cuts": _typed(cuts),
            "cluster": calibration.cluster, "share": calibration.share, "prior": "uniform",
            "seed": seed,
        },
        truth={
            "source": "selected", "analysis": analysis.name, "cluster": calibration.cluster,
            "cluster_share": calibration.share, **wanted, "mu": chosen.mu, "tau": chosen.tau,
            "status": chosen.status, "mu_mcse": chosen.mu_mcse, "tau_mcse": chosen.tau_mcse,
            "mu_lb": chosen.mu_lb, "mu_ub": chosen.mu_ub, "tau_lb": chosen.tau_lb,
            "tau_ub": chosen.tau_ub, "prior": prior,
        },
        provenance={**provenance(seed, analysis), "references": references([one])},
        extra={
            "headline": f"{analysis.name}: {analysis.title}. From {analysis.review}.",
            "readings": [], "check": list(chosen.check), "draws": {"mu": [], "tau": []},
            "selected": rows, "none_fits": none_fits,
        },
        figures={"band": band},
    )  # fmt: skip


def _row(found: Selected, prior: Sequence[float], analysis: Analysis) -> dict[str, Any]:
    """One world, with what is doubtful about its interval.

    few_sets : whether few sets of studies carry the interval; never where the studies are real
    cut_off : bounds of the prior that cut the joint distribution off
    """
    cut = []
    for name, low, high in (("mu", prior[0], prior[1]), ("tau", None, prior[3])):
        ends = [getattr(found, f"{name}_{end}") for end in ("lb", "median", "ub")]
        if None in ends:
            continue
        lower, median, upper = ends
        if low is not None and lower - low < _ROOM * (median - lower):
            cut.append(f"{name}_low")
        if high - upper < _ROOM * (upper - median):
            cut.append(f"{name}_high")
    return {**found.fields(), "few_sets": few_sets(found, analysis), "cut_off": cut}


def _single(mechanism: str, weight: Any, strength: Any, cuts: Any) -> Swept:
    found = swept(mechanism, weight, strength, cuts)
    if len(found) > 1:
        raise InputError(
            f"--mechanism {mechanism} names {len(found)}; accepted: one, or several that act "
            "together, such as step+peak=3"
        )
    return found[0]


def _typed(values: Any) -> str | None:
    if values is None or isinstance(values, str):
        return values
    return ",".join(str(value) for value in values)
