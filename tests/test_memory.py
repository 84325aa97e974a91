"""What is kept is flat: over many steps, ever new shapes, repeated calls. Counted, not clocked."""

import contextlib
import gc
import sys

import numpy as np
import pytest

from tinygrad_edu import Tensor, detect_anomaly, grad, hvp, nn, no_grad, special

RNG = np.random.default_rng(0)


def growth(once, count):
    """What `count` more calls keep: objects that only the collector finds, and blocks of memory."""
    try:
        gc.disable()
        for i in range(200):
            once(i)
        gc.collect()
        before = sys.getallocatedblocks()
        for i in range(200, 200 + count):
            once(i)
        return gc.collect(), sys.getallocatedblocks() - before
    finally:
        gc.enable()


def assert_flat(once, count):
    in_cycles, blocks = growth(once, count)
    assert in_cycles < count / 2  # a few may be another thread's
    assert blocks < count / 2


def training(optimizer):
    """A step of a small model, whose batches have ever new sizes."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.1), nn.ReLU(), nn.Linear(3, 1))
    updates = optimizer(model.parameters(), lr=1e-3)

    def step(i):
        x = np.ones((1 + i % 1500, 2), np.float32)
        loss = special.softplus(model(x)).mean()
        updates.zero_grad()
        loss.backward()
        updates.step()

    return step


X, W = Tensor(np.ones(3), requires_grad=True), Tensor(np.ones((3, 3)), requires_grad=True)
EMPTY, EVALUATED = nn.Sequential(), nn.Sequential(nn.Dropout(0.5), nn.Sequential(), nn.Dropout(0.1))
EVALUATED.eval()
RECURRENT, MODEL = nn.LSTM(2, 2), nn.Sequential(nn.Linear(3, 2), nn.Tanh())


def detached_state(i, memory={}):  # noqa: B006 — it lasts from call to call
    outputs, state = RECURRENT(np.ones((1, 2, 2), np.float32), memory.get("state"))
    outputs.sum().backward()
    memory["state"] = tuple(part.detach() for part in state)
    RECURRENT.zero_grad()


def watched(i):
    with detect_anomaly():
        np.sin(X * X).sum().backward()


def evaluated_without_recording(i):
    with no_grad():
        return MODEL(X[None])


def mistaken(i):
    with contextlib.suppress(ValueError):
        X.backward()


REPEATED = {
    "an operation on one Tensor": lambda i: np.exp(X) * X,
    "a method with options": lambda i: W.max(0, None, True),
    "backward into one leaf": lambda i: (X * X).sum().backward(),
    "rows, joined again": lambda i: np.stack(list(W)).sum().backward(),
    "new shapes": lambda i: (X[None] * np.ones((i, 1))).sum().backward(),
    "a gradient that is recorded": lambda i: (X**3).sum().gradient(X, create_graph=True),
    "a transform": lambda i: grad(lambda x: (np.tanh(x) * X).sum())(X.data),
    "a second derivative": lambda i: hvp(lambda x: (x**3).sum(), X.data, X.data),
    "a Module": lambda i: MODEL(X[None]),
    "a Module without recording": evaluated_without_recording,
    "a Module of nothing": lambda i: EMPTY(X),
    "a Module that hands its input through": lambda i: EVALUATED(X),
    "a Module that hands its input through, new each time": lambda i: EVALUATED(Tensor([1.0])),
    "a state that is detached": detached_state,
    "an error": mistaken,
    "what is watched": watched,
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_repeated_keeps_nothing(name):
    assert_flat(REPEATED[name], 1000)


@pytest.mark.parametrize("optimizer", [nn.optim.SGD, nn.optim.Adam])
def test_a_training_of_many_steps_and_ever_new_shapes_keeps_nothing(optimizer):
    assert_flat(training(optimizer), 2000)


def test_what_hands_its_input_through_leaves_no_note_on_it():
    x = Tensor([1.0])
    for _ in range(3):
        assert EVALUATED(x) is x and EMPTY(x) is x
    assert x.notes == ()


def test_a_state_that_is_not_detached_does_grow():
    state = [X]

    def step(i):
        state[0] = np.tanh(state[0])

    assert growth(step, 1000)[1] > 1000  # the count counts
