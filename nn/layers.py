"""Layers: Modules with parameters, and Sequential, which puts Modules one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor, special

from . import init
from .module import Array, Module

__all__ = ["Linear", "Sequential"]


class Linear(Module):
    """y = x Wᵀ + b: `(…, in_features)` becomes `(…, out_features)`; W, `weight`, is `(out_features, in_features)`.

    W and b start uniform between ±1/√in_features, as PyTorch's, drawn from `rng`. Raises ValueError if x does not fit.

    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *,
                 rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"expected at least 1 feature in and out, found Linear({in_features}, {out_features})")
        rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(in_features)
        weight = init.uniform((out_features, in_features), rng, dtype, low=-bound, high=bound)
        self.weight = Tensor(weight, requires_grad=True, name="weight")
        self.bias: Tensor | None = None
        if bias: self.bias = Tensor(init.uniform((out_features,), rng, dtype, low=-bound, high=bound), True, "bias")

    def forward(self, x: Tensor | Array) -> Any:
        out_features, in_features = self.weight.shape
        if not x.ndim or x.shape[-1] != in_features:
            raise ValueError(f"Linear({in_features}, {out_features}) takes shapes (…, {in_features}), found {x.shape}")
        return x @ self.weight.T if self.bias is None else special.linear(x, self.weight, self.bias)


class Sequential(Module):
    """(f, g, h) ↦ h(g(f(x))): its layers in turn, named "0", "1", … An index gives one, a slice a Sequential.

    >>> rng = np.random.default_rng(0)
    >>> model = Sequential(Linear(784, 16, rng=rng), Linear(16, 10, rng=rng))
    >>> model
    Sequential                                 12,730 parameters
      0: Linear  weight (16, 784), bias (16,)  12,560
      1: Linear  weight (10, 16), bias (10,)      170
    """

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential takes Modules, found {type(layer).__name__} at position {i}: "
                                "unpack a list, Sequential(*layers), and write nn.Tanh() in place of np.tanh")
            setattr(self, str(i), layer)

    def forward(self, x: Any) -> Any:
        for layer in self: x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]: return (layer for name, layer in vars(self).items() if name.isdigit())
    def __len__(self) -> int: return sum(1 for _ in self)

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)[index]
        return Sequential(*found) if isinstance(found, list) else found
