"""Writes labs/curves.svg while the pages are built: the cost of each lab's right training, and of its broken one.

The numbers are the pages' own: each is run as it stands, and leaves two lists of costs behind, `right` and `wrong`.
"""

import contextlib
import doctest
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

LABS = sorted(Path(__file__).parent.glob("[1-9]-*.md"))
STYLE = {"svg.hashsalt": "labs", "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold",
         "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False}


def names(page):
    """What the names on a page stand for after its examples have run; an exception if one of them fails."""
    test = doctest.DocTestParser().get_doctest(page.read_text(), {}, page.name, str(page), 0)
    with contextlib.chdir(Path(__file__).parents[2]):
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
    return test.globs


def draw(axes, page):
    """One panel: both costs, from 0 up; on a logarithmic scale if they are of very different sizes."""
    costs = names(page)
    for kind, color in (("wrong", "#b35f00"), ("right", "#0072b2")):
        axes.plot(range(1, len(costs[kind]) + 1), costs[kind], color=color)
        axes.annotate(kind, (len(costs[kind]), costs[kind][-1]), (4, 0), textcoords="offset points", color=color, va="center")
    title = page.read_text().partition("\n")[0].removeprefix("# Lab ")
    axes.set(title=title, xlabel="step" if len(costs["right"]) > 50 else "epoch")
    if max(costs["wrong"]) > 100: axes.set_yscale("log")
    else: axes.set_ylim(bottom=0.0)


def write(folder):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 7.4), layout="constrained")
        for axes, page in zip(figure.subplots(3, 2).flat, LABS, strict=True): draw(axes, page)
        figure.savefig(Path(folder, "labs", "curves.svg"), metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)
