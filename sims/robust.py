"""Pooled effect with a cluster-robust standard error: comparisons of one study may depend.

CR2 with Satterthwaite's degrees of freedom: Pustejovsky & Tipton 2018,
doi:10.1080/07350015.2016.1247004, after Bell & McCaffrey 2002. The working model takes the
comparisons as independent with variances phi = vi + tau2 and weights 1 / phi.
"""

import math

import numpy as np

from sims.inference import Inferred, checked, infer
from sims.kernels import entry, kernel


@kernel
def adjusted_weights(phi, s1, u):
    """Fill u (n,) with A W 1 of a cluster of n comparisons with variances phi (n,).

    A = D B^(-1/2) D with D = diag(sqrt(phi)) and B = D (diag(phi) - 11' / s1) D (eq. 8), which
    makes the estimated variance unbiased under the working model; s1: sum of all weights.
    """
    n = len(phi)
    if n == 1:
        u[0] = 1.0 / math.sqrt(phi[0] * (phi[0] - 1.0 / s1))
        return
    b = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            b[i, j] = -math.sqrt(phi[i] * phi[j]) / s1
        b[i, i] += phi[i] * phi[i]
    values, vectors = np.linalg.eigh(b)
    u[:] = 0.0
    for m in range(n):
        along = 0.0
        for i in range(n):
            along += vectors[i, m] / math.sqrt(phi[i])
        along /= math.sqrt(values[m])
        for i in range(n):
            u[i] += along * vectors[i, m] * math.sqrt(phi[i])


@entry
def cr2(yi, vi, tau2, cluster):
    """Standard error of the pooled effect and Satterthwaite degrees of freedom: (se, df).

    yi, vi: (k,) effects and sampling variances; cluster: (k,) labels, 0-based integers; any
    labels may be missing, and a cluster's comparisons need not be side by side. NaN where all
    belong to one cluster. With u_j = A_j W_j 1 the variance is sum (u_j' r_j)^2 / s1^2 (eq. 9),
    and since it is a quadratic form in normals, df = (sum p_jj)^2 / sum p_ij^2 (eq. 11) with
    p_ij = [i = j] u_j' diag(phi) u_j - (1'u_i) (1'u_j) / s1.
    """
    k = len(yi)
    s1, wy = 0.0, 0.0
    for i in range(k):
        w = 1.0 / (vi[i] + tau2)
        s1 += w
        wy += w * yi[i]
    mu = wy / s1
    phi, u, member = np.empty(k), np.empty(k), np.empty(k, np.int64)
    n_clusters, meat, trace, squares, all_b2, all_b4 = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for c in range(cluster.max() + 1):
        n = 0
        for i in range(k):
            if cluster[i] == c:
                phi[n], member[n] = vi[i] + tau2, i
                n += 1
        if n == 0:
            continue
        if n == k:
            return math.nan, math.nan
        n_clusters += 1
        adjusted_weights(phi[:n], s1, u[:n])
        residual, a, b = 0.0, 0.0, 0.0
        for m in range(n):
            residual += u[m] * (yi[member[m]] - mu)
            a += u[m] * u[m] * phi[m]
            b += u[m]
        meat += residual * residual
        p = a - b * b / s1
        trace += p
        squares += p * p
        all_b2 += b * b
        all_b4 += b * b * b * b
    squares += (all_b2 * all_b2 - all_b4) / (s1 * s1)
    return math.sqrt(meat) / s1, trace * trace / squares


@entry
def _estimate_and_cr2(yi, vi, tau2, cluster):
    s1, wy = 0.0, 0.0
    for i in range(len(yi)):
        s1 += 1.0 / (vi[i] + tau2)
        wy += yi[i] / (vi[i] + tau2)
    se, df = cr2(yi, vi, tau2, cluster)
    return wy / s1, se, df


def robust_summary(
    yi: np.ndarray, vi: np.ndarray, tau2: float, cluster: np.ndarray, alpha: float = 0.05
) -> Inferred:
    """Pooled effect, its CR2 standard error, and t with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    yi, vi : (k,) effects and sampling variances
    tau2 : between-comparison variance of the working model
    cluster : (k,) labels of any kind; se, df and what follows are NaN if there is only one

    Raises
    ------
    ValueError : as `sims.inference.summarize`, or labels of another length
    """
    yi, vi = checked(yi, vi)
    _, labels = np.unique(np.asarray(cluster), return_inverse=True)
    if labels.shape != yi.shape:
        raise ValueError("cluster must hold one label for each effect")
    estimate, se, df = _estimate_and_cr2(yi, vi, float(tau2), labels.astype(np.int64))
    return infer(estimate, se, df, alpha)
