"""Why a gradient and differences disagree: look for each known cause, and name it with evidence.

A cause is a function of a `Suspect`. It returns a sentence, or "" if the numbers do not support it.
First come the causes that make the differences themselves doubtful, then mistakes in a partial.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tinygrad_edu.core import gradcheck
from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Operation, Tensor, chain_rule, plain
from tinygrad_edu.core.functional import of_chosen, vjp
from tinygrad_edu.core.gradcheck import (
    Check,
    Comparison,
    WrongGradient,
    numerical_gradient,
    weighted,
)

STEPS = [10.0**-k for k in range(1, 9)]  # for the V-curve
SHRINKING = STEPS[3:6]  # the step of the check, and two smaller ones


def diagnosed(check: Callable[..., None]) -> Callable[..., None]:
    """Make a check of gradients also say why they differ."""

    @functools.wraps(check)
    def check_and_explain(*args: Any, **options: Any) -> None:
        try:
            check(*args, **options)
        except WrongGradient as error:
            suspect = Suspect.of(error.found)
            raise AssertionError(explained(suspect, error.check)) from None

    return check_and_explain


check_gradients = diagnosed(gradcheck.check_gradients)


@dataclass
class Suspect(Comparison):
    """A gradient that differs, and what can be asked about it."""

    passed: int = 0  # the number of operations of f, if each is right when it is checked alone

    @classmethod
    def of(cls, found: Comparison) -> Suspect:
        """A Suspect with the fields of a comparison."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    @property
    def x(self) -> Array:
        """The input."""
        return self.check.inputs[self.number]

    @property
    def error(self) -> float:
        """By how much the element differs."""
        return float(abs(self.analytic[self.place] - self.numeric[self.place]))

    def same(self, a: Array, b: Array) -> bool:
        """Whether a agrees with b, within the tolerance of the check."""
        return not differ(a, b, self.check.tolerance).any()

    def at(self, shift: float) -> float:
        """v·f after a shift of the element that differs, in units of max(1, |x|)."""
        shifted = np.array(self.x)
        shifted[self.place] += shift * self.unit
        return weighted(self.check.f, self.check.inputs, self.number, self.v, shifted)

    @property
    def unit(self) -> float:
        """The unit of a step, max(1, |x|), where x is the element that differs."""
        return max(1.0, abs(float(self.x[self.place])))

    def quotient(self, h: float) -> float:
        """The difference quotient of v·f over 2h."""
        return (self.at(h) - self.at(-h)) / (2 * h * self.unit)

    def partials(self, v: Array, inputs: list[Array]) -> Array:
        """The gradient by the partials for another v or at other inputs."""
        return np.asarray(plain(vjp(self.check.f, *inputs)[1](v)[self.number]))

    def differences(self, v: Array, inputs: list[Array]) -> Array:
        """The gradient by differences for another v or at other inputs."""
        f = functools.partial(weighted, self.check.f, inputs, self.number, v)
        return numerical_gradient(f, inputs[self.number])


def differ(a: Array, b: Array, tolerance: float) -> Array:
    """Where a is not b, relative to b's largest element or to 1; NaN differs from everything."""
    most = tolerance * max(1.0, float(np.abs(b).max(initial=0.0)))
    different: Array = ~(np.abs(a - b) <= most)
    return different


def explained(wrong: Suspect, check: Check, alone: bool = False) -> str:
    """What differs, and beneath it why; `alone` if f is a single operation."""
    with np.errstate(all="ignore"):
        try:
            found = reasons(wrong, check, alone)
        except (ValueError, ArithmeticError) as error:
            said = ", ".join([str(error), *getattr(error, "__notes__", [])])
            found = [f"cause unknown: f refuses a point nearby: {said}"]
        return "\n".join([str(wrong), *found]).replace("\n", "\n  ")


def reasons(wrong: Suspect, check: Check, alone: bool) -> list[str]:
    """The operations of f that are wrong alone, or else those of its gradient, or else a cause."""
    steps = [] if alone else operations_of(check)
    found = culprits(steps, wrong.order, wrong.check.tolerance)
    if not found:
        wrong.passed = len(steps)
    if len(steps) == 1 and len(steps[0][1].inputs) == len(check.inputs):
        found = []  # f is that operation: don't say it twice
    if not found and wrong.order > 1:
        steps = operations_of(wrong.check)
        found = culprits(steps, wrong.order - 1, wrong.check.tolerance)
    return found or [why(wrong)]


def operations_of(check: Check) -> list[tuple[Operation, Tensor]]:
    """The operations that f is made of, with the Tensors that they gave."""
    root = check.f(*[Tensor(x, requires_grad=True) for x in check.inputs])
    if not root.requires_grad:
        return []
    return [(z.operation, z) for z, _ in chain_rule(root, np.ones(root.shape)) if z.operation]


def culprits(steps: list[tuple[Operation, Tensor]], order: int, tolerance: float) -> list[str]:
    """Check each operation alone, at the arguments that it had; say what is wrong with it."""
    found: dict[Operation, str] = {}
    for operation, z in steps:
        numbers = tuple(sorted({number for number, x in z.inputs if x.requires_grad}))
        f = of_chosen(functools.partial(operation, **z.options), numbers, z.values[1:])
        inputs = [np.asarray(z.values[1 + n], np.float64) for n in numbers]
        names = [f"argument {n} of {operation.name}" for n in numbers]
        check = Check(f, inputs, names, tolerance)
        if wrong := check.failure(order):
            said = explained(Suspect.of(wrong), check, alone=True)
            found[operation] = f"checked alone, {said}"
    return list(found.values())


def why(c: Suspect) -> str:
    """The first cause for which there is evidence."""
    found = filter(None, (cause(c) for cause in CAUSES))
    return next(found, "cause unknown: none of the usual ones fits these numbers")


# Causes for which the differences are not to be trusted


def other_on_tensors(c: Suspect) -> str:
    """The partials give one gradient on Tensors, and another one on arrays."""
    if c.by == "differences":
        return ""
    return (
        "two formulas: with create_graph a partial is handed "
        "Tensors, and computes something else of them than of arrays"
    )


def not_finite(c: Suspect) -> str:
    """f or the partials give an infinity or NaN."""
    below, here, above = c.at(-SHRINKING[0]), c.at(0.0), c.at(SHRINKING[0])
    if not np.isfinite([below, here, above]).all():
        return (
            f"not finite: v·f is {below:.6g} just below this "
            f"element, {here:.6g} at it and {above:.6g} just above"
        )
    if np.isfinite(c.analytic[c.place]):
        return ""
    return (
        f"not finite: v·f is {here:.6g} and the partials give "
        f"{c.analytic[c.place]}: a division by 0, or 0 times infinity"
    )


def jump(c: Suspect) -> str:
    """Across a jump the difference stays, however small the step; beside it f is smooth."""
    across = [c.at(h) - c.at(-h) for h in SHRINKING]
    beside = [c.at(sign * 2 * SHRINKING[0]) - c.at(sign * SHRINKING[0]) for sign in (1, -1)]
    if not max(np.ptp(across), *np.abs(beside)) < 0.1 * abs(across[-1]):
        return ""
    return (
        f"a jump: v·f(x + h) − v·f(x − h) is {across[0]:.6g} for "
        f"h = 1e-4, {across[-1]:.6g} for h = 1e-6: no derivative"
    )


def kink(c: Suspect) -> str:
    """At a kink the slopes from both sides stay apart, by as much as the gradient differs."""
    right = [(c.at(h) - c.at(0.0)) / (h * c.unit) for h in SHRINKING]
    left = [(c.at(0.0) - c.at(-h)) / (h * c.unit) for h in SHRINKING]
    gaps = np.abs(np.subtract(right, left))
    if not (gaps.min() > 0.9 * c.error and np.ptp(gaps) < 0.2 * gaps.max()):
        return ""
    return (
        f"a kink: the slope of v·f is {left[-1]:.6g} from below "
        f"and {right[-1]:.6g} from above, however small the step"
    )


def wrong_step(c: Suspect) -> str:
    """The quotient changes with the step, by as much as the gradient differs.

    If it changes more for smaller steps, the cause is rounding.
    """
    smaller = [c.quotient(h) for h in SHRINKING[1:]]
    changes = abs(smaller[0] - c.numeric[c.place]), abs(smaller[1] - smaller[0])
    if not max(changes) >= c.error / 3:
        return ""
    errors = [abs(c.quotient(h) - c.analytic[c.place]) for h in STEPS]
    best = int(np.argmin(errors))
    name, hint = "the step", "f bends or jumps within one step of x"
    if changes[1] > changes[0]:
        name, hint = "rounding", "compute f in float64 and without cancellation"
    return (
        f"{name}: the difference quotient is not to be trusted, it changes "
        f"by {max(changes):.2g} with the step. Off the partials it is least "
        f"for h = {STEPS[best]:g}, by {errors[best]:.2g}; by {errors[0]:.2g} "
        f"for h = 0.1 and by {errors[-1]:.2g} for h = 1e-8: {hint}"
    )


# Causes for which a partial is not right


def not_recorded(c: Suspect) -> str:
    """f, or its gradient, depends on the input in a way that was not recorded."""
    lacks = f"lacks {c.numeric[c.place] - c.analytic[c.place]:.6g} of {c.numeric[c.place]:.6g}"
    hint = "was x.data or np.asarray(x) used for x?"
    if c.order > 1 and not c.passed:
        everywhere = "" if c.analytic.any() else ", all of it everywhere"
        return (
            f"right to order {c.order - 1} only: the partial's record "
            f"of its own derivative {lacks}{everywhere}: {hint}"
        )
    if c.passed:
        return (
            f"not recorded: the operations of f, {c.passed}, "
            f"are right alone, and their record {lacks}: {hint}"
        )
    if c.analytic.any():
        return ""
    return "nothing arrives: the partials give exactly 0 in every element: a term left out, or g?"


def forgets_g(c: Suspect) -> str:
    """A pullback is linear in the gradient that arrives: of 0 it makes 0."""
    left = c.partials(0 * c.v, c.check.inputs)
    if c.same(left, np.zeros_like(left)):
        return ""
    return (
        "forgets g: when the gradient that arrives is 0, the partials still give up to "
        f"{np.abs(left).max():.6g}, and must give 0: every partial is g times something"
    )


def transposed(c: Suspect) -> str:
    """The gradient is right but for a transpose of itself or of g."""
    if is_square(c.numeric) and c.same(c.analytic, c.numeric.mT):
        return "transposed: the partials give the transpose of what differences give"
    if is_square(c.v) and c.same(c.analytic, c.differences(c.v.mT, c.check.inputs)):
        return (
            "transposed: the partials would be right if gᵀ arrived, "
            "not g: is it transposed, or summed over the other axis?"
        )
    return ""


def is_square(x: Array) -> bool:
    """Whether the transpose of x has the same shape, and may differ from x."""
    return x.ndim > 1 and x.shape[-1] == x.shape[-2] > 1


def one_summand(c: Suspect) -> str:
    """A value that was used n times has received one of n gradients, and not their sum."""
    if not c.analytic[c.wrong].any():
        return ""
    for axis, size in enumerate(c.v.shape):
        for i in range(size if size > 1 else 0):
            alone = np.zeros_like(c.v)
            index = (slice(None),) * axis + (i,)
            alone[index] = c.v[index]
            if c.same(c.analytic[c.wrong], c.differences(alone, c.check.inputs)[c.wrong]):
                return (
                    f"a missing sum: the partials give what index {i} of axis "
                    f"{axis} of the result contributes, one of {size} summands: "
                    "what was used several times, as by broadcasting, gets the sum"
                )
    return ""


def factor(c: Suspect) -> str:
    """The partials are a multiple of what differences give, here and at a point nearby.

    The second point is needed because one number is always a multiple of another.
    """
    near = [np.asarray(x + 0.01) for x in c.check.inputs]
    ratio = proportion(c.analytic, c.numeric)
    if not c.same(c.partials(c.v, near), ratio * c.differences(c.v, near)):
        return ""
    if abs(ratio + 1) < 1e-6:
        return "a sign: the partials give −1 times what differences give, in every element"
    said = f"a factor: the partials give {ratio:.6g} times what differences give, in every element"
    for size in sizes_added(c):
        if min(abs(ratio * size - 1), abs(ratio / size - 1)) < 1e-6:
            return (
                f"{said}, and {size} numbers were there to be added: "
                "a mean in place of a sum, or a sum of a mean?"
            )
    return said


def sizes_added(c: Suspect) -> list[int]:
    """How many numbers may have been added: the sizes of f's inputs and result, least first.

    The list is empty if f gives as many numbers as the input has.
    """
    if c.v.size == c.x.size:
        return []
    return sorted({size for x in (c.v, *c.check.inputs) for size in (*x.shape, x.size) if size > 1})


def proportion(a: Array, b: Array) -> float:
    """The number r for which r·b is nearest to a."""
    return float((a * b).sum() / (b * b).sum())


# fmt: off
CAUSES = (other_on_tensors, not_finite, jump, kink, wrong_step,
          not_recorded, forgets_g, transposed, one_summand, factor)
# fmt: on
