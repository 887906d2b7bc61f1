"""What tests of several files share: above all less work, where a number need not be exact."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import cache

import pytest

import planner
from planner.plans import Plan
from tests.helpers import few_reviews

# Files of tests of syntheses, whose kernels take as long to compile as all the others.
SYNTHESES = (
    "bias", "calibration", "cluster", "conditioning", "discounted", "example", "known", "meta",
    "plan", "pool", "posterior", "precision", "select", "small", "syntheses", "unpublished",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The second of two workers begins with syntheses: neither compiles what the other does.

    Each begins with its half of the tests; what one has compiled, the other finds on disk.
    """
    syntheses = [item for item in items if any(name in item.path.name for name in SYNTHESES)]
    chosen = set(syntheses)
    others = [item for item in items if item not in chosen]
    half = len(items) // 2
    items[:] = [*others[:half], *syntheses, *others[half:]]


@pytest.fixture(scope="session", autouse=True)
def _interrupted_as_in_a_terminal() -> None:
    """A shell's job in the background ignores Ctrl-C, and so do the programs that it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def few_syntheses(monkeypatch: pytest.MonkeyPatch) -> None:
    """New evidence is calibrated with few simulated syntheses, and kept by their number."""
    numbers = {"N_DRAWS": 200, "N_MATCH": 1 << 12, "N_CHECK": 1 << 12}
    for name, number in numbers.items():
        monkeypatch.setattr(f"planner.calibration.{name}", number)
    monkeypatch.setattr("planner.calibration.NUMBERS", tuple(numbers.values()))
    for name, number in {"N_MATCH": 1 << 11, "N_CHECK": 1 << 11, "N_SETS": 50}.items():
        monkeypatch.setattr(f"planner.selected_calibration.{name}", number)
    # Intervals that rest on fewer sets of studies are simulated, which takes as long as the rest.
    monkeypatch.setattr("planner.selected_joint.FEW_SETS", 1)


@pytest.fixture
def no_sensitivity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decay plan without the sizes under other assumptions: most of what it takes."""
    monkeypatch.setattr("planner.decay_beside.sensitivity", lambda *_: [])


@pytest.fixture(scope="session")
def default_plan() -> Callable[[str], Plan]:
    """The plan of an analysis as nothing else is asked, with few simulated reviews: made once."""

    @cache
    def made(name: str) -> Plan:
        with pytest.MonkeyPatch.context() as patch:
            few_reviews(patch)
            return planner.plan(planner.analysis(name), reps=2000)

    return made
