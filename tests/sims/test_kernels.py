"""Compiled code kept on disk: used while it is whole and ours, compiled again otherwise."""

from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import config
from numba.core.caching import CompileResultCacheImpl
from numba.core.codegen import CPUCodegen
from numba.core.registry import cpu_target

from sims import kernels
from sims.kernels import entry
from tests.helpers import without_privileges

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
needs_short_way = pytest.mark.skipif(
    not kernels.SHORT_WAY, reason=f"numba {numba.__version__} is not in sims.kernels.TRIED yet"
)


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


@pytest.mark.parametrize("appears", [True, False], ids=["with-the-compiler", "never"])
@needs_short_way
def test_a_symbol_that_is_not_known_is_looked_for(
    appears: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_symbols", lambda library: ["of_another_numba"])
    assert entry(half)(3.0) == 1.5
    refreshed = _count_refreshes(monkeypatch)
    monkeypatch.setattr(kernels, "address_of_symbol", lambda name: appears and bool(refreshed))
    again = entry(half)
    assert again(3.0) == 1.5
    # Code that names what is not there would end the program: it is compiled again.
    assert hits(again) == appears
    assert refreshed


def _count_refreshes(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    context = cpu_target.target_context
    refreshed: list[None] = []
    refresh = context.refresh
    monkeypatch.setattr(context, "refresh", lambda: refreshed.append(refresh()))
    return refreshed


SCRIPT = """
import sys
import numba
numba.__version__ = sys.argv[1] or numba.__version__
import numpy as np
from sims.kernels import entry
from tests.sims.test_kernels import hits, largest, middle
kernel = entry(largest)
print(kernel(np.arange(4.0)), hits(kernel), "numba.np.arraymath" in sys.modules)
kernel = entry(middle)  # shares functions of numba with the first
print(kernel(np.arange(4.0)), hits(kernel))
"""


def run(cache: Path, version: str = "") -> list[str]:
    """What the script prints: numbers, and what came from the disk."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, version], capture_output=True, text=True, check=True,
        cwd=Path(kernels.__file__).parents[1],
        env={**os.environ, "PLANNER_CACHE_DIR": str(cache)},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs_short_way
def test_finished_code_needs_no_compiler_until_something_is_compiled(tmp_path: Path) -> None:
    assert run(tmp_path) == ["4.0 0 True", "2.5 0"]
    assert run(tmp_path) == ["4.0 1 False", "2.5 1"]
    for path in tmp_path.rglob("*middle*.code"):
        path.unlink()
    assert run(tmp_path) == ["4.0 1 False", "2.5 0"]
    assert run(tmp_path) == ["4.0 1 False", "2.5 1"]


# A numba that is not as it was ------------------------------------------------------------------


def test_a_release_that_was_not_tried_loads_code_in_its_own_way(tmp_path: Path) -> None:
    later = "99.0.0"
    assert later not in kernels.TRIED
    assert run(tmp_path, later) == ["4.0 0 True", "2.5 0"]
    assert run(tmp_path, later) == ["4.0 1 True", "2.5 1"]


WITHOUT_A_CACHE = ("CompileResultCacheImpl", "NullCache", "dumps")
WITHOUT_A_SHORT_WAY = (
    "address_of_symbol", "Environment", "_rebuild_env", "lookup_environment", "rtsys",
)  # fmt: skip


@pytest.mark.parametrize("gone", WITHOUT_A_CACHE + WITHOUT_A_SHORT_WAY)
def test_what_is_missing_inside_numba_is_done_without(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"kernels_without_{gone}"
    importing = builtins.__import__
    refused = []

    def without(name: str, names: Any = None, local: Any = None, wanted: Any = (), level: int = 0):
        if names and names.get("__name__") == own and gone in (wanted or ()):
            refused.append(name)
            raise ImportError(gone)
        return importing(name, names, local, wanted, level)

    spec = spec_from_file_location(own, kernels.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setattr(builtins, "__import__", without)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    assert len(refused) == 1
    assert (kernels.SHORT_WAY and gone in WITHOUT_A_CACHE) == module.SHORT_WAY
    monkeypatch.setattr(module, "compiled_folder", lambda: tmp_path)
    for kept in (False, gone not in WITHOUT_A_CACHE):
        dispatcher = module.entry(largest)
        assert dispatcher(np.arange(4.0)) == 4.0
        assert hits(dispatcher) == kept
        assert module.inner(half)(3.0) == 1.5


def _refuse(*arguments: Any, **more: Any) -> Any:
    raise TypeError("in another way")


class _Other:
    """Has nothing of what is asked of it."""


_symbols, _rebuild = kernels._symbols, CompileResultCacheImpl.rebuild


def _rebuild_in_part(*arguments: Any) -> Any:
    _rebuild(*arguments)
    raise AttributeError("of a later release")


# Place, what stands there instead, and whether finished code is still loaded.
CHANGED = {
    "no memory manager": (kernels, "rtsys", _Other(), True),
    "symbols looked up in another way": (kernels, "address_of_symbol", _refuse, True),
    "library without its module": (kernels, "_symbols", lambda _: _symbols(_Other()), True),
    "kept in another way": (CompileResultCacheImpl, "reduce", _refuse, False),
    "loaded in another way": (CompileResultCacheImpl, "rebuild", _refuse, False),
    "loaded in part": (CompileResultCacheImpl, "rebuild", _rebuild_in_part, False),
    "not said what can be kept": (
        CompileResultCacheImpl, "check_cachable", _refuse, False
    ),
    "processors not named": (CPUCodegen, "magic_tuple", _refuse, False),
    "a cache that cannot be made": (kernels.CompiledCode, "__init__", _refuse, False),
    "no such cache": (kernels, "CompileResultCacheImpl", _Other, False),
    "pickled in another way": (kernels, "dumps", _refuse, False),
    "another cache in its place": (
        kernels, "NullCache", type("Cache", (kernels.CompiledCode,), {}), False
    ),
}  # fmt: skip


@needs_short_way
@pytest.mark.parametrize("change", CHANGED)
def test_what_has_changed_inside_numba_is_done_without(
    change: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place, name, instead, loads = CHANGED[change]
    monkeypatch.setattr(place, name, instead)
    for kept in (False, loads):
        dispatcher = entry(largest)
        assert dispatcher(np.arange(4.0)) == 4.0
        assert hits(dispatcher) == kept
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("asked", [(), ("signature",), ("signature", "context", "flags")])
def test_a_cache_that_is_asked_in_another_way_has_nothing(
    asked: tuple[str, ...], folder: Path
) -> None:
    cache = entry(half)._cache
    assert isinstance(cache, kernels.CompiledCode)
    assert cache.load_overload(*asked) is None
    assert cache.load_overload(*asked, target="cpu") is None
    assert cache.save_overload(*asked, target="cpu") is None
    assert not list(folder.iterdir())


@needs_short_way
@pytest.mark.parametrize("name", ["Environment", "lookup_environment"])
def test_environments_that_have_changed_are_numbas_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    short = kernels._environment("colorsys", [1.5], f"short {name}")
    assert (short.globals, "colorsys" in sys.modules) == ({"__name__": "colorsys"}, False)
    monkeypatch.setattr(kernels, name, _refuse)
    whole = kernels._environment("colorsys", [1.5], f"whole {name}")
    assert whole.globals["rgb_to_hls"] is sys.modules["colorsys"].rgb_to_hls
    assert (short.consts, whole.consts) == ([1.5], [1.5])


def test_numbers_do_not_depend_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def scale(x, out):
        for i in range(len(x)):
            out[i] = x[i] / 3.0 + x[i] * x[i]

    x, found = np.random.default_rng(1).normal(size=999), []
    for short in {kernels.SHORT_WAY, False}:
        monkeypatch.setattr(kernels, "SHORT_WAY", short)
        found.append(np.empty(999))
        kernels.inner(scale)(x, found[-1])
    assert np.array_equal(found[0], found[-1])


# Folders ----------------------------------------------------------------------------------------


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
