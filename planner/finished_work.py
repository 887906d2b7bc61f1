"""The store of finished work: one SQLite file in the user's cache folder, safe to lose.

It keeps numbers under digests of all that they depend on, so nothing in it is ever out of date,
only unused. Whatever happens to it (kill -9, a full disk, damage, another process), the worst is
that work is done again: every row carries a checksum, and no method here raises for the sake of
the store. Nothing is unpickled.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from threading import RLock

from planner.notes import note
from planner.store_file import BUSY_SECONDS as BUSY_SECONDS
from planner.store_file import Kept as Kept
from planner.store_file import (
    connect,
    is_damage,
    is_ours,
    is_private,
    make_store,
    next_file,
    readable_rows,
    remove_store,
    settle,
    write_rows,
)

LARGEST_SIZE = 256 * 2**20  # bytes of data; the rows unused for longest make room
MOST_FAILURES = 3


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
        self._usable = True  # until a damaged file cannot be replaced
        self._indexed = False  # whether the index was found whole since the file was opened

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
        if not self._indexed:
            self._check_index(connection)
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

    def _check_index(self, connection: sqlite3.Connection) -> None:
        """Work that cannot be found would look like work that was never done."""
        (lost,) = connection.execute(
            "SELECT count(*) FROM kept AS row NOT INDEXED WHERE NOT EXISTS (SELECT 1 FROM kept "
            "WHERE kind = row.kind AND key = row.key AND done = row.done)"
        ).fetchone()
        if lost:
            raise sqlite3.DatabaseError(f"{lost} missing in its index")
        self._indexed = True

    def keep(self, rows: list[Kept], patience: float = BUSY_SECONDS) -> bool:
        """Write rows, all or none; False where the store cannot be written."""

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                write_rows(connection, rows)
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

    def forget(self, kind: str, begins: str) -> None:
        """Delete the rows whose keys begin so: they are part of something finished."""
        if self.files():
            self._try(
                lambda connection: connection.execute(
                    "DELETE FROM kept WHERE kind = ? AND substr(key, 1, ?) = ?",
                    (kind, len(begins), begins),
                )
            )

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
            except (sqlite3.DatabaseError, ValueError, TypeError) as error:
                # Text that is no text, a number that is none: values of a damaged page.
                if is_damage(error) or self.path != self._opened:
                    self._replace(error)
                else:
                    self._failures += 1
                    note(f"finished work cannot be kept ({error}): {self.folder}")
            except OSError as error:
                self._failures += 1
                note(f"finished work cannot be kept ({error.strerror}): {self.folder}")
            return False

    def _open(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is not None and self._owner == os.getpid():
            if self._opened.exists():
                return self._connection
            self._connection.close()  # another process has put a new file in its place
        self._connection = None
        path = self.path
        if not self._usable or not (create or path.exists()):
            return None
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_private(self.folder):
            self._failures = MOST_FAILURES
            note(f"finished work is not kept: others can write to {self.folder}")
            return None
        self._opened = path
        if not path.exists():
            make_store(path)
        connection = connect(path)
        try:
            if not is_ours(connection):
                connection.close()
                note(f"{path} is no store of finished work: it is left alone")
                self._opened = next_file(path)
                make_store(self._opened)
                connection = connect(self._opened)
            settle(connection)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._owner, self._indexed = connection, os.getpid(), False
        return connection

    def _replace(self, error: Exception) -> None:
        """Go on in a new file with what can still be read of a damaged one."""
        damaged = self._opened
        self.close()
        self._replaced += 1
        if self.path != damaged:
            return  # another process was first
        rows = readable_rows(damaged)
        left = f"{len(rows)} of its pieces can be read, others are" if rows else "its work is"
        note(f"the store of finished work was damaged ({error}): {left} calculated again")
        try:
            make_store(next_file(damaged), rows)
            remove_store(damaged)
        except (sqlite3.Error, OSError) as full:
            self._failures, self._usable = MOST_FAILURES, False
            note(f"finished work cannot be kept ({full}): {self.folder}")


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


def _let_go() -> None:
    # What stands in the log beside the file goes into it: nobody would notice a log that is lost.
    if _store_in.cache_info().currsize:
        user_store().close()


# Before `planner.long_runs` registers what it writes at the end: the last one is called first.
atexit.register(_let_go)
