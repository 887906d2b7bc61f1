"""Which days, and how many animals: the designs that answer a question with the fewest of both.

All sets of the allowed days are screened by large-sample information, averaged over the
half-life's distribution; the best few of each number of sessions are simulated on the same random
numbers; what wins is simulated afresh, for its size and once more to confirm it. A size is known to
its simulation error only: two that lie within it are said not to be distinguishable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_answers import Answers
from planner.decay_confirmed import Confirmed, Sized, confirmed, fresh, required_n, sized, weekly_to
from planner.decay_designs import QUESTIONS, DecayDesign, Truths, check_days
from planner.decay_levels import error_rates, exceeds, nominal
from planner.decay_pictures import truths_of
from planner.decay_required import Asked, shapes_of
from planner.decay_sizes import MOST
from planner.errors import InputError, unknown
from planner.progress import Work
from planner.results import Result, best, provenance
from planner.two_arm import LARGEST_RECOMMENDED

if TYPE_CHECKING:
    from planner.decay_truth import DecayTruth

DAYS = (0.0, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 17.0, 21.0, 24.0, 28.0, 35.0, 42.0)
MOST_SETS = 20_000
SIMULATED = 8  # sets of each number of sessions
SEARCH_REPS = 2000
_SCREENED = 200  # truths behind the screening
_FAR = 2  # times the best n: a set that needs more is none of the best
_LEAST = {"decay": 2, "half-life": 2, "shape": 3, "residual": 1, "gone": 1}


def candidate_sets(
    question: str, days: Sequence[float] | None, sessions: int, last: float
) -> list[tuple[float, ...]]:
    """All sets of days that can answer a question, of up to `sessions` days.

    A question about one day needs that day, and no other.

    Raises
    ------
    InputError : an unknown question, days or sessions out of range, or too many sets.
    """
    if question not in _LEAST:
        raise unknown("--question", question, QUESTIONS)
    least = _LEAST[question]
    if least == 1:
        return [(last,)]
    if days is not None:
        check_days(days, "--days")
    allowed = DAYS if days is None else tuple(days)
    if len(allowed) < least:
        raise InputError(
            f"--days has {len(allowed)}; accepted for --question {question}: {least} or more"
        )
    if not least <= sessions <= 8:
        raise InputError(f"--sessions {sessions}; accepted for {question}: {least} to 8")
    count = sum(math.comb(len(allowed), m) for m in range(least, sessions + 1))
    if count > MOST_SETS:
        raise InputError(
            f"--days and --sessions make {count} sets of days; accepted: up to {MOST_SETS}"
        )
    # Ascending days: a set of two or more never ends on day 0.
    return [chosen for m in range(least, sessions + 1) for chosen in combinations(allowed, m)]


def screened_sizes(
    design: DecayDesign, question: str, truth: Truths, sets: Iterable[tuple[float, ...]],
    goal: float,
) -> list[float]:  # fmt: skip
    """Rough n per group of each set: the goal's quantile, over truths, of what each would need.

    half-life: the interval's ratio is exp(2 t se), se the large-sample standard error of log T;
    shape: the noncentrality of the lack of fit; decay: that of its contrast.
    """
    lab, half_life = _sample(truth)
    found = []
    for times in sets:
        own = replace(design, times=times, dropout=0.0, test="contrast")
        inverse = np.linalg.inv(own.sigma)
        if question == "half-life":
            need = _half_life_sizes(times, inverse, lab, half_life, design.factor)
        elif question == "shape":
            need = np.maximum(*(
                _shape_sizes(times, inverse, lab, half_life, shape) for shape in shapes_of("shape")
            ))  # fmt: skip
        else:
            c = own.weights(question)
            effect = lab * (_curves(times, half_life) @ c)
            with np.errstate(divide="ignore"):
                need = np.where(effect > 0.0, 2.0 * 7.85 * (c @ own.sigma @ c) / effect**2, np.inf)
        # Each further day costs a degree of freedom.
        found.append(float(np.quantile(need, goal, method="higher")) + 0.5 * len(times))
    return found


def _sample(truth: Truths) -> tuple[np.ndarray, np.ndarray]:
    """Laboratories (delta0, half-life), evenly spread over the truths."""
    from scipy.special import ndtri

    many = len(truth.delta0)
    j = np.linspace(0, many - 1, _SCREENED).astype(int)
    # A golden-ratio sequence: normal scores that go with no order of the draws.
    score = ndtri((0.5 + np.arange(_SCREENED) * 0.6180339887498949) % 1.0)
    return truth.delta0[j] + truth.tau[j] * score, truth.half_life[j]


def _curves(
    times: Sequence[float], half_life: np.ndarray, shape: str = "exponential"
) -> np.ndarray:
    from sims.decay import curve

    return np.asarray(curve(times, half_life, shape))


def _half_life_sizes(
    times: Sequence[float], inverse: np.ndarray, lab: np.ndarray, half_life: np.ndarray,
    factor: float,
) -> np.ndarray:  # fmt: skip
    f = _curves(times, half_life)
    fine = (half_life > 0.0) & np.isfinite(half_life)
    with np.errstate(divide="ignore", invalid="ignore"):
        # d f / d log T = f ln 2 t / T
        slope = np.where(fine[:, None], f * math.log(2.0) * np.array(times) / half_life[:, None], 0)
        ff = np.einsum("ja,ab,jb->j", f, inverse, f)
        fg = np.einsum("ja,ab,jb->j", f, inverse, slope)
        gg = np.einsum("ja,ab,jb->j", slope, inverse, slope)
        information = lab**2 * (gg - fg**2 / ff)
        # 2 z se < log(factor), se^2 = 2 / (n information)
        need = 2.0 * (2.0 * 1.96 / math.log(factor)) ** 2 / information
    return np.where(fine & (information > 1e-12), need, np.inf)


def _shape_sizes(
    times: Sequence[float], inverse: np.ndarray, lab: np.ndarray, half_life: np.ndarray, shape: str
) -> np.ndarray:
    from sims.decay import half_life_grid

    truth = lab[:, None] * _curves(times, half_life, shape)
    _, scan = half_life_grid(times)
    weighted = truth @ inverse
    total = np.einsum("ja,ja->j", weighted, truth)
    explained = (weighted @ scan.T) ** 2 / np.einsum("ga,ab,gb->g", scan, inverse, scan)
    misfit = total - explained.max(axis=1)
    fine = (half_life > 0.0) & np.isfinite(half_life)
    with np.errstate(divide="ignore"):
        return np.where(fine & (misfit > 1e-9), 2.0 * (6.0 + 1.8 * (len(times) - 2)) / misfit,
                        np.inf)  # fmt: skip


def distinguishable(a: Sized, b: Sized) -> bool:
    """Whether two required n differ by more than their simulation errors.

    |a - b| > sqrt(ea^2 + eb^2), with e the side of the 95% interval that faces the other. A size
    that does not exist differs from every one that does.
    """
    if a.n is None or b.n is None:
        return (a.n is None) != (b.n is None)
    less, more = (a, b) if a.n <= b.n else (b, a)
    assert less.n is not None
    assert more.n is not None
    if less.low is not None and less.high is None:
        return False  # the target is near what no size exceeds
    up = 0 if less.high is None else less.high - less.n
    down = 0 if more.low is None else more.n - more.low
    return more.n - less.n > math.hypot(up, down)


def best_sets(
    design: DecayDesign, question: str, truth: Truths, sets: Sequence[tuple[float, ...]],
    goal: float, seed: int, jobs: int, simulated: int = SIMULATED, reps: int = SEARCH_REPS,
    work: Work | None = None,
) -> dict[int, list[Sized]]:  # fmt: skip
    """The best sets of each number of sessions, ascending by n; ties by screened size.

    Those of the least screened size are simulated, and every plain weekly schedule.
    """
    rough = screened_sizes(design, question, truth, sets, goal)
    by_sessions: dict[int, list[tuple[float, tuple[float, ...]]]] = {}
    for size, times in zip(rough, sets, strict=True):
        by_sessions.setdefault(len(times), []).append((size, times))
    found: dict[int, list[Sized]] = {}
    total = sum(min(simulated, len(rows)) for rows in by_sessions.values())
    work = work or Work()
    work.searches("searching days", total)
    for m, ranked in by_sessions.items():
        ranked.sort()
        rows: list[tuple[int, int, Sized]] = []
        # Neighbours in rank need about as many: half of a search is where to begin.
        near, most = None, MOST
        for place, (_, times) in enumerate(ranked):
            if place >= simulated and times != tuple(7.0 * i for i in range(m)):
                continue
            own = Answers(replace(design, times=times), reps, seed, jobs, work)
            n, low, high = required_n(own, question, truth, goal, near, most)
            if n is not None:
                near, most = n, min(most, _FAR * n)
                rows.append((n, place, Sized(n, low, high, times)))
            work.found()
        found[m] = [one for _, _, one in sorted(rows, key=lambda row: row[:2])]
    return found


def search_result(
    truth: DecayTruth, design: DecayDesign, asked: Asked, scenario: dict[str, Any],
    sets: Sequence[tuple[float, ...]],
) -> Result:  # fmt: skip
    """What `planner decay --optimize` prints."""
    from planner.reports.decay_search import (
        frontier_figure,
        search_answer,
        search_headline,
        search_warnings,
    )

    question = asked.questions[0]
    goal = asked.targets[0]
    truths = truths_of(truth.taken)
    robust = truths[asked.plan_for]  # over all joint draws, where there are any
    ranks = best_sets(design, question, robust, sets, goal, asked.seed, asked.jobs,
                      work=asked.work)  # fmt: skip
    frontier: list[dict[str, Any]] = []
    performance: list[dict[str, Any]] = []
    plain: dict[tuple[float, ...], Sized] = {}  # weekly schedules, by their days
    asked.work.searches("the best days", 2 * sum(map(bool, ranks.values())), 8.0)
    for _, ranked in sorted(ranks.items()):
        if not ranked:
            continue
        row, rows = _final(design, question, truths, robust, ranked[0], goal, asked)
        asked.work.found()
        row["next_best"] = [
            {"times": list(one.times), "n": one.n, "ci_lb": one.low, "ci_ub": one.high,
             "distinguishable": distinguishable(ranked[0], one)} for one in ranked[1:4]
        ]  # fmt: skip
        times = weekly_to(design, row["times"][-1], _LEAST[question])
        if times is not None:
            if times not in plain:
                answers = fresh(design, times, asked, 1)
                plain[times] = sized(answers, question, robust, goal, row["needed"])
            row |= _beside_weekly(design, question, row, plain[times])
        asked.work.found()
        frontier.append(row)
        performance += rows
    fewest: int | None = None
    last: dict[str, Any] | None = None
    for row in frontier:
        row["on_frontier"] = row["n"] is not None and (fewest is None or row["animals"] < fewest)
        if row["on_frontier"]:
            # From the next best with fewer sessions, the last one on the frontier.
            row["distinguishable"] = last is None or distinguishable(_sized(last), _sized(row))
            fewest, last = row["animals"], row
    reached = [row for row in frontier if row["on_frontier"]]
    chosen = reached[-1] if reached else None
    sensible = chosen is not None and chosen["n"] <= LARGEST_RECOMMENDED
    required = [
        {"target": goal, "truth": robust.name, "measure": "success", "shrink": 0.0,
         "question": question, "times": row["times"], "n": row["n"], "ci_lb": row["ci_lb"],
         "ci_ub": row["ci_ub"], "reached": row["n"] is not None, "ceiling": row["ceiling"],
         "animals": row["animals"], "ordered": row["ordered"],
         "recommended": sensible and row is chosen}
        for row in frontier
    ]  # fmt: skip
    facts = {
        "truth": truth, "design": design, "asked": asked, "question": question,
        "frontier": frontier, "chosen": chosen, "robust": robust.name, "sets": len(sets),
        "sensible": sensible, "largest": LARGEST_RECOMMENDED,
    }  # fmt: skip
    evidence = {} if truth.after is None else {"evidence": truth.after.digest}
    return Result(
        command="decay", answer=search_answer(facts), warnings=search_warnings(facts),
        scenario=scenario, truth=truth.fields(), performance=performance, required_rows=required,
        recommended=chosen["n"] if chosen is not None and sensible else None,
        provenance=provenance(asked.seed, **evidence),
        extra={"headline": search_headline(facts), "frontier": frontier, "sets": len(sets),
               "question": question},
        figures={"frontier": frontier_figure},
    )  # fmt: skip


def _sized(row: dict[str, Any]) -> Sized:
    return Sized(row["needed"], row["ci_lb"], row["ci_ub"])


def _beside_weekly(
    design: DecayDesign, question: str, row: dict[str, Any], one: Sized
) -> dict[str, Any]:
    """What a plain weekly schedule to the same last day needs: what its spacing costs, or saves."""
    own = replace(design, times=one.times)
    return {
        "weekly_n": one.sure, "weekly_needed": one.n, "weekly_ci_lb": one.low,
        "weekly_ci_ub": one.high, "weekly_times": list(one.times),
        "weekly_sessions": len(one.times),
        "weekly_animals": None if one.sure is None else own.animals(one.sure, [question]),
        "weekly_distinguishable": distinguishable(_sized(row), one),
    }  # fmt: skip


def _final(
    design: DecayDesign, question: str, truths: dict[str, Truths], robust: Truths, ranked: Sized,
    goal: float, asked: Asked,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # fmt: skip
    """A winning set: its n from fresh random numbers, with confidence, confirmed on others."""
    answers = fresh(design, ranked.times, asked, 1)
    one = sized(answers, question, robust, goal, ranked.n)
    again = confirmed(design, question, robust, one, goal, asked)
    own, n = answers.design, again.n
    level = _level(again, question, next(iter(truths.values())), asked)
    if not level["level_kept"]:
        n = None
    row: dict[str, Any] = {
        "sessions": len(one.times), "times": list(one.times), "n": n, "needed": one.n, **level,
        "ci_lb": one.low, "ci_ub": one.high,
        "animals": None if n is None else own.animals(n, [question]),
        "ordered": None if n is None else own.ordered(n, [question]),
        "measurements": None if n is None else own.animals(n, [question]) * (
            1 if own.layout == "cohorts" else len(one.times)
        ),
        "ceiling": min(answers.ceiling(question, robust.shaped(s)) for s in shapes_of(question)),
        "weekly_n": None, "weekly_needed": None, "weekly_ci_lb": None, "weekly_ci_ub": None,
        "weekly_times": None, "weekly_sessions": None, "weekly_animals": None,
        "weekly_distinguishable": None,
        "distinguishable": None, "confirmed": again.chance if n is not None else None,
        "confirmed_mcse": again.mcse if n is not None else None,
        "confirmed_rounds": again.rounds,
        "exact": next((one["exact"] for one in again.rows if one["measure"] == "success"), None),
    }  # fmt: skip
    for name, truth in truths.items():
        if name != robust.name:
            row[f"n_{name.replace('-', '_')}"] = required_n(answers, question, truth, goal)[0]
    return row, again.rows


def _level(again: Confirmed, question: str, first: Truths, asked: Asked) -> dict[str, Any]:
    """Whether the test keeps its level at a confirmed size; one that does not is no plan."""
    found: dict[str, Any] = {
        "n_power": again.n,
        "type_i": None,
        "type_i_mcse": None,
        "level_kept": True,
    }
    if again.n is None or again.answers is None:
        return found
    rates = error_rates(again.answers, question, first, [again.n], asked.trial_reps)
    for rate in rates.values():
        kept = not exceeds(rate, nominal(again.answers.design, question))
        mcse = rate["mcse"] if rate["exact"] is None else 0.0
        found |= {"type_i": best(rate), "type_i_mcse": mcse, "level_kept": kept}
    return found
