"""Chapters 4 and 5: gradients of arrays, differences, and a bug to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core import engine
from tinygrad_edu.exercises.exercise import differences, exercise, slopes, some_numbers


def only_new_axes(g: np.ndarray, shape: tuple[int, ...]) -> Any:
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


@exercise(
    chapter=6,
    expected=engine.unbroadcast,
    inputs=[
        (np.array([1.0, 2.0]), ()),
        (some_numbers(2, 3), (3,)),
        (some_numbers(2, 3), (2, 1)),
        (some_numbers(2, 3), (1, 3)),
        (some_numbers(2, 3), (2, 3)),
        (some_numbers(4, 2, 3), (2, 1)),
        (some_numbers(4, 2, 3), (1, 3)),
    ],
    hints=[
        "A number that was used n times gets the sum of n gradients. Along which axes was the "
        "array repeated?",
        "Along axes that are new in front, which go away, and along those where `shape` has a 1, "
        "which stay as 1.",
        "g.ndim − len(shape) axes are new. Sum over all repeated axes with keepdims=True, then "
        "reshape to `shape`.",
    ],
    typical={
        "That is a mean. Each use adds its whole share: sum.": lambda g, shape: (
            engine.unbroadcast(g, shape) * np.prod(shape) / g.size
        ),
        "The new axes in front are summed, "
        "but an axis of length 1 in `shape` was repeated too.": only_new_axes,
        "The sums are right, but an axis of length 1 must stay: keepdims=True.": lambda g, shape: (
            np.squeeze(engine.unbroadcast(g, shape))
        ),
    },
)
def undo_broadcast(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Broadcasting undone.

    An array of this shape was broadcast to g's shape, and g has arrived. Return the gradient of the
    array, in its own shape.

    >>> undo_broadcast(np.ones((4, 3)), (1, 3))
    array([[4., 4., 4.]])
    """
    new = g.ndim - len(shape)
    repeated = [axis for axis in range(g.ndim) if axis < new or shape[axis - new] == 1]
    return np.asarray(g.sum(axis=tuple(repeated), keepdims=True).reshape(shape))


@exercise(
    chapter=6,
    expected=differences(np.matmul),
    inputs=[
        (np.array([[1.0]]), np.array([[2.0]]), np.array([[3.0]])),
        (some_numbers(2, 2), some_numbers(2, 2) + 1.0, some_numbers(2, 2) - 1.0),
        (some_numbers(2, 4), some_numbers(2, 3), some_numbers(3, 4)),
    ],
    hints=[
        "Write the shapes down: g is (n, m), x is (n, k), y is (k, m). Which product is (n, k)?",
        "∂C/∂x is a product of g and yᵀ; ∂C/∂y of xᵀ and g. The order decides.",
        "(n, m) @ (m, k) is (n, k), x's shape: yᵀ is on the right. (k, n) @ (n, m) is (k, m), y's "
        "shape: xᵀ is on the left.",
    ],
    typical={
        "Both products need a transpose: xᵢₖ meets yₖⱼ, "
        "and its share is Σⱼ gᵢⱼ yₖⱼ.": lambda g, x, y: (g @ y, x @ g),
        "The factors stand in the wrong order: x y is not y x, for matrices.": lambda g, x, y: (
            y.T @ g,
            g @ x.T,
        ),
    },
)
def matmul_partials(g: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both partials of a product of matrices.

    z = x @ y, and g = ∂C/∂z has arrived. Return ∂C/∂x and ∂C/∂y.
    """
    return g @ y.T, x.T @ g


@exercise(
    chapter=6,
    expected=differences(lambda x, axis: x.sum(axis)),
    inputs=[
        (np.array(3.0), np.array([1.0, 2.0]), 0),
        (np.array([1.0, 2.0]), some_numbers(2, 2), 0),
        (np.array([1.0, 2.0]), some_numbers(2, 2), 1),
        (some_numbers(2), some_numbers(2, 3), 1),
        (some_numbers(2, 4), some_numbers(2, 3, 4), 1),
        (some_numbers(2, 3), some_numbers(2, 3, 4), -1),
    ],
    hints=[
        "Every summand receives the gradient of the sum it went into. g lacks one axis: put it "
        "back.",
        "np.expand_dims(g, axis), and then np.broadcast_to x's shape.",
        "np.broadcast_to(what expand_dims gave, x.shape), and x's numbers are not needed.",
    ],
    typical={
        "g was broadcast along the wrong axis: it lacks the one that was summed, so put that "
        "back first.": lambda g, x, axis: np.broadcast_to(g, x.shape),
        "A summand's slope is 1, whatever its value: no factor x.": lambda g, x, axis: (
            np.expand_dims(g, axis) * x
        ),
        "That is the partial of a mean. Nothing is divided in a sum.": lambda g, x, axis: (
            np.broadcast_to(np.expand_dims(g, axis), x.shape) / x.shape[axis]
        ),
    },
)
def sum_partial(g: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """The partial of a sum over an axis.

    z = x.sum(axis), and g = ∂C/∂z has arrived, of z's shape. Return ∂C/∂x, of x's shape.
    """
    return np.broadcast_to(np.expand_dims(g, axis), x.shape)


def square(x: float) -> float:
    return x**2


def cube(x: float) -> float:
    return x**3


@exercise(
    chapter=7,
    inputs=[(square, 1.0, 0.25), (cube, 2.0, 0.1), (np.sin, 1.0, 0.01)],
    hints=[
        "Look in both directions: f(x + h) and f(x − h). How far apart are the two places?",
        "x + h and x − h are 2h apart: the whole difference is divided by 2h.",
        "Two pairs of brackets: (f(x + h) − f(x − h)) / (2 · h).",
    ],
    typical={
        "That looks to one side only. Its error is about h f″/2; "
        "from both sides it is about h².": lambda f, x, h: (f(x + h) - f(x)) / h,
        "That looks to the left side only: f(x + h) is missing.": lambda f, x, h: (
            (f(x) - f(x - h)) / h
        ),
        "Only f(x − h) is divided: the difference needs brackets too.": lambda f, x, h: (
            f(x + h) - f(x - h) / (2 * h)
        ),
        "That is nearer to the true slope, "
        "but it is not what a step of this h gives.": lambda f, x, h: slopes(f)(x),
        "Twice too large: x + h and x − h are 2h apart.": lambda f, x, h: (f(x + h) - f(x - h)) / h,
        "`/ 2 * h` divides by 2, and multiplies by h: brackets!": lambda f, x, h: (
            (f(x + h) - f(x - h)) / 2 * h
        ),
    },
)
def central_difference(f: Callable[[float], float], x: float, h: float) -> float:
    """The difference from both sides.

    Return the estimate of f's slope at x that one gets by trying a step h in both directions.
    """
    return (f(x + h) - f(x - h)) / (2 * h)


def mean_partial_with_a_bug(g: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    share = g / x.size
    return np.broadcast_to(np.expand_dims(share, axis), x.shape)


@exercise(
    chapter=7,
    given=mean_partial_with_a_bug,
    expected=differences(lambda x, axis: x.mean(axis)),
    inputs=[
        (np.array(3.0), np.array([1.0, 2.0]), 0),
        (some_numbers(2), some_numbers(2, 2), 0),
        (some_numbers(3), some_numbers(2, 3), 0),
        (some_numbers(2), some_numbers(2, 3), 1),
        (some_numbers(2, 4), some_numbers(2, 3, 4), -2),
    ],
    hints=[
        "Compare what came with what was expected: the quotient is the same everywhere. Which "
        "number is it?",
        "How many numbers is each mean a mean of? For a vector it is x.size, but not for a matrix.",
        "Of x.shape[axis] numbers: divide g by that.",
    ],
    typical={
        "That is the partial of a sum: a mean divides, and so does its partial.": sum_partial,
        "len(x) is the length of axis 0, "
        "but the mean may be over another one.": lambda g, x, axis: sum_partial(
            g / len(x), x, axis
        ),
    },
)
def mean_partial(g: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """A bug to find, in the partial of a mean.

    z = x.mean(axis), and g = ∂C/∂z has arrived. This should return ∂C/∂x. Its author tried it with
    a vector, and it was right; with a matrix it is not. Find out why, and mend it.
    """
    return np.broadcast_to(np.expand_dims(g / x.shape[axis], axis), x.shape)
