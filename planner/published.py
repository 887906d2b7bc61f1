"""Published numbers as printed: reviews, their meta-analyses, and what calibration needs of them.

`analysis("chronic-after")` comes from the catalogue that ships with the package,
`read("stroke.toml")` from a file that somebody brings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from planner.errors import InputError, unknown
from planner.group_sizes import IntArray, Sizes
from planner.quantities import Fact, Interval, Quantity, Wording
from planner.study_data import StudyData

__all__ = [
    "Z95",
    "Analysis",
    "Interval",
    "Option",
    "Quantity",
    "Reading",
    "Review",
    "Sizes",
    "StudyData",
    "Target",
    "Targets",
    "Wording",
    "analysis",
    "catalogue_review",
    "read",
    "read_review",
]

Z95 = 1.959964  # normal quantile behind a 95% Wald interval
CATALOGUE = "vanvelzen2021"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way to read a contradiction; `values` are its numbers in `unit`."""

    text: str
    where: str
    values: tuple[Decimal, ...] = ()
    unit: str = ""
    status: str = "reported"
    note: str = ""
    changes: tuple[str, ...] = ()  # paths whose value it replaces

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        values = [float(value) for value in self.values]
        return {**self.__dict__, "values": values, "changes": list(self.changes)}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A place where the source contradicts itself or leaves a gap, and how it is read."""

    topic: str
    question: str
    default: str
    reason: str
    options: Mapping[str, Option]
    concerns: tuple[str, ...] = ()  # analyses; none: the review as a whole
    documentation: bool = False  # no plan depends on it

    def option(self, name: str | None = None) -> Option:
        """The option of this name; the default one without a name."""
        chosen = self.default if name is None else name
        if chosen not in self.options:
            raise unknown(f"option of reading {self.topic}", chosen, self.options)
        return self.options[chosen]

    def touches(self, analysis: str) -> bool:
        """Whether it bears on this analysis (a subset shares its parent's readings)."""
        return any(analysis == name or analysis.startswith(name + "/") for name in self.concerns)

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        options = {name: option.fields() for name, option in self.options.items()}
        return {**self.__dict__, "options": options, "concerns": list(self.concerns)}


class Target(NamedTuple):
    """A published number and the closed interval that rounds to it."""

    value: float
    lo: float
    hi: float


class Targets(NamedTuple):
    """What a calibration conditions on; None where it is not printed."""

    g: Target
    se: Target | None
    ci_lb: Target | None
    ci_ub: Target | None
    heterogeneity: Target


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """One published meta-analysis of standardized mean differences; positive g is benefit.

    Parameters
    ----------
    name, title, review, citation : how it is called, and where it was published
    k : number of comparisons
    studies : number of publications they come from; None when unknown
    g, se, ci : pooled effect size, its standard error, its 95% interval; SDs
    heterogeneity_kind : ``"I2"`` (percent), ``"tau2"`` or ``"Q"``, the kind of `heterogeneity`
    sizes : law of the animals per group; `printed_sizes` are the published numbers behind it
    clusters : level (``"study"``, ``"lab"``) to labels 0, 1, ... of length k; absent if unknown
    comparisons : the rows of the source's table that enter, `delay` being that of this analysis
    readings : topic to the option taken, for every contradiction of the review
    data : the studies one by one, where the evidence keeps them
    option : how a command line asks for it
    """

    name: str
    title: str
    review: str
    citation: str
    k: int
    g: Quantity
    se: Quantity | None
    ci: Interval | None
    heterogeneity_kind: str
    heterogeneity: Quantity
    sizes: Sizes
    studies: int | None = None
    p: Wording | None = None
    printed_k: Quantity
    printed_sizes: Mapping[str, Fact] = field(default_factory=dict)
    clusters: Mapping[str, IntArray] = field(default_factory=dict)
    comparisons: tuple[Mapping[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    readings: Mapping[str, str] = field(default_factory=dict)
    data: StudyData | None = None
    option: str = ""

    def __repr__(self) -> str:
        return f"planner analysis {self.name}: {self.k} comparisons, effect size {self.g}"

    @property
    def sign(self) -> int:
        """+1 or -1: the side of zero on which g lies; +1 for 0."""
        return -1 if self.g.value < 0 else 1

    @property
    def se_number(self) -> float:
        """Best single value of the standard error: from the 95% interval where one is printed.

        At the same digits an interval pins the standard error down twice as closely.
        """
        if self.ci is not None:
            return float(self.ci.ub - self.ci.lb) / (2 * Z95)
        assert self.se is not None  # files without either are refused
        return self.se.number

    def clustered(self, level: str) -> bool:
        """Whether some comparisons share a cluster; always true for ``"none"``."""
        if level == "none":
            return True
        labels = self.clusters.get(level)
        return labels is not None and len(set(labels.tolist())) < self.k

    @property
    def delays(self) -> tuple[float, ...]:
        """Time from dosing to test of each comparison, in the `delay_unit` of the rows."""
        return tuple(float(row["delay"]) for row in self.comparisons)

    def targets(self) -> Targets:
        """The published numbers with their closed rounding intervals."""
        ends = (None, None) if self.ci is None else (self.ci.lower, self.ci.upper)
        ci_lb, ci_ub = (None if end is None else _target(end) for end in ends)
        ceiling = 100.0 if self.heterogeneity_kind == "I2" else float("inf")
        return Targets(
            g=_target(self.g),
            se=None if self.se is None else _target(self.se, lowest=0.0),
            ci_lb=ci_lb,
            ci_ub=ci_ub,
            heterogeneity=_target(self.heterogeneity, lowest=0.0, highest=ceiling),
        )

    @property
    def digest(self) -> str:
        """Hex digest of all that determines a calibration: digits, sizes, clusters, studies."""
        per_study = self.sizes.per_study
        parts: dict[str, Any] = {
            "k": self.k,
            "g": str(self.g),
            "se": None if self.se is None else str(self.se),
            "ci": None if self.ci is None else [str(self.ci.lower), str(self.ci.upper)],
            self.heterogeneity_kind: str(self.heterogeneity),
            "n": self.sizes.n.tolist(),
            # nine digits: the last ones differ between machines
            "p": [f"{p:.9f}" for p in self.sizes.p],
            "per_study": None if per_study is None else per_study.tolist(),
            "clusters": {level: labels.tolist() for level, labels in self.clusters.items()},
        }
        if self.data is not None:
            parts["data"] = self.data.digest_parts()
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        per_study = self.sizes.per_study
        return {
            "name": self.name,
            "title": self.title,
            "review": self.review,
            "citation": self.citation,
            "k": self.k,
            "studies": self.studies,
            "g": self.g.fields(),
            "se": None if self.se is None else self.se.fields(),
            "ci": None if self.ci is None else self.ci.fields(),
            self.heterogeneity_kind: self.heterogeneity.fields(),
            "p": None if self.p is None else self.p.fields(),
            "group_sizes": {
                **{name: fact.fields() for name, fact in self.printed_sizes.items()},
                "law": {"n": self.sizes.n.tolist(), "p": self.sizes.p.tolist()},
                "per_study": None if per_study is None else per_study.tolist(),
            },
            "targets": {
                name: None if target is None else target._asdict()
                for name, target in self.targets()._asdict().items()
            },
            "clusters": {level: labels.tolist() for level, labels in self.clusters.items()},
            "comparisons": [dict(row) for row in self.comparisons],
            "notes": list(self.notes),
            "readings": dict(self.readings),
            "data": None if self.data is None else self.data.fields(),
            "digest": self.digest,
        }


def _target(
    quantity: Quantity, lowest: float = float("-inf"), highest: float = float("inf")
) -> Target:
    lo, hi = quantity.interval
    return Target(quantity.number, max(lo, lowest), min(hi, highest))


@dataclass(frozen=True, kw_only=True, eq=False)
class Review:
    """A systematic review: its analyses under the default readings, and how else to read it."""

    title: str
    citation: str
    doi: str
    analyses: Mapping[str, Analysis]
    readings: Mapping[str, Reading]
    facts: Mapping[str, Mapping[str, Fact]]
    comparisons: tuple[Mapping[str, str], ...]
    build: Callable[[Mapping[str, str]], Mapping[str, Analysis]]

    def reading(self, topic: str) -> Reading:
        """The contradiction of this topic."""
        if not self.readings:
            raise InputError(f"unknown reading {topic!r}: {self.title!r} has no readings")
        if topic not in self.readings:
            raise unknown("reading", topic, self.readings)
        return self.readings[topic]

    def fact(self, path: str) -> Fact:
        """A fact by its path, such as ``"human.infusion_2h_half_life"``."""
        group, _, name = path.partition(".")
        if name not in self.facts.get(group, {}):
            names = [f"{group}.{name}" for group in self.facts for name in self.facts[group]]
            raise unknown("fact", path, names)
        return self.facts[group][name]

    def analysis(
        self, name: str | None = None, readings: Mapping[str, str] | None = None
    ) -> Analysis:
        """The analysis of this name, with other readings than the default ones.

        Raises
        ------
        InputError
            for a name, topic or option that does not exist, and for no name where there
            are several analyses
        """
        chosen = dict(readings or {})
        for topic, option in chosen.items():
            self.reading(topic).option(option)
        analyses = self.build(chosen) if chosen else self.analyses
        if len(analyses) == 1 and name in (None, self.title):
            return next(iter(analyses.values()))
        if name is None:
            raise InputError(
                f"{self.title!r} has {len(analyses)} analyses; name one\n"
                f"names that exist: {', '.join(analyses)}"
            )
        if name not in analyses:
            raise _unknown_analysis(name, list(analyses))
        return analyses[name]


def _unknown_analysis(name: str, names: list[str]) -> InputError:
    """The error for an analysis that does not exist: of many parts one is an example."""
    whole, slash, _ = str(name).partition("/")
    parts = [known for known in names if "/" in known]
    own = [known for known in parts if slash and known.startswith(f"{whole}/")]
    found = unknown("analysis", name, own or [known for known in names if known not in parts])
    first, _, rest = str(found).partition("\n")
    if parts and not own and "did you mean" not in first:
        first += f"; parts, such as {parts[0]}: planner evidence"
    return InputError(f"{first}\n{rest}")


@lru_cache(maxsize=1)
def catalogue_review() -> Review:
    """The review that ships with the package."""
    from planner.evidence_files import review_from_text  # pydantic: not at import

    folder = resources.files("planner.catalogue")
    file = f"{CATALOGUE}.toml"
    table = folder.joinpath(f"{CATALOGUE}.csv").read_text(encoding="utf-8")
    return review_from_text(folder.joinpath(file).read_text(encoding="utf-8"), file, table=table)


def analysis(name: str, readings: Mapping[str, str] | None = None) -> Analysis:
    """An analysis of the catalogue, such as ``"chronic-after"`` or ``"chronic-after/rat"``.

    Parameters
    ----------
    name : of the analysis
    readings : topic to option, where not the default one

    Raises
    ------
    InputError
        for a name, topic or option that does not exist
    """
    return catalogue_review().analysis(name, readings)


def check_analysis(found: Any) -> None:
    """Refuse what is no analysis, such as its name alone.

    Raises
    ------
    InputError : for anything but an `Analysis`
    """
    if not isinstance(found, Analysis):
        shown = repr(found)[:60]
        raise InputError(
            f'{shown} is no analysis; accepted: planner.analysis("chronic-after"), or '
            'planner.read("mine.toml")'
        )


def read_review(path: str | Path) -> Review:
    """A review from a TOML file.

    Raises
    ------
    InputError
        for a file that cannot be read, and for numbers that are missing, impossible or
        contradict each other
    """
    from planner.evidence_files import review_from_file  # pydantic: not at import

    return review_from_file(Path(path))


def read(
    path: str | Path, analysis: str | None = None, readings: Mapping[str, str] | None = None
) -> Analysis:
    """An analysis from a TOML file; a file with a single one needs no name.

    Raises
    ------
    InputError
        as `read_review`, and for a name that is missing or does not exist
    """
    return read_review(path).analysis(analysis, readings)
