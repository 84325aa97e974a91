"""A recording compiled to loops: what a compiler of loops needs beside `Compiled`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.engine import plain
from tinygrad_edu.programs.checking import Checker
from tinygrad_edu.programs.loops.fused import FusedCode
from tinygrad_edu.programs.numpy.codegen import Code
from tinygrad_edu.programs.numpy.compiled import Compiled
from tinygrad_edu.programs.program import Call, Program
from tinygrad_edu.programs.refusals import NotReplayable
from tinygrad_edu.programs.tracing.record import Interpreter
from tinygrad_edu.programs.tracing.recording import Recording
from tinygrad_edu.programs.tracing.traced import memory_owner

SHAKEN = 4  # units in the last place by which the results of calls are changed
# These give numbers that they are given: nothing is rounded, and x == max(x) stays true
EXACT = """max min amax amin maximum minimum neg negative abs absolute pos positive copy where clip
getitem setitem copyto concatenate stack pad take take_along_axis reshape ravel flatten astype sort
broadcast_to roll flip tile repeat zeros_like ones_like full_like"""


class Looped(Compiled):
    """A recording as compiled loops; as NumPy's calls if the loops give other numbers."""

    machine: Any

    def __init__(self, now: Recording) -> None:
        self.falls_back = False
        try:
            super().__init__(now)
        except NotReplayable:
            self.fall_back(now)

    def fall_back(self, now: Recording) -> None:
        """Let NumPy make the calls: loops would give other numbers, or have no compiler."""
        self.falls_back = True
        super().__init__(now)

    def make_code(self, program: Program) -> Code:
        return Code(program) if self.falls_back else FusedCode(program, type(self).machine)

    def checker(self, compared: list[tuple[Call, int]]) -> Checker:
        checker = super().checker(compared)
        if not self.falls_back:
            checker.doubt = self.doubts()
        return checker

    def doubts(self) -> dict[tuple[int, int], float]:
        """For a call's id and the number of a result: how much rounding may change it.

        Loops round otherwise than NumPy does. How much that matters NumPy itself shows: it makes
        the calls again, and each result is changed in its last digits.
        """
        program, trace = self.now.program, self.now.trace
        inputs = [np.copy(x.value)[()] for x in program.inputs]
        try:
            found = Shaken(program, inputs, dict(program.lives) | live_arrays(trace)).gave
        finally:
            trace.rewind()
        return {
            (id(call), k): float(distance(x, y))
            for call, now, before in zip(program.calls, found, trace.gave, strict=True)
            for k, (x, y) in enumerate(zip(now, before, strict=True))
        }

    def apart(self) -> list[str]:
        """An argument in memory that the step writes to is read at another time by the loops."""
        if not isinstance(self.code, FusedCode):
            return []
        owners = [memory_owner(x.value) for x in self.code.program.written]
        written, lines = {id(owner): owner for owner in owners}, list[str]()
        for name, x in self.guards.arguments:
            if isinstance(plain(x), np.ndarray):
                lies_there = self.guards.lies_in(written, name, "base")
                lines += [f"base = {name}.base", f"if {lies_there}: return MISS"]
        return lines


def live_arrays(trace: Any) -> dict[str, Any]:
    return {live.name: live.value for live in trace.lives}


def distance(x: Any, y: Any) -> Any:
    """The greatest difference between two arrays, of what is finite in the second."""
    x, y = np.asarray(x), np.asarray(y)
    if y.dtype.kind != "f" or x.shape != y.shape:
        return 0.0
    with np.errstate(all="ignore"):
        apart = np.abs(x - y)[np.isfinite(y)]
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0.0)


class Shaken(Interpreter):
    """The calls of a program, each result of which is changed by some units in the last place."""

    def __init__(self, program: Program, inputs: list[Any], lives: dict[str, Any]) -> None:
        self.rng, self.gave = np.random.default_rng(0), list[list[Any]]()
        super().__init__(program, inputs, lives)

    def make(self, call: Call) -> None:
        with np.errstate(all="ignore"):
            super().make(call)
        gave = call.results or ([] if call.written is None else [call.written])
        for x in gave:
            is_view = call.results and x.holder is not x
            if not is_view and call.name not in EXACT.split():
                self.shake(x)
        self.gave.append([np.copy(self.now(x)) for x in gave])

    def shake(self, x: Any) -> None:
        value = self.now(x)
        if value.dtype.kind != "f":
            return
        noise = 1 + SHAKEN * np.finfo(value.dtype).eps * self.rng.uniform(-1, 1, value.shape)
        if x.is_scalar:
            self.found[x] = value.dtype.type(value * noise)
        elif value.flags.writeable:
            value[...] = value * noise
