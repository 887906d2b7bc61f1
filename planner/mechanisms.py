"""Small-study mechanisms as users name them: at which strengths, acting with which others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, unknown
from planner.reports.text import fitted
from sims.smallstudy_names import CARTER_STRENGTHS, MECHANISMS, NEUTRAL, STRENGTHS

if TYPE_CHECKING:
    from sims.selection import Mechanism
    from sims.types import Studies

P_CUT = 0.025
# Of step with several cuts a strength is the weights beyond each of them.
Strength = float | tuple[float, ...]
_RANGES = {
    "step": "0 to 1", "direction": "0 to 1", "carter": "none, medium, strong",
    "inflation": "-100 to 100 (negative: smaller in small studies)",
    "peak": "whole numbers 1 to 50",
    "stopping": "whole numbers 0 to 50", "outliers": "0 to 1",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Swept:
    """A mechanism whose strength is varied, and others at fixed strengths that act with it.

    Parameters
    ----------
    name : the one that is varied
    strengths : its strengths, the neutral one first, then from weak to strong
    fixed : others, name to strength
    cuts : of "step", one-sided p values
    """

    name: str
    strengths: tuple[Strength, ...]
    fixed: tuple[tuple[str, float], ...] = ()
    cuts: tuple[float, ...] = (P_CUT,)

    @property
    def label(self) -> str:
        """As it is typed."""
        return "+".join([self.name, *(f"{name}={shown(name, x)}" for name, x in self.fixed)])

    def neutral(self, strength: Strength) -> bool:
        """Whether nothing happens at this strength."""
        return does_nothing(**self.columns(strength))

    def only(self, strength: Strength) -> Swept:
        """The same with this strength alone."""
        return replace(self, strengths=(strength,))

    def columns(self, strength: Strength) -> dict[str, Any]:
        """The design columns of a row: mechanism, weight, strength."""
        if self.name == "step":
            several = isinstance(strength, tuple)
            weight = shown(self.name, strength) if several else strength
            return {"mechanism": self.label, "weight": weight, "strength": None}
        return {
            "mechanism": self.label, "weight": None,
            "strength": shown(self.name, strength) if self.name == "carter" else strength,
        }  # fmt: skip

    def typed(self, strength: Strength) -> str:
        """The options that ask for this mechanism at this strength alone."""
        words = f"--mechanism {self.label}"
        if self.name != "none":
            option = "--weight" if self.name == "step" else "--strength"
            words += f" {option} {shown(self.name, strength)}"
        if self.name == "step" and self.cuts != (P_CUT,):
            words += f" --cuts {','.join(f'{cut:g}' for cut in self.cuts)}"
        return words

    def build(self, strength: Strength, vtype: str = "CMA") -> Mechanism:
        """The mechanism as kernels take it.

        Raises
        ------
        InputError : a strength that is out of range.
        """
        from sims.selection import make_mechanism

        single = 1.0 if isinstance(strength, tuple) else strength
        all_strengths = {**dict(self.fixed), self.name: single}
        weights = None
        if self.name == "step" and len(self.cuts) > 1:
            several = strength if isinstance(strength, tuple) else (strength,) * len(self.cuts)
            weights = (1.0, *several)
            all_strengths["step"] = 1.0
        for name, value in all_strengths.items():
            try:
                make_mechanism({name: value})
            except ValueError:
                option = "--weight" if name == "step" else "--strength"
                raise InputError(
                    f"{option} {value:g} of {name}; accepted: {_RANGES[name]}"
                ) from None
        return make_mechanism(all_strengths, cuts=self.cuts, weights=weights, variance=vtype)


def shown(name: str, strength: Strength) -> str:
    """A strength as it is typed."""
    if isinstance(strength, tuple):
        return ":".join(f"{weight:g}" for weight in strength)
    if name == "carter":
        return next((word for word, value in CARTER_STRENGTHS.items() if value == strength),
                    f"{strength:g}")  # fmt: skip
    return f"{strength:g}"


def distance(name: str, strength: Strength) -> float:
    """How far a strength is from doing nothing; of several weights their mean."""
    several = strength if isinstance(strength, tuple) else (strength,)
    return sum(abs(value - NEUTRAL[name]) for value in several) / len(several)


def does_nothing(mechanism: str, weight: float | str | None, strength: float | str | None) -> bool:
    """Whether nothing happens in a row of these design columns; of several some always act."""
    if mechanism == "none" or "+" in mechanism:
        return mechanism == "none"
    return strength == "none" or NEUTRAL[mechanism] in (weight, strength)


def swept(
    mechanisms: str | Sequence[str],
    weight: Iterable[Any] | str | float | None = None,
    strength: Iterable[Any] | str | float | None = None,
    cuts: Iterable[float] | str | float | None = None,
) -> list[Swept]:
    """Mechanisms from what was typed, such as ``"step,peak=3+step"``.

    Each is a name, or names joined by + of which all but one carry a fixed strength (``peak=3``).
    weight: strengths of step, with several cuts the weights beyond each joined by colons; strength:
    those of the others.

    Raises
    ------
    InputError : a name or strength that does not exist.
    """
    parts = mechanisms.split(",") if isinstance(mechanisms, str) else list(mechanisms)
    edges = _numbers("--cuts", cuts) if cuts is not None else (P_CUT,)
    if not edges or list(edges) != sorted(set(edges)) or not 0.0 < edges[0] <= edges[-1] < 1.0:
        raise InputError(
            f"--cuts {_short(cuts)}; accepted: rising one-sided p values, such as 0.025,0.5"
        )
    found = _each_once(
        [_one(part.strip(), weight, strength, edges) for part in parts if part.strip()]
    )
    if not found:
        raise InputError(f"--mechanism names none; names that exist: {', '.join(MECHANISMS)}")
    names = [one.name for one in found]
    if weight is not None and "step" not in names:
        raise InputError("--weight is the strength of step; the other mechanisms take --strength")
    if strength is not None and not set(names) - {"step"}:
        raise InputError("--strength is for other mechanisms than step, which takes --weight")
    if cuts is not None and "step" not in names:
        raise InputError("--cuts go with --mechanism step")
    return found


def _each_once(found: list[Swept]) -> list[Swept]:
    """Without repetitions; no mechanism after all others, as answers are about the first."""
    merged: dict[tuple[str, tuple[tuple[str, float], ...]], Swept] = {}
    for one in found:
        same = merged.get((one.name, one.fixed))
        strengths = one.strengths if same is None else (*same.strengths, *one.strengths)
        ordered = sorted(dict.fromkeys(strengths), key=lambda x: distance(one.name, x))
        merged[one.name, one.fixed] = replace(one, strengths=tuple(ordered))
    return sorted(merged.values(), key=lambda one: one.name == "none")


def _one(text: str, weight: Any, strength: Any, cuts: tuple[float, ...]) -> Swept:
    fixed: list[tuple[str, float]] = []
    varied: list[str] = []
    for piece in text.split("+"):
        name, equals, value = piece.strip().partition("=")
        if name not in MECHANISMS:
            raise unknown("--mechanism", name, MECHANISMS)
        if equals:
            fixed.append((name, _strength(name, value)))
        else:
            varied.append(name)
    names = [*varied, *(name for name, _ in fixed)]
    if len(names) > 1 and ("none" in names or len(set(names)) < len(names)):
        raise InputError(
            f"--mechanism {_short(text)}: each acts once, and none acts with no other; accepted: "
            "such as step+peak=3"
        )
    if len(varied) > 1:
        raise InputError(
            f"--mechanism {_short(text)}: of several together, all but one need a strength, "
            f"such as {varied[0]}+{varied[1]}={shown(varied[1], STRENGTHS[varied[1]][-1])}"
        )
    if not varied:
        name, value_ = fixed.pop()
        return Swept(name=name, strengths=(value_,), fixed=tuple(fixed), cuts=cuts)
    name = varied[0]
    strengths: list[Strength]
    if name == "step" and weight is not None:
        strengths = [_weights(item, cuts) for item in _items("--weight", weight)]
    elif strength is not None and name not in ("step", "none"):
        strengths = [_strength(name, item) for item in _items("--strength", strength)]
    else:
        strengths = list(STRENGTHS[name])
    ordered = sorted(dict.fromkeys([NEUTRAL[name], *strengths]), key=lambda x: distance(name, x))
    return Swept(name=name, strengths=tuple(ordered), fixed=tuple(fixed), cuts=cuts)


def _weights(item: Any, cuts: tuple[float, ...]) -> Strength:
    """A weight of step, or with several cuts one for each, joined by colons."""
    several = tuple(_number("--weight", part) for part in str(item).split(":"))
    if len(several) not in (1, len(cuts)):
        raise InputError(
            f"--weight {_short(item)}: {len(several)} weights for {len(cuts)} cuts; accepted: one "
            "for each cut, joined by colons"
        )
    for one in several:
        if not 0.0 <= one <= 1.0:
            raise InputError(f"--weight {one:g}; accepted: {_RANGES['step']}")
    return several[0] if len(set(several)) == 1 else several


def _strength(name: str, item: Any) -> float:
    if name == "carter" and str(item) in CARTER_STRENGTHS:
        return CARTER_STRENGTHS[str(item)]
    if name == "carter" and str(item) not in ("0", "1", "2"):
        raise unknown("--strength", str(item), CARTER_STRENGTHS)
    return _number("--weight" if name == "step" else "--strength", item)


def _short(typed: Any) -> str:
    """What was typed, short enough to be said on a line."""
    return fitted(str(typed), 40)


def _items(option: str, values: Any) -> list[Any]:
    if isinstance(values, (int, float)):  # from Python
        return [values]
    found = values.split(",") if isinstance(values, str) else list(values)
    if not found:
        raise InputError(f"{option} is empty; accepted: a list such as {option} 1,0.5,0.2")
    return found


def _number(option: str, text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not math.isfinite(value):
        typed = _short(text) or "with nothing between commas"
        raise InputError(f"{option} {typed}; accepted: numbers such as 1,0.5,0.2")
    return value


def _numbers(option: str, values: Any) -> tuple[float, ...]:
    return tuple(_number(option, item) for item in _items(option, values))


def capped(
    mechanism: Mechanism, studies: Studies, mu: float, tau: float, typed: str
) -> tuple[int, float | None]:
    """Most studies run for one place, and the share left unpublished where it is an integral.

    typed : the options that ask for the mechanism

    Raises
    ------
    InputError : (nearly) no study would be published.
    """
    from sims.selection_shares import Unpublishable, attempts_cap, by_integral, unpublished_share

    try:
        cap = attempts_cap(mechanism, studies, mu, tau)
    except Unpublishable as share:
        rate = float(str(share))
        few = f"one study in {1.0 / rate:,.0f}" if rate > 0.0 else "no study"
        raise InputError(
            f"{fitted(typed, 48)}: at a mean effect of {mu:.3g}\n"
            f"{few} is published: it would take for ever; accepted: a weaker mechanism"
        ) from None
    exact = unpublished_share(mechanism, studies, mu, tau) if by_integral(mechanism) else None
    return cap, 0.0 if exact is not None and exact < 1e-9 else exact  # error of the integral
