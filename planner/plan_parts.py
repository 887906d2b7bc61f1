"""What the words of a plan are made from: everything that was found, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.designs import Design
    from planner.published import Analysis
    from planner.questions import Truth
    from planner.results import Result

# What only the laboratory knows: marked [like this] wherever it is needed, never invented.
FILLS = {
    "species and strain": "such as rat, Sprague-Dawley",
    "sex": "female, male or both",
    "treatment, dose and route": "of the treated group",
    "control treatment": "such as vehicle by the same route",
    "sham group": "sham-operated or untreated animals: how many, or none and why",
    "experimental unit": "the animal; the cage, if all animals of a cage are treated together",
    "outcome and its unit": "the primary outcome",
    "SD of the outcome": "within a group, from your own data",
    "time of the test": "after the last dose",
    "animals per cage": "a whole number; cages are then counted",
    "method of randomization": "such as random numbers in blocks of one cage",
    "order and cages": "how the order of treatment and testing and the place of cages are kept "
                       "from mattering",
    "criteria of exclusion": "set before the experiment",
    "who is blinded": "treatment, testing, analysis",
    "checks of assumptions": "such as quantile plots of all groups, and Welch's test if spreads "
                             "differ",
    "software": "of the analysis, with its version",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that a plan found; effects in SDs.

    Parameters
    ----------
    truth : the one that is planned for
    discount : why a discounted truth is what it is: selection, se-read-as-sd or share
    trivial : a test against zero would test nothing worth knowing
    base : of `planner.power` at every size
    designs : the design to plan first; empty where no size answers the question
    neighbours : fewer and more animals
    sensitivity : what would change the answer
    """

    analysis: Analysis
    calibration: Calibration
    truth: Truth
    discount: str
    trivial: bool
    design: Design
    base: Result
    targets: Sequence[float]
    plan_for: str
    budget: int | None
    sd: float | None
    unit: str | None
    designs: Sequence[Mapping[str, Any]]
    neighbours: Sequence[Mapping[str, Any]]
    sensitivity: Sequence[Mapping[str, Any]]

    @property
    def chosen(self) -> Mapping[str, Any] | None:
        """The design that is planned."""
        return self.designs[0] if self.designs else None

    @property
    def over_budget(self) -> bool:
        """Whether the recommended design costs more animals than there are."""
        return bool(self.designs) and self.designs[0]["role"] == "budget"

    def in_unit(self, value: float) -> str:
        """A difference of so many SDs, in the outcome's unit as well where its SD is known."""
        text = f"{value:.2f} SDs"
        return text if self.sd is None else f"{text} ({value * self.sd:.3g} {self.unit or 'units'})"
