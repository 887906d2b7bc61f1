"""Simulation of experiments and of meta-analyses: numbers in, numbers out.

Files in reading order: types, kernels, streams, tables, chi, effects, experiments, exact; names,
pooling, inference, subgroups, robust; syntheses, known, clustered, conditioning, posterior;
performance, engine, search; then the fast versions in lanes/.
"""
