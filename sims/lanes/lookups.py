"""1/s of a block from its table: `sims.chi.draw_inverse_sd` over lanes, to the last bit.

Where a normal lies in a table is calculated for all lanes at once. What is then left of each
look-up, seven numbers and a polynomial, takes half as long as the whole did.
"""

import numpy as np

from sims.chi import _Z_TOP, N_INTERVALS, PER_UNIT
from sims.kernels import inner
from sims.streams import Z_MAX
from sims.tables import DEGREE

_PER_INTERVAL = DEGREE + 1
_PER_TABLE = N_INTERVALS * _PER_INTERVAL


@inner
def place(which, z):
    """Where table number `which` starts at the normal score z, and how far beyond z is."""
    position = (min(max(z, -Z_MAX), _Z_TOP) + Z_MAX) * PER_UNIT
    interval = np.int32(position)  # of 32 bits: so the conversion is vectorised everywhere
    return which * _PER_TABLE + interval * _PER_INTERVAL, position - interval


@inner
def value_at(flat, start, beyond):
    """The polynomial that starts there; flat: the tables as one row of numbers."""
    start = start & 0x7FFFFFFF  # not negative: the compiler need not look
    value = flat[start + DEGREE]
    for power in range(DEGREE - 1, -1, -1):
        value = value * beyond + flat[start + power]
    return value
