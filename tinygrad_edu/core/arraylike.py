"""What makes a Tensor behave as an array: operators, methods, conversions, NumPy's two protocols.

`t.sum()` is np.sum(t), and `t + u` is np.add(t, u): each is a look-up in `REGISTRY`, which
derivatives.py and the files of operations/ fill.
"""

from __future__ import annotations

import dis
import itertools
import operator
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.elsewhere import METHODS
from tinygrad_edu.core.signatures import by_name, defaults, places
from tinygrad_edu.core.switches import LEAVING

Array = np.ndarray[Any, Any]
Method = Callable[..., Any]

ORDER = itertools.count()  # numbers the Tensors as they are made: inputs before results
WRITERS = {"fill", "fromiter", "astype", "setitem", "__setitem__"}
REGISTRY: dict[Callable[..., Any], Any] = {}  # NumPy's function ↦ what runs when it meets a Tensor
# NumPy's function, or np.ufunc for all of these ↦ what runs if there are options: it is given the
# function, what REGISTRY holds for it, and the call
WITH_OPTIONS: dict[Any, Callable[..., Any]] = {}


def apply(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function on Tensors: what `REGISTRY` holds for it runs."""
    run = REGISTRY.get(function)
    if run is None:
        raise errors.no_derivative(function)
    if len(args) > 1 and len(args) > places(function, run):
        args, options = by_name(function, args, options, places(function, run))
    if options and (kind := {function, type(function)} & WITH_OPTIONS.keys()):
        return WITH_OPTIONS[kind.pop()](function, run, *args, **options)
    return run(*args, **options)


def method(function: Callable[..., Any]) -> Method:
    """A method or operator of Tensor: a NumPy function with self as its first argument."""

    def call(self: Any, *args: Any, **options: Any) -> Any:
        return apply(function, self, *args, **options)

    call.__name__, call.__doc__ = function.__name__, f"numpy's {function.__name__}, recorded."
    return call


def operators(function: Callable[..., Any]) -> tuple[Method, Method]:
    """Two methods: for tensor / 2.0, and for 2.0 / tensor, where self is on the right."""
    return (
        lambda self, other: REGISTRY[function].call((self, other)),
        lambda self, other: REGISTRY[function].call((other, self)),
    )


def in_place(function: Callable[..., Any]) -> Method:
    """`z += 1` gives a new Tensor; for a parameter p, `p += 1` is refused: p would not change."""

    def call(self: Any, other: Any) -> Any:
        if self.requires_grad and self.operation is None:
            raise errors.in_place_on_leaf(function, self)
        return apply(function, self, other)

    return call


class ArrayLike:
    """What a Tensor has in common with an ndarray."""

    __slots__ = ("_data", "_grad", "_requires_grad", "changed")
    __pandas_priority__ = 5000  # above a DataFrame's: series + t is ours to add
    __hash__ = object.__hash__  # by identity: `==` compares the elements
    _data: Any  # what `data` gives: the engine reads and sets these three without a check
    _grad: Array | None
    _requires_grad: bool
    name: str | None
    changed: int  # when the numbers in _data were last changed, on the scale of `order`
    operation: Any
    relu: Method  # set by operations/special.py, as are the three below
    sigmoid: Method
    softmax: Method
    log_softmax: Method

    def set_data(self, array: Any) -> None:
        """Put another array in place of the data, or say that it was changed: p.data -= step."""
        if array is self._data:
            self.changed = next(ORDER)  # after what was computed from the old numbers
            return
        check_data(self, array, self._requires_grad)
        self._data = array

    def set_requires_grad(self, wanted: bool) -> None:
        """Say whether calls on this Tensor are recorded: p.requires_grad = True."""
        check_data(self, self._data, wanted)
        self._requires_grad = wanted

    # Read in C, in half the time of a function
    data = property(operator.attrgetter("_data"), set_data)
    requires_grad = property(operator.attrgetter("_requires_grad"), set_requires_grad)
    del set_data, set_requires_grad

    @property
    def grad(self) -> Array | None:
        """For a leaf: ∂L/∂self, where backward() was called on L."""
        if self.operation is not None:
            raise errors.no_leaf(self)
        return self._grad

    @grad.setter
    def grad(self, gradient: Array | None) -> None:
        if gradient is not None:
            check_gradient(self, gradient)
        self._grad = gradient

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self._data.dtype

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return apply(np.swapaxes, self, -1, -2)

    # fmt: off
    (__add__, __radd__), __iadd__ = operators(np.add), in_place(np.add)
    (__sub__, __rsub__), __isub__ = operators(np.subtract), in_place(np.subtract)
    (__mul__, __rmul__), __imul__ = operators(np.multiply), in_place(np.multiply)
    (__truediv__, __rtruediv__), __itruediv__ = operators(np.divide), in_place(np.divide)
    (__mod__, __rmod__), __imod__ = operators(np.remainder), in_place(np.remainder)
    (__pow__, __rpow__), __ipow__ = operators(np.power), in_place(np.power)
    (__matmul__, __rmatmul__), __imatmul__ = operators(np.matmul), in_place(np.matmul)
    __floordiv__ = method(np.floor_divide)
    __rfloordiv__ = lambda self, other: apply(np.floor_divide, other, self)  # noqa: E731
    __divmod__ = method(np.divmod)
    __rdivmod__ = lambda self, other: apply(np.divmod, other, self)  # noqa: E731
    __neg__, __pos__ = method(np.negative), method(np.positive)
    __abs__, __round__ = method(np.absolute), method(np.round)
    __eq__, __ne__ = method(np.equal), method(np.not_equal)
    __lt__, __le__ = method(np.less), method(np.less_equal)
    __gt__, __ge__ = method(np.greater), method(np.greater_equal)

    abs, exp, log = method(np.absolute), method(np.exp), method(np.log)
    sqrt, tanh, clip = method(np.sqrt), method(np.tanh), method(np.clip)
    sum, prod, mean = method(np.sum), method(np.prod), method(np.mean)
    var, std, trace = method(np.var), method(np.std), method(np.trace)
    max, argmax, cumsum = method(np.max), method(np.argmax), method(np.cumsum)
    min, argmin, cumprod = method(np.min), method(np.argmin), method(np.cumprod)
    all, any, nonzero = method(np.all), method(np.any), method(np.nonzero)
    dot, argsort, searchsorted = method(np.dot), method(np.argsort), method(np.searchsorted)
    ravel, squeeze, swapaxes = method(np.ravel), method(np.squeeze), method(np.swapaxes)
    take, repeat, diagonal = method(np.take), method(np.repeat), method(np.diagonal)
    copy, round = method(np.copy), method(np.round)
    astype, flatten = method(np.ndarray.astype), method(np.ndarray.flatten)
    # fmt: on

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """Write reshape(2, 3) or reshape((2, 3)); one size may be -1."""
        return apply(np.reshape, self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        """Write transpose(), transpose(1, 0) or transpose((1, 0))."""
        given = axes if len(axes) == 1 else (axes,) if axes else ()
        return apply(np.transpose, self, *given)

    # Items

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        parts = tuple([i.data if isinstance(i, ArrayLike) else i for i in parts])
        return apply(operator.getitem, self, parts if isinstance(index, tuple) else parts[0])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise errors.item_assignment(self)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise errors.not_iterable(self)
        return (self[i] for i in range(len(self)))

    # Out of the graph

    def numpy(self) -> Array:
        """Return the data as an array outside the graph: the Tensor's own, not a copy."""
        array: Array = as_array(self._data)
        return array

    def tolist(self) -> Any:
        """Return the data as numbers in lists."""
        return self._data.tolist()

    def item(self) -> float:
        """Return the one number that the Tensor holds; while a derivative is taken, refuse."""
        if self.requires_grad and (leaving := LEAVING.get()):
            leaving(self)
        return self.only()

    def only(self) -> float:
        """Return the one number for a decision or a print: no derivative is lost by that."""
        if self.size != 1:
            raise errors.not_one_number(self)
        number: float = self._data.item()
        return number

    def __bool__(self) -> bool:
        return bool(self.only())

    def __float__(self) -> float:
        if self.requires_grad and writes_into_an_array(caller := sys._getframe(1)):
            error = errors.number_into_an_array(self)
            if "flat" in caller.f_code.co_names:  # array.flat[0] = t replaces our error by its own
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
            raise error
        return float(self.item())

    def __int__(self) -> int:
        return int(self.only())

    def __format__(self, spec: str) -> str:
        return format(self.only(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        numbers = str(self._data[()])
        if self.ndim:
            numbers = np.array2string(self._data, separator=", ", prefix="Tensor(")
        parts = [numbers] if self.dtype == np.float64 else [numbers, f"dtype={self.dtype}"]
        if self.name:
            parts.append(f"name={self.name!r}")
        if self.operation:
            parts.append(f"operation={self.operation.name}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    # NumPy's protocols: np.exp(t), np.add(array, t), np.concatenate([t, u])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise errors.array_of_tensor(self)
        return np.array(self._data, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__" or ("out" in options and "where" not in options):
            raise errors.out_or_reduce(ufunc, method, self)
        return apply(ufunc, *args, **options)

    def __array_function__(
        self, function: Method, types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if options:
            usual = defaults(function)
            options = {key: x for key, x in options.items() if x is not usual.get(key, usual)}
        return apply(function, *args, **options)


def name_elsewhere(name: str) -> property:
    """Refuse an attribute of PyTorch's tensors, or of arrays: the error says what to write here.

    A `__getattr__` could say it of every name, but Python 3.11 would read each slot at half speed.
    """

    def refuse(self: ArrayLike) -> Any:
        raise errors.no_attribute(name)

    return property(refuse, doc=f"Here: {METHODS[name]}")


for name in METHODS:
    setattr(ArrayLike, name, name_elsewhere(name))


def writes_into_an_array(frame: FrameType) -> bool:
    """Whether a caller who asks for a number puts it into an array: r[0] = t, r.fill(t) ….

    NumPy asks as float(t) does, so the caller's instruction decides: it stores an item, or calls
    something with a name of WRITERS.
    """
    code, at = frame.f_code, frame.f_lasti
    if dis.opname[code.co_code[at]] == "STORE_SUBSCR":
        return True
    if WRITERS.isdisjoint(code.co_names):
        return False
    instructions = list(dis.get_instructions(code))
    called = next(start_of(i) for i in instructions if i.offset == at)
    names = [i for i in instructions if i.offset < at and i.argval in WRITERS]
    return called is not None and called in map(start_of, names)


def start_of(instruction: dis.Instruction) -> tuple[int, int] | None:
    """The line and column where its expression begins: a call begins where its function does."""
    found = instruction.positions
    if found is None or found.lineno is None or found.col_offset is None:
        return None
    return found.lineno, found.col_offset


# What an operation is called with, and does not have to look at twice
TAKEN_AS_THEY_ARE = frozenset((np.ndarray, np.float64, int, float, bool, tuple, slice, type(None)))


def operand(x: Any, lists: bool = True) -> Any:
    """What NumPy computes with: for a list, or an array of another library, an array.

    Of a list that holds Tensors it is their stack, a Tensor.
    """
    if isinstance(x, list | tuple):
        if not lists:
            return x
        return apply(np.stack, list(map(operand, x))) if holds_tensor(x) else np.asarray(x)
    if isinstance(x, np.matrix):
        raise errors.matrix_class(x)
    foreign = hasattr(type(x), "__array__") and not follows_numpy(x)
    if isinstance(x, np.ndarray) or (foreign and not isinstance(x, np.generic)):
        return as_array(x)
    return x


def holds_tensor(x: Any) -> bool:
    """Whether a list, or a list within it, holds a Tensor."""
    return any(
        isinstance(part, ArrayLike) or (isinstance(part, list | tuple) and holds_tensor(part))
        for part in x
    )


def as_array(x: Any, dtype: Any = None) -> Any:
    """np.asarray(x), but an array of another library that follows NumPy's protocols stays itself.

    So a Tensor's data may be such an array.
    """
    kind = type(x)
    if kind is np.ndarray and dtype is None:
        return x
    if issubclass(kind, np.ndarray) and kind is not np.ndarray and np.ma.is_masked(x):
        raise errors.masked_elements(x)
    if issubclass(kind, np.ndarray) or not follows_numpy(x):
        return np.asarray(x, dtype)
    if dtype is not None and x.dtype != dtype:
        return x.astype(dtype)
    return x if x.ndim else np.copy(x)


def check_data(x: ArrayLike, data: Any, requires_grad: bool) -> None:
    """Refuse what cannot be the data of x: no array, no real numbers, no floating point."""
    if isinstance(data, ArrayLike) or not hasattr(data, "dtype"):
        raise errors.data_is_no_array(x, data)
    if data.dtype.kind not in "biuf":
        raise errors.not_real_numbers(data, data.dtype)
    if requires_grad and data.dtype.kind != "f":
        raise errors.integer_gradient(x.name, data.dtype)


def check_gradient(x: ArrayLike, gradient: Any) -> None:
    """Refuse what cannot be the gradient of x: no array, or one of another shape."""
    if isinstance(gradient, ArrayLike) or getattr(gradient, "shape", ()) != x._data.shape:
        raise errors.no_gradient_of(x, gradient)


def plain_parts(x: Any) -> Any:
    """x with the data of each Tensor in it, within lists and tuples too."""
    if type(x) in (list, tuple):
        return type(x)([plain_parts(part) for part in x])
    return x._data if isinstance(x, ArrayLike) else x


def follows_numpy(x: Any) -> bool:
    """Whether NumPy's functions ask x what to do when they are given x."""
    return hasattr(type(x), "__array_function__")


def real_numbers(data: Any) -> Array:
    """The data as an array of real numbers; TypeError if they are something else."""
    try:
        array: Array = as_array(data)
    except ValueError:
        raise errors.not_real_numbers(data, "object, ragged") from None
    if array.dtype.kind not in "biuf":
        raise errors.not_real_numbers(data, array.dtype)
    return array
