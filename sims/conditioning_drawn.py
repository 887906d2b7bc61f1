"""Truths given a publication, by simulation: for any mechanism, and for dependent comparisons.

`sims.conditioning_selected` knows the likelihood of a study that is selected by its own p alone.
Where animals are measured again, added or left out before that, or comparisons share a cluster, it
has no closed form: syntheses are simulated at truths from the prior, and the nearest to what was
printed are kept.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sims.conditioning import CI_LB, CI_UB, MU, SE, Infeasible, Published
from sims.engine import map_ordered
from sims.performance import Z95
from sims.selection import CARTER_CUTS, Mechanism
from sims.selection_drawn import pool_drawn
from sims.selection_shares import publication
from sims.streams import scenario_key
from sims.types import Studies

N_SEARCH, N_REFINE = 1 << 15, 1 << 19  # simulated syntheses: over the prior, then where it counts
N_NEAREST = 1500  # kept; an end of a 95% interval then has a simulation error of some 3% of it
_N_OUTLINE = 200  # nearest ones that outline where it counts
_ROOM = 0.3  # added to the outline on each side, of its width
_CHUNK = 2048
_CHANCE_OF_CAP = 12.0  # exp(-12): the chance that a place in reach of publication is given up
_SMALLEST_SHARE = 0.01


class Drawn(NamedTuple):
    """Truths whose simulated publications are the nearest to the printed one.

    mu, tau: (J,) truths; weight: (J,) sum 1; effective: effective number of them; away: how far the
    furthest is from what was printed beyond its rounding, in median deviations of the statistic
    over all that were simulated; n_sim: syntheses simulated.
    """

    mu: np.ndarray
    tau: np.ndarray
    weight: np.ndarray
    effective: float
    away: float
    n_sim: int


def drawn_joint(
    studies: Studies,
    published: Published,
    mechanism: Mechanism,
    prior: np.ndarray,
    seed: int,
    jobs: int = 1,
    progress: Callable[[], None] | None = None,
) -> Drawn:
    """Truths given the publication under a mechanism, prior uniform on a box.

    Approximate Bayesian computation with a regression of the truths on what is left between
    simulated and printed numbers: Beaumont, Zhang & Balding 2002,
    doi:10.1093/genetics/162.4.2025. A first run over the prior finds where in it truths give such
    publications; a second one stays there. prior: (mu_low, mu_high, tau_low, tau_high).

    Raises
    ------
    Infeasible : hardly any of the truths publishes a synthesis at all.
    """
    cap = _cap(mechanism)
    rows = _simulate(studies, mechanism, prior, N_SEARCH, seed, "joint, search", cap, jobs)
    rows = _whole(rows)
    near = rows[np.argsort(_away(_left(rows, published)))[:_N_OUTLINE]]
    box = prior.astype(float).copy()
    for axis in range(2):
        low, high = near[:, axis].min(), near[:, axis].max()
        room = _ROOM * (high - low)
        box[2 * axis] = max(box[2 * axis], low - room)
        box[2 * axis + 1] = min(box[2 * axis + 1], high + room)
    if progress is not None:
        progress()
    rows = _simulate(studies, mechanism, box, N_REFINE, seed, "joint, refine", cap, jobs)
    rows = _whole(rows)
    left = _left(rows, published)
    away = _away(left)
    kept = np.argsort(away, kind="stable")[: N_NEAREST + 1]
    # Epanechnikov's kernel, 0 at the last of them; those within the rounding count in full.
    reach = float(away[kept[-1]])
    kept = kept[away[kept] < reach] if reach > 0.0 else kept
    weight = np.ones(len(kept)) if reach == 0.0 else 1.0 - (away[kept] / reach) ** 2
    weight /= weight.sum()
    truths = _adjusted(rows[kept, :2], left[kept], weight, prior)
    return Drawn(
        truths[:, 0], truths[:, 1], weight, float(1.0 / np.sum(weight**2)), reach,
        N_SEARCH + N_REFINE,
    )  # fmt: skip


def drawn_quantiles(drawn: Drawn, probabilities: np.ndarray) -> np.ndarray:
    """Weighted quantiles (2, Q) of mu and tau."""
    found = []
    for values in (drawn.mu, drawn.tau):
        order = np.argsort(values)
        middle = np.cumsum(drawn.weight[order]) - 0.5 * drawn.weight[order]
        found.append(np.interp(probabilities, middle, values[order]))
    return np.array(found)


def _cap(mechanism: Mechanism) -> int:
    """Studies run for one place after which a synthesis is given up.

    From the smallest chance that any study has, or `_SMALLEST_SHARE`: truths that publish far less
    of their studies are left out, as simulating them would take for ever.
    """
    edges = np.unique(np.concatenate([[0.0], mechanism.cuts, CARTER_CUTS, [1.0]]))
    p = np.unique(np.concatenate([edges, 0.5 * (edges[1:] + edges[:-1])]))
    smallest = float(publication(p, mechanism).min())
    return math.ceil(_CHANCE_OF_CAP / max(smallest, _SMALLEST_SHARE)) + 1


def _simulate(
    studies: Studies, mechanism: Mechanism, box: np.ndarray, n_sim: int, seed: int, label: str,
    cap: int, jobs: int,
) -> np.ndarray:  # fmt: skip
    out = np.empty((n_sim, 7))
    key = scenario_key(label)

    def run(first: int) -> None:
        rows = out[first : first + _CHUNK]
        pool_drawn(np.uint64(seed), key, first, box, studies, mechanism, cap, rows)

    for _ in map_ordered(run, range(0, n_sim, _CHUNK), jobs):
        pass
    return out


def _whole(rows: np.ndarray) -> np.ndarray:
    """The syntheses that were not given up."""
    whole = rows[np.isfinite(rows[:, 2])]
    if len(whole) < _N_OUTLINE:
        raise Infeasible(f"{len(whole)} of {len(rows)}")
    return whole


def _left(rows: np.ndarray, published: Published) -> np.ndarray:
    """What is between simulated and printed statistics beyond their rounding (n, s).

    In median deviations of each statistic over the simulated syntheses.
    """
    x = np.empty((len(rows), 7))
    x[:, :5] = rows[:, 2:]
    half = Z95 * x[:, SE]
    x[:, CI_LB], x[:, CI_UB] = x[:, MU] - half, x[:, MU] + half
    printed = np.isfinite(published.value)
    x = x[:, printed]
    unit = np.nanmedian(np.abs(x - np.nanmedian(x, axis=0)), axis=0)
    return np.asarray((x - np.clip(x, published.low[printed], published.high[printed])) / unit)


def _away(left: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(left).max(axis=1))


def _adjusted(
    truths: np.ndarray, left: np.ndarray, weight: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Truths less what a weighted regression says that the distance did; within the prior."""
    root = np.sqrt(weight)[:, None]
    x = np.column_stack([np.ones(len(left)), left])
    # Interval ends repeat the effect and its standard error: weak directions are left out.
    slopes = np.linalg.lstsq(root * x, root * truths, rcond=1e-3)[0][1:]
    return np.asarray(np.clip(truths - left @ slopes, prior[[0, 2]], prior[[1, 3]]))
