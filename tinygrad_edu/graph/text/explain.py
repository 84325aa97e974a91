"""explain: both passes as a table, and as sentences."""

from __future__ import annotations

import sys

from tinygrad_edu.core.engine import Array, Tensor
from tinygrad_edu.graph.expression import (
    equations,
    name_text,
    number_text,
    range_text,
    shape_text,
    true_minus,
)
from tinygrad_edu.graph.read import Graph, read
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.table import TextTable, table_lines

FORWARD_HEAD = ("step", "forward", "inputs", "value")
BACKWARD_HEAD = ("step", "backward", "upstream", "local derivative", "contribution", "total")


class Explanation(TextTable):
    """The table; `sentences()` says the same for a screen reader."""

    graph: Graph

    def __new__(cls, graph: Graph) -> Explanation:
        made = super().__new__(cls, walk_table(graph))
        made.graph = graph
        return made

    def sentences(self) -> str:
        """One line for each step, in words."""
        equation, walk = equations(self.graph), steps(self.graph)
        return "\n".join(
            true_minus(f"Step {number}: {sentence(step, equation)}")
            for number, step in enumerate(walk, 1)
        )


def explain(output: Tensor) -> Explanation:
    """Both passes as a table, step by step; `.sentences()` says them in words. Arrays have their
    shape and range.

    Backward, upstream × local derivative = contribution; arrays have the line that computed it in
    place of a local derivative.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(explain(x * x).sentences())
    Step 1: x is given: 3.000.
    Step 2: z1 = x × x is 9.000.
    Step 3: z1 passes 1.000 × 3.000 = 3.000 back to x.
    Step 4: z1 passes 1.000 × 3.000 = 3.000 back to x, added to what was there: 3.000 + 3.000 = 6.000.
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"explain takes a Tensor that was computed, and got {output!r:.60}")
    return Explanation(read(output, sys._getframe(1).f_locals))


def walk_table(graph: Graph) -> str:
    """The forward pass, and below it the backward pass, if there is one, under one numbering."""
    equation = equations(graph)
    there, back = [FORWARD_HEAD], [BACKWARD_HEAD]
    for number, step in enumerate(steps(graph), 1):
        if isinstance(step, Forward):
            there.append((str(number), *forward_row(step, equation)))
        else:
            back.append((str(number), *backward_row(step)))
    numbers = not any(node.shape for node in graph.nodes)
    passes = [
        table_lines(there, right={0, 3} if numbers else {0}),
        table_lines(back, right={0, 2, 3, 4} if numbers else {0}),
    ]
    return "\n\n".join("\n".join(lines) for lines in passes if len(lines) > 1)


def forward_row(step: Forward, equation: dict[str, str]) -> tuple[str, str, str]:
    inputs = [
        shape_text(node.shape) if step.node.shape or node.shape else number_text(node.value[()])
        for node in step.inputs
    ]
    return equation[step.node.id], ", ".join(inputs) or step.node.role, value_text(step.node.value)


def backward_row(step: Backward) -> tuple[str, str, str, str, str]:
    between = f"{name_text(step.target.name)} → {name_text(step.source.name)}"
    contribution = summed_text(step) + value_text(step.contribution)
    return (
        between,
        value_text(step.upstream),
        local_text(step) or str(step.edge.place),
        contribution,
        total_text(step),
    )


def local_text(step: Backward) -> str | None:
    return None if step.edge.local is None else number_text(step.edge.local)


def summed_text(step: Backward) -> str:
    """Of what was broadcast, the shape before its contribution was summed."""
    return "" if step.edge.before is None else f"{shape_text(step.edge.before)} summed to "


def total_text(step: Backward) -> str:
    """0.270 + 0.198 = 0.468 where something was there before; of arrays, what has come together."""
    if step.before is None or step.after.shape:
        return value_text(step.after)
    return f"{value_text(step.before)} + {value_text(step.contribution)} = {value_text(step.after)}"


def value_text(x: Array) -> str:
    """A number, or shape and range."""
    return f"{shape_text(x.shape)} {range_text(x)}" if x.shape else range_text(x)


def sentence(step: Forward | Backward, equation: dict[str, str]) -> str:
    """A step as a sentence."""
    if isinstance(step, Forward):
        return (
            f"{equation[step.node.id]} is "
            f"{'' if step.inputs else 'given: '}{spoken_value(step.node.value)}."
        )
    product = (
        f"{value_text(step.upstream)} × {local_text(step)} = "
        if local_text(step)
        else summed_text(step)
    )
    added = "" if step.before is None else f", added to what was there: {spoken_total(step)}"
    return (
        f"{name_text(step.target.name)} passes {product}{spoken_value(step.contribution)} back to "
        f"{name_text(step.source.name)}{added}."
    )


def spoken_value(x: Array) -> str:
    return (
        f"an array {shape_text(x.shape)} of {range_text(x).replace(' … ', ' to ')}"
        if x.shape
        else range_text(x)
    )


def spoken_total(step: Backward) -> str:
    return f"now {spoken_value(step.after)}" if step.after.shape else total_text(step)
