"""--mcse: no more replicates than the wanted simulation error needs, and no bias from stopping.

In two stages: a pilot run with other random numbers shows how far each chance is from one half,
where chances are simulated least precisely; then the run itself has as many replicates as the
least precise chance needs. Its length depends on none of its own numbers, so its estimates are
unbiased as those of any run of that length; stopping a run by its own numbers would not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from planner.options import replications
from planner.results import Result

Command = TypeVar("Command", bound=Callable[..., Result])
PILOT_REPS = 4000
_SURE = 3.0  # standard errors that a chance of the pilot may be wrong by
_OTHER_STREAMS = 0x9E3779B97F4A7C15


def precise(command: Command) -> Command:
    """A command whose `mcse` is reached with as few replicates as its chances allow.

    The command takes `reps`, `mcse` and `seed` by name, and `reps` for one of its own when it is
    given `mcse`: enough for a chance of one half.
    """

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Result:
        mcse = options.get("mcse")
        if mcse is None or options.get("reps") is not None:
            return command(*arguments, **options)
        most = replications(None, mcse, 0)
        if most <= 4 * PILOT_REPS:
            return command(*arguments, **options)
        seed = options.get("seed", 1)
        other = {"mcse": None, "reps": PILOT_REPS, "seed": seed ^ _OTHER_STREAMS}
        pilot = command(*arguments, **{**options, **other})
        reps = min(most, enough(pilot.performance, mcse))
        return command(*arguments, **{**options, "mcse": None, "reps": reps})

    return cast(Command, run)


def enough(rows: Iterable[Mapping[str, Any]], mcse: float) -> int:
    """Replicates that bring every chance among a pilot's rows to the wanted error.

    p (1 - p) / mcse^2 at the p nearest one half that the pilot leaves open (Wilson's interval);
    for a mean of chances, which varies less than what is counted, this is more than enough.
    """
    from sims.performance import MEAN_CHANCES

    worst = 0.0
    for row in rows:
        n, hits = row["n_sim"], row["n_hit"]
        if row.get("measure") in MEAN_CHANCES and row["value"] is not None:
            hits = n * row["value"]
        if hits is None or n != PILOT_REPS:
            continue  # no chance, or one among a part of the replicates only
        share, slack = hits / n, _SURE**2 / n
        centre = (share + slack / 2.0) / (1.0 + slack)
        half = math.sqrt(share * (1.0 - share) * slack + slack**2 / 4.0) / (1.0 + slack)
        p = min(max(0.5, centre - half), centre + half)
        worst = max(worst, p * (1.0 - p))
    return max(PILOT_REPS, math.ceil((worst or 0.25) / mcse**2 - 1e-6))
