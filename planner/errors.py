"""What a user did wrong, said in one or two lines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path


class InputError(ValueError):
    """Bad input from outside: the message is for the user, one or two lines, no prefix."""


class RunError(RuntimeError):
    """A run that failed for a reason outside: the message is for the user, as `InputError`'s."""


def check_engine() -> None:
    """Refuse to run with a foreign module in the place of the engine.

    Raises
    ------
    InputError
        for a `sims` that is not the one beside this package, such as a file of that name in the
        folder from which Python was started
    """
    found = find_spec("sims")
    here = Path(__file__).parent.parent / "sims" / "__init__.py"
    origin = None if found is None else found.origin
    if origin is None or Path(origin).resolve() != here.resolve():
        raise InputError(
            f"{origin or 'no module'} stands in the place of the planner's engine `sims`: "
            "rename it, or start from another folder"
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is no unsigned 64-bit number.

    Raises
    ------
    InputError
        for a seed outside 0 to 2^64 - 1
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed {seed}; accepted: 0 to 18446744073709551615")


def nearest(name: str, names: Iterable[str]) -> str:
    """The known name most like `name`, or an empty text when none is like it."""
    by_lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def unknown(kind: str, name: str, names: Iterable[str]) -> InputError:
    """The error for a name that does not exist: lists those that do, suggests the nearest.

    Parameters
    ----------
    kind : what is named, such as ``"analysis"``
    name : what was typed
    names : every name that exists
    """
    name, known = str(name), list(names)  # from Python anything may come
    close = nearest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    shown = name if len(name) <= 60 else name[:57] + "..."
    return InputError(f"unknown {kind} {shown!r}{hint}\nnames that exist: {', '.join(known)}")
