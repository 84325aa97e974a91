"""draw: the picture of a graph, which a notebook shows and a file keeps."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.compare import graph_of_changes
from tinygrad_edu.graph.fold import collapse_repeats, deepest_level, fitting_depth, fold
from tinygrad_edu.graph.layers import fold_recurrences, layers_as_boxes
from tinygrad_edu.graph.lines import lines_of_variables, lines_recorded
from tinygrad_edu.graph.neurons import fold_numbers
from tinygrad_edu.graph.pictures.heat import Thumbnail
from tinygrad_edu.graph.pictures.paper import Paper
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.graph.read import Graph, read
from tinygrad_edu.graph.scalars import open_arrays

FRAME_HEIGHT_OF_PICTURE = 640  # CSS pixels of the page's frame in a notebook
MOST_NODES = 400  # more could not be read in a picture
NUMBERS_TO_FOLD = 30  # above, numbers that only lead to an element are folded into it
NODES_TO_FOLD, BOXES_AIMED_AT = 60, 30  # above 60 nodes Modules are folded, to 30 boxes


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A drawn graph, and its DOT source. A notebook shows it; `svg()` and `save(path)` keep it."""

    graph: Graph
    source: str
    thumbnails: Sequence[Thumbnail] = ()  # for the cells that the source reserves
    whole: Graph | None = None  # the graph before it was folded
    direction: str | None = None
    paper: Paper = field(default_factory=Paper)

    def svg(self) -> str:
        """The picture as SVG text, with its background; it can stand in a page as it is."""
        from tinygrad_edu.graph.pictures import render

        finished = render.finished_svg(self.source, self.graph, self.thumbnails)
        return self.paper.finish(finished)

    def html(self) -> str:
        """The picture as a page to walk through: zoom, fold, search, values and paths.

        It is one file that asks for nothing. Every depth is laid out now, up to 3,000 boxes.
        """
        from tinygrad_edu.graph.page.page import picture_page

        return picture_page(self.whole or self.graph, self.graph, self.direction)

    def show(self) -> Any:
        """Open the page in the browser; in a notebook, show it below the cell."""
        from tinygrad_edu.graph.notebook import PageInNotebook
        from tinygrad_edu.graph.opening import show_page

        of_picture = "computation graph", FRAME_HEIGHT_OF_PICTURE
        return show_page(self.html(), lambda page: PageInNotebook(page, *of_picture))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a file, in a folder that is made: its suffix is .svg, .png, .pdf, .html or .dot."""
        from tinygrad_edu.graph.pictures import render
        from tinygrad_edu.graph.pictures.pdf import svg_to_pdf

        formats: dict[str, Callable[[], bytes]] = {
            ".svg": lambda: self.svg().encode(),
            ".dot": self.source.encode,
            ".html": lambda: self.html().encode(),
            ".png": lambda: render.svg_to_png(
                render.finished_svg(self.source, self.graph, self.thumbnails)
            ),
            ".pdf": lambda: svg_to_pdf(
                render.finished_svg(self.source, self.graph, self.thumbnails), self.paper.width
            ),
        }
        suffix = Path(path).suffix.lower()
        if suffix not in formats:
            raise ValueError(
                f"a picture is saved as {', '.join(formats)}, and not as {suffix or str(path)}"
            )
        contents = formats[suffix]()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(contents)

    def __repr__(self) -> str:
        from tinygrad_edu.graph.pictures import render

        return f"<{render.picture_summary(self.graph)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the SVG; without a renderer, how to get one, and the source."""
        from tinygrad_edu.graph.pictures import render

        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except render.RendererError as error:
            return {"text/plain": f"{error}\n\n{self.source}"}


def draw(
    output: Any,
    *inputs: Any,
    theme: str = "light",
    depth: int | None = None,
    values: bool = True,
    gradients: bool = True,
    direction: str | None = None,
    scalars: bool | str = False,
    before: Graph | Picture | Tensor | None = None,
    **paper: Any,
) -> Picture:
    """Draw all that a Tensor was computed from: each value with its gradient ∂output/∂value.

    `draw(model, x)` draws what a copy of the model computes. Names are the caller's variables'; no
    `grad` is touched. `direction` is LR or TB. `depth` folds Modules at that level to a box each;
    `scalars`, True or "all", opens small arrays. `before`, a graph of the same computation, gives
    changes. For papers: theme= (light, dark, auto), style= (plain), legend=, font=, width=.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> draw(x * x + x)  # a notebook shows the picture; .save("graph.svg") keeps it
    <Computation graph of z2 = z1 + x: 3 values, 4 edges>
    """
    caller, given = sys._getframe(1), set[str]()
    names, lines = dict(caller.f_locals), lines_of_variables(caller)
    if callable(output) and not isinstance(output, Tensor):
        with lines_recorded() as recorded:
            output, names, given = result_of_copy(output, inputs, names)
        lines |= recorded
    elif inputs or not isinstance(output, Tensor):
        raise not_to_draw(output)
    if not isinstance(output, Tensor):
        raise not_to_draw(output)
    printed = Paper(theme, **paper)
    if direction not in (None, "LR", "TB"):
        raise ValueError(f"direction is LR or TB, and not {direction!r}")
    if scalars and depth is not None:
        raise ValueError("depth folds a graph and scalars unfolds it: draw with one of them")
    graph = with_inputs(read(output, names, lines), given)
    if before is not None:
        graph = graph_of_changes(graph, graph_behind(before))
    shown, note = numbers_of(graph, scalars) if scalars else fold_if_large(graph, depth)
    picture = make_picture(shown, printed, direction, values, gradients, note)
    return replace(picture, whole=shown if scalars else graph, direction=direction)


def numbers_of(graph: Graph, scalars: bool | str) -> tuple[Graph, str]:
    """The graph number by number; more than 30 are folded into the elements that they add up to."""
    shown = open_arrays(graph, None if scalars == "all" else NUMBERS_TO_FOLD)
    note = "an element is one box, its weights stand on the edges; scalars='all' opens it"
    return shown, note if shown.columns else ""


def graph_behind(x: Graph | Picture | Tensor) -> Graph:
    """The graph that is meant by itself, by its picture, or by the Tensor at its end."""
    if isinstance(x, Tensor):
        return read(x)
    if isinstance(x, Picture):
        return x.whole or x.graph
    if not isinstance(x, Graph):
        raise TypeError(f"before takes a graph, a picture or a Tensor, and got {x!r:.60}")
    return x


def result_of_copy(
    model: Callable[..., Any], inputs: tuple[Any, ...], names: dict[str, Any]
) -> tuple[Any, dict[str, Any], set[str]]:
    """What a copy of the model computes, the variables with the copy in it, the inputs' names.

    The model's own running statistics and random generators stay as they are. Inputs that can have
    a gradient get one, so that all that is computed of them is recorded.
    """
    original, model = model, copy.deepcopy(model)
    named = {id(x): name for name, x in names.items()}
    given = [as_recorded(x, named.get(id(x), f"x{i}")) for i, x in enumerate(inputs, 1)]
    shown = {x.name for x in given if isinstance(x, Tensor) and x.name}
    kept = {name: x for name, x in names.items() if name not in shown}
    return model(*given), {n: model if x is original else x for n, x in kept.items()}, shown


def as_recorded(x: Any, name: str) -> Any:
    """An input as a leaf with a name, if it holds floats; a Tensor and anything else as it is."""
    if isinstance(x, Tensor) or np.asarray(x).dtype.kind != "f":
        return x
    return Tensor(x, requires_grad=True, name=name)


def with_inputs(graph: Graph, names: set[str]) -> Graph:
    """The graph in which the leaves of these names are inputs, though they have gradients."""
    nodes = [
        replace(node, role="input") if node.name in names and node.role == "parameter" else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def not_to_draw(output: Any) -> TypeError:
    """The error for what is no Tensor."""
    several = isinstance(output, tuple | list) and any(isinstance(x, Tensor) for x in output)
    way = ": choose one of them, draw(model(x)[0])" if several else ""
    return TypeError(
        "draw takes a Tensor that was computed, or a model and an example, draw(model, x), and "
        f"got {output!r:.60}{way}"
    )


def make_picture(
    graph: Graph,
    paper: Paper,
    direction: str | None = None,
    values: bool = True,
    gradients: bool = True,
    note: str = "",
) -> Picture:
    """Draw a graph without folding it; the note stands below it."""
    from tinygrad_edu.graph.pictures.dot import dot_source
    from tinygrad_edu.graph.pictures.sheet import Sheet

    sheet = Sheet(graph, THEMES[paper.colours], values, gradients)
    direction = direction or ("TB" if sheet.arrays else "LR")
    source = dot_source(sheet, direction, note, paper.legend)
    return Picture(graph, source, sheet.thumbnails, paper=paper)


def fold_if_large(graph: Graph, depth: int | None) -> tuple[Graph, str]:
    """Fold a graph if that is asked for or needed; also return a note that says so."""
    if depth is None:
        is_large = len(graph.nodes) > NODES_TO_FOLD or any(node.shape for node in graph.nodes)
        boxes = layers_as_boxes(fold_recurrences(graph)) if is_large else graph
        if len(boxes.nodes) > NODES_TO_FOLD and not graph.modules:
            boxes = fold_without_modules(graph)
        if len(boxes.nodes) > MOST_NODES and not graph.modules:
            raise too_many_nodes(len(boxes.nodes))
        if len(boxes.nodes) <= NODES_TO_FOLD or not graph.modules:
            return boxes, opened_by(graph) if boxes is not graph else ""
    distinct = collapse_repeats(graph)
    level = fitting_depth(distinct, BOXES_AIMED_AT) if depth is None else depth
    shown = fold(distinct, level)
    if len(shown.nodes) > MOST_NODES:
        enough = fitting_depth(distinct, BOXES_AIMED_AT) if graph.modules else None
        raise too_many_nodes(len(shown.nodes), enough)
    notes = [f"{len(graph.nodes):,} values"]
    if any(node.members for node in shown.nodes):
        notes.append(f"Modules at level {level} folded to one box each")
    if any(node.series for node in shown.nodes):
        notes.append("blocks that repeat drawn once, as the last of them")
    if depth is None and level <= deepest_level(graph):
        notes.append(f"depth={level + 1} shows more")
    return shown, ", ".join(notes) if len(notes) > 1 else ""


def fold_without_modules(graph: Graph) -> Graph:
    """Fold what was written without Modules: a pattern that is most of it, or neurons."""
    pattern = fold_recurrences(graph, shared=False)
    if 2 * len(pattern.nodes) <= len(graph.nodes) or any(node.shape for node in graph.nodes):
        return pattern
    return fold_numbers(graph)


def opened_by(graph: Graph) -> str:
    """Say how what is one box is opened."""
    what = "layers are" if graph.modules else f"{len(graph.nodes):,} values, parts are"
    return f"{what} one box each, depth={deepest_level(graph) + 1} opens them"


def too_many_nodes(count: int, depth: int | None = None) -> ValueError:
    way = (
        "draw a smaller case (fewer steps, fewer elements), or an earlier value of the same "
        "computation, or write parts of it as nn.Modules, which can be folded"
    )
    if depth:
        way = f"draw(…, depth={depth}) folds the Modules at that level to one box each"
    return ValueError(
        f"the graph has {count:,} nodes, and with more than {MOST_NODES} nothing could be made "
        f"out: {way}"
    )
