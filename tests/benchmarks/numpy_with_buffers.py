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
    """σ(z) = (1 + tanh(z/2)) / 2, in place."""
    np.multiply(z, HALF, z)
    np.tanh(z, z)
    np.multiply(z, HALF, z)
    np.add(z, HALF, z)


def buffers(n: int, biases: Sequence[Array]) -> list[Array]:
    """A place for every layer's numbers, `(n, out)`."""
    return [np.empty((n, len(b)), np.float32) for b in biases]


def mlp(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    (Ws, bs), (gWs, gbs) = ((arrays[::2], arrays[1::2]) for arrays in (weights, gradients))
    n, update = len(work.batches[0][0]), descent(p, gradient, work)
    ones, scale, size = np.ones(n, np.float32), constant(2 / n), constant(n)
    outputs, deltas, slopes = buffers(n, bs), buffers(n, bs), buffers(n, bs)
    forward = list(zip([W.T for W in Ws], bs, outputs, strict=True))
    backward = list(zip(Ws, gWs, gbs, outputs, slopes, deltas, [delta.T for delta in deltas],
                        [None, *outputs[:-1]], [None, *deltas[:-1]], strict=True))[::-1]
    output, error, numbers = outputs[-1], deltas[-1], deltas[-1].reshape(-1)

    def step(x: Array, y: Array) -> Any:
        h = x
        for WT, b, a in forward:
            np.dot(h, WT, a)
            np.add(a, b, a)
            sigmoid(a)
            h = a
        np.subtract(output, y, error)
        cost = np.dot(numbers, numbers) / size
        np.multiply(error, scale, error)
        for W, gW, gb, a, slope, delta, deltaT, h, before in backward:
            np.multiply(a, a, slope)
            np.subtract(a, slope, slope)  # σ′ = a − a²
            np.multiply(delta, slope, delta)
            np.dot(ones, delta, gb)
            np.dot(deltaT, x if h is None else h, gW)
            if before is not None: np.dot(delta, W, before)
        update()
        return cost
    return step


written_out = mlp


def classifier(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    (Ws, bs), (gWs, gbs) = ((arrays[::2], arrays[1::2]) for arrays in (weights, gradients))
    n, update = len(work.batches[0][0]), descent(p, gradient, work)
    ones, outputs, deltas, masks = np.ones(n, np.float32), buffers(n, bs), buffers(n, bs), buffers(n, bs)
    forward = list(zip([W.T for W in Ws], bs, outputs, strict=True))
    backward = list(zip(Ws, gWs, gbs, deltas, [delta.T for delta in deltas], [None, *outputs[:-1]], [None, *deltas[:-1]],
                        [None, *masks[:-1]], strict=True))[::-1]
    loss = cross_entropy(n, outputs[-1], deltas[-1])

    def step(x: Array, y: Array) -> Any:
        h = x
        for WT, b, a in forward:
            np.dot(h, WT, a)
            np.add(a, b, a)
            if b is not bs[-1]: np.maximum(a, ZERO, a)
            h = a
        cost = loss(y)
        for W, gW, gb, delta, deltaT, h, before, mask in backward:
            np.dot(ones, delta, gb)
            np.dot(deltaT, x if h is None else h, gW)
            if h is None: break
            np.dot(delta, W, before)
            np.greater(h, ZERO, mask)
            np.multiply(before, mask, before)
        update()
        return cost
    return step


def cross_entropy(n: int, logits: Array, delta: Array) -> Callable[[Array], Any]:
    """What computes C = −ln p of the own class, averaged, and puts ∂C/∂logits into delta; it changes the logits."""
    greatest, total = np.empty((n, 1), np.float32), np.empty((n, 1), np.float32)
    ones, size = np.ones((logits.shape[1], 1), np.float32), constant(n)
    start, own, numbers = np.arange(n) * logits.shape[1], np.empty(n, np.int64), logits.reshape(-1)

    def loss(y: Array) -> Any:
        np.maximum.reduce(logits, 1, None, greatest, True)
        np.subtract(logits, greatest, logits)
        np.exp(logits, delta)
        np.dot(delta, ones, total)
        np.divide(delta, total, delta)
        np.log(total, total)
        np.add(start, y, own)
        cost = (np.add.reduce(total, None) - np.add.reduce(numbers.take(own))) / size
        delta.reshape(-1)[own] -= ONE
        np.divide(delta, size, delta)
        return cost
    return loss


def cnn(work: Work) -> Step:
    p, gradient, (filters, b, W, c), (gfilters, gb, gW, gc) = flat(work.weights)
    n, update = len(work.batches[0][0]), descent(p, gradient, work)
    filters, gfilters, WT, b = filters.reshape(8, 9), gfilters.reshape(8, 9), W.T, b.reshape(8, 1)
    seen, z, dz = (np.empty((rows, n * 676), np.float32) for rows in (9, 8, 8))
    taps = [(row.reshape(n, 26, 26), np.s_[:, 0, i:i + 26, j:j + 26])
            for row, (i, j) in zip(seen, np.ndindex(3, 3), strict=True)]
    corners = [tuple(x.reshape(8, n, 26, 26)[:, :, i::2, j::2] for x in (z, dz)) for i, j in np.ndindex(2, 2)]
    pooled, g, other = (np.empty((8, n, 13, 13), np.float32) for _ in range(3))
    chosen, free = (np.empty(pooled.shape, bool) for _ in range(2))
    features, dfeatures, logits, delta = (np.empty((n, size), np.float32) for size in (1352, 1352, 10, 10))
    in_order, din_order = (x.reshape(n, 8, 13, 13).transpose(1, 0, 2, 3) for x in (features, dfeatures))
    ones, places = np.ones(n, np.float32), np.ones(n * 676, np.float32)
    loss, deltaT, seenT = cross_entropy(n, logits, delta), delta.T, seen.T

    def forward(x: Array) -> None:
        for row, tap in taps: row[...] = x[tap]
        np.dot(filters, seen, z)
        np.maximum(corners[0][0], corners[1][0], pooled)
        np.maximum(corners[2][0], corners[3][0], other)
        np.maximum(pooled, other, pooled)
        np.add(pooled, b[:, :, None, None], in_order)  # the greatest of z + b is the greatest of z, + b; so with ReLU
        np.maximum(features, ZERO, features)
        np.dot(features, WT, logits)
        np.add(logits, c, logits)

    def backward() -> None:
        np.dot(ones, delta, gc)
        np.dot(deltaT, features, gW)
        np.dot(delta, W, dfeatures)
        np.multiply(dfeatures, features > ZERO, dfeatures)
        np.copyto(g, din_order)
        free.fill(True)
        for quarter, dquarter in corners:
            np.equal(quarter, pooled, chosen)
            np.logical_and(chosen, free, chosen)
            np.logical_xor(free, chosen, free)
            np.multiply(g, chosen, dquarter)
        np.dot(dz, seenT, gfilters)
        np.dot(dz, places, gb)

    def step(x: Array, y: Array) -> Any:
        forward(x)
        cost = loss(y)
        backward()
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
