"""Chapters 1 to 3: derivatives by hand, and one walk back through a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.exercises.exercise import differences, exercise, slopes


@exercise(
    chapter=1,
    inputs=[(2.0,), (1.0,), (0.0,), (-1.5,)],
    expected=slopes(lambda x: x**3 - 2 * x**2 + 5),
    hints=[
        "Each power by itself: what is the slope of x³, and what is that of x²?",
        "(xⁿ)′ = n xⁿ⁻¹, and a constant has slope 0.",
        "(x³)′ = 3x², and (2x²)′ = 2 · 2x. The second is subtracted.",
    ],
    typical={
        "The power comes down as a factor: (x³)′ = 3x², not x².": lambda x: x**2 - 2 * x,
        "The 5 is the same for every x: its slope is 0.": lambda x: 3 * x**2 - 4 * x + 5,
        "This is the value of f. Its slope is asked for.": lambda x: x**3 - 2 * x**2 + 5,
    },
)
def polynomial_slope(x: float) -> float:
    """The slope of a polynomial.

    f(x) = x³ − 2x² + 5. Return f′(x), how much f changes per unit of x.
    """
    return 3 * x**2 - 4 * x


@exercise(
    chapter=1,
    inputs=[(1.0, 2.0), (3.0, 2.0), (0.0, 1.0), (-1.0, 0.5)],
    expected=slopes(lambda x, y: x / y),
    hints=[
        "Hold y still and move x, then the other way round. For y, write z = x · y⁻¹.",
        "(y⁻¹)′ = −y⁻².",
        "With y held still, z is x times the number 1/y. With x held still, it is x times y⁻¹.",
    ],
    typical={
        "If the denominator grows, the quotient shrinks: a sign is missing.": lambda x, y: (
            1 / y,
            x / y**2,
        ),
        "∂z/∂y depends on x too: the derivative of 1/y is multiplied by x.": lambda x, y: (
            1 / y,
            -1 / y**2,
        ),
    },
)
def quotient_partials(x: float, y: float) -> tuple[float, float]:
    """Both derivatives of a quotient.

    z = x / y. Return the two numbers ∂z/∂x and ∂z/∂y.
    """
    return 1 / y, -x / y**2


@exercise(
    chapter=2,
    inputs=[(1.0,), (2.0,), (0.0,), (-0.5,)],
    expected=slopes(lambda x: np.sin(x**2)),
    hints=[
        "Two links: y = x², and z = sin y. Along a chain, derivatives multiply.",
        "∂z/∂y = cos y at y = x², and ∂y/∂x = 2x.",
        "The product of both, with x² in place of y: a cosine times 2x.",
    ],
    typical={
        "That is ∂z/∂y, the outer link. It is multiplied by the inner one, ∂y/∂x.": lambda x: (
            np.cos(x**2)
        ),
        "The inner derivative is a factor: it does not go into the cosine.": lambda x: np.cos(
            2 * x
        ),
        "The outer derivative is taken where the inner result is, at x², not at x.": lambda x: (
            2 * x * np.cos(x)
        ),
    },
)
def sine_of_square_slope(x: float) -> float:
    """The chain rule, on sin(x²).

    z = sin(x²). Return ∂z/∂x. NumPy has np.sin and np.cos.
    """
    return float(2 * x * np.cos(x**2))


@exercise(
    chapter=2,
    inputs=[(0.5,), (1.0,), (-2.0,)],
    expected=slopes(lambda s: s * np.tanh(s)),
    hints=[
        "s goes two ways to y. What comes back on each of them? Where paths meet, add.",
        "Directly into the product: tanh s. Through tanh: s · (1 − tanh² s).",
        "Add the two: np.tanh(s) + s * (…).",
    ],
    typical={
        "One of two paths is there, the one through tanh. s is also a factor itself.": lambda s: (
            s * (1 - np.tanh(s) ** 2)
        ),
        "One of two paths is there, the direct one. s also goes through tanh.": lambda s: np.tanh(
            s
        ),
        "The two paths are multiplied. "
        "Along a path multiply, but where paths meet, add.": lambda s: (
            np.tanh(s) * s * (1 - np.tanh(s) ** 2)
        ),
    },
)
def used_twice_slope(s: float) -> float:
    """Back through a value that is used twice.

    t = tanh(s), and then y = s · t. Return ∂y/∂s, over all paths. (tanh s)′ = 1 − tanh² s.
    """
    return float(np.tanh(s) + s * (1 - np.tanh(s) ** 2))


@exercise(
    chapter=5,
    inputs=[(1.0, 0.0), (1.0, 0.5), (2.0, -0.5), (np.array([1.0, -3.0]), np.array([0.9, 0.1]))],
    expected=lambda g, z: differences(np.tanh)(g, np.arctanh(z)),
    hints=[
        "What arrives, times the local derivative. (tanh x)′ = 1 − tanh² x: which of its parts "
        "is z?",
        "tanh² x is z².",
        "g times (1 − z²), and no function of NumPy is needed.",
    ],
    typical={
        "The local derivative is right, but g, what arrives, "
        "has to be multiplied with it.": lambda g, z: 1 - z * z,
        "z is tanh(x) already: there is no second tanh to take.": lambda g, z: (
            g * (1 - np.tanh(z) ** 2)
        ),
        "The square is missing: 1 − z².": lambda g, z: g * (1 - z),
    },
)
def tanh_partial(g: Any, z: Any) -> Any:
    """The partial of tanh, from its result.

    z = tanh(x), and g = ∂C/∂z has arrived. Return ∂C/∂x. x is not given, and is not needed. g and z
    are numbers or arrays.
    """
    return g * (1 - z * z)


def by_the_engine(graph: list[list[tuple[int, float]]]) -> list[float]:
    """The gradients of the same graph, made of Tensors."""
    made: list[Tensor] = []
    for inputs in graph:
        made.append(sum((slope * made[n] for n, slope in inputs), Tensor(1.0, requires_grad=True)))
    return [float(made[-1].gradient(x)) for x in made]


def only_the_last(graph: Any) -> Any:
    gradients = [0.0] * (len(graph) - 1) + [1.0]
    for z in reversed(range(len(graph))):
        for x, slope in graph[z]:
            gradients[x] = gradients[z] * slope
    return gradients


def depth_first(graph: Any) -> Any:
    gradients = [0.0] * (len(graph) - 1) + [1.0]

    def walk(z: int) -> None:
        for x, slope in graph[z]:
            gradients[x] += gradients[z] * slope
            walk(x)

    walk(len(graph) - 1)
    return gradients


def forwards(graph: Any) -> Any:
    gradients = [0.0] * (len(graph) - 1) + [1.0]
    for z in range(len(graph)):
        for x, slope in graph[z]:
            gradients[x] += gradients[z] * slope
    return gradients


@exercise(
    chapter=5,
    expected=by_the_engine,
    inputs=[
        ([[]],),
        ([[], [(0, 2.0)]],),
        ([[], [(0, 3.0), (0, 3.0)]],),
        ([[], [(0, 2.0)], [(1, 5.0)]],),
        ([[], [(0, 2.0)], [(0, 3.0), (1, 5.0)]],),
        ([[], [(0, 2.0)], [(1, 3.0), (1, 3.0)]],),
        ([[], [], [(0, 2.0)], [(1, 4.0), (0, -1.0)], [(0, 0.5), (2, 3.0)]],),
    ],
    hints=[
        "The last value has gradient 1, all others begin at 0. Then walk from the youngest to "
        "the oldest.",
        "Each value adds (its own gradient · slope) to the gradient of every input.",
        "for z in reversed(range(len(graph))): for each (x, slope) in graph[z]: "
        "gradients[x] += gradients[z] * slope.",
    ],
    typical={
        "The last of several shares replaced the others: where paths meet, add.": only_the_last,
        "A value passed on its gradient before all of it had arrived, and then again: take each "
        "once, youngest first.": depth_first,
        "Only the last value passed anything on: the others came before it, or not at all. From "
        "the last to the first!": forwards,
        "The order is the graph's: the gradient of value 0 comes first.": lambda graph: (
            by_the_engine(graph)[::-1]
        ),
        "The walk begins with nothing: ∂(result)/∂(result) is 1.": lambda graph: [0.0] * len(graph),
    },
)
def backward_pass(graph: list[list[tuple[int, float]]]) -> list[float]:
    """One walk back through a graph.

    graph[n] is the list of what value n was computed from: pairs (number of the input, ∂(value
    n)/∂(that input)). It is empty for values that were given. Inputs are older than what is made of
    them, so their numbers are smaller. The last value is the result. Return ∂(result)/∂(value n)
    for all n. A value can be used several times, or not at all.

    For the values x and x·x at x = 3:

    >>> backward_pass([[], [(0, 3.0), (0, 3.0)]])
    [6.0, 1.0]
    """
    gradients = [0.0] * (len(graph) - 1) + [1.0]
    for z in reversed(range(len(graph))):
        for x, slope in graph[z]:
            gradients[x] += gradients[z] * slope
    return gradients
