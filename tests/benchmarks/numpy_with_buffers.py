"""The same by hand, as fast as NumPy goes: what beats plain NumPy, and what `replay` does without being told.

Four things pay. Every result has its place, `out=`, so that nothing is allocated. All weights are views of one vector, and
all gradients of another: an update is two calls, however many layers there are. `dot` is called more cheaply than `@`, and a
product with a vector of ones adds up rows more cheaply than `sum(axis=0)`. Constants are arrays without an axis, which NumPy
takes more quickly than Python's numbers. What it costs: the batch has one size, and every line says where its result goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .numpy_by_hand import Step
from .numpy_by_hand import array as array
from .numpy_by_hand import numpy as numpy
from .workloads import Array, Work

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
