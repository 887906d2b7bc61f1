"""Compiled code kept on disk: used while it is whole and ours, compiled again otherwise."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest
from numba import config
from numba.core.registry import cpu_target

from sims import kernels
from sims.kernels import entry
from tests.helpers import without_privileges

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")


def half(x):
    return x / 2


def largest(x):
    return x.max() + np.ones(3).min()


def middle(x):
    return (x.max() + np.zeros(3).min()) / 2 + np.ones(3).min()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kernels, "compiled_folder", lambda: tmp_path)
    return tmp_path


def hits(dispatcher: Any) -> int:
    """How many signatures came from the disk."""
    return sum(dispatcher.stats.cache_hits.values())


def test_code_is_kept_for_each_signature(folder: Path) -> None:
    first = entry(half)
    assert (first(3), first(3.0), first(np.ones(2))[0]) == (1.5, 1.5, 0.5)
    assert hits(first) == 0
    assert len(list(folder.iterdir())) == 3
    again = entry(half)
    assert (again(5), again(np.ones(2))[0]) == (2.5, 0.5)
    assert hits(again) == 2
    first._cache.flush()
    assert not list(folder.iterdir())


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    at = len(content) - 100
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", _cut, _flip, lambda content: b"\x80\x04." * 40],
    ids=["empty", "truncated", "one-bit", "foreign"],
)
def test_damaged_code_is_compiled_again(damage: Callable[[bytes], bytes], folder: Path) -> None:
    assert entry(half)(3.0) == 1.5
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    again = entry(half)
    assert again(3.0) == 1.5
    assert hits(again) == 0
    third = entry(half)
    assert third(3.0) == 1.5
    assert hits(third) == 1  # it was written anew


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_code_that_others_could_have_written_is_not_run(folder: Path) -> None:
    assert entry(half)(3.0) == 1.5
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o620)
    again = entry(half)
    assert again(3.0) == 1.5
    assert hits(again) == 0
    third = entry(half)
    assert third(3.0) == 1.5
    assert hits(third) == 1  # it was written anew, for us alone


def test_a_symbol_that_is_not_known_is_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_symbols", lambda library: ["of_another_numba"])
    assert entry(half)(3.0) == 1.5
    context = cpu_target.target_context
    refreshed = []
    refresh = context.refresh
    monkeypatch.setattr(context, "refresh", lambda: refreshed.append(refresh()))
    again = entry(half)
    assert again(3.0) == 1.5
    assert (hits(again), len(refreshed)) == (1, 1)


def test_finished_code_needs_no_compiler_until_something_is_compiled(tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from sims.kernels import entry
from tests.sims.test_kernels import hits, largest, middle
kernel = entry(largest)
print(kernel(np.arange(4.0)), hits(kernel), "numba.np.arraymath" in sys.modules)
kernel = entry(middle)  # shares functions of numba with the first
print(kernel(np.arange(4.0)), hits(kernel))
"""
    environment = {**os.environ, "PLANNER_CACHE_DIR": str(tmp_path)}

    def run() -> list[str]:
        command = [sys.executable, "-c", script]
        root = Path(kernels.__file__).parents[1]
        done = subprocess.run(
            command, env=environment, cwd=root, text=True, stdout=PIPE, check=True
        )
        return done.stdout.splitlines()

    assert run() == ["4.0 0 True", "2.5 0"]
    assert run() == ["4.0 1 False", "2.5 1"]
    for path in tmp_path.rglob("*middle*.code"):
        path.unlink()
    assert run() == ["4.0 1 False", "2.5 0"]
    assert run() == ["4.0 1 False", "2.5 1"]


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_folder_that_is_only_read_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        monkeypatch.setattr(kernels, "compiled_folder", lambda: folder)
        assert entry(half)(3.0) == 1.5
        with without_privileges(folder):
            folder.chmod(0o555)
            kernel = entry(half)
            assert (kernel(3.0), kernel(3)) == (1.5, 1.5)
            assert hits(kernel) == 1
            assert len(list(folder.iterdir())) == 1  # nothing is left of what failed
            folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize("trouble", ["others-write", "a-file"])
def test_a_place_that_is_not_safe_is_not_used(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path / "cache"))
    find = kernels.compiled_folder.__wrapped__
    if trouble == "a-file":
        (tmp_path / "cache").write_text("in the way")
    else:
        folder = find()
        assert folder is not None
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o777)
    assert find() is None
    monkeypatch.setattr(kernels, "compiled_folder", find)
    assert entry(half)(3.0) == 1.5


def test_any_edit_of_the_engine_moves_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "sims"
    shutil.copytree(Path(kernels.__file__).parent, copy, ignore=shutil.ignore_patterns("*.pyc"))
    digest = kernels.sources_digest.__wrapped__
    before = digest()
    monkeypatch.setattr(kernels, "__file__", str(copy / "kernels.py"))
    assert digest() == before
    with (copy / "lanes" / "experiments.py").open("a") as file:
        file.write("\n")
    assert digest() != before
