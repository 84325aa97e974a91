"""Optimizers follow the trajectories that their equations give; schedules take the values of their
formulas."""

from __future__ import annotations

import copy
import json
import math
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu import Tensor, nn, replay

optim = nn.optim
Array = np.ndarray[Any, Any]
Slope = Callable[[float], float]
CURVATURE = np.array([0.5, 1.0, 3.0])  # L = ½ Σ aᵢ pᵢ², so that ∂L/∂p = a p
START = np.array([1.0, -2.0, 0.5])


def parameter(data: Any = START) -> Tensor:
    return Tensor(np.array(data), requires_grad=True)


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
        for p in group["params"]:
            p.grad = np.ones_like(p.data)
    optimizer.step()


# SGD


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd_shrinks_a_parabola_geometrically(decay: float) -> None:
    expected = [
        START * (1 - 0.1 * (CURVATURE + decay)) ** t for t in range(1, 21)
    ]  # p ← (1 − lr (a + decay)) p
    np.testing.assert_allclose(trajectory(optim.SGD, lr=0.1, weight_decay=decay), expected)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd_with_momentum_is_a_linear_recurrence(decay: float) -> None:
    for i, a in enumerate(CURVATURE + decay):
        step = np.array([[0.9, a], [-0.1 * 0.9, 1 - 0.1 * a]])  # (v, p) ← (0.9 v + a p, p − lr v)
        expected = [(np.linalg.matrix_power(step, t) @ [0, START[i]])[1] for t in range(1, 21)]
        np.testing.assert_allclose(
            trajectory(optim.SGD, lr=0.1, momentum=0.9, weight_decay=decay)[:, i], expected
        )


@pytest.mark.parametrize("groups", [[{}], [{"momentum": 0.9}, {"momentum": 0.0}]])
def test_nesterov_needs_a_momentum_in_each_group(groups: Any) -> None:
    with pytest.raises(ValueError, match="give momentum > 0"):
        optim.SGD([{"params": [parameter()], **options} for options in groups], nesterov=True)


# Every optimizer against its equations, for one number at a time: p, p ↦ ∂L/∂p and options ↦ p
# after each of 20 steps


def sgd(
    p: float, slope: Slope, lr: float, momentum: float, weight_decay: float, nesterov: bool
) -> Iterator[float]:
    v = 0.0
    for _ in range(20):
        g = slope(p) + weight_decay * p
        v = momentum * v + g
        p -= lr * (g + momentum * v if nesterov else v)
        yield p


def adam(
    p: float, slope: Slope, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> Iterator[float]:
    m, v = 0.0, 0.0
    for t in range(1, 21):
        g = slope(p) + weight_decay * p
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        p -= lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        yield p


def adamw(
    p: float, slope: Slope, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> Iterator[float]:
    m, v = 0.0, 0.0
    for t in range(1, 21):
        g = slope(p)
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        p = (
            p
            - lr * weight_decay * p
            - lr * (m / (1 - betas[0] ** t)) / (math.sqrt(v / (1 - betas[1] ** t)) + eps)
        )
        yield p


def rmsprop(
    p: float,
    slope: Slope,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> Iterator[float]:
    m, v, u = 0.0, 0.0, 0.0
    for _ in range(20):
        g = slope(p) + weight_decay * p
        m, v = alpha * m + (1 - alpha) * g, alpha * v + (1 - alpha) * g * g
        u = momentum * u + g / (math.sqrt(v - m * m if centered else v) + eps)
        p -= lr * u
        yield p


def adagrad(p: float, slope: Slope, lr: float, weight_decay: float, eps: float) -> Iterator[float]:
    s = 0.0
    for _ in range(20):
        g = slope(p) + weight_decay * p
        s += g * g
        p -= lr * g / (math.sqrt(s) + eps)
        yield p


EQUATIONS = {
    optim.SGD: sgd,
    optim.Adam: adam,
    optim.AdamW: adamw,
    optim.RMSprop: rmsprop,
    optim.Adagrad: adagrad,
}
RANGES: dict[str, Any] = {  # what the options are drawn from
    "lr": st.floats(1e-3, 0.1),
    "momentum": st.just(0.0) | st.floats(0.1, 0.95),
    "nesterov": st.booleans(),
    "weight_decay": st.just(0.0) | st.floats(0.01, 0.5),
    "alpha": st.floats(0.5, 0.99),
    "centered": st.booleans(),
    "betas": st.tuples(st.floats(0.0, 0.99), st.floats(0.5, 0.999)),
    "eps": st.floats(1e-3, 0.1),
}
DEFAULTS = {  # PyTorch's
    optim.SGD: {"lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    optim.Adam: {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    optim.AdamW: {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2},
    optim.RMSprop: {
        "lr": 1e-2,
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "centered": False,
    },
    optim.Adagrad: {"lr": 1e-2, "weight_decay": 0.0, "eps": 1e-10},
}


@pytest.mark.parametrize("optimizer", EQUATIONS)
@given(drawn=st.fixed_dictionaries(RANGES))
def test_optimizers_follow_their_equations(optimizer: Any, drawn: dict[str, Any]) -> None:
    options = {name: drawn[name] for name in DEFAULTS[optimizer]}
    assume(options.get("momentum") != 0.0 or not options.get("nesterov"))
    expected = [
        list(EQUATIONS[optimizer](p, lambda p, a=a: a * p, **options))  # type: ignore[misc]
        for p, a in zip(START.tolist(), CURVATURE.tolist(), strict=True)
    ]
    np.testing.assert_allclose(trajectory(optimizer, **options).T, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", DEFAULTS)
def test_defaults_are_pytorch_s(optimizer: Any) -> None:
    assert {**optimizer([parameter()]).param_groups[0], "params": 0} == {
        "params": 0,
        **DEFAULTS[optimizer],
    }


def test_adam_counts_the_steps_of_each_parameter() -> None:
    early, late = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([early, late], lr=0.1)
    for t in range(3):
        early.grad, late.grad = np.array(1.0), np.array(5.0) if t == 2 else None
        optimizer.step()
    assert early.item() == pytest.approx(0.7) and late.item() == pytest.approx(0.9)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.7, 0.9])
def test_centered_rmsprop_survives_a_constant_gradient(alpha: float) -> None:
    p = parameter(np.linspace(0.1, 3.0, 100))
    optimizer, gradient = optim.RMSprop([p], alpha=alpha, centered=True), p.data.copy()
    for _ in range(400):
        p.grad = gradient  # its variance tends to 0, and without care a rounding below
        optimizer.step()
    assert np.isfinite(p.data).all()


# All of them

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "adam": lambda p: optim.Adam(p, weight_decay=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": lambda p: optim.AdamW(p, weight_decay=0.1),
    "adagrad": lambda p: optim.Adagrad(p, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, weight_decay=0.1, momentum=0.9, centered=True),
}
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@every_optimizer
def test_steps_are_in_place_and_keep_the_dtype(optimizer: Any) -> None:
    for dtype in (np.float32, np.float64):
        p = parameter(START.astype(dtype))
        data, down = p.data, optimizer([p])
        for _ in range(2):
            stepped(down)
        assert p.data is data and p.dtype == dtype and (data < START).all()
        assert all(
            kept.dtype == dtype for arrays in down.memory.values() for kept in arrays.values()
        )


@every_optimizer
def test_to_build_an_optimizer_changes_nothing_and_the_first_step_joins(optimizer: Any) -> None:
    parameters = [parameter(), parameter([[1.0, 2.0]])]
    arrays = [p.data for p in parameters]
    down = optimizer(parameters)
    assert all(p.data is array for p, array in zip(parameters, arrays, strict=True))
    stepped(down)
    assert parameters[0].data.base is parameters[1].data.base is not None
    assert np.concatenate(arrays, axis=None).tolist() == [*START, 1, 2]  # left behind


@every_optimizer
def test_a_loss_from_before_a_step_cannot_be_differentiated_after_it(optimizer: Any) -> None:
    model, x = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), np.ones((4, 3))
    moving = optimizer(list(model.parameters()))
    for step in range(3):
        before = (model(x) ** 2).sum()
        moving.zero_grad()
        (model(x) ** 2).sum().backward()
        moving.step()
        if step == 0:  # it joined the parameters, whose old arrays stand
            continue
        with pytest.raises(RuntimeError, match="was changed in place after linear had used it"):
            before.backward()


def test_data_that_are_replaced_are_no_part_of_the_vector() -> None:
    parameters = [parameter([1.0]), parameter([2.0])]
    down = optim.SGD(parameters, lr=0.5)
    for replaced in range(2):  # before the first step, and after it
        parameters[replaced].data = np.array([10.0])
        stepped(down)
    assert [p.item() for p in parameters] == [9.0, 9.5]


def test_a_class_that_writes_its_own_update_is_given_one_parameter_at_a_time() -> None:
    class Normalized(optim.SGD):
        def update(self, p: Any, g: Array, lr: float, **options: Any) -> None:  # type: ignore[override]
            p.data -= lr * g / np.linalg.norm(g)

    class Renamed(optim.SGD):
        pass

    assert Renamed.joins == optim.SGD.joins > 0 == Normalized.joins
    parameters = [parameter([1.0]), parameter([2.0])]
    stepped(Normalized(parameters, lr=1.0))
    assert [p.item() for p in parameters] == [0.0, 1.0]


@every_optimizer
def test_a_number_is_a_parameter_too_even_as_a_numpy_scalar(optimizer: Any) -> None:
    one, other = parameter(1.0), parameter(1.0)
    other.data = other.data[()]
    down = optimizer([one, other])
    for _ in range(3):
        stepped(down)
    assert one.item() == other.item() < 1


@every_optimizer
def test_gradients_are_left_as_they_are(optimizer: Any) -> None:
    p = parameter()
    down = optimizer([p])
    for _ in range(2):
        stepped(down)
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
    stepped(
        optim.SGD(
            [{"params": [weights], "weight_decay": 0.5}, {"params": iter([biases]), "lr": 0.2}],
            lr=0.1,
        )
    )
    assert weights.data == pytest.approx(1 - 0.1 * 1.5) and biases.data == pytest.approx(1 - 0.2)


def test_a_model_s_parameters_may_be_a_generator() -> None:
    assert len(optim.SGD(nn.Linear(2, 2).parameters(), lr=1.0).param_groups[0]["params"]) == 2


def test_nothing_is_computed_in_float64_for_a_float32_parameter() -> None:
    p = parameter(START.astype(np.float32))
    optimizer = optim.SGD(
        [p], lr=np.float64(0.1), momentum=np.float64(0.9)
    )  # NumPy's numbers would make it float64
    assert {
        type(value) for name, value in optimizer.param_groups[0].items() if name != "params"
    } == {float, bool}
    assert optimizer.kept("velocity", p).dtype == np.float32


def test_no_parameters_is_an_error() -> None:
    used = nn.Linear(2, 2).parameters()
    assert len(list(used)) == 2
    nothing: list[Any] = [[], used, [{"params": []}], [{"params": used}], [{"lr": 0.1}]]
    for none in nothing:
        with pytest.raises(ValueError, match="found none: a generator"):
            optim.SGD(none, lr=0.1)


@pytest.mark.parametrize(
    "wrong", [np.ones(3), Tensor(np.ones(3)), parameter() * 2.0, nn.Tanh(), ("w", parameter())]
)
def test_what_is_no_parameter_is_named(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"found \S.*\S at position 1: pass model.parameters\(\)"):
        optim.SGD([parameter(), wrong], lr=0.1)


def test_one_tensor_is_not_a_list_of_its_rows() -> None:
    with pytest.raises(TypeError, match=r"write \[parameter\]"):
        optim.SGD(parameter(), lr=0.1)
    assert len(optim.SGD([{"params": parameter()}], lr=0.1).param_groups[0]["params"]) == 1


def test_a_parameter_comes_once() -> None:
    p: Any = parameter()
    for twice in ([p, p], [{"params": [p]}, {"params": [p]}]):
        with pytest.raises(ValueError, match="twice"):
            optim.SGD(twice, lr=0.1)


@pytest.mark.parametrize(
    "options",
    [{"lr": -0.1}, {"lr": math.nan}, {"momentum": -1}, {"weight_decay": -1}, {"nesterov": -1}],
)
def test_negative_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"expected {next(iter(options))} ≥ 0, found"):
        optim.SGD([parameter()], **{"lr": 0.1, **options})


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.9, -0.1), (0.9,), (0.9, math.nan)])
def test_betas_are_two_numbers_below_1(betas: Any) -> None:
    with pytest.raises(ValueError, match="0 ≤ β < 1"):
        optim.Adam([parameter()], betas=betas)


def test_an_option_that_the_optimizer_does_not_have_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"\['decay'\].*\['lr', 'momentum', 'nesterov', 'weight_decay'\]"
    ):
        optim.SGD([{"params": [parameter()], "decay": 0.1}], lr=0.1)


# What happens to an optimizer while it is in use


def of_its_own(p: Tensor) -> None:
    """Give p the gradient of p²."""
    p.grad = 2 * p.data


def descended(optimizer: optim.Optimizer, steps: int = 3) -> list[list[float]]:
    """All its parameters after some steps down Σ p²."""
    for _ in range(steps):
        for group in optimizer.param_groups:
            for p in group["params"]:
                of_its_own(p)
        optimizer.step()
    return [p.data.ravel().tolist() for group in optimizer.param_groups for p in group["params"]]


@every_optimizer
@pytest.mark.parametrize("before", [0, 2])
def test_a_pickled_optimizer_goes_on_as_if_nothing_had_happened(
    optimizer: Any, before: int
) -> None:
    for copied in (lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy):
        down = optimizer([parameter(), parameter([[4.0]])])
        descended(down, before)
        assert descended(copied(down)) == descended(down)


@every_optimizer
@pytest.mark.parametrize("before", [0, 2])
def test_parameters_that_are_appended_move_and_deleted_ones_stay(
    optimizer: Any, before: int
) -> None:
    a, b, c = parameter(), parameter([4.0]), parameter([4.0])
    down, expected = optimizer([a, b]), optimizer([parameter([4.0])])
    descended(down, before)
    down.param_groups[0]["params"].append(c)
    assert descended(down)[2:] == descended(expected)
    del down.param_groups[0]["params"][0]
    stays = a.data.copy()
    of_its_own(a)
    descended(down)
    assert (a.data == stays).all()
    down.param_groups[0]["params"] = [a]
    stays = b.data.copy()
    descended(down)
    assert (a.data != START).any() and (b.data == stays).all()


@every_optimizer
@pytest.mark.parametrize("before", [0, 2])
def test_groups_can_be_added_and_taken_away(optimizer: Any, before: int) -> None:
    a, b, c = parameter(), parameter([4.0]), parameter([4.0])
    down = optimizer([a])
    descended(down, before)
    down.add_param_group({"params": [b]})
    down.param_groups.append({"params": [c], "lr": 0.0})
    descended(down)
    assert b.item() < 4.0 == c.item() and down.param_groups[2].keys() >= {"weight_decay"}
    down.param_groups.pop(0)
    stays = a.data.copy()
    of_its_own(a)
    descended(down)
    assert (a.data == stays).all() and down.zero_grad() is None and a.grad is not None


def test_what_is_added_is_checked_as_at_first() -> None:
    down = optim.SGD([parameter()], lr=0.1)
    for wrong, error in [({"params": []}, "none"), ({"params": [parameter()], "b": 1}, "unknown")]:
        with pytest.raises(ValueError, match=error):
            down.add_param_group(wrong)
    with pytest.raises(ValueError, match="twice"):
        down.add_param_group({"params": down.param_groups[0]["params"]})
    assert len(down.param_groups) == 1
    down.param_groups[0]["params"].append(np.ones(3))
    with pytest.raises(TypeError, match=r"found ndarray \(3,\) at position 1"):
        down.step()


@every_optimizer
def test_a_frozen_parameter_stays_and_moves_again(optimizer: Any) -> None:
    a, b = parameter(), parameter()
    down = optimizer([a, b])
    descended(down)
    a.requires_grad = False
    stays = a.data.copy()
    descended(down)  # though it still has a gradient
    down.param_groups[0]["params"].append(parameter())  # the frozen one is still welcome
    descended(down)
    assert (a.data == stays).all() and (b.data != stays).any()
    assert descended(copy.deepcopy(down)) == descended(down)
    a.requires_grad = True
    descended(down)
    assert (a.data != stays).all()


@every_optimizer
def test_gradients_that_are_sometimes_missing_are_as_if_each_had_an_optimizer(
    optimizer: Any,
) -> None:
    together, alone = [parameter(), parameter()], [parameter(), parameter()]
    both, each = optimizer(together), [optimizer([p]) for p in alone]
    for t in range(8):
        for i in range(2):
            together[i].grad = alone[i].grad = None if (t + i) % 3 == 0 else np.ones(3)
        both.step()
        for down in each:
            down.step()
    for p, q in zip(together, alone, strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12)


@every_optimizer
def test_float16_parameters_are_stepped_in_float32(optimizer: Any) -> None:
    p, other = parameter(np.float16([1.0])), parameter(np.float16([3.0]))
    for group in ([p], [p, other]):
        down = optimizer(group)
        for _ in range(3):
            for q in group:
                q.grad = np.full_like(q.data, 1e-4)  # its square is 0 in float16
            down.step()
        assert p.dtype == other.dtype == np.float16 and np.isfinite(p.data).all()
        kept = [array for arrays in down.memory.values() for array in arrays.values()]
        assert {array.dtype.name for array in kept} <= {"float32"}


def test_adam_moves_float16_parameters_as_float32_ones() -> None:
    small, large = parameter(np.float16([1.0])), parameter(np.float32([1.0]))
    for p in (small, large):
        down = optim.Adam([p], lr=0.25)
        for _ in range(2):
            p.grad = np.full_like(p.data, 2.0**-14)
            down.step()
    assert small.item() == pytest.approx(large.item(), abs=1e-3)


def test_gradients_of_several_batches_add_up_before_a_step() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 12, 3))
    whole, parts = (nn.Linear(3, 3, rng=np.random.default_rng(1)) for _ in range(2))
    for model, batches in ((whole, 1), (parts, 4)):
        down = optim.Adam(model.parameters())
        for _ in range(3):
            down.zero_grad()
            for a, b in zip(np.split(x, batches), np.split(y, batches), strict=True):
                (nn.MSE()(model(a), b) / batches).backward()
            down.step()
    np.testing.assert_allclose(whole.weight.data, parts.weight.data, atol=1e-6)


def test_tied_weights_are_one_parameter_and_a_shared_layer_is_stepped_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.embedding, self.out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
            self.out.weight = self.embedding.weight
            self.again = self.out

        def forward(self, x: Any) -> Any:
            return self.out(self.embedding(x)) + self.again(self.embedding(x))

    model = Tied()
    (p,) = model.parameters()
    nn.CrossEntropy()(model([0, 1]), [1, 2]).backward()
    before, gradient = p.data.copy(), p.grad.copy()  # type: ignore[union-attr]
    optim.SGD(model.parameters(), lr=0.5).step()
    np.testing.assert_allclose(p.data, before - np.float32(0.5) * gradient)
    assert model.out.weight is model.embedding.weight


def test_a_frozen_parameter_s_gradient_is_forgotten_too() -> None:
    model = nn.Linear(2, 2)
    model(np.ones((1, 2), np.float32)).sum().backward()
    model.weight.requires_grad = False
    model.zero_grad()
    assert model.weight.grad is None


def test_an_optimizer_of_one_s_own_is_its_update() -> None:
    class Sign(optim.Optimizer):
        def __init__(self, parameters: Any, lr: float) -> None:
            super().__init__(parameters, lr=lr)

        def update(self, p: Tensor, g: Array, lr: float) -> None:
            p.data -= lr * np.sign(g)

    p = parameter([1.0])
    stepped(Sign([p], lr=0.25))
    assert p.data == 0.75
    with pytest.raises(NotImplementedError, match="def update"):
        stepped(optim.Optimizer([p]))


# Clipping

GRADIENTS = st.lists(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=0, max_dims=2, max_side=3),
        elements=st.floats(-1e3, 1e3),
    ),
    min_size=1,
    max_size=3,
)
BOUNDS = st.just(0.0) | st.floats(1e-3, 1e4)


def with_gradients(gradients: list[Any]) -> list[Tensor]:
    """Parameters that have these gradients."""
    parameters = [parameter(np.zeros(np.shape(g))) for g in gradients]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = None if g is None else np.array(g)
    return parameters


def as_vector(gradients: Any) -> Array:
    return np.concatenate([np.ravel(g) for g in gradients])


@given(GRADIENTS, BOUNDS)
def test_clipping_the_norm_shortens_to_the_bound_and_keeps_the_direction(
    gradients: list[Array], bound: float
) -> None:
    parameters, before = with_gradients(gradients), as_vector(gradients)
    norm = optim.clip_grad_norm(iter(parameters), bound)
    after = as_vector([p.grad for p in parameters])
    assert norm == pytest.approx(math.hypot(*before))  # whose squares do not underflow
    assert math.hypot(*after) <= min(norm, bound) * (1 + 1e-12)
    np.testing.assert_allclose(
        after * (norm + 1e-6), before * min(bound, norm + 1e-6), 1e-12, 1e-99
    )  # PyTorch's 1e-6


@given(GRADIENTS)
def test_gradients_within_the_bounds_stay_as_they_are(gradients: list[Array]) -> None:
    parameters = with_gradients(gradients)
    optim.clip_grad_norm(parameters, math.inf)
    optim.clip_grad_value(parameters, 1e3)
    optim.clip_grad_norm(parameters, 1e5)
    np.testing.assert_array_equal(as_vector([p.grad for p in parameters]), as_vector(gradients))


@given(GRADIENTS, BOUNDS)
def test_clipping_values_is_number_by_number(gradients: list[Array], bound: float) -> None:
    parameters = with_gradients(gradients)
    optim.clip_grad_value(parameters, bound)
    assert as_vector([p.grad for p in parameters]).tolist() == [
        min(max(g, -bound), bound) for g in as_vector(gradients)
    ]


def test_clipping_takes_what_models_give() -> None:
    p, idle = with_gradients([[3.0, 4.0], None])
    assert optim.clip_grad_norm([p, idle, p], 1.0) == 5.0  # the one that comes twice counts once
    assert idle.grad is None and p.grad == pytest.approx(np.array([0.6, 0.8]))
    assert (
        optim.clip_grad_norm(p, 1.0) == pytest.approx(1)
        and optim.clip_grad_norm([idle], 1.0) == 0.0
    )


@pytest.mark.parametrize("size", [1e-200, 1e200, np.float32(1e-30), np.float32(1e30)])
def test_norms_whose_squares_overflow_or_vanish_are_right(size: Any) -> None:
    g = np.array([3.0, 4.0], np.asarray(size).dtype) * size
    (p,) = with_gradients([g])
    assert optim.clip_grad_norm(p, 2.5 * size) == pytest.approx(5 * size)
    scale = 0.5 if size > 1 else float(5 * size / (5 * size + 1e-6)) / 2
    assert p.grad == pytest.approx(g * scale, rel=1e-5) or size < 1


def test_clipping_float16_gradients() -> None:
    (p,) = with_gradients([np.float16([3e4, 4e4])])  # the norm is finite, its square is not
    assert optim.clip_grad_norm(p, 5.0) == pytest.approx(5e4, rel=1e-3)
    assert p.grad == pytest.approx(np.array([3.0, 4.0]), rel=1e-2)
    assert p.grad is not None and p.grad.dtype == np.float16


def test_clipping_keeps_float32_and_the_shape_of_a_number() -> None:
    parameters = with_gradients([np.float32([3.0, 4.0]), np.float32(12.0)])
    for clip in (optim.clip_grad_norm, optim.clip_grad_value):
        clip(parameters, np.float64(0.5))
        assert [
            (type(p.grad), p.grad.dtype, p.grad.shape) for p in parameters if p.grad is not None
        ] == [(np.ndarray, np.float32, (2,)), (np.ndarray, np.float32, ())]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_names_the_parameter_and_changes_nothing(bad: float) -> None:
    parameters = with_gradients([[3.0, 4.0], [1.0, bad, 0.0]])
    with pytest.raises(ValueError, match=r"parameter 1, shape \(3,\), has norm (nan|inf)"):
        optim.clip_grad_norm(parameters, 1.0)
    assert parameters[0].grad is not None and parameters[0].grad.tolist() == [3, 4]


@pytest.mark.parametrize("bound", [-1.0, math.nan])
def test_bounds_are_at_least_0(bound: float) -> None:
    with pytest.raises(ValueError, match="expected max_norm ≥ 0, found"):
        optim.clip_grad_norm([parameter()], bound)
    with pytest.raises(ValueError, match="expected clip_value ≥ 0, found"):
        optim.clip_grad_value([parameter()], bound)


# Several processes


class Process:
    """One of two threads that stand for processes of MPI: what mpi4py's communicator has of it."""

    size, meet, given = 2, threading.Barrier(2), [None, None]

    def __init__(self, rank: int) -> None:
        self.rank, self.calls = rank, 0

    def Allreduce(self, mine: Any, of_all: Any) -> None:
        self.given[self.rank], self.calls = mine, self.calls + 1
        self.meet.wait(60)
        of_all[...] = self.given[0] + self.given[1]
        self.meet.wait(60)


class OneByOne(optim.Optimizer):
    def update(self, p: Any, g: Any, lr: float) -> None:
        p.data -= lr * g


def trained(make: Any, rows: slice, comm: Any = None) -> Any:
    """The parameters of a network after some steps on these rows of each batch, and the calls."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8, rng=rng), nn.Tanh(), nn.Linear(8, 2, rng=rng))
    optimizer = make(model.parameters(), lr=0.05)
    for _ in range(5):
        x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
        optimizer.zero_grad()
        ((model(x[rows]) - y[rows]) ** 2).mean().backward()
        if comm:
            optim.average_gradients(optimizer, comm)
        optimizer.step()
    return as_vector([p.data for p in model.parameters()])


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, OneByOne])
def test_two_processes_that_average_their_gradients_train_as_one_does(make: Any) -> None:
    comms, found = [Process(0), Process(1)], dict[int, Any]()

    def process(rank: int) -> None:
        found[rank] = trained(make, slice(rank, None, 2), comms[rank])

    threads = [threading.Thread(target=process, args=[rank]) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [comm.calls for comm in comms] == [5, 5]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], trained(make, slice(None)), atol=1e-4)


def test_averaging_keeps_dtypes_and_leaves_out_what_has_no_gradient() -> None:
    class Twice:
        size, sent = 2, list[Any]()

        def Allreduce(self, mine: Any, of_all: Any) -> None:
            self.sent.append(mine.dtype)
            of_all[...] = mine * 3

    parameters = with_gradients([[2.0, 4.0], None, np.float16(6), [[8.0]], np.float32([2])])
    optim.average_gradients(OneByOne(parameters, lr=0.1), comm := Twice())
    assert comm.sent == [np.float64, np.float32]  # MPI knows no float16
    grads = [p.grad for p in parameters if p.grad is not None]
    assert [g.tolist() for g in grads] == [[3, 6], 9, [[12]], [3]]
    assert [g.dtype for g in grads] == [np.float64, np.float16, np.float64, np.float32]


# Schedules

SCHEDULES = {  # schedule, options ↦ lr at step 0, 1, 2 … of an initial 0.8
    "constant": (optim.Constant, {}, [0.8, 0.8, 0.8]),
    "step": (optim.Step, {"size": 2, "gamma": 0.5}, [0.8, 0.8, 0.4, 0.4, 0.2]),
    "step by default": (optim.Step, {"size": 1}, [0.8, 0.08, 0.008]),
    "cosine": (
        optim.Cosine,
        {"steps": 4},
        [0.8, 0.4 + 0.2 * 2**0.5, 0.4, 0.4 - 0.2 * 2**0.5, 0.0, 0.0],
    ),
    "warm-up": (optim.WarmUp, {"steps": 4}, [0.2, 0.4, 0.6, 0.8, 0.8]),
    "restarts": (optim.CosineRestarts, {"steps": 2}, [0.8, 0.4, 0.8, 0.4, 0.8]),
    "growing restarts": (
        optim.CosineRestarts,
        {"steps": 1, "growth": 2},
        [0.8, 0.8, 0.4, 0.8, 0.4 + 0.2 * 2**0.5, 0.4],
    ),
    "warm-up, then steps": (
        lambda o: optim.SequentialSchedule(o, [optim.WarmUp(o, 4), optim.Step(o, 1, 0.5)], [2]),
        {},
        [0.2, 0.4, 0.8, 0.4, 0.2],
    ),
}


def rates(optimizer: optim.Optimizer, schedule: optim.Schedule, steps: int) -> list[float]:
    """The first group's learning rate at the steps 0, 1, 2 …"""
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        schedule.step()
    return found


@pytest.mark.parametrize("schedule, options, expected", SCHEDULES.values(), ids=SCHEDULES)
def test_schedules_take_the_values_of_their_formulas(
    schedule: Any, options: Any, expected: list[float]
) -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    assert rates(optimizer, schedule(optimizer, **options), len(expected)) == pytest.approx(
        expected, abs=1e-15
    )


def test_a_schedule_scales_each_group_s_own_rate_and_the_steps_follow_it() -> None:
    p, q = parameter([1.0]), parameter([1.0])
    groups: Any = [{"params": [p]}, {"params": [q], "lr": 0.4}]
    optimizer = optim.SGD(groups, lr=0.2)
    schedule = optim.Step(optimizer, size=1, gamma=0.5)
    schedule.step()
    stepped(optimizer)
    assert p.data == pytest.approx(0.9) and q.data == pytest.approx(0.8)


@given(st.integers(4, 60), st.floats(0.01, 0.99), st.floats(1.0, 50.0), st.floats(1.0, 1e4))
def test_one_cycle_is_two_halves_of_cosines(
    steps: int, pct: float, div: float, final: float
) -> None:
    optimizer, expected, peak = optim.SGD([parameter()], lr=0.8), [], pct * steps - 1
    for t in range(steps):  # from 0.8/div to 0.8, from there to 0.8/div/final
        up, down = math.pi * t / peak if peak else 0.0, math.pi * (t - peak) / (steps - 1 - peak)
        low, end = 0.8 / div, 0.8 / div / final
        expected.append(
            0.8 + (low - 0.8) / 2 * (1 + math.cos(up))
            if t < peak
            else end + (0.8 - end) / 2 * (1 + math.cos(down))
        )
    schedule = optim.OneCycle(optimizer, steps, pct, div_factor=div, final_div_factor=final)
    assert rates(optimizer, schedule, steps) == pytest.approx(expected, abs=1e-15)


@given(st.integers(2, 20), st.integers(2, 20))
def test_one_cycle_rises_to_its_peak_falls_to_its_end_and_stays(up: int, down: int) -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    found = rates(optimizer, optim.OneCycle(optimizer, up + down, up / (up + down)), up + down + 3)
    assert found[0] == pytest.approx(0.8 / 25) and max(found) == pytest.approx(0.8) == found[up - 1]
    assert (np.diff(found[:up]) > 0).all() and (np.diff(found[up - 1 : up + down]) < 0).all()
    assert found[up + down - 1 :] == pytest.approx([0.8 / 25 / 1e4] * 4)


def test_one_cycle_s_defaults_are_pytorch_s() -> None:
    schedule = optim.OneCycle(optim.SGD([parameter()]), 10)
    assert optim.OneCycle(schedule.optimizer, 2, 0.5).factor(0) == 1  # no way up at all
    assert (schedule.pct_start, schedule.div_factor, schedule.final_div_factor) == (0.3, 25.0, 1e4)
    with pytest.raises(ValueError, match="expected pct_start < 1, found pct_start=1"):
        optim.OneCycle(schedule.optimizer, 10, 1.0)


@pytest.mark.parametrize("warm_outside", [True, False])
def test_a_schedule_in_the_optimizer_s_place_multiplies_whichever_stands_outside(
    warm_outside: bool,
) -> None:
    optimizer, expected = optim.SGD([parameter()], lr=0.8), []
    for t in range(12):
        expected.append(0.8 * min((t + 1) / 4, 1) * (1 + math.cos(math.pi * min(t / 10, 1))) / 2)
    schedule: optim.Schedule = (
        optim.WarmUp(optim.Cosine(optimizer, 10), 4)
        if warm_outside
        else optim.Cosine(optim.WarmUp(optimizer, 4), 10)
    )
    assert rates(optimizer, schedule, 12) == pytest.approx(expected, abs=1e-15)


def test_three_schedules_multiply_for_each_group() -> None:
    groups: Any = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.4}]
    optimizer = optim.SGD(groups, lr=0.8)
    schedule = optim.Step(optim.WarmUp(optim.Step(optimizer, 1, 0.5), 4), 1, 0.5)
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
        [0.8 / 8, 0.4 / 8]
    )  # ½ · 2/4 · ½


def test_schedules_beside_each_other_multiply_and_keep_what_you_change() -> None:
    optimizer, rates = optim.SGD([parameter()], lr=0.8), []
    warm, cosine = optim.WarmUp(optimizer, 4), optim.Cosine(optimizer, 10)
    for t in range(12):
        warmed, eased = min((t + 1) / 4, 1), (1 + math.cos(math.pi * min(t / 10, 1))) / 2
        rates.append(optimizer.param_groups[0]["lr"])
        assert rates[t] == pytest.approx((0.8 if t < 6 else 0.2) * warmed * eased, abs=1e-15)
        if t == 5:
            optimizer.param_groups[0]["lr"] /= 4
        warm.step()
        cosine.step()


def test_a_second_cosine_starts_where_the_first_one_did() -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    first = rates(optimizer, optim.Cosine(optimizer, 3), 4)
    assert rates(optimizer, optim.Cosine(optimizer, 3), 4) == first and first[0] == 0.8 > first[3]
    optimizer.param_groups[0]["lr"] = 0.2
    assert rates(optimizer, optim.Cosine(optimizer, 3), 1) == [0.2]


def test_a_rate_that_is_set_after_the_end_stays() -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    schedule = optim.Cosine(optimizer, 2)
    rates(optimizer, schedule, 3)
    optimizer.param_groups[0]["lr"] = 0.2
    schedule.step()  # 0 times whatever you set
    assert optimizer.param_groups[0]["lr"] == 0.0


def test_a_group_that_is_added_later_is_scheduled_and_one_may_go() -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    schedule = optim.Step(optimizer, 1, 0.5)
    schedule.step()
    optimizer.add_param_group({"params": [parameter()], "lr": 0.4})
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.1]
    del optimizer.param_groups[0]
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05]


@pytest.mark.parametrize("mode, power", [("min", 1), ("max", -1)])
def test_a_plateau_lowers_the_rate_and_then_it_cools(mode: str, power: int) -> None:
    optimizer, found = optim.SGD([parameter()], lr=0.8), []
    schedule = optim.ReduceOnPlateau(optimizer, 0.5, patience=1, cooldown=2, mode=mode)
    for cost in [9.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 4.0]:
        schedule.step(cost**power)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2]


def test_what_a_plateau_ignores_is_less_than_the_threshold() -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    schedule = optim.ReduceOnPlateau(optimizer, 0.5, patience=0, threshold=0.1)
    for cost in [1.0, 0.91, 0.89]:
        schedule.step(Tensor(cost))
    assert optimizer.param_groups[0]["lr"] == 0.4 and schedule.best == 0.89


ALL_SCHEDULES: dict[str, Callable[[Any], Any]] = {
    name: lambda o, s=schedule, k=options: s(o, **k)  # type: ignore[misc]
    for name, (schedule, options, _) in SCHEDULES.items()
} | {
    "nested": lambda o: optim.WarmUp(optim.Cosine(o, 9), 4),
    "one cycle": lambda o: optim.OneCycle(o, 9),
    "plateau": lambda o: optim.ReduceOnPlateau(o, 0.5, patience=1),
}


@pytest.mark.parametrize("make", ALL_SCHEDULES.values(), ids=ALL_SCHEDULES)
@pytest.mark.parametrize("through", ["state_dict", "pickle"])
def test_a_schedule_goes_on_from_its_state(make: Any, through: str) -> None:
    def go_on(schedule: Any) -> list[float]:
        found = []
        for _ in range(5):
            schedule.step(*[3.0] * isinstance(schedule, optim.ReduceOnPlateau))
            found.append(schedule.param_groups[0]["lr"])
        return found

    schedule, other = (make(optim.SGD([parameter()], lr=lr)) for lr in (0.8, 0.3))
    go_on(schedule)
    if through == "pickle":
        other = pickle.loads(pickle.dumps(schedule))
    else:
        other.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert other.param_groups[0]["lr"] == schedule.param_groups[0]["lr"]
    assert go_on(other) == go_on(schedule)


def test_a_state_that_is_no_schedule_s_is_refused() -> None:
    schedule = optim.Cosine(optim.SGD([parameter()], lr=0.8), 3)
    wrong: list[dict[str, Any]] = [{}, {"t": 1}, {"t": -1, "initial": [0.1]}]
    wrong += [{"t": 1, "initial": [0.1, 0.1]}, {"t": 1, "initial": [math.nan]}]
    for state in wrong:
        with pytest.raises(ValueError, match=r"found|the file"):
            schedule.load_state_dict(state)
    plateau = optim.ReduceOnPlateau(schedule.optimizer)
    with pytest.raises(ValueError, match="found 'low'"):
        plateau.load_state_dict(plateau.state_dict() | {"best": "low"})
    assert schedule.t == plateau.t == 0


@pytest.mark.parametrize("milestones", [[], [1, 2], [0], [-1]])
def test_milestones_part_the_schedules(milestones: list[int]) -> None:
    optimizer = optim.SGD([parameter()], lr=0.8)
    parts = [optim.Constant(optimizer), optim.Constant(optimizer)]
    with pytest.raises(ValueError, match="found 2 schedules and milestones"):
        optim.SequentialSchedule(optimizer, parts, milestones)


def test_a_recorded_step_follows_schedules_beside_each_other_and_your_changes() -> None:
    def world() -> Any:
        p = parameter()
        optimizer = optim.SGD([p], lr=0.8)
        schedules = [optim.WarmUp(optimizer, 4), optim.CosineRestarts(optimizer, 5)]

        def step() -> Tensor:
            optimizer.zero_grad()
            (loss := (p * p).sum()).backward()
            optimizer.step()
            for schedule in schedules:
                schedule.step()
            return loss

        return step, optimizer.param_groups[0]

    (written, a), (step, b) = world(), world()
    replayed = replay(step)
    for t in range(12):
        assert replayed().item() == written().item() and a["lr"] == b["lr"]
        if t == 6:
            a["lr"] = b["lr"] = 0.1
    assert len(replayed.programs) == 1


@pytest.mark.parametrize(
    "schedule, options",
    [
        (optim.ReduceOnPlateau, {"gamma": 0}),
        (optim.Cosine, {"steps": 0}),
        (optim.Step, {"size": 2, "gamma": -1}),
        (optim.OneCycle, {"steps": 9, "pct_start": 0.0}),
    ],
)
def test_options_of_schedules_are_positive(schedule: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"expected (0 < )?{[*options][-1]} .*0?, found"):
        schedule(optim.SGD([parameter()], lr=0.1), **options)


def test_a_schedule_without_factor_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="def factor"):
        optim.Schedule(optim.SGD([parameter()], lr=0.1))


@pytest.mark.parametrize(
    "make",
    [lambda p: optim.Adam(p), lambda p: optim.SGD(p, momentum=0.9), lambda p: optim.RMSprop(p)],
)
def test_what_is_kept_never_becomes_denormal(make):
    parameters = [
        Tensor(np.ones(3, np.float32), requires_grad=True),
        Tensor(np.float32(1.0), requires_grad=True),
    ]
    optimizer = make(parameters)
    for t in range(1200):  # a pixel that went dark: 0.9¹⁰⁰⁰ is 1e-46
        for p in parameters:
            p.grad = np.full(p.shape, 1e-18 * (t < 10), np.float32)
        optimizer.step()
    for arrays in optimizer.memory.values():
        for kept in arrays.values():
            assert not ((kept != 0) & (np.abs(kept) < np.finfo(np.float32).tiny)).any()


@pytest.mark.parametrize("first", [254, 255, 256])
def test_a_step_recorded_when_kept_numbers_vanish_is_replayed(first: int) -> None:
    def world() -> Any:
        model = nn.Sequential(*[nn.Linear(4, 4, rng=np.random.default_rng(i)) for i in range(2)])
        optimizer = optim.Adam(model.parameters())

        def step(x: Array) -> Tensor:
            loss = (model(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        return step, optimizer

    (written, a), (step, b) = world(), world()
    replayed, rng = replay(step), np.random.default_rng(0)
    for t in range(1, 520):
        x = rng.normal(size=(3 if t >= first and (t - first) % 2 == 0 else 5, 4))
        assert replayed(x).item() == pytest.approx(written(x).item())
    assert len(replayed.programs) == 2
    for name, arrays in a.memory.items():
        for kept, expected in zip(b.memory[name].values(), arrays.values(), strict=True):
            np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-12)


def one_step(optimizer, *arrays):
    """Parameters after a step with the gradients 1, 2, …, and with those of a plain sum."""
    parameters = [Tensor(array, requires_grad=True) for array in arrays]
    sum(((i + 1) * p).sum() for i, p in enumerate(parameters)).backward()
    optimizer(parameters, lr=0.5).step()
    return parameters


def test_parameters_that_share_memory_are_updated_one_after_the_other():
    array = np.ones(6)
    p, q = one_step(optim.SGD, array[:4], array[2:])
    assert np.shares_memory(p.data, q.data)
    assert p.data.tolist() == [0.5, 0.5, -0.5, -0.5]
    assert q.data.tolist() == [-0.5, -0.5, 0.0, 0.0]


@pytest.mark.parametrize("size", [16_384, 16_385, 40_000])
def test_many_numbers_are_updated_as_few_are(size):
    for p, g in zip(one_step(optim.SGD, np.ones(size), np.ones(size)), (1, 2), strict=True):
        assert set(p.data.tolist()) == {1 - 0.5 * g}
        assert (p.data.base is None) == (size > 16_384)
