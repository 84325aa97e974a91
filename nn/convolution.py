"""Layers of windows: convolutions and pools of signals and images; what pads and enlarges them.

Layers of one axis and of two differ in the function of `special` that they run. Each layer also
takes a single signal `(channels, length)` or image `(channels, height, width)`, without a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor, special

from .layers import weight_and_bias
from .module import Array, Module, Shape

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "MaxPool1d",
    "MaxPool2d",
    "Pad2d",
    "Upsample",
]

Sizes = int | Sequence[int]  # one for all axes, or one for each
PAD_MODES: dict[str, Any] = {
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}  # PyTorch's, NumPy's


class Windowed(Module):
    """What layers of windows share: how many axes a window has, and options."""

    one_box = True

    axes: ClassVar[int] = 2

    def keep_options(self, **options: Any) -> None:
        """Keep the options that differ from the class's defaults: only these are shown."""
        for name, value in options.items():
            if value != getattr(type(self), name):
                setattr(self, name, value)

    def one_or_many(self, function: Callable[..., Any], x: Any, *args: Any) -> Any:
        """Apply a function of batches; an x without a batch becomes a batch of one."""
        if x.ndim != self.axes + 1:
            return function(x, *args)
        return function(x[None], *args)[0]


class Convolution(Windowed):
    """What convolutions share: a weight `(out, in/groups, *kernel)`, a bias, the options."""

    padding_mode = "zeros"
    runs: ClassVar[Callable[..., Any]]  # a function of special

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        kernel = for_each_axis(kernel_size, self.axes)
        if (
            min(in_channels, out_channels, groups, *kernel) < 1
            or in_channels % groups
            or out_channels % groups
        ):
            raise ValueError(
                "expected channels and a kernel of at least 1, and groups that divide both "
                f"channels, found {type(self).__name__}({in_channels}, {out_channels}, "
                f"{kernel_size}, groups={groups})"
            )
        if padding_mode not in ("zeros", *PAD_MODES):
            raise ValueError(
                f"expected a padding_mode among {['zeros', *PAD_MODES]}, found {padding_mode!r}"
            )
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.keep_options(padding_mode=padding_mode)
        shape = self.weight_shape(in_channels, out_channels, kernel)
        self.weight, self.bias = weight_and_bias(shape, out_channels, bias, rng, dtype)

    def weight_shape(self, in_channels: int, out_channels: int, kernel: Shape) -> Shape:
        return (out_channels, in_channels // self.groups, *kernel)

    def forward(self, x: Tensor | Array) -> Any:
        return self.one_or_many(self.on_batch, x)

    def on_batch(self, x: Any) -> Any:
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = np.pad(x, self.frame(), PAD_MODES[self.padding_mode]), 0
        options = self.stride, padding, self.dilation, self.groups
        return type(self).runs(x, self.weight, self.bias, *options)

    def frame(self) -> Any:
        """What np.pad adds before and after each axis of a batch."""
        none = [(0, 0), (0, 0)]  # batch and channels
        if self.padding == "same":
            if any(step != 1 for step in for_each_axis(self.stride, self.axes)):
                raise ValueError(
                    f'padding="same" keeps the size, which a stride of {self.stride} does not: '
                    "give a number"
                )
            kernel, dilation = self.weight.shape[2:], for_each_axis(self.dilation, self.axes)
            totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
            return [*none, *[(total // 2, total - total // 2) for total in totals]]
        padding = 0 if self.padding == "valid" else self.padding
        return [*none, *[(n, n) for n in for_each_axis(padding, self.axes)]]


class Conv1d(Convolution):
    """z[b, o] = bias[o] + Σ weight[o, c] ⋆ x[b, c], filters slid along signals: `special.conv1d`.

    `(batch, in_channels, length)` becomes `(batch, out_channels, places)`. Otherwise as Conv2d.

    >>> Conv1d(3, 8, kernel_size=5, padding="same")(np.zeros((1, 3, 100), np.float32)).shape
    (1, 8, 100)
    """

    axes, runs = 1, staticmethod(special.conv1d)


class Conv2d(Convolution):
    """z[b, o] = bias[o] + Σ weight[o, c] ⋆ x[b, c], the filters slid over images: `special.conv2d`.

    `(batch, in_channels, height, width)` becomes `(batch, out_channels, rows, columns)`; `weight`
    is `(out_channels, in_channels/groups, kernel rows, kernel columns)`. Weight and bias start
    uniform between ±1/√(numbers that one output adds up), as PyTorch's. `padding` is a number,
    "same" for the size of x, or "valid"; padding_mode is "zeros", "reflect", "replicate" or
    "circular". Raises ValueError if x or the options do not fit.

    >>> Conv2d(3, 8, kernel_size=5, stride=2, padding=2)(np.zeros((1, 3, 32, 32), np.float32)).shape
    (1, 8, 16, 16)
    """

    runs = staticmethod(special.conv2d)


class ConvTranspose2d(Convolution):
    """The transpose of Conv2d, which makes images larger: `special.conv_transpose2d`.

    `(batch, in_channels, rows, columns)` becomes `(batch, out_channels, height, width)`: a Conv2d
    of the same options goes the other way. If a stride allows several sizes, `output_padding`
    chooses. `weight` is `(in_channels, out_channels/groups, kernel rows, kernel columns)`.

    >>> ConvTranspose2d(8, 3, kernel_size=2, stride=2)(np.zeros((1, 8, 16, 16), np.float32)).shape
    (1, 3, 32, 32)
    """

    output_padding: Sizes = 0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        options = stride, padding, dilation, groups, bias
        super().__init__(in_channels, out_channels, kernel_size, *options, rng=rng, dtype=dtype)
        self.keep_options(output_padding=output_padding)

    def weight_shape(self, in_channels: int, out_channels: int, kernel: Shape) -> Shape:
        return (in_channels, out_channels // self.groups, *kernel)

    def on_batch(self, x: Any) -> Any:
        options: Any = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return special.conv_transpose2d(x, self.weight, self.bias, *options)


class MaxPool(Windowed):
    """What max pools share: all but the number of axes."""

    padding: Sizes = 0
    dilation: Sizes = 1
    ceil_mode = False
    runs: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.keep_options(padding=padding, dilation=dilation, ceil_mode=ceil_mode)

    def forward(self, x: Tensor | Array) -> Any:
        options = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        return self.one_or_many(type(self).runs, x, *options)


class MaxPool1d(MaxPool):
    """The greatest number in each window of signals `(batch, channels, length)`: as MaxPool2d.

    >>> MaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[3., 2.]]])
    """

    axes, runs = 1, staticmethod(special.max_pool1d)


class MaxPool2d(MaxPool):
    """The greatest number in each window of images `(batch, channels, height, width)`.

    Windows are `stride` apart, by default `kernel_size`. `padding` is −∞; with ceil_mode=True
    windows may reach beyond the end. Numbers that tie share the gradient; in PyTorch the first
    takes it all. Raises ValueError if x or the options do not fit.

    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """

    runs = staticmethod(special.max_pool2d)


class AvgPool(Windowed):
    """What average pools share: all but the number of axes."""

    padding: Sizes = 0
    ceil_mode = False
    count_include_pad = True
    divisor_override: int | None = None

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.keep_options(padding=padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad)

    def forward(self, x: Tensor | Array) -> Any:
        options: Any = self.padding, self.ceil_mode, self.count_include_pad
        if self.axes == 1:
            return self.one_or_many(special.avg_pool1d, x, self.kernel_size, self.stride, *options)
        options = *options, self.divisor_override
        return self.one_or_many(special.avg_pool2d, x, self.kernel_size, self.stride, *options)


class AvgPool1d(AvgPool):
    """The mean of each window of signals `(batch, channels, length)`: as AvgPool2d.

    >>> AvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[2., 1.]]])
    """

    axes = 1


class AvgPool2d(AvgPool):
    """The mean of each window; the windows are those of MaxPool2d.

    `padding` is 0, and counts, unless count_include_pad=False. divisor_override, if it is given, is
    what sums are divided by.

    >>> AvgPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.keep_options(divisor_override=divisor_override)


class AdaptiveAvgPool1d(Windowed):
    """Means of windows that cover the signal, so that it becomes `(…, output_size)` long.

    >>> AdaptiveAvgPool1d(1)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[1.5]]])
    """

    axes = 1

    def __init__(self, output_size: Sizes | Sequence[int | None]) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor | Array) -> Any:
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ValueError(
                f"{type(self).__name__} takes (batch, channels, …) with {self.axes} more axes, "
                f"found {x.shape}"
            )
        wanted = zip(for_each_axis(self.output_size, self.axes), x.shape[-self.axes :], strict=True)
        return special.adaptive_avg_pool(x, tuple(own if n is None else n for n, own in wanted))


class AdaptiveAvgPool2d(AdaptiveAvgPool1d):
    """Means of windows that cover the image, so that it becomes `(…, *output_size)`.

    output_size is a number for both axes, or one for each, None for the image's own. With 1 it is
    the mean of each channel, which a classifier takes before its last layer.

    >>> AdaptiveAvgPool2d(1)(np.arange(16.0).reshape(1, 1, 4, 4))
    array([[[[7.5]]]])
    """

    axes = 2


class Pad2d(Module):
    """Add rows and columns around images: `padding` on all sides, or (left, right, top, bottom).

    mode is "constant", which fills in `value`, or "reflect", "replicate" or "circular". PyTorch has
    a class for each: ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d.

    >>> Pad2d((1, 0, 0, 0), mode="replicate")(np.array([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2.]]]])
    """

    one_box = True

    def __init__(self, padding: Sizes, mode: str = "constant", value: float = 0.0) -> None:
        sides = for_each_axis(padding, 4)
        if not all(isinstance(n, int | np.integer) and n >= 0 for n in sides):
            raise ValueError(
                f"expected a padding ≥ 0, or (left, right, top, bottom), found {padding!r}"
            )
        if mode not in ("constant", *PAD_MODES):
            raise ValueError(f"expected a mode among {['constant', *PAD_MODES]}, found {mode!r}")
        self.padding, self.mode, self.value = padding, mode, value

    def forward(self, x: Any) -> Any:
        if x.ndim < 2:
            raise ValueError(f"Pad2d takes shapes (…, height, width), found {x.shape}")
        left, right, top, bottom = for_each_axis(self.padding, 4)
        frame: Any = [(0, 0)] * (x.ndim - 2) + [(top, bottom), (left, right)]
        if self.mode == "constant":
            return np.pad(x, frame, constant_values=self.value)
        return np.pad(x, frame, PAD_MODES[self.mode])


class Upsample(Module):
    """Images with every pixel repeated: z[…, p, q] = x[…, ⌊p n/size⌋, ⌊q m/width⌋], the nearest.

    Give the `size` of the result, or a whole `scale_factor`; either may be a pair. All axes after
    the second are enlarged: those of signals, images or volumes.

    >>> Upsample(scale_factor=2)(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """

    one_box = True

    def __init__(self, size: Sizes | None = None, scale_factor: Sizes | None = None) -> None:
        if (size is None) is (scale_factor is None):
            raise ValueError(
                f"give size or scale_factor, found size={size}, scale_factor={scale_factor}"
            )
        given: Any = size if scale_factor is None else scale_factor
        sizes = given if isinstance(given, tuple | list) else (given,)
        if not all(n >= 1 and n % 1 == 0 for n in sizes):  # PyTorch keeps a factor as 2.0
            raise ValueError(
                f"expected whole numbers of at least 1, found size={size}, "
                f"scale_factor={scale_factor}"
            )
        self.size, self.scale_factor = size, scale_factor

    def forward(self, x: Tensor | Array) -> Any:
        if x.ndim < 3:
            raise ValueError(f"Upsample takes shapes (batch, channels, …), found {x.shape}")
        old = x.shape[2:]
        given = for_each_axis(
            self.size if self.scale_factor is None else self.scale_factor, len(old)
        )
        for axis, (n, k) in enumerate(zip(old, given, strict=True), start=2):
            new = int(k if self.scale_factor is None else n * k)
            x = np.take(x, np.arange(new) * n // new, axis=axis)
        return x


def for_each_axis(value: Any, n: int) -> tuple[Any, ...]:
    """One size for each of n axes; one that is given for all is repeated."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(sizes) != n:
        raise ValueError(f"expected one size, or one for each of {n}, found {value!r}")
    return sizes
