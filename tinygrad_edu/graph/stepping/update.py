"""The stepper's last act as data: the step that an optimizer would take, and all values after it.

The optimizer's own `step` runs, on copies of the parameters and of what it keeps: nothing that the
caller holds is changed. Its own `update` runs once more, on formulas, and so writes down its rule.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.read import Graph, Node, values_behind
from tinygrad_edu.graph.text.formula import Formula, has_notation, to_formula

Equation = tuple[Formula, Formula]  # left ← right


@dataclass(frozen=True, eq=False)
class Update:
    """What a step does to one parameter of the graph."""

    node: Node  # with the value before, and the gradient
    after: Array
    kept: dict[str, tuple[Array, Array]]  # the optimizer's averages: before and after, by name
    options: dict[str, Any]  # lr, momentum …
    taken: int  # how many steps the parameter has then taken

    @property
    def step(self) -> Array:
        return np.asarray(self.after - self.node.value)

    @property
    def promised(self) -> float:
        """What the slopes promise of the step: Σ ∂L/∂p · step."""
        with np.errstate(all="ignore"):
            return float(np.sum(self.node.gradient * self.step))


@dataclass(frozen=True, eq=False)
class LastAct:
    """A step of an optimizer, and the graph with the values that follow from it."""

    optimizer: Any
    updates: tuple[Update, ...]
    after: Graph


def play_last_act(output: Tensor, graph: Graph, optimizer: Any) -> LastAct:
    """Take the step on copies, and compute all values once more."""
    check_optimizer(output, optimizer)
    values, given = values_behind(output), {id(p) for p in optimized_parameters(optimizer)}
    moving = [
        (x, node)
        for x, node in zip(values, graph.nodes, strict=True)
        if id(x) in given and node.gradient is not None
    ]
    if not moving:
        raise ValueError(
            "none of the optimizer's parameters has a gradient in this graph: make the optimizer "
            "of the parameters that the loss was computed from"
        )
    check_unmoved(values, {id(x): x.data for x, _ in moving})
    updates = copied_steps(moving, optimizer)
    after = {id(x): update.after for (x, _), update in zip(moving, updates, strict=True)}
    return LastAct(optimizer, updates, with_values(graph, values, values_again(values, after)))


def check_optimizer(output: Tensor, optimizer: Any) -> None:
    """Refuse what is no optimizer, and an output that no optimizer goes down."""
    if not all(hasattr(optimizer, name) for name in ("param_groups", "defaults", "update")):
        raise TypeError(
            "stepper takes an optimizer, such as nn.optim.SGD(model.parameters(), lr=0.1), and got "
            f"{optimizer!r:.60}"
        )
    if output.ndim:
        raise ValueError(
            f"an optimizer goes down one number, and this output has shape {output.shape}: give "
            "stepper the loss, for example output.mean()"
        )


def optimized_parameters(optimizer: Any) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


# The step


def copied_steps(moving: list[tuple[Any, Node]], optimizer: Any) -> tuple[Update, ...]:
    """What the optimizer does to each of these parameters: its own step, taken by copies."""
    copied = copy.deepcopy(optimizer)
    twins = dict(
        zip(map(id, optimized_parameters(optimizer)), optimized_parameters(copied), strict=True)
    )
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for x, node in moving:
        twins[id(x)].grad = np.array(node.gradient)
    with np.errstate(all="ignore"):
        copied.step()
    updates = []
    for x, node in moving:
        p = twins[id(x)]
        kept = {}
        for name, arrays in copied.memory.items():
            if p in arrays:
                before = optimizer.memory.get(name, {}).get(x, np.zeros_like(arrays[p]))
                kept[name] = np.copy(before), arrays[p]
        options = {name: groups[id(x)][name] for name in optimizer.defaults}
        updates.append(Update(node, p.data, kept, options, copied.steps.get(p, 0)))
    return tuple(updates)


# Forward again


def values_again(values: list[Any], changed: dict[int, Array]) -> dict[int, Array]:
    """What follows from other values, by the ids of the Tensors: each operation runs once more."""
    found = dict(changed)
    for z in values:
        if not isinstance(z, Tensor) or z.operation is None or id(z) in found:
            continue
        if any(id(x) in found for x in z.args):
            new = [found.get(id(x), then) for x, then in zip(z.args, z.values[1:], strict=True)]
            with np.errstate(all="ignore"):
                found[id(z)] = np.asarray(z.operation.forward(*new, **z.options))
    return found


def with_values(graph: Graph, values: list[Any], new: dict[int, Array]) -> Graph:
    """The same graph with other values, found by the ids of its Tensors."""
    nodes = [
        replace(node, value=np.asarray(new.get(id(x), node.value)))
        for x, node in zip(values, graph.nodes, strict=True)
    ]
    return replace(graph, nodes=tuple(nodes))


def check_unmoved(values: list[Any], parameters: dict[int, Array]) -> None:
    """Refuse a loss whose parameters have moved since: the step would start elsewhere."""
    output = values[-1]
    again = values_again(values, parameters)[id(output)]
    precision = 100 * np.finfo(output.dtype).eps
    if not np.allclose(again, output.values[0], precision, precision, equal_nan=True):
        raise ValueError(
            f"this loss was {output.item():.6g}, and with the parameters as they are now it is "
            f"{again.item():.6g}: call stepper(loss, optimizer) before optimizer.step(), or "
            "compute the loss anew"
        )


# The rule


def update_equations(optimizer: Any, update: Update, symbols: dict[str, Formula]) -> list[Equation]:
    """What the optimizer's own `update` does, written down by running it on formulas.

    `symbols` stand for p and g, and by their names for what is kept. Empty if it takes none.
    """
    found: list[Equation] = []
    p = SimpleNamespace(data=symbols["p"], dtype=update.after.dtype, shape=update.after.shape)

    def accumulate(name: str, p: Any, x: Any, decay: float = 1.0) -> Formula:
        with_decay = to_formula(decay * symbols[f"{name} before"] + x)
        found.append((symbols[name], with_decay))
        return symbols[name]

    stand_in = copy.copy(optimizer)
    stand_in.accumulate, stand_in.taken = accumulate, lambda p: update.taken
    stand_in.kept = lambda name, p: symbols[name]
    try:
        with np.errstate(all="ignore"):
            stand_in.update(p, symbols["g"], **update.options)
        found.append((symbols["p"], to_formula(p.data)))
    except Exception:
        return []  # an update may do what cannot be done with formulas
    return found if all(has_notation(right) for _, right in found) else []


def update_source(optimizer: Any) -> tuple[list[str], str]:
    """The lines of the optimizer's `update`, without its signature, and file:line."""
    update = type(optimizer).update
    try:
        lines, first = inspect.getsourcelines(update)
    except OSError:  # typed into a console
        return [], ""
    text = textwrap.dedent("".join(lines))
    [function] = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    has_text = len(function.body) > 1 and ast.get_docstring(function) is not None
    start = function.body[has_text].lineno - 1
    shown = textwrap.dedent("\n".join(text.splitlines()[start:])).splitlines()
    return shown, f"{Path(update.__code__.co_filename).name}:{first + start}"
