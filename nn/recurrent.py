"""Recurrent layers carry a state from step to step; the `cell` of each is one step.

Names, shapes, order of the gates and initial values are PyTorch's, with batch_first=True. A cell is
written once: RNN, LSTM and GRU run it over time, RNNCell, LSTMCell and GRUCell take one step.
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

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

NONLINEARITIES: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": special.relu}


class Gated(Module):
    """What all share: the weights of the gates, the parts of the state, the cell."""

    gates: ClassVar[int] = 1
    parts: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                f"expected sizes of at least 1, found {type(self).__name__}({input_size}, "
                f"{hidden_size})"
            )
        self.sizes = (input_size, hidden_size)

    def draw(
        self, end: str, inputs: int, bias: bool, rng: np.random.Generator, dtype: DTypeLike
    ) -> None:
        """Make the weights and biases whose names have this end, uniform between ±1/√hidden."""
        hidden = self.sizes[1]
        rows, bound = self.gates * hidden, 1 / math.sqrt(hidden)
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, hidden),
        }
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
        for name, shape in shapes.items():
            array = init.uniform(shape, rng, dtype, low=-bound, high=bound)
            setattr(self, name + end, Tensor(array, True, name + end))

    def gates_of(self, x: Any, kind: str) -> Any:
        """The part of the gates that comes from x, by the weight and bias of this kind."""
        weight, bias = (getattr(self, f"{name}_{kind}", None) for name in ("weight", "bias"))
        return x @ weight.T if bias is None else special.linear(x, weight, bias)  # type: ignore[union-attr]

    def cell(self, x: Any, hidden: Any, *state: Any) -> tuple[Any, ...]:
        """Take one step: the next state, h first.

        x and hidden are the parts of the gates that come from the input and from h.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no cell: write def cell(self, x, hidden, h): return (…,)"
        )

    def checked_state(
        self, name: str, state: Any, shape: tuple[int, ...], dtype: Any
    ) -> tuple[Any, ...]:
        """The parts of the state, each of this shape, zeros for None; ValueError for others."""
        if state is None:
            return tuple(np.zeros(shape, dtype) for _ in self.parts)
        parts = state if isinstance(state, tuple | list) else (state,)
        found = [np.shape(part) for part in parts]
        if found != [shape] * len(self.parts):
            raise ValueError(
                f"{name} takes a state ({', '.join(self.parts)}) of shape {shape} each, found "
                f"shapes {found}"
            )
        return tuple(parts)


# The cells


class ElmanGates(Gated):
    """h ← tanh(x + hidden), or another nonlinearity."""

    nonlinearity = "tanh"

    def choose(self, nonlinearity: str) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(
                f"expected a nonlinearity among {[*NONLINEARITIES]}, found {nonlinearity!r}"
            )
        self.nonlinearity = nonlinearity

    def cell(self, x: Any, hidden: Any, *state: Any) -> tuple[Any, ...]:
        return (NONLINEARITIES[self.nonlinearity](x + hidden),)


class LSTMGates(Gated):
    """c ← σ(f) c + σ(i) tanh(g), h ← σ(o) tanh(c)."""

    gates, parts = 4, ("h", "c")

    def cell(self, x: Any, hidden: Any, *state: Any) -> tuple[Any, ...]:
        _, c = state
        i, f, g, o = np.split(x + hidden, 4, axis=1)  # input, forget, candidate, output
        c = special.sigmoid(f) * c + special.sigmoid(i) * np.tanh(g)
        return special.sigmoid(o) * np.tanh(c), c


class GRUGates(Gated):
    """h ← (1 − z) n + z h."""

    gates = 3

    def cell(self, x: Any, hidden: Any, *state: Any) -> tuple[Any, ...]:
        (h,) = state
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x, 3, axis=1), np.split(hidden, 3, axis=1)
        r, z = special.sigmoid(x_r + h_r), special.sigmoid(x_z + h_z)  # reset, update
        n = np.tanh(x_n + r * h_n)
        return ((1 - z) * n + z * h,)


# Over time


class Recurrent(Gated):
    """The loop over time, for several layers, in one direction or two."""

    num_layers = 1
    bidirectional = False
    dropout = 0.0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if num_layers < 1 or not 0 <= dropout <= 1:
            raise ValueError(
                "expected num_layers of at least 1 and a dropout from 0 to 1, found "
                f"num_layers={num_layers}, dropout={dropout}"
            )
        if num_layers > 1:
            self.num_layers = num_layers
        if bidirectional:
            self.bidirectional = True
        if dropout:
            self.dropout, self.rng = dropout, rng or np.random.default_rng()
        rng = rng or np.random.default_rng()
        for ends in self.ends():
            inputs = input_size if ends[0] == "_l0" else hidden_size * len(ends)
            for end in ends:
                self.draw(end, inputs, bias, rng, dtype)

    def ends(self) -> list[list[str]]:
        """How the names of each layer's parameters end, for each direction."""
        directions = ["", "_reverse"] if self.bidirectional else [""]
        return [[f"_l{i}{reverse}" for reverse in directions] for i in range(self.num_layers)]

    def forward(self, x: Tensor | Array, state: Any = None) -> tuple[Any, Any]:
        """Return h of every step, `(batch, time, hidden)`, and the last state, to go on from."""
        if x.ndim != 2:
            return self.on_batch(x, state)
        if state is not None:  # one sequence: (time, features), and a state without a batch
            parts = state if isinstance(state, tuple | list) else (state,)
            state = tuple(part[:, None] if np.ndim(part) == 2 else part for part in parts)
        outputs, last = self.on_batch(x[None], state)
        if isinstance(last, tuple):
            return outputs[0], tuple(part[:, 0] for part in last)
        return outputs[0], last[:, 0]

    def on_batch(self, x: Any, state: Any) -> tuple[Any, Any]:
        parts, last, ends = self.checked(x, state), list[tuple[Any, ...]](), self.ends()
        for layer, directions in enumerate(ends):
            if layer and self.dropout and self.training:
                x = special.dropout(x, self.dropout, rng=self.rng)
            found = []
            for end in directions:
                start = tuple(part[len(last)] for part in parts)
                outputs, reached = self.over_time(x, start, end)
                found.append(outputs)
                last.append(reached)
            x = found[0] if len(found) == 1 else np.concatenate(found, axis=2)
        if len(last) == 1:
            ended = tuple(part[None] for part in last[0])  # PyTorch's first axis counts layers
        else:
            ended = tuple(np.stack(part) for part in zip(*last, strict=True))
        return x, ended if len(ended) > 1 else ended[0]

    def over_time(self, x: Any, state: tuple[Any, ...], end: str) -> tuple[Any, tuple[Any, ...]]:
        """h of every step of one layer in one direction, and its last state."""
        x, outputs = self.gates_of(x, "ih" + end), []  # of all steps at once
        steps = range(x.shape[1])
        for t in reversed(steps) if end.endswith("_reverse") else steps:
            state = self.cell(x[:, t], self.gates_of(state[0], "hh" + end), *state)
            outputs.append(state[0])
        if end.endswith("_reverse"):
            outputs.reverse()
        return np.stack(outputs, axis=1), state

    def checked(self, x: Tensor | Array, state: Any) -> tuple[Any, ...]:
        """The parts of the state, each `(layers · directions, batch, hidden)`."""
        features, hidden = self.sizes
        name = f"{type(self).__name__}({features}, {hidden})"
        if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != features:
            raise ValueError(
                f"{name} takes (batch, time, {features}), or one sequence (time, {features}), with "
                f"time ≥ 1, found {x.shape}: for (time, batch, features) write x.swapaxes(0, 1)"
            )
        layers = sum(map(len, self.ends()))
        dtype = self.weight_hh_l0.dtype  # type: ignore[attr-defined]
        return self.checked_state(name, state, (layers, x.shape[0], hidden), dtype)


class RNN(ElmanGates, Recurrent):
    """h ← tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. (Elman 1990)

    `(batch, time, in)` ↦ outputs `(batch, time, hidden)`, last h, `(layers, batch, hidden)`; h is 0
    if left out; write h.detach() before the next training step goes on from it. Each layer of
    `num_layers` takes the outputs of the one below, through `dropout`; `bidirectional` doubles
    outputs and layers. A batch may be left out. ValueError if x or h does not fit.

    >>> outputs, h = RNN(3, 4)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        options: Any = {"bias": bias, "dropout": dropout, "bidirectional": bidirectional}
        super().__init__(input_size, hidden_size, num_layers, **options, rng=rng, dtype=dtype)
        self.choose(nonlinearity)


class LSTM(LSTMGates, Recurrent):
    """c ← σ(f) c + σ(i) tanh(g), h ← σ(o) tanh(c); (i, f, g, o) = W_ih x + b_ih + W_hh h + b_hh.

    `(batch, time, in)` ↦ outputs `(batch, time, hidden)`, last (h, c), each
    `(layers, batch, hidden)`, 0 if left out. Otherwise as RNN. (Hochreiter & Schmidhuber 1997; the
    gate f by Gers et al. 2000)

    >>> outputs, (h, c) = LSTM(3, 4, num_layers=2)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape, c.shape
    ((2, 5, 4), (2, 2, 4), (2, 2, 4))
    """


class GRU(GRUGates, Recurrent):
    """h ← (1 − z) n + z h, where r, z = σ(xᵣ + hᵣ), σ(x_z + h_z) and n = tanh(xₙ + r hₙ).

    (xᵣ, x_z, xₙ) = W_ih x + b_ih and (hᵣ, h_z, hₙ) = W_hh h + b_hh. `(batch, time, in)` ↦ outputs
    `(batch, time, hidden)`, last h. Otherwise as RNN. (Cho et al. 2014; there z and 1 − z are
    exchanged and n = tanh(xₙ + W (r h)): we keep PyTorch's)

    >>> outputs, h = GRU(3, 4, bidirectional=True)(np.ones((2, 5, 3), np.float32))
    >>> outputs.shape, h.shape
    ((2, 5, 8), (2, 2, 4))
    """


# One step


class OneStep(Gated):
    """One step of a cell: x `(batch, in)` and the state become the next state."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.draw("", input_size, bias, rng or np.random.default_rng(), dtype)

    def forward(self, x: Tensor | Array, state: Any = None) -> Any:
        features, hidden = self.sizes
        name = f"{type(self).__name__}({features}, {hidden})"
        if x.ndim not in (1, 2) or x.shape[-1] != features:
            raise ValueError(f"{name} takes (batch, {features}) or ({features},), found {x.shape}")
        dtype = self.weight_hh.dtype  # type: ignore[attr-defined]
        parts = self.checked_state(name, state, (*x.shape[:-1], hidden), dtype)
        if x.ndim == 1:
            x, parts = x[None], tuple(part[None] for part in parts)
            found = tuple(part[0] for part in self.next(x, parts))
        else:
            found = self.next(x, parts)
        return found if len(found) > 1 else found[0]

    def next(self, x: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return self.cell(self.gates_of(x, "ih"), self.gates_of(state[0], "hh"), *state)


class RNNCell(ElmanGates, OneStep):
    """One step of RNN: x `(batch, in)` and h `(batch, hidden)` ↦ the next h; 0 if h is left out.

    All may come without a batch. Raises ValueError for other shapes.

    >>> RNNCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype)
        self.choose(nonlinearity)


class LSTMCell(LSTMGates, OneStep):
    """One step of LSTM: x `(batch, in)` and (h, c), each `(batch, hidden)` ↦ the next (h, c).

    >>> h, c = LSTMCell(3, 4)(np.ones((2, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """


class GRUCell(GRUGates, OneStep):
    """One step of GRU: x `(batch, in)` and h `(batch, hidden)` ↦ the next h.

    >>> GRUCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """
