"""Pooled numbers of syntheses that a mechanism stands between, for calibration."""

import math

import numpy as np

from sims.engine import map_ordered
from sims.kernels import entry
from sims.pooling import dersimonian_laird
from sims.selection import Mechanism, publish_synthesis
from sims.selection_shares import attempts_cap
from sims.streams import draw_uniform, open_stream, scenario_key, stream_key
from sims.types import Studies

_CHUNK = 4096


@entry
def pool_published(seed, scenario, first, mu, tau, studies, mechanism, cap, out):
    """Pooled numbers (count, 5) of replicates first, first + 1, ...: mu, se, tau2, QE, I2.

    NaN where a synthesis was given up. One uniform is drawn first, as everywhere.
    """
    key = stream_key(seed, scenario)
    k = studies.fixed.shape[0]
    yi, vi, ni = np.empty(k), np.empty(k), np.empty(k)
    effects = np.zeros(studies.cluster.max() + 1)
    for r in range(out.shape[0]):
        _, state = draw_uniform(open_stream(key, np.uint64(first + r)))
        _, ok, _ = publish_synthesis(state, mu, tau, studies, mechanism, cap, effects, yi, vi, ni)
        pooled = dersimonian_laird(yi, vi)
        for s in range(5):
            out[r, s] = pooled[s] if ok == 1.0 else math.nan


def simulate_selected(
    studies: Studies,
    mechanism: Mechanism,
    mu: float,
    tau: float,
    n_sim: int,
    seed: int,
    scenario: str,
    jobs: int = 1,
) -> np.ndarray:
    """Pooled numbers (n_sim, 5) of published syntheses; jobs changes nothing.

    Raises
    ------
    Unpublishable : (nearly) nothing is published at this truth.
    """
    out = np.empty((n_sim, 5))
    cap = attempts_cap(mechanism, studies, mu, tau)
    key = scenario_key(scenario)

    def run(first: int) -> None:
        rows = out[first : first + _CHUNK]
        pool_published(np.uint64(seed), key, first, mu, tau, studies, mechanism, cap, rows)

    for _ in map_ordered(run, range(0, n_sim, _CHUNK), jobs):
        pass
    return out
