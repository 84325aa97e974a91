"""Our own operations. Each earns its place by stability (written out in NumPy it would overflow or lose all digits), or by
speed: `linear` is one operation in place of three, in every layer of every model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.derivatives import unreduced
from tinygrad_edu.engine import derivative, operation

__all__ = ["linear", "log_softmax", "logsumexp", "relu", "sigmoid", "softmax"]


@operation
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b: `(…, in)` becomes `(…, out)`; W is `(out, in)`, b is `(out,)`.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[10.0, 1.0]]), np.array([0.5]))
    array([[12.5]])
    """
    return x @ weight.T + bias


@operation
def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e⁻ˣ), for any shape. Computed as (1 + tanh(x/2)) / 2, in which nothing can overflow.

    The absolute error is below one rounding of 1; below x = −37 (float32: −17) the result is exactly 0.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return np.tanh(x * 0.5) * 0.5 + 0.5


@operation
def relu(x: Any) -> Any:
    """max(x, 0), for any shape; the derivative at 0 is 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@operation
def logsumexp(x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """ln Σ eˣ over the axis or axes, in nats: a smooth maximum. The greatest x is taken out first: e^x cannot overflow.

    >>> logsumexp(np.array([1000.0, 1000.0])) - 1000  # ln 2
    np.float64(0.69314718055...)
    """
    greatest = np.max(x, axis=axis, keepdims=True)
    greatest = np.where(np.isfinite(greatest), greatest, np.zeros_like(greatest))
    z = np.log(np.sum(np.exp(x - greatest), axis=axis, keepdims=True)) + greatest
    return z if keepdims else np.squeeze(z, axis)


@operation
def softmax(x: Any, axis: int = -1) -> Any:
    """eˣ / Σ eˣ along the axis: positive, adding up to 1, the same when a constant is added to x.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@operation
def log_softmax(x: Any, axis: int = -1) -> Any:
    """ln softmax(x) = x − ln Σ eˣ along the axis, in nats, exact where softmax itself underflows to 0.

    >>> log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    x = x - np.max(x, axis=axis, keepdims=True)
    return x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True))


derivative(linear, lambda g, z, x, weight, bias: g @ weight,  # (batch, out) @ (out, in)
                   lambda g, z, x, weight, bias: as_rows(g).T @ as_rows(x),  # (out, batch) @ (batch, in)
                   lambda g, z, x, weight, bias: g)
derivative(sigmoid, lambda g, z, x: g * (z * (1 - z)))  # σ′ = σ (1 − σ)
derivative(relu, lambda g, z, x: g * (x > 0))
derivative(logsumexp, lambda g, z, x, axis=None, *, keepdims=False:  # ∂/∂xᵢ = eˣⁱ / Σ eˣ, the softmax
           unreduced(g, axis, keepdims) * np.exp(x - unreduced(z, axis, keepdims)))
derivative(softmax, lambda g, z, x, axis=-1: z * (g - (g * z).sum(axis=axis, keepdims=True)))  # ∂zᵢ/∂xⱼ = zᵢ (δᵢⱼ − zⱼ)
derivative(log_softmax, lambda g, z, x, axis=-1: g - np.exp(z) * g.sum(axis=axis, keepdims=True))  # ∂zᵢ/∂xⱼ = δᵢⱼ − eᶻʲ


def as_rows(x: Any) -> Any:
    """(…, n) as (batch, n)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
