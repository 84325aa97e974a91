"""Models as files of ONNX: onnxruntime computes the same from them, for another batch."""

import sys
from pathlib import Path

import numpy as np
import pytest
from layers import LAYERS

from tinygrad_edu import Tensor, nn, no_grad, replay, special
from tinygrad_edu.programs.refusals import NotReplayable

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
sys.path.append(str(Path(__file__).parents[1] / "examples"))

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def in_float32(model):
    for _, x in model.named_state():
        if x.dtype == np.float64:
            x.data = x.data.astype(np.float32)
    return model.eval()


def arrays_of(z):
    """The arrays in a result, in order."""
    if isinstance(z, tuple | list | dict):
        items = z.values() if isinstance(z, dict) else z
        return [x for item in items for x in arrays_of(item)]
    return [np.asarray(z.data if isinstance(z, Tensor) else z)]


def exported(tmp_path, model, *example, **options):
    """The file, checked with full shape inference."""
    path = tmp_path / "model.onnx"
    nn.export_onnx(model, example, path, **options)
    onnx.checker.check_model(path, full_check=True)
    return path


def in_onnxruntime(path, *inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {x.name: y for x, y in zip(session.get_inputs(), inputs, strict=True)})


def assert_same(found, expected, to=1e-6):
    """Equal, relative to the greatest number."""
    for theirs, ours in zip(found, arrays_of(expected), strict=True):
        assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
        most = np.abs(ours, dtype=np.float64).max(initial=1e-30)
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=to * most)


def kinds(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def assert_runs(tmp_path, model, *example, batch=7):
    path = exported(tmp_path, model, *example)
    others = [RNG.permutation(np.resize(x, (batch, *x.shape[1:]))) for x in example]
    assert_same(in_onnxruntime(path, *others), model.eval()(*others))
    return path


# Layers and models


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_the_same_in_onnxruntime(name, tmp_path):
    make, shape = LAYERS[name]
    assert_runs(tmp_path, in_float32(make()), normal(*shape))


WHOLE = {
    "Linear": ["Gemm"],
    "Conv2d": ["Conv"],
    "Conv2d, same circular": ["Pad", "Conv"],
    "Conv1d": ["Conv"],
    "ConvTranspose2d": ["ConvTranspose"],
    "MaxPool2d, padding": ["MaxPool"],
    "AvgPool2d, padding": ["AveragePool"],
    "Pad2d": ["Pad"],
    "Flatten": ["Reshape"],
    "BatchNorm2d": ["BatchNormalization"],
    "LayerNorm": ["LayerNormalization"],
    "Sigmoid": ["Sigmoid"],
    "GELU": ["Gelu"],
    "Softmax": ["Softmax"],
    "LSTM": ["Transpose", "LSTM", "Squeeze", "Transpose"],
    "GRU": ["Transpose", "GRU", "Squeeze", "Transpose"],
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_layer_that_onnx_knows_is_one_node(name, tmp_path):
    make, shape = LAYERS[name]
    assert kinds(exported(tmp_path, in_float32(make()), normal(*shape))) == WHOLE[name]


def digits():
    return nn.Sequential(nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 10), nn.Sigmoid())


def from_examples(name, *classes):
    module = pytest.importorskip(name)
    return getattr(module, classes[0])(*classes[1:], np.random.default_rng(0))


CHARACTERS = RNG.integers(0, 30, (4, 64))
MODELS = {
    "mnist": lambda: (digits(), normal(4, 784)),
    "mnist_cnn": lambda: (from_examples("mnist_cnn", "network"), normal(4, 1, 28, 28)),
    "char_lm": lambda: (from_examples("char_lm", "Recurrent", 30), CHARACTERS),
    "transformer": lambda: (from_examples("char_lm", "Transformer", 30), CHARACTERS),
}


@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_the_same_for_another_batch(name, batch, tmp_path):
    model, example = MODELS[name]()
    assert_runs(tmp_path, model, example, batch=batch)


# What is between layers


class Between(nn.Module):
    """A function behind a layer."""

    def __init__(self, function):
        self.layer, self.function = nn.Linear(4, 4, rng=np.random.default_rng(0)), function

    def forward(self, *xs):
        return self.function(self.layer(xs[0]), *xs[1:])


BETWEEN = {
    "arithmetic": lambda x: (x + x * 2 - 1) / (x * x + 1) - -x,
    "powers": lambda x: abs(x) ** 0.5 + np.square(x) + 2.0**x + np.exp2(x),
    "exponentials": lambda x: np.exp(x) + np.log(x * x + 1) + np.expm1(x) + np.log1p(x * x),
    "logarithms": lambda x: np.log2(x * x + 1) + np.log10(x * x + 1) + np.logaddexp(x, 1 - x),
    "circles": lambda x: np.sin(x) * np.cos(x) + np.tan(x / 4) + np.arctan(x) + np.arcsin(x / 99),
    "hyperbolas": lambda x: np.tanh(x) + np.sinh(x) - np.cosh(x) + np.arcsinh(x),
    "roundings": lambda x: np.floor(x) + np.ceil(2 * x) + np.rint(3 * x) + np.sign(x),
    "extremes": lambda x: np.maximum(x, 0.5) - np.minimum(x, x * x) + np.clip(x, -1, 0.5),
    "decisions": lambda x: np.where(x > 0, x, 3.0) + (x <= 0) * x + np.where(~(x > 1), x, 0),
    "equality": lambda x: np.where((x == x) & (x != 0) | np.isnan(x), x, 1.0),
    "sums": lambda x: (x.sum(), x.sum(axis=0), x.sum(axis=1, keepdims=True), x.prod(axis=1)),
    "means": lambda x: (x.mean(), x - x.mean(axis=0), x.mean(axis=(0, 1)), x.var(axis=1)),
    "greatest": lambda x: (x.max(), x.max(axis=0), np.min(x, axis=1), x.argmax(axis=1)),
    "counted": lambda x: (x.sum(axis=0) / len(x), np.argmin(x, axis=0), np.cumsum(x, axis=1)),
    "products": lambda x: (x @ x.T, np.dot(x.T, x), x @ x[0], np.einsum("ij,kj->ik", x, x)),
    "turned": lambda x: (x.T, np.moveaxis(x[None], 0, 2), x[:, None].swapaxes(0, 2)),
    "shaped": lambda x: (x.reshape(-1), x.reshape(len(x), 2, 2), x.reshape(2 * len(x), 2)),
    "indexed": lambda x: (x[0], x[:, -1], x[1:], x[:, 1:3], x[::-1], x[..., None, ::2]),
    "picked": lambda x: (x[:, [2, 0]], np.take(x, [1], axis=1), x[:, np.array([True, False] * 2)]),
    "joined": lambda x: (np.concatenate([x, x[:, 1:]], axis=1), np.stack([x, x * 2], 1)),
    "repeated": lambda x: (np.tile(x, (1, 2)), np.broadcast_to(x, (3, *x.shape)), x + np.eye(4)[0]),
    "padded": lambda x: (np.pad(x, ((0, 0), (1, 2))), np.pad(x, ((0, 0), (1, 1)), mode="edge")),
    "triangles": lambda x: (np.tril(x.T @ x), np.triu(x.T @ x, 1)),
    "converted": lambda x: (x.astype(np.float64) * 2, (x > 0).sum(axis=1), (x > 0).astype(int)),
    "constants": lambda x: np.concatenate([np.ones((len(x), 1), np.float32), x], axis=1),
    "functions": lambda x: special.gelu(x) + special.silu(x) + special.elu(x) + special.sigmoid(x),
    "windows": lambda x: special.avg_pool1d(special.max_pool1d(x[:, None], 2, 1, 1), 2, padding=1),
    "filters": lambda x: special.conv2d(
        x.reshape(-1, 1, 2, 2), np.ones((2, 1, 2, 2), "f"), padding=1
    ),
    "named": lambda x: {"logits": x, "p": special.softmax(x)},
    "twice": lambda x: (x, x),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_is_between_layers_is_nodes_of_calls(name, tmp_path):
    assert_runs(tmp_path, Between(BETWEEN[name]), normal(5, 4))


class Masked(nn.TransformerEncoderLayer):
    def forward(self, x, mask):
        return super().forward(x, key_padding_mask=mask, causal=True)


def test_several_inputs_and_masks(tmp_path):
    model = Masked(4, 2, 8, activation="gelu", rng=np.random.default_rng(0))
    mask = np.tile([False, False, True, True], (3, 1))
    path = assert_runs(tmp_path, model, normal(3, 4, 4), mask)
    assert "Softmax" in kinds(path)


def test_a_state_that_is_given_unrolls_the_layer(tmp_path):
    lstm = nn.LSTM(4, 3, rng=np.random.default_rng(0))
    model = Between(lambda x, h: lstm(x, (h.swapaxes(0, 1), 2 * h.swapaxes(0, 1))))
    assert "LSTM" not in kinds(assert_runs(tmp_path, model, normal(3, 5, 4), normal(3, 1, 3)))


def test_a_program_of_any_function_is_a_model(tmp_path):
    step = replay(lambda x, y: np.tanh(x) @ y)
    x, y = normal(2, 3), normal(3, 4)
    step(x, y)
    (tmp_path / "f.onnx").write_bytes(step.program.onnx().SerializeToString())
    assert_same(in_onnxruntime(tmp_path / "f.onnx", x, y), np.tanh(x) @ y)


# What a file says


def shape_text(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_names_of_parameters_and_layers_are_kept(tmp_path):
    model = nn.Sequential(nn.Linear(4, 8), nn.Residual(nn.LayerNorm(8), nn.Linear(8, 8)), nn.Tanh())
    graph = onnx.load(exported(tmp_path, model, normal(3, 4))).graph
    stored = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer}
    assert stored.keys() == model.state_dict().keys()
    assert all(np.array_equal(stored[name], x) for name, x in model.state_dict().items())
    assert [node.name for node in graph.node] == [
        "0.Gemm",
        "1.0.LayerNormalization",
        "1.1.Gemm",
        "1.Add",
        "2.Tanh",
    ]
    assert [(x.name, shape_text(x)) for x in graph.input] == [("x", ["batch", 4])]
    assert [(x.name, shape_text(x)) for x in graph.output] == [("output", ["batch", 8])]
    assert {x.name: shape_text(x) for x in graph.value_info}["1.0"] == ["batch", 8]


@pytest.mark.parametrize("name", ["mnist_cnn", "char_lm"])
def test_a_file_is_the_same_each_time_for_frozen_models_and_under_no_grad(name, tmp_path):
    model, x = MODELS[name]()
    first = exported(tmp_path, model, x).read_bytes()
    for p in model.parameters():
        p.requires_grad = False
    with no_grad():
        assert exported(tmp_path, model, x).read_bytes() == first


def test_the_model_stays_as_it_is(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    model[0].weight.requires_grad = False
    before = model.state_dict()
    assert kinds(exported(tmp_path, model, normal(3, 4))) == ["Gemm", "BatchNormalization"]
    assert model.training and model[2].training and not model[0].weight.requires_grad
    assert all(np.array_equal(before[name], x) for name, x in model.state_dict().items())


def test_all_sizes_can_be_fixed(tmp_path):
    model = Between(lambda x: x + np.arange(len(x), dtype=np.float32)[:, None])
    x = normal(5, 4)
    path = exported(tmp_path, model, x, dynamic_batch=False)
    assert shape_text(onnx.load(path).graph.input[0]) == [5, 4]
    assert_same(in_onnxruntime(path, x), model(x))


def test_float64_stays_float64(tmp_path):
    model, x = nn.Sequential(nn.Linear(3, 2, dtype=np.float64), nn.Tanh()), RNG.normal(size=(4, 3))
    assert_same(in_onnxruntime(exported(tmp_path, model, x), x), model(x), to=1e-15)


# What is refused

BOUND = {
    "half": lambda x: x[: len(x) // 2],
    "counted": lambda x: x + np.arange(len(x), dtype=np.float32)[:, None],
    "scaled": lambda x: x * len(x),
    "unrolled": lambda x: sum(row for row in x),
    "remainder": lambda x: x * (len(x) % 2),
}


@pytest.mark.parametrize("name", BOUND)
def test_what_depends_on_the_batch_otherwise_is_refused_with_the_line(name, tmp_path):
    with pytest.raises(NotReplayable, match=r"(?s)test_onnx\.py:\d+.*dynamic_batch=False"):
        exported(tmp_path, Between(BOUND[name]), normal(6, 4))
    assert not list(tmp_path.iterdir())


REFUSED = {
    "sort": (lambda x: np.sort(x, axis=1), "no nodes of ONNX's"),
    "decision": (lambda x: x if x.data.sum() > 0 else -x, "a decision"),
    "mask": (lambda x: x[x.data > 0], "depends on values"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_cannot_hold_is_refused_with_the_line(name, tmp_path):
    function, reason = REFUSED[name]
    with pytest.raises(NotReplayable, match=rf"(?s){reason}.*test_onnx\.py:\d+"):
        exported(tmp_path, Between(function), normal(6, 4))


def test_a_constant_among_the_outputs_is_refused(tmp_path):
    with pytest.raises(TypeError, match=r"output\.1 is 3\.0"):
        exported(tmp_path, Between(lambda x: (x, 3.0)), normal(6, 4))


class Counting(nn.Module):
    def __init__(self):
        self.seen = Tensor(np.zeros(4, np.float32))

    def forward(self, x):
        self.seen.data = self.seen.data + 1
        return x + self.seen


def test_a_state_that_changes_is_refused(tmp_path):
    with pytest.raises(NotReplayable, match=r"seen.*changes it"):
        exported(tmp_path, Counting(), normal(3, 4))


EXAMPLES = {
    "float64": (np.ones((3, 4)), r"example\.astype\(np\.float32\)"),
    "no batch": (np.float32(1), "the first axis"),
    "empty": (np.ones((0, 4), np.float32), "not empty"),
    "two sizes": ((normal(3, 4), normal(2, 4)), "as long in all"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_that_does_not_fit_is_refused(name, tmp_path):
    example, reason = EXAMPLES[name]
    with pytest.raises(ValueError, match=reason):
        nn.export_onnx(nn.Linear(4, 2), example, tmp_path / "model.onnx")


def test_a_model_for_one_batch_alone_says_what_to_write(tmp_path):
    with pytest.raises(ValueError) as caught:
        exported(tmp_path, Between(lambda x: x.reshape(3, 2, 2)), normal(3, 4))
    assert any("dynamic_batch=False" in note for note in caught.value.__notes__)


def test_what_is_no_module_is_refused(tmp_path):
    with pytest.raises(TypeError, match="writes a Module, found function"):
        nn.export_onnx(lambda x: x, normal(3, 4), tmp_path / "model.onnx")


def test_an_old_file_stays_whole_until_the_new_one_is(tmp_path):
    path = exported(tmp_path, nn.Linear(4, 2), normal(3, 4))
    before = path.read_bytes()
    with pytest.raises(NotReplayable):
        exported(tmp_path, Between(BOUND["half"]), normal(3, 4))
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_a_missing_package_is_an_error_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[onnx\]' in the clone"):
        nn.export_onnx(nn.Linear(4, 2), normal(3, 4), tmp_path / "model.onnx")
