"""`planner evidence`: what the literature says, and planning from another review."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.commands.common import Quiet, catalogue_names
from planner.errors import InputError
from planner.notes import silence
from planner.options import parse_readings

if TYPE_CHECKING:
    from planner.published import Analysis, Review

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help="""What does the literature say? The published numbers and their places.

\b
Examples:
  planner evidence show chronic-after
  planner evidence init stroke.toml
""",
)

Evidence = Annotated[
    Path | None,
    typer.Option("--evidence", help="Another review's file (TOML).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Readings = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="TOPIC=OPTION",
        help="Take another reading of a contradiction; repeatable.",
        show_default=False,
    ),
]


@app.callback(invoke_without_command=True)
def evidence(
    ctx: typer.Context, evidence: Evidence = None, json: Json = False, quiet: Quiet = False
) -> None:
    ctx.obj = (evidence, json, quiet)
    silence(quiet)
    if ctx.invoked_subcommand is None:
        _list(evidence, json)


@app.command("list")
def list_(
    ctx: typer.Context, evidence: Evidence = None, json: Json = False, quiet: Quiet = False
) -> None:
    """The analyses that can be planned from.

    \b
    Examples:
      planner evidence list
      planner evidence list --evidence stroke.toml
    """
    outer_evidence, outer_json, outer_quiet = ctx.obj
    silence(quiet or outer_quiet)
    _list(evidence or outer_evidence, json or outer_json)


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, autocompletion=catalogue_names),
    ] = None,
    evidence: Evidence = None,
    reading: Readings = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """One analysis: numbers, places, contradictions.

    \b
    Examples:
      planner evidence show chronic-after
      planner evidence show chronic-during --reading chronic-during-ci=abstract

    Each number as printed, with its place and status, the comparisons that enter, and how else
    the source can be read. Without NAME: what concerns the review as a whole.
    """
    from planner.evidence_text import analysis_page, cautions, review_page

    outer_evidence, outer_json, outer_quiet = ctx.obj
    silence(quiet or outer_quiet)
    file = evidence or outer_evidence
    review = _review(file)
    chosen = parse_readings(reading or [])
    scenario = {
        "name": name,
        "evidence": None if file is None else str(file),
        "reading": chosen,
    }
    if name is None and len(review.analyses) > 1:
        for topic, option in chosen.items():
            review.reading(topic).option(option)
        found: dict[str, Any] = {
            "title": review.title,
            "citation": review.citation,
            "doi": review.doi,
            "facts": {
                group: {key: fact.fields() for key, fact in facts.items()}
                for group, facts in review.facts.items()
            },
            "readings": [reading.fields() for reading in review.readings.values()],
            "comparisons": [dict(row) for row in review.comparisons],
        }
        text = review_page(review, chosen)
        _print(json or outer_json, text, review.title, scenario, found, [])
        return
    analysis = review.analysis(name, chosen)
    found = {
        **analysis.fields(),
        "reading_options": [
            reading.fields()
            for reading in review.readings.values()
            if reading.touches(analysis.name)
        ],
    }
    text = analysis_page(review, analysis)
    _print(json or outer_json, text, _sentence(analysis), scenario, found, cautions(analysis))


@app.command()
def init(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a file to fill in with another review.

    \b
    Examples:
      planner evidence init stroke.toml
      planner evidence init stroke.toml --force
    """
    from planner.evidence_text import TEMPLATE

    silence(quiet or ctx.obj[2])
    if file.is_dir():
        raise InputError(f"{file} is a folder; accepted: the name of a file to write")
    if file.exists() and not force:
        raise InputError(f"{file} exists; accepted: another name, or --force to replace it")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(TEMPLATE, encoding="utf-8")
        draft.replace(file)  # whole or not at all
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{file}: cannot be written: {error.strerror}") from None
    text = f"Wrote {file}. Replace its numbers, then:\n  planner evidence check {file}"
    scenario = {"file": str(file), "force": force}
    _print(json or ctx.obj[1], text, f"Wrote {file}.", scenario, {"file": str(file)}, [])


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(show_default=False)],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What the planner understands of a file.

    \b
    Examples:
      planner evidence check stroke.toml
      planner evidence check stroke.toml --json
    """
    from planner.evidence_text import cautions, check_page
    from planner.published import read_review

    silence(quiet or ctx.obj[2])
    review = read_review(file)
    warnings = [pair for analysis in review.analyses.values() for pair in cautions(analysis)]
    found = {
        "title": review.title,
        "citation": review.citation,
        "analyses": [analysis.fields() for analysis in review.analyses.values()],
    }
    answer = " ".join(_sentence(analysis) for analysis in review.analyses.values())
    text = check_page(str(file), review)
    _print(json or ctx.obj[1], text, answer, {"file": str(file)}, found, warnings)


def _list(file: Path | None, as_json: bool) -> None:
    from planner.evidence_text import listing

    review = _review(file)
    found = {
        "title": review.title,
        "citation": review.citation,
        "doi": review.doi,
        "analyses": [analysis.fields() for analysis in review.analyses.values()],
    }
    hint = "planner evidence show NAME" + (f" --evidence {file}" if file else "")
    text = f"{listing(review)}\nNumbers, places, contradictions:  {hint}"
    answer = f"{review.title}: {', '.join(review.analyses)}."
    scenario = {"evidence": None if file is None else str(file)}
    _print(as_json, text, answer, scenario, found, [])


def _review(file: Path | None) -> Review:
    from planner.published import catalogue_review, read_review

    return catalogue_review() if file is None else read_review(file)


def _sentence(analysis: Analysis) -> str:
    spread = f"95% interval {analysis.ci}" if analysis.ci else f"standard error {analysis.se}"
    return (
        f"{analysis.name}: {analysis.k} comparisons, effect size {analysis.g} ({spread}), "
        f"{analysis.heterogeneity_kind} {analysis.heterogeneity}."
    )


def _print(
    as_json: bool,
    text: str,
    answer: str,
    scenario: dict[str, Any],
    evidence: dict[str, Any],
    warnings: list[tuple[str, str]],
) -> None:
    if as_json:
        from planner import __version__

        document = {
            "schema": 1,
            "command": "evidence",
            "version": __version__,
            "answer": answer,
            "warnings": [{"code": code, "text": text} for code, text in warnings],
            "scenario": scenario,
            "truth": {},
            "performance": [],
            "required": [],
            "recommended": None,
            "provenance": {},
            "evidence": evidence,
        }
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        from planner.reports.text import printable

        typer.echo(printable(text, sys.stdout.encoding))
