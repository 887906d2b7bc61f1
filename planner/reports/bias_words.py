"""Of the rows of `planner bias`: names, situations, which test or estimate is the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from planner.mechanisms import does_nothing
from planner.results import best as best_value

CORRECTION_NAMES = {
    "none": "uncorrected", "trimfill": "trim and fill", "trimfill-r0": "trim and fill (R0)",
    "pet": "PET", "peese": "PEESE", "pet-peese": "PET-PEESE", "sel3": "selection model",
    "p-uniform-star": "p-uniform*", "limit": "limit meta-analysis",
}  # fmt: skip
DETECTOR_NAMES = {
    "egger-se": "Egger, standard error", "egger-n": "Egger, 1/sqrt(n), weights n",
    "egger-n-vi": "Egger, 1/sqrt(n), weights 1/v", "begg": "Begg-Mazumdar",
}  # fmt: skip
FAIR = 1.5  # a test that rejects this many times its level where nothing happens sees nothing
ERRORS = 1.96  # standard errors beyond which a difference is not simulation error
Row = Mapping[str, Any]


def situation(row: Row) -> tuple[Any, ...]:
    """What tells one simulated situation from another."""
    return tuple(row[name] for name in ("mechanism", "weight", "strength", "k", "n"))


def groups(rows: Sequence[Row]) -> list[list[tuple[Any, ...]]]:
    """Situations by mechanism, k and n; within a group only the strength differs, neutral first."""
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for place in dict.fromkeys(situation(row) for row in rows):
        found.setdefault((place[0], place[3], place[4]), []).append(place)
    return list(found.values())


def pick(rows: Sequence[Row], place: tuple[Any, ...], measure: str, **names: Any) -> Row | None:
    """The row of a measure in a situation."""
    for row in rows:
        here = row["measure"] == measure and situation(row) == place
        if here and all(row[name] == value for name, value in names.items()):
            return row
    return None


def number(rows: Sequence[Row], place: tuple[Any, ...], measure: str, **names: Any) -> float | None:
    """Its value; None where it does not exist."""
    row = pick(rows, place, measure, **names)
    value = None if row is None else row["value"]
    return None if value is None or value != value else float(value)


def unpublished(
    rows: Sequence[Row], place: tuple[Any, ...], measure: str = "unpublished"
) -> float | None:
    """Share of the studies run that nobody sees, or "run_per_published"; exact where known."""
    row = pick(rows, place, measure)
    return None if row is None or row["value"] is None else best_value(row)


def strength_words(place: tuple[Any, ...]) -> str:
    """A strength as the page names it."""
    mechanism, weight, strength = place[:3]
    text = strength_text(place)
    if weight is not None:
        return f"weight {text}"
    return text if mechanism == "none" or isinstance(strength, str) else f"strength {text}"


def strength_text(place: tuple[Any, ...]) -> str:
    """The bare strength, as it is typed; "none" where no mechanism acts."""
    mechanism, weight, strength = place[:3]
    value = strength if weight is None else weight
    if mechanism == "none":
        return "none"
    return value if isinstance(value, str) else f"{value:g}"


def without(rows: Sequence[Row], group: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The situation where nothing happens, with the k and n of a group; every run has it.

    The group's own, else that of no mechanism.
    """
    places = dict.fromkeys([*group, *(situation(row) for row in rows)])
    found = [x for x in places if does_nothing(*x[:3]) and x[3:] == group[0][3:]]
    own = [x for x in found if x[0] == group[0][0]]
    return (own or [x for x in found if x[0] == "none"] or found)[0]


def strongest(rows: Sequence[Row], group: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The situation that the answer is about: the last but one of several strengths."""
    return group[-2] if len(group) > 2 else group[-1]


class BestTest(NamedTuple):
    """The fair test that gains most over its rejection where nothing happens.

    name: None where no test is fair; power, false: its rejection here and where nothing happens;
    sees: whether the gain is beyond simulation error.
    """

    name: str | None = None
    power: float = math.nan
    false: float = math.nan
    sees: bool = False


def best_detector(rows: Sequence[Row], place: tuple[Any, ...], alpha: float) -> BestTest:
    """The best test in a situation.

    A test is fair if its rejection where nothing happens is shown, beyond simulation error, not
    to exceed FAIR times its level: the answer shall not name another test by another seed.
    """
    best = BestTest()
    for name in dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None):
        here = pick(rows, place, "rejection", detector=name)
        without_any = pick(rows, place, "type_i", detector=name)
        if here is None or without_any is None:
            continue
        power, false = here["value"], without_any["value"]
        if power is None or false is None or without_any["ci_ub"] > FAIR * alpha:
            continue
        if best.name is None or power - false > best.power - best.false:
            # Both have the same draws where they are alike: the true error is no larger.
            error = math.hypot(here["mcse"], without_any["mcse"])
            best = BestTest(str(name), power, false, power - false > ERRORS * error)
    return best


class Winner(NamedTuple):
    """The estimate with the smallest root mean squared error, and what that is worth.

    name, rmse: of it; better: whether its error is smaller than the uncorrected one's beyond
    simulation error; moved, always: by how much it moves the estimate here, and where nothing
    happens.
    """

    name: str
    rmse: float
    better: bool
    moved: float
    always: float

    @property
    def whatever(self) -> bool:
        """Whether it moves the estimate about as much where nothing happens."""
        return (
            self.name != "none" and self.moved * self.always > 0.0
            and abs(self.always) > 0.02 and abs(self.always) >= 0.5 * abs(self.moved)
        )  # fmt: skip


def winner(rows: Sequence[Row], place: tuple[Any, ...]) -> Winner | None:
    """The estimate with the smallest root mean squared error.

    A correction that exists in fewer than 9 of 10 syntheses is not compared: it fails where it is
    needed.
    """
    found = [
        (float(row["value"]), str(row["correction"]))
        for row in rows
        if row["measure"] == "rmse" and situation(row) == place and row["value"] is not None
        and row["n_sim"] >= 9 * (row["n_failed"] or 0)
    ]  # fmt: skip
    if not found:
        return None
    error, name = min(found)
    change = pick(rows, place, "mse_change", correction=name)
    better = (
        change is not None and change["value"] is not None
        and change["value"] < -ERRORS * change["mcse"]
    )  # fmt: skip
    return Winner(
        name, error, better, _shift(rows, place, name), _shift(rows, without(rows, [place]), name)
    )


def _shift(rows: Sequence[Row], place: tuple[Any, ...], name: str) -> float:
    """By how much a correction moves the estimate on average."""
    own = number(rows, place, "bias", correction=name)
    plain = number(rows, place, "bias", correction="none")
    return 0.0 if own is None or plain is None else own - plain


def most_moved(rows: Sequence[Row], place: tuple[Any, ...]) -> tuple[str, float] | None:
    """The correction that moves the estimate most, and by how much; PET-PEESE for its parts."""
    names = {row["correction"] for row in rows}
    parts = ("pet", "peese") if "pet-peese" in names else ()
    found = [
        (_shift(rows, place, str(row["correction"])), str(row["correction"]))
        for row in rows
        if row["measure"] == "bias" and situation(row) == place
        and row["correction"] not in (None, "none", *parts) and row["value"] is not None
    ]  # fmt: skip
    if not found:
        return None
    moved, name = max(found, key=lambda one: abs(one[0]))
    return name, moved


def judged(rows: Sequence[Row], place: tuple[Any, ...], alpha: float) -> dict[str, Any]:
    """The best test, the smallest error and the largest move in a situation, as JSON has them."""
    best, moves = winner(rows, place), most_moved(rows, place)
    return {
        **dict(zip(("mechanism", "weight", "strength", "k", "n"), place, strict=True)),
        "best_test": best_detector(rows, place, alpha)._asdict(),
        "winner": None if best is None else {**best._asdict(), "whatever": best.whatever},
        "most_moved": None if moves is None else {"name": moves[0], "moved": moves[1]},
    }  # fmt: skip
