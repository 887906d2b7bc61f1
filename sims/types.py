"""The language that Python and kernels share: tuples of numbers and arrays."""

from typing import NamedTuple

import numpy as np


class TwoArm(NamedTuple):
    """A two-arm experiment and its test, as numbers. Benefit is positive.

    n1, n2: treated and control animals; se: sqrt(1/n1 + 1/n2), the standard error of the mean
    difference when the SD is 1; margin: subtracted from the mean difference (SDs); upper, lower:
    the test is significant for benefit if t > upper, against it if t < lower (+-inf where a
    side is not tested); width: the confidence interval's width is width * s; j: correction of
    Hedges g. For Welch, `upper`, `lower` and `width` are multiples of the t quantile and of the
    estimated standard error.
    """

    n1: float
    n2: float
    se: float
    margin: float
    upper: float
    lower: float
    width: float
    j: float


class Experiment(NamedTuple):
    """One simulated experiment.

    benefit, harm: 1.0 if significant in the direction of benefit, or against it; g: Hedges g;
    theta: the laboratory's true effect; width: of the confidence interval of the difference.
    """

    benefit: float
    harm: float
    g: float
    theta: float
    width: float


class Synthesis(NamedTuple):
    """A meta-analysis as published: what its pooled numbers are.

    mu, se: pooled effect and its standard error; tau2: between-study variance; QE: Cochran's Q;
    I2: percent of the variability that is not sampling error.
    """

    mu: float
    se: float
    tau2: float
    QE: float
    I2: float


class Sums(NamedTuple):
    """Sums over studies at a tau^2: w = 1 / (v + tau^2), r = y - mu.

    s1, s2, s3: sums of w, w^2, w^3; mu: sum w y / sum w; q1, q2, q3: sums of w r^2, w^2 r^2,
    w^3 r^2; c2: sum of w^2 r.
    """

    s1: float
    s2: float
    s3: float
    mu: float
    q1: float
    q2: float
    q3: float
    c2: float


class Pooled(NamedTuple):
    """Studies pooled at an estimated tau^2.

    mu, se: pooled effect and its Wald standard error, 1 / sqrt(sum w); tau2: between-study
    variance; hk: sum w (y - mu)^2 / (k - 1), Hartung and Knapp's factor of se^2, NaN for one
    study; ok: 1.0 if the iteration for tau2 converged.
    """

    mu: float
    se: float
    tau2: float
    hk: float
    ok: float


class Performance(NamedTuple):
    """An estimated property of a design, with its Monte Carlo standard error."""

    measure: str
    value: float
    mcse: float
    ci_lb: float
    ci_ub: float
    n_sim: int
    n_failed: int = 0
    n_hit: int | None = None


class Studies(NamedTuple):
    """How the k studies of a simulated synthesis are made, two equal groups in each.

    n: (m,) possible group sizes; cdf: (m,) their cumulative probabilities; fixed: (k,) index
    into n of each study's size, or -1 where it is drawn; cluster: (k,) 0-based number of the
    cluster each study belongs to; share: part of tau^2 that a cluster has in common, 0 to 1;
    terms: (m, 3) j, a and b of each size, see `sims.effects.sampling_variance`; sd_tables:
    tables of 1/s of each size. Made by `sims.syntheses.make_studies`.
    """

    n: np.ndarray
    cdf: np.ndarray
    fixed: np.ndarray
    cluster: np.ndarray
    share: float
    terms: np.ndarray
    sd_tables: np.ndarray
