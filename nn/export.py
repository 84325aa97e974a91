"""Models as files of ONNX: what becomes of each layer there, and `export_onnx`.

A layer that ONNX knows becomes a node. What a model computes beside its layers, and the layers that
ONNX lacks, become a node for each call of NumPy: see tinygrad_edu/programs/onnx/model.py.
"""

from __future__ import annotations

import contextvars
import copy
import inspect
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_edu
from tinygrad_edu import Tensor, replay, special

from . import activations, convolution, normalization, recurrent
from .checkpoint import write_contents
from .convolution import PAD_MODES, for_each_axis
from .layers import Linear
from .module import Module, array_or_tensor

__all__ = ["export_onnx"]

# A model runs on both: sizes that differ are the batch's. So do n // 2, n % 3 …, which are refused
BATCHES = 3, 14


def export_onnx(
    model: Module, example: Any, path: str | os.PathLike[str], dynamic_batch: bool = True
) -> None:
    """Write what the model computes in `eval()` to a file of ONNX, with names of parameters kept.

    The example is an input, or a tuple of several. Their first axis is the batch, which may have
    any size later, unless dynamic_batch=False: then all sizes are the example's. The file is
    checked, and replaces an old one when it is whole. Needs onnx. NotReplayable, with the line, for
    what a file cannot hold; ValueError for an example that does not fit.

    >>> from tinygrad_edu import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Softmax())
    >>> nn.export_onnx(model, np.ones((5, 3), np.float32), "model.onnx")  # doctest: +SKIP
    """
    try:
        import onnx as onnx
    except ImportError:
        raise ImportError(
            "export_onnx needs a package that is not installed: pip install '.[onnx]' in the clone"
        ) from None
    arrays = checked_example(model, example, dynamic_batch)
    model = copy.deepcopy(model).eval()
    for _, x in model.named_state():
        if x.dtype.kind == "f":
            x.requires_grad = True  # recorded: a reader sees the layers
    names = {id(module): path for path, module in model.named_modules() if path}
    names |= {id(x.data): name for name, x in model.named_state()}
    runs = [[np.resize(x, (n, *x.shape[1:])) for x in arrays] for n in BATCHES]
    # in a context of its own: whoever calls this under no_grad gets the same file
    programs = contextvars.Context().run(programs_of, model, runs if dynamic_batch else [arrays])
    inputs = input_names(model, len(arrays))
    written = programs[0].onnx(type(model).__name__, programs[-1], LAYERS, names, inputs)
    written.producer_version = tinygrad_edu.__version__
    write_contents(Path(path), written.SerializeToString())


def checked_example(model: Module, example: Any, dynamic_batch: bool) -> list[Any]:
    """The inputs as arrays; ValueError if they are no batch, or not of the parameters' dtype."""
    if not isinstance(model, Module):
        raise TypeError(f"export_onnx writes a Module, found {type(model).__name__}")
    given = example if isinstance(example, tuple) else (example,)
    arrays = [np.asarray(getattr(array_or_tensor(x), "data", x)) for x in given]
    found = ", ".join(f"{x.dtype} {x.shape}" for x in arrays)
    sizes = {x.shape[:1] for x in arrays}
    if dynamic_batch and (len(sizes) != 1 or sizes & {(), (0,)}):
        raise ValueError(
            "the first axis of each input is the batch, as long in all of them, and not empty; "
            f"found {found}: give such inputs, or dynamic_batch=False"
        )
    dtypes = {x.dtype for x in model.parameters()}
    wrong = [x for x in arrays if x.dtype.kind == "f" and dtypes and x.dtype not in dtypes]
    if wrong:
        (dtype, *_) = dtypes
        raise ValueError(
            f"the parameters are {dtype}, and the example is {found}: nodes of ONNX's do not mix "
            f"them, so write example.astype(np.{dtype})"
        )
    return arrays


def input_names(model: Module, count: int) -> list[str]:
    """What forward calls its first arguments; xs.0, xs.1, … if it takes *xs."""
    names = list[str]()
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}.{i}" for i in range(count - len(names))]
        else:
            names.append(parameter.name)
    return names[:count]


def programs_of(model: Module, runs: list[list[Any]]) -> Any:
    """What the model asks NumPy to do for each of these inputs, as programs."""

    @replay
    def forward(*arrays: Any) -> Any:
        return model(*[Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays])

    for count, arrays in enumerate(runs):
        try:
            while len(forward.programs) == count:  # what the model keeps may have to settle
                forward(*arrays)
        except (ValueError, TypeError, IndexError) as error:
            if len(runs) > 1:
                error.add_note(
                    "export_onnx runs the model on batches of {} and {}: dynamic_batch=False "
                    "writes a file for the example's size alone".format(*BATCHES)
                )
            raise
    return forward.programs


# Operations and layers: write("Gemm", x, …) writes a node, and returns the name of what it gives


def linear_nodes(write: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    if x.ndim == 2:
        return write("Gemm", x, weight, bias, transB=1)
    z = write("MatMul", x, write("Transpose", weight, perm=[1, 0]))
    return z if bias is None else write("Add", z, bias)


def node_along_axis(kind: str) -> Callable[..., Any]:
    """softmax or log_softmax, along one axis."""
    return lambda write, x, axis=-1: write(kind, x, axis=axis) if isinstance(axis, int) else None


def normal_cdf_nodes(write: Any, x: Any) -> Any:
    """Φ(x) = (1 + erf(x/√2)) / 2."""
    z = write("Erf", write("Mul", x, math.sqrt(0.5)))
    return write("Mul", write("Add", z, 1.0), 0.5)


def window_nodes(write: Any, x: Any, kernel: Any, stride: Any, dilation: Any) -> Any:
    """What a kernel sees at each place: along each axis, the numbers that it meets are gathered."""
    n = len(kernel)
    places, first = write.results[0].shape[-n:], x.ndim - n
    for i in reversed(range(n)):
        met = np.arange(kernel[i])[:, None] * dilation[i] + np.arange(places[i]) * stride[i]
        x = write("Gather", x, met, axis=first + i)
    axes = [first + i for i in [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]]
    return write("Transpose", x, perm=[*range(first), *axes])


def frame_node(write: Any, x: Any, *others: Any, indices: Any, shape: Any) -> Any:
    """Zeros around x: what conv2d's padding is outside of a layer."""
    if others or indices[0][:1] != (...,):
        return None
    inside = indices[0][1:]
    sizes = shape[len(shape) - len(inside) :]
    frame = [(part.start, n - part.stop) for part, n in zip(inside, sizes, strict=True)]
    return write("Pad", x, ends_of([*[(0, 0)] * (x.ndim - len(inside)), *frame]))


def conv_nodes(write: Any, layer: Any, x: Any) -> Any:
    if x.ndim != layer.axes + 2:
        return None
    frame, options = layer.frame(), window_steps(layer, layer.weight.shape[2:])
    pads = ends_of(frame[2:]).tolist()
    if layer.padding_mode != "zeros":
        x = write("Pad", x, ends_of(frame), mode=PAD_MODES[layer.padding_mode])
        pads = [0] * len(pads)
    return write("Conv", x, layer.weight, layer.bias, pads=pads, group=layer.groups, **options)


def transposed_conv_node(write: Any, layer: Any, x: Any) -> Any:
    if x.ndim != 4:
        return None
    options = window_steps(layer, layer.weight.shape[2:])
    options |= {"pads": 2 * for_each_axis(layer.padding, 2), "group": layer.groups}
    options |= {"output_padding": for_each_axis(layer.output_padding, 2)}
    return write("ConvTranspose", x, layer.weight, layer.bias, **options)


def max_pool_node(write: Any, layer: Any, x: Any) -> Any:
    if x.ndim != layer.axes + 2:
        return None
    options = window_steps(layer, for_each_axis(layer.kernel_size, layer.axes))
    pads = 2 * for_each_axis(layer.padding, layer.axes)
    return write("MaxPool", x, pads=pads, ceil_mode=int(layer.ceil_mode), **options)


def avg_pool_node(write: Any, layer: Any, x: Any) -> Any:
    n = layer.axes
    if x.ndim != n + 2 or layer.ceil_mode or layer.divisor_override is not None:
        return None
    kernel, strides = for_each_axis(layer.kernel_size, n), for_each_axis(layer.stride, n)
    options = {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": 2 * for_each_axis(layer.padding, n),
    }
    return write("AveragePool", x, count_include_pad=int(layer.count_include_pad), **options)


def global_mean_node(write: Any, layer: Any, x: Any) -> Any:
    """An average over all places; others are products with a matrix of means."""
    sizes = for_each_axis(layer.output_size, layer.axes)
    is_one = x.ndim == layer.axes + 2 and set(sizes) == {1}
    return write("GlobalAveragePool", x) if is_one else None


def pad_node(write: Any, layer: Any, x: Any) -> Any:
    left, right, top, bottom = for_each_axis(layer.padding, 4)
    frame = [*[(0, 0)] * (x.ndim - 2), (top, bottom), (left, right)]
    value = float(layer.value) if layer.mode == "constant" else None
    return write("Pad", x, ends_of(frame), value, mode=PAD_MODES.get(layer.mode, "constant"))


def window_steps(layer: Any, kernel: Any) -> dict[str, Any]:
    """What nodes of windows are told: the kernel, the stride, the dilation."""
    options = {"strides": layer.stride, "dilations": layer.dilation}
    steps = {name: for_each_axis(value, layer.axes) for name, value in options.items()}
    return {"kernel_shape": kernel, **steps}


def ends_of(frame: Any) -> Any:
    """What is added to each axis at its beginning, then what at its end."""
    return np.array(frame, np.int64).T.reshape(-1)


def batch_norm_node(write: Any, layer: Any, x: Any) -> Any:
    if layer.running_mean is None:
        return None
    state = [*scale_and_shift(layer, x), layer.running_mean, layer.running_var]
    return write("BatchNormalization", x, *state, epsilon=layer.eps)


def layer_norm_node(write: Any, layer: Any, x: Any) -> Any:
    options = {"axis": -len(layer.normalized_shape), "epsilon": layer.eps}
    return write("LayerNormalization", x, *scale_and_shift(layer, x), **options)


def scale_and_shift(layer: Any, x: Any) -> list[Any]:
    """The weight and the bias of a normalization; 1 and 0 where it has none."""
    shape = getattr(layer, "normalized_shape", None) or layer.shape
    weight = np.ones(shape, x.dtype) if layer.weight is None else layer.weight
    return [weight, np.zeros(shape, x.dtype) if layer.bias is None else layer.bias]


def prelu_nodes(write: Any, layer: Any, x: Any) -> Any:
    if layer.weight.size == 1 or x.ndim < 3:
        return write("PRelu", x, layer.weight)
    return write("PRelu", x, write("Reshape", layer.weight, np.array([-1, *[1] * (x.ndim - 2)])))


def clip_node(write: Any, layer: Any, x: Any) -> Any:
    return write("Clip", x, layer.min_val, layer.max_val)


def softplus_nodes(write: Any, layer: Any, x: Any) -> Any:
    if layer.beta == 1:
        return write("Softplus", x)
    return write("Div", write("Softplus", write("Mul", x, layer.beta)), layer.beta)


GATES = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}  # ours, in the order of ONNX's


def recurrent_nodes(write: Any, layer: Any, x: Any, state: Any = None) -> Any:
    """A recurrent layer whose state starts at 0: a node for each of its layers."""
    kind, directions = type(layer).__name__, len(layer.ends()[0])
    if state is not None or x.ndim != 3:
        return None
    options: dict[str, Any] = {"hidden_size": layer.sizes[1]}
    options["direction"] = "bidirectional" if directions == 2 else "forward"
    if kind == "GRU":
        options["linear_before_reset"] = 1
    if kind == "RNN":
        options["activations"] = directions * [{"tanh": "Tanh", "relu": "Relu"}[layer.nonlinearity]]
    x, ended = write("Transpose", x, perm=[1, 0, 2]), list[Any]()  # (time, batch, features)
    for ends in layer.ends():
        weights = [
            write.store(w, f"{write.path}.{name}".lstrip("."))
            for w, name in gate_weights(layer, GATES[kind], ends)
        ]
        z, *last = write(kind, x, *weights, outputs=3 if kind == "LSTM" else 2, **options)
        if directions == 1:  # z is (time, directions, batch, hidden)
            x = write("Squeeze", z, np.array([1]))
        else:
            x = write("Reshape", write("Transpose", z, perm=[0, 2, 1, 3]), np.array([0, 0, -1]))
        ended.append(last)
    states = ended[0]
    if len(ended) > 1:
        states = [write("Concat", *part, axis=0) for part in zip(*ended, strict=True)]
    return [write("Transpose", x, perm=[1, 0, 2]), *states]


def gate_weights(layer: Any, order: list[int], ends: list[str]) -> Iterator[tuple[Any, str]]:
    """ONNX's W, R and B, each with a row of gates for a direction, and their names."""

    def gates(name: str) -> Any:
        parts = np.split(getattr(layer, name).data, len(order))
        return np.concatenate([parts[i] for i in order])

    yield np.stack([gates(f"weight_ih{end}") for end in ends]), f"W{ends[0]}"
    yield np.stack([gates(f"weight_hh{end}") for end in ends]), f"R{ends[0]}"
    if hasattr(layer, f"bias_ih{ends[0]}"):
        both = [np.concatenate([gates(f"bias_{of}{end}") for of in ("ih", "hh")]) for end in ends]
        yield np.stack(both), f"B{ends[0]}"


def node_named(kind: str, **options: str) -> Callable[..., Any]:
    """A layer that is one node, whose options are these attributes of the layer."""
    return lambda write, layer, x: write(
        kind, x, **{name: getattr(layer, own) for name, own in options.items()}
    )


LAYERS: dict[Any, Callable[..., Any]] = {
    special.linear: linear_nodes,
    special.log_softmax: node_along_axis("LogSoftmax"),
    special.normal_cdf: normal_cdf_nodes,
    special.relu: lambda write, x: write("Relu", x),
    special.scatter: frame_node,
    special.sigmoid: lambda write, x: write("Sigmoid", x),
    special.softmax: node_along_axis("Softmax"),
    special.windows: window_nodes,
    Linear: lambda write, layer, x: linear_nodes(write, x, layer.weight, layer.bias),
    activations.ELU: node_named("Elu", alpha="alpha"),
    activations.GELU: node_named("Gelu", approximate="approximate"),
    activations.Hardswish: node_named("HardSwish"),
    activations.Hardtanh: clip_node,
    activations.LeakyReLU: node_named("LeakyRelu", alpha="negative_slope"),
    activations.Mish: node_named("Mish"),
    activations.PReLU: prelu_nodes,
    activations.ReLU6: clip_node,
    activations.SELU: node_named("Selu"),
    activations.Softplus: softplus_nodes,
    activations.Softsign: node_named("Softsign"),
    convolution.AdaptiveAvgPool1d: global_mean_node,
    convolution.AdaptiveAvgPool2d: global_mean_node,
    convolution.AvgPool1d: avg_pool_node,
    convolution.AvgPool2d: avg_pool_node,
    convolution.Conv1d: conv_nodes,
    convolution.Conv2d: conv_nodes,
    convolution.ConvTranspose2d: transposed_conv_node,
    convolution.MaxPool1d: max_pool_node,
    convolution.MaxPool2d: max_pool_node,
    convolution.Pad2d: pad_node,
    normalization.BatchNorm1d: batch_norm_node,
    normalization.BatchNorm2d: batch_norm_node,
    normalization.LayerNorm: layer_norm_node,
    recurrent.GRU: recurrent_nodes,
    recurrent.LSTM: recurrent_nodes,
    recurrent.RNN: recurrent_nodes,
}
