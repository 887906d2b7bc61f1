"""The tables of an evidence file, as they stand in TOML; wrong types and unknown keys stop here."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from inspect import isclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from planner.errors import nearest

LARGEST_NUMBER = Decimal(10) ** 9
MOST_DECIMALS = 30

ACCEPTED = {
    "title": 'text in quotes, such as "Stroke model, drug A"',
    "source": "a citation in quotes",
    "citation": "a citation in quotes",
    "k": "the number of comparisons, a whole number of at least 2",
    "g": "the pooled effect size as printed, such as 0.85",
    "se": "its standard error as printed",
    "ci": "its 95% interval as printed, two numbers, such as [0.40, 1.30]",
    "I2": "percent, 0 to 100",
    "group_sizes": "median and range, or one size per study",
    "median": "the median number of animals per group",
    "range": "smallest and largest group, two numbers, such as [5, 14]",
    "yi": "a list with the effect size of every study",
    "vi": "a list with the sampling variance of every study",
    "n1": "a list with the treated animals of every study",
    "n2": "a list with the control animals of every study",
    "comparisons": "a filter on the table of comparisons",
    "options": "a table per option",
}
TYPES = {
    "list_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "tuple_type": "a list in brackets",
    "too_short": "two numbers, lower end first",
    "too_long": "two numbers, lower end first",
}


def found(value: object) -> str:
    """How a value is quoted back to its author: as in TOML, on one line, short."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = '"' + repr(value)[1:-1] + '"'
        case list():
            text = "[" + ", ".join(found(item) for item in value[:6]) + "]"
        case dict():
            return "a table"
        case _:
            text = str(value)
    return text if len(text) <= 48 else text[:45] + "..."


def refusal(value: object, accepted: str) -> PydanticCustomError:
    """What was found, and what is accepted."""
    text = f"found {found(value)}; accepted: {accepted}"
    return PydanticCustomError("refused", "{text}", {"text": text})


def _number(raw: object) -> Decimal:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal):
        raise refusal(raw, "a number without quotes")
    value = Decimal(raw)
    if not value.is_finite():
        raise refusal(raw, "a finite number")
    exponent = value.as_tuple().exponent
    if abs(value) > LARGEST_NUMBER or not isinstance(exponent, int) or exponent < -MOST_DECIMALS:
        raise refusal(raw, "a number as printed, at most 1000000000, at most 30 decimals")
    return value


def _whole(raw: object) -> int:
    value = _number(raw)
    if value != value.to_integral_value():
        raise refusal(raw, "a whole number")
    return int(value)


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise refusal(raw, "text in quotes")
    return raw


def _measure(raw: object) -> str:
    if not isinstance(raw, str) or raw.upper() != "SMD":
        raise refusal(
            raw,
            'measure = "SMD" (Hedges g or Cohen d): '
            "only standardized mean differences are planned from",
        )
    return "SMD"


def _version(raw: object) -> int:
    if raw != 1 or isinstance(raw, bool):
        raise refusal(raw, "schema = 1")
    return 1


def _texts(raw: object) -> tuple[str, ...]:
    items = raw if isinstance(raw, list) else [raw]
    return tuple(_text(item) for item in items)


def _labels(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise refusal(raw, "a list with one label per comparison")
    for item in raw:
        if isinstance(item, bool) or not isinstance(item, int | str):
            raise refusal(item, "labels that are whole numbers or text")
    return tuple(str(item) for item in raw)


def _bare(raw: object) -> object:
    return raw if isinstance(raw, dict) else {"value": raw}


Number = Annotated[Decimal, PlainValidator(_number)]
Whole = Annotated[int, PlainValidator(_whole)]
Text = Annotated[str, PlainValidator(_text)]
Texts = Annotated[tuple[str, ...], PlainValidator(_texts)]
Labels = Annotated[tuple[str, ...], PlainValidator(_labels)]
Status = Literal["reported", "derived", "assumed"]


class Table(BaseModel):
    """A table of the file: nothing is converted, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CitedTable(Table):
    """Where a value stands and what kind it is."""

    unit: Text = ""
    where: Text = ""
    status: Status = "reported"
    note: Text = ""

    @model_validator(mode="after")
    def _explained(self) -> CitedTable:
        if self.status != "reported" and not self.note:
            raise refusal(self.status, f"a note with the reason beside status {self.status}")
        return self


class NumberTable(CitedTable):
    """One number."""

    value: Number


class PairTable(CitedTable):
    """Two numbers, the lower one first."""

    value: Annotated[list[Number], Field(min_length=2, max_length=2)]


class TextTable(CitedTable):
    """A published value that is text, such as P."""

    value: Text


def _fact(raw: object) -> object:
    match raw:
        case bool():
            raise refusal(raw, "a number, two numbers, or text")
        case str():
            return _text(raw)
        case list():
            if len(raw) != 2:
                raise refusal(raw, "two numbers, lower end first")
            return [_number(item) for item in raw]
        case _:
            return _number(raw)


class FactTable(CitedTable):
    """A number, two numbers, or text."""

    value: Annotated[Decimal | list[Decimal] | str, PlainValidator(_fact)]


Printed = Annotated[NumberTable, BeforeValidator(_bare)]
PrintedPair = Annotated[PairTable, BeforeValidator(_bare)]
PrintedText = Annotated[TextTable, BeforeValidator(_bare)]
PrintedFact = Annotated[FactTable, BeforeValidator(_bare)]


class SizesTable(Table):
    """Animals per group: median and range (and mean), or the size of every study."""

    median: Printed | None = None
    range: PrintedPair | None = None
    mean: Printed | None = None
    sizes: list[Whole] | None = None

    @model_validator(mode="after")
    def _complete(self) -> SizesTable:
        summary = [table is not None for table in (self.median, self.range)]
        alone = not any(summary) and self.mean is None
        complete = alone if self.sizes is not None else all(summary)
        if not complete:
            text = "accepted: either median and range, or a list with one size per study"
            raise PydanticCustomError("refused", "{text}", {"text": text})
        return self


def _bare_sizes(raw: object) -> object:
    return {"sizes": raw} if isinstance(raw, list) else raw


PrintedSizes = Annotated[SizesTable, BeforeValidator(_bare_sizes)]


class StudyDataTable(Table):
    """The studies one by one, a list per column; `planner pool` writes it."""

    estimator: Literal["DL"] = "DL"
    vtype: Literal["CMA", "LS", "UB"] = "CMA"
    study: Labels | None = None
    cluster: Labels | None = None
    control: Labels | None = None
    n1: list[Whole]
    n2: list[Whole]
    yi: list[Number]
    vi: list[Number]


class AnalysisTable(Table):
    """One meta-analysis."""

    title: Text = ""
    k: Printed
    studies: Whole | None = None
    g: Printed
    se: Printed | None = None
    ci: PrintedPair | None = None
    I2: Printed | None = None
    tau2: Printed | None = None
    Q: Printed | None = None
    p: PrintedText | None = None
    group_sizes: PrintedSizes | None = None
    comparisons: dict[str, Texts] = {}
    study: Labels | None = None
    lab: Labels | None = None
    notes: Texts = ()
    study_data: StudyDataTable | None = None


class SourceTable(Table):
    """Where the review was published."""

    citation: Text
    doi: Text = ""


def _bare_source(raw: object) -> object:
    return raw if isinstance(raw, dict) else {"citation": raw}


class SetTable(Table):
    """A value that an option replaces, by its path."""

    path: Text
    value: Any
    status: Status | None = None
    note: Text = ""


class OptionTable(Table):
    """One way to read a contradiction."""

    text: Text
    where: Text
    values: list[Number] = []
    unit: Text = ""
    status: Status = "reported"
    note: Text = ""
    set: list[SetTable] = []


class ReadingTable(Table):
    """A contradiction or gap of the source."""

    topic: Text
    question: Text
    default: Text
    reason: Text
    concerns: Texts = ()
    documentation: bool = False
    options: dict[str, OptionTable]

    @model_validator(mode="after")
    def _default_exists(self) -> ReadingTable:
        if self.default not in self.options:
            raise refusal(self.default, f"default = one of {', '.join(self.options)}")
        return self


class ReviewTable(Table):
    """The whole file."""

    schema_: Annotated[int, PlainValidator(_version), Field(alias="schema")] = 1
    title: Text
    source: Annotated[SourceTable, BeforeValidator(_bare_source)]
    measure: Annotated[str, PlainValidator(_measure)] = "SMD"
    benefit: Literal["higher", "lower"] = "higher"
    group_sizes: PrintedSizes | None = None
    analyses: dict[str, AnalysisTable]
    readings: list[ReadingTable] = []
    facts: dict[str, dict[str, PrintedFact]] = {}


FLAT = set(AnalysisTable.model_fields) - {"title", "group_sizes"}


def _tables(hint: Any) -> Iterator[type[Table]]:
    if isclass(hint) and issubclass(hint, Table):
        yield hint
    for part in get_args(hint):
        yield from _tables(part)


def _keys(loc: tuple[int | str, ...], flat: bool) -> list[str]:
    """The keys that the table at this place accepts."""
    model: type[Table] = ReviewTable
    for part in loc:
        if part in model.model_fields:
            model = next(_tables(model.model_fields[str(part)].annotation), model)
    keys = ["schema" if key == "schema_" else key for key in model.model_fields]
    return keys + sorted(FLAT) if flat and model is ReviewTable else keys


def complaint(error: ErrorDetails, flat: bool) -> tuple[str, str]:
    """A pydantic error as the path of the field and what is wrong with it.

    Parameters
    ----------
    error : one of `ValidationError.errors()`
    flat : whether the file has its single analysis at the top level
    """
    loc = error["loc"]
    # a flat file's author never wrote these levels
    shown = loc[2:] if flat and loc[:1] == ("analyses",) else loc
    path = ".".join(str(part) for part in shown if part not in ("value", "sizes")) or "file"
    name = next((part for part in reversed(loc) if isinstance(part, str) and part != "value"), "")
    if error["type"] == "missing":
        return path, f"missing; accepted: {ACCEPTED.get(name, 'a value')}"
    if error["type"] == "extra_forbidden":
        if name in FLAT and len(loc) == 1:
            return path, "stands beside [analyses]; accepted: inside an [analyses.NAME] table"
        keys = _keys(loc[:-1], flat)
        if flat and name not in keys and name in _keys((), flat):
            return path, f"unknown key here; accepted: {name} at the top, before any [table]"
        close = nearest(name, keys)
        hint = f"did you mean {close}?" if close else f"accepted: {', '.join(keys)}"
        return path, f"unknown key; {hint}"
    if error["type"] == "refused":
        return path, error["msg"]
    accepted = TYPES.get(error["type"], error["msg"].removeprefix("Input should be "))
    if error["type"] in TYPES:
        accepted = ACCEPTED.get(name, accepted)
    return path, f"found {found(error['input'])}; accepted: {accepted}"
