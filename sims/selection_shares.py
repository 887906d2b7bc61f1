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


def share_published(mechanism: Mechanism, n: int, mu: float, tau: float) -> float:
    """Probability that a study of n animals per group is published; relative error about 1e-10.

    Given the pooled SD s, T = D / (s se) is normal: within each interval of p on which the
    mechanism is smooth its density is integrated by Gauss-Legendre nodes, constant stretches
    exactly; over s by normal scores (`sims.chi`).
    """
    se, df = math.sqrt(2.0 / n), 2.0 * n - 2.0
    mean, sd = (
        mu + mechanism.practices.inflation / math.sqrt(2.0 * n),
        math.sqrt(tau * tau + 2.0 / n),
    )
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = _EDGE / _PANELS
    centres = -_EDGE + half * (2.0 * np.arange(_PANELS) + 1.0)
    z = (centres[:, None] + half * x).ravel()
    weight = np.tile(half * w, _PANELS) * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    unit = se / inverse_sd(z, df)  # mean difference at t = 1
    cuts = np.unique(np.concatenate([mechanism.cuts, CARTER_CUTS]))
    edges = np.concatenate([[math.inf], -stdtrit(df, cuts), [-math.inf]])
    total = np.zeros(len(z))
    for upper, lower, low_p in zip(edges[:-1], edges[1:], np.r_[0.0, cuts], strict=True):
        inside = ndtr((upper * unit - mean) / sd) - ndtr((lower * unit - mean) / sd)
        middle = 0.5 * (low_p + (cuts[cuts > low_p][0] if (cuts > low_p).any() else 1.0))
        if not _eases(middle):
            total += inside * _chance(middle, mechanism)
            continue
        nodes, weights = np.polynomial.legendre.leggauss(48)
        t = 0.5 * (upper + lower) + 0.5 * (upper - lower) * nodes
        chance = np.array([_chance(float(p), mechanism) for p in stdtr(df, -t)])
        score = (t[:, None] * unit - mean) / sd
        density = np.exp(-0.5 * score * score) / math.sqrt(2.0 * math.pi) * unit / sd
        total += 0.5 * (upper - lower) * ((weights * chance) @ density)
    return float(weight @ total)


def _eases(p: float) -> bool:
    return 0.025 < p < 0.05 or 0.995 < p < 0.9995


def _chance(p: float, mechanism: Mechanism) -> float:
    """`sims.selection.publication_probability`, for Python."""
    place = int(np.sum(p > mechanism.cuts))
    first, second, third = (float(level) for level in mechanism.carter)
    other = 2.0 * (1.0 - p)

    def ease(x: float, low: float, high: float, start: float, end: float) -> float:
        return (end - start) * (1.0 - 2.0 ** (-10.0 * (x - low) / (high - low))) + start

    if p < 0.025:
        carter = 1.0
    elif p < 0.05:
        carter = ease(2.0 * p, 0.05, 0.1, 1.0, first)
    elif p < 0.5:
        carter = first
    elif other < 0.001:
        carter = third
    elif other < 0.01:
        carter = ease(other, 0.001, 0.01, third, second)
    else:
        carter = second
    return float(mechanism.weights[place]) * carter


def size_shares(
    mechanism: Mechanism, studies: Studies, mu: float, tau: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share published of each size, and how often a place of the synthesis has that size."""
    shares = np.array([share_published(mechanism, int(n), mu, tau) for n in studies.n])
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
