"""Corrections of many syntheses: over lanes where there is such a version, else one by one."""

from sims.corrections import SEL3, correct
from sims.kernels import entry
from sims.lanes.selection import step_models


@entry
def correct_many(yi, vi, correction, truth, estimator, side, switch, out):
    """`sims.corrections.correct` on each row of yi, vi (m, k) with truth (m,).

    out: (m, 9) fields of `sims.smallstudy.Corrected`.
    """
    if correction == SEL3:
        step_models(yi, vi, truth, out)
        return
    for r in range(yi.shape[0]):
        x = correct(yi[r], vi[r], correction, truth[r], estimator, side, switch)
        out[r, 0], out[r, 1], out[r, 2], out[r, 3], out[r, 4] = x[:5]
        out[r, 5], out[r, 6], out[r, 7], out[r, 8] = x[5:]
