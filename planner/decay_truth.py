"""What decays, and how fast: the effect at the end of treatment and its half-life, jointly.

delta0 is the effect at the end of treatment, N(mu, tau^2) between laboratories as calibrated from
the analysis of tests during treatment. The half-life is what takes it down to the analysis of
tests after treatment, at the delays that a reading of the article gives. The spread between
laboratories decays with the effect, so the heterogeneity of the second analysis is predicted, a
check, and never added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, unknown
from planner.joint_half_lives import (
    N_MATCH,
    half_life_between,
    joint_half_lives,
    matched_half_life,
)

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.decay_sceptical import Sceptical
    from planner.published import Analysis, Review

READINGS = ("text", "table-median", "table-average")
AFTER, DURING = "chronic-after", "chronic-during"
SHAPES = ("exponential", "linear", "plateau")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadTruth:
    """Effect and half-life under one reading of the delays; effects in SDs, half-lives in days.

    Parameters
    ----------
    reading, delays : the reading and the delay of each comparison tested after treatment
    delta0, tau, half_life : the matched truth; 0: all gone after day 0, infinite: no decay
    draws_delta0, draws_tau, draws_half_life : (J,) equally likely joint draws
    gone, lasting : shares of draws whose later effect is not above 0 (half-life 0), and not below
        the earlier one (no decay)
    I2 : median, lower and upper 95% bound of the heterogeneity that the truth predicts for the
        analysis after treatment (percent)
    known : which published numbers of the analysis after treatment the half-lives reproduce
    discounted, se_as_sd : truths for those who doubt the literature; None for one set by hand
    """

    reading: str
    delays: tuple[float, ...]
    delta0: float
    tau: float
    half_life: float
    draws_delta0: np.ndarray
    draws_tau: np.ndarray
    draws_half_life: np.ndarray
    gone: float
    lasting: float
    I2: tuple[float, float, float] | None
    known: tuple[str, ...] = ()
    discounted: Sceptical | None = None
    se_as_sd: Sceptical | None = None

    def interval(self, name: str) -> tuple[float, float, float]:
        """Median and 95% interval of ``"delta0"``, ``"tau"`` or ``"half_life"`` over the draws."""
        draws = np.sort(getattr(self, f"draws_{name}"))
        places = np.array([0.5, 0.025, 0.975]) * (len(draws) - 1)
        # No interpolation: an infinite half-life has no neighbour.
        median, low, high = draws[np.rint(places).astype(int)]
        return float(median), float(low), float(high)

    def fields(self) -> dict[str, Any]:
        """Plain values."""
        row: dict[str, Any] = {"reading": self.reading, "delays": list(self.delays)}
        for name in ("delta0", "tau", "half_life"):
            median, low, high = self.interval(name)
            row |= {name: getattr(self, name), f"{name}_median": median, f"{name}_lb": low,
                    f"{name}_ub": high}  # fmt: skip
        predicted = self.I2 or (None, None, None)
        return row | {
            "share_gone": self.gone, "share_no_decay": self.lasting, "I2_predicted": predicted[0],
            "I2_predicted_lb": predicted[1], "I2_predicted_ub": predicted[2],
            "half_life_from": list(self.known),
            "discounted": None if self.discounted is None else self.discounted.fields(),
            "se_read_as_sd": None if self.se_as_sd is None else self.se_as_sd.fields(),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class DecayTruth:
    """The truth of a plan: the reading taken, the other readings, what it was calibrated from."""

    taken: ReadTruth
    readings: tuple[ReadTruth, ...] = ()
    during: Analysis | None = None
    after: Analysis | None = None
    human: tuple[Mapping[str, Any], ...] = ()
    source: str = "calibrated"

    def fields(self) -> dict[str, Any]:
        """The `truth` of the JSON output."""
        own = self.taken.fields()
        published = self.after.heterogeneity.number if self.after is not None else None
        return {
            "source": self.source,
            "analysis": None if self.after is None else self.after.name,
            "during": None if self.during is None else self.during.name,
            "g_after": None if self.after is None else self.after.g.number,
            "g_during": None if self.during is None else self.during.g.number,
            "mu": own["delta0"], "mu_lb": own["delta0_lb"], "mu_ub": own["delta0_ub"],
            **own, "I2_published": published,
            "readings": [reading.fields() for reading in self.readings],
            "human": list(self.human),
        }  # fmt: skip


def given_truth(delta0: float, tau: float, half_life: float) -> DecayTruth:
    """A truth set by hand."""
    _check_half_life(half_life)
    one = ReadTruth(
        reading="given", delays=(), delta0=delta0, tau=tau, half_life=half_life,
        draws_delta0=np.array([delta0]), draws_tau=np.array([tau]),
        draws_half_life=np.array([half_life]), gone=0.0, lasting=0.0, I2=None,
    )  # fmt: skip
    return DecayTruth(taken=one, source="given")


def _check_half_life(half_life: float) -> None:
    if not 0.01 <= half_life <= 10_000.0:
        raise InputError(f"--half-life {half_life:g}; accepted: 0.01 to 10000 days")


def find_analyses(
    after: str | None, during: str | None, evidence: Path | None, readings: Mapping[str, str]
) -> tuple[Analysis, Analysis, Review]:
    """The analyses during and after treatment, and their review.

    A subset such as ``"chronic-after/rat"`` goes with the same subset of the other analysis.

    Raises
    ------
    InputError : a name that does not exist, or no partner for a subset.
    """
    from planner.published import catalogue_review, read_review

    review = catalogue_review() if evidence is None else read_review(evidence)
    if evidence is not None and (after is None or during is None):
        raise InputError(
            "a decay needs two analyses of --evidence: --during NAME and --analysis NAME (after)"
            f"\nnames that exist: {', '.join(review.analyses)}"
        )
    after = after or AFTER
    if during is None:
        base, slash, subset = after.partition("/")
        if base != AFTER:
            raise InputError(
                f"--analysis {after} holds no effects after treatment\naccepted: "
                f"{', '.join(name for name in review.analyses if name.startswith(AFTER))}; "
                "or both, --during and --analysis"
            )
        during = DURING + slash + subset
    return review.analysis(during, readings), review.analysis(after, readings), review


def delays_of(reading: str, after: Analysis, review: Review) -> tuple[float, ...]:
    """Delay of each comparison of the analysis after treatment, in days.

    Raises
    ------
    InputError : a reading that does not exist, or a review that has no delays for it.
    """
    day = _days(reading)
    if day is not None:
        return (day,) * after.k
    if reading not in READINGS:
        raise unknown("--reading", reading, READINGS)
    if reading == "text":
        if "delays" not in review.readings:
            raise InputError(
                f"{review.title!r} states no delay: give one in days, --reading 21, or --half-life"
            )
        return (float(review.reading("delays").option("text").values[0]),) * after.k
    days = after.delays
    if len(days) != after.k or any(row.get("delay_unit") != "d" for row in after.comparisons):
        raise InputError(
            f"{after.name}: its table has no delay in days for every comparison; "
            "give one for all, --reading 21, or --half-life"
        )
    return days if reading == "table-average" else (float(np.median(days)),) * after.k


def _days(reading: str) -> float | None:
    """A reading that is itself a number of days, the same for every comparison."""
    try:
        day = float(reading)
    except ValueError:
        return None
    if not 0.0 < day <= 1000.0:
        raise InputError(f"--reading {reading}: a delay; accepted: above 0, up to 1000 days")
    return day


def calibrated_truth(
    during: Analysis,
    after: Analysis,
    review: Review,
    *,
    reading: str = "text",
    half_life: float | None = None,
    cluster: str = "none",
    others: bool = True,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DecayTruth:
    """Effect at the end of treatment and half-life from two published analyses.

    Parameters
    ----------
    reading : of the delays, one of READINGS or a number of days for all
    half_life : by hand, instead of the second analysis
    cluster : how the comparisons of both analyses depend on each other
    others : whether the other readings are worked out as well

    Raises
    ------
    InputError : see `calibrate`; a reading without delays; an effect that does not decay.
    """
    from planner.calibration import calibrate
    from planner.decay_sceptical import discounted_effects

    if half_life is None:
        delays_of(reading, after, review)  # refused before anything is calibrated
    else:
        _check_half_life(half_life)

    def find(analysis: Analysis) -> Calibration:
        return calibrate(analysis, cluster=cluster, jobs=jobs, progress=progress)

    early = find(during)
    if early.mu <= 0.0:
        raise InputError(f"{during.name}: its mean true effect is not above 0: nothing decays")
    if half_life is not None:
        effects = discounted_effects([(during, early)], jobs, progress)
        taken = _with_half_life(early, half_life, during, after, effects)
        return DecayTruth(taken=taken, during=during, after=after, human=_human(review))
    late = find(after)
    effects = discounted_effects([(during, early), (after, late)], jobs, progress)
    names = [reading, *(name for name in READINGS if name != reading and others)]
    found: list[ReadTruth] = []
    for name in names:
        try:
            delays = delays_of(name, after, review)
        except InputError:
            if name == reading:
                raise
            continue
        found.append(_read(name, delays, early, late, during, after, effects, jobs))
    if not 0.0 < found[0].half_life < math.inf:
        raise InputError(
            f"--reading {reading}: {after.name} shows no decay from {during.name} that has a "
            "half-life; set it by --half-life"
        )
    order = [*READINGS, reading]
    found_in_order = sorted(found, key=lambda one: order.index(one.reading))
    return DecayTruth(
        taken=found[0], readings=tuple(found_in_order), during=during, after=after,
        human=_human(review),
    )  # fmt: skip


def _with_half_life(
    early: Calibration,
    half_life: float,
    during: Analysis,
    after: Analysis,
    effects: Sequence[tuple[float, float] | None],
) -> ReadTruth:
    from planner.decay_sceptical import discounted_truth, se_as_sd_truth

    return ReadTruth(
        reading="given", delays=(), delta0=early.mu, tau=early.tau, half_life=half_life,
        draws_delta0=early.draws_mu, draws_tau=early.draws_tau,
        draws_half_life=np.full(len(early.draws_mu), half_life), gone=0.0, lasting=0.0, I2=None,
        discounted=discounted_truth(early, half_life, (), effects),
        se_as_sd=se_as_sd_truth(during, early, half_life, (), after, None, 1),
    )  # fmt: skip


def _read(
    reading: str,
    delays: Sequence[float],
    early: Calibration,
    late: Calibration,
    during: Analysis,
    after: Analysis,
    effects: Sequence[tuple[float, float] | None],
    jobs: int | None,
) -> ReadTruth:
    """One delay for all: T = t ln 2 / ln(mu before / mu after). Different delays: by simulation."""
    from planner.calibration import SEED, studies_like
    from planner.decay_sceptical import discounted_truth, se_as_sd_truth
    from sims.decay_syntheses import simulate_decayed
    from sims.engine import default_jobs

    jobs = jobs or default_jobs()
    studies = studies_like(after, late.cluster, late.share)
    delta0, tau = early.draws_mu, early.draws_tau
    known: tuple[str, ...] = ("g", "se", after.heterogeneity_kind)
    half_life = matched_half_life(early.mu, early.tau, late, after, delays, jobs)
    if len(set(delays)) == 1:
        # The two analyses have different studies: any pairing of their draws is as good.
        later = np.resize(late.draws_mu, len(delta0))
        draws = half_life_between(delays[0], delta0, later)
    else:
        delta0, tau, draws, known = joint_half_lives(early, late, after, delays, jobs)
    predicted = None
    if after.heterogeneity_kind == "I2":
        rows = simulate_decayed(
            studies, early.mu, early.tau, half_life, delays, N_MATCH, SEED, "predicted", jobs
        )
        median, low, high = np.quantile(rows[:, 4], [0.5, 0.025, 0.975])
        predicted = (float(median), float(low), float(high))
    return ReadTruth(
        reading=reading, delays=tuple(float(day) for day in delays), delta0=early.mu,
        tau=early.tau, half_life=half_life, draws_delta0=delta0, draws_tau=tau,
        draws_half_life=draws, gone=float(np.mean(draws == 0.0)),
        lasting=float(np.mean(np.isinf(draws))), I2=predicted, known=known,
        discounted=discounted_truth(early, half_life, delays, effects),
        se_as_sd=se_as_sd_truth(during, early, half_life, delays, after, late, jobs),
    )  # fmt: skip


def _human(review: Review) -> tuple[Mapping[str, Any], ...]:
    """Half-lives in humans that the article quotes: shown beside, never pooled."""
    rows = []
    for name, fact in review.facts.get("human", {}).items():
        printed = fact.fields()
        rows.append({"name": name, **printed})
    return tuple(rows)
