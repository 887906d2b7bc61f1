"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that takes its place when all went well.

    Raises
    ------
    OSError : the folder or file cannot be written; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files of a folder together.

    A new folder appears whole or not at all. In one that exists, every file is written beside its
    place before the first of them takes it.

    Raises
    ------
    OSError : the folder or a file cannot be written; what was there before is there still.
    """
    if folder.exists():
        with ExitStack() as drafts:
            for name, content in contents.items():
                file = drafts.enter_context(write_atomically(folder / name))
                file.write(content)
                file.flush()  # a full disk shows before any file takes its place
        return
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        draft.mkdir(parents=True)
        for name, content in contents.items():
            (draft / name).write_bytes(content)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
