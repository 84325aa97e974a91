"""Loops run by Python itself: thousands of times slower, and without another package.

With it the tests see what the loops compute where no compiler is installed.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.loops.elementary import within
from tinygrad_edu.programs.loops.numbers import KINDS
from tinygrad_edu.programs.loops.text import Flat


def python_function(
    lines: list[str], flats: list[Flat], numbers: list[tuple[str, Any]]
) -> tuple[Function, Any]:
    """The lines as a function of an address, the arguments and the numbers."""
    given = [x.name for x in flats if x.array is None] + [name for name, _ in numbers]
    text = "\n    ".join([f"def loops({', '.join(given)}):", *lines, "return 0"])
    space = names() | {x.name: vector(x) for x in flats if x.array is not None}
    exec(text, space)
    loops = space["loops"]

    def run(_: int, *args: Any) -> Any:
        flat = [x.reshape(-1) if isinstance(x, np.ndarray) else x for x in args]
        with np.errstate(all="ignore"):
            return loops(*flat)

    return run, np.zeros(1)


def names() -> dict[str, Any]:
    """What the lines call."""
    kinds = {kind: dtype.type for dtype, kind in KINDS.items()}
    functions = {"exp_f4": np.exp, "log_f4": np.log, "tanh_f4": np.tanh}
    return {"np": np, "inf": math.inf, "nan": math.nan, "within": within, **kinds, **functions}


def vector(flat: Flat) -> Any:
    """Memory as an array of NumPy's; whoever calls this keeps the memory alive."""
    count = flat.size * flat.dtype.itemsize
    raw = (ctypes.c_char * count).from_address(flat.address)
    return np.frombuffer(raw, flat.dtype)
