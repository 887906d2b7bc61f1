"""Names of detectors, corrections and mechanisms of small-study effects, with their references.

Pure Python: the command line lists them without importing the compiler. The codes are those that
kernels take.
"""

DETECTORS = {"egger-se": 0, "egger-n": 1, "egger-n-vi": 2, "begg": 3}
CORRECTIONS = {
    "none": 0, "trimfill": 1, "trimfill-r0": 2, "pet": 3, "peese": 4, "pet-peese": 5, "sel3": 6,
    "p-uniform-star": 7, "limit": 8,
}  # fmt: skip
MECHANISMS = ("none", "step", "direction", "carter", "inflation", "peak", "stopping", "outliers")

DETECTOR_REFERENCES = {
    "egger-se": "Egger et al. 1997, doi:10.1136/bmj.315.7109.629",
    "egger-n": "Zwetsloot et al. 2017, doi:10.7554/eLife.24260",
    "egger-n-vi": "Sterne & Egger 2005, doi:10.1002/0470870168.ch6; metafor's sqrtninv",
    "begg": "Begg & Mazumdar 1994, doi:10.2307/2533446",
}
CORRECTION_REFERENCES = {
    "none": "DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2",
    "trimfill": "Duval & Tweedie 2000, doi:10.1111/j.0006-341X.2000.00455.x",
    "trimfill-r0": "Duval & Tweedie 2000, doi:10.1080/01621459.2000.10473905",
    "pet": "Stanley 2008, doi:10.1111/j.1468-0084.2007.00487.x",
    "peese": "Stanley & Doucouliagos 2014, doi:10.1002/jrsm.1095",
    "pet-peese": "Stanley & Doucouliagos 2014, doi:10.1002/jrsm.1095; switch of Carter et al. 2019",
    "sel3": "Hedges & Vevea 1996, doi:10.3102/10769986021004299; Vevea & Hedges 1995",
    "p-uniform-star": "van Aert & van Assen 2023, doi:10.31222/osf.io/zqjr9",
    "limit": "Rücker et al. 2011, doi:10.1093/biostatistics/kxq046",
}
MECHANISM_REFERENCES = {
    "none": "",
    "step": "Hedges 1992, doi:10.1214/ss/1177011364",
    "direction": "a step of the one-sided p at 0.5; Hedges 1992, doi:10.1214/ss/1177011364",
    "carter": "Carter et al. 2019, doi:10.1177/2515245919847196",
    "inflation": "Sterne, Gavaghan & Egger 2000, doi:10.1016/S0895-4356(00)00242-0",
    "peak": "van Velzen et al. 2021, doi:10.1097/j.pain.0000000000002231, Methods",
    "stopping": "Simmons, Nelson & Simonsohn 2011, doi:10.1177/0956797611417632",
    "outliers": "Carter et al. 2019, doi:10.1177/2515245919847196",
}
# Strength at which a mechanism does nothing, and the strengths shown unless others are asked for.
NEUTRAL = {
    "none": 0.0, "step": 1.0, "direction": 1.0, "carter": 0.0, "inflation": 0.0, "peak": 1.0,
    "stopping": 0.0, "outliers": 0.0,
}  # fmt: skip
STRENGTHS = {
    "none": (0.0,), "step": (1.0, 0.5, 0.2, 0.05), "direction": (1.0, 0.5, 0.2, 0.05),
    "carter": (0.0, 1.0, 2.0), "inflation": (0.0, 1.0, 2.0, 4.0), "peak": (1.0, 2.0, 3.0, 5.0),
    "stopping": (0.0, 1.0, 3.0, 5.0), "outliers": (0.0, 0.5, 1.0),
}  # fmt: skip
CARTER_STRENGTHS = {"none": 0.0, "medium": 1.0, "strong": 2.0}
