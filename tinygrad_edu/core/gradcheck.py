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
from operator import itemgetter
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
    names = [input_name(number, inputs[number]) for number in real]
    of_reals = of_chosen(f, real, tuple(values))
    check = Check(of_reals, [values[number] for number in real], names, tolerance)
    if found := check.failure(order):
        raise WrongGradient(found, check)


@dataclass(frozen=True)
class Check:
    """A function, its inputs and their names; the gradients are compared at this order."""

    f: Callable[..., Any]
    inputs: list[Array]
    names: list[str]
    tolerance: float  # relative
    order: int = 1

    def failure(self, last: int) -> Comparison | None:
        """The first gradient that differs, at this order or a further one up to the last."""
        z, pullback = vjp(self.f, *self.inputs)
        v = np.random.default_rng(0).normal(size=z.shape)
        gradients, size = [plain(g) for g in pullback(v)], np.abs(plain(z) * v).sum()
        for number, (x, g) in enumerate(zip(self.inputs, gradients, strict=True)):
            numeric, apart = step_differences(partial(weighted, self.f, self.inputs, number, v), x)
            # Richardson cancels most of what the two steps were apart: a thousandth is allowed
            doubt = apart / 1000 + LOST * max(1.0, size)
            found = Comparison(self, number, v, g, numeric, "differences", doubt, self.order)
            if found.wrong.any():
                return found
        return self.next_failure(v, gradients, last) if self.order < last else None

    def next_failure(self, v: Array, gradients: list[Array], last: int) -> Comparison | None:
        """Compare recorded gradients with plain ones, then with differences: all, and then each."""
        by = "the same partials without create_graph"
        recorded = vjp(self.f, *map(Tensor, self.inputs))[1](Tensor(v))
        for number, (g, expected) in enumerate(zip(recorded, gradients, strict=True)):
            doubt = LOST * max(1.0, np.abs(expected).max(initial=0.0))
            found = Comparison(self, number, v, plain(g), expected, by, doubt, self.order + 1)
            if found.wrong.any():
                return found
        every = self.of_gradients("all inputs", v, lambda g: np.concatenate([*map(np.ravel, g)]))
        failed = every.failure(last)
        if failed is None or failed.order > every.order:
            return failed
        alone = [self.of_gradients(x, v, itemgetter(i)) for i, x in enumerate(self.names)]
        return next(filter(None, [one.failure(every.order) for one in alone]), failed)

    def of_gradients(self, of: str, v: Array, choose: Callable[..., Any]) -> Check:
        """A check of some of the gradients, as a function of v and of the inputs."""
        arriving = "the gradient that arrives" + f" at order {self.order}" * (self.order > 1)
        names = [f"the gradient of {of} with respect to {x}" for x in (arriving, *self.names)]

        def gradients(v: Any, *inputs: Any) -> Any:
            return choose(vjp(self.f, *inputs)[1](v))

        return Check(gradients, [v, *self.inputs], names, self.tolerance, self.order + 1)


def weighted(f: Callable[..., Any], inputs: list[Array], number: int, v: Array, x: Array) -> float:
    """v·f as a function of one input, here x."""
    return float((plain(f(*map(Tensor, [*inputs[:number], x, *inputs[number + 1 :]]))) * v).sum())


def input_name(number: int, x: Any) -> str:
    """How an input is named: `input 0`, or `input 0 (w)`."""
    return f"input {number}" + (f" ({x.name})" if isinstance(x, Tensor) and x.name else "")


def is_real(x: Any) -> bool:
    """Whether x is a floating-point number or array."""
    return isinstance(x, float | np.ndarray | np.floating) and np.asarray(x).dtype.kind == "f"


@dataclass
class Comparison:
    """The gradient of v·f with respect to one input, and what it should have been."""

    check: Check
    number: int  # of the input
    v: Array
    analytic: Array  # by the partials
    numeric: Array
    by: str  # how `numeric` was found: "differences"
    doubt: Any  # how far off that may be, for each element
    order: int

    def __str__(self) -> str:
        a, n = self.analytic[self.place] + 0.0, self.numeric[self.place]
        return (
            f"{ORDINALS.get(self.order, f'{self.order}th')} order: "
            f"{self.check.names[self.number]}, element {self.place}: the derivative is {a:.9g} "
            f"by the partials and {n:.9g} by {self.by}; "
            f"{self.wrong.sum()} of {self.wrong.size} elements differ"
        )

    @cached_property
    def wrong(self) -> Array:
        """Which elements differ."""
        allowed = self.check.tolerance * np.abs(self.numeric) + self.doubt
        different: Array = ~(np.abs(self.analytic - self.numeric) <= allowed)  # NaN always is
        return different

    @cached_property
    def place(self) -> tuple[int, ...]:
        """The index of the first element that differs."""
        return tuple(int(i) for i in np.argwhere(self.wrong)[0])


class WrongGradient(AssertionError):
    """A gradient that differs, `found` in a check."""

    def __init__(self, found: Comparison, check: Check) -> None:
        super().__init__(str(found))
        self.found, self.check = found, check
