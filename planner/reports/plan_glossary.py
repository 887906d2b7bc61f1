"""The words of a plan's page: each as it stands there, its name in plan.json, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = (
    ("average laboratory", "pooled", "its true effect is exactly the mean true effect"),
    ("new laboratory", "new-lab", "its true effect varies around that mean, as laboratories do"),
    ("not knowing the average", "assurance",
     "a new laboratory, averaged over all truths that the published numbers leave open"),
    ("literature discounted", "discounted",
     "a new laboratory, if effects were published too large: by selection, or by standard errors "
     "that were read as SDs where effects exceed 3, or by a quarter where no truth fits selection"),
    ("chance of a significant benefit", "success",
     "significant, in the direction of benefit; the plan's power"),
    ("without an answer", "no_answer", "neither a benefit nor a harm is significant"),
    ("significant harm", "harm",
     "the result is significant in the direction of harm, as the laboratory's true effect may be"),
    ("overstated by", "type_m",
     "by how much significant results exceed the true effect, on average"),
    ("interval", "ci_width", "confidence interval of the difference, at 100% less the "
     "significance level; ±: half its mean width"),
    ("chance no size exceeds", "ceiling",
     "with ever more animals; less than 100% as the true effect of some laboratories is no "
     "benefit"),
    ("SD", "", "standard deviation; effects are differences in SDs of the outcome within a group"),
    ("effect size", "g", "difference of two groups divided by their SD, corrected for small "
     "groups (Hedges)"),
    ("mean effect", "mu", "mean of the true effects of laboratories"),
    ("SD between laboratories", "tau", "how much their true effects differ"),
    ("heterogeneity I²", "I2", "percent of the differences between studies that is not chance"),
    ("matched truth", "truth",
     "the mean and SD of true effects whose median simulated review is the published one"),
    ("joint draws", "draws",
     "other means and SDs whose simulated review printed the same numbers"),
    ("exact", "", "worked out from a formula (noncentral t), not simulated"),
    ("± behind a simulated number", "mcse",
     "Monte Carlo standard error: how far simulation may be off by chance"),
    ("Egger's test", "egger-n, egger-se",
     "asks whether small studies show larger effects than large ones"),
    ("trim and fill, PET-PEESE, selection model", "trimfill, pet-peese, sel3",
     "ways to correct a pooled effect for studies that were not published"),
)  # fmt: skip
_DECAY = (
    ("half-life", "half_life", "days in which half of the effect is lost"),
    ("decay shown", "decay", "the effect is significantly smaller on the day than at the end of "
     "treatment"),
    ("effect left", "residual", "there is a significant benefit on the day"),
)  # fmt: skip
_INSTEAD = {
    "sesoi": ("smallest effect of interest", "sesoi",
              "the test asks whether the effect exceeds it, instead of zero"),
    "mde": ("smallest true effect found", "mde",
            "the laboratory's own true effect that is significant with the target chance"),
}  # fmt: skip
_ROUTES = {
    "i.p.": "intraperitoneal", "s.c.": "subcutaneous", "i.t.": "intrathecal",
    "i.v.": "intravenous", "i.m.": "intramuscular", "p.o.": "by mouth", "i.c.v.":
    "intracerebroventricular",
}  # fmt: skip


def glossary(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The words that this page needs, with their names in its JSON."""
    found = list(_WORDS)
    kind = document["instead"]["kind"]
    if document["scenario"]["sesoi"] is not None:
        kind = "sesoi"
    if kind in _INSTEAD:
        found.append(_INSTEAD[kind])
    if document["when"] is not None:
        found += _DECAY
    levels = [level["level"] for row in document["coverage"] for level in row["levels"]]
    return found + [(name, "", text) for name, text in _ROUTES.items() if name in levels]
