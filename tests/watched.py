"""Trainings for the tests of watching: small ones, and a clock that the tests set."""

import numpy as np

from tinygrad_edu import nn, replay
from tinygrad_edu.watching import Run, run, watch

IMAGES = np.random.default_rng(7).random((256, 8, 8)).round(1).cumsum(axis=1).astype(np.float32) / 8
LABELS = (IMAGES.sum(axis=(1, 2)) % 4).astype(int)


class Clock:
    """In place of perf_counter: each look at it takes a little; tests let time pass."""

    def __init__(self, monkeypatch, tick=1e-6):
        self.now, self.tick = 0.0, tick
        monkeypatch.setattr("tinygrad_edu.watching.pace.perf_counter", self)
        monkeypatch.setattr(run, "perf_counter", self)

    def __call__(self):
        self.now += self.tick
        return self.now


def classifier(seed=0, hidden=(nn.ReLU,), extra=()):
    """64-8-4 on images of 8 × 8."""
    rng = np.random.default_rng(seed)
    layers = [nn.Linear(64, 8, rng=rng), *[kind() for kind in hidden], *extra]
    return nn.Sequential(*layers, nn.Linear(8, 4, rng=rng))


def training(model, optimizer, recorded=False):
    """The step of a classifier."""
    cost = nn.CrossEntropy()

    def step(x, y):
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return replay(step) if recorded else step


def batches(steps, size=16):
    x = IMAGES.reshape(-1, 64)
    for i in range(steps):
        chosen = np.arange(i * size, (i + 1) * size) % len(x)
        yield x[chosen], LABELS[chosen]


def watched(steps=20, model=None, optimizer=None, recorded=False, **options) -> Run:
    """A run of so many steps of plain gradient descent."""
    model = model or classifier()
    optimizer = optimizer or nn.optim.SGD(model.parameters(), lr=0.1)
    x, y, cost = IMAGES[:32].reshape(32, 64), LABELS[:32], nn.CrossEntropy()
    found = watch(model, lambda: cost(model(x), y), optimizer, **options)
    step = training(model, optimizer, recorded)
    for batch in batches(steps):
        found.log(loss=step(*batch))
    return found


def set_clock_of(module, monkeypatch):
    """The clock of a module that shows runs: a list with the time."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now
