"""stepper: one forward and one backward pass as a page that goes through it step by step.

layout.py lays the graph out, panels.py says what happens at each step; here both are put into the
template assets/stepper.html, with a style and scripts. The page asks for nothing from outside, and
runs no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.expression import count_text, equations
from tinygrad_edu.graph.fold import deepest_level, fold
from tinygrad_edu.graph.notebook import frame_of_page
from tinygrad_edu.graph.pictures.themes import THEMES, css_variables
from tinygrad_edu.graph.read import Graph, no_tensor, read
from tinygrad_edu.graph.stepping.update import LastAct, play_last_act

MOST_STEPPED = 40  # nodes, or boxes where Modules are folded
PLACE = re.compile(r"\{\{(\w+)\}\}")  # in the template
SCRIPTS = ("stepper", "quiz", "element", "start")  # a file for each idea, in this order
FRAME_HEIGHT = 780  # CSS pixels of the frame in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Stepper:
    """A graph to step through. `show()` opens it, `save(path)` keeps it; `html` is the page."""

    graph: Graph
    last_act: LastAct | None = None
    quiz: bool = False

    @cached_property
    def html(self) -> str:
        """The whole page, which works from a file and without a network."""
        return page_html(self)

    def show(self) -> Any:
        """Open the page in the browser; in a notebook, show it below the cell."""
        from tinygrad_edu.graph.opening import show_page

        return show_page(self.html, lambda page: self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, whose name ends in .html, in a folder that is made."""
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise ValueError(
                f"a stepper is saved as .html, and not as {Path(path).suffix or str(path)}"
            )
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(self.html, encoding="utf-8", newline="\n")

    def __repr__(self) -> str:
        values, edges = (
            count_text(len(self.graph.nodes), "value"),
            count_text(len(self.graph.edges), "edge"),
        )
        return f"<Stepper of {equations(self.graph)[self.graph.output.id]}: {values}, {edges}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the page in a frame; without a renderer, how to get one."""
        from tinygrad_edu.graph.pictures.render import RendererError

        try:
            frame = frame_of_page(self.html, "step by step", FRAME_HEIGHT)
        except RendererError as error:
            return {"text/plain": f"{error}\n\n{self!r}"}
        return {"text/html": frame, "text/plain": repr(self)}


def stepper(output: Tensor, optimizer: Any = None, *, quiz: bool = False) -> Stepper:
    """Make a page that goes through both passes: forward value by value, backward edge by edge.

    Each step shows upstream × local = share, and the line of source that computed it. With an
    optimizer, its next step follows and what comes of it, on copies: nothing is changed. A quiz
    hides the backward pass's numbers, and grades yours. Names are read off the caller's variables;
    no `grad` is touched. Above 40 values, Modules are folded.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> stepper(x * x + x)  # a notebook shows the page; .save("steps.html") keeps it
    <Stepper of z2 = z1 + x: 3 values, 4 edges>
    """
    if not isinstance(output, Tensor):
        raise no_tensor("stepper", output)
    graph = read(output, sys._getframe(1).f_locals)
    act = None if optimizer is None else play_last_act(output, graph, optimizer)
    graph = fold_to_fit(graph)
    if quiz:
        from tinygrad_edu.graph.stepping.quiz import check_askable

        check_askable(graph)
    return Stepper(graph, act, quiz)


def fold_to_fit(graph: Graph) -> Graph:
    """Fold a graph no more than it takes to leave at most 40 nodes."""
    if len(graph.nodes) <= MOST_STEPPED:
        return graph
    for depth in range(deepest_level(graph), 0, -1):
        if len((folded := fold(graph, depth)).nodes) <= MOST_STEPPED:
            return folded
    raise ValueError(
        f"the graph has {len(graph.nodes):,} values, and a stepper goes through at most "
        f"{MOST_STEPPED}, or through as many Modules: take a smaller case (fewer steps, fewer "
        "elements), or an earlier value of the same computation, or write parts of it as "
        "nn.Modules, which are folded to one box each"
    )


def page_html(made: Stepper) -> str:
    """Fill the template in one pass: what is put in is not searched for places to fill."""
    from tinygrad_edu.graph.stepping.last_act import LastPanels
    from tinygrad_edu.graph.stepping.layout import stepper_svg
    from tinygrad_edu.graph.stepping.panels import START, Panels
    from tinygrad_edu.graph.stepping.pieces import page_json
    from tinygrad_edu.graph.stepping.product import numbers_json
    from tinygrad_edu.graph.stepping.quiz import QUIZ_START, Quiz

    panels = Panels(made.graph)
    steps = panels.all(QUIZ_START if made.quiz else START)
    questions, forms = Quiz(panels).all(len(steps) - 1) if made.quiz else ({}, "")
    if act := made.last_act:
        steps += LastPanels(panels, act, fold_to_fit(act.after)).all()
    style = asset_of_stepper("stepper.css") + theme_css()
    script = "".join(asset_of_stepper(f"{name}.js") for name in SCRIPTS)
    data = {"steps": [step for step, _ in steps], "images": image_uris(panels.images)}
    matrices = {name: numbers_json(x) for name, x in panels.matrices.values()}
    return fill_template(
        asset_of_stepper("stepper.html"),
        {
            "style": style,
            "style_hash": policy_hash(style),
            "script": script,
            "script_hash": policy_hash(script),
            "title": html.escape(panels.equations[made.graph.output.id]),
            "heading": panels.heading(),
            "picture": stepper_svg(made.graph),
            "direction": "down" if panels.sheet.arrays else "across",
            "last": str(len(steps) - 1),
            "questions": forms,
            "panels": "".join(panel for _, panel in steps),
            "data": page_json(data | {"questions": questions, "matrices": matrices}),
        },
    )


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    return PLACE.sub(lambda place: parts[place[1]], template)


def asset_of_stepper(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


def policy_hash(content: str) -> str:
    """The hash by which a Content-Security-Policy allows a script or a style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def image_uris(images: Mapping[bytes, str]) -> dict[str, str]:
    return {
        name: f"data:image/png;base64,{base64.b64encode(png).decode()}"
        for png, name in images.items()
    }


def theme_css() -> str:
    """Write the themes as CSS variables: a page is dark where the reader's system is."""
    light, dark = (
        "".join(f"  {name}: {colour};\n" for name, colour in css_variables(THEMES[theme]).items())
        for theme in ("light", "dark")
    )
    return f":root {{\n{light}}}\n@media (prefers-color-scheme: dark) {{\n:root {{\n{dark}}}\n}}\n"
