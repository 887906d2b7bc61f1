"""The share of studies that a mechanism lets through, by quadrature; and when it is too small."""

import math

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from sims.chi import inverse_sd
from sims.selection import CARTER_CUTS, Mechanism
from sims.types import Studies

SMALLEST_SHARE = 1e-4  # more than 10,000 studies run for each one published: not a literature
_CHANCE_OF_CAP = 40.0  # exp(-40) is the chance that a study in reach of publication is given up
_PANELS, _NODES, _EDGE = 34, 12, 8.5


class Unpublishable(ValueError):
    """A mechanism under which (nearly) nothing is published; the message is the share."""


def by_integral(mechanism: Mechanism) -> bool:
    """Whether publication depends on the study's own p alone, so that the share is an integral."""
    practices = mechanism.practices
    return practices.peaks == 1 and practices.looks == 0 and practices.outliers == 0.0


def share_published(
    mechanism: Mechanism, n: float, mu: np.ndarray | float, tau: np.ndarray | float,
    panels: int = _PANELS, n2: float | None = None,
) -> np.ndarray:  # fmt: skip
    """Probability that a study of n animals per group is published, in the shape of mu and tau.

    n2: animals of the second group, if it has others than the first.

    Given the pooled SD s, T = D / (s se) is normal: within each interval of p on which the
    mechanism is smooth its density is integrated by Gauss-Legendre nodes, constant stretches
    exactly; over s by normal scores (`sims.chi`), in so many panels (34: relative error 1e-10).
    """
    means, spreads = np.broadcast_arrays(np.asarray(mu, dtype=float), np.asarray(tau, dtype=float))
    other = n if n2 is None else n2
    se, df = math.sqrt(1.0 / n + 1.0 / other), n + other - 2.0
    mean = means[..., None] + mechanism.practices.inflation / math.sqrt(n + other)
    sd = np.sqrt(spreads[..., None] ** 2 + se * se)
    z, weight = _scores(panels)
    unit = se / inverse_sd(z, df)  # mean difference at t = 1
    cuts = np.unique(np.concatenate([mechanism.cuts, CARTER_CUTS]))
    edges = np.concatenate([[math.inf], -stdtrit(df, cuts), [-math.inf]])
    middles = 0.5 * (np.r_[0.0, cuts] + np.r_[cuts, 1.0])
    total = np.zeros(means.shape)
    below = np.ones(np.broadcast_shapes(mean.shape, z.shape))
    for upper, lower, middle in zip(edges[:-1], edges[1:], middles, strict=True):
        under = ndtr((lower * unit - mean) / sd) if math.isfinite(lower) else np.zeros(below.shape)
        if _eases(middle):
            nodes, weights = np.polynomial.legendre.leggauss(24)
            t = 0.5 * (upper + lower) + 0.5 * (upper - lower) * nodes
            chances = publication(stdtr(df, -t), mechanism)
            for at, w in zip(t, 0.5 * (upper - lower) * weights * chances, strict=True):
                score = (at * unit - mean) / sd
                total = total + w * ((_density(score) * unit / sd) @ weight)
        else:
            chance = float(publication(np.array([middle]), mechanism)[0])
            total = total + chance * ((below - under) @ weight)
        below = under
    return np.asarray(total)


def _scores(panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal scores and their weights, Gauss-Legendre in so many panels."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = _EDGE / panels
    centres = -_EDGE + half * (2.0 * np.arange(panels) + 1.0)
    z = (centres[:, None] + half * x).ravel()
    return z, np.tile(half * w, panels) * _density(z)


def _density(z: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi))


def _eases(p: float) -> bool:
    return 0.025 < p < 0.05 or 0.995 < p < 0.9995


def publication(p: np.ndarray, mechanism: Mechanism) -> np.ndarray:
    """`sims.selection.publication_probability` of an array of one-sided p, for Python."""
    p = np.asarray(p, dtype=float)
    place = np.searchsorted(mechanism.cuts, p, side="left")  # p at a cut counts as below it
    first, second, third = (float(level) for level in mechanism.carter)
    other = 2.0 * (1.0 - p)

    def ease(x: np.ndarray, low: float, high: float, start: float, end: float) -> np.ndarray:
        share = np.clip((x - low) / (high - low), 0.0, 1.0)
        return (end - start) * (1.0 - 2.0 ** (-10.0 * share)) + start

    carter = np.select(
        [p < 0.025, p < 0.05, p < 0.5, other < 0.001, other < 0.01],
        [np.ones(p.shape), ease(2.0 * p, 0.05, 0.1, 1.0, first), np.full(p.shape, first),
         np.full(p.shape, third), ease(other, 0.001, 0.01, third, second)],
        second,
    )  # fmt: skip
    return np.asarray(mechanism.weights[place] * carter)


def size_shares(
    mechanism: Mechanism, studies: Studies, mu: float, tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share published of each size, and how often a place of the synthesis has that size."""
    shares = np.array([float(share_published(mechanism, int(n), mu, tau)) for n in studies.n])
    law = np.diff(studies.cdf, prepend=0.0)
    drawn = studies.fixed < 0
    often = law * drawn.sum()
    for which in studies.fixed[~drawn]:
        often[which] += 1.0
    return shares, often / len(studies.fixed)


def unpublished_share(mechanism: Mechanism, studies: Studies, mu: float, tau: float) -> float:
    """Share of the studies run that stay unpublished, in the long run.

    With new sizes for replaced studies: 1 - sum p_n s_n; with the size kept, a place of size n
    takes 1 / s_n studies on average: 1 - 1 / sum p_n / s_n.
    """
    shares, often = size_shares(mechanism, studies, mu, tau)
    used = often > 0.0
    if mechanism.redraw:
        return 1.0 - float(shares @ often)
    return 1.0 - 1.0 / float(np.sum(often[used] / np.maximum(shares[used], 1e-300)))


def attempts_cap(mechanism: Mechanism, studies: Studies, mu: float, tau: float) -> int:
    """Studies run for one place after which a synthesis is given up.

    From the smallest share of any size, so that less than one in 1e17 places is given up; where
    no integral gives the share (single animals matter) ten times as many as for the study's own p.

    Raises
    ------
    Unpublishable : a size whose share is below `SMALLEST_SHARE`: the loop would not end.
    """
    shares, often = size_shares(mechanism, studies, mu, tau)
    if mechanism.redraw:
        smallest = float(shares @ often)
    else:
        smallest = float(shares[often > 0.0].min())
    if smallest < SMALLEST_SHARE:
        raise Unpublishable(f"{smallest:.2g}")
    return math.ceil(_CHANCE_OF_CAP / smallest) + 1
