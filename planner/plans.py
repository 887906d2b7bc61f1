"""The follow-up plan: one page that a laboratory can hand in, with every number behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.calibration import Calibration, calibrate
from planner.designs import Design
from planner.errors import InputError
from planner.plan_designs import (
    SIZES,
    Sizes,
    beyond,
    curve,
    designs,
    neighbours,
    required_n,
    sizes_for,
)
from planner.plan_evidence import contradictions, coverage, printed_numbers
from planner.plan_parts import FILLS, Parts
from planner.plan_sensitivity import N_MATCH, Planned, review_of, sensitivity, tornado
from planner.questions import Questions, Truth
from planner.reports.wording import per_group
from planner.results import Result, provenance
from planner.selected_calibration import discount_reason, discounted
from planner.two_arm import DEFAULT_TARGETS, LARGEST_RECOMMENDED, power

if TYPE_CHECKING:
    import pandas as pd

    from planner.published import Analysis

SESOI = (1.0, 2.0, 3.0)  # margins shown where a test against zero would be trivial, in SDs


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan(Result):
    """A plan: a result whose files include the page."""

    @property
    def designs(self) -> pd.DataFrame:
        """The recommended design and its alternatives as a table; empty where there is none."""
        import pandas as pd

        return pd.DataFrame(self.document()["designs"])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.answer)}</p>{self.designs.to_html(index=False)}"

    def html(self) -> str:
        """The page: one self-contained HTML document."""
        from planner.reports.plan_page import plan_html

        return plan_html(self)

    def save(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write the page with its files, or the page and its JSON beside it.

        `folder` is a folder, or the page itself: a path that ends in .html.

        Raises
        ------
        InputError : a file exists and `force` is not given, or cannot be written.
        """
        path = Path(folder)
        if path.suffix.lower() not in (".html", ".htm"):
            return super().save(path, force=force)
        pages = {path.name: self.html().encode(), f"{path.stem}.json": self._json_bytes()}
        return self._write(path.parent, pages, force)

    def _json_bytes(self) -> bytes:
        return (self.json() + "\n").encode()

    def _contents(self) -> dict[str, bytes]:
        contents = super()._contents()
        # The JSON has the page's name, so that both are found together.
        contents["plan.json"] = contents.pop("result.json")
        return {"plan.html": self.html().encode(), **contents}


def plan(
    analysis: Analysis,
    *,
    target: float | Sequence[float] = DEFAULT_TARGETS,
    plan_for: str = "new-lab",
    budget: int | None = None,
    cage: int | None = None,
    truth: Calibration | None = None,
    test: str = "student",
    alpha: float = 0.05,
    sides: str = "two",
    allocation: tuple[int, int] = (1, 1),
    treated: int = 1,
    attrition: float = 0.0,
    sesoi: float | None = None,
    margin: str = "raw",
    sd: float | None = None,
    unit: str | None = None,
    cluster: str = "none",
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    asked: Mapping[str, Any] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Plan:
    """The follow-up plan of a published meta-analysis.

    Parameters
    ----------
    analysis : published meta-analysis to plan from
    budget : animals that can be bought at most
    cage : animals per cage, to count cages
    asked : file and readings of the evidence as they were typed, for the lines that repeat the run
    the others : as for `planner.power`

    Returns
    -------
    Plan: `answer`, `extra["designs"]`, `html()`, `save("plan.html")`.

    Raises
    ------
    InputError : a value that is out of range or contradicts another.
    """
    _check(analysis, budget, cage)
    targets = tuple(target) if isinstance(target, Iterable) else (float(target),)
    asked = {"evidence": None, "reading": [], **(asked or {})}
    calibration = truth or calibrate(analysis, cluster=cluster, jobs=jobs, progress=progress)
    experiment: dict[str, Any] = {
        "test": test, "alpha": alpha, "sides": sides, "allocation": allocation,
        "treated": treated, "attrition": attrition, "sesoi": sesoi, "margin": margin,
    }  # fmt: skip
    design = Design(**experiment)
    if budget is not None and budget < design.ordered(2):
        raise InputError(
            f"--budget {budget} is too few: {design.ordered(2)} are needed for 2 per group"
        )
    chances = partial(
        power, analysis, target=targets, plan_for=plan_for, truth=calibration, sd=sd, unit=unit,
        cluster=cluster, reps=reps, mcse=mcse, seed=seed, jobs=jobs, progress=progress,
        **experiment,
    )  # fmt: skip
    base = chances(n=SIZES)
    looked_at = sizes_for(required_n(base, plan_for, targets[0]), budget)
    if len(looked_at) > len(SIZES):
        base = chances(n=looked_at)
    sizes = Sizes(base, design, plan_for, cage)
    found = designs(sizes, targets, budget)
    n = found[0]["n"] if found else None
    sceptical = Truth.point("discounted", *discounted(analysis, calibration, jobs, progress))
    varied = Planned(
        analysis=analysis, calibration=calibration, design=design,
        truth=_planned_truth(plan_for, calibration, sceptical), sceptical=sceptical,
        target=targets[0], seed=seed, jobs=jobs,
        n=n or max(2, round(analysis.sizes.median)),
    )  # fmt: skip
    review = _review(asked, analysis)
    mean = Truth.point("pooled", calibration.mu, 0.0)
    parts = Parts(
        analysis=analysis, calibration=calibration, truth=varied.truth,
        discount=discount_reason(calibration, float(sceptical.mu[0]), float(sceptical.tau[0])),
        trivial=Questions(design, [mean], None, None).trivial(targets[0]),
        design=design, base=base, targets=targets,
        plan_for=plan_for, budget=budget, sd=sd, unit=unit, designs=found,
        neighbours=neighbours(sizes, n, budget), sensitivity=sensitivity(varied, review, progress),
    )  # fmt: skip
    return _result(parts, varied, sizes, review, cage, asked, progress)


def _check(analysis: Any, budget: int | None, cage: int | None) -> None:
    from planner.published import check_analysis

    check_analysis(analysis)
    if budget is not None and not 4 <= budget <= 100_000:
        raise InputError(f"--budget {budget}; accepted: 4 to 100000 animals")
    if cage is not None and not 1 <= cage <= 100:
        raise InputError(f"--cage {cage}; accepted: 1 to 100 animals per cage")


def _planned_truth(plan_for: str, calibration: Calibration, sceptical: Truth) -> Truth:
    mu, tau = calibration.mu, calibration.tau
    return {
        "pooled": Truth.point("pooled", mu, 0.0),
        "new-lab": Truth.point("new-lab", mu, tau),
        "assurance": Truth("assurance", calibration.draws_mu, calibration.draws_tau),
        "discounted": sceptical,
    }[plan_for]


def _review(asked: Mapping[str, Any], analysis: Analysis) -> Any:
    """The review the analysis is from; None where it is not the catalogue's and not a file's."""
    from planner.published import catalogue_review

    if asked["evidence"] is not None:
        return review_of(asked)
    own = catalogue_review().analyses.get(analysis.name)
    return catalogue_review() if own is not None and own.title == analysis.title else None


def _result(
    parts: Parts, varied: Planned, sizes: Sizes, review: Any, cage: int | None,
    asked: Mapping[str, Any], progress: Callable[[str, int, int], None] | None,
) -> Plan:  # fmt: skip
    from planner.plan_companions import (
        bias_result,
        bias_rows,
        decay_parts,
        decay_result,
        more_days,
        program_parts,
    )
    from planner.reports.plan_commands import commands
    from planner.reports.plan_doubts import (
        bias_doubt,
        model_answer,
        not_kept,
        program_answer,
        thin,
        why_not,
    )
    from planner.reports.plan_figures import FIGURES
    from planner.reports.plan_form import form
    from planner.reports.plan_reporting import ademp, arrive
    from planner.reports.plan_words import no_when, paragraphs, plan_answer

    analysis, calibration, base = parts.analysis, parts.calibration, parts.base
    bias = bias_result(analysis, calibration, varied.seed, varied.jobs, progress)
    same = ("plan_for", "alpha", "sides", "treated", "attrition", "sesoi", "cluster", "seed")
    decay = decay_result(
        analysis, asked,
        {**{name: base.scenario[name] for name in same}, "target": parts.targets,
         "allocation": parts.design.allocation, "jobs": varied.jobs},
        progress,
    )  # fmt: skip
    scenario = {
        **base.scenario, **asked, "budget": parts.budget, "cage": cage,
    }  # fmt: skip
    for name in ("n", "animals", "mu", "tau", "shrink"):
        scenario.pop(name)
    program = program_parts(
        analysis, calibration, decay, varied.n, asked, varied.seed, varied.jobs, progress
    )
    questions = Questions(parts.design, [varied.truth], None, None)
    shares, published = bias_rows(bias), coverage(analysis)
    extra = {
        "headline": base.extra["headline"],
        "title": analysis.title.rstrip("."), "review": analysis.review,
        "citation": analysis.citation, "analysis": analysis.name,
        "paragraphs": paragraphs(parts), "form": form(parts), "fills": FILLS,
        "designs": list(parts.designs), "more_days": more_days(decay, sizes),
        "when": decay_parts(decay), "no_when": None if decay is not None else no_when(analysis),
        "instead": _instead(parts, varied), "neighbours": list(parts.neighbours),
        "curve": curve(sizes), "beyond": beyond(sizes, questions, varied.truth),
        "planned_n": varied.n, "planned": bool(parts.designs),
        "why": why_not(parts),
        "sensitivity": list(parts.sensitivity), "tornado": tornado(parts.sensitivity),
        "numbers": printed_numbers(analysis), "contradictions": contradictions(analysis, review),
        "check": list(calibration.check), "check_answer": model_answer(calibration.check, analysis),
        "coverage": published, "thin": thin(published) or not_kept(analysis),
        "program": {**program, "answer": program_answer(program)},
        "bias": {"answer": bias.answer, "rows": shares, "n_sim": bias.scenario["reps"],
                 "doubts": bias_doubt(parts, varied.n, shares, bias.extra["all_bias"])},
        "arrive": arrive(parts), "ademp": ademp(parts, N_MATCH),
        "commands": commands(base, bias, decay, scenario),
    }  # fmt: skip
    wanted = required_n(base, parts.plan_for, parts.targets[0]) if parts.designs else None
    return Plan(
        command="plan",
        answer=plan_answer(parts),
        warnings=[*base.warnings, *_many(parts)],
        scenario=scenario,
        truth=base.truth,
        performance=base.performance,
        required_rows=[{**row, "recommended": row is wanted} for row in base.required_rows],
        recommended=None if wanted is None else wanted["n"],
        provenance=provenance(varied.seed, analysis),
        extra=extra,
        figures={
            name: draw for name, draw in FIGURES.items() if name != "decay" or decay is not None
        },
    )


def _many(parts: Parts) -> list[dict[str, str]]:
    """More animals than `planner power` recommends, which the budget buys."""
    if parts.base.recommended is not None or not parts.designs:
        return []
    return [{
        "code": "many",
        "text": f"{per_group(parts.design, parts.designs[0]['n'])} is more than the "
                f"{LARGEST_RECOMMENDED} that planner power calls sensible; it is planned because "
                "the budget buys it. A larger effect, a more precise outcome or repeated measures "
                "help more than animals.",
    }]  # fmt: skip


def _margin_row(margin: float, varied: Planned) -> dict[str, Any]:
    row = varied.row("sesoi", f"{margin:g}", design=replace(varied.design, sesoi=margin))
    animals = None if row["n"] is None else varied.design.animals(row["n"])
    return {"sesoi": margin, "n": row["n"], "ceiling": row["ceiling"], "animals": animals}


def _instead(parts: Parts, varied: Planned) -> dict[str, Any]:
    """Where no plan is recommended: what can be asked instead."""
    if parts.designs:
        return {"kind": "none", "rows": []}
    if parts.trivial:
        return {"kind": "sesoi", "rows": [_margin_row(margin, varied) for margin in SESOI]}
    questions = Questions(parts.design, [varied.truth], None, None)
    rows = [
        {"n": row["n"], "animals": row["animals"],
         "mde": questions.mde(row["n"], parts.targets[0])["value"]}
        for row in parts.neighbours
    ]  # fmt: skip
    return {"kind": "mde", "rows": rows}
