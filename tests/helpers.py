"""What tests of files and folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """As a user whom permissions bind (root is not), who owns the folder.

    The folder must not lie in pytest's own, which is closed to other users.
    """
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def few_reviews(patch: pytest.MonkeyPatch) -> None:
    """Fewer simulated reviews than a plan has: what is tested is where they go."""
    patch.setattr("planner.plan_companions.REPS", 200)
    patch.setattr("planner.plan_companions.DECAY_REPS", 200)
    patch.setattr("planner.plan_sensitivity.N_MATCH", 1 << 12)
    patch.setattr("planner.program_of_studies.N_DRAWS", 100)
    patch.setattr("planner.program_of_studies.REPS", 50)
