"""explain: both passes as a table, and as sentences."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.expression import (
    LONGEST_CALL,
    equations,
    name_text,
    number_text,
    range_text,
    shape_text,
    shorten,
    true_minus,
)
from tinygrad_edu.graph.read import Graph, no_tensor, read
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.table import TextTable, table_lines

FORWARD_HEAD = ("step", "forward", "inputs", "value")
BACKWARD_HEAD = ("step", "backward", "upstream", "local derivative", "share", "total")


class Explanation(TextTable):
    """The table; `sentences()` says the same for a screen reader."""

    graph: Graph

    def __new__(cls, graph: Graph) -> Explanation:
        made = super().__new__(cls, walk_table(graph))
        made.graph = graph
        return made

    def sentences(self) -> str:
        """One line for each step, in words."""
        written = equations(self.graph)
        return TextTable(
            "\n".join(
                true_minus(f"Step {number}: {sentence(step, written)}")
                for number, step in enumerate(steps(self.graph), 1)
            )
        )


def explain(output: Tensor) -> Explanation:
    """Show both passes as a table, step by step; `.sentences()` says them in words.

    Backward, upstream × local derivative = share. An array is shown by its shape and range,
    its local derivative by the line that computed it. Names are read off the caller's variables.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> print(explain(x * x).sentences().splitlines()[2])
    Step 3: z1 passes 1.000 × 3.000 = 3.000 back to x.
    """
    if not isinstance(output, Tensor):
        raise no_tensor("explain", output)
    return Explanation(read(output, sys._getframe(1).f_locals))


# The table


def walk_table(graph: Graph) -> str:
    """The forward pass, and below it the backward pass, if there is one, under one numbering."""
    written = equations(graph)
    there, back = [FORWARD_HEAD], [BACKWARD_HEAD]
    for number, step in enumerate(steps(graph), 1):
        if isinstance(step, Forward):
            there.append((str(number), *forward_row(step, written)))
        else:
            back.append((str(number), *backward_row(step)))
    if any(node.shape for node in graph.nodes):
        passes = [table_lines(there, right={0}), table_lines(back, right={0})]
    else:  # numbers are flush right
        passes = [table_lines(there, right={0, 3}), table_lines(back, right={0, 2, 3, 4})]
    return "\n\n".join("\n".join(lines) for lines in passes if len(lines) > 1)


def forward_row(step: Forward, written: Mapping[str, str]) -> tuple[str, str, str]:
    inputs = [
        shape_text(x.shape) if step.node.shape or x.shape else number_text(x.value[()])
        for x in step.inputs
    ]
    given = shorten(", ".join(inputs), LONGEST_CALL)
    return written[step.node.id], given or step.node.role, value_text(step.node.value)


def backward_row(step: Backward) -> tuple[str, str, str, str, str]:
    return (
        f"{name_text(step.target.name)} → {name_text(step.source.name)}",
        value_text(step.upstream),
        local_text(step) or str(step.edge.place),
        summed_text(step) + value_text(step.share),
        total_text(step),
    )


def local_text(step: Backward) -> str | None:
    return None if step.edge.local is None else number_text(step.edge.local)


def summed_text(step: Backward) -> str:
    """Write the shape before axes were summed, if the source had been broadcast."""
    return "" if step.edge.before is None else f"{shape_text(step.edge.before)} summed to "


def total_text(step: Backward) -> str:
    """Write 0.270 + 0.198 = 0.468, or the total alone if it is the first or an array."""
    total = value_text(step.after)
    if step.before is None or step.after.shape:
        return total
    return f"{value_text(step.before)} + {value_text(step.share)} = {total}"


def value_text(x: Array) -> str:
    """Write a number itself, an array as its shape and range."""
    return f"{shape_text(x.shape)} {range_text(x)}" if x.shape else range_text(x)


# The sentences


def sentence(step: Forward | Backward, written: Mapping[str, str]) -> str:
    """Say a step in words."""
    if isinstance(step, Forward):
        given = "" if step.inputs else "given: "
        return f"{written[step.node.id]} is {given}{spoken_value(step.node.value)}."
    local = local_text(step)
    product = f"{value_text(step.upstream)} × {local} = " if local else summed_text(step)
    total = "" if step.before is None else f", added to what was there: {spoken_total(step)}"
    return (
        f"{name_text(step.target.name)} passes {product}{spoken_value(step.share)} back to "
        f"{name_text(step.source.name)}{total}."
    )


def spoken_value(x: Array) -> str:
    if not x.shape:
        return range_text(x)
    return f"an array {shape_text(x.shape)} of {range_text(x).replace(' … ', ' to ')}"


def spoken_total(step: Backward) -> str:
    return f"now {spoken_value(step.after)}" if step.after.shape else total_text(step)
