"""How every figure looks: colour-blind safe, legible in grey, the same bytes on every run."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008; told apart by dashes as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
FIGURE_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
RC: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.bbox": "tight",
    "svg.fonttype": "none",
}


def new_figure(rows: int = 1, columns: int = 1, width: float = 7.0, height: float = 4.2) -> Any:
    """Figure and axes in the project's style, without touching global settings."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns)
    return figure, axes


def render_figure(figure: Figure, target: IO[bytes], kind: str, name: str) -> None:
    """Write a figure as SVG or PNG; ids depend only on the figure's name."""
    import warnings

    import matplotlib

    with matplotlib.rc_context({**RC, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names of studies in a script that the font lacks: the SVG shows them all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(target, format=kind, dpi=150, metadata=FIGURE_METADATA[kind])


def axes_of(figure: Figure) -> Any:
    """The axes of a figure: one, or an array of several in reading order."""
    import numpy as np

    if len(figure.axes) == 1:
        return figure.axes[0]
    panels = np.empty(len(figure.axes), dtype=object)
    panels[:] = figure.axes
    return panels


def show_in_notebook(figure: Figure, name: str) -> None:
    """Show a figure below the cell of a notebook that is running; elsewhere nothing happens.

    It belongs to no pyplot, which would show it and keep it in memory.
    """
    import sys

    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return
    from io import BytesIO

    from IPython.display import Image, display  # type: ignore[import-not-found]

    target = BytesIO()
    render_figure(figure, target, "png", name)
    display(Image(data=target.getvalue(), alt=name, width=int(96 * figure.get_figwidth())))
