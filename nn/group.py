"""A parameter group: parameters, their options, and the one vector that they can become."""

from __future__ import annotations

import itertools
import operator
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu import Tensor, at_replay

from .module import Array

# In a parameter group, but no options of the update; initial_lr, as in PyTorch, is a schedule's
NO_OPTIONS = {"params", "initial_lr"}
PER_CALL = 16_384  # numbers that are copied in the time that a call costs


class Group:
    """One of an optimizer's `param_groups`; its parameters may be joined to one vector.

    Making a Group changes nothing. The first step joins the parameters, if they have no more than
    `most` numbers and none shares memory with another: the numbers move into `data`, and each
    `p.data` is a view of it from then on. An update is then a few calls, however many parameters
    there are. If one is ever without a gradient, or is given other data, all are updated one by one
    again.
    """

    data: Array  # of all parameters in a row, once they are joined
    grad: Array

    def __init__(self, options: dict[str, Any], most: int) -> None:
        self.options = options  # with the parameters, as "params": what the user sees and changes
        self.parameters: tuple[Tensor, ...] = (*options["params"],)  # those of which it was made
        self.joins = can_join(self.parameters, most)
        self.is_joined = False
        self.arrays = [p.data for p in self.parameters] if self.joins else []  # the data they have
        self.kept: dict[str, Array] = {}  # an optimizer's arrays, each a vector too

    def stands_for(self, options: dict[str, Any]) -> bool:
        """Whether these are its options, and the parameters in them are those it was made of."""
        parameters = options["params"]
        if options is not self.options or type(parameters) is not list:
            return False
        alike = len(parameters) == len(self.parameters)
        return alike and all(map(operator.is_, parameters, self.parameters))

    def current_options(self) -> dict[str, Any]:
        """The options by name, as they are now; a replayed step reads them anew every time."""
        read, options = self.options.get, {}
        for name in self.options:
            if name not in NO_OPTIONS:
                options[name] = at_replay(read, name, of=self.options)
        return options

    def with_gradients(self) -> list[Tensor]:
        """The parameters that move: they have a gradient, and are not frozen."""
        return [p for p in self.parameters if p._grad is not None and p.requires_grad]

    def units(self, parameters: list[Tensor]) -> Sequence[Tensor | Group]:
        """What to update: the Group itself as one vector, or each of these parameters."""
        if self.joins and not self.has_stayed(parameters):
            self.joins, self.is_joined, self.arrays = False, False, []
        if not self.joins:
            return parameters
        if not self.is_joined:
            self.join()
        gradients: list[Any] = [p._grad for p in parameters]
        np.concatenate([g.ravel() for g in gradients], out=self.grad)
        return [self]

    def has_stayed(self, parameters: list[Tensor]) -> bool:
        """Whether all parameters have a gradient, and still have the arrays that they had."""
        if len(parameters) != len(self.arrays):
            return False
        return all(map(operator.is_, [p.data for p in parameters], self.arrays))

    def join(self) -> None:
        """Move the parameters' numbers into one vector; their data become views of it."""
        self.data = np.concatenate([p.data.reshape(-1) for p in self.parameters])
        self.grad = np.empty_like(self.data, dtype=wide_dtype(self.data.dtype))
        self.arrays, self.is_joined = self.views(self.data), True
        for p, view in zip(self.parameters, self.arrays, strict=True):
            p.data = view

    def tell_parameters(self) -> None:
        """The vector was changed in place: older graphs, which need the old numbers, are told."""
        first, *others = self.parameters
        first.data = first.data
        for p in others:
            p.changed = first.changed

    def views(self, vector: Array) -> list[Array]:
        """Cut a vector into each parameter's part, in the parameter's shape."""
        ends = itertools.accumulate(p.size for p in self.parameters)
        parts = zip(self.parameters, ends, strict=True)
        return [vector[end - p.size : end].reshape(p.shape) for p, end in parts]

    def keep(self, name: str, arrays: dict[Tensor, Array]) -> Array:
        """One vector of what is kept for all parameters, 0 at first; `arrays` get its views."""
        if name not in self.kept:
            zeros = [np.zeros_like(p.data, dtype=wide_dtype(p.dtype)) for p in self.parameters]
            found = [arrays.get(p, z) for p, z in zip(self.parameters, zeros, strict=True)]
            self.kept[name] = np.concatenate([array.reshape(-1) for array in found])
            views = self.views(self.kept[name])
            arrays.update(zip(self.parameters, views, strict=True))
        return self.kept[name]


def can_join(parameters: Sequence[Tensor], most: int) -> bool:
    """Whether there are several parameters, of one dtype and few numbers, that share no memory."""
    alike = len(parameters) > 1 and len({p.dtype for p in parameters}) == 1
    if not alike or sum(p.size for p in parameters) > most:
        return False
    # While a step is recorded, something stands for an array, and has that as its value
    bounds = sorted(byte_bounds(getattr(p.data, "value", p.data)) for p in parameters)
    return all(end <= start for (_, end), (start, _) in itertools.pairwise(bounds))


def wide_dtype(dtype: Any) -> Any:
    """The dtype in which an optimizer computes: float32 for float16, whose g² would be 0."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def without_params(group: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a parameter group."""
    return {name: value for name, value in group.items() if name != "params"}


def complete_options(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a parameter group, none unknown, negative, infinite or NaN."""
    unknown = options.keys() - defaults.keys() - NO_OPTIONS
    if unknown:
        raise ValueError(
            f"unknown {sorted(unknown)} in a parameter group: the options are {sorted(defaults)}"
        )
    checked: dict[str, Any] = {}
    for name, value in {**defaults, **options}.items():
        if name == "betas":
            checked[name] = checked_betas(value)
        else:
            checked[name] = value if isinstance(value, bool) else checked_number(name, value)
    return checked


def checked_number(name: str, value: Any) -> float:
    """A finite number that is not negative, as Python's float: it leaves float32 arrays float32."""
    if not 0 <= no_text(name, value) <= sys.float_info.max:
        raise ValueError(f"expected {name} ≥ 0, found {name}={value}")
    return float(value)


def checked_count(name: str, count: Any) -> int:
    """How many steps were taken: an integer that is not negative."""
    if isinstance(count, bool) or operator.index(count) < 0:
        raise ValueError(f"expected {name} to be a number of steps, found {count}")
    return operator.index(count)


def no_text(name: str, value: Any) -> Any:
    """Return the value; refuse None, a list, and text, of which `float` would make a number."""
    if value is None or isinstance(value, str | list | tuple):
        raise TypeError(f"expected a number as {name}, found {name}={value!r}")
    return value


def checked_betas(betas: Iterable[float]) -> tuple[float, ...]:
    checked = tuple(float(no_text("betas", beta)) for beta in betas)
    if len(checked) == 2 and all(0 <= beta < 1 for beta in checked):
        return checked
    raise ValueError(f"expected two betas with 0 ≤ β < 1, found betas={checked}")


def checked_parameters(parameters: Iterable[Tensor], known: Container[int] = ()) -> list[Tensor]:
    """The parameters of a group as a list; an error if it is empty or one cannot be optimized.

    `known` are the ids of those that were accepted before: they may be frozen by now.
    """
    checked = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not checked:
        raise ValueError(
            "expected parameters, found none: a generator is empty once it has been read, so call "
            "model.parameters() anew"
        )
    for i, p in enumerate(checked):
        if id(p) in known or (isinstance(p, Tensor) and p.requires_grad and p.operation is None):
            continue
        came = f"{type(p).__name__} {getattr(p, 'shape', '')}".strip()
        raise TypeError(
            f"expected Tensors created with requires_grad=True, found {came} at position {i}: "
            "pass model.parameters()"
        )
    return checked
