"""Which columns of a file hold the effects: the forms that are understood, and their names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from planner.errors import InputError, nearest
from planner.study_files import Cells, normalized


@dataclass(frozen=True)
class Form:
    """Columns that together give effects and sampling variances."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The columns, as they are listed."""
        return ", ".join(self.columns)


# In the order of preference: effects that somebody calculated before means.
FORMS = (
    Form(("yi", "vi")),
    Form(("yi", "sei")),
    Form(("yi", "ci_lb", "ci_ub")),
    Form(("n1", "mean1", "sd1", "n2", "mean2", "sd2")),
    Form(("n1", "mean1", "sem1", "n2", "mean2", "sem2")),
)
# Other names of the same columns, metafor's among them; `normalized` takes care of case and dots.
_ALIASES = {
    "yi": ("yi",), "vi": ("vi",), "sei": ("sei",),
    "ci_lb": ("cilb",), "ci_ub": ("ciub",),
    "n1": ("n1", "n1i"), "mean1": ("mean1", "m1i"), "sd1": ("sd1", "sd1i"),
    "n2": ("n2", "n2i"), "mean2": ("mean2", "m2i"), "sd2": ("sd2", "sd2i"),
    "sem1": ("sem1", "sem1i"), "sem2": ("sem2", "sem2i"),
    "study": ("study", "slab"), "cluster": ("cluster",), "control": ("control",),
}  # fmt: skip
NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
KNOWN = frozenset(NAMES)
ACCEPTED = "yi,vi or yi,sei or yi,ci_lb,ci_ub or n1,mean1,sd1,n2,mean2,sd2 (or sem1,sem2)"


@dataclass(frozen=True)
class Layout:
    """Where the known columns of a file stand.

    Parameters
    ----------
    form : the one that is used; `others` are complete as well
    place : name of a known column to its position
    used : columns whose cells must be numbers, those of the form and n1, n2 if they are there
    notes : what was not taken as it might be meant: (code, text)
    """

    form: Form
    others: tuple[Form, ...]
    place: dict[str, int]
    used: tuple[str, ...]
    notes: tuple[tuple[str, str], ...] = ()


def lay_out(cells: Cells) -> Layout:
    """The layout of a file's header.

    Raises
    ------
    InputError : a column twice, a column without a name that holds something, or no complete form.
    """
    _check_names(cells)
    place: dict[str, int] = {}
    for i, head in enumerate(cells.header):
        name = NAMES.get(normalized(head))
        if name is None:
            continue
        if name in place:
            first = cells.header[place[name]]
            raise cells.refuse(
                f"columns {first!r} and {head!r} are both {name}; accepted: one of them"
            )
        place[name] = i
    complete = [form for form in FORMS if all(name in place for name in form.columns)]
    if not complete:
        raise _incomplete(cells, place)
    form = complete[0]
    notes = []
    sizes: list[str] = [name for name in ("n1", "n2") if name in place and name not in form.columns]
    if len(sizes) == 1:
        other = {"n1": "n2", "n2": "n1"}[sizes[0]]
        text = f"Column {sizes[0]} is not used: there is no {other} beside it."
        notes.append(("sizes", text))
        sizes = []
    return Layout(form, tuple(complete[1:]), place, (*form.columns, *sizes), tuple(notes))


def _check_names(cells: Cells) -> None:
    counts = Counter(head for head in cells.header if head)
    twice = next((head for head, count in counts.items() if count > 1), None)
    if twice is not None:
        raise cells.refuse(f"column {twice!r} stands there twice; accepted: one of each name")
    for i, head in enumerate(cells.header[1:], start=1):
        # The first column may be nameless: R writes the numbers of rows there.
        filled = next((row for row in cells.rows if row.cells[i]), None)
        if not head and filled is not None:
            raise InputError(
                f"{cells.file}, line {filled.line}: found {filled.cells[i][:40]!r} in column "
                f"{i + 1}, which has no name; accepted: a name for it in the header"
            )


def _incomplete(cells: Cells, place: dict[str, int]) -> InputError:
    """What is missing from the form that is nearest to complete."""
    names = [head for head in cells.header if head]
    shown = ", ".join(names[:12])[:90]
    first = f"columns {shown}"
    begun = [
        (len(form.columns) - sum(name in place for name in form.columns), form)
        for form in FORMS
        if any(name in place for name in form.columns)
    ]
    if begun:
        _, form = min(begun, key=lambda pair: pair[0])
        lacking = [name for name in form.columns if name not in place]
        first += f"; missing beside {', '.join(n for n in form.columns if n in place)}: "
        first += ", ".join(lacking)
        if form.columns[0] == "yi" and "yi" in place:
            first = f"columns {shown}; missing beside yi: vi, or sei, or ci_lb and ci_ub"
        free = [head for head in names if normalized(head) not in NAMES]
        close = [(name, nearest(name, free)) for name in lacking]
        hints = [f"{name} for {found}" for name, found in close if found]
        if hints:
            first += f"; did you mean {hints[0]}?"
    return cells.refuse(f"{first}\naccepted: {ACCEPTED}")
