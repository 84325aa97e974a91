"""The same by hand, as fast as NumPy goes: what beats plain NumPy, and what `replay` does without being told.

Four things pay. Every result has its place, `out=`, so that nothing is allocated. All weights are views of one vector, and
all gradients of another: an update is two calls, however many layers there are. `dot` is called more cheaply than `@`, and a
product with a vector of ones adds up rows more cheaply than `sum(axis=0)`. Constants are arrays without an axis, which NumPy
takes more quickly than Python's numbers. What it costs: the batch has one size, and every line says where its result goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .numpy_by_hand import Step
from .numpy_by_hand import array as array
from .numpy_by_hand import numpy as numpy
from .workloads import CHAIN, LITTLE, SHIFT, SLOPE, Array, Work, affine

NAME = "NumPy with buffers"


def constant(x: float, dtype: Any = np.float32) -> Array: return np.array(x, dtype)


HALF, ONE, ZERO = constant(0.5), constant(1), constant(0)


def views(vector: Array, like: Sequence[Array]) -> list[Array]:
    """A vector cut into arrays of these shapes."""
    ends = np.cumsum([x.size for x in like])
    return [part.reshape(x.shape) for part, x in zip(np.split(vector, ends[:-1]), like, strict=True)]


def flat(arrays: Sequence[Array]) -> tuple[Array, Array, list[Array], list[Array]]:
    """The weights as one vector, their gradient as another, and the views of both."""
    vector = np.concatenate([x.ravel() for x in arrays])
    gradient = np.zeros_like(vector)
    return vector, gradient, views(vector, arrays), views(gradient, arrays)


def descent(p: Array, g: Array, work: Work) -> Callable[[], None]:
    """p ← p − lr · g on the one vector, or Adam."""
    if work.optimizer == "Adam": return adam(p, g, work.lr)
    lr = constant(work.lr)

    def update() -> None:
        np.multiply(g, lr, g)
        np.subtract(p, g, p)
    return update


def adam(p: Array, g: Array, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> Callable[[], None]:
    """lr · m̂ / (√v̂ + ε) = lr √c₂/c₁ · m / (√v + ε √c₂), c = 1 − βᵗ: the corrections are two numbers, not two arrays."""
    m, v, scratch = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
    b1, b2, rest1, rest2 = map(constant, (beta1, beta2, 1 - beta1, 1 - beta2))
    rate, epsilon, t = constant(0), constant(0), 0

    def update() -> None:
        nonlocal t
        t += 1
        root = (1 - beta2 ** t) ** 0.5
        rate[()], epsilon[()] = lr * root / (1 - beta1 ** t), eps * root
        np.multiply(m, b1, m)
        np.multiply(g, rest1, scratch)
        np.add(m, scratch, m)
        np.multiply(g, g, scratch)
        np.multiply(scratch, rest2, scratch)
        np.multiply(v, b2, v)
        np.add(v, scratch, v)
        np.sqrt(v, scratch)
        np.add(scratch, epsilon, scratch)
        np.divide(m, scratch, scratch)
        np.multiply(scratch, rate, scratch)
        np.subtract(p, scratch, p)
    return update


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


def relu(z: Array) -> None: np.maximum(z, ZERO, out=z)


def relu_slope(a: Array, g: Array, slope: Array) -> None:
    """g is kept where a > 0."""
    np.greater(a, ZERO, slope)
    np.multiply(g, slope, g)


class Dense:
    """Linear layers with a place for every result; `g` is ∂C/∂a of the last, and then ∂C/∂z. Gradients go to their views."""

    def __init__(self, n: int, weights: Sequence[Array], gradients: Sequence[Array], activation: Any = None, slope: Any = None,
                 last: bool = False, below: Array | None = None) -> None:
        (Ws, bs), (gWs, gbs) = ((arrays[::2], arrays[1::2]) for arrays in (weights, gradients))
        outputs, gs, slopes = ([np.empty((n, len(b)), np.float32) for b in bs] for _ in range(3))
        hidden, ones = len(bs) - 1, np.ones(n, np.float32)
        self.a, self.g = outputs[-1], gs[-1]
        self.layers = list(zip([W.T for W in Ws], bs, outputs, [activation] * hidden + [activation if last else None],
                               strict=True))
        self.back = list(zip(Ws, gWs, gbs, outputs, gs, [g.T for g in gs], slopes, [ones] * (hidden + 1),
                             [slope] * hidden + [slope if last else None], [None, *outputs[:-1]], [below, *gs[:-1]],
                             strict=True))[::-1]

    def forward(self, x: Array) -> None:
        for WT, b, a, activate in self.layers:
            np.dot(x, WT, a)
            np.add(a, b, a)
            if activate: activate(a)
            x = a

    def backward(self, x: Array) -> None:
        for W, gW, gb, a, g, gT, scratch, ones, slope, h, before in self.back:
            if slope: slope(a, g, scratch)
            np.dot(ones, g, gb)
            np.dot(gT, x if h is None else h, gW)
            if before is not None: np.dot(g, W, before)


def mlp(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    n = len(work.batches[0][0])
    network, update = Dense(n, weights, gradients, sigmoid, sigmoid_slope, last=True), descent(p, gradient, work)
    a, error, numbers, scale, size = network.a, network.g, network.g.reshape(-1), constant(2 / n), constant(n)

    def step(x: Array, y: Array) -> Any:
        network.forward(x)
        np.subtract(a, y, error)
        cost = np.dot(numbers, numbers) / size
        np.multiply(error, scale, error)
        network.backward(x)
        update()
        return cost
    return step


written_out = mlp


def classifier(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    n = len(work.batches[0][0])
    network, update = Dense(n, weights, gradients, relu, relu_slope), descent(p, gradient, work)
    loss = cross_entropy(network.a, network.g)

    def step(x: Array, y: Array) -> Any:
        network.forward(x)
        cost = loss(y)
        network.backward(x)
        update()
        return cost
    return step


def cross_entropy(logits: Array, g: Array) -> Callable[[Array], Any]:
    """What computes C = −ln p of the own class, averaged, and puts ∂C/∂logits into g; it changes the logits."""
    n, classes = logits.shape
    greatest, total = np.empty((n, 1), np.float32), np.empty((n, 1), np.float32)
    ones, size = np.ones((classes, 1), np.float32), constant(n)
    start, own, numbers, gs = np.arange(n) * classes, np.empty(n, np.int64), logits.reshape(-1), g.reshape(-1)

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
    """Filters 3×3 over images, and the greatest of each 2×2; filters first, so that it is one product."""

    def __init__(self, n: int, filters: Array, b: Array, gfilters: Array, gb: Array) -> None:
        self.filters, self.gfilters, self.b, self.gb = filters.reshape(8, 9), gfilters.reshape(8, 9), b.reshape(8, 1, 1, 1), gb
        self.seen, self.z, self.dz = (np.empty((rows, n * 676), np.float32) for rows in (9, 8, 8))
        self.seenT, self.ones = self.seen.T, np.ones(n * 676, np.float32)
        self.taps = [(row.reshape(n, 26, 26), np.s_[:, 0, i:i + 26, j:j + 26])
                     for row, (i, j) in zip(self.seen, np.ndindex(3, 3), strict=True)]
        z, dz = (x.reshape(8, n, 26, 26) for x in (self.z, self.dz))
        self.corners = [(z[:, :, i::2, j::2], dz[:, :, i::2, j::2]) for i, j in np.ndindex(2, 2)]
        self.greatest, self.other, self.g = (np.empty((8, n, 13, 13), np.float32) for _ in range(3))
        self.chosen, self.free = (np.empty(self.g.shape, bool) for _ in range(2))

    def forward(self, x: Array, out: Array) -> None:
        """The greatest of z + b is the greatest of z, + b: a quarter of the additions."""
        (z0, _), (z1, _), (z2, _), (z3, _) = self.corners
        for row, tap in self.taps: row[...] = x[tap]
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


def cnn(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    n = len(work.batches[0][0])
    a, g, mask = (np.empty((n, 8 * 13 * 13), np.float32) for _ in range(3))
    images, dimages = (x.reshape(n, 8, 13, 13).transpose(1, 0, 2, 3) for x in (a, g))
    convolution, output = Convolution(n, *weights[:2], *gradients[:2]), Dense(n, weights[2:], gradients[2:], below=g)
    loss, update = cross_entropy(output.a, output.g), descent(p, gradient, work)

    def step(x: Array, y: Array) -> Any:
        convolution.forward(x, images)
        relu(a)  # after the pool: a quarter of the work
        output.forward(a)
        cost = loss(y)
        output.backward(a)
        relu_slope(a, g, mask)
        convolution.backward(dimages)
        update()
        return cost
    return step


def affine_chain(work: Work) -> Step:
    """One number is fastest as Python's own float; many stay in one array, which every operation changes in place."""
    if not work.batches[0][0].ndim: return lambda x: (affine(float(x)), multiplied(1.0))
    slope, shift = constant(SLOPE, float), constant(SHIFT, float)
    z, g = np.empty_like(work.batches[0][0]), np.empty_like(work.batches[0][0])

    def step(x: Array) -> tuple[Any, Any]:
        np.copyto(z, x)
        g.fill(1.0)
        for _ in range(CHAIN // 2):
            np.multiply(z, slope, z)
            np.add(z, shift, z)
        for _ in range(CHAIN // 2): np.multiply(g, slope, g)
        return np.add.reduce(z), g
    return step


def multiplied(g: float) -> float:
    for _ in range(CHAIN // 2): g = g * SLOPE
    return g


def mix_chain(work: Work) -> Step:
    """Likewise, with math's functions for one number; many take the slopes on the way, so that no result is kept."""
    x0 = work.batches[0][0]
    if not x0.ndim: return one_number
    z, g, s, t, u = (np.empty_like(x0) for _ in range(5))
    one, little = constant(1, float), constant(LITTLE, float)

    def step(x: Array) -> tuple[Any, Any]:
        np.copyto(z, x)
        g.fill(1.0)
        for _ in range(CHAIN // 4):
            np.sin(z, s)
            np.tanh(s, t)
            np.cos(z, s)
            np.multiply(t, t, u)
            np.subtract(one, u, u)
            np.multiply(u, s, u)
            np.multiply(u, little, u)
            np.add(u, one, u)
            np.multiply(g, u, g)  # 1 + c (1 − tanh²(sin x)) cos x
            np.multiply(t, little, t)
            np.add(z, t, z)
        return np.add.reduce(z), g
    return step


def one_number(x: Array) -> tuple[float, float]:
    z, g = float(x), 1.0
    for _ in range(CHAIN // 4):
        t = math.tanh(math.sin(z))
        g *= 1 + LITTLE * (1 - t * t) * math.cos(z)
        z += t * LITTLE
    return z, g
