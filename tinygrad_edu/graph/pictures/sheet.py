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

LEAF_ROLES = ("parameter", "input", "constant")
# the colour of the cell in which a thumbnail is placed after layout, by the thumbnail's number
SENTINEL = "#ac{:04x}"


@dataclass(frozen=True, eq=False)
class Sheet:
    """A graph, how it is to be drawn, and the thumbnails that have been given a place in the
    picture."""

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

    @cached_property
    def residuals(self) -> frozenset[str]:
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
        found: dict[str, list[Edge]] = {node.id: [] for node in self.graph.nodes}
        for edge in self.graph.edges:
            found[edge.target].append(edge)
        return found

    @cached_property
    def greatest(self) -> float:
        """The greatest |gradient| that is finite: the full bar."""
        return max(
            filter(math.isfinite, [greatest_magnitude(node.gradient) for node in self.graph.nodes]),
            default=0.0,
        )

    @cached_property
    def sparkling(self) -> list[Node]:
        """What has a sparkline: folded Modules that repeat, and the last value in a frame without
        such."""
        repeated = [self.clusters[module.id] for module in self.graph.modules if module.times > 1]
        last = [inside[-1] for inside in repeated if not any(node.members for node in inside)]
        return [node for node in self.graph.nodes if node.series and (node.members or node in last)]

    @cached_property
    def decades(self) -> tuple[int, int]:
        """The powers of ten between which all |gradients| of repeated blocks are."""
        found = [
            math.log10(x) for node in self.sparkling for x in node.series if 0 < x < math.inf
        ] or [0.0]
        least = math.floor(min(found))
        return least, max(math.ceil(max(found)), least + 1)

    @cached_property
    def pixels(self) -> frozenset[int]:
        """How many pixels the images have that went in flattened: a matrix of so many rows or
        columns is shown as images."""
        leaves = [
            node.value
            for node in self.graph.nodes
            if node.role in ("input", "constant") and node.value.ndim == 2
        ]
        return frozenset(x.shape[1] for x in leaves if image_stack(x) is not None)

    @cached_property
    def spine(self) -> dict[str, Edge]:
        """Of each computed value the edge from what was computed last, else the first: together
        they make the spine."""
        at = {node.id: number for number, node in enumerate(self.graph.nodes)}
        return {
            target: max(
                edges,
                key=lambda edge: (
                    at[edge.source] if self.nodes[edge.source].role not in LEAF_ROLES else -1,
                    -edge.argument,
                ),
            )
            for target, edges in self.inputs.items()
            if edges
        }

    @cached_property
    def beside(self) -> dict[str, list[str]]:
        """What stands beside each operation in place of above it: leaves that only it uses, at most
        two."""
        uses, found = Counter(edge.source for edge in self.graph.edges), dict[str, list[str]]()
        for edge in self.graph.edges if self.arrays else ():
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
        """What is in each Module that is more than one value, itself or further in."""
        inside: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            for module in enclosing(node.module, self.modules):
                inside.setdefault(module, []).append(node)
        return {
            module.id: inside[module.id]
            for module in self.graph.modules
            if len(inside.get(module.id, [])) > 1
        }

    def cluster(self, thing: Node | ModuleCall) -> str | None:
        """The innermost Module with a frame of its own that a value or a Module is in."""
        around = enclosing(thing.module if isinstance(thing, Node) else thing.parent, self.modules)
        return next((module for module in around if module in self.clusters), None)

    def expression(self, node: Node) -> str:
        """The right side of a computed value's equation, in the names that it has in its frame."""
        return expression(
            node,
            {
                edge.argument: self.name(self.nodes[edge.source], node)
                for edge in self.inputs[node.id]
            },
        )

    def name(self, thing: Node | ModuleCall, reader: Node | None = None) -> str:
        """The name without what the frame around it, or around a reader, says already: weight,
        mlp.0."""
        name, around = (
            (thing.name if isinstance(thing, Node) else thing.path),
            self.cluster(reader or thing),
        )
        if around is None:
            return name_text(name)
        path = self.modules[around].path
        short = name.removeprefix(f"{path}.")
        return name_text(f"{path.rpartition('.')[2]}.{short}" if short[:1].isdecimal() else short)

    def reserve(self, thumbnail: Thumbnail) -> str:
        """A cell of a thumbnail's size, in a colour by which render.py finds it."""
        self.thumbnails.append(thumbnail)
        return swatch(thumbnail.width, thumbnail.height, SENTINEL.format(len(self.thumbnails) - 1))
