"""The same numbers on threads and on a Dask cluster, also when one of its processes dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from planner import backends
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
