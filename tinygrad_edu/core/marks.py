"""Two marks that do nothing until somebody records the calls of a step.

They say what a recorder cannot see by itself: `opaque`, that a function is one call; `at_replay`,
that a number or an array must be read anew each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

RECORDER: ContextVar[Any] = ContextVar("RECORDER", default=None)  # who records calls, if anybody


def opaque(function: F) -> F:
    """Make a function of arrays one call of a recorded step.

    The function may assign to arrays that it has made, and may raise on wrong values. Outside a
    recorded step the mark does nothing.

    >>> @opaque
    ... def one_hot(labels, classes): return np.eye(classes)[labels]
    >>> one_hot(np.array([1, 0]), 2)
    array([[0., 1.],
           [1., 0.]])
    """

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        recorder = RECORDER.get()
        if recorder is None:
            return function(*args, **options)
        return recorder.opaque(function, args, options)

    return call  # type: ignore[return-value]


def at_replay(function: Callable[..., Any], *args: Any, of: Any = None) -> Any:
    """Call a function, also at each replay of a recorded step: for a mask, a rate, a count.

    It returns a number, or an array of the same shape and dtype each time. `of` is the dict or
    object whose numbers it reads or changes: these may differ from call to call. Where nothing is
    recorded, at_replay(f) is f().

    >>> at_replay(lambda: 2.0)
    2.0
    """
    recorder = RECORDER.get()
    if recorder is None:
        return function(*args)
    return recorder.at_replay(functools.partial(function, *args) if args else function, of)
