"""Layers, losses, optimizers: what a model is made of, built from the engine's public names only.

>>> import numpy as np
>>> from tinygrad_edu import nn
>>> rng = np.random.default_rng(0)
>>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
>>> y = np.array([0, 1, 1, 0])  # exclusive or
>>> model = nn.Sequential(nn.Linear(2, 8, rng=rng), nn.Tanh(), nn.Linear(8, 2, rng=rng))
>>> loss, optimizer = nn.CrossEntropy(), nn.optim.Adam(model.parameters(), lr=0.1)
>>> for step in range(100):
...     optimizer.zero_grad()
...     loss(model(x), y).backward()
...     optimizer.step()
>>> model(x).argmax(axis=1)
array([0, 1, 1, 0])

Read module.py, layers.py, activations.py, losses.py, optim.py, schedules.py; then, in any order,
group.py, convolution.py, normalization.py, recurrent.py, attention.py, margins.py, init.py,
data.py, checkpoint.py, export.py, transforms.py, metrics.py, progress.py and summary.py.
"""

from typing import TYPE_CHECKING, Any

from . import data, elsewhere, init, metrics, optim, transforms
from .activations import (
    ELU,
    GELU,
    GLU,
    SELU,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from .attention import MultiHeadAttention, TransformerEncoderLayer
from .checkpoint import load, save
from .convolution import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    MaxPool1d,
    MaxPool2d,
    Pad2d,
    Upsample,
)
from .data import DataLoader, random_split, read_idx, train_test_split
from .export import export_onnx
from .layers import Dropout, Embedding, Flatten, Linear, Residual, Sequential, Unflatten
from .losses import (
    BCE,
    L1,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    GaussianNLL,
    Huber,
    KLDiv,
    SmoothL1,
)
from .margins import (
    CosineEmbedding,
    HingeEmbedding,
    MarginRanking,
    MultiMargin,
    TripletMargin,
)
from .module import Module
from .normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, RMSNorm
from .progress import Progress
from .pytorch import from_torch
from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from .summary import summary

__all__ = [
    "BCE",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "L1",
    "LSTM",
    "MSE",
    "NLL",
    "RNN",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCEWithLogits",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CosineEmbedding",
    "CrossEntropy",
    "DataLoader",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianNLL",
    "GroupNorm",
    "Hardswish",
    "Hardtanh",
    "HingeEmbedding",
    "Huber",
    "KLDiv",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSigmoid",
    "LogSoftmax",
    "MarginRanking",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "MultiHeadAttention",
    "MultiMargin",
    "PReLU",
    "Pad2d",
    "Progress",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "ReLU6",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "TransformerEncoderLayer",
    "TripletMargin",
    "Unflatten",
    "Upsample",
    "data",
    "export_onnx",
    "from_torch",
    "init",
    "load",
    "metrics",
    "optim",
    "random_split",
    "read_idx",
    "save",
    "summary",
    "train_test_split",
    "transforms",
]

if not TYPE_CHECKING:  # so a type checker reports a name that is not imported above

    def __getattr__(name: str) -> Any:
        """Say what the names of torch.nn are called here."""
        raise elsewhere.no_such_name(name, __all__)


elsewhere.tell_pytorchs_names(Module, [*vars().values(), *vars(optim).values()])
