"""Two marks that do nothing, until somebody records the calls of a step.

They say what a recorder cannot see by itself: that a function is to be one call, and that a number
or an array is to be asked for anew each time.
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

    Within it arrays of its own may be assigned to, and wrong values may raise. Elsewhere the mark
    does nothing.

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


def at_replay(function: Callable[[], Any], of: Any = None) -> Any:
    """function(), which a recorded step calls anew each time: a random mask, a rate, a count.

    It returns a number, or an array that has the same shape and dtype each time. `of` names the
    dict or object whose numbers it reads or changes: these may differ from call to call. Where
    nothing is recorded it is just function().

    >>> at_replay(lambda: 2.0)
    2.0
    """
    recorder = RECORDER.get()
    return function() if recorder is None else recorder.at_replay(function, of)
