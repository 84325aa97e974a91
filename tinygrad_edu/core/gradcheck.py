"""How to trust a gradient: compare it with differences of the function itself.

4 of 4; before: functional.py.

A difference quotient needs no calculus, only the function:
(f(x + h) − f(x − h)) / 2h = f′(x) + h² f‴(x)/6 + …. Which h? With smaller h the error of
*truncation* falls like h². But f itself is only known to ε |f|, where ε = 2⁻⁵² is about 2e-16, and
divided by h this error of *rounding* grows like ε/h. Drawn over h on logarithmic scales the two
make a V, whose lowest point is near ∛ε:

>>> def error(h): return abs(float(np.sin(1 + h) - np.sin(1 - h)) / (2 * h) - float(np.cos(1)))
>>> [error(1e-1) < 1e-3, error(1e-3) < 1e-7, error(1e-5) < 1e-10, error(1e-11) > 1e-8]
[True, True, True, True]

Two step sizes together remove the h² term (Richardson), so h may be larger, which means less
rounding. Do not trust differences within h of a kink: they give the mean of the two slopes. Nor
where f jumps or is not finite; nor in float32, whose V ends at 1e-5: inputs become float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.core.functional import of_chosen, vjp

STEP = 1e-4  # h = STEP · max(1, |x|): truncation, of order h⁴, and rounding, ε/h, are below 1e-8
LOST = 1e-10  # what rounding takes from a difference: ε/h is 2e-12, and f itself may lose more
ORDINALS = {1: "first", 2: "second", 3: "third"}


def numerical_gradient(f: Callable[[Array], float], x: Array) -> Array:
    """Return ∂f/∂x by differences: f is evaluated four times for each number of x.

    `f` maps an array to one number; the result has x's shape.

    >>> numerical_gradient(lambda x: (x ** 3).sum(), np.array([1.0, 2.0])).round(6)
    array([ 3., 12.])
    """
    return step_differences(f, x)[0]


def step_differences(f: Callable[[Array], float], x: Array) -> tuple[Array, Array]:
    """The numerical gradient, and by how much its two step sizes disagree."""
    gradient, apart = np.zeros(x.shape), np.zeros(x.shape)
    for place in np.ndindex(x.shape):

        def at(shift: float, place: tuple[int, ...] = place) -> float:
            moved = np.array(x, np.float64)
            moved[place] += shift
            return float(f(moved))

        h = STEP * max(1.0, abs(float(x[place])))
        coarse, fine = (at(h) - at(-h)) / (2 * h), (at(h / 2) - at(-h / 2)) / h
        gradient[place], apart[place] = (4 * fine - coarse) / 3, abs(fine - coarse)
    return gradient, apart


def check_gradients(
    f: Callable[..., Any], *inputs: Any, order: int = 2, tolerance: float = 1e-6
) -> None:
    """Raise AssertionError if a gradient of f, to second order, differs from differences.

    `f` maps Tensors to a Tensor of any shape. Floating-point inputs are differentiated, in float64;
    all others are passed as they are. The next order checks the gradient as a function of the
    inputs *and* of the gradient v that arrives. The error says which element differs; the one of
    `tinygrad_edu.check_gradients` also says in which operation, and why.

    >>> check_gradients(np.sin, 0.5)
    >>> check_gradients(lambda x, w: x @ w, np.ones((3, 2)), np.ones(2))
    """
    values = [np.asarray(x, np.float64) if is_real(x) else x for x in map(plain, inputs)]
    real = tuple([number for number, x in enumerate(values) if is_real(x)])
    if not real:
        raise errors.nothing_to_check(inputs)
    f, arrays = of_chosen(f, real, tuple(values)), [values[number] for number in real]
    names = [input_name(number, inputs[number]) for number in real]
    if found := disagreement(f, arrays, names, order, tolerance):
        raise WrongGradient(found, f, arrays)


def disagreement(
    f: Callable[..., Any],
    inputs: list[Array],
    names: list[str],
    order: int,
    tolerance: float,
    nth: int = 1,
) -> Comparison | None:
    """The first gradient that differs, at order `nth` or one of the `order` − 1 orders after it."""
    z, pullback = vjp(f, *inputs)
    v = np.random.default_rng(0).normal(size=z.shape)
    size = np.abs(plain(z) * v).sum()  # of the numbers that are rounded
    for number, (name, x, g) in enumerate(zip(names, inputs, pullback(v), strict=True)):
        numeric, apart = step_differences(partial(weighted, f, inputs, number, v), x)
        doubt = apart / 1000 + LOST * max(1.0, size)
        by, g = "differences", plain(g)
        found = Comparison(name, f, inputs, number, v, g, numeric, by, tolerance, doubt, nth)
        if found.wrong.any():
            return found
    return next_order(f, inputs, names, order - 1, tolerance, nth + 1, v) if order > 1 else None


def next_order(
    f: Callable[..., Any],
    inputs: list[Array],
    names: list[str],
    order: int,
    tolerance: float,
    nth: int,
    v: Array,
) -> Comparison | None:
    """Check all gradients of f at once, as one function of v and of f's inputs."""
    plainly, recorded = vjp(f, *inputs)[1](v), vjp(f, *map(Tensor, inputs))[1](Tensor(v))
    by = "the same partials without create_graph"
    for number, (a, b) in enumerate(zip(recorded, plainly, strict=True)):
        a, b = plain(a), plain(b)
        name, doubt = names[number], LOST * max(1.0, np.abs(b).max(initial=0.0))
        found = Comparison(name, f, inputs, number, v, a, b, by, tolerance, doubt, nth)
        if found.wrong.any():
            return found

    def every(v: Any, *inputs: Any) -> Any:
        return np.concatenate([np.ravel(g) for g in vjp(f, *inputs)[1](v)])

    def one(number: int, v: Any, *inputs: Any) -> Any:
        return vjp(f, *inputs)[1](v)[number]

    arriving = "the gradient that arrives" + (f" at order {nth - 1}" if nth > 2 else "")

    def differing(f: Callable[..., Any], of: str, order: int) -> Comparison | None:
        whose = [f"the gradient of {of} with respect to {x}" for x in (arriving, *names)]
        return disagreement(f, [v, *inputs], whose, order, tolerance, nth)

    whole = differing(every, "all inputs", order)
    if whole is None or whole.order > nth:
        return whole
    alone = (differing(partial(one, number), name, 1) for number, name in enumerate(names))
    return next(filter(None, alone), whole)


def weighted(f: Callable[..., Any], inputs: list[Array], number: int, v: Array, x: Array) -> float:
    """v·f as a function of one input, here x."""
    return float((f(*map(Tensor, [*inputs[:number], x, *inputs[number + 1 :]])).data * v).sum())


def differ(a: Array, b: Array, tolerance: float) -> Array:
    """Where a is not b, relative to b's largest element or to 1; NaN differs from everything."""
    most = tolerance * max(1.0, float(np.abs(b).max(initial=0.0)))
    different: Array = ~(np.abs(a - b) <= most)
    return different


def input_name(number: int, x: Any) -> str:
    """How an input is named: `input 0`, or `input 0 (w)`."""
    return f"input {number}" + (f" ({x.name})" if isinstance(x, Tensor) and x.name else "")


def is_real(x: Any) -> bool:
    """Whether x is a floating-point number or array."""
    return isinstance(x, float | np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f"


@dataclass
class Comparison:
    """The gradient of v·f with respect to one input: by the partials, and by differences."""

    what: str
    f: Callable[..., Any]
    inputs: list[Array]
    number: int  # of the input
    v: Array
    analytic: Array
    numeric: Array
    by: str  # how `numeric` was found: "differences"
    tolerance: float  # relative
    doubt: Any  # absolute, for each element: how far off the differences themselves may be
    order: int

    def __str__(self) -> str:
        a, n = self.analytic[self.place] + 0.0, self.numeric[self.place]
        return (
            f"{ORDINALS.get(self.order, f'{self.order}th')} order: {self.what}, element "
            f"{self.place}: the derivative is {a:.9g} by the partials and {n:.9g} by {self.by}; "
            f"{self.wrong.sum()} of {self.wrong.size} elements differ"
        )

    @cached_property
    def wrong(self) -> Array:
        """The mask of the elements that differ."""
        allowed = self.tolerance * np.abs(self.numeric) + self.doubt
        different: Array = ~(np.abs(self.analytic - self.numeric) <= allowed)  # NaN always is
        return different

    @cached_property
    def place(self) -> tuple[int, ...]:
        """The index of the first element that differs."""
        return tuple(int(i) for i in np.argwhere(self.wrong)[0])


class WrongGradient(AssertionError):
    """The error of a check of f at `inputs`, which `found` a gradient that differs."""

    def __init__(self, found: Comparison, f: Callable[..., Any], inputs: list[Array]) -> None:
        super().__init__(str(found))
        self.found, self.f, self.inputs = found, f, inputs
