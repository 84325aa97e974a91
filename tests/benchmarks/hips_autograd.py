"""HIPS autograd: NumPy recorded through a wrapped namespace.

It has no layers and no optimizer: the update is numpy_by_hand's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import grad, value_and_grad
from autograd.scipy.special import logsumexp

from .numpy_by_hand import array as array
from .numpy_by_hand import descent, windows
from .numpy_by_hand import numpy as numpy
from .workloads import Array, Work, affine, mix

NAME = "HIPS autograd"
Step = Callable[..., Any]


def sigmoid(z: Any) -> Any:
    return 0.5 * (anp.tanh(0.5 * z) + 1)


def relu(z: Any) -> Any:
    return z * (z > 0)


def dense(parameters: Any, x: Any, activation: Callable[[Any], Any]) -> Any:
    """The last layer without an activation."""
    *layers, (W, b) = zip(parameters[::2], parameters[1::2], strict=True)
    for V, c in layers:
        x = activation(anp.dot(x, V.T) + c)
    return anp.dot(x, W.T) + b


def squared_error(parameters: Any, x: Array, y: Array) -> Any:
    return anp.sum((sigmoid(dense(parameters, x, sigmoid)) - y) ** 2) / len(x)


def cross_entropy(logits: Any, y: Array) -> Any:
    return -anp.mean(logits[np.arange(len(y)), y] - logsumexp(logits, axis=1))


def classified(parameters: Any, x: Array, y: Array) -> Any:
    return cross_entropy(dense(parameters, x, relu), y)


def convolved(parameters: Any, x: Array, y: Array) -> Any:
    """A product with the windows, laid out once.

    Its own convolution loops in Python, and is several times slower.
    """
    filters, b, W, c = parameters
    seen = windows(x)
    a = relu(anp.dot(filters.reshape(8, 9), seen).reshape(8, -1, 26, 26) + b[:, None, None, None])
    a = anp.max(a.reshape(8, -1, 13, 2, 13, 2), axis=(3, 5))
    return cross_entropy(anp.dot(anp.transpose(a, (1, 0, 2, 3)).reshape(len(x), -1), W.T) + c, y)


def trained(work: Work, cost: Callable[..., Any]) -> Step:
    parameters = [p.copy() for p in work.weights]
    update, with_gradient = descent(parameters, work), value_and_grad(cost)

    def step(x: Array, y: Array) -> Any:
        loss, gradients = with_gradient(parameters, x, y)
        update(gradients)
        return loss

    return step


def mlp(work: Work) -> Step:
    return trained(work, squared_error)


def classifier(work: Work) -> Step:
    return trained(work, classified)


def cnn(work: Work) -> Step:
    return trained(work, convolved)


written_out = mlp  # to autograd, it is


def hvp(work: Work) -> Step:
    def slope(parameters: Any, x: Array, y: Array) -> Any:
        gradients = grad(squared_error)(parameters, x, y)
        return sum(anp.sum(g * v) for g, v in zip(gradients, work.direction, strict=True))

    product = grad(slope)
    return lambda x, y: product(list(work.weights), x, y)


def affine_chain(work: Work) -> Step:
    return value_and_grad(lambda x: anp.sum(affine(x)))


def mix_chain(work: Work) -> Step:
    return value_and_grad(lambda x: anp.sum(mix(x, anp.sin, anp.tanh)))
