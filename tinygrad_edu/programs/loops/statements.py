"""What a program in loops consists of: statements about the elements of arrays."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

from tinygrad_edu.programs.program import Array, Call

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Elements:
    """Where elements lie: (i, j, …) is number offset + i·strides[0] + j·strides[1] … of `root`."""

    root: Array
    offset: int
    strides: Shape
    shape: Shape

    def broadcast(self, shape: Shape) -> Elements:
        """The same elements, counted as an array of this shape: along a repeated axis, stride 0."""
        added = len(shape) - len(self.shape)
        pairs = zip(self.shape, self.strides, strict=True)
        strides = (0,) * added + tuple([step if n != 1 else 0 for n, step in pairs])
        return Elements(self.root, self.offset, strides, shape)

    def counts_as(self, other: Elements) -> bool:
        """Whether it is the same elements in the same order: an axis of length 1 takes no steps."""

        def steps(x: Elements) -> Shape:
            return tuple([step for n, step in zip(x.shape, x.strides, strict=True) if n != 1])

        there = (self.root, self.offset, self.shape) == (other.root, other.offset, other.shape)
        return there and steps(self) == steps(other)

    @functools.cached_property
    def bounds(self) -> tuple[int, int]:
        """The numbers of the first element, and of the one behind the last."""
        ends = [step * (n - 1) for step, n in zip(self.strides, self.shape, strict=True)]
        if 0 in self.shape:
            return self.offset, self.offset
        first, last = (sum(filter(test, ends)) for test in ((0).__gt__, (0).__lt__))
        return self.offset + first, self.offset + last + 1

    def is_apart_from(self, other: Elements) -> bool:
        """Whether the two have no element in common, as far as first and last ones say."""
        (start, end), (first, last) = self.bounds, other.bounds
        return self.root is not other.root or end <= first or last <= start

    def natural(self) -> Elements:
        """The same elements in the shape of their memory, if they are all that it holds."""
        x, in_order = self.root, (0, steps_of(self.shape))
        if x.size != math.prod(self.shape) or not x.is_contiguous:
            return self
        if (self.offset, self.strides) != in_order:
            return self
        return self.reshaped(x.shape)

    def part(self, axis: int, start: int, size: int) -> Elements:
        """The elements from `start` on along an axis."""
        shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])
        return Elements(self.root, self.offset + start * self.strides[axis], self.strides, shape)

    def reshaped(self, shape: Shape) -> Elements:
        """The elements in order, in another shape; they lie one after the other."""
        return Elements(self.root, self.offset, steps_of(shape), shape)


@dataclasses.dataclass(frozen=True)
class Apply:
    """z[i] = f(x[i], y[i], …): a name of a function, and where it writes and reads."""

    call: Call
    name: str
    target: Elements
    operands: tuple[Any, ...]  # Elements of the target's shape, numbers, Numbers


@dataclasses.dataclass(frozen=True)
class Reduce:
    """z[j] = Σ x[i], or Π, max, min: over the axes along which z has stride 0."""

    call: Call
    name: str
    target: Elements  # counted as x is
    operand: Elements


@dataclasses.dataclass(frozen=True)
class Product:
    """z = x @ y, of matrices (m, k) and (k, n)."""

    call: Call
    target: Elements
    left: Elements
    right: Elements


@dataclasses.dataclass(frozen=True)
class Gather:
    """z[i, j] = x[indices[i], j]: the indices count the first axes of x."""

    call: Call
    target: Elements  # indices' shape, followed by that of a piece
    source: Elements
    indices: tuple[Elements, ...]


@dataclasses.dataclass(frozen=True)
class CheckClasses:
    """Raises an error where a label is not one of 0 … classes − 1."""

    call: Call
    labels: Elements
    classes: int


Statement = Apply | Reduce | Product | Gather | CheckClasses


def steps_of(shape: Shape) -> Shape:
    """The strides, in elements, of an array whose elements lie one after the other."""
    steps, step = [], 1
    for n in reversed(shape):
        steps.append(step)
        step *= n
    return tuple(reversed(steps))


def places_of(statement: Apply | Reduce) -> list[Elements]:
    """What a statement reads."""
    operands = statement.operands if isinstance(statement, Apply) else (statement.operand,)
    return [x for x in operands if isinstance(x, Elements)]


def every_place(statement: Statement) -> list[Elements]:
    """What a statement reads, and where it writes."""
    if isinstance(statement, Apply | Reduce):
        return [*places_of(statement), statement.target]
    if isinstance(statement, Product):
        return [statement.target, statement.left, statement.right]
    if isinstance(statement, Gather):
        return [statement.target, statement.source, *statement.indices]
    return [statement.labels]
