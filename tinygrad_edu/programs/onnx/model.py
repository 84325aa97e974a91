"""A program as a model of ONNX: a node for each call, or a few for all that a layer computes.

It is written from its end: what an output needs, then what that needs. A second program, of the
same function for another batch, tells which sizes are the batch's: those in which they differ.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Operation, Tensor
from tinygrad_edu.programs.nested import leaves
from tinygrad_edu.programs.onnx.nodes import (
    element_type,
    no_node,
    node_of_call,
    of_one_batch,
    with_means,
)
from tinygrad_edu.programs.program import (
    Array,
    Call,
    Maker,
    Number,
    Program,
    arrays_among,
    data_in,
    text_of_argument,
)
from tinygrad_edu.programs.refusals import NotReplayable
from tinygrad_edu.programs.tracing.record import Interpreter, LiveArray

OPSET, IR_VERSION = 20, 9  # of ONNX 1.15
Layers = Mapping[Any, Callable[..., Any]]
Size = tuple[int, int]  # of an axis: in the program, and in the one for another batch


class OnnxGraph:
    """The nodes of a program, and the constants that they take.

    `layers` says how to write all that an operation, or a class of Modules, computes: a function of
    the graph, the Module and its arguments, which gives the name of the result, a list of several,
    or None for what it cannot write. `names` has the names of parameters and Modules, by their ids,
    `inputs` those of the inputs.
    """

    def __init__(
        self,
        program: Program,
        beside: Program,
        layers: Layers,
        names: Mapping[int, str],
        inputs: Sequence[str],
    ) -> None:
        self.program, self.beside = with_means(program), with_means(beside)
        self.given_names = names
        self.layers = {REGISTRY.get(key, key): entry for key, entry in layers.items()}
        held = {id(x.value) for x in program.state}
        for store in program.stores:
            if id(store.there) in held:
                raise NotReplayable(
                    f"the model reads {store.path}, and changes it: a file holds nothing that "
                    "changes. Hand it over as an input, and return what it becomes"
                )
        self.made_by = {z: call for call in self.program.calls for z in call.results}
        self.twins: dict[int, Any] = {}  # what a call or an array is for another batch, by its id
        self.pair()
        self.fixed, self.fixed_beside = fixed_arrays(self.program), fixed_arrays(self.beside)
        self.texts: dict[str, str] = {}  # what to call what stands under a name for now
        self.names = {x: self.new(n) for x, n in zip(program.inputs, inputs, strict=True)}
        self.around: dict[Array, list[Maker]] = {}  # the calls of Modules, the outermost first
        self.needed, self.done = set[Array](), set[Array]()
        self.blocks: list[list[Any]] = []  # nodes: those of the last call first
        self.constants: dict[Any, tuple[str, Any]] = {}
        self.outputs = self.named_outputs()
        for call in reversed(self.program.calls):
            for z in [*call.results, *([call.written] if call.written else [])]:
                if z in self.needed and z not in self.done:
                    self.produce(z, call)

    # For another batch

    def pair(self) -> None:
        """Find what each call and each array is for another batch."""
        for call, other in itertools.zip_longest(self.program.calls, self.beside.calls):
            if not (call and other) or kind_of_call(call) != kind_of_call(other):
                raise of_one_batch(call or other, "is another call")
            self.match(call, other)
            self.match_leaves(call.results, other.results)
        self.match_leaves(self.program.inputs, self.beside.inputs)
        self.match_leaves(data_in(self.program.returned), data_in(self.beside.returned))
        for z, makers in self.program.makers.items():
            for maker, other in zip(makers, self.beside.makers[self.twins[id(z)]], strict=True):
                self.match(maker, other)

    def match(self, made: Call | Maker, other: Call | Maker) -> None:
        self.twins[id(made)] = other
        self.match_leaves((made.args, made.options), (other.args, other.options))

    def match_leaves(self, x: Any, y: Any) -> None:
        pairs = zip(leaves(x), leaves(y), strict=True)
        self.twins |= {id(a): b for a, b in pairs if isinstance(a, Array | np.ndarray)}

    def is_alike(self, made: Call | Maker) -> bool:
        """Whether all that is given, arrays and a shape aside, is the same for another batch."""
        given, other = (
            leaves((x.args, [v for key, v in x.options.items() if key != "shape"]))
            for x in (made, self.twins[id(made)])
        )
        pairs = zip(given, other, strict=True)
        return all(isinstance(a, Array | np.ndarray) or repr(a) == repr(b) for a, b in pairs)

    def sizes(self, x: Any) -> list[Size]:
        return [*zip(x.shape, self.twins[id(x)].shape, strict=True)]

    def batches(self, size: Size) -> int:
        """How many times the batch a size is; 0 if it is something else."""
        n, m = self.sizes(self.program.inputs[0])[0]
        return size[0] // n if n != m and size[0] % n == 0 and size[0] // n * m == size[1] else 0

    def dims(self, x: Any) -> list[int | str | None]:
        """A shape as a file has it: numbers, "batch", "2*batch", or None for what is neither."""
        found: list[int | str | None] = []
        for a, b in self.sizes(x):
            times = self.batches((a, b))
            symbol = {0: None, 1: "batch"}.get(times, f"{times}*batch")
            found.append(a if a == b else symbol)
        return found

    def shape(self, sizes: Sequence[Size]) -> Any:
        """A shape as an argument of a node: a constant, or computed from the batch."""
        if all(a == b for a, b in sizes):
            return np.array([a for a, _ in sizes], np.int64)
        batch, pieces = self("Shape", self.program.inputs[0], start=0, end=1), list[Any]()
        for a, b in sizes:
            times = self.batches((a, b))
            if a != b and not times:
                raise of_one_batch(self.here, "has a size that is no multiple of it")
            number = np.array([a if a == b else times])
            pieces.append(number if a == b else self("Mul", batch, number) if times > 1 else batch)
        return self("Concat", *pieces, axis=0)

    def reshaped(self, x: Any, target: Array) -> Any:
        """x in the shape of an array; −1 stands for the one size that is the batch's."""
        sizes = self.sizes(target)
        to = np.array([a if a == b else -1 for a, b in sizes], np.int64)
        is_clear = np.count_nonzero(to == -1) < 2 and target.size
        return self("Reshape", x, to if is_clear else self.shape(sizes))

    # Nodes

    def named_outputs(self) -> dict[str, Array]:
        """What the program returns: its names for now, and the arrays."""
        found = dict[str, Array]()
        for text, z in named_leaves(data_in(self.program.returned), "output"):
            if not isinstance(z, Array):
                raise TypeError(
                    f"a model in a file returns arrays that it computes, and {text} is {z!r:.60}"
                )
            name = self.new(text)
            found[name] = z
            if z not in self.fixed and z in self.made_by:
                self.names.setdefault(z, name)
                self.needed.add(z)
        return found

    def produce(self, z: Array, call: Call) -> None:
        """Write the nodes that give z: those of the outermost layer with an entry, or a call's."""
        self.here, around = call, self.modules_around(z)
        for maker in reversed(self.program.makers.get(z, ())):
            entry = self.layers.get(type(maker.who)) or self.layers.get(maker.who)
            if entry and self.is_alike(maker):
                self.enter(maker, around, maker.results)
                layer = () if isinstance(maker.who, Operation) else (maker.who,)
                found = entry(self, *layer, *maker.args, **maker.options)
                if found is not None:
                    self.finish([found] if isinstance(found, str) else found)
                    return
        self.enter(call, around, [z])
        self.finish([node_of_call(self, call)])

    def modules_around(self, z: Array) -> list[Maker]:
        """The calls of Modules that an array is computed in, the outermost first."""
        own = [m for m in self.program.makers.get(z, ()) if id(m.who) in self.given_names]
        found = self.around.get(z, [])
        return [*found, *[m for m in reversed(own) if m not in found]]

    def enter(self, made: Call | Maker, around: list[Maker], results: list[Array]) -> None:
        """Begin a block. What a Module is given was computed outside of it."""
        self.block, self.results = list[Any](), results
        self.path = self.given_names[id(around[-1].who)] if around else ""
        for x in arrays_among((made.args, made.options)):
            outside = [x in arrays_among((m.args, m.options)) for m in around]
            self.around.setdefault(x, around[: [*outside, True].index(True)])

    def finish(self, found: list[str]) -> None:
        """End a block: what it found gets the names of its results."""
        names = dict[str, str]()
        for given, z in zip(found, self.results, strict=True):
            made = any(given in node[2] for node in self.block) and given not in names
            names[given if made else self("Identity", given)] = self.name(z)
            self.done.add(z)
        for node in self.block:
            node[1:3] = [[names.get(x, x) for x in part] for part in node[1:3]]
        self.blocks.append(self.block)

    def __call__(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Write a node; its inputs are arrays, numbers, None, or names that other nodes gave."""
        given = [self.use(x, inputs) for x in inputs]
        text = f"{self.path}.{kind}".lstrip(".")
        results = [self.new(text) for _ in range(outputs)]
        self.block.append([kind, given, results, text, attributes])
        return results if outputs > 1 else results[0]

    # What they take

    def use(self, x: Any, others: Sequence[Any] = ()) -> str:
        """The name of an input of a node; a number has the dtype of the first array beside it."""
        x = x.data if isinstance(x, Tensor) else x
        if x is None or isinstance(x, str):
            return x or ""
        if isinstance(x, Number):
            raise no_node(self.here, f"takes {x.code}, a number that is read anew at every call")
        if isinstance(x, Array) and x not in self.fixed:
            if x in self.done:
                raise no_node(self.here, "reads an array that is written to afterwards")
            self.needed.add(x)
            return self.name(x)
        if isinstance(x, Array | np.ndarray):
            return self.constant(x)
        kinds = [y.dtype for y in others if isinstance(y, Array | np.ndarray | Tensor)]
        return self.constant(np.array(x, [*kinds, self.here.target.dtype][0]))

    def constant(self, x: Any) -> str:
        """The name of an array that no input changes, repeated if it is as long as the batch."""
        value, other = self.values(x)
        sizes = [*zip(value.shape, other.shape, strict=True)]
        first = value
        if value.shape != other.shape:
            first = value[tuple([slice(None if a == b else 1) for a, b in sizes])]
        if not (is_repeated(first, value) and is_repeated(first, other)):
            raise of_one_batch(self.here, "takes another array")
        text = text_of_constant(first) if isinstance(x, np.ndarray) else self.text_of(x)
        name = self.store(first, text)
        return name if first is value else self("Expand", name, self.shape(sizes))

    def store(self, value: Any, text: str) -> str:
        """The name of a constant, a parameter's own if it is one; what is equal is stored once."""
        text = self.given_names.get(id(value), text)
        key = text, value.dtype, value.shape, value.tobytes()
        if key not in self.constants:
            self.constants[key] = self.new(text), value
        return self.constants[key][0]

    def values(self, x: Any) -> tuple[Any, Any]:
        """The numbers of a fixed array, and what they are for another batch."""
        other = self.twins.get(id(x), x)
        if isinstance(x, Array):
            return self.fixed[x], self.fixed_beside.get(other, self.fixed[x])
        return x, other

    def cast(self, x: Any, dtype: Any) -> Any:
        """x in a dtype: a number becomes an array, an array is converted if it must be."""
        if not isinstance(x, Array | np.ndarray | str | Number):
            return np.array(x, dtype)
        if getattr(x, "dtype", None) == dtype:
            return x
        return self("Cast", x, to=element_type(dtype))

    def new(self, text: str) -> str:
        """A name for now; `model` gives what is called the same numbers, from first to last."""
        name = f"%{len(self.texts)}"
        self.texts[name] = text
        return name

    def name(self, x: Array) -> str:
        """The name of an array: that of the Module that made it, or of an operation within one."""
        if x not in self.names:
            around, call = self.modules_around(x), self.made_by.get(x)
            name = self.given_names[id(around[-1].who)] if around else ""
            if call and not (around and x in around[-1].results):
                name = f"{name}.{call.operation or call.name}".lstrip(".")
            self.names[x] = self.new(name or x.name)
        return self.names[x]

    def text_of(self, x: Array) -> str:
        """A fixed array as it is computed: layer.weight[0:8]."""
        if x not in self.made_by:
            return self.given_names.get(id(x.value), x.name)
        call = self.made_by[x]
        args = [self.text_of(y) if isinstance(y, Array) else text_of_argument(y) for y in call.args]
        return call.spelled(args)

    # The file

    def model(self, name: str) -> Any:
        """All as a ModelProto of ONNX, checked."""
        from onnx import checker, helper, numpy_helper, shape_inference

        self.block = []
        for output, z in self.outputs.items():
            name = self.constant(z) if z in self.fixed else self.name(z)
            if name != output:
                self.block.append(["Identity", [name], [output], "Identity", {}])
        nodes = [node for block in [*reversed(self.blocks), self.block] for node in block]
        names = self.last_names(nodes)

        def info(name: str, x: Array) -> Any:
            return helper.make_tensor_value_info(names[name], element_type(x.dtype), self.dims(x))

        made, taken = [], set[str]()
        for kind, *ends, text, attributes in nodes:
            given, results = ([names[x] for x in end] for end in ends)
            made.append(helper.make_node(kind, given, results, unused(text, taken), **attributes))
        within = [z for z in self.names if z in self.done and self.names[z] not in self.outputs]
        values = dict(self.constants.values())
        graph = helper.make_graph(
            made,
            name,
            [info(self.names[x], x) for x in self.program.inputs],
            [info(output, z) for output, z in self.outputs.items()],
            [numpy_helper.from_array(values[x], names[x]) for x in names if x in values],
            value_info=[info(self.names[z], z) for z in reversed(within)],
        )
        options = {"opset_imports": [helper.make_opsetid("", OPSET)], "ir_version": IR_VERSION}
        model = helper.make_model(graph, producer_name="tinygrad_edu", **options)
        checker.check_model(model, full_check=True)
        return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)

    def last_names(self, nodes: list[Any]) -> dict[str, str]:
        """The names in the file: inputs, outputs and parameters have theirs, the others follow."""
        first = [*[self.names[x] for x in self.program.inputs], *self.outputs]
        parameters = {name for name, x in self.constants.values() if id(x) in self.given_names}
        given = dict.fromkeys([x for node in nodes for x in (*node[1], *node[2])])
        found, taken = {"": ""}, set[str]()
        for name in [*first, *[x for x in given if x in parameters], *given]:
            if name not in found:
                found[name] = unused(self.texts[name], taken)
        return found


def fixed_arrays(program: Program) -> dict[Array, Any]:
    """The arrays of a program that no input changes, and their numbers."""

    def roots(x: Sequence[Any]) -> set[Array]:
        return {program.root(y) for y in x if y}

    moving, before = roots(program.inputs), 0
    while len(moving) > before:  # again: an array may be written to after a view of it was taken
        before = len(moving)
        for call in program.calls:
            anew = isinstance(call.function, LiveArray) or any(
                isinstance(x, Number) for x in call.leaves
            )
            if anew or roots(call.arrays) & moving:
                moving |= roots([*call.results, call.written])
    fixed = [call for call in program.calls if not roots([*call.results, call.written]) & moving]
    inputs = [x.value for x in program.inputs]
    ran = Interpreter(dataclasses.replace(program, calls=fixed), inputs, {})
    every = [*program.state, *[z for call in fixed for z in call.results]]
    return {x: np.asarray(ran.now(x)) for x in every if program.root(x) not in moving}


def named_leaves(x: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What is returned, with names: output, or output.0, output.1, …; or a dict's keys."""
    if isinstance(x, dict):
        for key, item in x.items():
            yield from named_leaves(item, key if name == "output" else f"{name}.{key}")
    elif isinstance(x, tuple | list):
        for i, item in enumerate(x):
            yield from named_leaves(item, f"{name}.{i}")
    else:
        yield name, x


def kind_of_call(call: Call) -> Any:
    return call.name, call.operation, len(call.leaves), len(call.results)


def unused(text: str, taken: set[str]) -> str:
    """The text, with a number if it is taken; from now on it is."""
    numbered = (f"{text}_{i}" for i in itertools.count(1))
    found = next(name for name in itertools.chain([text], numbered) if name not in taken)
    taken.add(found)
    return found


def is_repeated(first: Any, value: Any) -> bool:
    """Whether an array is the first of it, repeated."""
    return np.array_equal(np.broadcast_to(first, value.shape), value, equal_nan=True)


def text_of_constant(x: Any) -> str:
    """A number, or a few whole ones, as they are written."""
    if x.size == 1 and not x.ndim:
        return f"{x.item():.6g}"
    return str(x.tolist()) if x.dtype.kind in "iu" and x.size <= 8 else "constant"
