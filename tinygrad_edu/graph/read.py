"""The recorded graph as plain data: what a picture, a stepper or an explanation of it reads.

The engine's graph is made of Tensors. `read` walks it once and writes down every value with its
name, its role and its gradient, and every edge with its local derivative. It touches no `grad`: a
graph reads the same before backward() and after it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import linecache
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY, Array
from tinygrad_edu.core.engine import Operation, Tensor, chain_rule
from tinygrad_edu.core.sparse import dense
from tinygrad_edu.core.switches import no_grad
from tinygrad_edu.graph.lines import line_behind
from tinygrad_edu.graph.modules import (
    Arguments,
    Links,
    ModuleCall,
    Region,
    innermost_region,
    loss_targets,
    module_paths,
    module_regions,
    module_state,
    module_tree,
    nested_values,
    too_large,
    unrecorded_links,
)

MOST_VALUES = 20_000  # of a graph that is read: more would take minutes

LETTERS = {"constant": "c", "target": "y"}  # of free names; z for what was computed, else x


@dataclass(frozen=True, eq=False)
class Node:
    """One value of the graph. Its id is its place in topological order: the same in every run."""

    id: str
    name: str
    # input, target, parameter, buffer, constant (a plain array), operation, module (folded), output
    role: str
    value: Array
    gradient: Array | None  # ∂output/∂value; None where none is required
    module: str | None  # the id of the innermost Module call that it is part of
    kind: str | None = None  # the operation's name, or a folded Module's type; None for a leaf
    operation: Operation | None = None  # what computed it; None for a leaf and for a folded Module
    constants: tuple[tuple[int, Any], ...] = ()  # (argument number, value), if no edge
    options: tuple[tuple[str, Any], ...] = ()
    # of a folded Module: the ids of the values in it, and how many numbers its parameters hold
    members: tuple[str, ...] = ()
    parameters: int = 0
    # of a repeated block: the greatest |gradient| in each, the first block first
    series: tuple[float, ...] = ()
    named: bool = True  # False: the name was counted, z1
    line: str | None = None  # the user's line that computed it, if it is known: lines.py says when

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype  # type: ignore[no-any-return]

    @property
    def symbol(self) -> str:
        """How the operation is written with its arguments, "{} + {}"; "" if it is a call."""
        return self.operation.facts.get("symbol", "") if self.operation else ""


@dataclass(frozen=True, eq=False)
class Edge:
    """A value that an operation took as an argument: x * x has two edges."""

    source: str
    target: str
    argument: int
    # ∂target/∂source along this edge; None unless both are numbers and a gradient is required
    local: float | None
    # what the source receives along this edge: all that it receives adds up to its gradient
    share: Array | None = None
    # the share's shape before broadcast axes were summed, if they were
    before: tuple[int, ...] | None = None
    partial: Callable[..., Any] | None = None  # what computed the share
    recorded: bool = True  # False: computed from the source while no gradient was needed

    @property
    def id(self) -> str:
        return f"{self.source}-{self.target}-{self.argument}"

    @property
    def partial_text(self) -> str | None:
        """The lines of source that computed the share."""
        return source_of_partial(self.partial)[0] if self.partial else None

    @property
    def place(self) -> str | None:
        """The file and line where these lines begin: derivatives.py:57."""
        return source_of_partial(self.partial)[1] if self.partial else None


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in topological order, the output last; edges by their targets, then by argument."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    modules: tuple[ModuleCall, ...] = ()  # inner ones before those that contain them
    columns: tuple[tuple[str, ...], ...] = ()  # ids that stand in one column, from top to bottom
    second: str = "gradient"  # what Node.gradient holds; in a comparison the "change"

    @property
    def output(self) -> Node:
        return self.nodes[-1]


def read(
    output: Tensor,
    variables: Mapping[str, Any] | None = None,
    lines: Mapping[int, str] = MappingProxyType({}),
) -> Graph:
    """Write down all that output was computed from, each value with its gradient ∂output/∂value.

    An output of many numbers is seeded with ones, as if its sum had been taken. Where nothing
    requires a gradient nothing was recorded: the graph is the output alone. `variables`, such as
    `locals()`, give names to the values that have none, `lines` their lines, by the values' ids.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [(node.name, node.gradient.item()) for node in read(x * x).nodes]
    [('x', 6.0), ('z1', 1.0)]
    """
    values, links = values_and_links(output)

    def arguments(x: Any) -> list[tuple[int, Any]]:
        return links.get(id(x)) or edge_arguments(x)

    ids = {id(x): f"n{number}" for number, x in enumerate(values)}
    # a picture of an infinite gradient is wanted, not a warning or an error
    with np.errstate(all="ignore"), no_grad():
        gradients, passed = gradients_along_edges(output)
        edges = []
        for z in values:
            for number, x in edge_arguments(z):
                local, share = local_derivative(z, number, x), passed.get((id(z), number), ())
                edges.append(Edge(ids[id(x)], ids[id(z)], number, local, *share))
            for number, x in links.get(id(z), ()):
                edges.append(Edge(ids[id(x)], ids[id(z)], number, None, recorded=False))
    found, held = module_regions(values, arguments), variable_names(variables or {})
    paths = module_paths(found, held)
    roles = roles_of_values(values, found, output, links)
    names, counted = choose_names(values, paths, held, roles)
    data = first_values(values)
    homes = modules_of_values(values, found, arguments)
    nodes = []
    for x in values:
        i = id(x)
        own = ids[i], names[i], roles[i], data[i], gradients.get(i), homes[i]
        node = Node(*own, *operation_of(x))
        nodes.append(replace(node, named=i not in counted, line=line_behind(x, lines)))
    return Graph(tuple(nodes), tuple(edges), tuple(module_tree(found, paths)))


def no_tensor(reader: str, output: Any) -> TypeError:
    """The error of what reads a graph, for what has none: a model has to be called first."""
    came = f"a {type(output).__name__}" if callable(output) else f"{output!r:.60}"
    write = f": write {reader}(model(x))" if callable(output) else ""
    return TypeError(f"{reader} takes a Tensor that was computed, and got {came}{write}")


def values_behind(output: Tensor) -> list[Any]:
    """The Tensors that output was computed from, oldest first, each array before its first use.

    What a Module was called with is among them, even if nothing of it was recorded.
    """
    return values_and_links(output)[0]


def values_and_links(output: Tensor) -> tuple[list[Any], Links]:
    """The values behind the output, and those that were computed without being recorded."""
    values = recorded_values(output)
    if len(values) > MOST_VALUES:
        raise too_large(f"{len(values):,} values", MOST_VALUES)
    links = unrecorded_links(values, edge_arguments)
    if not links:
        return values, links
    ordered = [x for z in values for x in with_origins(z, links)]
    return list({id(x): x for x in ordered}.values()), links


def with_origins(x: Any, links: Links) -> Iterator[Any]:
    """What a value was computed from without being recorded, the first of all first, and itself."""
    for _, origin in links.get(id(x), ()):
        yield from with_origins(origin, links)
    yield x


def recorded_values(output: Tensor) -> list[Any]:
    """The Tensors that can be reached from the output, and the arrays that they were given."""
    found, pending = {output}, [output]
    while pending:
        new = {x for _, x in pending.pop().inputs} - found
        found |= new
        pending.extend(new)
    ordered = [
        x
        for z in sorted(found, key=lambda x: x.order)
        for x in (*[a for _, a in edge_arguments(z)], z)
    ]
    return list({id(x): x for x in ordered}.values())


def edge_arguments(z: Any) -> list[tuple[int, Any]]:
    """The arguments of z that have an edge: Tensors, and plain arrays with at least one axis."""
    if not isinstance(z, Tensor):
        return []
    arrays = [
        (number, x) for number, x in enumerate(z.values[1:]) if isinstance(x, np.ndarray) and x.ndim
    ]
    return sorted((dict(arrays) | dict(z.inputs)).items())


# The backward pass


def gradients_along_edges(
    output: Tensor,
) -> tuple[dict[int, Array], dict[tuple[int, int], tuple[Any, ...]]]:
    """Walk back once: the gradient of each Tensor, and what passed along each edge.

    The first dict has the gradients, by the Tensor's id. The second has, by the id of z and the
    argument's number: the share, its shape before broadcast axes were summed (None if none
    were), and the partial.
    """
    if not output.requires_grad:
        return {}, {}
    passed: dict[tuple[int, int], tuple[Any, ...]] = {}

    def passing(z: Tensor, number: int, given: Any, share: Any) -> None:
        assert z.operation is not None  # a leaf passes nothing on
        before = None if given.shape == share.shape else tuple(given.shape)
        partial = z.operation.partial(number)
        passed[id(z), number] = (np.asarray(dense(share)), before, partial)

    walk = chain_rule(output, np.ones(output.shape, output.dtype), passing=passing)
    return {id(x): np.asarray(g) for x, g in walk}, passed


def local_derivative(z: Tensor, number: int, x: Any) -> float | None:
    """The derivative ∂z/∂x: the partial's result for g = 1; None unless both are numbers."""
    if z.operation is None or np.ndim(z.values[0]) or np.ndim(z.values[number + 1]):
        return None
    if not isinstance(x, Tensor) or not x.requires_grad:
        return None
    partial = z.operation.partial(number)
    return float(partial(np.ones((), z.dtype)[()], *z.values, **z.options))


def source_of_partial(partial: Callable[..., Any]) -> tuple[str, str]:
    """The lines of a partial, and file:line.

    A partial may be wrapped to carry its function's name. Unwrapping stops before that function:
    the lines are the partial's own.
    """
    while isinstance(partial, functools.partial):
        partial = partial.func
    return source_of_code(inspect.unwrap(partial, stop=is_own_function).__code__)


def is_own_function(f: Any) -> bool:
    return vars(f)["__wrapped__"] in REGISTRY


@functools.cache
def source_of_code(code: CodeType) -> tuple[str, str]:
    """The lines of a function, and file:line; of a lambda its own text, and the comment beside."""
    lines = [line for *_, line in code.co_lines() if line]
    read_lines = [
        linecache.getline(code.co_filename, line) for line in range(min(lines), max(lines) + 1)
    ]
    written = "".join(read_lines)
    if code.co_name == "<lambda>":
        places = ((line, column) for line, _, column, end in code.co_positions() if line and end)
        line, column = min(places)
        above, here = read_lines[: line - min(lines)], read_lines[line - min(lines)]
        before = "".join(above) + here.encode()[:column].decode()
        head, _, rest = own_lambda(written[max(before.rfind("lambda"), 0) :]).partition("\n")
        written = f"{head}\n{textwrap.indent(textwrap.dedent(rest), '    ')}"
    return textwrap.dedent(written).strip(), f"{Path(code.co_filename).name}:{min(lines)}"


def own_lambda(text: str) -> str:
    """Cut a lambda off from what follows it in a call, but for the comment beside it.

    >>> own_lambda("lambda g, z, x: (g * x), domain=(POSITIVE,))  # f′(x) = x")
    'lambda g, z, x: (g * x)  # f′(x) = x'
    """
    code = re.sub("#.*", lambda comment: " " * len(comment[0]), text)
    depth = heads = 0  # brackets that are open, and lambdas whose colon has not come yet
    for found in re.finditer(r"\blambda\b|[][(){},:]", code):
        sign, outside = found[0], depth == 0
        depth += (sign in "([{") - (sign in ")]}")
        heads += (sign == "lambda") - (sign == ":" and outside)
        if depth < 0 or (sign == "," and outside and heads == 0):
            comment = re.match(".*?(#.*)", text[found.start() :])
            return text[: found.start()].rstrip() + (f"  {comment[1]}" if comment else "")
    return text


# What a node says


def first_values(values: list[Any]) -> dict[int, Array]:
    """Each value as it was when it was first used: its data may have been replaced since."""
    found = {
        id(x): (x.values[0] if x.values else x.data) if isinstance(x, Tensor) else x for x in values
    }
    for z in reversed(values):
        for number, x in edge_arguments(z):
            found[id(x)] = z.values[number + 1]
    return {key: np.asarray(value) for key, value in found.items()}


def roles_of_values(
    values: list[Any], found: Sequence[Region], output: Tensor, links: Links
) -> dict[int, str]:
    """The role of each value, by the value's id.

    What a Module holds is a parameter or a buffer, what it is called with an input, or the target
    of a loss. Elsewhere a leaf that requires a gradient is a parameter, a plain array a constant.
    """
    held = module_state(found)
    given = {id(x) for region in found for x in nested_values(region.arguments)} - held
    targets, roles = loss_targets(found, values), {}
    for x in values:
        i, is_tensor = id(x), isinstance(x, Tensor)
        if x is output:
            roles[i] = "output"
        elif is_tensor and x.operation:
            roles[i] = "operation"
        elif i in links:
            roles[i] = "constant"
        elif i in given:
            roles[i] = "target" if i in targets else "input"
        elif is_tensor and x.requires_grad:
            roles[i] = "parameter"
        elif i in held:
            roles[i] = "buffer"
        else:
            roles[i] = "input" if is_tensor else "constant"
    return roles


def operation_of(z: Any) -> tuple[Any, ...]:
    """The operation's name, the operation, its arguments without an edge, and its options.

    Options that are None or False are left out: they say nothing that a reader needs.
    """
    if not isinstance(z, Tensor) or z.operation is None:
        return ()
    drawn = dict(edge_arguments(z))
    constants = [(number, x) for number, x in enumerate(z.values[1:]) if number not in drawn]
    options = [(key, x) for key, x in z.options.items() if x is not None and x is not False]
    return z.operation.name, z.operation, tuple(constants), tuple(options)


def modules_of_values(
    values: list[Any], found: Sequence[Region], arguments: Arguments
) -> dict[int, str | None]:
    """The Module call that each value is part of, by the value's id."""
    takers: dict[int, set[int]] = {id(x): set() for x in values}
    for z in values:
        for _, x in arguments(z):
            takers[id(x)].add(id(z))
    return {
        id(x): innermost_region(id(x), set() if edge_arguments(x) else takers[id(x)], found)
        for x in values
    }


# Names


def variable_names(variables: Mapping[str, Any]) -> dict[int, str]:
    """The variable that holds each value, by the value's id; values that two hold are left out.

    Variables whose names begin with _ are ignored.
    """
    meant = {name: x for name, x in variables.items() if name.isidentifier() and name[0] != "_"}
    holders = Counter(map(id, meant.values()))
    return {id(x): name for name, x in meant.items() if holders[id(x)] == 1}


def choose_names(
    values: list[Any],
    paths: Mapping[int, str],
    held: Mapping[int, str],
    roles: Mapping[int, str],
) -> tuple[dict[int, str], set[int]]:
    """The name of each value: its own, its path in a Module, its variable's, or z1, z2 …

    A name that several values share gives way to the path. An input without a name is x1, a
    target y1, a constant c1. Also the ids of the values whose names were counted like this.
    """
    own = Counter(filter(None, map(own_name, values)))
    names = {}
    for x in values:
        name = own_name(x)
        if name and own[name] > 1:
            name = paths.get(id(x), name)
        if name := name or paths.get(id(x)) or held.get(id(x)):
            names[id(x)] = str(name)
    taken = set(names.values())
    free = {letter: free_names(letter, taken) for letter in "zcxy"}
    nameless = [x for x in values if id(x) not in names]
    for x in nameless:
        names[id(x)] = next(free[LETTERS.get(roles[id(x)], "z" if edge_arguments(x) else "x")])
    return names, {*map(id, nameless)}


def own_name(x: Any) -> str | None:
    """The name that a Tensor was given; a plain array has none."""
    return x.name if isinstance(x, Tensor) else None


def free_names(letter: str, taken: set[str]) -> Iterator[str]:
    """Count z1, z2 … without the names that are taken."""
    numbered = (f"{letter}{number}" for number in itertools.count(1))
    return (name for name in numbered if name not in taken)
