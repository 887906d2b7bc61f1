"""What people type, turned into values: ranges, allocations, readings, scenario files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.errors import InputError, unknown

MAX_RANGE = 500  # sizes in one range
LEAST_REPS, MOST_REPS = 2, 10_000_000_000


def parse_range(text: str, option: str = "--n") -> list[int]:
    """``"4:20:2"`` (end included) or ``"4,6,8"`` as whole numbers.

    Raises
    ------
    InputError : not such a list, a range that runs backwards, or more than 500 values.
    """
    accepted = f"accepted: a range such as {option} 4:20:2 or a list such as {option} 4,6,8"
    found: list[int] = []
    for part in text.split(","):
        try:
            bounds = [int(bound) for bound in part.split(":")]
        except ValueError:
            raise InputError(f"{option} {text!r} is not whole numbers; {accepted}") from None
        if len(bounds) == 1:
            found += bounds
            continue
        if len(bounds) > 3:
            raise InputError(f"{option} {text!r} has too many colons; {accepted}")
        start, stop, step = (*bounds, 1)[:3]
        if step < 1 or stop < start:
            raise InputError(f"{option} {text!r} runs backwards; {accepted}")
        if (stop - start) // step >= MAX_RANGE:
            raise InputError(f"{option} {text!r} has more than {MAX_RANGE} values; {accepted}")
        found += range(start, stop + 1, step)
    if len(found) > MAX_RANGE:
        raise InputError(f"{option} has more than {MAX_RANGE} values; {accepted}")
    return sorted(set(found))


def parse_sizes(text: str) -> list[int]:
    """Group sizes, each 2 to 100000."""
    sizes = parse_range(text)
    for n in sizes:
        if not 2 <= n <= 100_000:
            raise InputError(f"--n {n}; accepted: 2 to 100000 animals per group")
    return sizes


def parse_allocation(text: str) -> tuple[int, int]:
    """``"2:1"``: parts of treated and control animals."""
    try:
        treated, control = (int(part) for part in text.split(":"))
    except ValueError:
        raise InputError(
            f"--allocation {text!r}; accepted: treated:control, such as 1:1 or 2:1"
        ) from None
    return treated, control


def parse_readings(pairs: Sequence[str]) -> dict[str, str]:
    """``["TOPIC=OPTION", ...]`` as topic to option."""
    chosen = {}
    for pair in pairs:
        topic, equals, option = pair.partition("=")
        if not equals:
            raise InputError(
                f"--reading {pair!r} names no option; accepted: TOPIC=OPTION, such as "
                "group-size-mean=animals"
            )
        chosen[topic.strip()] = option.strip()
    return chosen


def check_truth(mu: float | None, tau: float | None) -> None:
    """Refuse half a truth, or one out of range."""
    if (mu is None) != (tau is None):
        raise InputError("--mu and --tau go together: give both, or --analysis")
    if mu is not None and not -100.0 <= mu <= 100.0:
        raise InputError(f"--mu {mu}; accepted: -100 to 100, in SDs")
    if tau is not None and not 0.0 <= tau <= 100.0:
        raise InputError(f"--tau {tau}; accepted: 0 to 100, in SDs")


def check_targets(target: float | Iterable[float]) -> tuple[float, ...]:
    """Targets as a tuple, each a chance."""
    targets = tuple(target) if isinstance(target, Iterable) else (float(target),)
    if not targets:
        raise InputError("--target needs at least one value, such as 0.8")
    for goal in targets:
        if not 0.0 < goal < 1.0:
            raise InputError(f"--target {goal:g}; accepted: above 0 and below 1, such as 0.8")
    return targets


def replications(reps: int | None, mcse: float | None, default: int) -> int:
    """Replications from --reps, or from --mcse at a chance of one half."""
    if reps is not None and mcse is not None:
        raise InputError("--reps and --mcse say the same twice: give one of them")
    if mcse is not None:
        if not 1e-5 <= mcse <= 0.5:
            raise InputError(f"--mcse {mcse:g}; accepted: 0.00001 to 0.5")
        return max(LEAST_REPS, math.ceil(0.25 / mcse**2 - 1e-6))
    reps = default if reps is None else reps
    if not LEAST_REPS <= reps <= MOST_REPS:
        raise InputError(f"--reps {reps}; accepted: {LEAST_REPS} to {MOST_REPS}")
    return reps


def read_scenario(path: Path, command: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A saved scenario's options for `command`; TOML, or the JSON output of a run.

    Raises
    ------
    InputError : the file cannot be read, is of another command, or has unknown options.
    """
    import json
    import tomllib

    if path.is_dir():
        raise InputError(f"--scenario {path} is a folder; accepted: a TOML file")
    try:
        if path.stat().st_size > 1_000_000:
            raise InputError(f"--scenario {path} is larger than 1 MB; accepted: a TOML file")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"--scenario {path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"--scenario {path} is not UTF-8 text") from None
    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text)
            found = {"command": found.get("command", command), **found.get("scenario", found)}
        else:
            found = tomllib.loads(text)
    except (ValueError, AttributeError) as error:
        raise InputError(f"--scenario {path}: {str(error)[:100]}") from None
    if found.pop("command", command) != command:
        raise InputError(f"--scenario {path} is for another command; accepted: planner {command}")
    for name in found:
        if name not in options:
            raise unknown(f"option in {path.name}", name, options)
    return {name: value for name, value in found.items() if value is not None}
