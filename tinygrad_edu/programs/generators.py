"""Generators of random numbers: only `at_replay` may draw from them in a step that is replayed."""

from __future__ import annotations

import sys
from typing import Any


def is_generator(x: Any) -> bool:
    """Whether x is one of NumPy's generators or of Python's, and not the operating system's.

    A module that is not imported has made none.
    """
    python, of_numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if python and isinstance(x, python.Random):
        return not isinstance(x, python.SystemRandom)  # which has no state to watch
    return of_numpy is not None and isinstance(x, of_numpy.Generator | of_numpy.RandomState)


def global_generators() -> list[Any]:
    """The two that all functions can draw from: Python's module, NumPy's global RandomState."""
    python, of_numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    return [*([python] if python else []), *([of_numpy.random.__self__] if of_numpy else [])]


def generator_state(generator: Any) -> Any:
    """What changes when numbers are drawn."""
    if hasattr(generator, "getstate"):
        return generator.getstate()
    if hasattr(generator, "bit_generator"):
        return generator.bit_generator.state
    return generator.get_state(legacy=False)


def set_generator_state(generator: Any, state: Any) -> None:
    """Let the next draws be those that followed this state."""
    if hasattr(generator, "setstate"):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
