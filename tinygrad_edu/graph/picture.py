"""draw: the picture of a graph, which a notebook shows and a file keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tinygrad_edu.engine import Tensor
from tinygrad_edu.graph.model import Graph, members, trace
from tinygrad_edu.graph.themes import THEMES

MOST = 400  # nodes: with more, nothing can be made out


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A drawn graph: its data, and its DOT source. A notebook shows it; `svg()` and `save(path)` give it away."""

    graph: Graph
    source: str

    def svg(self) -> str:
        """The picture as SVG text, with its background; it can stand in a page as it is."""
        from tinygrad_edu.graph import render
        return render.svg(self.source, self.graph)

    def save(self, path: str | PathLike[str]) -> None:
        """Write .svg, .png, .dot or .pdf, as the path ends. A PDF needs Graphviz's own dot."""
        from tinygrad_edu.graph import render
        formats: dict[str, Callable[[], bytes]] = {
            ".svg": lambda: self.svg().encode(), ".dot": self.source.encode,
            ".png": lambda: render.rendered(self.source, "png"), ".pdf": lambda: render.rendered(self.source, "pdf")}
        suffix = Path(path).suffix.lower()
        if suffix not in formats:
            raise ValueError(f"a picture is saved as {', '.join(formats)}, and not as {suffix or str(path)}")
        Path(path).write_bytes(formats[suffix]())

    def __repr__(self) -> str:
        from tinygrad_edu.graph import render
        return f"<{render.summary(self.graph)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the SVG, or how to get a renderer, with the source in the meantime."""
        from tinygrad_edu.graph import render
        try: return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except render.RendererError as error: return {"text/plain": f"{error}\n\n{self.source}"}


def draw(output: Tensor, *, theme: str = "light", direction: str | None = None) -> Picture:
    """Draw all that a Tensor was computed from: every value with its gradient, every edge with its local derivative.

    `theme` is light or dark. `direction` is LR or TB: left out, from left to right if all values are numbers, else from
    top to bottom. An output of more than one number is seeded with ones.
    The gradients are ∂output/∂value, before backward() as after it; no `grad` is touched. What has no name is called as the
    variable that holds it, or by its path in its Module.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> draw(x * x + x)  # a notebook shows the picture; .save("graph.svg") keeps it
    <Computation graph of z2 = z1 + x: 3 values, 4 edges>
    """
    if not isinstance(output, Tensor): raise TypeError(f"draw takes a Tensor that was computed, and got {output!r:.60}")
    if theme not in THEMES: raise ValueError(f"theme is one of {', '.join(THEMES)}, and not {theme!r}")
    if direction not in (None, "LR", "TB"): raise ValueError(f"direction is LR or TB, and not {direction!r}")
    if (count := len(members(output))) > MOST:
        raise ValueError(f"the graph has {count} nodes, and with more than {MOST} nothing could be made out: draw a "
                         "smaller case (fewer steps, fewer elements), or an earlier value of the same computation")
    from tinygrad_edu.graph.dot import dot
    graph = trace(output, sys._getframe(1).f_locals)
    arrays = any(node.shape for node in graph.nodes)
    return Picture(graph, dot(graph, THEMES[theme], direction or ("TB" if arrays else "LR")))
