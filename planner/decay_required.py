"""Required sizes of a decay experiment, and which of them to follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planner.decay_designs import Truths
from planner.decay_levels import refuse_sizes
from planner.progress import Work
from planner.questions import TRIVIAL_N
from planner.two_arm import LARGEST_RECOMMENDED

if TYPE_CHECKING:
    from planner.decay_answers import Answers
    from planner.decay_sceptical import Sceptical
    from planner.decay_truth import DecayTruth

TRIVIAL_DECAY = TRIVIAL_N + 1  # a decay that shows in so few animals is no plan


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a plan is asked for."""

    questions: tuple[str, ...]
    targets: tuple[float, ...]
    plan_for: str
    shares: tuple[float, ...]
    reps: int
    trial_reps: int
    seed: int
    jobs: int
    work: Work = field(default_factory=Work, compare=False)  # told how far the plan has come


def shapes_of(question: str) -> tuple[str, ...]:
    """The true shapes under which a question is answered."""
    return ("linear", "plateau") if question == "shape" else ("exponential",)


def required_rows(
    answers: Answers,
    truths: dict[str, Truths],
    truth: DecayTruth,
    asked: Asked,
) -> list[dict[str, Any]]:
    """Rows of required n for every question, target, truth and share of shrinkage.

    Where n is simulated, shrinkage is worked out for the first target and the truth planned for.
    A size whose test is wrong too often is not handed out, see `planner.decay_levels`.
    """
    named = {**truths, **{one.name: one.truths() for one in sceptical(truth)}}
    todo: list[tuple[str, Truths, float, float]] = []
    for question in asked.questions:
        for shape in shapes_of(question):
            for goal in asked.targets:
                for name, one in named.items():
                    for share in asked.shares:
                        wanted = (name, goal) == (asked.plan_for, asked.targets[0])
                        exact = answers.design.exact(question) and name in truths
                        if share == 0.0 or wanted or (exact and name != "assurance"):
                            own = one.shrunk(share).shaped(shape)
                            todo.append((question, own, goal, share))

    def simulated(question: str, own: Truths) -> bool:
        return answers.exact(question, own, answers.design.least_n(question)) is None

    asked.work.searches("required sizes", 1 + sum(simulated(*one[:2]) for one in todo))
    found: list[tuple[dict[str, Any], Truths]] = []
    for question, own, goal, share in todo:
        found.append((required_row(answers, question, own, goal, share), own))
        if simulated(question, own):
            asked.work.found()
    refuse_sizes(found, answers, next(iter(named.values())), asked.trial_reps)
    asked.work.found()
    return [row for row, _ in found]


def sceptical(truth: DecayTruth) -> list[Sceptical]:
    """What the literature's doubters would plan from, as far as it is known."""
    return [one for one in (truth.taken.discounted, truth.taken.se_as_sd) if one is not None]


def required_row(
    answers: Answers, question: str, truth: Truths, goal: float, share: float
) -> dict[str, Any]:
    """The required n of one question, truth, target and share of shrinkage."""
    n, low, high = answers.required(question, truth, goal)
    design = answers.design
    point = len(truth.delta0) == 1
    return {
        "target": goal, "truth": truth.name, "measure": "success", "shrink": share,
        "question": question, "shape": truth.shape, "n": n, "ci_lb": low, "ci_ub": high,
        "reached": n is not None, "ceiling": answers.ceiling(question, truth),
        "delta0": float(truth.delta0[0]) if point else None,
        "tau": float(truth.tau[0]) if point else None,
        "half_life": float(truth.half_life[0]) if point else None,
        "animals": None if n is None else design.animals(n, [question]),
        "ordered": None if n is None else design.ordered(n, [question]), "recommended": False,
    }  # fmt: skip


def wanted_rows(required: Sequence[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """Rows of the first target under the truth planned for, one for each question and shape."""
    return [
        row for row in required
        if row["target"] == asked.targets[0] and row["truth"] == asked.plan_for
        and row["shrink"] == 0.0
    ]  # fmt: skip


def trivial(required: Sequence[dict[str, Any]], asked: Asked) -> bool:
    """Whether the decay shows in so few animals that it is no plan."""
    own = [row for row in wanted_rows(required, asked) if row["question"] == "decay"]
    return bool(own) and own[0]["n"] is not None and own[0]["n"] <= TRIVIAL_DECAY


def recommend(required: Sequence[dict[str, Any]], asked: Asked) -> dict[str, Any] | None:
    """The row whose n answers every question that a sensible number of animals can answer."""
    usable = [
        row for row in wanted_rows(required, asked)
        if row["n"] is not None and row["n"] <= LARGEST_RECOMMENDED
        and not (row["question"] == "decay" and row["n"] <= TRIVIAL_DECAY)
    ]  # fmt: skip
    return max(usable, key=lambda row: row["n"], default=None)


def deciding_row(required: Sequence[dict[str, Any]], asked: Asked) -> dict[str, Any]:
    """The row that decides the plan; of none, the first that has a size at all, or the first."""
    wanted = wanted_rows(required, asked)
    sized = (row for row in wanted if row["n"] is not None or row["n_power"] is not None)
    return recommend(required, asked) or next(sized, wanted[0])


def checked_size(required: Sequence[dict[str, Any]], asked: Asked) -> int | None:
    """The size at which tests and intervals are checked: the plan's, or the largest asked for."""
    chosen = recommend(required, asked)
    if chosen is not None:
        return int(chosen["n"])
    sizes = [row["n"] or row["n_power"] for row in wanted_rows(required, asked)]
    return max((n for n in sizes if n is not None), default=None)
