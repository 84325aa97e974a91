"""What stands for an array, or a live number, while a step is recorded.

A `Traced` follows NumPy's two protocols, so that the engine takes it for an array. Each operator,
method and function runs on the real numbers, and the trace records the call. Whatever else an array
can do, and whatever would take a value out of the trace, as `if x.sum() > 0` does, is refused.
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
    METHODS,
    OPERATOR_SYMBOLS,
    OPERATOR_UFUNCS,
    OTHER_SYMBOLS,
    ArrayAttribute,
    ArrayMethod,
)
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array, Number

if TYPE_CHECKING:
    from tinygrad_edu.programs.tracing.record import Trace


class Recorded:
    """What traced arrays and live numbers share: each call that is given one is recorded.

    `isinstance` answers as for the value itself: a step decides as it does when it is not recorded.
    """

    __slots__ = ("__weakref__", "of", "trace_of")
    trace_of: Trace
    of: Any  # the Array or Number of the program

    @property
    def value(self) -> Any:
        return self.of.value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.of.value)

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
        if type(self) is Traced:
            self.trace_of.notice_read([self])
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

    def __complex__(self) -> complex:
        return complex(self.leaving("complex()"))

    def __repr__(self) -> str:
        return repr(self.leaving("a text"))

    def __str__(self) -> str:
        return str(self.leaving("a text"))

    def __format__(self, how: str) -> str:
        return format(self.leaving("a text"), how)

    def __hash__(self) -> int:
        return hash(self.leaving("a look-up in a dict or set, by its hash,"))


class Traced(Recorded):
    """An array of a trace. What arrays have and this class has not, is refused by name."""

    __slots__ = ()

    def __init__(self, trace: Trace, of: Array) -> None:
        self.trace_of, self.of = trace, of

    @property
    def shape(self) -> Any:
        return self.of.shape

    @property
    def ndim(self) -> int:
        return len(self.of.shape)

    @property
    def size(self) -> int:
        return int(self.of.value.size)

    @property
    def dtype(self) -> Any:
        return self.of.dtype

    @property
    def itemsize(self) -> int:
        return int(self.of.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        return int(self.of.nbytes)

    @property
    def strides(self) -> Any:
        return self.of.strides

    @property
    def flags(self) -> Flags:
        return Flags(self)

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
        masks = [i for i in leaves(index) if type(i) is Traced and i.dtype == bool]
        if masks and RECORDER.get() is self.trace_of:
            line = source(*line_of_the_user())
            self.trace_of.refuse(refusals.shape_of_values(operator.getitem, line))
        return self.trace_of.record(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        """Record the assignment z[index] = value.

        Python ends `z[index] += y` by assigning z[index] to itself: this is not recorded.
        """
        index = without_tensors(index)
        if type(value) is Traced and value.of.holder is self.of.holder:
            there = self.value[untraced(index)]
            if layout(there) == layout(value.value):
                return
        self.trace_of.record(operator.setitem, (self, index, value), {})


class Flags:
    """What the flags of an array say of the order of its axes in memory; no more."""

    def __init__(self, x: Traced) -> None:
        self.c_contiguous = x.value.flags.c_contiguous
        self.f_contiguous = x.value.flags.f_contiguous
        self.leaving = x.leaving

    def __getattr__(self, name: str) -> Any:
        self.leaving(f"x.flags.{name}")
        raise AttributeError(name)


class LiveNumber(Recorded):
    """A Python number that is read anew at every call, or an expression of such numbers.

    A program computes its code anew: `n0`, `(n0 * 2)`, `(1 - (0.9 ** n1))`.
    """

    __slots__ = ()
    ndim = 0
    shape = ()

    def __init__(self, trace: Trace, value: Any, code: str) -> None:
        self.trace_of, self.of = trace, Number(code, value)

    @property
    def code(self) -> str:
        return self.of.code  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return np.asarray(self.value).dtype

    def astype(self, dtype: Any) -> Any:
        """The number as an array, which can be the data of a Tensor."""
        return self.trace_of.record(np.array, (self, dtype), {})

    def answer(self, code: str, value: bool) -> bool:
        """Return the answer to a question, and note it: at a replay it must be the same."""
        self.trace_of.guards.append((code, value))
        return value

    def __bool__(self) -> bool:
        return self.answer(f"bool({self.code})", bool(self.value))

    def __neg__(self) -> LiveNumber:
        return LiveNumber(self.trace_of, -self.value, f"(-{self.code})")

    def __pos__(self) -> LiveNumber:
        return self


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


def is_recorded(x: Any) -> bool:
    return issubclass(type(x), Recorded)


def recorded_in(x: Any) -> bool:
    return any(map(is_recorded, leaves(x)))


def untraced(x: Any) -> Any:
    """x with its value in place of each recorded leaf."""
    return map_leaves(value_of_leaf, x)


def value_of_leaf(x: Any) -> Any:
    return x.of.value if issubclass(type(x), Recorded) else x


def as_data(x: Any) -> Any:
    """x with the Array or Number of the program in place of each recorded leaf."""
    return map_leaves(data_of_leaf, x)


def data_of_leaf(x: Any) -> Any:
    if isinstance(x, slice):
        return slice(*map(data_of_leaf, (x.start, x.stop, x.step)))
    return x.of if is_recorded(x) else x


def without_tensors(index: Any) -> Any:
    """The index with the array in place of each Tensor."""
    return map_leaves(
        lambda i: i.data if not is_recorded(i) and hasattr(i, "requires_grad") else i, index
    )


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


def one_argument(function: Function) -> Function:
    """A method of Traced: it records the function with self as its first argument."""
    return lambda self, *args, **options: self.trace_of.record(function, (self, *args), options)


def fixed(name: str) -> Any:
    """The setter of an attribute of arrays, such as x.shape = 3, 4: there is none."""
    return lambda self, value: self.leaving(f"x.{name} = …")


def refused(name: str) -> Any:
    """What stands for an attribute of arrays that a step may not use."""

    def method(self: Recorded, *args: Any, **options: Any) -> Any:
        return getattr(self.leaving(name), name)(*args, **options)

    if name.startswith("__"):
        return method
    return property(lambda self: getattr(self.leaving(f"x.{name}"), name), fixed(name))


def is_python_number(x: Any) -> bool:
    return type(x) in (int, float)  # np.float64 is a float too, but an array's element


def code_of(x: Any) -> str:
    if type(x) is LiveNumber:
        return x.code
    return repr(x) if x - x == 0 else f"float('{x!r}')"  # inf and nan are no names


def on_numbers(
    function: Function, with_array: Function, reflected: bool = False, compares: bool = False
) -> Function:
    """x + y for a LiveNumber x: an expression if y is a number too; recorded if y is an array."""

    def operate(self: LiveNumber, other: Any) -> Any:
        if not is_python_number(other) and type(other) is not LiveNumber:
            return with_array(self, other)
        x, y = (other, self) if reflected else (self, other)
        value = function(untraced(x), untraced(y))
        code = f"({code_of(x)} {OPERATOR_SYMBOLS[function]} {code_of(y)})"
        return self.answer(code, value) if compares else LiveNumber(self.trace_of, value, code)

    return operate


# fmt: off
# Python and NumPy ask for these themselves, and take no value by them
LEFT_ALONE = {
    "__array__", "__array_finalize__", "__array_function__", "__array_interface__",
    "__array_namespace__", "__array_priority__", "__array_struct__", "__array_ufunc__",
    "__array_wrap__", "__class__", "__class_getitem__", "__delattr__", "__dir__", "__doc__",
    "__getattribute__", "__getstate__", "__init__", "__init_subclass__", "__new__", "__setattr__",
    "__sizeof__", "__subclasshook__",
}
# fmt: on


def add_operators() -> None:
    """Give Traced and LiveNumber the operators, attributes and methods of arrays and numbers."""
    for name in (*ARITHMETIC_SYMBOLS, *OTHER_SYMBOLS):
        methods = on_arrays(getattr(operator, name))
        for prefix, method in zip("_ri", methods, strict=True):
            setattr(Traced, f"__{prefix.strip('_')}{name.strip('_')}__", method)
    for name in COMPARISON_SYMBOLS:
        setattr(Traced, f"__{name}__", on_arrays(getattr(operator, name))[0])
    for name in ("neg", "pos", "invert", "abs"):
        setattr(Traced, f"__{name}__", one_argument(getattr(operator, name)))
    for name in ("T", "mT", "real", "imag"):
        setattr(Traced, name, property(one_argument(ArrayAttribute(name))))
    for name in " ".join(METHODS.values()).split():
        setattr(Traced, name, one_argument(ArrayMethod(name)))
    for name in ARITHMETIC_SYMBOLS:
        function = getattr(operator, name)
        left, right, _ = on_arrays(function)
        setattr(LiveNumber, f"__{name}__", on_numbers(function, left))
        setattr(LiveNumber, f"__r{name}__", on_numbers(function, right, reflected=True))
    for name in COMPARISON_SYMBOLS:
        function = getattr(operator, name)
        compare = on_numbers(function, on_arrays(function)[0], compares=True)
        setattr(LiveNumber, f"__{name}__", compare)
    for name, value in [*vars(Traced).items()]:
        if isinstance(value, property):
            setattr(Traced, name, value.setter(fixed(name)))
    refuse_the_rest(Traced, (np.ndarray, np.float64))
    refuse_the_rest(LiveNumber, (int, float))


def refuse_the_rest(kind: type, kinds: tuple[type, ...]) -> None:
    """Refuse each attribute of these types that a Traced or LiveNumber does not have."""
    known = {*vars(kind), *vars(Recorded)} | LEFT_ALONE
    for name in {name for other in kinds for name in dir(other)} - known:
        setattr(kind, name, refused(name))
    # an __eq__ of its own takes a class its hash
    kind.__hash__ = Recorded.__hash__  # type: ignore[assignment]


add_operators()
