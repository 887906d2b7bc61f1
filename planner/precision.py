"""--mcse: no more replicates than the wanted simulation error needs, and no bias from stopping.

In two stages: a pilot run with other random numbers shows how far each chance is from one half,
where chances are simulated least precisely, and in how many replicates what it is about exists;
then the run itself has as many replicates as the least precise chance needs. Its length depends
on none of its own numbers, so its estimates are unbiased as those of any run of that length;
stopping a run by its own numbers would not be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar, cast

from planner.options import MOST_REPS, replications
from planner.outer_draws import N_GROUPS
from planner.results import DESIGN_COLUMNS, Result

Command = TypeVar("Command", bound=Callable[..., Result])
Row = Mapping[str, Any]
PILOT_REPS = 4000
LONGEST = 50  # times the replicates that any chance of all of them needs: no run is longer
_LEAST_PILOT = 1000
_PILOT_SHARE = 16  # of a long run, one part in so many is worth a second, closer look
_SURE = 3.0  # standard errors that a chance of the pilot may be wrong by
_OTHER_STREAMS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
_NAMED = 4  # designs that a warning names one by one
_ROUNDING = 1e-9
# Chances that stand in a row of something else, each beside its error, and are no row of their own.
_INSIDE = ("type_i", "confirmed")


def precise(command: Command) -> Command:
    """A command whose `mcse` is reached with as few replicates as its chances allow.

    The command takes `reps`, `mcse` and `seed` by name. Where a chance keeps a larger error, its
    result says which, and what was reached: averages over joint draws, because the draws are a
    sample as well; and chances of what exists in so few replicates that a run would be `LONGEST`
    times as long.
    """

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Result:
        mcse = options.get("mcse")
        if mcse is None or options.get("reps") is not None:
            return command(*arguments, **options)

        def pilot(reps: int, streams: int) -> int:
            other = {"mcse": None, "reps": reps, "seed": options.get("seed", 1) ^ streams}
            return enough(chances(command(*arguments, **{**options, **other})), mcse, reps)

        most = replications(None, mcse, 0)
        first = min(PILOT_REPS, max(_LEAST_PILOT, most // 4))
        length = pilot(first, _OTHER_STREAMS[0])
        if length > most and length // _PILOT_SHARE > 2 * first:
            # What exists in few replicates was seen in too few of the pilot to say how many.
            length = pilot(length // _PILOT_SHARE, _OTHER_STREAMS[1])
        result = command(*arguments, **{**options, "mcse": None, "reps": length})
        return _with_what_is_left(result, mcse, length)

    return cast(Command, run)


def chances(result: Result) -> list[Row]:
    """Rows of all simulated chances of a result, of its tables and of what stands beside them."""
    found = [row for row in result.performance if _chance(row) is not None]
    return [*found, *_beside(result.extra)]


def _beside(part: Any) -> Iterator[Row]:
    if isinstance(part, Mapping):
        if {"value", "mcse", "n_sim", "n_hit"} <= part.keys() and _chance(part) is not None:
            yield part
        for name in _INSIDE:
            value, error = part.get(name), part.get(f"{name}_mcse")
            if value is not None and error is not None:
                yield {"measure": name, "value": value, "mcse": error, "n_sim": None, "n_hit": 0}
    if isinstance(part, (Mapping, list, tuple)):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _beside(inner)


def _chance(row: Row) -> float | None:
    """The chance of a row, counted or a mean of chances; None for anything else."""
    from sims.performance import MEAN_CHANCES

    value = row["value"]
    counted = row["n_hit"] is not None or row.get("measure") in MEAN_CHANCES
    return value if counted and value is not None and not math.isnan(value) else None


def enough(rows: Iterable[Row], mcse: float, reps: int) -> int:
    """Replicates that bring every chance among a pilot's rows to the wanted error.

    p (1 - p) / mcse^2 at the p nearest one half that the pilot leaves open (Wilson's interval);
    for a mean of chances, which varies less than what is counted, this is more than enough. Where
    the row is about n_sim of `reps` replicates, divided by the least share that the pilot leaves
    open, up to `LONGEST` times what any chance of all replicates needs; a row that would need more
    by the pilot's own share asks for nothing. Never fewer than the pilot had, or any chance needs.
    """
    most = replications(None, mcse, 0)
    longest = min(LONGEST * most, MOST_REPS)
    length, full = min(reps, most), False
    for row in rows:
        share, n = _chance(row), reps if row["n_sim"] is None else row["n_sim"]
        if share is None or n == 0 or (row.get("mcse") == 0.0 and 0.0 < share < 1.0):
            continue  # no chance, or an exact one
        low, high = _open(share, n)
        p = min(max(0.5, low), high)
        exists = 1.0 if n >= reps else _open(n / reps, reps)[0]
        full = full or n >= reps
        need = p * (1.0 - p) / mcse**2
        if need * reps <= longest * n:
            length = max(length, min(longest, math.ceil(need / exists - 1e-6)))
    return length if full else max(length, most)


def _open(share: float, n: int) -> tuple[float, float]:
    """The chances that a share of n leaves open: Wilson's interval."""
    slack = _SURE**2 / n
    centre = (share + slack / 2.0) / (1.0 + slack)
    half = math.sqrt(share * (1.0 - share) * slack + slack**2 / 4.0) / (1.0 + slack)
    return centre - half, centre + half


def _with_what_is_left(result: Result, mcse: float, reps: int) -> Result:
    """The result, with a word on the chances that are less precise than `mcse`."""
    rows = chances(result)
    few: list[Row] = []
    drawn: list[Row] = []
    for row in rows:
        p, error = float(_chance(row) or 0.0), float(row["mcse"] or 0.0)
        own = math.sqrt(p * (1.0 - p) / (row["n_sim"] or reps))
        if min(own, error) > mcse * (1.0 + _ROUNDING):
            few.append(row)
        elif error > mcse * (1.0 + _ROUNDING):
            drawn.append(row)
    found = []
    if few:
        found.append(f"--mcse {mcse:g} is not reached everywhere: {_named(few, rows, reps)}.")
    if drawn:
        start = "" if few else f"--mcse {mcse:g} is reached for one truth. "
        known = any(row.get("exact") is not None for row in drawn)
        found.append(
            f"{start}Averages over the joint draws{', exact ones too,' if known else ''} have the "
            f"error of the draws as well, up to {max(row['mcse'] for row in drawn):.2g} here "
            f"(estimated from {N_GROUPS} groups of draws): more replications do not lower it."
        )
    if not found:
        return result
    warning = {"code": "mcse", "text": " ".join(found)}
    return replace(result, warnings=[*result.warnings, warning])


def _named(few: list[Row], rows: list[Row], reps: int) -> str:
    """Chances that keep a larger error, by design, the worst first: which, and what was reached."""
    seen = {name: {str(row[name]) for row in rows if name in row} for name in DESIGN_COLUMNS}
    varied = [name for name, values in seen.items() if len(values) > 1]
    designs: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in sorted(few, key=lambda row: -row["mcse"]):
        own = tuple((name, _text(row[name])) for name in varied if row.get(name) is not None)
        designs.setdefault(own, []).append(row)
    texts = []
    for own, found in list(designs.items())[:_NAMED]:
        measures = ", ".join(dict.fromkeys(row["measure"] for row in found))
        where = ", ".join(f"{name} {value}" for name, value in own)
        n = found[0]["n_sim"] or reps
        texts.append(
            f"{measures}{f' ({where})' if where else ''} {found[0]['mcse']:.2g} with {n:,} of "
            f"{reps:,} replicates"
        )
    more = len(designs) - len(texts)
    rest = f"; and {more} more (in the JSON)" if more > 0 else ""
    return "; ".join(texts) + rest


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
