"""What would change the answer: one assumption at a time, at the planned size.

Each row has the chance of success that the planned size then has, and the size then needed. All
are exact for their truth; a truth that belongs to another reading of the source is matched anew
by simulation and carries the Monte Carlo standard errors of its mu and tau.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planner.questions import DISCOUNT, Questions, Truth
from planner.selected_calibration import discount_reason

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.designs import Design
    from planner.published import Analysis, Review
    from sims.conditioning import Matched

N_MATCH = 1 << 16  # simulated syntheses behind the truth of another reading
SD_CHANGE = 0.2  # by which the outcome's SD may differ from the one planned with


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is varied: the design at n per group, for a truth and a target."""

    analysis: Analysis
    calibration: Calibration
    design: Design
    truth: Truth
    sceptical: Truth
    n: int
    target: float
    seed: int
    jobs: int | None

    def row(
        self, factor: str, level: str, truth: Truth | None = None, *, design: Design | None = None,
        n: int | None = None, target: float | None = None, matched: Matched | None = None,
        discount: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """One row: the factor, the level it is set to, and what follows.

        discount : why the truth is the discounted one: selection, se-read-as-sd or share
        """
        design, truth = design or self.design, truth or self.truth
        n, target = self.n if n is None else n, target or self.target
        questions = Questions(design, [truth], None, None)
        needed = questions.smallest_n(truth, target)
        point = len(truth.mu) == 1
        return {
            "factor": factor, "level": level, "success": truth.success(questions.exact(n)),
            "n": needed, "ceiling": truth.ceiling(design, questions.exact(2)),
            "mu": float(truth.mu[0]) if point else None,
            "tau": float(truth.tau[0]) if point else None,
            "mu_mcse": None if matched is None else matched.mu_mcse,
            "tau_mcse": None if matched is None else matched.tau_mcse,
            "discount": discount,
        }  # fmt: skip


def sensitivity(
    planned: Planned, review: Review | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of what would change the answer, the plan itself first."""
    calibration = planned.calibration
    rows = [planned.row("plan", "as planned")]
    mu, tau = calibration.mu, calibration.tau
    _, mu_lb, mu_ub = calibration.interval("mu")
    _, tau_lb, tau_ub = calibration.interval("tau")

    def lab(mu: float, tau: float) -> Truth:
        return Truth.point("new-lab", mu, tau)

    rows += [
        planned.row("mean effect", "lower end of its 95% range", lab(mu_lb, tau)),
        planned.row("mean effect", "upper end of its 95% range", lab(mu_ub, tau)),
        planned.row("differences between laboratories", "lower end of their 95% range",
                    lab(mu, tau_lb)),
        planned.row("differences between laboratories", "upper end of their 95% range",
                    lab(mu, tau_ub)),
        planned.row("your laboratory", "exactly average", lab(mu, 0.0)),
        planned.row("your laboratory", "new, not knowing the average",
                    Truth("assurance", calibration.draws_mu, calibration.draws_tau)),
        planned.row("published effects too large", "by a quarter of the published", lab(
            0.75 * mu, tau)),
        planned.row("published effects too large", "by half of the published", lab(
            0.5 * mu, tau)),
    ]  # fmt: skip
    why, level = _sceptical(planned)
    rows.append(planned.row("published effects too large", level, planned.sceptical, discount=why))
    rows += _of_the_outcome(planned) + _of_the_test(planned) + _of_the_animals(planned)
    return rows + _of_the_evidence(planned, review, progress)


def _sceptical(planned: Planned) -> tuple[str, str]:
    """Why the discounted truth is what it is, and in words."""
    truth = planned.sceptical
    why = discount_reason(planned.calibration, float(truth.mu[0]), float(truth.tau[0]))
    return why, {
        "se-read-as-sd": "standard errors were read as SDs",
        "share": f"by {DISCOUNT:.0%}, as no truth fits under selection",
        "selection": "by selection: P > 0.05 published once in five",
    }[why]


def _of_the_outcome(planned: Planned) -> list[dict[str, Any]]:
    """The same raw differences against an SD that is not the one planned with."""
    rows = []
    for factor, word in ((1.0 + SD_CHANGE, "larger"), (1.0 - SD_CHANGE, "smaller")):
        truth = planned.truth
        scaled = Truth(truth.name, truth.mu / factor, truth.tau / factor)
        rows.append(planned.row("your outcome's SD", f"a fifth {word}", scaled))
    return rows


def _of_the_test(planned: Planned) -> list[dict[str, Any]]:
    design = planned.design
    rows = [planned.row("significance level", "a fifth of the planned",
                        design=replace(design, alpha=design.alpha / 5.0))]  # fmt: skip
    if design.sides == "two":
        side = "greater" if design.sign > 0 else "less"
        rows.append(planned.row("sides of the test", "one, towards benefit",
                                design=replace(design, sides=side)))  # fmt: skip
    if design.test == "student" and design.margin == "raw":
        rows.append(planned.row("test", "Welch instead of Student",
                                design=replace(design, test="welch")))  # fmt: skip
    return rows


def _of_the_animals(planned: Planned) -> list[dict[str, Any]]:
    """A tenth of the planned animals lost without replacement."""
    row = planned.row("animals lost", "a tenth, without spare ones", n=_left(planned.n))
    if row["n"] is not None:  # so many that those left are enough
        row["n"] = next(n for n in range(row["n"], 2 * row["n"] + 2) if _left(n) >= row["n"])
    return [row]


def _left(n: int) -> int:
    return max(2, 9 * n // 10)


def _of_the_evidence(
    planned: Planned, review: Review | None, progress: Callable[[str, int, int], None] | None
) -> list[dict[str, Any]]:
    """Other clusters, and other readings of what the source leaves open."""
    analysis, calibration = planned.analysis, planned.calibration
    variants: list[tuple[str, str, Analysis, str]] = []
    for level in ("none", "study", "lab"):
        if level != calibration.cluster and analysis.clustered(level):
            kind = {"none": "independent", "study": "one effect per study",
                    "lab": "one effect per laboratory"}[level]  # fmt: skip
            variants.append(("comparisons", kind, analysis, level))
    for topic, option, other in _readings(analysis, review):
        name = f"other reading: {topic.replace('-', ' ')}"
        variants.append((name, option, other, calibration.cluster))
    rows = []
    # Beside a plan that does not know the average, one that does would look like a gain.
    known = ", average known" if len(planned.truth.mu) > 1 else ""
    for done, (factor, level, other, cluster) in enumerate(variants):
        if progress is not None:
            progress("other readings", done, len(variants))
        found = matched(other, cluster, planned.seed, planned.jobs)
        if found is not None:
            truth = Truth.point("new-lab", found.mu, found.tau)
            rows.append(planned.row(factor, level + known, truth, matched=found))
    return rows


def _readings(
    analysis: Analysis, review: Review | None
) -> list[tuple[str, str, Analysis]]:  # fmt: skip
    """The analysis under every reading not taken that changes one of its numbers."""
    if review is None:
        return []
    found = []
    for topic, reading in review.readings.items():
        taken = analysis.readings.get(topic, reading.default)
        for name, option in reading.options.items():
            if name == taken or not option.changes or not reading.touches(analysis.name):
                continue
            chosen = {**analysis.readings, topic: name}
            other = review.analysis(analysis.name, chosen)
            if other.digest != analysis.digest:
                found.append((topic, option.text, other))
    return found


def matched(analysis: Analysis, cluster: str, seed: int, jobs: int | None) -> Matched | None:
    """The matched truth of an analysis; None where no truth gives its numbers."""
    from planner.calibration import published_numbers, studies_like
    from sims.conditioning import Infeasible, matched_truth
    from sims.engine import default_jobs

    share = 0.0 if cluster == "none" else 1.0
    try:
        return matched_truth(
            studies_like(analysis, cluster, share), published_numbers(analysis), N_MATCH, seed,
            jobs or default_jobs(),
        )  # fmt: skip
    except Infeasible:
        return None


def tornado(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Factors by how far they move the chance of success at the planned size, widest first.

    What moves it by less than 0.05 points stands only in the table.
    """
    plan = rows[0]["success"]
    found: dict[str, dict[str, Any]] = {}
    for row in rows[1:]:
        bar = found.setdefault(
            row["factor"], {"factor": row["factor"], "low": plan, "high": plan, "plan": plan}
        )
        bar["low"], bar["high"] = min(bar["low"], row["success"]), max(bar["high"], row["success"])
    moved = [bar for bar in found.values() if bar["high"] - bar["low"] >= 0.0005]
    return sorted(moved, key=lambda bar: bar["low"] - bar["high"])


def review_of(evidence: Mapping[str, Any]) -> Review:
    """The review behind an analysis: of a file, or the catalogue."""
    from planner.published import catalogue_review, read_review

    file = evidence.get("evidence")
    return catalogue_review() if file is None else read_review(file)
