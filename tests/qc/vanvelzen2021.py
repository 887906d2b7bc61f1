"""Second, independent typing of the published numbers; compared with the catalogue by the test
beside it.
"""

# Left out, because the article prints no value for the key:
#   analyses.single-early/mechanical.k   (the sentence with the pooled effect gives no count)
# Words typed as digits: "Sixty-six", "Sixty-four", "Thirty-two", "One", "Seven", "Nine", "Six",
# "zero".  group_sizes.mean is derived and facts.small_study.predictor is assumed; the rest is as
# printed.
NUMBERS: dict[str, str] = {
    # Results 3.3, single dose, within 3 hours
    "analyses.single-early.k": "19",
    "analyses.single-early.g": "1.6",
    "analyses.single-early.se": "0.3",
    "analyses.single-early.ci": "1.1 2.1",
    "analyses.single-early.I2": "72",
    "analyses.single-early.p": "0.00",
    "analyses.single-early/rat.k": "15",
    "analyses.single-early/rat.g": "1.7",
    "analyses.single-early/rat.se": "0.3",
    "analyses.single-early/rat.ci": "1.1 2.3",
    "analyses.single-early/rat.I2": "73",
    "analyses.single-early/rat.p": "0.00",
    "analyses.single-early/mouse.k": "4",
    "analyses.single-early/mouse.g": "1.1",
    "analyses.single-early/mouse.se": "0.4",
    "analyses.single-early/mouse.ci": "0.3 2.0",
    "analyses.single-early/mouse.I2": "48",
    "analyses.single-early/mouse.p": "0.007",
    "analyses.single-early/intraperitoneal.k": "10",
    "analyses.single-early/intraperitoneal.g": "1.6",
    "analyses.single-early/intraperitoneal.se": "0.4",
    "analyses.single-early/intraperitoneal.ci": "0.8 2.4",
    "analyses.single-early/intraperitoneal.I2": "81",
    "analyses.single-early/intraperitoneal.p": "0.00",
    "analyses.single-early/intrathecal.k": "6",
    "analyses.single-early/intrathecal.g": "1.5",
    "analyses.single-early/intrathecal.se": "0.4",
    "analyses.single-early/intrathecal.ci": "0.8 2.2",
    "analyses.single-early/intrathecal.I2": "46",
    "analyses.single-early/intrathecal.p": "0.00",
    "analyses.single-early/dose-5-25.k": "7",
    "analyses.single-early/dose-5-25.g": "1.5",
    "analyses.single-early/dose-5-25.se": "0.5",
    "analyses.single-early/dose-5-25.ci": "0.4 2.5",
    "analyses.single-early/dose-5-25.I2": "83",
    "analyses.single-early/dose-5-25.p": "< 0.01",
    "analyses.single-early/dose-50.k": "5",
    "analyses.single-early/dose-50.g": "2.0",
    "analyses.single-early/dose-50.se": "0.5",
    "analyses.single-early/dose-50.ci": "1.1 3.0",
    "analyses.single-early/dose-50.I2": "65",
    "analyses.single-early/dose-50.p": "0.00",
    "analyses.single-early/intrathecal-100-200.k": "4",
    "analyses.single-early/intrathecal-100-200.g": "1.4",
    "analyses.single-early/intrathecal-100-200.se": "0.4",
    "analyses.single-early/intrathecal-100-200.ci": "0.6 2.1",
    "analyses.single-early/intrathecal-100-200.I2": "27",
    "analyses.single-early/intrathecal-100-200.p": "0.00",
    "analyses.single-early/mechanical.g": "1.7",
    "analyses.single-early/mechanical.se": "0.3",
    "analyses.single-early/mechanical.ci": "1.1 2.3",
    "analyses.single-early/mechanical.I2": "73",
    "analyses.single-early/mechanical.p": "0.00",
    "facts.subgroup_p.species": "0.30",
    "facts.subgroup_p.route": "0.26",
    "facts.subgroup_p.dose": "0.55",
    "facts.single_early_models.cci": "9",
    "facts.single_early_models.snl": "3",
    "facts.single_early_assay.mechanical": "18",
    "facts.single_early_assay.other": "3",
    # Results 3.4, single dose, 24 or 72 hours
    "analyses.single-late.k": "7",
    "analyses.single-late.g": "0.4",
    "analyses.single-late.se": "0.4",
    "analyses.single-late.ci": "-0.3 1.1",
    "analyses.single-late.I2": "70.7",
    "analyses.single-late.p": "0.28",
    "analyses.single-late/without-outlier.k": "6",  # Discussion: "Six of 7 comparisons"
    "analyses.single-late/without-outlier.g": "0.010",
    "analyses.single-late/without-outlier.se": "0.201",
    "analyses.single-late/without-outlier.ci": "-0.4 0.4",
    "analyses.single-late/without-outlier.I2": "0",
    "analyses.single-late/without-outlier.p": "0.96",
    "analyses.single-late/24h.k": "3",
    "analyses.single-late/24h.g": "0.1",
    "analyses.single-late/24h.se": "0.3",
    "analyses.single-late/24h.ci": "-0.5 0.6",
    "analyses.single-late/24h.I2": "0",
    "analyses.single-late/24h.p": "0.80",
    "analyses.single-late/72h.k": "3",
    "analyses.single-late/72h.g": "-0.05",
    "analyses.single-late/72h.se": "0.28",
    "analyses.single-late/72h.ci": "-0.6 0.5",
    "analyses.single-late/72h.I2": "0",
    "analyses.single-late/72h.p": "0.86",
    # Results 3.5, chronic, during exposure (the abstract prints the interval as 3.7-6.5)
    "analyses.chronic-during.k": "9",
    "analyses.chronic-during.g": "5.1",
    "analyses.chronic-during.se": "0.7",
    "analyses.chronic-during.ci": "3.6 6.5",
    "analyses.chronic-during.I2": "82",
    "analyses.chronic-during.p": "0.00",
    "analyses.chronic-during/rat.k": "8",
    "analyses.chronic-during/rat.g": "5.3",
    "analyses.chronic-during/rat.se": "0.8",
    "analyses.chronic-during/rat.ci": "3.7 6.9",
    "analyses.chronic-during/rat.I2": "83",
    "analyses.chronic-during/rat.p": "0.00",
    # Results 3.6, chronic, after exposure
    "analyses.chronic-after.k": "6",
    "analyses.chronic-after.g": "1.3",
    "analyses.chronic-after.se": "0.4",
    "analyses.chronic-after.ci": "0.5 2.1",
    "analyses.chronic-after.I2": "66",
    "analyses.chronic-after.p": "0.001",
    "analyses.chronic-after/rat.k": "4",
    "analyses.chronic-after/rat.g": "1.6",
    "analyses.chronic-after/rat.se": "0.6",
    "analyses.chronic-after/rat.ci": "0.4 2.8",
    "analyses.chronic-after/rat.I2": "79",
    "analyses.chronic-after/rat.p": "0.01",
    "facts.chronic.difference_p": "0.00",
    # Results 3.1
    "group_sizes.median": "7",
    "group_sizes.range": "4 12",
    "group_sizes.mean": "8.1",
    "facts.selection.pubmed": "324",
    "facts.selection.embase": "309",
    "facts.selection.screened": "473",
    "facts.selection.discarded": "407",
    "facts.selection.remained": "66",
    "facts.selection.not_retrieved": "2",
    "facts.selection.read_full": "64",
    "facts.selection.excluded_full_text": "32",
    "facts.selection.excluded_post_hoc": "1",
    "facts.selection.included": "31",
    "facts.selection.single_studies": "20",
    "facts.selection.chronic_studies": "10",
    "facts.selection.both_studies": "1",
    "facts.selection.comparisons": "35",
    "facts.selection.single_comparisons": "21",
    "facts.selection.repetitive_comparisons": "14",
    "facts.selection.infusion_comparisons": "1",
    "facts.animals.treated": "331",
    "facts.animals.control": "333",
    "facts.animals.treated_rats": "270",
    "facts.animals.control_rats": "274",
    "facts.delay.early_mean_hours": "1",
    "facts.delay.early_sd_hours": "0.7",
    "facts.delay.after_median_days": "24",
    "facts.delay.after_range_days": "1 36",
    "facts.delay.loss_percent": "70",  # Abstract
    "facts.delay.loss_day": "24",  # Abstract
    "facts.treatment.chronic_median_days": "6",
    "facts.treatment.chronic_range_days": "3 42",
    "facts.treatment.after_median_days": "7.5",
    "facts.treatment.after_range_days": "3 28",
    "facts.characteristics.male_percent": "84",
    "facts.characteristics.cci_percent": "35",
    "facts.characteristics.snl_percent": "23",
    "facts.characteristics.sni_percent": "23",
    "facts.characteristics.intraperitoneal_percent": "53",
    "facts.characteristics.intrathecal_percent": "31",
    "facts.characteristics.mechanical_percent": "87",
    "facts.characteristics.mechanical_percent_methods": "85",  # Methods 2.1
    "facts.characteristics.racemic_percent": "71",
    # Results 3.2
    "facts.risk_of_bias.randomization_unreported_percent": "77",
    "facts.risk_of_bias.blinding_unreported_percent": "68",
    "facts.risk_of_bias.power_unreported_percent": "94",
    # Results 3.3.1 and Methods 2.4
    "facts.small_study.p": "0.74",
    "facts.small_study.imputed": "0",
    "facts.small_study.minimum_comparisons": "15",
    "facts.small_study.predictor": "1/sqrt(n)",
    # Discussion
    "facts.human.infusion_2h_half_life": "2",
    "facts.human.infusion_100h_half_life": "11",
}

_COLUMNS = (
    "study_author",
    "year",
    "reference",
    "species",
    "strain",
    "sex",
    "route",
    "drug",
    "dose",
    "dosing",
    "model",
    "assay",
    "delay",
    "delay_unit",
    "enters",
)

# Table 1, one row per independent comparison, in the order of the table.  A line that ends in "|"
# goes on in the next; the fields follow _COLUMNS.  Strains are as printed ("C75BL/6", "D1", "6J").
# Mei 2009 comes as a, c (one printed row: i.t. 100 µg/kg and i.p. 20 mg/kg), then b, d (one printed
# row: i.t. 300 µg/kg); the footnote has two intrathecal and two intraperitoneal comparisons
# instead.  Salvat's two delays are given to a and b in the printed order.
_TABLE = """
chaplan | 1997 | 2 | rat | Sprague-Dawley | male | i.t. | ketamine | 100 µg |
Single | SNL | mechanical | 1 | h | single-early
christoph | 2006 | 3 | rat | Sprague-Dawley | male | i.v. | ketamine | 4.64 mg/kg |
Single | CCI | cold | 0.25;24 | h | single-early;single-late
claudino | 2018 | 4 | rat | Wistar | male | i.n. | s-ketamine | 1 mg/kg |
Single | CION | mechanical | 0.5 | h | single-early
de-vry | 2004 | 8 | rat | Wistar | male | i.p. | ketamine | 20 mg/kg |
Single | CCI | mechanical | 0.5 | h | single-early
doncheva | 2019 | 10 | rat | Wistar | male | i.p. | ketamine | 50 mg/kg |
Single | CCI | mechanical | 1 | h | single-early
fang | 2018 | 11 | rat | Sprague-Dawley | male | i.p. | ketamine | 10 mg/kg |
Single | SNI | mechanical | 72 | h | single-late
hama | 2012 | 12 | rat | Sprague-Dawley | male | i.t. | ketamine | 100 µg |
Single | SCI | mechanical | 1.5 | h | single-early
humo | 2020 | 19 | mouse | C75BL/6 | male | i.p. | ketamine | 15 mg/kg |
Single | CCI | mechanical | 2;24 | h | single-early;single-late
kroin | 2019 | 22 | mouse | D1 | female | i.p. | ketamine | 10 mg/kg |
Single | SNI | mechanical | 1;72 | h | single-early;single-late
lim | 2013 | 25 | mouse | ICR | male | i.t. | ketamine | 100 µg |
Single | CCI | mechanical | 1.5 | h | single-early
mao | 1993 | 27 | rat | Sprague-Dawley | male | i.t. | ketamine | 23.7 µg |
Single | CCI | heat | 0.5 | h | single-early
mdahoma | 2014 | 28 | rat | Sprague-Dawley | male | i.p. | ketamine | 50 mg/kg |
Single | SCI | mechanical | 0.5 | h | single-early
mdahoma | 2015 | 29 | rat | Sprague-Dawley | male | i.p. | ketamine | 50 mg/kg |
Single | CCI | mechanical | 1 | h | single-early
mehta | 2012 | 30 | rat | Wistar | male | i.p. | ketamine | 25 mg/kg |
Single | CCI | heat | 0.75 | h | single-early
mei | 2010 | 32 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 1000 µg/kg |
Single | CCI | mechanical | 0.5;72 | h | single-early;single-late
pan | 2018 | 40 | rat | Sprague-Dawley | male | i.p. | ketamine | 10 mg/kg |
Single | SNI | mechanical | 72 | h | single-late
qian | 1996 | 43 | rat | Sprague-Dawley | male | i.p. | ketamine | 50 mg/kg |
Single | SNL | mechanical | 0.25 | h | single-early
rodrigues-filho | 2004 | 45 | rat | Wistar | male | i.p. | ketamine | 25 mg/kg |
Single | BPA | mechanical | 0.5 | h | single-early
sasaki | 2008 | 47 | mouse | C57BL/6J | female | i.p. | ketamine | 50 mg/kg |
Single | PHN | mechanical | 1 | h | single-early
truin | 2011 | 52 | rat | Sprague-Dawley | male | i.t. | ketamine | 200 µg |
Single | CCI | mechanical | 0.75 | h | single-early
wang | 2011 | 53 | rat | Sprague-Dawley | male | i.p. | ketamine | 10 mg/kg (1 h), 50 mg/kg (24 h) |
Single | SNI | mechanical | 1;24 | h | single-early;single-late
hota | 2007 | 17 | rat | Wistar | male | oral | ketamine | 2.5 mg/kg |
1 daily dose for 25 days | SNI | heat | 0 | d | chronic-during
huang | 2004 | 18 | rat | Sprague-Dawley | female | i.p. | ketamine | 10 mg/kg |
6 days for 4 weeks | SNL | mechanical | 1 | d | chronic-after
kwon | 2014 | 23 | rat | Sprague-Dawley | male | s.c. | ketamine | 40 mg/kg per day |
7-day infusion | SNL | mechanical | 0 | d | chronic-during
mak | 2015 | 26 | rat | Wistar | male | s.c. | ketamine | 20 mg/kg per day |
5-day infusion | STZ DN | mechanical | 14 | d | chronic-after
mao | 1993 | 27 | rat | Sprague-Dawley | male | i.t. | ketamine | 23.7 µg |
4 daily doses for 3 days | SNL | heat | 7 | d | chronic-after
mei | 2009 | 31 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 100 µg/kg |
1 dose/day for 3 or 7 days | SNL | mechanical | 0 | d | chronic-during
mei | 2009 | 31 | rat | Sprague-Dawley | male | i.p. | s-ketamine | 20 mg/kg |
1 dose/day for 3 or 7 days | SNL | mechanical | 0 | d | chronic-during
mei | 2009 | 31 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 300 µg/kg |
1 dose/day for 3 days | SNL | mechanical | 0 | d | chronic-during
mei | 2009 | 31 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 300 µg/kg |
1 dose/day for 3 days | SNL | mechanical | 0 | d | chronic-during
mei | 2011 | 33 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 300 µg/kg |
1 dose/day for 3 days | SNL | mechanical | 0 | d | chronic-during
mei | 2011 | 34 | rat | Sprague-Dawley | male | i.t. | s-ketamine | 300 µg/kg |
1 dose/day for 3 days | SNL | mechanical | 0 | d | chronic-during
salvat | 2018 | 46 | mouse | 6J | male | i.p. | ketamine | 15 mg/kg |
2 doses/day for 10 days (0-10 after CCI) | CCI | mechanical | 15 | d | chronic-after
salvat | 2018 | 46 | mouse | 6J | male | i.p. | ketamine | 15 mg/kg |
2 doses/day (25-35 days after CCI) | CCI | mechanical | 34 | d | chronic-after
swartjes | 2011 | 50 | rat | Sprague-Dawley | female | i.v. | ketamine | 9 mg/kg per day |
5-day infusion | SNI | mechanical | 28 | d | chronic-after
swartjes | 2013 | 51 | mouse | C57BL/6 | female | i.p. | ketamine | 50 mg/kg |
In week 1, every other day 1 dose, followed by weekly dosing in week 2-6 | SNI |
mechanical | 0 | d | chronic-during
"""

ROWS: list[dict[str, str]] = [
    dict(zip(_COLUMNS, row.split(" | "), strict=True))
    for row in _TABLE.replace(" |\n", " | ").strip().splitlines()
]
