"""A result: the answer, the numbers behind it, and how to get them again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner._version import __version__
from planner.errors import InputError
from planner.files import write_folder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner.published import Analysis

# Design columns of a performance row; null where one does not apply.
DESIGN_COLUMNS = (
    "truth", "n", "n1", "n2", "k", "labs", "estimator", "interval", "mechanism", "weight",
    "strength", "detector", "correction", "question", "contrast", "times", "rho", "target",
    "new_studies", "animals", "cluster", "share", "controls", "shape",
)  # fmt: skip
MEASURE_COLUMNS = (
    "measure", "value", "mcse", "ci_lb", "ci_ub", "n_sim", "n_failed", "n_hit", "exact",
)  # fmt: skip


def best(row: Mapping[str, Any]) -> float:
    """Value of a performance row: the exact one where it is known, else the simulated."""
    return float(row["value"] if row["exact"] is None else row["exact"])


def performance_row(measure: Mapping[str, Any], **design: Any) -> dict[str, Any]:
    """One row of `performance`: a measure's numbers and every design column."""
    row = {name: measure.get(name) for name in MEASURE_COLUMNS}
    row |= {name: design.get(name) for name in DESIGN_COLUMNS}
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """A value as JSON knows it: numpy scalars become numbers, NaN and infinities null."""
    if value is None or type(value) in (int, str, bool):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        value = value.tolist()
        return plain(value) if isinstance(value, list) else plain_number(value)
    return plain_number(value)


def _rows(part: Any) -> list[Any] | None:
    """The rows of a part of a document; None where it has none."""
    rows = part.get("rows") if isinstance(part, Mapping) else part
    return rows if isinstance(rows, list) and rows and isinstance(rows[0], Mapping) else None


def plain_number(value: Any) -> Any:
    """None for a float that JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What a command found; holds exactly what `--json` prints.

    Parameters
    ----------
    command, answer : the command, and its answer in plain words
    warnings : what to know before using it, each with a code and a text
    scenario : every option with its value; running it again gives the same numbers
    truth : where the assumed true effects come from
    performance : rows of simulated (and exact) properties
    required_rows : rows of required group sizes
    recommended : the recommended n per group, or None
    provenance : versions, seed and digests
    extra : parts that only this command has
    """

    command: str
    answer: str
    scenario: Mapping[str, Any]
    warnings: Sequence[Mapping[str, str]] = ()
    truth: Mapping[str, Any] = field(default_factory=dict)
    performance: Sequence[Mapping[str, Any]] = ()
    required_rows: Sequence[Mapping[str, Any]] = ()
    recommended: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Callable[[Result], Figure]] = field(default_factory=dict)

    def __repr__(self) -> str:
        tables = ", ".join(name for name in ("frame", "required") if len(getattr(self, name)))
        return f"planner {self.command}: {self.answer}\n[.answer, {tables}, .plot(), .save()]"

    def document(self) -> dict[str, Any]:
        """The JSON object, schema 1."""
        document = {
            "schema": 1, "command": self.command, "version": __version__, "answer": self.answer,
            "warnings": self.warnings, "scenario": self.scenario, "truth": self.truth,
            "performance": self.performance, "required": self.required_rows,
            "recommended": self.recommended, "provenance": self.provenance, **self.extra,
        }  # fmt: skip
        return dict(plain(document))

    def json(self) -> str:
        """The JSON object as text."""
        return json.dumps(self.document(), indent=1, allow_nan=False, ensure_ascii=True)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The performance rows as a table, without columns that are empty throughout."""
        import pandas as pd

        return pd.DataFrame(self.document()["performance"]).dropna(axis=1, how="all")

    @cached_property
    def required(self) -> pd.DataFrame:
        """The required group sizes as a table; a size that does not exist is missing, not NaN."""
        import pandas as pd

        found = pd.DataFrame(self.document()["required"])
        counts = [name for name in ("n", "animals", "ordered") if name in found]
        return found.astype(dict.fromkeys(counts, "Int64"))

    def table(self, name: str) -> pd.DataFrame:
        """A part of the JSON that has rows, as a table: a plan's "sensitivity", "by_day" of decay.

        Raises
        ------
        InputError : no such part.
        """
        import pandas as pd

        found = {key: rows for key, part in self.document().items()
                 if (rows := _rows(part)) is not None}  # fmt: skip
        if name not in found:
            raise InputError(f"no table {name!r}; tables that exist: {', '.join(found)}")
        return pd.json_normalize(found[name])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.answer)}</p>{self.frame.to_html(index=False, max_rows=40)}"

    def plot(self, name: str | None = None) -> Axes | Any:
        """Draw one of the result's figures, the first if no name is given.

        Returns
        -------
        Axes, or an array of them where the figure has several panels; `.figure` of an axes is the
        whole. A notebook shows the figure as well.

        Raises
        ------
        InputError : no such figure.
        """
        from planner.reports.style import axes_of, show_in_notebook

        names = list(self.figures)
        chosen = names[0] if name is None and names else str(name)
        if chosen not in self.figures:
            raise InputError(f"no figure {chosen!r}; figures that exist: {', '.join(names)}")
        figure = self.figures[chosen](self)
        show_in_notebook(figure, chosen)
        return axes_of(figure)

    def save(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write scenario.toml, result.json, performance.csv, provenance.json and the figures.

        Everything is made before anything is written; a new folder is whole or not there.

        Raises
        ------
        InputError : a file exists and `force` is not given, or cannot be written.
        """
        return self._write(Path(folder), self._contents(), force)

    @staticmethod
    def _write(folder: Path, contents: Mapping[str, bytes], force: bool) -> list[Path]:
        existing = [name for name in contents if (folder / name).exists()]
        if existing and not force:
            raise InputError(
                f"{folder / existing[0]} exists; use --force to replace it (in Python: force=True)"
            )
        try:
            write_folder(folder, contents)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
        return [folder / name for name in contents]

    def _contents(self) -> dict[str, bytes]:
        from io import BytesIO

        import tomli_w

        from planner.reports.style import FIGURE_METADATA, render_figure

        scenario = {name: value for name, value in self.scenario.items() if value is not None}
        contents = {
            "scenario.toml": tomli_w.dumps({"command": self.command, **plain(scenario)}).encode(),
            "result.json": (self.json() + "\n").encode(),
            "performance.csv": self.frame.to_csv(index=False, lineterminator="\n").encode(),
            "provenance.json": (json.dumps(plain(self.provenance), indent=1) + "\n").encode(),
        }
        for name, draw in self.figures.items():
            for kind in FIGURE_METADATA:
                target = BytesIO()
                render_figure(draw(self), target, kind, name)
                contents[f"{name}.{kind}"] = target.getvalue()
        return contents


def provenance(seed: int, analysis: Analysis | None = None, /, **digests: str) -> dict[str, Any]:
    """Versions, seed and digests that decide the numbers."""
    import platform

    import llvmlite
    import numba
    import numpy
    import scipy

    from sims.kernels import engine_digest

    evidence = {} if analysis is None else {"evidence": analysis.digest}
    return {
        "version": __version__, "seed": seed, "engine": engine_digest(), **evidence, **digests,
        "python": platform.python_version(), "numpy": numpy.__version__,
        "scipy": scipy.__version__, "numba": numba.__version__, "llvmlite": llvmlite.__version__,
    }  # fmt: skip
