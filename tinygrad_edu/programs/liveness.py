"""What a program has to compute, and for how long each result is needed.

This is the first half of a compiler. Calls whose results nobody uses are dropped; so are copies of
arrays that do not change afterwards. The *root* of an array is the Traced in whose memory it lies:
`Liveness` knows the first and the last call that touch each root.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.calls import FILLING, OPERATOR_UFUNCS, ArrayMethod
from tinygrad_edu.programs.live import LiveNumber, is_python_number
from tinygrad_edu.programs.traced import Traced, traced_in
from tinygrad_edu.programs.tracing import RecordedCall, Trace

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


class Liveness:
    """The calls of a trace that a program makes, given the arrays that are wanted in the end."""

    def __init__(self, trace: Trace, outputs: list[Traced]) -> None:
        self.calls, self.outputs = trace.calls, outputs
        self.alias: dict[Traced, Traced] = {}  # a copy that is not made ↦ its original
        self.constants: dict[Traced, Any] = {}
        self.fold_constants()
        self.share_copies()
        self.drop_dead_calls()
        self.first: dict[Traced, int] = {}
        self.last = dict.fromkeys(map(self.root, outputs), FOREVER)
        for i, call in enumerate(self.calls):
            for root in map(self.root, call.touched):
                self.first.setdefault(root, i)
                self.last[root] = max(i, self.last.get(root, 0))

    def root(self, x: Traced) -> Traced:
        """The Traced in whose memory x lies."""
        x = x.base
        while x in self.alias:
            x = self.alias[x].base
        return x

    def written_from(self, start: int) -> list[Traced]:
        """The roots that the calls from `start` on write to."""
        written = [call.written for call in self.calls[start:]]
        return [self.root(x) for x in written if x is not None]

    def changes(self, root: Traced, start: int = 0) -> bool:
        """Whether a call from `start` on writes to this root."""
        return any(written is root for written in self.written_from(start))

    def changes_state(self, start: int) -> bool:
        """Whether a call from `start` on writes to an array that is older than the step."""
        return not all(written.is_result for written in self.written_from(start))

    def fold_constants(self) -> None:
        """Make constants of arrays of zeros, or ones, that nobody writes to."""
        filled = [call.results[0] for call in self.calls if call.function in FILLING]
        self.constants = {z: z.value for z in filled if not self.changes(z)}
        self.calls = [call for call in self.calls if self.constants.keys().isdisjoint(call.results)]

    def share_copies(self) -> None:
        """Use the original in place of a copy, if neither is changed afterwards.

        Two outputs never share memory.
        """
        owned = set(map(self.root, self.outputs))
        for i, call in enumerate(self.calls):
            if (x := copied_by(call)) is None:
                continue
            root, copy = self.root(x), call.results[0]
            if not root.is_result and (copy in owned or self.changes_state(i)):
                continue  # an argument may lie in the memory of the state
            if x.value.strides != copy.value.strides or (copy in owned and root in owned):
                continue
            if self.changes(root, i) or self.changes(copy, i):
                continue
            if copy in owned:
                owned.add(root)
            self.alias[copy] = x

    def drop_dead_calls(self) -> None:
        """Keep the calls that an output, the state, or a call that is kept needs."""
        needed, roots, kept = set(self.outputs), set(map(self.root, self.outputs)), []
        for call in reversed(self.calls):
            if call.written is None:
                effect = call.opaque and (not call.results or not call.traced)  # a check, or a draw
            else:
                effect = not self.root(call.written).is_result or self.root(call.written) in roots
            if not effect and needed.isdisjoint(call.results):
                continue
            kept.append(call)
            needed.update(call.touched)
            roots.update(map(self.root, call.touched))
        self.calls = kept[::-1]

    def can_be_joined(self, i: int, piece: Any, out: Traced) -> bool:
        """Whether a piece that call i joins into a vector can be computed in its place there.

        Nothing else may use the vector before, and afterwards neither of the two may change while
        the other is needed.
        """
        if not isinstance(piece, Traced):
            return False
        root, target = self.root(piece), self.root(out)
        if not root.is_result or root not in self.first:
            return False
        if not takes_out(self.calls[self.first[root]]):
            return False
        if (root.size, root.dtype) != (piece.size, out.dtype):
            return False
        if not (root.flags.c_contiguous and piece.flags.c_contiguous):
            return False
        between = [x for call in self.calls[self.first[root] : i] for x in call.touched]
        if any(self.root(x) is target for x in [*between, *traced_in(self.calls[i].args)]):
            return False
        return self.last[root] <= i or not (
            self.changes(target, i + 1) or self.changes(root, i + 1)
        )


def copied_by(call: RecordedCall) -> Traced | None:
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
    if not isinstance(x, Traced) or not is_array(x) or not is_array(z):
        return None
    return x if (x.shape, x.dtype) == (z.shape, z.dtype) else None


def is_array(x: Traced) -> bool:
    """Whether x stands for an array, and not for one of NumPy's scalars."""
    return isinstance(x.value, np.ndarray)


def is_full_of(x: Any, value: float) -> bool:
    """Whether x is this number, or an array of nothing else."""
    return isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(x == value))


def reduction_by(call: RecordedCall) -> tuple[np.ufunc, Any, bool] | None:
    """(ufunc, axis, keepdims) of a sum, product or extreme over axes of an array, or None."""
    key = call.name if isinstance(call.function, ArrayMethod) else call.function
    ufunc = REDUCING_UFUNCS.get(key)
    if ufunc is None or call.written is not None or call.options.keys() - {"axis", "keepdims"}:
        return None
    if len(call.args) > 2 or not isinstance(call.args[0], Traced):
        return None
    axis = call.args[1] if len(call.args) == 2 else call.options.get("axis")
    return ufunc, axis, bool(call.options.get("keepdims"))


def ufunc_of(call: RecordedCall) -> np.ufunc | None:
    """The ufunc that a call is, if it gives one array and has no option but out."""
    function = call.function
    ufunc = function if isinstance(function, np.ufunc) else OPERATOR_UFUNCS.get(function)
    if ufunc is None or ufunc.nout != 1 or call.options.keys() - {"out"}:
        return None
    return ufunc if is_array(call.target) else None


def takes_out(call: RecordedCall) -> bool:
    """Whether a call can write its result into an array that it is given."""
    if len(call.results) != 1 or not is_array(call.results[0]):
        return False
    if call.function in FILLING:
        return True
    return ufunc_of(call) is not None or reduction_by(call) is not None


def promotion_of(x: Any) -> Any:
    """What NumPy's promotion looks at: the dtype of an array, the type of a Python number."""
    x = x.value if isinstance(x, Traced | LiveNumber) else x
    return type(x) if is_python_number(x) else np.asarray(x).dtype
