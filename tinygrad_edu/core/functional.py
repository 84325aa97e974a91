"""Derivatives as functions of functions: take f, return f′. (3 of 4; before: derivatives.py; next:
gradcheck.py)

Arrays in, arrays out; Tensors in, Tensors out, recorded, so all of these nest: `grad(grad(f))` is
f″. `argnums` says which arguments are differentiated, a number or a tuple of numbers. Why reverse
mode: one backward pass gives the gradient of one number with respect to any number of weights;
forward mode needs a pass for each weight."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import as_array
from tinygrad_edu.core.engine import RECORDING, Array, Tensor, as_tensor, gradients_of

Function = Callable[..., Any]


def vjp(f: Function, *inputs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """f(x, y, …) and the pullback v ↦ (vᵀ ∂f/∂x, vᵀ ∂f/∂y, …). One forward pass; each pullback is
    one backward pass.

    >>> z, pullback = vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([  1., -10.]),)
    """
    if not RECORDING.get():
        raise errors.within_no_grad()
    recorded = any(isinstance(x, Tensor) for x in inputs)
    variables = tuple([variable(x) for x in inputs])
    z = f(*variables)
    if not isinstance(z, Tensor):
        raise errors.not_a_tensor(z)

    def pullback(v: Any) -> tuple[Any, ...]:
        create_graph = recorded or isinstance(v, Tensor)
        if not z.requires_grad:
            gradients = [np.zeros(x.shape, x.dtype) for x in variables]
        else:
            gradients = gradients_of(z, variables, v, create_graph)
        return tuple([as_tensor(g) if create_graph else as_array(g) for g in gradients])

    return (z if recorded else z.numpy()), pullback


def variable(x: Any) -> Any:
    """A Tensor of its own for x: a step in x's graph if x has one, so that f's use of x and other
    uses stay apart."""
    if isinstance(x, Tensor) and x.requires_grad:
        return +x
    return Tensor(x.data if isinstance(x, Tensor) else x, requires_grad=True)


def value_and_grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The function that returns (f(x, …), ∂f/∂x): f returns one number. One forward and one
    backward pass.

    >>> value_and_grad(lambda x: x ** 2)(3.0)
    (array(9.), array(6.))
    """

    @functools.wraps(f)
    def with_gradient(*args: Any) -> tuple[Any, Any]:
        numbers = chosen(argnums, args)
        value, pullback = vjp(of_chosen(f, numbers, args), *[args[number] for number in numbers])
        gradients = pullback(None)
        return value, gradients[0] if isinstance(argnums, int) else gradients

    return with_gradient


def chosen(argnums: int | tuple[int, ...], args: tuple[Any, ...]) -> tuple[int, ...]:
    """The numbers of the arguments to differentiate."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(0 <= number < len(args) for number in numbers):
        raise errors.no_such_argument(argnums, len(args))
    return numbers


def of_chosen(f: Function, chosen: tuple[int, ...], args: tuple[Any, ...]) -> Function:
    """f as a function of the chosen arguments, the others fixed."""

    def g(*values: Any) -> Any:
        merged = dict(enumerate(args)) | dict(zip(chosen, values, strict=True))
        return f(*merged.values())

    return g


def grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The gradient of f, which returns one number. One forward and one backward pass, however many
    numbers x has.

    >>> grad(grad(np.sin))(np.pi / 2)
    array(-1.)
    """
    return functools.wraps(f)(lambda *args: value_and_grad(f, argnums)(*args)[1])


def jvp(f: Function, inputs: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """f(x, …) and its derivative in a direction, ∂f/∂x · t + …: one forward pass, two backward
    ones.

    The pullback u ↦ uᵀJ is linear in u, so its own pullback is t ↦ J t: transposing twice is going
    forward.

    >>> jvp(lambda x: x * x, (3.0,), (10.0,))
    (array(9.), array(60.))
    """
    if not isinstance(inputs, tuple | list) or not isinstance(tangents, tuple | list):
        raise errors.not_in_a_tuple(inputs, tangents)
    z, pullback = vjp(f, *inputs)

    def paired(u: Any) -> Any:
        return sum((g * t).sum() for g, t in zip(pullback(u), tangents, strict=True))

    u = np.zeros(z.shape, z.dtype)
    return z, grad(paired)(Tensor(u) if isinstance(z, Tensor) else u)


def jacobian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """∂f/∂x, of f's shape followed by x's; a tuple for several arguments. One backward pass for
    each number that f returns.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def matrix(*args: Any) -> Any:
        numbers = chosen(argnums, args)
        inputs = [args[number] for number in numbers]
        z, pullback = vjp(of_chosen(f, numbers, args), *inputs)
        directions: Array = np.eye(z.size, dtype=z.dtype).reshape(z.size, *z.shape)
        rows = [pullback(v) for v in directions]
        matrices = tuple(
            [
                np.stack([row[i] for row in rows] or [np.zeros(0)]).reshape(z.shape + np.shape(x))
                for i, x in enumerate(inputs)
            ]
        )
        return matrices[0] if isinstance(argnums, int) else matrices

    return matrix


def hessian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The second derivatives of f, which returns one number: the jacobian of its gradient, of shape
    x's twice.

    For several arguments a tuple of tuples, ∂²f/∂x∂y for every two. One backward pass for each
    number of x.

    >>> hessian(lambda x: (x ** 3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    if isinstance(argnums, int):
        return jacobian(grad(f, argnums), argnums)
    return lambda *args: tuple([jacobian(grad(f, number), argnums)(*args) for number in argnums])


def hvp(f: Function, x: Any, v: Any) -> Any:
    """The Hessian of f at x times v, without the Hessian: two backward passes, whatever the size of
    x.

    >>> hvp(lambda x: (x ** 3).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return grad(lambda y: (grad(f)(y) * v).sum())(x)
