"""The words of every measure and truth: one line each, in tables and in every --help."""

from collections.abc import Mapping
from typing import Any

MEASURES = {
    "success": "chance of a significant benefit: significant, in the direction of benefit",
    "power": "chance of a significant result in either direction; tends to 1 with n",
    "type_s": "wrong way: share of significant results opposite to the lab's own true effect",
    "type_m": "overstated by: mean significant |g| over mean |true effect| of the same labs",
    "ci_width": "width of the confidence interval of the mean difference, in SDs",
    "mde": "smallest true effect of the lab that is found with the target chance, in SDs",
}
TRUTHS = {
    "pooled": "average lab: the true effect is the mean of the matched truth",
    "new-lab": "new lab: its true effect varies around that mean with SD tau",
    "assurance": "not knowing the average: new lab, over all truths the article leaves open",
    "discounted": "new lab, if studies without a significant benefit were published once in 5 "
    "(g > 3: SEs read as SDs; a quarter off where no truth fits)",
    "given": "the true effect varies with SD tau around mu, both given by hand",
    "as-printed": "the published average taken as the true effect, which it is not",
    "se-read-as-sd": "if published standard errors were read as SDs",
}
OTHER_WORDS = {
    "required n": "smallest n per treated group with that chance; exact (given the draws)",
    "ceiling": "chance of success that no group size exceeds",
    "mcse": "simulation error: Monte Carlo standard error",
}
META_MEASURES = {
    "success": "chance that the pooled effect is a significant benefit",
    "power": "chance that it is significant in either direction",
    "type_i": "chance of significance at a mean effect of zero, same tau",
    "coverage": "share of reviews whose interval holds the true mean",
    "ci_width": "mean width of the interval of the mean, in SDs",
    "pi_coverage": "chance that the prediction interval holds a new lab",
    "pi_excludes_zero": "chance that the prediction interval excludes zero",
    "estimate": "mean of the pooled effect over reviews, in SDs",
    "bias": "its mean less the mean true effect",
    "emp_se": "its standard deviation over reviews",
    "rmse": "root mean squared error of the pooled effect",
    "bias_tau2": "mean estimated tau2 less the true one, in squared SDs",
    "convergence": "share of fits that converged; others show nothing",
    "changed": "chance that the conclusion is not what it was before",
    "shift": "mean change of the pooled effect by the new studies, in SDs",
    "shift_abs": "mean size of that change, either way",
    "data_sd": "SD of success over what the published studies may be",
}
META_WORDS = {
    **META_MEASURES,
    "new-lab": "effects of labs vary around the matched mean, SD tau",
    "assurance": "the same over all truths the article leaves open",
    "discounted": "truth behind it if studies without a significant benefit were published once "
    "in 5 (g > 3: SEs read as SDs; a quarter off where no truth fits)",
    "wald": "estimate -/+ 1.96 standard errors",
    "hk": "Hartung-Knapp: t on k - 1, SE from the spread",
    "hk-wald": "the same, its SE never below Wald's",
    "cr2": "robust to dependence within clusters, Satterthwaite df",
    "frontier": "no fair design with as few animals and labs does better",
}
NEW_LAB = {
    "pooled": "an average laboratory", "new-lab": "a new laboratory",
    "assurance": "a new laboratory, not knowing the average,",
    "discounted": "a new laboratory, with the literature discounted,",
    "given": "the laboratory",
}  # fmt: skip

INTERVAL_NAMES = {
    "wald": "Wald", "hk": "Hartung-Knapp", "hk-wald": "Hartung-Knapp (never below Wald)",
    "cr2": "cluster-robust",
}  # fmt: skip


def percent(p: float) -> str:
    """A chance in whole percent, never rounded to a certainty it is not."""
    if p >= 0.995:
        return ">99%" if p < 1.0 else "100%"
    if p < 0.005:
        return "<1%" if p > 0.0 else "0%"
    return f"{100.0 * p:.0f}%"


def at_most(p: float, goal: float) -> str:
    """A chance below a goal, with as many digits as it takes to look so."""
    if percent(p) != percent(goal):
        return percent(p)
    digits = next((d for d in range(1, 6) if f"{100 * p:.{d}f}" != f"{100 * goal:.{d}f}"), 6)
    return f"{100 * p:.{digits}f}%"


def size_words(row: Mapping[str, Any]) -> str:
    """A required group size; "never" where no size gives the chance, or more than was looked at."""
    if row["n"] is None:
        return "never" if row["ceiling"] <= row["target"] else ">10^6"
    return str(row["n"])
