"""Nests of loops as lines of Python that a compiler of loops takes, and Python itself runs, slowly.

Arrays are flat: b_f4[16 * i + j]. What only one nest needs is a variable in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.programs.loops.nests import collapsed
from tinygrad_edu.programs.loops.numbers import KINDS, REDUCED, cast, dtypes_of, literal, spelling
from tinygrad_edu.programs.loops.statements import (
    Apply,
    CheckClasses,
    Elements,
    Gather,
    Product,
    Reduce,
    Statement,
)
from tinygrad_edu.programs.program import Array, Number

COUNTERS = "ijklopqrst"
FLOAT64 = np.dtype(float)


@dataclasses.dataclass(eq=False)
class Flat:
    """Memory as a vector: its name in code, its dtype, how many numbers, who holds it, where."""

    name: str
    dtype: Any
    size: int
    array: Any  # None for an argument
    address: int
    of: str = "results"  # what lies there, for people
    ndim: int = 1  # of an argument


class LoopText:
    """The lines of some groups of statements; `room` says where a memory lies, if anywhere.

    `is_read` says whether anybody reads a memory behind a group.

    In front of each group stands the shape of what its first call gives, and whose calls these are.
    """

    def __init__(
        self,
        room: Callable[[Array], tuple[Flat, int] | None],
        is_read: Callable[[Array, list[Statement]], bool],
    ) -> None:
        self.room, self.is_read, self.lines, self.count = room, is_read, list[str](), 0
        self.flats: dict[str, Flat] = {}
        self.numbers: dict[str, str] = {}  # read anew at every call: an expression ↦ its name
        self.number_dtypes: dict[str, Any] = {}
        self.failures: list[Statement] = []  # what may fail; the code returns the number of one

    def write(self, group: list[Statement]) -> None:
        first = group[0]
        modules = ", ".join(filter(None, dict.fromkeys(s.call.module for s in group)))
        self.lines.append(f"# {first.call.target.shape} {modules}".rstrip())
        if isinstance(first, Product):
            self.product(first)
        elif isinstance(first, Gather):
            self.gather(first)
        elif isinstance(first, CheckClasses):
            self.check(first)
        else:
            Nest(self, group).write()

    def variable(self) -> str:
        self.count += 1
        return f"v{self.count - 1}"

    def flat(self, root: Array) -> tuple[str, int]:
        """The name of the vector in which a memory lies, and where it begins there."""
        flat, start = self.room(root)  # type: ignore[misc]
        self.flats[flat.name] = flat
        return flat.name, start

    def at(self, place: Elements, counters: str) -> str:
        """`b_f4[3 + 16 * i + j]`."""
        name, start = self.flat(place.root)
        terms = [str(start + place.offset)] if start + place.offset else []
        for counter, step in zip(counters, place.strides, strict=True):
            if step:
                terms.append(counter if step == 1 else f"{step} * {counter}")
        return f"{name}[{' + '.join(terms) or '0'}]".replace("+ -", "- ")

    def number(self, x: Number, dtype: Any) -> str:
        """A number that is read anew, as an argument."""
        name = self.numbers.setdefault(x.code, f"c{len(self.numbers)}")
        self.number_dtypes[name] = np.asarray(x.value).dtype
        return cast(name, None, dtype)

    def product(self, s: Product) -> None:
        z, x, y = s.target, s.left, s.right
        if not is_row_major(z):  # zᵀ = yᵀ xᵀ
            z, x, y = turned(z), turned(y), turned(x)
        (m, _), (_, n) = x.shape, y.shape
        names = self.matrix(x, m == 1), self.matrix(y, n == 1), self.matrix(z, 1 in (m, n))
        if m == n == 1:
            names = self.matrix(x, False), self.matrix(y, True), self.matrix(z, True)
        self.lines.append(f"np.dot({', '.join(names)})")

    def matrix(self, place: Elements, is_vector: bool) -> str:
        name, start = self.flat(place.root)
        first, (rows, columns) = start + place.offset, place.shape
        whole = self.flats[name].size == rows * columns
        part = name if whole else f"{name}[{first}:{first + rows * columns}]"
        if is_vector:
            return part
        if is_row_major(place):
            return f"{part}.reshape({rows}, {columns})"
        return f"{part}.reshape({columns}, {rows}).T"

    def gather(self, s: Gather) -> None:
        z, x, counters = s.target, s.source, COUNTERS[: len(s.target.shape)]
        n, body, terms = len(s.indices[0].shape), list[str](), list[str]()
        for a, index in enumerate(s.indices):
            g, size = f"g{a}", x.shape[a]
            body.append(f"{g} = {cast(self.at(index, counters[:n]), index.root.dtype, INTEGER)}")
            body += [f"if {g} < 0:", f"    {g} += {size}", f"if {g} < 0 or {g} >= {size}:"]
            body.append(f"    return {self.failure(s)}")
            terms.append(f" + {x.strides[a]} * {g}")
        rest = x.strides[len(s.indices) :]
        at = self.at(Elements(x.root, x.offset, rest, z.shape[n:]), counters[n:])
        body.append(f"{self.at(z, counters)} = {at[:-1]}{''.join(terms)}]")
        self.lines += nested_loops(z.shape, counters, body)

    def check(self, s: CheckClasses) -> None:
        counters = COUNTERS[: len(s.labels.shape)]
        label = self.at(s.labels, counters)
        body = [f"if {label} < 0 or {label} >= {s.classes}:", f"    return {self.failure(s)}"]
        self.lines += nested_loops(s.labels.shape, counters, body)

    def failure(self, s: Statement) -> int:
        if s not in self.failures:
            self.failures.append(s)
        return self.failures.index(s) + 1


INTEGER = np.dtype(np.int64)


class Nest:
    """One nest of loops: lines for each depth, so that nothing is done more often than needed."""

    def __init__(self, text: LoopText, group: list[Statement]) -> None:
        self.text, self.statements = text, group
        self.shape, self.group = collapsed(group)  # type: ignore[arg-type]
        self.counters, n = COUNTERS[: len(self.shape)], len(self.shape)
        self.before: list[list[str]] = [[] for _ in range(n + 1)]  # by how many loops are around
        self.after: list[list[str]] = [[] for _ in range(n + 1)]
        # For each place the variable that holds an element, its dtype, its depth
        self.known: dict[Elements, tuple[str, Any, int]] = {}

    def write(self) -> None:
        targets: dict[Elements, None] = {}
        for s in self.group:
            if isinstance(s, Apply):
                self.apply(s)
                targets[s.target] = None
            else:
                self.reduce(s)
        for place in targets:
            if self.text.room(place.root) and self.text.is_read(place.root, self.statements):
                name, found, _ = self.known[place]
                value = cast(name, found, place.root.dtype)
                self.before[-1].append(f"{self.text.at(place, self.counters)} = {value}")
        self.text.lines += self.nested(0)

    def nested(self, depth: int) -> list[str]:
        if depth == len(self.shape):
            return [*self.before[depth], *self.after[depth]]
        inner = self.nested(depth + 1)
        loop = [f"for {self.counters[depth]} in range({self.shape[depth]}):"]
        loop += [f"    {line}" for line in inner]
        return [*self.before[depth], *(loop if inner else []), *self.after[depth]]

    def operand(self, x: Any, dtype: Any) -> tuple[str, int]:
        """An operand as code, and at which depth it is known."""
        if isinstance(x, Number):
            return self.text.number(x, dtype), 0
        if not isinstance(x, Elements):
            return literal(x, dtype), 0
        if x not in self.known:
            depth = max([a + 1 for a, step in enumerate(x.strides) if step], default=0)
            name = self.text.variable()
            self.before[depth].append(f"{name} = {self.text.at(x, self.counters)}")
            self.known[x] = name, x.root.dtype, depth
        name, found, depth = self.known[x]
        return cast(name, found, dtype), depth

    def apply(self, s: Apply) -> None:
        inputs, output = dtypes_of(s)
        found = [self.operand(x, dtype) for x, dtype in zip(s.operands, inputs, strict=True)]
        depth = max(depth for _, depth in found)
        first = s.operands[0]
        if s.name == "copy" and isinstance(first, Elements) and first.root.dtype == output:
            self.known[s.target] = self.known[first]
            return
        value = spelling(s).format(*[bracketed(code) for code, _ in found])
        value = value.replace("one /", f"{KINDS[output]}(1) /")
        name = self.text.variable()
        if output.kind != "b" and not (output.kind == "f" and inputs[-1] == output):
            value = f"{KINDS[output]}({value})"
        self.before[depth].append(f"{name} = {value}")
        self.known[s.target] = name, output, depth
        if output != s.target.root.dtype:
            self.convert(s.target)

    def convert(self, place: Elements) -> None:
        """What is read again has the dtype of the array in which it lies."""
        name, found, depth = self.known[place]
        dtype, new = place.root.dtype, self.text.variable()
        self.before[depth].append(f"{new} = {cast(name, found, dtype)}")
        self.known[place] = new, dtype, depth

    def reduce(self, s: Reduce) -> None:
        z, dtype = s.target, s.target.root.dtype
        start, step = REDUCED[s.name]
        value, _ = self.operand(s.operand, dtype)
        n = len(self.shape)
        inner = n  # the loops from here on all go over one element of the result
        while inner and not z.strides[inner - 1]:
            inner -= 1
        whole = all(z.strides[:inner])
        wide = FLOAT64 if dtype == np.float32 and s.name == "add" else dtype
        there = self.text.at(z, self.counters)
        if inner < n:
            name = self.text.variable().replace("v", "a")
            self.before[inner].append(f"{name} = {KINDS[wide]}({start})")
            self.before[n].append(f"{name} = {step.format(name, bracketed(value))}")
            value = cast(name, wide, dtype)
        else:
            inner = n
        if whole and inner < n:
            self.after[inner].append(f"{there} = {value}")
            return
        self.fill(z, f"{KINDS[dtype]}({start})")
        line = f"{there} = {step.format(there, bracketed(value))}"
        (self.before if inner == n else self.after)[inner].append(line)

    def fill(self, place: Elements, value: str) -> None:
        """Set each element of a place to a number, in front of the nest."""
        kept = [n if step else 1 for n, step in zip(place.shape, place.strides, strict=True)]
        once = Elements(place.root, place.offset, place.strides, tuple(kept))
        shape, (fill,) = collapsed([Apply(None, "copy", once, ())])  # type: ignore[arg-type]
        line = f"{self.text.at(fill.target, COUNTERS[: len(shape)])} = {value}"
        self.text.lines += nested_loops(shape, COUNTERS[: len(shape)], [line])


def bracketed(code: str) -> str:
    return code if code.replace("_", "").isalnum() or code.endswith(")") else f"({code})"


def nested_loops(shape: tuple[int, ...], counters: str, body: list[str]) -> list[str]:
    for n, counter in zip(shape[::-1], counters[::-1], strict=True):
        body = [f"for {counter} in range({n}):", *[f"    {line}" for line in body]]
    return body


def is_row_major(place: Elements) -> bool:
    """Whether a matrix lies row by row, without gaps."""
    (rows, columns), (down, across) = place.shape, place.strides
    return (across == 1 or columns == 1) and (down == columns or rows == 1)


def turned(place: Elements) -> Elements:
    return Elements(place.root, place.offset, place.strides[::-1], place.shape[::-1])


def is_dense(place: Elements) -> bool:
    """Whether the matrix, or its transpose, lies row by row."""
    return is_row_major(place) or is_row_major(turned(place))
