"""Backpropagation by hand, as one writes NumPy: no engine, the chain rule worked out on paper.

Every function returns a step, which takes a batch, changes the weights and returns the cost. `g` is
∂C/∂a, the gradient that arrives at a layer's output; `delta` is ∂C/∂z, before the activation. What
is measured everywhere is measured against this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .workloads import CHAIN, LITTLE, SLOPE, Array, Work, affine

NAME = "NumPy by hand"
Step = Callable[..., Any]


def array(x: Array) -> Array:
    return x


def numpy(x: Any) -> Array:
    return np.asarray(x)


def pairs(arrays: Any) -> list[tuple[Array, Array]]:
    """Copies of W, b, W, b … as (W, b), (W, b) …"""
    copies = [x.copy() for x in arrays]
    return list(zip(copies[::2], copies[1::2], strict=True))


def sigmoid(z: Array) -> Any:
    return 1 / (1 + np.exp(-z))


def mlp(work: Work) -> Step:
    """a = σ(W a + b) in every layer, C = Σ (a − y)² / batch."""
    layers, lr = pairs(work.weights), work.lr

    def step(x: Array, y: Array) -> Any:
        a = [x]
        for W, b in layers:
            a.append(sigmoid(a[-1] @ W.T + b))  # (batch, in) @ (in, out)
        error = a[-1] - y
        cost = np.sum(error**2) / len(x)
        g = 2 * error / len(x)  # ∂C/∂a = 2 (a − y) / batch
        for i in reversed(range(len(layers))):
            W, b = layers[i]
            delta = g * a[i + 1] * (1 - a[i + 1])  # σ′ = σ (1 − σ)
            if i:
                g = delta @ W  # (batch, out) @ (out, in): what the layer before receives
            W -= lr * (delta.T @ a[i])  # (out, batch) @ (batch, in)
            b -= lr * delta.sum(axis=0)
        return cost

    return step


written_out = mlp  # by hand, all is written out


def cross_entropy(logits: Array, y: Array) -> tuple[Any, Array]:
    """C = −ln p of each example's own class, averaged, and ∂C/∂logits.

    ∂C/∂logits = (p − 1 for the own class) / batch.
    """
    logits = logits - logits.max(axis=1, keepdims=True)  # e^x cannot overflow
    e = np.exp(logits)
    total = e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    delta = e / total
    cost = -np.mean(logits[rows, y] - np.log(total[:, 0]))
    delta[rows, y] -= 1
    return cost, delta / len(y)


def descent(parameters: list[Array], work: Work) -> Callable[[list[Array]], None]:
    """Gradient descent, or Adam: the update that takes the gradients."""
    if work.optimizer == "Adam":
        return adam(parameters, work.lr)

    def update(gradients: list[Array]) -> None:
        for p, g in zip(parameters, gradients, strict=True):
            p -= work.lr * g

    return update


def adam(
    parameters: list[Array], lr: float, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
) -> Any:
    """p ← p − lr · m̂ / (√v̂ + ε). (Kingma & Ba 2015, algorithm 1)"""
    ms, vs, t = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters], 0

    def update(gradients: list[Array]) -> None:
        nonlocal t
        t += 1
        for p, g, m, v in zip(parameters, gradients, ms, vs, strict=True):
            m *= beta1
            m += (1 - beta1) * g
            v *= beta2
            v += (1 - beta2) * g**2
            p -= lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)

    return update


def classifier(work: Work) -> Step:
    """a = ReLU(W a + b), the last layer without; softmax and cross-entropy."""
    layers = pairs(work.weights)
    update = descent([p for layer in layers for p in layer], work)

    def step(x: Array, y: Array) -> Any:
        a = [x]
        for W, b in layers[:-1]:
            a.append(np.maximum(a[-1] @ W.T + b, 0))
        W, b = layers[-1]
        cost, delta = cross_entropy(a[-1] @ W.T + b, y)
        gradients: list[Array] = []
        for i in reversed(range(len(layers))):
            gradients = [delta.T @ a[i], delta.sum(axis=0), *gradients]
            if i:
                delta = delta @ layers[i][0] * (a[i] > 0)  # ReLU′ is 1 or 0
        update(gradients)
        return cost

    return step


def windows(x: Array) -> Array:
    """Images `(batch, 1, 28, 28)` ↦ what each of nine taps sees, `(9, batch · 26 · 26)`."""
    taps = [x[:, 0, i : i + 26, j : j + 26] for i in range(3) for j in range(3)]
    return np.stack(taps).reshape(9, -1)


def cnn(work: Work) -> Step:
    """Filters first, `(8, batch, rows, columns)`: then a convolution is one product.

    (8, 9) @ (9, batch · rows · columns).
    """
    (filters, b), (W, c) = layers = pairs(work.weights)
    update = descent([p for layer in layers for p in layer], work)
    corners = [np.s_[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]  # of each 2×2

    def step(x: Array, y: Array) -> Any:
        n, seen = len(x), windows(x)
        z = (filters.reshape(8, 9) @ seen).reshape(8, n, 26, 26) + b[:, None, None, None]
        a = np.maximum(z, 0)
        one, two, three, four = quarters = [a[corner] for corner in corners]
        greatest = np.maximum(np.maximum(one, two), np.maximum(three, four))
        flat = greatest.transpose(1, 0, 2, 3).reshape(n, -1)
        cost, delta = cross_entropy(flat @ W.T + c, y)
        g = (delta @ W).reshape(n, 8, 13, 13).transpose(1, 0, 2, 3) * (greatest > 0)
        dz, free = np.empty_like(a), np.ones(greatest.shape, bool)
        for corner, quarter in zip(corners, quarters, strict=True):
            chosen = free & (quarter == greatest)  # of several that are greatest, the first
            dz[corner] = g * chosen
            free &= ~chosen
        dfilters = (dz.reshape(8, -1) @ seen.T).reshape(8, 1, 3, 3)
        update([dfilters, dz.sum(axis=(1, 2, 3)), delta.T @ flat, delta.sum(axis=0)])
        return cost

    return step


def hvp(work: Work) -> Step:
    """H v by the R-operator, R{·} = ∂/∂ε at w + ε v.

    The forward and the backward pass are differentiated. (Pearlmutter 1994)
    """
    layers, direction = pairs(work.weights), pairs(work.direction)

    def step(x: Array, y: Array) -> list[Array]:
        a, Ra = [x], [np.zeros_like(x)]
        for (W, b), (V, v) in zip(layers, direction, strict=True):
            Rz = a[-1] @ V.T + v
            if len(a) > 1:
                Rz += Ra[-1] @ W.T  # the images themselves don't depend on the weights
            a.append(sigmoid(a[-1] @ W.T + b))
            Ra.append(a[-1] * (1 - a[-1]) * Rz)
        g, Rg = 2 * (a[-1] - y) / len(x), 2 * Ra[-1] / len(x)
        product: list[Array] = []
        for i in reversed(range(len(layers))):
            slope = a[i + 1] * (1 - a[i + 1])
            delta, Rdelta = g * slope, Rg * slope + g * Ra[i + 1] * (1 - 2 * a[i + 1])
            RW = Rdelta.T @ a[i]
            if i:
                RW += delta.T @ Ra[i]
                W, V = layers[i][0], direction[i][0]
                g, Rg = delta @ W, Rdelta @ W + delta @ V
            product = [RW, Rdelta.sum(axis=0), *product]
        return product

    return step


def affine_chain(work: Work) -> Step:
    """∂/∂x: every × multiplies the gradient."""

    def step(x: Array) -> tuple[Any, Any]:
        z, g = affine(x), np.ones_like(x)[()]
        for _ in range(CHAIN // 2):
            g = g * SLOPE
        return z.sum(), g

    return step


def mix_chain(work: Work) -> Step:
    """x + c tanh(sin x) has the slope 1 + c (1 − tanh²(sin x)) cos x."""

    def step(x: Array) -> tuple[Any, Any]:
        xs, ts = [x[()]], []
        for _ in range(CHAIN // 4):
            ts.append(np.tanh(np.sin(xs[-1])))
            xs.append(xs[-1] + ts[-1] * LITTLE)
        g = np.ones_like(x)[()]
        for x, t in zip(reversed(xs[:-1]), reversed(ts), strict=True):
            g = g + g * LITTLE * (1 - t * t) * np.cos(x)
        return xs[-1].sum(), g

    return step
