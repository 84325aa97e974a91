"""A replayed step is the step as written: the same numbers, states and errors.

What it could not follow it refuses.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import random
import threading
import tracemalloc
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from layers import LAYERS, learning

from tinygrad_edu import Tensor, at_replay, hvp, nn, no_grad, opaque, replay, value_and_grad
from tinygrad_edu.programs import backends
from tinygrad_edu.programs.refusals import NotReplayable

Array = np.ndarray[Any, Any]
optim = nn.optim
F8: Any = {"dtype": np.float64}
pytestmark = pytest.mark.usefixtures("backend")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def numbers(*shape: int, seed: int = 0) -> Array:
    return rng(seed).normal(size=shape)


def same(a: Any, b: Any) -> None:
    """Equal to rounding, and of the same types, shapes and dtypes."""
    assert a.__class__ is b.__class__  # what stands in for an array says that it is one
    if isinstance(a, tuple | list):
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, Tensor):
        same(a.data, b.data)
    elif a is not None:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


class World:
    """A model with all that belongs to it.

    It is built twice from the same seeds: one is trained as written, one is replayed.
    """

    def __init__(
        self, make: Callable[[], nn.Module], loss: Any = None, optimizer: Any = None
    ) -> None:
        self.model = model = make()
        self.optimizer = (
            (optimizer or (lambda p: optim.SGD(p, lr=0.1)))(model.parameters())
            if [*model.parameters()]
            else None
        )
        optimizer, loss = self.optimizer, loss or (lambda z, y: (z * z).mean())

        def step(x: Any, y: Any = 0.0) -> Any:
            z = model(x)
            cost = loss(z[0] if isinstance(z, tuple) else z, y)
            if optimizer is None:
                return cost
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            return cost

        self.step = step

    def state(self) -> list[Any]:
        return [x for _, t in self.model.named_state() for x in (t.data, t.grad)]


def worlds(*args: Any, **options: Any) -> tuple[World, World]:
    a, b = World(*args, **options), World(*args, **options)
    b.step = replay(b.step)
    return a, b


def together(a: World, b: World, batches: Any, steps: int = 6) -> None:
    for i in range(steps):
        batch = batches(i)
        same(a.step(*batch), b.step(*batch))
        for x, y in zip(a.state(), b.state(), strict=True):
            same(x, y)
    assert b.step.programs  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_learns_alike(name: str) -> None:
    _, shape = LAYERS[name]
    together(*worlds(lambda: learning(name)), lambda i: (numbers(*shape, seed=i),))


LOSSES: dict[str, tuple[Any, Callable[[int], Any]]] = {
    **{
        loss.__name__: (loss, lambda i: numbers(5, 3, seed=i + 50))
        for loss in (nn.MSE, nn.L1, nn.Huber)
    },
    "MSE, sum": (lambda: nn.MSE("sum"), lambda i: numbers(5, 3, seed=i + 50)),
    "BCEWithLogits": (nn.BCEWithLogits, lambda i: rng(i).integers(0, 2, (5, 3))),
    "KLDiv": (nn.KLDiv, lambda i: np.full((5, 3), 1 / 3)),
    "CrossEntropy": (nn.CrossEntropy, lambda i: rng(i).integers(0, 3, 5)),
    "CrossEntropy of probabilities": (
        lambda: nn.CrossEntropy(label_smoothing=0.1),
        lambda i: np.full((5, 3), 1 / 3),
    ),
    "NLL": (nn.NLL, lambda i: rng(i).integers(0, 3, 5)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_alike(name: str) -> None:
    loss, target = LOSSES[name]
    together(
        *worlds(lambda: nn.Linear(4, 3, rng=rng(), **F8), loss()),
        lambda i: (numbers(5, 4, seed=i), target(i)),
    )


OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": optim.Adam,
    "AdamW": lambda p: optim.AdamW(p, 0.1, weight_decay=0.1),
    "RMSprop": optim.RMSprop,
    "RMSprop, centered": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
    "Adagrad": optim.Adagrad,
}


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, 8, rng=rng(1), **F8), nn.Tanh(), nn.Linear(8, 3, rng=rng(2), **F8)
    )


def batch(i: int) -> Any:
    return (numbers(5, 4, seed=i),)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_the_same_steps(name: str) -> None:
    together(*worlds(perceptron, optimizer=OPTIMIZERS[name]), batch, steps=8)


# What may change from call to call


def test_new_shapes_are_recorded_anew() -> None:
    together(*worlds(perceptron), lambda i: (numbers(3 if i % 4 == 3 else 5, 4, seed=i),), steps=16)


def test_a_schedule_is_followed() -> None:
    a, b = worlds(perceptron, optimizer=optim.Adam)
    schedules = [optim.Cosine(world.optimizer, 10) for world in (a, b)]

    def next_batch(i: int) -> Any:
        if i % 2:
            return batch(i)
        for schedule in schedules:
            schedule.step()
        return batch(i)

    together(a, b, next_batch, steps=12)
    assert len(b.step.programs) == 1  # type: ignore[attr-defined]


CHANGES: dict[str, Callable[[World], Any]] = {
    "weight decay": lambda world: world.optimizer.param_groups[0].update(weight_decay=0.5),
    "eval": lambda world: world.model.eval(),
    "a layer": lambda world: setattr(world.model, "0", nn.Linear(4, 30, rng=rng(7), **F8)),
    "load_state_dict": lambda world: world.model.load_state_dict(
        {k: v / 2 for k, v in world.model.state_dict().items()}
    ),
    "data": lambda world: [setattr(p, "data", p.data * 2) for p in world.model.parameters()],
    "data in place": lambda world: [p.data.fill(0.1) for p in world.model.parameters()],
    "requires_grad": lambda world: setattr(next(world.model.parameters()), "requires_grad", False),
    "p": lambda world: setattr(world.model[1], "p", 0.9),  # type: ignore[index]
    "grad": lambda world: world.model.zero_grad(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_in_between_is_followed(change: str) -> None:
    def model() -> nn.Module:
        return nn.Sequential(
            nn.Linear(4, 30, rng=rng(), **F8),
            nn.Dropout(0.3, rng=rng(3)),
            nn.Linear(30, 2, rng=rng(), **F8),
        )

    a, b = worlds(model)
    together(a, b, batch)
    for world in (a, b):
        CHANGES[change](world)
    together(a, b, batch)


def test_arguments_that_are_numbers_choose_the_program() -> None:
    @replay
    def power(x: Any, n: int, scale: float = 1.0) -> Any:
        return x**n * scale

    for n, scale in [(2, 1.0), (3, 1.0), (3, 0.5)] * 4:
        np.testing.assert_allclose(
            power(np.arange(3.0), n, scale=scale), np.arange(3.0) ** n * scale
        )


def test_globals_and_attributes_of_the_users_classes_are_watched() -> None:
    class Settings:
        scale = 1.0

    settings = Settings()

    @replay
    def step(x: Any) -> Any:
        return x * settings.scale * FACTOR[0]

    for scale in (1.0, 2.0):
        Settings.scale = scale
        for factor in (1.0, 3.0, 1.0):
            FACTOR[0] = factor
            for _ in range(4):
                assert step(np.ones(2))[0] == scale * factor


FACTOR = [1.0]


# State


def test_gradients_that_accumulate_do_so() -> None:
    w, u = (Tensor(numbers(3), requires_grad=True) for _ in "ab")

    def step(w: Tensor) -> Callable[[Any], None]:
        return lambda x: (w * x).sum().backward()

    eager, replayed = step(w), replay(step(u))
    for i in range(8):
        for f in (eager, replayed):
            f(numbers(3, seed=i))
        same(w.grad, u.grad)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("as_one", [False, True])
def test_accumulation_over_two_calls_is_replayed(as_one: bool, clip: bool) -> None:
    worlds_ = worlds(perceptron)

    def steps(world: World, wrap: Any) -> Callable[[int], Any]:
        model, optimizer = world.model, world.optimizer
        parameters = list(model.parameters())

        def forward(x: Array) -> Any:
            loss = (model(x) ** 2).mean()
            loss.backward()
            return loss

        def update() -> None:
            if clip:
                optim.clip_grad_norm(parameters, 0.1)
            optimizer.step()
            optimizer.zero_grad()

        def both(x: Array, last: bool) -> Any:
            loss = forward(x)
            if last:
                update()
            return loss

        if as_one:
            step = wrap(both)
            return lambda i: (step(*batch(i), i % 3 == 2), [step])
        first, second = wrap(forward), wrap(update)

        def call(i: int) -> Any:
            loss = first(*batch(i))
            if i % 3 == 2:
                second()
            return loss, [first, second]

        return call

    a, b = steps(worlds_[0], lambda f: f), steps(worlds_[1], replay)
    for i in range(24):
        (x, _), (y, replayed) = a(i), b(i)
        same(x, y)
        for p, q in zip(worlds_[0].model.parameters(), worlds_[1].model.parameters(), strict=True):
            same(p.data, q.data)
            assert (p.grad is None) == (q.grad is None)
            if p.grad is not None:
                same(p.grad, q.grad)
    for step in replayed:
        assert sum(compiled.calls for found in step.found.values() for compiled in found) > 3


def with_gradient_changed(make: Any, change: Callable[[int, Tensor, list[Any]], None]) -> None:
    """Compare a step of w and what is held with its replay, with `change` before each call."""
    eager, replayed = (Tensor(np.ones(3), requires_grad=True) for _ in "ab")
    sides = [(w, held, make(w, held)) for w in (eager, replayed) for held in [[np.zeros(3)]]]
    steps = [sides[0][2], replay(sides[1][2])]
    for i in range(20):
        for w, held, _ in sides:
            change(i, w, held)
        same(*(step(numbers(3, seed=i)) for step in steps))
        same(eager.grad, replayed.grad)


def test_a_gradient_that_stands_in_the_programs_own_memory_is_read_before_it_is_written() -> None:
    def change(i: int, w: Any, held: list[Any]) -> None:
        if i % 5 == 0:
            w.grad = None
        elif i % 5 == 3:  # another array than the step has left
            w.grad = w.grad + 1
        elif i % 5 == 4:  # and a view of one
            w.grad = w.grad[::-1]

    with_gradient_changed(lambda w, held: lambda x: (w * w * x).sum().backward(), change)


def test_a_gradient_that_is_scaled_in_place_is_read_anew() -> None:
    def make(w: Any, held: list[Any]) -> Callable[[Any], None]:
        def step(x: Array) -> None:
            if w.grad is not None:
                w.grad *= 0.5
            (w * w * x).sum().backward()

        return step

    def change(i: int, w: Any, held: list[Any]) -> None:
        if i % 3 == 0:
            w.grad = None

    with_gradient_changed(make, change)


def test_a_gradient_that_somebody_else_holds_is_not_read_anew() -> None:
    def make(leaf: Any, other: list[Any]) -> Callable[[Any], Any]:  # the search finds leaf first
        def step(x: Array) -> Any:
            other[0] *= 0.5  # where it is the gradient, that changes too
            (leaf * leaf * x).sum().backward()
            return other[0].sum()

        return step

    def change(i: int, w: Any, held: list[Any]) -> None:
        if i % 2 == 0:
            w.grad = None
        elif i % 4 == 1:
            w.grad = held[0] = w.grad.copy()

    with_gradient_changed(make, change)


def test_a_gradient_in_memory_of_somebody_else_is_scaled_there() -> None:
    def make(w: Any, held: list[Any]) -> Callable[[Any], Any]:
        held.append(False)

        def step(x: Array) -> None:
            if held[1]:
                w.grad *= 0.5
            else:
                (w * w * x).sum().backward()

        return step

    def change(i: int, w: Any, held: list[Any]) -> None:
        held[1] = i % 4 == 3
        if i % 4 == 0:
            w.grad = None
        elif held[1]:
            w.grad = np.frombuffer(bytearray(w.grad.tobytes()))

    with_gradient_changed(make, change)


def test_a_variant_of_a_call_knows_its_own_arrays() -> None:
    step = replay(np.dot)
    step(numbers(3), numbers(3, seed=1))
    (call,) = step.program.calls
    assert len(call.arrays) == 2
    assert dataclasses.replace(call, args=call.args[:1]).arrays == [call.args[0]]


def test_shapes_that_come_once_are_not_recorded() -> None:
    step = replay(lambda x: np.sin(x) * 2)
    for n in (3, 4, 5, 6, 7):
        same(step(numbers(n)), np.sin(numbers(n)) * 2)
    assert len(step.programs) == 1
    step(numbers(5))
    assert [x.shape for x in step.program.inputs] == [(5,)]


def test_data_that_is_rebound_keeps_its_array() -> None:
    w = Tensor(np.ones(3), requires_grad=True)

    @replay
    def halve() -> None:
        w.data = w.data / 2

    array = w.data
    for i in range(1, 6):
        halve()
        assert w.data is array and array[0] == 0.5**i


def test_what_was_the_state_before_can_be_returned() -> None:
    box = {"x": np.ones(2)}

    @replay
    def double() -> Any:
        before = box["x"]
        box["x"] = before * 2
        return before

    for i in range(6):
        assert double()[0] == 2**i


def test_swapped_arrays_are_swapped() -> None:
    pair = {"a": np.zeros(2), "b": np.ones(2)}

    @replay
    def swap() -> None:
        pair["a"], pair["b"] = pair["b"], pair["a"]

    for i in range(1, 7):
        swap()
        assert pair["a"][0] == i % 2 == 1 - pair["b"][0]


def test_a_graph_from_before_a_replayed_step_is_told_that_its_numbers_are_gone() -> None:
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), np.ones((4, 3))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    @replay
    def step(x: Array) -> Any:
        loss = (model(x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step(x)
    for _ in range(5):
        before = (model(x) ** 2).sum()
        step(x)
        with pytest.raises(RuntimeError, match="changed in place after"):
            before.backward()


@pytest.mark.parametrize("change", ["pop", "reverse"])
def test_a_group_whose_parameters_were_changed_in_between_is_replayed(change: str) -> None:
    def trained(wrap: Any) -> Any:
        ws = [Tensor(np.arange(1.0, n), requires_grad=True) for n in (3, 4, 5)]
        optimizer = nn.optim.SGD(ws, lr=0.1, momentum=0.9)

        def step() -> None:
            optimizer.zero_grad()
            sum((w * w).sum() for w in ws).backward()  # type: ignore[union-attr]
            optimizer.step()

        f = wrap(step)
        for i in range(9):
            if i == 4:
                getattr(optimizer.param_groups[0]["params"], change)()
            f()
        return np.concatenate([w.data for w in ws])

    np.testing.assert_allclose(
        trained(lambda f: replay(f, audit=False)), trained(lambda f: f), 1e-12
    )


def test_arrays_in_place_and_views_of_them() -> None:
    total = np.zeros((2, 3))
    row = total[1]

    @replay
    def add(x: Any) -> Any:
        total[...] += x
        row[:] = row * 2
        return total.sum()

    expected = np.zeros((2, 3))
    for i in range(6):
        expected += numbers(2, 3, seed=i)
        expected[1] *= 2
        assert add(numbers(2, 3, seed=i)) == pytest.approx(expected.sum())
        same(total, expected)


WRITERS: dict[str, Callable[[Array, Array], Any]] = {
    "add.at": lambda z, x: np.add.at(z, np.array([0, 2, 0]), x),
    "subtract.at": lambda z, x: np.subtract.at(z, [1, 1, 2], x),
    "copyto": lambda z, x: np.copyto(z, x),
    "copyto by name": lambda z, x: np.copyto(dst=z, src=x),
    "put": lambda z, x: np.put(z, [0, 2], x[:2]),
    "putmask": lambda z, x: np.putmask(z, x > 0, x),
    "place": lambda z, x: np.place(z, x > 0, x),
    "put_along_axis": lambda z, x: np.put_along_axis(z, np.array([2, 1]), x[:2], 0),
    "fill_diagonal": lambda z, x: np.fill_diagonal(z[None, :1], x[0]),
    "setitem": lambda z, x: z.__setitem__(slice(1, None), x[1:]),
    "add": lambda z, x: np.add(z, x, out=z),
    "add to a part": lambda z, x: z[:2].__iadd__(x[:2]),
    "negative, by name": lambda z, x: np.negative(x, out=z),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_to_an_array_does_so_in_a_replay(name: str) -> None:
    def step(state: Array) -> Callable[[Array], Any]:
        def f(x: Array) -> Any:
            z = np.zeros_like(x, shape=3)
            WRITERS[name](z, x)
            WRITERS[name](state, x)
            return z + 1, state * 1

        return f

    a, b = numbers(3, seed=5), numbers(3, seed=5)
    eager, replayed = step(a), replay(step(b))
    for i in range(5):
        same(eager(numbers(3, seed=i)), replayed(numbers(3, seed=i)))
        same(a, b)
    assert replayed.programs


def test_parts_that_are_added_to_are_written_once(backend: str) -> None:
    def step(x: Any) -> Any:
        z = np.zeros_like(x, shape=(2, 3))
        z[0] += x
        z[:, 1:] += x[:2]
        return z

    f = replay(step)
    for i in range(4):
        same(step(numbers(3, seed=i)), f(numbers(3, seed=i)))
    if backend != "numpy":
        return
    lines = [line.partition(" #")[0].rstrip() for line in str(f.program).splitlines()]
    assert lines[1:-2] == [
        "b0[...] = 0",
        "b0[0] = np.add(b0[0], x, out=b0[0])",
        "t0 = x[:2]",
        "b0[:, 1:] = np.add(b0[:, 1:], t0, out=b0[:, 1:])",
    ]


def test_zeros_that_only_give_their_shape_keep_nothing_alive() -> None:
    def step(x: Any) -> Any:
        z = np.zeros_like(np.exp(x))
        z[0] = x[0]
        return z, np.ones_like(x)

    f = replay(step)
    for i in range(4):
        same(step(numbers(3, seed=i)), f(numbers(3, seed=i)))
    assert "exp" not in str(f.program)


def test_results_stay_when_the_next_call_comes() -> None:
    f = replay(lambda x: (x + 1, {"twice": x * 2}))
    results = [f(np.full(3, float(i))) for i in range(6)]
    for i, (more, twice) in enumerate(results):
        assert more[0] == i + 1 and twice["twice"][0] == 2 * i


def test_gradients_of_two_tensors_have_memory_of_their_own() -> None:
    p, q = (Tensor(np.ones(3), requires_grad=True) for _ in "ab")

    @replay
    def step(x: Any) -> None:
        for t in (p, q):
            t.zero_grad()
        ((p + q) ** 2 * x).sum().backward()

    for _ in range(5):
        step(np.ones(3))
    p.grad *= 2
    assert q.grad[0] == 4


def test_a_gradient_joined_into_one_vector_is_computed_there(backend: str) -> None:
    a, b = worlds(perceptron, optimizer=Flat)
    together(a, b, batch)
    if backend == "jax":
        return
    assert "concatenate" not in str(b.step.program)  # type: ignore[attr-defined]
    p = next(b.model.parameters())
    assert p.grad is not None and p.grad.base is b.optimizer.gradient  # type: ignore[union-attr]


class Flat:
    """SGD with one vector of all parameters, and one of all gradients."""

    def __init__(
        self, parameters: Iterator[Tensor], change: float = 0.0, inertia: float = 0.0
    ) -> None:
        self.parameters, self.change, self.inertia, start = [*parameters], change, inertia, 0
        self.vector = np.concatenate([p.data.ravel() for p in self.parameters])
        self.gradient = np.zeros_like(self.vector)
        for p in self.parameters:
            p.data = self.vector[start : start + p.size].reshape(p.shape)
            start += p.size

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        if self.inertia:
            self.vector -= self.inertia * self.gradient
        np.concatenate(
            [p.grad.ravel() for p in self.parameters if p.grad is not None], out=self.gradient
        )
        if self.change:
            self.gradient *= self.change
        self.vector -= 0.1 * self.gradient


def test_a_joined_vector_that_is_changed_leaves_the_gradients_alone() -> None:
    together(*worlds(perceptron, optimizer=lambda p: Flat(p, 0.5)), batch)


def test_the_last_gradient_may_be_an_argument() -> None:
    w = Tensor(np.ones(3), requires_grad=True)

    @replay
    def step(v: Any) -> Any:
        w.zero_grad()
        (w * v * 2).sum().backward()
        return v.sum()

    step(np.ones(3))
    for i in range(1, 7):
        assert step(w.grad) == 3 * 2**i
        assert w.grad is not None and w.grad[0] == 2 ** (i + 1)
    assert len(step.programs) == 1


def test_a_step_that_fails_is_not_counted() -> None:
    a = World(lambda: nn.Linear(4, 3, rng=rng(), **F8), nn.CrossEntropy(), optim.Adam)
    step = replay(a.step)
    for i in range(4):
        step(*batch(i), np.zeros(5, int))
    with pytest.raises(ValueError, match="found 7"):
        step(*batch(0), np.full(5, 7))
    assert set(a.optimizer.steps.values()) == {4}


def test_the_arrays_of_the_traces_are_let_go(backend: str) -> None:
    f = replay(lambda x: (np.exp(np.exp(x)) + at_replay(lambda: np.zeros(np.shape(x)))).sum())
    x = np.zeros(1_000_000)  # large beside what a compiler keeps for itself
    other = replay(lambda x: np.exp(x).sum())
    assert other(x) == other(x) == other(x)  # the compiler is imported
    tracemalloc.start()
    for _ in range(4):
        f(x)
    buffers = 1 if backend == "numpy" else 3  # loops have what NumPy gives them at fixed addresses
    assert tracemalloc.get_traced_memory()[0] < (buffers + 1) * x.nbytes
    tracemalloc.stop()


def test_a_vector_that_is_still_read_is_joined_afterwards() -> None:
    together(*worlds(perceptron, optimizer=lambda p: Flat(p, inertia=0.1)), batch)


def test_copies_of_what_changes_are_copies() -> None:
    def f(x: Any) -> Any:
        z = x * 2
        copy = z.copy()
        z += 1
        first = z[:1]
        first *= 3
        return copy + 0, z + copy

    replayed = replay(f)
    for i in range(5):
        same(f(numbers(3, seed=i)), replayed(numbers(3, seed=i)))


def test_a_draw_that_nobody_uses_is_drawn() -> None:
    a, b = rng(), rng()

    def step(rng: np.random.Generator) -> Callable[[Any], Any]:
        def f(x: Any) -> Any:
            at_replay(lambda: rng.random(3))
            return x + at_replay(lambda: rng.random(3))

        return f

    eager, replayed = step(a), replay(step(b))
    for _ in range(5):
        same(eager(X), replayed(X))


def test_labels_in_the_state_are_checked_at_every_call() -> None:
    model, labels = nn.Linear(4, 3, rng=rng(), **F8), np.zeros(5, int)
    step = replay(lambda x: nn.CrossEntropy()(model(x), Tensor(labels)))
    for i in range(4):
        step(*batch(i))
    labels[0] = 7
    with pytest.raises(ValueError, match="found 7"):
        step(*batch(0))


def test_a_vector_joined_of_its_own_pieces_is_shifted() -> None:
    last = np.zeros(6)
    step = replay(lambda x: np.concatenate([last[2:], x * 2], out=last) * 1.0)
    for i in range(6):
        assert step(np.full(2, float(i + 1)))[-3:].tolist() == [2.0 * i, 2.0 * i + 2, 2.0 * i + 2]


def test_an_argument_may_lie_in_the_state(backend: str) -> None:
    w = np.zeros(3)

    @replay
    def step(x: Any) -> Any:
        before = x * 1
        w[...] += 1
        return before + x

    for _ in range(4):
        step(np.zeros(3))
    if backend == "jax":
        with pytest.raises(NotReplayable, match="x lies in the memory of an array that the step"):
            step(w)
        step.sync()
        assert w[0] == 4
    else:
        assert step(w)[0] == 4 + 5


def test_an_array_in_two_places_is_replaced_in_one() -> None:
    array = np.ones(2)
    box = {"a": array, "b": array}

    @replay
    def step() -> None:
        box["a"] = box["a"] * 2

    for i in range(1, 8):
        step()
        assert box["a"][0] == 2**i and box["b"][0] == 1


def test_a_gradient_lies_in_memory_as_its_parameter_does() -> None:
    w = Tensor(numbers(4, 3), requires_grad=True)

    @replay
    def step(x: Any) -> None:
        w.zero_grad()
        (x @ w.T).sum().backward()

    for i in range(4):
        step(numbers(5, 3, seed=i))
    assert w.grad is not None and w.grad.flags.c_contiguous


# Functions


def test_derivatives_of_functions_are_replayed() -> None:
    def f(x: Any) -> Any:
        return (np.sin(x) * x).sum()

    plain, replayed = value_and_grad(f), replay(value_and_grad(f))
    for i in range(5):
        same(plain(numbers(3, seed=i)), replayed(numbers(3, seed=i)))
    product, again = (lambda x, v: hvp(f, x, v)), replay(lambda x, v: hvp(f, x, v))
    for i in range(5):
        same(product(numbers(3, seed=i), numbers(3)), again(numbers(3, seed=i), numbers(3)))


def test_a_gradient_of_a_gradient_within_a_step() -> None:
    model = perceptron()

    def product(x: Any) -> Any:
        parameters = [*model.parameters()]
        gradients = (model(x) ** 2).sum().gradient(*parameters, create_graph=True)
        return sum((g * g).sum() for g in gradients).gradient(*parameters)

    replayed = replay(product)
    for i in range(4):
        same(product(*batch(i)), replayed(*batch(i)))


def test_tensors_arrays_scalars_and_lists_come_back_as_they_are() -> None:
    def f(x: Any) -> Any:
        return Tensor(x, requires_grad=True) * 2, x.sum(), [x[0], None], x.T, x > 0

    replayed = replay(f)
    for i in range(4):
        expected, found = f(numbers(2, 3, seed=i)), replayed(numbers(2, 3, seed=i))
        same([*expected[:2], *expected[2], *expected[3:]], [*found[:2], *found[2], *found[3:]])


def test_a_method_is_replayed_for_each_of_its_objects() -> None:
    class Scale:
        def __init__(self, factor: float) -> None:
            self.factor = np.array(factor)

        @replay
        def times(self, x: Any) -> Any:
            return x * self.factor

    for _ in range(4):
        for factor in (2.0, 3.0):
            assert Scale(factor).times(np.ones(1)) == factor
    scales = [Scale(2.0), Scale(3.0)]
    for _ in range(4):
        for scale in scales:
            assert scale.times(np.ones(1)) == scale.factor


def test_a_step_within_a_step_is_part_of_it() -> None:
    double = replay(lambda x: x * 2)
    outer = replay(lambda x: double(x) + 1)
    for i in range(5):
        assert outer(np.full(1, float(i))) == 2 * i + 1


def test_within_no_grad_a_step_is_another_one() -> None:
    w = Tensor(np.ones(2), requires_grad=True)
    f = replay(lambda x: (w * x).requires_grad)
    for _ in range(4):
        assert f(np.ones(2))
        with no_grad():
            assert not f(np.ones(2))


def test_whole_functions_check_values_at_every_call() -> None:
    step = worlds(lambda: nn.Linear(4, 3, rng=rng(), **F8), nn.CrossEntropy())[1].step
    for i in range(4):
        step(*batch(i), rng(i).integers(0, 3, 5))
    with pytest.raises(ValueError, match="found 7"):
        step(*batch(0), np.full(5, 7))
    step(*batch(0), np.zeros(5, int))


def test_whole_functions_may_assign() -> None:
    @opaque
    def reverse(x: Any) -> Any:
        z = np.empty_like(x)
        z[::-1] = x
        return z

    f = replay(lambda x: reverse(x) * 2)
    for i in range(4):
        assert (f(np.arange(3.0) + i) == 2 * (np.arange(3.0) + i)[::-1]).all()


def test_live_numbers_are_read_and_counted_anew() -> None:
    box = {"t": 0, "rate": 0.5}

    def count() -> int:
        box["t"] += 1
        return box["t"]

    @replay
    def step(x: Any) -> Any:
        t, rate = at_replay(count, of=box), at_replay(lambda: box["rate"], of=box)
        return x * (rate / (1 - 0.5**t)) if t < 8 else x * 0

    for t in range(1, 12):
        box["rate"] = 1 / t
        assert step(np.ones(1)) == (box["rate"] / (1 - 0.5**t) if t < 8 else 0)
        assert box["t"] == t


def test_a_live_number_may_be_a_tensor() -> None:
    box = {"rate": 1.0}

    @replay
    def step(x: Any) -> Any:
        rate = at_replay(lambda: box["rate"], of=box)
        return Tensor(rate) * x + Tensor(x) * rate

    for i in range(5):
        box["rate"] = 1 / (i + 1)
        np.testing.assert_allclose(step(X).data, 2 * box["rate"] * X)


# Programs of random calls: on results, views, and a state that is changed, rebound and joined

CALLS: list[Callable[[Array, Array, dict[str, Array]], Array]] = [
    lambda x, y, s: x + y,
    lambda x, y, s: x * y * 0.5,
    lambda x, y, s: x @ y * 0.3,
    lambda x, y, s: 1.0 * x,
    lambda x, y, s: x.T,
    lambda x, y, s: x.copy(),
    lambda x, y, s: np.tanh(x),
    lambda x, y, s: x + y[0],
    lambda x, y, s: x - x.mean(),
    lambda x, y, s: x.reshape(-1)[::-1].reshape(3, 3),
    lambda x, y, s: np.where(x > y, x, 0.5),
    lambda x, y, s: x * y.sum(axis=1, keepdims=True) * 0.3,
    lambda x, y, s: y.sum(axis=0) + np.zeros((3, 1)),
    lambda x, y, s: np.concatenate([x.ravel(), y.ravel()])[2:11].reshape(3, 3),
    lambda x, y, s: np.concatenate([x.ravel(), y.ravel()], out=s["joined"])[3:12].reshape(3, 3),
    lambda x, y, s: np.multiply(x, 0.9, out=x),
    lambda x, y, s: np.add(x, np.sin(y), out=x),
    lambda x, y, s: assigned(x, y),
    lambda x, y, s: s.update(rebound=x * 0.7 + y * 0.1) or s["rebound"],
    lambda x, y, s: s.update(rebound=x.copy()) or s["rebound"],
]


def assigned(x: Array, y: Array) -> Array:
    x[1] = y[0]
    return x


def written(seed: int, state: dict[str, Array]) -> Callable[[Array, Array], Any]:
    """A step of random calls, each on two of all arrays that there are by then; returns three."""
    choices = random.Random(seed)
    calls = [
        (choices.choice(CALLS), choices.random(), choices.random())
        for _ in range(choices.randint(4, 20))
    ]
    results = [choices.random() for _ in range(3)]

    def step(x: Array, y: Array) -> Any:
        arrays = [
            x * 1.5,
            y * 1.5,
            state["flat"][:9].reshape(3, 3),
            state["flat"][9:].reshape(3, 3),
            state["rebound"],
        ]
        for call, i, j in calls:
            arrays.append(call(arrays[int(i * len(arrays))], arrays[int(j * len(arrays))], state))
        return [np.copy(arrays[int(i * len(arrays))]) for i in results]

    return step


@pytest.mark.parametrize("seed", range(int(os.environ.get("SEEDS", "60"))))
def test_random_programs_compute_the_same(seed: int) -> None:
    a, b = ({"flat": numbers(18), "rebound": numbers(3, 3), "joined": np.zeros(18)} for _ in "ab")
    eager, replayed = written(seed, a), replay(written(seed, b))
    for i in range(5):
        batch = numbers(3, 3, seed=i), numbers(3, 3, seed=i + 9)
        same(eager(*batch), replayed(*batch))
        for x, y in zip(a.values(), b.values(), strict=True):
            same(x, y)
    assert replayed.programs


# What is refused


def refused(step: Callable[..., Any], words: str, *args: Any, calls: int = 6) -> None:
    f = replay(step)
    with pytest.raises(NotReplayable, match=words):
        for _ in range(calls):
            f(*args)


GENERATOR = rng()
PACKAGE: Any = None
X = np.ones(3)


def decides(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def converts(x: Any) -> Any:
    return x * float(x.sum())


def reads(x: Any) -> Any:
    return x * x.sum().item()


def copies(x: Any) -> Any:
    return np.asarray(x)


def masks(x: Any) -> Any:
    return x[x > 0]


def finds(x: Any) -> Any:
    return np.nonzero(x)


def draws(x: Any) -> Any:
    return x * GENERATOR.random()


def flips(x: Any) -> Any:
    return x * 2 if GENERATOR.random() < 2 else x


def flips_first(x: Any) -> Any:
    return flips(x) * at_replay(lambda: GENERATOR.random(3))


def draws_globally(x: Any) -> Any:
    return x * 2 if np.random.random() < 2 else x  # noqa: NPY002


def draws_in_python(x: Any) -> Any:
    return x * 2 if random.random() < 2 else x


def assigns(x: Any) -> Any:
    z = np.zeros(3)
    z[0:2] = x[0:2]
    return z


def adds(x: Any) -> Any:
    z = np.zeros(3)
    z += x
    return z + x


class Noise:
    def __init__(self, generator: Any) -> None:
        self.held = {"generators": (generator,)}

    def flips(self, x: Any) -> Any:
        return x * 2 if self.held["generators"][0].random() < 2 else x


def flips_an_argument(x: Any, generator: Any) -> Any:
    return x * 2 if generator.random() < 2 else x


def flips_by_method(draw: Callable[[], float]) -> Callable[[Any], Any]:
    return lambda x: x * 2 if draw() < 2 else x


GENERATORS: dict[str, Callable[[], Any]] = {
    "Generator": rng,
    "RandomState": lambda: np.random.RandomState(0),
    "Random": lambda: random.Random(0),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_is_found_wherever_the_step_can_see_it(kind: str) -> None:
    for step in (Noise(GENERATORS[kind]()).flips, flips_by_method(GENERATORS[kind]().random)):
        refused(step, "random", X)
    refused(flips_an_argument, "random", X, GENERATORS[kind]())


def test_a_generator_of_a_module_within_a_module_is_found(monkeypatch: Any) -> None:
    package, module = types.ModuleType("package"), types.ModuleType("package.module")
    package.module, module.generator = module, rng()  # type: ignore[attr-defined]
    refused(lambda x: x * 2 if package.module.generator.random() < 2 else x, "random", X)
    monkeypatch.setitem(globals(), "PACKAGE", package)
    refused(lambda x: x * 2 if PACKAGE.module.generator.random() < 2 else x, "random", X)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (decides, r"decision.*\n.*test_replay.py:\d+: return x \* 2 if x.sum\(\) > 0 else x\n"),
        (converts, "float"),
        (reads, "item"),
        (copies, "asarray"),
        (masks, "mask"),
        (finds, "nonzero"),
        (draws, "random"),
        (flips, "random"),
        (flips_first, "random"),
        (draws_globally, "random"),
        (draws_in_python, "random"),
        (assigns, "array"),
        (adds, "written"),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_what_leaves_the_trace_is_refused(step: Any, words: str) -> None:
    refused(step, words, X)


def test_a_counter_is_refused() -> None:
    box = {"t": 0}

    def step(x: Any) -> Any:
        box["t"] += 1
        return x * box["t"]

    refused(step, "box.t", X)
    assert box["t"] == 3  # calls that were made


def test_a_log_that_is_cleared_in_between_is_refused() -> None:
    log: list[Any] = []

    def step(x: Any) -> Any:
        log.append(1.0)
        return x * 2

    f = replay(step)
    with pytest.raises(NotReplayable, match="log"):
        for _ in range(6):
            f(X)
            log.clear()


def test_a_number_that_only_a_library_sees_is_refused() -> None:
    number = iter(range(100))
    refused(lambda x: x * next(number), "number.*not on the list", X)


def test_the_dict_behind_a_method_is_state() -> None:
    table = {"x": np.ones(3)}
    secret = table.get
    f = replay(lambda x: x * secret("x"))
    for i in range(5):
        table["x"][:] = i
        assert f(X)[0] == i


def test_an_array_that_never_changes_may_be_hidden() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    secret = {"x": array}.get
    f = replay(lambda x: x * secret("x"))
    for _ in range(4):
        assert f(X)[0] == 1


@pytest.mark.parametrize("step", [decides, flips])
def test_a_refusal_leaves_everything_as_it_was(step: Any) -> None:
    w, log, array = Tensor(np.ones(3), requires_grad=True), [1], np.zeros(3)
    before = GENERATOR.bit_generator.state

    def all_of_it(x: Any) -> Any:
        w.data -= 0.5
        array[1] = x[0]
        log.append(2)
        w.grad = x * 1
        return step(x)

    data = w.data
    with pytest.raises(NotReplayable):
        replay(all_of_it)(X)
    assert (
        w.data is data
        and (data == 1).all()
        and log == [1]
        and (array == 0).all()
        and w.grad is None
    )
    assert GENERATOR.bit_generator.state == before
    assert type(w.data) is np.ndarray


def test_a_refusal_that_is_caught_is_raised_at_the_end() -> None:
    def step(x: Any) -> Any:
        try:
            return x * float(x[0])
        except RuntimeError:
            return x

    refused(step, "float", X)


def test_an_error_of_the_step_leaves_real_arrays() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    f = replay(lambda x: w * x)
    with pytest.raises(ValueError, match="broadcast"):
        f(np.ones(4))
    assert type(w.data) is np.ndarray


def test_arguments_and_results_that_do_not_fit() -> None:
    refused(lambda x: x, "argument of its own", [X])
    refused(lambda x: x, "requires a gradient", Tensor(X, requires_grad=True))
    refused(lambda x: {1, 2}, "returns", X)


def test_threads_take_turns() -> None:
    f, wrong = replay(lambda x: ((x + 1) * (x - 1)).sum()), []

    def work(i: int) -> None:
        for _ in range(200):
            x = np.full(50, float(i))
            if f(x) != ((x + 1) * (x - 1)).sum():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_program_reads_like_numpy() -> None:
    model = nn.Linear(4, 3, rng=rng(), **F8)
    f = replay(lambda x: model(x).sum(), backend="numpy")
    for i in range(3):
        f(*batch(i))
    assert str(f.program).splitlines() == [
        "# <lambda>(x (5, 4)): 3 lines, 120 bytes of buffers, 0 results in bytes that were used "
        "before",
        "b0 = np.dot(x, model.weight.T, out=b0)  # (5, 3) model",
        "b0 = np.add(b0, model.bias, out=b0)     # (5, 3) model",
        "t0 = np.dot(ones, b0.ravel())           # ()",
        "result = Tensor(t0)",
        "return result",
    ]


def test_a_long_number_is_shown_with_its_exponent() -> None:
    x = np.ones(3, np.float32)
    f = replay(lambda x: x * np.float32(1e-7) + 1 / 3, backend="numpy")
    for _ in range(3):
        f(x)
    assert "x, 1.000000012e-07," in str(f.program) and "0.3333333433," in str(f.program)


def test_what_is_frozen_stays_so_and_its_generators_are_found() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    try:
        refused(flips, "random", X)
        assert gc.get_freeze_count() <= frozen
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    "clip",
    [lambda p: nn.optim.clip_grad_norm(p, 0.01), lambda p: nn.optim.clip_grad_value(p, 0.001)],
)
def test_gradients_are_clipped_and_schedules_stepped_as_ever(clip: Any) -> None:
    def trained(decorate: Any) -> list[Any]:
        model = nn.Linear(4, 3, rng=rng(), **F8)
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
        schedule = nn.optim.Cosine(optimizer, 8)

        @decorate
        def step(x: Any) -> Any:
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            clip(model.parameters())
            optimizer.step()
            schedule.step()

        for i in range(8):
            step(*batch(i))
        return [p.data for p in model.parameters()]

    for a, b in zip(trained(lambda f: f), trained(replay), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


class Masked(nn.TransformerEncoderLayer):
    def forward(self, x: Any, mask: Any) -> Any:
        return super().forward(x, key_padding_mask=mask)


def test_a_mask_behind_which_numbers_are_dropped_is_replayed_as_written() -> None:
    x, mask = rng().normal(size=(3, 4, 4)), np.tile([False, False, True, True], (3, 1))

    def trained(decorate: Any) -> list[Any]:
        model = Masked(4, 2, 8, rng=rng(), **F8)
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

        @decorate
        def step(x: Any, mask: Any) -> Any:
            optimizer.zero_grad()
            loss = (model(x, mask) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        return [step(x, mask).item() for _ in range(4)]

    assert trained(replay) == pytest.approx(trained(lambda f: f), rel=1e-12)


def test_a_program_knows_which_operations_and_modules_made_its_arrays() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Residual(nn.Sigmoid()))
    step = replay(lambda x: model(x))
    step(rng().normal(size=(2, 4)))
    program = step.program
    of_linear, of_sum = (program.makers[z] for z in (program.calls[1].target, program.outputs[0]))
    assert [getattr(m.who, "name", m.who) for m in of_linear] == ["linear", model[0]]
    assert [getattr(m.who, "name", m.who) for m in of_sum] == ["add", model[1], model]
    assert of_linear[1].args == (program.inputs[0],)
    assert of_linear[1].results == [program.calls[1].target]


def test_a_step_says_on_which_backend_it_runs(backend: str) -> None:
    assert replay(np.sin).backend == backend


def test_a_backend_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'numpyy' is unknown: write one of 'numpy'"):
        replay(np.sin, backend="numpyy")
    monkeypatch.setitem(backends.BACKENDS, "other", (None, ("no_such_package", "numpy")))
    how = r"needs no_such_package.*pip install '\.\[other\]' in the clone"
    with pytest.raises(ImportError, match=how):
        replay(np.sin, backend="other")
