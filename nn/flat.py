"""The parameters of a model as one vector: the video's "13,002 weights and biases" in a row, so
that a step is a few calls."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu import Tensor

from .module import Array

SMALL = 32_768  # numbers: up to here copying them costs less than the calls that it saves


class Flat:
    """Parameters as one vector, of which their data are views: an update is a few calls, however
    many they are.

    A step that is replayed writes gradients into the vector of gradients in the first place. Any
    other copies them there, which pays while they are SMALL; else, and if anyone has replaced their
    data, they are updated one by one."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.data: Array = np.concatenate([p.data.reshape(-1) for p in parameters])
        self.grad: Array = np.empty_like(self.data)
        self.views = cut(self.data, parameters)
        self.vectors: dict[
            str, tuple[Array, dict[Tensor, Array]]
        ] = {}  # what an optimizer keeps for all, and its views
        for p, view in self.views.items():
            p.data = view

    def gathers(self) -> bool:
        """Take in all gradients, if that pays and the data are still the views."""
        if isinstance(self.data, np.ndarray) and self.data.size > SMALL:
            return False  # while a step is recorded it is no array
        gradients = []
        for p, view in self.views.items():
            if p.grad is None or p.data is not view:
                return False
            gradients.append(p.grad.reshape(-1))
        np.concatenate(gradients, out=self.grad)
        return True

    def kept(self, name: str, arrays: dict[Tensor, Array]) -> Array:
        """The vector whose views stand in `arrays`, by parameter; made of what stands there at
        first, and after loading."""
        vector, views = self.vectors.get(name, (self.data, {}))
        if not views or any(arrays.get(p) is not view for p, view in views.items()):
            vector = np.concatenate(
                [arrays.get(p, np.zeros(p.shape, p.dtype)).reshape(-1) for p in self.views]
            )
            self.vectors[name] = vector, cut(vector, list(self.views))
            arrays.update(self.vectors[name][1])
        return vector


def cut(vector: Array, parameters: list[Tensor]) -> dict[Tensor, Array]:
    """For each parameter the part of the vector that is its own, in its shape: a view."""
    ends = np.cumsum([p.size for p in parameters])
    return {
        p: vector[end - p.size : end].reshape(p.shape)
        for p, end in zip(parameters, ends, strict=True)
    }


def can_be_flat(parameters: list[Tensor]) -> bool:
    """Whether there are several parameters of the same dtype, and none shares memory with
    another."""
    starts, ends = zip(*sorted(byte_bounds(p.data) for p in parameters), strict=True)
    apart = all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    return len(parameters) > 1 and apart and len({p.dtype for p in parameters}) == 1
