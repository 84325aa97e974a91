"""Layers equal their equations, written out with NumPy; their gradients are right; statistics and
modes are PyTorch's."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import F8, LAYERS, rng

from tinygrad_edu import Tensor, check_gradients, nn

Array = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def drawn(layer: Any) -> Any:
    """The layer with random parameters: weights of 1 and biases of 0 would hide mistakes."""
    for i, p in enumerate(layer.parameters()):
        p.data = numbers(*p.shape, seed=10 + i)
    return layer


def seen(layer: Any, batches: int = 3) -> Any:
    """A batch normalization in eval mode, after some batches of mean 1 and variance 4."""
    for i in range(batches):
        layer(1 + 2 * numbers(6, layer.running_mean.size, *[3] * (max(layer.takes) - 2), seed=i))
    return layer.eval()


# Each layer's equation; how to make it is in layers.py


def erf(x: Array) -> Array:
    return np.vectorize(math.erf)(x)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def convolution(
    x: Array,
    weight: Array,
    bias: Any = 0,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Array:
    """The sum over channels and kernel for one output at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    kernel, per_group = weight.shape[2:], len(weight) // groups
    rows, columns = (
        (x.shape[2 + i] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(2)
    )
    z = np.zeros((len(x), len(weight), rows, columns))
    for b, o, p, q in np.ndindex(z.shape):
        for c, i, j in np.ndindex(weight.shape[1:]):
            row, column = p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]
            z[b, o, p, q] += (
                weight[o, c, i, j] * x[b, o // per_group * weight.shape[1] + c, row, column]
            )
    return z + np.reshape(bias, (-1, 1, 1))


def transposed(x: Array, weight: Array, bias: Array, size: tuple[int, int]) -> Array:
    """One input at a time, spread over the outputs: stride (2, 1), padding 1, 2 groups."""
    z = np.zeros((len(x), 6, size[0] + 2, size[1] + 2))
    for b, c, p, q in np.ndindex(x.shape):
        for o, i, j in np.ndindex(weight.shape[1:]):
            z[b, c * 3 + o, p * 2 + i, q + j] += weight[c, o, i, j] * x[b, c, p, q]
    return z[:, :, 1:-1, 1:-1] + channel(bias, 2)


def padded(x: Array, *frame: tuple[int, int], mode: Any = "constant", value: float = 0.0) -> Array:
    more = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, [(0, 0)] * (x.ndim - len(frame)) + list(frame), mode, **more)


def counts(frame: Any, kernel: Any, stride: Any) -> Array:
    """How many numbers of an image are in each window."""
    ones = padded(np.ones((1, 1, 5, 6)), *frame)
    return pooled(ones, np.sum, kernel, stride)


def averaged(n: int, size: int) -> Array:
    """The windows of adaptive pooling, as rows of a matrix."""
    rows = []
    for i in range(size):
        start, stop = math.floor(i * n / size), math.ceil((i + 1) * n / size)
        rows.append([(start <= k < stop) / (stop - start) for k in range(n)])
    return np.array(rows)


def pooled(x: Array, reduce: Any, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    rows, columns = ((x.shape[2 + i] - kernel[i]) // stride[i] + 1 for i in range(2))
    return np.array(
        [
            [
                reduce(
                    x[
                        :,
                        :,
                        p * stride[0] : p * stride[0] + kernel[0],
                        q * stride[1] : q * stride[1] + kernel[1],
                    ],
                    (2, 3),
                )
                for q in range(columns)
            ]
            for p in range(rows)
        ]
    ).transpose(2, 3, 0, 1)


def standard(x: Array, axes: Any, eps: float = 1e-5) -> Array:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def rms(x: Array, axes: Any, eps: float) -> Array:
    return x / np.sqrt((x**2).mean(axes, keepdims=True) + eps)


def channel(p: Array, axes: int) -> Array:
    return p.reshape(-1, *[1] * axes)


# fmt: off
EQUATIONS: dict[str, Callable[..., Array]] = {  # of x and the layer's parameters
    "Linear":               lambda x, w, b: x @ w.T + b,
    "Linear, no bias":      lambda x, w: x @ w.T,
    "Linear on sequences":  lambda x, w, b: x @ w.T + b,
    "Conv2d":               convolution,
    "Conv2d, no bias":      convolution,
    "Conv2d, options":      lambda x, w, b: convolution(x, w, b, (2, 1), (1, 2), (2, 1), 2),
    "MaxPool2d":            lambda x: pooled(x, np.max, (2, 2), (2, 2)),
    "MaxPool2d, stride":    lambda x: pooled(x, np.max, (3, 2), (1, 1)),
    "AvgPool2d":            lambda x: pooled(x, np.mean, (2, 2), (2, 2)),
    "AvgPool2d, stride":    lambda x: pooled(x, np.mean, (3, 3), (1, 2)),
    "Conv2d, same":         lambda x, w, b: convolution(padded(x, (2, 2), (1, 1)), w, b,
                                                        dilation=(2, 2)),
    "Conv2d, reflect":      lambda x, w, b: convolution(padded(x, (1, 1), (2, 2), mode="reflect"),
                                                        w, b),
    "Conv2d, same circular": lambda x, w, b: convolution(padded(x, (1, 1), (0, 1), mode="wrap"),
                                                         w, b),
    "Conv1d":               lambda x, w, b: convolution(x[:, :, None], w[:, :, None], b,
                                                        padding=(0, 1))[:, :, 0],
    "ConvTranspose2d":      lambda x, w, b: transposed(x, w, b, (6, 3)),
    "MaxPool2d, padding":   lambda x: pooled(padded(x, (1, 1), (1, 2), value=-np.inf), np.max,
                                             (3, 3), (2, 2)),
    "MaxPool2d, dilation":  lambda x: np.max([x[:, :, i:i + 3, j:j + 3]
                                              for i in (0, 2) for j in (0, 3)], axis=0),
    "MaxPool1d":            lambda x: np.maximum(x[..., :-1], x[..., 1:]),
    "AvgPool2d, padding":   lambda x: pooled(padded(x, (1, 1), (1, 1)), np.mean, (3, 3), (2, 2)),
    "AvgPool2d, beyond":    lambda x: pooled(padded(x, (1, 1), (1, 1)), np.sum, (2, 2), (3, 3))
                            / counts([(1, 1), (1, 1)], (2, 2), (3, 3)),
    "AvgPool2d, divisor":   lambda x: pooled(x, np.sum, (2, 2), (2, 2)) / 3,
    "AvgPool1d":            lambda x: np.stack([(x[..., 0] + x[..., 1]) / 3,
                                                (x[..., 1] + x[..., 2] + x[..., 3]) / 3], -1),
    "AdaptiveAvgPool1d":    lambda x: x @ averaged(4, 3).T,
    "AdaptiveAvgPool2d":    lambda x: averaged(5, 3) @ x,
    "Pad2d":                lambda x: padded(x, (0, 3), (1, 2), value=2.0),
    "Pad2d, replicate":     lambda x: padded(x, (2, 2), (2, 2), mode="edge"),
    "Upsample":             lambda x: x.repeat(2, axis=2).repeat(3, axis=3),
    "Upsample, size":       lambda x: x[:, :, [0, 0, 0, 1, 1, 2, 2]]
                            [..., [0, 0, 0, 1, 1, 2, 2, 3, 3]],
    "Flatten":              lambda x: x.reshape(2, 120),
    "Unflatten":            lambda x: x.reshape(2, 2, 2, 5, 6),
    "Flatten, some":        lambda x: x.reshape(2, 20, 6),
    "Dropout":              lambda x: np.where(rng().random(x.shape) < 0.3, 0, x / 0.7),
    "Dropout, eval":        lambda x: x,
    "Sequential":           lambda x, w, b, v, c: np.tanh(x @ w.T + b) @ v.T + c,
    "Residual":             lambda x, w, b, v, c: x + np.tanh(x @ w.T + b) @ v.T + c,
    "BatchNorm1d":          lambda x, w, b: standard(x, 0) * w + b,
    "BatchNorm1d, average": lambda x, w, b: standard(x, 0) * w + b,
    "BatchNorm1d, length":  lambda x, w, b: standard(x, (0, 2)) * channel(w, 1) + channel(b, 1),
    "BatchNorm2d":          lambda x, w, b: standard(x, (0, 2, 3)) * channel(w, 2) + channel(b, 2),
    "BatchNorm2d, options": lambda x: standard(x, (0, 2, 3), 0.1),
    "BatchNorm1d, no bias": lambda x, w: standard(x, 0) * w,
    "BatchNorm1d, no stats": lambda x, w, b: standard(x, 0) * w + b,
    "GroupNorm":            lambda x, w, b: standard(x, (1, 2, 3))
                            * channel(w, 2) + channel(b, 2),
    "GroupNorm, plain":     lambda x: standard(x.reshape(5, 3, 2), 2, 0.1).reshape(5, 6),
    "LayerNorm":            lambda x, w, b: standard(x, -1) * w + b,
    "LayerNorm, images":    lambda x, w, b: standard(x, (2, 3), 0.1) * w + b,
    "LayerNorm, no bias":   lambda x, w: standard(x, -1) * w,
    "LayerNorm, plain":     lambda x: standard(x, -1),
    "RMSNorm":              lambda x, w: rms(x, -1, 2.0**-52) * w,
    "RMSNorm, images":      lambda x, w: rms(x, (2, 3), 0.1) * w,
    "RMSNorm, plain":       lambda x: rms(x, -1, 2.0**-52),
    "Sigmoid":              sigmoid,
    "Tanh":                 np.tanh,
    "ReLU":                 lambda x: np.where(x > 0, x, 0),
    "LeakyReLU":            lambda x: np.where(x > 0, x, 0.01 * x),
    "LeakyReLU, slope":     lambda x: np.where(x > 0, x, 0.2 * x),
    "ELU":                  lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "ELU, alpha":           lambda x: np.where(x > 0, x, 2 * (np.exp(x) - 1)),
    "SiLU":                 lambda x: x * sigmoid(x),
    "GELU":                 lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "GELU, tanh":           lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi)
                                                           * (x + 0.044715 * x**3))),
    "Softplus":             lambda x: np.log(1 + np.exp(x)),
    "Softplus, beta":       lambda x: np.log(1 + np.exp(3 * x)) / 3,
    "Softmax":              lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    "Softmax, columns":     lambda x: np.exp(x) / np.exp(x).sum(axis=0),
    "LogSoftmax":           lambda x: x - np.log(np.exp(x).sum(axis=1, keepdims=True)),
    "PReLU":                lambda x, a: np.where(x > 0, x, a * x),
    "PReLU, channels":      lambda x, a: np.where(x > 0, x, channel(a, 2) * x),
    "SELU":                 lambda x: 1.0507009873554805
                            * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "GLU":                  lambda x: x[:, :3] * sigmoid(x[:, 3:]),
    "GLU, axis":            lambda x: x[:, :2] * sigmoid(x[:, 2:]),
    "ReLU6":                lambda x: np.minimum(np.maximum(x, 0), 6),
    "Hardtanh":             lambda x: np.clip(x, -0.5, 0.75),
    "Hardswish":            lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Softsign":             lambda x: x / (1 + np.abs(x)),
    "Mish":                 lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "LogSigmoid":           lambda x: -np.log(1 + np.exp(-x)),
}
# fmt: on
IN_SEQUENCES = {  # are in test_sequences.py
    *("RNN", "RNN, relu", "LSTM", "GRU", "LSTM, layers", "GRU, layers"),
    *("RNNCell", "LSTMCell", "GRUCell", "MultiHeadAttention", "TransformerEncoderLayer"),
}


def test_every_layer_has_an_equation() -> None:
    assert LAYERS.keys() == EQUATIONS.keys() | IN_SEQUENCES


every_layer = pytest.mark.parametrize(
    "make, shape, equation", [(*LAYERS[name], f) for name, f in EQUATIONS.items()], ids=EQUATIONS
)


@every_layer
def test_a_layer_is_its_equation(make: Any, shape: Any, equation: Any) -> None:
    for x in (numbers(*shape), Tensor(numbers(*shape), requires_grad=True)):
        layer = drawn(make())
        z = layer(x)
        np.testing.assert_allclose(
            z.data if isinstance(z, Tensor) else z,
            equation(numbers(*shape), *[p.data for p in layer.parameters()]),
            atol=1e-12,
        )


@every_layer
def test_gradients_of_a_layer(make: Any, shape: Any, equation: Any) -> None:
    names = [name for name, _ in make().named_parameters()]

    def applied(x: Tensor, *parameters: Tensor) -> Any:
        layer = make()  # anew: it draws the same numbers
        for name, p in zip(names, parameters, strict=True):
            setattr(*place(layer, name), p)
        return layer(x)

    check_gradients(applied, numbers(*shape), *[p.data for p in drawn(make()).parameters()])


def place(layer: Any, path: str) -> tuple[Any, str]:
    """The module that holds what has this path, and the name that it has there."""
    above, _, name = path.rpartition(".")
    return functools.reduce(getattr, above.split(".") if above else [], layer), name


@every_layer
def test_a_layer_of_float32_stays_in_float32(make: Any, shape: Any, equation: Any) -> None:
    layer, x = make(), Tensor(numbers(*shape).astype(np.float32), requires_grad=True)
    for p in layer.state_dict():
        setattr(*place(layer, p), as_float32(getattr(*place(layer, p))))
    z = layer(x)
    z.sum().backward()
    assert z.dtype == np.float32 and {p.grad.dtype.name for p in [x, *layer.parameters()]} == {
        "float32"
    }
    assert {a.dtype.name for a in layer.state_dict().values()} <= {"float32", "int64"}


def as_float32(p: Tensor) -> Tensor:
    return Tensor(p.data.astype(np.float32), p.requires_grad) if p.dtype == np.float64 else p


# Convolution and pooling

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=40)
@given(
    pairs, pairs, st.tuples(st.integers(0, 2), st.integers(0, 2)), pairs, st.sampled_from([1, 2, 4])
)
def test_convolutions_with_any_options(
    kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    layer = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, rng=rng(), **F8)
    x, weight, bias = numbers(2, 4, 7, 8), *[p.data for p in layer.parameters()]
    assert weight.shape == (8, 4 // groups, *kernel)
    np.testing.assert_allclose(
        layer(x).data, convolution(x, weight, bias, stride, padding, dilation, groups), atol=1e-12
    )


def test_a_convolution_starts_uniform_within_one_over_the_root_of_what_it_adds_up() -> None:
    for p in nn.Conv2d(8, 4000, (5, 2), groups=2, rng=rng()).parameters():
        bound = 1 / math.sqrt(4 * 5 * 2)  # in/groups · rows · columns
        assert np.abs(p.data).max() == pytest.approx(bound, rel=1e-2) and np.abs(
            p.data
        ).max() <= np.float32(bound)
        assert p.data.var() == pytest.approx(bound**2 / 3, rel=0.1) and p.dtype == np.float32


@pytest.mark.parametrize(
    "wrong", [(0, 8, 3), (4, 8, 0), (4, 8, (3, 0)), (4, 8, 3, 1, 0, 1, 3), (3, 8, 3, 1, 0, 1, 2)]
)
def test_a_convolution_that_cannot_be_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="groups that divide both channels, found Conv2d"):
        nn.Conv2d(*wrong)


def test_images_are_four_axes_and_have_the_filters_channels() -> None:
    for layer in (nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.AvgPool2d(2)):
        with pytest.raises(ValueError, match="batch"):
            layer(np.zeros((28, 28)))
    with pytest.raises(ValueError, match=r"x \(1, 3, 8, 8\), weight \(2, 1, 3, 3\)"):
        nn.Conv2d(1, 2, 3)(np.zeros((1, 3, 8, 8)))


IMAGE_LAYERS = {
    "conv": lambda: nn.Conv2d(4, 6, 2, rng=rng(), **F8),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 2, rng=rng(), **F8),
    "max": lambda: nn.MaxPool2d(2),
    "avg": lambda: nn.AvgPool2d(2),
    "adaptive": lambda: nn.AdaptiveAvgPool2d(2),
    "pad": lambda: nn.Pad2d(1),
}


@pytest.mark.parametrize("make", IMAGE_LAYERS.values(), ids=IMAGE_LAYERS)
def test_one_image_without_a_batch_is_a_batch_of_one(make: Any) -> None:
    layer, x = make(), Tensor(numbers(1, 4, 6, 6))
    np.testing.assert_array_equal(layer(x[0]).data, layer(x).data[0])


@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("more", [0, 1])
def test_a_transposed_convolution_is_the_transpose(
    kernel: int, stride: int, padding: int, more: int
) -> None:
    if more >= stride:
        return
    forth = nn.Conv2d(3, 2, kernel, stride, padding, bias=False, rng=rng(), **F8)
    back = nn.ConvTranspose2d(2, 3, kernel, stride, padding, more, bias=False, **F8)
    back.weight = forth.weight
    y = numbers(1, 2, 3, 4)
    x = numbers(*back(y).shape, seed=1)
    assert forth(x).shape == y.shape  # output_padding says from which size it came
    np.testing.assert_allclose((forth(x).data * y).sum(), (back(y).data * x).sum())


def test_a_whole_factor_may_come_as_a_float_as_pytorch_keeps_it() -> None:
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    twice, same = nn.Upsample(scale_factor=(2.0, 3)), nn.Upsample(scale_factor=(2, 3))
    np.testing.assert_array_equal(twice(x), same(x))


OPTIONS_THAT_CANNOT_BE = {
    "same with stride": (lambda: nn.Conv2d(1, 1, 3, 2, "same")(np.zeros((1, 1, 5, 5))), "keeps"),
    "same, reflected": (
        lambda: nn.Conv2d(1, 1, 3, 2, "same", padding_mode="reflect")(np.zeros((1, 1, 5, 5))),
        "which a stride of 2 does not",
    ),
    "padding mode": (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), "found 'mirror'"),
    "output padding": (
        lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=1)(np.zeros((1, 1, 5, 5))),
        "less than the stride",
    ),
    "transposed channels": (
        lambda: nn.ConvTranspose2d(2, 1, 3)(np.zeros((1, 3, 5, 5))),
        r"conv_transpose2d takes .*found x \(1, 3, 5, 5\)",
    ),
    "nothing left": (
        lambda: nn.ConvTranspose2d(1, 1, 3, padding=(0, 4))(np.zeros((1, 1, 5, 6))),
        r"makes 7 × 8 pixels, of which padding=\(0, 4\)",
    ),
    "pool padding": (lambda: nn.MaxPool2d(2, padding=2)(np.zeros((1, 1, 5, 5))), "half a kernel"),
    "signals": (lambda: nn.MaxPool1d(2)(np.zeros(5)), r"\(batch, channels, length\)"),
    "conv of signals": (
        lambda: nn.Conv1d(2, 1, 3)(np.zeros((1, 3, 5))),
        r"conv1d takes x \(batch, in, length\), weight \(out, in/groups, kernel\)",
    ),
    "adaptive": (lambda: nn.AdaptiveAvgPool2d(2)(np.zeros((5, 5))), "found"),
    "pad": (lambda: nn.Pad2d(-1), "expected a padding ≥ 0"),
    "pad mode": (lambda: nn.Pad2d(1, "edge"), "found 'edge'"),
    "pad x": (lambda: nn.Pad2d(1)(np.zeros(3)), r"found \(3,\)"),
    "upsample x": (lambda: nn.Upsample(2)(np.zeros((3, 3))), r"found \(3, 3\)"),
    "upsample by half": (lambda: nn.Upsample(scale_factor=0.5), "scale_factor=0.5"),
    "upsample to nothing": (lambda: nn.Upsample((3, 0)), r"size=\(3, 0\)"),
    "upsample": (lambda: nn.Upsample(), "give size or scale_factor"),
    "sizes": (lambda: nn.Upsample((1, 2, 3))(np.zeros((1, 1, 5, 5))), "one for each of 2"),
    "unflatten to others": (lambda: nn.Unflatten(1, (2, 2))(np.zeros((2, 3))), "has 3 numbers"),
    "unflatten": (lambda: nn.Unflatten(4, (1, 1))(np.zeros((1, 1))), "splits axis 4"),
    "group norm": (lambda: nn.GroupNorm(3, 4), "divides num_channels"),
    "group norm's x": (lambda: nn.GroupNorm(2, 4)(np.zeros((2, 3))), r"found \(2, 3\)"),
    "glu's axis": (lambda: nn.GLU(2)(np.zeros((2, 4))), "axis 2, which shape"),
    "glu": (lambda: nn.GLU()(np.zeros(3)), "odd"),
    "hardtanh": (lambda: nn.Hardtanh(1.0, 1.0), "min_val < max_val"),
    "prelu": (lambda: nn.PReLU(3)(np.zeros((2, 4))), r"found \(2, 4\)"),
}


@pytest.mark.parametrize("call, says", OPTIONS_THAT_CANNOT_BE.values(), ids=OPTIONS_THAT_CANNOT_BE)
def test_options_that_cannot_be_are_refused(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call()


# Normalization of nothing, and of integers


@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 3)])
def test_a_batch_of_no_example_is_normalized_to_none(shape: Any) -> None:
    assert nn.GroupNorm(2, 4)(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
@pytest.mark.parametrize("layer", [nn.RMSNorm(2), nn.LayerNorm(2), nn.GroupNorm(1, 2)])
def test_integers_are_normalized_as_floats(layer: Any, dtype: Any) -> None:
    x = np.array([[200, 100], [3, 0]]).astype(dtype)
    np.testing.assert_array_equal(layer(x).data, layer(x.astype(np.float64)).data)


# Flatten, Dropout, Embedding, Residual


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.data())
def test_flatten_joins_axes_of_any_length_counted_from_either_end(
    shape: list[int], data: Any
) -> None:
    start = data.draw(st.integers(0, len(shape) - 1))
    end = data.draw(st.integers(start, len(shape) - 1))
    expected = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    for a in (start, start - len(shape)):
        for b in (end, end - len(shape)):
            assert nn.Flatten(a, b)(np.zeros(shape)).shape == expected


@pytest.mark.parametrize(
    "dims, shape", [((1, -1), (3,)), ((2, 1), (3, 4, 5)), ((0, 3), (3, 4)), ((-4, -1), (3, 4))]
)
def test_flatten_refuses_axes_that_are_not_there(dims: Any, shape: Any) -> None:
    with pytest.raises(ValueError) as error:
        nn.Flatten(*dims)(np.zeros(shape))
    assert f"Flatten{dims}" in str(error.value) and str(shape) in str(error.value)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_dropout_drops_a_share_of_p_and_keeps_the_mean(p: float) -> None:
    z = nn.Dropout(p, rng=rng())(np.ones(100_000))
    assert (z == 0).mean() == pytest.approx(p, abs=0.005) and z.mean() == pytest.approx(
        float(p < 1), abs=0.02
    )


def test_dropout_draws_anew_in_each_call_from_its_own_rng() -> None:
    one, same = (nn.Dropout(rng=rng()) for _ in range(2))
    first, x = one(np.ones(100)), np.ones(100)
    assert np.array_equal(first, same(x)) and not np.array_equal(first, one(x)) and one.p == 0.5
    assert one.eval()(x) is x and not np.array_equal(one.train()(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_dropout_takes_a_probability(p: float) -> None:
    with pytest.raises(ValueError, match=f"found {p}"):
        nn.Dropout(p)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,)])
def test_an_embedding_looks_rows_up(shape: Any) -> None:
    layer, indices = nn.Embedding(5, 3, rng=rng(), **F8), rng().integers(0, 5, shape)
    for i in (indices, Tensor(indices), indices.tolist()) if shape != (0,) else (indices,):
        np.testing.assert_array_equal(layer(i).data, layer.weight.data[indices])
    check_gradients(lambda weight: embedded(weight)(indices), layer.weight.data)


def embedded(weight: Tensor) -> nn.Embedding:
    layer = nn.Embedding(*weight.shape)
    layer.weight = weight
    return layer


def test_an_embedding_used_twice_gets_both_gradients() -> None:
    layer = nn.Embedding(4, 2)
    layer([1, 3, 1]).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.tolist() == [
        [0, 0],
        [2, 2],
        [0, 0],
        [1, 1],
    ]


def test_an_embedding_starts_normal() -> None:
    weight = nn.Embedding(1000, 100, rng=rng()).weight
    assert (
        weight.dtype == np.float32
        and abs(weight.data.mean()) < 0.01
        and weight.data.std() == pytest.approx(1, rel=0.01)
    )


def test_an_embedding_refuses_what_is_no_index() -> None:
    for outside in (5, -1):
        with pytest.raises(IndexError):
            nn.Embedding(5, 3)([outside])
    with pytest.raises(TypeError):
        nn.Embedding(5, 3)([1.0])
    with pytest.raises(ValueError, match="at least 1 row"):
        nn.Embedding(0, 3)


def test_a_residual_of_nothing_learnt_is_the_identity_and_lets_gradients_through() -> None:
    block, x = (
        nn.Residual(nn.Linear(3, 3, rng=rng(), **F8)),
        Tensor(numbers(5, 3), requires_grad=True),
    )
    for p in block.parameters():
        p.data *= 0
    block(x).sum().backward()
    assert np.array_equal(block(x).data, x.data) and x.grad is not None and (x.grad == 1).all()


def test_a_residual_is_named_like_a_sequential_and_refuses_to_broadcast() -> None:
    block = nn.Residual(nn.Linear(3, 1), nn.Tanh())
    assert list(block.state_dict()) == ["0.weight", "0.bias"] and type(block[:1]) is nn.Sequential
    with pytest.raises(ValueError, match=r"\(5, 1\) and \(5, 3\)"):
        block(np.zeros((5, 3), np.float32))


# Normalization

BATCHES = {
    "1d": (nn.BatchNorm1d, (7, 3)),
    "1d, length": (nn.BatchNorm1d, (2, 3, 4)),
    "2d": (nn.BatchNorm2d, (2, 3, 4, 5)),
}
every_batch_norm = pytest.mark.parametrize("layer, shape", BATCHES.values(), ids=BATCHES)


@every_batch_norm
@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_running_statistics_follow_the_batches(
    layer: Any, shape: Any, momentum: float | None
) -> None:
    norm, mean, var = layer(3, momentum=momentum, **F8), np.zeros(3), np.ones(3)
    for t in range(1, 6):
        x = t + t * numbers(*shape, seed=t)
        norm(Tensor(x, requires_grad=True))
        rate, by_channel = (
            1 / t if momentum is None else momentum,
            np.moveaxis(x, 1, 0).reshape(3, -1),
        )
        mean = (1 - rate) * mean + rate * by_channel.mean(1)
        var = (1 - rate) * var + rate * by_channel.var(1, ddof=1)  # unbiased
        np.testing.assert_allclose(norm.running_mean.data, mean)
        np.testing.assert_allclose(norm.running_var.data, var)
        assert norm.num_batches_tracked.item() == t


@every_batch_norm
def test_eval_normalizes_by_the_running_statistics_and_leaves_them(layer: Any, shape: Any) -> None:
    norm = drawn(seen(layer(3, **F8)))
    before, x, after = norm.state_dict(), numbers(*shape), len(shape) - 2
    mean, var, weight, bias = (
        channel(before[name], after) for name in ("running_mean", "running_var", "weight", "bias")
    )
    np.testing.assert_allclose(norm(x).data, (x - mean) / np.sqrt(var + 1e-5) * weight + bias)
    np.testing.assert_allclose(
        norm(x[:1]).data, norm(x).data[:1]
    )  # a batch of one is welcome, and others don't matter
    np.testing.assert_equal(norm.state_dict(), before)


@every_batch_norm
def test_gradients_in_eval(layer: Any, shape: Any) -> None:
    check_gradients(drawn(seen(layer(3, **F8))), numbers(*shape))


def test_batches_of_one_mean_make_the_running_statistics_theirs() -> None:
    norm, x = nn.BatchNorm1d(3, **F8), 5 + numbers(50, 3)
    for _ in range(400):
        norm(x)
    np.testing.assert_allclose(norm.eval()(x).data, standard(x, 0) * math.sqrt(49 / 50), rtol=1e-4)


def test_the_state_of_a_batch_norm_is_pytorch_s() -> None:
    state = nn.BatchNorm2d(3).state_dict()
    assert {name: (a.shape, a.dtype.name) for name, a in state.items()} == {
        "weight": ((3,), "float32"),
        "bias": ((3,), "float32"),
        "running_mean": ((3,), "float32"),
        "running_var": ((3,), "float32"),
        "num_batches_tracked": ((), "int64"),
    }
    assert [name for name, _ in nn.BatchNorm2d(3).named_parameters()] == ["weight", "bias"]
    assert [state[name].tolist() for name in ("weight", "bias", "running_mean", "running_var")] == [
        [1] * 3,
        [0] * 3,
        [0] * 3,
        [1] * 3,
    ]


def test_running_statistics_travel_with_the_state() -> None:
    norm, other = seen(nn.BatchNorm1d(3)), nn.BatchNorm1d(3).eval()
    other.load_state_dict(norm.state_dict())
    np.testing.assert_array_equal(other(numbers(5, 3)).data, norm(numbers(5, 3)).data)
    assert other.num_batches_tracked.item() == 3


def test_running_statistics_are_new_arrays_and_the_recorded_ones_stay() -> None:
    norm = seen(nn.BatchNorm1d(3))
    arrays = [norm.running_mean.data, norm.running_var.data, norm.num_batches_tracked.data]
    before = copy.deepcopy(arrays)
    norm.train()(numbers(5, 3))
    np.testing.assert_equal(arrays, before)


def test_running_statistics_keep_their_dtype_and_take_no_part_in_the_graph() -> None:
    norm = nn.BatchNorm1d(3, momentum=np.float64(0.1))
    norm(Tensor(numbers(5, 3), requires_grad=True))
    assert (
        norm.running_var.dtype == np.float32
        and norm.running_var.operation is None
        and not norm.running_var.requires_grad
    )
    assert "running_var" in copy.deepcopy(norm).state_dict()


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.BatchNorm1d, (5, 4)),
        (nn.BatchNorm1d, (3,)),
        (nn.BatchNorm1d, (2, 3, 4, 5)),
        (nn.BatchNorm2d, (2, 3)),
        (nn.BatchNorm2d, (2, 4, 3, 3)),
    ],
)
def test_a_batch_norm_says_both_shapes(layer: Any, shape: Any) -> None:
    with pytest.raises(ValueError) as error:
        layer(3)(np.zeros(shape))
    assert f"{layer.__name__}(3) takes shapes (batch, 3" in str(error.value) and str(shape) in str(
        error.value
    )


@pytest.mark.parametrize(
    "layer, shape",
    [(nn.BatchNorm1d, (1, 3)), (nn.BatchNorm1d, (0, 3)), (nn.BatchNorm2d, (1, 3, 1, 1))],
)
def test_one_number_has_no_variance(layer: Any, shape: Any) -> None:
    norm = layer(3)
    with pytest.raises(ValueError, match=r"larger batch, or call eval\(\)"):
        norm(np.zeros(shape))
    assert norm.num_batches_tracked.item() == 0 and norm.eval()(np.zeros(shape)).shape == shape


def test_layer_norm_is_the_same_whatever_else_is_in_the_batch() -> None:
    for norm in (nn.LayerNorm(3, **F8), nn.RMSNorm(3, **F8)):
        np.testing.assert_array_equal(norm(numbers(5, 3)).data[2], norm(numbers(5, 3)[2]).data)


def test_rms_norm_s_default_eps_is_that_of_the_dtype() -> None:
    for dtype in (np.float32, np.float64):
        eps = np.finfo(dtype).eps
        x = np.full(4, np.sqrt(eps), dtype)  # mean x² = eps: x / √(2 eps)
        np.testing.assert_allclose(
            nn.RMSNorm(4, dtype=dtype)(x).data, np.full(4, np.sqrt(0.5)), rtol=1e-6
        )


@pytest.mark.parametrize("layer", [nn.LayerNorm, nn.RMSNorm])
def test_layer_norms_say_both_shapes(layer: Any) -> None:
    for shape in [(4, 2), (3,), ()]:
        with pytest.raises(ValueError) as error:
            layer((4, 3))(np.zeros(shape))
        assert "(…, 4, 3)" in str(error.value) and str(shape) in str(error.value)
    for wrong in (0, (), (3, 0)):
        with pytest.raises(ValueError, match="sizes of at least 1"):
            layer(wrong)


# Summary


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Residual(nn.Linear(8 * 49, 8 * 49, bias=False), nn.GELU()),
        nn.Dropout(0.1),
        nn.Linear(8 * 49, 10),
    )


def test_a_summary_shows_the_shape_after_each_layer_and_adds_up() -> None:
    table = nn.summary(network(), (4, 1, 14, 14))
    for shape in ("(4, 8, 14, 14)", "(4, 8, 7, 7)", "(4, 392)", "(4, 10)"):
        assert shape in table
    assert repr(table) == table and len(table.splitlines()) == 12
    columns = {
        line.split(":")[0].strip(): line.rpartition(")")[2].split()
        for line in table.splitlines()[1:]
    }
    products = {
        "0": 4 * 8 * 14 * 14 * 9,
        "5": 4 * 392 * 392,
        "7": 4 * 392 * 10,
    }  # numbers of the result · terms of each
    assert {path: columns[path][-1] for path in products} == {
        path: f"{n:,}" for path, n in products.items()
    }
    total = table.splitlines()[1].split()
    assert (
        total[3] == f"{sum(p.size for p in network().parameters()):,}"
        and total[-1] == f"{sum(products.values()):,}"
    )


def test_a_summary_counts_the_operations_of_each_layer() -> None:
    model = nn.Sequential(
        nn.ReLU(),
        nn.Linear(3, 3),
        nn.Residual(nn.Tanh()),
        nn.Sequential(nn.SiLU(), nn.Flatten()),
        nn.Dropout().eval(),
    )
    lines = nn.summary(model, (2, 3)).splitlines()[1:]
    assert [line.rpartition(")")[2].split()[-2:] for line in lines] == [
        ["7", "18"],
        ["1"],
        ["1", "18"],
        ["2"],
        ["1"],
        ["3"],
        ["2"],
        ["1"],
        [],
    ]


def test_a_summary_counts_of_a_whole_what_its_parts_computed_in_vain() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            self.memory, self.head = nn.LSTM(1, 3), nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.head(self.memory(x)[0])  # and leaves (h, c)

    _, *lines = nn.summary(Last(), (1, 5, 1)).splitlines()
    whole, *parts = (int(line.split()[-2]) for line in lines)
    assert whole == sum(parts)


def test_a_summary_adds_up_the_calls_of_a_shared_layer_and_shows_one_that_is_not_called() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.used, self.idle = nn.Linear(3, 3), nn.Tanh()

        def forward(self, x: Any) -> Any:
            return {"both": [self.used(self.used(x)[:1]), x]}

    _, total, used, idle = nn.summary(Twice(), (2, 3)).splitlines()
    assert total.split() == [
        "Twice",
        "(1,",
        "3),",
        "(2,",
        "3)",
        "12",
        "3",
        "27",
    ]  # two products and an index
    assert used.split()[2:] == ["(1,", "3)", "12", "2", "27"] and idle.strip() == "idle: Tanh"


def test_a_summary_walks_2_to_the_60_paths_once() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Any) -> Any:
            return functools.reduce(lambda x, _: x + x, range(60), x)

    assert nn.summary(Doubled(), (1,)).split()[-1] == "60"


def test_a_summary_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(rng=rng()))
    before, states = model.state_dict(), [dict(vars(module)) for _, module in model.named_modules()]
    nn.summary(model, (5, 3))
    np.testing.assert_equal(model.state_dict(), before)
    assert [dict(vars(module)) for _, module in model.named_modules()] == states
    assert np.array_equal(model[1](np.ones(9)), nn.Dropout(rng=rng())(np.ones(9)))


def test_a_summary_of_indices() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    assert "(2, 5, 4)" in nn.summary(model, (2, 5), dtype=int)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_of_layers_is_refused_as_it_has_no_order_to_name_them_by(kind: Any) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.layers = kind([nn.Linear(2, 2), nn.Linear(2, 2)])

    with pytest.raises(TypeError, match=r"layers is a .*set .* write a list"):
        Two()


@pytest.mark.parametrize("divisor", [0, 0.5, "4"])
def test_a_divisor_that_is_no_count_is_refused(divisor: Any) -> None:
    with pytest.raises(ValueError, match="divisor_override"):
        nn.AvgPool2d(2, divisor_override=divisor)(np.zeros((1, 1, 4, 4)))
