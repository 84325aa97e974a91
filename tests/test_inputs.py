"""What people hand to a Module: lists, tables, tensors of another library, numbers; and where in a
model an error was raised."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor, draw, grad, nn, replay

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(5, 4)).astype(np.float32)


class Table:
    """As a DataFrame or PyTorch's tensor is: it can become an array, and has operators."""

    def __init__(self, rows: Any) -> None:
        self.rows = np.asarray(rows)
        self.shape, self.ndim, self.dtype = self.rows.shape, self.rows.ndim, self.rows.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.rows, dtype, copy=copy)

    def __matmul__(self, other: Any) -> Any:
        return "computed in a way of its own"


@pytest.mark.parametrize("make", [np.ndarray.tolist, Table, Tensor])
@pytest.mark.parametrize("bias", [True, False])
def test_what_holds_numbers_is_an_input(make: Any, bias: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 3, bias, rng=np.random.default_rng(0)), nn.Tanh())
    assert np.allclose(model(make(ROWS)).numpy(), model(ROWS).numpy(), atol=1e-6)


@pytest.mark.parametrize("make", [np.ndarray.tolist, Table, Tensor])
def test_losses_take_them_on_both_sides(make: Any) -> None:
    labels, logits = np.array([0, 3, 1, 2, 2]), ROWS
    assert np.allclose(nn.MSE()(make(logits), make(logits * 0)), np.square(logits).mean())
    assert np.allclose(
        nn.CrossEntropy()(make(logits), make(labels)), nn.CrossEntropy()(logits, labels)
    )


def test_lists_of_tensors_and_other_things_reach_forward_as_they_are() -> None:
    class Same(nn.Module):
        def forward(self, x: Any) -> Any:
            return x

    for x in ([Tensor(1.0)], [], ["a"], {"a": [1]}, (1.0, 2.0), "text", 3, 2.5, np.float64(1)):
        assert Same()(x) is x


def test_a_table_of_texts_is_refused_with_what_to_write() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    with pytest.raises(TypeError, match=r"found a Table \(1, 2\) of dtype object: write x.astype"):
        model(Table(np.array([["red", 1.0]], dtype=object)))


def place(model: nn.Module, x: Any) -> list[str]:
    """The notes of the error that a model raises."""
    with pytest.raises((ValueError, TypeError, AttributeError)) as caught:
        model(x)
    return caught.value.__notes__


def test_an_error_names_the_path_of_the_module_once() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Residual(nn.Sequential(nn.Tanh(), nn.Linear(5, 2))))
    assert place(model, ROWS) == [
        "in model.1.0.1 (Linear weight (2, 5), bias (2,)), called with Tensor (5, 6) of float32"
    ]
    assert place(nn.Linear(3, 2), ROWS)[0].startswith("in model (Linear")  # as place calls it


def test_a_module_that_no_variable_holds_has_its_type_s_name() -> None:
    holder = [nn.Sequential(nn.Linear(3, 2))]
    with pytest.raises(ValueError) as caught:
        holder[0](ROWS)
    assert caught.value.__notes__[0].startswith("in Sequential.0 (Linear")


def test_a_number_in_place_of_an_array_is_explained() -> None:
    (note,) = place(nn.Sequential(nn.Linear(4, 1)), 3.0)
    assert note.endswith("called with 3.0, which is no array: write np.array([3.0])")


def test_what_a_layer_before_gave_is_said_in_a_line_with_what_to_write() -> None:
    class Silent(nn.Module):
        def forward(self, x: Any) -> None:
            np.tanh(x)

    notes = place(nn.Sequential(nn.LSTM(4, 3), nn.Linear(3, 1)), np.zeros((2, 7, 4)))
    states = "(Tensor (2, 7, 3), (Tensor (1, 2, 3), Tensor (1, 2, 3)))"
    assert notes[0] == f"in linear({states}, weight (1, 3), bias (1,))"
    assert notes[1].endswith("write every, last = lstm(x)") and len(notes[1]) < 300
    (note,) = place(nn.Sequential(Silent(), nn.Linear(4, 1)), ROWS)
    assert note.endswith("called with None: does the forward that gave it return its result?")


def test_a_call_without_arguments_or_with_names_is_told() -> None:
    for call, came in [(lambda m: m(), "nothing"), (lambda m: m(x="a"), "'a'")]:
        with pytest.raises((TypeError, AttributeError)) as caught:
            call(nn.LayerNorm(4))
        assert caught.value.__notes__[-1].endswith(f"called with {came}")


@pytest.mark.parametrize("x", [np.array([["a"] * 4]), np.array([["a"] * 4], object)])
def test_an_array_of_texts_says_how_to_number_them(x: Any) -> None:
    note = place(nn.Linear(4, 1), x)[-1]
    assert ", no numbers: write x.astype(np.float32) if they are numbers; [names.index(" in note
    assert "no numbers" not in place(nn.Linear(4, 1), np.zeros(3))[-1]


def test_a_module_s_error_behind_another_s_keeps_its_own_place() -> None:
    model, loss = nn.Linear(4, 2), nn.MSE()
    with pytest.raises(ValueError) as caught:
        loss(model(ROWS), ROWS)
    assert [str(note)[:12] for note in caught.value.__notes__] == ["in loss (MSE"]


def test_from_torch_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install torch, or '\.\[torch\]' in the clone"):
        nn.from_torch(object(), ROWS)


def test_replay_and_transforms_go_through_the_same_door() -> None:
    model = nn.Linear(4, 2)
    step = replay(lambda x: model(x).sum())
    for _ in range(4):
        assert np.allclose(step(ROWS), model(ROWS).numpy().sum(), atol=1e-5)
    assert grad(lambda x: model(x).sum())(ROWS).shape == (5, 4)


# A model and an example


def network() -> nn.Sequential:
    layers = nn.Linear(4, 3, rng=np.random.default_rng(0)), nn.BatchNorm1d(3), nn.Dropout(0.5)
    return nn.Sequential(*layers)


def test_draw_takes_a_model_and_an_example_and_leaves_the_model_alone() -> None:
    model, x = network(), ROWS
    before = model.state_dict()
    roles = {node.name: node.role for node in draw(model, x).graph.nodes}
    assert roles["x"] == "input" and roles["model.0.weight"] == "parameter"
    assert all(np.array_equal(before[name], a) for name, a in model.state_dict().items())
    assert [node.name for node in draw(np.tanh, 0.5).graph.nodes] == ["x1", "z1"]


def test_draw_says_what_it_takes() -> None:
    with pytest.raises(TypeError, match=r"or a model and an example, draw\(model, x\), and got 3"):
        draw(3)
    with pytest.raises(TypeError, match=r"choose one of them, draw\(model\(x\)\[0\]\)"):
        draw(nn.GRU(4, 2), ROWS[None])


@pytest.mark.parametrize("make", [np.asarray, np.ndarray.tolist, Table, Tensor, np.shape])
def test_summary_takes_a_model_and_an_example_or_its_shape(make: Any) -> None:
    assert nn.summary(network(), make(ROWS)) == nn.summary(network(), (5, 4))


def test_summary_takes_several_inputs() -> None:
    class Scores(nn.Module):
        def __init__(self) -> None:
            self.embedding = nn.Embedding(7, 4)

        def forward(self, indices: Any, x: Any) -> Any:
            return self.embedding(indices) @ x.T

    lines = nn.summary(Scores(), np.array([1, 2]), (5, 4)).splitlines()
    assert lines[1].split()[:3] == ["Scores", "(2,", "5)"] and "(2, 4)" in lines[2]
