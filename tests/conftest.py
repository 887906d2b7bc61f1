"""Less work where a test asks where numbers go, not how exact they are."""

from __future__ import annotations

import pytest


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
