"""A sheet: what all boxes and edges of one picture share."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from tinygrad_edu.graph.expression import expression, greatest_magnitude, name_text
from tinygrad_edu.graph.fold import enclosing, residual_edges
from tinygrad_edu.graph.modules import ModuleCall
from tinygrad_edu.graph.pictures.heat import Thumbnail, image_stack
from tinygrad_edu.graph.pictures.markup import swatch
from tinygrad_edu.graph.pictures.themes import Theme
from tinygrad_edu.graph.read import Edge, Graph, Node
from tinygrad_edu.graph.steps import incoming

LEAF_ROLES = ("parameter", "buffer", "input", "target", "constant")
DATA_ROLES = ("input", "target", "constant")
# the colour of the cell that layout reserves for a thumbnail, by the thumbnail's number
RESERVED_CELLS = "#ac{:04x}"


@dataclass(frozen=True, eq=False)
class Sheet:
    """A graph, how it is to be drawn, and the thumbnails that have a place in the picture."""

    graph: Graph
    theme: Theme
    values: bool = True
    gradients: bool = True
    thumbnails: list[Thumbnail] = field(default_factory=list)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        return {node.id: node for node in self.graph.nodes}

    @cached_property
    def modules(self) -> dict[str, ModuleCall]:
        return {module.id: module for module in self.graph.modules}

    @property
    def second(self) -> str:
        """The word for what stands below a value: its gradient, or its change."""
        return "grad" if self.graph.second == "gradient" else self.graph.second

    @cached_property
    def residuals(self) -> frozenset[str]:
        """The ids of the edges of residual paths."""
        return residual_edges(self.graph)

    @cached_property
    def arrays(self) -> bool:
        return any(node.shape for node in self.graph.nodes)

    @cached_property
    def folded(self) -> bool:
        return any(node.members for node in self.graph.nodes)

    @cached_property
    def inputs(self) -> dict[str, list[Edge]]:
        """The edges that lead to each node, in the order of the arguments."""
        return incoming(self.graph)

    @cached_property
    def greatest(self) -> float:
        """The greatest |gradient| that is finite: the full bar."""
        return max(
            filter(math.isfinite, [greatest_magnitude(node.gradient) for node in self.graph.nodes]),
            default=0.0,
        )

    @cached_property
    def sparkling(self) -> list[Node]:
        """The nodes that have a sparkline: folded Modules that repeat.

        In a frame that repeats, and has no folded Module in it, the last value has the sparkline.
        """
        repeated = [self.clusters[module.id] for module in self.graph.modules if module.times > 1]
        last = [inside[-1] for inside in repeated if not any(node.members for node in inside)]
        return [node for node in self.graph.nodes if node.series and (node.members or node in last)]

    @cached_property
    def decades(self) -> tuple[int, int]:
        """The powers of ten between which all |gradients| of repeated blocks are."""
        series = [x for node in self.sparkling for x in node.series if 0 < x < math.inf]
        powers = list(map(math.log10, series)) or [0.0]
        least = math.ceil(min(powers)) - 1  # below the least: each bar has a height
        return least, max(math.ceil(max(powers)), least + 1)

    @cached_property
    def pixels(self) -> frozenset[int]:
        """The numbers of pixels of the images that went in flattened.

        A matrix with as many rows or columns, such as a layer's weights, is shown as images too.
        """
        leaves = [
            node.value
            for node in self.graph.nodes
            if node.role in DATA_ROLES and node.value.ndim == 2
        ]
        return frozenset(x.shape[1] for x in leaves if image_stack(x) is not None)

    @cached_property
    def spine(self) -> dict[str, Edge]:
        """For each computed value, the edge from its youngest input; of leaves, from the data.

        Together these edges make the spine.
        """
        at = {node.id: number for number, node in enumerate(self.graph.nodes)}

        def importance(edge: Edge) -> tuple[int, int]:
            role = self.nodes[edge.source].role
            leaf = -1 if role == "input" else -2
            return (leaf if role in LEAF_ROLES else at[edge.source], -edge.argument)

        return {node: max(edges, key=importance) for node, edges in self.inputs.items() if edges}

    @cached_property
    def beside(self) -> dict[str, list[str]]:
        """The leaves that stand beside each operation: at most two, which only it uses."""
        if not self.arrays:
            return {}
        uses = Counter(edge.source for edge in self.graph.edges)
        found: dict[str, list[str]] = {}
        for edge in self.graph.edges:
            source, target = self.nodes[edge.source], self.nodes[edge.target]
            near = (
                source.role in LEAF_ROLES
                and uses[source.id] == 1
                and self.cluster(source) == self.cluster(target)
            )
            if near and edge is not self.spine[target.id]:
                found.setdefault(target.id, []).append(source.id)
        return {target: sources[:2] for target, sources in found.items()}

    @cached_property
    def clusters(self) -> dict[str, list[Node]]:
        """The values in each Module that has more than one, directly or further in."""
        inside: dict[str, list[Node]] = {module.id: [] for module in self.graph.modules}
        for node in self.graph.nodes:
            for module in enclosing(node.module, self.modules):
                inside[module].append(node)
        return {module: nodes for module, nodes in inside.items() if len(nodes) > 1}

    @cached_property
    def inside(self) -> dict[str | None, list[Node]]:
        """The values that are directly in each Module that has a frame, or in none."""
        found: dict[str | None, list[Node]] = {}
        for node in self.graph.nodes:
            found.setdefault(self.cluster(node), []).append(node)
        return found

    def cluster(self, thing: Node | ModuleCall) -> str | None:
        """The innermost Module that has a frame and contains this value or Module."""
        around = enclosing(thing.module if isinstance(thing, Node) else thing.parent, self.modules)
        return next((module for module in around if module in self.clusters), None)

    def expression(self, node: Node) -> str:
        """The right side of a computed value's equation, with names as its frame shortens them."""
        edges = self.inputs[node.id]
        names = {edge.argument: self.name(self.nodes[edge.source], node) for edge in edges}
        return expression(node, names)

    def name(self, thing: Node | ModuleCall, reader: Node | None = None) -> str:
        """A name without the path of the frame around it, or around `reader`: weight, mlp.0."""
        name = thing.name if isinstance(thing, Node) else thing.path
        around = self.cluster(reader or thing)
        if around is None:
            return name_text(name)
        path = self.modules[around].path
        short = name.removeprefix(f"{path}.")
        return name_text(f"{path.rpartition('.')[2]}.{short}" if short[:1].isdecimal() else short)

    def reserve(self, thumbnail: Thumbnail) -> str:
        """Reserve a cell of a thumbnail's size, in a colour by which render.py finds it."""
        self.thumbnails.append(thumbnail)
        return swatch(
            thumbnail.width, thumbnail.height, RESERVED_CELLS.format(len(self.thumbnails) - 1)
        )
