"""Record a step, then replay it without building the graph again.

A call that no program fits is recorded: the step runs on arrays that write down what NumPy is asked
to do (tracing/), and once more as written, whose numbers must be the same. If it has left the state
as it was, save for numbers in arrays, its calls become a program (numpy/). It runs from then on, as
long as all that the step can read (tracing/search.py) is as it was (guards.py).
"""

from __future__ import annotations

import collections
import contextlib
import functools
import gc
import threading
import time
import types
import warnings
from collections.abc import Iterator
from typing import Any

from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.core.switches import RECORDING, WATCHER
from tinygrad_edu.programs import backends, refusals
from tinygrad_edu.programs.audit import Audit
from tinygrad_edu.programs.away import AWAY, at_home, bring_home
from tinygrad_edu.programs.guards import MISS
from tinygrad_edu.programs.numpy.compiled import Compiled
from tinygrad_edu.programs.numpy.picture import bytes_picture
from tinygrad_edu.programs.program import Program
from tinygrad_edu.programs.tracing.recording import Recording, signature_of

PATIENCE = 4  # if so many calls in a row find something else in the same place, that is an error
IN_A_LIST = 8  # programs that are asked in turn; of more, only those of the same shapes are asked
PROGRAMS_KEPT = 64  # the oldest goes first
SEEN = 4096  # signatures that are remembered; their programs may be gone


def replay(
    step: Function | None = None,
    *,
    backend: str = "numpy",
    devices: Any = None,
    audit: bool = True,
) -> Any:
    """Record a training step, or any function of arrays, and replay it without building a graph.

    It returns and changes what it did before; the next call overwrites the array `p.grad`. Other
    settings are recorded anew, and other shapes when they come again; print `step.program`. What it
    could not follow raises NotReplayable, and all is as before. `backend`: "jax" runs on `devices`.
    With `audit`, calls 2, 4, 8, … also run the step as written: a difference ends the replaying.

    >>> step = replay(lambda x: np.sin(x) * 2)
    >>> [step(np.full(1, i)).round(2).item() for i in range(4)]
    [0.0, 1.68, 1.82, 0.28]
    """
    options: Any = {"audit": audit, "backend": backend, "devices": devices}
    return Replay(step, **options) if step else functools.partial(Replay, **options)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Within it Python's collector of cycles waits: it would visit all calls again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Replay:
    """A function that is first recorded, then replayed."""

    def __init__(
        self, function: Function, audit: bool = True, backend: str = "numpy", devices: Any = None
    ) -> None:
        functools.update_wrapper(self, function)
        self.backend, self.devices = backend, devices
        self.compiler = backends.compiler(backend, devices)
        self.function, self.audit, self.lock = function, audit, threading.RLock()
        self.is_running = self.is_given_up = False
        # Programs by (whether operations are recorded, number of arguments, names of options), and
        # by shapes as well if that are many
        self.found: dict[Any, list[Compiled]] = {}
        self.many: set[Any] = set()
        # By signature: in how many calls a path has led to something else afterwards
        self.earlier: dict[Any, collections.Counter[str]] = {}
        self.stored: set[Any] = set()  # where it puts numbers and gradients, by container and key
        self.seen: dict[Any, None] = {}  # the last signatures
        self.times = Times()

    def __set_name__(self, owner: Any, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method's replay belongs to its object, in whose attributes it stands from now on."""
        if instance is None:
            return self
        method = types.MethodType(self.function, instance)
        name = getattr(self, "name", method.__name__)
        try:
            return vars(instance).setdefault(name, Replay(method, *self.options))
        except TypeError:  # it has slots only
            return types.MethodType(self, instance)

    @property
    def options(self) -> Any:
        return self.audit, self.backend, self.devices

    def sync(self) -> None:
        """Bring the state home, if it lies on devices; whoever reads p.data does so anyway."""
        if sync := getattr(self.compiler, "sync", None):
            sync()

    def __reduce__(self) -> Any:
        owner = getattr(self.function, "__self__", None)
        names = [name for name, x in getattr(owner, "__dict__", {}).items() if x is self]
        if names:  # of a method: the copy's is made anew
            return getattr, (owner, names[0])
        return Replay, (self.function, *self.options)

    def __call__(self, *args: Any, **options: Any) -> Any:
        if WATCHER.get() or RECORDER.get() is not None:
            return self.function(*args, **options)  # as written, or as a part of another step
        key: Any = (bool(RECORDING.get()), len(args), *options)
        if key in self.many:
            key = (key, *map(signature_of, (*args, *options.values())))
        with self.lock:
            if self.is_running or self.is_given_up:  # a live value may call its step
                return self.function(*args, **options)
            try:
                self.is_running = True
                if AWAY:
                    bring_home(but=self.compiler)
                for program in self.found.get(key, ()):
                    number = program.calls + 2  # the first call was recorded
                    if self.audit and number & (number - 1) == 0:
                        result = self.audited(program, args, options)
                    else:
                        result = program.run(*args, *options.values())
                    if result is not MISS:
                        program.calls += 1
                        return result
                if self.came_first(key, args, options):
                    return self.function(*args, **options)
                return self.record(key, args, options)
            finally:
                self.is_running = False

    def came_first(self, key: Any, args: Any, options: dict[str, Any]) -> bool:
        """Whether these shapes come for the first time, after others: they may never come again."""
        signature = (*key, *map(signature_of, (*args, *options.values())))
        is_new = bool(self.found) and signature not in self.seen
        self.seen[signature] = None
        if len(self.seen) > SEEN:
            del self.seen[next(iter(self.seen))]
        return is_new

    @property
    def programs(self) -> list[Program]:
        """The programs so far: one for each signature and state."""
        return [compiled.program for found in self.found.values() for compiled in found]

    @property
    def program(self) -> Program:
        """The program that was made last."""
        return self.last.program

    @property
    def last(self) -> Compiled:
        if not (every := [compiled for found in self.found.values() for compiled in found]):
            raise refusals.no_program()
        return max(every, key=lambda compiled: compiled.order)

    @property
    def passes(self) -> dict[str, str]:
        """The program that was made last, as text after each pass of the compiler."""
        last = self.last
        stages = {**last.stages, "buffers assigned": last.program}
        return {name: str(stage) for name, stage in stages.items()}

    def report(self) -> str:
        """How many calls were recorded and replayed, and how many seconds that took and saved."""
        calls = [compiled.calls for found in self.found.values() for compiled in found]
        return self.times.report(len(calls), sum(calls))

    def picture(self) -> str:
        """An SVG: which bytes live from which line of the program to which."""
        if not hasattr(self.last, "code"):
            raise refusals.no_picture(self.backend)
        return bytes_picture(self.last.code, self.last.now.name)

    def audited(self, program: Compiled, args: Any, options: dict[str, Any]) -> Any:
        """Run a program, and the step as written beside it, whose result and state stand.

        If the program differs, the step is not replayed any more, and a warning says what differs.
        """
        self.sync()
        audit = Audit(program, args, options)
        if audit.result is not MISS:
            self.times.replayed, self.times.as_written = audit.replayed, audit.as_written
        if audit.what:
            self.found.clear()
            self.is_given_up = True
            warnings.warn(refusals.audit_failed(program.now.name, audit.what), stacklevel=4)
        return audit.result

    @collector_paused()
    def record(self, key: Any, args: Any, options: dict[str, Any]) -> Any:
        """Run the function on traced arrays, and as written; make a program if it has settled."""
        began = time.perf_counter()
        self.sync()
        args, options = at_home((args, options))
        signature = (*key, *map(signature_of, (*args, *options.values())))
        found = self.earlier.pop(signature, collections.Counter())
        now = Recording(self.function, args, options, self.stored)
        self.stored |= now.replaced
        what = now.unsettled
        found[path := what.partition(":")[0]] += 1
        if what and found[path] == PATIENCE:
            raise now.trace.doubt or refusals.changes_every_time(what)
        recurs = now.is_of_gradients and found[path] > 1
        compiled = self.compiler(now) if recurs or not what else None
        result = now.result_as_written()
        if compiled:
            compiled.order = self.times.recorded
            compiled.signature = signature[len(key) :]
            self.keep(key, compiled)
        else:
            self.earlier[signature] = found
        now.forget()
        self.times.recording += time.perf_counter() - began
        self.times.recorded += 1
        return result

    def keep(self, key: Any, compiled: Compiled) -> None:
        """Add a program to those of its key; let go of the oldest if there are too many."""
        found = self.found.setdefault(key, [])
        found.append(compiled)
        if len(found) > IN_A_LIST and isinstance(key[0], bool):
            self.many.add(key)
            for one in self.found.pop(key):
                self.found.setdefault((key, *one.signature), []).append(one)
        elif len(found) > IN_A_LIST:
            del found[0]
        every = [one for found in self.found.values() for one in found]
        if len(every) > PROGRAMS_KEPT:
            oldest = min(every, key=lambda one: one.order)
            self.found = {
                key: kept
                for key, found in self.found.items()
                if (kept := [one for one in found if one is not oldest])
            }


class Times:
    """How long a step took as written, recorded and replayed, in seconds."""

    def __init__(self) -> None:
        self.recorded, self.recording = 0, 0.0
        self.as_written = self.replayed = 0.0  # for one call, as the last audit found

    def report(self, programs: int, replayed: int) -> str:
        lines = [
            f"{self.recorded} calls recorded in {self.recording:.3f} s, {programs} programs",
            f"{replayed} calls replayed",
        ]
        if self.as_written:
            gain = self.as_written - self.replayed
            lines.append(
                f"a call takes {self.as_written * 1e6:,.0f} µs as written, "
                f"{self.replayed * 1e6:,.0f} µs replayed"
            )
            if gain > 0:
                pays = self.recording / gain
                lines.append(
                    f"{gain * replayed - self.recording:.3f} s saved: pays after {pays:,.0f} calls"
                )
            else:
                lines.append("it never pays: run the step as it is")
        return "\n".join(lines)
