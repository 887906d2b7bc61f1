"""The generator, the seeding of replicates and the normals."""

import math

import numpy as np
import pytest
from scipy import stats

from sims.streams import GAMMA, Z_MAX, scenario_key, ziggurat_tables
from tests.sims.helpers import (
    MCSES,
    P_BINOMIAL,
    U,
    binomial_p,
    count_normals,
    fill_states,
    fill_words,
    first_normals,
    first_uniforms,
    first_words,
    mcses_off,
    mix_words,
    normals_from,
)

EDGE = 3.6541528853610088
P_TEST = 1e-4  # a fixed seed fails one of these tests with this probability
N_BATTERY = 1 << 18


# Published and pinned vectors --------------------------------------------------------------


@pytest.mark.nojit
def test_xoshiro_gives_its_published_words() -> None:
    # The vectors of rust-random's rand_xoshiro, made with the authors' C code.
    words = np.zeros(10, dtype=U)
    fill_words(np.array([1, 2, 3, 4], dtype=U), words)
    assert words.tolist() == [
        41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205,
        9973669472204895162, 14011001112246962877, 12406186145184390807,
        15849039046786891736, 10450023813501588000,
    ]  # fmt: skip


@pytest.mark.nojit
def test_mix64_gives_the_published_words_of_splitmix64() -> None:
    steps, words = np.arange(1, 4, dtype=U) * GAMMA, np.zeros(3, dtype=U)
    mix_words(steps, words)
    assert words.tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


PINNED_STREAMS = {
    (0, 0, 0): (
        0x48218226ff3cd4bf, 0x3c12aaf87f5bc33f,
        0x31d8789b0e55f5f6, 0x1b135f104a506578,
    ),
    (1, 2, 3): (
        0xb95f66d327e8d78, 0x2874a01d4b8036ab,
        0x9efb6fd2c4b71d17, 0x1f1547b12818ed5c,
    ),
    (20240501, 7, 1000000000000): (
        0x55b783324e0d8d1d, 0xb475a6734cf49f99,
        0x415af9347b57aa62, 0xddbf6fcf8c9e2344,
    ),
    (2**64 - 1, 2**64 - 1, 2**64 - 1): (
        0x2dfe1aa565b7ff81, 0x8cd97b9287e8842e,
        0xaf704241e27a2c65, 0xa7d481542ff5838e,
    ),
}  # fmt: skip


@pytest.mark.nojit
@pytest.mark.parametrize("stream", PINNED_STREAMS, ids=str)
def test_streams_start_where_they_always_did(stream: tuple[int, int, int]) -> None:
    state = np.zeros((1, 4), dtype=U)
    fill_states(*(np.array([word], dtype=U) for word in stream), state)
    assert state[0].tolist() == list(PINNED_STREAMS[stream])


PINNED_NORMALS = (
    ("0x1.31eb08dbb6e72p+0", "0x1.ba2ebd65be567p+0", "-0x1.bbf8f494eacf7p-1"),
    ("0x1.998c60b460f46p-2", "0x1.7c5cf34b5693fp-2", "-0x1.255f12c4d8045p-3"),
    ("-0x1.f00ff35d706bdp-2", "-0x1.f9cdd68656142p-2", "0x1.dee841c84dc24p-2"),
    ("-0x1.5ea8fa295adf6p-4", "-0x1.6f8aaa2e8db83p+0", "-0x1.9f8c5ad8bcf57p-2"),
    ("-0x1.79a5ec1efe3dap-1", "-0x1.64e28af4733f1p-1", "0x1.86d41f7ab7e03p-2"),
    ("0x1.63915addbbd74p-2", "-0x1.7479884e1a6acp-1", "0x1.4563ff79d486bp-1"),
    ("0x1.c58e3ff4f49afp-4", "0x1.898e769ffad62p-1", "-0x1.30111bc92870dp+0"),
    ("0x1.660cc15d5d8fap-3", "0x1.3758a847d1d0ap-1", "-0x1.8edef0babfc41p+0"),
    ("-0x1.70a200a25da67p+0", "0x1.c0e393e039665p-5", "-0x1.5894887403078p-1"),
    ("-0x1.2fe17e74ef373p-1", "-0x1.553052bb6d4b4p-2", "0x1.90afeacc27ba8p-1"),
    ("0x1.4eff30108d674p-2", "0x1.b2c48cf98bfb0p-1", "-0x1.26d4343deeb11p-3"),
    ("0x1.b59375f407eedp+0", "-0x1.a42026004f04bp-1", "-0x1.c1232052ce008p+0"),
    ("-0x1.2fee94bcfc65bp-1", "-0x1.7365ad5c6f93bp+0", "0x1.f13bcd79b6943p-3"),
    ("0x1.a737d04870da4p-1", "-0x1.8aea92311fdf1p-2", "-0x1.77f6b1189ff57p+0"),
    ("-0x1.935b621b1ee77p-1", "0x1.b291f57a261a4p-1", "-0x1.2ab8c1690c88fp+0"),
    ("-0x1.2ba37e7cee241p-1", "-0x1.1c05fd1213966p-4", "-0x1.170bb9ac07cdbp+0"),
    ("-0x1.261cfc5b70579p-1", "-0x1.5c36482f8f4f2p-5", "-0x1.1c1e121a5acb9p-3"),
    ("-0x1.703ef5e987182p-1", "0x1.12934ce06ead9p+0", "-0x1.00d5acdb85659p-1"),
    ("-0x1.8a7da543b1e86p-6", "0x1.ac0fe29dd2756p-5", "0x1.2f24f51506d58p+1"),
    ("-0x1.18515e7900e41p-1", "0x1.7cd5b989a0a27p-1", "0x1.1dcfded9a5c9ep-2"),
)


@pytest.mark.nojit
def test_first_normals_are_the_same_bits_as_ever() -> None:
    normals = np.zeros((20, 3))
    first_normals(U(7), U(42), 0, normals)
    assert [tuple(z.hex() for z in row) for row in normals.tolist()] == list(PINNED_NORMALS)


@pytest.mark.nojit
def test_streams_follow_the_definition_in_whole_numbers() -> None:
    # The same hash in Python's own integers, which cannot overflow.
    mask = (1 << 64) - 1

    def mix(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    gammas = (0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xAF251AF3B0F025B5, 0xD6E8FEB86659FD93)
    seed, scenario, replicate = mask - 5, mask - 1, mask // 3
    k0 = mix((seed + gammas[0]) & mask)
    k1 = mix(scenario ^ mix((k0 + gammas[0]) & mask))
    k2 = mix((k0 + (k1 ^ gammas[1])) & mask)
    k3 = mix((k1 + (k2 ^ gammas[2])) & mask)
    expected = [
        mix((k + replicate * gamma) & mask)
        for k, gamma in zip((k0, k1, k2, k3), gammas, strict=True)
    ]
    state = np.zeros((1, 4), dtype=U)
    fill_states(*(np.array([word], dtype=U) for word in (seed, scenario, replicate)), state)
    assert state[0].tolist() == expected


@pytest.mark.nojit
def test_a_replicate_alone_draws_what_it_draws_in_a_run() -> None:
    run, alone = np.zeros((12, 4)), np.zeros((1, 4))
    first_normals(U(3), U(9), 100, run)
    for r in (0, 5, 11):
        first_normals(U(3), U(9), 100 + r, alone)
        assert alone[0].tolist() == run[r].tolist()


PINNED_KEY = 0x204E034C5539CDDB


def test_scenario_keys_are_pinned_and_tell_words_apart() -> None:
    keys = {
        int(scenario_key(*words))
        for words in (
            ("power", "ab", "c"), ("power", "a", "bc"), ("power", "abc"), ("power", "a", "b", "c"),
            ("power", "c", "ab"), ("power", "ab", "c", ""), ("power", 1), ("power", "1.0"), (),
        )
    }  # fmt: skip
    assert len(keys) == 9
    assert isinstance(scenario_key("power", 6), U)
    assert int(scenario_key("power", 6)) == int(scenario_key("power", "6"))
    assert int(scenario_key("power", 6)) == PINNED_KEY


# The ziggurat ------------------------------------------------------------------------------


def test_layers_of_the_ziggurat_have_equal_areas() -> None:
    width, inside, density = ziggurat_tables()
    x = np.append(width * 2.0**52, 0.0)
    assert x[1] == EDGE
    assert np.all(np.diff(x) < 0.0)
    # The base is the rectangle below the first edge and the whole tail beyond it.
    tail = math.sqrt(math.pi / 2.0) * math.erfc(EDGE / math.sqrt(2.0))
    base = EDGE * math.exp(-0.5 * EDGE * EDGE) + tail
    np.testing.assert_allclose(x[0] * density[0], base, rtol=1e-11)
    # Rounding of the published constants collects in the top layer.
    areas = x[1:-1] * np.diff(np.exp(-0.5 * x[1:] ** 2))
    np.testing.assert_allclose(areas[:-1], base, rtol=1e-11)
    np.testing.assert_allclose(areas[-1], base, rtol=1e-8)
    np.testing.assert_allclose(density[1:], np.exp(-0.5 * x[1:] ** 2), rtol=1e-15)
    # A fraction below `inside` is under the curve, whatever its rounding.
    assert np.all((inside - (inside > 0)).astype(float) * width <= x[1:])
    assert np.all((inside + U(1)).astype(float) * width >= x[1:])


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    """Eight normals of each of 2^18 replicates, seed 11."""
    out = np.zeros((N_BATTERY, 8))
    first_normals(U(11), U(1), 0, out)
    return out


def test_normals_have_the_first_eight_moments(normals: np.ndarray) -> None:
    # Seed 11, 2^21 normals. MCSE of the mean of z^k is exact: Var z^k = E z^2k - (E z^k)^2.
    def moment(k: int) -> float:
        return 0.0 if k % 2 else math.prod(range(1, k, 2))

    z = normals.ravel()
    for k in range(1, 9):
        mcse = math.sqrt((moment(2 * k) - moment(k) ** 2) / len(z))
        assert abs(float(np.mean(z**k)) - moment(k)) < MCSES * mcse, k


def test_normals_have_the_normal_law(normals: np.ndarray) -> None:
    # Seed 11: 2^18 first normals by Kolmogorov-Smirnov, 2^21 by chi-square over 1,000 equal bins.
    assert stats.kstest(normals[:, 0], stats.norm.cdf).pvalue > P_TEST
    counts = np.bincount((stats.norm.cdf(normals.ravel()) * 1000.0).astype(int), minlength=1000)
    assert P_TEST < stats.chisquare(counts).pvalue < 1.0 - P_TEST


def test_magnitude_does_not_depend_on_the_sign(normals: np.ndarray) -> None:
    # Seed 11, 2^21 normals.
    z = normals.ravel()
    assert binomial_p(int(np.sum(z > 0.0)), len(z), 0.5) > P_BINOMIAL
    assert stats.ks_2samp(z[z > 0.0][:200_000], -z[z < 0.0][:200_000]).pvalue > P_TEST


def test_tails_beyond_the_last_edge_are_drawn_as_often_as_they_should(normals: np.ndarray) -> None:
    # Seed 11, 2^21 normals: 541 expected beyond the edge. Their law there is the cut normal.
    z = np.abs(normals.ravel())
    beyond = z[z > EDGE]
    p = 2.0 * stats.norm.sf(EDGE)
    assert binomial_p(len(beyond), len(z), p) > P_BINOMIAL
    assert stats.kstest(2.0 * stats.norm.sf(beyond) / p, "uniform").pvalue > P_TEST
    assert z.max() < Z_MAX


def test_the_density_is_the_normal_one_in_fine_bins() -> None:
    # Seed 13, 4e7 normals of one stream in bins of 1/128 up to 5.5, the outer ones open.
    n, half, per_unit = 40_000_000, 704, 128
    counts = np.zeros(2 * half, dtype=np.int64)
    count_normals(U(13), n, float(per_unit), counts)
    one_side = -np.diff(np.append(stats.norm.sf(np.arange(half) / per_unit), 0.0))
    both, expected = counts + counts[::-1], 2.0 * n * one_side[::-1]
    # Chi-square where 10 or more are expected, what is farther out taken together.
    rare = int(np.sum(np.cumsum(expected) < 10.0))
    both = np.append(both[: rare + 1].sum(), both[rare + 1 : half])
    expected = np.append(expected[: rare + 1].sum(), expected[rare + 1 :])
    assert P_TEST < stats.chisquare(both, expected).pvalue < 1.0 - P_TEST


def _states_giving(words: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random states whose next word is given: word = rotl(s0 + s3, 23) + s0, solved for s3."""
    states = generator.integers(0, 1 << 64, (len(words), 4), dtype=U)
    rotated = words - states[:, 0]
    states[:, 3] = ((rotated >> U(23)) | (rotated << U(41))) - states[:, 0]
    given = np.zeros(1, dtype=U)
    fill_words(states[0], given)
    assert given[0] == words[0]
    return states


def test_rejection_in_the_tail_leaves_the_normal_law() -> None:
    # 400,000 words of the lowest layer, beyond its rectangle (seed 14): both signs, cut normals.
    # Kolmogorov-Smirnov, and the means of the distance beyond the edge and of its square.
    generator = np.random.default_rng(14)
    _, inside, _ = ziggurat_tables()
    n = 400_000
    fraction = generator.integers(int(inside[0]), 1 << 52, n, dtype=U)
    sign = generator.integers(0, 2, n, dtype=U)
    words = (fraction << U(12)) | (generator.integers(0, 8, n, dtype=U) << U(9)) | (sign << U(8))
    tail = np.zeros(n)
    normals_from(_states_giving(words, generator), tail)
    assert np.array_equal(tail < 0.0, sign == 1)
    beyond = np.abs(tail) - EDGE
    p = float(stats.norm.sf(EDGE))
    assert beyond.min() >= 0.0
    assert stats.kstest(stats.norm.sf(np.abs(tail)) / p, "uniform").pvalue > P_TEST
    mills = float(stats.norm.pdf(EDGE)) / p
    assert mcses_off(beyond, mills - EDGE) < MCSES
    assert mcses_off(beyond**2, 1.0 - EDGE * mills + EDGE**2) < MCSES


def test_rejection_beside_the_rectangles_follows_the_curve() -> None:
    # 400,000 words of layers 1 to 255, outside of their rectangles (seed 15). A point x of layer
    # i is kept with probability (f(x) - f(x_i)) / (f(x_i+1) - f(x_i)): counts of kept points in
    # ten classes of that probability, in MCSEs of a sum of unequal coins.
    generator = np.random.default_rng(15)
    width, inside, _ = ziggurat_tables()
    n = 400_000
    layer = generator.integers(1, 256, n, dtype=U)
    low = inside[layer].astype(float)
    fraction = (low + generator.random(n) * (2.0**52 - low)).astype(U)
    words = (fraction << U(12)) | layer
    drawn = np.zeros(n)
    normals_from(_states_giving(words, generator), drawn)
    x = fraction.astype(float) * width[layer]
    kept = drawn == x
    density = np.exp(-0.5 * np.append(width * 2.0**52, 0.0) ** 2)
    below, above = density[layer], density[layer + U(1)]
    p = np.clip((np.exp(-0.5 * x * x) - below) / (above - below), 0.0, 1.0)
    for place in range(10):
        of = (p >= place / 10.0) & (p < (place + 1) / 10.0)
        sd = math.sqrt(float(np.sum(p[of] * (1.0 - p[of]))))
        assert abs(float(np.sum(kept[of]) - np.sum(p[of]))) < MCSES * sd


def test_normals_of_one_replicate_are_uncorrelated(normals: np.ndarray) -> None:
    # Seed 11, 2^18 replicates: correlations and those of squares, times sqrt(N), are N(0, 1).
    for values in (normals, normals**2):
        r = np.corrcoef(values, rowvar=False)[np.triu_indices(8, 1)]
        assert np.max(np.abs(r)) * math.sqrt(N_BATTERY) < 4.5  # 28 pairs: 2e-4


def test_uniforms_are_multiples_of_2_to_the_minus_53_below_one() -> None:
    # Seed 12, 2^18 uniforms: Kolmogorov-Smirnov.
    u = np.zeros((N_BATTERY, 1))
    first_uniforms(U(12), U(0), 0, u)
    whole = u[:, 0] * 2.0**53
    assert np.all(whole == np.floor(whole))
    assert np.any(whole % 2.0 == 1.0)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert stats.kstest(u[:, 0], "uniform").pvalue > P_TEST


# Seeding: first draws over consecutive replicates, seeds and scenarios ---------------------


def _counters(which: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counter, fixed = np.arange(N_BATTERY, dtype=U), np.zeros(N_BATTERY, dtype=U)
    seeds = counter if which == "seeds" else fixed
    scenarios = counter if which == "scenarios" else fixed
    return seeds, scenarios, counter if which == "replicates" else fixed


@pytest.fixture(scope="module", params=["replicates", "seeds", "scenarios"])
def words(request: pytest.FixtureRequest) -> np.ndarray:
    """Three words of each of 2^18 streams that differ by one in one of their three names."""
    out = np.zeros((N_BATTERY, 3), dtype=U)
    first_words(*_counters(request.param), out)
    return out


def _bit_counts(words: np.ndarray) -> np.ndarray:
    return np.array([int(np.sum((words >> U(bit)) & U(1))) for bit in range(64)])


def test_each_bit_is_set_half_of_the_time(words: np.ndarray) -> None:
    # And so are the bits in which neighbouring streams differ. 64 bits, chi-square of all.
    neighbours = words[1:, 0] ^ words[:-1, 0]
    for sample in (words[:, 0], words[:, 1], words[:, 2], neighbours):
        z = (_bit_counts(sample) - len(sample) / 2.0) / math.sqrt(len(sample) / 4.0)
        assert P_TEST < stats.chi2.sf(float(np.sum(z**2)), 64) < 1.0 - P_TEST


def test_first_uniforms_have_the_uniform_law(words: np.ndarray) -> None:
    for column in range(3):
        u = (words[:, column] >> U(11)).astype(float) * 2.0**-53
        assert stats.kstest(u, "uniform").pvalue > P_TEST
    pairs = (words[:, 0] >> U(58)) * U(64) + (words[:, 1] >> U(58))
    counts = np.bincount(pairs.astype(np.int64), minlength=4096)
    assert P_TEST < stats.chisquare(counts).pvalue < 1.0 - P_TEST


def test_neighbouring_streams_are_uncorrelated(words: np.ndarray) -> None:
    # 3 words by 3 words at each lag: correlations times sqrt(N) are N(0, 1).
    u = words.astype(float) * 2.0**-64 - 0.5
    u *= math.sqrt(12.0)
    worst = 0.0
    for lag in (1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 256, 4096):
        n = N_BATTERY - lag
        worst = max(worst, float(np.max(np.abs(u[:-lag].T @ u[lag:]))) / math.sqrt(n))
    assert worst < 5.0  # 108 correlations: 6e-5


def test_words_collide_as_often_as_chance_has_it(words: np.ndarray) -> None:
    # Birthdays: 2^18 streams by 32 bits give Poisson(8) equal pairs; by 64 bits, none.
    pairs = N_BATTERY * (N_BATTERY - 1) / 2.0**33
    for shift in (0, 16, 32):
        part = (words[:, 0] >> U(shift)) & U(0xFFFFFFFF)
        _, counts = np.unique(part, return_counts=True)
        equal = int(np.sum(counts * (counts - 1) // 2))
        assert min(stats.poisson.cdf(equal, pairs), stats.poisson.sf(equal - 1, pairs)) > P_TEST
    assert len(np.unique(words)) == words.size


def test_no_two_streams_start_in_one_state() -> None:
    # Over a 64 x 64 x 64 grid of seeds, scenarios and replicates no two states share a word,
    # except for the first one, which knows only the seed and the replicate.
    grid = np.stack(np.meshgrid(*(3 * [np.arange(64, dtype=U)]), indexing="ij"), -1).reshape(-1, 3)
    states = np.zeros((len(grid), 4), dtype=U)
    fill_states(*(np.ascontiguousarray(column) for column in grid.T), states)
    assert [len(np.unique(word)) for word in states.T] == [64**2, 64**3, 64**3, 64**3]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["seed", "scenario", "replicate"])
def test_flipping_one_bit_of_a_name_flips_half_of_the_first_word(which: int) -> None:
    # Avalanche over 1,000 small names (seed 21): each of the 64 x 64 pairs of bits flips as a
    # coin does. Of 4,096 z scores the largest is below 5.5 (2e-4), their squares are chi-square.
    n = 1000
    names = np.random.default_rng(21).integers(0, 1 << 20, (3, n)).astype(U)
    before, after = np.zeros((n, 1), dtype=U), np.zeros((n, 1), dtype=U)
    first_words(*names, before)
    z = np.zeros((64, 64))
    for bit in range(64):
        flipped = names.copy()
        flipped[which] ^= U(1) << U(bit)
        first_words(*flipped, after)
        z[bit] = (_bit_counts((before ^ after)[:, 0]) - n / 2.0) / math.sqrt(n / 4.0)
    assert np.max(np.abs(z)) < 5.5
    assert P_TEST < stats.chi2.sf(float(np.sum(z**2)), z.size) < 1.0 - P_TEST
