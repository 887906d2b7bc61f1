"""--mcse: no more replicates than the wanted simulation error needs, and no bias from stopping.

In two stages: a pilot run with other random numbers shows how far each chance is from one half,
where chances are simulated least precisely; then the run itself has as many replicates as the
least precise chance needs. Its length depends on none of its own numbers, so its estimates are
unbiased as those of any run of that length; stopping a run by its own numbers would not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
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

    The command takes `reps`, `mcse` and `seed` by name. Where averages over joint draws keep a
    larger error, because the draws are a sample as well, its result says so.
    """

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Result:
        mcse = options.get("mcse")
        if mcse is None or options.get("reps") is not None:
            return command(*arguments, **options)
        most = replications(None, mcse, 0)
        if most > 4 * PILOT_REPS:
            seed = options.get("seed", 1)
            other = {"mcse": None, "reps": PILOT_REPS, "seed": seed ^ _OTHER_STREAMS}
            pilot = command(*arguments, **{**options, **other})
            most = min(most, enough(pilot.performance, mcse))
        result = command(*arguments, **{**options, "mcse": None, "reps": most})
        return _with_what_draws_leave(result, mcse, most)

    return cast(Command, run)


def _with_what_draws_leave(result: Result, mcse: float, reps: int) -> Result:
    """The result, with a word where more replicates would not bring its chances to `mcse`."""
    error, p = 0.0, 0.5
    for row in result.performance:
        chance = _chance(row)
        if chance is None or row["n_sim"] != reps or row["exact"] is not None:
            continue
        if (row["mcse"] or 0.0) > error:
            error, p = row["mcse"], chance
    # Beyond what replicates of this number explain, with the uncertainty of 25 groups' spread.
    if not error > max(1.5 * math.sqrt(p * (1.0 - p) / reps), 1.1 * mcse):
        return result
    text = (
        f"--mcse {mcse:g} is reached for one truth. Averages over the joint draws have the error "
        f"of the draws as well, up to {error:.2g} here: more replications do not lower it."
    )
    return replace(result, warnings=[*result.warnings, {"code": "mcse", "text": text}])


def _chance(row: Mapping[str, Any]) -> float | None:
    """The chance of a row, counted or a mean of chances; None for anything else."""
    from sims.performance import MEAN_CHANCES

    counted = row["n_hit"] is not None or row.get("measure") in MEAN_CHANCES
    return row["value"] if counted else None


def enough(rows: Iterable[Mapping[str, Any]], mcse: float) -> int:
    """Replicates that bring every chance among a pilot's rows to the wanted error.

    p (1 - p) / mcse^2 at the p nearest one half that the pilot leaves open (Wilson's interval);
    for a mean of chances, which varies less than what is counted, this is more than enough.
    """
    worst = 0.0
    for row in rows:
        n, share = row["n_sim"], _chance(row)
        if share is None or n != PILOT_REPS:
            continue  # no chance, or one among a part of the replicates only
        slack = _SURE**2 / n
        centre = (share + slack / 2.0) / (1.0 + slack)
        half = math.sqrt(share * (1.0 - share) * slack + slack**2 / 4.0) / (1.0 + slack)
        p = min(max(0.5, centre - half), centre + half)
        worst = max(worst, p * (1.0 - p))
    return max(PILOT_REPS, math.ceil((worst or 0.25) / mcse**2 - 1e-6))
