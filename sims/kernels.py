"""The one compile policy: how every kernel is compiled and where compiled code is kept.

Kernels are compiled without fast-math, so that sums are the same bits on every processor, and
without the global interpreter lock, so that threads run them side by side. With
``NUMBA_DISABLE_JIT=1`` the same functions run as plain Python and serve as their own oracle.
"""

import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps
from platformdirs import user_cache_path

OPTIONS = {"nogil": True, "error_model": "numpy"}

if config.DISABLE_JIT:
    # Interpreted uint64 arithmetic wraps as the compiled one does, but warns when it does.
    np.seterr(over="ignore")


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an inner step: called by other kernels, never kept on disk by itself."""
    return njit(**OPTIONS)(function)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a kernel that Python calls, and keep its machine code between runs."""
    dispatcher = njit(**OPTIONS)(function)
    folder = compiled_folder()
    if not config.DISABLE_JIT and folder is not None:
        dispatcher._cache = CompiledCode(function, folder)
    return dispatcher


class CompiledCode(FunctionCache):
    """Machine code of one kernel on disk: a file for each signature, which starts with its digest.

    Numba's own cache runs what it reads: a damaged file ends the program, and two programs that
    compile other signatures of a kernel at once may take each other's files. Here whatever cannot
    be read or written is compiled instead.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        self._py_func = function
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._impl = CompileResultCacheImpl.__new__(CompileResultCacheImpl)
        self._cache_path = str(folder)
        self.enable()

    def _path(self, signature: Any, codegen: Any) -> Path:
        key = repr(self._index_key(signature, codegen)).encode()
        return Path(self._cache_path) / f"{self._name}.{hashlib.sha256(key).hexdigest()[:16]}.code"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        try:
            content = self._path(sig, target_context.codegen()).read_bytes()
            body = content[32:]
            if hashlib.sha256(body).digest() != content[:32]:
                return None
            return self._impl.rebuild(target_context, pickle.loads(body))
        except Exception:  # whatever a file of another origin may cause
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        if not self._impl.check_cachable(data):
            return
        path = self._path(sig, data.codegen)
        body = dumps(self._impl.reduce(data))
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_bytes(hashlib.sha256(body).digest() + body)
            draft.replace(path)
        except OSError:  # a full disk, a folder that is only read
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def flush(self) -> None:
        for path in Path(self._cache_path).glob(f"{self._name}.*.code"):
            path.unlink(missing_ok=True)


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
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    if os.name == "posix":
        writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if writable_by_others or status.st_uid != os.geteuid():
            return None
    return folder
