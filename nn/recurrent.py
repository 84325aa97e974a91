"""Recurrent layers carry a state from step to step; the `cell` of each is one step.

Names, shapes, order of the gates and initial values are PyTorch's, for one layer in one direction
with batch_first=True.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor, special

from . import init
from .module import Array, Module

__all__ = ["GRU", "LSTM", "RNN"]

NONLINEARITIES: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": special.relu}


class Recurrent(Module):
    """What recurrent layers share: weights of the gates, parts of the state, the loop over time."""

    gates: ClassVar[int] = 1
    parts: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                f"expected sizes of at least 1, found {type(self).__name__}({input_size}, "
                f"{hidden_size})"
            )
        rng, bound, rows = (
            rng or np.random.default_rng(),
            1 / math.sqrt(hidden_size),
            self.gates * hidden_size,
        )

        def parameter(name: str, *shape: int) -> Tensor:
            return Tensor(
                init.uniform(shape, rng, dtype, low=-bound, high=bound),
                requires_grad=True,
                name=name,
            )

        self.weight_ih_l0 = parameter("weight_ih_l0", rows, input_size)
        self.weight_hh_l0 = parameter("weight_hh_l0", rows, hidden_size)
        self.bias_ih_l0 = parameter("bias_ih_l0", rows)
        self.bias_hh_l0 = parameter("bias_hh_l0", rows)

    def cell(self, x: Any, *state: Any) -> tuple[Any, ...]:
        """Take one step: the next state, h first, from x's part of the gates and the state."""
        raise NotImplementedError(
            f"{type(self).__name__} has no cell: write def cell(self, x, h): return (…,)"
        )

    def forward(self, x: Tensor | Array, state: Any = None) -> tuple[Any, Any]:
        """Return h of every step, `(batch, time, hidden)`, and the last state, to go on from.

        The state remembers its steps: detach it before the next training step goes on from it.
        """
        state, outputs = self.checked(x, state), []
        x = special.linear(
            x, self.weight_ih_l0, self.bias_ih_l0
        )  # all steps at once: (batch, time, gates · hidden)
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], *state)
            outputs.append(state[0])
        last = tuple(
            part[None] for part in state
        )  # PyTorch's first axis counts layers: (1, batch, hidden)
        return np.stack(outputs, axis=1), last if len(last) > 1 else last[0]

    def from_state(self, h: Any) -> Any:
        """The state's part of the gates, `(batch, gates · hidden)`."""
        return special.linear(h, self.weight_hh_l0, self.bias_hh_l0)

    def checked(self, x: Tensor | Array, state: Any) -> tuple[Any, ...]:
        """The parts of the state, each `(batch, hidden)`, zeros for None; ValueError for others."""
        features, hidden = self.weight_ih_l0.shape[1], self.weight_hh_l0.shape[1]
        name = f"{type(self).__name__}({features}, {hidden})"
        if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != features:
            raise ValueError(
                f"{name} takes (batch, time, {features}) with time ≥ 1, found {x.shape}: for one "
                "sequence "
                "(time, features) write x[None], for (time, batch, features) x.swapaxes(0, 1)"
            )
        shape = (1, x.shape[0], hidden)
        if state is None:
            return tuple(np.zeros(shape[1:], self.weight_hh_l0.dtype) for _ in self.parts)
        parts = state if isinstance(state, tuple) else (state,)
        found = [np.shape(part) for part in parts]
        if found != [shape] * len(self.parts):
            raise ValueError(
                f"{name} takes a state ({', '.join(self.parts)}) of shape {shape} each, found "
                f"shapes {found}"
            )
        return tuple(part[0] for part in parts)


class RNN(Recurrent):
    """h ← tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. (Elman 1990)

    `(batch, time, in)` ↦ outputs `(batch, time, hidden)`, last h. The state h is
    `(1, batch, hidden)`, 0 if left out; before it goes into the next training step, cut its graph
    off, h.detach(). Parameters start uniform between ±1/√hidden. One layer, one direction, batch
    first, with biases. Raises ValueError if x or h does not fit, or for another nonlinearity.

    >>> outputs, h = RNN(3, 4)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(
                f"expected a nonlinearity among {[*NONLINEARITIES]}, found {nonlinearity!r}"
            )
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        self.nonlinearity = nonlinearity

    def cell(self, x: Any, *state: Any) -> tuple[Any, ...]:
        (h,) = state
        return (NONLINEARITIES[self.nonlinearity](x + self.from_state(h)),)


class LSTM(Recurrent):
    """c ← σ(f) c + σ(i) tanh(g), h ← σ(o) tanh(c); (i, f, g, o) = W_ih x + b_ih + W_hh h + b_hh.

    `(batch, time, in)` ↦ outputs `(batch, time, hidden)`, last (h, c), each `(1, batch, hidden)`, 0
    if left out, detached between training steps. Otherwise as RNN. (Hochreiter & Schmidhuber 1997;
    the gate f by Gers et al. 2000)

    >>> outputs, (h, c) = LSTM(3, 4)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape, c.shape
    ((2, 5, 4), (1, 2, 4), (1, 2, 4))
    """

    gates, parts = 4, ("h", "c")

    def cell(self, x: Any, *state: Any) -> tuple[Any, ...]:
        h, c = state
        i, f, g, o = np.split(x + self.from_state(h), 4, axis=1)  # input, forget, candidate, output
        c = special.sigmoid(f) * c + special.sigmoid(i) * np.tanh(g)
        return special.sigmoid(o) * np.tanh(c), c


class GRU(Recurrent):
    """h ← (1 − z) n + z h, where r, z = σ(xᵣ + hᵣ), σ(x_z + h_z) and n = tanh(xₙ + r hₙ).

    (xᵣ, x_z, xₙ) = W_ih x + b_ih and (hᵣ, h_z, hₙ) = W_hh h + b_hh. `(batch, time, in)` ↦ outputs
    `(batch, time, hidden)`, last h. Otherwise as RNN. (Cho et al. 2014; there z and 1 − z are
    exchanged and n = tanh(xₙ + W (r h)): we keep PyTorch's)

    >>> outputs, h = GRU(3, 4)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    gates = 3

    def cell(self, x: Any, *state: Any) -> tuple[Any, ...]:
        (h,) = state
        (x_r, x_z, x_n), (h_r, h_z, h_n) = (
            np.split(x, 3, axis=1),
            np.split(self.from_state(h), 3, axis=1),
        )
        r, z = special.sigmoid(x_r + h_r), special.sigmoid(x_z + h_z)  # reset, update
        n = np.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)
