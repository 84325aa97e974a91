"""The same by hand, as fast as NumPy goes, which is what `replay` does without being told.

Four things pay. Every result has its place, `out=`, so that nothing is allocated. All weights are
views of one vector, and all gradients of another: an update is two calls, however many layers there
are. `dot` is called more cheaply than `@`, and a product with a vector of ones adds up rows more
cheaply than `sum(axis=0)`. Constants are arrays without an axis, which NumPy takes more quickly
than Python's numbers. What it costs: the batch has one size, and every line says where its result
goes. The parts are in buffers.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .buffers import (
    Convolution,
    Dense,
    Differentiated,
    constant,
    cross_entropy,
    flat,
    relu,
    relu_slope,
    sigmoid,
    sigmoid_slope,
)
from .numpy_by_hand import Step
from .numpy_by_hand import array as array
from .numpy_by_hand import numpy as numpy
from .workloads import CHAIN, LITTLE, SHIFT, SLOPE, Array, Work, affine

NAME = "NumPy with buffers"


def descent(p: Array, g: Array, work: Work) -> Callable[[], None]:
    """p ← p − lr · g on the one vector, or Adam."""
    if work.optimizer == "Adam":
        return adam(p, g, work.lr)
    lr = constant(work.lr)

    def update() -> None:
        np.multiply(g, lr, g)
        np.subtract(p, g, p)

    return update


def adam(
    p: Array, g: Array, lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Callable[[], None]:
    """lr · m̂ / (√v̂ + ε) = lr √c₂/c₁ · m / (√v + ε √c₂), c = 1 − βᵗ.

    The corrections are two numbers, not two arrays.
    """
    m, v, scratch = np.zeros_like(p), np.zeros_like(p), np.empty_like(p)
    b1, b2, rest1, rest2 = map(constant, (beta1, beta2, 1 - beta1, 1 - beta2))
    rate, epsilon, t = constant(0), constant(0), 0

    def update() -> None:
        nonlocal t
        t += 1
        root = (1 - beta2**t) ** 0.5
        rate[()], epsilon[()] = lr * root / (1 - beta1**t), eps * root
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


def mlp(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    n = len(work.batches[0][0])
    network = Dense(n, weights, gradients, sigmoid, sigmoid_slope, last=True)
    update = descent(p, gradient, work)
    a, error, numbers = network.a, network.g, network.g.reshape(-1)
    scale, size = constant(2 / n), constant(n)

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


def cnn(work: Work) -> Step:
    p, gradient, weights, gradients = flat(work.weights)
    n = len(work.batches[0][0])
    a, g, mask = (np.empty((n, 8 * 13 * 13), np.float32) for _ in range(3))
    images, dimages = (x.reshape(n, 8, 13, 13).transpose(1, 0, 2, 3) for x in (a, g))
    convolution = Convolution(n, *weights[:2], *gradients[:2])
    output = Dense(n, weights[2:], gradients[2:], below=g)
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


def hvp(work: Work) -> Step:
    """The R-operator, with h above R{h} in one array, and R{δ} above δ in another.

    R{∂C/∂W} = R{δ}ᵀ h + δᵀ R{h} is then one product.
    """
    _, _, weights, products = flat(work.weights)
    n = len(work.batches[0][0])
    kinds = [each[start::2] for each in (weights, work.direction, products) for start in (0, 1)]
    layers = [Differentiated(n, *arrays) for arrays in zip(*kinds, strict=True)]
    output, scale = layers[-1], constant(2 / n)

    def step(x: Array, y: Array) -> list[Array]:
        below = None
        for layer in layers:
            below = layer.forward(x, below)
        np.subtract(output.a, y, output.g)
        np.multiply(output.g, scale, output.g)
        np.multiply(output.Ra, scale, output.Rg)
        for layer, below in zip(layers[::-1], [*layers[-2::-1], None], strict=True):
            layer.backward(x, below)
        return products

    return step


def affine_chain(work: Work) -> Step:
    """One number is fastest as Python's own float.

    Many stay in one array, which every operation changes in place.
    """
    if not work.batches[0][0].ndim:
        return lambda x: (affine(float(x)), multiplied(1.0))
    slope, shift = constant(SLOPE, float), constant(SHIFT, float)
    z, g = np.empty_like(work.batches[0][0]), np.empty_like(work.batches[0][0])

    def step(x: Array) -> tuple[Any, Any]:
        np.copyto(z, x)
        g.fill(1.0)
        for _ in range(CHAIN // 2):
            np.multiply(z, slope, z)
            np.add(z, shift, z)
        for _ in range(CHAIN // 2):
            np.multiply(g, slope, g)
        return np.add.reduce(z), g

    return step


def multiplied(g: float) -> float:
    for _ in range(CHAIN // 2):
        g = g * SLOPE
    return g


def mix_chain(work: Work) -> Step:
    """Likewise, with math's functions for one number.

    Many take the slopes on the way, so that no result is kept.
    """
    x0 = work.batches[0][0]
    if not x0.ndim:
        return one_number
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
