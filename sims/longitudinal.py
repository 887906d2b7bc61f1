"""Two groups measured on several days: covariances, contrasts of days, and their exact t-tests.

Each animal's contrast L = c'y of its measurements is one number, so that two groups of animals
are compared by Student's t on df = n1 + n2 - 2, exactly, under any covariance that the groups
share. Its t is that of REML with an unstructured covariance and saturated means.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtr, ndtri

from sims.exact import t_quantile, t_tail

COVARIANCES = ("cs", "ar1")
CONTRASTS = ("first-last", "linear", "optimal")
WEEK = 7.0  # days between the two measurements whose correlation is rho
_BETA_NODES, _BETA_WEIGHTS = np.polynomial.legendre.leggauss(48)
_SD_NODES, _SD_WEIGHTS = np.polynomial.legendre.leggauss(80)


def _lab_quadrature() -> tuple[np.ndarray, np.ndarray]:
    # Standard normal laboratories on 16 panels: the chance may rise within a tenth of tau.
    x, w = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(-8.0, 8.0, 17)
    nodes = (edges[:-1, None] + (x + 1.0) / 2.0).ravel()
    weights = np.tile(w / 2.0, 16) * np.exp(-0.5 * nodes * nodes)
    return nodes, weights / weights.sum()


_LAB_NODES, _LAB_WEIGHTS = _lab_quadrature()


def covariance(times, rho: float, kind: str = "cs", error: float = 0.0) -> np.ndarray:
    """Correlation matrix (m, m) of one animal's measurements on the days `times`.

    cs: rho at every lag, -1/(m - 1) < rho < 1. ar1: (1 - e) (rho / (1 - e))^(|s - t| / 7), e the
    share of the variance that is measurement error, 0 <= rho < 1 - e: rho is the correlation of
    measurements seven days apart.

    Raises
    ------
    ValueError : rho or e out of range, or an unknown kind.
    """
    t = np.asarray(times, dtype=float)
    if kind not in COVARIANCES:
        raise ValueError(f"unknown covariance {kind!r}")
    if kind == "cs":
        if error != 0.0:
            raise ValueError("cs has no separate measurement error")
        if not -1.0 / max(1, len(t) - 1) < rho < 1.0:
            raise ValueError(f"rho {rho:g} is outside -1/(m - 1) to 1")
        return np.full((len(t), len(t)), rho) + (1.0 - rho) * np.eye(len(t))
    if not 0.0 <= error < 1.0:
        raise ValueError(f"share of measurement error {error:g} is outside 0 to 1")
    if not 0.0 <= rho < 1.0 - error:
        raise ValueError(f"rho {rho:g} is outside 0 to 1 - e")
    lag = np.abs(t[:, None] - t[None, :]) / WEEK
    # 0^0 = 1: at rho = 0 only measurements of the same moment are correlated.
    shared = (1.0 - error) * (rho / (1.0 - error)) ** lag
    return shared + error * np.eye(len(t))


def contrast(kind: str, times, delta, sigma) -> np.ndarray:
    """Weights c (m,) of the days; c'delta is positive where delta falls.

    first-last: (1, 0, ..., -1). linear: minus the centred days. optimal: the most powerful one
    for this curve, c = Sigma^-1 (delta - a 1), a = 1'Sigma^-1 delta / 1'Sigma^-1 1, scaled so
    that its positive weights sum to 1.

    Raises
    ------
    ValueError : fewer than two days, an unknown kind, or no change of delta to look for.
    """
    t, delta = np.asarray(times, dtype=float), np.asarray(delta, dtype=float)
    if len(t) < 2:
        raise ValueError("a contrast of days needs two of them")
    if kind == "first-last":
        c = np.zeros(len(t))
        c[0], c[-1] = 1.0, -1.0
        return c
    if kind == "linear":
        c = t.mean() - t
    elif kind == "optimal":
        ones = np.linalg.solve(sigma, np.ones(len(t)))
        level = ones @ delta / ones.sum()
        c = np.linalg.solve(sigma, delta - level)
        if not np.abs(c).max() > 1e-12 * max(1.0, np.abs(delta).max()):
            raise ValueError("delta does not change: there is no optimal contrast")
    else:
        raise ValueError(f"unknown contrast {kind!r}")
    return c / c[c > 0.0].sum()


class Tails(NamedTuple):
    """P(significant with a positive difference) and P(significant with a negative one)."""

    upper: float
    lower: float


def contrast_power(
    delta,
    sigma,
    c,
    n1: float,
    n2: float,
    alpha: float = 0.05,
    sides: str = "two",
    *,
    spread=None,
    margin: float = 0.0,
    df: float | None = None,
) -> Tails:
    """Power of Student's t on the per-animal contrast c'y, exactly.

    Parameters
    ----------
    delta : (m,) mean differences, treated minus control
    sigma : (m, m) covariance within groups, any
    c : (m,) weights
    n1, n2 : animals, not necessarily whole
    sides : ``"two"``, ``"greater"`` or ``"less"``; alpha in all
    spread : (m,) differences of delta per SD between laboratories; None: all laboratories alike
    margin : the contrast is tested against this value instead of 0
    df : degrees of freedom of the variance, n1 + n2 - 2 if None; infinite: known variance

    Notes
    -----
    With v = c'Sigma c (1/n1 + 1/n2) and w = v + (c'spread)^2 the estimated contrast is
    N(c'delta, w), so t is noncentral with ncp (c'delta - margin) / sqrt(w) and a critical value
    scaled by sqrt(v / w).
    """
    c = np.asarray(c, dtype=float)
    se = float(np.sqrt(c @ sigma @ c * (1.0 / n1 + 1.0 / n2)))
    between = 0.0 if spread is None else float(c @ spread)
    sd = np.sqrt(se * se + between * between)
    df = n1 + n2 - 2.0 if df is None else df
    level = alpha / 2.0 if sides == "two" else alpha
    ncp = (float(c @ delta) - margin) / sd
    if np.isinf(df):
        critical = -ndtri(level) * se / sd
        upper, lower = float(ndtr(ncp - critical)), float(ndtr(-ncp - critical))
    else:
        critical = float(t_quantile(level, df)) * se / sd
        upper, lower = float(t_tail(critical, df, ncp)), float(t_tail(critical, df, -ncp))
    return Tails(0.0 if sides == "less" else upper, 0.0 if sides == "greater" else lower)


class Estimated(NamedTuple):
    """An estimated contrast, its standard error and the degrees of freedom of its t."""

    estimate: float
    se: float
    df: float


def contrast_t(treated: np.ndarray, control: np.ndarray, c: np.ndarray) -> Estimated:
    """Student's t on the animals' contrasts; treated and control: (n, m) complete data.

    Equal to the REML fit with saturated means and an unstructured covariance.
    """
    n1, n2 = len(treated), len(control)
    x1, x2 = treated @ c, control @ c
    df = n1 + n2 - 2.0
    squares = np.sum((x1 - x1.mean()) ** 2) + np.sum((x2 - x2.mean()) ** 2)
    se = np.sqrt(squares / df * (1.0 / n1 + 1.0 / n2))
    return Estimated(float(x1.mean() - x2.mean()), float(se), df)


def pooled_contrast_t(treated: np.ndarray, control: np.ndarray, c: np.ndarray) -> Estimated:
    """The random-intercept model's test of a contrast that sums to 0, on complete data.

    Its residual variance pools all days, with (n1 + n2 - 2)(m - 1) degrees of freedom: valid
    under compound symmetry only.
    """
    n1, n2 = len(treated), len(control)
    squares = 0.0
    for y in (treated, control):
        away = y - y.mean(axis=0)
        squares += float(np.sum((away - away.mean(axis=1, keepdims=True)) ** 2))
    df = (n1 + n2 - 2.0) * (treated.shape[1] - 1.0)
    se = np.sqrt(squares / df * np.sum(c**2) * (1.0 / n1 + 1.0 / n2))
    difference = treated.mean(axis=0) - control.mean(axis=0)
    return Estimated(float(difference @ c), float(se), df)


class ContrastTest(NamedTuple):
    """Student's t on a contrast of the days, as numbers. Positive is the direction sought.

    variance: c'Sigma c; n1, n2: animals per group; df: of the pooled variance; margin: what is
    tested against; upper, lower: significant if t > upper or t < lower (+-inf: not tested);
    gain: c'f, the contrast of a curve with delta0 = 1; cv: individual response, which adds
    (cv delta0 gain)^2 to the variance of treated animals.
    """

    variance: float
    n1: float
    n2: float
    df: float
    margin: float
    upper: float
    lower: float
    gain: float
    cv: float


def contrast_chances(test: ContrastTest, delta0, tau, gain=None) -> tuple[np.ndarray, np.ndarray]:
    """P(t > upper) and P(t < lower) at delta0 ~ N(delta0, tau^2), for each of (J,) truths.

    gain: (J,) contrast of each truth's curve, where it is not the planned one. With individual
    responses the treated animals' variance exceeds the controls': given the share of the
    treated in the pooled sum of squares, which is Beta distributed, the test is Student's with
    another critical value, as in `sims.exact.Welch`; laboratories are averaged over.
    """
    delta0, tau = np.broadcast_arrays(np.asarray(delta0, float), np.asarray(tau, float))
    gain = np.broadcast_to(np.asarray(test.gain if gain is None else gain, float), delta0.shape)
    if test.cv == 0.0:
        se = np.sqrt(test.variance * (1.0 / test.n1 + 1.0 / test.n2))
        sd = np.sqrt(se * se + (tau * gain) ** 2)
        score = (delta0 * gain - test.margin) / sd
        return (
            _tail(test.upper * se / sd, test.df, score),
            _tail(-test.lower * se / sd, test.df, -score),
        )
    if np.any(tau > 0.0):
        # A laboratory's delta0 decides both mean and variance: average over laboratories.
        labs = delta0[..., None] + tau[..., None] * _LAB_NODES
        upper, lower = _unequal(test, labs, np.broadcast_to(gain[..., None], labs.shape))
        return upper @ _LAB_WEIGHTS, lower @ _LAB_WEIGHTS
    return _unequal(test, delta0, gain)


def _tail(critical, df: float, ncp) -> np.ndarray:
    critical, ncp = np.broadcast_arrays(critical, ncp)
    if np.isinf(critical).any():
        return np.zeros(critical.shape)
    return np.asarray(t_tail(critical, df, ncp))


def _unequal(test: ContrastTest, delta0, gain) -> tuple[np.ndarray, np.ndarray]:
    v1, v2, sd, nominal = _variances(test, delta0, gain)
    score = (delta0 * gain - test.margin) / sd
    upper, lower = np.zeros(score.shape), np.zeros(score.shape)
    for weight, share in _shares(test):
        ratio = np.sqrt(v1 * share + v2 * (1.0 - share)) * nominal / sd
        upper += weight * _tail(test.upper * ratio, test.df, score)
        lower += weight * _tail(-test.lower * ratio, test.df, -score)
    return upper, lower


def equivalence_chance(test: ContrastTest, delta0, tau, gain=None) -> np.ndarray:
    """P(both one-sided tests reject): the contrast is shown to lie within +-margin.

    test.upper is the one-sided critical value. The two tests reject if |D| < m - t s se, which
    is integrated over the law of the SD s (Schuirmann 1987, doi:10.1007/BF01068419). Individual
    responses are averaged over as in `contrast_chances`.
    """
    delta0, tau = np.broadcast_arrays(np.asarray(delta0, float), np.asarray(tau, float))
    gain = np.broadcast_to(np.asarray(test.gain if gain is None else gain, float), delta0.shape)
    if test.cv > 0.0:
        labs = delta0[..., None] + tau[..., None] * _LAB_NODES
        return np.asarray(_equivalence_unequal(test, labs, gain[..., None]) @ _LAB_WEIGHTS)
    se = np.sqrt(test.variance * (1.0 / test.n1 + 1.0 / test.n2))
    sd = np.sqrt(se * se + (tau * gain) ** 2)
    return _within(test.margin, float(test.upper * se), delta0 * gain, sd, test.df)


def _within(margin: float, scale, mean, sd, df: float) -> np.ndarray:
    """E over s of P(|D| < margin - scale s), D ~ N(mean, sd^2); scale as mean or one number.

    There is nothing beyond s = margin / scale, where the integrand has a corner: cut there.
    """
    low, high = max(0.0, 1.0 - 9.0 / np.sqrt(2.0 * df)), np.sqrt(1.0 + 9.0 * np.sqrt(2.0 / df))
    high = np.clip(margin / scale, low, high + 80.0 / df)
    half_df = df / 2.0
    log_norm = np.log(2.0) + half_df * np.log(half_df) - gammaln(half_df)
    total = np.zeros(np.broadcast(mean, sd, scale).shape)
    for node, weight in zip(_SD_NODES, _SD_WEIGHTS, strict=True):
        s = low + (high - low) * (node + 1.0) / 2.0
        half = margin - scale * s
        density = np.exp(log_norm - half_df * s * s + (df - 1.0) * np.log(s))
        chance = ndtr((half - mean) / sd) - ndtr((-half - mean) / sd)
        total += weight * (high - low) / 2.0 * density * chance
    return total


def _equivalence_unequal(test: ContrastTest, delta0, gain) -> np.ndarray:
    v1, v2, sd, nominal = _variances(test, delta0, gain)
    total = np.zeros(sd.shape)
    for share_weight, share in _shares(test):
        scale = test.upper * nominal * np.sqrt(v1 * share + v2 * (1.0 - share))
        total += share_weight * _within(test.margin, scale, delta0 * gain, sd, test.df)
    return total


def _variances(test: ContrastTest, delta0, gain):
    # Variance of a treated and of a control animal's contrast, SD of the difference of means,
    # and what that SD would be were both variances 1.
    v1 = test.variance + (test.cv * delta0 * gain) ** 2
    sd = np.sqrt(v1 / test.n1 + test.variance / test.n2)
    return v1, test.variance, sd, np.sqrt(1.0 / test.n1 + 1.0 / test.n2)


def _shares(test: ContrastTest):
    """Weights and nodes of the treated animals' share in the sum of squares, were SDs equal."""
    df1 = test.df * (test.n1 - 1.0) / (test.n1 + test.n2 - 2.0)
    # share = sin^2(angle) takes the poles of the Beta density away.
    angle = np.pi / 4.0 * (_BETA_NODES + 1.0)
    sine, cosine = np.sin(angle), np.cos(angle)
    log_weight = (df1 - 1.0) * np.log(sine) + (test.df - df1 - 1.0) * np.log(cosine)
    weights = _BETA_WEIGHTS * np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    return [(w, x) for w, x in zip(weights, sine**2, strict=True) if w > 1e-17]
