"""What all plots share: one look, no display, and files that are whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molgen.io import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0f766e", "#d9822b", "#4c6fbf", "#a23b72", "#6b8e23", "#7a6651")
STYLE: Any = {
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8592a1",
    "axes.labelcolor": "#1b2430",
    "axes.titlesize": 12,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ee",
    "xtick.color": "#66717f",
    "ytick.color": "#66717f",
    "font.size": 10.5,
}


@contextmanager
def drawing(path: Path, width: float, height: float, dpi: int = 160) -> Iterator[Figure]:
    """Give an empty figure of ``width`` x ``height`` inches; write it as PNG when it is drawn."""
    # the object interface needs no display and keeps no global figure list
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})


def literal(text: str) -> str:
    """Return a name as matplotlib prints it: no formula between ``$``, no label left out."""
    shown = text.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
