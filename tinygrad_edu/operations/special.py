"""Our own operations: functions that NumPy lacks, from softmax to conv2d.

Each has earned its place by stability (written out in NumPy it would overflow or lose all digits),
or by speed: `linear` is one operation in place of three, in every layer of every model. Below are
functions derived from these and from NumPy's in one line. At kinks the slopes are PyTorch's.
Convolution and pooling are in convolution.py. Arguments without types are arrays, Tensors, or
numbers.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.core.arraylike import as_array
from tinygrad_edu.core.derivatives import inner_products, product, unreduced
from tinygrad_edu.core.derivatives import scatter as scatter
from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.marks import at_replay, opaque
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.convolution import (
    adaptive_avg_pool,
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv2d,
    conv_transpose2d,
    max_pool1d,
    max_pool2d,
)
from tinygrad_edu.operations.convolution import windows as windows
from tinygrad_edu.operations.lengths import narrow, wide

__all__ = [
    "adaptive_avg_pool",
    "avg_pool1d",
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "max_pool1d",
    "max_pool2d",
    "nll",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squared_error",
]

Axes = int | tuple[int, ...]
Same = TypeVar("Same", bound=Any)  # an array gives an array, a Tensor a Tensor

# ½ as an array of each dtype: NumPy multiplies an array by that in half the time
HALVES = {np.dtype(kind): np.array(0.5, kind) for kind in "efdg"}

# Operations, with derivatives of their own


@operation
def linear(x, weight, bias):
    """x Wᵀ + b: `(…, in)` becomes `(…, out)`; W is `(out, in)`, b is `(out,)`.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[10.0, 1.0]]), np.array([0.5]))
    array([[12.5]])
    """
    z = product(x, weight.T)
    z += bias
    return z


@operation
def squared_error(x, y):
    """Σ (x − y)² over all numbers of two arrays of the same shape, as one number.

    ValueError for other shapes: `(n, 1)` against `(n,)` would compare all with all.

    >>> squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(4.0)
    """
    x, y = as_array(x), as_array(y)
    if x.shape != y.shape:
        raise errors.shapes_differ("squared_error", x, y)
    d = (x - y).reshape(-1)
    return np.dot(d, d)


@operation
def nll(log_p, target):
    """−Σ log_p[i, target[i]] over the examples i, one number.

    log_p, log-probabilities, is `(batch, classes)`; target, class indices, is `(batch,)`. With
    log_p = log_softmax(logits) it is the cross-entropy, in nats, summed over the batch. ValueError
    for other shapes and for an index that names no class, TypeError for no integers.

    >>> nll(np.log([[0.5, 0.5], [0.5, 0.5]]), [1, 0]) == 2 * np.log(2)
    np.True_
    """
    target = as_array(target)
    if log_p.ndim != 2 or target.shape != log_p.shape[:1]:
        raise errors.classes_do_not_fit(log_p, target)
    if target.dtype.kind not in "iu":
        raise errors.not_classes(target)
    target = classes_of(target, log_p.shape[1])
    return -log_p[np.arange(len(target)), target].sum()


@operation
def sigmoid(x):
    """σ(x) = 1 / (1 + e⁻ˣ), for any shape.

    It is computed as (1 + tanh(x/2)) / 2, in which nothing can overflow. The absolute error is
    below one rounding of 1; below x = −37 (float32: −17) the result is exactly 0.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    half = HALVES.get(x.dtype, 0.5) if type(x) is np.ndarray else 0.5
    z = np.tanh(x * half)
    z *= half
    z += half
    return z


@operation
def relu(x):
    """max(x, 0), for any shape; the derivative at 0 is 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@operation
def logsumexp(x, axis: Axes | None = None, *, keepdims: bool = False):
    """ln Σ eˣ over the axis or axes, in nats: a smooth maximum.

    The greatest x is subtracted first and added in the end, so that eˣ cannot overflow.

    >>> logsumexp(np.array([1000.0, 1000.0])) - 1000  # ln 2
    np.float64(0.69314718055...)
    """
    y = wide(x)
    greatest = greatest_of(y, axis)
    greatest = np.where(np.isfinite(greatest), greatest, np.zeros_like(greatest))
    with np.errstate(divide="ignore"):  # ln 0 = −∞, where every x is −∞
        z = np.log(np.sum(np.exp(y - greatest), axis=axis, keepdims=True)) + greatest
    return narrow(z if keepdims else np.squeeze(z, axis), x)


@operation
def softmax(x, axis: Axes = -1):
    """eˣ / Σ eˣ along the axis or axes: positive numbers that add up to 1.

    A constant added to x changes nothing, so the greatest x is subtracted: eˣ cannot overflow.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    e = np.exp(wide(x) - greatest_of(x, axis))
    return narrow(e / np.sum(e, axis=axis, keepdims=True), x)


@operation
def log_softmax(x, axis: Axes = -1):
    """ln softmax(x) = x − ln Σ eˣ along the axis or axes, in nats.

    It is exact where softmax itself underflows to 0.

    >>> log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    shifted = wide(x) - greatest_of(x, axis)
    total = np.sum(np.exp(shifted), axis=axis, keepdims=True)
    return narrow(shifted - (np.log(total) if x.size else total), x)


@opaque
def classes_of(target, classes):
    """Return class indices; ValueError if one of them names no class."""
    if not target.size or 0 <= target.min() <= target.max() < classes:
        return target
    raise errors.no_class(target, classes)


def greatest_of(x, axis):
    """The greatest x, which is taken out before eˣ; 0 where there is nothing to take it out of."""
    return (np.max if x.size else np.sum)(x, axis=axis, keepdims=True)


@operation
def gated(x, gate):
    """x times a gate from 0 to 1 that opens with x: the product of −∞ and a shut gate is 0."""
    return np.maximum(x, np.finfo(getattr(gate, "dtype", float)).min) * gate


@operation
@opaque
def normal_cdf(x):
    """Φ(x), the probability that a standard normal number is below x.

    NumPy has no erf, so that of the module math is called for each number.
    """
    return cdf_of_each(x).astype(np.result_type(x, 1.0))


@operation
def normal_pdf(x):
    """φ(x) = e^(−x²/2) / √(2π), the density of the normal distribution.

    x is clipped to ±40, where φ is 0 already: further out x² might overflow.
    """
    return np.exp(np.square(np.clip(x, -40.0, 40.0)) * -0.5) * (2 * math.pi) ** -0.5


@np.vectorize(otypes=[float])
def cdf_of_each(x):
    """Φ of one number, by math.erfc, which keeps its digits where Φ is tiny."""
    return math.erfc(-x * math.sqrt(0.5)) * 0.5


def softmax_on_numbers(x, axis=-1):
    """eˣ / Σ eˣ as it is written, without care for overflow: a picture of numbers shows this."""
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def logsumexp_on_numbers(x, axis=None, *, keepdims=False):
    """ln Σ eˣ as it is written."""
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def log_softmax_on_numbers(x, axis=-1):
    """x − ln Σ eˣ as it is written."""
    return x - logsumexp_on_numbers(x, axis, keepdims=True)


def finite(x):
    """x, but 0 for ±∞: for products with a slope that is 0 there."""
    return np.where(np.isinf(x), 0.0, x)


def as_rows(x):
    """x of shape (…, n) as a matrix (batch, n)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def logsumexp_vjp(g, z, x, axis=None, *, keepdims=False):
    """∂/∂xᵢ = eˣⁱ / Σ eˣ, the softmax; 0 where every x is −∞."""
    finite = np.where(z == -np.inf, 0.0, z)
    e = np.exp(wide(x) - unreduced(finite, axis, keepdims))
    total = np.sum(e, axis=axis, keepdims=True)  # 1, but for the rounding of z, which may be great
    return unreduced(g, axis, keepdims) * (e / np.where(total == 0, 1.0, total))


# fmt: off
derivative(linear,        lambda g, z, x, weight, bias: product(g, weight),
                          lambda g, z, x, weight, bias: product(as_rows(g).T, as_rows(x)),
                          lambda g, z, x, weight, bias: g,  # (batch, out), summed at the edge
           notation="{} {}ᵀ + {}", on_numbers=linear, multiply_adds=inner_products)
derivative(nll,           lambda g, z, log_p, target:
                          -g * (as_array(target)[:, None] == np.arange(log_p.shape[1])),
           on_numbers=nll)
derivative(squared_error, lambda g, z, x, y: g * 2 * (x - y),
                          lambda g, z, x, y: g * 2 * (y - x), on_numbers=squared_error)
derivative(logsumexp,     logsumexp_vjp, on_numbers=logsumexp_on_numbers)
derivative(softmax,       lambda g, z, x, axis=-1:                  # ∂zᵢ/∂xⱼ = zᵢ (δᵢⱼ − zⱼ)
                          z * (g - (g * z).sum(axis=axis, keepdims=True)),
           on_numbers=softmax_on_numbers)
derivative(log_softmax,   lambda g, z, x, axis=-1:                  # ∂zᵢ/∂xⱼ = δᵢⱼ − eᶻʲ
                          g - np.exp(z) * g.sum(axis=axis, keepdims=True),
           on_numbers=log_softmax_on_numbers)
derivative(sigmoid,    lambda g, z, x: g * (z * (1 - z)),           # σ′ = σ (1 − σ)
           elementwise=True, notation="σ({})")
derivative(relu,       lambda g, z, x: g * (x > 0), elementwise=True)           # 1 or 0
derivative(gated,      lambda g, z, x, gate: g * gate,
                       lambda g, z, x, gate: g * finite(x), elementwise=True, symbol="{} × {}")
derivative(normal_cdf, lambda g, z, x: g * normal_pdf(x), elementwise=True)     # Φ′ = φ
derivative(normal_pdf, lambda g, z, x: g * (z * -finite(x)), elementwise=True)          # φ′ = −x φ
# fmt: on

# Methods too: x.relu()
Tensor.relu, Tensor.sigmoid = relu, sigmoid
Tensor.softmax, Tensor.log_softmax = softmax, log_softmax

# Derived from them in one line


def log_sigmoid(x: Same) -> Same:
    """ln σ(x) = −ln(1 + e⁻ˣ), for any shape, in nats; exact where σ itself underflows to 0.

    >>> log_sigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,    -0.])
    """
    if x.dtype.kind in "bu":  # which have no −x
        x = x.astype(np.float64)
    return -np.logaddexp(-x, 0.0)


def softplus(x: Same) -> Same:
    """ln(1 + eˣ), for any shape: a smooth relu, whose derivative is σ(x).

    It is exact for every x: no threshold is needed.

    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.logaddexp(x, 0.0)


def silu(x: Same) -> Same:
    """x σ(x), for any shape: also called swish.

    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    return gated(x, sigmoid(x))


def leaky_relu(x: Same, negative_slope: float = 0.01) -> Same:
    """x where x > 0, else negative_slope · x, for any shape; the derivative at 0 is negative_slope.

    >>> leaky_relu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(x > 0, x, x * float(negative_slope))


def elu(x: Same, alpha: float = 1.0) -> Same:
    """x where x > 0, else alpha (eˣ − 1), for any shape; the derivative at 0 is alpha.

    Clevert et al. 2015, equation 15.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    below = np.where(x > 0, 0.0, x)  # for x > 0 eˣ could overflow
    return np.where(x > 0, x, float(alpha) * np.expm1(below))  # type: ignore[return-value]


def gelu(x: Same, approximate: str = "none") -> Same:
    """x Φ(x), for any shape: x times the probability that a normal number is below x.

    approximate="tanh" is faster, and off by less than 0.0005: x σ(√(8/π) (x + 0.044715 x³)).
    Hendrycks and Gimpel 2016, section 2.

    >>> gelu(np.array([-1000.0, 1.0])), gelu(1.0, "tanh")
    (array([-0.        ,  0.84134475]), np.float64(0.84119199...))
    """
    if approximate == "none":
        return gated(x, normal_cdf(x))
    if approximate != "tanh":
        raise errors.unknown_approximation(approximate)
    # beyond ±10, σ is 0 or 1 already, and x³ might overflow
    y = np.minimum(np.maximum(x, -10.0), 10.0)
    return gated(x, sigmoid(math.sqrt(8 / math.pi) * (y + 0.044715 * y * y * y)))


def dropout(x: Same, p: float = 0.5, *, rng: np.random.Generator) -> Same:
    """Each number becomes 0 with probability p, or is divided by 1 − p: the mean stays.

    x has any shape; `rng` draws anew at each call. Use it in training only. Srivastava et al. 2014;
    they scale after training, we and PyTorch in training.

    >>> dropout(np.ones(6), 0.5, rng=np.random.default_rng(0))
    array([2., 0., 0., 0., 2., 2.])
    """
    if not 0 <= p <= 1:
        raise errors.not_a_probability(p)
    if not isinstance(rng, np.random.Generator):
        raise errors.not_a_generator(rng)
    dropped = at_replay(lambda: rng.random(np.shape(x)) < p)
    scale = 1 / (1 - float(p)) if p < 1 else 1.0
    return np.where(dropped, 0.0, x * scale)  # type: ignore[return-value]


def embedding(indices, weight: Same) -> Same:
    """Take the row weight[i] for each index i.

    Indices of any shape `(…)` and weight `(rows, features)` give `(…, features)`. Indices that are
    not integers raise TypeError, and IndexError unless 0 ≤ index < rows.

    >>> embedding([2, 0], np.array([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]))
    array([[2. , 2.1],
           [0. , 0.1]])
    """
    indices = as_array(plain(indices))
    if indices.dtype.kind not in "iu":
        raise errors.not_indices(indices, weight)
    return weight[rows_of(indices, weight)]


@opaque
def rows_of(indices, weight):
    """Return the indices; IndexError if one of them is no row of weight."""
    if not indices.size or 0 <= indices.min() <= indices.max() < len(weight):
        return indices
    raise errors.index_out_of_range(indices, weight)
