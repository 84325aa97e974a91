"""Convolution and pooling of images: made of `windows` and of NumPy's own functions.

A window is what a kernel sees in one place. Once every window of an image is laid out, a
convolution is a matrix product, and a pool is a maximum or a mean. The transpose of `windows` is
`overlap_add`. Users find the public functions in `special`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.core.derivatives import scatter
from tinygrad_edu.core.engine import derivative, operation
from tinygrad_edu.operations import errors

Pair = tuple[int, int]  # one for the rows, one for the columns


def conv2d(
    x,
    weight,
    bias=None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
):
    """z[b, o, p, q] = bias[o] + Σ weight[o, c, i, j] x[b, c, p·s + i·d, q·s + j·d].

    The sum is over i, j and the channels c of o's group; s is the stride, d the dilation. x is
    `(batch, in, height, width)`, with `padding` zeros on each side; weight `(out, in/groups, rows,
    columns)`; bias `(out,)`. As in PyTorch the kernel is not flipped: mathematics calls this
    cross-correlation. Shapes that do not fit raise ValueError.

    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[-1.0, 1.0]]]])).shape
    (1, 1, 3, 2)
    """
    if not filters_fit(x, weight, bias, groups):
        raise errors.filters_do_not_fit(x, weight, bias, groups)
    columns = image_windows(x, "weight's kernel", weight.shape[2:], stride, padding, dilation)
    batch, out, (rows, width) = len(x), len(weight), columns.shape[-2:]
    seen = weight[0].size  # so many numbers of x go into each output
    columns = columns.reshape(batch, groups, seen, rows * width)
    filters = weight.reshape(groups, out // groups, seen)
    z = filters @ columns  # (groups, out/groups, seen) @ (batch, groups, seen, places)
    z = z.reshape(batch, out, rows, width)
    return z if bias is None else z + bias.reshape(out, 1, 1)


def max_pool2d(x, kernel_size: int | Pair, stride: int | Pair | None = None):
    """The greatest number in each window of images: a pool.

    x `(batch, channels, height, width)` gives `(batch, channels, rows, columns)`. Windows are
    `stride` pixels apart, by default `kernel_size`; pixels left over at the right and bottom are
    not seen. Numbers that tie share the gradient equally; PyTorch gives all of it to the first.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return np.max(pool_windows(x, kernel_size, stride), axis=(-4, -3))


def avg_pool2d(x, kernel_size: int | Pair, stride: int | Pair | None = None):
    """The mean of each window of images: shapes and windows are as for `max_pool2d`.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return np.mean(pool_windows(x, kernel_size, stride), axis=(-4, -3))


@operation
def windows(x, kernel: Pair, stride: Pair, dilation: Pair):
    """Lay out what the kernel sees at each place p, q of an image.

    z[…, i, j, p, q] = x[…, p·stride + i·dilation, q·stride + j·dilation]
    """
    shape = (*x.shape[:-2], *kernel, *window_counts(x.shape[-2:], kernel, stride, dilation))
    z = np.empty_like(x, shape=shape)
    for offset, pixels in meetings(z.shape[-4:], stride, dilation):
        z[offset] = x[pixels]
    return z


@operation
def overlap_add(x, shape: Pair, stride: Pair, dilation: Pair):
    """Add windows up in an image of shape (height, width): the transpose of `windows`."""
    z = np.zeros_like(x, shape=(*x.shape[:-4], *shape))
    reach = kernel_reach(x.shape[-4:-2], dilation)
    apart = all(step >= extent for step, extent in zip(stride, reach, strict=True))
    for offset, pixels in meetings(x.shape[-4:], stride, dilation):
        if apart:
            z[pixels] = x[offset]  # nothing to add up, and three times faster
        else:
            z[pixels] += x[offset]
    return z


# fmt: off
derivative(windows,     lambda g, z, x, kernel, stride, dilation:
                        overlap_add(g, x.shape[-2:], stride, dilation))
derivative(overlap_add, lambda g, z, x, shape, stride, dilation:
                        windows(g, x.shape[-4:-2], stride, dilation))
# fmt: on


def meetings(shape: tuple[int, ...], stride: Pair, dilation: Pair) -> Iterator[tuple[Any, Any]]:
    """Yield two indices for each number of a kernel: in the windows, and of the pixels it meets.

    `shape` is the shape of the windows: kernel rows, kernel columns, rows, columns.
    """
    every = slice(None)
    for i, j in np.ndindex(shape[:2]):
        top, left = i * dilation[0], j * dilation[1]
        rows = slice(top, top + shape[2] * stride[0], stride[0])
        columns = slice(left, left + shape[3] * stride[1], stride[1])
        yield (..., i, j, every, every), (..., rows, columns)


def window_counts(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> list[int]:
    """How many windows fit, in rows and in columns: the first, and one for every further stride."""
    reach = kernel_reach(kernel, dilation)
    return [(n - extent) // step + 1 for n, extent, step in zip(size, reach, stride, strict=True)]


def kernel_reach(kernel: Pair, dilation: Pair) -> list[int]:
    """How far a kernel reaches: 3 numbers with a dilation of 2 reach over 5 pixels."""
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]


def pool_windows(x, kernel_size: int | Pair, stride: int | Pair | None):
    """The windows of a pool; if stride is None they lie side by side."""
    return image_windows(x, "kernel_size", kernel_size, kernel_size if stride is None else stride)


def image_windows(
    x,
    what: str,
    kernel: int | Pair,
    stride: int | Pair,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
):
    """Check the arguments of a public function, pad its images, and lay out their windows."""
    if np.ndim(x) != 4:
        raise errors.images_expected(x)
    kernel, stride = as_pair(what, kernel), as_pair("stride", stride)
    dilation = as_pair("dilation", dilation)
    images = add_frame(x, as_pair("padding", padding, least=0))
    reach = kernel_reach(kernel, dilation)
    if reach[0] > images.shape[2] or reach[1] > images.shape[3]:
        raise errors.kernel_too_large(x, kernel, reach, images)
    return windows(images, kernel, stride, dilation)


def add_frame(x, padding: Pair):
    """Images within a frame of zeros: `padding` rows above and below, columns left and right."""
    if not any(padding):
        return x
    (rows, columns), (height, width) = padding, x.shape[-2:]
    inside = (..., slice(rows, rows + height), slice(columns, columns + width))
    shape = (*x.shape[:-2], height + 2 * rows, width + 2 * columns)
    return scatter(x, indices=(inside,), shape=shape)


def as_pair(what: str, value: Any, least: int = 1) -> Pair:
    """A pair, from one whole number for both rows and columns, or from one for each."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) == 2 and all(isinstance(n, int | np.integer) and n >= least for n in both):
        return both
    raise errors.not_a_pair(what, value, least)


def filters_fit(x, weight, bias, groups: int) -> bool:
    """Whether the shapes of images, filters and bias fit together."""
    if np.ndim(x) != 4 or np.ndim(weight) != 4:
        return False
    channels_fit = weight.shape[1] * groups == x.shape[1] and len(weight) % groups == 0
    return channels_fit and (bias is None or np.shape(bias) == (len(weight),))
