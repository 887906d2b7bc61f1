"""The benchmark: what it reports, not how fast this machine is."""

from __future__ import annotations

import json

import pytest

import planner
from planner.cli import main
from planner.speed_cases import cases


def test_every_kernel_has_a_name_of_its_own() -> None:
    names = [case.name for case in cases()]
    assert len(set(names)) == len(names)
    assert all(case.normals > 0 for case in cases())


def test_one_kernel_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["benchmark", "--kernel", "decay contrast", "--repetitions", "1", "--json"]
    assert main(options) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["performance"]
    assert row["kernel"] == "decay contrast"
    assert row["ratio_to_limit"] == pytest.approx(row["ns_per_rep"] / row["ns_rng_limit"])
    assert row["reps_per_s"] == pytest.approx(1e9 / row["ns_per_rep"])
    assert document["scenario"] == {"kernel": ["decay contrast"], "repetitions": 1}


def test_the_page_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--kernel", "two-arm student", "--repetitions", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert any(line.startswith("  two-arm student x9 ") for line in lines)


def test_every_line_of_the_page_would_fit() -> None:
    assert all(len(case.name) <= 25 and len(case.words) <= 22 for case in cases())


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(planner.InputError, match=r"unknown --kernel 'two-armed'; did you mean"):
        planner.benchmark(["two-armed"])
    with pytest.raises(planner.InputError, match="--repetitions 0"):
        planner.benchmark(repetitions=0)


@pytest.mark.slow
def test_every_kernel_runs() -> None:
    rows = planner.benchmark(repetitions=1).performance
    assert [row["kernel"] for row in rows] == [case.name for case in cases()]
