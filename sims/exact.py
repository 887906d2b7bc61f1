"""What is known without simulation: one guarded noncentral t and what follows from it.

Outcomes are normal with SD 1; se = sqrt(1/n1 + 1/n2). With theta ~ N(mu, tau2) the observed mean
difference is N(mu, tau2 + se^2), so a t-test is a scaled noncentral t: with
sd = sqrt(tau2 + se^2), P(t > c) = P(T' > c se / sd), T' noncentral t with ncp mu / sd.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.special import gammaln, nctdtr, ndtr, stdtrit

from sims.types import TwoArm

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)
_FEW = 16


def t_quantile(p, df):
    """Upper-tail quantile of Student's t: P(T > quantile) = p. Broadcasts."""
    return -stdtrit(df, p)


def t_tail(c, df: float, ncp):
    """P(T > c), T noncentral t with `df` degrees of freedom. Broadcasts; never NaN.

    scipy's ``nctdtr`` is right to 1e-15 in the half where c >= 0 and the noncentrality is not
    far beyond c; elsewhere it can be NaN. The lower half is its mirror image,
    P(T > c) = P(-T < -c), and what is left is integrated. Of many values at once, such as the
    draws of an uncertain truth, all are integrated over the same few nodes: ten times faster,
    and right to 1e-13 as long as no critical value is steep on the scale of the SD's law.
    """
    c, ncp = np.broadcast_arrays(np.asarray(c, dtype=float), np.asarray(ncp, dtype=float))
    if c.ndim == 1 and len(c) >= 64:
        low, high = _sd_range(df)
        if np.max(np.abs(c)) * (high - low) <= 10.0:
            nodes, weights = _few_nodes(float(df))
            return np.asarray(weights @ ndtr(ncp - nodes[:, None] * c))
    mirrored = c < 0.0
    below = nctdtr(df, np.where(mirrored, -ncp, ncp), np.abs(c))
    tail = np.where(mirrored, below, 1.0 - below)
    for i in np.flatnonzero(~np.isfinite(tail)):
        tail.flat[i] = _integrated_t_tail(c.flat[i], df, ncp.flat[i])
    return np.clip(tail, 0.0, 1.0)


def _integrated_t_tail(c: float, df: float, ncp: float) -> float:
    """P(T > c) = E Phi(ncp - c s), integrated over the law of the SD s.

    Phi falls from 1 to 0 within a few 1/|c| of s = ncp / c, which may be far narrower than the
    law of s: the range is cut there.
    """
    if np.isinf(c):
        return 0.0 if c > 0.0 else 1.0
    low, high = _sd_range(df)
    cuts: list[float] = [low, high, 1.0]
    if c != 0.0:
        cuts += list(np.clip(ncp / c + np.array([-9.0, 0.0, 9.0]) / abs(c), low, high))
    total, norm = 0.0, 0.0
    for left, right in pairwise(np.unique(cuts)):
        s = left + (right - left) * (_NODES + 1.0) / 2.0
        weight = _WEIGHTS * (right - left) / 2.0 * _sd_density(s, df)
        total += float(np.sum(weight * ndtr(ncp - c * s)))
        norm += float(np.sum(weight))
    return total / norm


def _sd_range(df: float) -> tuple[float, float]:
    # Leaves out less than 1e-17 on either side.
    low = max(0.0, 1.0 - 9.0 / np.sqrt(2.0 * df))
    return low, float(np.sqrt(1.0 + 9.0 * np.sqrt(2.0 / df) + 80.0 / df))


def _sd_density(s: np.ndarray, df: float) -> np.ndarray:
    half = df / 2.0
    log_density = np.log(2.0) + half * np.log(half) - gammaln(half) - half * s * s
    return np.asarray(np.exp(log_density + (df - 1.0) * np.log(s)))


def sd_quadrature(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes s and weights of the law of a sample SD, s^2 ~ chi2(df) / df; weights sum to 1."""
    low, high = _sd_range(df)
    s = low + (high - low) * (_NODES + 1.0) / 2.0
    weight = _WEIGHTS * _sd_density(s, df)
    return s, weight / weight.sum()


@lru_cache(maxsize=1024)
def _few_nodes(df: float) -> tuple[np.ndarray, np.ndarray]:
    """The Gauss rule of the same law: as many nodes of `sd_quadrature` do no better.

    Golub & Welsch 1969, doi:10.1090/S0025-5718-69-99647-1, with the recurrence of the law's
    orthogonal polynomials by Lanczos' method, orthogonalised in full.
    """
    s, weight = sd_quadrature(df)
    basis = np.zeros((_FEW + 1, len(s)))
    basis[0] = np.sqrt(weight)
    jacobi = np.zeros((_FEW + 1, _FEW + 1))
    for i in range(_FEW):
        following = s * basis[i]
        jacobi[i, i] = following @ basis[i]
        for _ in range(2):  # once leaves rounding errors
            following -= basis[: i + 1].T @ (basis[: i + 1] @ following)
        jacobi[i + 1, i] = np.sqrt(following @ following)
        basis[i + 1] = following / jacobi[i + 1, i]
    nodes, vectors = np.linalg.eigh(jacobi[:_FEW, :_FEW])  # reads the lower triangle
    return nodes, vectors[0] ** 2


def mean_sd(df: float) -> float:
    """E s of a sample SD when the true SD is 1."""
    return float(np.sqrt(2.0 / df) * np.exp(gammaln((df + 1.0) / 2.0) - gammaln(df / 2.0)))


def mean_abs_between(low, high, mean, sd):
    """E(|X|; low < X < high) for X ~ N(mean, sd^2), low < high; broadcasts."""

    def mean_between(a, b):
        alpha, beta = (a - mean) / sd, (b - mean) / sd
        density = np.exp(-0.5 * alpha * alpha) - np.exp(-0.5 * beta * beta)
        return mean * (ndtr(beta) - ndtr(alpha)) + sd * density / np.sqrt(2.0 * np.pi)

    positive = mean_between(np.clip(low, 0.0, None), np.clip(high, 0.0, None))
    return positive - mean_between(np.clip(low, None, 0.0), np.clip(high, None, 0.0))


class Student:
    """Student's t-test, SD 1 in both groups: what a design does at a truth, exactly."""

    def __init__(self, design: TwoArm) -> None:
        self.design = design
        self.df = design.n1 + design.n2 - 2.0

    def benefit(self, mu, tau2=0.0):
        """P(significant for benefit) at theta ~ N(mu, tau2); broadcasts over truths."""
        return self._tail(self.design.upper, mu, tau2, 1.0)

    def harm(self, mu, tau2=0.0):
        """P(significant against benefit) at theta ~ N(mu, tau2); broadcasts over truths."""
        return self._tail(-self.design.lower, mu, tau2, -1.0)

    def _tail(self, critical: float, mu, tau2, sign: float):
        if np.isinf(critical):
            return np.zeros(np.broadcast(mu, tau2).shape)
        sd = np.sqrt(self.design.se**2 + np.asarray(tau2, dtype=float))
        ncp = sign * (np.asarray(mu, dtype=float) - self.design.margin) / sd
        return t_tail(critical * self.design.se / sd, self.df, ncp)

    def ci_width(self) -> float:
        """Mean width of the confidence interval of the mean difference, in SDs."""
        return self.design.width * mean_sd(self.df)

    def type_s(self, mu: float, tau2: float) -> float | None:
        """P(significant in the direction opposite to theta | significant); None if theta is 0."""
        benefit, harm = float(self.benefit(mu, tau2)), float(self.harm(mu, tau2))
        if tau2 == 0.0:
            wrong = None if mu == 0.0 else (harm if mu > 0.0 else benefit)
        else:
            below, above = self._theta_quadrature(mu, tau2)
            wrong = float(np.sum(below[1] * self.benefit(below[0])))
            wrong += float(np.sum(above[1] * self.harm(above[0])))
        return None if wrong is None or benefit + harm == 0.0 else wrong / (benefit + harm)

    def type_m(self, mu: float, tau2: float) -> float | None:
        """E(|g| | significant) / E(|theta| | significant); None if theta is 0."""
        if tau2 == 0.0:
            true = abs(mu) * float(self.benefit(mu) + self.harm(mu))
        else:
            true = 0.0
            for theta, weight in self._theta_quadrature(mu, tau2):
                significant = self.benefit(theta) + self.harm(theta)
                true += float(np.sum(weight * np.abs(theta) * significant))
        return self.significant_g(mu, tau2) / true if true > 0.0 else None

    def significant_g(self, mu: float, tau2: float) -> float:
        """E(|g|; significant), by quadrature over the law of the SD."""
        s, weight = sd_quadrature(self.df)
        d = self.design
        sd = np.sqrt(d.se**2 + tau2)
        above = mean_abs_between(d.margin + d.upper * d.se * s, np.inf, mu, sd)
        below = mean_abs_between(-np.inf, d.margin + d.lower * d.se * s, mu, sd)
        return float(d.j * np.sum(weight * (above + below) / s))

    def _theta_quadrature(self, mu: float, tau2: float):
        """Nodes and weights of theta ~ N(mu, tau2) below 0 and above 0.

        Cut at 0, where |theta| has its corner, and around the effects at which the test starts
        to reject: that may happen within a small part of the spread between laboratories.
        """
        tau, d = np.sqrt(tau2), self.design
        reach = np.array([-8.0, 0.0, 8.0]) * d.se
        low, high = mu - 10.0 * tau, mu + 10.0 * tau
        cuts = [low, high, 0.0]
        for critical in (d.upper, d.lower):
            if np.isfinite(critical):
                cuts += list(d.margin + critical * d.se + reach)
        edges = np.unique(np.clip(cuts, low, high))
        centre, half = (edges[1:] + edges[:-1]) / 2.0, np.diff(edges) / 2.0
        theta = (centre[:, None] + half[:, None] * _NODES).ravel()
        density = np.exp(-0.5 * ((theta - mu) / tau) ** 2) / (tau * np.sqrt(2.0 * np.pi))
        weight = (half[:, None] * _WEIGHTS).ravel() * density
        below = theta < 0.0
        return (theta[below], weight[below]), (theta[~below], weight[~below])


class Welch(Student):
    """Welch's t-test, SD 1 in both groups, by quadrature over the ratio of the sample variances.

    Given the share b of (n1 - 1) s1^2 in the total sum of squares, which is Beta distributed and
    independent of that total, the test is Student's with another critical value.
    """

    def __init__(self, design: TwoArm, test_level: float, interval_level: float) -> None:
        """`test_level` and `interval_level` are the upper-tail probabilities of the quantiles."""
        super().__init__(design)
        df1, df2 = design.n1 - 1.0, design.n2 - 1.0
        # b = sin^2(angle) takes the poles of the Beta density away.
        angle = np.pi / 4.0 * (_NODES + 1.0)
        sine, cosine = np.sin(angle), np.cos(angle)
        log_weight = (df1 - 1.0) * np.log(sine) + (df2 - 1.0) * np.log(cosine)
        weight = _WEIGHTS * np.exp(log_weight - log_weight.max())
        self.weight = weight / weight.sum()
        v1, v2 = sine**2 / df1 / design.n1, cosine**2 / df2 / design.n2
        share = v1 / (v1 + v2)
        # The estimated standard error over s times the true one, s the pooled SD.
        se_ratio = np.sqrt(self.df * (v1 + v2)) / design.se
        self.test_ratio = se_ratio * welch_quantile(share, design, test_level)
        self.interval_ratio = se_ratio * welch_quantile(share, design, interval_level)

    def _tail(self, critical: float, mu, tau2, sign: float):
        total = np.zeros(np.broadcast(mu, tau2).shape)
        for weight, ratio in zip(self.weight, self.test_ratio, strict=True):
            if weight > 1e-18:
                total = total + weight * super()._tail(critical * ratio, mu, tau2, sign)
        return total

    def ci_width(self) -> float:
        mean_ratio = float(np.sum(self.weight * self.interval_ratio))
        return self.design.width * self.design.se * mean_ratio * mean_sd(self.df)

    def significant_g(self, mu: float, tau2: float) -> float:
        d, total = self.design, 0.0
        for weight, ratio in zip(self.weight, self.test_ratio, strict=True):
            given_ratio = Student(d._replace(upper=d.upper * ratio, lower=d.lower * ratio))
            total += weight * given_ratio.significant_g(mu, tau2)
        return total


def welch_quantile(share, design: TwoArm, level: float):
    """Upper t quantile at Welch's degrees of freedom, from the share v1 / (v1 + v2)."""
    df = 1.0 / (share**2 / (design.n1 - 1.0) + (1.0 - share) ** 2 / (design.n2 - 1.0))
    return t_quantile(level, df)
