"""Tails of Student's t at whole degrees of freedom, for kernels: a finite series."""

import math

from sims.kernels import kernel


@kernel
def student_upper(t, df):
    """P(T > t) for T with df = 1, 2, ... degrees of freedom.

    Abramowitz & Stegun 1964, eqs. 26.7.3 and 26.7.4, with theta = atan(t / sqrt(df)). Absolute
    error about 1e-16: a p value of 1e-9 has seven good digits. NaN for df < 1.
    """
    df = int(df)
    if df < 1 or math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0 if t > 0.0 else 1.0
    cos2 = df / (df + t * t)
    sine = abs(t) / math.sqrt(df + t * t)
    term, total = 1.0, 0.0
    if df % 2 == 0:
        total = 1.0
        for j in range(1, df // 2):
            term *= cos2 * (2.0 * j - 1.0) / (2.0 * j)
            total += term
        inside = sine * total
    else:
        theta = math.atan(abs(t) / math.sqrt(df))
        if df > 1:
            term = math.sqrt(cos2)
            total = term
            for j in range(1, (df - 1) // 2):
                term *= cos2 * (2.0 * j) / (2.0 * j + 1.0)
                total += term
        inside = (theta + sine * total) * 2.0 / math.pi
    tail = 0.5 * (1.0 - inside)
    return tail if t >= 0.0 else 1.0 - tail
