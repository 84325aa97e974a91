"""The calls of NumPy as nodes of ONNX: the column of the table that onnx.py reads.

Each function is given `write`, an OnnxGraph, which writes nodes: write("Add", x, 1.0) returns the
name of what the node gives.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.debugging.caller import source
from tinygrad_edu.programs.calls import ufunc_method
from tinygrad_edu.programs.loops.loops import ELEMENTWISE
from tinygrad_edu.programs.passes import promotion_of
from tinygrad_edu.programs.program import Array, Call, Number, Program, function_name
from tinygrad_edu.programs.refusals import NotReplayable

# fmt: off
NODES = {  # element by element, by the names of NumPy's ufuncs
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "maximum": "Max", "minimum": "Min", "matmul": "MatMul", "greater": "Greater", "less": "Less",
    "greater_equal": "GreaterOrEqual", "less_equal": "LessOrEqual", "equal": "Equal",
    "logical_and": "And", "logical_or": "Or", "logical_not": "Not", "negative": "Neg",
    "absolute": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sign": "Sign",
    "reciprocal": "Reciprocal", "floor": "Floor", "ceil": "Ceil", "rint": "Round", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "isnan": "IsNaN", "isinf": "IsInf",
}
FORMULAS: dict[str, Callable[..., str]] = {
    "square":     lambda write, x: write("Mul", x, x),
    "exp2":       lambda write, x: write("Exp", write("Mul", x, math.log(2))),
    "expm1":      lambda write, x: write("Sub", write("Exp", x), 1.0),
    "log1p":      lambda write, x: write("Log", write("Add", x, 1.0)),
    "log2":       lambda write, x: write("Div", write("Log", x), math.log(2)),
    "log10":      lambda write, x: write("Div", write("Log", x), math.log(10)),
    "not_equal":  lambda write, x, y: write("Not", write("Equal", x, y)),
    "logaddexp":  lambda write, x, y: write("Softplus", x) if is_zero(y) else write("Add",
        write("Max", x, y), write("Softplus", write("Neg", write("Abs", write("Sub", x, y))))),
}
REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "prod": "ReduceProd", "max": "ReduceMax",
    "min": "ReduceMin", "amax": "ReduceMax", "amin": "ReduceMin",
}
FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
# fmt: on


def node_of_call(write: Any, call: Call) -> Any:
    """Write the nodes that compute what a call gives; refuse it by its line if there are none."""
    name = name_of(call)
    if call.written is not None:
        raise no_node(call, "writes into an array, and nodes of ONNX's give new ones")
    if name not in SHAPED and not write.is_alike(call):
        raise of_one_batch(call, "takes another number")
    entry = None if call.opaque or call.several else CALLS.get(name)
    try:
        found = entry(write, call, *call.args, **call.options) if entry else None
    except TypeError:  # an option that it does not know
        found = None
    if found is None:
        raise no_node(call)
    return found


def with_means(program: Program) -> Program:
    """A program with a mean for each sum that is divided by how many numbers it adds."""
    sums, calls = dict[int, Call](), list[Call]()
    for call in program.calls:
        if name_of(call) == "sum" and call.results and call.target.dtype.kind == "f":
            sums[id(call.target)] = call
        if name_of(call) == "divide" and (added := sums.get(id(call.args[0]))):
            count, by = added.args[0].size / max(added.target.size, 1), call.args[1]
            if not isinstance(by, Array | Number) and np.all(by == count):
                asked: dict[str, Any] = {"args": added.args, "options": added.options}
                call = dataclasses.replace(call, function=np.mean, **asked)
        calls.append(call)
    return dataclasses.replace(program, calls=calls)


def is_zero(x: Any) -> bool:
    return isinstance(x, np.ndarray) and not x.any()


def name_of(call: Call) -> str:
    """NumPy's name of a call's function; add.reduce is a sum."""
    if ufunc := ufunc_method(call.function, "reduce"):
        return {"add": "sum", "multiply": "prod", "maximum": "max"}.get(ufunc.__name__, "min")
    return ELEMENTWISE.get(call.name, call.name)


def elementwise_nodes(write: Any, call: Call, *args: Any) -> Any:
    name = name_of(call)
    ufunc: np.ufunc = getattr(np, name)
    kinds = [promotion_of(x) for x in args]
    dtypes = list(ufunc.resolve_dtypes((*kinds, None)))
    if name.startswith("logical") and dtypes[0].kind != "b":
        return None
    operands = [write.cast(x, dtype) for x, dtype in zip(args, dtypes, strict=False)]
    if name in FORMULAS:
        return FORMULAS[name](write, *operands)
    return write(NODES[name], *operands)


def dot_node(write: Any, call: Call, x: Any, y: Any) -> Any:
    return write("MatMul", x, y) if {np.ndim(x), np.ndim(y)} <= {1, 2} else None


def where_node(write: Any, call: Call, condition: Any, x: Any, y: Any) -> Any:
    operands = [write.cast(z, call.target.dtype) for z in (x, y)]
    return write("Where", write.cast(condition, np.dtype(bool)), *operands)


def clip_nodes(
    write: Any, call: Call, x: Any, least: Any = None, most: Any = None, **named: Any
) -> Any:
    z, dtype = write.cast(x, call.target.dtype), call.target.dtype
    for kind, bound in (("Max", named.get("min", least)), ("Min", named.get("max", most))):
        z = z if bound is None else write(kind, z, write.cast(bound, dtype))
    return z


def reduction_node(
    write: Any, call: Call, x: Any, axis: Any = ..., *, keepdims: Any = False
) -> Any:
    if axis is ...:
        axis = 0 if ufunc_method(call.function, "reduce") else None
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    x = write.cast(x, call.target.dtype)
    return write(REDUCTIONS[name_of(call)], x, np.array(axes, np.int64), keepdims=int(keepdims))


def place_of_extreme(kind: str) -> Callable[..., Any]:
    """argmax or argmin."""

    def node(write: Any, call: Call, x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
        if axis is None:
            x, axis = write("Reshape", x, np.array([-1])), 0
        return write(kind, x, axis=axis, keepdims=int(keepdims))

    return node


def turned_axes(write: Any, call: Call, x: Array, *args: Any, **options: Any) -> Any:
    """Axes in another order: NumPy itself says in which."""
    numbered = np.broadcast_to(0, range(1, x.ndim + 1))
    order = call.function(numbered, *args, **options).shape
    return write("Transpose", x, perm=[n - 1 for n in order])


def reshape_node(write: Any, call: Call, x: Array, *args: Any, order: str = "C", **_: Any) -> Any:
    return write.reshaped(x, call.target) if order == "C" else None


def expand_node(write: Any, call: Call, x: Any, *args: Any, **options: Any) -> Any:
    return write("Expand", x, write.shape(write.sizes(call.target)))


def join_nodes(write: Any, call: Call, pieces: Any, axis: int = 0, **options: Any) -> Any:
    if axis is None or options:
        return None
    pieces = [write.cast(x, call.target.dtype) for x in pieces]
    if call.name == "stack":
        pieces = [write("Unsqueeze", x, np.array([axis])) for x in pieces]
    return write("Concat", *pieces, axis=axis)


def padding_node(
    write: Any, call: Call, x: Any, width: Any, mode: str = "constant", **fill: Any
) -> Any:
    if mode not in ("constant", "edge", "reflect", "wrap") or fill.keys() - {"constant_values"}:
        return None
    value, width = fill.get("constant_values", 0), np.broadcast_to(width, (x.ndim, 2))
    value = write.cast(value, x.dtype) if mode == "constant" and np.ndim(value) == 0 else None
    return write("Pad", x, width.T.reshape(-1), value, mode=mode)


def cast_node(write: Any, call: Call, x: Any, *args: Any, **options: Any) -> Any:
    return write("Cast", x, to=element_type(call.target.dtype))


def take_node(write: Any, call: Call, x: Any, index: Any, axis: int | None = None, **_: Any) -> Any:
    return None if axis is None else gather_node(write, x, index, axis)


def gather_node(write: Any, x: Any, index: Any, axis: int) -> Any:
    if not isinstance(index, Array):
        index = np.asarray(index)
    if index.dtype == bool:
        index = np.flatnonzero(index)
    return write("Gather", x, write.cast(index, np.dtype(np.int64)), axis=axis)


def index_nodes(write: Any, call: Call, x: Any, index: Any) -> Any:
    """x[index]: slices, numbers, None, and at most one array."""
    items, others = (every_axis(i, x.ndim) for i in (index, write.twins[id(call)].args[1]))
    axis, slices, picks, added = 0, list[Any](), list[Any](), list[int]()
    place = 0  # in the result
    for item, other in zip(items, others, strict=True):
        if item is None:
            added.append(place)
        elif isinstance(item, slice):
            if not all(map(is_whole, (item, other), write.sizes(x)[axis])):
                slices.append((bounds(item), bounds(other), axis))
        else:
            picks.append((item, other, axis))
        place += 1 if isinstance(item, slice | None) else np.ndim(item)
        axis += item is not None
    arrays = [np.ndim(item) > 0 for item, _, _ in picks]
    if any(arrays) and len(arrays) > 1:
        return None
    if any(a != b for a, b, _ in slices) or any(np.ndim(a) == 0 and a != b for a, b, _ in picks):
        raise of_one_batch(call, "takes another part")
    if slices:
        starts, ends, steps = zip(*[part for part, _, _ in slices], strict=True)
        x = write("Slice", x, *map(np.array, (starts, ends, [a for *_, a in slices], steps)))
    for item, _, axis in reversed(picks):
        x = gather_node(write, x, item, axis)
    return write("Unsqueeze", x, np.array(added)) if added else x


def every_axis(index: Any, ndim: int) -> list[Any]:
    """An index with an item for each axis: slices where it has none, or an ellipsis."""
    items = [*index] if isinstance(index, tuple) else [index]
    rest = [slice(None)] * (ndim - sum(i is not None and i is not ... for i in items))
    at = next((n for n, i in enumerate(items) if i is ...), len(items))
    return [*items[:at], *rest, *items[at + 1 :]]


def is_whole(part: slice, size: int) -> bool:
    return part.indices(size) == (0, size, 1)


def bounds(part: slice) -> tuple[int, int, int]:
    """Where a slice starts and ends, and its step, as numbers."""
    step = 1 if part.step is None else part.step
    first, last = (0, LAST) if step > 0 else (LAST, FIRST)
    start, stop = part.start, part.stop
    return first if start is None else start, last if stop is None else stop, step


CALLS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys([*NODES, *FORMULAS], elementwise_nodes),
    **dict.fromkeys(REDUCTIONS, reduction_node),
    **dict.fromkeys(
        ("T", "mT", "transpose", "swapaxes", "moveaxis", "matrix_transpose"), turned_axes
    ),
    **dict.fromkeys(("reshape", "ravel", "flatten", "squeeze", "expand_dims"), reshape_node),
    **dict.fromkeys(("concatenate", "stack"), join_nodes),
    "argmax": place_of_extreme("ArgMax"),
    "argmin": place_of_extreme("ArgMin"),
    "broadcast_to": expand_node,
    "clip": clip_nodes,
    "copy": cast_node,
    "cumsum": lambda write, call, x, axis: write("CumSum", x, np.array(axis)),
    "dot": dot_node,
    "einsum": lambda write, call, text, *xs: write("Einsum", *xs, equation=text),
    "getitem": index_nodes,
    "pad": padding_node,
    "take": take_node,
    "tril": lambda write, call, x, k=0: write("Trilu", x, np.array(k), upper=0),
    "triu": lambda write, call, x, k=0: write("Trilu", x, np.array(k), upper=1),
    "tile": lambda write, call, x, times: (
        write("Tile", x, np.array(times)) if np.size(times) == x.ndim else None
    ),
    "where": where_node,
}
SHAPED = {
    *(name for name, entry in CALLS.items() if entry in (reshape_node, expand_node)),
    "getitem",
}


def element_type(dtype: Any) -> int:
    """ONNX's number for a dtype."""
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def no_node(call: Call, what: str = "has no nodes of ONNX's as it is called here") -> NotReplayable:
    """The error for a call that a file cannot hold."""
    return NotReplayable(
        f"{function_name(call.function)} {what}\n  {place_of_call(call)}\n  "
        "Compute it with other functions of NumPy, or outside of the model"
    )


def of_one_batch(call: Call, what: str) -> NotReplayable:
    """The error for a call that does something else for each size of the batch."""
    return NotReplayable(
        f"{function_name(call.function)} {what} for a batch of another size, and a file has no "
        f"rule for that\n  {place_of_call(call)}\n  "
        "Take shapes from the input, as x.reshape(len(x), -1) does, and means with mean(); or "
        "write a file for this size alone, with dynamic_batch=False"
    )


def place_of_call(call: Call) -> str:
    """The user's line; where a layer was called by others of this package, the layer."""
    file, _, layer = call.line
    return source(*call.line) if file else f"in {layer}"
