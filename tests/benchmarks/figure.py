"""How time grows with batch, width and depth: what an operation costs, and what a FLOP does."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

INK, MUTED, GREY = "#1b2733", "#5b6b7a", "#c3ccd5"
LOOKS = {
    "numpy_by_hand": (INK, "-", "o"),
    "numpy_with_buffers": (MUTED, "--", "o"),
    "bare_engine": (MUTED, ":", "x"),
    "ours_eager": ("#0072b2", "-", "s"),
    "ours_replay": ("#0072b2", "--", "s"),
    "ours_numba": ("#0072b2", "-.", "s"),
    "ours_jax": ("#0072b2", ":", "s"),
    "torch_eager": ("#b35f00", "-", "^"),
    "jax_jit": ("#8a3d6e", "--", "v"),
    "hips_autograd": ("#00795a", "-", "D"),
    "mygrad": ("#8b7500", "-", "P"),
}
TITLE = "Small networks cost calls, large ones FLOPs: a step of training"
PANELS = {
    "batch": "784-16-16-10, batch n",
    "width": "784-n-n-10, batch 32",
    "depth": "784-16-…-16-10, n times 16, batch 32",
}
SETTINGS = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.edgecolor": GREY,
    "legend.frameon": False,
    "figure.dpi": 110,
}


def draw(run: dict[str, Any], path: Path) -> None:
    """The curves of one run as a picture: a column for each thing that grows."""
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(11, 7.2))
        grid = figure.subplots(2, len(PANELS), sharex="col", sharey="row", squeeze=False)
        for axes, (what, title) in zip(grid.T, PANELS.items(), strict=True):
            plot(axes[0], run, what, "operations", 1e6)
            plot(axes[1], run, what, "flops", 1e12)
            axes[0].set_title(title)
            axes[1].set_xlabel(f"{what} n")
        grid[0, 0].set_ylabel("µs per operation")
        grid[1, 0].set_ylabel("ps per FLOP of the matrix products")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        tight = {"fontsize": 8, "columnspacing": 0.9, "handletextpad": 0.4}
        place = {"loc": "upper left", "bbox_to_anchor": (0.067, 0.95), "ncols": 6}
        figure.legend(handles, labels, **place, **tight)
        figure.suptitle(TITLE, fontsize=13, fontweight="bold", x=0.072, y=0.975, ha="left")
        figure.text(0.072, 0.012, conditions(run), color=MUTED, fontsize=8)
        figure.subplots_adjust(left=0.075, right=0.985, top=0.855, bottom=0.095)
        figure.subplots_adjust(hspace=0.1, wspace=0.08)
        figure.savefig(path)


def conditions(run: dict[str, Any]) -> str:
    machine = run["machine"]
    return (
        f"{machine['processor']}, {machine['BLAS']}, threads: {run['threads']}, "
        "float32, medians; dashed: nothing is recorded or allocated anew"
    )


def plot(axes: Axes, run: dict[str, Any], what: str, unit: str, scale: float) -> None:
    """Every contender's curve: the time of a step, divided by how many of the unit it has."""
    points = run["curves"][what]
    sizes = [int(n) for n in points]
    for name, label in run["names"].items():
        color, line, marker = LOOKS[name]
        times = [scale * median(p["times"][name]) / p[unit] for p in points.values()]
        look = {"color": color, "linestyle": line, "marker": marker}
        axes.loglog(sizes, times, **look, markersize=3.5, linewidth=1.3, label=label)
    axes.grid(color=GREY, linewidth=0.4, alpha=0.6)
    axes.set_xticks(sizes, labels=list(points))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.minorticks_off()
