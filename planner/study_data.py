"""The studies of a meta-analysis one by one, as evidence keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.group_sizes import SMALLEST, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyData:
    """The studies of a meta-analysis, one by one; positive effects are benefit.

    Parameters
    ----------
    labels : (k) what each study is called
    yi, vi : (k,) effect sizes and their sampling variances
    n1, n2 : (k,) animals treated and control
    vtype : how vi was calculated, ``"CMA"``, ``"LS"`` or ``"UB"``
    estimator : that gave the pooled numbers
    cluster, control : (k) labels of what depends and of control groups; None where not known
    """

    labels: tuple[str, ...]
    yi: FloatArray
    vi: FloatArray
    n1: FloatArray
    n2: FloatArray
    vtype: str = "CMA"
    estimator: str = "DL"
    cluster: tuple[str, ...] | None = None
    control: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for values in (self.yi, self.vi, self.n1, self.n2):
            values.setflags(write=False)

    @property
    def equal_sizes(self) -> IntArray:
        """(k,) size of two equal groups that know as much as n1 and n2: their harmonic mean.

        2 n1 n2 / (n1 + n2), rounded: the planner simulates equal groups.
        """
        harmonic = 2.0 * self.n1 * self.n2 / (self.n1 + self.n2)
        return np.maximum(SMALLEST, np.rint(harmonic)).astype(np.int64)

    @property
    def dependent(self) -> tuple[str, ...] | None:
        """(k) labels of what depends: clusters, else shared controls, else repeated labels."""
        repeated = self.labels if len(set(self.labels)) < len(self.labels) else None
        return self.cluster or self.control or repeated

    def fields(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def digest_parts(self) -> dict[str, Any]:
        """What determines a calibration, the same text on every machine."""
        fields = self.fields()
        for name in ("yi", "vi", "n1", "n2"):
            fields[name] = [float(value).hex() for value in fields[name]]
        return {name: value for name, value in fields.items() if name != "labels"}
