"""Write down what a step asks NumPy to do: its calls in order, and what they rest on.

`Trace` is the recorder of core/marks.py. `at_replay` asks it for a number or array that is read
anew at every replay; `opaque`, for one call of a function that may assign.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import line_of_the_user, source
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.calls import (
    FILLING,
    METADATA,
    SHAPED_BY_VALUES,
    array_written_by,
)
from tinygrad_edu.programs.generators import (
    generator_state,
    global_generators,
    set_generator_state,
)
from tinygrad_edu.programs.live import LiveArray, LiveNumber, is_python_number
from tinygrad_edu.programs.nested import leaves
from tinygrad_edu.programs.traced import Traced, recorded_in, untraced


class RecordedCall:
    """A call: its arguments, what it gave, what it wrote to, and the user's line that led to it."""

    def __init__(
        self,
        function: Function,
        args: Any,
        options: dict[str, Any],
        written: Traced | None = None,
        opaque: bool = False,
    ) -> None:
        self.function, self.args, self.options = function, args, options
        self.written, self.opaque = written, opaque
        self.results: list[Traced] = []
        self.several = False  # whether it gave a list or tuple
        self.errors, self.line = np.geterr(), line_of_the_user()
        self.leaves = [] if function in FILLING else [*leaves((args, options))]
        self.traced = [x for x in self.leaves if isinstance(x, Traced)]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", str(self.function))

    @property
    def target(self) -> Traced:
        """The array that the call gives, or writes to."""
        return self.results[0] if self.written is None else self.written

    @property
    def touched(self) -> list[Traced]:
        return [*self.traced, *self.results]


class Trace:
    """The calls of one run of a function, in order; `generators` are all that it can see."""

    def __init__(self, generators: list[Any]) -> None:
        self.calls: list[RecordedCall] = []
        self.errors = np.geterr()
        # Arrays of the state that were written to, and what they held before
        self.saved: dict[int, tuple[Any, Any]] = {}
        # What is read anew at each replay: its name, the function that reads it, what that gave
        self.lives: list[tuple[str, Function, Any]] = []
        # Questions about live numbers, as code, and the answers that the trace rests on
        self.guards: list[tuple[str, Any]] = []
        # Containers whose numbers are read live; those of them that the reading changes
        self.excluded: list[Any] = []
        self.counted: list[Any] = []
        self.refusal: Exception | None = None
        self.doubt: Exception | None = None  # a refusal, unless the next run has no such cause
        every = [*global_generators(), *generators]
        self.generators = self.generators_before = [(g, generator_state(g)) for g in every]

    def record(
        self, function: Function, args: Any, options: dict[str, Any], opaque: bool = False
    ) -> Any:
        """Run a call and write it down.

        After the trace, or in another thread, it is only run.
        """
        if RECORDER.get() is not self:
            return function(*untraced(args), **untraced(options))
        if function in SHAPED_BY_VALUES or (function is np.where and len(args) == 1):
            self.refuse(refusals.shape_of_values(function, source(*line_of_the_user())))
        written = array_written_by(function, args, options)
        if isinstance(written, Traced):
            self.save(written)
        value = function(*untraced(args), **untraced(options))
        if isinstance(written, np.ndarray):
            line = source(*line_of_the_user())
            self.doubt = self.doubt or refusals.writes_unseen(written, line)
            return value
        if function in METADATA:
            return value
        call = RecordedCall(function, args, options, written, opaque)
        self.calls.append(call)
        return self.results(call, value) if written is None else written

    def results(self, call: RecordedCall, value: Any) -> Any:
        """What a call gave, with each array traced."""
        if value is None:
            return None
        call.several = isinstance(value, tuple | list)
        for i, z in enumerate(value if call.several else [value]):
            if not isinstance(z, np.ndarray | np.generic):
                what = f"{call.name}, which gives {type(z).__name__},"
                self.refuse(refusals.value_leaves(what, source(*line_of_the_user())))
            shared = (x.base for x in call.traced if np.may_share_memory(z, x.value))
            call.results.append(Traced(self, z, f"#{len(self.calls)}.{i}", next(shared, None)))
        if not call.several:
            return call.results[0]
        kind = type(value)
        return kind(*call.results) if hasattr(value, "_fields") else kind(call.results)

    def opaque(self, function: Function, args: Any, options: dict[str, Any]) -> Any:
        """Run an opaque function; write the call down if an argument is recorded."""
        if not any(map(recorded_in, (*args, *options.values()))):
            return function(*args, **options)
        return self.record(function, args, options, opaque=True)

    def at_replay(self, function: Function, of: Any) -> Any:
        """Run `at_replay(function, of)` within the trace, and return what it gives."""
        self.check_generators()
        before = of.copy() if isinstance(of, dict | list) else None
        token = RECORDER.set(None)  # each replay calls it: its own calls are not the step's
        try:
            value = function()
        finally:
            RECORDER.reset(token)
        self.excluded.append(of)
        if before is not None and before != of:
            self.counted.append(of)
        self.generators = [(g, generator_state(g)) for g, _ in self.generators]
        name = f"n{len(self.lives)}"
        self.lives.append((name, function, value))
        if isinstance(value, np.ndarray | np.generic):
            call = RecordedCall(LiveArray(name, function), (), {}, opaque=True)
            self.calls.append(call)
            return self.results(call, value)
        if is_python_number(value):
            return LiveNumber(self, value, name)
        self.guards.append((name, value))
        return value

    def save(self, x: Traced) -> None:
        """Keep what an array of the state holds, before it is written to."""
        if not x.base.is_result:
            self.saved.setdefault(id(x.base), (x.base.memory, x.base.memory.copy()))

    def rewind(self) -> None:
        """Give the state's arrays the numbers that they had before."""
        for memory, before in self.saved.values():
            memory[...] = before

    def restore(self) -> None:
        """Put the state's arrays and the generators back to what they were before."""
        self.rewind()
        for generator, state in self.generators_before:
            set_generator_state(generator, state)

    def check_generators(self) -> None:
        """Refuse the step if it has drawn random numbers outside of `at_replay`."""
        for generator, state in self.generators:
            if repr(generator_state(generator)) != repr(state):
                self.refuse(refusals.random_draw(generator, source(*line_of_the_user())))

    def refuse(self, error: Exception) -> None:
        """Raise the error, and remember it, because the step may catch it."""
        if RECORDER.get() is self:
            self.refusal = self.refusal or error
        raise error
