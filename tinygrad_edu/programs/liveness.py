"""What a program has to compute, and for how long each result is needed: the first half of a
compiler.

Calls whose results nobody uses are dropped. A copy of what does not change afterwards is no copy.
For every piece of memory, its `root`, the plan knows the first and the last call that touch it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.programs.tracing import UFUNC, Call, Live, Method, Trace, Traced, traced_in

Function = Callable[..., Any]

FOREVER = 1 << 60  # the last call that touches what is still there after the program
REDUCTIONS: dict[Any, np.ufunc] = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}
REDUCTIONS |= {getattr(np, name): ufunc for name, ufunc in REDUCTIONS.items()} | {
    np.amax: np.maximum,
    np.amin: np.minimum,
}
FILLED = {np.zeros_like, np.ones_like, np.empty_like}
COMMUTE: set[Function] = {operator.mul, np.multiply}
NEUTRAL: dict[Function, float] = dict.fromkeys(
    [*COMMUTE, operator.truediv, np.divide, operator.pow, np.power], 1
)  # x · 1 = x


class Plan:
    """The calls of a trace that are made, given the arrays that are wanted in the end."""

    def __init__(self, trace: Trace, outputs: list[Traced]) -> None:
        self.calls, self.outputs = trace.calls, outputs
        self.alias: dict[Traced, Traced] = {}  # a copy that is none ↦ what it would have copied
        self.constants: dict[Traced, Any] = {}
        self.fold()
        self.share_copies()
        self.drop_dead()
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

    def writes(self, root: Traced, start: int = 0) -> bool:
        """Whether a call from `start` on writes to it."""
        return any(
            call.written is not None and self.root(call.written) is root
            for call in self.calls[start:]
        )

    def changes_state(self, start: int) -> bool:
        """Whether a call from `start` on writes to what was there before."""
        return any(
            call.written is not None and not self.root(call.written).is_result
            for call in self.calls[start:]
        )

    def fold(self) -> None:
        """Arrays of zeros that stay zeros are constants."""
        filled = [call.results[0] for call in self.calls if call.function in FILLED]
        self.constants = {z: z.value for z in filled if not self.writes(z)}
        self.calls = [call for call in self.calls if self.constants.keys().isdisjoint(call.results)]

    def share_copies(self) -> None:
        """A copy of a result, neither of which is changed afterwards, is that result; but outputs
        stay apart."""
        owned = set(map(self.root, self.outputs))
        for i, call in enumerate(self.calls):
            if (x := copied(call)) is None:
                continue
            root, copy = self.root(x), call.results[0]
            if not root.is_result and (copy in owned or self.changes_state(i)):
                continue  # an argument may lie in the state
            if x.value.strides != copy.value.strides or (copy in owned and root in owned):
                continue
            if self.writes(root, i) or self.writes(copy, i):
                continue
            if copy in owned:
                owned.add(root)
            self.alias[copy] = x

    def drop_dead(self) -> None:
        """Keep the calls that something needs: an output, the state, or a call that is kept."""
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

    def joins(self, i: int, piece: Any, out: Traced) -> bool:
        """Whether a piece of what call i joins can be computed where it will be: until then nothing
        else happens there, and afterwards neither is changed while the other is needed."""
        if not isinstance(piece, Traced):
            return False
        root, target = self.root(piece), self.root(out)
        if (
            not root.is_result
            or root not in self.first
            or not takes_out(self.calls[self.first[root]])
        ):
            return False
        whole = root.size == piece.size and root.dtype == out.dtype
        if not (whole and root.value.flags.c_contiguous and piece.value.flags.c_contiguous):
            return False
        between = [x for call in self.calls[self.first[root] : i] for x in call.touched]
        if any(self.root(x) is target for x in [*between, *traced_in(self.calls[i].args)]):
            return False
        return self.last[root] <= i or not (self.writes(target, i + 1) or self.writes(root, i + 1))


def copied(call: Call) -> Traced | None:
    """The array that a call gives anew, if it does nothing else: x.copy(), +x, x ** 1, 1 * x."""
    if call.written is not None or len(call.results) != 1 or call.options or not call.args:
        return None
    x, z, neutral = call.args[0], call.results[0], NEUTRAL.get(call.function)
    if neutral is None:
        if call.name not in ("copy", "pos", "positive"):
            return None
    elif not is_number(call.args[1], neutral):
        if call.function not in COMMUTE or not is_number(x, neutral):
            return None
        x = call.args[1]
    if not (
        isinstance(x, Traced)
        and isinstance(x.value, np.ndarray)
        and isinstance(z.value, np.ndarray)
    ):
        return None
    return x if (x.shape, x.dtype) == (z.shape, z.dtype) else None


def is_number(x: Any, value: float) -> bool:
    """Whether x is this number, or an array full of it."""
    return isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(x == value))


def reduction_of(call: Call) -> tuple[np.ufunc, Any, bool] | None:
    """(ufunc, axis, keepdims) of a sum, product or extreme over axes of an array; None for any
    other call."""
    ufunc = REDUCTIONS.get(call.name if isinstance(call.function, Method) else call.function)
    if ufunc is None or call.written is not None or call.options.keys() - {"axis", "keepdims"}:
        return None
    if len(call.args) > 2 or not isinstance(call.args[0], Traced):
        return None
    return (
        ufunc,
        call.args[1] if len(call.args) == 2 else call.options.get("axis"),
        bool(call.options.get("keepdims")),
    )


def ufunc_of(call: Call) -> np.ufunc | None:
    """The ufunc that a call is, if it gives one array, and has no options."""
    ufunc = call.function if isinstance(call.function, np.ufunc) else UFUNC.get(call.function)
    if ufunc is None or ufunc.nout != 1 or call.options.keys() - {"out"}:
        return None
    return ufunc if isinstance(call.target.value, np.ndarray) else None


def takes_out(call: Call) -> bool:
    """Whether a call can write its result into an array that it is given."""
    gives_array = len(call.results) == 1 and isinstance(call.results[0].value, np.ndarray)
    return gives_array and (ufunc_of(call) is not None or reduction_of(call) is not None)


def weak(x: Any) -> Any:
    """What NumPy's rules of promotion look at: an array's dtype, or the type of a Python number."""
    x = x.value if isinstance(x, Traced | Live) else x
    return type(x) if type(x) in (int, float) else np.asarray(x).dtype
