"""The README's Python, as it stands there: it runs, and gives what INTERFACE promises."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from matplotlib.axes import Axes

import planner
from planner.results import Result
from tests.helpers import few_reviews

ROOT = Path(__file__).parent.parent


def example() -> str:
    """The README's block of Python that begins with `import planner`."""
    text = (ROOT / "README.md").read_text()
    block = re.search(r"(?:^ {4}.*\n|^\n)*^ {4}import planner\n(?:^ {4}.*\n|^\n)*", text, re.M)
    assert block is not None
    return "\n".join(line[4:] for line in block[0].splitlines())


def test_the_documented_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder of its own, with few replicates: what is tested is that every line works."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    monkeypatch.chdir(tmp_path)
    for place, value in (
        ("planner.two_arm.DEFAULT_REPS", 2000), ("planner.new_reviews.DEFAULT_REPS", 500),
        ("planner.updates.DEFAULT_REPS", 500), ("planner.updates.SET_REPS", 16),
        ("planner.updates.N_SETS", 40),
        ("planner.multi_lab.DEFAULT_REPS", 500), ("planner.small_study.DEFAULT_REPS", 200),
        ("planner.decay_plans.CONTRAST_REPS", 2000), ("planner.decay_plans.TRIAL_REPS", 200),
    ):  # fmt: skip
        monkeypatch.setattr(place, value)
    few_reviews(monkeypatch)
    space: dict[str, object] = {}
    exec(compile(example(), "README.md", "exec"), space)
    assert isinstance(space["r"], Result)
    assert space["r"].answer.startswith("Plan 23 animals per group")
    assert (tmp_path / "plan.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "plan.json").exists()
    assert (tmp_path / "out" / "result.json").exists()


def test_results_are_tables_and_figures() -> None:
    result = planner.power(planner.analysis("chronic-after"), n=range(4, 13, 4), reps=2000)
    assert isinstance(result.frame, pd.DataFrame)
    assert set(result.frame["n"]) == {4, 8, 12}
    assert isinstance(result.required, pd.DataFrame)
    # Whole numbers stay whole, also where some sizes do not exist.
    needed = [row["n"] for row in result.required_rows]
    assert None in needed
    assert result.required["n"].dropna().tolist() == [n for n in needed if n is not None]
    assert {str(result.required[name].dtype) for name in ("n", "animals", "ordered")} == {"Int64"}
    assert "<table" in result._repr_html_()
    assert result.answer.split(".")[0] in repr(result)
    truth = planner.calibrate(planner.analysis("chronic-after"))
    assert list(truth.draws.columns) == ["mu", "tau"]
    with pytest.raises(planner.InputError, match="names that exist"):
        planner.analysis("chronic-aftr")


def test_every_part_with_rows_is_a_table() -> None:
    result = planner.power(planner.analysis("chronic-after"), n=[4, 8], reps=2000)
    assert result.table("performance").shape[0] == len(result.performance)
    nested = replace(result, extra={"program": {"rows": [{"step": "a", "mu": {"value": 0.5}}]}})
    assert nested.table("program").loc[0, "mu.value"] == 0.5
    with pytest.raises(planner.InputError, match="tables that exist: warnings, performance"):
        result.table("nothing")


def test_figures_are_axes_that_can_be_drawn_on() -> None:
    result = planner.power(planner.analysis("chronic-after"), n=[4, 8], reps=2000)
    axes = result.plot()
    assert isinstance(axes, Axes)
    axes.axvline(6.0)
    axes.set_title("Ours")
    assert axes.figure.axes[0].get_title() == "Ours"
    assert result.plot().get_title() != "Ours"  # each time a figure of its own
    pool = planner.pool(ROOT / "tests" / "data" / "marbles.csv", benefit="lower")
    assert isinstance(pool.forest(), Axes)
    panels = pool.funnel()
    assert panels.ndim == 1
    assert len(panels) > 1
    assert all(isinstance(panel, Axes) for panel in panels)
    with pytest.raises(planner.InputError, match="figures that exist: "):
        result.plot("nothing")


def test_a_notebook_shows_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What IPython would be given; outside of a notebook nothing is asked of it."""
    shown: list[dict[str, object]] = []
    shell = SimpleNamespace()
    display = ModuleType("IPython.display")
    display.Image = dict  # type: ignore[attr-defined]
    display.display = shown.append  # type: ignore[attr-defined]
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    result = planner.power(planner.analysis("chronic-after"), n=[4], reps=100)
    assert isinstance(result.plot(), Axes)
    assert shown == []  # a terminal
    shell.kernel = None
    result.plot()
    assert [str(image["data"])[:7] for image in shown] == ["b'\\x89P"]


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, planner; heavy = {'numba', 'scipy', 'pandas', 'matplotlib', 'jinja2'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
