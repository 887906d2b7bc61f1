"""What people type, turned into values: ranges, allocations, readings, scenario files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planner.errors import InputError, unknown

MAX_RANGE = 500  # sizes in one range


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
