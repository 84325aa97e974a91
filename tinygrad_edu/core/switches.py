"""Whether calls are recorded, and who is told of them: each thread has its own answer."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import Any

RECORDING: ContextVar[bool | Off] = ContextVar("RECORDING", default=True)

# The function that is told of every recorded call, (result, operation, arguments, arrays), if any
WATCHER: ContextVar[Callable[..., None] | None] = ContextVar("WATCHER", default=None)

# What each operation asks; one look-up each, not two
recording, current_watcher = RECORDING.get, WATCHER.get

# What is done about a number that leaves the graph by item(): the derivative being taken misses it
LEAVING: ContextVar[Callable[[Any], None] | None] = ContextVar("LEAVING", default=None)


class no_grad:
    """Record nothing within the block: results do not require a gradient. Also a decorator.

    >>> from tinygrad_edu import Tensor
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(): x * x
    Tensor(4.0)
    """

    def __enter__(self) -> None:
        caller = sys._getframe(1)
        pauses = caller.f_code.co_flags & inspect.CO_GENERATOR
        self.off = Off(RECORDING.get(), caller if pauses else None)
        RECORDING.set(self.off)

    def __exit__(self, *error: Any) -> None:
        self.off.ended = True
        while isinstance(top := RECORDING.get(), Off) and top.ended:
            RECORDING.set(top.before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def of_function(*args: Any, **options: Any) -> Any:
            with no_grad():
                return function(*args, **options)

        def of_generator(*args: Any, **options: Any) -> Any:
            with no_grad():
                return (yield from function(*args, **options))

        is_generator = inspect.isgeneratorfunction(function)
        return functools.wraps(function)(of_generator if is_generator else of_function)


class Off:
    """The value of RECORDING within no_grad: false, except while its generator is paused."""

    def __init__(self, before: Any, generator: FrameType | None) -> None:
        self.before, self.generator, self.ended = before, generator, False

    def __bool__(self) -> bool:
        paused = self.generator is not None and self.generator.f_back is None
        return bool(self.before) if self.ended or paused else False
