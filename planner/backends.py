"""Where simulations run: on threads of this machine, or on a Dask cluster through joblib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from planner.errors import InputError, unknown

BACKENDS = ("threads", "dask")
ANSWER_SECONDS = 10


@contextmanager
def running_on(backend: str, scheduler: str | None) -> Iterator[None]:
    """Run simulations inside the block on a backend; no number depends on which.

    The block's work goes to wherever joblib is told to send it, so from Python
    `joblib.parallel_config(backend="dask")` does the same with a client of your own.

    Raises
    ------
    InputError : no such backend, none at that address, or its workers run another version.
    RunError : its scheduler went away.
    """
    if backend not in BACKENDS:
        raise unknown("--backend", backend, BACKENDS)
    if backend == "threads":
        if scheduler is not None:
            raise InputError(f"--scheduler {scheduler} goes with --backend dask")
        yield
        return
    if scheduler is None:
        raise InputError("--backend dask needs --scheduler ADDRESS, such as tcp://10.0.0.1:8786")
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            '--backend dask needs Dask: pip install ".[dask]" in the folder of the planner'
        ) from None
    from joblib import parallel_config

    from planner.dask_cluster import WatchedCluster, logs_kept_back
    from sims.tally import OtherEngine

    with logs_kept_back():
        try:
            client = Client(scheduler, timeout=ANSWER_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
            raise InputError(f"--scheduler {scheduler}: no scheduler answers ({reason})") from None
        try:
            if not client.ncores():
                raise InputError(
                    f"--scheduler {scheduler} has no workers: start some, then try again"
                )
            cluster = WatchedCluster(client, scheduler)
            with cluster.watched(), parallel_config(backend=cluster):
                yield
        except OtherEngine as error:
            raise InputError(
                f"--scheduler {scheduler}: {error}; install the same version everywhere"
            ) from None
        finally:
            with suppress(Exception):  # one that is gone cannot be closed
                client.close(timeout=1)
