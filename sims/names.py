"""Names of estimators and intervals, their codes in kernels, and where they come from.

Pure Python: the command line lists them without importing the compiler.
"""

ESTIMATORS = {"FE": 0, "DL": 1, "PM": 2, "REML": 3}
INTERVALS = {"wald": 0, "hk": 1, "hk-wald": 2}

ESTIMATOR_REFERENCES = {
    "FE": "no variance between studies, inverse-variance weights",
    "DL": "DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2",
    "PM": "Paule & Mandel 1982, doi:10.6028/jres.087.022",
    "REML": "restricted likelihood, Viechtbauer 2005, doi:10.3102/10769986030003261",
}
INTERVAL_REFERENCES = {
    "wald": "standard normal quantile",
    "hk": "t with k - 1 df, Hartung & Knapp 2001, doi:10.1002/sim.1009",
    "hk-wald": "hk, its SE never below Wald's; Knapp & Hartung 2003, doi:10.1002/sim.1482",
}
