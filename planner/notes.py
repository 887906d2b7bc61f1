"""Notes on stderr: what a user should know that changes no number. Each is said once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_said: set[str] = set()
_silent = False


def note(text: str) -> None:
    """Say something once on stderr, unless notes were silenced."""
    if text in _said:
        return
    _said.add(text)
    if not _silent:
        from planner.reports.text import printable

        print(printable(f"planner: {text}", sys.stderr.encoding), file=sys.stderr)


@contextmanager
def as_before() -> Iterator[None]:
    """Whatever is silenced inside is heard again after it: --quiet is of one command."""
    was = _silent
    try:
        yield
    finally:
        silence(was)


def silence(silent: bool) -> None:
    """Whether notes are kept back (--quiet)."""
    global _silent
    _silent = silent
