"""The one compile policy: how every kernel is compiled and where compiled code is kept.

Kernels are compiled without fast-math, so that sums are the same bits on every processor, and
without the global interpreter lock, so that threads run them side by side. With
``NUMBA_DISABLE_JIT=1`` the same functions run as plain Python and serve as their own oracle.
"""

import hashlib
import io
import os
import pickle
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import config, njit
from platformdirs import user_cache_path

# What follows is inside of numba, where a release may change anything. Where the first part is not
# as it was, kernels are compiled at each start; without the second, finished code is loaded as
# numba itself loads it. Numbers are the same either way.
try:
    from numba.core.caching import CompileResultCacheImpl, NullCache
    from numba.core.serialize import dumps
except ImportError:
    CompileResultCacheImpl = dumps = None
    NullCache = object
try:
    from llvmlite.binding import address_of_symbol
    from numba.core.environment import Environment, _rebuild_env, lookup_environment
    from numba.core.runtime import rtsys
except ImportError:
    rtsys = None

# Releases whose insides were tried (tests/sims/test_kernels.py, `make bench`). Others may differ in
# a way that no error shows before the program ends: with them no short way is taken.
TRIED = ("0.61", "0.62", "0.63", "0.64", "0.65", "0.66", "0.67", "0.68")
SHORT_WAY = rtsys is not None and ".".join(numba.__version__.split(".")[:2]) in TRIED

OPTIONS = {"nogil": True, "error_model": "numpy"}

if config.DISABLE_JIT:
    # Interpreted uint64 arithmetic wraps as the compiled one does, but warns when it does.
    np.seterr(over="ignore")


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an inner step: called by other kernels, never kept on disk by itself."""
    return njit(**OPTIONS)(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a kernel that makes no array and returns none: an inner loop over lanes.

    Others count the references to each of their arrays when they begin and end, which takes as
    long as adding up a row of lanes. Here whoever calls holds them.
    """
    more = {"_nrt": False} if SHORT_WAY else {}
    return njit(**more, **OPTIONS)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its machine code between runs."""
    dispatcher = njit(**OPTIONS)(function)
    folder = compiled_folder()
    if config.DISABLE_JIT or folder is None or dumps is None:
        return dispatcher
    with suppress(Exception):
        if isinstance(dispatcher._cache, NullCache):  # where numba asks for finished code
            dispatcher._cache = CompiledCode(function, folder)
    return dispatcher


class CompiledCode(NullCache):
    """Machine code of one kernel on disk: a file for each signature, which starts with its digest.

    Numba's own cache runs what it reads: a damaged file ends the program, and two programs that
    compile other signatures of a kernel at once may take each other's files. Here whatever cannot
    be read or written is compiled instead, also where numba asks for it in another way than it did.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._bytecode = hashlib.sha256(function.__code__.co_code).hexdigest()
        self._impl = CompileResultCacheImpl.__new__(CompileResultCacheImpl)
        self._folder = folder

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def load_overload(self, *asked: Any, **more: Any) -> Any:
        """Finished code; None for whatever is in the way of it."""
        try:
            return self._load(*asked, **more)
        except Exception:  # a file of another origin, a numba that is not as it was
            return None

    def save_overload(self, *asked: Any, **more: Any) -> None:
        """Keep code that was compiled; where that fails it is compiled again."""
        with suppress(Exception):
            self._save(*asked, **more)

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._name}.*.code"):
            path.unlink(missing_ok=True)

    def _path(self, signature: Any, codegen: Any) -> Path:
        key = repr((signature, codegen.magic_tuple(), self._bytecode)).encode()
        return self._folder / f"{self._name}.{hashlib.sha256(key).hexdigest()[:16]}.code"

    def _load(self, sig: Any, target_context: Any) -> Any:
        content = _read_own(self._path(sig, target_context.codegen()))
        body = content[32:]
        if hashlib.sha256(body).digest() != content[:32]:
            return None
        reader = _Reader if SHORT_WAY else pickle.Unpickler
        symbols, code = reader(io.BytesIO(body)).load()
        ready = _prepare(target_context, symbols)
        return self._impl.rebuild(target_context, code) if ready else None

    def _save(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        path = self._path(sig, data.codegen)
        body = dumps((_symbols(data.library), self._impl.reduce(data)))
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(draft, "wb", opener=partial(os.open, mode=0o600)) as file:
                file.write(hashlib.sha256(body).digest() + body)
            draft.replace(path)
        except OSError:  # a full disk, a folder that is only read
            with suppress(OSError):
                draft.unlink(missing_ok=True)


class _Reader(pickle.Unpickler):
    """Unpickles finished code without importing what it was compiled from.

    Each function that the compiler took in brings its environment: its constants, and the names
    of its module for what runs as Python. Nothing in a kernel does, and numba's modules of rules
    take as long to import as the rest of numba.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_rebuild_env.__module__, _rebuild_env.__name__):
            return _environment
        return super().find_class(module, name)


def _environment(module: str, constants: list[Any], name: str) -> Any:
    with suppress(Exception):
        if module not in sys.modules and lookup_environment(name) is None:
            environment = Environment({"__name__": module})
            environment.consts[:] = constants
            environment.env_name = name
            Environment._memo[name] = environment  # a kernel with the same function uses this one
            return environment
    return _rebuild_env(module, constants, name)


def _symbols(library: Any) -> list[str] | None:
    """What machine code takes from outside of it: functions of C, of Python, of numba.

    Those that can be looked up in the process that has just compiled it; None for not known.
    """
    try:
        module = library._final_module
        values = (*module.functions, *module.global_variables)
        names = {value.name for value in values if value.is_declaration}
        return sorted(name for name in names if address_of_symbol(name))
    except Exception:
        return None


def _prepare(target_context: Any, symbols: list[str] | None) -> bool:
    """Make ready what finished code needs; False where a symbol that it names is missing.

    It needs memory management, and the symbols: one that is not known would end the program.
    Numba makes the compiler ready as well, whose thousands of rules take four times as long to
    load as the code. Nothing here compiles: where a kernel must, numba does it then.
    """
    if SHORT_WAY and symbols is not None:
        with suppress(Exception):
            rtsys.initialize(target_context)
            if _all_known(symbols):
                return True
    target_context.refresh()
    return symbols is None or _all_known(symbols)


def _all_known(symbols: list[str]) -> bool:
    return all(map(address_of_symbol, symbols))


def _read_own(path: Path) -> bytes:
    """Content of a file that nobody else can have written; OSError for any other."""
    with path.open("rb") as file:
        if not _own(os.fstat(file.fileno())):
            raise PermissionError(f"others can write {path}")
        return file.read()


def _own(status: os.stat_result) -> bool:
    # On Windows the cache folder lies in the user's profile, which others cannot write.
    if os.name != "posix":
        return True
    writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not writable_by_others


@cache
def sources_digest() -> str:
    """Digest of every source file of the engine."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def engine_digest() -> str:
    """Digest of every source file of the engine and of what compiles them."""
    digest = hashlib.sha256(sources_digest().encode())
    for version in (sys.version, numba.__version__, llvmlite.__version__, np.__version__):
        digest.update(version.encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Folder of compiled kernels, or None where there is no safe one.

    Its name holds the digest of all sources, because a kernel's code holds that of kernels in
    other files. Compiled code is unpickled, so a folder that others could write is not used. One
    that cannot be written still serves with what is in it.
    """
    root = Path(os.environ.get("PLANNER_CACHE_DIR") or user_cache_path("planner", appauthor=False))
    folder = root / "compiled" / engine_digest()
    try:
        root.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if _own(folder.stat()) else None
    except OSError:
        return None
