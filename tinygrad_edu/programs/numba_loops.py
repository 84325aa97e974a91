"""Loops as machine code, by Numba; what was compiled once is kept on disk."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs import elementary
from tinygrad_edu.programs.loop_text import Flat
from tinygrad_edu.programs.looped import Looped
from tinygrad_edu.programs.numbers import KINDS

# Without "numpy" a division may raise, and no loop with one is vectorised. Sums may be taken in any
# order; NaN and infinity stay what they are
OPTIONS: Any = {"error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"}}
EXACT: Any = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


@numba.njit(**OPTIONS, forceinline=True)
def clip(x: Any, low: Any, high: Any) -> Any:
    x = low if x < low else x
    return high if x > high else x


def compiled_elementary() -> dict[str, Any]:
    """The functions of elementary.py, each with the ones that it calls."""
    space = dict(vars(elementary))
    for name, f in vars(elementary).items():
        if inspect.isfunction(f):
            exec(compile(inspect.getsource(f), elementary.__file__, "exec"), space)
            space[name] = numba.njit(**EXACT)(space[name])
    return {name: space[name] for name in ("exp_f4", "log_f4", "tanh_f4")}


NAMES = {
    "np": np, "numba": numba, "inf": math.inf, "nan": math.nan, "pointer": pointer, "clip": clip,
    "carray": numba.carray, "__name__": __name__,
    **{kind: dtype.type for dtype, kind in KINDS.items()}, **compiled_elementary(),
}  # fmt: skip
NAMES["b1"] = bool
TYPES = {kind: np.dtype(dtype.type) for dtype, kind in KINDS.items()}


def function_of_loops(
    lines: list[str], flats: list[Flat], numbers: list[tuple[str, Any]]
) -> tuple[Function, int]:
    """The lines as machine code, and the address of a table of the addresses of its memory."""
    inputs = [x for x in flats if x.array is None]
    inside = [x for x in flats if x.array is not None]
    table = np.array([x.address for x in inside] or [0], np.int64)
    TABLES.append(table)
    head = [f"t = carray(pointer(table), {len(table)}, i8)"]
    for n, x in enumerate(inside):
        head.append(f"{x.name} = carray(pointer(t[{n}]), {x.size}, {KINDS[x.dtype]})")
    for x in inputs:
        head.append(f"{x.name} = carray(pointer({x.name}_.ctypes.data), {x.size}, {KINDS[x.dtype]})")
    given = ["table", *[f"{x.name}_" for x in inputs], *[name for name, _ in numbers]]
    text = "\n    ".join([f"def loops({', '.join(given)}):", *head, *lines, "return 0\n"])
    print(text) if os.environ.get("SHOW") else None
    space = dict(NAMES)
    exec(compile(text, "loops", "exec"), space)
    loops = numba.njit(**OPTIONS)(space["loops"])
    arrays = [numba.types.Array(numba.from_dtype(x.dtype), 1, "C") for x in inputs]
    arrays = [numba.types.Array(numba.from_dtype(x.dtype), x.ndim, "C") for x in inputs]
    kinds = [numba.from_dtype(dtype) for _, dtype in numbers]
    loops.compile((numba.int64, *arrays, *kinds))
    return loops.overloads[loops.signatures[0]].entry_point, table.ctypes.data


TABLES: list[Any] = []


class NumbaLoops(Looped):
    """A recording as machine code."""

    machine = staticmethod(function_of_loops)
