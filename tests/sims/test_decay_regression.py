"""Meta-regression on the delay: metafor on the same data, and its error rate."""

import json
from pathlib import Path

import numpy as np
import pytest

from sims.decay import curve
from sims.decay_regression import regress, regression_counts
from sims.kernels import entry
from sims.syntheses import make_studies
from tests.sims.helpers import P_BINOMIAL, binomial_p

PINNED = json.loads((Path(__file__).parents[1] / "reference" / "decay.json").read_text())


@entry
def fit(x, y, v):
    return regress(x, y, v)


@pytest.mark.nojit
@pytest.mark.parametrize("case", PINNED["regressions"], ids=lambda case: str(len(case["yi"])))
def test_regression_is_that_of_metafor(case):
    found = fit(*(np.array(case[name], dtype=float) for name in ("delay", "yi", "vi")))
    assert found.slope == pytest.approx(case["slope"], abs=1e-9)
    assert found.se == pytest.approx(case["se"], abs=1e-9)
    assert found.tau2 == pytest.approx(case["tau2"], abs=1e-8)


def test_a_large_uniform_review_has_its_level():
    # seed 1, n_sim 4000: no decay, no spread, groups of 200; t on k - 2 is nearly exact
    studies = make_studies(np.array([200]), np.ones(1), 12)
    delays = np.tile([1.0, 14.0, 7.0, 15.0, 34.0, 28.0], 2)
    flat = curve(delays, np.array([np.inf]))
    counts = regression_counts(
        studies, np.array([0.0]), np.array([0.0]), flat, delays, 0.025, 4000, 1
    )
    # truncation of tau^2 at 0 leaves it slightly conservative: only an excess is an error
    assert counts.sum() < 4000 * 0.05 or binomial_p(counts.sum(), 4000, 0.05) > P_BINOMIAL


def test_decay_is_found_with_more_studies():
    # seed 1, n_sim 2000
    shares = []
    for k in (6, 24):
        studies = make_studies(np.arange(4, 13), np.full(9, 1 / 9), k)
        delays = np.resize([1.0, 14.0, 7.0, 15.0, 34.0, 28.0], k)
        curves = curve(delays, np.array([12.0]))
        down, up = regression_counts(
            studies, np.array([5.5]), np.array([2.4]), curves, delays, 0.025, 2000, 1
        )
        shares.append(down / 2000)
        assert up < 0.02 * 2000
    assert 0.1 < shares[0] < shares[1] <= 1.0
