"""Our own operations. Each earns its place by stability (written out in NumPy it would overflow or
lose all digits), or by speed: `linear` is one operation in place of three, in every layer of every
model. The others are derived from these and from NumPy's in one line. Kinks are PyTorch's.
Convolution and pooling are in convolution.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import as_array
from tinygrad_edu.core.derivatives import inner_products, product, unreduced
from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.marks import at_replay, opaque
from tinygrad_edu.operations.convolution import avg_pool2d, conv2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "conv2d",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "nll",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squared_error",
]

# Operations, with derivatives of their own


@operation
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b: `(…, in)` becomes `(…, out)`; W is `(out, in)`, b is `(out,)`.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[10.0, 1.0]]), np.array([0.5]))
    array([[12.5]])
    """
    z = product(x, weight.T)
    z += bias
    return z


@operation
def squared_error(x: Any, y: Any) -> Any:
    """Σ (x − y)² over all numbers of two arrays of the same shape, as one number.

    >>> squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(4.0)
    """
    d = (x - y).reshape(-1)
    return np.dot(d, d)


@operation
def nll(log_p: Any, target: Any) -> Any:
    """−Σ log_p[i, target[i]] over the examples i: log-probabilities `(batch, classes)`, class
    indices `(batch,)`.

    Raises IndexError for an index of no class. Of log_softmax(logits) it is the cross-entropy, in
    nats, summed up.

    >>> nll(np.log([[0.5, 0.5], [0.5, 0.5]]), np.array([1, 0])) == 2 * np.log(2)
    np.True_
    """
    return -log_p[np.arange(len(target)), target].sum()


@operation
def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e⁻ˣ), for any shape. Computed as (1 + tanh(x/2)) / 2, in which nothing can
    overflow.

    The absolute error is below one rounding of 1; below x = −37 (float32: −17) the result is
    exactly 0.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = np.tanh(x * 0.5)
    z *= 0.5
    z += 0.5
    return z


@operation
def relu(x: Any) -> Any:
    """max(x, 0), for any shape; the derivative at 0 is 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@operation
def logsumexp(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """ln Σ eˣ over the axis or axes, in nats: a smooth maximum. The greatest x is taken out first:
    e^x cannot overflow.

    >>> logsumexp(np.array([1000.0, 1000.0])) - 1000  # ln 2
    np.float64(0.69314718055...)
    """
    greatest = np.max(x, axis=axis, keepdims=True)
    greatest = np.where(np.isfinite(greatest), greatest, np.zeros_like(greatest))
    with np.errstate(divide="ignore"):  # ln 0 = −∞, where every x is −∞
        z = np.log(np.sum(np.exp(x - greatest), axis=axis, keepdims=True)) + greatest
    return z if keepdims else np.squeeze(z, axis)


@operation
def softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """eˣ / Σ eˣ along the axis or axes: positive, adding up to 1, the same when a constant is added
    to x.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@operation
def log_softmax(x: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """ln softmax(x) = x − ln Σ eˣ along the axis or axes, in nats, exact where softmax itself
    underflows to 0.

    >>> log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x = x - np.max(x, axis=axis, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


@operation
@opaque
def normal_cdf(x: Any) -> Any:
    """Φ(x), the probability that a standard normal number is below x. NumPy has no erf: math's is
    called for each number."""
    return CDF(x).astype(np.result_type(x, 1.0))


@operation
def normal_pdf(x: Any) -> Any:
    """φ(x) = e^(−x²/2) / √(2π), the density of the normal distribution: 0 at ±40 already, beyond
    which x² may overflow."""
    return np.exp(np.square(np.clip(x, -40.0, 40.0)) * -0.5) * (2 * math.pi) ** -0.5


CDF = np.vectorize(
    lambda x: math.erfc(-x * math.sqrt(0.5)) * 0.5, otypes=[float]
)  # erfc keeps its digits where Φ is tiny


def softmax_on_numbers(x: Any, axis: Any = -1) -> Any:
    """eˣ / Σ eˣ as it is written, without care for overflow: what a picture of numbers shows."""
    powers = np.exp(x)
    return powers / powers.sum(axis=axis, keepdims=True)


def logsumexp_on_numbers(x: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    """ln Σ eˣ as it is written."""
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def log_softmax_on_numbers(x: Any, axis: Any = -1) -> Any:
    """x − ln Σ eˣ as it is written."""
    return x - logsumexp_on_numbers(x, axis, keepdims=True)


# fmt: off
derivative(linear, lambda g, z, x, weight, bias: product(g, weight),  # (batch, out) @ (out, in)
                   lambda g, z, x, weight, bias: product(as_rows(g).T, as_rows(x)),  # (out, batch) @ (batch, in)
                   lambda g, z, x, weight, bias: g, notation="{} {}ᵀ + {}", on_numbers=linear,
           multiply_adds=inner_products)
derivative(nll, lambda g, z, log_p, target: -g * (target[:, None] == np.arange(log_p.shape[1])), on_numbers=nll)
derivative(squared_error, lambda g, z, x, y: g * 2 * (x - y), lambda g, z, x, y: g * 2 * (y - x), on_numbers=squared_error)
derivative(sigmoid, lambda g, z, x: g * (z * (1 - z)), elementwise=True, notation="σ({})")  # σ′ = σ (1 − σ)
derivative(relu, lambda g, z, x: g * (x > 0), elementwise=True)
derivative(logsumexp, lambda g, z, x, axis=None, *, keepdims=False:  # ∂/∂xᵢ = eˣⁱ / Σ eˣ, the softmax; 0 if every x is −∞
           unreduced(g, axis, keepdims) * np.exp(x - unreduced(np.where(z == -np.inf, 0.0, z), axis, keepdims)),
           on_numbers=logsumexp_on_numbers)
derivative(softmax, lambda g, z, x, axis=-1: z * (g - (g * z).sum(axis=axis, keepdims=True)), on_numbers=softmax_on_numbers)  # ∂zᵢ/∂xⱼ = zᵢ (δᵢⱼ − zⱼ)
derivative(log_softmax, lambda g, z, x, axis=-1: g - np.exp(z) * g.sum(axis=axis, keepdims=True), on_numbers=log_softmax_on_numbers)  # ∂zᵢ/∂xⱼ = δᵢⱼ − eᶻʲ
derivative(normal_cdf, lambda g, z, x: g * normal_pdf(x), elementwise=True)  # Φ′ = φ
derivative(normal_pdf, lambda g, z, x: g * (z * -x), elementwise=True)  # φ′ = −x φ
# fmt: on


def as_rows(x: Any) -> Any:
    """(…, n) as (batch, n)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


# Methods too: x.relu()
Tensor.relu, Tensor.sigmoid = relu, sigmoid
Tensor.softmax, Tensor.log_softmax = softmax, log_softmax

# Derived from them in one line


def log_sigmoid(x: Any) -> Any:
    """ln σ(x) = −ln(1 + e⁻ˣ), for any shape, in nats; exact where σ itself underflows to 0.

    >>> log_sigmoid(np.array([-1000.0, 1000.0]))
    array([-1000.,    -0.])
    """
    return -np.logaddexp(-x, 0.0)


def softplus(x: Any) -> Any:
    """ln(1 + eˣ), for any shape: a smooth relu, whose derivative is σ(x). Exact for every x: no
    threshold is needed.

    >>> softplus(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """
    return np.logaddexp(x, 0.0)


def silu(x: Any) -> Any:
    """x σ(x), for any shape: also called swish.

    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    return x * sigmoid(x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope · x, for any shape; the derivative at 0 is negative_slope.

    >>> leaky_relu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(x > 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (eˣ − 1), for any shape; the derivative at 0 is alpha. Clevert et
    al. 2015, equation 15.

    >>> elu(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """
    return np.where(
        x > 0, x, alpha * np.expm1(np.where(x > 0, 0.0, x))
    )  # the inner where: eˣ could overflow for x > 0


def gelu(x: Any, approximate: str = "none") -> Any:
    """x Φ(x), for any shape: x times the probability that a normal number is below x. Hendrycks and
    Gimpel 2016, section 2.

    approximate="tanh" is faster, and off by less than 0.0005: x σ(√(8/π) (x + 0.044715 x³)).

    >>> gelu(np.array([-1000.0, 1.0])), gelu(1.0, "tanh")
    (array([-0.        ,  0.84134475]), np.float64(0.84119199...))
    """
    if approximate == "none":
        return x * normal_cdf(x)
    if approximate != "tanh":
        raise errors.unknown_approximation(approximate)
    y = np.minimum(
        np.maximum(x, -10.0), 10.0
    )  # beyond ±10, σ is 0 or 1 already, and x³ may overflow
    return x * sigmoid(math.sqrt(8 / math.pi) * (y + 0.044715 * y * y * y))


def dropout(x: Any, p: float = 0.5, *, rng: np.random.Generator) -> Any:
    """Each number becomes 0 with probability p, or is divided by 1 − p: the mean stays. For
    training only; any shape.

    `rng` draws anew at each call. Srivastava et al. 2014, with the scaling in training, not
    afterwards, as in PyTorch.

    >>> dropout(np.ones(6), 0.5, rng=np.random.default_rng(0))
    array([2., 0., 0., 0., 2., 2.])
    """
    if not 0 <= p <= 1:
        raise errors.not_a_probability(p)
    if not isinstance(rng, np.random.Generator):
        raise errors.not_a_generator(rng)
    dropped = at_replay(lambda: rng.random(np.shape(x)) < p)
    return np.where(dropped, 0.0, x * (1 / (1 - p) if p < 1 else 1.0))


def embedding(indices: Any, weight: Any) -> Any:
    """Row weight[i] for each index i: indices of any shape `(…)` and weight `(rows, features)` give
    `(…, features)`.

    Raises TypeError if indices are not integers, IndexError unless 0 ≤ index < rows.

    >>> embedding([2, 0], np.array([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]))
    array([[2. , 2.1],
           [0. , 0.1]])
    """
    indices = as_array(plain(indices))
    if indices.dtype.kind not in "iu":
        raise errors.not_indices(indices, weight)
    return weight[within(indices, weight)]


@opaque
def within(indices: Any, weight: Any) -> Any:
    """The indices, if all of them are rows of weight."""
    if not indices.size or 0 <= indices.min() <= indices.max() < len(weight):
        return indices
    raise errors.index_out_of_range(indices, weight)
