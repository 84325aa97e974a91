"""A program in which calls of NumPy that follow each other become one call of compiled loops.

A part is a run of calls that loops can make. It is a function of the addresses of its memory, of
the step's arguments, and of the numbers that are read anew. Between two parts NumPy is called as
ever.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.programs.calls import FILLING
from tinygrad_edu.programs.loops.loops import Loops
from tinygrad_edu.programs.loops.nests import collapsed, grouped
from tinygrad_edu.programs.loops.numbers import (
    KINDS,
    POLYNOMIALS,
    Unspelled,
    checked_reduction,
    spelling,
)
from tinygrad_edu.programs.loops.statements import (
    Apply,
    CheckClasses,
    Elements,
    Gather,
    Product,
    Reduce,
    Statement,
    every_place,
    steps_of,
)
from tinygrad_edu.programs.loops.text import Flat, LoopText, is_dense
from tinygrad_edu.programs.names import Line
from tinygrad_edu.programs.numpy.buffers import Buffers
from tinygrad_edu.programs.numpy.codegen import Code, data_address
from tinygrad_edu.programs.passes import FOREVER
from tinygrad_edu.programs.program import Array, Call, Program
from tinygrad_edu.programs.refusals import NotReplayable

MOST = 256  # nests of loops in a program: of more, compiling takes minutes, and NumPy's calls stay
MANY = 16  # products of matrices that one call may become
LOUD = {"raise", "call", "print", "log"}  # what NumPy may do about an error, and loops never do
LINE = 64  # bytes: where an array begins in memory
SHORT, LANES = 64, 8  # elements of a row; of a row that is no multiple, some are done one by one

Function = Callable[..., Any]


class PlacedLoops(Loops):
    """The statements of one call after the other, counted in the memory where they will run."""

    def __init__(self, program: Program, buffers: Buffers) -> None:
        self.program, self.moved = program, dict(buffers.placed)
        self.constants, self.views = {}, {}

    def place(self, x: Any) -> Any:
        found = super().place(x)
        if not isinstance(found, Elements) or found.root not in self.moved:
            return found
        vector, start = self.moved[found.root]
        there = self.place(vector)
        return Elements(there.root, there.offset + start + found.offset, found.strides, found.shape)

    def of(self, call: Call) -> list[Statement] | None:
        """What a call does, in loops; nothing for a view; None if NumPy has to be called."""
        if not self.program.shared.keys().isdisjoint(call.results):
            return []
        if LOUD & {*call.errors.values()}:
            return None
        try:
            found = [*itertools.chain(*map(self.in_matrices, self.statements_of(call)))]
            for statement in found:
                self.check(statement)
        except (NotReplayable, Unspelled):
            return None
        many = sum(isinstance(s, Product) for s in found) > MANY
        return None if many else [s for s in found if not does_nothing(s)]

    def in_matrices(self, s: Statement) -> Iterator[Statement]:
        """A product, with copies of the matrices that do not lie row by row."""
        if not isinstance(s, Product):
            yield s
            return
        places = []
        for place in (s.left, s.right):
            if not is_dense(place):
                copy = self.new_place(place)
                yield Apply(s.call, "copy", copy, (place,))
                place = copy
            places.append(place)
        if is_dense(s.target):
            yield Product(s.call, s.target, *places)
        else:
            z = self.new_place(s.target)
            yield Product(s.call, z, *places)
            yield Apply(s.call, "copy", s.target, (z,))

    def new_place(self, place: Elements) -> Elements:
        copy = Array.of("#copy", np.empty(place.shape, place.root.dtype))
        return Elements(copy, 0, steps_of(place.shape), place.shape)

    def is_scattered(self, x: Array) -> bool:
        """Whether an array has gaps between its elements: it would not lie so in another memory."""
        moves = x.is_result or x in self.program.inputs
        return moves and not x.is_contiguous and x.strides != x.dense_strides

    def check(self, s: Statement) -> None:
        """Unspelled for what loops do not do, or NumPy does better."""
        for place in every_place(s):
            x = place.root
            if x.dtype not in KINDS or x in self.program.reads or self.is_scattered(x):
                raise Unspelled
            if not x.is_result and not isinstance(x.value, np.ndarray | np.generic):
                raise Unspelled
        if isinstance(s, Apply):
            spelling(s)
        elif isinstance(s, Reduce):
            checked_reduction(s)
        elif isinstance(s, Product):
            if is_slow(s):
                raise Unspelled
            dtypes = {place.root.dtype for place in every_place(s)}
            if (
                len(dtypes) > 1
                or s.target.root.dtype.kind != "f"
                or 0 in s.left.shape + s.right.shape
            ):
                raise Unspelled
        elif isinstance(s, Gather):
            if s.target.root.dtype != s.source.root.dtype:
                raise Unspelled
        elif s.labels.root.dtype.kind not in "iu":
            raise Unspelled
        if not isinstance(s, CheckClasses):
            for place in every_place(s):
                if place is s.target or place.is_apart_from(s.target):
                    continue
                if not isinstance(s, Apply) or not place.counts_as(s.target):
                    raise Unspelled  # it reads what it has written


def is_slow(s: Product) -> bool:
    """Whether it is xᵀ y of many rows: the BLAS that SciPy brings takes half as long again.

    (OpenBLAS 0.3.30; NumPy brings 0.3.31.)
    """
    (m, k), n = s.left.shape, s.right.shape[1]
    return s.left.strides[0] == 1 and k >= 100 and m * n * k >= 1_000_000


def in_rows(group: list[Statement]) -> Iterator[list[Statement]]:
    """The group; cut, if its rows are short, so that its polynomials run through all elements.

    Loops of ten elements are hardly vectorised, and a loop of ten thousand is.
    """
    dear = any(isinstance(s, Apply) and s.name in POLYNOMIALS for s in group)
    row = collapsed(group)[0][-1:] if dear else ()  # type: ignore[arg-type]
    if not row or row[0] >= SHORT or row[0] % LANES == 0:
        yield group
        return
    for _, piece in itertools.groupby(group, lambda s: len(collapsed([s])[0]) <= 1):  # type: ignore[list-item]
        yield [*piece]


def does_nothing(s: Statement) -> bool:
    """Whether it sets nothing, or copies an array to the place where it is."""
    is_in_place = isinstance(s, Apply) and s.name == "copy" and s.operands == (s.target,)
    return is_in_place or (isinstance(s, Apply) and 0 in s.target.shape)


@dataclasses.dataclass(eq=False)
class Part:
    """Calls that follow each other, from `start` to before `end`, and what they do."""

    start: int
    end: int
    groups: list[list[Statement]]


class FusedCode(Code):
    """The lines of a program, with compiled loops; `machine` makes a function of lines."""

    def __init__(self, program: Program, machine: Function) -> None:
        self.machine, self.parts = machine, dict[int, Part]()
        self.kept: list[Any] = []  # what the loops know by address only
        self.rooms: dict[Array, tuple[Flat, int]] = {}
        super().__init__(program)

    def translate(self) -> None:
        calls = self.program.calls
        self.statements = PlacedLoops(self.program, self.buffers)
        written = any(map(self.liveness.changes, self.program.inputs))
        found = [None if written else self.statements.of(call) for call in calls]
        self.by_numpy = {i for i, x in enumerate(found) if x is None}
        self.find_parts(found)
        if sum(len(part.groups) for part in self.parts.values()) > MOST:
            self.by_numpy, self.parts = {*range(len(calls))}, {}
        self.settle_rooms()
        part = None
        for i, call in enumerate(calls):
            part = self.parts.get(i, part)
            if i in self.by_numpy:
                part = None
                self.write(i, call)
                continue
            if not found[i]:
                self.write_view(i, call)
            if part and i == part.end - 1:
                self.write_part(part)
            self.ends.append(len(self.lines))
            self.buffers.release(i)

    def find_parts(self, found: list[list[Statement] | None]) -> None:
        """Cut the calls into parts, at each call of NumPy."""
        for is_numpy, run in itertools.groupby(range(len(found)), key=self.by_numpy.__contains__):
            numbers = [*run]
            statements = [s for i in numbers for s in found[i] or ()]
            if not is_numpy and statements:
                groups = [piece for group in grouped(statements) for piece in in_rows(group)]
                self.parts[numbers[0]] = Part(numbers[0], numbers[-1] + 1, groups)

    # Where arrays lie

    def settle_rooms(self) -> None:
        """Give each memory that outlives a nest of loops its room."""
        uses: dict[Array, set[Any]] = {}  # in which nests, and None for NumPy's calls
        bounds: dict[Array, tuple[int, int]] = {}
        self.number_of: dict[int, tuple[int, int]] = {}  # of a nest: its part's start, and in it
        is_set: dict[Array, bool] = {}  # whether the first that happens to it is that it is set
        places: dict[Array, set[Elements]] = {}
        for start, part in self.parts.items():
            for n, group in enumerate(part.groups):
                self.number_of[id(group)] = start, n
                for s in group:
                    for place in every_place(s):
                        uses.setdefault(place.root, set()).add((start, n))
                        places.setdefault(place.root, set()).add(place)
                        pair = bounds.get(place.root, place.bounds), place.bounds
                        bounds[place.root] = min(a for a, _ in pair), max(b for _, b in pair)
                        sets = isinstance(s, Apply) and s.target not in s.operands
                        is_set.setdefault(place.root, sets and place is s.target)  # type: ignore[union-attr]
        self.wanted = self.wanted_by_numpy()
        for x in self.wanted:
            uses.setdefault(self.statements.place(self.program.root(x)).root, set()).add(None)
        self.last_nest = {
            root: (FOREVER, 0) if None in where else max(where) for root, where in uses.items()
        }
        inside = []
        for root in bounds:
            if not root.is_result or root in self.home:
                self.rooms[root] = self.outside(root, *bounds[root])
            elif None in uses[root] or len(uses[root]) + len(places[root]) > 2 or not is_set[root]:
                inside.append(root)
        self.settle_inside(inside)

    def wanted_by_numpy(self) -> set[Array]:
        """The arrays that NumPy's calls use, or the caller, and those that these are views of."""
        original, calls = self.program.original, self.program.calls
        checks = [s for part in self.parts.values() for group in part.groups for s in group]
        found = {original(x) for i in self.by_numpy for x in calls[i].touched}
        found |= {original(s.call.args[0]) for s in checks if isinstance(s, CheckClasses)}
        found |= {*map(original, self.program.outputs)}
        for call in reversed(calls):
            if any(z in found and z.holder is not z for z in call.results):
                found |= {*map(original, call.arrays)}
        return found

    def settle_inside(self, inside: list[Array]) -> None:
        """Cut the rooms of results out of one block of bytes."""
        starts = [*itertools.accumulate((-(-x.nbytes // LINE) * LINE for x in inside), initial=0)]
        storage, size = np.zeros(starts[-1] + LINE, np.uint8), starts[-1]
        shift = -data_address(storage) % LINE
        block = storage[shift : shift + size]
        self.buffers.bytes += size
        for x, start in zip(inside, starts, strict=False):
            kind = KINDS[x.dtype]
            flat = Flat(f"b_{kind}", x.dtype, size // x.dtype.itemsize, block, data_address(block))
            self.rooms[x] = flat, start // x.dtype.itemsize
            home = np.ndarray(x.shape, x.dtype, block, start, x.dense_strides)
            named = self.names.new("b", value=home)
            self.buffers.settle(x, home, f"{named}[()]" if x.is_scalar else named)
            self.buffers.placed[x] = x, 0
            self.buffers.lives.append((start, x))

    def outside(self, root: Array, first: int, end: int) -> tuple[Flat, int]:
        """The room of an argument, of an array of the state, or of a constant."""
        if root in self.program.inputs:
            if root.is_contiguous and not root.is_scalar:
                name = f"x{self.program.inputs.index(root)}"
                return Flat(name, root.dtype, root.size, None, 0, root.name, root.ndim), 0
            home = root.empty()  # in another order of memory, or a number: it is copied
            named = self.names.new("b", value=home)
            self.lines.append(Line(f"{named}[...] = {self.use(root)}"))
        else:
            home = self.home.get(root, root.value)
        address = data_address(home) + first * root.dtype.itemsize
        name = f"s{len(self.rooms)}"
        return Flat(name, root.dtype, end - first, home, address, root.name), -first

    # Lines

    def write_view(self, i: int, call: Call) -> None:
        """Make a view, or an array that nothing fills, if NumPy's calls want it."""
        if self.wanted.isdisjoint(call.results) or not self.program.shared.keys().isdisjoint(
            call.results
        ):
            return
        if call.function in FILLING:
            self.filled(i, call)
        elif not self.viewed(i, call):
            self.as_it_is(i, call)

    def write_part(self, part: Part) -> None:
        """Write the line that calls a part's loops, and one for what may fail in them."""
        text, calls = LoopText(self.rooms.get, self.is_read), self.program.calls
        for group in part.groups:
            text.write(group)
        flats = [*text.flats.values()]
        function, table = self.machine(text.lines, flats, [*text.number_dtypes.items()])
        self.kept.append((table, flats))
        name = self.names.new("f", f"loops{len(self.kept)}", function)
        self.once.add(name)
        inputs = [self.use(self.program.inputs[int(x.name[1:])]) for x in flats if x.array is None]
        address = self.names.constant(data_address(table))
        code = f"{name}({', '.join([address, *inputs, *text.numbers])})"
        title = self.names.display(code)
        failed = self.names.new("t") if text.failures else ""
        shown = "\n".join([f"{title}:", *[f"    {line}" for line in text.lines]])
        changed = [i for i in range(part.start, part.end) if self.changes_state(calls[i])]
        for line in [
            Line(f"{failed} = {code}" if failed else code, shown),
            *([Line(f"if {failed}: {self.raised(failed, text.failures)}", " ")] if failed else []),
        ]:
            line.call = max(changed, default=part.start)
            self.lines.append(line)

    def is_read(self, root: Array, group: list[Statement]) -> bool:
        """Whether anybody may read a memory behind a group."""
        return not root.is_result or self.last_nest[root] > self.number_of[id(group)]

    def changes_state(self, call: Call) -> bool:
        return call.written is not None and not self.program.root(call.written).is_result

    def raised(self, failed: str, failures: list[Any]) -> str:
        """The code that raises the error of what failed in the loops."""
        cases = []
        for s in failures:
            if isinstance(s, CheckClasses):
                function, args = self.names.function(s.call.function), s.call.args
                cases.append(f"{function}({', '.join(map(self.use, args))})")
            else:
                cases.append(f"{self.names.of(raise_index)}({s.source.shape!r})")
        return f"({', '.join(f'lambda: {case}' for case in cases)},)[{failed} - 1]()"

    def given_at(self, i: int) -> list[tuple[Call, int, Array]]:
        """Behind a part, what it leaves behind, as the last call has set it."""
        part = next((part for part in self.parts.values() if part.start <= i < part.end), None)
        if part is None:
            return super().given_at(i) if i in self.by_numpy else []
        found, seen = [], list[Elements]()
        for call in reversed(
            self.program.calls[part.start : part.end] if i == part.end - 1 else []
        ):
            for item in super().given_at(self.program.calls.index(call)):
                z = item[2]
                place = self.statements.place(z)
                if place.root not in self.rooms or not all(map(place.is_apart_from, seen)):
                    continue
                seen.append(place)
                stays = not place.root.is_result or self.last_nest[place.root] == (FOREVER, 0)
                if z in self.home and stays:
                    found.append(item)
        return found[::-1]


def raise_index(shape: Any) -> None:
    raise IndexError(f"an index is out of bounds for an array of shape {shape}")
