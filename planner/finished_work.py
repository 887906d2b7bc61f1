"""The store of finished work: one SQLite file in the user's cache folder, safe to lose.

It keeps numbers under digests of all that they depend on, so nothing in it is ever out of date,
only unused. Whatever happens to it (kill -9, a full disk, damage, another process), the worst is
that work is done again: every row carries a checksum, and no method here raises for the sake of
the store. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import RLock

from planner.notes import note

APPLICATION = 0x504C4E31  # "PLN1", in the file's header: what is not ours is left alone
VERSION = 1
LARGEST_SIZE = 256 * 2**20  # bytes of data; the rows unused for longest make room
MOST_FAILURES = 3
NEWEST_KEPT = 3  # states of one run: one that was damaged costs the time since the one before it
BUSY_SECONDS = 5.0

_SCHEMA = """
CREATE TABLE kept (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,         -- 'run' or 'calibration'
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


class Store:
    """Finished work in one folder. A folder that cannot be used keeps nothing, and says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0  # process that opened it: a connection must not cross a fork
        self._opened = folder
        self._failures = 0  # after a few nothing more is tried: each may have waited for a lock
        self._replaced = 0

    def files(self) -> list[Path]:
        """Files of the store, the one in use last: a damaged one is succeeded by the next."""
        found = self.folder.glob("finished-*.sqlite3")
        return sorted(path for path in found if path.stem.split("-")[1].isdigit())

    @property
    def path(self) -> Path:
        """The file in use, or the first to be made."""
        found = self.files()
        return found[-1] if found else self.folder / "finished-0001.sqlite3"

    def furthest(self, kind: str, key: str, most: int = 2**62) -> Kept | None:
        """The undamaged row of a key that is furthest along, with at most `most` replicates."""
        for _ in range(2):  # again in the file that takes the place of a damaged one
            before = self._replaced
            found: list[Kept] = []
            self._try(partial(self._find, kind, key, most, found))
            if found or self._replaced == before:
                return found[0] if found else None
        return None

    def _find(
        self, kind: str, key: str, most: int, found: list[Kept], connection: sqlite3.Connection
    ) -> None:
        rows = connection.execute(
            "SELECT id, name, data, done, seconds, checksum FROM kept "
            "WHERE kind = ? AND key = ? AND done <= ? ORDER BY done DESC",
            (kind, key, most),
        ).fetchall()
        for row, name, data, done, seconds, checksum in rows:
            kept = Kept(kind=kind, key=key, name=name, data=data, done=done, seconds=seconds)
            if kept.checksum == checksum:
                found.append(kept)
                self._mark_used(connection, row)
                return
            note("finished work in the store was damaged: that part is calculated again")

    def keep(self, rows: list[Kept], patience: float = BUSY_SECONDS) -> bool:
        """Write rows, all or none; False where the store cannot be written."""

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                self._write(connection, rows)
                self._make_room(connection)
            connection.executescript("PRAGMA incremental_vacuum")

        if not rows or self._failures >= MOST_FAILURES:
            return False
        before = self._replaced
        if self._try(write, create=True, patience=patience):
            return True
        # Damage was found only now: once more, in the file that takes its place.
        return self._replaced != before and self._try(write, create=True, patience=patience)

    @staticmethod
    def _write(connection: sqlite3.Connection, rows: list[Kept]) -> None:
        now = time.time()
        connection.executemany(
            "INSERT OR REPLACE INTO kept (kind, key, done, name, data, checksum, seconds, used) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(row.kind, row.key, row.done, row.name, row.data, row.checksum, row.seconds, now)
             for row in rows],
        )  # fmt: skip
        # Of what a row has overtaken, the last few are enough.
        connection.executemany(
            "DELETE FROM kept WHERE kind = ?1 AND key = ?2 AND done < (SELECT min(done) FROM "
            "(SELECT done FROM kept WHERE kind = ?1 AND key = ?2 AND done <= ?3 "
            "ORDER BY done DESC LIMIT ?4))",
            [(row.kind, row.key, row.done, NEWEST_KEPT) for row in rows],
        )

    @staticmethod
    def _make_room(connection: sqlite3.Connection) -> None:
        (size,) = connection.execute("SELECT total(length(data)) FROM kept").fetchone()
        if size <= LARGEST_SIZE:
            return
        rows = connection.execute("SELECT id, length(data) FROM kept ORDER BY used, id").fetchall()
        for row, length in rows:
            if size <= 0.8 * LARGEST_SIZE:
                break
            connection.execute("DELETE FROM kept WHERE id = ?", (row,))
            size -= length

    def _mark_used(self, connection: sqlite3.Connection, row: int) -> None:
        try:
            connection.execute(
                "UPDATE kept SET used = ?1 WHERE id = ?2 AND used < ?1 - 3600", (time.time(), row)
            )
        except sqlite3.OperationalError:
            return  # a store that can be read but not written still serves

    def contents(self) -> list[tuple[str, str, int, int, float, float]]:
        """Rows of kind, name, rows, bytes, seconds saved, last use; the latest used first."""
        found: list[tuple[str, str, int, int, float, float]] = []
        self._try(
            lambda connection: found.extend(
                connection.execute(
                    "SELECT kind, name, count(*), sum(length(data)), sum(longest), max(used) FROM "
                    "(SELECT *, CASE done WHEN max(done) OVER (PARTITION BY kind, key) "
                    "THEN seconds ELSE 0 END AS longest FROM kept) "
                    "GROUP BY kind, name ORDER BY max(used) DESC"
                )
            )
        )
        return found

    def prune(self, unused_for: float | None = None) -> int:
        """Delete what was not used for so many seconds, or everything; returns the rows deleted."""
        before = float("inf") if unused_for is None else time.time() - unused_for
        deleted: list[int] = []

        def delete(connection: sqlite3.Connection) -> None:
            rows = connection.execute("DELETE FROM kept WHERE used <= ?", (before,))
            deleted.append(rows.rowcount)
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self._try(delete)
        return sum(deleted)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _try(
        self,
        work: Callable[[sqlite3.Connection], object],
        create: bool = False,
        patience: float = BUSY_SECONDS,
    ) -> bool:
        """Whether `work` was done on the store; its errors are noted here and go no further."""
        with self._lock:
            try:
                connection = self._open(create)
                if connection is None:
                    return False
                connection.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
                work(connection)
                return True
            except sqlite3.OperationalError as error:
                self._failures += 1
                note(f"finished work cannot be kept ({error}): {self.folder}")
            except sqlite3.DatabaseError as error:
                self._replace(error)
            except OSError as error:
                self._failures += 1
                note(f"finished work cannot be kept ({error.strerror}): {self.folder}")
            return False

    def _open(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is not None and self._owner == os.getpid():
            return self._connection
        self._connection = None
        path = self.path
        if not path.exists():
            if not create:
                return None
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(self.folder):
            self._failures = MOST_FAILURES
            note(f"finished work is not kept: others can write to {self.folder}")
            return None
        self._opened = path
        connection = _connect(path)
        try:
            if not _prepare(connection):
                connection.close()
                note(f"{path} is no store of finished work: it is left alone")
                self._opened = _next(path)
                connection = _connect(self._opened)
                _prepare(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._owner = connection, os.getpid()
        return connection

    def _replace(self, error: Exception) -> None:
        """Go on in a new file with what can still be read of a damaged one."""
        damaged = self._opened
        self.close()
        self._replaced += 1
        if self.path != damaged:
            return  # another process was first
        note(f"the store of finished work was damaged ({error}): what can be read of it is kept")
        try:
            rows = _salvage(damaged)
            connection = _connect(_next(damaged))
            try:
                _prepare(connection)
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    self._write(connection, rows)
            finally:
                connection.close()
            _remove(damaged)
        except (sqlite3.Error, OSError):
            self._failures = MOST_FAILURES


def _next(path: Path) -> Path:
    number = int(path.stem.split("-")[1]) + 1
    return path.with_name(f"finished-{number:04d}.sqlite3")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _prepare(connection: sqlite3.Connection) -> bool:
    """Make the tables of a new file; False for a database of something else."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION, VERSION):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        # Two processes may make it at the same time: the second finds it made.
        connection.execute("BEGIN IMMEDIATE")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if tables and application != APPLICATION:
            connection.execute("ROLLBACK")
            return False
        if not tables:
            for statement in _SCHEMA.strip().rstrip(";").split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    # A killed process loses nothing that it had committed; where the file system knows no shared
    # memory the ordinary journal stays, which is as safe.
    with suppress(sqlite3.OperationalError):  # another process is at it, or the folder is read-only
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")
    return True


def _salvage(path: Path) -> list[Kept]:
    """Every row whose checksum holds, read from both ends up to where reading fails."""
    found: dict[tuple[str, str, int], Kept] = {}
    for order in ("ASC", "DESC"):
        connection = _connect(path)
        try:
            rows = connection.execute(
                "SELECT kind, key, name, data, done, seconds, checksum FROM kept NOT INDEXED "
                f"ORDER BY id {order}"
            )
            for kind, key, name, data, done, seconds, checksum in rows:
                row = Kept(kind=kind, key=key, name=name, data=data, done=done, seconds=seconds)
                if row.checksum == checksum:
                    found[kind, key, done] = row
        except (sqlite3.Error, TypeError):
            continue
        finally:
            connection.close()
    return list(found.values())


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _private(folder: Path) -> bool:
    """Whether nobody else can write to a folder."""
    if os.name != "posix":
        return True
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def cache_folder() -> Path:
    """The user's cache folder of this program; PLANNER_CACHE_DIR overrides it."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("PLANNER_CACHE_DIR") or user_cache_path("planner", appauthor=False))


@cache
def _store_in(folder: Path) -> Store:
    return Store(folder)


def user_store() -> Store:
    """The user's store."""
    return _store_in(cache_folder() / "store")
