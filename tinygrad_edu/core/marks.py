"""Two marks that do nothing, until somebody records the calls of a step.

What is marked says what a recorder could not see by itself: that a function is to be one call, and that a number or
array is to be asked for anew each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

RECORDER: ContextVar[Any] = ContextVar(
    "RECORDER", default=None
)  # who records the calls, if anybody does


def opaque(function: F) -> F:
    """Make a function of arrays one call of a recorded step: it may assign to its own arrays, or raise for wrong values.

    >>> @opaque
    ... def one_hot(labels, classes): return np.eye(classes)[labels]
    >>> one_hot(np.array([1, 0]), 2)
    array([[0., 1.],
           [1., 0.]])
    """

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        recorder = RECORDER.get()
        return (
            function(*args, **options)
            if recorder is None
            else recorder.opaque(function, args, options)
        )

    return call  # type: ignore[return-value]


def at_replay(function: Callable[[], Any], of: Any = None) -> Any:
    """function(), which a recorded step calls anew every time it runs: a random mask, a learning rate, a count.

    It returns an array, always of the same shape and dtype, or a number. `of` names the dict or object whose numbers it
    reads or changes: these may differ from call to call. Where nothing is recorded it is just function().

    >>> at_replay(lambda: 2.0)
    2.0
    """
    recorder = RECORDER.get()
    return function() if recorder is None else recorder.at_replay(function, of)
