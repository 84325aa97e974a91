"""The twins of PyTorch's functions: they take its arguments, by its names, and compute with NumPy.

A twin that draws takes `rng`, one that makes numbers of PyTorch's default dtype `default`: both are
given to it when a model is taken over.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, nn, special

Extremes = namedtuple("Extremes", "values indices")


def numbers(x: Any) -> Any:
    """The array of a Tensor."""
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def joined(sizes):
    """Sizes that may have come as one tuple: view(2, 3) and view((2, 3))."""
    one = len(sizes) == 1 and isinstance(sizes[0], tuple | list)
    return tuple(sizes[0]) if one else sizes


ATTRIBUTES = {
    "T": lambda x: x.T,
    "mT": lambda x: np.swapaxes(x, -1, -2),
    "shape": lambda x: tuple(x.shape),
    "dtype": lambda x: x.dtype,
    "ndim": lambda x: x.ndim,
    "device": lambda x: None,
    "is_cuda": lambda x: False,
    "is_nested": lambda x: False,
    "data": lambda x: numbers(x),
    "values": lambda x: x.values,
    "indices": lambda x: x.indices,
}


def getitem(x, index):
    if isinstance(index, tuple):
        return x[tuple([numbers(i) if isinstance(i, Tensor) else i for i in index])]
    return x[numbers(index) if isinstance(index, Tensor) else index]


def to_dtype(x, *args, dtype=None, **options):
    """x.to(…): of all that it takes, only the dtype means something here."""
    for arg in (*args, dtype):
        if isinstance(arg, np.dtype):
            return x.astype(arg)
        if isinstance(arg, Tensor | np.ndarray):
            return x.astype(arg.dtype)
    return x


def squeeze(x, dim=None):
    if dim is None:
        return np.squeeze(x)
    dims = joined((dim,))
    return np.squeeze(x, axis=tuple(d for d in dims if x.shape[d] == 1))


def expand(x, *sizes):
    shape = joined(sizes)
    own = (1,) * (len(shape) - x.ndim) + tuple(x.shape)
    return np.broadcast_to(x, [o if n == -1 else n for n, o in zip(shape, own, strict=True)])


def split(x, split_size_or_sections, dim=0):
    n = x.shape[dim]
    size = split_size_or_sections
    ends = range(size, n, size) if isinstance(size, int) else np.cumsum(size)[:-1].tolist()
    return tuple(np.split(x, list(ends), axis=dim))


def chunk(x, chunks, dim=0):
    return split(x, math.ceil(x.shape[dim] / chunks), dim)


def unbind(x, dim=0):
    return tuple(np.moveaxis(x, dim, 0)[i] for i in range(x.shape[dim]))


def repeat(x, *sizes):
    return np.tile(x, joined(sizes))


def reduced(function):
    """sum, mean, …: over all axes, or over some."""

    def reduce(input, dim=None, keepdim=False, *, dtype=None):
        axis = tuple(dim) if isinstance(dim, list) else dim
        z = function(input, axis=axis, keepdims=keepdim)
        return z.astype(dtype) if dtype is not None else z

    return reduce


def index_of(function):
    """argmax and argmin."""

    def find(input, dim=None, keepdim=False):
        return function(numbers(input), axis=dim, keepdims=keepdim)

    return find


def over_classes(function):
    """softmax and log_softmax."""

    def function_of_torch(input, dim, _stacklevel=3, dtype=None):
        return function(input if dtype is None else input.astype(dtype), axis=dim)

    return function_of_torch


def spread(function):
    """var and std: with n − 1, unless they are told otherwise."""

    def reduce(
        input,
        dim=None,
        unbiased=True,
        keepdim=False,
        *,
        correction=None,
    ):
        ddof = int(unbiased) if correction is None else correction
        axis = tuple(dim) if isinstance(dim, list) else dim
        return function(input, axis=axis, ddof=ddof, keepdims=keepdim)

    return reduce


def extreme(reduce, where, pairwise):
    """max and min: of all, along an axis with its indices, or of two."""

    def function(input, dim=None, keepdim=False, *, other=None):
        if other is not None or not isinstance(dim, int | None):
            return pairwise(input, dim if other is None else other)
        if dim is None:
            return reduce(input)
        indices = where(numbers(input), axis=dim, keepdims=keepdim)
        return Extremes(reduce(input, axis=dim, keepdims=keepdim), indices)

    return function


def factory(make):
    """ones and zeros: a shape in one piece or in several, and no device."""

    def function(*sizes, dtype=None, default, **elsewhere):
        return make(joined(sizes), dtype or default)

    return function


def arange(*bounds, dtype=None, default, **elsewhere):
    whole = all(isinstance(bound, int | np.integer) for bound in bounds)
    return np.arange(*bounds, dtype=dtype or (np.int64 if whole else default))


def full(size, fill_value, *, dtype=None, default, **elsewhere):
    kind = default if isinstance(fill_value, float) else None
    return np.full(tuple(size), fill_value, dtype or kind)


def like(make):
    def function(input, *, dtype=None, **elsewhere):
        return make(input.shape, dtype or input.dtype)

    return function


def new(make):
    def function(input, *sizes, dtype=None, **elsewhere):
        return make(joined(sizes), dtype or input.dtype)

    return function


def clamp(input, min=None, max=None):
    return np.clip(input, min, max)


def masked_fill(input, mask, value):
    return np.where(numbers(mask).astype(bool), value, input)


def divided(input, other, *, rounding_mode=None):
    if rounding_mode == "trunc":
        return np.trunc(input / other)
    return input / other if rounding_mode is None else input // other


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    *,
    rng,
):
    """softmax(Q Kᵀ scale + mask) V; a bool mask is True where to look."""
    scores = query @ np.swapaxes(key, -1, -2) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    if attn_mask is not None:
        see = numbers(attn_mask)
        scores = np.where(see, scores, -np.inf) if see.dtype == bool else scores + attn_mask
    weights = special.softmax(scores)
    if dropout_p:
        weights = special.dropout(weights, dropout_p, rng=rng)
    return weights @ value


def drop(input, p=0.5, training=True, inplace=False, *, rng: Any):
    return special.dropout(input, p, rng=rng) if training else input


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    axes = tuple(range(-len(normalized_shape), 0))
    mean = np.mean(input, axes, keepdims=True)
    z = (input - mean) / np.sqrt(np.mean(np.square(input - mean), axes, keepdims=True) + eps)
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


def frame(input, pad, mode="constant", value=None):
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = [(0, 0)] * (input.ndim - len(pairs)) + pairs
    if mode == "constant":
        return np.pad(input, widths, constant_values=value or 0.0)
    return np.pad(input, widths, {"replicate": "edge", "circular": "wrap"}.get(mode, mode))


def flatten(input, start_dim=0, end_dim=-1):
    return nn.Flatten(start_dim, end_dim)(input)


def expect(found, value, what):
    """Refuse another answer than the example's, on which the path through the model was chosen."""
    asked: Any = {
        "len": len,
        "int": operator.index,
        "float": float,
        "bool": bool,
    }
    answer = asked[what](found)
    if answer != value:
        raise ValueError(
            f"the model was taken over with an example for which {what}(…) is {value!r} here, and "
            f"now it is {answer!r}: call from_torch with an example like this input"
        )


def same(input, *args, **options):
    return input


def by_layer(name):
    """A function that is what our layer of this name computes; None if there is none."""
    layer = getattr(nn, name)
    known = {*inspect.signature(layer.__init__).parameters}

    def function(input, *args, **options):
        inputs = (input, args[0]) if name in LOSSES else (input,)
        options = {key: x for key, x in options.items() if key in known or x != NEUTRAL.get(key)}
        return layer(*args[len(inputs) - 1 :], **options)(*inputs)

    return function


NEUTRAL = {  # options that change nothing at these values, and may be unknown here
    "inplace": False, "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False,
    "count_include_pad": True, "divisor_override": None, "size_average": None, "reduce": None,
    "weight": None, "ignore_index": -100, "threshold": 20.0, "max_norm": None, "norm_type": 2.0,
    "scale_grad_by_freq": False, "sparse": False, "dtype": None, "out": None, "_stacklevel": 3,
    "enable_gqa": False, "padding_idx": None,
}  # fmt: skip
LOSSES = {"CrossEntropy", "MSE", "L1", "Huber", "NLL", "BCEWithLogits", "KLDiv"}
BY_LAYER = {
    "max_pool1d": "MaxPool1d", "max_pool2d": "MaxPool2d", "avg_pool1d": "AvgPool1d",
    "avg_pool2d": "AvgPool2d", "adaptive_avg_pool1d": "AdaptiveAvgPool1d",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2d", "elu": "ELU", "gelu": "GELU", "glu": "GLU",
    "hardswish": "Hardswish", "hardtanh": "Hardtanh", "leaky_relu": "LeakyReLU",
    "logsigmoid": "LogSigmoid", "mish": "Mish", "relu6": "ReLU6", "selu": "SELU", "silu": "SiLU",
    "softplus": "Softplus", "softsign": "Softsign", "cross_entropy": "CrossEntropy",
    "mse_loss": "MSE", "l1_loss": "L1", "huber_loss": "Huber", "nll_loss": "NLL",
    "binary_cross_entropy_with_logits": "BCEWithLogits", "kl_div": "KLDiv",
}  # fmt: skip

# fmt: off
OF_NUMPY = (  # the same names, the same meaning
    "exp", "expm1", "log", "log1p", "log2", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh",
    "abs", "square", "sign", "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite",
    "reciprocal", "maximum", "minimum", "logical_not", "logical_and", "logical_or", "outer", "dot",
    "diag", "kron",
)
OF_PYTHON = (
    "sub", "mul", "neg", "pow", "matmul", "floordiv", "mod", "eq", "ne", "lt", "le", "gt", "ge",
    "and_", "or_", "xor", "invert", "not_", "pos",
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    # numbers
    **{name: getattr(np, name) for name in OF_NUMPY},
    **{name: getattr(operator, name) for name in OF_PYTHON},
    "add":           lambda input, other, *, alpha=1:
                     input + (other if alpha == 1 else alpha * other),
    "truediv":       operator.truediv,
    "div":           divided,
    "divide":        divided,
    "multiply":      operator.mul,
    "subtract":      operator.sub,
    "negative":      operator.neg,
    "bmm":           operator.matmul,
    "mm":            operator.matmul,
    "mv":            operator.matmul,
    "rsqrt":         lambda input: 1 / np.sqrt(input),
    "sigmoid":       special.sigmoid,
    "relu":          lambda input, inplace=False: special.relu(input),
    "softmax":       over_classes(special.softmax),
    "log_softmax":   over_classes(special.log_softmax),
    "clamp":         clamp,
    "clip":          clamp,
    "where":         lambda condition, input, other: np.where(numbers(condition), input, other),
    "masked_fill":   masked_fill,
    "expect":        expect,
    # over axes
    "sum":           reduced(np.sum),
    "mean":          reduced(np.mean),
    "prod":          reduced(np.prod),
    "amax":          reduced(np.max),
    "amin":          reduced(np.min),
    "any":           reduced(np.any),
    "all":           reduced(np.all),
    "logsumexp":     reduced(special.logsumexp),
    "var":           spread(np.var),
    "std":           spread(np.std),
    "max":           extreme(np.max, np.argmax, np.maximum),
    "min":           extreme(np.min, np.argmin, np.minimum),
    "argmax":        index_of(np.argmax),
    "argmin":        index_of(np.argmin),
    "cumsum":        lambda input, dim: np.cumsum(input, axis=dim),
    "cumprod":       lambda input, dim: np.cumprod(input, axis=dim),
    # shapes
    "getattr":       lambda x, name: ATTRIBUTES[name](x),
    "getitem":       getitem,
    "size":          lambda input, dim=None:
                     tuple(input.shape) if dim is None else input.shape[dim],
    "dim":           lambda input: input.ndim,
    "numel":         lambda input: math.prod(input.shape),
    "view":          lambda input, *shape: input.reshape(joined(shape)),
    "view_as":       lambda input, other: input.reshape(other.shape),
    "reshape":       lambda input, *shape: input.reshape(joined(shape)),
    "flatten":       flatten,
    "squeeze":       squeeze,
    "unsqueeze":     lambda input, dim: np.expand_dims(input, dim),
    "permute":       lambda input, *dims: np.transpose(input, joined(dims)),
    "transpose":     lambda input, dim0, dim1: np.swapaxes(input, dim0, dim1),
    "swapaxes":      lambda input, axis0, axis1: np.swapaxes(input, axis0, axis1),
    "t":             lambda input: input.T,
    "expand":        expand,
    "expand_as":     lambda input, other: np.broadcast_to(input, other.shape),
    "repeat":        repeat,
    "repeat_interleave": lambda input, repeats, dim=None: np.repeat(input, repeats, axis=dim),
    "cat":           lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
    "concat":        lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
    "stack":         lambda tensors, dim=0: np.stack(tensors, axis=dim),
    "split":         split,
    "chunk":         chunk,
    "unbind":        unbind,
    "tril":          lambda input, diagonal=0: np.tril(input, diagonal),
    "triu":          lambda input, diagonal=0: np.triu(input, diagonal),
    "flip":          lambda input, *dims: np.flip(input, joined(dims)),
    "roll":          lambda input, shifts, dims=None: np.roll(input, shifts, axis=dims),
    "gather":        lambda input, dim, index: np.take_along_axis(input, numbers(index), axis=dim),
    "index_select":  lambda input, dim, index: np.take(input, numbers(index), axis=dim),
    "einsum":        lambda equation, *operands: np.einsum(equation, *joined(operands)),
    "pad":           frame,
    # types and places
    **dict.fromkeys(("contiguous", "clone", "cpu", "cuda", "requires_grad_"), same),
    "detach":        lambda input: numbers(input),
    "to":            to_dtype,
    "type_as":       to_dtype,
    "float":         lambda input: input.astype(np.float32),
    "double":        lambda input: input.astype(np.float64),
    "long":          lambda input: numbers(input).astype(np.int64),
    "int":           lambda input: numbers(input).astype(np.int32),
    "bool":          lambda input: numbers(input).astype(bool),
    "item":          lambda input: numbers(input).item(),
    # new ones
    "arange":        arange,
    "ones":          factory(np.ones),
    "zeros":         factory(np.zeros),
    "full":          full,
    "ones_like":     like(np.ones),
    "zeros_like":    like(np.zeros),
    "new_ones":      new(np.ones),
    "new_zeros":     new(np.zeros),
    # layers as functions
    **{name: by_layer(layer) for name, layer in BY_LAYER.items() if hasattr(nn, layer)},
    "linear":        lambda input, weight, bias=None:
                     input @ weight.T if bias is None else special.linear(input, weight, bias),
    **{name: getattr(special, name) for name in ("conv1d", "conv2d") if hasattr(special, name)},
    "embedding":     lambda input, weight: special.embedding(input, weight),
    "layer_norm":    layer_norm,
    "dropout":       drop,
    "scaled_dot_product_attention": scaled_dot_product_attention,
}
# fmt: on
