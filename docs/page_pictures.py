"""Writes the pictures of pages while they are built, from what the pages' own code leaves behind."""

import contextlib
import doctest
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from tinygrad_edu.graph import Picture

DOCS = Path(__file__).parent
LABS = sorted(DOCS.glob("labs/[1-9]-*.md"))
FIRST = """
from tinygrad_edu import draw, stepper
for theme in ("light", "dark"): draw(y, theme=theme).save(folder / f"first-{theme}.svg")
stepper(y).save(folder / "first-steps.html")
"""
STYLE = {"svg.hashsalt": "labs", "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold",
         "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False}


def names(page):
    """What the names on a page stand for after its examples have run; an exception if one of them fails."""
    test = doctest.DocTestParser().get_doctest(page.read_text(encoding="utf-8"), {}, page.name, str(page), 0)
    with contextlib.chdir(DOCS.parent):
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
    return test.globs


def draw_costs(axes, page):
    """A lab's two trainings: both costs, from 0 up; on a logarithmic scale if they are of very different sizes."""
    costs = names(page)
    for kind, color in (("wrong", "#b35f00"), ("right", "#0072b2")):
        axes.plot(range(1, len(costs[kind]) + 1), costs[kind], color=color)
        axes.annotate(kind, (len(costs[kind]), costs[kind][-1]), (4, 0), textcoords="offset points", color=color, va="center")
    title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# Lab ")
    axes.set(title=title, xlabel="step" if len(costs["right"]) > 50 else "epoch")
    if max(costs["wrong"]) > 100: axes.set_yscale("log")
    else: axes.set_ylim(bottom=0.0)


def write(folder):
    """The first page's graph and its steps, what the guide to drawing gives a name, and the trainings of the labs."""
    exec(FIRST, names(DOCS / "index.md") | {"folder": Path(folder, "_static")})
    for name, picture in names(DOCS / "guides" / "drawing.md").items():
        if isinstance(picture, Picture): picture.save(Path(folder, "guides", f"{name}.svg"))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 7.4), layout="constrained")
        for axes, page in zip(figure.subplots(3, 2).flat, LABS, strict=True): draw_costs(axes, page)
        figure.savefig(Path(folder, "labs", "curves.svg"), metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)
