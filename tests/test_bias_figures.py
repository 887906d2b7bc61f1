"""Figures of `planner bias`: everything that they show is named, and no name covers another."""

from itertools import pairwise

import pytest

import planner
from planner.reports.bias import bias_page
from sims.smallstudy_names import CORRECTIONS

TRUTH = {"mu": 0.8, "tau": 0.4, "k": (6,), "sizes": "4:12", "reps": 60}
ASKED = {
    "step": {"mechanism": "step", "weight": (1, 0.5, 0.2, 0.05)},
    "together": {"mechanism": "step+peak=3"},
    "carter": {"mechanism": "carter"},
    "many": {"mechanism": "carter,peak+step=0.2,stopping", "k": (6, 9)},
}


@pytest.fixture(scope="module", params=ASKED)
def result(request):
    return planner.bias(**{**TRUTH, **ASKED[request.param]})


def open_points(panel):
    return [
        line for line in panel.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == "none"
    ]  # fmt: skip


def labels_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_funnel_shows_the_studies_that_nobody_sees(result):
    typical = result.document()["typical"]
    hidden = typical["unpublished"]
    assert typical["run"] == len(typical["yi"]) + len(hidden["yi"])
    assert len(hidden["yi"]) > 0
    figure = result.figures["funnel"](result)
    assert {"published studies", "unpublished studies, which no one sees",
            "average of the published", "true mean of all"} <= set(labels_of(figure))  # fmt: skip
    for panel, values in zip(figure.axes, (hidden["vi"], hidden["ni"]), strict=True):
        (points,) = open_points(panel)
        assert list(points.get_xdata()) == hidden["yi"]
        power = 0.5 if values is hidden["vi"] else -0.5
        assert list(points.get_ydata()) == pytest.approx([x**power for x in values])
        low, high = panel.get_xlim()
        assert all(low < y < high for y in hidden["yi"])


def test_corrections_that_coincide_stand_beside_each_other(result):
    # PET-PEESE is PET where PET shows nothing: one would cover the other.
    figure = result.figures["bias"](result)
    assert {"PET", "PET-PEESE"} <= set(labels_of(figure))
    for panel in figure.axes:
        lines = [bars.lines[0] for bars in panel.containers]
        starts = [line.get_xdata()[0] for line in lines]
        assert all(b - a > 0.02 for a, b in pairwise(starts))
        assert "none" not in panel.get_title()
        assert panel.get_xlabel() in ("weight", "strength")


@pytest.mark.parametrize("name", ["bias", "winners"])
def test_names_under_an_axis_do_not_overlap(result, name):
    figure = result.figures[name](result)
    figure.canvas.draw()
    for panel in figure.axes:
        for minor in (False, True):
            ticks = panel.xaxis.get_ticklabels(minor=minor)
            boxes = [tick.get_window_extent() for tick in ticks if tick.get_text()]
            for a, b in pairwise(sorted(boxes, key=lambda box: box.x0)):
                assert a.x1 <= b.x0 + 1.0
        below = [tick.get_window_extent().y1 for tick in panel.xaxis.get_ticklabels(minor=True)]
        above = [tick.get_window_extent().y0 for tick in panel.xaxis.get_ticklabels()]
        if below and name == "winners":
            assert max(below) <= min(above) + 1.0


def test_where_nothing_happens_is_named(result):
    figure = result.figures["winners"](result)
    texts = [tick.get_text() for tick in figure.axes[0].xaxis.get_ticklabels()]
    assert "nothing" in texts[0]
    rows = {(row["mechanism"], row["k"]) for row in result.performance}
    assert sum("nothing" in text for text in texts) <= len(rows)


def test_each_correction_has_a_look_of_its_own(result):
    figure = result.figures["bias"](result)
    lines = [bars.lines[0] for bars in figure.axes[0].containers]
    assert len({line.get_color() for line in lines}) == len(lines) == len(CORRECTIONS)
    assert len({line.get_marker() for line in lines}) == len(lines)
    assert len({panel.get_ylim() for panel in figure.axes}) == 1


def test_each_mechanism_and_k_has_a_line_of_the_page(result):
    lines = [line for line in bias_page(result).splitlines() if line.startswith("   k ")]
    others = result.extra["others"]
    counts = {other["k"] for other in others}
    nothing = [line for line in lines if "nothing happens" in line]
    assert len(lines) - len(nothing) in (len(others), len(others) + 1)
    assert len(nothing) <= len(counts)
    for other in others:
        name = f"k {other['k']}: {other['mechanism']} "
        assert sum(name in line for line in lines) == 1
    assert len(bias_page(result).splitlines()) < 60


def test_what_does_not_exist_is_in_no_figure_and_many_columns_are_the_strongest():
    result = planner.bias(
        mu=0.8, tau=0.4, k=(3, 4, 5, 6, 7, 8), n=(6,), reps=20, correction="trimfill,pet",
        detector="egger-n", mechanism="step,direction",
    )  # fmt: skip
    assert labels_of(result.figures["bias"](result)) == ["uncorrected", "trim and fill"]
    panel = result.figures["winners"](result).axes[0]
    assert [text.get_text() for text in panel.yaxis.get_ticklabels()] == [
        "uncorrected", "trim and fill",
    ]  # fmt: skip
    ticks = [text.get_text() for text in panel.xaxis.get_ticklabels()]
    assert ticks == ["0.05"] * 12
