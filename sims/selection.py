"""Small-study mechanisms: how a study's result decides whether, and how, it is published.

`publish_synthesis` draws studies as `sims.syntheses.draw_synthesis` does, with the same random
numbers as long as a mechanism does nothing; everything that a mechanism needs beyond them is drawn
after a study's own numbers. Where single animals matter, they are drawn given the mean difference
and the pooled SD that the study already has: their law is that of raw data.

A new mechanism is a field of `Mechanism` with its neutral value in `make_mechanism`, the step that
it takes here, and its name, words, reference and neutral strength in `sims.smallstudy_names`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sims.chi import draw_inverse_sd
from sims.effects import VARIANCES, sampling_variance
from sims.kernels import entry, kernel
from sims.smallstudy_names import MECHANISMS
from sims.streams import draw_normal, draw_uniform, open_stream, stream_key
from sims.student import student_upper
from sims.syntheses import draw_size

P_CUT = 0.025  # one-sided: what counts as a significant benefit
# Publication probabilities of Carter et al. 2019 by strength 0, 1 (medium), 2 (strong): a result in
# the right direction with two-sided p > .1, one against it with p > .01, one with p < .001.
CARTER = ((1.0, 1.0, 1.0), (0.20, 0.05, 0.50), (0.05, 0.0, 0.20))
CARTER_CUTS = (0.025, 0.05, 0.5, 0.995, 0.9995)  # one-sided p at which its function changes
TIME_CORRELATION = 0.5  # between two time points of one animal, "peak"
BATCH = 2  # animals more per group at each look, "stopping"
OUTLIER_SDS = 2.0


class Practices(NamedTuple):
    """What laboratories do with a result before it is judged; only numbers.

    inflation: added to the true effect, times 1 / sqrt(animals); peaks: time points, of which the
    largest effect is reported; rho: their correlation; looks: further looks at most, each with
    `batch` animals more per group; outliers: share of laboratories that drop outlying animals;
    variance: code of the sampling variance, for sizes that change.
    """

    inflation: float
    peaks: int
    rho: float
    looks: int
    batch: int
    outliers: float
    variance: int


class Mechanism(NamedTuple):
    """What happens between a study's result and its publication.

    cuts: (c,) ascending one-sided p values; weights: (c + 1,) publication probabilities between
    them; carter: (3,) see `CARTER`; practices; redraw: whether a study that replaces an
    unpublished one has a new size (the law of sizes is that of studies run) or the same (of those
    published).
    """

    cuts: np.ndarray
    weights: np.ndarray
    carter: np.ndarray
    practices: Practices
    redraw: bool


class Reported(NamedTuple):
    """A study's result: g, its variance, animals in both groups, one-sided p of Student's t."""

    g: float
    v: float
    total: float
    p: float


def make_mechanism(
    strengths: Mapping[str, float],
    *,
    cuts: Sequence[float] = (P_CUT,),
    weights: Sequence[float] | None = None,
    rho: float = TIME_CORRELATION,
    batch: int = BATCH,
    redraw: bool = False,
    variance: str = "CMA",
) -> Mechanism:
    """Mechanisms by name with their strengths, acting together.

    strengths: name (of `sims.smallstudy_names.MECHANISMS`) to strength; cuts, weights: of "step",
    if it has more than one cut (the strength then multiplies the weights beyond the first).

    Raises
    ------
    ValueError : a name that does not exist, or a strength out of range.
    """
    for name, strength in strengths.items():
        if name not in MECHANISMS:
            raise ValueError(f"mechanism {name!r}")
        low, high, whole = {
            "none": (0, 0, False), "step": (0, 1, False), "direction": (0, 1, False),
            "carter": (0, 2, True), "inflation": (-100, 100, False), "peak": (1, 50, True),
            "stopping": (0, 50, True), "outliers": (0, 1, False),
        }[name]  # fmt: skip
        if not low <= strength <= high or (whole and strength != int(strength)):
            raise ValueError(f"{low} to {high}{', whole numbers' if whole else ''}")
    step, direction = strengths.get("step", 1.0), strengths.get("direction", 1.0)
    all_cuts, all_weights = list(cuts), list(weights or (1.0, 1.0))
    all_weights = [all_weights[0]] + [weight * step for weight in all_weights[1:]]
    if direction != 1.0:
        at = int(np.searchsorted(all_cuts, 0.5))
        if at == len(all_cuts) or all_cuts[at] != 0.5:
            all_cuts.insert(at, 0.5)
            all_weights.insert(at, all_weights[at])
        all_weights = [w * (direction if i > at else 1.0) for i, w in enumerate(all_weights)]
    return Mechanism(
        np.array(all_cuts, dtype=float), np.array(all_weights, dtype=float),
        np.array(CARTER[int(strengths.get("carter", 0.0))]),
        Practices(
            float(strengths.get("inflation", 0.0)), int(strengths.get("peak", 1.0)), rho,
            int(strengths.get("stopping", 0.0)), batch, float(strengths.get("outliers", 0.0)),
            VARIANCES[variance],
        ),
        redraw,
    )  # fmt: skip


# Publication -------------------------------------------------------------------------------


@kernel
def _ease(p, low, high, start, end):
    """Falls or rises steeply from `start` at p = low towards `end` at high (Carter et al.)."""
    return (end - start) * (1.0 - 2.0 ** (-10.0 * (p - low) / (high - low))) + start


@kernel
def carter_probability(p, levels):
    """Publication probability of Carter et al. 2019, doi:10.1177/2515245919847196, appendix.

    p: one-sided; levels: (3,) of `CARTER`. Two-sided: 1 below .05 in the right direction, easing to
    the first level at .1; in the other direction the third level below .001, easing to the second
    at .01.
    """
    if p < 0.025:
        return 1.0
    if p < 0.05:
        return _ease(2.0 * p, 0.05, 0.1, 1.0, levels[0])
    if p < 0.5:
        return levels[0]
    other = 2.0 * (1.0 - p)
    if other < 0.001:
        return levels[2]
    if other < 0.01:
        return _ease(other, 0.001, 0.01, levels[2], levels[1])
    return levels[1]


@kernel
def publication_probability(p, cuts, weights, levels):
    """Probability that a study with one-sided Student p is published; see `Mechanism`."""
    place = 0
    for cut in cuts:
        place += p > cut
    return weights[place] * carter_probability(p, levels)


# Single animals ----------------------------------------------------------------------------


@kernel
def place_animals(normals, difference, sd, n, animals):
    """Fill animals[:, :n] with deviations of n treated and n control animals, true means 0.

    normals: 1 + 2 n standard normals. Given the difference of the groups' means and their pooled
    SD, the sum of the means is independent N(0, 2/n), and the direction of the vector of
    deviations within groups is uniform.
    """
    total, squares = math.sqrt(2.0 / n) * normals[0], 0.0
    for group in range(2):
        own = normals[1 + group * n : 1 + (group + 1) * n]
        mean = own.mean()
        for a in range(n):
            animals[group, a] = own[a] - mean
            squares += animals[group, a] ** 2
    scale = sd * math.sqrt((2.0 * n - 2.0) / squares)
    for group in range(2):
        mean = 0.5 * (total + difference) if group == 0 else 0.5 * (total - difference)
        for a in range(n):
            animals[group, a] = mean + scale * animals[group, a]


@kernel
def result_of(animals, n, theta, limit, variance):
    """Result of two groups of n animals, the treated ones shifted by theta.

    Animals further than `limit` SDs from their group's mean are left out (inf: none); with fewer
    than 2 left in a group p is 2 and nothing is reported.
    """
    counts, means, squares = np.zeros(2), np.zeros(2), np.zeros(2)
    for group in range(2):
        mean, square = 0.0, 0.0
        for a in range(n):
            mean += animals[group, a]
        mean /= n
        for a in range(n):
            square += (animals[group, a] - mean) ** 2
        sd = math.sqrt(square / (n - 1.0))
        for a in range(n):  # Welford's update over those that stay
            if abs(animals[group, a] - mean) <= limit * sd:
                counts[group] += 1.0
                step = animals[group, a] - means[group]
                means[group] += step / counts[group]
                squares[group] += step * (animals[group, a] - means[group])
    if counts[0] < 2.0 or counts[1] < 2.0:
        return Reported(0.0, 1.0, 4.0, 2.0)
    total = counts[0] + counts[1]
    difference = theta + means[0] - means[1]
    sd = math.sqrt((squares[0] + squares[1]) / (total - 2.0))
    j, a, b = sampling_variance(counts[0], counts[1], variance)
    g = j * difference / sd
    t = difference / sd / math.sqrt(1.0 / counts[0] + 1.0 / counts[1])
    return Reported(g, a + b * g * g, total, student_upper(t, total - 2.0))


@kernel
def _peak(normals, n, theta, practices, best, animals):
    """The largest effect among correlated time points; `animals` become those of its time point.

    normals: 2 n for what an animal's measurements have in common, 2 n for each further time point.
    """
    root, rest = math.sqrt(practices.rho), math.sqrt(1.0 - practices.rho)
    common, other = np.empty((2, n)), np.empty((2, n))
    for group in range(2):
        for a in range(n):
            # Given the first measurement.
            common[group, a] = root * animals[group, a] + rest * normals[group * n + a]
    for point in range(1, practices.peaks):
        for group in range(2):
            for a in range(n):
                z = normals[(2 * point + group) * n + a]
                other[group, a] = root * common[group, a] + rest * z
        found = result_of(other, n, theta, math.inf, practices.variance)
        if found.g > best.g:
            best = found
            for group in range(2):
                for a in range(n):
                    animals[group, a] = other[group, a]
    return best


@kernel
def _look_again(normals, n, theta, practices, reported, drops, animals):
    """Drops outliers, then adds animals, until the result is significant for benefit.

    normals: 2 for each animal more per group.
    """
    step = 0
    while reported.p >= P_CUT and step <= 2 * practices.looks:
        # Even steps try without outliers, odd ones add animals.
        if step % 2 == 1:
            for i in range(2 * practices.batch):
                animals[i % 2, n + i // 2] = normals[(step - 1) * practices.batch + i]
            n += practices.batch
        if step % 2 == 1 or drops:
            limit = math.inf if step % 2 == 1 else OUTLIER_SDS
            found = result_of(animals, n, theta, limit, practices.variance)
            if step % 2 == 1 or found.p < P_CUT:
                reported = found
        step += 1
    return reported


@kernel
def report(state, mean, tau2, deviation, inverse_sd, n, reported, practices):
    """What a laboratory reports of its study: the result as it is, or a better one.

    mean: of the true effects (of its cluster); deviation: of the observed difference from it,
    which is N(0, tau2 + 2/n); reported: the result as it is.
    """
    drops = False
    if practices.outliers > 0.0:
        u, state = draw_uniform(state)
        drops = u < practices.outliers
    if practices.peaks == 1 and (reported.p < P_CUT or not (drops or practices.looks > 0)):
        return reported, state
    more = practices.looks * practices.batch
    n_peak = 2 * n * practices.peaks if practices.peaks > 1 else 0
    normals = np.empty(2 + 2 * n + n_peak + 2 * more)
    for i in range(len(normals)):
        normals[i], state = draw_normal(state)
    # The laboratory's true effect given the difference (see experiments.draw_difference).
    sampling = 2.0 / n
    share = tau2 / (tau2 + sampling)
    away = share * deviation + math.sqrt(share * sampling) * normals[0]
    theta, animals = mean + away, np.empty((2, n + more))
    place_animals(normals[1:], deviation - away, 1.0 / inverse_sd, n, animals)
    used = 2 + 2 * n
    if practices.peaks > 1:
        reported = _peak(normals[used:], n, theta, practices, reported, animals)
    rest = normals[used + n_peak :]
    return _look_again(rest, n, theta, practices, reported, drops, animals), state


# Syntheses ---------------------------------------------------------------------------------


@kernel
def _first_of_cluster(cluster, i):
    for j in range(i):
        if cluster[j] == cluster[i]:
            return False
    return True


@kernel
def publish_synthesis(state, mu, tau, studies, mechanism, cap, effects, yi, vi, ni):
    """Fill yi, vi, ni (k,) with published studies; returns (studies run, 1.0 or 0.0, state).

    A study that stays unpublished is replaced by another one, at most `cap` for one place: then
    the synthesis is given up (0.0). effects: (n_clusters,) scratch. Studies of a cluster share its
    deviation once one of them is published: before that another cluster takes its place, so that
    clusters of one study are selected as independent studies are. ni: animals in both groups.
    """
    values, cdf, fixed, cluster = studies.n, studies.cdf, studies.fixed, studies.cluster
    share, terms, sd_tables = studies.share, studies.terms, studies.sd_tables
    cuts, weights, levels = mechanism.cuts, mechanism.weights, mechanism.carter
    practices, redraw = mechanism.practices, mechanism.redraw
    tau2 = tau * tau * (1.0 - share)
    common = tau * math.sqrt(share)
    n_run = 0.0
    if share > 0.0:
        for c in range(effects.shape[0]):
            effects[c], state = draw_normal(state)
    for i in range(fixed.shape[0]):
        which = fixed[i]
        if which < 0:
            which, state = draw_size(state, cdf)
        tried = 0
        while True:
            if tried > 0 and fixed[i] < 0 and redraw:
                which, state = draw_size(state, cdf)
            if tried > 0 and share > 0.0 and _first_of_cluster(cluster, i):
                effects[cluster[i]], state = draw_normal(state)
            n = values[which]
            z, state = draw_normal(state)
            own = math.sqrt(tau2 + 2.0 / n) * z
            deviation = common * effects[cluster[i]] + own
            z, state = draw_normal(state)
            inverse_sd = draw_inverse_sd(sd_tables, which, z)
            mean = mu + practices.inflation / math.sqrt(2.0 * n)
            g = terms[which, 0] * inverse_sd * (mean + deviation)
            v = terms[which, 1] + terms[which, 2] * g * g
            t = (mean + deviation) * inverse_sd * math.sqrt(0.5 * n)
            reported = Reported(g, v, 2.0 * n, student_upper(t, 2.0 * n - 2.0))
            shared = mean + deviation - own
            reported, state = report(state, shared, tau2, own, inverse_sd, n, reported, practices)
            tried += 1
            n_run += 1.0
            chance = publication_probability(reported.p, cuts, weights, levels)
            if chance < 1.0:
                u, state = draw_uniform(state)
                if u >= chance:
                    if tried >= cap:
                        return n_run, 0.0, state
                    continue
            yi[i], vi[i], ni[i] = reported.g, reported.v, reported.total
            break
    return n_run, 1.0, state


@entry
def published_syntheses(seed, scenario, first, mu, tau, studies, mechanism, cap, yi, vi, ni, run):
    """Studies of replicates first, first + 1, ...: yi, vi, ni (count, k); run, truth (count,).

    mu, tau: (J,) equally likely truths, one uniform picks one (also of one). run: (count, 2)
    studies run, negative where the synthesis was given up, and the place of its truth.
    """
    key = stream_key(seed, scenario)
    effects = np.zeros(studies.cluster.max() + 1)
    for r in range(yi.shape[0]):
        state = open_stream(key, np.uint64(first + r))
        u, state = draw_uniform(state)
        which = int(u * len(mu))
        n_run, ok, _ = publish_synthesis(
            state, mu[which], tau[which], studies, mechanism, cap, effects, yi[r], vi[r], ni[r]
        )
        run[r, 0] = n_run if ok == 1.0 else -n_run
        run[r, 1] = which
