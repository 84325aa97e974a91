"""explain: both passes as a table, and as sentences."""

from __future__ import annotations

import sys

from tinygrad_edu.core.engine import Array, Tensor
from tinygrad_edu.graph.expression import equations, extent, figures, readable, sized, true_minus
from tinygrad_edu.graph.read import Graph, trace
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.table import Table, columns

FORWARD = ("step", "forward", "inputs", "value")
BACKWARD = ("step", "backward", "upstream", "local derivative", "contribution", "total")


class Explanation(Table):
    """The table; `sentences()` says the same for a screen reader."""

    graph: Graph

    def __new__(cls, graph: Graph) -> Explanation:
        made = super().__new__(cls, table(graph))
        made.graph = graph
        return made

    def sentences(self) -> str:
        """One line for each step, in words."""
        equation, walk = equations(self.graph), steps(self.graph)
        return "\n".join(
            true_minus(f"Step {number}: {said(step, equation)}")
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
    return Explanation(trace(output, sys._getframe(1).f_locals))


def table(graph: Graph) -> str:
    """The forward pass, and below it the backward pass, if there is one, under one numbering."""
    equation = equations(graph)
    there, back = [FORWARD], [BACKWARD]
    for number, step in enumerate(steps(graph), 1):
        if isinstance(step, Forward):
            there.append((str(number), *forward(step, equation)))
        else:
            back.append((str(number), *backward(step)))
    numbers = not any(node.shape for node in graph.nodes)
    passes = [
        columns(there, right={0, 3} if numbers else {0}),
        columns(back, right={0, 2, 3, 4} if numbers else {0}),
    ]
    return "\n\n".join("\n".join(lines) for lines in passes if len(lines) > 1)


def forward(step: Forward, equation: dict[str, str]) -> tuple[str, str, str]:
    inputs = [
        sized(node.shape) if step.node.shape or node.shape else figures(node.value[()])
        for node in step.inputs
    ]
    return equation[step.node.id], ", ".join(inputs) or step.node.role, shown(step.node.value)


def backward(step: Backward) -> tuple[str, str, str, str, str]:
    between = f"{readable(step.target.name)} → {readable(step.source.name)}"
    contribution = summed(step) + shown(step.contribution)
    return (
        between,
        shown(step.upstream),
        local(step) or str(step.edge.place),
        contribution,
        total(step),
    )


def local(step: Backward) -> str | None:
    return None if step.edge.local is None else figures(step.edge.local)


def summed(step: Backward) -> str:
    """Of what was broadcast, the shape before its contribution was summed."""
    return "" if step.edge.before is None else f"{sized(step.edge.before)} summed to "


def total(step: Backward) -> str:
    """0.270 + 0.198 = 0.468 where something was there before; of arrays, what has come together."""
    if step.before is None or step.after.shape:
        return shown(step.after)
    return f"{shown(step.before)} + {shown(step.contribution)} = {shown(step.after)}"


def shown(x: Array) -> str:
    """A number, or shape and range."""
    return f"{sized(x.shape)} {extent(x)}" if x.shape else extent(x)


def said(step: Forward | Backward, equation: dict[str, str]) -> str:
    """A step as a sentence."""
    if isinstance(step, Forward):
        return (
            f"{equation[step.node.id]} is "
            f"{'' if step.inputs else 'given: '}{spoken(step.node.value)}."
        )
    product = f"{shown(step.upstream)} × {local(step)} = " if local(step) else summed(step)
    added = "" if step.before is None else f", added to what was there: {spoken_total(step)}"
    return (
        f"{readable(step.target.name)} passes {product}{spoken(step.contribution)} back to "
        f"{readable(step.source.name)}{added}."
    )


def spoken(x: Array) -> str:
    return (
        f"an array {sized(x.shape)} of {extent(x).replace(' … ', ' to ')}" if x.shape else extent(x)
    )


def spoken_total(step: Backward) -> str:
    return f"now {spoken(step.after)}" if step.after.shape else total(step)
