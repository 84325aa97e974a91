"""How parameters start: distributions, (shape, rng, dtype) ↦ array, and `initialize` for a model.

Why the variance matters: zᵢ = Σⱼ Wᵢⱼ xⱼ adds fan_in independent terms, so Var z = fan_in · Var W ·
E[x²]. With Var W = 1 / fan_in signals keep their size from layer to layer, whatever its width; a
factor of 2 per layer, or ½, would be 1000 or 1/1000 after ten. Backwards the same sum runs over
fan_out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from .module import Array, Module, Shape

__all__ = [
    "initialize",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "normal",
    "orthogonal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Distribution: TypeAlias = (
    "Callable[[Shape, np.random.Generator, DTypeLike], Array]"  # quoted: it would import np.random
)


def initialize(model: Module, rng: np.random.Generator, **distributions: Distribution) -> None:
    """Draw anew every parameter whose name ends in one of the given names; leave the others alone.

    Raises ValueError if no parameter has the name. Below: W ~ N(0, 1/fan_in), b ~ N(0, 1).

    >>> from tinygrad_edu import nn
    >>> model, rng = nn.Sequential(nn.Linear(784, 16), nn.Sigmoid()), np.random.default_rng(0)
    >>> nn.init.initialize(model, rng, weight=nn.init.lecun_normal, bias=nn.init.normal)
    """
    named = [(name.rpartition(".")[2], p) for name, p in model.named_parameters()]
    unknown = distributions.keys() - dict(named).keys()
    if unknown:
        raise ValueError(
            f"no parameter is named {sorted(unknown)}: the names are {sorted(dict(named))}"
        )
    for name, p in named:
        if name in distributions:
            p.data = distributions[name](p.shape, rng, p.dtype)


def zeros(
    shape: Shape, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32
) -> Array:
    """0 everywhere, for biases: weights that start equal would stay equal.

    >>> zeros((3,))
    array([0., 0., 0.], dtype=float32)
    """
    return np.zeros(shape, dtype)


def uniform(
    shape: Shape,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    *,
    low: float = 0.0,
    high: float = 1.0,
) -> Array:
    """U(low, high), whose variance is (high − low)² / 12.

    >>> uniform((2, 3), np.random.default_rng(0), low=-1.0).shape
    (2, 3)
    """
    return rng.uniform(low, high, shape).astype(dtype)


def normal(
    shape: Shape,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    *,
    mean: float = 0.0,
    std: float = 1.0,
) -> Array:
    """N(mean, std²).

    >>> normal((2, 3), np.random.default_rng(0)).dtype
    dtype('float32')
    """
    return rng.normal(mean, std, shape).astype(dtype)


def lecun_normal(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Array:
    """N(0, 1/fan_in): the sum of fan_in terms keeps variance 1. (LeCun et al. 1998, §4.6)

    >>> lecun_normal((1000, 400), np.random.default_rng(0)).std().round(3)  # 1/√400
    np.float32(0.05)
    """
    return normal(shape, rng, dtype, std=math.sqrt(1 / fans(shape)[0]))


def xavier_normal(
    shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32, *, gain: float = 1.0
) -> Array:
    """N(0, gain² · 2/(fan_in + fan_out)): between what forward and backward need.

    (Glorot & Bengio 2010, eq. 12)

    >>> xavier_normal((1000, 600), np.random.default_rng(0)).std().round(3)  # √(2/1600)
    np.float32(0.035)
    """
    return normal(shape, rng, dtype, std=gain * math.sqrt(2 / sum(fans(shape))))


def xavier_uniform(
    shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32, *, gain: float = 1.0
) -> Array:
    """U(−a, a) with the variance of xavier_normal: a = gain · √(6/(fan_in + fan_out)).

    (Glorot & Bengio 2010, eq. 16)

    >>> abs(xavier_uniform((1000, 500), np.random.default_rng(0))).max().round(3)  # √(6/1500)
    np.float32(0.063)
    """
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return uniform(shape, rng, dtype, low=-bound, high=bound)


def kaiming_normal(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Array:
    """N(0, 2/fan_in), for layers before a ReLU, which halves E[z²]. (He et al. 2015, eq. 10)

    >>> kaiming_normal((1000, 800), np.random.default_rng(0)).std().round(3)  # √(2/800)
    np.float32(0.05)
    """
    return normal(shape, rng, dtype, std=math.sqrt(2 / fans(shape)[0]))


def kaiming_uniform(shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Array:
    """U(−a, a), a = √(6/fan_in): the variance a²/3 is that of kaiming_normal.

    >>> abs(kaiming_uniform((1000, 600), np.random.default_rng(0))).max().round(3)  # √(6/600)
    np.float32(0.1)
    """
    bound = math.sqrt(6 / fans(shape)[0])
    return uniform(shape, rng, dtype, low=-bound, high=bound)


def orthogonal(
    shape: Shape, rng: np.random.Generator, dtype: DTypeLike = np.float32, *, gain: float = 1.0
) -> Array:
    """gain · Q, where Q, `(out, fan_in)`, has orthonormal rows, or columns if those are fewer.

    All singular values are gain: a square W multiplies the length of every x by gain, and so do ten
    in a row. A product of random matrices keeps only the average length, and squashes most x. Var W
    is gain²/fan_in, as lecun_normal's, or gain²/out where out > fan_in. (Saxe et al. 2014, §3)

    >>> w = orthogonal((2, 3), np.random.default_rng(0), np.float64)
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    rows, columns = shape[0] if shape else 0, fans(shape)[0]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(
        np.diag(r)
    )  # R's diagonal positive: every rotation is equally likely (Mezzadri 2007, §4)
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight `(out, in, …)`: terms of an output, of an input's gradient."""
    if len(shape) < 2:
        raise ValueError(f"fan_in is that of a weight (out, in, …), found shape {shape}")
    field = math.prod(shape[2:])  # 1 for a matrix, height · width for a convolution
    return shape[1] * field, shape[0] * field
