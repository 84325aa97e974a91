"""Activations: the functions between layers, as Modules. They have no parameters and keep the shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import special

from .module import Module

__all__ = ["LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1.

    >>> Sigmoid()(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    """

    def forward(self, x: Any) -> Any: return special.sigmoid(x)


class Tanh(Module):
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1.

    >>> Tanh()(np.array([0.0, 1000.0]))
    array([0., 1.])
    """

    def forward(self, x: Any) -> Any: return np.tanh(x)


class ReLU(Module):
    """max(x, 0); its derivative at 0 is 0.

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any: return special.relu(x)


class Softmax(Module):
    """eˣ / Σ eˣ along the axis: positive, adding up to 1.

    >>> Softmax()(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """

    def __init__(self, axis: int = -1) -> None: self.axis = axis
    def forward(self, x: Any) -> Any: return special.softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """ln softmax(x) = x − ln Σ eˣ along the axis, in nats.

    >>> LogSoftmax()(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """

    def __init__(self, axis: int = -1) -> None: self.axis = axis
    def forward(self, x: Any) -> Any: return special.log_softmax(x, axis=self.axis)
