"""NumPy's own tests with Tensors: every call that they make of a function of the registry is made
with a Tensor in place of each array, and compared with what NumPy gave: value, shape, dtype, and
the kind of an error. Then once more with `requires_grad=True`, and `backward()` must not fail.

    python tests/against_numpy.py                              # the files of FILES, several minutes
    python tests/against_numpy.py _core/tests/test_einsum.py   # one file

What we refuse is counted by function; calls with `out=`, which a Tensor never takes, apart. Left
out are arrays of other types than real numbers, subclasses, and what depends on what memory held or
how it was rounded: ufuncs with `where=` but no `out=`, pad's "empty", lstsq with rcond=-1."""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import numpy._core._rational_tests
import numpy.ma  # this and the line above read NumPy's functions as they are, before they change
import pytest

from tinygrad_edu import Tensor
from tinygrad_edu.core.arraylike import REGISTRY

HOME = Path(np.__file__).parent
LIB = ["function_base", "nanfunctions", "arraypad", "shape_base", "twodim_base", "type_check"]
CORE = ["numeric", "umath", "ufunc", "einsum", "multiarray", "indexing", "shape_base", "regression"]
FILES = [f"lib/tests/test_{name}.py" for name in LIB]
FILES += [f"_core/tests/test_{name}.py" for name in CORE] + ["linalg/tests/test_linalg.py"]


class OutOfScope(Exception):
    """A call without real numbers in arrays of NumPy's own class."""


def with_tensors(x: Any, gradients: bool) -> Any:
    """x with copies of its arrays, as Tensors."""
    if isinstance(x, np.ndarray):
        if type(x) is not np.ndarray or x.dtype.kind not in "biuf" or not x.dtype.isnative:
            raise OutOfScope
        return Tensor(x.copy("K"), requires_grad=gradients and x.dtype.kind == "f")
    if type(x) in (list, tuple):
        return type(x)(with_tensors(y, gradients) for y in x)
    return x


def leaves(x: Any) -> list[Any]:
    """What is in lists and tuples."""
    return [y for part in x for y in leaves(part)] if isinstance(x, list | tuple) else [x]


def difference(ours: Any, numpys: Any) -> str | None:
    """How our results differ from NumPy's."""
    if len(leaves(ours)) != len(leaves(numpys)):
        return f"{len(leaves(ours))} results, not {len(leaves(numpys))}"
    floats = [y for y in map(np.asarray, leaves(numpys)) if y.dtype.kind == "f"]
    scale = max([np.abs(y[np.isfinite(y)]).max(initial=0) for y in floats], default=0)
    for x, y in zip(leaves(ours), leaves(numpys), strict=True):
        a, b = np.asarray(x.data if isinstance(x, Tensor) else x), np.asarray(y)
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{a.dtype}{a.shape}, not {b.dtype}{b.shape}"
        rtol = 256 * np.finfo(b.dtype).eps if b.dtype.kind == "f" else 0
        if not np.allclose(a, b, rtol, scale * rtol, equal_nan=True):
            return f"{a.ravel()[:4]}, not {b.ravel()[:4]}"
    return None


def outcome(function: Any, args: Any, options: Any) -> Any:
    """What a call gives, or the error that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*args, **options)
        except Exception as error:
            return error


def judged(function: Any, args: Any, options: Any, gradients: bool) -> tuple[str, str]:
    """One word for how our call compares with NumPy's, and the details."""
    if isinstance(function, np.ufunc) and "where" in options and "out" not in options:
        raise OutOfScope
    texts = [x for x in (*args, *options.values()) if isinstance(x, str)]
    if "empty" in texts or options.get("rcond") == -1:
        raise OutOfScope
    numpys = outcome(function, *deepcopy((args, options)))
    kinds = {np.asarray(x).dtype.kind for x in leaves(numpys)}
    if not isinstance(numpys, Exception) and not kinds <= set("biuf"):
        raise OutOfScope
    named = {k: with_tensors(x, gradients) for k, x in options.items()}
    ours = outcome(function, with_tensors(args, gradients), named)
    if isinstance(ours, Exception) or isinstance(numpys, Exception):
        details = f"{type(ours).__name__}: {ours}, NumPy {type(numpys).__name__}: {numpys}"
        if not isinstance(numpys, Exception):
            return "out=" if "out=" in str(ours) else "refused", details
        return ("equal" if isinstance(ours, type(numpys)) else "error"), details
    if found := difference(ours, numpys):
        return "wrong", found
    for z in leaves(ours):
        if isinstance(z, Tensor) and z.requires_grad:
            failed = outcome(z.backward, (np.ones(z.shape, z.dtype),), {})
            if isinstance(failed, Exception):
                return "late", f"backward: {type(failed).__name__}: {failed}"
    return "equal", ""


COUNTS: Counter[str] = Counter()
REFUSED: Counter[str] = Counter()  # by function
FOUND: dict[tuple[str, str], str] = {}  # (kind, function) ↦ the first one's details


class Door:
    """Stands in for a function of NumPy's, also as a key; a call from a test is judged first."""

    def __init__(self, function: Any, name: str) -> None:
        self.function, self.name = function, name

    def __getattr__(self, key: str) -> Any:
        return getattr(self.function, key)

    def __hash__(self) -> int:
        return hash(self.function)

    def __eq__(self, other: Any) -> bool:
        return other is self or other is self.function

    def __call__(self, *args: Any, **options: Any) -> Any:
        given = leaves([args, *options.values()])
        floats = any(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in given)
        if floats and "/tests/" in sys._getframe(1).f_code.co_filename:
            for gradients in (False, True):
                try:
                    kind, details = judged(self.function, args, options, gradients)
                except OutOfScope:
                    kind, details = "left out", ""
                COUNTS[kind] += 1
                REFUSED[self.name] += kind == "refused"
                FOUND.setdefault((kind, self.name), details[:200])
        return self.function(*args, **options)


def main() -> None:
    for module, prefix in ((np, "np."), (np.linalg, "np.linalg.")):
        for function in set(REGISTRY):
            name = getattr(function, "__name__", "")
            if getattr(module, name, None) is function and function is not np.empty_like:
                setattr(module, name, Door(function, prefix + name))
    options = ["-c", os.devnull, "-p", "no:cacheprovider", "-W", "ignore", "-m", "not slow"]
    pytest.main(["-q", "--tb=no", *options, *[str(HOME / file) for file in sys.argv[1:] or FILES]])
    print("calls:", dict(COUNTS), "\nrefused:", dict(+REFUSED))
    found = [(*key, details) for key, details in FOUND.items()]
    print(*[x for x in found if x[0] in ("wrong", "late", "error")], sep="\n")
    sys.exit(int(COUNTS["wrong"] + COUNTS["late"] > 0))


if __name__ == "__main__":
    main()
