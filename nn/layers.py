"""Layers: Modules with parameters, what stands between them, and two ways to join Modules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu import Tensor, special

from . import init
from .module import Array, Module, Shape

__all__ = [
    "Dropout",
    "Embedding",
    "Flatten",
    "Linear",
    "Residual",
    "Sequential",
    "Unflatten",
]


class Linear(Module):
    """y = x Wᵀ + b: `(…, in_features)` becomes `(…, out_features)`.

    W, `weight`, is `(out_features, in_features)`. W and b start uniform between ±1/√in_features, as
    PyTorch's, drawn from `rng`. Raises ValueError if x does not fit.

    >>> layer = Linear(3, 2, rng=np.random.default_rng(0))
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(
                f"expected at least 1 feature in and out, found Linear({in_features}, "
                f"{out_features})"
            )
        shape = out_features, in_features
        self.weight, self.bias = weight_and_bias(shape, out_features, bias, rng, dtype)

    def forward(self, x: Tensor | Array) -> Any:
        try:
            return (
                x @ self.weight.T
                if self.bias is None
                else special.linear(x, self.weight, self.bias)
            )
        except ValueError:
            out_features, in_features = self.weight.shape
            if x.shape[-1:] == (in_features,):
                raise
            takes = f"Linear({in_features}, {out_features}) takes shapes (…, {in_features})"
            raise ValueError(f"{takes}, found {x.shape}") from None


def weight_and_bias(
    shape: Shape, out: int, bias: bool, rng: np.random.Generator | None, dtype: DTypeLike
) -> tuple[Tensor, Tensor | None]:
    """A weight, and a bias or None, uniform between ±1/√(numbers that one output adds up)."""
    rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(math.prod(shape[1:]))
    weight = Tensor(init.uniform(shape, rng, dtype, low=-bound, high=bound), True, "weight")
    if not bias:
        return weight, None
    return weight, Tensor(init.uniform((out,), rng, dtype, low=-bound, high=bound), True, "bias")


class Flatten(Module):
    """Join the axes from start_dim to end_dim: `(batch, 16, 5, 5)` becomes `(batch, 400)`.

    Raises ValueError if x has no such axes.

    >>> Flatten()(np.zeros((32, 16, 5, 5))).shape, Flatten(0, 1)(np.zeros((32, 16, 5, 5))).shape
    ((32, 400), (512, 5, 5))
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor | Array) -> Any:
        start, end = (dim + x.ndim if dim < 0 else dim for dim in (self.start_dim, self.end_dim))
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"Flatten({self.start_dim}, {self.end_dim}) joins axes that shape {x.shape} does "
                "not have"
            )
        return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


class Unflatten(Module):
    """Split an axis into several: `Unflatten(1, (16, 5, 5))` makes 400 numbers `(16, 5, 5)`.

    One size may be −1. Raises ValueError if the sizes do not fit.

    >>> Unflatten(1, (16, 5, -1))(np.zeros((32, 400))).shape
    (32, 16, 5, 5)
    """

    def __init__(self, dim: int, sizes: Shape) -> None:
        self.dim, self.sizes = dim, tuple(sizes)

    def forward(self, x: Tensor | Array) -> Any:
        dim = self.dim + x.ndim if self.dim < 0 else self.dim
        if not 0 <= dim < x.ndim:
            raise ValueError(f"Unflatten splits axis {self.dim}, which shape {x.shape} lacks")
        try:
            return x.reshape(*x.shape[:dim], *self.sizes, *x.shape[dim + 1 :])
        except ValueError:
            raise ValueError(
                f"Unflatten makes {self.sizes} of axis {self.dim}, and {x.shape} has "
                f"{x.shape[dim]} numbers along it"
            ) from None


class Dropout(Module):
    """While training, each number becomes 0 with probability p, else is divided by 1 − p.

    In `eval()` it returns x itself. `rng` draws anew in each call. (Srivastava et al. 2014, but
    scaled in training, as in PyTorch)

    >>> layer = Dropout(0.5, rng=np.random.default_rng(0))
    >>> layer(np.ones(6)), layer.eval()(np.ones(6))
    (array([2., 0., 0., 0., 2., 2.]), array([1., 1., 1., 1., 1., 1.]))
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(
                f"p is the probability that a number is dropped, from 0 to 1; found {p}"
            )
        self.p, self.rng = p, rng or np.random.default_rng()

    def forward(self, x: Tensor | Array) -> Any:
        return special.dropout(x, self.p, rng=self.rng) if self.training else x


class Embedding(Module):
    """Row weight[i] for each index i: `(…)` becomes `(…, embedding_dim)`.

    `weight` is `(num_embeddings, embedding_dim)` and starts as N(0, 1), as PyTorch's. Raises
    TypeError for indices that are no integers, IndexError outside of 0 to num_embeddings − 1.

    >>> Embedding(10, 4, rng=np.random.default_rng(0))([[1, 2, 3], [9, 9, 0]]).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(
                f"expected at least 1 row of 1 number, found Embedding({num_embeddings}, "
                f"{embedding_dim})"
            )
        rows = init.normal((num_embeddings, embedding_dim), rng or np.random.default_rng(), dtype)
        self.weight = Tensor(rows, requires_grad=True, name="weight")

    def forward(self, indices: Tensor | ArrayLike) -> Any:
        return special.embedding(indices, self.weight)


class Sequential(Module):
    """(f, g, h) ↦ h(g(f(x))): its layers in turn, named "0", "1", …

    model[0] is a layer, model[:2] a Sequential.

    >>> rng = np.random.default_rng(0)
    >>> Sequential(Linear(784, 16, rng=rng), Linear(16, 10, rng=rng))
    Sequential                                 12,730 parameters
      0: Linear  weight (16, 784), bias (16,)  12,560
      1: Linear  weight (10, 16), bias (10,)      170
    """

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise no_layer(layer, i)
            setattr(self, str(i), layer)

    def forward(self, x: Any) -> Any:
        for name, layer in vars(self).items():
            if name.isdigit():
                x = layer(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (layer for name, layer in vars(self).items() if name.isdigit())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)[index]
        return Sequential(*found) if isinstance(found, list) else found


def no_layer(x: Any, position: int) -> TypeError:
    if isinstance(x, type) and issubclass(x, Module):
        came, write = f"the class {x.__name__}", f"write {x.__name__}()"
    else:
        came = type(x).__name__
        write = "unpack a list, Sequential(*layers), and write nn.Tanh() in place of np.tanh"
    return TypeError(f"Sequential takes Modules, found {came} at position {position}: {write}")


class Residual(Sequential):
    """x + f(x), where f is one Module or several in turn, and keeps the shape of x.

    The layers learn what to change; x itself lets gradients through as they are, however many of
    these stand in a row. (He et al. 2015, equation 1)

    >>> Residual(Linear(3, 8), Linear(8, 3))(np.ones((5, 3), np.float32)).shape
    (5, 3)
    """

    def forward(self, x: Any) -> Any:
        change = super().forward(x)
        if change.shape != x.shape:
            raise ValueError(f"Residual adds f(x) to x, found shapes {change.shape} and {x.shape}")
        return x + change
