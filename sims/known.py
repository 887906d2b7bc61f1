"""Studies whose sampling variances are known: effects are exactly N(theta_i, v_i).

Textbook theory of meta-analysis assumes them, so tests with exact answers need them.
"""

import numpy as np

from sims.chi import N_INTERVALS
from sims.tables import DEGREE
from sims.types import Studies


def known_variances(
    vi: np.ndarray, cluster: np.ndarray | None = None, share: float = 0.0
) -> Studies:
    """`Studies` that draw yi ~ N(theta_i, vi), theta_i ~ N(mu, tau^2), and report vi itself.

    A study of two groups of n = 2 / v with a known SD of 1 has this sampling variance: the table
    of 1/s is constant, and the variance does not depend on the effect. So `studies.n` holds
    numbers that are not whole.

    vi: (k,) sampling variances; cluster, share: as in `sims.syntheses.make_studies`.

    Raises
    ------
    ValueError : a variance that is not positive and finite
    """
    vi = np.asarray(vi, dtype=float)
    if not (np.isfinite(vi).all() and (vi > 0.0).all()):
        raise ValueError("sampling variances must be positive and finite")
    different, which = np.unique(vi, return_inverse=True)
    labels = np.arange(len(vi)) if cluster is None else np.asarray(cluster)
    tables = np.zeros((len(different), N_INTERVALS, DEGREE + 1))
    tables[:, :, 0] = 1.0
    terms = np.stack([np.ones_like(different), different, np.zeros_like(different)], axis=1)
    return Studies(
        2.0 / different, np.ones(len(different)), which.astype(np.int64),
        labels.astype(np.int64), float(share), terms, tables,
    )  # fmt: skip
