"""Daily differences of complete data and their covariance, from the sums over animals."""

from sims.kernels import kernel


@kernel
def _pooled_covariance(moments, s):
    # Within-group covariance of complete data; returns its degrees of freedom.
    m = s.shape[0]
    n1, n2 = moments.n[0, m - 1], moments.n[1, m - 1]
    for a in range(m):
        for b in range(a + 1):
            total = 0.0
            for group in range(2):
                sums = moments.sums[group, m - 1]
                n = moments.n[group, m - 1]
                total += moments.squares[group, m - 1, a, b] - sums[a] * sums[b] / n
            s[a, b] = total / (n1 + n2 - 2.0)
            s[b, a] = s[a, b]
    return n1 + n2 - 2.0


@kernel
def _quadratic(c, matrix):
    total = 0.0
    for a in range(c.shape[0]):
        for b in range(c.shape[0]):
            total += c[a] * c[b] * matrix[a, b]
    return total


@kernel
def _from_normals(trial, curve, delta0, difference, s, half):
    # From differences of means and the covariance of the normals z to those of L z + delta0 curve.
    m, factor = difference.shape[0], trial.factor
    for a in range(m - 1, -1, -1):
        total = delta0 * curve[a]
        for b in range(a + 1):
            total += factor[a, b] * difference[b]
        difference[a] = total
    for a in range(m):
        for b in range(m):
            half[a, b] = 0.0
            for c in range(a + 1):
                half[a, b] += factor[a, c] * s[c, b]
    for a in range(m):
        for b in range(a + 1):
            total = 0.0
            for c in range(b + 1):
                total += half[a, c] * factor[b, c]
            s[a, b], s[b, a] = total, total


@kernel
def summarize(trial, moments, curve, delta0, difference, covariance, half):
    """Daily differences of complete data and their covariance; the contrast's variance.

    half: (m, m) scratch
    """
    m = trial.times.shape[0]
    s = covariance
    _pooled_covariance(moments, s)
    n1, n2 = moments.n[0, m - 1], moments.n[1, m - 1]
    sizes = 1.0 / n1 + 1.0 / n2
    trace, total = 0.0, 0.0
    for a in range(m):
        difference[a] = moments.sums[0, m - 1, a] / n1 - moments.sums[1, m - 1, a] / n2
    if trial.cv == 0.0:
        _from_normals(trial, curve, delta0, difference, s, half)
    for a in range(m):
        trace += s[a, a]
        for b in range(m):
            total += s[a, b]
    for a in range(m):
        for b in range(m):
            if trial.analysis == 2:
                s[a, b] = trace / m if a == b else 0.0
            s[a, b] *= sizes
    variance = _quadratic(trial.contrast, s)
    if trial.analysis == 1:
        squares = 0.0
        for a in range(m):
            squares += trial.contrast[a] * trial.contrast[a]
        variance = sizes * squares * (trace - total / m) / (m - 1.0)
    return variance
