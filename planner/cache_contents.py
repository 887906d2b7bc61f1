"""What the user's cache folder holds, and making room in it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.finished_work import LARGEST_SIZE, cache_folder, user_store
from planner.results import Result


@dataclass(frozen=True)
class CompiledCode:
    """Folders of compiled kernels: of the engine as it is, and of earlier ones."""

    current: Path | None
    older: tuple[Path, ...]

    @classmethod
    def of_this_engine(cls) -> CompiledCode:
        from sims.kernels import compiled_folder

        current = compiled_folder()
        every = sorted((cache_folder() / "compiled").glob("*/"))
        return cls(current, tuple(path for path in every if path != current))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def show_store() -> Result:
    """What finished work is kept, how much time it saves, and how much room it takes."""
    store, code = user_store(), CompiledCode.of_this_engine()
    rows: list[dict[str, Any]] = [
        {"kind": kind, "name": name, "rows": n, "bytes": size, "seconds": seconds, "used": used}
        for kind, name, n, size, seconds, used in store.contents()
    ]
    older = sum(map(_size, code.older))
    current = 0 if code.current is None else _size(code.current)
    total, saved = sum(row["bytes"] for row in rows), sum(row["seconds"] for row in rows)
    answer = (
        f"Finished work of {duration(saved)} is kept in {total / 2**20:.1f} MB (at most "
        f"{LARGEST_SIZE // 2**20}: the work unused for longest makes room). Compiled code takes "
        f"{current / 2**20:.1f} MB, that of earlier versions {older / 2**20:.1f}."
    )
    if not rows:
        answer = "No finished work is kept: " + (
            "runs of a few seconds and more are. Compiled code takes "
            f"{current / 2**20:.1f} MB, that of earlier versions {older / 2**20:.1f}."
        )
    kept = {"folder": str(cache_folder()), "kept": rows, "compiled": current, "older": older}
    return Result(command="store", answer=answer, scenario={}, extra=kept)


def prune_store(days: float | None, every: bool) -> Result:
    """Delete work unused for so many days (all of it if `every`), and code of earlier versions."""
    code = CompiledCode.of_this_engine()
    deleted = user_store().prune(None if every else 86400.0 * (30.0 if days is None else days))
    for folder in code.older:
        shutil.rmtree(folder, ignore_errors=True)
    answer = (
        f"Deleted {deleted} pieces of finished work and compiled code of {len(code.older)} earlier "
        "versions. What is needed again will be calculated again."
    )
    scenario = {"older_than": days, "all": every}
    extra = {"deleted": deleted, "versions": len(code.older)}
    return Result(command="store", answer=answer, scenario=scenario, extra=extra)


def duration(seconds: float) -> str:
    """A time for people: seconds, minutes or hours."""
    for unit, length in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
