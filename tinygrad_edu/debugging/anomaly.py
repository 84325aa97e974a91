"""Where a number went wrong: the first NaN or infinity, or an array that changed too early.

The engine knows nothing of this. A watcher is told of every recorded call, and replaces the
operation by a `WatchedOperation`. The chain rule asks this one for its partials, and gets partials
that check what they return.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Operation, Partial, Tensor, Values, plain
from tinygrad_edu.core.errors import described, see
from tinygrad_edu.core.switches import LEAVING, RECORDING, WATCHER
from tinygrad_edu.debugging.caller import line_of_the_user, source


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise FloatingPointError at the first NaN or infinity, forward or backward.

    Raise RuntimeError if an array is changed in place before the backward pass has used it. Both
    errors name the operation and your line. Warn of a number that leaves the graph, x.item(), and
    of a second backward pass through the calls of an earlier step. Calls recorded within the block
    are watched, wherever backward() is called; calls within no_grad are not. Also a decorator.

    >>> with detect_anomaly(): np.log(Tensor([1.0, 0.0], name="x"))
    Traceback (most recent call last):
    FloatingPointError: forward pass: the result of log(x (2,)) is -inf at element (1,); ...
    """
    passes = Passes()
    token = LEAVING.set(functools.partial(passes.number_leaves, LEAVING.get()))
    try:
        with watching(functools.partial(check_and_watch, passes=passes)):
            yield
    finally:
        LEAVING.reset(token)


@contextmanager
def watching(watcher: Callable[..., None]) -> Iterator[None]:
    """Tell the watcher of every recorded call within the block, and keep NumPy from warning."""
    token = WATCHER.set(watcher)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        WATCHER.reset(token)


class Passes:
    """The backward passes through the calls of a block, and what was warned of."""

    def __init__(self) -> None:
        self.last = self.root = 0  # within a pass, the orders of the calls descend from its root's
        self.warned: set[Any] = set()

    def number_leaves(self, before: Callable[[Tensor], None] | None, x: Tensor) -> None:
        """Warn that a number leaves the graph; what was done about it before is done first."""
        if before:
            before(x)
        if RECORDING.get():
            line = line_of_the_user()
            self.warn_once(line, number_left(x), line)

    def note(self, call: WatchedOperation) -> None:
        """A pass goes through a call: warn if one from an older root went through it before."""
        if call.order > self.last:
            self.root = call.order
        self.last = call.order
        if 0 < call.root < self.root:
            self.warn_once("passed again", passed_again(call), call.line)
        call.root = max(call.root, self.root)

    def warn_once(self, what: Any, message: str, line: tuple[str, int, str]) -> None:
        if what not in self.warned:
            self.warned.add(what)
            warnings.warn_explicit(message, RuntimeWarning, *line[:2])


def check_and_watch(
    z: Tensor,
    run: Operation,
    args: Values,
    arrays: Values,
    passes: Passes,
    within: WatchedOperation | None = None,
) -> None:
    """Check the result of an operation, and watch the operation if it was recorded.

    `within` is the operation whose partial makes this call. Such a call may give infinity: only
    what the partial returns is checked.
    """
    if not within and not is_finite(z.data):
        call = WatchedOperation(run, args)
        raise not_finite_error(call, "forward pass: the result of", z.data, arrays)
    if z.requires_grad:
        z.operation = WatchedOperation(run, args, z.values, within)
        z.operation.passes, z.operation.order = passes, z.order


class WatchedOperation(Operation):
    """One call of an operation: it knows its line, copies its arrays, and checks its partials."""

    line: tuple[str, int, str]  # the user's line: file, number, layer of nn
    passes: Passes
    order = root = 0  # of its result; of the youngest result from which a pass came

    def __init__(
        self,
        run: Operation,
        args: Values,
        values: Values = (),
        within: WatchedOperation | None = None,
    ) -> None:
        vars(self).update(vars(run))
        self.run, self.args = run, args
        none: Any = dict.fromkeys(run.partials)  # so the walk asks partial(), which checks
        self.partials = none
        self.line = within.line if within else line_of_the_user()
        self.within = f" within the derivative of {within}" if within else ""
        self.copies = [(number, x, x.copy()) for number, x in arrays_in(values)]
        if run.each:
            self.each = functools.partial(self.checked_each, run.each)

    def partial(self, number: int) -> Partial:
        """The partial with its checks, or without them where nothing is recorded."""
        known = self.run.partial(number)
        return functools.partial(self.checked, known, number) if RECORDING.get() else known

    def checked(self, known: Partial, number: int, g: Any, *values: Any, **options: Any) -> Any:
        """Run the partial; raise if its arrays were changed, or if the gradient is not finite."""
        self.check_arrays(g, values)
        return self.finite_share(lambda _: known(g, *values, **options), g, values, number)

    def checked_each(self, each: Partial, g: Any, *values: Any, **options: Any) -> Any:
        """The same for a partial that serves all arguments."""
        share_of = each(g, *values, **options)
        if not RECORDING.get():
            return share_of
        self.check_arrays(g, values)
        return functools.partial(self.finite_share, share_of, g, values)

    def check_arrays(self, g: Any, values: Values) -> None:
        """Raise if an array was changed; note that a backward pass comes by."""
        used = {id(x) for _, x in arrays_in(tuple(map(plain, values)))}
        for place, x, copy in self.copies:  # an array that was replaced since may change
            if id(x) in used and changes(x, copy).any():
                raise changed_in_place(self, place, x, copy)
        if not isinstance(g, Tensor):
            self.passes.note(self)

    def finite_share(
        self, share_of: Callable[[int], Any], g: Any, values: Values, number: int
    ) -> Any:
        """The gradient for an argument; raise if it is not finite."""
        with watching(functools.partial(check_and_watch, passes=self.passes, within=self)):
            gradient = share_of(number)
        if is_finite(plain(gradient)):
            return gradient
        what = f"backward pass: the gradient for {self.argument(number)}, of"
        arrays = tuple([plain(x) for x in values[1:]])
        raise not_finite_error(self, what, plain(gradient), arrays, plain(g))

    def argument(self, number: int) -> str:
        return f"argument {number}, {argument_text(self.args[number])}"

    def function(self) -> str:
        """The function as the user calls it: np.log, or by the name of the user's own operation."""
        for function, run in REGISTRY.items():
            if run is self.run and getattr(np, function.__name__, None) is function:
                return f"np.{self.name}"
        return self.name

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(argument_text, self.args))}){self.within}"


# What the errors say


def not_finite_error(
    call: WatchedOperation, what: str, result: Any, arrays: Values, g: Any = None
) -> FloatingPointError:
    came = {"the gradient that arrived": g}
    came |= {call.argument(number): x for number, x in enumerate(arrays)}
    why = f"All that came in is finite. {remedy(call, arrays)}".rstrip()
    for name, x in came.items():
        if not is_finite(x):
            why = f"It came in: {name}, is {bad_in(x)}"
            break
    return FloatingPointError(f"{what} {call} is {bad_in(result)}\n  {source(*call.line)}\n  {why}")


def number_left(x: Tensor) -> str:
    return (
        f"{described(x)} leaves the graph as a number, a constant from here on: right for a print; "
        "what is computed from it sends no gradient back" + see("a-number-leaves-the-graph")
    )


def passed_again(call: WatchedOperation) -> str:
    return (
        f"a backward pass goes through {call} again, which an earlier one went through: a state "
        "that is carried from step to step keeps the graph of all steps, unless it is "
        "cut off between them, state = state.detach()" + see("a-state-that-is-carried-on")
    )


def changed_in_place(call: WatchedOperation, place: int, x: Any, copy: Any) -> RuntimeError:
    """The error for the array at this place of the values: 0 is the result, 1 argument 0, …."""
    what = f"{call.argument(place - 1)}, of" if place else "the result of"
    different = changes(x, copy)
    at = first_index(different)
    element = f"element {at}" if at else "it"
    return RuntimeError(
        f"{what} {call} was changed in place before the backward pass used it: {element} was "
        f"{copy[at]} and is {x[at]}; {different.sum()} of {x.size} elements differ\n"
        f"  {source(*call.line)}\n"
        "  Change it after backward(), or put a new array there: p.data = p.data - step"
        + see("changed-too-early")
    )


def remedy(call: WatchedOperation, arrays: Values) -> str:
    """How to keep an operation inside its domain, or "" if its arguments lay inside."""
    names = [argument_name(x, number) for number, x in enumerate(call.args)]
    for number, (x, (low, high)) in enumerate(zip(arrays, call.domain, strict=False)):
        if not np.all((low < x) & (x < high)):
            inside = low + 1 if np.isinf(high) else (max(low, high - 2) + high) / 2
            condition = interval_condition(names[number], low, high)
            return where_in_where(call, names, number, condition, inside)
    for number in call.facts.get("poles", ()):
        if not np.all(arrays[number]):
            return where_in_where(call, names, number, f"{names[number]} != 0", 1.0)
    return ""


def interval_condition(name: str, low: float, high: float) -> str:
    """The condition as code: `x > 0`, or `(x > 0) & (x < 1)`."""
    bounds = [f"{name} > {low:g}"] if np.isfinite(low) else []
    if np.isfinite(high):
        bounds.append(f"{name} < {high:g}")
    return f"({') & ('.join(bounds)})" if len(bounds) > 1 else bounds[0]


def where_in_where(
    call: WatchedOperation, names: list[str], number: int, condition: str, inside: float
) -> str:
    """What to write instead: `np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)`."""
    safe = f"np.where({condition}, {names[number]}, {inside})"
    arguments = ", ".join([*names[:number], safe, *names[number + 1 :]])
    return (
        f"If only {condition} is meant, keep the rest away by a where of its own: "
        f"np.where({condition}, {call.function()}({arguments}), 0.0)" + see("not-a-number")
    )


def argument_name(x: Any, number: int) -> str:
    """The number or the Tensor's name, as the user wrote it; without a name x, y, z, x3, …."""
    if isinstance(x, int | float):
        return f"{x:g}"
    letter = "xyz"[number] if number < 3 else f"x{number}"
    return (x.name or letter) if isinstance(x, Tensor) else letter


def argument_text(x: Any) -> str:
    """An argument as messages show it, `w (2, 3)`; a tuple of indices part by part."""
    if isinstance(x, tuple):
        return f"({', '.join(map(argument_text, x))})"
    return f"{described(x):.60}"


def bad_in(x: Any) -> str:
    """`nan at element (0, 1); 3 of 12 elements not finite`; for one number only `nan`."""
    bad = ~np.isfinite(x)
    at = first_index(bad)
    value = np.asarray(x)[at]
    if not at:
        return f"{value}"
    return f"{value} at element {at}; {bad.sum()} of {bad.size} elements not finite"


# What is looked at


def arrays_in(values: Values) -> Iterator[tuple[int, Any]]:
    """Yield each array with the number of its value: an index z[rows, columns] has two."""
    for number, value in enumerate(values):
        for x in value if isinstance(value, tuple) else (value,):
            if isinstance(x, np.ndarray):
                yield number, x


def is_finite(x: Any) -> bool:
    """Whether x has no NaN and no infinity; True for what is no real number and no array."""
    real = isinstance(x, float | np.floating) or (isinstance(x, np.ndarray) and x.dtype.kind == "f")
    return not real or bool(np.isfinite(x).all())


def changes(x: Any, then: Any) -> Any:
    """Where x differs from what it was then; a NaN that was a NaN does not differ."""
    return (x != then) & ((x == x) | (then == then))


def first_index(mask: Any) -> tuple[int, ...]:
    """The index of the first True; () for a single number."""
    return tuple([int(i) for i in np.argwhere(mask)[0]])
