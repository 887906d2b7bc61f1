"""One reproducible stream of random numbers per replicate.

The generator is xoshiro256++ (Blackman & Vigna 2021, doi:10.1145/3460772). Its state is four
words that travel as arguments and results, so that compiled code keeps them in registers. The
state of a replicate is a hash of (seed, scenario, replicate): any replicate can be run again
alone, and chunks, workers and the length of a run change nothing.

Normals come from a 256-layer ziggurat (Marsaglia & Tsang 2000, doi:10.18637/jss.v005.i08) with
the layer, the sign and the 52-bit fraction taken from different bits of one word.
"""

import hashlib
import math

import numpy as np

from sims.kernels import kernel

U = np.uint64
GAMMA = U(0x9E3779B97F4A7C15)  # SplitMix64's increment: 2^64 over the golden ratio
GAMMAS = (GAMMA, U(0xD1342543DE82EF95), U(0xAF251AF3B0F025B5), U(0xD6E8FEB86659FD93))
_MIX1, _MIX2 = U(0xBF58476D1CE4E5B9), U(0x94D049BB133111EB)
_S27, _S30, _S31 = U(27), U(30), U(31)
_S1, _S11, _S12, _S17 = U(1), U(11), U(12), U(17)
_S19, _S23, _S41, _S45 = U(19), U(23), U(41), U(45)
_LAYER, _SIGN = U(0xFF), U(0x100)
_TO_UNIT = 2.0**-53

# Largest |z| that tables over normals must cover: P(|Z| > 8.5) is 2e-17.
Z_MAX = 8.5


@kernel
def mix64(x):
    """Finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195)."""
    x = (x ^ (x >> _S30)) * _MIX1
    x = (x ^ (x >> _S27)) * _MIX2
    return x ^ (x >> _S31)


@kernel
def stream_key(seed, scenario):
    """Four key words of a run; (seed, scenario) to the first two is one to one."""
    k0 = mix64(seed + GAMMA)
    k1 = mix64(scenario ^ mix64(k0 + GAMMA))
    k2 = mix64(k0 + (k1 ^ GAMMAS[1]))
    k3 = mix64(k1 + (k2 ^ GAMMAS[2]))
    return k0, k1, k2, k3


@kernel
def open_stream(key, replicate):
    """State of the stream of one replicate: each word a hash of its key and the replicate."""
    return (
        mix64(key[0] + replicate * GAMMAS[0]),
        mix64(key[1] + replicate * GAMMAS[1]),
        mix64(key[2] + replicate * GAMMAS[2]),
        mix64(key[3] + replicate * GAMMAS[3]),
    )


@kernel
def next_word(state):
    """Next 64 random bits of xoshiro256++, and the state after them."""
    s0, s1, s2, s3 = state
    x = s0 + s3
    word = ((x << _S23) | (x >> _S41)) + s0
    shifted = s1 << _S17
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= shifted
    s3 = (s3 << _S45) | (s3 >> _S19)
    return word, (s0, s1, s2, s3)


@kernel
def draw_uniform(state):
    """Uniform on [0, 1), a multiple of 2^-53."""
    word, state = next_word(state)
    return float(word >> _S11) * _TO_UNIT, state


def ziggurat_tables(layers: int = 256) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Widths, acceptance thresholds and densities of the layers of a half-normal ziggurat.

    Returns
    -------
    width : (layers,) float64, x_i / 2^52, multiplies the 52-bit fraction
    inside : (layers,) uint64, fractions below it lie wholly under the curve
    density : (layers + 1,) float64, exp(-x_i^2 / 2) at the layers' edges
    """
    edge, area = 3.6541528853610088, 4.92867323399e-3
    x = np.empty(layers + 1)
    x[0] = area / math.exp(-0.5 * edge * edge)
    x[1] = edge
    for i in range(2, layers):
        x[i] = math.sqrt(-2.0 * math.log(area / x[i - 1] + math.exp(-0.5 * x[i - 1] ** 2)))
    x[layers] = 0.0
    width = x[:layers] * 2.0**-52
    inside = np.floor(x[1:] / x[:layers] * 2.0**52).astype(np.uint64)
    density = np.exp(-0.5 * x**2)
    density[0] = math.exp(-0.5 * edge * edge)
    return width, inside, density


_WIDTH, _INSIDE, _DENSITY = ziggurat_tables()
_EDGE = 3.6541528853610088


@kernel
def draw_normal(state):
    """Standard normal."""
    # What all but one in a hundred numbers need is short enough to become part of every caller,
    # so that the state stays in registers; the rest is a call.
    word, state = next_word(state)
    layer = word & _LAYER
    fraction = word >> _S12
    x = float(fraction) * _WIDTH[layer]
    if word & _SIGN:
        x = -x
    if fraction < _INSIDE[layer]:
        return x, state
    return _draw_at_an_edge(word, state)


@kernel
def _draw_at_an_edge(word, state):
    # The whole of the ziggurat, from the word that was drawn first.
    while True:
        layer = word & _LAYER
        fraction = word >> _S12
        x = float(fraction) * _WIDTH[layer]
        if word & _SIGN:
            x = -x
        if fraction < _INSIDE[layer]:
            return x, state
        if layer == 0:
            # The tail beyond the last edge, by Marsaglia's exponential rejection.
            while True:
                u1, state = draw_uniform(state)
                u2, state = draw_uniform(state)
                beyond = -math.log(1.0 - u1) / _EDGE
                if -2.0 * math.log(1.0 - u2) > beyond * beyond:
                    tail = _EDGE + beyond
                    return (-tail if word & _SIGN else tail), state
        u, state = draw_uniform(state)
        low, high = _DENSITY[layer], _DENSITY[layer + _S1]
        if low + u * (high - low) < math.exp(-0.5 * x * x):
            return x, state
        word, state = next_word(state)


def scenario_key(*words: object) -> np.uint64:
    """A 64-bit key from the words that name a scenario, the same on every machine."""
    text = "\x1f".join(str(word) for word in words)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))
