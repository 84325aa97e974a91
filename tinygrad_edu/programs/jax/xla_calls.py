"""The column of JAX in the table of calls: what stands for a call of NumPy.

Nearly all have a namesake in jax.numpy. It gets its arguments in the dtypes that NumPy would take,
and its result becomes NumPy's dtype. Here are the others, and what NumPy would check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special
import numpy as np

from tinygrad_edu.programs.calls import (
    FILLING,
    OPERATOR_UFUNCS,
    ArrayAttribute,
    ArrayMethod,
    ufunc_method,
)
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.passes import promotion_of
from tinygrad_edu.programs.program import Array, Call

Value = Callable[[Any], Any]
# XLA lays out arrays itself
NO_MEANING = {"out", "casting", "order", "subok", "copy", "mode", "like", "dtype", "kind"}
HAVE_IT = {"order": {"reshape", "ravel", "flatten"}, "mode": {"pad"}}
# Their results depend on how a library orders what is equal, or chooses signs
FAILING = {"inv", "solve", "cholesky"}
LEFT_OUT = {"svd", "eigh", "qr", "partition", "argpartition"}
NUMBERS = bool | int | float | np.generic
# fmt: off
AS_GIVEN = {"argmax", "argmin", "argsort", "astype", "choose", "count_nonzero", "digitize",
            "getitem", "put", "put_along_axis", "repeat", "searchsorted", "setitem", "take",
            "take_along_axis", "view", "where"}
# fmt: on


# Opaque functions that look at what is computed: their value, and whether their check passes


def norm_and_check(*gradients: Any) -> tuple[Any, Any]:
    wide = [g.astype(jnp.float64).reshape(-1) for g in gradients]
    greatest = jnp.max(jnp.stack([jnp.max(jnp.abs(g), initial=0.0) for g in wide]))
    scale = jnp.where((greatest > 0) & jnp.isfinite(greatest), greatest, 1.0)
    z = scale * jnp.sqrt(sum(jnp.sum((g / scale) ** 2) for g in wide))
    return z, jnp.isfinite(z)


CHECKED: dict[str, Callable[..., tuple[Any, Any]]] = {
    "joint_norm": norm_and_check,
    "normal_cdf": lambda x: (jax.scipy.special.ndtr(x), True),
    "check_probabilities": lambda x: (x, jnp.all((x >= 0) & (x <= 1))),
    "check_variances": lambda x: (x, ~jnp.any(x < 0)),
}


def put_at(ufunc: str) -> Callable[..., Any]:
    def put(z: Any, index: Any, x: Any = None) -> Any:
        at, x = z.at[index], jnp.asarray(x).astype(z.dtype)
        return at.add(-x) if ufunc == "subtract" else getattr(at, AT[ufunc])(x)

    return put


AT = {"add": "add", "multiply": "multiply", "divide": "divide", "maximum": "max", "minimum": "min"}
AT |= {"power": "power", "subtract": "add"}


def set_items(z: Any, index: Any, x: Any) -> Any:
    return z.at[index].set(jnp.asarray(x).astype(z.dtype))


def put(z: Any, indices: Any, values: Any) -> Any:
    indices = jnp.asarray(indices).reshape(-1)
    values = jnp.resize(jnp.asarray(values), indices.shape).astype(z.dtype)
    return z.reshape(-1).at[indices].set(values).reshape(z.shape)


def copyto(dst: Any, src: Any, where: Any = True) -> Any:
    return jnp.where(where, jnp.asarray(src).astype(dst.dtype), dst)


def putmask(a: Any, mask: Any, values: Any) -> Any:
    return jnp.where(mask, jnp.resize(jnp.asarray(values), a.shape).astype(a.dtype), a)


def place(arr: Any, mask: Any, vals: Any) -> Any:
    vals, mask = jnp.asarray(vals).reshape(-1), jnp.asarray(mask).reshape(arr.shape)
    number = (jnp.cumsum(mask.reshape(-1)) - 1) % vals.size
    return jnp.where(mask, vals[number].reshape(arr.shape).astype(arr.dtype), arr)


OTHERS: dict[str, Callable[..., Any]] = {
    "getitem": lambda x, index: x[index],
    "setitem": set_items,
    "copyto": copyto,
    "put": put,
    "putmask": putmask,
    "place": place,
    "put_along_axis": lambda a, indices, values, axis: jnp.put_along_axis(
        a, indices, jnp.asarray(values).astype(a.dtype), axis, inplace=False
    ),
    # The lower triangle counts, as in NumPy
    "cholesky": lambda a, upper=False: jnp.linalg.cholesky(a, upper=upper, symmetrize_input=False),
    "fill_diagonal": lambda a, val, wrap=False: jnp.fill_diagonal(a, val, wrap, inplace=False),
    "full_like": lambda a, fill_value, **_: fill_value,
    "array": lambda x, *_, **__: x,
    "astype": lambda x, *_, **__: x,  # it becomes the result's dtype anyway
    "copy": lambda x, *_, **__: x,
    "ravel": lambda x, order="C": jnp.ravel(x, checked_order(order)),
    "flatten": lambda x, order="C": jnp.ravel(x, checked_order(order)),
    "rot90": lambda m, k=1, axes=(0, 1): jnp.rot90(m, k, tuple(map(int, axes))),
    "tensordot": lambda a, b, axes=2: jnp.tensordot(a, b, lists_of_axes(axes)),
}


def lists_of_axes(axes: Any) -> Any:
    """The axes of tensordot: a number of them, or two lists, which came as arrays."""
    return axes if isinstance(axes, int) else [np.ravel(x).tolist() for x in axes]


def checked_order(order: str) -> str:
    if order not in "CF":
        raise TypeError(f"order={order!r} asks how an array lies in memory")
    return order


def jax_call(call: Call, value: Value, conditions: list[Any]) -> Any:
    """The value of a call, or what its target becomes; `value` gives that of an argument."""
    args = [as_array_of_numbers(x) for x in call.args]
    options = {key: as_array_of_numbers(x) for key, x in call.options.items()}
    if call.opaque:
        z, condition = CHECKED[call.name](*[value(x) for x in args], **map_values(value, options))
        conditions.append(jnp.asarray(condition))
        return z
    if call.function in FILLING:
        return jnp.full(call.target.shape, FILLING[call.function] or 0, call.target.dtype)
    if ufunc := ufunc_method(call.function, "at"):
        return put_at(ufunc.__name__)(*[value(x) for x in args])
    f: Any = call.function
    if isinstance(f := OPERATOR_UFUNCS.get(f, f), np.ufunc):
        return elementwise(f, call, args, options, value)
    if call.name in LEFT_OUT or (call.name == "argsort" and options.get("kind") != "stable"):
        raise NotImplementedError(
            "another library may order equal numbers, or choose signs, otherwise"
        )
    options = {key: x for key, x in options.items() if kept(call, key)}
    args = [cast_for(call, value(x)) for x in args]
    options = {key: cast_for(call, value(x)) for key, x in options.items()}
    function = OTHERS.get(call.name) or namesake(call)
    z = function(*args, **options)
    if call.name in FAILING:  # NumPy raises an error where XLA gives inf or NaN
        conditions.append(jnp.isfinite(z).all() | ~all_finite(args))
    return z


def kept(call: Call, key: str) -> bool:
    """Whether an option has a meaning in JAX."""
    if key == "mode" and call.name != "pad" and call.options[key] != "raise":
        raise NotImplementedError(f"mode={call.options[key]!r} of {call.name}")
    return key not in NO_MEANING or call.name in HAVE_IT.get(key, ())


def map_values(value: Value, options: dict[str, Any]) -> dict[str, Any]:
    return {key: value(x) for key, x in options.items()}


def as_array_of_numbers(x: Any) -> Any:
    """A list of numbers as an array, which JAX wants; within an index too."""
    if type(x) is list and x and all(isinstance(leaf, NUMBERS) for leaf in leaves(x)):
        return np.asarray(x)
    return tuple(map(as_array_of_numbers, x)) if type(x) is tuple else x


def all_finite(args: list[Any]) -> Any:
    return jnp.stack([jnp.isfinite(x).all() for x in args]).all()


def namesake(call: Call) -> Callable[..., Any]:
    """The function of jax.numpy, or the method of its arrays, of this name."""
    f, name = call.function, call.name
    if isinstance(f, ArrayAttribute):
        return lambda x: getattr(jnp.asarray(x), name)
    if isinstance(f, ArrayMethod):
        return lambda x, *rest, **options: getattr(jnp.asarray(x), name)(*rest, **options)
    if isinstance(ufunc := getattr(f, "__self__", None), np.ufunc):
        return getattr(getattr(jnp, ufunc.__name__), name)  # type: ignore[no-any-return]
    for module, other in ((np.linalg, jnp.linalg), (np, jnp)):
        if getattr(module, name, None) is f:
            return getattr(other, name)  # type: ignore[no-any-return]
    raise NotImplementedError("jax.numpy has no such function")


def cast_for(call: Call, x: Any) -> Any:
    """An argument in the dtype of the result, if both are numbers that add up and multiply."""
    dtype = call.target.dtype
    if call.name in AS_GIVEN or dtype.kind not in "iufc":
        return x
    kinds = "iufb" if dtype.kind in "iu" else "iuf"

    def cast(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or not leaf.ndim:
            return leaf
        return leaf.astype(dtype) if leaf.dtype.kind in kinds else leaf

    return map_leaves(cast, x)


def elementwise(
    ufunc: np.ufunc, call: Call, args: list[Any], options: dict[str, Any], value: Value
) -> Any:
    """A ufunc on arguments of the dtypes that NumPy would take."""
    out, where = options.pop("out", None), options.pop("where", True)
    values, given = [value(x) for x in args], [*map(promotion_of, args)]
    wanted: Any = (
        {"signature": (*[None] * len(given), options["dtype"])} if "dtype" in options else {}
    )
    dtypes = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout), casting="unsafe", **wanted)
    values = [
        x if type(x) in (int, float) else jnp.asarray(x).astype(dtype)
        for x, dtype in zip(values, dtypes, strict=False)
    ]
    if ufunc is np.power and type(values[1]) is float and values[1].is_integer():
        values[1] = int(values[1])  # x² as x · x
    if ufunc.__name__ not in dir(jnp):
        raise NotImplementedError("jax.numpy has no such function")
    z = getattr(jnp, ufunc.__name__)(*values)
    if where is True:
        return z
    out = out[0] if isinstance(out, tuple) else out
    return jnp.where(value(where), z.astype(call.target.dtype), 0 if out is None else value(out))


# What NumPy checks, and XLA does not: that indices are within their axis


def indices_of(call: Call) -> list[tuple[Array, int]]:
    """The arrays of the step by which a call indexes, and how many elements they choose from."""
    name, args = call.name, call.args
    if call.opaque or not call.row or not call.row.checks or not call.arrays:
        return []
    found: list[tuple[Any, int]] = []
    if name in ("getitem", "setitem", "at"):
        found = [*by_axis(args[0].shape, args[1])]
    elif name in ("take", "take_along_axis", "put_along_axis"):
        named = dict(zip(SIGNATURES[name], args, strict=False)) | call.options
        x, axis = args[0], named.get("axis")
        found = [(named["indices"], x.size if axis is None else x.shape[axis])]
    elif name == "put":
        found = [(args[1], args[0].size)]
    elif name == "choose":
        found = [(args[0], len(args[1]))]
    elif name not in FAILING and name not in ("norm", "matrix_norm", "pinv"):
        raise NotImplementedError("NumPy's raises an error for some values, and XLA's cannot")
    return [(x, n) for x, n in found if isinstance(x, Array) and x.size and x.dtype.kind in "iu"]


SIGNATURES = {
    "take": ("a", "indices", "axis"),
    "take_along_axis": ("arr", "indices", "axis"),
    "put_along_axis": ("arr", "indices", "values", "axis"),
}


def by_axis(shape: tuple[int, ...], index: Any) -> Iterator[tuple[Any, int]]:
    """Each part of an index, with the length of its axis."""
    parts = [i for i in (index if isinstance(index, tuple) else (index,)) if i is not None]
    axis = 0
    for i in parts:
        if i is ...:
            axis += len(shape) - len(parts) + 1
        else:
            yield i, shape[axis]
            axis += 1


def are_within(i: Any, n: int) -> Any:
    return ((i >= -n) & (i < n)).all()
