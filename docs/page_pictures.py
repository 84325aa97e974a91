"""Writes the pictures of pages while they are built, from what the pages' own code leaves."""

import contextlib
import doctest
import functools
import json
import sys
from pathlib import Path
from unittest.mock import patch

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

import tinygrad_edu
from tinygrad_edu.graph import Picture, Stepper

DOCS = Path(__file__).parent
LABS = sorted(DOCS.glob("labs/[1-9]-*.md"))
WITH_PICTURES = ("drawing", "figures", "pictures-for-a-paper", "publish-a-page")
GUIDES = [DOCS / "guides" / f"{name}.md" for name in WITH_PICTURES]
COURSE = sorted(DOCS.glob("course/*-*.md"))
WRONG, RIGHT = "C0", "C1"
THEMES = {  # of curves: ground, ink, lines; wrong, right
    "light": ("#ffffff", "#1b2733", "#5b6b7a", "#b35f00", "#0072b2"),
    "dark": ("#12181f", "#e8eef4", "#9fb0c0", "#ff9a52", "#56b4e9"),
}
FIRST = """
from tinygrad_edu import draw, stepper
for theme in ("light", "dark"): draw(y, theme=theme).save(folder / f"first-{theme}.svg")
stepper(y).save(folder / "first-steps.html")
"""


def style(theme):
    """What Matplotlib is told, whatever an example has told it before."""
    ground, ink, lines, wrong, right = THEMES[theme]
    return {
        **{name: it for name, it in matplotlib.rcParamsDefault.items() if name != "backend"},
        **dict.fromkeys(["text.color", "axes.titlecolor", "axes.labelcolor"], ink),
        **dict.fromkeys(["axes.edgecolor", "xtick.color", "ytick.color"], lines),
        **dict.fromkeys(["axes.facecolor", "savefig.facecolor"], ground),
        "axes.prop_cycle": cycler(color=[wrong, right]),
        "svg.hashsalt": "labs",
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
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


def draw_costs(axes, page, costs):
    """A lab's two trainings: both costs from 0 up, or on a logarithmic scale if one is large."""
    for kind, color in (("wrong", WRONG), ("right", RIGHT)):
        axes.plot(range(1, len(costs[kind]) + 1), costs[kind], color=color)
        label(axes, kind, (len(costs[kind]), costs[kind][-1]), color)
    title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# Lab ")
    axes.set(title=title, xlabel="step" if len(costs["right"]) > 50 else "epoch")
    if max(costs["wrong"]) > 100:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0.0)


def v_curve(page):
    """Chapter 7: the error of a difference against its step, from one side and from both."""
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    axes, h = figure.subplots(), np.logspace(-14, -0.5, 200)
    for kind, color in (("one_sided", WRONG), ("two_sided", RIGHT)):
        error = np.abs(page[kind](h) - page["slope"])
        axes.loglog(h, error, color=color, lw=1)
        label(axes, kind.replace("_", "-"), (h[-1], error[-1]), color)
    axes.set(title="The error of a difference", xlabel="h")
    return figure


def valley(page):
    """Chapter 11: a hundred steps of descent, and Newton's, in the valley from above."""
    f, slope, bend = page["valley"], page["grad"](page["valley"]), page["hessian"](page["valley"])
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    axes = figure.subplots()

    def path(step, times):
        points = [np.array([-1.0, 1.0])]
        for _ in range(times):
            points.append(points[-1] - step(points[-1]))
        return np.transpose(points)

    x, y = np.meshgrid(np.linspace(-1.4, 1.4, 120), np.linspace(-3.2, 1.6, 120))
    axes.contour(x, y, f((x, y)), np.geomspace(0.1, 200, 14), colors="#98a2ad", linewidths=0.8)
    newton = path(lambda w: np.linalg.solve(np.asarray(bend(w)), np.asarray(slope(w))), 2)
    axes.plot(*newton, "o-", color=RIGHT, label="Newton, 2 steps")
    descent = path(lambda w: 0.015 * np.asarray(slope(w)), 100)
    axes.plot(*descent, ".-", ms=3, lw=1, color=WRONG, label="descent, 100 steps")
    axes.plot(1, 1, "*", ms=10, color=matplotlib.rcParams["text.color"])
    axes.set(title="The valley from above", xlabel="w[0]", ylabel="w[1]")
    axes.legend(loc="lower left")
    return figure


def attention(page):
    """Chapter 10: where each head looks."""
    figure = page["gpt"].draw(page["model"], "elizabeth")
    ground = matplotlib.rcParams["axes.facecolor"]
    for axes in figure.axes:
        axes.images[0].set_cmap(LinearSegmentedColormap.from_list("weights", [ground, "#2f8fd8"]))
    return figure


CURVES = {7: v_curve, 10: attention, 11: valley}


def darkened(svg):
    """A program's memory, which is drawn on white, on a dark ground."""
    light = ("#ffffff", "#1b2733", "#5b6b7a", "#44546a", "#8a3d6e", "#dde3e9")
    dark = ("#12181f", "#e8eef4", "#9fb0c0", "#7f93a8", "#d27bb0", "#38444f")
    for before, after in zip(light, dark, strict=True):
        svg = svg.replace(before, after)
    return svg


def save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)


def save_made(made, page, folder, end=""):
    """The pictures, steppers and pages among what a page's names stand for."""
    for name, it in made.items():
        if isinstance(it, str) and it.startswith("<!doctype html>"):
            (folder / "_static" / f"{page.stem}-{name}.html").write_text(it, "utf-8")
        if isinstance(it, Picture):
            it.save(folder / page.parent.name / f"{name}{end}.svg")
        if isinstance(it, Stepper):
            it.save(folder / "_static" / f"{page.stem}-{name}.html")


def write_first(folder):
    exec(FIRST, names(DOCS / "index.md") | {"folder": folder / "_static"})


def write_guide(page, folder):
    save_made(names(page), page, folder)


def write_chapter(page, folder):
    """The pictures of a chapter in both themes, its steppers and curves."""
    made, number = names(page), int(page.stem.partition("-")[0])
    save_made(made, page, folder, "-light")
    if any(isinstance(it, Picture) for it in made.values()):
        with patch.object(tinygrad_edu, "draw", functools.partial(tinygrad_edu.draw, theme="dark")):
            save_made(names(page), page, folder, "-dark")
    for theme in THEMES if number in CURVES else ():
        with matplotlib.rc_context(style(theme)):
            draw = CURVES[number]
            save(draw(made), folder / "course" / f"{draw.__name__}-{theme}.svg")
    if number == 9:
        (folder / "course" / "memory-light.svg").write_text(made["memory"], "utf-8")
        (folder / "course" / "memory-dark.svg").write_text(darkened(made["memory"]), "utf-8")


def write_moons(folder):
    """The playground of two moons, from the guide."""
    page = folder / "_static" / "moons.html"
    names(DOCS / "guides" / "playground.md")["moons"].save(page)


def write_lab(page, folder):
    """The costs of a lab's two trainings."""
    found = names(page)
    costs = {kind: [float(cost) for cost in found[kind]] for kind in ("wrong", "right")}
    (folder / f"{page.stem}.json").write_text(json.dumps(costs), "utf-8")


def draw_curves(costs, folder):
    """The trainings of all labs, from what write_lab has left in these files."""
    rows = len(LABS) // 2
    with matplotlib.rc_context(style("light")):
        figure = Figure(figsize=(7.4, 2.47 * rows), layout="constrained")
        for axes, page, file in zip(figure.subplots(rows, 2).flat, LABS, costs, strict=True):
            draw_costs(axes, page, json.loads(file.read_text("utf-8")))
        save(figure, folder / "labs" / "curves.svg")


def has_pictures(page):
    text = page.read_text("utf-8")
    return "-light.svg" in text or f"_static/{page.stem}" in text


PARTS = {
    "first": write_first,
    **{page.stem: functools.partial(write_guide, page) for page in GUIDES},
    **{p.stem: functools.partial(write_chapter, p) for p in COURSE if has_pictures(p)},
    **{page.stem: functools.partial(write_lab, page) for page in LABS},
    "moons": write_moons,
}  # each is run by itself when the pages are built
FOLDERS = "course", "guides", "_static", "labs"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        out = Path(sys.argv[2])
        for name in FOLDERS:
            (out / name).mkdir()
        PARTS[sys.argv[1]](out)
    else:
        readme().save(DOCS / "pictures" / "first.svg")
