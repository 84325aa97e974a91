"""What the stepper shows at each step: a formula, its numbers or heat maps, its line of source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tinygrad_edu.core.arraylike import Array
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
    element_choice,
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
from tinygrad_edu.graph.stepping.product import product_data
from tinygrad_edu.graph.stepping.words import (
    StepData,
    bracket_negative,
    number_json,
    step_data,
    step_words,
    sum_words,
    why_summed,
)
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.calculus import (
    derivative_formula,
    name_formulas,
    right_side,
    share_formula,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import Formula
from tinygrad_edu.graph.text.paths import paths_to
from tinygrad_edu.graph.text.typeset import DERIVATIVE

TILE_ZOOM = 1.15  # CSS pixels for a point of a thumbnail
MOST_INPUTS = 4  # of which a panel shows heat maps
SHORT_GRAPH = 12  # nodes at most, of a graph that is written as one expression
COMMA = '<mo>,</mo><mspace width="0.6em"></mspace>'
START = (
    "Forward: each value is computed from its inputs. Backward: the gradient of the output is sent "
    "back along the same edges; where a value is used twice, what arrives is added up."
)
PanelStep = tuple[StepData, str]  # the page's data, and the panel


@dataclass(frozen=True, eq=False)
class Panels:
    """All steps of a graph. Equal heat maps are kept once, by their PNG."""

    graph: Graph
    images: dict[bytes, str] = field(default_factory=dict)  # the name of each PNG
    # the name of each matrix whose numbers the page gets
    matrices: dict[int, tuple[str, Array]] = field(default_factory=dict)

    @cached_property
    def sheet(self) -> Sheet:
        return Sheet(self.graph, THEMES["light"])

    @cached_property
    def symbols(self) -> dict[str, Formula]:
        return name_formulas(self.graph)

    @cached_property
    def equations(self) -> dict[str, str]:
        return equations(self.graph)

    def all(self, text: str = START) -> list[PanelStep]:
        """All steps: the start, the forward pass, the output's own gradient, the backward pass."""
        walk, output = steps(self.graph), self.graph.output
        start = step_article("start", "Before the first step", paragraph(text))
        found = [(step_data("start", text), start)]
        found += [self.forward(step) for step in walk if isinstance(step, Forward)]
        if output.gradient is not None:
            found.append(self.seed(output, output.gradient))
        return found + [self.backward(step) for step in walk if isinstance(step, Backward)]

    def heading(self) -> str:
        """What is computed; in a small graph, a value used once is written where it is used."""
        if len(self.graph.nodes) > SHORT_GRAPH:
            return f"<math>{self.equation(self.graph.output)}</math>"
        uses = Counter(edge.source for edge in self.graph.edges)
        symbols, named = dict(self.symbols), [self.graph.output]
        for node in self.graph.nodes[:-1]:
            if node.kind and uses[node.id] > 1:
                named.append(node)
            elif node.kind:
                symbols[node.id] = right_side(self.graph, node, symbols)
        return math_block(COMMA.join(self.equation(node, symbols) for node in named))

    # Forward

    def forward(self, step: Forward) -> PanelStep:
        """The step at which a value is given or computed."""
        node, inputs = step.node, step.inputs
        title = f"{name_text(node.name)} is {'computed' if node.kind else 'given'}"
        arrays = node.shape or any(x.shape for x in inputs)
        body, words = self.forward_arrays(step) if arrays else self.forward_numbers(step)
        if node.members:
            operations = count_text(len(node.members), "operation")
            parameters = count_text(node.parameters, "parameter")
            body += paragraph(f"{node.kind}, folded to one box: {operations}, {parameters}.")
        between = [edge.id for edge in self.sheet.inputs[node.id]]
        near = dict.fromkeys(x.id for x in inputs)
        found = step_data("forward", f"{title}: {words}", node, near, between)
        found["value"] = true_minus(value_or_scale(node.value))
        found["numbers"] = {"value": number_json(node.value)}
        if arrays and node.kind:
            right = right_side(self.graph, node, self.symbols)
            body += self.element(found, right, node, node.value)
        return found, step_article("forward", title, body)

    def forward_numbers(self, step: Forward) -> tuple[str, str]:
        """Write s = a + b, the same with numbers in place of names, and both in words."""
        node, value = step.node, range_text(step.node.value)
        if not node.kind:
            return ruled_box(formula_line(f"{name_text(node.name)} = {value}")), value
        edges = self.sheet.inputs[node.id]
        plugged = expression(
            node,
            {
                edge.argument: bracket_negative(x.value)
                for edge, x in zip(edges, step.inputs, strict=True)
            },
        )
        numbers = f"= {plugged} = {value}"
        body = ruled_box(math_block(self.equation(node)) + formula_line(numbers))
        return body, f"{self.equations[node.id]} {numbers}"

    def forward_arrays(self, step: Forward) -> tuple[str, str]:
        """Show heat maps of the inputs and of the result, and write the shapes in words."""
        node, inputs = step.node, list(dict.fromkeys(step.inputs))
        if not node.kind:
            return tile_row([self.tile(node.role, self.symbol(node), node)]), shape_text(node.shape)
        tiles = [
            self.tile("" if x.kind else x.role, self.symbol(x), x) for x in inputs[:MOST_INPUTS]
        ]
        if len(inputs) > MOST_INPUTS:
            tiles.append(sign_and_tile(f"and {len(inputs) - MOST_INPUTS} more"))
        tiles.append(sign_and_tile("→", self.tile("result", self.symbol(node), node)))
        shapes = " and ".join(shape_text(x.shape) for x in inputs)
        words = f"{self.equations[node.id]}, {shapes} → {shape_text(node.shape)}"
        return ruled_box(math_block(self.equation(node))) + tile_row(tiles), words

    # Backward

    def seed(self, node: Node, gradient: Array) -> PanelStep:
        """The step at which the output gets its gradient with respect to itself."""
        title = f"Backward begins at {name_text(node.name)}"
        why = "A change of the output changes the output as much."
        if node.shape:
            why = (
                "The output is more than one number: it is seeded with ones, as if its sum had "
                "been taken."
            )
        body = ruled_box(math_block(f"{self.slope(node)}<mo>=</mo><mn>1</mn>")) + paragraph(why)
        words = f"{title}: its gradient with respect to itself is 1. {why}"
        found = step_data("backward", words, node)
        found["gradient"] = value_or_scale(gradient)
        found["numbers"] = {"after": number_json(gradient)}
        return found, step_article("backward", title, body)

    def backward(self, step: Backward) -> PanelStep:
        """The step at which an edge passes upstream × local = share to its source."""
        source, target = name_text(step.source.name), name_text(step.target.name)
        title = f"{target} passes its gradient to {source}"
        reason = why_summed(step)
        body = self.rule(step) + self.product(step) + self.addition(step)
        if reason:
            body += paragraph(reason)
        listed, ways = self.ways(step)
        words = f"{title}: {step_words(step)}. {reason}".rstrip()
        found = step_data("backward", words, step.source, [step.target.id], [step.edge.id])
        found["gradient"] = true_minus(value_or_scale(step.after))
        found["ways"] = ways
        numbers = {
            "upstream": step.upstream,
            "local": step.edge.local,
            "share": step.share,
            "before": step.before,
            "after": step.after,
        }
        found["numbers"] = {
            name: number_json(np.asarray(x)) for name, x in numbers.items() if x is not None
        }
        body += self.element(found, self.passed(step), step.source, step.share)
        return found, step_article("backward", title, body, origin_note(step) + listed)

    def rule(self, step: Backward) -> str:
        """Write ∂L/∂s += ∂L/∂t · ∂t/∂s = ∂L/∂t · (1 − t²), as far as there is a formula."""
        passed = self.passed(step)
        chain = f"{self.slope(step.target)}<mo>·</mo>{self.partial(step)}"
        right = [chain] if passed is None or self.local(step) is not None else []
        if passed is not None:
            right.append(passed.mathml)
        plus = "=" if step.before is None and step.complete else "+="
        sides = "<mo>=</mo>".join(right)
        return ruled_box(math_block(f"{self.slope(step.source)}<mo>{plus}</mo>{sides}"))

    def product(self, step: Backward) -> str:
        """Show upstream × local = share, as numbers or as heat maps.

        A product of matrices has no local derivative: the other factor is shown in its place.
        """
        upstream = self.tile("upstream", self.slope(step.target), step.target, step.upstream)
        result = self.tile("share", "", step.source, step.share)
        local = self.local(step)
        if local is None:
            factors = [self.tile("", self.symbol(x), x) for x in self.factors(step)]
            shown = [sign_and_tile("with", factor) for factor in factors]
            return tile_row([upstream, *shown, sign_and_tile("→", result)])
        factor = self.tile("local", self.partial(step), step.source, local)
        return tile_row([upstream, sign_and_tile("×", factor), sign_and_tile("=", result)])

    def addition(self, step: Backward) -> str:
        """Show what the source had received before, and what it has now."""
        if step.before is None:
            return ""
        title = "<b>Added to what was there:</b>"
        if not step.after.shape:
            return f"<p>{title} {true_minus(sum_words(step))}</p>"
        source = step.source
        before = self.tile("was there", "", source, step.before)
        share = self.tile("share", "", source, step.share)
        total = self.tile("total", self.slope(source), source, step.after)
        return f"<p>{title}</p>" + tile_row(
            [before, sign_and_tile("+", share), sign_and_tile("=", total)]
        )

    def local(self, step: Backward) -> Array | None:
        """The local derivative of each element, or one number if all are equal; None if unknown."""
        if step.edge.local is not None:
            return np.asarray(step.edge.local)
        found = derivative_formula(self.graph, step.edge, self.symbols)
        if found is None or step.upstream.shape != step.source.shape:
            return None
        each = np.broadcast_to(found.value, step.source.shape)
        return each.flat[:1].reshape(()) if each.size and (each == each.flat[0]).all() else each

    def passed(self, step: Backward) -> Formula | None:
        """The share as a formula."""
        g = upstream_formula(self.graph, step.target)
        return share_formula(self.graph, step.edge, g, self.symbols)

    def factors(self, step: Backward) -> list[Node]:
        """The arrays beside upstream in the formula of a share."""
        passed = self.passed(step)
        values = [] if passed is None else [name.value for name in names_in_formula(passed)]
        arrays = [node for node in self.graph.nodes if node.shape]
        return [node for node in arrays if any(node.value is value for value in values)]

    def ways(self, step: Backward) -> tuple[str, list[str]]:
        """The paths to a leaf, once its gradient is complete, as a table and as their edges.

        A graph with arrays has no such table.
        """
        arrays = any(node.shape for node in self.graph.nodes)
        if arrays or step.source.kind or not step.complete:
            return "", []
        found = paths_to(self.graph, step.source)
        title = note_line("the gradient is complete: the sum over all paths")
        edges = list(dict.fromkeys(edge for path in found.paths for edge in path.edges))
        return title + code_listing(str(found).splitlines(), "table"), edges

    def element(self, found: StepData, f: Formula | None, node: Node, result: Array) -> str:
        """Where an element of a product is chosen; its numbers go to the page's data."""
        product = product_data(self, f, node, result)
        if product is None:
            return ""
        found["product"] = product
        return element_choice(*result.shape)

    # Formulas and pictures

    def equation(self, node: Node, symbols: dict[str, Formula] | None = None) -> str:
        """The equation of a value as MathML: s = a + b."""
        right = right_side(self.graph, node, symbols or self.symbols)
        return f"{self.symbol(node)}<mo>=</mo>{right.mathml}"

    def numbers_name(self, x: Array) -> str:
        """The name under which the page has a matrix's numbers."""
        return self.matrices.setdefault(id(x), (f"m{len(self.matrices)}", x))[0]

    def symbol(self, node: Node) -> str:
        return self.symbols[node.id].mathml

    def slope(self, node: Node) -> str:
        """The derivative ∂L/∂s as MathML, where L is the output."""
        return upstream_formula(self.graph, node).mathml

    def partial(self, step: Backward) -> str:
        """The derivative ∂t/∂s of a step as MathML."""
        ends = self.symbols[step.target.id], self.symbols[step.source.id]
        return Formula(DERIVATIVE, ends, step.share).mathml

    def tile(self, word: str, symbol: str, node: Node, gradient: Array | None = None) -> str:
        """A node's value, or a gradient of its shape: a number, or the heat map of an array."""
        x = node.value if gradient is None else gradient
        if x.ndim:
            return figure(word, symbol, self.heat_map(word, node, gradient))
        sign = "positive" if x > 0 else "negative" if x < 0 else ""
        return figure(
            word, symbol, number_span(range_text(x), sign if gradient is not None else "")
        )

    def heat_map(self, word: str, node: Node, gradient: Array | None) -> str:
        """An image, with its shape and scale below it."""
        x = node.value if gradient is None else gradient
        shown = node if gradient is None else replace(node, gradient=gradient)
        picture = node_thumbnail(shown, self.sheet, gradient is not None)
        if picture is None:
            return scale_span(f"{shape_text(x.shape)}, empty")
        key = self.images.setdefault(picture.png, f"i{len(self.images)}")
        words = f"{shape_text(x.shape)}  {picture.caption}"
        spoken = f"{word} {name_text(node.name)}, heat map, {words}"
        image = image_place(key, picture.width * TILE_ZOOM, picture.height * TILE_ZOOM, spoken)
        note = scale_span(picture.note) if picture.note else ""
        return image + scale_span(words) + note


def origin_note(step: Backward) -> str:
    """The line of source that computed a share."""
    text, inside = step.edge.partial_text, step.target.members
    if text is not None:
        return note_line("computed by", str(step.edge.place)) + code_listing(text.splitlines())
    who = "Several operations"
    if inside:
        who = f"{count_text(len(inside), 'operation')} inside {name_text(step.target.name)}"
    return note_line(f"{who} computed it: a stepper of a smaller graph goes through each.")


def names_in_formula(f: Formula) -> Iterator[Formula]:
    """Yield the names in a formula, without those in derivatives."""
    if f.kind == "name":
        yield f
    parts: Sequence[object] = () if f.kind == DERIVATIVE else f.parts
    for part in parts:
        if isinstance(part, Formula):
            yield from names_in_formula(part)
