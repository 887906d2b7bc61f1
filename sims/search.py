"""The smallest group size that reaches a target."""

from collections.abc import Callable

N_MAX = 1_000_000  # beyond this a target counts as out of reach


def smallest_n(success: Callable[[int], float], target: float, low: int, guess: int) -> int | None:
    """Smallest n >= low with success(n) >= target; None beyond N_MAX.

    `success` must not fall in n. The search gallops away from `guess`, so a good guess costs
    three or four evaluations.
    """
    n, step = max(low, min(guess, N_MAX)), 1
    if success(n) >= target:
        high = n
        while high > low:
            n = max(low, high - step)
            if success(n) < target:
                low = n + 1
                break
            high, step = n, 2 * step
    else:
        low = n + 1
        while True:
            high = min(n + step, N_MAX)
            if success(high) >= target:
                break
            if high == N_MAX:
                return None
            low, n, step = high + 1, high, 2 * step
    while low < high:
        middle = (low + high) // 2
        if success(middle) >= target:
            high = middle
        else:
            low = middle + 1
    return high


def solve_increasing(function: Callable[[float], float], target: float, start: float) -> float:
    """x >= 0 with function(x) = target, for a function that rises from below the target."""
    # Imported here: it takes half a second, and most plans do without.
    from scipy.optimize import brentq

    high = start
    while function(high) < target:
        high *= 2.0
    return float(brentq(lambda x: function(x) - target, 0.0, high, xtol=1e-12))
