"""The one compile policy: how every kernel is compiled and where compiled code is kept.

Kernels are compiled without fast-math, so that sums are the same bits on every processor, and
without the global interpreter lock, so that threads run them side by side. With
``NUMBA_DISABLE_JIT=1`` the same functions run as plain Python and serve as their own oracle.
"""

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba import config, njit
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
    if config.DISABLE_JIT or folder is None:
        return dispatcher
    # Numba reads its cache folder from a global setting when caching is switched on for a
    # function. It is put back at once: other libraries must not see ours.
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        dispatcher.enable_caching()
    finally:
        config.CACHE_DIR = before
    return dispatcher


@cache
def engine_digest() -> str:
    """Digest of every source file of the engine and of what compiles them."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    for version in (sys.version, numba.__version__, llvmlite.__version__, np.__version__):
        digest.update(version.encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Folder of compiled kernels, or None where no safe folder can be written.

    Numba checks only the file of the outermost function for changes, so a changed callee in
    another file would run stale code: the folder's name therefore holds the digest of all
    sources. Compiled code is unpickled, so a folder that others could write is not used.
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
        if writable_by_others or status.st_uid != os.getuid():
            return None
    return folder if os.access(folder, os.W_OK) else None
