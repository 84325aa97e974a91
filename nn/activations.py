"""Activations: the functions between layers, as Modules without parameters. They keep the shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import special

from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1.

    >>> Sigmoid()(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    """

    def forward(self, x: Any) -> Any:
        return special.sigmoid(x)


class Tanh(Module):
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1.

    >>> Tanh()(np.array([0.0, 1000.0]))
    array([0., 1.])
    """

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class ReLU(Module):
    """max(x, 0); its derivative at 0 is 0.

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        return special.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope · x, which is its derivative at 0 too.

    >>> LeakyReLU()(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """

    one_box = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return special.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """x where x > 0, else alpha (eˣ − 1); its derivative at 0 is alpha. (Clevert et al. 2015)

    >>> ELU()(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """

    one_box = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return special.elu(x, self.alpha)


class SiLU(Module):
    """x σ(x), also called swish.

    >>> SiLU()(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return special.silu(x)


class GELU(Module):
    """x Φ(x): x times the probability that a normal number is below x.

    approximate="tanh" is many times faster, and off by less than 0.0005. (Hendrycks and Gimpel
    2016, section 2)

    >>> GELU()(np.array([-1000.0, 1.0])), GELU("tanh")(np.array([-1000.0, 1.0]))
    (array([-0.        ,  0.84134475]), array([-0.        ,  0.84119199]))
    """

    one_box = True

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return special.gelu(x, self.approximate)


class Softplus(Module):
    """ln(1 + e^(beta x)) / beta: a smooth ReLU, sharper for a greater beta.

    It is exact everywhere and needs no threshold. PyTorch returns x where beta x > 20, which is up
    to 2e-9/beta less.

    >>> Softplus()(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """

    one_box = True

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def forward(self, x: Any) -> Any:
        return special.softplus(x * self.beta) / self.beta


class Softmax(Module):
    """eˣ / Σ eˣ along the axis: positive, adding up to 1. PyTorch calls the axis dim.

    >>> Softmax()(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return special.softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """ln softmax(x) = x − ln Σ eˣ along the axis, in nats; PyTorch calls it dim.

    >>> LogSoftmax()(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return special.log_softmax(x, axis=self.axis)
