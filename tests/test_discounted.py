"""The truth called "discounted": pages that use it say what it is, most of all a stand-in."""

from __future__ import annotations

from typing import Any

import pytest

import planner
from planner.selected_calibration import discount_reason, discounted


def texts(result: Any) -> list[str]:
    return [warning["text"] for warning in result.warnings if warning["code"] == "discounted"]


def pages(name: str, plan_for: str) -> list[Any]:
    analysis = planner.analysis(name)
    return [
        planner.power(analysis, n=[8], plan_for=plan_for, reps=200),
        planner.meta(analysis, k=[analysis.k], plan_for=plan_for, reps=200),
        planner.labs(analysis, labs=[2, 3], animals=[48], plan_for=plan_for, reps=200),
    ]


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("chronic-after", "selection", "once in five times (planner calibrate --analysis"),
        ("chronic-during", "se-read-as-sd", "as if SEs were read as SDs"),
        ("chronic-after", "share", "a quarter smaller: no truth gives the published numbers"),
    ],
)
def test_a_page_that_plans_with_it_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, name: str, reason: str, said: str
) -> None:
    if reason == "share":
        monkeypatch.setattr("planner.selected_calibration.selected_truth", lambda *_, **__: None)
    analysis = planner.analysis(name)
    calibration = planner.calibrate(analysis)
    mu, tau = discounted(analysis, calibration)
    assert discount_reason(calibration, mu, tau) == reason
    for result in pages(name, "discounted"):
        (text,) = texts(result)
        assert text.startswith(
            f"Discounted: a mean effect size of {mu:.2f} (SD between laboratories {tau:.2f})"
        )
        assert said in text


def test_a_stand_in_is_said_where_it_is_only_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # The table of required sizes always has its row; help says what it is where a truth fits.
    assert not any(texts(result) for result in pages("chronic-after", "new-lab"))
    monkeypatch.setattr("planner.selected_calibration.selected_truth", lambda *_, **__: None)
    power, meta, labs = pages("chronic-after", "new-lab")
    assert "a quarter smaller" in texts(power)[0]
    assert texts(meta) == texts(labs) == []  # it is not among their truths
