"""Tallies of a contrast of days, drawn from its sufficient statistics."""

import math

import numpy as np

from sims.chi import draw_inverse_sd
from sims.kernels import entry
from sims.longitudinal import ContrastTest
from sims.streams import draw_normal, draw_uniform, open_stream, stream_key

CONTRAST_SUMS = ("upper", "lower", "within")


@entry
def tally_contrasts(seed, scenario, first, count, delta0, tau, gain, tests, tables, out):
    """Add the counts of replicates first..first+count-1 to `out` (n_tests, 3).

    delta0, tau, gain: (J,) equally likely truths, gain the contrast of their curve; tests:
    (n_tests, 9) rows of ContrastTest whose own gain is not used; tables: of 1/s, one for each
    test, or with individual responses two, of the treated and of the control animals.
    """
    key = stream_key(seed, scenario)
    several = delta0.shape[0] > 1
    for r in range(count):
        state = open_stream(key, np.uint64(first + r))
        j = 0
        if several:
            u, state = draw_uniform(state)
            j = int(u * delta0.shape[0])
        z_difference, state = draw_normal(state)
        z_lab, state = draw_normal(state)
        z_sd1, state = draw_normal(state)
        z_sd2, state = draw_normal(state)
        effect = (delta0[j] + tau[j] * z_lab) * gain[j]
        for i in range(tests.shape[0]):
            row = tests[i]
            test = ContrastTest(
                row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]
            )
            if test.cv == 0.0:
                v1 = test.variance
                s = math.sqrt(v1) / draw_inverse_sd(tables, i, z_sd1)
            else:
                v1 = test.variance + (test.cv * effect) ** 2
                s1 = 1.0 / draw_inverse_sd(tables, 2 * i, z_sd1)
                s2 = 1.0 / draw_inverse_sd(tables, 2 * i + 1, z_sd2)
                pooled = (test.n1 - 1.0) * v1 * s1 * s1
                pooled += (test.n2 - 1.0) * test.variance * s2 * s2
                s = math.sqrt(pooled / (test.n1 + test.n2 - 2.0))
            sd = math.sqrt(v1 / test.n1 + test.variance / test.n2)
            difference = effect + sd * z_difference
            se = s * math.sqrt(1.0 / test.n1 + 1.0 / test.n2)
            t = (difference - test.margin) / se
            out[i, 0] += 1.0 if t > test.upper else 0.0
            out[i, 1] += 1.0 if t < test.lower else 0.0
            out[i, 2] += 1.0 if abs(difference) < test.margin - test.upper * se else 0.0
