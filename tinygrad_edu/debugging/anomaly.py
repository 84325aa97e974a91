"""Where a number went wrong: the first NaN or infinity, or an array that changed too early.

The engine knows nothing of this. WATCHER is told of every recorded call, and leaves a `Watched`
operation in the graph. The chain rule asks that for its partials, and gets checked ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Operation, Partial, Tensor, Values, plain
from tinygrad_edu.core.errors import described, see
from tinygrad_edu.core.switches import RECORDING, WATCHER
from tinygrad_edu.debugging.caller import line_of_the_user, source


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within it the first NaN or infinity, forward or backward, raises FloatingPointError: which
    operation, at which line.

    An array that is changed in place before the backward pass has used it raises RuntimeError. What
    was recorded within is watched wherever backward() is called; not within no_grad. Also a
    decorator. A step takes four to five times as long.

    >>> with detect_anomaly(): np.log(Tensor([1.0, 0.0], name="x"))
    Traceback (most recent call last):
    FloatingPointError: forward pass: the result of log(x (2,)) is -inf at element (1,); 1 of 2 elements not finite
      ...
    """
    with watching(check_and_watch):
        yield


@contextmanager
def watching(watcher: Callable[..., None]) -> Iterator[None]:
    """Within it the watcher is told of every recorded call."""
    token = WATCHER.set(watcher)
    try:
        with np.errstate(all="ignore"):
            yield  # NumPy's warnings would come first and say less
    finally:
        WATCHER.reset(token)


def check_and_watch(
    z: Tensor, run: Operation, args: Values, arrays: Values, within: Watched | None = None
) -> None:
    """Check what an operation gave, and watch it if it was recorded.

    Of the steps within a partial only the last counts.
    """
    if not within and not is_finite(z.data):
        raise not_finite_error(Watched(run, args), "forward pass: the result of", z.data, arrays)
    if z.requires_grad:
        z.operation = Watched(run, args, z.values, within)


class Watched(Operation):
    """One call of an operation: it knows its line, keeps copies of its arrays, and its partials are
    checked."""

    line: tuple[str, int, str]  # of the user's code: file, number, layer of nn

    def __init__(
        self, run: Operation, args: Values, values: Values = (), within: Watched | None = None
    ) -> None:
        vars(self).update(vars(run))
        self.args, self.line = args, within.line if within else line_of_the_user()
        self.within = f" within the derivative of {within}" if within else ""
        self.copies = [(number, x, x.copy()) for number, x in arrays_in(values)]

    def partial(self, number: int) -> Partial:
        """The partial with its checks; without them where nothing is recorded."""
        known = super().partial(number)
        return functools.partial(self.checked, known, number) if RECORDING.get() else known

    def checked(self, known: Partial, number: int, g: Any, *values: Any, **options: Any) -> Any:
        """What the partial gives: from arrays that are as they were, and finite."""
        arrays = tuple([plain(x) for x in values])
        used = {
            id(x) for _, x in arrays_in(arrays)
        }  # where data was replaced since, another array stands in
        for place, x, copy in self.copies:
            if id(x) in used and changes(x, copy).any():
                raise changed_in_place(self, place, x, copy)
        with watching(functools.partial(check_and_watch, within=self)):
            gradient = known(g, *values, **options)
        if is_finite(plain(gradient)):
            return gradient
        what = f"backward pass: the gradient for {self.argument(number)}, of"
        raise not_finite_error(self, what, plain(gradient), arrays[1:], plain(g))

    def argument(self, number: int) -> str:
        return f"argument {number}, {argument_text(self.args[number])}"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(argument_text, self.args))}){self.within}"


# What the errors say


def not_finite_error(
    call: Watched, what: str, result: Any, arrays: Values, g: Any = None
) -> FloatingPointError:
    came = {"the gradient that arrived": g} | {
        call.argument(number): x for number, x in enumerate(arrays)
    }
    already = [
        f"It came in: {name}, is {bad_in(x)}" for name, x in came.items() if not is_finite(x)
    ]
    why = already[0] if already else f"All that came in is finite. {remedy(call, arrays)}".rstrip()
    return FloatingPointError(f"{what} {call} is {bad_in(result)}\n  {source(*call.line)}\n  {why}")


def changed_in_place(call: Watched, place: int, x: Any, copy: Any) -> RuntimeError:
    different = changes(x, copy)
    at, what = (
        first_index(different),
        f"{call.argument(place - 1)}, of" if place else "the result of",
    )
    change = (
        f"{f'element {at}' if at else 'it'} was {copy[at]} and is {x[at]}; "
        f"{different.sum()} of {x.size} elements differ"
    )
    return RuntimeError(
        f"{what} {call} was changed in place before the backward pass used it: {change}\n  "
        f"{source(*call.line)}\n  Change it after backward(), or put a new array there: p.data = "
        "p.data - step" + see("changed-too-early")
    )


def remedy(call: Watched, arrays: Values) -> str:
    """How to keep an operation from what lies outside its domain, if that is what came."""
    names = list(map(argument_name, call.args, "xyzw"))
    for number, (x, (low, high)) in enumerate(zip(arrays, call.domain, strict=False)):
        if np.all((low < x) & (x < high)):
            continue
        bounds = [
            f"{names[number]} {sign} {bound:g}"
            for sign, bound in ((">", low), ("<", high))
            if np.isfinite(bound)
        ]
        condition = f"({') & ('.join(bounds)})" if len(bounds) > 1 else bounds[0]
        inside = low + 1 if np.isinf(high) else (max(low, high - 2) + high) / 2
        return where_in_where(call, names, number, condition, inside)
    for pole in call.facts.get("poles", ()):
        if not np.all(arrays[pole]):
            return where_in_where(call, names, pole, f"{names[pole]} != 0", 1.0)
    return ""


def argument_name(x: Any, letter: str) -> str:
    """An argument as the user has it: a number, or a name; else a letter."""
    return f"{x:g}" if isinstance(x, int | float) else getattr(x, "name", None) or letter


def where_in_where(
    call: Watched, names: list[str], number: int, condition: str, inside: float
) -> str:
    safe = f"np.where({condition}, {names[number]}, {inside})"
    arguments = ", ".join([*names[:number], safe, *names[number + 1 :]])
    function = f"{'np.' if hasattr(np, call.name) else ''}{call.name}({arguments})"
    return (
        f"If only {condition} is meant, keep the rest away by a where of its own: "
        f"np.where({condition}, {function}, 0.0)" + see("not-a-number")
    )


def argument_text(x: Any) -> str:
    """An argument as `w (2, 3)`; an index that is a tuple, by its parts."""
    return (
        f"({', '.join(map(argument_text, x))})" if isinstance(x, tuple) else f"{described(x):.60}"
    )


def bad_in(x: Any) -> str:
    """`nan at element (0, 1); 3 of 12 elements not finite`, or only `nan` for one number."""
    bad = ~np.isfinite(x)
    value = np.asarray(x)[first_index(bad)]
    return (
        f"{value} at element {first_index(bad)}; {bad.sum()} of {bad.size} elements not finite"
        if np.ndim(x)
        else f"{value}"
    )


# What is looked at


def arrays_in(values: Values) -> Iterator[tuple[int, Any]]:
    """Every array with the number of its value; an index, z[rows, columns], may hold several."""
    for number, value in enumerate(values):
        for x in value if isinstance(value, tuple) else (value,):
            if isinstance(x, np.ndarray):
                yield number, x


def is_finite(x: Any) -> bool:
    """False for an array or number with a NaN or an infinity in it; True for whatever else an
    argument may be."""
    real = isinstance(x, float | np.floating) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
    return not real or bool(np.isfinite(x).all())


def changes(x: Any, then: Any) -> Any:
    return (x != then) & ((x == x) | (then == then))  # a NaN is still the NaN that it was


def first_index(mask: Any) -> tuple[int, ...]:
    return tuple([int(i) for i in np.argwhere(mask)[0]])
