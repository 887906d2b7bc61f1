"""`planner decay`: sizes and days that show the decay of an effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from planner.commands.common import (
    Backend,
    Cluster,
    Force,
    Jobs,
    Json,
    Mcse,
    Out,
    Progress,
    Quiet,
    Scenario,
    Scheduler,
    Seed,
    Targets,
    Tau,
    option,
    option_values,
    parts,
    put_out,
    words,
)
from planner.reports.decay_measures import DECAY_WORDS

HELP = """Sizes and days of the experiment that shows the decay, what is left, the half-life.

\b
Examples:
  planner decay
  planner decay --question residual --times 0,14 --plan-for assurance
  planner decay --question half-life --optimize
  planner decay --show-truth
"""
# What people type for an option whose name is not like it.
MEANT = {
    "--drop-out": "--dropout", "--losses": "--dropout", "--cohort": "--layout cohorts",
    "--cohorts": "--layout cohorts", "--day": "--times", "--time": "--times",
}  # fmt: skip
app = typer.Typer(rich_markup_mode=None, add_completion=False)


class DecayCommand(TyperCommand):
    """Says which option is meant where another word is typed for it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter.__base__ as error:  # type: ignore[misc]
            meant = MEANT.get(getattr(error, "option_name", None) or "")
            if meant is not None:
                error.possibilities = [meant]
            raise


@app.command(cls=DecayCommand, help=HELP, epilog=words(DECAY_WORDS))
def decay(
    ctx: typer.Context,
    analysis: Annotated[
        str | None, option("--analysis", "Tested after treatment [chronic-after].", "NAME")
    ] = None,
    during: Annotated[
        str | None, option("--during", "Its partner, tested during treatment.", "NAME")
    ] = None,
    evidence: Annotated[Path | None, option("--evidence", "Another review (TOML).")] = None,
    reading: Annotated[
        list[str] | None,
        option(
            "--reading",
            "Delays behind the half-life: text (default), table-median, "
            "table-average, or a number of days for all, such as 21; or TOPIC=OPTION of "
            "evidence.",
            "NAME",
        ),
    ] = None,
    delta0: Annotated[
        float | None, option("--delta0", "Effect at the end of treatment by hand (SDs, up to 100).")
    ] = None,
    tau: Tau = None,
    half_life: Annotated[
        float | None, option("--half-life", "Half-life by hand (0.01 to 10000 days).")
    ] = None,
    question: Annotated[
        list[str] | None,
        option(
            "--question",
            "Of decay, residual, half-life, shape (from linear and from plateau: see Words), gone "
            "[the first three]; with commas or repeated.",
            "NAMES",
        ),
    ] = None,
    times: Annotated[
        str, option("--times", "Days after treatment, ascending, up to 12 [0,7,14,24].")
    ] = "0,7,14,24",
    rho: Annotated[
        float, option("--rho", "Correlation of an animal over seven days, below 1 [0.5].")
    ] = 0.5,
    covariance: Annotated[
        str, option("--covariance", "cs: the same at every lag (default), or ar1.")
    ] = "cs",
    error: Annotated[
        float,
        option(
            "--error", "Of ar1: share of variance that is measurement error, below 1 - rho [0]."
        ),
    ] = 0.0,
    layout: Annotated[
        str, option("--layout", "repeated (default), or cohorts: animals for each day.")
    ] = "repeated",
    test: Annotated[
        str, option("--test", "contrast (default), cs-pooled (of decay), or reml of --covariance.")
    ] = "contrast",
    contrast: Annotated[
        str, option("--contrast", "Of decay: first-last (default), linear or optimal.")
    ] = "first-last",
    dropout: Annotated[
        float,
        option(
            "--dropout",
            "Share of controls lost by the last day, 0 to 0.9 [0]; a contrast then has animals on "
            "the last day - 2 degrees of freedom, an approximation.",
        ),
    ] = 0.0,
    dropout_by: Annotated[
        str, option("--dropout-by", "random (default), or response: little relief goes first.")
    ] = "random",
    response_cv: Annotated[
        float, option("--response-cv", "Individual effects vary by this share, 0 to 2 [0].")
    ] = 0.0,
    factor: Annotated[
        float, option("--factor", "Largest upper/lower of the half-life's interval, above 1 [2].")
    ] = 2.0,
    n: Annotated[str | None, option("--n", "Sizes per treated group: 4:20:2 or 4,6,8.")] = None,
    animals: Annotated[int | None, option("--animals", "Animals in all, instead of --n.")] = None,
    target: Targets = None,
    plan_for: Annotated[
        str | None,
        option(
            "--plan-for",
            "new-lab (default), pooled, assurance (default of --optimize) or "
            "discounted: see Words.",
            "NAME",
        ),
    ] = None,
    shrink: Annotated[
        list[float] | None,
        option("--shrink", "Effects smaller by this share, 0 to below 1; repeatable."),
    ] = None,
    sesoi: Annotated[
        float | None,
        option(
            "--sesoi",
            "Smallest effect of interest (SDs): left, of residual; lost by the last day, of decay; "
            "the margin of gone [1].",
        ),
    ] = None,
    margin: Annotated[str, option("--margin", "Of --sesoi: raw, the only one here.")] = "raw",
    alpha: Annotated[float, option("--alpha", "Significance level [0.05].")] = 0.05,
    sides: Annotated[str, option("--sides", "two (default), greater or less.")] = "two",
    allocation: Annotated[
        str, option("--allocation", "Treated to control animals, such as 1:2 [1:1].")
    ] = "1:1",
    treated: Annotated[
        int, option("--treated", "Treated groups against one control; alpha is divided [1].")
    ] = 1,
    attrition: Annotated[
        float,
        option("--attrition", "Share of animals lost before the first day, 0 to below 1 [0]."),
    ] = 0.0,
    sd: Annotated[float | None, option("--sd", "The outcome's SD in its own unit.")] = None,
    unit: Annotated[str | None, option("--unit", "That unit, such as gram.")] = None,
    cluster: Cluster = "none",
    optimize: Annotated[bool, option("--optimize", "Look for the best days.")] = False,
    days: Annotated[
        str | None, option("--days", "Days that --optimize may use [14 days, 0 to 42].")
    ] = None,
    sessions: Annotated[int, option("--sessions", "Most days of --optimize, 2 to 8 [5].")] = 5,
    show_truth: Annotated[
        bool, option("--show-truth", "Only what the plan would rest on.")
    ] = False,
    reps: Annotated[
        int | None, option("--reps", "Replications [100000; 5000 where animals are drawn].")
    ] = None,
    mcse: Mcse = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    backend: Backend = "threads",
    scheduler: Scheduler = None,
    json: Json = False,
    out: Out = None,
    scenario: Scenario = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    from planner.backends import running_on
    from planner.decay_checks import DEFAULT_QUESTIONS
    from planner.decay_plans import decay as run
    from planner.options import parse_allocation
    from planner.reports.decay import decay_page

    given = option_values(ctx, decay, scenario)
    passed = {
        name: given[name]
        for name in (
            "during", "delta0", "tau", "half_life", "times", "days", "n", "rho", "covariance",
            "error", "layout", "test", "contrast", "dropout", "dropout_by", "response_cv", "factor",
            "animals", "plan_for", "sesoi", "margin", "alpha", "sides", "treated", "attrition",
            "sd", "unit", "cluster",
            "optimize", "sessions", "show_truth", "reps", "mcse", "seed", "jobs",
        )
    }  # fmt: skip
    with Progress(quiet) as progress, running_on(given["backend"], given["scheduler"]):
        result = run(
            given["analysis"],
            evidence=given["evidence"],
            reading=given["reading"] or "text",
            question=parts(given["question"]) if given["question"] else DEFAULT_QUESTIONS,
            allocation=parse_allocation(given["allocation"]),
            shrink=given["shrink"] or (),
            **({} if not given["target"] else {"target": given["target"]}),
            progress=progress,
            **passed,
        )
    put_out(result, as_json=json, out=out, force=force, quiet=quiet, page=decay_page)
