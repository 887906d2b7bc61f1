"""A Dask cluster as joblib's backend, watched: what is lost is said, and nothing waits for it.

joblib's own backend waits for ever for tasks whose scheduler is gone, or that killed their
workers. Imported only where a cluster is asked for.
"""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

from distributed import Client
from joblib._dask import DaskDistributedBackend

from planner.errors import RunError
from planner.notes import note

LOOK_SECONDS = 0.5  # between looks at the cluster
SILENT_SECONDS = 20.0  # a scheduler that does not answer for so long is gone
# Of libraries that write to the terminal by themselves; "asyncio" says what nobody waited for.
_LOGGERS = ("distributed", "tornado", "asyncio")

Callback = Callable[[Any], None]


class WatchedCluster(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
    """joblib's backend for Dask, which gives up work that will never come back."""

    def __init__(self, client: Client, address: str) -> None:
        super().__init__(client=client)
        self.address = address
        self._waiting: dict[int, Callback] = {}
        self._lock = Lock()
        self._ended, self._lost = Event(), Event()
        self._cores, self._heard = 1, time.monotonic()
        self._watch = Thread(target=self._look_again_and_again, daemon=True)

    @contextmanager
    def watched(self) -> Iterator[WatchedCluster]:
        """Inside, the cluster is looked at twice a second.

        Raises
        ------
        RunError : its scheduler is gone, or a piece of work killed several workers.
        """
        self._watch.start()
        try:
            yield self
        except (Exception, CancelledError) as error:
            self._look()
            if self._lost.is_set():
                raise self._gone() from None
            if type(error).__name__ == "KilledWorker":
                raise RunError(
                    f"workers of {self.address} died, several of them with the same piece of work; "
                    "what was finished is kept:\nthe same command goes on, here without --backend"
                ) from None
            raise
        finally:
            self._ended.set()

    def submit(self, func: Any, callback: Callback | None = None) -> Future[Any]:
        """As joblib's, but whatever becomes of the task is told to the one who waits for it."""
        assert callback is not None
        tell, number = callback, id(callback)

        def once(out: Any) -> None:
            with self._lock:
                known = self._waiting.pop(number, None)
            if known is not None:
                tell(self._gone() if isinstance(out, CancelledError) else out)

        def failed(future: Future[Any]) -> None:
            if not future.cancelled() and future.exception() is not None:
                once(future.exception())

        with self._lock:
            self._waiting[number] = once
        future: Future[Any] = super().submit(func, once)
        future.add_done_callback(failed)
        return future

    def effective_n_jobs(self, n_jobs: int) -> int:
        """Cores of the cluster; without any it waits until there are some.

        Never one: joblib would do the work in this process.
        """
        self._look()
        while not self._cores and not self._lost.is_set():
            time.sleep(LOOK_SECONDS)
        if self._lost.is_set():
            raise self._gone()
        return max(2, self._cores)

    def _look_again_and_again(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._look()
            if self._lost.is_set():
                with self._lock:
                    waiting = list(self._waiting.values())
                for tell in waiting:
                    tell(self._gone())

    def _look(self) -> None:
        if self.client.status != "running":
            self._lost.set()  # what was sent away is forgotten, even if it could be reached again
            return
        try:
            ask = self.client.scheduler.ncores
            cores = self.client.sync(ask, workers=None, callback_timeout=SILENT_SECONDS / 2.0)
        except Exception:  # whatever it is, there was no answer
            if time.monotonic() - self._heard > SILENT_SECONDS or self.client.status != "running":
                self._lost.set()
            return
        self._heard, self._cores = time.monotonic(), sum(cores.values())
        if not self._cores and not self._ended.is_set():
            note(
                f"no worker is left at {self.address}: waiting for one "
                "(Ctrl-C ends; what was finished is kept)"
            )

    def _gone(self) -> RunError:
        return RunError(
            f"the scheduler at {self.address} is gone; what was finished is kept:\n"
            "the same command goes on from there"
        )


@contextmanager
def logs_kept_back() -> Iterator[None]:
    """Inside, these libraries write nothing by themselves: what matters is said in one line."""

    def kept_back(record: logging.LogRecord) -> bool:
        return not record.name.startswith(_LOGGERS)

    loggers = [logging.getLogger(name) for name in (*_LOGGERS, *logging.root.manager.loggerDict)]
    own = [one for one in loggers if one.name.startswith(_LOGGERS)]
    handlers = {handler for one in own for handler in one.handlers}
    handlers |= {logging.lastResort} if logging.lastResort is not None else set()
    for handler in handlers:
        handler.addFilter(kept_back)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(kept_back)
