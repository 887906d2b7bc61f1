"""A program of studies: what teaches most per animal about the mean effect, the spread, the decay.

Each option is one possible next step. What it teaches about an unknown is by how much it is
expected to reduce the SD that the published evidence leaves, see `sims.preposterior`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.decay_truth import ReadTruth
    from sims.preposterior import Spread

N_DRAWS, REPS = 1000, 500
RHO = 0.5  # correlation of an animal's measurements, assumed
SMALLEST_GROUP = 3


@dataclass(frozen=True, kw_only=True)
class Step:
    """One possible next study: laboratories, animals per group in each, days of measurement.

    sessions : measurements of each animal at the time of the published tests, averaged
    days : days after treatment on which the half-life is seen; empty where nothing decays
    """

    name: str
    labs: int
    n: int
    sessions: int = 1
    days: tuple[float, ...] = ()

    @property
    def animals(self) -> int:
        return 2 * self.n * self.labs


def steps(n: int, day: float | None) -> list[Step]:
    """What can be done next, around one laboratory with n per group tested on one day."""
    days = () if day is None else (day,)
    found = [
        Step(name="one more laboratory", labs=1, n=n, days=days),
        Step(name="one laboratory, twice the animals", labs=1, n=2 * n, days=days),
        Step(name="two laboratories, half the animals each", labs=2, n=n // 2, days=days),
        Step(name="four laboratories, a quarter of the animals each", labs=4, n=n // 4, days=days),
        Step(name="two more laboratories", labs=2, n=n, days=days),
        Step(name="one laboratory, each animal tested twice and averaged", labs=1, n=n, sessions=2,
             days=days),
    ]  # fmt: skip
    if day is not None:
        found.append(Step(name="one laboratory, one more day: the last of treatment", labs=1, n=n,
                          days=(0.0, day)))  # fmt: skip
        found.append(Step(name="one laboratory, three more days", labs=1, n=n,
                          days=(0.0, day / 4.0, day / 2.0, day)))  # fmt: skip
    return [step for step in found if step.n >= SMALLEST_GROUP]


def program(
    calibration: Calibration,
    n: int,
    decay: ReadTruth | None,
    seed: int,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Every step with what it teaches about mu, tau and the half-life, most per animal first.

    Returns
    -------
    `before`: SD of each unknown now (mu and tau in SDs of the outcome, the half-life as a
    factor); `rows`: of each step the expected share by which each SD falls, with its Monte Carlo
    standard error, and their mean per ten animals; `near`, the steps that the first is not shown to
    exceed; the numbers of draws and of data sets.
    """
    from sims.preposterior import effects_learned, half_life_learned

    pick = np.arange(N_DRAWS) * len(calibration.draws_mu) // N_DRAWS
    mu, tau = calibration.draws_mu[pick], calibration.draws_tau[pick]
    day = None if decay is None else float(np.median(decay.delays))
    rows: list[dict[str, Any]] = []
    before: dict[str, float | None] = {"mu": None, "tau": None, "half_life": None}
    todo = steps(n, day)
    for done, step in enumerate(todo):
        if progress is not None:
            progress("program of studies", done, len(todo))
        # The mean of k measurements with correlation rho has variance (1 + (k - 1) rho) / k.
        factor = (1.0 + (step.sessions - 1) * RHO) / step.sessions
        found: dict[str, Spread] = {}
        found["mu"], found["tau"] = effects_learned(mu, tau, step.labs, step.n, REPS, seed, factor)
        if decay is not None:
            at = np.arange(N_DRAWS) * len(decay.draws_delta0) // N_DRAWS
            found["half_life"] = half_life_learned(
                decay.draws_delta0[at], decay.draws_tau[at], decay.draws_half_life[at],
                step.days, step.labs, step.n, RHO, REPS, seed,
            )  # fmt: skip
        row: dict[str, Any] = {
            "step": step.name, "labs": step.labs, "n": step.n, "animals": step.animals,
            "days": max(len(step.days), step.sessions),
        }  # fmt: skip
        gains = []
        for name in before:
            spread = found.get(name)
            if spread is None:
                row[name] = {"value": None, "mcse": None}
                continue
            before[name] = 2.0**spread.before if name == "half_life" else spread.before
            gain = 1.0 - spread.after / spread.before
            row[name] = {"value": gain, "mcse": spread.mcse / spread.before}
            gains.append(gain)
        row["per_ten"] = 10.0 * float(np.mean(gains)) / step.animals
        errors = [row[name]["mcse"] for name in before if row[name]["mcse"] is not None]
        row["per_ten_mcse"] = 10.0 * float(np.linalg.norm(errors)) / len(errors) / step.animals
        rows.append(row)
    rows.sort(key=lambda row: -float(row["per_ten"]))
    return {"before": before, "rows": rows, "near": _near(rows), "n_draws": N_DRAWS, "n_sim": REPS,
            "rho": RHO, "day": day}  # fmt: skip


def _near(rows: list[dict[str, Any]]) -> list[str]:
    """Steps that this simulation cannot tell from the first: within 1.96 standard errors of it.

    Steps share their random numbers, which the standard error of a difference ignores: it is too
    large rather than too small.
    """
    first = rows[0]
    return [
        str(row["step"]) for row in rows[1:]
        if first["per_ten"] - row["per_ten"]
        < 1.96 * float(np.hypot(first["per_ten_mcse"], row["per_ten_mcse"]))
    ]  # fmt: skip
