"""Kernels over blocks of replicates (lanes), laid out so that the compiler vectorises them.

The random numbers of a block are drawn replicate by replicate into one scratch array; the loops
over lanes then call the scalar functions, which are inlined. Sums are kept per lane and added up
at the end of a chunk, always in the same order.
"""

LANES = 32
