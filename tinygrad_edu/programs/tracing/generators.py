"""Generators of random numbers: only `at_replay` may draw from them in a step that is replayed."""

from __future__ import annotations

import sys
from typing import Any


def is_generator(x: Any) -> bool:
    """Whether x is a generator of NumPy's or of Python's, and not the operating system's.

    A module that has not been imported has made no generator.
    """
    python, of_numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if python and isinstance(x, python.Random):
        return not isinstance(x, python.SystemRandom)  # it has no state to watch
    return of_numpy is not None and isinstance(x, of_numpy.Generator | of_numpy.RandomState)


def global_generators() -> list[Any]:
    """The two that every function can draw from: Python's module, and NumPy's global one."""
    python, of_numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    return [*([python] if python else []), *([of_numpy.random.__self__] if of_numpy else [])]


def generator_state(generator: Any) -> Any:
    """The state of a generator, which each draw changes."""
    if hasattr(generator, "getstate"):
        return generator.getstate()
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def same_state(a: Any, b: Any) -> bool:
    """Whether two states of a generator are the same: nothing was drawn in between."""
    if isinstance(a, dict):
        return all(same_state(a[key], b[key]) for key in a)
    return a.tobytes() == b.tobytes() if hasattr(a, "tobytes") else bool(a == b)


def set_generator_state(generator: Any, state: Any) -> None:
    """Put a generator back to a state: the next draws repeat those that followed it."""
    if hasattr(generator, "setstate"):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
