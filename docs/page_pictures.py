"""Writes the pictures of pages while they are built, from what the pages' own code leaves."""

import contextlib
import doctest
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tinygrad_edu.graph import Picture, Stepper
from tinygrad_edu.playground.__main__ import write_page

DOCS = Path(__file__).parent
LABS = sorted(DOCS.glob("labs/[1-9]-*.md"))
DRAWN = [
    *sorted(DOCS.glob("course/[12346]-*.md")),
    DOCS / "guides" / "drawing.md",
    DOCS / "guides" / "figures.md",
]
WRONG, RIGHT = "#b35f00", "#0072b2"
FIRST = """
from tinygrad_edu import draw, stepper
for theme in ("light", "dark"): draw(y, theme=theme).save(folder / f"first-{theme}.svg")
stepper(y).save(folder / "first-steps.html")
"""
STYLE = {
    "svg.hashsalt": "labs",
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def names(page):
    """What the names on a page stand for after its examples have run; raises if one fails."""
    text = page.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    with contextlib.chdir(DOCS.parent):
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
    return test.globs


def readme():
    """The README's first picture: what `draw(y)` draws there."""
    shown = names(DOCS.parent / "README.md")
    exec("picture = draw(y)", shown)
    return shown["picture"]


def label(axes, text, end, color):
    """A curve's name, beside its end."""
    axes.annotate(text, end, (4, 0), textcoords="offset points", color=color, va="center")


def draw_costs(axes, page):
    """A lab's two trainings: both costs from 0 up, or on a logarithmic scale if one is large."""
    costs = names(page)
    for kind, color in (("wrong", WRONG), ("right", RIGHT)):
        axes.plot(range(1, len(costs[kind]) + 1), costs[kind], color=color)
        label(axes, kind, (len(costs[kind]), costs[kind][-1]), color)
    title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# Lab ")
    axes.set(title=title, xlabel="step" if len(costs["right"]) > 50 else "epoch")
    if max(costs["wrong"]) > 100:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)


def v_curve(axes, page):
    """Chapter 5: the error of a difference against its step, from one side and from both."""
    h = np.logspace(-14, -0.5, 200)
    for kind, color in (("one_sided", WRONG), ("two_sided", RIGHT)):
        error = np.abs(page[kind](h) - page["slope"])
        axes.loglog(h, error, color=color, lw=1)
        label(axes, kind.replace("_", "-"), (h[-1], error[-1]), color)
    axes.set(title="The error of a difference", xlabel="h")


def valley(axes, page):
    """Chapter 9: a hundred steps of descent, and Newton's, in the valley from above."""
    f, slope, bend = page["valley"], page["grad"](page["valley"]), page["hessian"](page["valley"])

    def path(step, times):
        points = [np.array([-1.0, 1.0])]
        for _ in range(times):
            points.append(points[-1] - step(points[-1]))
        return np.transpose(points)

    x, y = np.meshgrid(np.linspace(-1.4, 1.4, 120), np.linspace(-3.2, 1.6, 120))
    axes.contour(x, y, f((x, y)), np.geomspace(0.1, 200, 14), colors="#c8ccd2", linewidths=0.8)
    newton = path(lambda w: np.linalg.solve(np.asarray(bend(w)), np.asarray(slope(w))), 2)
    axes.plot(*newton, "o-", color=RIGHT, label="Newton, 2 steps")
    descent = path(lambda w: 0.015 * np.asarray(slope(w)), 100)
    axes.plot(*descent, ".-", ms=3, lw=1, color=WRONG, label="descent, 100 steps")
    axes.plot(1, 1, "k*", ms=10)
    axes.set(title="The valley from above", xlabel="w[0]", ylabel="w[1]")
    axes.legend(frameon=False, loc="lower left")


def look_inside(folder):
    """The playgrounds: of `make mnist`'s network, trained if it is not there, and of the guide."""
    checkpoint = DOCS.parent / "build" / "mnist" / "model.safetensors"
    if not checkpoint.exists():
        subprocess.run([sys.executable, "examples/mnist.py"], cwd=DOCS.parent, check=True)
    page = Path(folder, "_static", "playground.html")
    write_page(["--checkpoint", str(checkpoint), "--out", str(page)])
    names(DOCS / "guides" / "playground.md")["moons"].save(page.with_name("moons.html"))


def save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)


def write(folder):
    """All of them: of the first page, the pictures and steppers that pages name, the curves."""
    exec(FIRST, names(DOCS / "index.md") | {"folder": Path(folder, "_static")})
    for page in DRAWN:
        for name, made in names(page).items():
            if isinstance(made, Picture):
                made.save(Path(folder, page.parent.name, f"{name}.svg"))
            if isinstance(made, Stepper):
                made.save(Path(folder, "_static", f"{page.stem}-{name}.html"))
    with matplotlib.rc_context(STYLE):
        for draw, page in ((v_curve, "5-how-to-check-a-gradient.md"), (valley, "9-your-own.md")):
            figure = Figure(figsize=(7.4, 3.6), layout="constrained")
            draw(figure.subplots(), names(DOCS / "course" / page))
            save(figure, Path(folder, "course", f"{draw.__name__}.svg"))
        figure = Figure(figsize=(7.4, 7.4), layout="constrained")
        for axes, page in zip(figure.subplots(3, 2).flat, LABS, strict=True):
            draw_costs(axes, page)
        save(figure, Path(folder, "labs", "curves.svg"))


if __name__ == "__main__":
    readme().save(DOCS / "pictures" / "first.svg")
