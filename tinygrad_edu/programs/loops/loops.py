"""A program as loops: where each array's elements lie, and which calls share one nest of loops.

What compiled code needs and NumPy hides: a view is no call, only another way to count the same
elements, and neighbours that work element by element need no array between them. The readers that
write code of their own print what this file gives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.programs.calls import FILLING, ArrayMethod
from tinygrad_edu.programs.loops.nests import grouped
from tinygrad_edu.programs.loops.statements import (
    Apply,
    CheckClasses,
    Elements,
    Gather,
    Product,
    Reduce,
    Shape,
    Statement,
)
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.passes import drop_dead_calls, is_full_of, reduction_by, share_copies
from tinygrad_edu.programs.program import Array, Call, Number, Program
from tinygrad_edu.programs.refusals import NotReplayable
from tinygrad_edu.programs.tracing.record import LiveArray


class Loops:
    """The statements of a program, in groups that share one nest of loops."""

    def __init__(self, program: Program) -> None:
        program = drop_dead_calls(share_copies(program))
        self.program, self.constants = program, dict[str, Array]()
        self.views: dict[Array, Elements] = {}
        self.statements = [x for call in program.calls for x in self.statements_of(call)]
        self.groups = grouped(self.statements)

    # Where things are

    def place(self, x: Any) -> Any:
        """The Elements of an array of the program or of a constant; a number as it is."""
        if isinstance(x, list):
            x = np.asarray(x)
        if isinstance(x, np.ndarray) and x.ndim:
            x = self.constant(x)
        if isinstance(x, np.ndarray | np.generic):
            return x.item()
        if not isinstance(x, Array):
            return x
        if x in self.program.shared:
            return self.place(self.program.shared[x])
        if x in self.views:
            return self.views[x]
        offset = 0 if x.is_result else elements_between(x.holder.value, x.value)
        return Elements(x.holder, offset, in_elements(x.strides, x.dtype), x.shape)

    def view(self, call: Call) -> Elements:
        """Where the elements of a view lie: where NumPy says it begins, asked of no real memory."""
        (x,) = [x for x in call.arrays if x.holder is call.results[0].holder]
        z, place = call.results[0], self.place(x)
        if z.dtype != x.dtype:
            raise not_in_loops(call)
        there = as_strided(np.empty(1, x.dtype), x.shape, x.strides)
        args, options = map_leaves(lambda a: there if a is x else a, (call.args, call.options))
        offset = place.offset + elements_between(there, call.function(*args, **options))
        return Elements(place.root, offset, in_elements(z.strides, z.dtype), z.shape)

    def item(self, call: Call) -> Elements:
        """Where x[index] lies, if the index says so before anything runs."""
        x, index = call.args[:2]
        place = self.place(x)
        there = as_strided(np.empty(1, x.dtype), x.shape, x.strides)
        if [*filter(is_computed, leaves(index))]:
            raise not_in_loops(call)
        index = index if type(index) is tuple else (index,)
        part = there[index if ... in index else (*index, ...)]
        offset = place.offset + elements_between(there, part)
        return Elements(place.root, offset, in_elements(part.strides, part.dtype), part.shape)

    def constant(self, value: Any) -> Array:
        value = np.ascontiguousarray(value)
        for x in self.constants.values():
            if x.value.dtype == value.dtype and np.array_equal(x.value, value):
                return x
        name = f"k{len(self.constants)}"
        self.constants[name] = Array.of(name, value)
        return self.constants[name]

    # What a call does

    def statements_of(self, call: Call) -> Iterator[Statement]:
        """The statements of a call: none for a view; an error for what has no loops here."""
        if call.name == "classes_of":
            labels, classes = call.args
            yield CheckClasses(call, self.place(labels), classes)
            yield Apply(call, "copy", self.place(call.target), (self.place(labels),))
        elif call.opaque or call.several or call.function is None:
            raise not_in_loops(call)
        elif call.results and call.results[0].holder is not call.results[0]:
            self.views[call.results[0]] = self.view(call)
        elif call.results and call.results[0] in self.program.shared:
            return  # a copy that nobody tells from its original
        elif call.function in FILLING or call.name == "full_like":
            value = FILLING.get(call.function, call.args[-1])
            if value is not None:
                yield Apply(call, "copy", self.place(call.target), (self.place(value),))
        elif call.name in ("matmul", "dot", "vdot", "inner"):
            yield from self.product(call)
        elif (found := reduction_by(summed(call))) is not None:
            yield from self.reduction(call, found[0].__name__, found[1], found[2])
            if call.name == "mean":
                z = self.place(call.target)
                yield Apply(call, "divide", z, (z, call.args[0].size // max(call.target.size, 1)))
        elif call.name == "concatenate":
            yield from self.joined(call)
        elif call.name == "getitem":
            yield self.gathered(call)
        elif call.name in ("setitem", "copyto"):
            target = self.item(call) if call.name == "setitem" else self.place(call.target)
            if call.options or len(call.args) != 2 + (call.name == "setitem"):
                raise not_in_loops(call)
            if np.ndim(getattr(call.args[-1], "value", call.args[-1])) > len(target.shape):
                raise not_in_loops(call)
            yield Apply(call, "copy", target, (self.read(call.args[-1], target.shape),))
        elif call.name in ("reshape", "ravel", "flatten"):
            source = self.place(call.args[0])
            yield Apply(call, "copy", self.place(call.target).reshaped(source.shape), (source,))
        else:
            yield from self.elementwise(call)

    def elementwise(self, call: Call) -> Iterator[Statement]:
        name = ELEMENTWISE.get(call.name, call.name)
        options = call.options.keys() - {"out", "copy", "casting", "dtype", "order"}
        if name not in FUNCTIONS or options:
            raise not_in_loops(call)
        target = self.place(call.target)
        args = call.args[: FUNCTIONS[name]]
        if target.shape != call.target.shape or len(args) < FUNCTIONS[name]:
            raise not_in_loops(call)
        yield Apply(call, name, target, tuple([self.read(x, target.shape) for x in args]))

    def read(self, x: Any, shape: Shape) -> Any:
        place = self.place(x)
        return place.broadcast(shape) if isinstance(place, Elements) else place

    def product(self, call: Call) -> Iterator[Statement]:
        """A product of vectors and matrices as one of matrices; of stacks, a product each."""
        x, y, z = (self.place(a) for a in (*call.args[:2], call.target))
        if not isinstance(x, Elements) or not isinstance(y, Elements) or not x.shape or not y.shape:
            yield Apply(call, "multiply", z, tuple([self.read(a, z.shape) for a in call.args[:2]]))
            return
        if call.name == "inner" or (call.name == "dot" and max(len(x.shape), len(y.shape)) > 2):
            raise not_in_loops(call)
        if call.name == "vdot" and max(len(x.shape), len(y.shape)) > 1:
            raise not_in_loops(call)
        if len(x.shape) == 1 and len(y.shape) <= 2 and is_full_of(call.args[0], 1):
            sums = Elements(z.root, z.offset, (0, *z.strides), y.shape)
            yield Reduce(call, "add", sums, y)  # the product with ones is the sum of the rows
            return
        if len(x.shape) == len(y.shape) == 1:
            yield from self.summed_product(call, x, y, z)
            return
        if len(x.shape) == 1:
            x = Elements(x.root, x.offset, (0, *x.strides), (1, *x.shape))
            z = Elements(z.root, z.offset, with_axis(z.strides, -1), with_axis(z.shape, -1, 1))
        if len(y.shape) == 1:
            y = Elements(y.root, y.offset, (*y.strides, 0), (*y.shape, 1))
            z = Elements(z.root, z.offset, (*z.strides, 0), (*z.shape, 1))
        stack = z.shape[:-2]
        x, y = x.broadcast((*stack, *x.shape[-2:])), y.broadcast((*stack, *y.shape[-2:]))
        for place in np.ndindex(stack):
            yield Product(call, *[matrix(a, place) for a in (z, x, y)])

    def summed_product(
        self, call: Call, x: Elements, y: Elements, z: Elements
    ) -> Iterator[Statement]:
        """z = Σ x[i] y[i], of vectors, or of the arrays that these are in another shape."""
        if x.natural().shape == y.natural().shape:
            x, y = x.natural(), y.natural()
        products = self.place(Array.of("#products", np.empty(x.shape, z.root.dtype)))
        yield Apply(call, "multiply", products, (x, y))
        sums = Elements(z.root, z.offset, (0,) * len(x.shape), x.shape)
        yield Reduce(call, "add", sums, products)

    def reduction(self, call: Call, name: str, axis: Any, keepdims: bool) -> Iterator[Statement]:
        x, z = self.place(call.args[0]), self.place(call.target)
        n = len(x.shape)
        axes = range(n) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        gone = {a % n for a in axes}
        if len(gone) == n and not keepdims:
            x = x.natural()
            n, gone = len(x.shape), {*range(len(x.shape))}
        steps = iter(z.strides)
        if keepdims:
            strides = [0 if a in gone else step for a, step in enumerate(steps)]
        else:
            strides = [0 if a in gone else next(steps) for a in range(n)]
        yield Reduce(call, name, Elements(z.root, z.offset, tuple(strides), x.shape), x)

    def joined(self, call: Call) -> Iterator[Statement]:
        axis = call.args[1] if len(call.args) > 1 else call.options.get("axis", 0)
        target, start = self.place(call.target), 0
        for piece in call.args[0]:
            source = self.place(piece)
            if not isinstance(source, Elements) or axis is None:
                raise not_in_loops(call)
            a = axis % len(target.shape)
            part = target.part(a, start, source.shape[a])
            yield Apply(call, "copy", part, (source,))
            start += source.shape[a]

    def gathered(self, call: Call) -> Gather:
        source, target = self.place(call.args[0]), self.place(call.target)
        index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
        places = [self.place(i) for i in index]
        if not all(isinstance(i, Elements) and i.root.dtype.kind in "iu" for i in places):
            raise not_in_loops(call)
        shape = np.broadcast_shapes(*[i.shape for i in places])
        return Gather(call, target, source, tuple([i.broadcast(shape) for i in places]))


def summed(call: Call) -> Call:
    """The call, or for a mean the sum of the same elements."""
    return dataclasses.replace(call, function=ArrayMethod("sum")) if call.name == "mean" else call


def is_computed(x: Any) -> bool:
    """Whether an index is more than an integer: an array, or a number that is read anew."""
    return isinstance(x, Array | Number | np.ndarray | list | bool)


def elements_between(start: Any, end: Any) -> int:
    """How many elements one array begins behind another."""
    first, last = (x.__array_interface__["data"][0] for x in (start, end))
    return int(last - first) // int(start.itemsize)


def in_elements(strides: Shape, dtype: Any) -> Shape:
    """Strides in elements."""
    return tuple([step // dtype.itemsize for step in strides])


def with_axis(numbers: Shape, at: int, number: int = 0) -> Shape:
    """The numbers with another one before the last."""
    return (*numbers[:at], number, *numbers[at:]) if numbers else (number,)


def matrix(x: Elements, place: Shape) -> Elements:
    """The matrix at a place of a stack."""
    offset = sum(i * step for i, step in zip(place, x.strides, strict=False))
    return Elements(x.root, x.offset + offset, x.strides[-2:], x.shape[-2:])


# fmt: off
FUNCTIONS = dict.fromkeys((  # by the number of their arguments
    "copy", "negative", "absolute", "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sqrt",
    "cbrt", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh",
    "arccosh", "arctanh", "square", "reciprocal", "sign", "floor", "ceil", "trunc", "isnan",
    "isinf", "isfinite", "logical_not"), 1) | dict.fromkeys((
    "add", "subtract", "multiply", "divide", "power", "floor_divide", "remainder", "maximum",
    "minimum", "arctan2", "hypot", "logaddexp", "greater", "greater_equal", "less", "less_equal",
    "equal", "not_equal", "logical_and", "logical_or"), 2) | {"where": 3, "clip": 3}
ELEMENTWISE = {  # other names of the same functions
    "astype": "copy", "positive": "copy", "pos": "copy", "full_like": "copy", "sub": "subtract",
    "mul": "multiply", "truediv": "divide", "pow": "power", "floordiv": "floor_divide",
    "mod": "remainder", "neg": "negative", "abs": "absolute", "fabs": "absolute", "gt": "greater",
    "ge": "greater_equal", "lt": "less", "le": "less_equal", "eq": "equal", "ne": "not_equal",
    "invert": "logical_not", "and_": "logical_and", "or_": "logical_or",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "true_divide": "divide",
}
# fmt: on


def not_in_loops(call: Call) -> NotReplayable:
    """The error for a call that has no loops."""
    if isinstance(call.function, LiveArray):
        return NotReplayable(
            f"{call.name} is drawn or read anew at every call, as Dropout's mask is, and code has "
            "no generator: call model.eval() before the function is recorded, or give an argument"
        )
    return NotReplayable(
        f"{call.name} has no loops, so a program that calls it cannot be written as code: {call}"
    )
