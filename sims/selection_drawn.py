"""Pooled numbers of syntheses that a mechanism stands between, at truths from a prior."""

import math

import numpy as np

from sims.kernels import entry
from sims.pooling import dersimonian_laird
from sims.selection import publish_synthesis
from sims.streams import draw_uniform, open_stream, stream_key


@entry
def pool_drawn(seed, scenario, first, box, studies, mechanism, cap, out):
    """Truths and pooled numbers (count, 7) of replicates first, first + 1, ...

    mu, tau uniform on box = (mu_low, mu_high, tau_low, tau_high); mu, se, tau2, QE, I2 of the
    synthesis, NaN where it was given up.
    """
    key = stream_key(seed, scenario)
    k = studies.fixed.shape[0]
    yi, vi, ni = np.empty(k), np.empty(k), np.empty(k)
    effects = np.zeros(studies.cluster.max() + 1)
    for r in range(out.shape[0]):
        u, state = draw_uniform(open_stream(key, np.uint64(first + r)))
        mu = box[0] + u * (box[1] - box[0])
        u, state = draw_uniform(state)
        tau = box[2] + u * (box[3] - box[2])
        _, ok, _ = publish_synthesis(state, mu, tau, studies, mechanism, cap, effects, yi, vi, ni)
        pooled = dersimonian_laird(yi, vi)
        out[r, 0], out[r, 1] = mu, tau
        for s in range(5):
            out[r, 2 + s] = pooled[s] if ok == 1.0 else math.nan
