"""What tests of files and folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from planner import finished_work, notes
from planner.finished_work import Store
from sims.kernels import compiled_folder


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


def own_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store in the folder, for a fixture; compiled kernels stay where they are."""
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(folder))
    monkeypatch.setattr(notes, "_said", set())
    compiled = compiled_folder()
    if compiled is not None:  # children need not compile again
        (folder / "compiled").mkdir()
        (folder / "compiled" / compiled.name).symlink_to(compiled)
    yield finished_work.user_store()
    finished_work.user_store().close()
    finished_work._store_in.cache_clear()
