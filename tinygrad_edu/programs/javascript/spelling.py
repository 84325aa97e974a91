"""How NumPy's functions, numbers and names are spelled in JavaScript."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from tinygrad_edu.programs.loops.statements import Apply
from tinygrad_edu.programs.program import Array, Number
from tinygrad_edu.programs.refusals import NotReplayable

# fmt: off
ARRAYS = {"float32": "Float32Array", "float64": "Float64Array", "bool": "Uint8Array",
          "uint8": "Uint8Array", "int8": "Int8Array", "int16": "Int16Array",
          "uint16": "Uint16Array", "int32": "Int32Array", "uint32": "Uint32Array",
          "int64": "Int32Array"}
SPELLED = {
    "copy": "{}", "negative": "-{}", "square": "{0} * {0}", "reciprocal": "1 / {}",
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}",
    "power": "{} ** {}", "floor_divide": "Math.floor({} / {})",
    "remainder": "{0} - {1} * Math.floor({0} / {1})",
    "maximum": "Math.max({}, {})", "minimum": "Math.min({}, {})",
    "greater": "+({} > {})", "greater_equal": "+({} >= {})", "less": "+({} < {})",
    "less_equal": "+({} <= {})", "equal": "+({} === {})", "not_equal": "+({} !== {})",
    "logical_and": "+({} && {} ? true : false)", "logical_or": "+({} || {} ? true : false)",
    "logical_not": "+!{}", "isnan": "+Number.isNaN({})", "isfinite": "+Number.isFinite({})",
    "isinf": "+(Math.abs({}) === Infinity)", "where": "{} ? {} : {}",
    "logaddexp": "{0} === {1} ? {0} + Math.LN2 : "
                 "Math.max({0}, {1}) + Math.log1p(Math.exp(-Math.abs({0} - {1})))",
    "clip": "Math.min(Math.max({0}, {1}), {2})", "exp2": "2 ** {}",
    "normal_cdf": "normalCdf({})",
}
IN_MATH = {  # where JavaScript's name differs from NumPy's
    "absolute": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2",
}
REDUCED = {"add": ("0", "{} + {}"), "multiply": ("1", "{} * {}"),
           "maximum": ("-Infinity", "Math.max({}, {})"),
           "minimum": ("Infinity", "Math.min({}, {})")}
# fmt: on


def spelled(statement: Apply, operands: list[str]) -> str:
    """A function of numbers in JavaScript; an integer result has no fraction."""
    name = statement.name
    if name in SPELLED:
        text = SPELLED[name].format(*operands)
    else:
        text = f"Math.{IN_MATH.get(name, name)}({', '.join(operands)})"
    to_integer = statement.target.root.dtype.kind in "iu" and name in ("copy", "divide")
    return f"Math.trunc({text})" if to_integer else text


def number(x: Any) -> str:
    """A number as JavaScript writes it; what is read anew is an expression of n0, n1 …."""
    if isinstance(x, Number):
        if not re.fullmatch(r"(n\d+|[-+*/() .\d]|e)+", x.code) or "//" in x.code:
            raise NotReplayable(f"{x.code} is no expression of JavaScript's")
        return f"({x.code})"
    if isinstance(x, bool | np.bool_):
        return str(int(x))
    value = float(x)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "(-Infinity)"
    text = str(int(x)) if value == int(value) and abs(value) < 2**53 else repr(value)
    return f"({text})" if value < 0 or (value == 0 and math.copysign(1, value) < 0) else text


def identifier(name: str) -> str:
    """A name that JavaScript takes."""
    return re.sub(r"\W", "_", name) + "_" * (name in RESERVED)


RESERVED = {"function", "var", "let", "const", "new", "this", "switch", "case", "default", "run"}


def array_type(x: Array) -> str:
    if str(x.dtype) not in ARRAYS:
        raise NotReplayable(f"JavaScript has no array of {x.dtype}, the type of {x.name}")
    return ARRAYS[str(x.dtype)]
