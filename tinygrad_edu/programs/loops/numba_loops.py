"""Loops as machine code, by Numba; what was compiled once is kept on disk."""

from __future__ import annotations

import ctypes
import inspect
import math
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy.linalg.cython_blas
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.loops import cache as loop_cache
from tinygrad_edu.programs.loops import elementary
from tinygrad_edu.programs.loops.looped import Looped
from tinygrad_edu.programs.loops.numbers import KINDS
from tinygrad_edu.programs.loops.text import Flat
from tinygrad_edu.programs.refusals import NotReplayable

# Without "numpy" a division may raise, and no loop with one is vectorised. Sums may be taken in any
# order; NaN and infinity stay what they are
FLAGS = ["reassoc", "contract", "arcp", "nsz", "afn"]
OPTIONS: Any = {"error_model": "numpy", "fastmath": {*FLAGS}}
EXACT: Any = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}


def libraries_of_scipy() -> list[str]:
    """The files of the BLAS that SciPy's wheels bring, and that compiled loops call."""
    folder = Path(scipy.__file__).parent
    found = [*folder.parent.glob("scipy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")]
    return [str(path) for path in found]


def use_one_thread() -> None:
    """Let that BLAS compute in one thread, which the products of small networks are fastest in.

    With more its threads, beside those of NumPy's own BLAS, wait for each other: of batch 100 a
    step took 8 ms, and takes 83 µs.
    """
    for library in libraries_of_scipy():
        blas = ctypes.CDLL(library)
        for name in ("scipy_openblas_set_num_threads", "openblas_set_num_threads"):
            if hasattr(blas, name):
                getattr(blas, name)(1)


use_one_thread()


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), code


def compiled_elementary() -> dict[str, Any]:
    """The functions of elementary.py, each with the ones that it calls."""
    space = dict(vars(elementary))
    for name, f in vars(elementary).items():
        if inspect.isfunction(f):
            exec(compile(inspect.getsource(f), elementary.__file__, "exec"), space)
            space[name] = numba.njit(**EXACT)(space[name])
    return {name: space[name] for name in ("exp_f4", "log_f4", "tanh_f4", "within")}


NAMES = {
    "np": np, "inf": math.inf, "nan": math.nan, "pointer": pointer,
    "carray": numba.carray, "__name__": __name__,
    **{kind: dtype.type for dtype, kind in KINDS.items()}, "b1": np.bool_, **compiled_elementary(),
}  # fmt: skip
VERSIONS = " ".join(
    [numba.__version__, np.__version__, sys.version]
    + [str(numba.config.OPT), str(numba.config.LOOP_VECTORIZE)]
    + [inspect.getsource(module) for module in (elementary, sys.modules[__name__])]
)


def machine_function(
    lines: list[str], flats: list[Flat], numbers: list[tuple[str, Any]]
) -> tuple[Function, Any]:
    """The lines as machine code, and a table of the addresses of its memory."""
    inside = [x for x in flats if x.array is not None]
    inputs = [x for x in flats if x.array is None]
    table = np.array([x.address for x in inside], np.int64)
    head = [f"t = carray(pointer(table), {len(table)}, i8)"] if inside else []
    for n, x in enumerate(inside):
        head.append(f"{x.name} = carray(pointer(t[{n}]), {x.size}, {KINDS[x.dtype]})")
    for x in inputs:
        address = f"{x.name}_.ctypes.data"
        head.append(f"{x.name} = carray(pointer({address}), {x.size}, {KINDS[x.dtype]})")
    given = ["table", *[f"{x.name}_" for x in inputs], *[name for name, _ in numbers]]
    code = [line for line in lines if not line.startswith("#")]
    text = "\n    ".join([f"def loops({', '.join(given)}):", *head, *code, "return 0\n"])
    arrays = [types.Array(numba.from_dtype(x.dtype), x.ndim, "C") for x in inputs]
    signature = (types.int64, *arrays, *[numba.from_dtype(dtype) for _, dtype in numbers])
    return machine_code(text, signature), table


def machine_code(text: str, signature: Any) -> Function:
    """A text as machine code: what was kept, or compiled now and kept."""
    path = loop_cache.file_for(text, VERSIONS)
    if path is not None:
        try:
            return entry(text, signature, str(path))
        except Exception:  # what is kept is no whole file: it is compiled once more
            loop_cache.forget(path)
    try:
        return entry(text, signature, "")
    except numba.core.errors.NumbaError as error:
        raise NotReplayable(f"Numba does not compile {text}: {error}") from error


def entry(text: str, signature: Any, file: str) -> Function:
    """The function for exactly this signature, without the search for one at every call.

    Shape, dtype and order in memory are guarded before.
    """
    space = dict(NAMES)
    exec(compile(text, file or "<loops>", "exec"), space)
    loops = numba.njit(**OPTIONS, cache=bool(file))(space["loops"])
    loops.compile(signature)
    return loops.overloads[loops.signatures[0]].entry_point  # type: ignore[no-any-return]


class NumbaLoops(Looped):
    """A recording as machine code."""

    machine = staticmethod(machine_function)
