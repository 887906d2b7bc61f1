"""Pages of `planner meta` fit a terminal whatever is asked for, and say which truth they are at."""

import pytest

import planner
from planner.reports.meta import labs_page, meta_page

FEW = {"reps": 1000, "estimator": "DL"}


def fits(page: str) -> str:
    lines = page.splitlines()
    assert len(lines) < 60
    assert max(len(line) for line in lines) <= 80
    return page


@pytest.mark.parametrize(
    "asked",
    [
        {"k": (3, 6, 9, 12, 20), "n": (8, 12, 16)},
        {"k": range(3, 41), "n": (4, 6, 8, 10), "plan_for": "assurance"},
        {"plan_for": "discounted"},
        {"plan_for": "discounted", "n": (8, 12, 16)},
    ],
)
def test_new_reviews(asked):
    result = planner.meta(planner.analysis("chronic-after"), **FEW, **asked)
    page = fits(meta_page(result))
    if len(asked.get("n", ())) > 2:
        assert "--json or --out DIR" in page
    # Dependence is shown at the truth that is planned for.
    name = asked.get("plan_for", "new-lab")
    truths = {row["truth"] for row in result.performance if row["cluster"] is not None}
    assert truths == {name}
    words = {
        "new-lab": "average over laboratories as calibrated", "discounted": "literature discounted",
        "assurance": "not knowing the average",
    }[name]  # fmt: skip
    assert f"coverage, k 6, {words}" in page


def test_dependence_at_the_discounted_truth_is_another_number():
    # Seeds are the same: with the same law of studies, only mu and tau differ.
    found = [
        planner.meta(planner.analysis("chronic-after"), k=(6,), plan_for=name, **FEW).performance
        for name in ("new-lab", "discounted")
    ]
    success = [
        next(
            row["value"] for row in rows
            if row["cluster"] == "lab" and row["share"] == 1.0 and row["measure"] == "success"
            and row["interval"] == "cr2" and row["controls"] == "own"
        )
        for rows in found
    ]  # fmt: skip
    assert success[1] < success[0] - 0.2


def test_laboratories():
    result = planner.labs(
        planner.analysis("chronic-after"), labs=range(1, 9), animals=(48, 96, 144, 240), **FEW
    )
    assert "Totals of 144, 240: --json or --out DIR." in fits(labs_page(result))
