"""Beyond the engine: a gradient within another, state, programs, recorded runs, attention."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tinygrad_edu import Tensor, grad, nn, special, watch
from tinygrad_edu.core.engine import plain
from tinygrad_edu.core.gradcheck import numerical_gradient
from tinygrad_edu.exercises.exercise import AnyFunction, exercise, some_numbers


def half_square(w: Any) -> Any:
    return w**2 / 2


def fourth_power(w: Any) -> Any:
    return (w**4).sum()


def saddle(w: Any) -> Any:
    return w[0] * w[1]


@exercise(
    chapter=11,
    expected=lambda f, w, rate: numerical_gradient(lambda w: float(f(w - rate * grad(f)(w))), w),
    uses="from tinygrad_edu import Tensor, grad",
    inputs=[
        (half_square, np.array(2.0), 0.5),
        (saddle, np.array([2.0, 3.0]), 0.1),
        (fourth_power, np.array([1.0, -0.5]), 0.1),
    ],
    hints=[
        "Write the cost after the step as a function of w. Which values in it depend on w?",
        "The step depends on w too, through ∇f(w). grad of a function that calls grad follows "
        "both ways.",
        "def after(w): return f(w − rate · grad(f)(w)). You are asked for grad(after) at w.",
    ],
    typical={
        "That is the gradient at the new place. The new place itself moves with w, through "
        "∇f(w): this factor is missing.": lambda f, w, rate: grad(f)(w - rate * grad(f)(w)),
        "That is ∇f before the step.": lambda f, w, rate: grad(f)(w),
        "That is the cost after the step. Its gradient is asked for.": lambda f, w, rate: f(
            w - rate * grad(f)(w)
        ),
        "The step goes uphill: w − rate · ∇f(w).": lambda f, w, rate: grad(
            lambda w: f(w + rate * grad(f)(w))
        )(w),
        "The step has the length of the gradient: multiply it by the rate.": lambda f, w, rate: (
            grad(lambda w: f(w - grad(f)(w)))(w)
        ),
    },
)
def gradient_through_a_step(f: Callable[[Any], Any], w: np.ndarray, rate: float) -> Any:
    """A gradient within a gradient.

    One step of descent leads from w to w − rate · ∇f(w). The cost after it is
    f(w − rate · ∇f(w)). Return the gradient of this cost by w, where the step began. f maps an
    array to one number, and is written for Tensors.
    """

    def after(w: Any) -> Any:
        return f(w - rate * grad(f)(w))

    return grad(after)(w)


def centred_by_hand(batches: np.ndarray, x: np.ndarray) -> Any:
    mean = np.zeros(x.shape[1])
    for batch in batches:
        mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
    return batches[-1] - batches[-1].mean(axis=0), np.stack([x - mean, x - mean]), 0.0


def used_saved_and_loaded(make: AnyFunction, batches: np.ndarray, x: np.ndarray) -> Any:
    """What it answers in training; loaded into another in eval(), twice; and how many parameters
    it has."""
    layer, other = make(x.shape[1]), make(x.shape[1])
    if not isinstance(layer, nn.Module):
        name = getattr(layer, "__name__", layer)
        raise TypeError(f"centring_layer returned {name}, and a Module was expected")
    trained = [layer(Tensor(batch)) for batch in batches][-1]
    other.load_state_dict(layer.state_dict())
    other.eval()
    evaluated = np.stack([other(Tensor(x)).numpy() for _ in range(2)])
    return trained, evaluated, float(sum(p.size for p in layer.parameters()))


def centring(
    features: int,
    make: Callable[[Any], Any] = Tensor,
    share: float = 0.1,
    moves: Callable[[bool], bool] = bool,
    of_batch: Callable[[bool], bool] = bool,
) -> Any:
    """The layer of the exercise below; each setting but the first can be a mistake."""

    class Centring(nn.Module):
        def __init__(self) -> None:
            self.mean = make(np.zeros(features))

        def forward(self, x: Any) -> Any:
            mean = x.mean(axis=0)
            if moves(self.training):
                self.mean = make((1 - share) * plain(self.mean) + share * plain(mean))
            return x - (mean if of_batch(self.training) else plain(self.mean))

    return Centring()


@exercise(
    chapter=11,
    outcome=used_saved_and_loaded,
    expected=centred_by_hand,
    uses="from tinygrad_edu import Tensor, nn",
    inputs=[
        (np.array([[[1.0], [3.0]]]), np.array([[0.0]])),
        (some_numbers(3, 4, 2) + 1.0, some_numbers(2, 2)),
    ],
    hints=[
        "A Tensor that is an attribute belongs to the Module: with requires_grad=True it is a "
        "parameter, and without it a buffer. An array belongs to nobody.",
        "self.mean = Tensor(np.zeros(features)) in __init__. In forward, if self.training: give "
        "self.mean.data a new value, and subtract x.mean(axis=0). Else subtract self.mean.",
        "self.mean.data = 0.9 * self.mean.data + 0.1 * x.mean(axis=0).data",
    ],
    typical={
        "The running mean is not in state_dict(): an array as an attribute is not saved. Make it "
        "a Tensor.": lambda features: centring(features, np.asarray),
        "The running mean is a parameter, so an optimizer would change it: no requires_grad for "
        "a buffer.": lambda features: centring(
            features, functools.partial(Tensor, requires_grad=True)
        ),
        "It moves in eval() too. Only training may change it: if self.training.": lambda features: (
            centring(features, moves=lambda training: True)
        ),
        "In training the batch's own mean is subtracted, not the running one.": lambda features: (
            centring(features, of_batch=lambda training: False)
        ),
        "In eval() the running mean is subtracted, not the batch's: what is answered for one "
        "example must not depend on its neighbours.": lambda features: centring(
            features, of_batch=lambda training: True
        ),
        "The running mean was replaced by the batch's. It moves a tenth of the way: "
        "0.9 · old + 0.1 · new.": lambda features: centring(features, share=1.0),
        "The shares are exchanged: 0.9 · old + 0.1 · new.": lambda features: centring(
            features, share=0.9
        ),
    },
)
def centring_layer(features: int) -> nn.Module:
    """A layer that remembers: a Module with a buffer.

    Return a Module that subtracts means: for x of shape (batch, features) it gives x − mean. While
    it trains (self.training), that is the mean of this batch, of shape (features,), and the layer's
    running mean becomes 0.9 times what it was plus 0.1 times this one. In eval() the running mean
    is subtracted, and nothing changes. It begins at 0, is saved by state_dict(), and is no
    parameter. x is a Tensor. It is tried with several batches, then loaded into another layer and
    tried in eval().
    """

    class Centring(nn.Module):
        def __init__(self) -> None:
            self.mean = Tensor(np.zeros(features))

        def forward(self, x: Any) -> Any:
            if not self.training:
                return x - self.mean
            mean = x.mean(axis=0)
            self.mean.data = 0.9 * self.mean.data + 0.1 * mean.data
            return x - mean

    return Centring()


def weighted_tanh_gradient(x: Any, w: Any, g: Any) -> Any:
    """The step whose program is printed in the exercise below."""
    return grad(lambda w: (g * np.tanh(x @ w)).sum())(w)


@exercise(
    chapter=9,
    expected=lambda x, w, g: numerical_gradient(lambda w: float(g @ np.tanh(x @ w)), w),
    inputs=[
        (np.array([[1.0]]), np.array([0.5]), np.array([1.0])),
        (np.array([[1.0, 2.0]]), np.array([0.5, 0.0]), np.array([3.0])),
        (some_numbers(3, 2), some_numbers(2), some_numbers(3) + 1.0),
    ],
    hints=[
        "b0 is memory, not a value: five lines write into it, one after the other. Beside each "
        "line, write down what b0 holds after it.",
        "After two lines b0 is s = tanh(x w), after the third s². What is it after the fifth? "
        "x.mT is x transposed.",
        "g · (1 − s²) is in b0 at the end. The last product is xᵀ with that.",
    ],
    typical={
        "b0 was overwritten by tanh before it was squared: 1 − tanh²(x w).": lambda x, w, g: (
            x.T @ (g * (1 - (x @ w) ** 2))
        ),
        "The fifth line is missing: it multiplies by g.": lambda x, w, g: (
            x.T @ (1 - np.tanh(x @ w) ** 2)
        ),
        "The third line multiplies b0 by itself: a square.": lambda x, w, g: (
            x.T @ (g * (1 - np.tanh(x @ w)))
        ),
        "The fourth line is 1.0 − b0, in this order.": lambda x, w, g: (
            x.T @ (g * (np.tanh(x @ w) ** 2 - 1))
        ),
        "That is what b0 holds at the end. The program returns b1.": lambda x, w, g: (
            g * (1 - np.tanh(x @ w) ** 2)
        ),
        "That is what the first two lines make. The program goes on.": lambda x, w, g: np.tanh(
            x @ w
        ),
    },
)
def read_a_program(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Reading a program.

    step(x, w, g) was replayed, and print(step.program) says what a call does now: each line writes
    into a buffer, b0 or b1, and a buffer is used again as soon as nobody needs what it holds.

        b0 = np.matmul(x, w, out=b0)            # (3,)
        b0 = np.tanh(b0, out=b0)                # (3,)
        b0 = np.multiply(b0, b0, out=b0)        # (3,)
        b0 = np.subtract(1.0, b0, out=b0)       # (3,)
        b0 = np.multiply(g, b0, out=b0)         # (3,)
        t0 = x.mT                               # (2, 3)
        b1 = np.dot(t0, b0[..., None], out=b1)  # (2, 1)
        result = b1[..., 0].copy()
        return result

    Return the same for x, w and g of any fitting shapes, (n, m), (m,) and (n,), without a buffer:
    one or two lines, as you would write them in a textbook.
    """
    s = np.tanh(x @ w)
    return np.asarray(x.T @ (g * (1 - s**2)))


def training(rate: float) -> Iterator[tuple[nn.Module, np.ndarray, Any]]:
    """A network of two layers of ReLU while it trains: before the first step, and after each."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(32, 4))
    targets, sizes = np.tanh(x[:, :1]), ((4, 6), (6, 6), (6, 1))
    first, second, last = (nn.Linear(*size, rng=rng, dtype=float) for size in sizes)
    model, cost = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last), nn.MSE()
    optimizer = nn.optim.SGD(model.parameters(), lr=rate)
    yield model, x, (optimizer, lambda: cost(model(x), targets))
    for _ in range(32):
        loss = cost(model(x), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield model, x, loss


@functools.cache
def recorded_run(rate: float) -> Any:
    """The run of this training, read from its file; frames at the steps 0, 1, 2, 4, 8, 16, 32.

    On a slow machine some of them would be left out, but for the patch.
    """
    steps = training(rate)
    model, _, (optimizer, cost) = next(steps)
    all_early_frames = patch("tinygrad_edu.watching.pace.FREE_SECONDS", 600.0)
    with tempfile.TemporaryDirectory() as folder, all_early_frames:
        file = Path(folder, "run.html")
        run = watch(model, cost, optimizer, save=file, terminal=False, every=1e9, share=1.0)
        for _, _, loss in steps:
            run.log(loss=loss)
        run.finish()
        return watch.load(file)  # type: ignore[attr-defined]


def counted_in_the_network(rate: float, place: str) -> tuple[int, int]:
    """The first step with a dead neuron and how many there are at the end, without a record."""
    counts = []
    for model, x, _ in training(rate):
        parts = list(model)[: int(place[0]) + 1]  # type: ignore[call-overload]
        for part in parts:
            x = plain(part(x))
        counts.append(int((x <= 0).all(axis=0).sum()))
    looked = [step for step in (0, 1, 2, 4, 8, 16, 32) if counts[step]]
    return (looked or [-1])[0], counts[-1]


def dead_by_frame(run: Any, place: str, key: str = "dead") -> dict[int, int]:
    frames = [run.table(step) for step in range(run.table().step + 1)]
    return {frame.step: frame[place][key] for frame in frames}


def first_place(counts: dict[int, int], found: AnyFunction = lambda count: count > 0) -> int:
    return next((step for step, count in counts.items() if found(count)), -1)


def a_frames_number(counts: dict[int, int]) -> int:
    return next((number for number, count in enumerate(counts.values()) if count), -1)


@exercise(
    chapter=8,
    outcome=lambda first_dead_neuron, rate, place: first_dead_neuron(recorded_run(rate), place),
    expected=counted_in_the_network,
    inputs=[(0.05, "1 ReLU"), (1.0, "1 ReLU"), (1.0, "3 ReLU"), (1.5, "3 ReLU")],
    hints=[
        "print(run.table()) shows the last frame, with a column `dead`. run.table(step) shows the "
        "last frame that is no later than the step.",
        "Go through the steps 0, 1, 2 … run.table().step. frame = run.table(step): what is "
        'frame[place]["dead"], and what is frame.step?',
        'Of the frames with frame[place]["dead"] > 0, the first one\'s frame.step; at the end, '
        'run.table()[place]["dead"].',
    ],
    typical={
        "That is the last frame in which a neuron is dead. When was the first?": lambda run, p: (
            first_place(dict(reversed(dead_by_frame(run, p).items()))),
            run.table()[p]["dead"],
        ),
        "That is a frame's number. Frames are not taken at every step: frame.step.": lambda r, p: (
            a_frames_number(dead_by_frame(r, p)),
            r.table()[p]["dead"],
        ),
        "`of` is how many neurons there are. `dead` is how many of them are dead.": lambda run, p: (
            first_place(dead_by_frame(run, p, "of")),
            run.table()[p]["of"],
        ),
        "That is when all are dead. One is enough.": lambda run, p: (
            first_place(dead_by_frame(run, p), lambda count: count == 6),
            run.table()[p]["dead"],
        ),
        "The second number is of the first frame with a dead neuron, "
        "not of the last frame.": lambda run, p: (
            first := first_place(dead_by_frame(run, p)),
            run.table(max(first, 0))[p]["dead"],
        ),
        "That is the other ReLU: look at `place`.": lambda run, p: (
            first_place(dead_by_frame(run, {"1": "3 ReLU", "3": "1 ReLU"}[p[0]])),
            run.table()[{"1": "3 ReLU", "3": "1 ReLU"}[p[0]]]["dead"],
        ),
    },
)
def first_dead_neuron(run: Any, place: str) -> tuple[int, int]:
    """A dead neuron in a recorded run.

    run is a training that was watched and saved, as watch.load("run.html") reads it; each has
    another learning rate. A neuron of a ReLU is dead if it is 0 for all examples. Return two
    numbers for the ReLU at this place, such as "1 ReLU": the step of the first frame in which one
    of its neurons is dead, −1 if there is none; and how many are dead in the last frame.
    print(run.table()) shows a frame.
    """
    frames = [run.table(step) for step in range(run.table().step + 1)]
    steps = [frame.step for frame in frames if frame[place]["dead"] > 0]
    return min(steps, default=-1), frames[-1][place]["dead"]


@exercise(
    chapter=10,
    expected=lambda q, k, v: special.softmax(q @ k.T / len(q) ** 0.5) @ v,
    inputs=[
        (np.array([1.0]), np.array([[2.0]]), np.array([[5.0]])),
        (np.array([1.0, 0.0]), np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[1.0], [0.0]])),
        (some_numbers(4), some_numbers(3, 4), some_numbers(3, 2)),
        (np.array([30.0, 40.0]), np.array([[30.0, 40.0], [40.0, 30.0]]), np.eye(2)),
    ],
    hints=[
        "Three steps: how well does q fit each key, what share of the attention does that make, "
        "and which mixture of the values is it?",
        "scores = k @ q / √d, one number for each key. Their softmax are the shares, which add up "
        "to 1.",
        "The result is shares @ v. For large scores, subtract the greatest before exp.",
    ],
    typical={
        "The scores are not divided by √d: for long vectors softmax picks one "
        "key alone.": lambda q, k, v: special.softmax(k @ q) @ v,
        "The scores are divided by d. Its root is meant: √d.": lambda q, k, v: (
            special.softmax(k @ q / len(q)) @ v
        ),
        "√d, where d is the length of q, and not the number of keys.": lambda q, k, v: (
            special.softmax(k @ q / np.sqrt(len(k))) @ v
        ),
        "The scores themselves were taken as shares: softmax first.": lambda q, k, v: (
            k @ q / np.sqrt(len(q)) @ v
        ),
        "That is the value of the key that fits best. All are mixed, "
        "by their shares.": lambda q, k, v: v[np.argmax(k @ q)],
        "These are the shares. They are used to mix the values: shares @ v.": lambda q, k, v: (
            special.softmax(k @ q / np.sqrt(len(q)))
        ),
        "Each share is e⁰ / e⁰ = 1: the softmax is over all keys together, not over one number "
        "each.": lambda q, k, v: v.sum(axis=0),
        "e to a large number is infinite, and inf/inf is nan: subtract the greatest score "
        "first.": lambda q, k, v: (e := np.exp(k @ q / np.sqrt(len(q)))) / e.sum() @ v,
    },
)
def attention_step(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One step of attention.

    A token asks with its query q, (d,). The n tokens so far have keys k, (n, d), and values v,
    (n, m). The score of token i is kᵢ · q / √d, the softmax of the scores are shares, and the
    result is the sum of the values, each times its share, (m,). Return it.
    """
    scores = k @ q / np.sqrt(len(q))
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum() @ v)
