"""The parameters of a model as one vector: the video's "13,002 weights and biases" in a row, so that a step is a few calls."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu import Tensor

from .module import Array


class Flat(Tensor):
    """Parameters as one vector: their data are views of it, and a step is a few calls however many they are.

    The parameters stay what they were: whoever replaces the data of one, or leaves it without a gradient, is heeded.
    """

    __slots__ = ("vectors", "views")

    def __init__(self, parameters: list[Tensor]) -> None:
        super().__init__(np.concatenate([p.data.reshape(-1) for p in parameters]), requires_grad=True)
        self.grad = np.empty_like(self.data)
        self.views = cut(self.data, parameters)
        self.vectors: dict[str, Array] = {}  # what an optimizer keeps for all of them
        for p, view in self.views.items(): p.data = view

    def ready(self) -> bool:
        """Take in the parameters' gradients, and data that were replaced; False if something has come apart."""
        gradients = []
        for p, view in self.views.items():
            if p.grad is None: return False
            gradients.append(p.grad.reshape(-1))
            if p.data is view: continue
            if p.data.shape != view.shape or p.data.dtype != view.dtype: return False
            view[...] = p.data
            p.data = view
        np.concatenate(gradients, out=self.grad)
        return True

    def kept(self, name: str, arrays: dict[Tensor, Array]) -> Array:
        """The vector whose views stand in `arrays`, by parameter; made of what stands there at first, and after loading."""
        vector = self.vectors.get(name)
        if vector is None or any(p not in arrays or arrays[p].base is not vector for p in self.views):
            vector = np.concatenate([arrays.get(p, np.zeros_like(p.data)).reshape(-1) for p in self.views])
            self.vectors[name] = vector
            arrays.update(cut(vector, list(self.views)))
        return vector


def cut(vector: Array, parameters: list[Tensor]) -> dict[Tensor, Array]:
    """For each parameter the part of the vector that is its own, in its shape: a view."""
    ends = np.cumsum([p.size for p in parameters])
    return {p: vector[end - p.size:end].reshape(p.shape) for p, end in zip(parameters, ends, strict=True)}


def can_be_flat(parameters: list[Tensor]) -> bool:
    """Whether there are several parameters of the same dtype, and none shares memory with another."""
    starts, ends = zip(*sorted(byte_bounds(p.data) for p in parameters), strict=True)
    apart = all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    return len(parameters) > 1 and apart and len({p.dtype for p in parameters}) == 1
