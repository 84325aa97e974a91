"""Check a program: run from the same state, it must compute what the step computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.recording import Recording, data_of


def check_program(now: Recording, run: Function, tolerance: float) -> None:
    """Run a program from the state that a recording found, and compare; then put the state back.

    `tolerance` is the number of roundings, of the largest number on the way, that are allowed.
    """
    trace = now.trace
    results = [x.value for call in trace.calls for x in call.results]
    floor = tolerance * max(map(largest_finite, results), default=0.0)
    after = [(memory, before, memory.copy()) for memory, before in trace.saved.values()]
    grads = [(place, place.get()) for place, _ in now.rebound if not place.copied]
    trace.rewind()
    result = run(*map(data_of, now.arguments.values()))
    for memory, before, expected in after:
        change = expected - before if memory.dtype.kind == "f" else expected
        if not close_to_rounding(memory, expected, change, floor):
            raise refusals.replays_differently("the state")
        memory[...] = expected
    for place, expected in grads:
        if not close_to_rounding(place.get(), expected, expected, floor):
            raise refusals.replays_differently(place.path)
    found, wanted = (leaves(map_leaves(data_of, z)) for z in (result, now.result))
    for a, b in zip(found, wanted, strict=True):
        if isinstance(a, np.ndarray | np.generic) and not close_to_rounding(a, b, b, floor):
            raise refusals.replays_differently("what is returned")


def close_to_rounding(a: Any, b: Any, scale: Any, floor: float) -> bool:
    """Whether two arrays differ by no more than rounding.

    |a − b| ≤ √ε max|scale| + ε (floor + 8 |b|), where ε is the dtype's; NaN is equal to NaN.
    """
    if a is None or b is None:
        return a is b
    if (np.shape(a), a.dtype) != (np.shape(b), b.dtype):
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    eps = float(np.finfo(a.dtype).eps)
    with np.errstate(all="ignore"):
        apart = eps**0.5 * largest_finite(scale) + eps * (floor + 8 * np.abs(b))
        return bool(np.all((np.abs(a - b) <= apart) | (a == b) | ((a != a) & (b != b))))


def largest_finite(x: Any) -> float:
    """The greatest finite |x|."""
    if x.dtype.kind != "f" or not x.size:
        return 0.0
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
