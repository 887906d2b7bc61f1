"""Which truths give a published meta-analysis if studies were selected before publication.

For each strength of a mechanism: the matched truth, and, where comparisons are independent and the
mechanism judges a study's own p, the joint distribution; elsewhere `planner.selected_joint`
simulates it where it is asked for. Results are kept on disk; what `planner power` needs ships with
the package.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import Calibration, pseudo_studies, published_numbers, studies_like
from planner.errors import InputError
from planner.files import write_atomically
from planner.finished_work import Kept, user_store
from planner.kept_calibrations import shipped_folder
from planner.mechanisms import Strength, Swept, shown
from planner.questions import DISCOUNT
from planner.selected_joint import completed
from planner.small_study_check import small_study_check

if TYPE_CHECKING:
    from planner.published import Analysis
    from sims.conditioning_selected import StudySets

N_MATCH = 1 << 15  # simulated syntheses behind each median
N_CHECK = 1 << 14
N_SETS = 2000  # of studies behind a joint distribution
N_CELLS = 32  # of its grid, along mu and along tau
_STEPS = 3  # that progress is shown in
STAGE = "truths under selection"
DISCOUNT_WEIGHT = 0.2  # of the truth called "discounted"
DISCOUNTED = Swept(name="step", strengths=(DISCOUNT_WEIGHT,))
SHIPPED = "selected.json"
# Sources that these truths depend on; a change in any of them makes them out of date.
_SOURCES = (
    "streams", "tables", "chi", "effects", "syntheses", "student", "smallstudy_names", "selection",
    "selection_shares", "selection_pooling", "conditioning_selected",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Selected:
    """Truths that give the published numbers under a mechanism at one strength; effects in SDs.

    Parameters
    ----------
    analysis, cluster, share, mechanism, weight, strength : what was calibrated
    mu, tau : the matched truth; status ``"interior"`` or ``"boundary"`` (tau = 0); mcse of both
    mu_median, mu_lb, mu_ub, tau_median, tau_lb, tau_ub : of the joint distribution; None where it
        is not known
    effective : effective number of the sets of studies, or of simulated syntheses, behind it
    unpublished : share of the studies run that nobody sees, at the matched truth; None where it
        is no integral and was not simulated
    joint : how the joint distribution was found: ``"study-sets"`` or ``"simulated"``
    check : published against simulated median and 95% interval, by statistic
    """

    analysis: str
    cluster: str
    share: float
    mechanism: str
    weight: Any
    strength: Any
    mu: float
    tau: float
    status: str
    mu_mcse: float
    tau_mcse: float
    mu_median: float | None
    mu_lb: float | None
    mu_ub: float | None
    tau_median: float | None
    tau_lb: float | None
    tau_ub: float | None
    effective: float | None
    unpublished: float | None
    check: tuple[dict[str, Any], ...]
    joint: str | None = None

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return asdict(self)


def calibrate_selected(
    analysis: Analysis,
    calibration: Calibration,
    varied: Swept,
    *,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    complete: bool = False,
) -> list[Selected]:
    """Truths that give the published numbers under each strength of a mechanism.

    calibration : without selection, of the same clusters
    complete : simulate intervals and shares unpublished that are not known otherwise

    Raises
    ------
    InputError : a strength under which no truth gives the published numbers.
    """
    found: list[Selected] = []
    sets: StudySets | None = None
    for done, strength in enumerate(varied.strengths):
        started = time.monotonic()

        def step(part: int, done: int = done) -> None:
            if progress is not None:
                progress(STAGE, _STEPS * done + part, _STEPS * len(varied.strengths))

        key = _key(analysis, calibration, varied, strength, seed)
        kept = _kept(key)
        if kept is None:
            step(0)
            if sets is None and _joint_known(analysis, calibration, varied, strength):
                sets = _sets(analysis, calibration, jobs)
            step(1)  # a third of the work; the search for the truth is the rest
            kept = _calculate(analysis, calibration, varied, strength, sets, seed, jobs)
            _keep(kept, key, time.monotonic() - started)
        if complete:
            kept = completed(analysis, calibration, varied, strength, kept, key, seed, jobs)
        found.append(kept)
        step(_STEPS)
    return found


def selected_truth(
    analysis: Analysis,
    calibration: Calibration,
    varied: Swept,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    *,
    complete: bool = False,
) -> Selected | None:
    """The truth under the first strength; None where none gives the published numbers."""
    try:
        return calibrate_selected(
            analysis, calibration, varied, jobs=jobs, progress=progress, complete=complete
        )[0]
    except InputError:
        return None


def discounted(
    analysis: Analysis,
    calibration: Calibration,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> tuple[float, float]:
    """The truth (mu, tau) if the literature flatters: the one that planning is sceptical with.

    The matched truth under step selection of weight 0.2; where the published effect is so large
    that standard errors may have been read as SDs, effects divided by the root of the group size.
    """
    if reads_se_as_sd(calibration.mu):
        root = float(np.sqrt(analysis.sizes.median))
        return calibration.mu / root, calibration.tau / root
    found = selected_truth(analysis, calibration, DISCOUNTED, jobs, progress)
    if found is None:
        return (1.0 - DISCOUNT) * calibration.mu, calibration.tau
    return found.mu, found.tau


def discount_reason(calibration: Calibration, mu: float, tau: float) -> str:
    """Why `discounted` is what it is: "selection", "se-read-as-sd", or "share": a quarter off."""
    if reads_se_as_sd(calibration.mu):
        return "se-read-as-sd"
    taken_off = (mu, tau) == ((1.0 - DISCOUNT) * calibration.mu, calibration.tau)
    return "share" if taken_off else "selection"


def reads_se_as_sd(mu: float) -> bool:
    """Whether an effect is so large that published standard errors may have been read as SDs."""
    return abs(mu) > 3.0


def _joint_known(
    analysis: Analysis, calibration: Calibration, varied: Swept, strength: Strength
) -> bool:
    from sims.selection_shares import by_integral

    return calibration.share == 0.0 and by_integral(varied.build(strength))


def _sets(analysis: Analysis, calibration: Calibration, jobs: int | None) -> StudySets:
    """Sets of studies that reproduce the publication; the real ones where evidence keeps them."""
    from sims.conditioning_selected import study_sets
    from sims.effects import VARIANCES, sampling_variance
    from sims.engine import default_jobs

    if analysis.data is not None:
        data = analysis.data
        yi, n1, n2 = data.yi[None], data.n1[None].astype(float), data.n2[None].astype(float)
        code = VARIANCES[data.vtype]
    else:
        yi, _, ni = (part[:N_SETS] for part in pseudo_studies(calibration, analysis))
        n1, n2, code = ni, ni, VARIANCES["CMA"]
    factor = {
        (a, b): sampling_variance(a, b, code)[0]
        for a, b in {(float(a), float(b)) for a, b in zip(n1.ravel(), n2.ravel(), strict=True)}
    }
    j = np.array([factor[a, b] for a, b in zip(n1.ravel(), n2.ravel(), strict=True)])
    prior = np.array(calibration.prior)
    jobs = default_jobs() if jobs is None else jobs
    return study_sets(yi / j.reshape(yi.shape), n1, n2, prior, N_CELLS, jobs)


def _calculate(
    analysis: Analysis,
    calibration: Calibration,
    varied: Swept,
    strength: Strength,
    sets: StudySets | None,
    seed: int,
    jobs: int | None,
) -> Selected:
    from sims.conditioning import Infeasible
    from sims.conditioning_selected import (
        joint_quantiles,
        joint_selected,
        match_selected,
    )
    from sims.engine import default_jobs
    from sims.selection_pooling import simulate_selected
    from sims.selection_shares import by_integral, unpublished_share

    jobs = default_jobs() if jobs is None else jobs
    built = varied.build(strength)
    studies = studies_like(analysis, calibration.cluster, calibration.share)
    published = published_numbers(analysis)
    start = (calibration.mu, calibration.tau)
    try:
        match = match_selected(studies, published, built, start, N_MATCH, seed, jobs)
    except Infeasible as why:
        raise InputError(
            f"{analysis.name}: no truth gives the published numbers under {varied.label} at "
            f"{shown(varied.name, strength)}\n({why}); accepted: a weaker mechanism"
        ) from None
    quantiles: list[list[float | None]] = [[None] * 3, [None] * 3]
    effective = None
    if sets is not None and by_integral(built):
        joint = joint_selected(sets, built)
        quantiles = joint_quantiles(joint, np.array([0.5, 0.025, 0.975])).tolist()
        effective = joint.effective
    rows = simulate_selected(studies, built, match.mu, match.tau, N_CHECK, seed, "check", jobs)
    truth = (np.array([match.mu]), np.array([match.tau]))
    small = small_study_check(analysis, {"matched": truth}, calibration, seed, built)
    hidden = None
    if by_integral(built):
        hidden = max(0.0, unpublished_share(built, studies, match.mu, match.tau))
    (mu_median, mu_lb, mu_ub), (tau_median, tau_lb, tau_ub) = quantiles
    return Selected(
        analysis=analysis.name, cluster=calibration.cluster, share=calibration.share,
        **varied.columns(strength), mu=match.mu, tau=match.tau, status=match.status,
        mu_mcse=match.mu_mcse, tau_mcse=match.tau_mcse, mu_median=mu_median, mu_lb=mu_lb,
        mu_ub=mu_ub, tau_median=tau_median, tau_lb=tau_lb, tau_ub=tau_ub, effective=effective,
        unpublished=hidden, check=(*_check(analysis, rows), *small),
    )  # fmt: skip


def _check(analysis: Analysis, rows: np.ndarray) -> list[dict[str, Any]]:
    kind, value = analysis.heterogeneity_kind, analysis.heterogeneity.number
    printed = {
        "g": (0, analysis.g.number), "se": (1, analysis.se_number),
        "I2": (4, value if kind == "I2" else None),
    }  # fmt: skip
    found = []
    for name, (column, number) in printed.items():
        low, median, high = np.nanquantile(rows[:, column], [0.025, 0.5, 0.975])
        found.append({
            "truth": "matched", "statistic": name, "published": number, "median": float(median),
            "lb": float(low), "ub": float(high), "n_sim": len(rows),
            "below": None if number is None else float(np.mean(rows[:, column] < number)),
        })  # fmt: skip
    return found


# Kept on disk --------------------------------------------------------------------------------


def _key(
    analysis: Analysis, calibration: Calibration, varied: Swept, strength: Strength, seed: int
) -> str:
    """Digest of everything that a truth under selection depends on."""
    sims = resources.files("sims")
    parts = [analysis.name, analysis.digest, calibration.cluster, repr(calibration.share)]
    parts += [repr(varied.columns(strength)), repr(varied.cuts), str(seed)]
    parts += [f"{number:.6f}" for number in (calibration.mu, calibration.tau, *calibration.prior)]
    parts += [str(number) for number in (N_MATCH, N_CHECK, N_SETS, N_CELLS)]
    parts += [sims.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in _SOURCES]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def _kept(key: str) -> Selected | None:
    """A truth kept under this key, with the package or in the user's store."""
    try:
        content = (shipped_folder() / SHIPPED).read_bytes()
    except OSError:
        content = b"{}"
    found = _read(content, key)
    if found is None:
        stored = user_store().furthest("selected", key)
        found = None if stored is None else _read(stored.data, key)
    return found


def _read(content: bytes, key: str) -> Selected | None:
    try:
        entry = json.loads(content)[key]
        return Selected(**{**entry, "check": tuple(entry["check"])})
    except (ValueError, KeyError, TypeError):
        return None


def _keep(found: Selected, key: str, seconds: float) -> None:
    """Keep a truth in the user's store; where that fails the next run takes as long."""
    data = json.dumps({key: found.fields()}).encode()
    user_store().keep([
        Kept(kind="selected", key=key, name=found.analysis, data=data, seconds=seconds)
    ])  # fmt: skip


def ship(pairs: list[tuple[Analysis, Calibration]]) -> int:
    """Calculate and write what ships: the truths called "discounted"; returns how many.

    Of effects so large that SEs may have been read as SDs, too: a decay starts from them.
    """
    entries = {}
    for analysis, calibration in pairs:
        found = selected_truth(analysis, calibration, DISCOUNTED)
        if found is None:
            continue
        entries[_key(analysis, calibration, DISCOUNTED, DISCOUNT_WEIGHT, 1)] = found.fields()
    text = json.dumps(dict(sorted(entries.items())), indent=1)
    with write_atomically(shipped_folder() / SHIPPED) as file:
        file.write((text + "\n").encode())
    return len(entries)
