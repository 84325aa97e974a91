"""Chapters 6 and 7: a step, a cost, and a training loop."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np

from tinygrad_edu import Tensor, nn, special
from tinygrad_edu.core.engine import plain
from tinygrad_edu.exercises.exercise import AnyFunction, differences, exercise, slopes, some_numbers


def after_step(w: Any, v: Any, rate: float) -> Any:
    return w - rate * v, v


@exercise(
    chapter=3,
    inputs=[
        (np.array([1.0]), np.array([0.0]), np.array([2.0]), 0.1, 0.9),
        (np.array([1.0]), np.array([3.0]), np.array([2.0]), 0.1, 0.5),
        (some_numbers(2, 3), some_numbers(2, 3) + 1, some_numbers(2, 3) * 2, 0.01, 0.9),
    ],
    hints=[
        "First the new velocity, then the step: w moves by −rate times the *new* velocity.",
        "v ← momentum · v + g, w ← w − rate · v.",
        "Two lines: v = …, in which the old v stands; and return w − rate * v, v.",
    ],
    typical={
        "The step was taken with the old velocity: "
        "compute the new one first.": lambda w, v, g, rate, momentum: (
            w - rate * v,
            momentum * v + g,
        ),
        "That goes uphill: "
        "the gradient points to where the cost rises.": lambda w, v, g, rate, momentum: after_step(
            w, momentum * v + g, -rate
        ),
        "The step is not multiplied by the rate.": lambda w, v, g, rate, momentum: after_step(
            w, momentum * v + g, 1.0
        ),
        "w moved by the gradient alone: "
        "it moves by the new velocity.": lambda w, v, g, rate, momentum: (
            w - rate * g,
            momentum * v + g,
        ),
        "The gradient is added as it is: no factor 1 − momentum.": lambda w, v, g, rate, momentum: (
            after_step(w, momentum * v + (1 - momentum) * g, rate)
        ),
        "The velocity is forgotten: "
        "momentum · v is missing in it.": lambda w, v, g, rate, momentum: (w - rate * g, g),
        "The rate belongs to the step, not into the velocity.": lambda w, v, g, rate, momentum: (
            w - momentum * v - rate * g,
            momentum * v + rate * g,
        ),
    },
)
def momentum_step(
    w: np.ndarray, v: np.ndarray, g: np.ndarray, rate: float, momentum: float
) -> tuple[np.ndarray, np.ndarray]:
    """One step with momentum.

    w are weights, v their velocity, g the gradient. The velocity becomes momentum times what it
    was, plus g; then the weights move against it, by rate times the new velocity. Return the new w
    and the new v.
    """
    v = momentum * v + g
    return w - rate * v, v


def shares(x: Any) -> Any:
    return x / x.sum(axis=-1, keepdims=True)


def axis_mistake(f: AnyFunction) -> str:
    """What is said of a softmax along another axis, or without keepdims; "" for another mistake."""
    try:
        f(np.zeros(2))
    except np.exceptions.AxisError:
        return "A vector has one axis, number 0. The last axis of every array is axis=-1."
    x = some_numbers(2, 3)
    try:
        z = plain(f(x))
    except ValueError as error:
        return WITHOUT_KEEPDIMS if "broadcast" in str(error) else ""
    if np.allclose(z.sum(axis=0), 1):
        return "Each column adds up to 1: axis=0 goes down the columns. A row is along axis=-1."
    if np.allclose(z.sum(), 1):
        return WHOLE_ARRAY
    if np.allclose(z.sum(axis=-1), 1) and not np.allclose(z, special.softmax(x)):
        return (
            "Each row adds up to 1, but its numbers lost different ones before: subtract one "
            "number from the whole row, x.max(axis=-1, keepdims=True)."
        )
    return ""


WITHOUT_KEEPDIMS = (
    "One number came for each row, in shape (2,), and beside (2, 3) it stands for a column: keep "
    "the axis as 1, with keepdims=True, for the maximum and for the sum."
)
WHOLE_ARRAY = (
    "Each row has to add up to 1, not the whole array: sum over the last axis, with keepdims."
)


@exercise(
    chapter=3,
    expected=special.softmax,
    symptom=axis_mistake,
    inputs=[
        (np.array([0.0, 0.0]),),
        (np.array([1.0, 2.0, 3.0]),),
        (np.array([1000.0, 999.0]),),
        (np.array([0.0, 2000.0]),),
        (some_numbers(2, 3),),
        (np.array([[0.0, 1.0], [2000.0, 2001.0]]),),
    ],
    hints=[
        "e¹⁰⁰⁰ is too large for a float. The result stays the same if one number is subtracted "
        "from the whole row: which?",
        "Subtract the row's greatest element: x.max(axis=-1, keepdims=True).",
        "e to that difference, divided by its own sum along the same axis, again with keepdims.",
    ],
    typical={
        "e¹⁰⁰⁰ is infinite in floating point, and inf/inf is nan: subtract the greatest element "
        "of the row first.": lambda x: shares(np.exp(x)),
        "Less the mean, e to a number far above it is infinite still: subtract the greatest "
        "element of the row.": lambda x: shares(np.exp(x - x.mean(axis=-1, keepdims=True))),
        WHOLE_ARRAY: lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
        "The greatest element of the whole array was subtracted; in a row that is far below it "
        "everything becomes 0/0.": lambda x: shares(np.exp(x - x.max())),
    },
)
def stable_softmax(x: np.ndarray) -> np.ndarray:
    """A softmax that does not overflow.

    zᵢ = exp(xᵢ) / Σⱼ exp(xⱼ), along the last axis: for a matrix, each row adds up to 1. It must be
    right for large x too.
    """
    z = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(z / z.sum(axis=-1, keepdims=True))


@exercise(
    chapter=3,
    expected=lambda g, z: differences(special.softmax)(g, np.log(z)),
    inputs=[
        (np.array([1.0, 0.0]), np.array([0.5, 0.5])),
        (np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25])),
        (some_numbers(2, 3), np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])),
    ],
    hints=[
        "∂zᵢ/∂xⱼ = zᵢ (δᵢⱼ − zⱼ): each output depends on every input. Multiply by gᵢ and add "
        "over i.",
        "zⱼ (gⱼ − Σᵢ gᵢ zᵢ), where the sum is over the last axis and keeps it.",
        "The sum is (g * z).sum(axis=-1, keepdims=True), one number for each row.",
    ],
    typical={
        "Only the diagonal of the matrix ∂zᵢ/∂xⱼ is there: every output depends on every input, "
        "through the sum.": lambda g, z: g * z * (1 - z),
        "The sum is one over gᵢ zᵢ, not over gᵢ.": lambda g, z: (
            z * (g - g.sum(axis=-1, keepdims=True))
        ),
        "The sum is one for each row: over the last axis, with keepdims.": lambda g, z: (
            z * (g - (g * z).sum())
        ),
    },
)
def softmax_partial(g: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Back through softmax.

    z = softmax(x) along the last axis, and g = ∂C/∂z, the gradient of the cost C, has arrived.
    Return ∂C/∂x. A matrix of derivatives is not needed.
    """
    return np.asarray(z * (g - (g * z).sum(axis=-1, keepdims=True)))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> Any:
    return -special.log_softmax(logits)[np.arange(len(labels)), labels].mean()


@exercise(
    chapter=3,
    expected=slopes(cross_entropy),
    inputs=[
        (np.array([[0.0, 0.0]]), np.array([0])),
        (np.array([[1.0, 2.0, 3.0]]), np.array([1])),
        (some_numbers(3, 4), np.array([3, 0, 1])),
    ],
    hints=[
        "For one row with the label l, −log softmaxₗ = log Σ exp xⱼ − xₗ. What is the derivative "
        "of each part?",
        "Softmax, minus 1 at the label of each row, and all of it divided by the number of rows: "
        "the cost is a mean.",
        "z is the softmax of each row. Then z[np.arange(len(labels)), labels] −= 1, and z / "
        "len(labels).",
    ],
    typical={
        "At its label each row lacks the −1: "
        "the cost falls if that logit grows.": lambda logits, labels: (
            special.softmax(logits) / len(labels)
        ),
        "The cost is a mean over the rows, and this is the gradient of their sum: divide by how "
        "many there are.": lambda logits, labels: (
            special.softmax(logits) - np.eye(logits.shape[1])[labels]
        ),
        "p[:, labels] takes these columns in every row. One element of each row: "
        "p[np.arange(len(labels)), labels].": lambda logits, labels: (
            (special.softmax(logits) - np.eye(logits.shape[1])[labels].max(axis=0)) / len(labels)
        ),
        "That is the cost. Its gradient is asked for, one number for each logit.": cross_entropy,
        "The sign is reversed: the cost is *minus* the logarithm.": lambda logits, labels: (
            (np.eye(logits.shape[1])[labels] - special.softmax(logits)) / len(labels)
        ),
    },
)
def cross_entropy_gradient(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of cross-entropy.

    Each row of logits belongs to an example, and labels has the number of the right class for each.
    The cost is the mean over the rows of −log(softmax(row)[label]). Return its gradient, of the
    logits' shape.
    """
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    z /= z.sum(axis=1, keepdims=True)
    z[np.arange(len(labels)), labels] -= 1
    return np.asarray(z / len(labels))


def fresh_network() -> nn.Module:
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(2, 8, rng=rng, dtype=float), nn.Tanh(), nn.Linear(8, 1, rng=rng, dtype=float)
    )


def outputs_after(train: AnyFunction, x: np.ndarray, y: np.ndarray) -> Any:
    """Let `train` train a fresh network, and return what the network answers then."""
    model = fresh_network()
    train(model, x, y)
    return model(x)


def forgotten_zero_grad(train: AnyFunction) -> str:
    """What is said if a backward() finds gradients of a step before; "" if none does."""
    model, backward = fresh_network(), Tensor.backward
    found_old = []

    def watched(loss: Tensor, *args: Any, **settings: Any) -> None:
        found_old.append(any(p.grad is not None and np.any(p.grad) for p in model.parameters()))
        backward(loss, *args, **settings)

    with patch.object(Tensor, "backward", watched):
        train(model, CORNERS, XOR)
    return OLD_GRADIENTS if any(found_old) else ""


OLD_GRADIENTS = "Old gradients are added to the new ones: zero_grad() before each backward()."


def descend(
    model: Any,
    x: np.ndarray,
    y: np.ndarray,
    steps: int = 300,
    rate: float = 0.2,
    forget: bool = True,
) -> None:
    for _ in range(steps):
        loss = ((model(x) - y) ** 2).mean()
        if forget:
            model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data = p.data - rate * p.grad


CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([[0.0], [1.0], [1.0], [0.0]])


@exercise(
    chapter=4,
    outcome=outputs_after,
    expected=lambda x, y: y,
    symptom=forgotten_zero_grad,
    tolerance=0.2,
    uses="from tinygrad_edu import nn",
    inputs=[
        (CORNERS[:2], np.array([[0.0], [1.0]])),
        (CORNERS, XOR),
    ],
    hints=[
        "The four lines of chapter 1, several hundred times: the cost of these weights, "
        "zero_grad, backward, a step.",
        "loss = ((model(x) - y) ** 2).mean(), and an optimizer: "
        "nn.optim.Adam(model.parameters(), lr=0.02), 400 steps.",
        "If nan comes, the rate is too large. If all outputs are 0.5, it has not learned long "
        "enough.",
    ],
    typical={
        "The outputs are those of the start: no parameter has changed.": lambda model, x, y: None,
        "That was one step. It takes a few hundred.": lambda model, x, y: descend(
            model, x, y, steps=1
        ),
        "The weights ran away to infinity: step against the gradient, "
        "and with a smaller rate.": lambda model, x, y: descend(model, x, y, rate=50.0),
        "The cost rises: step against the gradient.": lambda model, x, y: descend(
            model, x, y, steps=50, rate=-0.2
        ),
        OLD_GRADIENTS: lambda model, x, y: descend(model, x, y, forget=False),
    },
)
def train(model: Any, x: np.ndarray, y: np.ndarray) -> None:
    """A training loop.

    model is a small network: model(x) gives one output for each row of x. Train it until its
    outputs differ from y by at most 0.2. Return nothing: the model's own parameters change. One of
    the tasks is XOR, 0 for two equal inputs and 1 for different ones.
    """
    optimizer = nn.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        loss = ((model(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
