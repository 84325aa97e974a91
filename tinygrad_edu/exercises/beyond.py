"""Chapters 8 and 9: templates that slide, an operation of one's own, and curvature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import check_gradients, grad
from tinygrad_edu.core.engine import Operation
from tinygrad_edu.core.gradcheck import numerical_gradient
from tinygrad_edu.exercises.exercise import AnyFunction, differences, exercise, some_numbers


@exercise(
    chapter=8,
    expected=lambda x, k: np.correlate(x, k, "valid"),
    inputs=[
        (np.array([2.0]), np.array([3.0])),
        (np.array([0.0, 0.0, 1.0, 1.0]), np.array([-1.0, 1.0])),
        (some_numbers(7), some_numbers(3)),
    ],
    hints=[
        "At each place the template lies on len(k) neighbours. Multiply, and add. At how many "
        "places does it fit?",
        "It fits at len(x) − len(k) + 1 places: zᵢ = Σⱼ xᵢ₊ⱼ kⱼ.",
        "At place i it lies on x[i : i + len(k)]: that, @ k.",
    ],
    typical={
        "The template lies the other way round: zᵢ = Σⱼ xᵢ₊ⱼ kⱼ, its first number on the first. "
        "(np.convolve flips it.)": lambda x, k: np.convolve(x, k, "valid"),
        "One place is missing at the end: the template fits at "
        "len(x) − len(k) + 1 places.": lambda x, k: np.correlate(x, k, "valid")[:-1],
        "The template stands out over the ends: "
        "only places where it fits completely count.": lambda x, k: np.correlate(x, k, "full"),
    },
)
def slide(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """A template that slides: convolution in one dimension.

    x is a signal and k, not longer, a template, or kernel. Return z with zᵢ = Σⱼ xᵢ₊ⱼ kⱼ, for all
    places at which k fits completely. The template −1, 1 finds edges:

    >>> slide(np.array([0.0, 0.0, 1.0, 1.0]), np.array([-1.0, 1.0]))
    array([0., 1., 0.])
    """
    return np.array([x[i : i + len(k)] @ k for i in range(len(x) - len(k) + 1)])


def kernel_by_differences(g: np.ndarray, x: np.ndarray) -> Any:
    k = np.zeros(len(x) - len(g) + 1)
    return numerical_gradient(lambda k: float(g @ np.correlate(x, k, "valid")), k)


@exercise(
    chapter=8,
    expected=kernel_by_differences,
    inputs=[
        (np.array([2.0]), np.array([3.0])),
        (np.array([1.0, 10.0]), np.array([1.0, 2.0, 3.0])),
        (some_numbers(5), some_numbers(7) + 1),
    ],
    hints=[
        "kⱼ was used at every place i, and met xᵢ₊ⱼ there. It gets one share for each use.",
        "Σᵢ gᵢ xᵢ₊ⱼ for each j: what slides over x now? And k has len(x) − len(g) + 1 numbers.",
        "g slides over x as k did: at place j it lies on x[j : j + len(g)].",
    ],
    typical={
        "Backwards it lies the same way round: kⱼ met xᵢ₊ⱼ, so it gets Σᵢ gᵢ xᵢ₊ⱼ. (np.convolve "
        "flips.)": lambda g, x: np.convolve(x, g, "valid"),
        "These are the shares of the first place only: kⱼ was used at all of them.": lambda g, x: (
            g[0] * x[: len(x) - len(g) + 1]
        ),
        "Each use replaced the one before, and the last is left: add them up.": lambda g, x: (
            g[-1] * x[len(g) - 1 :]
        ),
        "The gradient has the kernel's shape: len(x) − len(g) + 1 numbers.": lambda g, x: (
            np.correlate(x, g, "full")
        ),
    },
)
def kernel_gradient(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient of the template.

    z = slide(x, k) from the exercise before, and g = ∂C/∂z has arrived. Return ∂C/∂k. g and x tell
    how long k is.
    """
    return np.array([g @ x[j : j + len(g)] for j in range(len(x) - len(g) + 1)])


def normalised(x: Any) -> Any:
    return (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)


def as_an_operation(partial: AnyFunction) -> None:
    """Check the partial as every operation of the engine is checked.

    The partial is recorded too, so that its own derivative is checked.
    """
    check_gradients(
        Operation("layer_norm", normalised, (partial,)),
        np.array([[1.0, 2.0, 4.0], [0.5, -1.0, 0.0]]),
    )


def less_mean(g: Any) -> Any:
    return g - g.mean(axis=-1, keepdims=True)


def through_std(g: Any, z: Any) -> Any:
    return z * (g * z).mean(axis=-1, keepdims=True)


@exercise(
    chapter=11,
    outcome=lambda partial, g, x: partial(g, normalised(x), x),
    expected=differences(normalised),
    also=as_an_operation,
    inputs=[
        (np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 4.0])),
        (np.ones((1, 3)), np.array([[1.0, 2.0, 4.0]])),
        (some_numbers(2, 4), some_numbers(3, 4)[1:]),
    ],
    hints=[
        "x goes three ways to z: directly, through the mean, and through the standard deviation. "
        "All three come back.",
        "The path through the mean gives − mean(g), the one through the standard deviation − z · "
        "mean(g z). Both, like g itself, are divided by std(x).",
        "(g − mean(g) − z · mean(g z)) / std(x), the means and std along the last axis with "
        "keepdims. Only functions that "
        "the engine knows: no loop, no numbers taken out of Tensors.",
    ],
    typical={
        "Only the direct path is there: "
        "the mean and the standard deviation depend on x too.": lambda g, z, x: (
            g / x.std(axis=-1, keepdims=True)
        ),
        "The path through the standard deviation is missing: − z · mean(g z).": lambda g, z, x: (
            less_mean(g) / x.std(axis=-1, keepdims=True)
        ),
        "The path through the mean is missing: − mean(g).": lambda g, z, x: (
            (g - through_std(g, z)) / x.std(axis=-1, keepdims=True)
        ),
        "Each row has a mean of its own: over the last axis, with keepdims.": lambda g, z, x: (
            (g - g.mean() - z * (g * z).mean()) / x.std(axis=-1, keepdims=True)
        ),
        "That is the sample's standard deviation, with n − 1. z was made with n.": lambda g, z, x: (
            (less_mean(g) - through_std(g, z)) / x.std(axis=-1, keepdims=True, ddof=1)
        ),
    },
)
def layer_norm_partial(g: Any, z: Any, x: Any) -> Any:
    """Layer norm backwards, as an operation of the engine.

    z = (x − mean) / std along the last axis, with the mean and standard deviation of each row:
    x.std(axis=-1, keepdims=True). g = ∂C/∂z has arrived. Return ∂C/∂x. The arguments are arrays at
    first, then Tensors, because the partial is differentiated once more: write it with operators
    and NumPy's functions.
    """
    return (g - g.mean(axis=-1, keepdims=True) - z * (g * z).mean(axis=-1, keepdims=True)) / x.std(
        axis=-1, keepdims=True
    )


def product_of_two(x: Any) -> Any:
    return x[0] * x[1]


def sum_of_cubes(x: Any) -> Any:
    return (x**3).sum()


def valley_of_chapter_11(x: Any) -> Any:
    return 10 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@exercise(
    chapter=11,
    expected=lambda f, x, v: numerical_gradient(lambda x: float(grad(f)(x) @ v), x),
    uses="from tinygrad_edu import Tensor, grad",
    inputs=[
        (product_of_two, np.array([2.0, 3.0]), np.array([1.0, 0.0])),
        (sum_of_cubes, np.array([1.0, 2.0]), np.array([1.0, 10.0])),
        (valley_of_chapter_11, np.array([1.0, 1.0]), np.array([1.0, -1.0])),
    ],
    hints=[
        "H v is the gradient of one number: ∇f · v. grad(f) is a function, and can be "
        "differentiated like f.",
        "Write a function of x that gives the number ∇f(x) · v, with grad(f)(x) in it.",
        "grad of the function x ↦ (grad(f)(x) * v).sum(), at x.",
    ],
    typical={
        "v is not in it: that is H times (1, 1, …), "
        "the gradient of the sum of ∇f.": lambda f, x, v: grad(lambda x: grad(f)(x).sum())(x),
        "That is the gradient ∇f. It has to be differentiated once more.": lambda f, x, v: grad(f)(
            x
        ),
        "That is one number, ∇f · v. H v is its gradient.": lambda f, x, v: grad(f)(x) @ v,
    },
)
def hessian_vector_product(f: Callable[[Any], Any], x: np.ndarray, v: np.ndarray) -> Any:
    """Curvature in a direction.

    f maps a vector to one number, and is written for Tensors. H is the matrix of its second
    derivatives at x. Return H v, without making H: with tinygrad_edu's grad, or backward passes of
    your own, but not with its hvp or hessian.
    """
    return grad(lambda x: (grad(f)(x) * v).sum())(x)
