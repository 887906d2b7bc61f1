"""One two-arm experiment, from exact sufficient statistics or from raw data.

The scalar functions here are the ones to read; ``sims.lanes.experiments`` runs the same steps
over blocks of replicates. Outcomes are normal with SD 1 within groups; the laboratory's true
effect is theta ~ N(mu, tau2), in SDs. Benefit is positive.
"""

import math

from sims.kernels import kernel
from sims.streams import draw_normal
from sims.tables import evaluate
from sims.types import Experiment

_BELOW_1 = 1.0 - 2.0**-53


@kernel
def draw_difference(z_difference, z_theta, mu, tau2, se):
    """Observed mean difference and the laboratory's true effect theta, from two normals.

    The difference is N(mu, tau2 + se^2) in one draw. Given it, theta is normal again:
    N(mu + b (difference - mu), b se^2) with b = tau2 / (tau2 + se^2).
    """
    se2 = se * se
    total = tau2 + se2
    deviation = math.sqrt(total) * z_difference
    b = tau2 / total
    return mu + deviation, mu + b * deviation + math.sqrt(b * se2) * z_theta


@kernel
def theta_given_difference(z_difference, mu, tau2, se):
    """Mean and SD of theta given the observed difference, see `draw_difference`."""
    total = tau2 + se * se
    b = tau2 / total
    return mu + b * math.sqrt(total) * z_difference, math.sqrt(b * se * se)


@kernel
def student(z_difference, inverse_sd, z_theta, mu, tau2, design):
    """Student's t-test on one experiment, from two normals and 1/s of the pooled SD."""
    difference, theta = draw_difference(z_difference, z_theta, mu, tau2, design.se)
    t = (difference - design.margin) * inverse_sd / design.se
    return Experiment(
        1.0 if t > design.upper else 0.0,
        1.0 if t < design.lower else 0.0,
        design.j * difference * inverse_sd,
        theta,
        design.width / inverse_sd,
    )


@kernel
def welch(z_difference, inverse_sd1, z_theta, inverse_sd2, mu, tau2, design, quantiles, which):
    """Welch's t-test on one experiment.

    Welch 1947, doi:10.1093/biomet/34.1-2.28. With v = s^2 / n, the share v1 / (v1 + v2) alone
    determines the degrees of freedom, 1/df = share^2 / (n1 - 1) + (1 - share)^2 / (n2 - 1), so
    the t quantile is a table over the share: table 2 i is the test's, 2 i + 1 the confidence
    interval's. `upper`, `lower` and `width` of the design multiply them.
    """
    difference, theta = draw_difference(z_difference, z_theta, mu, tau2, design.se)
    variance1, variance2 = 1.0 / (inverse_sd1 * inverse_sd1), 1.0 / (inverse_sd2 * inverse_sd2)
    v1, v2 = variance1 / design.n1, variance2 / design.n2
    se = math.sqrt(v1 + v2)
    position = min(v1 / (v1 + v2), _BELOW_1) * quantiles.shape[1]
    quantile = evaluate(quantiles, 2 * which, position)
    interval_quantile = evaluate(quantiles, 2 * which + 1, position)
    t = (difference - design.margin) / se
    pooled = (design.n1 - 1.0) * variance1 + (design.n2 - 1.0) * variance2
    sd = math.sqrt(pooled / (design.n1 + design.n2 - 2.0))
    return Experiment(
        1.0 if t > design.upper * quantile else 0.0,
        1.0 if t < design.lower * quantile else 0.0,
        design.j * difference / sd,
        theta,
        design.width * interval_quantile * se,
    )


@kernel
def raw_two_arm(state, mu, tau2, n1, n2):
    """Means and SDs of two groups of simulated animals: the oracle of the functions above.

    Returns (mean1, sd1, mean2, sd2, theta, state).
    """
    z, state = draw_normal(state)
    theta = mu + math.sqrt(tau2) * z
    mean1, sd1, state = _raw_group(state, theta, n1)
    mean2, sd2, state = _raw_group(state, 0.0, n2)
    return mean1, sd1, mean2, sd2, theta, state


@kernel
def _raw_group(state, true_mean, n):
    # Welford's update: one pass, no array.
    mean, sum_squares = 0.0, 0.0
    for i in range(n):
        z, state = draw_normal(state)
        y = true_mean + z
        step = y - mean
        mean += step / (i + 1.0)
        sum_squares += step * (y - mean)
    return mean, math.sqrt(sum_squares / (n - 1.0)), state
