"""Simulation of two-arm experiments and of meta-analyses: numbers in, numbers out.

Files in reading order: kernels, streams, chi, effects, experiments, exact, pooling, syntheses,
conditioning, performance, engine, search.
"""
