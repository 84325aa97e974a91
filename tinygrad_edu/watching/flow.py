"""The graph of a probe as a table: a row for each Module, in the order in which they run.

The graph is read once, folded to its innermost Modules. A row remembers where its value stands
among all that the loss was computed from, so that each frame finds it without reading again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu import special
from tinygrad_edu.core.arraylike import REGISTRY, Array
from tinygrad_edu.core.engine import Operation, Tensor
from tinygrad_edu.graph.fold import collapse_repeats, deepest_level, enclosing, fitting_depth, fold
from tinygrad_edu.graph.modules import nested_values
from tinygrad_edu.graph.pictures.heat import image_stack
from tinygrad_edu.graph.read import Graph, Node, read
from tinygrad_edu.graph.steps import incoming

WITH_UNITS = (special.relu, special.sigmoid, np.tanh)  # each of whose outputs is a unit
MOST_ROWS = 40  # with more, blocks that repeat become one row, and outer Modules are folded
MOST_CLASSES = 64  # of which answers are shown
SHOWN_EXAMPLES = 8  # with their answers, over the run


@dataclass
class Row:
    """A Module, an operation outside of Modules, an input, a buffer, or the loss."""

    id: str
    name: str
    kind: str
    role: str
    place: int | None  # of its value among all values; None for what is not computed
    operation: Operation | None
    shape: tuple[int, ...]
    parameters: list[str]
    count: int = 0  # how many numbers its parameters hold
    times: int = 1  # how many blocks it stands for
    is_answer: bool = False  # whether its value is the model's result

    @property
    def is_line(self) -> bool:
        """Whether it is an operation of which nothing is shown but its name: an addition."""
        has_units = self.operation in (REGISTRY[f] for f in WITH_UNITS)
        return self.role == "operation" and not self.parameters and not has_units


@dataclass
class Flow:
    """The rows, the edges between them, and what is known of the examples."""

    rows: list[Row]
    # (from, to, whether what lies between was recorded)
    edges: list[tuple[str, str, bool]] = field(default_factory=list)
    shapes: tuple[Any, ...] = ()  # of all values: another graph has others
    answer: int | None = None  # the place of the model's result, if it is a matrix
    outcomes: int = 0  # among which a cross-entropy chooses
    labels: list[int] | None = None
    images: Array | None = None  # the first examples, if they are images
    classes: int = 0  # numbers in an answer
    examples: int = 0  # that are watched

    @property
    def guess(self) -> float | None:
        """What guessing costs, ln C, for a cross-entropy."""
        return float(np.log(self.outcomes)) if self.outcomes > 1 else None

    @property
    def draws_images(self) -> bool:
        """Whether an answer has as many numbers as an image has pixels."""
        return self.images is not None and self.classes == self.images[0].size


def flow_of(model: Any, loss: Tensor, values: Sequence[Any], variables: Mapping[str, Any]) -> Flow:
    """Read the graph of a loss; `values` are all that it was computed from."""
    graph = read(loss, {"model": model, **variables})
    folded = folded_to_rows(graph)
    rows = make_rows(graph, folded, parameter_names(model, values))
    flow = Flow(rows, edges_between(rows, folded), value_shapes(values))
    flow.answer = place_of_answer(model, values)
    for row in rows:
        row.is_answer = flow.answer is not None and row.place == flow.answer
    softmax = REGISTRY[special.log_softmax]
    sizes = [x.shape[-1] for x in values if getattr(x, "operation", None) is softmax]
    flow.outcomes = sizes[-1] if sizes else 0
    note_examples(flow, model, values)
    name_inputs(flow)
    return flow


def value_shapes(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple([x.shape for x in values])


def folded_to_rows(graph: Graph) -> Graph:
    """The graph with its innermost Modules as one node each."""
    depth = deepest_level(graph)
    folded = fold(graph, depth) if depth else graph
    if depth and len([node for node in folded.nodes if node.kind]) > MOST_ROWS:
        distinct = collapse_repeats(graph)
        folded = fold(distinct, fitting_depth(distinct, MOST_ROWS))
    return folded


def parameter_names(model: Any, values: Sequence[Any]) -> dict[int, str]:
    """The name of each parameter of the model, by its place among the values."""
    named = {id(p): name for name, p in model.named_parameters()}
    return {i: named[id(x)] for i, x in enumerate(values) if id(x) in named}


def make_rows(graph: Graph, folded: Graph, named: Mapping[int, str]) -> list[Row]:
    """A row for each node but parameters and constants; a parameter is named where it is used."""
    place = {node.id: i for i, node in enumerate(graph.nodes)}
    prepared = prepared_parameters(folded)
    owners = parameters_of_boxes(graph, folded, named, prepared)
    times = {module.id: module.times for module in folded.modules}
    rows = []
    for node in folded.nodes:
        if node.role in ("parameter", "constant") or node.id in prepared:
            continue
        at = place[node.id] if node.id in place else shown_member(node, graph, place)
        name = node.name.removeprefix("model.") or node.kind or ""
        operation = graph.nodes[at].operation
        role = "input" if node.role == "target" else node.role
        row = Row(node.id, name, node.kind or "input", role, at, operation, node.shape, [])
        row.parameters = owners.get(node.id, [])
        row.count, row.times = node.parameters, times.get(node.id, 1)
        rows.append(row)
    return rows


def prepared_parameters(folded: Graph) -> set[str]:
    """The operations on parameters alone, such as a part of the weights, cut out.

    They belong to what takes them, as parameters do; those that lead to the loss itself, a penalty,
    do not.
    """
    arriving = incoming(folded)
    alone: set[str] = set()
    for node in folded.nodes:
        is_own = node.role == "operation" and {e.source for e in arriving[node.id]} <= alone
        if is_own or node.role in ("parameter", "buffer"):
            alone.add(node.id)
    found = {node.id for node in folded.nodes if node.role == "operation"} & alone
    for node in reversed(folded.nodes):
        if node is folded.output or node.id in alone - found:
            found -= {edge.source for edge in arriving[node.id]}
    return found


def edges_between(rows: Sequence[Row], folded: Graph) -> list[tuple[str, str, bool]]:
    """The edges between rows.

    A constant that was computed from an input has no row: what takes it takes the input, by a way
    that was not recorded.
    """
    shown, arriving, found = {row.id for row in rows}, incoming(folded), []
    origins: dict[str, dict[str, bool]] = {}  # of a node: the rows behind it, and if recorded
    for node in folded.nodes:
        behind: dict[str, bool] = {}
        for edge in arriving[node.id]:
            for row, recorded in origins[edge.source].items():
                behind[row] = recorded or behind.get(row, False)
        if node.id in shown:
            found += [(row, node.id, recorded) for row, recorded in behind.items()]
            behind = {node.id: True}
        elif node.role == "constant":
            behind = dict.fromkeys(behind, False)
        origins[node.id] = behind
    return found


def shown_member(node: Node, graph: Graph, place: Mapping[str, int]) -> int:
    """The place of the value that a folded Module shows: the last that leaves it."""
    found = [place[member] for member in node.members if member in place]
    return next(i for i in reversed(found) if graph.nodes[i].value is node.value)


def parameters_of_boxes(
    graph: Graph, folded: Graph, named: Mapping[int, str], prepared: Set[str]
) -> dict[str, list[str]]:
    """The parameters of each box: of a folded Module, or of the operation that takes them."""
    modules, boxes = {m.id: m for m in graph.modules}, {node.id for node in folded.nodes}
    homes = {
        node.id: next((m for m in enclosing(node.module, modules) if m in boxes), node.id)
        for node in graph.nodes
    }
    takers = {edge.source: homes[edge.target] for edge in reversed(graph.edges)}
    found: dict[str, list[str]] = {}
    for i, name in named.items():
        node = graph.nodes[i]
        home = homes[node.id] if homes[node.id] != node.id else takers.get(node.id, "")
        while home in prepared:
            home = takers[home]
        if name not in found.setdefault(home, []):
            found[home].append(name)
    return found


# What is known of the examples


def calls_of(values: Sequence[Any]) -> list[tuple[Any, Any, Any]]:
    """The calls of Modules, (module, arguments, options), that the values remember."""
    return [call for z in values if isinstance(z, Tensor) for call in z.notes]


def place_of_answer(model: Any, values: Sequence[Any]) -> int | None:
    """The place of the last matrix that the model itself returned."""
    found = [
        i
        for i, z in enumerate(values)
        if isinstance(z, Tensor) and z.ndim == 2 and any(c[0] is model for c in z.notes)
    ]
    return found[-1] if found else None


def note_examples(flow: Flow, model: Any, values: Sequence[Any]) -> None:
    """Find the inputs' images and the right answers among what the Modules were called with."""
    calls = calls_of(values)
    mine = [x for m, args, _ in calls if m is model for x in nested_values(args)]
    inputs = [np.asarray(getattr(x, "data", x)) for x in mine if hasattr(x, "shape")]
    if inputs:
        flow.examples = len(inputs[0]) if inputs[0].ndim else 1
        flow.images = images_in(inputs[0])
    if flow.answer is None:
        return
    n, flow.classes = values[flow.answer].shape
    if flow.classes > MOST_CLASSES and not flow.draws_images:
        flow.answer = None
        return
    given = [x for _, *both in calls for x in nested_values(tuple(both))]
    arrays = [x for x in (*given, *values) if isinstance(x, np.ndarray)]
    labels = (labels_in(x, n, flow.classes) for x in arrays)
    flow.labels = next((found for found in labels if found), None)


def images_in(x: Array) -> Array | None:
    """The first examples as images, `(n, h, w)` of bytes; None if they are none."""
    stack = image_stack(x)
    if stack is None:
        return None
    stack = stack[:SHOWN_EXAMPLES].astype(np.float64)
    low, high = stack.min(), stack.max()
    shades: Array = np.rint(255 * (stack - low) / ((high - low) or 1.0)).astype(np.uint8)
    return shades


def labels_in(x: Array, n: int, classes: int) -> list[int] | None:
    """The right answers, if an array has them: as numbers, or as rows with a single 1."""
    if x.shape == (n,) and x.dtype.kind in "iu" and n:
        found = x if x.min() >= 0 and x.max() < classes else None
    elif x.shape == (n, classes) and classes > 1 and n:
        one_hot = ((x == 0) | (x == 1)).all() and (x.sum(axis=1) == 1).all()
        found = x.argmax(axis=1) if one_hot else None
    else:
        found = None
    return None if found is None else [int(label) for label in found[:SHOWN_EXAMPLES]]


def name_inputs(flow: Flow) -> None:
    """Call what no variable names x and y: what the model is given, and the right answers."""
    output = flow.rows[-1].id
    takers = [(source, target == output) for source, target, _ in flow.edges]
    targets = {s for s, is_loss in takers if is_loss} - {s for s, is_loss in takers if not is_loss}
    for name, wanted in (("x", False), ("y", True)):
        unnamed = [row for row in flow.rows if row.role == "input" and row.name[1:].isdecimal()]
        found = [row for row in unnamed if (row.id in targets) is wanted]
        if len(found) == 1 and name not in {row.name for row in flow.rows}:
            found[0].name = name


def parameters_only(model: Any) -> Flow:
    """Without a probe: the Modules that hold parameters. What flows between them is not known."""
    named = dict(model.named_parameters())
    rows: list[Row] = []
    for path, module in model.named_modules():
        own = [name for name in named if name.rpartition(".")[0] == path]
        if own:
            kind = type(module).__name__
            row = Row(f"p{len(rows)}", path or "model", kind, "module", None, None, (), own)
            row.count = sum(named[name].size for name in own)
            rows.append(row)
    return Flow(rows)
