"""Derivatives as functions of functions: take f, return f′.

3 of 4; before: derivatives.py; next: gradcheck.py.

Arrays in, arrays out. If an input is a Tensor, or if f uses a Tensor from outside that requires a
gradient, the results are recorded Tensors. So all of these nest: `grad(grad(f))` is f″. `argnums`
says which arguments are differentiated, a number or a tuple of numbers. Why reverse mode? One
backward pass gives the gradient of one number with respect to a million weights; forward mode needs
a pass for each weight.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor, as_tensor, chain_rule, own
from tinygrad_edu.core.switches import LEAVING, RECORDING

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def vjp(f: Function, *inputs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return f(x, y, …) and the pullback v ↦ (vᵀ ∂f/∂x, vᵀ ∂f/∂y, …).

    This is one forward pass; each call of the pullback is one backward pass.

    >>> z, pullback = vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([  1., -10.]),)
    """
    z, variables, met_tensor = applied(f, inputs)
    recorded = met_tensor or reaches_outside(z, variables)

    def pullback(v: Any) -> tuple[Any, ...]:
        return pulled_back(z, variables, v, recorded or isinstance(v, Tensor))

    return (z if recorded else z.numpy()), pullback


def applied(f: Function, inputs: Iterable[Any]) -> tuple[Tensor, tuple[Tensor, ...], bool]:
    """Return f of the inputs, the variables put in for them, and whether an input is a Tensor.

    If f returns an array or a number, that is a constant.
    """
    if not RECORDING.get():
        raise errors.within_no_grad()
    variables = tuple([variable(x) for x in inputs])
    token = LEAVING.set(refuse_number)
    try:
        z = f(*variables)
    finally:
        LEAVING.reset(token)
    if isinstance(z, np.ndarray | np.generic) or type(z) in (int, float):
        z = Tensor(z)
    if not isinstance(z, Tensor):
        raise errors.not_a_tensor(z)
    return z, variables, any(isinstance(x, Tensor) for x in inputs)


def refuse_number(x: Tensor) -> None:
    """Refuse a number that leaves the graph: the derivative that is taken would miss it."""
    raise errors.number_leaves(x)


def variable(x: Any) -> Tensor:
    """A new Tensor for x, so that f's use of x and all other uses stay apart.

    If x requires a gradient, it is +x, one more step in the graph of x.
    """
    if isinstance(x, Tensor) and x.requires_grad:
        return +x  # type: ignore[no-any-return]
    return Tensor(x.data if isinstance(x, Tensor) else x, requires_grad=True)


def pulled_back(
    z: Tensor, variables: tuple[Tensor, ...], v: Any, recorded: bool
) -> tuple[Any, ...]:
    """vᵀ ∂z/∂x for each variable x, as a tuple: of Tensors if they are recorded, else of arrays.

    They are recorded in any case if z depends on a Tensor from outside: one that is older.
    """
    if v is not None and np.shape(v) != z.shape:
        raise errors.gradient_does_not_fit(z, v)
    if v is None and z.size != 1:
        raise errors.backward_from_many(z)
    found = dict.fromkeys(variables)
    oldest = min([x.order for x in variables], default=0)
    for x, g in chain_rule(z, v, recorded) if z.requires_grad else ():
        if x.order < oldest:
            if not recorded:
                return pulled_back(z, variables, v, True)
            break  # all that is left is older still
        if x in found:
            found[x] = g
    gradients = [np.zeros(x.shape, x.dtype) if g is None else g for x, g in found.items()]
    if recorded:
        return tuple(map(as_tensor, gradients))
    taken: set[int] = set()
    return tuple([own(g, taken) for g in gradients])


def reaches_outside(z: Tensor, variables: Iterable[Tensor]) -> bool:
    """Whether z depends on a Tensor that requires a gradient and is older than all variables."""
    oldest = min([x.order for x in variables], default=0)
    met = [z] if z.requires_grad else []
    seen = {*met}
    for x in met:  # which grows meanwhile
        if x.order < oldest:
            return True
        for y in x.args:
            if isinstance(y, Tensor) and y._requires_grad and y not in seen:
                seen.add(y)
                met.append(y)
    return False


def value_and_grad(f: Function, argnums: Argnums = 0) -> Function:
    """Make f, which returns one number, a function that returns (f(x, …), ∂f/∂x).

    It takes one forward and one backward pass. Options given by name are passed to f.

    >>> value_and_grad(lambda x: x ** 2)(3.0)
    (array(9.), array(6.))
    """

    @functools.wraps(f)
    def with_gradient(*args: Any, **options: Any) -> tuple[Any, Any]:
        numbers = chosen(argnums, args)
        of_these = of_chosen(f, numbers, args, **options)
        value, gradients = with_gradients(of_these, [args[number] for number in numbers])
        return value, gradients if isinstance(argnums, tuple | list) else gradients[0]

    return with_gradient


def with_gradients(f: Function, inputs: Iterable[Any]) -> tuple[Any, tuple[Any, ...]]:
    """f(x, y, …), one number, and its gradients (∂f/∂x, ∂f/∂y, …)."""
    z, variables, met_tensor = applied(f, inputs)
    gradients = pulled_back(z, variables, None, met_tensor)
    recorded = any(isinstance(g, Tensor) for g in gradients)
    return (z if recorded else z.numpy()), gradients


def chosen(argnums: Argnums, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The numbers of the arguments to differentiate, where −1 means the last."""
    numbers = tuple(argnums) if isinstance(argnums, tuple | list) else (argnums,)
    if not all(isinstance(number, int | np.integer) for number in numbers):
        raise errors.no_argument_numbers(argnums)
    if not all(-len(args) <= number < len(args) for number in numbers):
        raise errors.no_such_argument(argnums, len(args))
    places = tuple([number % len(args) for number in numbers])
    if len(set(places)) < len(places):
        raise errors.argument_twice(argnums)
    return places


def of_chosen(
    f: Function, numbers: tuple[int, ...], args: tuple[Any, ...], /, **options: Any
) -> Function:
    """f as a function of the chosen arguments; the others and the options are fixed."""

    def of_these(*values: Any) -> Any:
        merged = dict(enumerate(args)) | dict(zip(numbers, values, strict=True))
        return f(*merged.values(), **options)

    return of_these


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """Make f, which returns one number, a function that returns its gradient ∂f/∂x.

    It takes one forward and one backward pass, however many numbers x has.

    >>> grad(grad(np.sin))(np.pi / 2)
    array(-1.)
    """
    both = value_and_grad(f, argnums)
    return functools.wraps(f)(lambda *args, **options: both(*args, **options)[1])


def jvp(f: Function, inputs: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return f(x, …) and its derivative in the direction t, ∂f/∂x · t + ….

    It takes one forward and two backward passes: the pullback u ↦ uᵀJ is linear in u, so its own
    pullback is t ↦ J t. To transpose twice is to go forward.

    >>> jvp(lambda x: x * x, (3.0,), (10.0,))
    (array(9.), array(60.))
    """
    if not isinstance(inputs, tuple | list) or not isinstance(tangents, tuple | list):
        raise errors.not_in_a_tuple(inputs, tangents)
    check_directions(inputs, tangents)
    z, variables, met_tensor = applied(f, inputs)
    u = Tensor(np.zeros(z.shape, np.result_type(z.dtype, np.float16)), requires_grad=True)
    # u ↦ uᵀJ t has the gradient J t
    paired = inner(pulled_back(z, variables, u, True), tangents)
    outside = reaches_outside(z, variables) or reaches_outside(paired, {u, *variables})
    recorded = met_tensor or outside
    along = pulled_back(paired, (u, *variables), None, recorded)[0]
    return (z, along) if recorded else (z.numpy(), along)


def inner(gradients: Iterable[Any], directions: Iterable[Any]) -> Any:
    """The inner product of two lists of arrays."""
    return functools.reduce(
        operator.add, [(g * t).sum() for g, t in zip(gradients, directions, strict=True)]
    )


def check_directions(inputs: tuple[Any, ...], directions: tuple[Any, ...]) -> None:
    """Refuse directions that do not have the shapes of the inputs."""
    shapes, theirs = [tuple(map(np.shape, xs)) for xs in (inputs, directions)]
    if shapes != theirs:
        raise errors.directions_do_not_fit(shapes, theirs)


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """Make f a function that returns ∂f/∂x, of f's shape followed by x's shape.

    For several arguments it returns a tuple. It takes a backward pass for each number of f.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def matrix(*args: Any, **options: Any) -> Any:
        numbers = chosen(argnums, args)
        inputs = [args[number] for number in numbers]
        z, pullback = vjp(of_chosen(f, numbers, args, **options), *inputs)
        directions: Array = np.eye(z.size, dtype=z.dtype).reshape(z.size, *z.shape)
        rows = [pullback(v) for v in directions]
        shapes = [z.shape + np.shape(x) for x in inputs]
        none = [np.zeros(0)]  # stands for the rows if f returns no numbers
        columns = [[row[i] for row in rows] or none for i in range(len(inputs))]
        matrices = [np.stack(c).reshape(shape) for c, shape in zip(columns, shapes, strict=True)]
        return tuple(matrices) if isinstance(argnums, tuple | list) else matrices[0]

    return matrix


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """Make f, which returns one number, a function that returns ∂²f/∂x², of x's shape twice.

    For several arguments it returns a tuple of tuples, ∂²f/∂x∂y for every two. It takes a backward
    pass for each number of x.

    >>> hessian(lambda x: (x ** 3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    if not isinstance(argnums, tuple | list):
        return jacobian(grad(f, argnums), argnums)
    rows = [jacobian(grad(f, number), argnums) for number in argnums]
    every = lambda *args, **options: tuple([row(*args, **options) for row in rows])  # noqa: E731
    return functools.wraps(f)(every)


def hvp(f: Function, x: Any, v: Any) -> Any:
    """Return the Hessian of f at x times v, by two backward passes whatever the size of x.

    For several arguments x and v are tuples, and so is the result.

    >>> hvp(lambda x: (x ** 3).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    inputs, directions = (x, v) if isinstance(x, tuple) else ((x,), (v,))
    check_directions(inputs, directions)
    slope = lambda *y: inner(with_gradients(f, y)[1], directions)  # noqa: E731  (along v)
    _, along = with_gradients(slope, inputs)
    return along if isinstance(x, tuple) else along[0]
