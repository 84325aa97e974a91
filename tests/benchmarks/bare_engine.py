"""What an engine in Python costs at least: one node for each operation, one walk back, no checks.

No shapes or dtypes are looked at, nothing is broadcast, every argument wants a gradient, which
can't be differentiated again, no picture could be drawn, and an error would say nothing. What ours
takes beyond this is the price of all that.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import numpy as np

from .numpy_by_hand import array as array
from .numpy_by_hand import numpy as numpy
from .workloads import Array, Work, affine, mix

NAME = "a bare engine"
ORDER = itertools.count()
# One for each input that is a node: (g, z, …) ↦ ∂L/∂input
Partials = tuple[Callable[..., Any], ...]


@functools.cache
def ones(n: int, dtype: Any) -> Array:
    """(1, … 1): its product with a matrix is the sum of the rows, in a third of the time."""
    return np.ones(n, dtype)


class Node:
    """A result, the nodes that it was computed from, the partials, and what these need to know."""

    __slots__ = ("data", "grad", "inputs", "known", "order", "partials")

    def __init__(
        self,
        data: Any,
        inputs: tuple[Node, ...] = (),
        partials: Partials = (),
        known: tuple[Any, ...] = (),
    ) -> None:
        self.data, self.inputs, self.partials, self.known = data, inputs, partials, known
        self.order, self.grad = next(ORDER), None

    def __mul__(self, c: float) -> Node:
        return Node(self.data * c, (self,), MULTIPLY, (c,))

    def __add__(self, c: Any) -> Node:
        if isinstance(c, Node):
            return Node(self.data + c.data, (self, c), ADD_NODES)
        return Node(self.data + c, (self,), ADD)


MULTIPLY: Partials = (lambda g, z, c: g * c,)
ADD: Partials = (lambda g, z: g,)
ADD_NODES: Partials = (lambda g, z: g, lambda g, z: g)
SIN: Partials = (lambda g, z, x: g * np.cos(x),)
TANH: Partials = (lambda g, z: g * (1 - z * z),)
HALF, ONE, TWO = map(np.float32, (0.5, 1, 2))  # NumPy takes its own numbers faster than Python's
SIGMOID: Partials = (lambda g, z: g * (z * (ONE - z)),)
SQUARED_ERROR: Partials = (lambda g, z, d, shape: (g * TWO * d).reshape(shape),)
DIVIDE: Partials = (lambda g, z, n: g / n,)
LINEAR: Partials = (
    lambda g, z, x, w: g.T.dot(x),
    lambda g, z, x, w: ones(len(g), g.dtype).dot(g),
    lambda g, z, x, w: g.dot(w),
)


def sin(x: Node) -> Node:
    return Node(np.sin(x.data), (x,), SIN, (x.data,))


def tanh(x: Node) -> Node:
    return Node(np.tanh(x.data), (x,), TANH)


def linear(x: Any, w: Node, b: Node) -> Node:
    """x Wᵀ + b; x is an array or a node."""
    inputs, data = ((w, b, x), x.data) if isinstance(x, Node) else ((w, b), x)
    z = data.dot(w.data.T)
    z += b.data
    return Node(z, inputs, LINEAR, (data, w.data))


def sigmoid(x: Node) -> Node:
    z = np.tanh(x.data * HALF)
    z *= HALF
    z += HALF
    return Node(z, (x,), SIGMOID)


def squared_error(x: Node, y: Array) -> Node:
    d = (x.data - y).reshape(-1)
    return Node(np.dot(d, d), (x,), SQUARED_ERROR, (d, y.shape))


def backward(root: Node, g: Any) -> None:
    """Add ∂root/∂leaf to the `grad` of every leaf; the youngest node first."""
    gradients, pending = {root: g}, [(-root.order, root)]
    while pending:
        z = heappop(pending)[1]
        g, data, known = gradients.pop(z), z.data, z.known
        for x, partial in zip(z.inputs, z.partials, strict=False):
            found = partial(g, data, *known)
            if x in gradients:
                found = gradients[x] + found
            elif x.inputs:
                heappush(pending, (-x.order, x))
            gradients[x] = found
    for x, g in gradients.items():
        x.grad = g if x.grad is None else x.grad + g


def mlp(work: Work) -> Callable[..., Any]:
    """The weights are views of one vector, as in ours."""
    vector = np.concatenate([x.reshape(-1) for x in work.weights])
    gradient, lr = np.empty_like(vector), np.float32(work.lr)
    ends = np.cumsum([x.size for x in work.weights])
    parts = zip(np.split(vector, ends[:-1]), work.weights, strict=True)
    weights = [Node(part.reshape(x.shape)) for part, x in parts]
    layers = list(zip(weights[::2], weights[1::2], strict=True))

    def step(x: Any, y: Array) -> Any:
        a, n = x, len(x)
        for w, b in layers:
            a = sigmoid(linear(a, w, b))
        total = squared_error(a, y)
        cost = Node(total.data / n, (total,), DIVIDE, (n,))
        for p in weights:
            p.grad = None
        backward(cost, ONE)
        np.concatenate([p.grad.reshape(-1) for p in weights], out=gradient)
        vector.__isub__(lr * gradient)
        return cost.data

    return step


def chain(f: Callable[[Any], Any]) -> Callable[..., Any]:
    """The value and slope of a chain: its numbers are added up, so that 1 arrives at each."""

    def step(x: Array) -> tuple[Any, Any]:
        z = f(leaf := Node(x))
        backward(z, np.ones_like(x)[()])
        return z.data.sum(), leaf.grad

    return step


def affine_chain(work: Work) -> Callable[..., Any]:
    return chain(affine)


def mix_chain(work: Work) -> Callable[..., Any]:
    return chain(lambda x: mix(x, sin, tanh))
