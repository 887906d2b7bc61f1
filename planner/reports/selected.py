"""Page, words and figure of `planner calibrate --mechanism`: the worlds behind a publication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.mechanisms import P_CUT
from planner.reports.bias_words import strength_words
from planner.reports.measures import percent
from planner.reports.style import COLOURS, new_figure
from planner.reports.terminal import repeat, small_study, warning_lines
from planner.reports.text import fitted, paragraph

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner.calibration import Calibration
    from planner.results import Result

# Marks of an interval in the table.
_FEW, _CUT = "*", "|"
_BOUNDS = {"mu_low": "mu from", "mu_high": "mu up to", "tau_high": "tau up to"}


def _strength(row: Mapping[str, Any]) -> str:
    return strength_words((row["mechanism"], row["weight"], row["strength"]))


def selected_answer(facts: Mapping[str, Any]) -> str:
    """The answer: which world gives the published numbers under selection."""
    analysis, chosen, before = facts["analysis"], facts["chosen"], facts["calibration"]
    does_nothing = chosen.mechanism == "none"
    cuts = "" if facts["cuts"] == (P_CUT,) else (
        f" (beyond one-sided p of {_listed([f'{cut:g}' for cut in facts['cuts']])})"
    )  # fmt: skip
    what = (
        "nothing" if does_nothing else f"{chosen.mechanism} at {_strength(chosen.fields())}{cuts}"
    )
    text = (
        f"If {what} stood between studies and "
        f"publication, a mean true effect of {chosen.mu:.2f} SDs with SD {chosen.tau:.2f} between "
        f"laboratories would publish {analysis.g} in the median. Without selection it takes "
        f"{before.mu:.2f} and {before.tau:.2f}."
    )
    if chosen.mu_lb is not None:
        text += (
            f" The article would then leave open {chosen.mu_lb:.2f} to {chosen.mu_ub:.2f} for the "
            f"mean and {chosen.tau_lb:.2f} to {chosen.tau_ub:.2f} for the SD (95%, flat prior)."
        )
    if chosen.unpublished is not None:
        text += f" {_hidden(chosen.unpublished)} of the studies run would be unpublished."
    return text


def _hidden(share: float) -> str:
    # Of nothing hidden the integral leaves some 1e-16.
    return percent(round(share, 12))


def selected_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know about truths under selection."""
    analysis, chosen, calibration = facts["analysis"], facts["chosen"], facts["calibration"]
    found = [(
        "unknown",
        "The published effect and heterogeneity fit every row, by construction: they cannot tell "
        "how strong selection was. Whether a test would have seen it: planner bias "
        f"{analysis.option}",
    )]  # fmt: skip
    if facts["none_fits"]:
        found.append((
            "no-truth",
            f"No truth gives the published numbers at {_places(facts['none_fits'])}.",
        ))  # fmt: skip
    unknown = [row for row in facts["rows"] if row["mu_lb"] is None]
    if unknown:
        found.append((
            "no-joint",
            f"Only the matched truth is known at {_places(unknown)}, not its interval: hardly any "
            "of the truths that the prior allows would publish its studies.",
        ))  # fmt: skip
    simulated = [row for row in facts["rows"] if row["joint"] == "simulated"]
    if simulated and analysis.data is not None:
        found.append((
            "pooled-only",
            f"The intervals at {_places(simulated)} know of the pooled numbers only, not of single "
            "studies: this mechanism, or clusters, change them in a way that has no formula.",
        ))  # fmt: skip
    found += _doubts(facts["rows"], calibration)
    for row in chosen.check:
        if row["published"] is not None and not row["lb"] <= row["published"] <= row["ub"]:
            found.append((
                "check",
                f"The model does not give back {row['statistic']}: published "
                f"{row['published']:.3g}, simulated {row['lb']:.3g} to {row['ub']:.3g} (95%).",
            ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]


def _doubts(rows: Sequence[Mapping[str, Any]], calibration: Calibration) -> list[tuple[str, str]]:
    """What is doubtful about intervals, of every row."""
    found = []
    few = [row for row in rows if row["few_sets"]]
    if few:
        sets = _listed([f"{row['effective']:.0f}" for row in few])
        found.append((
            "few-sets",
            f"The intervals at {_places(few)} (marked {_FEW}) rest on only {sets} sets of studies "
            "that would be published like this: their ends are rough.",
        ))  # fmt: skip
    cut = [row for row in rows if row["cut_off"]]
    if cut:
        names = [name for name in _BOUNDS if any(name in row["cut_off"] for row in cut)]
        values = dict(zip(("mu_low", "mu_high", "tau_low", "tau_high"), calibration.prior,
                          strict=True))  # fmt: skip
        where = _listed([f"{_BOUNDS[name]} {values[name]:.2f}" for name in names])
        found.append((
            "prior-bound",
            f"The prior ({where}) cuts the joint distribution off at {_places(cut)} (marked "
            f"{_CUT}): less is known than the interval says.",
        ))  # fmt: skip
    return found


def _places(rows: Sequence[Mapping[str, Any]]) -> str:
    """Their strengths: ``weight 0.2 and 0.05``."""
    first, *others = [_strength(row) for row in rows]
    return _listed([first, *(other.split(" ")[-1] for other in others)])


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def selected_page(result: Result) -> str:
    """The page of `planner calibrate --mechanism`."""
    document = result.document()
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    head = f"  {fitted(document['selected'][0]['mechanism'], 20)}"
    lines.append(f"{head:<22}{'hidden':>7}{'mu':>7}  {'mu 95%':<16}{'tau':>6}  tau 95%")
    for row in document["selected"]:
        mark = ">" if row["mu"] == document["truth"]["mu"] else " "
        hidden = "-" if row["unpublished"] is None else _hidden(row["unpublished"])
        ends = [
            "-" if row[f"{name}_lb"] is None
            else f"{row[f'{name}_lb']:.2f} to {row[f'{name}_ub']:.2f}"
            for name in ("mu", "tau")
        ]  # fmt: skip
        doubts = f"{_FEW if row['few_sets'] else ''}{_CUT if row['cut_off'] else ''}"
        lines.append(
            f"{mark}   {_strength(row)[:18]:<18}{hidden:>7}{row['mu']:>7.2f}  {ends[0]:<16}"
            f"{row['tau']:>6.2f}  {ends[1]} {doubts}".rstrip()
        )
    lines += ["", "  published and simulated    published   simulated   95% of syntheses"]
    for row in document["check"]:
        printed = "" if row["published"] is None else f"{row['published']:.3g}"
        lines.append(
            f"    {row['statistic']:<22}{printed:>11}{row['median']:>12.3g}   {row['lb']:>7.3g} "
            f"to {row['ub']:.3g}"
        )
    lines += small_study(document["check"])
    lines += ["", *paragraph(_how(document), "  ")]
    return "\n".join([*lines, "", *warning_lines(document), *repeat(document)])


def _how(document: Mapping[str, Any]) -> str:
    """What the columns are and how they were found."""
    truth, rows = document["truth"], document["selected"]
    bounds = truth["prior"]
    text = (
        "mu: mean true effect of all studies run; hidden: share of them unpublished. Matched to "
        "the median of simulated publications (simulation error of mu "
        f"{truth['mu_mcse']:.4f}); 95%: joint, prior mu uniform on {bounds['mu_low']:.2f} to "
        f"{bounds['mu_high']:.2f}, tau on 0 to {bounds['tau_high']:.2f}"
    )
    simulated = [row for row in rows if row["joint"] == "simulated"]
    if not simulated:
        return f"{text}."
    where = "" if len(simulated) == len(rows) else f", at {_places(simulated)}"
    return (
        f"{text}{where} from the simulated syntheses nearest to the published one (Beaumont et "
        "al. 2002, doi:10.1093/genetics/162.4.2025)."
    )


def band(result: Result) -> Figure:
    """The worlds that are compatible with the publication, by strength of selection."""
    rows = result.document()["selected"]
    figure: Figure
    figure, axes = new_figure(columns=3, width=10.0, height=3.6)
    x = list(range(len(rows)))
    for panel, name, colour in ((axes[0], "mu", COLOURS[0]), (axes[1], "tau", COLOURS[2])):
        known = [i for i in x if rows[i][f"{name}_lb"] is not None]
        if known:
            low, high = ([rows[i][f"{name}_{end}"] for i in known] for end in ("lb", "ub"))
            panel.fill_between(known, low, high, color=colour, alpha=0.2, linewidth=0,
                               label="95% of compatible worlds")  # fmt: skip
            _mark_doubts(panel, name, {i: rows[i] for i in known}, colour)
        panel.plot(x, [row[name] for row in rows], "o-", color=colour, label="matched truth")
    # One legend of all panels, above them: within, it would cover a band.
    named: dict[str, Artist] = {}
    for panel in axes[:2]:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(
        list(named.values()), list(named), loc="outside upper center", ncols=4, fontsize=8
    )
    axes[0].axhline(0.0, color="#444444", linewidth=0.8)
    axes[0].set_ylabel("mu, mean true effect (SDs)")
    axes[1].set_ylabel("tau, SD between laboratories (SDs)")
    hidden = [(i, 100.0 * row["unpublished"]) for i, row in enumerate(rows)
              if row["unpublished"] is not None]  # fmt: skip
    axes[2].plot([i for i, _ in hidden], [y for _, y in hidden], "s-", color=COLOURS[1])
    axes[2].set_ylabel("studies unpublished (percent)")
    axes[2].set_ylim(0, 100)
    for panel in axes:
        panel.set_xticks(x, [_tick(row) for row in rows], fontsize=8)
        panel.set_xlabel(f"{rows[0]['mechanism']}: {_strength(rows[0]).split(' ')[0]}")
    return figure


def _mark_doubts(
    panel: Axes, name: str, rows: Mapping[int, Mapping[str, Any]], colour: str
) -> None:
    """Intervals that rest on few sets of studies, and ends that the prior cuts off."""
    few = [i for i, row in rows.items() if row["few_sets"]]
    if few:
        low, high = ([rows[i][f"{name}_{end}"] for i in few] for end in ("lb", "ub"))
        panel.vlines(few, low, high, color=colour, linestyle=":", linewidth=1.5,
                     label="rests on few sets of studies")  # fmt: skip
    cut = [
        (i, row[f"{name}_{end}"])
        for i, row in rows.items()
        for bound, end in (("low", "lb"), ("high", "ub"))
        if f"{name}_{bound}" in row["cut_off"]
    ]
    if cut:
        panel.plot([i for i, _ in cut], [y for _, y in cut], "x", color="#444444", markersize=7,
                   label="cut off by the prior")  # fmt: skip


def _tick(row: Mapping[str, Any]) -> str:
    value = row["weight"] if row["weight"] is not None else row["strength"]
    return value if isinstance(value, str) else f"{value:g}"
