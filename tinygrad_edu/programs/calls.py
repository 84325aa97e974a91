"""The table of calls: what a step may ask NumPy to do, and what each call reads, writes and gives.

A row names the arguments that may hold arrays of the step. All others fix the shape of the result,
as an axis or a count does: they may not be computed. What has no row is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function

# fmt: off
ARITHMETIC_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//",
                      "mod": "%", "pow": "**"}
COMPARISON_SYMBOLS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
OTHER_SYMBOLS = {"matmul": "@", "and_": "&", "or_": "|", "xor": "^"}
OPERATOR_SYMBOLS = {
    getattr(operator, name): symbol
    for name, symbol in (ARITHMETIC_SYMBOLS | COMPARISON_SYMBOLS | OTHER_SYMBOLS).items()
}
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
# The shape of their result depends on values, and a program cannot change a shape
SHAPED_BY_VALUES: set[Function] = {
    np.argwhere, np.bincount, np.compress, np.delete, np.extract, np.flatnonzero,
    np.histogram_bin_edges, np.insert, np.intersect1d, np.nonzero, np.setdiff1d, np.setxor1d,
    np.trim_zeros, np.union1d, np.unique, np.unique_all, np.unique_counts, np.unique_inverse,
    np.unique_values,
}
# Their result depends on shapes and dtypes alone: it is not recorded
METADATA: set[Function] = {
    np.can_cast, np.common_type, np.iscomplexobj, np.isrealobj, np.ndim, np.result_type, np.shape,
    np.size,
}
# They read only shape and dtype of their argument; a new array is filled with a number, or not
FILLING: dict[Function, int | None] = {np.zeros_like: 0, np.ones_like: 1, np.empty_like: None}

# Functions by the names of the arguments that may hold arrays of the step, the first ones: after a
# slash, arguments that are given by name only; a star stands for all arguments
READING = {
    "a": "all any amax amin argmax argmin argsort average copy count_nonzero cumprod cumsum "
         "diagonal expand_dims max mean median min nanmax nanmean nanmin nansum prod ptp ravel "
         "repeat reshape rollaxis roll round sort squeeze std sum swapaxes trace transpose var "
         "moveaxis zeros_like ones_like diff",
    "x": "real imag nan_to_num matrix_transpose sinc i0 unstack",
    "m": "flip fliplr flipud rot90 tril triu",
    "v": "diag",
    "p": "unwrap",
    "A": "tile",
    "ary": "split array_split hsplit vsplit dsplit",
    "array": "broadcast_to pad",
    "prototype": "empty_like",
    "a fill_value": "full_like",
    "a b": "dot inner vdot outer kron tensordot cross isclose",
    "a v": "searchsorted",
    "a indices": "take",
    "arr indices": "take_along_axis",
    "arr values": "append",
    "y x": "trapezoid",
    "x bins": "digitize",
    "x xp fp": "interp",
    "element test_elements": "isin",
    "condition x y": "where",
    "a choices": "choose",
    "condlist choicelist default": "select",
    "a a_min a_max / min max": "clip",
    "arrays": "concatenate stack block",
    "tup": "vstack hstack dstack column_stack",
    "*": "atleast_1d atleast_2d atleast_3d broadcast_arrays meshgrid einsum",
}
LINALG = {
    "a": "inv det slogdet cholesky eigh eigvalsh svd qr pinv",
    "x": "norm svdvals matrix_norm vector_norm matrix_transpose",
    "a b": "solve",
    "x1 x2": "outer tensordot vecdot cross matmul",
}
METHODS = {
    "a": "all any argmax argmin argsort astype copy cumprod cumsum diagonal flatten max mean min "
         "prod ravel repeat reshape round squeeze std sum swapaxes trace transpose var view",
    "a b": "dot",
    "a indices": "take",
    "a min max": "clip",
}
WRITING = {  # to their first argument
    "dst src where": "copyto", "a ind v": "put", "a mask values": "putmask",
    "arr mask vals": "place", "arr indices values": "put_along_axis", "a val": "fill_diagonal",
}
# They may raise an error for some values: never left out, even if nobody uses the result
CHECKING = {"take", "take_along_axis", "choose", "put", "put_along_axis", "inv", "cholesky",
            "solve", "eigh", "svd", "eigvalsh", "svdvals", "qr", "pinv", "norm", "matrix_norm"}
# fmt: on


@dataclasses.dataclass(frozen=True)
class CallRow:
    """What is known of a function: which arguments may be arrays of the step, and what it writes.

    It reads the first `reads` arguments and those that `names` lists; `writes` says that the first
    is written to, `checks` that it may raise an error for some values.
    """

    reads: int
    names: tuple[str, ...] = ()
    writes: bool = False
    checks: bool = False

    def fixed(self, args: tuple[Any, ...], options: dict[str, Any]) -> list[Any]:
        """The arguments of a call that may not be arrays."""
        named = [x for key, x in options.items() if key not in self.names]
        return [*args[self.reads :], *named]


EVERY = 1 << 30
ALWAYS = ("out", "where", "initial")


def row_of(text: str, name: str = "", writes: bool = False) -> CallRow:
    first, _, others = text.partition(" / ")
    reads = EVERY if text == "*" else len(first.split())
    return CallRow(reads, (*first.split(), *others.split(), *ALWAYS), writes, name in CHECKING)


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


def table() -> dict[Any, CallRow]:
    """The table: a row for each function; methods of arrays are looked up by name."""
    rows: dict[Any, CallRow] = {}
    for module, columns in ((np, READING), (np.linalg, LINALG)):
        for text, names in columns.items():
            for name in names.split():
                rows[getattr(module, name)] = row_of(text, name)
    for text, name in WRITING.items():
        rows[getattr(np, name)] = row_of(text, name, writes=True)
    for text, names in METHODS.items():
        rows.update({f".{name}": row_of(text, name) for name in names.split()})
    for function in OPERATOR_UFUNCS:
        rows[function] = CallRow(2)
    rows[operator.getitem] = CallRow(2, checks=True)
    rows[operator.setitem] = CallRow(3, writes=True, checks=True)
    rows[np.array] = CallRow(1)  # of a live number
    return rows


CALLS = table()
UFUNC = CallRow(EVERY, ALWAYS)
UFUNC_METHODS = {
    "reduce": CallRow(1, ("array", *ALWAYS)),
    "accumulate": CallRow(1, ("array", "out")),
    "outer": UFUNC,
    "at": CallRow(3, writes=True, checks=True),
}
ATTRIBUTE = CallRow(1)


@functools.lru_cache(maxsize=1024)
def row_for(function: Function) -> CallRow | None:
    """The row of a function in the table, or None: then a step may not call it."""
    if isinstance(function, ArrayAttribute):
        return ATTRIBUTE
    if isinstance(function, ArrayMethod):
        return CALLS.get(f".{function.__name__}")
    if isinstance(function, np.ufunc):
        return UFUNC if getattr(np, function.__name__, None) is function else None
    ufunc = getattr(function, "__self__", None)
    if isinstance(ufunc, np.ufunc):
        return UFUNC_METHODS.get(function.__name__) if row_for(ufunc) else None
    return CALLS.get(function)


def ufunc_method(function: Function, name: str) -> np.ufunc | None:
    """The ufunc that a function is a method of, if it has this name: np.add for np.add.at."""
    ufunc = getattr(function, "__self__", None)
    is_method = isinstance(ufunc, np.ufunc) and function.__name__ == name
    return ufunc if is_method else None


def array_written_by(row: CallRow, args: Any, options: dict[str, Any]) -> Any:
    """The array that a call writes to, or None; several, as a tuple, if it has several outs."""
    if row.writes:
        return args[0] if args else options.get(row.names[0])
    out = options.get("out")
    return out[0] if isinstance(out, tuple) and len(out) == 1 else out
