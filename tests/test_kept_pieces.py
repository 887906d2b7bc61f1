"""A calibration that is killed goes on from its finished pieces, with the same numbers."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from planner import calibration, kept_pieces, long_runs
from planner.calibration import Calibration, calibrate
from planner.cli import main
from planner.finished_work import Store
from planner.kept_pieces import KIND, Pieces
from planner.published import Analysis, analysis
from sims import conditioning
from tests.helpers import own_store

SEED = 5  # nothing of it ships
DRIVER = """
from planner import kept_pieces, long_runs
from tests.test_kept_pieces import calibrated, digest, small

small(setattr)
keep, get = kept_pieces.Pieces._keep, kept_pieces.Pieces.get

def told(self, part, *more):
    keep(self, part, *more)
    print("kept", part, flush=True)

def found(self, number):
    piece = get(self, number)
    if piece is not None:
        print("found", number, flush=True)
    return piece

kept_pieces.Pieces._keep, kept_pieces.Pieces.get = told, found
print("digest", digest(calibrated(2)), flush=True)
"""


def small(put) -> None:
    """Pieces of milliseconds, each kept at once, and few of them."""
    put(conditioning, "_CHUNK", 1024)
    for name, number in (("N_DRAWS", 60), ("N_MATCH", 4096), ("N_CHECK", 4096)):
        put(calibration, name, number)
    put(long_runs, "PIECE_SECONDS", 0.0)


def published() -> Analysis:
    return analysis("chronic-after")


def calibrated(jobs: int = 1, fresh: bool = False) -> Calibration:
    return calibrate(published(), seed=SEED, jobs=jobs, fresh=fresh)


def digest(found: Calibration) -> str:
    """Of every number, to the last bit."""
    parts = [
        value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for value in vars(found).values()
    ]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    small(monkeypatch.setattr)
    yield from own_store(tmp_path, monkeypatch)


def kinds(store: Store) -> dict[str, int]:
    return {kind: rows for kind, _, rows, *_ in store.contents()}


class Stopped(BaseException):
    """As a kill, for this process."""


def stop_after(rows: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calibrate until so many rows are kept; returns their parts."""
    kept, keep = [], Pieces._keep

    def told(self: Pieces, part: str, data: bytes, seconds: float) -> None:
        keep(self, part, data, seconds)
        kept.append(part)
        if len(kept) == rows:
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(Pieces, "_keep", told)
        with pytest.raises(Stopped):
            calibrated()
    return kept


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
def test_a_killed_calibration_goes_on(store: Store) -> None:
    expected = digest(calibrated(fresh=True))
    store.prune()
    begun: set[str] = set()
    for kept_before_it_is_killed in (2, 3, None):
        child = subprocess.Popen(
            [sys.executable, "-c", DRIVER], cwd=Path(__file__).parents[1], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        found, kept = [], []
        for line in child.stdout:
            word, what = line.split()
            {"found": found, "kept": kept}.get(word, []).append(what)
            if len(kept) == kept_before_it_is_killed:
                child.send_signal(signal.SIGKILL)
                break
        rest, error = child.communicate()
        assert error == ""
        # What was kept is found and not calculated again.
        assert begun - {"matched"} <= set(found)
        assert not begun & set(kept)
        begun |= set(kept)
        begun |= {line.split()[1] for line in rest.splitlines() if line.startswith("kept ")}
    assert (child.returncode, len(begun) > 5) == (0, True)
    assert what == expected
    assert kinds(store) == {"calibration": 1}  # the pieces of what is finished are gone


def test_each_piece_is_calculated_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = digest(calibrated(fresh=True))
    store.prune()
    stopped = stop_after(4, monkeypatch)
    assert stopped == ["matched", "0", "1", "2"]
    assert kinds(store) == {KIND: 4}
    calls = []
    match, tried = conditioning.matched_truth, conditioning.match_syntheses
    monkeypatch.setattr(
        conditioning, "matched_truth", lambda *given: calls.append("matched") or match(*given)
    )
    monkeypatch.setattr(
        conditioning, "match_syntheses",
        lambda seed, key, first, *given: calls.append(first) or tried(seed, key, first, *given),
    )  # fmt: skip
    assert digest(calibrated()) == expected
    assert calls[0] == 3 * 8 * 1024
    assert len(set(calls)) == len(calls) > 10


def test_pieces_of_other_numbers_are_not_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(4, monkeypatch)
    found, furthest = [], Store.furthest

    def told(self: Store, kind: str, key: str, *more: int) -> object:
        kept = furthest(self, kind, key, *more)
        found.extend([key] if kept is not None and kind == KIND else [])
        return kept

    monkeypatch.setattr(Store, "furthest", told)
    calibrate(published(), seed=SEED + 1)
    calibrate(published(), seed=SEED, cluster="study", share=0.5)
    assert found == []
    calibrated()
    assert len(found) == 4
    store.prune()
    stop_after(4, monkeypatch)
    calibrated(fresh=True)
    assert len(found) == 4


def test_a_damaged_piece_is_calculated_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = digest(calibrated(fresh=True))
    store.prune()
    stop_after(5, monkeypatch)
    store._try(
        lambda connection: connection.execute(
            "UPDATE kept SET data = zeroblob(length(data)) WHERE key LIKE '% 1'"
        )
    )
    assert digest(calibrated()) == expected
    assert "was damaged: that part is calculated again" in capsys.readouterr().err


def test_pieces_are_shown_and_pruned(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_after(3, monkeypatch)
    assert main(["store"]) == 0
    page = capsys.readouterr().out
    assert any(line.split()[:2] == [KIND, "chronic-after"] for line in page.splitlines())
    assert main(["store", "prune", "--all"]) == 0
    assert kinds(store) == {}


def test_pieces_wait_until_they_are_a_few_seconds_and_keep_their_numbers(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_runs, "PIECE_SECONDS", 2.0)
    whole = [(np.arange(i), np.full((i, 2), i / 7.0)) for i in range(9)]
    pieces = Pieces("test", 1.5)
    for number in (0, 1, 5, 6, 7, 8):  # those between were kept already
        pieces.put(number, whole[number], 0.9)
    assert {key.split()[1] for key in _keys(store)} == {"0", "5"}
    again = Pieces("test", 1.5)
    found = {number: again.get(number) for number in range(9)}
    assert [number for number in found if found[number] is None] == [2, 3, 4, 8]
    for number, piece in found.items():
        if piece is not None:
            assert all(map(np.array_equal, piece, whole[number]))
    assert Pieces("test", 1.6).get(0) is None
    again.forget()
    assert _keys(store) == []


def _keys(store: Store) -> list[str]:
    found: list[str] = []
    store._try(
        lambda connection: found.extend(
            key for (key,) in connection.execute("SELECT key FROM kept")
        )
    )
    return found


def test_work_that_goes_on_is_said_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_after(4, monkeypatch)
    monkeypatch.setattr(long_runs, "WORTH_SAYING", 0.0)
    calibrated()
    assert capsys.readouterr().err == f"planner: {long_runs.GOING_ON}\n"
    assert kept_pieces.KIND not in kinds(store)
