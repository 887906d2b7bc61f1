"""The words of `planner decay`, and its defaults."""

from __future__ import annotations

QUESTION_WORDS = {
    "decay": "the effect is smaller on the last day than on the first",
    "residual": "an effect (above --sesoi) is left on the last day",
    "half-life": "its 95% interval has upper/lower below --factor (2)",
    "shape": "the decay is not exponential, if it is linear or levels off",
    "gone": "the effect on the last day lies within +/- --sesoi (1 SD)",
}
DECAY_WORDS = {
    **QUESTION_WORDS,
    "success": "chance that the question is answered so",
    "linear": "of shape: falls to 0 at twice the half-life",
    "plateau": "of shape: levels off, 30% of the effect stays",
    "all shapes": "same effect at the end, half of it left at the half-life; other days differ",
    "power": "chance of a significant result in either direction",
    "type_i": "chance of that answer where it is wrong",
    "coverage": "share of half-life intervals that hold the true one",
    "unbounded": "share of half-life intervals open at one end: misses",
    "bias": "mean log2 of estimated over true half-life, where both exist",
    "delta0": "effect at the end of treatment, in SDs",
    "half-life T": "days until half of the effect is left",
    "matched": "of a half-life: gives the published effect in the median simulated review",
    "average lab": "delta0 is the mean of the matched truth",
    "new lab": "delta0 varies around that mean with SD tau; T is shared",
    "not knowing": "assurance: new lab, over all truths that the articles leave open",
    "discounted": "new lab, if only 1 in 5 studies without a benefit were published",
    "x 0.75": "all effects 1/4 smaller, as with --shrink 0.25",
    "rho": "correlation of two measurements of an animal 7 days apart",
    "cs, ar1": "the same at every lag, or falling with it",
    "session": "a day on which all animals are measured",
}
SHORT = {
    "decay": "decay", "residual": "residual", "half-life": "half-life", "gone": "gone",
    "shape": "shape",
}  # fmt: skip
DECAY_DEFAULTS = {
    "question": "decay,residual,half-life", "times": "0,7,14,24", "rho": 0.5, "covariance": "cs",
    "error": 0.0, "layout": "repeated", "test": "contrast", "contrast": "first-last",
    "dropout": 0.0, "dropout_by": "random", "response_cv": 0.0, "factor": 2.0, "sessions": 5,
}  # fmt: skip


def human_words(name: str) -> str:
    """The name of a half-life in humans in words: "infusion of 2 hours"."""
    return name.replace("_half_life", "").replace("_", " of ").replace("h", " hours")
