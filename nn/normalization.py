"""Normalization: numbers brought to mean 0 and variance 1, then scaled and shifted by parameters.

All are (x − mean) / √(var + eps) · weight + bias, and differ in the axes: BatchNorm takes the mean
and the variance of each channel over the batch, LayerNorm those of each example over its features,
GroupNorm those of groups of channels of each example. RMSNorm leaves the mean out.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor

from .module import Array, Module, Shape

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "RMSNorm"]


class Normalization(Module):
    """What they share: weight and bias, which start as 1 and 0, or None."""

    one_box = True

    def __init__(self, shape: Shape, weight: bool, bias: bool, dtype: DTypeLike) -> None:
        if min(shape, default=0) < 1:
            raise ValueError(
                "expected sizes of at least 1, found "
                f"{type(self).__name__}({', '.join(map(str, shape))})"
            )
        self.weight = Tensor(np.ones(shape, dtype), True, "weight") if weight else None
        self.bias = Tensor(np.zeros(shape, dtype), True, "bias") if bias else None

    def affine(self, x: Any, after: int = 0) -> Any:
        """x · weight + bias, where x has `after` more axes at the end than the others."""
        if self.weight is not None:
            x = x * with_axes_after(self.weight, after)
        return x if self.bias is None else x + with_axes_after(self.bias, after)


class BatchNorm(Normalization):
    """What BatchNorm1d and BatchNorm2d share: all but the shapes that they take."""

    takes: ClassVar[dict[int, str]]  # how many axes ↦ what comes after the channels

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__((num_features,), affine, affine and bias, dtype)
        self.shape, self.eps, self.momentum = (num_features,), float(eps), momentum
        self.running_mean: Tensor | None = None
        self.running_var: Tensor | None = None
        self.num_batches_tracked: Tensor | None = None
        if track_running_stats:
            self.running_mean = Tensor(np.zeros(num_features, dtype))
            self.running_var = Tensor(np.ones(num_features, dtype))
            self.num_batches_tracked = Tensor(np.array(0))

    def forward(self, x: Tensor | Array) -> Any:
        name, channels = type(self).__name__, self.shape[0]
        if x.ndim not in self.takes or x.shape[1] != channels:
            shapes = " or ".join(f"(batch, {channels}{rest})" for rest in self.takes.values())
            raise ValueError(f"{name}({channels}) takes shapes {shapes}, found {x.shape}")
        of_batch = self.training or self.running_mean is None
        if of_batch and x.size < 2 * channels:
            raise ValueError(
                f"{name} takes the variance of each channel, and found {x.shape}, one number for "
                "each or none: give it a larger batch, or call eval()"
            )
        after = x.ndim - 2
        if of_batch:
            mean, var = moments(x if isinstance(x, Tensor) else Tensor(x), (0, *range(2, x.ndim)))
            if self.training:
                self.track(mean.numpy().ravel(), var.numpy().ravel(), x.size // channels)
        else:
            mean = with_axes_after(self.running_mean, after)  # type: ignore[arg-type]
            var = with_axes_after(self.running_var, after)  # type: ignore[arg-type]
        return self.affine(in_units(x - mean, var + self.eps, x), after)

    def track(self, mean: Array, var: Array, n: int) -> None:
        """Let the running statistics follow those of a batch with n numbers per channel.

        They get new arrays: a recorded graph may hold the old ones.
        """
        if (
            self.num_batches_tracked is None
            or self.running_mean is None
            or self.running_var is None
        ):
            return
        self.num_batches_tracked.data = np.copy(self.num_batches_tracked.data + 1)
        rate = 1 / self.num_batches_tracked.data if self.momentum is None else float(self.momentum)
        for running, now in (
            (self.running_mean, mean),
            (self.running_var, var * (n / (n - 1))),
        ):  # n − 1: unbiased
            running.data = ((1 - rate) * running.data + rate * now).astype(running.dtype)


class BatchNorm1d(BatchNorm):
    """(x − mean) / √(var + eps) · weight + bias, each channel by its own mean and variance.

    x is `(batch, channels)` or `(batch, channels, length)`. `eval()` takes running_mean and
    running_var: running ← (1 − momentum) running + momentum · batch's, with the unbiased variance;
    momentum=None averages all batches; without track_running_stats `eval()` takes the batch's too.
    ValueError for other shapes, or for one number per channel. (Ioffe & Szegedy 2015, algorithm 1)

    >>> BatchNorm1d(2)(np.array([[0.0, 10.0], [2.0, 30.0]])).numpy().round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    takes: ClassVar = {2: "", 3: ", length"}


class BatchNorm2d(BatchNorm):
    """BatchNorm1d for images: a channel's statistics run over `(batch, height, width)`.

    >>> x = np.random.default_rng(0).normal(5, 2, (8, 3, 4, 4))
    >>> BatchNorm2d(3)(x).numpy().std(axis=(0, 2, 3)).round(3)
    array([1., 1., 1.])
    """

    takes: ClassVar = {4: ", height, width"}


class LayerNorm(Normalization):
    """(x − mean) / √(var + eps) · weight + bias, each example by its own mean and biased variance.

    Both run over the last axes: x is `(…, *normalized_shape)`, weight and bias have
    `normalized_shape`. Raises ValueError if x does not fit. (Ba et al. 2016, section 3)

    >>> LayerNorm(3)(np.array([[0.0, 1.0, 2.0], [0.0, 10.0, 20.0]])).numpy().round(3)
    array([[-1.225,  0.   ,  1.225],
           [-1.225,  0.   ,  1.225]])
    """

    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape, self.eps = as_shape(normalized_shape), float(eps)
        super().__init__(
            self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype
        )

    def forward(self, x: Tensor | Array) -> Any:
        mean, var = moments(x, last_axes(self, x))
        return self.affine(in_units(x - mean, var + self.eps, x))


class GroupNorm(Normalization):
    """(x − mean) / √(var + eps) · weight + bias, each group of channels by its own.

    x is `(batch, num_channels, …)`; the mean and the biased variance run over the channels of a
    group and all later axes; weight and bias are `(num_channels,)`. Raises ValueError if x does not
    fit, or the groups don't divide the channels. (Wu & He 2018, equation 7)

    >>> GroupNorm(2, 4)(np.array([[0.0, 2.0, 10.0, 30.0]])).numpy().round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                "expected num_groups that divides num_channels, found "
                f"GroupNorm({num_groups}, {num_channels})"
            )
        super().__init__((num_channels,), affine, affine and bias, dtype)
        self.num_groups, self.shape, self.eps = num_groups, (num_channels,), float(eps)

    def forward(self, x: Tensor | Array) -> Any:
        if x.ndim < 2 or x.shape[1:2] != self.shape:
            (channels,) = self.shape
            raise ValueError(
                f"GroupNorm({self.num_groups}, {channels}) takes shapes (batch, {channels}, …), "
                f"found {x.shape}"
            )
        numbers = math.prod(x.shape[1:]) // self.num_groups  # −1 is unknown if the batch is empty
        groups = x.reshape(x.shape[0], self.num_groups, numbers)
        mean, var = moments(groups, (2,))
        z = in_units(groups - mean, var + self.eps, x)
        return self.affine(z.reshape(x.shape), x.ndim - 2)


class RMSNorm(Normalization):
    """x / √(mean x² + eps) · weight, each example by its own mean; shapes are those of LayerNorm.

    As in PyTorch, eps=None takes the epsilon of x's dtype, 1.2e-7 in float32. (Zhang & Sennrich
    2019, eq. 4)

    >>> RMSNorm(2)(np.array([3.0, 3.0]))
    Tensor([1., 1.], operation=multiply)
    """

    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = as_shape(normalized_shape)
        self.eps = None if eps is None else float(eps)
        super().__init__(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: Tensor | Array) -> Any:
        square = np.mean(np.square(single(x)), last_axes(self, x), keepdims=True)
        kind = np.finfo(np.result_type(x.dtype, 0.0))
        eps = float(kind.eps) if self.eps is None else self.eps
        return self.affine(in_units(x, square + eps, x))


def moments(x: Any, axes: Shape) -> tuple[Any, Any]:
    """Mean and biased variance over the axes, which stay, with size 1; of float16 in float32."""
    x = single(x)
    mean = np.mean(x, axes, keepdims=True)
    return mean, np.mean(np.square(x - mean), axes, keepdims=True)


def single(x: Any) -> Any:
    """x, but float16 as float32 and integers as float64, in which squares do not overflow."""
    if x.dtype.kind != "f":
        return x.astype(np.float64)
    return x.astype(np.float32) if x.dtype == np.float16 else x


def in_units(away: Any, var: Any, x: Any) -> Any:
    """How many deviations away, in x's type if that is float16."""
    z = away / np.sqrt(var)
    return z.astype(x.dtype) if x.dtype == np.float16 else z


def with_axes_after(p: Tensor, after: int) -> Tensor:
    """Reshape `(channels,)` to `(channels, 1, 1)`, if after = 2, to broadcast with images."""
    return p.reshape(*p.shape, *[1] * after) if after else p


def as_shape(shape: int | Shape) -> Shape:
    """Make a shape of a size, that of one axis; a shape stays as it is."""
    return tuple(shape) if isinstance(shape, tuple | list) else (shape,)


def last_axes(layer: LayerNorm | RMSNorm, x: Tensor | Array) -> Shape:
    """The axes of x that a layer normalizes: as many as its shape has."""
    shape = layer.normalized_shape
    if x.shape[-len(shape) :] != shape:
        sizes = ", ".join(map(str, shape))
        raise ValueError(
            f"{type(layer).__name__}(({sizes})) takes shapes (…, {sizes}), found {x.shape}"
        )
    return tuple(range(-len(shape), 0))
