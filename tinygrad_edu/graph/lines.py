"""The user's line of code behind a value, where it is known.

A line is known of what `draw` computes itself, of what detect_anomaly watched, and of a variable
that one line alone binds.
"""

from __future__ import annotations

import dis
import linecache
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.core.switches import WATCHER
from tinygrad_edu.debugging.anomaly import WatchedOperation
from tinygrad_edu.debugging.caller import line_of_the_user, source

STORES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")


@contextmanager
def lines_recorded() -> Iterator[dict[int, str]]:
    """Collect the user's line of every call within the block, by its result's id."""
    lines: dict[int, str] = {}
    before = WATCHER.get()

    def watcher(z: Tensor, *call: Any) -> None:
        lines[id(z)] = short_line(*line_of_the_user())
        if before:
            before(z, *call)

    token = WATCHER.set(watcher)
    try:
        yield lines
    finally:
        WATCHER.reset(token)


def lines_of_variables(frame: FrameType) -> dict[int, str]:
    """The line that bound each variable of a frame, by its value's id.

    A variable that several lines bind is left out, and so is one that is bound below.
    """
    places: dict[str, list[tuple[int, int | None]]] = {}
    for step in dis.get_instructions(frame.f_code):
        if step.opname.startswith(STORES) and step.positions:
            bound = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            for name in bound:
                places.setdefault(name, []).append((step.offset, step.positions.lineno))
    found = {}
    for name, x in frame.f_locals.items():
        match places.get(name):
            case [(offset, int(number))] if offset < frame.f_lasti:
                if linecache.getline(frame.f_code.co_filename, number):
                    found[id(x)] = short_line(frame.f_code.co_filename, number)
    return found


def line_behind(x: Any, known: Mapping[int, str]) -> str | None:
    """The line of a value: a watched operation knows its own."""
    if isinstance(x, Tensor) and isinstance(x.operation, WatchedOperation):
        return short_line(*x.operation.line)
    return known.get(id(x))


def short_line(file: str, number: int, layer: str = "") -> str:
    """A line with its file's name alone: train.py:12: loss = model(x)."""
    text = source(file, number, layer)
    return Path(file).name + text.removeprefix(file)
