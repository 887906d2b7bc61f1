"""Drawing the random numbers of a kernel and nothing else: what its speed is measured against."""

import numpy as np

from sims.kernels import entry
from sims.streams import draw_normal, draw_uniform, open_stream, stream_key


@entry
def draw_only(seed, scenario, count, n_normals, n_uniforms):
    """Sum of the numbers that `count` replicates draw, each from a stream of its own."""
    key = stream_key(seed, scenario)
    total = 0.0
    for r in range(count):
        state = open_stream(key, np.uint64(r))
        for _ in range(n_uniforms):
            u, state = draw_uniform(state)
            total += u
        for _ in range(n_normals):
            z, state = draw_normal(state)
            total += z
    return total
