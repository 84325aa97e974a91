"""How to trust a gradient: compare it with differences of the function itself. (4 of 4; before: functional.py)

A difference quotient needs no calculus, only the function: (f(x + h) − f(x − h)) / 2h = f′(x) + h² f‴(x)/6 + …. Two step
sizes remove the h² term (Richardson). Do not trust it within h of a kink, where f jumps, where f is not finite, or in
float32: inputs are converted to float64 first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor
from tinygrad_edu.functional import vjp

STEP = 1e-4  # h = STEP · max(1, |x|): the error of h⁴ and the rounding of f, divided by h, are both far below 1e-8


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """∂f/∂x by differences, for f that maps an array to one number: `x`'s shape, four evaluations for each of its numbers.

    >>> numerical_gradient(lambda x: (x ** 3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    """
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        def at(shift: float, place: tuple[int, ...] = place) -> float:
            shifted = x.copy()
            shifted[place] += shift
            return float(f(shifted))
        h = STEP * max(1.0, abs(float(x[place])))
        coarse, fine = (at(h) - at(-h)) / (2 * h), (at(h / 2) - at(-h / 2)) / h
        gradient[place] = (4 * fine - coarse) / 3
    return gradient


def check_gradients(f: Callable[..., Any], *inputs: Any, order: int = 2, tolerance: float = 1e-6) -> None:
    """Raise AssertionError if the gradient of f differs from numerical differences, to second order unless `order` says else.

    `f` maps Tensors to a Tensor of any shape; floating-point inputs are differentiated, in float64, all others passed as they
    are. The next order checks the gradient as a function of the inputs *and* of the gradient v that arrives.

    >>> check_gradients(np.sin, 0.5)
    >>> check_gradients(lambda x, w: x @ w, np.ones((3, 2)), np.ones(2))
    """
    values = [np.asarray(x, np.float64) if is_real(x) else x for x in map(plain, inputs)]
    real = [number for number, x in enumerate(values) if is_real(x)]

    def of_reals(*reals: Any) -> Any:
        merged = dict(enumerate(values)) | dict(zip(real, reals, strict=True))
        return f(*merged.values())

    reals = [values[number] for number in real]
    z, pullback = vjp(of_reals, *reals)
    v = np.random.default_rng(0).normal(size=z.shape)
    analytic = pullback(v)
    for number, x in enumerate(reals):
        def along(y: Array, number: int = number) -> float:
            return float((of_reals(*map(Tensor, [*reals[:number], y, *reals[number + 1:]])).data * v).sum())
        compare(analytic[number], numerical_gradient(along, x), f"input {real[number]}", tolerance)

    if order > 1:
        def gradients(v: Any, *reals: Any) -> Any:
            return np.concatenate([np.ravel(g) for g in vjp(of_reals, *reals)[1](v)])
        recorded = gradients(Tensor(v), *map(Tensor, reals)).numpy()
        compare(recorded, np.concatenate([g.ravel() for g in analytic]), "the gradient with create_graph", tolerance)
        check_gradients(gradients, v, *reals, order=order - 1, tolerance=tolerance)


def compare(analytic: Array, numeric: Array, what: str, tolerance: float) -> None:
    """Equal up to `tolerance`, relative to the largest element or to 1."""
    scale = max(1.0, float(np.abs(numeric).max(initial=0.0)))
    wrong = ~(np.abs(analytic - numeric) <= tolerance * scale)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(f"{what}, element {place}: the derivative is {analytic[place]:.9g} by the partials and "
                             f"{numeric[place]:.9g} by differences; {wrong.sum()} of {wrong.size} elements differ")


def plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def is_real(x: Any) -> bool:
    return isinstance(x, float | np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f"
