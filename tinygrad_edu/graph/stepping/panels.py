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
    count_text,
    equations,
    expression,
    name_text,
    range_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.pictures.arrays import node_thumbnail
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.graph.read import Graph, Node
from tinygrad_edu.graph.stepping.layout import value_or_scale
from tinygrad_edu.graph.stepping.pieces import (
    code_listing,
    figure,
    formula_line,
    image_place,
    math_block,
    note_line,
    number_span,
    paragraph,
    ruled_box,
    scale_span,
    sign_and_tile,
    step_article,
    tile_row,
)
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.calculus import (
    contribution_formula,
    derivative_formula,
    name_formulas,
    right_side,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import Formula
from tinygrad_edu.graph.text.paths import paths_to

TILE_ZOOM = 1.15  # CSS pixels for a point of a thumbnail
MOST_INPUTS = 4  # inputs of which a panel shows heat maps
SHORT_GRAPH = 12  # nodes of a graph that is written out as one expression
COMMA = '<mo>,</mo><mspace width="0.6em"></mspace>'
START = (
    "Forward: each value is computed from its inputs. Backward: the gradient of the output is "
    "sent back along the "
    "same edges; where a value is used twice, what arrives is added up."
)
PanelStep = tuple[dict[str, Any], str]  # the page's data, and the panel


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
        return name_formulas(self.graph)

    @cached_property
    def equations(self) -> dict[str, str]:
        return equations(self.graph)

    def all(self) -> list[PanelStep]:
        """Before the first; forward; the gradient that backward begins with; backward."""
        walk = steps(self.graph)
        seed = (
            []
            if self.graph.output.gradient is None
            else [self.seed(self.graph.output, self.graph.output.gradient)]
        )
        return [
            (
                step_data("start", START),
                step_article("start", "Before the first step", paragraph(START)),
            ),
            *[self.forward(step) for step in walk if isinstance(step, Forward)],
            *seed,
            *[self.backward(step) for step in walk if isinstance(step, Backward)],
        ]

    def heading(self) -> str:
        """What is computed: a value that is used once is written where it is used, if there are
        few."""
        if len(self.graph.nodes) > SHORT_GRAPH:
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
                names[node.id] = right_side(self.graph, node, names)
        return math_block(COMMA.join(self.equation(node, names) for node in named))

    # Forward

    def forward(self, step: Forward) -> PanelStep:
        """A value is given or computed."""
        node, between = step.node, [edge.id for edge in self.sheet.inputs[step.node.id]]
        title = f"{name_text(node.name)} is {'computed' if node.operation else 'given'}"
        body, words = (
            self.arrays if node.shape or any(x.shape for x in step.inputs) else self.numbers
        )(step)
        if node.members:
            body += paragraph(
                f"{node.operation}, folded to one box: {count_text(len(node.members), 'operation')}, "
                f"{count_text(node.parameters, 'parameter')}."
            )
        found = step_data(
            "forward", f"{title}: {words}", node, dict.fromkeys(x.id for x in step.inputs), between
        )
        return found | {
            "value": true_minus(value_or_scale(node.value)),
            "numbers": {"value": number_json(node.value)},
        }, step_article("forward", title, body)

    def numbers(self, step: Forward) -> tuple[str, str]:
        """s = a + b, and the same with numbers in place of the names."""
        node, inputs = step.node, zip(self.sheet.inputs[step.node.id], step.inputs, strict=True)
        if not node.operation:
            return ruled_box(
                formula_line(f"{name_text(node.name)} = {range_text(node.value)}")
            ), range_text(node.value)
        plugged = expression(node, {edge.argument: bracket_negative(x.value) for edge, x in inputs})
        return (
            ruled_box(
                math_block(self.equation(node))
                + formula_line(f"= {plugged} = {range_text(node.value)}")
            ),
            f"{self.equations[node.id]} = {plugged} = {range_text(node.value)}",
        )

    def arrays(self, step: Forward) -> tuple[str, str]:
        """Heat maps of the inputs and of the result."""
        node, inputs = step.node, list(dict.fromkeys(step.inputs))
        if not node.operation:
            return tile_row([self.tile(node.role, self.symbol(node), node)]), shape_text(node.shape)
        tiles = [
            self.tile("" if x.operation else x.role, self.symbol(x), x)
            for x in inputs[:MOST_INPUTS]
        ]
        if len(inputs) > MOST_INPUTS:
            tiles.append(sign_and_tile(f"and {len(inputs) - MOST_INPUTS} more"))
        words = (
            f"{self.equations[node.id]}, {' and '.join(shape_text(x.shape) for x in inputs)} → "
            f"{shape_text(node.shape)}"
        )
        return ruled_box(math_block(self.equation(node))) + tile_row(
            [*tiles, sign_and_tile("→", self.tile("result", self.symbol(node), node))]
        ), words

    # Backward

    def seed(self, node: Node, gradient: Array) -> PanelStep:
        """The gradient of the output with respect to itself."""
        title, why = (
            f"Backward begins at {name_text(node.name)}",
            "A change of the output changes the output as much.",
        )
        if node.shape:
            why = (
                "The output is more than one number: it is seeded with ones, as if its sum had "
                "been taken."
            )
        body = ruled_box(math_block(f"{self.slope(node)}<mo>=</mo><mn>1</mn>")) + paragraph(why)
        found = step_data(
            "backward", f"{title}: its gradient with respect to itself is 1. {why}", node
        )
        return found | {
            "gradient": value_or_scale(gradient),
            "numbers": {"after": number_json(gradient)},
        }, step_article("backward", title, body)

    def backward(self, step: Backward) -> PanelStep:
        """upstream × local = contribution, which is added to what was there."""
        title, reason = (
            f"{name_text(step.target.name)} passes its gradient to {name_text(step.source.name)}",
            why_summed(step),
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
        found = step_data(
            "backward",
            f"{title}: {step_words(step)}. {reason}".rstrip(),
            step.source,
            [step.target.id],
            [step.edge.id],
        )
        return found | {
            "gradient": true_minus(value_or_scale(step.after)),
            "ways": ways,
            "numbers": {
                name: number_json(np.asarray(x)) for name, x in numbers.items() if x is not None
            },
        }, step_article("backward", title, body, origin_note(step) + listed)

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
        return ruled_box(
            math_block(f"{self.slope(step.source)}<mo>{plus}</mo>{'<mo>=</mo>'.join(right)}")
        )

    def product(self, step: Backward) -> str:
        """upstream × local = contribution as numbers or as heat maps; for matrices what upstream
        was multiplied with."""
        upstream = self.tile("upstream", self.slope(step.target), step.target, step.upstream)
        result, local = (
            self.tile("contribution", "", step.source, step.contribution),
            self.local(step),
        )
        if local is not None:
            return tile_row(
                [
                    upstream,
                    sign_and_tile("×", self.tile("local", self.partial(step), step.source, local)),
                    sign_and_tile("=", result),
                ]
            )
        factors = [
            sign_and_tile("with", self.tile("", self.symbol(x), x)) for x in self.factors(step)
        ]
        return tile_row([upstream, *factors, sign_and_tile("→", result)])

    def addition(self, step: Backward) -> str:
        """What the source had received before, and has now."""
        if step.before is None:
            return ""
        if not step.after.shape:
            total = f"{range_text(step.before)} + {bracket_negative(step.contribution)} = {range_text(step.after)}"
            return f"<p><b>Added to what was there:</b> {true_minus(total)}</p>"
        return "<p><b>Added to what was there:</b></p>" + tile_row(
            [
                self.tile("was there", "", step.source, step.before),
                sign_and_tile("+", self.tile("contribution", "", step.source, step.contribution)),
                sign_and_tile(
                    "=", self.tile("total", self.slope(step.source), step.source, step.after)
                ),
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
        values = [] if passed is None else [name.value for name in names_in_formula(passed)]
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
        table = note_line("the gradient is complete: the sum over all paths") + code_listing(
            str(found).splitlines(), "table"
        )
        return table, list(dict.fromkeys(edge for path in found.paths for edge in path.edges))

    # Formulas and pictures

    def equation(self, node: Node, names: dict[str, Formula] | None = None) -> str:
        """s = a + b"""
        return f"{self.symbol(node)}<mo>=</mo>{right_side(self.graph, node, names or self.names).mathml}"

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
        return figure(word, symbol, number_span(range_text(x), "" if gradient is None else way))

    def heat(self, word: str, node: Node, gradient: Array | None) -> str:
        """An image, with its shape and scale below it."""
        x = node.value if gradient is None else gradient
        picture = node_thumbnail(
            node if gradient is None else replace(node, gradient=gradient),
            self.sheet,
            gradient is not None,
        )
        if picture is None:
            return scale_span(f"{shape_text(x.shape)}, empty")
        key, words = (
            self.images.setdefault(picture.png, f"i{len(self.images)}"),
            f"{shape_text(x.shape)}  {picture.caption}",
        )
        spoken, size = (
            f"{word} {name_text(node.name)}, heat map, {words}",
            (picture.width * TILE_ZOOM, picture.height * TILE_ZOOM),
        )
        return (
            image_place(key, *size, spoken)
            + scale_span(words)
            + (scale_span(picture.note) if picture.note else "")
        )


# Words


def step_data(
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


def number_json(x: Array) -> Any:
    """An array as JSON has it: a number as it is; of more the shape, the smallest and the
    greatest."""
    if not x.ndim:
        return float(x) if isfinite(x) else str(x)
    ends = (
        {"least": number_json(np.asarray(x.min())), "greatest": number_json(np.asarray(x.max()))}
        if x.size
        else {}
    )
    return {"shape": [*x.shape], **ends}


def step_words(step: Backward) -> str:
    """0.3122 × 0.6347 = 0.1981, added to what was there: 0.2698 + 0.1981 = 0.4680"""
    if step.edge.local is None:
        return f"{shape_text(step.upstream.shape)} → {shape_text(step.contribution.shape)}"
    words = (
        f"{range_text(step.upstream)} × {bracket_negative(np.asarray(step.edge.local))} = "
        f"{range_text(step.contribution)}"
    )
    if step.before is None:
        return words
    return (
        f"{words}, added to what was there: {range_text(step.before)} + "
        f"{bracket_negative(step.contribution)} = {range_text(step.after)}"
    )


def why_summed(step: Backward) -> str:
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
        f"{name_text(step.source.name)} {shape_text(shape)} was repeated {word} {along}, so its "
        f"gradient is summed over {them}."
    )


def origin_note(step: Backward) -> str:
    """The line of source that computed a contribution."""
    partial, place, inside = step.edge.partial, step.edge.place, step.target.members
    if partial is not None:
        return note_line("computed by", str(place)) + code_listing(partial.splitlines())
    several = (
        f"{count_text(len(inside), 'operation')} inside {name_text(step.target.name)}"
        if inside
        else "Several operations"
    )
    return note_line(f"{several} computed it: a stepper of a smaller graph goes through each.")


def names_in_formula(f: Formula) -> Iterator[Formula]:
    """The names in a formula, but for those of derivatives."""
    if f.kind == "name":
        yield f
    for part in f.parts if f.kind != "derivative" else ():
        if isinstance(part, Formula):
            yield from names_in_formula(part)


def bracket_negative(x: Array) -> str:
    return f"({range_text(x)})" if x < 0 else range_text(x)
