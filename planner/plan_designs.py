"""The designs of a plan: the recommended one, its alternatives, and what other sizes would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from planner.two_arm import LARGEST_RECOMMENDED

if TYPE_CHECKING:
    from planner.designs import Design
    from planner.questions import Questions, Truth
    from planner.results import Result

SIZES = range(2, 61)  # per group: every size that a plan looks at
MOST = 500  # per group, where a budget buys more than the usual sizes
LOWEST_GOAL, HIGHEST_GOAL = 50, 95  # percent that the page's slider goes to
STEP = 8  # animals: "eight fewer", "eight more"
SHOWN_WITHOUT_PLAN = (4, 6, 8, 12, 16, 24, 32)


class Sizes:
    """What `planner power` says of every size, by truth, measure and n.

    Parameters
    ----------
    result : of `planner.power` for the sizes that are asked for
    design : the experiment
    plan_for : truth that the plan is for
    cage : animals per cage, None if the laboratory has not said
    """

    def __init__(self, result: Result, design: Design, plan_for: str, cage: int | None) -> None:
        self.result, self.design, self.plan_for, self.cage = result, design, plan_for, cage
        self.rows = {(row["measure"], row["truth"], row["n"]): row for row in result.performance}
        self.truths = list(dict.fromkeys(row["truth"] for row in result.performance))
        self.n = sorted({row["n"] for row in result.performance})

    def best(self, measure: str, truth: str, n: int) -> float | None:
        """The exact value, or the simulated one where none is known."""
        row = self.rows[measure, truth, n]
        return row["value"] if row["exact"] is None else row["exact"]  # type: ignore[no-any-return]

    def sure(self, measure: str, truth: str, n: int) -> float:
        """The best value of a measure that exists at every size."""
        value = self.best(measure, truth, n)
        assert value is not None
        return value

    def cages(self, n: int) -> int | None:
        """Cages for the animals that are bought, each group in its own."""
        if self.cage is None:
            return None
        treated, control = self.design.bought(n)
        return self.design.treated * ceil(treated / self.cage) + ceil(control / self.cage)

    def animals(self, n: int) -> dict[str, Any]:
        """Groups, animals and cages of one size."""
        design = self.design
        n1, n2 = design.groups(n)
        animals, ordered = design.animals(n), design.ordered(n)
        treated, control = design.bought(n)
        return {
            "n1": n1, "n2": n2, "groups": design.treated + 1, "animals": animals,
            "ordered": ordered, "treated": treated, "control": control,
            "spare": ordered - animals, "cages": self.cages(n),
        }  # fmt: skip

    def row(self, n: int) -> dict[str, Any]:
        """Everything about one size, of animals that are tested once."""
        plan_for = self.plan_for
        simulated = self.rows["success", plan_for, n]
        success, power = self.sure("success", plan_for, n), self.sure("power", plan_for, n)
        width = self.sure("ci_width", plan_for, n)
        return {
            "n": n, **self.animals(n), "sessions": 1,
            "success": success, "simulated": simulated["value"], "mcse": simulated["mcse"],
            "n_sim": simulated["n_sim"],
            "by_truth": {truth: self.best("success", truth, n) for truth in self.truths},
            # Neither benefit nor harm shown; and harm shown, which is possible in a new laboratory.
            "no_answer": 1.0 - power, "harm": power - success,
            "type_m": self.best("type_m", "pooled", n), "half_width": width / 2.0,
        }  # fmt: skip


def required_n(
    result: Result, truth: str, target: float, shrink: float = 0.0
) -> Mapping[str, Any] | None:
    """The row of required n for a truth and target; None if there is none."""
    for row in result.required_rows:
        if (row["truth"], row["target"], row["shrink"]) == (truth, target, shrink):
            return row
    return None


def designs(sizes: Sizes, targets: Sequence[float], budget: int | None) -> list[dict[str, Any]]:
    """The design to plan first, then alternatives; empty where no size answers the question.

    With a budget that does not buy the recommended size, what it buys comes first.
    """
    wanted = recommended(sizes, targets[0], budget)
    within = None if budget is None else _affordable(sizes, budget)
    if wanted is None:
        return []
    found: list[tuple[str, int]] = []
    if within is not None and within < wanted:
        found.append(("budget", within))
    found.append(("recommended", wanted))
    # Without an average laboratory's size, fewer than what is planned first.
    smaller = _smaller(sizes, wanted, found[0][1], targets)
    larger = _larger(sizes, wanted, targets)
    found += [pair for pair in (smaller, larger) if pair[1] not in [n for _, n in found]]
    return [
        {"role": role, **(row := sizes.row(n)),
         "over_budget": None if budget is None else max(0, row["ordered"] - budget)}
        for role, n in found[:3]
    ]  # fmt: skip


def recommended(sizes: Sizes, target: float, budget: int | None) -> int | None:
    """The size of `planner power`, or one it calls too large if the budget was given for it."""
    if sizes.result.recommended is not None or budget is None:
        return sizes.result.recommended
    row = required_n(sizes.result, sizes.plan_for, target)
    if row is None or row["n"] not in sizes.n or row["n"] <= LARGEST_RECOMMENDED:
        return None  # a question not worth asking stays one
    return int(row["n"]) if row["ordered"] <= budget else None


def sizes_for(row: Mapping[str, Any] | None, budget: int | None) -> range:
    """Sizes that a plan looks at: also beyond the usual ones where a budget buys what is needed.

    row : of the required size
    """
    if budget is None or row is None or row["n"] is None or row["ordered"] > budget:
        return SIZES
    needed = row["n"]
    if not LARGEST_RECOMMENDED < needed <= MOST:
        return SIZES
    return range(SIZES[0], max(SIZES[-1], needed + needed // 4) + 1)


def beyond(
    sizes: Sizes, questions: Questions, truth: Truth
) -> list[dict[str, Any]]:  # fmt: skip
    """What each whole percent takes that no size of the curve reaches; n None where none does."""
    most = sizes.sure("success", sizes.plan_for, sizes.n[-1])
    found, n = [], sizes.n[-1]
    for percent in range(LOWEST_GOAL, HIGHEST_GOAL + 1):
        if percent / 100.0 <= most:
            continue
        needed = questions.smallest_n(truth, percent / 100.0, n)
        n = needed or n
        found.append({
            "percent": percent, "n": needed,
            "animals": None if needed is None else sizes.design.animals(needed),
        })  # fmt: skip
    return found


def _affordable(sizes: Sizes, budget: int) -> int:
    return min(sizes.design.largest_n(budget), int(sizes.n[-1]))


def _smaller(
    sizes: Sizes, n: int, planned: int, targets: Sequence[float]
) -> tuple[str, int]:  # fmt: skip
    average = required_n(sizes.result, "pooled", targets[0])
    if average and average["n"] is not None and average["n"] < n:
        return "average-lab", average["n"]
    return "fewer", max(2, planned - max(1, planned // 4))


def _larger(sizes: Sizes, n: int, targets: Sequence[float]) -> tuple[str, int]:
    rows = [
        ("not-knowing", required_n(sizes.result, "assurance", targets[0])),
        *(("higher-target", required_n(sizes.result, sizes.plan_for, t)) for t in targets[1:]),
        ("quarter-smaller", required_n(sizes.result, "new-lab", targets[0], 0.25)),
    ]
    step = max(2, n // 4)  # one animal more is no alternative
    for role, row in rows:
        if row and row["n"] is not None and n + step <= row["n"] <= sizes.n[-1]:
            return role, row["n"]
    return "more", min(sizes.n[-1], n + step)


def neighbours(sizes: Sizes, n: int | None, budget: int | None) -> list[dict[str, Any]]:
    """Fewer and more animals than planned, eight at a time; fixed sizes where nothing is planned.

    `change`: animals more than planned; `gain`: what that does to the chance of success.
    """
    if n is None:
        bought = set() if budget is None else {_affordable(sizes, budget)}
        shown = sorted({*SHOWN_WITHOUT_PLAN, *bought})
        return [{**sizes.row(m), "change": None, "gain": None} for m in shown]
    base = sizes.row(n)
    found = {}
    for steps in (-2, -1, 0, 1, 2):
        wanted = base["animals"] + steps * STEP
        m = max((m for m in sizes.n if sizes.design.animals(m) <= wanted), default=None)
        if m is not None and m not in found:
            found[m] = sizes.row(m)
    return [
        {**row, "change": row["animals"] - base["animals"],
         "gain": row["success"] - base["success"]}
        for row in found.values()
    ]  # fmt: skip


def curve(sizes: Sizes) -> list[dict[str, Any]]:
    """Chance of success at every size: what the page's curve shows and explores."""
    return [
        {
            "n": n, "animals": sizes.design.animals(n), "ordered": sizes.design.ordered(n),
            "cages": sizes.cages(n),
            "success": {truth: sizes.best("success", truth, n) for truth in sizes.truths},
            "no_answer": 1.0 - sizes.sure("power", sizes.plan_for, n),
        }
        for n in sizes.n
    ]  # fmt: skip
