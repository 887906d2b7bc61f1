"""What pooling study-level data says, in plain words: the answer, and what to know before use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planner.reports.measures import INTERVAL_NAMES

if TYPE_CHECKING:
    from planner.study_table import StudyTable

FEW_STUDIES = 10  # below it, tests for small-study effects have too little power
SHOWS = 0.1  # P below which a test for small-study effects is said to show something
LARGE_EFFECT = 3.0  # SDs; beyond it, standard errors are often read as SDs

POOL_WORDS = {
    "average": "pooled effect, studies weighted by 1 / (variance + tau2)",
    "wald": "interval by the normal quantile: too narrow with few studies",
    "hk": "Hartung-Knapp, t on k - 1; hk-wald: the same, at least Wald",
    "cr2": "interval that allows for dependence within clusters",
    "tau, tau2": "SD and variance of the true effects between laboratories",
    "I2": "percent of the variability that is not sampling error",
    "H2": "total over sampling variability; QE: Cochran's Q",
    "pi_lb, pi_ub": "prediction interval: the true effect of a new laboratory",
    "riley_lb, _ub": "the same with t on k - 2",
    "weight": "percent of a study in the average; of the selection model: of P > 0.025",
    "tau 0 as known": "the interval is that of tau2 = 0, as metafor's: rather narrow",
    "Egger, Begg": "tests for small-study effects: of effects on SE or 1/sqrt(n)",
    "corrected": "what else the average may be, if small studies flatter; see planner bias",
    "left_out": "incomplete rows that --skip-incomplete leaves out",
}


def number(value: float | None) -> str:
    """A number for people: two decimals; fewer where it is large, two digits close to 0."""
    if value is None:
        return ""
    if value != 0.0 and not 0.005 <= abs(value) < 1e5:
        return f"{value:.2g}"
    return f"{value:.2f}" if abs(value) < 1000.0 else f"{value:.0f}"


def p_words(value: float | None) -> str:
    """P with its sign: ``P = 0.03``, ``P < 0.001``."""
    if value is None:
        return "no P"
    if value < 0.001:
        return "P < 0.001"
    return f"P = {value:.3f}" if value < 0.1 else f"P = {value:.2f}"


def unit(facts: Mapping[str, Any]) -> str:
    """The unit of effects, with a space before it; nothing where it is not known."""
    return " SDs" if facts["measure"] == "SMD" else ""


def pool_headline(table: StudyTable, facts: Mapping[str, Any]) -> str:
    """What was pooled."""
    what = "standardized mean differences (Hedges g)" if facts["measure"] == "SMD" else (
        facts["measure"]
    )  # fmt: skip
    how = f"from {table.form}"
    if table.computed:
        how += f" (variance {facts['scenario']['vtype']})"
    signs = ", signs turned so that positive is benefit" if (
        facts["scenario"]["benefit"] == "lower"
    ) else ""  # fmt: skip
    where = facts["scenario"]["where"]
    rows = f", rows with {' and '.join(where)}" if where else ""
    return f"{_counted(table.k, 'study', 'studies')} of {table.file}{rows}: {what} {how}{signs}."


def pool_answer(facts: Mapping[str, Any]) -> str:
    """The pooled effect, and what a new laboratory would find."""
    main, sds = facts["estimates"][0], unit(facts)
    level = f"{100.0 * (1.0 - facts['scenario']['alpha']):.6g}%"
    between = f"[{number(main['ci_lb'])}, {number(main['ci_ub'])}]"
    effect = f"{number(main['estimate'])}{sds}"
    if facts["k"] == 1:
        interval = "" if main["ci_lb"] is None else f", {level} interval {between}"
        return (
            f"One study alone: its effect is {effect}{interval}. How much "
            "laboratories differ cannot be seen from one, so nothing is said about another."
        )
    how = f"{main['estimator']}, {INTERVAL_NAMES[main['interval']]}"
    sentence = f"The average effect is {effect}, {level} interval {between}"
    verdict = "which includes no effect"
    if main["ci_lb"] > 0.0:
        verdict = "a benefit"
    elif main["ci_ub"] < 0.0:
        verdict = "harm"
    sentence += f": {verdict} ({how}, {p_words(main['pval'])}). "
    if main["pi_lb"] is None:
        if main["estimator"] == "FE":
            return sentence + "A fixed effect says nothing about a new laboratory: see DL or REML."
        return sentence + "For a new laboratory more studies are needed."
    start = "A new"
    if main["tau2"] == 0.0:
        start = "No difference between laboratories is seen (tau 0), though there may be one: a new"
    return (
        f"{sentence}{start} laboratory's true effect lies between {number(main['pi_lb'])} and "
        f"{number(main['pi_ub'])}{sds} ({level} prediction interval)."
    )


def pool_warnings(table: StudyTable, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using the numbers, the most consequential first."""
    found: list[tuple[str, str]] = []
    found += _dependence(table, facts)
    found += _direction(facts)
    found += list(table.notes)
    if not table.computed and facts["measure"] == "SMD":
        text = "yi is taken for a standardized mean difference (Hedges g); if it is something else:"
        found.append(("measure-assumed", f"{text} --measure NAME"))
    found += _large(table, facts)
    found += _few(facts)
    found += _on_se(facts)
    if facts["k"] > 2:
        found.append((
            "corrections",
            "The tests and corrections of small-study effects take comparisons as independent, and "
            "most corrections move an average even where nothing is wrong. By how much here: make "
            "evidence (--write-evidence FILE.toml), then planner bias --evidence FILE.toml",
        ))  # fmt: skip
    if table.left_out:
        lines = ", ".join(str(row["line"]) for row in table.left_out[:8])
        more = ", ..." if len(table.left_out) > 8 else ""
        text = f"{_counted(len(table.left_out), 'incomplete row', 'incomplete rows')} left out: "
        found.append(("left-out", f"{text}line {lines}{more}."))
    return [{"code": code, "text": text} for code, text in found]


def _dependence(table: StudyTable, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    robust = next((row for row in facts["estimates"] if row["interval"] == "cr2"), None)
    if table.control is not None:
        shared = {name: count for name, count in Counter(table.control).items() if count > 1}
        if shared:
            text = f"{_counted(len(shared), 'control group is', 'control groups are')} compared "
            text += f"{min(shared.values())} to {max(shared.values())} times"
            text = text.replace(f"{min(shared.values())} to {min(shared.values())}",
                                str(min(shared.values())))  # fmt: skip
            if table.n2 is not None:
                text += f": {_extra_controls(table, shared)} control animals are counted more than "
                text += "once"
            ending = f"; {_robust(robust)}" if table.cluster is None else "."
            found.append(("shared-control", text + ending))
            differ = _unequal_controls(table, shared)
            if differ:
                text = f"Control group {differ[0]} has different n2 in its rows"
                found.append(("control-differs", f"{text} ({len(differ)} such groups)."))
    if table.cluster is not None and robust is not None:
        clusters = robust["n_clusters"]
        if clusters < table.k:
            text = f"{table.k} comparisons come from {_counted(clusters, 'cluster', 'clusters')}"
            found.append(("clusters", f"{text} and are not independent; {_robust(robust)}"))
    elif table.cluster is None and table.control is None:
        repeated = table.k - len(set(table.labels))
        if repeated:
            text = f"{_counted(repeated, 'row has', 'rows have')} the study label of another row "
            text += "and may depend on it; a column `cluster` gives an interval that allows for it."
            found.append(("repeated-labels", text))
    return found


def _robust(row: Mapping[str, Any] | None) -> str:
    if row is None or row["ci_lb"] is None:
        return "one cluster alone allows no interval."
    few = " (too few clusters to rely on it)" if row["df"] < 4.0 else ""
    return (
        f"allowing for it, the interval is [{number(row['ci_lb'])}, {number(row['ci_ub'])}] "
        f"(CR2, {row['df']:.1f} df){few}."
    )


def _extra_controls(table: StudyTable, shared: Mapping[str, int]) -> int:
    assert table.control is not None
    assert table.n2 is not None
    extra = 0.0
    for name in shared:
        sizes = [n for n, own in zip(table.n2, table.control, strict=True) if own == name]
        extra += sum(sizes) - max(sizes)
    return int(extra)


def _unequal_controls(table: StudyTable, shared: Mapping[str, int]) -> list[str]:
    if table.control is None or table.n2 is None:
        return []
    pairs = set(zip(table.control, (float(n) for n in table.n2), strict=True))
    counts = Counter(name for name, _ in pairs)
    return [name for name in shared if counts[name] > 1]


def _direction(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    main = facts["estimates"][0]
    if main["ci_ub"] is None or main["ci_ub"] >= 0.0:
        return []
    other = "higher" if facts["scenario"]["benefit"] == "lower" else "lower"
    text = f"The average effect says harm. If {other} values are better: --benefit {other}"
    return [("wrong-way", text)]


def _large(table: StudyTable, facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    if facts["measure"] != "SMD":
        return []
    large = [
        label for label, y in zip(table.labels, table.yi, strict=True) if abs(y) > LARGE_EFFECT
    ]
    if not large:
        return []
    names = ", ".join(_short(label) for label in large[:3]) + (", ..." if len(large) > 3 else "")
    verb = "study has an effect size" if len(large) == 1 else "studies have effect sizes"
    text = f"{len(large)} {verb} beyond 3 SDs ({names}): check that standard errors were not read "
    return [("large-effect", text + "as SDs (give those as sem1, sem2).")]


def _few(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    k, found = facts["k"], []
    if 2 <= k < FEW_STUDIES:
        main = facts["estimates"][0]
        text = f"Only {k} studies: "
        if main["tau2_ub"]:  # 0 where studies agree more than chance lets them
            low, high = (number(main[name] ** 0.5) for name in ("tau2_lb", "tau2_ub"))
            text += (
                f"the spread between laboratories (tau) may be {low} to {high}{unit(facts)}, and "
            )
        text += f"tests for small-study effects need {FEW_STUDIES}."
        found.append(("few-studies", text))
    wald, hk = (
        next((row for row in facts["estimates"] if row["interval"] == name), None)
        for name in ("wald", "hk")
    )
    if wald and hk and k > 1 and _side(wald) != _side(hk):
        text = (
            f"With Hartung-Knapp the interval is [{number(hk['ci_lb'])}, {number(hk['ci_ub'])}], "
        )
        text += (
            f"which says something else ({p_words(hk['pval'])}, against {p_words(wald['pval'])} "
        )
        wider = hk["ci_ub"] - hk["ci_lb"] > wald["ci_ub"] - wald["ci_lb"]
        # Studies that agree by chance make Hartung-Knapp's interval the narrow one.
        text += (
            "of Wald, too narrow with few studies)."
            if wider
            else "of Wald): the studies agree more than chance lets them, and it takes that at its "
            "word. Never narrower than Wald: --interval hk-wald."
        )
        found.append(("hartung-knapp", text))
    return found


def _on_se(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tests on the standard error that seem to show something, of effect sizes."""
    if facts["measure"] != "SMD":
        return []
    names = {"egger-se": "Egger on SE", "begg": "Begg"}
    rows = {row["detector"]: row for row in facts["detectors"] if row["applicable"]}
    loud = [name for name in names if name in rows and rows[name]["pval"] < SHOWS]
    if not loud:
        return []
    instead = "give n1 and n2 for the test on 1/sqrt(n)"
    if "egger-n" in rows:
        instead = f"Egger on 1/sqrt(n): {p_words(rows['egger-n']['pval'])}"
    verb = "reject" if loud[1:] else "rejects"
    return [(
        "test-on-se",
        f"{' and '.join(names[name] for name in loud)} {verb} too often, and PET corrects too "
        f"much with it: the SE of an effect size depends on the effect. {instead}.",
    )]  # fmt: skip


def _side(row: Mapping[str, Any]) -> int:
    if row["ci_lb"] is None:
        return 0
    return int(row["ci_lb"] > 0.0) - int(row["ci_ub"] < 0.0)


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
