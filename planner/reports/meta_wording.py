"""Answers and warnings of `planner meta` in plain words, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.reports.discounted import discounted_words
from planner.reports.measures import INTERVAL_NAMES, percent
from planner.reports.wording import article, evidence_words


def find(
    rows: Sequence[Mapping[str, Any]], measure: str, **wanted: Any
) -> Mapping[str, Any] | None:
    """The first row of a measure with these design columns; clustered rows only if asked for."""
    wanted = {"cluster": None, **wanted}
    for row in rows:
        if row["measure"] == measure and all(row.get(name) == x for name, x in wanted.items()):
            return row
    return None


def value(rows: Sequence[Mapping[str, Any]], measure: str, **wanted: Any) -> float | None:
    """Its value, the exact one where it is known."""
    row = find(rows, measure, **wanted)
    if row is None:
        return None
    found: float | None = row["value"] if row["exact"] is None else row["exact"]
    return found


def chance(p: float | None) -> str:
    """A chance in percent; a dash where there is none."""
    return "-" if p is None else percent(p)


def precise(p: float | None) -> str:
    """A chance near zero or one, with one decimal where it matters."""
    if p is None:
        return "-"
    return f"{100.0 * p:.1f}%" if 0.0005 <= p < 0.0995 else percent(p)


def meta_headline(
    analysis: Any, start: str, mu: float | None = None, tau: float | None = None
) -> str:
    """What the page is about, and where its numbers come from."""
    if analysis is None:
        return f"{start}. True effects given by hand: mu {mu:g}, tau {tau:g}."
    return f"{start}: {evidence_words(analysis)}"


def meta_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner meta`."""
    design, rows, truth = facts["design"], facts["rows"], facts["truths"][0].name
    estimator, alpha = design.estimators[0], design.alpha
    analysis = facts["analysis"]
    counts = facts["counts"]
    k = analysis.k if analysis is not None and analysis.k in counts else counts[0]
    n = facts["laws"][0][0]
    level = f"{100.0 * (1.0 - alpha):.3g}%"
    sentences = []
    for interval in design.intervals[:2]:
        names = {"k": k, "n": n, "truth": truth, "estimator": estimator, "interval": interval}
        start = (
            f"A new review of {k} such studies, pooled by {estimator} with "
            f"{INTERVAL_NAMES[interval]} intervals, finds a significant benefit with a chance of "
            if interval == design.intervals[0]
            else f"With {INTERVAL_NAMES[interval]} intervals: "
        )
        success = chance(value(rows, "success", **names))
        covers = precise(value(rows, "coverage", **names))
        false = precise(value(rows, "type_i", **names))
        if interval == design.intervals[0]:
            sentences.append(
                f"{start}{success}. Its {level} interval covers the true mean in {covers} of "
                f"reviews, and {false} would be significant if the mean effect were zero."
            )
        else:
            sentences.append(f"{start}{success}, {covers} and {false}.")
    row, target = facts["recommended"], facts["targets"][0]
    lab = {"assurance": ", not knowing the average", "discounted": ", the literature discounted"}
    if row is not None:
        sentences.append(
            f"For {percent(target)} with {INTERVAL_NAMES[row['interval']]} intervals a review "
            f"needs {row['k']} studies{lab.get(truth, '')}."
        )
    else:
        ceiling = facts["required"][0]["ceiling"]
        why = (
            f"the most is {percent(ceiling)}, because the mean effect may not be a benefit"
            if ceiling <= target
            else "a thousand studies are not enough"
        )
        sentences.append(f"No number of studies gives {percent(target)}: {why}.")
    return " ".join(sentences)


def meta_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using a page of `planner meta`."""
    design, rows, analysis = facts["design"], facts["rows"], facts["analysis"]
    truth, estimator = facts["truths"][0].name, design.estimators[0]
    found = []
    counts, n = facts["counts"], facts["laws"][0][0]
    bias = value(rows, "bias", k=counts[-1], n=n, truth=truth, estimator=estimator)
    mean = float(facts["truths"][0].mu.mean())
    if bias is not None and mean != 0.0 and abs(bias) >= 0.02 * abs(mean):
        found.append((
            "bias",
            f"Pooling by {estimator} is {abs(bias / mean):.0%} too "
            f"{'low' if bias * mean < 0.0 else 'high'} at {counts[-1]} studies, with no bias by "
            "anyone: the sampling variance of an effect size grows with it. More studies do not "
            "help.",
        ))  # fmt: skip
    failed = sum(row["n_failed"] or 0 for row in rows if row["measure"] == "convergence")
    if failed:
        found.append(
            ("failures", f"{failed} fits did not converge; they count as not significant.")
        )
    found += discounted_words(facts)
    found += _clustered(facts)
    found += [("note", note) for note in (() if analysis is None else analysis.notes)]
    if analysis is not None:
        found.append((
            "selection",
            "Every study of the new review is taken to be published. What selection would do: "
            f"planner bias {analysis.option}",
        ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]


def _clustered(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The worst coverage if comparisons depend, in words."""
    rows = [row for row in facts["rows"] if row.get("cluster") and row["measure"] == "coverage"]
    first = [row for row in rows if row["interval"] == facts["design"].intervals[0]]
    if not first:
        return []
    worst = min(first, key=lambda row: row["value"])
    name = facts["analysis"].option
    if worst["cluster"] == "none":
        return []
    return [(
        "clusters",
        f"If comparisons of one {worst['cluster']} depend, the "
        f"{INTERVAL_NAMES[worst['interval']]} interval covers the true mean in as few as "
        f"{precise(worst['value'])} of reviews. Plan with it: planner meta {name} "
        f"--cluster {worst['cluster']}",
    )]  # fmt: skip


def update_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner meta --update`."""
    design, rows, analysis = facts["design"], facts["rows"], facts["analysis"]
    names = {"estimator": design.estimators[0], "interval": design.intervals[0]}
    sizes, counts = facts["sizes"], facts["counts"]
    more = [m for m in counts if m > 0]
    if not more:
        return f"With no new study the review says what it published: effect size {analysis.g}."
    n, m = sizes[len(sizes) // 2], more[0]
    studies = "One more study" if m == 1 else f"{m} more studies"
    names |= {"n": n}
    success = value(rows, "success", new_studies=m, **names)
    changed = value(rows, "changed", new_studies=m, **names)
    text = (
        f"{studies} of {n} per group ({2 * n * m} animals) would leave the pooled effect a "
        f"significant benefit with a chance of {chance(success)}; the conclusion would change in "
        f"{precise(changed)}."
    )
    before = value(rows, "ci_width", new_studies=0, **names)
    after = value(rows, "ci_width", new_studies=m, **names)
    if before is not None and after is not None:
        shift = value(rows, "shift_abs", new_studies=m, n=n, estimator=names["estimator"]) or 0.0
        text += (
            f" The interval's mean width goes from {before:.2f} to {after:.2f} SDs, the pooled "
            f"effect moves by {shift:.2f}."
        )
    most, largest = more[-1], sizes[-1]
    excludes = value(rows, "pi_excludes_zero", new_studies=most, **{**names, "n": largest})
    if excludes is not None:
        text += (
            f" After {most} of {largest} per group the prediction interval for a new laboratory "
            f"excludes zero with a chance of {chance(excludes)}."
        )
    part = value(rows, "data_sd", new_studies=m, **names)
    if part is not None:
        text += (
            f" Knowing the published studies one by one would move the first chance by "
            f"{100.0 * part:.1f} points (SD over what they may be)."
        )
    return text


def update_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using an update."""
    design, rows, analysis = facts["design"], facts["rows"], facts["analysis"]
    found = []
    if analysis.data is None:
        found.append((
            "pseudo-studies",
            f"The {analysis.k} published studies are not printed one by one. "
            f"{len(facts['calibration'].draws_mu):,} sets that reproduce the summary stand in for "
            "them, each with the truth it came from. With the studies in a file: planner pool "
            "FILE.csv --write-evidence FILE.toml",
        ))  # fmt: skip
    if facts["counts"][0] == 0:
        n = facts["sizes"][0]
        published = _conclusion(rows, n, design.estimators[0], design.intervals[0])
        for estimator in design.estimators:
            for interval in design.intervals:
                other = _conclusion(rows, n, estimator, interval)
                if abs(other - published) > 0.005:
                    found.append((
                        "other-interval",
                        f"Without any new study the published studies are a significant benefit "
                        f"in {percent(other)} of their possible sets under {estimator} with "
                        f"{INTERVAL_NAMES[interval]} intervals, in {percent(published)} under "
                        f"{design.estimators[0]} with {INTERVAL_NAMES[design.intervals[0]]}.",
                    ))  # fmt: skip
                    break
            else:
                continue
            break
    names = {"estimator": design.estimators[0], "interval": design.intervals[0]}
    after = value(rows, "success", n=facts["sizes"][0], new_studies=facts["counts"][-1], **names)
    if _conclusion(rows, facts["sizes"][0], **names) == 1.0 and after is not None and after < 1.0:
        found.append((
            "why-less",
            "The published effect is significant already. A new laboratory where the true effect "
            "is small or reversed can undo that, and larger studies show such effects more "
            "clearly: significance is not what new studies buy here, a narrower interval is.",
        ))  # fmt: skip
    found += _dependent(analysis, facts["calibration"], "--update")
    if facts["calibration"].share > 0.0:
        found.append((
            "clusters",
            "Published comparisons share clusters; new studies are taken as independent. How much "
            "the unpublished data would settle is not calculated then.",
        ))  # fmt: skip
    found += [("note", note) for note in analysis.notes]
    return [{"code": code, "text": text} for code, text in found]


def _dependent(analysis: Any, calibration: Any, mode: str) -> list[tuple[str, str]]:
    """Comparisons that depend but are taken as independent."""
    for level in ("lab", "study"):
        if calibration.cluster == "none" and analysis.clustered(level):
            groups = max(analysis.clusters[level]) + 1
            name = {"lab": "laboratories", "study": "studies"}[level]
            return [(
                "clusters",
                f"The {analysis.k} published comparisons come from {groups} {name} and are taken "
                f"as independent here. The other extreme: planner meta {analysis.option} "
                f"{mode} --cluster {level}",
            )]  # fmt: skip
    return []


def _conclusion(rows: Sequence[Mapping[str, Any]], n: int, estimator: str, interval: str) -> float:
    names = {"n": n, "new_studies": 0, "estimator": estimator, "interval": interval}
    return float(value(rows, "success", **names) or 0.0)


def labs_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner meta --labs`."""
    design, frontier, target = facts["design"], facts["frontier"], facts["targets"][0]
    interval = INTERVAL_NAMES[design.intervals[0]]
    if not frontier:
        return (
            f"No design with a fair test: with {interval} intervals every one rejects a true null "
            f"hypothesis more than 1.2 times alpha ({design.alpha:g}). Use --interval hk."
        )
    best = max(frontier, key=lambda row: row["success"])
    text = (
        f"The best of these designs is {best['labs']} laboratories with {best['n']} animals per "
        f"group each ({best['animals']} in all): {article(best['success'])} "
        f"{percent(best['success'])} chance to show the "
        f"mean effect over laboratories ({design.estimators[0]}, {interval}, two-sided, alpha "
        f"{design.alpha:g})."
    )
    row = facts["required"][0]
    if row["reached"] and row["animals"] < best["animals"]:
        text += (
            f" For {percent(target)} {row['animals']} animals in {row['labs']} laboratories are "
            "enough."
        )
    elif not row["reached"] and best["success"] >= target:
        text += (
            f" That {percent(target)} are reached is not shown with 95% confidence: take more "
            "--reps, animals or laboratories."
        )
    elif not row["reached"]:
        text += f" None reaches {percent(target)}: add animals or laboratories."
    return text


def labs_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before spreading animals over laboratories."""
    design, rows, analysis = facts["design"], facts["rows"], facts["analysis"]
    found = []
    if facts["counts"][0] == 1:
        name = "--mu M --tau T" if analysis is None else analysis.option
        found.append((
            "one-lab",
            "One laboratory says nothing about the mean over laboratories, so its row is empty. "
            f"What it can say about itself: planner power {name}",
        ))  # fmt: skip
    unfair = [
        row for row in rows
        if row["measure"] == "type_i" and row["value"] is not None
        and row["value"] > 1.2 * design.alpha and row["truth"] == facts["truths"][0].name
    ]  # fmt: skip
    if unfair:
        worst = max(unfair, key=lambda row: row["value"])
        found.append((
            "type-i",
            f"With {worst['labs']} laboratories {INTERVAL_NAMES[worst['interval']]} intervals are "
            f"significant in {percent(worst['value'])} of studies with a mean effect of zero. Such "
            "designs are not on the frontier.",
        ))  # fmt: skip
    smallest = min((row["n"] for row in facts["frontier"]), default=8)
    if smallest < 4:
        found.append((
            "tiny-groups",
            f"Designs with {smallest} animals per group are among those shown: one animal lost "
            "and a laboratory may have nothing to report.",
        ))  # fmt: skip
    found += discounted_words(facts)
    found.append((
        "costs",
        "Only animals and laboratories are counted here: each laboratory adds approvals, "
        "training and its own quality control.",
    ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]
