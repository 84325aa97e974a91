"""Layers equal their equations, their gradients are right, and a Module finds all that it is made
of."""

from __future__ import annotations

import gc
import inspect
import math
import operator
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from layers import LAYERS, ROWS, linear

import tinygrad_edu
from tinygrad_edu import Tensor, nn, special
from tinygrad_edu.core.elsewhere import FUNCTIONS, METHODS

Array = np.ndarray[Any, Any]
INITIAL = {
    nn.init.normal: 1.0,
    nn.init.lecun_normal: 1 / 600,
    nn.init.xavier_normal: 2 / 1000,
    nn.init.xavier_uniform: 2 / 1000,
    nn.init.kaiming_normal: 2 / 600,
    nn.init.kaiming_uniform: 2 / 600,
    nn.init.uniform: 1 / 12,
    nn.init.zeros: 0.0,
    nn.init.orthogonal: 1 / 600,
}


def classifier() -> nn.Sequential:
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(784, 16, rng=rng),
        nn.Sigmoid(),
        nn.Linear(16, 16, rng=rng),
        nn.Sigmoid(),
        nn.Linear(16, 10, rng=rng),
    )


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def numerical_gradient(f: Callable[[], Any], array: Array, h: float = 1e-6) -> Array:
    """∂f/∂array by central differences, (f(a + h) − f(a − h)) / 2h for each a of the array."""
    gradient = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        for sign in (1, -1):
            array[i] += sign * h
            gradient[i] += sign * f().item() / (2 * h)
            array[i] -= sign * h
    return gradient


def assert_gradients(f: Callable[[], Any], *tensors: Tensor) -> None:
    f().backward()
    for x in tensors:
        np.testing.assert_allclose(np.asarray(x.grad), numerical_gradient(f, x.data), atol=1e-8)


class Everything(nn.Module):
    """Modules and Tensors in all the places where they are looked for, and what is not state."""

    def __init__(self) -> None:
        self.blocks = [linear(2, 2), linear(2, 2, bias=False)]
        self.heads = {"a": (linear(2, 1), nn.Tanh())}
        self.scale, self.mean = Tensor(np.ones(2), requires_grad=True), Tensor(np.zeros(2))
        self.again, self.itself = self.blocks[0], self
        self.computed, self.hidden = self.scale * 2.0, 7


NAMES = [
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.1.weight",
    "heads.a.0.weight",
    "heads.a.0.bias",
    "scale",
]


# Layers


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)])
def test_linear_is_x_times_weight_transposed_plus_bias(shape: tuple[int, ...]) -> None:
    layer, x = linear(3, 4), numbers(*shape)
    expected = np.einsum("...i,oi->...o", x, layer.weight.data) + layer.bias.data
    np.testing.assert_allclose(layer(x).data, expected)
    np.testing.assert_allclose(layer(Tensor(x)).data, expected)


def test_linear_starts_uniform_within_one_over_root_in() -> None:
    layer = nn.Linear(400, 1000, rng=np.random.default_rng(0))
    for p in layer.parameters():
        assert np.abs(p.data).max() == pytest.approx(0.05, rel=1e-2) and np.abs(
            p.data
        ).max() <= np.float32(0.05)
        assert p.data.var() == pytest.approx(0.05**2 / 3, rel=0.1)


def test_linear_is_float32_and_named_unless_told_otherwise() -> None:
    layer = nn.Linear(3, 2)
    assert [(p.name, p.dtype.name, p.shape) for p in layer.parameters()] == [
        ("weight", "float32", (2, 3)),
        ("bias", "float32", (2,)),
    ]
    assert (
        layer(np.zeros((1, 3), np.float32)).dtype == np.float32
        and linear(3, 2).weight.dtype == np.float64
    )


def test_the_same_rng_gives_the_same_layer_and_none_a_new_one() -> None:
    np.testing.assert_array_equal(linear(3, 4).weight.data, linear(3, 4).weight.data)
    assert not np.array_equal(nn.Linear(3, 4).weight.data, nn.Linear(3, 4).weight.data)


def test_linear_says_both_shapes() -> None:
    for shape in [(5, 4), (4,), ()]:
        with pytest.raises(ValueError) as error:
            linear(3, 2)(np.zeros(shape))
        assert "(…, 3)" in str(error.value) and str(shape) in str(error.value)
    with pytest.raises(ValueError, match="at least 1 feature"):
        nn.Linear(0, 3)


def test_activations_are_their_equations() -> None:
    x = numbers(4, 3)
    for layer, expected in {
        nn.Sigmoid(): 1 / (1 + np.exp(-x)),
        nn.Tanh(): np.tanh(x),
        nn.ReLU(): x * (x > 0),
        nn.Softmax(): np.exp(x) / np.exp(x).sum(1, keepdims=True),
        nn.Softmax(axis=0): np.exp(x) / np.exp(x).sum(0),
        nn.LogSoftmax(axis=0): x - np.log(np.exp(x).sum(0)),
    }.items():
        np.testing.assert_allclose(layer(Tensor(x)).data, expected)


@pytest.mark.parametrize(
    "name", [name for name, (_, shape) in LAYERS.items() if shape == ROWS and name != "Dropout"]
)
def test_gradients_of_layers(name: str) -> None:
    layer, x = LAYERS[name][0](), Tensor(numbers(*ROWS), requires_grad=True)

    def cost() -> Tensor:
        z = layer(x)
        return np.square((z[0] if isinstance(z, tuple) else z) + 0.5).sum()  # type: ignore[no-any-return]

    assert_gradients(cost, x, *layer.parameters())


def test_sequential_applies_its_layers_in_turn() -> None:
    a, b, c = linear(3, 4), nn.Tanh(), linear(4, 2)
    np.testing.assert_array_equal(
        nn.Sequential(a, b, c)(numbers(5, 3)).data, c(b(a(numbers(5, 3)))).data
    )


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Tanh() for _ in range(12)]
    model = nn.Sequential(*layers).eval()
    assert (
        list(model) == layers
        and len(model) == 12
        and model[-1] is layers[-1]
        and model[3] is layers[3]
    )
    assert isinstance(model[2:4], nn.Sequential) and list(model[2:4]) == layers[2:4]
    with pytest.raises(IndexError):
        model[12]


def test_sequential_takes_modules_only() -> None:
    for wrong in ([nn.Tanh()], np.tanh):
        with pytest.raises(TypeError, match="position 1"):
            nn.Sequential(nn.Tanh(), wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"found the class ReLU at position 0: write ReLU\(\)"):
        nn.Sequential(nn.ReLU)  # type: ignore[arg-type]


# Modules


def test_parameters_are_found_in_attributes_lists_tuples_and_dicts_each_once() -> None:
    model = Everything()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert [p.size for p in model.parameters()] == [4, 2, 4, 2, 1, 2]


def test_state_has_buffers_and_every_name_of_what_is_shared() -> None:
    assert sorted(Everything().state_dict()) == sorted(
        [*NAMES, "mean", "again.weight", "again.bias"]
    )


def test_modules_are_found_each_once() -> None:
    assert [name for name, _ in Everything().named_modules()] == [
        "",
        "blocks.0",
        "blocks.1",
        "heads.a.0",
        "heads.a.1",
    ]


def test_modules_may_be_dataclasses() -> None:
    @dataclass  # which makes them unhashable, and compares what they hold
    class Pair(nn.Module):
        one: Any
        other: Any

    model = Pair(Pair(Tensor(np.ones(2), True), linear(2, 2)), Tensor(np.ones(3), True)).eval()
    assert [p.size for p in model.parameters()] == [2, 4, 2, 3] and not model.one.training


def test_a_module_may_know_the_one_above() -> None:
    model = nn.Sequential(nn.Sequential(linear(2, 2)))
    model[0][0].owner = model
    assert list(model.state_dict()) == ["0.0.weight", "0.0.bias"]


def test_a_frozen_parameter_is_a_buffer() -> None:
    layer = linear(2, 2)
    layer.bias.requires_grad = False
    assert [name for name, _ in layer.named_parameters()] == [
        "weight"
    ] and "bias" in layer.state_dict()


def test_names_are_pytorch_s() -> None:
    assert {name: array.shape for name, array in classifier().state_dict().items()} == {
        "0.weight": (16, 784),
        "0.bias": (16,),
        "2.weight": (16, 16),
        "2.bias": (16,),
        "4.weight": (10, 16),
        "4.bias": (10,),
    }


def test_a_state_loads_into_another_model() -> None:
    one, other = classifier(), classifier()
    for p in other.parameters():
        p.data = p.data + 1
    other.load_state_dict(one.state_dict())
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_states_are_copies() -> None:
    layer = linear(2, 2)
    state = layer.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    layer.load_state_dict(state)
    layer.weight.data += 1
    np.testing.assert_equal(state, before)


def test_loading_keeps_dtypes_and_takes_lists() -> None:
    layer: Any = nn.Linear(2, 1)
    layer.load_state_dict({"weight": [[1, 2]], "bias": np.array([0.1])})
    assert layer.weight.dtype == layer.bias.dtype == np.float32 and layer.weight.data.tolist() == [
        [1, 2]
    ]


def test_a_state_that_does_not_fit_is_reported_whole_and_not_loaded() -> None:
    model, state = Everything(), Everything().state_dict()
    state = {name: array + 1 for name, array in state.items()}
    del state["mean"], state["blocks.1.weight"]
    state |= {
        "scale": np.ones(3),
        "blocks.0.bias": np.ones(2, complex),
        "heads.b": np.ones(1),
        "more": np.ones(1),
    }
    before = model.state_dict()
    with pytest.raises(ValueError) as error:
        model.load_state_dict(state)
    np.testing.assert_equal(model.state_dict(), before)
    assert str(error.value).splitlines()[1:] == [
        "  missing: blocks.1.weight, shape (2, 2)",
        "  missing: mean, shape (2,)",
        "  unexpected: heads.b, shape (1,)",
        "  unexpected: more, shape (1,)",
        "  different: blocks.0.bias, complex128 (2,) in the state, float64 (2,) in the model",
        "  different: scale, float64 (3,) in the state, float64 (2,) in the model",
    ]


class Holder(nn.Module):
    def __init__(self, held: Any) -> None:
        self.held = held


def test_tensors_of_one_name_are_refused_and_one_of_several_names_is_not() -> None:
    p, q = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    for collision in ({1: p, "1": q}, {"a": {"b": p}, "a.b": q}, {"a": [p], "a.0": q}):
        model = Holder(collision)
        for use in (model.state_dict, lambda m=model: m.load_state_dict({})):
            with pytest.raises(ValueError, match="two Tensors of Holder are named held"):
                use()
    assert [*Holder({"a": p, "b": p}).state_dict()] == ["held.a", "held.b"]


def test_integers_become_floats_and_floats_become_no_integers() -> None:
    layer = nn.BatchNorm1d(2)
    state = {name: array.astype(np.int64) for name, array in layer.state_dict().items()}
    layer.load_state_dict(state | {"weight": np.array([2, 3])})
    assert layer.weight is not None and layer.weight.dtype == np.float32
    assert layer.weight.data.tolist() == [2, 3]
    with pytest.raises(ValueError, match="different: num_batches_tracked, float64"):
        layer.load_state_dict(state | {"num_batches_tracked": np.array(1.0)})


def test_a_state_without_num_batches_tracked_loads() -> None:
    norm = nn.BatchNorm1d(2)
    norm(numbers(5, 2))
    state = norm.state_dict()
    del state["num_batches_tracked"]
    norm.load_state_dict(state)
    assert norm.num_batches_tracked.item() == 1


def test_what_fits_is_loaded_if_that_is_asked_for_and_the_rest_returned() -> None:
    layer = linear(2, 3)
    state = {"weight": np.ones((3, 2)), "bias": np.ones(2), "more": np.ones(1)}
    found = layer.load_state_dict(state, strict=False)
    assert found == {"unexpected": ["more"], "different": ["bias"]}
    assert (layer.weight.data == 1).all() and layer.load_state_dict({}, strict=False) == {
        "missing": ["weight", "bias"]
    }
    assert layer.load_state_dict(layer.state_dict()) is None


def test_train_and_eval_reach_every_module_and_return_the_model() -> None:
    model = Everything()
    assert model.training and model.eval() is model
    assert [module.training for _, module in model.named_modules()] == [False] * 5
    assert model.train() is model and all(module.training for _, module in model.named_modules())


def test_zero_grad_forgets_every_gradient() -> None:
    model = linear(3, 2)
    model(numbers(1, 3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_module_without_forward_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match="Everything has no forward"):
        Everything()(1.0)


def test_a_classifier_shows_its_13_002_parameters() -> None:
    assert repr(classifier()).splitlines() == [
        "Sequential                                  13,002 parameters",
        "  0: Linear   weight (16, 784), bias (16,)  12,560",
        "  1: Sigmoid",
        "  2: Linear   weight (16, 16), bias (16,)      272",
        "  3: Sigmoid",
        "  4: Linear   weight (10, 16), bias (10,)      170",
    ]


def test_a_tree_shows_paths_options_and_buffers() -> None:
    assert repr(Everything()).splitlines() == [
        "Everything(hidden=7)  scale (2,), mean (2,) buffer  15 parameters",
        "  blocks.0: Linear    weight (2, 2), bias (2,)       6",
        "  blocks.1: Linear    weight (2, 2)                  4",
        "  heads.a.0: Linear   weight (1, 2), bias (1,)       3",
        "  heads.a.1: Tanh",
    ]
    assert repr(nn.Sequential(nn.Softmax(axis=0)).eval()) == "Sequential\n  0: Softmax(axis=0)"
    assert (
        repr(nn.Sequential(nn.Sequential(nn.ReLU())))
        == "Sequential\n  0: Sequential\n    0.0: ReLU"
    )


# Initial values


@pytest.mark.parametrize("distribution", INITIAL, ids=lambda distribution: distribution.__name__)
def test_initial_variance(distribution: Any) -> None:
    z = distribution((400, 600), np.random.default_rng(0), np.float64)
    assert (
        z.shape == (400, 600)
        and z.dtype == np.float64
        and z.var() == pytest.approx(INITIAL[distribution], rel=0.02)
    )


@pytest.mark.parametrize("distribution", INITIAL, ids=lambda distribution: distribution.__name__)
def test_initial_values_are_float32_and_the_rng_s(distribution: Any) -> None:
    one, same = (distribution((3, 4), np.random.default_rng(7)) for _ in range(2))
    assert one.dtype == np.float32 and np.array_equal(one, same)


def test_initial_values_have_mean_0_gain_and_bounds() -> None:
    rng = np.random.default_rng(0)
    for f in (nn.init.xavier_normal, nn.init.xavier_uniform):
        assert f((400, 600), rng, gain=3.0).std() == pytest.approx(
            3 * math.sqrt(2 / 1000), rel=0.02
        )
    assert abs(nn.init.kaiming_uniform((400, 600), rng)).max() == pytest.approx(
        math.sqrt(6 / 600), rel=1e-3
    )
    assert nn.init.normal((400, 600), rng, mean=2.0, std=0.5).mean() == pytest.approx(2, rel=0.01)


def test_a_convolution_s_fan_counts_its_window() -> None:
    assert nn.init.lecun_normal((64, 8, 5, 5), np.random.default_rng(0)).var() == pytest.approx(
        1 / 200, rel=0.05
    )


def test_a_vector_has_no_fan_in() -> None:
    for f in (nn.init.lecun_normal, nn.init.orthogonal):
        for shape in ((3,), ()):
            with pytest.raises(ValueError, match=re.escape(f"shape {shape}")):
                f(shape, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (6, 2, 2, 2), (2, 3, 2)])
def test_orthogonal_has_all_singular_values_equal_to_the_gain(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal(shape, np.random.default_rng(0), np.float64, gain=1.5)
    assert w.shape == shape
    np.testing.assert_allclose(np.linalg.svd(w.reshape(len(w), -1)).S, 1.5)


def test_orthogonal_layers_keep_lengths_at_any_depth_and_both_signs_are_drawn() -> None:
    rng, x = np.random.default_rng(0), numbers(8)
    for _ in range(50):
        x = nn.init.orthogonal((8, 8), rng, np.float64) @ x
    assert np.linalg.norm(x) == pytest.approx(np.linalg.norm(numbers(8)))
    assert {nn.init.orthogonal((1, 1), rng).item() for _ in range(20)} == {-1, 1}


def test_initialize_draws_weights_and_biases_of_a_whole_model() -> None:
    model = nn.Sequential(nn.Linear(784, 400), nn.Sigmoid(), nn.Linear(400, 300))
    nn.init.initialize(
        model, np.random.default_rng(1), weight=nn.init.lecun_normal, bias=nn.init.normal
    )
    assert [p.data.var() for p in model.parameters()] == pytest.approx(
        [1 / 784, 1, 1 / 400, 1], rel=0.15
    )
    assert all(p.dtype == np.float32 and p.requires_grad for p in model.parameters())


def test_initialize_leaves_the_other_names_alone_and_refuses_unknown_ones() -> None:
    layer = linear(2, 2)
    weight = layer.weight.data.copy()
    nn.init.initialize(layer, np.random.default_rng(0), bias=nn.init.zeros)
    assert layer.bias.data.tolist() == [0, 0] and np.array_equal(layer.weight.data, weight)
    with pytest.raises(ValueError, match=r"\['gain'\]: the names are \['bias', 'weight'\]"):
        nn.init.initialize(layer, np.random.default_rng(0), gain=nn.init.zeros)


class Same(nn.Module):
    """Hands through what it is given, wherever that stands."""

    def forward(self, *args: Any, **options: Any) -> Any:
        return args, options


HAND_THROUGH: dict[str, Callable[[Tensor], Any]] = {
    "dropout": nn.Dropout().eval(),
    "nothing": nn.Sequential(),
    "several": lambda z: Same()(z, z),
    "nested": lambda z: Same()([(z, 1)], {"z": z}),
    "by name": lambda z: Same()(z=z, others=[z]),
}


@pytest.mark.parametrize("hand", HAND_THROUGH.values(), ids=HAND_THROUGH)
def test_what_a_module_hands_through_is_not_its_result(hand: Any) -> None:
    gc.disable()
    try:
        z = Tensor(np.ones(3), requires_grad=True) * 2
        result = [hand(z) for _ in range(3)]
        assert len(z.notes) == 0
        del result
        is_alive = weakref.ref(z)
        del z
        assert is_alive() is None  # freed at once: it is in no cycle
    finally:
        gc.enable()


def test_a_result_knows_its_module_also_among_others_and_beside_what_was_handed_through() -> None:
    class Pair(nn.Module):
        def forward(self, x: Any) -> Any:
            return x, [x * 3]

    x = Tensor(np.ones(3), requires_grad=True) * 2
    model = Pair()
    same, (product,) = model(x)
    assert same is x and [module for module, _, _ in product.notes] == [model]


# What would be lost in silence


@pytest.mark.parametrize("value", [np.zeros((1, 2)), 0.0, [[1.0, 2.0]], np.float32(0)])
def test_a_parameter_is_not_replaced_by_what_is_none(value: Any) -> None:
    model = nn.Sequential(nn.Linear(2, 1))
    with pytest.raises(TypeError, match=r"write \.weight\.data = np\.asarray\(…, np\.float32\)"):
        model[0].weight = value
    assert [*model.state_dict()] == ["0.weight", "0.bias"]


def test_a_parameter_may_be_replaced_by_another_or_be_left_out() -> None:
    layer = nn.Linear(2, 1)
    layer.weight = Tensor(np.zeros((1, 2)), requires_grad=True)
    layer.bias = None
    layer.note = np.zeros(3)
    layer.note = np.ones(3)
    assert [*layer.state_dict()] == ["weight"]


# PyTorch's names


@pytest.mark.parametrize(
    "name, says",
    [
        ("MSELoss", r"write nn\.MSE$"),
        ("SmoothL1Loss", r"write nn\.SmoothL1$"),
        ("MultiheadAttention", r"write nn\.MultiHeadAttention"),
        ("Relu", r"write nn\.ReLU$"),
        ("ModuleList", "a list of Modules"),
        ("Conv3d", "'Conv3d'$"),
    ],
)
def test_a_name_of_pytorch_s_says_what_it_is_called_here(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(nn, name)


@pytest.mark.parametrize(
    "name, says",
    [
        ("view", r"write x\.reshape"),
        ("to", r"write x\.astype"),
        ("clamp", r"write x\.clip\(low, high\)"),
        ("norm", r"write np\.linalg\.norm\(x\)"),
        ("add", r"write x \+ y$"),
        ("where", r"write np\.where\(condition, x, y\)"),
        ("unsqueeze", r"write x\[None\]"),
        ("add_", "changes a Tensor in place"),
        ("sin", r"write np\.sin\(x\)"),
        ("something", "'something'$"),
    ],
)
def test_a_method_of_pytorch_s_says_what_to_write(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(Tensor(1.0), name)
    assert not hasattr(Tensor(1.0), name)


@pytest.mark.parametrize("text", sorted({*METHODS.values(), *FUNCTIONS.values()}))
def test_what_to_write_for_a_method_of_pytorch_s_can_be_called_so(text: str) -> None:
    for owner, name, arguments in re.findall(r"(\bnp|\bx|special)\.([\w.]+)\(([^)]*)\)", text):
        where = {"np": np, "x": np.ndarray, "special": special}[owner]
        function, given = operator.attrgetter(name)(where), arguments.count(",") + 1
        if isinstance(function, np.ufunc):
            assert given == function.nin
        elif owner != "x" and name not in C_FUNCTIONS:
            inspect.signature(function).bind(*range(given))


C_FUNCTIONS = {"where"}  # tell no signature


@pytest.mark.parametrize(
    "name, says",
    [
        ("to", "no device"),
        ("cuda", "no device"),
        ("children", r"\[\*model\]"),
        ("modules", r"model\.named_modules"),
        ("buffers", r"model\.named_state"),
        ("apply", r"nn\.init\.initialize"),
        ("register_buffer", r"self\.mean = Tensor"),
        ("append", r"nn\.Sequential\(\*model, layer\)"),
    ],
)
def test_a_method_of_pytorch_s_modules_says_what_to_write(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=f"'Linear' object has no attribute '{name}'.*{says}"):
        getattr(nn.Linear(2, 1), name)


def test_an_attribute_may_have_the_name_of_a_method_of_pytorch_s() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.modules = [nn.Linear(2, 1)]
            self.append = Tensor(1.0)

        def half(self) -> float:
            return 0.5

    model = Model()
    assert model.half() == 0.5 and [*model.state_dict()] == [
        "modules.0.weight",
        "modules.0.bias",
        "append",
    ]


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: nn.Softmax(dim=1), r"Softmax.*'dim': write axis="),
        (lambda: nn.ReLU(inplace=True), "ReLU.*'inplace': leave it out"),
        (lambda: nn.Dropout(0.5, inplace=True), "Dropout.*'inplace': leave it out"),
        (lambda: nn.LSTM(2, 3, batch_first=True), "the batch is always first"),
        (lambda: nn.MaxPool1d(2, device="cpu"), "no device"),
        (lambda: nn.DataLoader(np.zeros(3), num_workers=2), "DataLoader.*cut here"),
        (lambda: nn.Linear(2, 1).zero_grad(set_to_none=True), "zero_grad.*is None"),
        (lambda: sgd().zero_grad(set_to_none=True), "zero_grad.*is None"),
        (lambda: nn.optim.Adam(nn.Linear(2, 1).parameters(), fused=True), "one vector"),
        (lambda: nn.Softmax(axes=1), r"unexpected keyword argument 'axes'$"),
        (lambda: sgd().zero_grad(to_none=True), r"unexpected keyword argument 'to_none'$"),
        (lambda: nn.ReLU(True), r"ReLU\(\) takes no arguments"),
        (lambda: nn.ReLU(np.ones(3)), r"found array \(3,\).*f = nn.ReLU\(…\), and called with"),
        (lambda: nn.Softmax(Tensor([1.0])), r"found Tensor \(1,\).*f = nn.Softmax\(…\)"),
        (lambda: nn.CrossEntropy(np.ones((2, 3)), [0, 1]), r"f = nn.CrossEntropy\(…\)"),
        (lambda: nn.optim.SGD(nn.Linear(2, 1).parameters), r"write model.parameters\(\)"),
    ],
)
def test_an_option_of_pytorch_s_says_what_to_write(make: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        make()


def sgd() -> nn.optim.Optimizer:
    return nn.optim.SGD(nn.Linear(2, 1).parameters())


@pytest.mark.parametrize("cls", [nn.ReLU, nn.Softmax, nn.MaxPool1d, nn.DataLoader])
def test_a_constructor_still_tells_its_options(cls: Any) -> None:
    names = {
        "ReLU": [],
        "Softmax": ["axis"],
        "MaxPool1d": ["kernel_size"],
        "DataLoader": ["arrays"],
    }
    assert [*inspect.signature(cls).parameters][:1] == names[cls.__name__]


def test_an_optimizer_of_your_own_may_have_any_option() -> None:
    class Turned(nn.optim.Optimizer):
        def update(self, p: Any, g: Any, dim: int) -> None:
            p.data -= np.flip(g, dim)

    (group,) = Turned([Tensor([1.0], requires_grad=True)], dim=0).param_groups
    assert group["dim"] == 0


@pytest.mark.parametrize(
    "name, says",
    [
        ("lr_scheduler", r"write nn\.optim\.Cosine"),
        ("StepLR", r"write nn\.optim\.Step$"),
        ("CosineAnnealingLR", r"write nn\.optim\.Cosine$"),
        ("adam", r"write nn\.optim\.Adam$"),
        ("LBFGS", r"'LBFGS'$"),
    ],
)
def test_a_name_of_torch_optim_s_says_what_it_is_called_here(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(nn.optim, name)


@pytest.mark.parametrize(
    "name, says",
    [
        ("tensor", r"write Tensor\(…\)$"),
        ("from_numpy", r"write Tensor\(array\)$"),
        ("cat", r"write np\.concatenate"),
        ("zeros", r"write np\.zeros$"),
        ("manual_seed", "default_rng"),
        ("clamp", r"write np\.clip"),
        ("something", "'something'$"),
    ],
)
def test_a_function_of_torch_s_says_what_to_write(name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(tinygrad_edu, name)


@pytest.mark.parametrize("method", ["sum", "mean", "max", "softmax", "var", "cumsum", "argmax"])
def test_dim_is_axis(method: str) -> None:
    with pytest.raises(TypeError, match=r"here PyTorch's dim= is axis="):
        getattr(Tensor([[1.0]], requires_grad=True), method)(dim=1)


def test_what_to_write_is_there() -> None:
    from tinygrad_edu.nn.elsewhere import NAMES, OF_MODULES, OPTIM

    model = nn.Sequential()
    for text in [*NAMES.values(), *OPTIM.values(), *OF_MODULES.values()]:
        for owner, name in re.findall(r"(nn(?:\.optim|\.init)?|model)\.(?!optim|init)(\w+)", text):
            where = {"nn": nn, "nn.optim": nn.optim, "nn.init": nn.init, "model": model}[owner]
            assert hasattr(where, name), text
