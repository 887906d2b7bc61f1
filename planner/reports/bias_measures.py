"""The words of `planner bias`: one line each, in tables and in its --help."""

BIAS_MEASURES = {
    "bias": "mean of the estimate less the mean true effect of all studies run",
    "rmse": "root mean squared error of the estimate",
    "median_error": "median size of the error, which a few estimates far out do not move",
    "mse_change": "mean squared error less that of the uncorrected estimate, paired",
    "coverage": "share of syntheses whose interval holds the mean true effect",
    "success": "chance that the estimate is a significant benefit",
    "power": "chance that it is significant in either direction",
    "type_i": "the same at a mean true effect of 0; for a test: with no mechanism",
    "rejection": "chance that a test for small-study effects is significant",
    "convergence": "share of syntheses in which the correction exists",
    "unpublished": "share of the studies run that nobody sees; others of the same size follow",
}
# What is regressed on the intercept of a t-test with k - 2 df, or correlated.
DETECTOR_WORDS = {
    "egger-se": "effect on its standard error, weights 1/v",
    "egger-n": "effect on 1/sqrt(n), weights n; n animals in both groups",
    "egger-n-vi": "effect on 1/sqrt(n), weights 1/v",
    "begg": "rank correlation of standardized effect and v",
}
CORRECTION_WORDS = {
    "none": "the pooled effect as it is",
    "trimfill": "trim and fill, L0",
    "trimfill-r0": "trim and fill, R0",
    "pet": "effect at standard error 0, straight line",
    "peese": "effect at standard error 0, in the variance",
    "pet-peese": "peese where pet shows an effect (one-sided p < .05), else pet",
    "sel3": "selection model: mean, variance, weight of p > .025",
    "p-uniform-star": "likelihood given on which side of significance each study lies",
    "limit": "effect of a study without sampling error",
}
MECHANISM_WORDS = {
    "none": "every study is published as it was run",
    "step": "a study whose one-sided p exceeds 0.025 is published with probability --weight",
    "direction": "an effect against benefit is published with probability --strength",
    "carter": "censoring of Carter et al.: --strength none, medium, strong",
    "inflation": "true effects larger by --strength / sqrt(n), n animals in both groups",
    "peak": "the largest of --strength time points, correlated by 0.5, is published",
    "stopping": "up to --strength further looks, 2 animals more per group, until p < 0.025",
    "outliers": "share --strength of labs drop animals beyond 2 SDs if that makes p < 0.025; "
    "groups of 4 or 5 cannot have any",
}
BIAS_WORDS = {
    **BIAS_MEASURES,
    **{name: text for name, text in MECHANISM_WORDS.items() if name != "none"},
    **DETECTOR_WORDS,
    **CORRECTION_WORDS,
}
# Options left out of the command line that repeats a run.
BIAS_DEFAULTS = {
    "mechanism": "step", "detector": ",".join(DETECTOR_WORDS),
    "correction": ",".join(CORRECTION_WORDS), "estimator": "DL", "reps": 4_000,
}  # fmt: skip
