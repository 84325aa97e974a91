"""What the stepper shows at each step: the formula, its numbers or heat maps, the source; and the
same in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Array
from tinygrad_edu.graph.expression import (
    equations,
    expression,
    extent,
    many,
    readable,
    sized,
    true_minus,
)
from tinygrad_edu.graph.pictures.arrays import mapped
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.graph.read import Graph, Node
from tinygrad_edu.graph.stepping.layout import shown
from tinygrad_edu.graph.stepping.pieces import (
    figure,
    formula,
    image,
    listing,
    math,
    note,
    number,
    panel,
    paragraph,
    row,
    ruled,
    scale,
    then,
)
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.calculus import (
    computed,
    contribution_formula,
    derivative_formula,
    names_of,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import Formula
from tinygrad_edu.graph.text.paths import paths_to

ENLARGED = 1.15  # CSS pixels for a point of a thumbnail
FEW = 4  # inputs of which a panel shows heat maps
SHORT = 12  # nodes of a graph that is written out as one expression
COMMA = '<mo>,</mo><mspace width="0.6em"></mspace>'
START = (
    "Forward: each value is computed from its inputs. Backward: the gradient of the output is "
    "sent back along the "
    "same edges; where a value is used twice, what arrives is added up."
)
Step = tuple[dict[str, Any], str]  # the page's data, and the panel


@dataclass(frozen=True, eq=False)
class Panels:
    """All steps of a graph. Heat maps that are alike are kept once, by their pixels."""

    graph: Graph
    images: dict[bytes, str] = field(default_factory=dict)  # the name of each PNG

    @cached_property
    def sheet(self) -> Sheet:
        return Sheet(self.graph, THEMES["light"])

    @cached_property
    def names(self) -> dict[str, Formula]:
        return names_of(self.graph)

    @cached_property
    def equations(self) -> dict[str, str]:
        return equations(self.graph)

    def all(self) -> list[Step]:
        """Before the first; forward; the gradient that backward begins with; backward."""
        walk = steps(self.graph)
        seed = (
            []
            if self.graph.output.gradient is None
            else [self.seed(self.graph.output, self.graph.output.gradient)]
        )
        return [
            (data("start", START), panel("start", "Before the first step", paragraph(START))),
            *[self.forward(step) for step in walk if isinstance(step, Forward)],
            *seed,
            *[self.backward(step) for step in walk if isinstance(step, Backward)],
        ]

    def heading(self) -> str:
        """What is computed: a value that is used once is written where it is used, if there are
        few."""
        if len(self.graph.nodes) > SHORT:
            return f"<math>{self.equation(self.graph.output)}</math>"
        uses, names, named = (
            Counter(edge.source for edge in self.graph.edges),
            dict(self.names),
            [self.graph.output],
        )
        for node in self.graph.nodes[:-1]:
            if node.operation and uses[node.id] > 1:
                named.append(node)
            elif node.operation:
                names[node.id] = computed(self.graph, node, names)
        return math(COMMA.join(self.equation(node, names) for node in named))

    # Forward

    def forward(self, step: Forward) -> Step:
        """A value is given or computed."""
        node, between = step.node, [edge.id for edge in self.sheet.inputs[step.node.id]]
        title = f"{readable(node.name)} is {'computed' if node.operation else 'given'}"
        body, words = (
            self.arrays if node.shape or any(x.shape for x in step.inputs) else self.numbers
        )(step)
        if node.members:
            body += paragraph(
                f"{node.operation}, folded to one box: {many(len(node.members), 'operation')}, "
                f"{many(node.parameters, 'parameter')}."
            )
        found = data(
            "forward", f"{title}: {words}", node, dict.fromkeys(x.id for x in step.inputs), between
        )
        return found | {
            "value": true_minus(shown(node.value)),
            "numbers": {"value": plain(node.value)},
        }, panel("forward", title, body)

    def numbers(self, step: Forward) -> tuple[str, str]:
        """s = a + b, and the same with numbers in place of the names."""
        node, inputs = step.node, zip(self.sheet.inputs[step.node.id], step.inputs, strict=True)
        if not node.operation:
            return ruled(formula(f"{readable(node.name)} = {extent(node.value)}")), extent(
                node.value
            )
        plugged = expression(node, {edge.argument: bracketed(x.value) for edge, x in inputs})
        return (
            ruled(math(self.equation(node)) + formula(f"= {plugged} = {extent(node.value)}")),
            f"{self.equations[node.id]} = {plugged} = {extent(node.value)}",
        )

    def arrays(self, step: Forward) -> tuple[str, str]:
        """Heat maps of the inputs and of the result."""
        node, inputs = step.node, list(dict.fromkeys(step.inputs))
        if not node.operation:
            return row([self.tile(node.role, self.symbol(node), node)]), sized(node.shape)
        tiles = [self.tile("" if x.operation else x.role, self.symbol(x), x) for x in inputs[:FEW]]
        if len(inputs) > FEW:
            tiles.append(then(f"and {len(inputs) - FEW} more"))
        words = (
            f"{self.equations[node.id]}, {' and '.join(sized(x.shape) for x in inputs)} → "
            f"{sized(node.shape)}"
        )
        return ruled(math(self.equation(node))) + row(
            [*tiles, then("→", self.tile("result", self.symbol(node), node))]
        ), words

    # Backward

    def seed(self, node: Node, gradient: Array) -> Step:
        """The gradient of the output with respect to itself."""
        title, why = (
            f"Backward begins at {readable(node.name)}",
            "A change of the output changes the output as much.",
        )
        if node.shape:
            why = (
                "The output is more than one number: it is seeded with ones, as if its sum had "
                "been taken."
            )
        body = ruled(math(f"{self.slope(node)}<mo>=</mo><mn>1</mn>")) + paragraph(why)
        found = data("backward", f"{title}: its gradient with respect to itself is 1. {why}", node)
        return found | {"gradient": shown(gradient), "numbers": {"after": plain(gradient)}}, panel(
            "backward", title, body
        )

    def backward(self, step: Backward) -> Step:
        """upstream × local = contribution, which is added to what was there."""
        title, reason = (
            f"{readable(step.target.name)} passes its gradient to {readable(step.source.name)}",
            summed(step),
        )
        body = (
            self.rule(step)
            + self.product(step)
            + self.addition(step)
            + (paragraph(reason) if reason else "")
        )
        listed, ways = self.ways(step)
        numbers = {
            "upstream": step.upstream,
            "local": step.edge.local,
            "contribution": step.contribution,
            "before": step.before,
            "after": step.after,
        }
        found = data(
            "backward",
            f"{title}: {in_words(step)}. {reason}".rstrip(),
            step.source,
            [step.target.id],
            [step.edge.id],
        )
        return found | {
            "gradient": true_minus(shown(step.after)),
            "ways": ways,
            "numbers": {name: plain(np.asarray(x)) for name, x in numbers.items() if x is not None},
        }, panel("backward", title, body, origin(step) + listed)

    def rule(self, step: Backward) -> str:
        """∂L/∂s += ∂L/∂t · ∂t/∂s = ∂L/∂t · (1 − t²), as far as there is a formula."""
        passed, chain = (
            self.passed(step),
            f"{self.slope(step.target)}<mo>·</mo>{self.partial(step)}",
        )
        right = (
            [chain]
            if passed is None
            else [passed.mathml]
            if self.local(step) is None
            else [chain, passed.mathml]
        )
        plus = "=" if step.before is None and step.complete else "+="
        return ruled(math(f"{self.slope(step.source)}<mo>{plus}</mo>{'<mo>=</mo>'.join(right)}"))

    def product(self, step: Backward) -> str:
        """upstream × local = contribution as numbers or as heat maps; for matrices what upstream
        was multiplied with."""
        upstream = self.tile("upstream", self.slope(step.target), step.target, step.upstream)
        result, local = (
            self.tile("contribution", "", step.source, step.contribution),
            self.local(step),
        )
        if local is not None:
            return row(
                [
                    upstream,
                    then("×", self.tile("local", self.partial(step), step.source, local)),
                    then("=", result),
                ]
            )
        factors = [then("with", self.tile("", self.symbol(x), x)) for x in self.factors(step)]
        return row([upstream, *factors, then("→", result)])

    def addition(self, step: Backward) -> str:
        """What the source had received before, and has now."""
        if step.before is None:
            return ""
        if not step.after.shape:
            total = f"{extent(step.before)} + {bracketed(step.contribution)} = {extent(step.after)}"
            return f"<p><b>Added to what was there:</b> {true_minus(total)}</p>"
        return "<p><b>Added to what was there:</b></p>" + row(
            [
                self.tile("was there", "", step.source, step.before),
                then("+", self.tile("contribution", "", step.source, step.contribution)),
                then("=", self.tile("total", self.slope(step.source), step.source, step.after)),
            ]
        )

    def local(self, step: Backward) -> Array | None:
        """The local derivative, where there is one for each element: one number if they are all the
        same."""
        if step.edge.local is not None:
            return np.asarray(step.edge.local)
        found = derivative_formula(self.graph, step.edge, self.names)
        if found is None or step.upstream.shape != step.source.shape:
            return None
        each = np.broadcast_to(found.value, step.source.shape)
        return each.flat[:1].reshape(()) if each.size and (each == each.flat[0]).all() else each

    def passed(self, step: Backward) -> Formula | None:
        """The contribution as a formula."""
        return contribution_formula(
            self.graph, step.edge, upstream_formula(self.graph, step.target), self.names
        )

    def factors(self, step: Backward) -> list[Node]:
        """The arrays beside upstream in the formula of a contribution."""
        passed = self.passed(step)
        values = [] if passed is None else [name.value for name in names_in(passed)]
        return [
            node
            for node in self.graph.nodes
            if node.shape and any(node.value is value for value in values)
        ]

    def ways(self, step: Backward) -> tuple[str, list[str]]:
        """The paths to a leaf of a graph of numbers, once its gradient is complete, as a table and
        as their edges."""
        if (
            step.source.operation
            or not step.complete
            or any(node.shape for node in self.graph.nodes)
        ):
            return "", []
        found = paths_to(self.graph, step.source)
        table = note("the gradient is complete: the sum over all paths") + listing(
            str(found).splitlines(), "table"
        )
        return table, list(dict.fromkeys(edge for path in found.paths for edge in path.edges))

    # Formulas and pictures

    def equation(self, node: Node, names: dict[str, Formula] | None = None) -> str:
        """s = a + b"""
        return (
            f"{self.symbol(node)}<mo>=</mo>{computed(self.graph, node, names or self.names).mathml}"
        )

    def symbol(self, node: Node) -> str:
        return self.names[node.id].mathml

    def slope(self, node: Node) -> str:
        """∂L/∂s"""
        return upstream_formula(self.graph, node).mathml

    def partial(self, step: Backward) -> str:
        """∂t/∂s"""
        return Formula(
            "derivative",
            (self.names[step.target.id], self.names[step.source.id]),
            step.contribution,
        ).mathml

    def tile(self, word: str, symbol: str, node: Node, gradient: Array | None = None) -> str:
        """A number, or the heat map of an array: of a node's value, or of a gradient that it
        receives or passes on."""
        x = node.value if gradient is None else gradient
        if x.ndim:
            return figure(word, symbol, self.heat(word, node, gradient))
        way = "positive" if x > 0 else "negative" if x < 0 else ""
        return figure(word, symbol, number(extent(x), "" if gradient is None else way))

    def heat(self, word: str, node: Node, gradient: Array | None) -> str:
        """An image, with its shape and scale below it."""
        x = node.value if gradient is None else gradient
        picture = mapped(
            node if gradient is None else replace(node, gradient=gradient),
            self.sheet,
            gradient is not None,
        )
        if picture is None:
            return scale(f"{sized(x.shape)}, empty")
        key, words = (
            self.images.setdefault(picture.png, f"i{len(self.images)}"),
            f"{sized(x.shape)}  {picture.caption}",
        )
        spoken, size = (
            f"{word} {readable(node.name)}, heat map, {words}",
            (picture.width * ENLARGED, picture.height * ENLARGED),
        )
        return (
            image(key, *size, spoken) + scale(words) + (scale(picture.note) if picture.note else "")
        )


# Words


def data(
    phase: str,
    text: str,
    node: Node | None = None,
    near: Iterable[str] = (),
    edges: Iterable[str] = (),
) -> dict[str, Any]:
    """What the page knows of a step: the node it is about, those near it, the edges between; and it
    in words."""
    return {
        "phase": phase,
        "text": true_minus(text),
        "node": node and node.id,
        "near": [*near],
        "edges": [*edges],
    }


def plain(x: Array) -> Any:
    """An array as JSON has it: a number as it is; of more the shape, the smallest and the
    greatest."""
    if not x.ndim:
        return float(x) if isfinite(x) else str(x)
    ends = (
        {"least": plain(np.asarray(x.min())), "greatest": plain(np.asarray(x.max()))}
        if x.size
        else {}
    )
    return {"shape": [*x.shape], **ends}


def in_words(step: Backward) -> str:
    """0.3122 × 0.6347 = 0.1981, added to what was there: 0.2698 + 0.1981 = 0.4680"""
    if step.edge.local is None:
        return f"{sized(step.upstream.shape)} → {sized(step.contribution.shape)}"
    words = (
        f"{extent(step.upstream)} × {bracketed(np.asarray(step.edge.local))} = "
        f"{extent(step.contribution)}"
    )
    if step.before is None:
        return words
    return (
        f"{words}, added to what was there: {extent(step.before)} + "
        f"{bracketed(step.contribution)} = {extent(step.after)}"
    )


def summed(step: Backward) -> str:
    """Why axes of a contribution were summed: the value had been repeated along them."""
    before, shape = step.edge.before, step.source.shape
    if before is None:
        return ""
    new = len(before) - len(shape)
    axes = [
        axis
        for axis, size in enumerate(before)
        if size > 1 and (axis < new or shape[axis - new] == 1)
    ]
    if not axes:
        return ""
    along, them = (
        " and ".join(f"axis {axis}, {before[axis]} times" for axis in axes),
        "them" if len(axes) > 1 else "it",
    )
    if len(axes) == 1 and len(before) == 2:
        along, them = f"{before[axes[0]]} {('rows', 'columns')[axes[0]]}", "them"
    word = "for" if them == "them" and len(axes) == 1 else "along"
    return (
        f"{readable(step.source.name)} {sized(shape)} was repeated {word} {along}, so its "
        f"gradient is summed over {them}."
    )


def origin(step: Backward) -> str:
    """The line of source that computed a contribution."""
    partial, place, inside = step.edge.partial, step.edge.place, step.target.members
    if partial is not None:
        return note("computed by", str(place)) + listing(partial.splitlines())
    several = (
        f"{many(len(inside), 'operation')} inside {readable(step.target.name)}"
        if inside
        else "Several operations"
    )
    return note(f"{several} computed it: a stepper of a smaller graph goes through each.")


def names_in(f: Formula) -> Iterator[Formula]:
    """The names in a formula, but for those of derivatives."""
    if f.kind == "name":
        yield f
    for part in f.parts if f.kind != "derivative" else ():
        if isinstance(part, Formula):
            yield from names_in(part)


def bracketed(x: Array) -> str:
    return f"({extent(x)})" if x < 0 else extent(x)
