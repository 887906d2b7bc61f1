"""The file of the store: made whole or not at all, told from others, read where it is damaged."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

APPLICATION = 0x504C4E31  # "PLN1", in the file's header: what is not ours is left alone
VERSION = 1
NEWEST_KEPT = 3  # states of one run: one that was damaged costs the time since the one before it
BUSY_SECONDS = 5.0
DRAFT_SECONDS = 3600.0  # a file that was not finished for so long is nobody's work any more

_SCHEMA = """
CREATE TABLE kept (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,         -- 'run', 'calibration', ...
    key TEXT NOT NULL,          -- digest of all that the data depend on
    done INTEGER NOT NULL,      -- replicates that they sum up
    name TEXT NOT NULL,         -- for people
    data BLOB NOT NULL,
    checksum BLOB NOT NULL,     -- of all of the above
    seconds REAL NOT NULL,      -- of work that the row saves
    used REAL NOT NULL,         -- when, in seconds since 1970
    UNIQUE (kind, key, done)
);
CREATE INDEX by_use ON kept (used);
"""
# Only damage gives these: a page or a table is not there, or not what it was.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_CUT_SHORT = 522  # SQLITE_IOERR_SHORT_READ, for which Python has no name before 3.12


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One row: data that took `seconds` to calculate, and how far along its run they are."""

    kind: str
    key: str
    name: str
    data: bytes
    done: int = 0
    seconds: float = 0.0

    @property
    def checksum(self) -> bytes:
        head = f"{self.kind}\n{self.key}\n{self.done}\n{self.name}\n".encode()
        return hashlib.sha256(head + self.data).digest()[:16]


def connect(path: Path, make: bool = False) -> sqlite3.Connection:
    """A connection to a file that is there, or one to be made."""
    address = f"{path.absolute().as_uri()}?mode={'rwc' if make else 'rw'}"
    return sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def make_store(path: Path, rows: Iterable[Kept] = ()) -> None:
    """Make a file with rows, unless another process was first.

    It takes its place when it is whole. One without tables is therefore never a new one.
    """
    _remove_drafts(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        connection = connect(draft, make=True)
        try:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.strip().rstrip(";").split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            write_rows(connection, rows)
            connection.execute("COMMIT")
        finally:
            connection.close()
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not path.exists():
                draft.rename(path)
    finally:
        remove_store(draft)


def _remove_drafts(folder: Path) -> None:
    for draft in folder.glob(".finished-*"):
        with suppress(OSError):
            if draft.stat().st_mtime < time.time() - DRAFT_SECONDS:
                draft.unlink()


def is_ours(connection: sqlite3.Connection) -> bool:
    """False for a database of something else.

    Raises
    ------
    sqlite3.DatabaseError : it was a store, and its table is no longer there.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        raise sqlite3.DatabaseError("it is empty")
    if application != APPLICATION:
        return False
    connection.execute(
        "SELECT id, kind, key, done, name, data, checksum, seconds, used FROM kept LIMIT 0"
    )
    return True


def settle(connection: sqlite3.Connection) -> None:
    """Let a killed process lose nothing that it had committed.

    Where the file system knows no shared memory the ordinary journal stays, which is as safe.
    """
    with suppress(sqlite3.OperationalError):  # another process is at it, or the folder is read-only
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is damaged, not that it is locked or the disk full."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code == _CUT_SHORT or code & 0xFF in _DAMAGE


def write_rows(connection: sqlite3.Connection, rows: Iterable[Kept]) -> None:
    """Write rows inside a transaction; of what they have overtaken, the last few stay."""
    rows, now = list(rows), time.time()
    connection.executemany(
        "INSERT OR REPLACE INTO kept (kind, key, done, name, data, checksum, seconds, used) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(row.kind, row.key, row.done, row.name, row.data, row.checksum, row.seconds, now)
         for row in rows],
    )  # fmt: skip
    connection.executemany(
        "DELETE FROM kept WHERE kind = ?1 AND key = ?2 AND done < (SELECT min(done) FROM "
        "(SELECT done FROM kept WHERE kind = ?1 AND key = ?2 AND done <= ?3 "
        "ORDER BY done DESC LIMIT ?4))",
        [(row.kind, row.key, row.done, NEWEST_KEPT) for row in rows],
    )


def readable_rows(path: Path) -> list[Kept]:
    """Every row whose checksum holds, read from both ends up to where reading fails."""
    found: dict[tuple[str, str, int], Kept] = {}
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error, TypeError, ValueError):
            connection = connect(path)
            try:
                rows = connection.execute(
                    "SELECT kind, key, name, data, done, seconds, checksum FROM kept NOT INDEXED "
                    f"ORDER BY id {order}"
                )
                for kind, key, name, data, done, seconds, checksum in rows:
                    row = Kept(kind=kind, key=key, name=name, data=data, done=done, seconds=seconds)
                    if row.checksum == checksum:
                        found[kind, key, done] = row
            finally:
                connection.close()
    return list(found.values())


def next_file(path: Path) -> Path:
    """The file that succeeds this one."""
    number = int(path.stem.split("-")[1]) + 1
    return path.with_name(f"finished-{number:04d}.sqlite3")


def remove_store(path: Path) -> None:
    """Delete a file with all that SQLite keeps beside it."""
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def is_private(folder: Path) -> bool:
    """Whether nobody else can write to a folder."""
    if os.name != "posix":
        return True
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
