"""Convolution and pooling of images: one pair of operations, `windows` and its transpose
`overlap_add`, and NumPy's own.

A window is what a kernel sees in one place. Once every window of an image is laid out, a
convolution is a matrix product, and a pool is a maximum or a mean. Users find these functions in
`special`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.derivatives import scatter
from tinygrad_edu.core.engine import derivative, operation

Pair = tuple[int, int]  # one for the rows, one for the columns


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Any:
    """z[b, o, p, q] = bias[o] + Σ weight[o, c, i, j] x[b, c, p·stride + i·dilation, q·stride +
    j·dilation], c of o's group.

    x is `(batch, in, height, width)`, with `padding` zeros on each side; weight `(out, in/groups,
    rows, columns)`; bias `(out,)`. The kernel is not flipped, as in PyTorch: mathematics calls this
    cross-correlation. ValueError for misfits.

    >>> conv2d(np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[-1.0, 1.0]]]])).shape
    (1, 1, 3, 2)
    """
    if not fits(x, weight, bias, groups):
        raise errors.filters_do_not_fit(x, weight, bias, groups)
    columns = windows_of(x, "weight's kernel", weight.shape[2:], stride, padding, dilation)
    batch, out, seen, places = (
        len(x),
        len(weight),
        weight[0].size,
        columns.shape[-2:],
    )  # each output sees `seen` pixels
    columns = columns.reshape(batch, groups, seen, places[0] * places[1])
    z = (
        weight.reshape(groups, out // groups, seen) @ columns
    )  # (groups, out/groups, seen) @ (batch, groups, seen, places)
    z = z.reshape(batch, out, *places)
    return z if bias is None else z + bias.reshape(out, 1, 1)


def max_pool2d(x: Any, kernel_size: int | Pair, stride: int | Pair | None = None) -> Any:
    """The greatest number in each window: `(batch, channels, height, width)` to `(batch, channels,
    rows, columns)`.

    Windows are `stride` apart, a `kernel_size` if it is left out; what is left over at the right
    and at the bottom is not seen. Numbers that tie share the gradient equally, as everywhere here:
    PyTorch gives all of it to the first.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return np.max(pooled(x, kernel_size, stride), axis=(-4, -3))


def avg_pool2d(x: Any, kernel_size: int | Pair, stride: int | Pair | None = None) -> Any:
    """The mean of each window: `(batch, channels, height, width)` to `(batch, channels, rows,
    columns)`; see `max_pool2d`.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return np.mean(pooled(x, kernel_size, stride), axis=(-4, -3))


@operation
def windows(x: Any, kernel: Pair, stride: Pair, dilation: Pair) -> Any:
    """z[…, i, j, p, q] = x[…, p·stride + i·dilation, q·stride + j·dilation]: what the kernel sees
    at p, q."""
    shape = (*x.shape[:-2], *kernel, *how_many(x.shape[-2:], kernel, stride, dilation))
    z = np.empty_like(x, shape=shape)
    for offset, pixels in meetings(z.shape[-4:], stride, dilation):
        z[offset] = x[pixels]
    return z


@operation
def overlap_add(x: Any, shape: Pair, stride: Pair, dilation: Pair) -> Any:
    """Windows laid back into an image of this height and width, adding up where they overlap: the
    transpose of windows."""
    z = np.zeros_like(x, shape=(*x.shape[:-4], *shape))
    apart = all(
        s >= extent for s, extent in zip(stride, extents(x.shape[-4:-2], dilation), strict=True)
    )
    for offset, pixels in meetings(x.shape[-4:], stride, dilation):
        if apart:
            z[pixels] = x[offset]  # nothing to add up, and three times faster
        else:
            z[pixels] += x[offset]
    return z


# fmt: off
derivative(windows, lambda g, z, x, kernel, stride, dilation: overlap_add(g, x.shape[-2:], stride, dilation))
derivative(overlap_add, lambda g, z, x, shape, stride, dilation: windows(g, x.shape[-4:-2], stride, dilation))
# fmt: on


def meetings(shape: tuple[int, ...], stride: Pair, dilation: Pair) -> Iterator[tuple[Any, Any]]:
    """For each number of a kernel: its index in the windows, of this shape, and that of the pixels
    it meets in the image."""
    for i, j in np.ndindex(shape[:2]):
        top, left = i * dilation[0], j * dilation[1]
        yield (
            (..., i, j, slice(None), slice(None)),
            (
                ...,
                slice(top, top + shape[2] * stride[0], stride[0]),
                slice(left, left + shape[3] * stride[1], stride[1]),
            ),
        )


def how_many(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> list[int]:
    """The number of windows that fit, in rows and columns: the first, and one for every further
    stride."""
    return [
        (n - extent) // s + 1
        for n, extent, s in zip(size, extents(kernel, dilation), stride, strict=True)
    ]


def extents(kernel: Pair, dilation: Pair) -> list[int]:
    """How far a kernel reaches: 3 numbers with a dilation of 2 reach over 5 pixels."""
    return [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]


def pooled(x: Any, kernel_size: int | Pair, stride: int | Pair | None) -> Any:
    """The windows of a pool."""
    return windows_of(x, "kernel_size", kernel_size, kernel_size if stride is None else stride)


def windows_of(
    x: Any,
    what: str,
    kernel: int | Pair,
    stride: int | Pair,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
) -> Any:
    """The windows of padded images; arguments are checked here, for all of the public functions."""
    if np.ndim(x) != 4:
        raise errors.images_expected(x)
    kernel, stride, dilation = (
        pair(what, kernel),
        pair("stride", stride),
        pair("dilation", dilation),
    )
    images = framed(x, pair("padding", padding, least=0))
    reach = extents(kernel, dilation)
    if reach[0] > images.shape[2] or reach[1] > images.shape[3]:
        raise errors.kernel_too_large(x, kernel, reach, images)
    return windows(images, kernel, stride, dilation)


def framed(x: Any, padding: Pair) -> Any:
    """Images within a frame of zeros: `padding` rows above and below, columns left and right."""
    (rows, columns), (height, width) = padding, x.shape[-2:]
    inside = (..., slice(rows, rows + height), slice(columns, columns + width))
    return (
        scatter(x, indices=(inside,), shape=(*x.shape[:-2], height + 2 * rows, width + 2 * columns))
        if any(padding)
        else x
    )


def pair(what: str, value: Any, least: int = 1) -> Pair:
    """One whole number for rows and columns, or one for each."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) == 2 and all(isinstance(n, int | np.integer) and n >= least for n in both):
        return both
    raise errors.not_a_pair(what, value, least)


def fits(x: Any, weight: Any, bias: Any, groups: int) -> bool:
    """Whether images, filters and bias go together."""
    if np.ndim(x) != 4 or np.ndim(weight) != 4:
        return False
    return (
        weight.shape[1] * groups == x.shape[1]
        and len(weight) % groups == 0
        and (bias is None or np.shape(bias) == (len(weight),))
    )
