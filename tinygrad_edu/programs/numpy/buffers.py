"""Where each array of a program is: in a buffer, in the state, or in a name that a line gives.

Buffers are allocated once. A buffer whose value is used up takes the next result. Gradients that
will be joined into one vector are computed in their places in it.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from tinygrad_edu.programs.names import CodeNames
from tinygrad_edu.programs.passes import Liveness
from tinygrad_edu.programs.program import Array, Call, Number
from tinygrad_edu.programs.tracing.traced import memory_owner


class Buffers:
    """For each Array, the code that stands for it, and the array that holds it if that stays."""

    def __init__(self, liveness: Liveness, names: CodeNames) -> None:
        self.liveness, self.names, program = liveness, names, liveness.program
        self.text: dict[Array, str] = {x: names.new("x", x.name) for x in program.inputs}
        for x in program.reads:
            self.text[x] = names.new("t", x.name)
        self.home: dict[Array, Any] = {}  # the array that holds it at every replay
        self.storage: dict[Array, Any] = {}  # a root with a buffer ↦ the bytes of the buffer
        self.free: list[Any] = []  # bytes that are not in use, the fewest first
        self.until: dict[int, list[Array]] = {}  # the roots with a buffer, by their last call
        self.cuts: set[int] = set()  # the ids of all storage that there is
        # Roots that are computed in their place in a vector: the vector, and where in it
        self.placed: dict[Array, tuple[Array, int]] = {}
        self.lives: list[tuple[int, Array]] = []  # storage by id, and what it holds in turn
        self.bytes = self.reused = 0
        for x, value in program.constants.items():
            self.settle(x, value, names.constant(value))
        for i, call in enumerate(liveness.calls):
            self.place_pieces(i, call)

    def settle(self, x: Array, array: Any, name: str) -> str:
        """Let x be in this array from now on, and return the array's name."""
        self.home[x], self.text[x] = array, name
        return name

    def room(self, x: Array) -> str:
        """The name of the array that holds x; of a scalar the 0-d array."""
        return self.use(x).removesuffix("[()]")

    def use(self, x: Any) -> str:
        """An argument as code."""
        if isinstance(x, Array):
            return self.text.get(x) or self.find(x)
        if isinstance(x, Number):
            return x.code
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.use, (x.start, x.stop, x.step)))})"
        if type(x) is tuple:
            return f"({', '.join(map(self.use, x))}{',' if len(x) == 1 else ''})"
        if type(x) is list:
            return f"[{', '.join(map(self.use, x))}]"
        if x is None or type(x) in (bool, str) or (type(x) is int and abs(x) < 10):
            return repr(x)
        return "..." if x is ... else self.names.constant(x)

    def subscript(self, index: Any) -> str:
        """An index as code: `..., 0, 1:3`."""
        if type(index) is not tuple:
            return self.subscript_part(index)
        parts = ", ".join(map(self.subscript_part, index))
        return f"{parts}," if len(index) == 1 else parts or "()"

    def subscript_part(self, x: Any) -> str:
        if not isinstance(x, slice):
            return self.use(x)
        bounds = ["" if bound is None else self.use(bound) for bound in (x.start, x.stop, x.step)]
        return ":".join(bounds[:2] if bounds[2] in ("", "1") else bounds)

    def find(self, x: Array) -> str:
        """The code for an x that no line gave: of the state, or the original of a copy not made."""
        original = self.liveness.program.shared.get(x)
        if original is None:
            return self.settle(x, x.value, self.names.of(x.value, "s", x.name))
        self.text[x] = self.use(original)
        if original in self.home:
            self.home[x] = self.home[original]
        return self.text[x]

    def target(self, z: Array, i: int, operands: list[Array]) -> str:
        """Where call i writes z: into the array that holds it already, or into a buffer."""
        return self.use(z) if z in self.home else self.allocate(z, i, operands)

    def allocate(self, z: Array, i: int, operands: list[Array]) -> str:
        """A buffer for z: of an operand that call i uses up, or of free bytes, or of new ones."""
        strides = z.dense_strides
        for x in operands:
            root, home = self.liveness.root(x), self.home.get(x)
            if home is None or self.liveness.last[root] != i or root not in self.storage:
                continue
            if (home.shape, home.dtype, home.strides) == (z.shape, z.dtype, strides):
                return self.cut(z, self.storage.pop(root), strides)
        place = bisect.bisect_left(self.free, z.nbytes, key=len)
        if place == len(self.free):
            return self.cut(z, np.empty(z.nbytes, np.uint8), strides)
        return self.cut(z, self.free.pop(place), strides)

    def cut(self, z: Array, storage: Any, strides: Any) -> str:
        """A buffer of z's layout in these bytes; the one of before if there was one."""
        if id(storage) in self.cuts:
            self.reused += 1
        else:
            self.bytes += storage.nbytes
        self.cuts.add(id(storage))
        self.lives.append((id(storage), z))
        key = "buffer", id(storage), z.shape, z.dtype, strides
        if key not in self.names.known:
            array = np.ndarray(z.shape, z.dtype, storage, 0, strides)
            self.names.known[key] = self.names.new("b", value=array)
        self.storage[z], name = storage, self.names.known[key]
        self.until.setdefault(self.liveness.last[z], []).append(z)
        return self.settle(z, self.names.objects[name], name)

    def release(self, i: int) -> None:
        """Free the bytes of each root that call i is the last to use."""
        for root in self.until.pop(i, ()):
            if root in self.storage:
                bisect.insort(self.free, self.storage.pop(root), key=len)

    def exposed(self) -> dict[int, Any]:
        """The arrays, by their ids, that a caller may hold, and that a program writes to too early.

        It writes to them before the step would, so an argument in their memory is copied first.
        """
        owners = [memory_owner(self.home[root]) for root in (*self.storage, *self.placed)]
        return {id(owner): owner for owner in owners}

    def place_pieces(self, i: int, call: Call) -> None:
        """Let each piece that call i joins into a vector be computed in its place there."""
        if not joins_to_vector(call):
            return
        out, start = call.target, 0
        for piece in call.args[0]:
            stop = start + piece.size
            if self.liveness.can_be_joined(i, piece, out):
                root = self.liveness.root(piece)
                if root not in self.placed:
                    self.place(root, out, start, stop)
            start = stop

    def place(self, root: Array, out: Array, start: int, stop: int) -> None:
        """Let a root be a part of the vector that it will be joined into."""
        if out.is_result and out not in self.home:
            array = np.empty(out.shape, out.dtype)
            self.settle(out, array, self.names.new("b", value=array))
            self.bytes += array.nbytes
        shown = f"{self.names.shown[self.use(out)]}[{start}:{stop}]"
        part = self.home[out][start:stop].reshape(root.shape)
        self.settle(root, part, self.names.of(part, "b", shown))
        self.placed[root] = out, start


def joins_to_vector(call: Call) -> bool:
    """Whether a call is concatenate, and gives a vector."""
    if call.function is not np.concatenate or len(call.args) > 1 or call.options.keys() - {"out"}:
        return False
    is_vector = call.target.ndim == 1 and call.target.is_contiguous
    return is_vector and type(call.args[0]) in (list, tuple)
