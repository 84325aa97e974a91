"""A step on JAX's devices is the step; and whoever reads the state between two steps finds it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import OPERATIONS, as_called, case, together
from hypothesis import Phase, given, settings

from tinygrad_edu import Tensor, at_replay, nn, no_grad, opaque, replay, special
from tinygrad_edu.core.engine import REGISTRY
from tinygrad_edu.core.gradcheck import is_real
from tinygrad_edu.programs.away import AWAY
from tinygrad_edu.programs.refusals import NotReplayable

jax = pytest.importorskip("jax")
Array = np.ndarray[Any, Any]
ROOT = Path(__file__).parent.parent


class Training:
    """A small model with statistics, its optimizer, and a step."""

    def __init__(self, backend: str, **options: Any) -> None:
        rng = np.random.default_rng(0)
        self.model = nn.Sequential(
            nn.Linear(4, 8, rng=rng), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3, rng=rng)
        )
        self.optimizer = nn.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.total, self.log = np.zeros(3), {"batches": np.zeros(1, int)}
        self.step = replay(self.as_written, backend=backend, **options)

    def as_written(self, x: Any, y: Any) -> Any:
        z = self.model(x)
        loss = ((z - y) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.total += z.data.sum(axis=0)
        self.log["batches"] += 1
        return loss

    def evaluation(self) -> Any:
        with no_grad():
            self.model.eval()
            z = self.model(batch(99)[0]).data
        self.model.train()
        return z


def batch(i: int) -> Any:
    rng = np.random.default_rng(i)
    return rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(6, 3)).astype(np.float32)


def first(training: Training) -> Any:
    return training.model[0].weight


def saved(training: Training, tmp: Path) -> Any:
    nn.save(tmp / "it.safetensors", training.model, optimizer=training.optimizer)
    other = Training("numpy")
    nn.load(tmp / "it.safetensors", other.model, optimizer=other.optimizer)
    return [p.data for p in other.model.parameters()], [
        *other.optimizer.memory["velocity"].values()
    ]


def replayed_elsewhere(training: Training, backend: str) -> Any:
    evaluate = replay(lambda x: training.model(x).data, backend=backend)
    return [evaluate(batch(99)[0]) for _ in range(3)][-1]


# Each is asked between two steps
WAYS: dict[str, Callable[[Training, Path], Any]] = {
    "p.data": lambda t, _: first(t).data,
    "p.data, in part": lambda t, _: first(t).data[0],
    "p.data, with operators": lambda t, _: 1 + first(t).data * 2,
    "p.data, on the right": lambda t, _: np.ones((8, 4)) - first(t).data,
    "p.data, by np.asarray": lambda t, _: np.asarray(first(t).data),
    "p.data, by np.array": lambda t, _: np.array(first(t).data, np.float64),
    "p.data, by a function": lambda t, _: np.linalg.norm(first(t).data),
    "p.data, in a list": lambda t, _: np.concatenate(
        [p.data.ravel() for p in t.model.parameters()]
    ),
    "p.data, as text": lambda t, _: np.array(str(first(t).data.round(4)) + repr(first(t))),
    "p.numpy()": lambda t, _: first(t).numpy(),
    "p.tolist()": lambda t, _: np.array(first(t).tolist()),
    "p itself": lambda t, _: (first(t) @ np.ones(4, np.float32)).data,
    "p.grad": lambda t, _: first(t).grad * 1,
    "p.grad, by a function": lambda t, _: np.abs(first(t).grad).max(),
    "evaluation": lambda t, _: t.evaluation(),
    "running statistics": lambda t, _: t.model[1].running_mean.data,
    "state_dict": lambda t, _: [*t.model.state_dict().values()],
    "nn.save": saved,
    "velocity": lambda t, _: [*t.optimizer.memory["velocity"].values()],
    "the joined vector": lambda t, _: t.optimizer.groups[0].data,
    "an attribute": lambda t, _: t.total,
    "an item": lambda t, _: t.log["batches"],
    "deepcopy": lambda t, _: [p.data for p in copy.deepcopy(t.model).parameters()],
    "pickle": lambda t, _: [p.data for p in pickle.loads(pickle.dumps(t.model)).parameters()],
    "another replay": lambda t, _: replayed_elsewhere(t, "numpy"),
    "another replay, on devices": lambda t, _: replayed_elsewhere(t, "jax"),
    "the step as written": lambda t, _: t.as_written(*batch(98)),
    "sync": lambda t, _: (t.step.sync(), first(t).data)[1:],
}


def leaves(x: Any) -> list[Any]:
    if isinstance(x, Tensor):
        return [x.data]
    return [leaf for item in x for leaf in leaves(item)] if isinstance(x, list | tuple) else [x]


@pytest.mark.parametrize("way", WAYS)
def test_the_state_is_never_stale(way: str, tmp_path: Path) -> None:
    a, b = Training("numpy", audit=False), Training("jax", audit=False)
    for i in range(10):
        losses = [float(t.step(*batch(i)).data) for t in (a, b)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        if i in (4, 5, 7):  # by then it lies on the device
            assert AWAY or i > 4
            found = [leaves(_list(WAYS[way](t, tmp_path))) for t in (a, b)]
            for x, y in zip(*found, strict=True):
                if np.asarray(x).dtype.kind == "U":
                    assert len(str(x)) == len(str(y))
                else:
                    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-3, atol=1e-5)


def _list(x: Any) -> Any:
    return list(x) if isinstance(x, tuple) else x


def started(**options: Any) -> Training:
    """A training whose state lies on the device."""
    training = Training("jax", audit=False, **options)
    for i in range(6):
        training.step(*batch(i))
    assert [training.step.compiler] == AWAY
    return training


def test_what_is_held_from_before_is_nan_until_it_has_come_home() -> None:
    training = started()
    vector = np.asarray(training.optimizer.groups[0].data)
    assert not AWAY and np.isfinite(vector).all()
    training.step(*batch(0))
    assert AWAY and np.isnan(vector).all() and isinstance(first(training).data, np.ndarray)
    training.step.sync()
    assert not AWAY and np.isfinite(vector).all()


WRITES: dict[str, Callable[[Training], Any]] = {
    "in place": lambda t: first(t).data.fill(0.25),
    "an item": lambda t: first(t).data.__setitem__(0, 2.0),
    "in place, by an operator": lambda t: setattr(first(t), "data", first(t).data.__imul__(0.5)),
    "out": lambda t: np.multiply(first(t).data, 0.5, out=first(t).data),
    "another array": lambda t: setattr(first(t), "data", first(t).data / 2),
    "load_state_dict": lambda t: t.model.load_state_dict(
        {name: (x / 2).astype(x.dtype) for name, x in t.model.state_dict().items()}
    ),
    "an eager step": lambda t: t.optimizer.step(),
    "the learning rate": lambda t: t.optimizer.param_groups[0].update(lr=0.01),
    "eval": lambda t: t.model.eval(),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_is_written_between_two_steps_counts(what: str) -> None:
    trainings = Training("numpy", audit=False), Training("jax", audit=False)
    for i in range(12):
        if i in (5, 8):
            for training in trainings:
                WRITES[what](training)
        a, b = (float(t.step(*batch(i)).data) for t in trainings)
        assert a == pytest.approx(b, rel=1e-4)


def test_writing_through_a_view_from_before_is_noticed() -> None:
    x = np.zeros(3)
    view = x[:]

    @replay(backend="jax", audit=False)
    def step() -> None:
        x[...] += 1

    for _ in range(4):
        step()
    view[0] = 5.0
    with pytest.raises(NotReplayable, match=r"an array \(3,\) was written to, through a view"):
        step.sync()
    assert view.tolist() == [4, 4, 4]


def test_what_was_taken_out_while_the_state_was_away_can_be_used_by_a_step() -> None:
    training = started()
    copy_of_it, gradient = first(training).detach(), first(training).grad
    step = replay(lambda x, g: (x @ copy_of_it.T).data + g.sum(), backend="jax")
    for i in range(4):
        found = step(batch(i)[0], gradient)
    expected = batch(3)[0] @ first(training).data.T + np.asarray(gradient).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_model_dies_while_its_numbers_are_away() -> None:
    training = started()
    alive = [weakref.ref(x) for x in (training.model, training.step.last, training.step)]
    away = weakref.ref(training.step.compiler.away)
    del training
    gc.collect()
    assert not away() and not [ref() for ref in alive if ref() is not None]


def test_a_model_outlives_its_step() -> None:
    def trained() -> Any:
        training = started()
        return training.model

    model = trained()
    gc.collect()
    assert np.isfinite(model[0].weight.data).all() and not AWAY


def test_without_a_reader_the_state_stays_on_the_device() -> None:
    training = started()
    before = training.step.compiler.away
    for i in range(10):
        training.step(*batch(i))
    assert training.step.compiler.away is before


def test_batches_of_two_sizes_share_the_state_on_the_device() -> None:
    trainings = Training("numpy", audit=False), Training("jax", audit=False)
    for i in range(16):
        n = 4 if i % 4 == 3 else 6
        a, b = (float(t.step(*[x[:n] for x in batch(i)]).data) for t in trainings)
        assert a == pytest.approx(b, rel=1e-4)
    assert len(trainings[1].step.programs) == len(trainings[0].step.programs)
    held = trainings[1].step.compiler.away
    for n in (4, 6, 4):
        trainings[1].step(*[x[:n] for x in batch(n)])
    assert trainings[1].step.compiler.away is held


# Types


def test_float64_is_followed_and_the_process_keeps_its_own_setting() -> None:
    assert not jax.config.jax_enable_x64
    step = replay(lambda x: (np.exp(x) + 1, x.astype(np.float32), x > 0), backend="jax")
    for _ in range(4):
        wide, narrow, mask = step(np.full(3, 0.1))
    assert (wide.dtype, narrow.dtype, mask.dtype) == (np.float64, np.float32, bool)
    np.testing.assert_allclose(wide, np.exp(0.1) + 1, rtol=1e-15)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.zeros(1).dtype == np.float32


def test_products_keep_all_bits_of_float32() -> None:
    step = replay(lambda x: x @ x.T, backend="jax", audit=False)
    for _ in range(3):
        step(np.ones((3, 4), np.float32))
    assert "precision = [HIGHEST, HIGHEST]" in step.last.hlo(optimized=False)


def test_dtypes_are_numpys() -> None:
    step = replay(
        lambda i, x: (i * x, i.sum(), i / 2, x * 2, np.concatenate([i, x]), i.mean(), x**2),
        backend="jax",
    )
    i, x = np.arange(3), np.ones(3, np.float32)
    expected = [i * x, i.sum(), i / 2, x * 2, np.concatenate([i, x]), i.mean(), x**2]
    for _ in range(4):
        found = step(i, x)
    assert [z.dtype for z in found] == [z.dtype for z in expected]
    assert [type(z) for z in found] == [type(z) for z in expected]


# Numbers that are read anew


def test_live_numbers_are_asked_once_a_step() -> None:
    asked: list[int] = []
    settings = {"rate": 1.0}

    def rate() -> float:
        asked.append(1)
        return settings["rate"]

    step = replay(lambda x: x * at_replay(rate, of=settings), backend="jax", audit=False)
    for i in range(6):
        settings["rate"], asked[:] = float(i), []
        assert step(np.ones(2)).tolist() == [i, i]
        assert len(asked) == 1


def test_masks_are_those_that_numpy_would_draw() -> None:
    def made(backend: str) -> Any:
        rng = np.random.default_rng(3)
        return replay(lambda x: special.dropout(x, 0.5, rng=rng), backend=backend)

    a, b = made("numpy"), made("jax")
    for _ in range(6):
        np.testing.assert_array_equal(a(np.ones(50)), b(np.ones(50)))


# Checks


def labels_checked(weights: Array) -> Any:
    w, cost = Tensor(weights, requires_grad=True), nn.CrossEntropy()
    optimizer = nn.optim.Adam([w], lr=0.1)

    @replay(backend="jax", audit=False)
    def step(x: Any, labels: Any) -> Any:
        loss = cost(x @ w, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return w, optimizer, step


def test_checks_within_opaque_functions_run_before() -> None:
    w, optimizer, step = labels_checked(np.zeros((4, 3)))
    x = np.ones((2, 4))
    for _ in range(4):
        step(x, np.array([0, 2]))
    with pytest.raises(ValueError, match="expected class indices from 0 to 2, found 3"):
        step(x, np.array([0, 3]))
    assert optimizer.steps[w] == 4
    before = np.copy(w.data)
    assert np.isfinite(before).all() and (step(x, np.array([0, 2])), optimizer.steps[w])[1] == 5


def test_indices_out_of_range_are_refused_and_nothing_has_changed() -> None:
    x = np.zeros(3)

    @replay(backend="jax", audit=False)
    def step(i: Any) -> Any:
        x[i] += 1
        return x[i]

    for _ in range(4):
        assert step(np.array([0, -1])).shape == (2,)
    with pytest.raises(IndexError, match="out of bounds"):
        step(np.array([0, 3]))
    assert x.tolist() == [4, 0, 4]


def test_a_gradient_that_nothing_can_clip_is_refused() -> None:
    p = Tensor(np.ones(3), requires_grad=True)

    @replay(backend="jax", audit=False)
    def step(x: Any) -> Any:
        p.zero_grad()
        (p * x).sum().backward()
        norm = nn.optim.clip_grad_norm([p], 1.0)
        p.data -= p.grad
        return norm

    for _ in range(4):
        assert float(step(np.full(3, 2.0))) == pytest.approx(12**0.5)
    before = p.data.copy()
    with pytest.raises(ValueError, match="has norm inf"):
        step(np.array([1.0, np.inf, 1.0]))
    np.testing.assert_array_equal(p.data, before)


def test_a_matrix_that_has_no_inverse_is_refused_as_numpy_does() -> None:
    total = np.zeros((2, 2))

    @replay(backend="jax", audit=False)
    def step(a: Any) -> Any:
        total[...] += np.linalg.inv(a)
        return np.linalg.solve(a, a[:, 0])

    for _ in range(4):
        np.testing.assert_allclose(step(np.diag([2.0, 4.0])), [1, 0], atol=1e-12)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        step(np.ones((2, 2)))
    np.testing.assert_allclose(total, np.diag([2, 1]))


def test_opaque_functions_of_the_arguments_are_made_by_numpy() -> None:
    @opaque
    def one_hot(labels: Any) -> Any:
        return np.eye(3)[labels]

    step = replay(lambda x, i: x @ one_hot(i).T, backend="jax")
    for _ in range(4):
        assert step(np.arange(3.0)[None], np.array([2, 1])).tolist() == [[2, 1]]


# What is refused

REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "opaque": (lambda x: opaque(np.sort)(np.exp(x * STATE)), "sort is opaque"),
    "svd": (lambda x: np.linalg.svd(x[None])[1], "svd has no place"),
    "argsort": (lambda x: np.argsort(x), "argsort has no place"),
    "eigh": (lambda x: np.linalg.eigh(np.eye(3) * x)[0], "eigh has no place"),
    "its argument": (lambda x: x.__iadd__(1), "writes to the argument x"),
    "errors": (lambda x: with_errors(x), "np.errstate"),
}
STATE = np.ones(3)


def with_errors(x: Any) -> Any:
    with np.errstate(divide="raise"):
        return 1 / x


@pytest.mark.parametrize("what", REFUSED)
def test_what_jax_cannot_do_is_refused_by_name_and_line(what: str) -> None:
    function, message = REFUSED[what]

    def step(x: Any) -> Any:
        STATE[...] = STATE + 0
        return function(x)

    with pytest.raises(NotReplayable, match=message) as refused:
        for _ in range(3):
            replay(step, backend="jax")(np.ones(3))
    assert "test_jax.py:" in str(refused.value)


def test_devices_belong_to_jax() -> None:
    with pytest.raises(ValueError, match="only backend='jax' has several"):
        replay(np.sin, devices=8)
    with pytest.raises(ValueError, match=r"devices=1000, and JAX sees 1.*XLA_FLAGS="):
        replay(np.sin, backend="jax", devices=1000)


# The column of JAX

LEFT_OUT = {"eigh", "svd"}  # their signs are a library's own


@pytest.mark.parametrize("function", OPERATIONS, ids=lambda f: f.__name__)
def test_every_operation_and_its_gradient_are_numpys_or_refused(function: Any) -> None:
    @settings(max_examples=2, database=None, derandomize=True, phases=[Phase.generate])
    @given(case(function))
    def agrees(drawn: Any) -> None:
        arguments, options = drawn
        run = REGISTRY.get(function, function)
        real = [n for n, x in enumerate(arguments) if is_real(x)]

        def step(*inputs: Any) -> Any:
            args = [*arguments]
            for n, x in zip(real, inputs, strict=True):
                args[n] = Tensor(x, requires_grad=True)
            z = together(run(*as_called(function, args), **options))
            if not isinstance(z, Tensor):
                return z
            gradients = np.sin(z).sum().gradient(*[args[n] for n in real])
            return z, gradients

        inputs = [np.asarray(arguments[n]) for n in real]
        try:
            expected = replay(step)(*inputs)
        except NotReplayable:
            return  # on every backend
        step = replay(step, backend="jax", audit=False)
        for _ in range(2):
            found = step(*inputs)
        for x, y in zip(leaves(found), leaves(expected), strict=True):
            assert np.asarray(x).dtype == np.asarray(y).dtype
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9)

    with np.errstate(all="ignore"):
        if function.__name__ in LEFT_OUT:
            with pytest.raises(NotReplayable):
                agrees()
        else:
            agrees()


# Several devices, several processes

TRAINING = """
import numpy as np
from tinygrad_edu import nn, replay

def losses(devices=None, backend="jax", norm=False, size=16, steps=10):
    rng = np.random.default_rng(0)
    between = [nn.BatchNorm1d(16), nn.Tanh()] if norm else [nn.Sigmoid()]
    model = nn.Sequential(nn.Linear(8, 16, rng=rng), *between, nn.Linear(16, 4, rng=rng))
    optimizer, cost = nn.optim.Adam(model.parameters(), lr=0.01), nn.CrossEntropy()
    if norm:
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    @replay(backend=backend, devices=devices)
    def step(x, y):
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    found = []
    for _ in range(steps):
        x, y = rng.normal(size=(size, 8)).astype(np.float32), rng.integers(0, 4, size)
        found.append(float(step(x, y)))
    return np.array(found), step, model
"""

EIGHT = """
one, _, model_of_one = losses()
eight, step, model = losses(devices=8)
assert step.compiler.away  # it has stayed there
assert np.allclose(one, eight, rtol=1e-5), abs(one / eight - 1).max()
assert np.allclose(one, losses(backend="numpy")[0], rtol=1e-5)
assert sum(" all-reduce(" in line for line in step.last.hlo().splitlines()) == 1
for p, q in zip(model.parameters(), model_of_one.parameters()):
    assert np.allclose(p.data, q.data, atol=1e-5)

one, _, model_of_one = losses(norm=True)
eight, _, model = losses(devices=8, norm=True)  # its mean is that of the whole batch
assert np.allclose(one, eight, rtol=1e-5)
assert np.allclose(model[1].running_var.data, model_of_one[1].running_var.data, rtol=1e-5)

try:
    losses(devices=8, size=12)
except ValueError as error:
    print(error)

import jax
from jax.sharding import Mesh
four, _, _ = losses(devices=jax.devices()[:4])
mesh, _, _ = losses(devices=Mesh(np.array(jax.devices()[4:]), ("rows",)))
assert np.allclose(four, mesh, rtol=1e-6)
"""

TWO = """
import jax, sys
jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
two, _, model = losses(devices=jax.device_count())
assert jax.process_count() == 2 and jax.device_count() == 4
assert np.allclose(two, losses(backend="numpy")[0], rtol=1e-5)
print(f"{model[0].weight.data.sum():.6f}")
"""


def started_python(text: str, devices: int, *args: str) -> Any:
    flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", TRAINING + text, *args],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: Any) -> str:
    out, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints
    return str(out)


def test_eight_devices_take_the_steps_of_one_with_one_all_reduce() -> None:
    assert printed(started_python(EIGHT, 8)) == (
        "a batch of 12 does not divide among 8 devices: take 8 examples; "
        "DataLoader(…, drop_last=True)\n"
    )


def test_two_processes_take_the_steps_of_one() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    processes = [started_python(TWO, 2, address, str(rank)) for rank in range(2)]
    sums = {printed(process).splitlines()[-1] for process in processes}
    assert len(sums) == 1


MPI = """
import numpy as np
from mpi4py import MPI
from tinygrad_edu import nn

def trained(comm=None):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(8, 16, rng=rng), nn.Sigmoid(), nn.Linear(16, 4, rng=rng))
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(8):
        x, y = rng.normal(size=(16, 8)).astype(np.float32), rng.normal(size=(16, 4))
        if comm:
            x, y = x[comm.rank :: comm.size], y[comm.rank :: comm.size]
        optimizer.zero_grad()
        ((model(x) - y.astype(np.float32)) ** 2).mean().backward()
        if comm:
            nn.optim.average_gradients(optimizer, comm)
        optimizer.step()
    return np.concatenate([p.data.ravel() for p in model.parameters()])

mine = trained(MPI.COMM_WORLD)
every = MPI.COMM_WORLD.allgather(mine.tobytes())
assert len(every) == 2 and every[0] == every[1]
assert np.allclose(mine, trained(), atol=1e-5)
"""


def test_two_processes_of_mpi_take_the_steps_of_one() -> None:
    pytest.importorskip("mpi4py")
    command = [Path(sys.executable).with_name("mpiexec"), "-n", "2", sys.executable, "-c", MPI]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True, timeout=600)
