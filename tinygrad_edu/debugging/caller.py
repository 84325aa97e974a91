"""Which line of the user's led here: errors name it."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

PACKAGES = {"tinygrad_edu", "numpy"}  # their lines are not the user's


def source(file: str, number: int, layer: str) -> str:
    """`train.py:12, in Linear.forward: loss = model(x)`; without the text where there is none, as
    at a prompt."""
    return (
        f"{file}:{number}{layer and f', in {layer}'}: {linecache.getline(file, number).strip()}"
    ).removesuffix(": ")


def line_of_the_user() -> tuple[str, int, str]:
    """The file and number of the line outside of this package and of NumPy that led here, and the
    layer of nn on the way."""
    frame, layer = sys._getframe(), ""
    while frame.f_back and is_inside(frame):
        if not layer and frame.f_globals["__name__"].startswith("tinygrad_edu.nn."):
            layer = frame.f_code.co_qualname
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, layer


def is_inside(frame: FrameType) -> bool:
    """Whether a line of this package or of NumPy runs; <doctest …> in their docstrings is a
    user's."""
    return frame.f_globals.get("__name__", "").partition(".")[
        0
    ] in PACKAGES and not frame.f_code.co_filename.startswith("<")
