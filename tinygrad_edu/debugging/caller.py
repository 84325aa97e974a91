"""Find the line of the user's code that led here, so that errors can name it."""

from __future__ import annotations

import linecache
import sys
from types import FrameType

PACKAGES = {"tinygrad_edu", "numpy"}  # their lines are not the user's


def source(file: str, number: int, layer: str) -> str:
    """A line as errors show it: `train.py:12, in Linear.forward: loss = model(x)`.

    The text is left out where there is none, as at a prompt.
    """
    place = f"{file}:{number}, in {layer}" if layer else f"{file}:{number}"
    text = linecache.getline(file, number).strip()
    return f"{place}: {text}" if text else place


def line_of_the_user() -> tuple[str, int, str]:
    """The file and number of the user's line that led here, and the layer of nn on the way.

    The user's line is the innermost one outside of this package and of NumPy.
    """
    frame, layer = sys._getframe(), ""
    while frame.f_back and is_inside(frame):
        if not layer and frame.f_globals["__name__"].startswith("tinygrad_edu.nn."):
            layer = frame.f_code.co_qualname
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, layer


def is_inside(frame: FrameType) -> bool:
    """Whether a frame runs a line of this package or of NumPy.

    An example in a docstring, whose file is `<doctest …>`, counts as the user's.
    """
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    return package in PACKAGES and not frame.f_code.co_filename.startswith("<")
