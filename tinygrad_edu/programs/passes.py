"""The passes of the compiler, each a function Program → Program; and for how long arrays are used.

Calls whose results nobody uses are dropped; so are copies of arrays that do not change afterwards,
and arrays of zeros that nobody writes to become constants. The *root* of an array is the Array in
whose memory it lies: `Liveness` knows the first and the last call that touch each root.
"""

from __future__ import annotations

import dataclasses
import operator
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.calls import FILLING, OPERATOR_UFUNCS, ArrayMethod
from tinygrad_edu.programs.program import Array, Call, Number, Program, arrays_among

FOREVER = 1 << 60  # stands for the last call that touches an output
REDUCING_METHODS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
REDUCING_UFUNCS: dict[Any, np.ufunc] = {
    **REDUCING_METHODS,
    **{getattr(np, name): ufunc for name, ufunc in REDUCING_METHODS.items()},
    np.amax: np.maximum,
    np.amin: np.minimum,
}
MULTIPLICATIONS: set[Function] = {operator.mul, np.multiply}
KEEPING_BY_ONE: set[Function] = {  # x · 1, x / 1 and x ** 1 are x
    *MULTIPLICATIONS,
    operator.truediv,
    np.divide,
    operator.pow,
    np.power,
}


class Writes:
    """Which calls of a program write to which root."""

    def __init__(self, program: Program) -> None:
        self.program, self.last = program, dict[Array, int]()
        for i, call in enumerate(program.calls):
            if call.written is not None:
                self.last[program.root(call.written)] = i
        self.last_of_state = max([i for x, i in self.last.items() if not x.is_result], default=-1)

    def changes(self, root: Array, start: int = 0) -> bool:
        """Whether a call from `start` on writes to this root."""
        return self.last.get(root, -1) >= start

    def changes_state(self, start: int) -> bool:
        """Whether a call from `start` on writes to an array that is older than the step."""
        return self.last_of_state >= start


def fold_constants(program: Program) -> Program:
    """Make constants of arrays of zeros, or ones, that nobody writes to."""
    writes = Writes(program)
    filled = [call.results[0] for call in program.calls if call.function in FILLING]
    constants = {z: z.value for z in filled if not writes.changes(program.root(z))}
    calls = [call for call in program.calls if constants.keys().isdisjoint(call.results)]
    return dataclasses.replace(program, calls=calls, constants=constants)


def share_copies(program: Program) -> Program:
    """Use the original in place of a copy, if neither is changed afterwards.

    Two outputs never share memory.
    """
    new = dataclasses.replace(program, shared=dict(program.shared))
    writes, outputs = Writes(program), program.outputs
    owned = set(map(program.root, outputs))
    for i, call in enumerate(program.calls):
        if (x := copied_by(call)) is None:
            continue
        root, copy = new.root(x), call.results[0]
        if not root.is_result and (copy in owned or writes.changes_state(i)):
            continue  # an argument may lie in the memory of the state
        if x.strides != copy.strides or (copy in owned and root in owned):
            continue
        if writes.changes(root, i) or writes.changes(copy, i):
            continue
        if copy in owned:
            owned.add(root)
        new.shared[copy] = x
    return new


def drop_dead_calls(program: Program) -> Program:
    """Keep the calls that an output, the state, or a call that is kept needs."""
    root, kept = program.root, []
    needed = set(program.outputs)
    roots = set(map(root, needed))
    for call in reversed(program.calls):
        if not program.shared.keys().isdisjoint(call.results):
            originals = [program.shared[z] for z in call.results]
            needed.update(originals)
            roots.update(map(root, originals))
            continue
        effect = call.checks
        if call.written is not None:
            effect = not root(call.written).is_result or root(call.written) in roots
        if not effect and needed.isdisjoint(call.results):
            continue
        kept.append(call)
        needed.update(call.touched)
        roots.update(map(root, call.touched))
    return dataclasses.replace(program, calls=kept[::-1])


PASSES = {
    "zeros made constant": fold_constants,
    "copies shared": share_copies,
    "without the dead": drop_dead_calls,
}


class Liveness:
    """When each array of a program is first and last touched, and whether it may be moved."""

    def __init__(self, program: Program) -> None:
        self.program, self.calls, self.root = program, program.calls, program.root
        self.writes, self.touched = Writes(program), dict[Array, list[int]]()
        self.first: dict[Array, int] = {}
        self.last = dict.fromkeys(map(self.root, program.outputs), FOREVER)
        for i, call in enumerate(self.calls):
            for root in dict.fromkeys(map(self.root, call.touched)):
                self.first.setdefault(root, i)
                self.last[root] = max(i, self.last.get(root, 0))
                self.touched.setdefault(root, []).append(i)
        self.changes = self.writes.changes

    def can_be_joined(self, i: int, piece: Any, out: Array) -> bool:
        """Whether a piece that call i joins into a vector can be computed in its place there.

        Nothing else may use the vector before, and afterwards neither of the two may change while
        the other is needed.
        """
        if not isinstance(piece, Array):
            return False
        root, target = self.root(piece), self.root(out)
        if not root.is_result or root not in self.first:
            return False
        first = self.first[root]
        if not takes_out(self.calls[first]):
            return False
        if (root.size, root.dtype) != (piece.size, out.dtype):
            return False
        if not (root.is_contiguous and piece.is_contiguous):
            return False
        if any(first <= use < i for use in self.touched.get(target, ())):
            return False
        if any(self.root(x) is target for x in arrays_among(self.calls[i].args)):
            return False
        return self.last[root] <= i or not (
            self.changes(target, i + 1) or self.changes(root, i + 1)
        )


def copied_by(call: Call) -> Array | None:
    """The array x that a call copies, if it does nothing else: x.copy(), +x, x ** 1, 1 * x."""
    if call.written is not None or len(call.results) != 1 or call.options or not call.args:
        return None
    x, z = call.args[0], call.results[0]
    if call.function in KEEPING_BY_ONE:
        y = call.args[1]
        if not is_full_of(y, 1):
            if call.function not in MULTIPLICATIONS or not is_full_of(x, 1):
                return None
            x = y
    elif call.name not in ("copy", "pos", "positive"):
        return None
    if not isinstance(x, Array) or not is_array(x) or not is_array(z):
        return None
    return x if (x.shape, x.dtype) == (z.shape, z.dtype) else None


def is_array(x: Array) -> bool:
    """Whether x stands for an array, and not for one of NumPy's scalars."""
    return not x.is_scalar


def is_full_of(x: Any, value: float) -> bool:
    """Whether x is this number, or an array of nothing else."""
    return isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(x == value))


def reduction_by(call: Call) -> tuple[np.ufunc, Any, bool] | None:
    """(ufunc, axis, keepdims) of a sum, product or extreme over axes of an array, or None."""
    key = call.name if isinstance(call.function, ArrayMethod) else call.function
    ufunc = REDUCING_UFUNCS.get(key)
    if ufunc is None or call.written is not None or call.options.keys() - {"axis", "keepdims"}:
        return None
    if len(call.args) > 2 or not isinstance(call.args[0], Array):
        return None
    axis = call.args[1] if len(call.args) == 2 else call.options.get("axis")
    return ufunc, axis, bool(call.options.get("keepdims"))


def ufunc_of(call: Call) -> np.ufunc | None:
    """The ufunc that a call is, if it gives one array and has no option but out."""
    function, options = call.function, call.options
    ufunc = function if isinstance(function, np.ufunc) else OPERATOR_UFUNCS.get(function)
    if ufunc is None or ufunc.nout != 1 or (options and options.keys() - {"out"}):
        return None
    return ufunc if is_array(call.target) else None


def takes_out(call: Call) -> bool:
    """Whether a call can write its result into an array that it is given."""
    if len(call.results) != 1 or not is_array(call.results[0]):
        return False
    if call.function in FILLING:
        return True
    if is_product(call):
        return True
    return ufunc_of(call) is not None or reduction_by(call) is not None


def is_product(call: Call) -> bool:
    """Whether a call is a product of matrices, or a dot, that np.dot can write into an array."""
    is_dot = call.function is np.dot and len(call.args) == 2
    if not (is_dot or ufunc_of(call) is np.matmul) or call.options or call.written is not None:
        return False
    (x, y), z = call.args, call.results[0]
    if not isinstance(x, Array | np.ndarray) or not isinstance(y, Array | np.ndarray):
        return False
    if z.is_scalar or not z.is_contiguous or not x.dtype == y.dtype == z.dtype:
        return False
    return is_dot or x.ndim == y.ndim == 2


def promotion_of(x: Any) -> Any:
    """What NumPy's promotion looks at: the dtype of an array, the type of a Python number."""
    if isinstance(x, Array):
        return x.dtype
    x = x.value if isinstance(x, Number) else x
    return type(x) if type(x) in (int, float) else np.asarray(x).dtype
