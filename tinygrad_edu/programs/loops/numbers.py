"""How NumPy's functions of numbers are spelled in code that loops run, number by number.

What is not here, or would be slower in a loop, stays a call of NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.programs.loops.statements import Apply, Elements, Reduce
from tinygrad_edu.programs.passes import is_full_of, promotion_of
from tinygrad_edu.programs.program import Number

# fmt: off
FLOATS = {  # of float32 and float64
    "negative": "-{}", "absolute": "abs({})", "square": "{0} * {0}", "sqrt": "np.sqrt({})",
    "reciprocal": "one / {}", "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}",
    "divide": "{} / {}", "floor": "np.floor({})", "ceil": "np.ceil({})", "trunc": "np.trunc({})",
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "isnan": "{0} != {0}", "isfinite": "abs({}) < inf", "isinf": "abs({}) == inf",
    "where": "{1} if {0} else {2}", "clip": "within({}, {}, {})", "sign": "np.sign({})",
}
COMPARED = {"greater": "{} > {}", "greater_equal": "{} >= {}", "less": "{} < {}",
            "less_equal": "{} <= {}", "equal": "{} == {}", "not_equal": "{} != {}"}
INTEGERS = {"negative", "square", "add", "subtract", "multiply", "where"}
BOOLEANS = {"logical_and": "{} & {}", "logical_or": "{} | {}", "logical_not": "not {}",
            "where": "{1} if {0} else {2}"}
POLYNOMIALS = {"exp", "log", "tanh"}  # of float32: loops that are faster than NumPy's own
LIBRARY = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "arcsin",
           "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "arctan2",
           "hypot"}  # a function of the C library for each number
REDUCED = {"add": ("0", "{0} + {1}"), "multiply": ("1", "{0} * {1}"),
           "maximum": ("-inf", "{1} if {1} > {0} or {1} != {1} else {0}"),
           "minimum": ("inf", "{1} if {1} < {0} or {1} != {1} else {0}")}
# fmt: on
FEW = 2048  # numbers, for which a function of the C library costs less than NumPy's call
KINDS = {np.dtype(kind): np.dtype(kind).str[1:] for kind in "?bhilBHIfd"}  # float32 is f4


class Unspelled(Exception):
    """A call that loops do not make."""


def dtypes_of(s: Apply) -> tuple[list[Any], Any]:
    """The dtypes in which a function computes: of its operands, and of its result."""
    z, n = s.target.root.dtype, len(s.operands)
    if s.name in ("copy", "clip") or s.call.name == "mean":
        return [z] * n, z
    if s.name == "where":
        first = s.operands[0]
        return [first.root.dtype if isinstance(first, Elements) else np.dtype(bool), z, z], z
    ufunc = getattr(np, s.name)
    *inputs, output = ufunc.resolve_dtypes((*map(promotion_of, s.call.args[:n]), None))
    return inputs, output


def spelling(s: Apply) -> str:
    """The function as a text with a place for each operand; Unspelled if there is none."""
    inputs, output = dtypes_of(s)
    kinds, name, size = {x.kind for x in inputs}, s.name, s.target.root.size
    if any(x not in KINDS for x in (*inputs, output)):
        raise Unspelled
    if name == "copy":
        return copied(s)
    if name == "where" and inputs[0].kind == "b":
        return FLOATS[name]
    if name in COMPARED and kinds <= {"b", "i", "f"}:
        return COMPARED[name]
    if kinds == {"b"} and name in BOOLEANS:
        return BOOLEANS[name]
    if kinds == {"i"} and name in INTEGERS:
        return FLOATS[name]
    if kinds != {"f"}:
        raise Unspelled
    if name in FLOATS:
        return FLOATS[name]
    if name == "power" and is_full_of(s.call.args[1], 2):
        return "{0} * {0}"
    if name in POLYNOMIALS and inputs[0] == np.float32:
        return f"{name}_f4({{}})"
    if name in LIBRARY and size <= FEW:
        return f"np.{name}({', '.join(['{}'] * len(inputs))})"
    if name == "power" and size <= FEW:
        return "{} ** {}"
    raise Unspelled


def copied(s: Apply) -> str:
    """A copy: one that makes integers of fractions is NumPy's, for what is NaN or too large."""
    (x,), z = s.operands, s.target.root.dtype
    from_kind = x.root.dtype.kind if isinstance(x, Elements) else np.asarray(value_of(x)).dtype.kind
    if from_kind not in "biuf" or (from_kind == "f" and z.kind != "f"):
        raise Unspelled
    if z.kind == "b" and from_kind != "b":
        raise Unspelled
    return "{}"


def checked_reduction(s: Reduce) -> None:
    """Unspelled, unless loops can add up, multiply or compare these numbers."""
    x, z = s.operand.root.dtype, s.target.root.dtype
    if x not in KINDS or z not in KINDS or z.kind not in "if" or s.name not in REDUCED:
        raise Unspelled
    if 0 in s.operand.shape:
        raise Unspelled
    if s.name in ("maximum", "minimum") and z.kind == "i":
        raise Unspelled


def value_of(x: Any) -> Any:
    return x.value if isinstance(x, Number) else x


def literal(x: Any, dtype: Any) -> str:
    """A number in code, in the dtype in which it is computed with: f4(0.5)."""
    if dtype.kind == "b":
        return repr(bool(x))
    return f"{KINDS[dtype]}({float(x) if dtype.kind == 'f' else int(x)!r})"


def cast(text: str, found: Any, wanted: Any) -> str:
    """A number of one dtype as one of another."""
    if found == wanted:
        return text
    return f"{text} != 0" if wanted.kind == "b" else f"{KINDS[wanted]}({text})"
