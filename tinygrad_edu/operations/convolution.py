"""Convolution and pooling, of signals and images: made of `windows` and of NumPy's own functions.

A window is what a kernel sees in one place. Once all windows are laid out, a convolution is a
matrix product, and a pool is a maximum or a mean. The transpose of `windows` is `overlap_add`: it
is what a transposed convolution does with a matrix product. All is written for any number of axes;
the public functions, which users find in `special`, say whether there are one or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.derivatives import axis_slice, scatter
from tinygrad_edu.core.engine import derivative, operation
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.lengths import narrow, wide

Pair = tuple[int, int]  # one for the rows, one for the columns
Sizes = Sequence[int]  # one for each axis of a window
Frame = list[Pair]  # how many rows or columns come before and after, for each axis


def conv1d(
    x,
    weight,
    bias=None,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
):
    """z[b, o, p] = bias[o] + Σ weight[o, c, i] x[b, c, p·s + i·d]: conv2d for signals.

    x is `(batch, in, length)`, weight `(out, in/groups, kernel)`, z `(batch, out, places)`.

    >>> conv1d(np.array([[[1.0, 4.0, 9.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[3., 5.]]])
    """
    return convolved(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x,
    weight,
    bias=None,
    stride: int | Pair = 1,
    padding: int | Pair | str = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
):
    """z[b, o, p, q] = bias[o] + Σ weight[o, c, i, j] x[b, c, p·s + i·d, q·s + j·d].

    The sum is over i, j and the channels c of o's group; s is the stride, d the dilation. x is
    `(batch, in, height, width)`, with `padding` zeros on each side, "same" for as many as keep the
    size; weight `(out, in/groups, rows, columns)`; bias `(out,)`. As in PyTorch the kernel is not
    flipped: mathematics calls this cross-correlation. Shapes that do not fit raise ValueError.

    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[-1.0, 1.0]]]])).shape
    (1, 1, 3, 2)
    """
    return convolved(2, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    x,
    weight,
    bias=None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
):
    """z[b, o, p·s + i·d, q·s + j·d] = bias[o] + Σ weight[c, o, i, j] x[b, c, p, q].

    The transpose of conv2d with the same options: where it makes images smaller, this makes them
    larger. x is `(batch, in, rows, columns)`, weight `(in, out/groups, kernel rows, columns)`;
    `padding` is cut off on each side, `output_padding`, less than the stride, is added at the end.
    Shapes that do not fit raise ValueError.

    >>> conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), stride=2).shape
    (1, 1, 4, 4)
    """
    if np.ndim(x) != 4 or np.ndim(weight) != 4 or not transposed_fit(x, weight, bias, groups):
        raise errors.transposed_do_not_fit(x, weight, bias, groups)
    steps, gaps = as_sizes("stride", stride, 2), as_sizes("dilation", dilation, 2)
    cut = as_sizes("padding", padding, 2, least=0)
    more = as_sizes("output_padding", output_padding, 2, least=0)
    if any(n >= step for n, step in zip(more, steps, strict=True)):
        raise errors.output_padding_too_large(more, steps)
    (batch, channels, *places), (_, per_group, *kernel) = x.shape, weight.shape
    filters = weight.reshape(groups, channels // groups, per_group * math.prod(kernel))
    columns = filters.mT @ x.reshape(batch, groups, channels // groups, math.prod(places))
    columns = columns.reshape(batch, groups * per_group, *kernel, *places)
    reach = kernel_reach(kernel, gaps)
    whole = [(n - 1) * s + k + m for n, s, k, m in zip(places, steps, reach, more, strict=True)]
    if any(2 * n >= size for n, size in zip(cut, whole, strict=True)):
        raise errors.nothing_left(cut, whole)
    z = overlap_add(columns, tuple(whole), steps, gaps)
    if any(cut):
        z = z[(..., *[slice(n, size - n) for n, size in zip(cut, whole, strict=True)])]
    return z if bias is None else z + bias.reshape(-1, 1, 1)


def max_pool1d(
    x,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
):
    """The greatest number in each window of signals `(batch, channels, length)`: see max_pool2d.

    >>> max_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    array([[[3., 2.]]])
    """
    return max_pooled(1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    ceil_mode: bool = False,
):
    """The greatest number in each window of images: a pool.

    x `(batch, channels, height, width)` gives `(batch, channels, rows, columns)`. Windows are
    `stride` pixels apart, by default `kernel_size`; pixels left over at the right and bottom are
    not seen, unless ceil_mode=True lets windows reach beyond. `padding`, half a kernel at most, is
    −∞. Numbers that tie share the gradient equally; PyTorch gives all of it to the first.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return max_pooled(2, x, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
):
    """The mean of each window of signals `(batch, channels, length)`: see avg_pool2d.

    >>> avg_pool1d(np.array([[[1.0, 3.0, 2.0, 0.0]]]), 2)
    array([[[2., 1.]]])
    """
    return avg_pooled(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    x,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
):
    """The mean of each window of images: shapes and windows are as for `max_pool2d`.

    `padding` is 0, and counts, unless count_include_pad=False. divisor_override, if it is given, is
    what sums are divided by.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    options = padding, ceil_mode, count_include_pad, divisor_override
    return avg_pooled(2, x, kernel_size, stride, *options)


def adaptive_avg_pool(x, output_size: Sizes):
    """Average the last axes down to the sizes asked for: means over windows that cover them.

    Along an axis of n numbers the window at place i reaches from ⌊i n/size⌋ to ⌈(i + 1) n/size⌉.
    An output of size 1 is the mean of all.

    >>> adaptive_avg_pool(np.array([[[1.0, 3.0, 2.0, 0.0]]]), (2,))
    array([[[2., 1.]]])
    """
    sizes = as_sizes("output_size", output_size, len(output_size))
    for axis, size in zip(range(x.ndim - len(sizes), x.ndim), sizes, strict=True):
        n, places = x.shape[axis], range(size)
        parts = [axis_slice(axis, x.ndim, i * n // size, -(-(i + 1) * n // size)) for i in places]
        x = np.concatenate([np.mean(x[part], axis=axis, keepdims=True) for part in parts], axis)
    return x


# What they are made of


@operation
def windows(x, kernel: Sizes, stride: Sizes, dilation: Sizes):
    """Lay out what the kernel sees at each place: for images, at p, q

    z[…, i, j, p, q] = x[…, p·stride + i·dilation, q·stride + j·dilation]
    """
    n = len(kernel)
    shape = (*x.shape[:-n], *kernel, *window_counts(x.shape[-n:], kernel, stride, dilation))
    z = np.empty_like(x, shape=shape)
    for offset, pixels in meetings(z.shape[-2 * n :], stride, dilation):
        z[offset] = x[pixels]
    return z


@operation
def overlap_add(x, shape: Sizes, stride: Sizes, dilation: Sizes):
    """Add windows up in an image of shape (height, width): the transpose of `windows`."""
    n = len(shape)
    z = np.zeros_like(x, shape=(*x.shape[: -2 * n], *shape))
    reach = kernel_reach(x.shape[-2 * n : -n], dilation)
    apart = all(step >= extent for step, extent in zip(stride, reach, strict=True))
    for offset, pixels in meetings(x.shape[-2 * n :], stride, dilation):
        if apart:
            z[pixels] = x[offset]  # nothing to add up, and three times faster
        else:
            z[pixels] += x[offset]
    return z


# fmt: off
derivative(windows,     lambda g, z, x, kernel, stride, dilation:
                        overlap_add(g, x.shape[-len(kernel):], stride, dilation))
derivative(overlap_add, lambda g, z, x, shape, stride, dilation:
                        windows(g, x.shape[-2 * len(shape):-len(shape)], stride, dilation))
# fmt: on


def convolved(n: int, x, weight, bias, stride, padding, dilation, groups: int):
    """A convolution over the last n axes."""
    if not filters_fit(n, x, weight, bias, groups):
        raise errors.filters_do_not_fit(n, x, weight, bias, groups)
    (batch, channels), (out, _, *kernel) = x.shape[:2], weight.shape
    stride, dilation = as_sizes("stride", stride, n), as_sizes("dilation", dilation, n)
    frame = frame_around(padding, kernel, stride, dilation)
    columns = image_windows(x, "weight's kernel", kernel, stride, dilation, frame)
    places, seen = columns.shape[-n:], channels // groups * math.prod(kernel)
    columns = columns.reshape(batch, groups, seen, math.prod(places))
    filters = weight.reshape(groups, out // groups, seen)
    z = filters @ columns  # (groups, out/groups, seen) @ (batch, groups, seen, places)
    z = z.reshape(batch, out, *places)
    return z if bias is None else z + bias.reshape(out, *[1] * n)


def max_pooled(n: int, x, kernel_size, stride, padding, dilation, ceil_mode: bool):
    """The maximum over windows of the last n axes."""
    kernel, stride, frame, _ = pool_shape(n, x, kernel_size, stride, padding, dilation, ceil_mode)
    if any(map(any, frame)):
        inside = np.pad(np.ones(x.shape[-n:], bool), frame)
        x = np.where(inside, add_frame(x, frame), -np.inf)
    dilation = as_sizes("dilation", dilation, n)
    z = image_windows(x, "kernel_size", kernel, stride, dilation, [(0, 0)] * n)
    return np.max(z, axis=tuple(range(-2 * n, -n)))


def avg_pooled(n: int, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor):
    """The mean over windows of the last n axes."""
    kernel, stride, frame, own = pool_shape(n, x, kernel_size, stride, padding, 1, ceil_mode)
    axes, ones = tuple(range(-2 * n, -n)), (1,) * n
    z = wide(image_windows(x, "kernel_size", kernel, stride, ones, frame))
    if divisor is not None:
        (divisor,) = as_sizes("divisor_override", divisor, 1)
        return narrow(np.sum(z, axis=axes) / divisor, x)
    if count_include_pad and frame == own:
        return narrow(np.mean(z, axis=axes), x)
    sizes = x.shape[-n:]
    beyond = [(a - p, b - q) for (a, b), (p, q) in zip(frame, own, strict=True)]
    counted = np.pad(np.ones(sizes), own, constant_values=float(count_include_pad))
    counts = windows(np.pad(counted, beyond), kernel, stride, ones).sum(axis=axes)
    return narrow(np.sum(z, axis=axes) / counts.astype(z.dtype), x)


def pool_shape(
    n: int, x, kernel_size, stride, padding, dilation, ceil_mode: bool
) -> tuple[Sizes, Sizes, Frame, Frame]:
    """The kernel, the stride, the frame, and what of that frame was asked for."""
    check_images(n, x)
    kernel = as_sizes("kernel_size", kernel_size, n)
    stride = kernel if stride is None else as_sizes("stride", stride, n)
    dilation, padding = as_sizes("dilation", dilation, n), as_sizes("padding", padding, n, least=0)
    reach, frame = kernel_reach(kernel, dilation), []
    if any(2 * p > extent for p, extent in zip(padding, reach, strict=True)):
        raise errors.padding_too_large(padding, kernel)
    for size, extent, step, p in zip(x.shape[-n:], reach, stride, padding, strict=True):
        count = (size + 2 * p - extent) // step + 1
        if ceil_mode and (size + 2 * p - extent) % step and count * step < size + p:
            count += 1  # one more window, which begins inside
        frame.append((p, max(p, (count - 1) * step + extent - size - p)))
    return kernel, stride, frame, [(p, p) for p in padding]


def meetings(shape: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[tuple[Any, Any]]:
    """Yield two indices for each number of a kernel: in the windows, and of the pixels it meets.

    `shape` is the shape of the windows: kernel rows, kernel columns, rows, columns.
    """
    n = len(stride)
    kernel, places = shape[:n], shape[n:]
    every = [slice(None)] * n
    for offset in np.ndindex(*kernel):
        pixels = [
            slice(i * d, i * d + count * step, step)
            for i, d, count, step in zip(offset, dilation, places, stride, strict=True)
        ]
        yield (..., *offset, *every), (..., *pixels)


def window_counts(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> list[int]:
    """How many windows fit along each axis: the first, and one for every further stride."""
    reach = kernel_reach(kernel, dilation)
    return [(n - extent) // step + 1 for n, extent, step in zip(size, reach, stride, strict=True)]


def kernel_reach(kernel: Sizes, dilation: Sizes) -> list[int]:
    """How far a kernel reaches: 3 numbers with a dilation of 2 reach over 5 pixels."""
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]


def image_windows(x, what: str, kernel, stride: Sizes, dilation: Sizes, frame: Frame):
    """Check the arguments of a public function, pad its images, and lay out their windows."""
    n = len(frame)
    check_images(n, x)
    kernel, images = as_sizes(what, kernel, n), add_frame(x, frame)
    reach = kernel_reach(kernel, dilation)
    if any(extent > size for extent, size in zip(reach, images.shape[-n:], strict=True)):
        raise errors.kernel_too_large(x, kernel, reach, images)
    return windows(images, kernel, stride, dilation)


def frame_around(padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Frame:
    """How many zeros come before and after, from a number, one for each axis, or "same"."""
    if padding == "valid":
        padding = 0
    if padding != "same":
        return [(p, p) for p in as_sizes("padding", padding, len(kernel), least=0)]
    if any(step != 1 for step in stride):
        raise errors.same_with_stride(stride)
    totals = [extent - 1 for extent in kernel_reach(kernel, dilation)]
    return [(total // 2, total - total // 2) for total in totals]


def add_frame(x, frame: Frame):
    """Images within a frame of zeros: so many rows before and after, so many columns."""
    if not any(map(any, frame)):
        return x
    n = len(frame)
    axes = [*zip(x.shape[-n:], frame, strict=True)]
    inside = (..., *[slice(before, before + size) for size, (before, _) in axes])
    shape = (*x.shape[:-n], *[before + size + after for size, (before, after) in axes])
    return scatter(x, indices=(inside,), shape=shape)


def as_sizes(what: str, value: Any, n: int, least: int = 1) -> tuple[int, ...]:
    """A size for each of n axes, from one whole number for all, or from one for each."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value,) * n
    if len(sizes) == n and all(isinstance(k, int | np.integer) and k >= least for k in sizes):
        return sizes
    raise errors.not_a_size(what, value, n, least)


def check_images(n: int, x) -> None:
    if np.ndim(x) != n + 2:
        raise errors.images_expected(n, x)


def filters_fit(n: int, x, weight, bias, groups: int) -> bool:
    """Whether the shapes of images, filters and bias fit together."""
    if np.ndim(x) != n + 2 or np.ndim(weight) != n + 2:
        return False
    channels_fit = weight.shape[1] * groups == x.shape[1] and len(weight) % groups == 0
    return channels_fit and (bias is None or np.shape(bias) == (len(weight),))


def transposed_fit(x, weight, bias, groups: int) -> bool:
    """The same for a transposed convolution, whose weight has the channels of x first."""
    channels_fit = groups >= 1 and len(weight) == x.shape[1] and len(weight) % groups == 0
    return channels_fit and (bias is None or np.shape(bias) == (weight.shape[1] * groups,))
