"""One synthesis under a mechanism with the studies that nobody sees.

`publish_synthesis` keeps what is published. Here the same random numbers are drawn study by study,
each twice from one state: without selection, which says what the study found, and with it, which
says whether it was published.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import entry
from sims.selection import CARTER, Mechanism, publish_synthesis
from sims.streams import draw_normal, draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import draw_size
from sims.types import Studies


class Run(NamedTuple):
    """Every study run, in order: effects, variances, animals in both groups, whether published."""

    yi: np.ndarray
    vi: np.ndarray
    ni: np.ndarray
    published: np.ndarray


@entry
def _run_studies(seed, scenario, replicate, mu, tau, studies, one, mechanism, all_seen, out):
    """Fill out (n_run, 4) with yi, vi, ni and 1.0 where published; returns the studies run.

    one: `Studies` of a single place, whose size is written into it; all_seen: `mechanism` without
    selection. The order of the draws is that of `publish_synthesis`.
    """
    state = open_stream(stream_key(seed, scenario), np.uint64(replicate))
    _, state = draw_uniform(state)  # the truth, of which there is one
    common, own_tau = tau * math.sqrt(studies.share), tau * math.sqrt(1.0 - studies.share)
    effects = np.zeros(studies.cluster.max() + 1)
    none = np.zeros(1)
    if studies.share > 0.0:
        for c in range(len(effects)):
            effects[c], state = draw_normal(state)
    n_run = 0
    for i in range(len(studies.fixed)):
        cluster, size = studies.cluster[i], studies.fixed[i]
        if size < 0:
            size, state = draw_size(state, studies.cdf)
        first = True
        for j in range(i):
            first = first and studies.cluster[j] != cluster
        tried, ok = 0, 0.0
        while ok == 0.0 and n_run < len(out):
            if tried > 0 and studies.fixed[i] < 0 and mechanism.redraw:
                size, state = draw_size(state, studies.cdf)
            if tried > 0 and studies.share > 0.0 and first:
                effects[cluster], state = draw_normal(state)
            one.fixed[0] = size
            mean, row = mu + common * effects[cluster], out[n_run]
            start = state
            for judged in (all_seen, mechanism):  # an unpublished result is not written
                _, ok, state = publish_synthesis(
                    start, mean, own_tau, one, judged, 1, none, row[:1], row[1:2], row[2:3]
                )  # fmt: skip
            row[3] = ok
            tried += 1
            n_run += 1
    return n_run


def draw_run(
    studies: Studies, mechanism: Mechanism, mu: float, tau: float, n_run: int, replicate: int,
    seed: int, scenario: str,
) -> Run:  # fmt: skip
    """All `n_run` studies behind one replicate of `sims.selection_tally.draw_published`.

    n_run: as it reports them; mu, tau: the only truth.
    """
    out = np.empty((n_run, 4))
    one = studies._replace(
        fixed=np.zeros(1, dtype=studies.fixed.dtype), share=0.0,
        cluster=np.zeros(1, dtype=studies.cluster.dtype),
    )  # fmt: skip
    all_seen = mechanism._replace(
        cuts=np.empty(0), weights=np.ones(1), carter=np.array(CARTER[0])
    )  # fmt: skip
    _run_studies(
        np.uint64(seed), scenario_key(scenario), replicate, mu, tau, studies, one, mechanism,
        all_seen, out,
    )  # fmt: skip
    return Run(out[:, 0], out[:, 1], out[:, 2], out[:, 3] == 1.0)
