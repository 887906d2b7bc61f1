"""Options of `planner decay`: what Python gives is read as what was typed would be.

Those that would change nothing are refused, not ignored in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from planner.decay_designs import ONE_DAY, parse_days
from planner.errors import InputError
from planner.options import parse_allocation, parse_sizes

if TYPE_CHECKING:
    from planner.decay_designs import DecayDesign

DEFAULT_QUESTIONS = ("decay", "residual", "half-life")
SEARCHED = "half-life"  # what --optimize answers if no question is asked
_WHOLE = ("animals", "treated", "sessions", "reps", "seed", "jobs")
_NEEDED = (
    "rho", "error", "dropout", "response_cv", "factor", "alpha", "treated", "attrition",
    "sessions", "seed",
)  # fmt: skip
# What says nothing about the truth.
_PLANS = (
    "n", "animals", "shrink", "sesoi", "sides", "allocation", "treated", "attrition", "rho",
    "covariance", "error", "layout", "test", "contrast", "dropout", "dropout_by", "response_cv",
    "factor", "optimize", "days", "sessions",
)  # fmt: skip


def as_days(days: Any, option: str = "--times") -> tuple[float, ...]:
    """Days from a sequence of numbers, one number, or text such as ``"0,7,14,24"``.

    Raises
    ------
    InputError : none of these.
    """
    if isinstance(days, str):
        return tuple(parse_days(days, option))
    try:
        return tuple(float(day) for day in (days if isinstance(days, Iterable) else (days,)))
    except (TypeError, ValueError):
        raise InputError(f"{option} {days!r}; accepted: days such as 0,7,14,24") from None


def as_sizes(n: Any) -> list[int]:
    """Group sizes, ascending, from a sequence, one number, or text such as ``"4:20:2"``.

    Raises
    ------
    InputError : none of these, or no whole numbers.
    """
    if isinstance(n, str):
        return sorted(set(parse_sizes(n)))
    try:
        found = [float(size) for size in (n if isinstance(n, Iterable) else (n,))]
    except (TypeError, ValueError):
        raise InputError(f"--n {n!r}; accepted: sizes such as 4,6,8 or 4:20:2") from None
    for size in found:
        if not size.is_integer():
            raise InputError(f"--n {size:g}; accepted: whole numbers of animals per group")
    return sorted({int(size) for size in found})


def as_allocation(parts: Any) -> tuple[int, int]:
    """Parts of treated and control animals from a pair, or text such as ``"1:2"``.

    Raises
    ------
    InputError : neither.
    """
    if isinstance(parts, str):
        return parse_allocation(parts)
    try:
        treated, control = (int(part) for part in parts)
    except (TypeError, ValueError):
        raise InputError(
            f"--allocation {parts!r}; accepted: treated and control, such as (1, 2)"
        ) from None
    return treated, control


def as_numbers(values: Any, option: str) -> tuple[float, ...]:
    """One number or several, as numbers.

    Raises
    ------
    InputError : something else.
    """
    several = isinstance(values, Iterable) and not isinstance(values, str)
    found = tuple(values) if several else (values,)
    for value in found:
        check_number(value, option)
    return tuple(float(value) for value in found)


def as_names(names: Any, option: str) -> tuple[str, ...]:
    """One name or several, each once.

    Raises
    ------
    InputError : something that is no text.
    """
    several = isinstance(names, Iterable) and not isinstance(names, str)
    found = tuple(names) if several else (names,)
    for name in found:
        if not isinstance(name, str):
            raise InputError(f"{option} {name!r}; accepted: a name, or several in a list")
    return tuple(dict.fromkeys(found))


def check_number(value: Any, option: str) -> None:
    """Refuse what is no number, such as text given in Python.

    Raises
    ------
    InputError : names the option.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        raise InputError(f"{option} {value!r}; accepted: a number")


def check_numbers(given: Mapping[str, Any]) -> None:
    """`check_number` of every option that is given; counts must be whole.

    Raises
    ------
    InputError : names the option.
    """
    for name, value in given.items():
        if value is None and name not in _NEEDED:
            continue
        option = f"--{name.replace('_', '-')}"
        check_number(value, option)
        if name in _WHOLE and value != int(value):
            raise InputError(f"{option} {value:g}; accepted: a whole number")


def searched_question(questions: Sequence[str]) -> tuple[str]:
    """The one question that --optimize answers.

    Raises
    ------
    InputError : several were asked.
    """
    if tuple(questions) == DEFAULT_QUESTIONS:
        return (SEARCHED,)
    if len(questions) > 1:
        raise InputError(
            f"--optimize looks for the days of one question; {len(questions)} were asked\n"
            "accepted: one --question, such as --question half-life"
        )
    return (questions[0],)


def refuse_unused(
    given: Mapping[str, Any], defaults: Mapping[str, Any], questions: Sequence[str]
) -> None:
    """Refuse an option that is not at its default and would change no number.

    Parameters
    ----------
    given, defaults : value of each option by its name in Python

    Raises
    ------
    InputError : names the option and what makes it idle.
    """
    for name, reason in _unused(given, questions):
        if given[name] != defaults[name]:
            raise InputError(f"--{name.replace('_', '-')} changes nothing {reason}")


def _unused(given: Mapping[str, Any], questions: Sequence[str]) -> Iterator[tuple[str, str]]:
    asked = set(questions)
    one_day = asked <= set(ONE_DAY)
    if given["show_truth"]:
        for name in _PLANS:
            yield name, "with --show-truth, which plans nothing"
        return
    if not given["optimize"]:
        for name in ("days", "sessions"):
            yield name, "without --optimize"
    else:
        for name in ("n", "animals", "shrink"):
            yield name, "with --optimize, which looks for n and days"
        if one_day:
            for name in ("days", "sessions"):
                yield name, f"for {questions[0]}: its day is the last of --times"
            yield "dropout", f"for {questions[0]} with --optimize: animals are seen on one day"
        else:
            yield "times", "with --optimize: --days has the days to choose from"
    if given["delta0"] is not None:
        for name in ("during", "cluster"):
            yield name, "with --delta0, which sets the truth by hand"
    if given["layout"] == "cohorts":
        for name in ("rho", "covariance", "error"):
            yield name, "with --layout cohorts: an animal is seen once"
    elif one_day and given["dropout"] == 0.0:
        for name in ("rho", "covariance", "error"):
            yield name, f"for --question {questions[0]}, which compares one day"
    if "decay" not in asked:
        yield "contrast", "unless --question decay is asked"
        if given["test"] == "cs-pooled":
            yield "test", "unless --question decay is asked"
    if "half-life" not in asked:
        yield "factor", "unless --question half-life is asked"
    if not asked & {"decay", "residual"}:
        yield "sides", "unless --question decay or residual is asked"
    if not asked & {"decay", "residual", "gone"}:
        yield "sesoi", "unless --question decay, residual or gone is asked"
    if given["dropout"] == 0.0:
        yield "dropout_by", "without --dropout"
    if len(given["times"]) == 1:
        yield "dropout", "with one day in --times"


def refuse_harm_only(design: DecayDesign, questions: Sequence[str]) -> None:
    """Refuse a test that cannot show what is asked.

    Raises
    ------
    InputError : --sides looks away from the effect.
    """
    if not design.tested_sides[0] and set(questions) & {"decay", "residual"}:
        toward = "greater" if design.arms.sign > 0 else "less"
        raise InputError(
            f"--sides {design.arms.sides} tests against the direction of the effect; "
            f"accepted: two, {toward}"
        )
