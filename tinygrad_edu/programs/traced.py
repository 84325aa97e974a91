"""An array that writes down what is computed with it.

A `Traced` follows NumPy's two protocols, so that the engine takes it for an array. Each operator,
method and function runs on the real numbers, and the trace records the call. What would take a
value out of the trace, as `if x.sum() > 0` does, is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import line_of_the_user, source
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.calls import (
    ARITHMETIC_SYMBOLS,
    COMPARISON_SYMBOLS,
    OPERATOR_UFUNCS,
    OTHER_SYMBOLS,
    ArrayAttribute,
    ArrayMethod,
)
from tinygrad_edu.programs.nested import leaves, map_leaves

if TYPE_CHECKING:
    from tinygrad_edu.programs.tracing import Trace


class Recorded:
    """What traced arrays and live numbers share: each call that is given one is recorded."""

    __slots__ = ("trace_of", "value")
    trace_of: Trace
    value: Any

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if not all(map(is_known, args)):
            return NotImplemented  # there is a Tensor: it takes the call
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return self.trace_of.record(function, args, options)

    def __array_function__(self, function: Function, types: Any, args: Any, options: Any) -> Any:
        if not all(issubclass(kind, np.ndarray | Recorded) for kind in types):
            return NotImplemented
        return self.trace_of.record(function, args, options)

    def leaving(self, what: str) -> Any:
        """The value, which may not leave while the step is being recorded."""
        if RECORDER.get() is self.trace_of:
            self.trace_of.refuse(refusals.value_leaves(what, source(*line_of_the_user())))
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        value = self.leaving("an array of its own, as np.asarray makes it,")
        return np.array(value, dtype, copy=copy)

    def __float__(self) -> float:
        return float(self.leaving("float()"))

    def __int__(self) -> int:
        return int(self.leaving("int()"))

    def __index__(self) -> int:
        return operator.index(self.leaving("an index or count"))

    def __repr__(self) -> str:
        return f"traced {self.value!r}"


class Traced(Recorded):
    """An array of a trace: its value, its name, and its base, the Traced in whose memory it lies.

    An array with memory of its own is its own base. The name of a call's result begins with #.
    """

    __slots__ = ("base", "name")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, value: Any, name: str, base: Traced | None = None) -> None:
        self.trace_of, self.value, self.name = trace, value, name
        self.base: Traced = self if base is None else base

    @property
    def is_result(self) -> bool:
        return self.name[0] == "#"

    @property
    def memory(self) -> Any:
        return memory_owner(self.value)

    @property
    def shape(self) -> Any:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.value.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def nbytes(self) -> int:
        return self.value.nbytes  # type: ignore[no-any-return]

    @property
    def flags(self) -> Any:
        return self.value.flags

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.leaving("a decision, if, while, and, or,"))

    def item(self) -> Any:
        return self.leaving("item()").item()

    def tolist(self) -> Any:
        return self.leaving("tolist()").tolist()

    def __getitem__(self, index: Any) -> Any:
        index = without_tensors(index)
        masks = [i for i in leaves(index) if isinstance(i, Traced) and i.dtype == bool]
        if masks and RECORDER.get() is self.trace_of:
            line = source(*line_of_the_user())
            self.trace_of.refuse(refusals.shape_of_values(operator.getitem, line))
        return self.trace_of.record(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        """Record the assignment z[index] = value.

        Python ends `z[index] += y` by assigning z[index] to itself: this is not recorded.
        """
        index = without_tensors(index)
        if isinstance(value, Traced) and value.base is self.base:
            there = self.value[untraced(index)]
            if layout(there) == layout(value.value):
                return
        self.trace_of.record(operator.setitem, (self, index, value), {})


def layout(x: Any) -> Any:
    """Where an array's numbers lie, and how they are read: the same for two equal views."""
    return x.__array_interface__["data"], x.shape, x.strides, x.dtype


def memory_owner(x: Any) -> Any:
    """The array that owns the memory of x."""
    while isinstance(x, np.ndarray) and isinstance(x.base, np.ndarray):
        x = x.base
    return x


def is_known(x: Any) -> bool:
    """Whether a trace can take x; not a Tensor, whose own operators must take the call."""
    if isinstance(x, np.ndarray | np.generic | Recorded):
        return True
    return not hasattr(type(x), "__array_ufunc__")


def traced_in(x: Any) -> list[Traced]:
    return [leaf for leaf in leaves(x) if isinstance(leaf, Traced)]


def recorded_in(x: Any) -> bool:
    return any(isinstance(leaf, Recorded) for leaf in leaves(x))


def untraced(x: Any) -> Any:
    """x with its value in place of each recorded leaf."""
    return map_leaves(lambda leaf: leaf.value if isinstance(leaf, Recorded) else leaf, x)


def without_tensors(index: Any) -> Any:
    """The index with the array in place of each Tensor."""
    return map_leaves(lambda i: i.data if hasattr(i, "requires_grad") else i, index)


# Operators and methods


def on_arrays(function: Function) -> tuple[Function, Function, Function]:
    """Three methods, given operator.add: for x + y, for y + x and for x += y."""

    def left(self: Recorded, other: Any) -> Any:
        if not is_known(other):
            return NotImplemented
        return self.trace_of.record(function, (self, other), {})

    def right(self: Recorded, other: Any) -> Any:
        if not is_known(other):
            return NotImplemented
        return self.trace_of.record(function, (other, self), {})

    def in_place(self: Recorded, other: Any) -> Any:
        if isinstance(self.value, np.generic) or not is_known(other):
            return left(self, other)
        return self.trace_of.record(OPERATOR_UFUNCS[function], (self, other), {"out": (self,)})

    return left, right, in_place


# fmt: off
RECORDED_METHODS = (
    "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod", "cumsum",
    "diagonal", "dot", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape",
    "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var", "view",
)
# fmt: on


def one_argument(function: Function) -> Function:
    """A method of Traced: it records the function with self as its first argument."""
    return lambda self, *args, **options: self.trace_of.record(function, (self, *args), options)


def add_operators() -> None:
    """Give Traced the operators, attributes and methods of arrays."""
    for name in (*ARITHMETIC_SYMBOLS, *OTHER_SYMBOLS):
        for prefix, method in zip("_ri", on_arrays(getattr(operator, name)), strict=True):
            setattr(Traced, f"__{prefix.strip('_')}{name.strip('_')}__", method)
    for name in COMPARISON_SYMBOLS:
        setattr(Traced, f"__{name}__", on_arrays(getattr(operator, name))[0])
    for name in ("neg", "pos", "invert", "abs"):
        setattr(Traced, f"__{name}__", one_argument(getattr(operator, name)))
    for name in ("T", "mT", "real"):
        setattr(Traced, name, property(one_argument(ArrayAttribute(name))))
    for name in RECORDED_METHODS:
        setattr(Traced, name, one_argument(ArrayMethod(name)))


add_operators()
