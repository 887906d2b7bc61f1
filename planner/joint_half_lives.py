"""Half-lives that reproduce a publication whose studies were tested after different delays.

One delay for all takes a formula. Different delays are solved by simulation, and what was found
is kept in the user's store: some seconds of work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from planner.finished_work import Kept, user_store

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis


N_MATCH = 1 << 15  # simulated syntheses behind a median


class JointDraws(NamedTuple):
    """Equally likely draws (J,) of delta0, tau and the half-life.

    known: what of the publication they reproduce, such as ("g", "se", "I2").
    """

    delta0: np.ndarray
    tau: np.ndarray
    half_life: np.ndarray
    known: tuple[str, ...]


def half_life_between(delay: float, before: Any, after: Any) -> np.ndarray:
    """Half-life that takes `before` to `after` in `delay` days; broadcasts.

    0 where nothing is left (after <= 0), infinite where nothing decays (after >= before).
    """
    before, after = np.broadcast_arrays(np.asarray(before, float), np.asarray(after, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = delay * math.log(2.0) / np.log(before / after)
    return np.where(after <= 0.0, 0.0, np.where(after >= before, math.inf, found))


def matched_half_life(
    mu: float,
    tau: float,
    late: Calibration,
    after: Analysis,
    delays: Sequence[float],
    jobs: int,
) -> float:
    """Half-life (days) that takes effects N(mu, tau^2) to the publication of the analysis after.

    One delay for all: to its matched mean. Different delays: to its pooled effect in the median
    simulated synthesis.
    """
    if len(set(delays)) == 1:
        return float(half_life_between(delays[0], mu, late.mu))
    from planner.calibration import SEED, studies_like
    from sims import decay_syntheses

    studies = studies_like(after, late.cluster, late.share)
    return decay_syntheses.matched_half_life(
        studies, mu, tau, after.g.number, delays, N_MATCH, SEED, jobs
    )


def joint_half_lives(
    early: Calibration,
    late: Calibration,
    after: Analysis,
    delays: Sequence[float],
    jobs: int,
) -> JointDraws:
    """Truths before and half-lives that give all published numbers of the analysis after.

    The draws of `early` are what is known of the effect at the end of treatment; those that go
    with the second publication under any half-life are drawn more often than others: where delays
    differ, the spread of effects says something about both. Where next to none reproduce every
    published number (many digits were printed), only the pooled effect is reproduced.
    """
    from planner.calibration import SEED, published_numbers, studies_like
    from sims.decay_syntheses import joint_half_lives as of_the_effect_alone
    from sims.decay_syntheses import joint_published, match_published
    from sims.tally import KernelTally

    studies, published = studies_like(after, late.cluster, late.share), published_numbers(after)
    mu, tau = early.draws_mu, early.draws_tau
    days = np.array(delays, dtype=float)
    key = KernelTally(
        match_published, SEED, 0, mu, tau, published.low, published.high, days, studies
    ).digest()
    stored = user_store().furthest("half-lives", key)
    if stored is not None and len(stored.data) == 16 * len(mu):
        places, half_life = np.frombuffer(stored.data, dtype="<f8").reshape(2, -1).astype(float)
        return _drawn(early, after, places.astype(np.int64), half_life)
    started = time.monotonic()
    found = joint_published(studies, published.low, published.high, mu, tau, days, SEED, jobs)
    if found is None:
        low, high = after.g.interval
        half_life = of_the_effect_alone(studies, mu, tau, low, high, days, SEED)
        return JointDraws(mu, tau, half_life, ("g",))
    data = np.array([found[0].astype(float), found[1]], dtype="<f8").tobytes()
    user_store().keep([
        Kept(kind="half-lives", key=key, name=after.name, data=data,
             seconds=time.monotonic() - started)
    ])  # fmt: skip
    return _drawn(early, after, *found)


def _drawn(
    early: Calibration, after: Analysis, places: np.ndarray, half_life: np.ndarray
) -> JointDraws:
    known = ("g", "se", after.heterogeneity_kind)
    return JointDraws(early.draws_mu[places], early.draws_tau[places], half_life, known)
