"""The plan as one self-contained HTML page: for print first, readable on a phone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from planner.plan_parts import FILLS
from planner.reports.inline_svg import inline_svg, plot_area
from planner.reports.places import Place, key, number, value, words
from planner.reports.plan_doubts import STATISTICS
from planner.reports.plan_glossary import glossary
from planner.reports.plan_words import ROLES

if TYPE_CHECKING:
    from planner.plans import Plan

_SEEN = {
    "curve": "Chance of a significant benefit against animals per group, one line for each truth; "
             "the numbers stand in the tables.",
    "tornado": "Bars: how far each assumption moves the chance of a significant benefit; the "
               "numbers stand in the table.",
    "check": "Published numbers against the range that the calibrated model publishes.",
    "bias": "Left: error of the pooled effect under selection, uncorrected and corrected. Right: "
            "how often two tests see it.",
    "decay": "Animals per group that show the effect that is left, by day after treatment.",
}  # fmt: skip

_ASSUMPTIONS = {
    "rho": "correlation of an animal's measurements a week apart",
    "covariance": "correlation: the same at every lag, or falling",
    "dropout": "share lost on the way, and how",
    "response_cv": "variation of the animals' own effects",
    "layout": "the same animals every day, or others",
    "half_life": "half-life (days): likely shorter or longer",
    "delta0": "effect at the end of treatment (SDs)",
}


def plan_html(plan: Plan) -> str:
    """The page of a plan; every number in it is one of `plan.document()`."""
    environment = Environment(
        loader=PackageLoader("planner.reports"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"num": number, "words": words, "value": value, "key": key}
    document = plan.document()
    drawn = {name: draw(plan) for name, draw in plan.figures.items()}
    explore = {
        "rows": document["curve"], "beyond": document["beyond"],
        "area": plot_area(drawn["curve"]),
        "planned": document["planned_n"], "plan_for": document["scenario"]["plan_for"],
        "target": document["scenario"]["target"][0],
        "treated": document["scenario"]["treated"],
        "designs": [{name: row[name] for name in ("treated", "control")}
                    for row in (*document["designs"], document["more_days"]) if row],
    }  # fmt: skip
    return environment.get_template("plan.html").render(
        doc=Place(document),
        figures={name: Markup(inline_svg(figure, name, _SEEN[name]))
                 for name, figure in drawn.items()},
        explore=_embedded(explore), roles=ROLES, assumptions=_ASSUMPTIONS, fills=FILLS,
        glossary=glossary(document), statistics=STATISTICS,
        style=_part(environment, "plan.css"), script=_part(environment, "plan.js"),
    )  # fmt: skip


def _part(environment: Environment, name: str) -> Markup:
    """A style sheet or script as it stands."""
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def _embedded(content: Any) -> Markup:
    """JSON inside a script element: no text in it can end the element."""
    text = json.dumps(content, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
