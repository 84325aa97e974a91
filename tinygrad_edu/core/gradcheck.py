"""How to trust a gradient: compare it with differences of the function itself. (4 of 4; before:
functional.py)

A difference quotient needs no calculus, only the function: (f(x + h) − f(x − h)) / 2h = f′(x) + h²
f‴(x)/6 + …. Which h? The error of *truncation* falls like h²; but f is known to ε |f| only, ε =
2⁻⁵² or about 2e-16, and the division makes an error of *rounding* out of it that grows like ε/h.
Drawn over h on logarithmic scales, the two make a V:

>>> def error(h): return abs(float(np.sin(1 + h) - np.sin(1 - h)) / (2 * h) - float(np.cos(1)))
>>> [error(1e-1) < 1e-3, error(1e-3) < 1e-7, error(1e-5) < 1e-10, error(1e-11) > 1e-8]  # the best step is near ∛ε
[True, True, True, True]

Two step sizes remove the h² term (Richardson), so a larger h serves, with less rounding. A complex
step subtracts nothing and loses nothing, but needs a function of arrays: Tensors hold real numbers.
Do not trust differences within h of a kink, where a mean of the two slopes comes out; where f
jumps, or is not finite; nor in float32, whose V ends at 1e-5: inputs are converted to float64. When
a check fails, diagnosis.py looks for the cause."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.engine import Array, Operation, Tensor, chain_rule, plain
from tinygrad_edu.core.functional import of_chosen, vjp
from tinygrad_edu.debugging.diagnosis import Comparison, differ, weighted, why

# h = STEP · max(1, |x|): the error of h⁴ and the rounding of f, divided by h, are both far below
# 1e-8
STEP = 1e-4


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """∂f/∂x by differences, for f that maps an array to one number: `x`'s shape, four evaluations
    for each of its numbers.

    >>> numerical_gradient(lambda x: (x ** 3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    """
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):

        def at(shift: float, place: tuple[int, ...] = place) -> float:
            shifted = np.array(x, np.float64)
            shifted[place] += shift
            return float(f(shifted))

        h = STEP * max(1.0, abs(float(x[place])))
        coarse, fine = (at(h) - at(-h)) / (2 * h), (at(h / 2) - at(-h / 2)) / h
        gradient[place] = (4 * fine - coarse) / 3
    return gradient


def complex_step(f: Callable[[Array], Any], x: Array) -> Array:
    """∂f/∂x = Im f(x + ih)/h, exact to rounding: f(x + ih) = f(x) + ih f′(x) − …, and nothing is
    subtracted, so h is 1e-20.

    `f` maps an array to one number by functions that NumPy has for complex numbers too. Not by abs,
    max, norms, comparisons or Tensors: what is not complex, or not f′ by differences, is refused
    with a ValueError. (Squire & Trapp 1998)

    >>> complex_step(lambda x: np.exp(x).sum(), np.array([1.0])) == np.exp(1.0)
    array([ True])
    """
    gradient = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        shifted = x.astype(complex)
        shifted[place] += 1e-20j
        z = f(shifted)
        if not np.iscomplexobj(z):
            raise ValueError(
                f"complex_step: f gave {z!r}, a real number, for complex ones: abs, float?"
            )
        gradient[place] = np.imag(z) / 1e-20
    if differ(gradient, numerical_gradient(lambda x: np.real(f(x)), x), 1e-4).any():
        raise ValueError(
            "complex_step: differences disagree: abs, norm or conj within f, or a kink? Use "
            "numerical_gradient"
        )
    return gradient


def check_gradients(
    f: Callable[..., Any], *inputs: Any, order: int = 2, tolerance: float = 1e-6
) -> None:
    """Raise AssertionError if the gradient of f differs from numerical differences, to second order
    unless `order` says else.

    `f` maps Tensors to a Tensor of any shape; floating-point inputs are differentiated, in float64,
    all others passed as they are. The next order checks the gradient as a function of the inputs
    *and* of the gradient v that arrives. The error says which element differs, in which operation,
    and why as far as numbers show it.

    >>> check_gradients(np.sin, 0.5)
    >>> check_gradients(lambda x, w: x @ w, np.ones((3, 2)), np.ones(2))
    """
    values = [np.asarray(x, np.float64) if is_real(x) else x for x in map(plain, inputs)]
    real = tuple([number for number, x in enumerate(values) if is_real(x)])
    if not real:
        raise errors.nothing_to_check(inputs)
    of_reals, reals = of_chosen(f, real, tuple(values)), [values[number] for number in real]
    wrong = disagreement(
        of_reals, reals, [named(number, inputs[number]) for number in real], order, tolerance
    )
    if wrong:
        raise AssertionError(explained(wrong, of_reals, reals))


def disagreement(
    f: Callable[..., Any],
    inputs: list[Array],
    names: list[str],
    order: int,
    tolerance: float,
    nth: int = 1,
    of: str = "",
) -> Comparison | None:
    """The first gradient that differs, of the `nth` order and `order` − 1 further ones; `of` says
    what f is, in words."""
    z, pullback = vjp(f, *inputs)
    v = np.random.default_rng(0).normal(size=z.shape)
    analytic = pullback(v)

    def compared(number: int, a: Array, b: Array, nth: int, by: str = "differences") -> Comparison:
        return Comparison(
            of + names[number], f, inputs, number, v, a, b, by, tolerance, nth, numerical_gradient
        )

    for number, x in enumerate(inputs):
        found = compared(
            number,
            analytic[number],
            numerical_gradient(partial(weighted, f, inputs, number, v), x),
            nth,
        )
        if found.wrong.any():
            return found
    if order == 1:
        return None
    for number, g in enumerate(vjp(f, *map(Tensor, inputs))[1](Tensor(v))):
        found = compared(
            number,
            g.numpy(),
            analytic[number],
            nth + 1,
            by="the same partials without create_graph",
        )
        if found.wrong.any():
            return found
    return disagreement_of_gradients(f, [v, *inputs], names, order - 1, tolerance, nth + 1)


def disagreement_of_gradients(
    f: Callable[..., Any],
    inputs: list[Array],
    names: list[str],
    order: int,
    tolerance: float,
    nth: int,
) -> Comparison | None:
    """All gradients of f at once, as a function of v and f's inputs; if they differ, one by one to
    find out which."""

    def gradients(v: Any, *inputs: Any) -> Any:
        return np.concatenate([np.ravel(g) for g in vjp(f, *inputs)[1](v)])

    def part_of(part: int, v: Any, *inputs: Any) -> Any:
        return vjp(f, *inputs)[1](v)[part]

    ours = ["the gradient that arrives" + (f" at order {nth - 1}" if nth > 2 else ""), *names]
    found = disagreement(
        gradients,
        inputs,
        ours,
        order,
        tolerance,
        nth,
        "the gradient of all inputs with respect to ",
    )
    if found is None or found.order > nth:
        return found
    titles = [f"the gradient of {name} with respect to " for name in names]
    parts = (
        disagreement(partial(part_of, n), inputs, ours, 1, tolerance, nth, of)
        for n, of in enumerate(titles)
    )
    return next(filter(None, parts), found)


def explained(
    wrong: Comparison, f: Callable[..., Any], inputs: list[Array], alone: bool = False
) -> str:
    """What differs, and beneath it why."""
    with np.errstate(all="ignore"):
        try:
            found = reasons(wrong, f, inputs, alone)
        except (ValueError, ArithmeticError) as error:
            found = [f"cause unknown: f refuses a point nearby, {error}"]
        return "\n".join([str(wrong), *found]).replace("\n", "\n  ")


def reasons(
    wrong: Comparison, f: Callable[..., Any], inputs: list[Array], alone: bool
) -> list[str]:
    """The operations of f that are wrong alone, or else those of its gradient, or else a cause."""
    steps = [] if alone else operations_of(f, inputs)
    found = culprits(steps, wrong.order, wrong.tolerance)
    if not found:
        wrong.passed = len(steps)
    if len(steps) == 1 and len(steps[0][1].inputs) == len(inputs):
        found = []  # f is that operation: don't say it twice
    if wrong.order > 1:
        found = found or culprits(
            operations_of(wrong.f, wrong.inputs), wrong.order - 1, wrong.tolerance
        )
    return found or [why(wrong)]


def operations_of(f: Callable[..., Any], inputs: list[Array]) -> list[tuple[Operation, Tensor]]:
    root = f(*[Tensor(x, requires_grad=True) for x in inputs])
    return (
        [(z.operation, z) for z, _ in chain_rule(root, np.ones(root.shape)) if z.operation]
        if root.requires_grad
        else []
    )


def culprits(steps: list[tuple[Operation, Tensor]], order: int, tolerance: float) -> list[str]:
    """The operations that fail alone, with the arguments that they had: each with its causes, none
    twice."""
    found: dict[Operation, str] = {}
    for operation, z in steps:
        numbers = tuple(sorted({number for number, x in z.inputs if x.requires_grad}))
        f = of_chosen(partial(operation, **z.options), numbers, z.values[1:])
        inputs = [np.asarray(z.values[1 + n], np.float64) for n in numbers]
        wrong = disagreement(
            f, inputs, [f"argument {n} of {operation.name}" for n in numbers], order, tolerance
        )
        if wrong:
            found[operation] = f"checked alone, {explained(wrong, f, inputs, alone=True)}"
    return list(found.values())


def named(number: int, x: Any) -> str:
    return f"input {number}" + (f" ({x.name})" if isinstance(x, Tensor) and x.name else "")


def is_real(x: Any) -> bool:
    return isinstance(x, float | np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f"
