"""Figures as SVG inside an HTML page: ids of their own, no size of their own."""

from __future__ import annotations

import re
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: Figure, name: str, text: str) -> str:
    """The figure as an <svg> element whose ids start with its name.

    Parameters
    ----------
    name : unique in the page; two inline figures of matplotlib share dozens of ids
    text : what the figure shows, for those who do not see it
    """
    import matplotlib

    from planner.reports.style import FIGURE_METADATA, RC

    target = BytesIO()
    # Uncropped: places in the figure's coordinates stay places in the SVG.
    with matplotlib.rc_context({**RC, "savefig.bbox": None, "svg.hashsalt": name}):
        figure.savefig(target, format="svg", metadata=FIGURE_METADATA["svg"])
    svg = target.getvalue().decode()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    head, rest = svg.split(">", 1)
    view = re.search(r'viewBox="[^"]+"', head)
    assert view is not None
    return (
        f'<svg {view[0]} xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{escape(text)}">{rest}'
    )


def plot_area(figure: Figure) -> dict[str, float]:
    """The axes of a figure with one, in the coordinates of its inline SVG (points, y down)."""
    figure.draw_without_rendering()
    box = figure.axes[0].get_position()
    width, height = (72.0 * inches for inches in figure.get_size_inches())
    return {
        "left": box.x0 * width, "right": box.x1 * width,
        "top": (1.0 - box.y1) * height, "bottom": (1.0 - box.y0) * height,
    }  # fmt: skip
