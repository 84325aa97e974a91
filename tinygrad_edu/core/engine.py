"""The engine: a Tensor remembers how it was computed, and the chain rule walks back from it.

Reading order: **engine.py** → derivatives.py → functional.py → gradcheck.py.

An operation *is* a NumPy function. This file knows none of them: `x * y` looks up np.multiply in
`REGISTRY`, which derivatives.py fills with what calculus knows. Four ideas:

1. A `Tensor` is a number or array in the graph. The graph is made of Tensors and nothing else.
2. An `Operation` runs a function on arrays and records the call; `derivative` registers partials.
3. `chain_rule` is the whole of backpropagation: one walk, from the result back to the leaves.
4. `unbroadcast` undoes broadcasting on every edge of the graph: no partial has to think of it.

What is simpler here than it could be:

- All arrays of the forward pass are kept, so you can look at them; PyTorch frees them in backward.
- An operation has one result, never two, and its numbers are real, never complex.
- A heap finds the youngest Tensor at each step of the walk; sorting the graph once would do too.
- An array that is changed in place before backward() is noticed if its Tensor is told, as by
  `p.data -= step` and by optimizers; else by `detect_anomaly` alone.
- A Tensor does not know its variable: pictures read the names from the caller's variables.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import (
    ORDER,
    REGISTRY,
    TAKEN_AS_THEY_ARE,
    Array,
    ArrayLike,
    as_array,
    operand,
    real_numbers,
)
from tinygrad_edu.core.signatures import call_signature, check_partials, option_names
from tinygrad_edu.core.sparse import SparseGradient, add, dense
from tinygrad_edu.core.switches import current_watcher, recording

# (g, z, x, y, …) ↦ g · ∂z/∂x, where z = f(x, y, …) and g = ∂L/∂z has already arrived: this call's
# share of ∂L/∂x. L is the number that backward() starts from
Partial = Callable[..., Any]
Values = tuple[Any, ...]

ADDING = threading.Lock()  # held by the thread that adds to the gradients of leaves
# What others may ask of an operation: how code writes it, "{} + {}"; how textbooks do, "√{}"; which
# arguments must not be 0; a function that does the same to arrays of Tensors; and one that counts
# the multiply-adds, given (z, x, y, …)
FACTS = {"symbol", "notation", "poles", "on_numbers", "multiply_adds"}
NOTHING: dict[str, Any] = {}


# 1. What is remembered


class Tensor(ArrayLike):
    """A number or array that remembers how it was computed.

    `data` is a number, an array or lists; floating point if `requires_grad`. NumPy's functions and
    operators work on it. `backward()` adds ∂self/∂leaf to every leaf's `grad`, of its shape and
    dtype. Tensors of one array share its memory, as `numpy()` does; copies, pickles are leaves.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> (w * w).sum().backward()
    >>> w.grad
    array([2., 4.])
    """

    # fmt: off
    __slots__ = ("__weakref__", "args", "name", "notes", "operation", "options", "order", "values")
    # fmt: on
    operation: Operation | None  # None for a leaf
    args: Values  # (x, y, …), what the operation was called with; each Tensor is an edge
    values: Values  # (z, x, y, …), the arrays when the operation ran
    options: dict[str, Any]
    notes: Values  # free for others to use: the engine does not read it

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        if isinstance(data, Tensor):
            raise errors.tensor_of_tensor(data)
        self._data, self.name = real_numbers(data), name
        self.requires_grad = requires_grad
        self._grad, self.operation, self.order, self.changed = None, None, next(ORDER), 0
        self.args, self.values, self.options, self.notes = (), (), NOTHING, ()

    @property
    def inputs(self) -> list[tuple[int, Tensor]]:
        """The Tensors among the arguments, each with its number: x * x has two."""
        return [(n, x) for n, x in enumerate(self.args) if isinstance(x, Tensor)]

    def backward(self, gradient: Any = None) -> None:
        """Add ∂L/∂leaf to the `grad` of every leaf; `gradient` is ∂L/∂self, by default 1."""
        leaves = [(x, g) for x, g in chain_rule(self, gradient) if not x.operation]
        taken = set[int]()
        with ADDING:
            for x, g in leaves:
                x._grad = own(g if x._grad is None else x._grad + g, taken)

    def gradient(self, *inputs: Tensor, create_graph: bool = False) -> Any:
        """Return ∂self/∂input for each input, a leaf or not: a tuple of Tensors, or the only one.

        No `grad` is touched. With `create_graph` the gradients are recorded and can be
        differentiated again. A gradient is zero if self does not depend on the input.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> slope = (x ** 3).gradient(x, create_graph=True)
        >>> slope, slope.gradient(x)
        (Tensor(27.0, operation=multiply), Tensor(18.0))
        """
        for x in inputs:
            if not x.requires_grad:
                raise errors.requires_no_gradient(x)
        found: dict[Tensor, Any] = {x: np.zeros(x.shape, x.dtype) for x in inputs}
        for x, g in chain_rule(self, None, create_graph):
            if x in found:
                found[x] = g if create_graph else np.copy(g)
        result = tuple([as_tensor(found[x]) for x in inputs])
        return result[0] if len(inputs) == 1 else result

    def zero_grad(self) -> None:
        """Forget the gradient, so that the next backward() starts from zero."""
        self.grad = None

    def detach(self) -> Tensor:
        """Return a Tensor with the same data, outside the graph."""
        return new_tensor(self.data)

    def __reduce__(self) -> Any:
        """How copy, deepcopy and pickle make another: a leaf, without the graph and the grad."""
        return Tensor, (self.data, self.requires_grad, self.name)


# 2. How it comes to be remembered


class Operation:
    """A function of arrays, z = f(x, y, …), with a partial for each of its arguments."""

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: tuple[Partial | None, ...] = (),
        each: Partial | None = None,
        domain: tuple[tuple[float, float], ...] = (),
        elementwise: bool = False,
        facts: dict[str, Any] = NOTHING,
    ) -> None:
        self.name, self.forward, self.domain = name, forward, domain
        self.partials, self.each = {n: f for n, f in enumerate(partials) if f}, each
        self.elementwise, self.facts = elementwise, facts

    def __call__(self, *args: Any, **options: Any) -> Any:
        """z = f(x, y, …): a Tensor that remembers this call, if an argument requires a gradient."""
        return self.call(args, options)

    def call(self, args: Values, options: dict[str, Any] = NOTHING) -> Any:
        """The same for a tuple of arguments, in less time."""
        arrays, met_tensor, wants_gradient = [], False, False
        for x in args:
            if isinstance(x, Tensor):
                met_tensor, wants_gradient = True, wants_gradient or x._requires_grad
                x = x._data
            elif type(x) not in TAKEN_AS_THEY_ARE:
                x = operand(x, self.elementwise)  # elsewhere a list may be a shape
                if isinstance(x, Tensor):  # the stack of a list of Tensors
                    args = tuple([operand(y) if isinstance(y, list) else y for y in args])
                    return self.call(args, options)
            arrays.append(x)
        if options:
            self.check(options)
        try:
            data = self.forward(*arrays, **options) if options else self.forward(*arrays)
        except (ValueError, TypeError, IndexError) as error:
            error.add_note(errors.function_failed(self, error, args))
            raise
        if not met_tensor:
            return data
        try:
            kind = data.dtype.kind
        except AttributeError:
            raise errors.not_an_array(data, f"{self.name} gave") from None
        if kind not in "fiub":
            raise errors.not_real_numbers(data, data.dtype, self.name)
        if not recording():
            return new_tensor(data)
        if wants_gradient and kind == "f":
            z = new_tensor(data, self, args, (data, *arrays), options)
        else:
            z = new_tensor(data)
        if watcher := current_watcher():
            watcher(z, self, args, arrays)
        return z

    def partial(self, number: int) -> Partial:
        """The partial (g, z, x, y, …) ↦ ∂L/∂argument, for the argument of this number."""
        if number in self.partials:
            return self.partials[number]
        if self.each is None:
            raise errors.no_partial(self.name, number)
        return functools.partial(self.share, number)

    def share(self, number: int, *values: Any, **options: Any) -> Any:
        """What `each` gives for the argument of this number."""
        return self.each(*values, **options)(number)  # type: ignore[misc]

    def every(self) -> list[Partial]:
        """All partials of the operation, `each` among them."""
        return [f for f in (*self.partials.values(), self.each) if f]

    __signature__ = functools.cached_property(call_signature)
    options = functools.cached_property(option_names)  # a call may give no other

    def check(self, options: dict[str, Any]) -> None:
        """Refuse an option that no partial knows, and a Tensor that is given by name."""
        if not self.options.issuperset(options):
            raise errors.unknown_options(self.name, options, self.options)
        for key, value in options.items():
            if isinstance(value, Tensor):
                raise errors.tensor_by_name(self.name, key)


def operation(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of arrays an operation on Tensors; `derivative` then adds its partials.

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
    elementwise: bool | None = None,
    **facts: Any,
) -> None:
    """Register a function's derivative: a partial (g, z, x, y, …) ↦ ∂L/∂x for each argument.

    z = f(x, y, …) is the result, g = ∂L/∂z the gradient that has arrived. Write partials with
    registered functions, and they can be differentiated again; None says that there is none.
    `each` serves all arguments and returns number ↦ ∂L/∂argument. `domain` has an open interval for
    each argument, `forward` runs in place of the function, `symbol` is drawn: "{} + {}".

    >>> derivative(np.arctan, lambda g, z, x: g / (1 + x * x))  # (arctan x)′ = 1/(1 + x²)
    """
    if not facts.keys() <= FACTS:
        raise errors.unknown_facts(function, facts, FACTS)
    known = REGISTRY.get(function)
    if forward is None:
        forward = known.forward if isinstance(known, Operation) else function
    if elementwise is None:
        elementwise = isinstance(function, np.ufunc)
    check_partials(function, partials)
    REGISTRY[function] = Operation(
        function.__name__, forward, partials, each, domain, elementwise, facts
    )


# 3. The walk back


def chain_rule(
    root: Tensor,
    gradient: Any = None,
    create_graph: bool = False,
    passing: Callable[[Tensor, int, Any, Any], None] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """Yield (tensor, ∂L/∂tensor), each once, for root and all inputs that require a gradient.

    The youngest Tensor comes first: all that it flowed into has been seen, so its gradient is
    complete. Gradients are NumPy's; with `create_graph` they are recorded Tensors. `gradient` is
    ∂L/∂root; if it is left out, it is 1, and root must be one number. `passing(z, number, given,
    share)` is called for each edge: z's partial gave `given`, and the argument receives `share`,
    which has the argument's shape and dtype. Without it, an array that was changed is refused.
    """
    gradients = {root: starting_gradient(root, gradient, create_graph)}
    pending = [(-root.order, root)]  # a heap: the youngest comes first
    while pending:
        z = heappop(pending)[1]
        g, operation = gradients.pop(z), z.operation
        if type(g) is SparseGradient:
            g = dense(g)
        yield z, g
        if operation is None:
            continue  # a leaf
        values, options = values_as_tensors(z) if create_graph else z.values, z.options
        share_of = operation.each and operation.each(g, *values, **options)
        for number, x in enumerate(z.args):
            if not isinstance(x, Tensor) or not x._requires_grad:
                continue
            then = z.values[number + 1]
            if x.changed > z.order and then is x._data and not passing:
                raise errors.changed_after_use(x, z)
            if share_of:
                given = share_of(number)
            else:
                partial = operation.partials.get(number) or operation.partial(number)
                given = partial(g, *values, **options) if options else partial(g, *values)
            if getattr(given, "shape", None) == then.shape and given.dtype is then.dtype:
                share = given
            else:
                share = fitted(given, then, z, number)
            if passing:
                passing(z, number, given, share)
            if x in gradients:
                share = add(gradients[x], share)  # several paths to x: they add up
            else:
                heappush(pending, (-x.order, x))
            gradients[x] = share


def own(g: Any, taken: set[int]) -> Array:
    """g as an array that nobody else holds: a copy if g is a view, or if another leaf took it."""
    if type(g) is not np.ndarray or g.base is not None or id(g) in taken:
        return np.copy(g)
    taken.add(id(g))
    return g


def starting_gradient(root: Tensor, gradient: Any, create_graph: bool) -> Any:
    """∂L/∂root, 1 if it was left out: an array of root's dtype, or with `create_graph` a Tensor."""
    if not root.requires_grad:
        raise errors.nothing_to_differentiate(root)
    if gradient is None:
        if root.size != 1:
            raise errors.backward_from_many(root)
        one = root.dtype.type(1)
        gradient = np.full(root.shape, one) if root.shape else one
        if not create_graph:
            return gradient
    elif np.shape(gradient) != root.shape:
        raise errors.gradient_does_not_fit(root, gradient)
    if create_graph:
        return as_tensor(gradient)
    return as_array(plain(gradient), root.dtype)[()]


def values_as_tensors(z: Tensor) -> Values:
    """z and its arguments with the values they had; Tensors, so that a partial is recorded."""
    pairs = zip((z, *z.args), z.values, strict=True)
    return tuple([as_it_was(x, then) if isinstance(x, Tensor) else then for x, then in pairs])


def as_it_was(x: Tensor, value: Any) -> Tensor:
    """x, or if its data was replaced since, a Tensor with the old value whose graph leads to x."""
    if x._data is value:
        return x
    then: Tensor = +x
    then.data, then.values = value, (value, value)  # what +x gave, and what it was given
    return then


# 4. Broadcasting, undone at the edge


def fitted(gradient: Any, x: Any, z: Tensor, number: int) -> Any:
    """The gradient in the shape and dtype of x, the argument of z that has this number."""
    try:
        if gradient.shape != x.shape:
            gradient = unbroadcast(gradient, x.shape)
    except AttributeError:
        what = f"the partial of {z.operation.name} for argument {number} gave"  # type: ignore[union-attr]
        raise errors.not_an_array(gradient, what) from None
    except ValueError as error:
        raise errors.partial_does_not_fit(z.operation, number, gradient, x) from error
    return gradient if gradient.dtype is x.dtype else gradient.astype(x.dtype)


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum g over the axes along which an array of this shape was repeated.

    A value that was used n times receives the sum of n gradients.

    >>> unbroadcast(np.ones((4, 3)), (1, 3))
    array([[4., 4., 4.]])
    """
    if isinstance(g, np.ndarray) and g.ndim == 2 and g.shape[1:] == shape:  # the sum of the rows
        row = ones(len(g), g.dtype)  # whose product takes a third of the time
        return row.dot(g) if type(g) is np.ndarray else np.dot(row, g)
    added = max(g.ndim - len(shape), 0)  # axes that broadcasting put in front
    repeated = [axis for axis in range(g.ndim) if axis < added or shape[axis - added] == 1]
    if g.dtype.char == "e":  # float16, in which a sum of 1s ends at 2048
        g = g.astype(np.float32)
    g = g.sum(axis=tuple(repeated), keepdims=True)
    if g.shape[added:] != shape:
        raise ValueError(f"{g.shape}, not {shape}")
    return g.reshape(shape)


@functools.lru_cache(32)
def ones(n: int, dtype: Any) -> Array:
    """(1, … 1), never to be changed."""
    return np.ones(n, dtype)


# Tensors of what is known to be good


def new_tensor(
    data: Any,
    operation: Operation | None = None,
    args: Values = (),
    values: Values = (),
    options: dict[str, Any] = NOTHING,
) -> Tensor:
    """Tensor(data) without the checks, in a third of the time; with the call that gave it."""
    z = object.__new__(Tensor)
    z._data, z._requires_grad, z.order, z.changed = data, operation is not None, next(ORDER), 0
    z.operation, z.args, z.values, z.options = operation, args, values, options
    z.name, z._grad, z.notes = None, None, ()
    return z


def plain(x: Any) -> Any:
    """The data of x if it is a Tensor, else x itself."""
    return x._data if isinstance(x, Tensor) else x


def as_tensor(x: Any) -> Tensor:
    """x itself if it is a Tensor, else Tensor(x)."""
    return x if isinstance(x, Tensor) else Tensor(x)
