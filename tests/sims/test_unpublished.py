"""The studies that nobody sees: the published ones among all that were run, same draws."""

import numpy as np
import pytest
from scipy import stats

from sims.selection import make_mechanism
from sims.selection_shares import attempts_cap
from sims.selection_tally import draw_published
from sims.syntheses import make_studies
from sims.unpublished import draw_run

SIZES, LAW = np.arange(4, 13), np.full(9, 1.0 / 9.0)
CASES = {
    "step": ({"step": 0.2}, False, 0.0),
    "carter": ({"carter": 2.0}, True, 0.0),
    "together": ({"step": 0.1, "peak": 3.0, "stopping": 2.0, "outliers": 0.5}, False, 0.0),
    "clusters": ({"direction": 0.1, "step": 0.3, "inflation": 1.0}, False, 0.5),
    "nothing": ({}, False, 0.0),
}


@pytest.mark.nojit
@pytest.mark.parametrize("name", CASES)
def test_published_ones_are_those_of_the_synthesis(name):
    strengths, redraw, share = CASES[name]
    mechanism = make_mechanism(strengths, redraw=redraw)
    clusters = np.array([0, 0, 1, 2, 2]) if share else None
    studies = make_studies(SIZES, LAW, 5, cluster=clusters, share=share)
    point = np.array([0.4]), np.array([0.5])
    cap = attempts_cap(mechanism, studies, 0.4, 0.5)
    yi, vi, ni, run, _ = draw_published(studies, mechanism, *point, cap, 40, 8, "unseen")
    assert np.all(run > 0.0)
    hidden = 0
    for r in range(40):
        found = draw_run(studies, mechanism, 0.4, 0.5, int(run[r]), r, 8, "unseen")
        seen = found.published
        assert seen.sum() == 5
        for own, kept in ((found.yi, yi), (found.vi, vi), (found.ni, ni)):
            # Up to the rounding of a mean that is added to a cluster's deviation first or last.
            np.testing.assert_allclose(own[seen], kept[r], rtol=1e-13, atol=1e-13)
        hidden += len(seen) - 5
    assert (hidden == 0) == (name == "nothing")


def test_what_is_hidden_was_not_significant():
    # Only results with a one-sided Student p above .025 stay unpublished under a step.
    mechanism, studies = make_mechanism({"step": 0.2}), make_studies(SIZES, LAW, 9)
    point = np.array([0.4]), np.array([0.5])
    _, _, _, run, _ = draw_published(studies, mechanism, *point, 10_000, 20, 9, "unseen")
    for r in range(20):
        found = draw_run(studies, mechanism, 0.4, 0.5, int(run[r]), r, 9, "unseen")
        hidden = ~found.published
        df = found.ni[hidden] - 2.0
        d = found.yi[hidden] / (1.0 - 3.0 / (4.0 * df - 1.0))
        t = d * np.sqrt(found.ni[hidden] / 4.0)
        assert np.all(stats.t.sf(t, df) > 0.025)
