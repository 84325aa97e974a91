"""Record a step, then replay it without building the graph again.

The first runs of the step are as written, on arrays that write down what NumPy is asked to do
(tracing.py, recording.py). Once two runs agree, their calls become a program (liveness.py,
codegen.py). It is checked against what the step computed, and runs from then on, as long as all
that the step can see (state.py) is as it was (guards.py).
"""

from __future__ import annotations

import functools
import threading
import types
from typing import Any

from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.core.switches import RECORDING, WATCHER
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.guards import MISS
from tinygrad_edu.programs.program import Program
from tinygrad_edu.programs.recording import Recording, signature_of

PATIENCE = 4  # if so many calls in a row each find another state, that is an error
PROGRAMS_KEPT = 8  # for each number of arguments; the oldest goes first


def replay(step: Function) -> Replay:
    """Record a training step, or any function of arrays, and replay it without building a graph.

    It returns and changes what it did before; the next call overwrites the array `p.grad`. Other
    shapes and settings are recorded anew; print `step.program` to see the calls. What a replay
    could not follow (decisions on values, random draws, counters) raises NotReplayable, and all is
    as before the call.

    >>> step = replay(lambda x: np.sin(x) * 2)
    >>> [step(np.full(1, i)).round(2).item() for i in range(4)]
    [0.0, 1.68, 1.82, 0.28]
    """
    return Replay(step)


class Replay:
    """A function that is first recorded, then replayed."""

    def __init__(self, function: Function) -> None:
        functools.update_wrapper(self, function)
        self.function, self.lock = function, threading.Lock()
        # Programs by (whether operations are recorded, number of arguments, names of options)
        self.found: dict[Any, list[Program]] = {}
        # By signature: the run before, and how many calls may still find another state
        self.earlier: dict[Any, tuple[Recording, int]] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if WATCHER.get() or RECORDER.get() is not None:
            return self.function(*args, **options)  # as written, or as a part of another step
        key = (bool(RECORDING.get()), len(args), *options)
        with self.lock:
            for program in self.found.get(key, ()):
                if (result := program.run(*args, *options.values())) is not MISS:
                    return result
            return self.record(key, args, options)

    @property
    def programs(self) -> list[Program]:
        """The programs so far: one for each signature and state."""
        return [program for found in self.found.values() for program in found]

    @property
    def program(self) -> Program:
        """The program that was made last."""
        if not self.programs:
            raise refusals.no_program()
        return self.programs[-1]

    def record(self, key: Any, args: Any, options: dict[str, Any]) -> Any:
        """Run the function as written, and trace it; once two traces agree, make a program."""
        now = Recording(self.function, args, options)
        signature = (*key, *map(signature_of, (*args, *options.values())))
        before, patience = self.earlier.pop(signature, (None, PATIENCE))
        try:
            if before and not (what := before.unsettled(now)):
                now.check_against(before)
                kept = self.found.get(key, [])[1 - PROGRAMS_KEPT :]
                self.found[key] = [*kept, Program(now)]
                now.forget()
                before.forget()
                return now.result
            if before and patience == 1:
                raise now.trace.doubt or refusals.changes_every_time(what)
        except BaseException:
            now.undo()
            raise
        self.earlier[signature] = now, patience - 1
        return now.result
