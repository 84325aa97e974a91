"""The engine: a Tensor remembers how it was computed, and the chain rule walks back through what it
remembers.

Reading order: **engine.py** → derivatives.py → functional.py → gradcheck.py.

An operation *is* a NumPy function. This file knows none of them: `Tensor.__mul__` is
`apply(np.multiply, …)`, a look-up in `REGISTRY` (methods.py has the column of them), and
derivatives.py fills the registry with what calculus knows. Four ideas:

1. `Operation` runs a function on arrays and records the call; `derivative` registers its partials.
2. `Tensor` is one number or array in the graph. The graph is made of Tensors: there is no other
   node.
3. `chain_rule` is the whole of backpropagation: one walk, from the result back to the leaves.
4. `unbroadcast` undoes broadcasting, once, at the edge, so that no partial has to think of it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import REGISTRY, Methods, apply
from tinygrad_edu.core.sparse import Placed, added
from tinygrad_edu.programs.tracing import as_array

Array = np.ndarray[Any, Any]
Partial = Callable[
    ..., Any
]  # (g, z, x, y, …) ↦ ∂L/∂x, where z = f(x, y, …) and g = ∂L/∂z has already arrived

# Whether operations are recorded, or what watches them: a context variable, no_grad in one thread
# leaves the others alone
RECORDING: ContextVar[Any] = ContextVar("RECORDING", default=True)
NOTHING: dict[str, Any] = {}
NUMBERS = "biuf"  # the kinds of dtype that are real numbers
ORDER = (
    itertools.count()
)  # every Tensor is younger than its inputs, so their numbers sort the graph topologically


class Partials(dict[int, Partial]):
    """The partials of an operation by the number of the argument; `each` is one for any number of
    arguments."""

    def __init__(
        self, name: str, partials: tuple[Partial | None, ...], each: Partial | None
    ) -> None:
        super().__init__((number, f) for number, f in enumerate(partials) if f)
        self.name, self.each = name, each

    def every(self) -> list[Partial]:
        return [f for f in (*self.values(), self.each) if f]

    def __missing__(self, number: int) -> Partial:
        if self.each:
            return functools.partial(self.each, number)
        raise errors.no_partial(self.name, number)


class Operation:
    """A function of arrays, z = f(x, y, …), and its partials: one per argument, (g, z, x, y, …) ↦
    ∂L/∂argument."""

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: tuple[Partial | None, ...] = (),
        each: Partial | None = None,
        domain: tuple[tuple[float, float], ...] = (),
        elementwise: bool = False,
    ) -> None:
        self.name, self.forward, self.domain, self.elementwise = name, forward, domain, elementwise
        self.partials = Partials(name, partials, each)

    @functools.cached_property
    def options(self) -> frozenset[str]:
        """The names that the partials know: no other option may be given."""
        return frozenset(
            name
            for f in self.partials.every()
            for name in inspect.signature(f).parameters
            if name != "out"
        )

    def check(self, options: dict[str, Any]) -> None:
        """Options are settings that the partials know; what is differentiated is given in its
        place, not by name."""
        if not self.options.issuperset(options):
            raise errors.unknown_options(self.name, options, self.options)
        for key, value in options.items():
            if isinstance(value, Tensor):
                raise errors.tensor_by_name(self.name, key)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.call(args, options)

    def call(self, args: tuple[Any, ...], options: dict[str, Any] = NOTHING) -> Any:
        """z = f(*args), recorded if a Tensor among the arguments requires a gradient; an array if
        there is no Tensor."""
        arrays, met, wanted = [], False, False
        for x in args:
            if isinstance(x, Tensor):
                met, wanted = True, wanted or x.requires_grad
                arrays.append(x.data)
            else:
                arrays.append(np.asarray(x) if isinstance(x, list) and self.elementwise else x)
        if options:
            self.check(options)
        try:
            data = self.forward(*arrays, **options) if options else self.forward(*arrays)
        except (ValueError, TypeError, IndexError) as error:
            raise errors.function_failed(self, error, args) from None
        if not met:
            return data
        kind, recording = data.dtype.kind, RECORDING.get()
        if kind not in NUMBERS:
            raise errors.not_real_numbers(data, data.dtype, self.name)
        z = new_tensor(data)
        if wanted and kind == "f" and recording:
            z.requires_grad, z.operation = True, self
            z.args, z.values, z.options = args, (data, *arrays), options
        return z if recording is True or not recording else recording(z, self, args, arrays)


def operation(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of arrays an operation on Tensors. Its partials, written with NumPy, follow
    with `derivative`.

    >>> @operation
    ... def cube(x): return x * x * x
    >>> derivative(cube, lambda g, z, x: g * 3 * x * x)
    >>> cube(Tensor(2.0, requires_grad=True))
    Tensor(8.0, operation=cube)
    """

    @functools.wraps(forward)
    def function(*args: Any, **options: Any) -> Any:
        return REGISTRY[function].call(args, options)

    REGISTRY[function] = Operation(forward.__name__, forward)
    return function


def derivative(
    function: Callable[..., Any],
    *partials: Partial | None,
    each: Partial | None = None,
    domain: tuple[tuple[float, float], ...] = (),
    forward: Callable[..., Any] | None = None,
) -> Any:
    """Register the derivative of a NumPy function: one partial per argument, (g, z, x, y, …) ↦
    ∂L/∂argument.

    z = f(x, y, …) is the result and g = ∂L/∂z the gradient that has arrived. A partial is an
    expression of functions that are themselves registered, so that it can be differentiated again;
    `None` where there is none. Without partials it decorates the one partial of a function of one
    argument. `each` takes the number of the argument first. `domain` gives an open interval per
    argument; `forward` is what runs, if a method is faster than the function.

    >>> derivative(np.arctan, lambda g, z, x: g / (1 + x * x))  # (arctan x)′ = 1/(1 + x²)
    """
    if not partials and each is None:
        return lambda partial: derivative(function, partial, domain=domain, forward=forward)
    known = REGISTRY.get(function)
    forward = forward or (known.forward if isinstance(known, Operation) else function)
    REGISTRY[function] = Operation(
        function.__name__, forward, partials, each, domain, isinstance(function, np.ufunc)
    )
    return None


@contextmanager
def no_grad() -> Iterator[None]:
    """Within it nothing is recorded: results don't require a gradient. Also a decorator,
    `@no_grad()`.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(): x * x
    Tensor(4.0)
    """
    token = RECORDING.set(False)
    try:
        yield
    finally:
        RECORDING.reset(token)


def chain_rule(
    root: Tensor, gradient: Any = None, create_graph: bool = False
) -> Iterator[tuple[Tensor, Any]]:
    """Yield (tensor, ∂root/∂tensor) for all that root was computed from, each once its gradient is
    complete.

    The order is reverse topological: the youngest Tensor first, so that all that it flowed into has
    been seen; leaves last. Gradients are arrays; with `create_graph` they are Tensors, themselves
    recorded, and can be differentiated again. `gradient` is ∂L/∂root, of root's shape; left out,
    root must be one number, and it is 1."""
    gradients = {root: starting_gradient(root, gradient, create_graph)}
    pending = [(-root.order, root)]  # a heap: the youngest comes first
    while pending:
        g = gradients.pop(z := heappop(pending)[1])
        if isinstance(g, Placed):
            g = g.written_out()
        yield z, g
        number, options, values = -1, z.options, recorded(z) if create_graph else z.values
        partials: Any = z.operation and z.operation.partials
        for x in z.args:
            number += 1
            if not isinstance(x, Tensor) or not x.requires_grad:
                continue
            contribution = (
                partials[number](g, *values, **options) if options else partials[number](g, *values)
            )
            then = z.values[number + 1]
            if contribution.shape != then.shape or contribution.dtype is not then.dtype:
                contribution = fitted(contribution, z, number)
            if x in gradients:
                contribution = added(gradients[x], contribution)  # several paths to x: they add up
            elif x.operation:
                heappush(pending, (-x.order, x))
            gradients[x] = contribution
    for x, g in gradients.items():
        yield x, g.written_out() if isinstance(g, Placed) else g  # the leaves


def gradients_of(
    root: Tensor, inputs: tuple[Tensor, ...], gradient: Any = None, create_graph: bool = False
) -> list[Any]:
    """∂root/∂input for each input; zeros for one that root does not depend on."""
    wanted = set(inputs)
    found = {x: g for x, g in chain_rule(root, gradient, create_graph) if x in wanted}
    return [found[x] if x in found else np.zeros(x.shape, x.dtype) for x in inputs]


def starting_gradient(root: Tensor, gradient: Any, create_graph: bool) -> Any:
    if not root.requires_grad:
        raise errors.nothing_to_differentiate(root)
    if gradient is None:
        if root.data.size != 1:
            raise errors.backward_from_many(root)
        gradient = np.ones(root.shape, root.dtype)[()] if root.ndim else root.dtype.type(1)
        if not create_graph:
            return gradient
    elif np.shape(gradient) != root.shape:
        raise errors.gradient_does_not_fit(root, gradient)
    if create_graph:
        return gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    return as_array(plain(gradient), root.dtype)[()]


def recorded(z: Tensor) -> list[Any]:
    """z and the arguments it was computed from as Tensors, with the values that they had then."""
    values = [as_it_was(z, z.values[0]), *z.values[1:]] if z.inputs else []
    for number, x in z.inputs:
        values[number + 1] = as_it_was(x, values[number + 1])
    return values


def as_it_was(x: Tensor, value: Any) -> Tensor:
    if x.data is value:
        return x
    # its data was replaced since: a stand-in with the old value, through which gradients still
    # reach x
    then: Tensor = +x
    then.data, then.values = value, (value, value)
    return then


def fitted(gradient: Any, z: Tensor, number: int) -> Any:
    """A gradient in the shape and dtype of the argument that it belongs to."""
    x = z.values[number + 1]
    if gradient.shape != x.shape:
        try:
            gradient = unbroadcast(gradient, x.shape)
        except (ValueError, IndexError):
            raise errors.partial_does_not_fit(z.operation, number, gradient, x) from None
    return gradient if gradient.dtype == x.dtype else gradient.astype(x.dtype)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an array of this shape was repeated: a value used n times
    gets n gradients.

    >>> unbroadcast(np.ones((4, 3)), (1, 3))
    array([[4., 4., 4.]])
    """
    if isinstance(g, np.ndarray) and g.ndim == 2 and g.shape[1:] == shape:
        return ones(len(g), g.dtype).dot(g)
    new = g.ndim - len(shape)
    g = g.sum(
        axis=tuple(axis for axis in range(g.ndim) if axis < new or shape[axis - new] == 1),
        keepdims=True,
    )
    if g.shape[max(new, 0) :] != shape:
        raise ValueError(f"{g.shape} is not {shape} after broadcasting")
    return g.reshape(shape)


@functools.cache
def ones(n: int, dtype: Any) -> Array:
    """(1, … 1), never to be changed: its product with a matrix is the sum of the rows, in a third
    of the time."""
    array = np.ones(n, dtype)
    array.flags.writeable = False
    return array


class Tensor(Methods):
    """A number or array that remembers how it was computed.

    `data` is array-like; floating point if `requires_grad`. `backward()` adds ∂self/∂leaf to the
    `grad` of every leaf, an array of the leaf's shape and dtype. NumPy's functions and operators
    work on it: `np.exp(t)`, `t @ u`, `t[0]`, `t.sum(axis=0)`.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> (w * w).sum().backward()
    >>> w.grad
    array([2., 4.])
    """

    __slots__ = (
        "__weakref__",
        "args",
        "calls",
        "data",
        "grad",
        "name",
        "operation",
        "options",
        "order",
        "requires_grad",
        "values",
    )
    data: Array
    grad: Array | None  # ∂(what backward was called on)/∂self, for leaves
    operation: Operation | None  # None for a leaf
    args: tuple[
        Any, ...
    ]  # (x, y, …), what the operation was called with: the graph's edges are the Tensors among them
    values: tuple[Any, ...]  # (z, x, y, …) as they were when the operation ran
    options: dict[str, Any]
    calls: tuple[
        tuple[Any, Any, Any], ...
    ]  # (Module, arguments, options) whose result it is, inner ones first

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        if isinstance(data, Tensor):
            raise errors.tensor_of_tensor(data)
        try:
            array = as_array(data)
        except ValueError:
            raise errors.not_real_numbers(data, "object, ragged") from None
        if array.dtype.kind not in NUMBERS:
            raise errors.not_real_numbers(data, array.dtype)
        if requires_grad and array.dtype.kind != "f":
            raise errors.integer_gradient(name, array.dtype)
        self.data, self.grad, self.requires_grad, self.name = array, None, requires_grad, name
        self.operation, self.args, self.values, self.options, self.calls, self.order = (
            None,
            (),
            (),
            NOTHING,
            (),
            next(ORDER),
        )

    @property
    def inputs(self) -> list[tuple[int, Tensor]]:
        """The Tensors among the arguments, with their numbers: x * x has two."""
        return [(number, x) for number, x in enumerate(self.args) if isinstance(x, Tensor)]

    def backward(self, gradient: Any = None) -> None:
        """Add ∂self/∂leaf to the `grad` of every leaf that requires one; `gradient` is ∂L/∂self if
        self is not one number."""
        given = set()
        for tensor, g in chain_rule(self, gradient):
            if tensor.operation:
                continue
            if tensor.grad is not None:
                tensor.grad = tensor.grad + g
            elif isinstance(g, np.ndarray) and g.base is None and id(g) not in given:
                tensor.grad = g
            else:
                tensor.grad = np.copy(
                    g
                    # of a view, and of what another leaf was given: a gradient is an array of its
                    # own
                )
            given.add(id(g))

    def gradient(self, *inputs: Tensor, create_graph: bool = False) -> Any:
        """∂self/∂input for each input, a leaf or not, as Tensors; one Tensor for one input. No
        `grad` is touched.

        With `create_graph` they are recorded, to be differentiated again. Zero where self does not
        depend on an input.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> slope = (x ** 3).gradient(x, create_graph=True)
        >>> slope, slope.gradient(x)
        (Tensor(27.0, operation=multiply), Tensor(18.0))
        """
        for x in inputs:
            if not x.requires_grad:
                raise errors.requires_no_gradient(x)
        gradients = tuple(map(as_tensor, gradients_of(self, inputs, create_graph=create_graph)))
        return gradients[0] if len(inputs) == 1 else gradients

    def __deepcopy__(self, memo: Any) -> Tensor:
        return Tensor(self.data.copy(), self.requires_grad, self.name)  # a leaf

    def detach(self) -> Tensor:
        """The same data, outside the graph."""
        return new_tensor(self.data)

    def numpy(self) -> Array:
        """The data as an array, outside the graph; the Tensor's own, not a copy."""
        return as_array(self.data)  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The data as numbers in lists."""
        return self.data.tolist()

    def item(self) -> float:
        """The one number that it holds."""
        if self.size != 1:
            raise errors.not_one_number(self)
        return self.data.item()  # type: ignore[no-any-return]

    def zero_grad(self) -> None:
        """Forget the gradient: the next backward() starts from zero."""
        self.grad = None

    def __getitem__(self, index: Any) -> Tensor:
        if isinstance(index, tuple):
            index = tuple(map(plain, index))
        return apply(operator.getitem, self, index)  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        raise errors.item_assignment(self)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise errors.not_iterable(self)
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __repr__(self) -> str:
        numbers = (
            np.array2string(self.data, separator=", ", prefix="Tensor(")
            if self.ndim
            else str(self.data[()])
        )
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        origin = (
            f", operation={self.operation.name}"
            if self.operation
            else ", requires_grad=True"
            if self.requires_grad
            else ""
        )
        return f"Tensor({numbers}{dtype}{f', name={self.name!r}' if self.name else ''}{origin})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if not self.requires_grad:
            return np.array(self.data, dtype, copy=copy)
        raise errors.array_of_tensor(self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method == "__call__" and "out" not in options:
            return apply(ufunc, *args, **options)
        raise errors.out_or_reduce(ufunc, method, self)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        return apply(function, *args, **options)


def new_tensor(data: Array) -> Tensor:
    """A Tensor of data that is known to be good, without a graph."""
    z = object.__new__(Tensor)
    z.data, z.requires_grad, z.order = data, False, next(ORDER)
    z.name = z.grad = z.operation = None
    z.args = z.values = z.calls = ()
    z.options = NOTHING
    return z


def plain(x: Any) -> Any:
    """x itself, or the data if it is a Tensor."""
    return x.data if isinstance(x, Tensor) else x


def as_tensor(x: Any) -> Tensor:
    """x itself if it is a Tensor, else a Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)
