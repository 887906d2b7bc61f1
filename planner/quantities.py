"""Published values that remember how they were printed, where, and what kind they are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cited:
    """What every published value carries.

    Parameters
    ----------
    unit : unit of the value, empty for a pure number
    where : place in the source: section, table or figure
    status : ``"reported"``, ``"derived"`` or ``"assumed"``
    note : the derivation or the reason, where the status is not reported
    """

    unit: str = ""
    where: str = ""
    status: str = "reported"
    note: str = ""

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values; `printed` has the digits as printed."""
        return {
            "printed": str(self),
            "unit": self.unit,
            "where": self.where,
            "status": self.status,
            "note": self.note,
        }


@dataclass(frozen=True)
class Quantity(Cited):
    """One number with its digits as printed: 1.30 is not 1.3."""

    value: Decimal

    def __str__(self) -> str:
        return format(self.value, "f")

    @property
    def number(self) -> float:
        """The number, in `unit`."""
        return float(self.value)

    @property
    def decimals(self) -> int:
        """Digits printed after the point."""
        exponent = self.value.as_tuple().exponent
        return max(0, -exponent) if isinstance(exponent, int) else 0

    @property
    def halfwidth(self) -> Decimal:
        """Half a unit of the last printed digit."""
        return Decimal(5).scaleb(-self.decimals - 1)

    @property
    def bounds(self) -> tuple[Decimal, Decimal]:
        """Closed interval of the numbers that are printed like this, exact."""
        return self.value - self.halfwidth, self.value + self.halfwidth

    @property
    def interval(self) -> tuple[float, float]:
        """Closed interval of the numbers that are printed like this."""
        lo, hi = self.bounds
        return float(lo), float(hi)

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {"value": self.number, **super().fields()}


@dataclass(frozen=True)
class Interval(Cited):
    """A published pair of numbers: a confidence interval or a range."""

    lb: Decimal
    ub: Decimal

    def __str__(self) -> str:
        return f"{self.lower} to {self.upper}"

    @property
    def lower(self) -> Quantity:
        """The lower end."""
        return self._end(self.lb)

    @property
    def upper(self) -> Quantity:
        """The upper end."""
        return self._end(self.ub)

    def _end(self, value: Decimal) -> Quantity:
        return Quantity(value, unit=self.unit, where=self.where, status=self.status, note=self.note)

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {"value": [float(self.lb), float(self.ub)], **super().fields()}


@dataclass(frozen=True)
class Wording(Cited):
    """A published value that is text, such as P as printed."""

    text: str

    def __str__(self) -> str:
        return self.text

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {"value": self.text, **super().fields()}


Fact = Quantity | Interval | Wording
