"""The audit of a program: now and then the step runs as written beside it, from the same state.

What the list of the world has missed shows itself so, once, instead of lasting.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.programs.away import bring_home
from tinygrad_edu.programs.guards import MISS
from tinygrad_edu.programs.nested import map_leaves
from tinygrad_edu.programs.numpy.compiled import Compiled
from tinygrad_edu.programs.program import Array
from tinygrad_edu.programs.tracing.generators import (
    generator_state,
    global_generators,
    set_generator_state,
)
from tinygrad_edu.programs.tracing.places import same_keys
from tinygrad_edu.programs.tracing.record import Interpreter, Live, Repeater, refill
from tinygrad_edu.programs.tracing.recording import (
    copied_leaf,
    copied_value,
    same_numbers,
    settle,
    values_of,
)


class StateCopy:
    """All that a step can change: arrays, places, containers, generators."""

    def __init__(self, compiled: Compiled, arguments: list[Any]) -> None:
        world, trace = compiled.now.world, compiled.now.trace
        self.owners = world.owners()
        self.places = [(place, place.get()) for place in world.places]
        arrays = [*arguments, *[now for _, now in self.places]]  # a gradient may be another now
        arrays = [*self.owners, *[x for x in arrays if isinstance(x, np.ndarray)]]
        self.arrays = [(x, x.copy()) for x in arrays if x.flags.writeable]
        counted = [x for live in trace.lives for x in live.counted]
        containers = [*[x for x, _, _ in world.sized if type(x) in (dict, list, set)], *counted]
        self.containers = [(x, x.copy()) for x in containers]
        generators = [*global_generators(), *world.generators]
        self.generators = [(g, generator_state(g)) for g in generators]

    def put_back(self) -> None:
        """Make all that the step can change what it was."""
        for container, copy in self.containers:
            if not same_keys(container, copy) or type(container) is dict:
                refill(container, copy)
        for place, value in self.places:
            place.set_if_changed(value)
        for array, copy in self.arrays:
            array[...] = copy
        for generator, state in self.generators:
            set_generator_state(generator, state)


class Audit:
    """One call of a program and of the step as written; `what` differs, or is empty.

    The result and the state are the step's own; `result` is MISS if the program does not fit.
    The calls are made as they were recorded, so that they must give the step's own bits.
    """

    def __init__(self, compiled: Compiled, args: Any, options: dict[str, Any]) -> None:
        now, self.what, self.result = compiled.now, "", MISS
        values = [*args, *options.values()]
        snapshot = StateCopy(compiled, [x.data if isinstance(x, Tensor) else x for x in values])
        began = time.perf_counter()
        with Noting(compiled) as lives:
            try:
                fits = compiled.run(*values) is not MISS
            except Exception:
                fits = True  # the step as written has its own say
        self.replayed = time.perf_counter() - began
        bring_home()
        if not fits:
            return
        drawn = [(g, generator_state(g)) for g, _ in snapshot.generators]
        snapshot.put_back()
        given = dict(zip(now.arguments, values, strict=True))
        try:
            found, put, after = self.calls_made(compiled, given, lives, snapshot)
        except Exception as error:
            found, put, after = [repr(error)], {}, []
        finally:
            snapshot.put_back()
        began = time.perf_counter()
        token = RECORDER.set(Repeater(lives))
        try:
            result = map_leaves(copied_leaf, now.function(*args, **options))
        finally:
            RECORDER.reset(token)
            for generator, state in drawn:
                set_generator_state(generator, state)
        self.as_written = time.perf_counter() - began
        pairs = [("what it returns", *pair) for pair in zip(found, values_of(result), strict=False)]
        pairs += [(place.path, value, np.copy(place.get())) for place, value in put.items()]
        names = {id(x): path for x, path in now.world.arrays.values()}
        for x, then in zip(snapshot.owners, after, strict=False):
            pairs.append((names.get(id(x), "its state"), then, x))
        self.what = next((what for what, a, b in pairs if not same_numbers(a, b)), "")
        settle(now.kept)
        self.result = result

    def calls_made(
        self, compiled: Compiled, given: dict[str, Any], lives: list[Live], snapshot: StateCopy
    ) -> Any:
        """Make the recorded calls; return what they return, put in places and leave in arrays."""
        program = compiled.recorded
        inputs = [given[x.name] for x in program.inputs]
        inputs = [x.data if isinstance(x, Tensor) else x for x in inputs]
        ran = Interpreter(program, inputs, {live.name: live.value for live in lives})

        def value(z: Any) -> Any:
            z = z.data if hasattr(z, "data") and not isinstance(z, np.ndarray | Array) else z
            return copied_value(ran.now(z))

        found = values_of(map_leaves(value, program.returned))
        kept = [(place, store.value) for place, store in compiled.now.kept]
        put = {place: np.copy(ran.now(x)) for place, x in kept if isinstance(x, Array)}
        return found, put, [np.copy(x) for x in snapshot.owners]


class Noting:
    """Within the block a program notes what its live values are: each is asked once."""

    def __init__(self, compiled: Compiled) -> None:
        code = compiled.run.__code__
        cells = dict(zip(code.co_freevars, compiled.run.__closure__ or (), strict=True))
        self.lives = [Live(live.name, live.function, None) for live in compiled.now.trace.lives]
        for live, before in zip(self.lives, compiled.now.trace.lives, strict=True):
            live.counted = before.counted
        self.cells = [(cells[f"live_{live.name}"], live) for live in self.lives]

    def __enter__(self) -> list[Live]:
        for cell, live in self.cells:
            cell.cell_contents = functools.partial(asked, live)
        return self.lives

    def __exit__(self, *error: Any) -> None:
        for cell, live in self.cells:
            cell.cell_contents = live.function


def asked(live: Live) -> Any:
    """Ask a live value, and note it with what asking has changed."""
    live.value = live.function()
    live.after = [(x, x.copy()) for x in live.counted]
    return np.copy(live.value)[()] if isinstance(live.value, np.ndarray) else live.value
