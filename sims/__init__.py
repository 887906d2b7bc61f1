"""Simulation of experiments and of meta-analyses: numbers in, numbers out.

Files in reading order: types, kernels, streams, tables, chi, normal, effects, experiments, exact;
names, pooling, inference, subgroups, robust; syntheses, known, clustered, conditioning, posterior,
preposterior; smallstudy_names, student, smallstudy, selection_step, selection_climbs,
selection_models, corrections, random_limit, smallstudy_inference, selection, selection_shares,
selection_errors, selection_tally, unpublished, selection_pooling, conditioning_selected,
selection_drawn, conditioning_drawn; longitudinal, longitudinal_reml, longitudinal_monotone, decay,
decay_trials, decay_syntheses, decay_regression; performance, tally, engine, search; then the fast
versions in lanes/.
"""
