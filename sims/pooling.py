"""Random-effects pooling of one set of studies: the versions to read.

`sims.lanes.syntheses` runs the same formulas over blocks of replicates.
"""

import math

from sims.kernels import kernel
from sims.types import Synthesis


@kernel
def dersimonian_laird(yi, vi):
    """DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2, with Wald standard error.

    yi, vi: (k,) effects and sampling variances. With w = 1 / v: Q = sum w (y - y_w)^2 (eq. 8),
    tau^2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w)) (eq. 10),
    mu = sum w* y / sum w* with w* = 1 / (v + tau^2), se = 1 / sqrt(sum w*).
    I^2 = 100 max(0, (Q - (k - 1)) / Q), Higgins & Thompson 2002, doi:10.1002/sim.1186.
    """
    k = len(yi)
    sum_w, sum_w2, sum_wy = 0.0, 0.0, 0.0
    for i in range(k):
        w = 1.0 / vi[i]
        sum_w += w
        sum_w2 += w * w
        sum_wy += w * yi[i]
    fixed = sum_wy / sum_w
    q = 0.0
    for i in range(k):
        q += (yi[i] - fixed) ** 2 / vi[i]
    excess = max(0.0, q - (k - 1.0))
    tau2 = excess / (sum_w - sum_w2 / sum_w)
    sum_w, sum_wy = 0.0, 0.0
    for i in range(k):
        w = 1.0 / (vi[i] + tau2)
        sum_w += w
        sum_wy += w * yi[i]
    i2 = 100.0 * excess / q if q > 0.0 else 0.0
    return Synthesis(sum_wy / sum_w, 1.0 / math.sqrt(sum_w), tau2, q, i2)
