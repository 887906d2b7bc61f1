"""The same numbers on threads and on a Dask cluster, also when one of its processes dies."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from planner import backends, notes
from planner.backends import running_on
from planner.cli import main
from planner.errors import InputError
from sims import engine
from sims.chi import inverse_sd_tables
from sims.engine import run_tally
from sims.kernels import compiled_folder
from sims.lanes.experiments import N_SUMS, tally_student
from sims.tally import KernelTally
from tests.sims.helpers import rows, student_design
from tests.test_kept_pieces import calibrated, digest, small

distributed = pytest.importorskip("distributed", reason="Dask is missing: pip install '.[dask]'")
dask_cluster = importlib.import_module("planner.dask_cluster")
# Its event loop and sockets are closed by threads of its own.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SHAPE = (1, N_SUMS)
FAST = ["power", "--mu", "1", "--tau", "0.5", "--n", "8", "--reps", "400000", "--json"]


class Cluster(NamedTuple):
    """Its scheduler's address and its workers' process numbers."""

    address: str
    workers: list[int]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    compiled = compiled_folder()
    environment = dict(os.environ)
    if compiled is not None:
        environment["PLANNER_CACHE_DIR"] = str(compiled.parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.local_cluster"],
        cwd=Path(__file__).parents[1], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    address, *numbers = process.stdout.readline().split()
    yield Cluster(address, [int(number) for number in numbers])
    process.stdin.close()
    process.stdout.close()
    process.wait(30)


@pytest.fixture(autouse=True)
def _sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_WORTH_STARTING", 0.0)
    monkeypatch.setattr(engine, "FAR_UNIT_SECONDS", 0.01)


def student() -> KernelTally:
    tables = inverse_sd_tables(np.array([10.0]))
    truth = np.array([0.8]), np.array([0.3])
    return KernelTally(tally_student, 3, 11, *truth, rows([student_design(6, 6)]), tables)


def tasks_seen(cluster: Cluster) -> int:
    """Changes of state of tasks that the scheduler has seen: work has really gone there."""
    with distributed.Client(cluster.address, set_as_default=False) as client:
        return int(
            client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.transition_log))
        )


def test_a_command_prints_the_same_from_a_cluster(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))  # nothing is kept there yet
    assert main([*FAST, "--jobs", "1"]) == 0
    here = json.loads(capsys.readouterr().out)
    before = tasks_seen(cluster)
    assert main([*FAST, "--jobs", "1", "--backend", "dask", "--scheduler", cluster.address]) == 0
    assert json.loads(capsys.readouterr().out) == here
    assert tasks_seen(cluster) > before


def test_a_worker_that_is_killed_changes_no_number(cluster: Cluster) -> None:
    n_sim = 30_000_000
    expected = run_tally(student(), n_sim, SHAPE, 2)
    seen: list[int] = []

    def kill_one(done: int) -> None:
        seen.append(done)
        if len(seen) == 20:
            os.kill(cluster.workers[0], signal.SIGKILL)

    with running_on("dask", cluster.address):
        found = run_tally(student(), n_sim, SHAPE, 1, kill_one)
    assert np.array_equal(found, expected)
    assert len(seen) > 20
    with pytest.raises(ProcessLookupError):
        os.kill(cluster.workers[0], 0)


@contextmanager
def started(kind: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler or a worker as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{kind}", *words, "--no-dashboard"],
        cwd=Path(__file__).parents[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_cluster_may_lose_its_worker_but_not_its_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 5)
    monkeypatch.setattr(notes, "_silent", False)
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    file, one = tmp_path / "scheduler.json", ("--nthreads", "1", "--no-nanny")
    with started("scheduler", "--scheduler-file", str(file), "--port", "0") as scheduler:
        until = time.monotonic() + 60.0
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client, ExitStack() as later:
            with started("worker", address, *one) as worker:
                client.wait_for_workers(1, 60.0)
                n_sim, seen = 30_000_000, []

                def lose(done: int) -> None:
                    seen.append(done)
                    if len(seen) == 5:
                        worker.kill()
                        worker.wait()
                        until = time.monotonic() + 20.0
                        while client.ncores() and time.monotonic() < until:
                            time.sleep(0.1)
                        time.sleep(2.0 * dask_cluster.LOOK_SECONDS)
                        later.enter_context(started("worker", address, *one))

                with running_on("dask", address):
                    found = run_tally(student(), n_sim, SHAPE, 1, lose)
            assert np.array_equal(found, run_tally(student(), n_sim, SHAPE, 2))
            said = capsys.readouterr().err
            assert said.count("no worker is left") == 1
            assert said.count("\n") == 1
            client.close()
            # The command itself, as it is typed.
            long = [*FAST[:8], str(10**10), "--backend", "dask", "--scheduler", address]
            killed: list[float] = []

            def kill() -> None:
                killed.append(time.monotonic())
                scheduler.kill()

            timer = threading.Timer(3.0, kill)
            timer.start()
            assert main(long) == 1
            assert time.monotonic() - killed[0] < 30.0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"planner: the scheduler at {address} is gone; what was finished is kept:\n"
        "the same command goes on from there\n"
    )


def test_work_that_shares_memory_stays_here(cluster: Cluster) -> None:
    seen = np.zeros(8)

    def mark(i: int) -> int:
        seen[i] = 1.0
        return i

    with running_on("dask", cluster.address):
        assert list(engine.map_ordered(mark, range(8), 2)) == list(range(8))
    assert seen.all()


def test_calibrations_stay_here_as_the_help_says(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    small(monkeypatch.setattr)
    here = digest(calibrated(fresh=True))
    before = tasks_seen(cluster)
    with running_on("dask", cluster.address):
        assert digest(calibrated(jobs=2, fresh=True)) == here
    assert tasks_seen(cluster) == before
    for command in ("power", "plan", "meta", "bias", "decay"):
        assert main([command, "--help"]) == 0
        assert "Calibrations run on threads here" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("backend", "scheduler", "says"),
    [
        ("spark", None, "unknown --backend 'spark'"),
        ("threads", "tcp://x:1", "goes with --backend dask"),
        ("dask", None, "needs --scheduler ADDRESS"),
        ("dask", "tcp://127.0.0.1:9", "no scheduler answers"),
        ("dask", "nonsense://", "no scheduler answers"),
    ],
)
def test_wrong_addresses_are_named(
    backend: str, scheduler: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 0.5)
    with pytest.raises(InputError, match=says), running_on(backend, scheduler):
        raise AssertionError("the block must not run")


def test_without_dask_the_message_and_the_recipe_say_what_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = 'pip install ".[dask]"'
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError) as error, running_on("dask", "tcp://127.0.0.1:9"):
        raise AssertionError("the block must not run")
    recipe = (Path(__file__).parents[1] / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for text in (str(error.value), recipe):
        assert install in text
        assert "preclinical-planner[" not in text  # no index has it
