"""Optimizers follow the trajectories that their equations give; schedules take the values of their formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn

optim = nn.optim
Array = np.ndarray[Any, Any]
CURVATURE = np.array([0.5, 1.0, 3.0])  # L = ½ Σ aᵢ pᵢ², so that ∂L/∂p = a p
START = np.array([1.0, -2.0, 0.5])


def parameter(data: Any = START) -> Tensor: return Tensor(np.array(data), requires_grad=True)


def trajectory(optimizer: Any, **options: Any) -> Array:
    """p after each of 20 steps down ½ Σ a p²."""
    p, steps = parameter(), []
    descend = optimizer([p], **options)
    for _ in range(20):
        descend.zero_grad()
        (0.5 * CURVATURE * p * p).sum().backward()
        descend.step()
        steps.append(p.data.copy())
    return np.array(steps)


def stepped(optimizer: optim.Optimizer) -> None:
    """One step in which every gradient is 1."""
    for group in optimizer.param_groups:
        for p in group["params"]: p.grad = np.ones_like(p.data)
    optimizer.step()


# SGD

@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd_shrinks_a_parabola_geometrically(decay: float) -> None:
    expected = [START * (1 - 0.1 * (CURVATURE + decay)) ** t for t in range(1, 21)]  # p ← (1 − lr (a + decay)) p
    np.testing.assert_allclose(trajectory(optim.SGD, lr=0.1, weight_decay=decay), expected)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd_with_momentum_is_a_linear_recurrence(decay: float) -> None:
    for i, a in enumerate(CURVATURE + decay):
        step = np.array([[0.9, a], [-0.1 * 0.9, 1 - 0.1 * a]])  # (v, p) ← (0.9 v + a p, p − lr v)
        expected = [(np.linalg.matrix_power(step, t) @ [0, START[i]])[1] for t in range(1, 21)]
        np.testing.assert_allclose(trajectory(optim.SGD, lr=0.1, momentum=0.9, weight_decay=decay)[:, i], expected)


# Adam

@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("betas, eps", [((0.9, 0.999), 1e-8), ((0.5, 0.7), 0.1)])
def test_adam_follows_algorithm_1(decay: float, betas: tuple[float, float], eps: float) -> None:
    p, m, v, expected = START, 0.0, 0.0, []
    for t in range(1, 21):
        g = CURVATURE * p + decay * p
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g ** 2
        p = p - 0.1 * (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)) ** 0.5 + eps)
        expected.append(p)
    np.testing.assert_allclose(trajectory(optim.Adam, lr=0.1, betas=betas, eps=eps, weight_decay=decay), expected)


def test_adam_s_defaults_are_pytorch_s() -> None:
    group = optim.Adam([parameter()]).param_groups[0]
    assert {**group, "params": 0} == {"params": 0, "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


def test_adam_counts_the_steps_of_each_parameter() -> None:
    early, late = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([early, late], lr=0.1)
    for t in range(3):
        early.grad, late.grad = np.array(1.0), np.array(5.0) if t == 2 else None
        optimizer.step()
    assert early.item() == pytest.approx(0.7) and late.item() == pytest.approx(0.9)


# All of them

OPTIMIZERS = {"sgd": lambda p: optim.SGD(p, lr=0.1), "adam": lambda p: optim.Adam(p, weight_decay=0.1),
              "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1)}
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@every_optimizer
def test_steps_are_in_place_and_keep_the_dtype(optimizer: Any) -> None:
    for dtype in (np.float32, np.float64):
        p = parameter(START.astype(dtype))
        data, down = p.data, optimizer([p])
        for _ in range(2): stepped(down)
        assert p.data is data and p.dtype == dtype and (data < START).all()


@every_optimizer
def test_a_number_is_a_parameter_too_even_as_a_numpy_scalar(optimizer: Any) -> None:
    one, other = parameter(1.0), parameter(1.0)
    other.data = other.data[()]
    down = optimizer([one, other])
    for _ in range(3): stepped(down)
    assert one.item() == other.item() < 1


@every_optimizer
def test_gradients_are_left_as_they_are(optimizer: Any) -> None:
    p = parameter()
    down = optimizer([p])
    for _ in range(2): stepped(down)
    assert p.grad is not None and p.grad.tolist() == [1, 1, 1]


@every_optimizer
def test_a_parameter_without_gradient_is_skipped(optimizer: Any) -> None:
    p, idle = parameter(), parameter()
    p.grad = np.ones(3)
    optimizer([p, idle]).step()
    assert (idle.data == START).all() and (p.data < START).all()


def test_zero_grad_forgets_every_gradient() -> None:
    p = parameter()
    p.grad = np.ones(3)
    optim.SGD([p], lr=1.0).zero_grad()
    assert p.grad is None


def test_groups_have_options_of_their_own() -> None:
    weights, biases = parameter([1.0]), parameter([1.0])
    stepped(optim.SGD([{"params": [weights], "weight_decay": 0.5}, {"params": iter([biases]), "lr": 0.2}], lr=0.1))
    assert weights.data == pytest.approx(1 - 0.1 * 1.5) and biases.data == pytest.approx(1 - 0.2)


def test_a_model_s_parameters_may_be_a_generator() -> None:
    assert len(optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0).param_groups[0]["params"]) == 2


def test_nothing_is_computed_in_float64_for_a_float32_parameter() -> None:
    p = parameter(START.astype(np.float32))
    optimizer = optim.SGD([p], lr=np.float64(0.1), momentum=np.float64(0.9))  # NumPy's numbers would make it float64
    assert {type(value) for name, value in optimizer.param_groups[0].items() if name != "params"} == {float, bool}
    assert optimizer.kept("velocity", p).dtype == np.float32


def test_no_parameters_is_an_error() -> None:
    used = nn.Linear(2, 2).parameters()
    assert len(list(used)) == 2
    nothing: list[Any] = [[], used, [{"params": []}], [{"params": used}], [{"lr": 0.1}]]
    for none in nothing:
        with pytest.raises(ValueError, match="found none: a generator"): optim.SGD(none, lr=0.1)


@pytest.mark.parametrize("wrong", [np.ones(3), Tensor(np.ones(3)), parameter() * 2.0, nn.Tanh(), ("w", parameter())])
def test_what_is_no_parameter_is_named(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"at position 1: pass model.parameters\(\)"):
        optim.SGD([parameter(), wrong], lr=0.1)


def test_one_tensor_is_not_a_list_of_its_rows() -> None:
    with pytest.raises(TypeError, match=r"write \[parameter\]"): optim.SGD(parameter(), lr=0.1)
    assert len(optim.SGD([{"params": parameter()}], lr=0.1).param_groups[0]["params"]) == 1


def test_a_parameter_comes_once() -> None:
    p: Any = parameter()
    for twice in ([p, p], [{"params": [p]}, {"params": [p]}]):
        with pytest.raises(ValueError, match="twice"): optim.SGD(twice, lr=0.1)


@pytest.mark.parametrize("options", [{"lr": -0.1}, {"lr": math.nan}, {"momentum": -1}, {"weight_decay": -1}])
def test_negative_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(options))} ≥ 0, found"):
        optim.SGD([parameter()], **{"lr": 0.1, **options})


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (0.9,), (0.9, math.nan)])
def test_betas_are_two_numbers_below_1(betas: Any) -> None:
    with pytest.raises(ValueError, match="0 ≤ β < 1"): optim.Adam([parameter()], betas=betas)


def test_an_option_that_the_optimizer_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['decay'\].*\['lr', 'momentum', 'nesterov', 'weight_decay'\]"):
        optim.SGD([{"params": [parameter()], "decay": 0.1}], lr=0.1)


def test_an_optimizer_of_one_s_own_is_its_update() -> None:
    class Sign(optim.Optimizer):
        def __init__(self, parameters: Any, lr: float) -> None: super().__init__(parameters, lr=lr)
        def update(self, p: Tensor, g: Array, lr: float) -> None: p.data -= lr * np.sign(g)
    p = parameter([1.0])
    stepped(Sign([p], lr=0.25))
    assert p.data == 0.75
    with pytest.raises(NotImplementedError, match="def update"): stepped(optim.Optimizer([p]))


# Schedules

SCHEDULES = {  # schedule, options ↦ lr at step 0, 1, 2 … of an initial 0.8
    "constant": (optim.Constant, {}, [0.8, 0.8, 0.8]),
    "step": (optim.Step, {"size": 2, "gamma": 0.5}, [0.8, 0.8, 0.4, 0.4, 0.2]),
    "step by default": (optim.Step, {"size": 1}, [0.8, 0.08, 0.008]),
    "cosine": (optim.Cosine, {"steps": 4}, [0.8, 0.4 + 0.2 * 2 ** 0.5, 0.4, 0.4 - 0.2 * 2 ** 0.5, 0.0, 0.0]),
    "warm-up": (optim.WarmUp, {"steps": 4}, [0.2, 0.4, 0.6, 0.8, 0.8])}


@pytest.mark.parametrize("schedule, options, rates", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_take_the_values_of_their_formulas(schedule: Any, options: Any, rates: list[float]) -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    planned, found = schedule(optimizer, **options), []
    for _ in rates:
        found.append(optimizer.param_groups[0]["lr"])
        planned.step()
    assert found == pytest.approx(rates, abs=1e-15)


def test_a_schedule_scales_each_group_s_own_rate_and_the_steps_follow_it() -> None:
    p, q = parameter([1.0]), parameter([1.0])
    groups: Any = [{"params": [p]}, {"params": [q], "lr": 0.4}]
    optimizer = optim.SGD(groups, lr=0.2)
    schedule = optim.Step(optimizer, size=1, gamma=0.5)
    schedule.step()
    stepped(optimizer)
    assert p.data == pytest.approx(0.9) and q.data == pytest.approx(0.8)


@pytest.mark.parametrize("schedule, options", [(optim.Cosine, {"steps": 0}), (optim.Step, {"size": 2, "gamma": -1})])
def test_options_of_schedules_are_positive(schedule: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"expected {[*options][-1]} > 0, found"):
        schedule(optim.SGD([parameter()], lr=0.1), **options)


def test_a_schedule_without_factor_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="def factor"): optim.Schedule(optim.SGD([parameter()], lr=0.1))
