"""MyGrad: NumPy recorded by operator overloading.

Its update is numpy_by_hand's; it has no second derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet import conv_nd, max_pool, relu, sigmoid, softmax_crossentropy

from .numpy_by_hand import array as array
from .numpy_by_hand import descent
from .workloads import Array, Work, affine, mix

NAME = "MyGrad"
Step = Callable[..., Any]


def numpy(x: Any) -> Array:
    return np.asarray(x)


def dense(parameters: Any, x: Any, activation: Callable[[Any], Any]) -> Any:
    """The last layer without an activation."""
    *layers, (W, b) = zip(parameters[::2], parameters[1::2], strict=True)
    for V, c in layers:
        x = activation(x @ V.T + c)
    return x @ W.T + b


def squared_error(parameters: Any, x: Array, y: Array) -> Any:
    return mg.sum((sigmoid(dense(parameters, x, sigmoid)) - y) ** 2) / len(x)


def classified(parameters: Any, x: Array, y: Array) -> Any:
    return softmax_crossentropy(dense(parameters, x, relu), y)


def convolved(parameters: Any, x: Array, y: Array) -> Any:
    filters, b, W, c = parameters
    a = max_pool(relu(conv_nd(x, filters, stride=1) + b.reshape(1, 8, 1, 1)), pool=(2, 2), stride=2)
    return softmax_crossentropy(a.reshape(len(x), -1) @ W.T + c, y)


def trained(work: Work, cost: Callable[..., Any]) -> Step:
    parameters = [mg.tensor(p.copy()) for p in work.weights]
    update = descent([p.data for p in parameters], work)

    def step(x: Array, y: Array) -> Any:
        loss = cost(parameters, x, y)
        loss.backward()
        update([p.grad for p in parameters])
        return loss

    return step


def mlp(work: Work) -> Step:
    return trained(work, squared_error)


def classifier(work: Work) -> Step:
    return trained(work, classified)


def cnn(work: Work) -> Step:
    return trained(work, convolved)


written_out = mlp  # to MyGrad, it is


def chain(f: Callable[[Any], Any]) -> Step:
    def step(x: Array) -> tuple[Any, Any]:
        x = mg.tensor(x)
        z = f(x).sum()
        z.backward()
        return z, x.grad

    return step


def affine_chain(work: Work) -> Step:
    return chain(affine)


def mix_chain(work: Work) -> Step:
    return chain(lambda x: mix(x, mg.sin, mg.tanh))
