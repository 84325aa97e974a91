"""The parts of numpy_with_buffers.py: layers, and a loss, that have a place for every result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .workloads import Array


def constant(x: float, dtype: Any = np.float32) -> Array:
    return np.array(x, dtype)


HALF, ONE, TWO, ZERO = constant(0.5), constant(1), constant(2), constant(0)


def views(vector: Array, like: Sequence[Array]) -> list[Array]:
    """A vector cut into arrays of these shapes."""
    ends = np.cumsum([x.size for x in like])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(x.shape) for part, x in zip(parts, like, strict=True)]


def flat(arrays: Sequence[Array]) -> tuple[Array, Array, list[Array], list[Array]]:
    """The weights as one vector, their gradient as another, and the views of both."""
    vector = np.concatenate([x.ravel() for x in arrays])
    gradient = np.zeros_like(vector)
    return vector, gradient, views(vector, arrays), views(gradient, arrays)


def sigmoid(z: Array) -> None:
    """σ(z) = (1 + tanh(z/2)) / 2, in z's place."""
    np.multiply(z, HALF, z)
    np.tanh(z, z)
    np.multiply(z, HALF, z)
    np.add(z, HALF, z)


def sigmoid_slope(a: Array, g: Array, slope: Array) -> None:
    """g ← g σ′, σ′ = a − a²"""
    np.multiply(a, a, slope)
    np.subtract(a, slope, slope)
    np.multiply(g, slope, g)


def relu(z: Array) -> None:
    np.maximum(z, ZERO, out=z)


def relu_slope(a: Array, g: Array, slope: Array) -> None:
    """g is kept where a > 0."""
    np.greater(a, ZERO, slope)
    np.multiply(g, slope, g)


class Dense:
    """Linear layers with a place for every result, and their gradients in their views.

    `g` is ∂C/∂a of the last, and then ∂C/∂z.
    """

    def __init__(
        self,
        n: int,
        weights: Sequence[Array],
        gradients: Sequence[Array],
        activation: Any = None,
        slope: Any = None,
        last: bool = False,
        below: Array | None = None,
    ) -> None:
        (Ws, bs), (gWs, gbs) = ((arrays[::2], arrays[1::2]) for arrays in (weights, gradients))
        outputs, gs, slopes = ([np.empty((n, len(b)), np.float32) for b in bs] for _ in range(3))
        hidden, ones = len(bs) - 1, np.ones(n, np.float32)
        self.a, self.g = outputs[-1], gs[-1]
        WTs, gTs = [W.T for W in Ws], [g.T for g in gs]
        activations = [activation] * hidden + [activation if last else None]
        self.layers = list(zip(WTs, bs, outputs, activations, strict=True))
        kept = zip(Ws, gWs, gbs, outputs, gs, gTs, slopes, strict=True)
        slope_of = [slope] * hidden + [slope if last else None]
        before = zip(slope_of, [None, *outputs[:-1]], [below, *gs[:-1]], strict=True)
        back = [(*a, ones, *b) for a, b in zip(kept, before, strict=True)]
        self.back = back[::-1]

    def forward(self, x: Array) -> None:
        for WT, b, a, activate in self.layers:
            np.dot(x, WT, a)
            np.add(a, b, a)
            if activate:
                activate(a)
            x = a

    def backward(self, x: Array) -> None:
        for W, gW, gb, a, g, gT, scratch, ones, slope, h, before in self.back:
            if slope:
                slope(a, g, scratch)
            np.dot(ones, g, gb)
            np.dot(gT, x if h is None else h, gW)
            if before is not None:
                np.dot(g, W, before)


def cross_entropy(logits: Array, g: Array) -> Callable[[Array], Any]:
    """What computes C = −ln p of the own class, averaged, and puts ∂C/∂logits into g.

    It changes the logits.
    """
    n, classes = logits.shape
    greatest, total = np.empty((n, 1), np.float32), np.empty((n, 1), np.float32)
    ones, size = np.ones((classes, 1), np.float32), constant(n)
    start, own = np.arange(n) * classes, np.empty(n, np.int64)
    numbers, gs = logits.reshape(-1), g.reshape(-1)

    def loss(y: Array) -> Any:
        np.maximum.reduce(logits, 1, None, greatest, True)
        np.subtract(logits, greatest, logits)
        np.exp(logits, g)
        np.dot(g, ones, total)
        np.divide(g, total, g)
        np.log(total, total)
        np.add(start, y, own)
        cost = (np.add.reduce(total, None) - np.add.reduce(numbers.take(own))) / size
        gs[own] -= ONE
        np.divide(g, size, g)
        return cost

    return loss


class Convolution:
    """Filters 3×3 over images, and the greatest of each 2×2.

    Filters are the first axis, so that it is one product.
    """

    def __init__(self, n: int, filters: Array, b: Array, gfilters: Array, gb: Array) -> None:
        self.filters, self.gfilters = filters.reshape(8, 9), gfilters.reshape(8, 9)
        self.b, self.gb = b.reshape(8, 1, 1, 1), gb
        self.seen, self.z, self.dz = (np.empty((rows, n * 676), np.float32) for rows in (9, 8, 8))
        self.seenT, self.ones = self.seen.T, np.ones(n * 676, np.float32)
        self.taps = [
            (row.reshape(n, 26, 26), np.s_[:, 0, i : i + 26, j : j + 26])
            for row, (i, j) in zip(self.seen, np.ndindex(3, 3), strict=True)
        ]
        z, dz = (x.reshape(8, n, 26, 26) for x in (self.z, self.dz))
        self.corners = [(z[:, :, i::2, j::2], dz[:, :, i::2, j::2]) for i, j in np.ndindex(2, 2)]
        self.greatest, self.other, self.g = (np.empty((8, n, 13, 13), np.float32) for _ in range(3))
        self.chosen, self.free = (np.empty(self.g.shape, bool) for _ in range(2))

    def forward(self, x: Array, out: Array) -> None:
        """The greatest of z + b is the greatest of z, + b: a quarter of the additions."""
        (z0, _), (z1, _), (z2, _), (z3, _) = self.corners
        for row, tap in self.taps:
            row[...] = x[tap]
        np.dot(self.filters, self.seen, self.z)
        np.maximum(z0, z1, out=self.greatest)
        np.maximum(z2, z3, out=self.other)
        np.maximum(self.greatest, self.other, out=self.greatest)
        np.add(self.greatest, self.b, out)

    def backward(self, g: Array) -> None:
        """Of several that are greatest, the first receives it."""
        np.copyto(self.g, g)
        self.free.fill(True)
        for z, dz in self.corners:
            np.equal(z, self.greatest, self.chosen)
            np.logical_and(self.chosen, self.free, self.chosen)
            np.logical_xor(self.free, self.chosen, self.free)
            np.multiply(self.g, self.chosen, dz)
        np.dot(self.dz, self.seenT, self.gfilters)
        np.dot(self.dz, self.ones, self.gb)


class Differentiated:
    """A layer of sigmoids and its derivative in a direction."""

    def __init__(
        self, n: int, W: Array, b: Array, V: Array, v: Array, RW: Array, Rb: Array
    ) -> None:
        self.W, self.WT, self.b = W, W.T, b
        self.V, self.VT, self.v = V, V.T, v
        self.RW, self.Rb = RW, Rb
        self.h, self.delta = (np.empty((2 * n, len(b)), np.float32) for _ in range(2))
        self.a, self.Ra = self.h[:n], self.h[n:]
        self.Rg, self.g, self.deltaT = self.delta[:n], self.delta[n:], self.delta.T
        self.slope, self.scratch = (np.empty((n, len(b)), np.float32) for _ in range(2))
        self.ones, self.RgT = np.ones(n, np.float32), self.Rg.T

    def forward(self, x: Array, below: Differentiated | None) -> Differentiated:
        """a = σ(W h + b) and R{a} = σ′ (W R{h} + V h + v).

        The images themselves don't depend on the weights.
        """
        a, Ra, slope = self.a, self.Ra, self.slope
        if below is None:
            np.dot(x, self.WT, a)
            np.dot(x, self.VT, Ra)
        else:
            np.dot(below.h, self.WT, self.h)
            np.dot(below.a, self.VT, self.scratch)
            np.add(Ra, self.scratch, Ra)
        np.add(a, self.b, a)
        np.add(Ra, self.v, Ra)
        sigmoid(a)
        np.multiply(a, a, slope)
        np.subtract(a, slope, slope)
        np.multiply(Ra, slope, Ra)
        return self

    def backward(self, x: Array, below: Differentiated | None) -> None:
        """δ = g σ′ and R{δ} = R{g} σ′ + g R{a} (1 − 2a)"""
        g, Rg, scratch = self.g, self.Rg, self.scratch
        np.multiply(self.a, TWO, scratch)
        np.subtract(ONE, scratch, scratch)
        np.multiply(scratch, self.Ra, scratch)
        np.multiply(scratch, g, scratch)
        np.multiply(Rg, self.slope, Rg)
        np.add(Rg, scratch, Rg)
        np.multiply(g, self.slope, g)
        np.dot(self.ones, Rg, self.Rb)
        if below is None:
            np.dot(self.RgT, x, self.RW)
        else:
            np.dot(self.deltaT, below.h, self.RW)
            np.dot(self.delta, self.W, below.delta)
            np.dot(g, self.V, below.scratch)
            np.add(below.Rg, below.scratch, below.Rg)
