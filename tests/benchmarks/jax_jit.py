"""JAX, compiled: a step is a function from parameters to parameters, one call of machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .numpy_by_hand import pairs
from .workloads import Array, Work, affine, mix

NAME = "JAX, jit"
Step = Callable[..., Any]
jax.config.update("jax_enable_x64", True)  # for the chains; the rest stays float32
jax.config.update("jax_platforms", "cpu")


def array(x: Array) -> Any:
    return jnp.asarray(x)


def numpy(x: Any) -> Array:
    return np.asarray(x)


def dense(
    parameters: Any, x: Any, activation: Callable[[Any], Any], last: Callable[[Any], Any]
) -> Any:
    for W, b in parameters[:-1]:
        x = activation(x @ W.T + b)
    W, b = parameters[-1]
    return last(x @ W.T + b)


def squared_error(parameters: Any, x: Any, y: Any) -> Any:
    return jnp.sum(jnp.square(dense(parameters, x, jax.nn.sigmoid, jax.nn.sigmoid) - y)) / len(x)


def cross_entropy(logits: Any, y: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))


def classified(parameters: Any, x: Any, y: Any) -> Any:
    return cross_entropy(dense(parameters, x, jax.nn.relu, lambda z: z), y)


def convolved(parameters: Any, x: Any, y: Any) -> Any:
    (filters, b), (W, c) = parameters
    a = jax.nn.relu(jax.lax.conv(x, filters, (1, 1), "VALID") + b[:, None, None])
    a = jax.lax.reduce_window(a, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return cross_entropy(a.reshape(len(x), -1) @ W.T + c, y)


def descent(p: Any, g: Any, state: Any, work: Work) -> tuple[Any, Any]:
    return jax.tree.map(lambda p, g: p - work.lr * g, p, g), state


def adam(p: Any, g: Any, state: Any, work: Work) -> tuple[Any, Any]:
    """(Kingma & Ba 2015, algorithm 1)"""
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    c1, c2 = 1 - jnp.float32(0.9) ** t, 1 - jnp.float32(0.999) ** t

    def updated(p: Any, m: Any, v: Any) -> Any:
        return p - work.lr * (m / c1) / (jnp.sqrt(v / c2) + 1e-8)

    return jax.tree.map(updated, p, m, v), (m, v, t)


def trained(work: Work, cost: Callable[..., Any]) -> Step:
    parameters = jax.tree.map(jnp.asarray, pairs(work.weights))
    state: Any = ()
    update = descent
    if work.optimizer == "Adam":
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        state, update = (zeros, zeros, jnp.int32(0)), adam

    @jax.jit
    def compiled(p: Any, state: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(cost)(p, x, y)
        return loss, *update(p, g, state, work)

    def step(x: Any, y: Any) -> Any:
        nonlocal parameters, state
        loss, parameters, state = compiled(parameters, state, x, y)
        return loss

    return step


def mlp(work: Work) -> Step:
    return trained(work, squared_error)


def classifier(work: Work) -> Step:
    return trained(work, classified)


def cnn(work: Work) -> Step:
    return trained(work, convolved)


written_out = mlp  # to JAX, it is


def hvp(work: Work) -> Step:
    """Forward over reverse, as JAX's documentation advises."""
    both = pairs(work.weights), pairs(work.direction)
    parameters, direction = jax.tree.map(jnp.asarray, both)

    @jax.jit
    def step(x: Any, y: Any) -> Any:
        gradient = jax.grad(lambda p: squared_error(p, x, y))
        return jax.tree.leaves(jax.jvp(gradient, (parameters,), (direction,))[1])

    return step


def affine_chain(work: Work) -> Step:
    return jax.jit(jax.value_and_grad(lambda x: affine(x).sum()))


def mix_chain(work: Work) -> Step:
    return jax.jit(jax.value_and_grad(lambda x: mix(x, jnp.sin, jnp.tanh).sum()))
