"""Every layer once, and its variants: how to make it, in float64, and the shape of an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import nn

ROWS, LONG, SEQUENCE = (5, 6), (3, 2, 4), (3, 7, 6)  # (batch, features), with length; with time
IMAGES = (2, 4, 5, 6)  # (batch, channels, height, width)
SMALL = (1, 2, 3, 4)  # for layers whose second derivatives take long
F8: Any = {"dtype": np.float64}


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias, rng=rng(), **F8)


def conv(channels: int = 4, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(channels, 6, (3, 2), rng=rng(), **F8, **options)


Make = Callable[[], nn.Module]

# fmt: off
LAYERS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "Linear":                (lambda: linear(6, 4), ROWS),
    "Linear, no bias":       (lambda: linear(6, 4, bias=False), ROWS),
    "Linear on sequences":   (lambda: linear(6, 4), SEQUENCE),
    "Conv2d":                (conv, IMAGES),
    "Conv2d, no bias":       (lambda: conv(bias=False), IMAGES),
    "Conv2d, options":       (lambda: conv(stride=(2, 1), padding=(1, 2), dilation=(2, 1),
                                           groups=2), IMAGES),
    "MaxPool2d":             (lambda: nn.MaxPool2d(2), IMAGES),
    "MaxPool2d, stride":     (lambda: nn.MaxPool2d((3, 2), 1), IMAGES),
    "AvgPool2d":             (lambda: nn.AvgPool2d(2), IMAGES),
    "AvgPool2d, stride":     (lambda: nn.AvgPool2d(3, (1, 2)), IMAGES),
    "Conv2d, same":          (lambda: conv(2, padding="same", dilation=2), SMALL),
    "Conv2d, reflect":       (lambda: conv(2, padding=(1, 2), padding_mode="reflect"), SMALL),
    "Conv2d, same circular": (lambda: conv(2, padding="same", padding_mode="circular"), SMALL),
    "Conv1d":                (lambda: nn.Conv1d(2, 3, 2, padding=1, rng=rng(), **F8), LONG),
    "ConvTranspose2d":       (lambda: nn.ConvTranspose2d(2, 6, (3, 2), (2, 1), 1, (1, 0), 2,
                                                         rng=rng(), **F8), SMALL),
    "MaxPool2d, padding":    (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), IMAGES),
    "MaxPool2d, dilation":   (lambda: nn.MaxPool2d(2, 1, dilation=(2, 3)), IMAGES),
    "MaxPool1d":             (lambda: nn.MaxPool1d(2, 1), LONG),
    "AvgPool2d, padding":    (lambda: nn.AvgPool2d(3, 2, 1), IMAGES),
    "AvgPool2d, beyond":     (lambda: nn.AvgPool2d(2, 3, 1, True, False), IMAGES),
    "AvgPool2d, divisor":    (lambda: nn.AvgPool2d(2, divisor_override=3), IMAGES),
    "AvgPool1d":             (lambda: nn.AvgPool1d(3, 2, 1), LONG),
    "AdaptiveAvgPool1d":     (lambda: nn.AdaptiveAvgPool1d(3), LONG),
    "AdaptiveAvgPool2d":     (lambda: nn.AdaptiveAvgPool2d((3, None)), IMAGES),
    "Pad2d":                 (lambda: nn.Pad2d((1, 2, 0, 3), value=2.0), SMALL),
    "Pad2d, replicate":      (lambda: nn.Pad2d(2, "replicate"), SMALL),
    "Upsample":              (lambda: nn.Upsample(scale_factor=(2, 3)), SMALL),
    "Upsample, size":        (lambda: nn.Upsample((7, 9)), SMALL),
    "Flatten":               (nn.Flatten, IMAGES),
    "Unflatten":             (lambda: nn.Unflatten(1, (2, -1)), IMAGES),
    "Flatten, some":         (lambda: nn.Flatten(-3, 2), IMAGES),
    "Dropout":               (lambda: nn.Dropout(0.3, rng=rng()), ROWS),
    "Dropout, eval":         (lambda: nn.Dropout(0.3, rng=rng()).eval(), ROWS),
    "Sequential":            (lambda: nn.Sequential(linear(6, 4), nn.Tanh(), linear(4, 2)), ROWS),
    "Residual":              (lambda: nn.Residual(linear(6, 4), nn.Tanh(), linear(4, 6)), ROWS),
    "BatchNorm1d":           (lambda: nn.BatchNorm1d(6, **F8), ROWS),
    "BatchNorm1d, average":  (lambda: nn.BatchNorm1d(6, momentum=None, **F8), ROWS),
    "BatchNorm1d, length":   (lambda: nn.BatchNorm1d(2, **F8), LONG),
    "BatchNorm2d":           (lambda: nn.BatchNorm2d(4, **F8), IMAGES),
    "BatchNorm2d, options":  (lambda: nn.BatchNorm2d(4, eps=0.1, affine=False, **F8), IMAGES),
    "BatchNorm1d, no bias":  (lambda: nn.BatchNorm1d(6, bias=False, **F8), ROWS),
    "BatchNorm1d, no stats": (lambda: nn.BatchNorm1d(6, track_running_stats=False, **F8).eval(),
                              ROWS),
    "GroupNorm":             (lambda: nn.GroupNorm(1, 2, **F8), SMALL),
    "GroupNorm, plain":      (lambda: nn.GroupNorm(3, 6, eps=0.1, affine=False), ROWS),
    "LayerNorm":             (lambda: nn.LayerNorm(6, **F8), ROWS),
    "LayerNorm, images":     (lambda: nn.LayerNorm((5, 6), eps=0.1, **F8), IMAGES),
    "LayerNorm, no bias":    (lambda: nn.LayerNorm(6, bias=False, **F8), ROWS),
    "LayerNorm, plain":      (lambda: nn.LayerNorm(6, elementwise_affine=False), ROWS),
    "RMSNorm":               (lambda: nn.RMSNorm(6, **F8), ROWS),
    "RMSNorm, images":       (lambda: nn.RMSNorm([5, 6], eps=0.1, **F8), IMAGES),  # type: ignore[arg-type]
    "RMSNorm, plain":        (lambda: nn.RMSNorm(6, elementwise_affine=False), ROWS),
    "RNN":                   (lambda: nn.RNN(6, 5, rng=rng(), **F8), SEQUENCE),
    "RNN, relu":             (lambda: nn.RNN(6, 5, nonlinearity="relu", rng=rng(), **F8), SEQUENCE),
    "LSTM":                  (lambda: nn.LSTM(6, 5, rng=rng(), **F8), SEQUENCE),
    "GRU":                   (lambda: nn.GRU(6, 5, rng=rng(), **F8), SEQUENCE),
    "RNNCell":               (lambda: nn.RNNCell(6, 5, rng=rng(), **F8), ROWS),
    "LSTMCell":              (lambda: nn.LSTMCell(6, 5, rng=rng(), **F8), ROWS),
    "GRUCell":               (lambda: nn.GRUCell(6, 5, bias=False, rng=rng(), **F8), ROWS),
    "LSTM, layers":          (lambda: nn.LSTM(6, 5, 2, bidirectional=True, rng=rng(), **F8),
                              SEQUENCE),
    "GRU, layers":           (lambda: nn.GRU(6, 5, 2, bidirectional=True, rng=rng(), **F8),
                              SEQUENCE),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(6, 2, 8, 0.0, rng=rng(), **F8),
                                SEQUENCE),
    "MultiHeadAttention":    (lambda: nn.MultiHeadAttention(6, 2, rng=rng(), **F8), SEQUENCE),
    "Sigmoid":               (nn.Sigmoid, ROWS),
    "Tanh":                  (nn.Tanh, ROWS),
    "ReLU":                  (nn.ReLU, ROWS),
    "LeakyReLU":             (nn.LeakyReLU, ROWS),
    "LeakyReLU, slope":      (lambda: nn.LeakyReLU(0.2), ROWS),
    "ELU":                   (nn.ELU, ROWS),
    "ELU, alpha":            (lambda: nn.ELU(alpha=2.0), ROWS),
    "SiLU":                  (nn.SiLU, ROWS),
    "GELU":                  (nn.GELU, ROWS),
    "GELU, tanh":            (lambda: nn.GELU(approximate="tanh"), ROWS),
    "Softplus":              (nn.Softplus, ROWS),
    "Softplus, beta":        (lambda: nn.Softplus(beta=3.0), ROWS),
    "Softmax":               (nn.Softmax, ROWS),
    "Softmax, columns":      (lambda: nn.Softmax(axis=0), ROWS),
    "LogSoftmax":            (nn.LogSoftmax, ROWS),
    "PReLU":                 (lambda: nn.PReLU(**F8), ROWS),
    "PReLU, channels":       (lambda: nn.PReLU(4, **F8), IMAGES),
    "SELU":                  (nn.SELU, ROWS),
    "GLU":                   (nn.GLU, ROWS),
    "GLU, axis":             (lambda: nn.GLU(1), IMAGES),
    "ReLU6":                 (nn.ReLU6, ROWS),
    "Hardtanh":              (lambda: nn.Hardtanh(-0.5, 0.75), ROWS),
    "Hardswish":             (nn.Hardswish, ROWS),
    "Softsign":              (nn.Softsign, ROWS),
    "Mish":                  (nn.Mish, ROWS),
    "LogSigmoid":            (nn.LogSigmoid, ROWS),
}
# fmt: on


def learning(name: str) -> nn.Module:
    """The layer behind one that has parameters, as it would stand in a model."""
    make, shape = LAYERS[name]
    images, channels = len(shape) == 4, shape[1]
    first = (
        nn.Conv2d(channels, channels, 3, padding=1, rng=rng(), **F8)
        if images
        else linear(*shape[-1:] * 2)
    )
    return nn.Sequential(first, make())
