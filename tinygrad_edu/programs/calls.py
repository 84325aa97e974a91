"""What is known of NumPy's functions: which operator is which ufunc, what a call writes to."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function

ARITHMETIC_SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
}
COMPARISON_SYMBOLS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
OTHER_SYMBOLS = {"matmul": "@", "and_": "&", "or_": "|", "xor": "^"}
OPERATOR_SYMBOLS = {
    getattr(operator, name): symbol
    for name, symbol in (ARITHMETIC_SYMBOLS | COMPARISON_SYMBOLS | OTHER_SYMBOLS).items()
}
# fmt: off
OPERATOR_UFUNCS: dict[Function, np.ufunc] = {
    operator.add: np.add,                operator.sub: np.subtract,
    operator.mul: np.multiply,           operator.truediv: np.divide,
    operator.floordiv: np.floor_divide,  operator.mod: np.remainder,
    operator.pow: np.power,              operator.matmul: np.matmul,
    operator.lt: np.less,                operator.le: np.less_equal,
    operator.gt: np.greater,             operator.ge: np.greater_equal,
    operator.eq: np.equal,               operator.ne: np.not_equal,
    operator.neg: np.negative,           operator.pos: np.positive,
    operator.invert: np.invert,          operator.abs: np.absolute,
    operator.and_: np.bitwise_and,       operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
}
# The shape of their result depends on values, and a replay cannot change a shape
SHAPED_BY_VALUES: set[Function] = {
    np.argwhere, np.bincount, np.compress, np.delete, np.extract, np.flatnonzero,
    np.histogram_bin_edges, np.insert, np.intersect1d, np.nonzero, np.setdiff1d, np.setxor1d,
    np.trim_zeros, np.union1d, np.unique, np.unique_all, np.unique_counts, np.unique_inverse,
    np.unique_values,
}
# Their result depends on shapes and dtypes alone
METADATA: set[Function] = {
    np.can_cast, np.common_type, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.ndim,
    np.result_type, np.shape, np.shares_memory, np.size,
}
# They write to their first argument
ASSIGNING: set[Function] = {
    operator.setitem, np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask,
}
# They read only shape and dtype of their argument; a new array is filled with a number, or not
FILLING: dict[Function, int | None] = {np.zeros_like: 0, np.ones_like: 1, np.empty_like: None}
# fmt: on


class ArrayMethod:
    """A method of arrays as a function: ArrayMethod("sum")(x, axis=0) is x.sum(axis=0)."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, self.__name__)(*args, **options)


class ArrayAttribute(ArrayMethod):
    """An attribute of arrays as a function: ArrayAttribute("T")(x) is x.T."""

    def __call__(self, x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, self.__name__)


def ufunc_method(function: Function, name: str) -> np.ufunc | None:
    """The ufunc that a function is a method of, if it has this name: np.add for np.add.at."""
    ufunc = getattr(function, "__self__", None)
    is_method = isinstance(ufunc, np.ufunc) and function.__name__ == name
    return ufunc if is_method else None


def array_written_by(function: Function, args: Any, options: dict[str, Any]) -> Any:
    """The array that a call writes to, or None."""
    if function in ASSIGNING or ufunc_method(function, "at"):
        return next(iter((*args, *options.values())))
    out = options.get("out")
    return out[0] if isinstance(out, tuple) else out
