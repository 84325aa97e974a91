"""Layers, losses, optimizers: what a model is made of, built from the engine's public names only.

>>> import numpy as np
>>> from tinygrad_edu import nn
>>> rng = np.random.default_rng(0)
>>> x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([0, 1, 1, 0])  # exclusive or
>>> model = nn.Sequential(nn.Linear(2, 8, rng=rng), nn.Tanh(), nn.Linear(8, 2, rng=rng))
>>> loss, optimizer = nn.CrossEntropy(), nn.optim.Adam(model.parameters(), lr=0.1)
>>> for step in range(100):
...     optimizer.zero_grad()
...     loss(model(x), y).backward()
...     optimizer.step()
>>> model(x).argmax(axis=1)
array([0, 1, 1, 0])

Read module.py, layers.py, activations.py, losses.py, then optim.py; init.py and checkpoint.py stand by themselves.
"""

from . import data, init, optim, transforms
from .activations import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from .checkpoint import load, save
from .data import DataLoader, random_split, read_idx, train_test_split
from .layers import Linear, Sequential
from .losses import MSE, CrossEntropy
from .module import Module

__all__ = ["MSE", "CrossEntropy", "DataLoader", "Linear", "LogSoftmax", "Module", "ReLU", "Sequential", "Sigmoid",
           "Softmax", "Tanh", "data", "init", "load", "optim", "random_split", "read_idx", "save", "train_test_split",
           "transforms"]
