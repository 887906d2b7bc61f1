"""What a truth under selection still lacks: its interval and the share unpublished, simulated.

`planner.selected_calibration` knows both where comparisons are independent and the mechanism
judges a study by its own p. Elsewhere, and where few sets of studies carry an interval, truths from
the prior are kept whose simulated publications are the nearest to the printed one.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import published_numbers, studies_like
from planner.finished_work import Kept, user_store

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.mechanisms import Strength, Swept
    from planner.published import Analysis
    from planner.selected_calibration import Selected

FEW_SETS = 100  # fewer sets of studies carry a joint distribution: its ends are rough
N_UNPUBLISHED = 1 << 14  # simulated syntheses behind a share that is no integral
SETS, SIMULATED = "study-sets", "simulated"  # how an interval was found
_ENDS = ("median", "lb", "ub")
# Sources that these numbers depend on, with those of the truth itself.
_SOURCES = ("conditioning_drawn", "selection_drawn", "performance", "selection_tally")


def few_sets(found: Selected, analysis: Analysis) -> bool:
    """Whether few sets of studies carry an interval; real studies are one set, which is enough."""
    few = found.effective is not None and found.effective < FEW_SETS
    return few and (analysis.data is None or found.joint == SIMULATED)


def completed(
    analysis: Analysis,
    calibration: Calibration,
    varied: Swept,
    strength: Strength,
    found: Selected,
    key: str,
    seed: int,
    jobs: int | None,
) -> Selected:
    """A truth with its interval and the share unpublished, simulated where they are missing.

    key : of the truth, in the store
    """
    if found.mu_lb is not None:
        found = replace(found, joint=SETS)
    if found.mu_lb is not None and found.unpublished is not None and not few_sets(found, analysis):
        return found
    own = _key(key)
    stored = user_store().furthest("selected", own)
    fields = None if stored is None else json.loads(stored.data)
    if fields is None:
        started = time.monotonic()
        fields = _simulated(analysis, calibration, varied.build(strength), found, seed, jobs)
        data = json.dumps(fields).encode()
        user_store().keep([
            Kept(kind="selected", key=own, name=analysis.name, data=data,
                 seconds=time.monotonic() - started)
        ])  # fmt: skip
    if fields["effective"] is None or fields["effective"] < (found.effective or 0.0):
        fields = {"unpublished": fields["unpublished"]}
    if found.unpublished is not None:
        fields = {**fields, "unpublished": found.unpublished}
    return replace(found, **fields)


def _simulated(
    analysis: Analysis, calibration: Calibration, mechanism: Any, found: Selected, seed: int,
    jobs: int | None,
) -> dict[str, Any]:  # fmt: skip
    from sims.conditioning import Infeasible
    from sims.conditioning_drawn import drawn_joint, drawn_quantiles
    from sims.engine import default_jobs
    from sims.selection_shares import attempts_cap
    from sims.selection_tally import draw_published

    studies = studies_like(analysis, calibration.cluster, calibration.share)
    truth = np.array([found.mu]), np.array([found.tau])
    cap = attempts_cap(mechanism, studies, found.mu, found.tau)
    *_, run, _ = draw_published(
        studies, mechanism, *truth, cap, N_UNPUBLISHED, seed, "unpublished, selected"
    )
    run = run[run > 0.0]
    fields: dict[str, Any] = {
        "unpublished": 1.0 - len(run) * len(studies.fixed) / float(run.sum()),
        "effective": None,
    }
    try:
        joint = drawn_joint(
            studies, published_numbers(analysis), mechanism, np.array(calibration.prior), seed,
            default_jobs() if jobs is None else jobs,
        )  # fmt: skip
    except Infeasible:
        return fields
    quantiles = drawn_quantiles(joint, np.array([0.5, 0.025, 0.975]))
    for name, values in zip(("mu", "tau"), quantiles.tolist(), strict=True):
        fields |= {f"{name}_{end}": value for end, value in zip(_ENDS, values, strict=True)}
    return {**fields, "effective": joint.effective, "joint": SIMULATED}


def _key(key: str) -> str:
    sims = resources.files("sims")
    parts = [key, "completed", str(N_UNPUBLISHED)]
    parts += [sims.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in _SOURCES]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]
