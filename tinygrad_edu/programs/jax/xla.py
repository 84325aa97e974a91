"""A program as one function of jax.numpy, which XLA compiles: of its state, numbers and arrays.

XLA's arrays never change. So an array that the program writes to, or that is older than the step,
lies in a *memory*: a vector, of which a program's arrays are views, and for which each call that
writes puts another one. All else is a value.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.jax.xla_calls import CHECKED, are_within, indices_of, jax_call
from tinygrad_edu.programs.loops.loops import elements_between, in_elements
from tinygrad_edu.programs.loops.statements import Elements
from tinygrad_edu.programs.passes import drop_dead_calls
from tinygrad_edu.programs.program import Array, Call, Number, Program, arrays_among, data_in
from tinygrad_edu.programs.tracing.record import LiveArray
from tinygrad_edu.programs.tracing.traced import memory_owner


class Memory:
    """The vector in which arrays of a program lie: that of `owner`, an array of NumPy."""

    def __init__(self, owner: Any, is_state: bool) -> None:
        self.owner, self.is_state, self.is_written = owner, is_state, False
        steps = Elements(self, 0, in_elements(owner.strides, owner.dtype), owner.shape)  # type: ignore[arg-type]
        if not in_order(steps)[1]:
            raise TypeError("an array with gaps in its memory")

    def place(self, x: Any) -> Elements:
        """Where a view of the owner lies."""
        if x.dtype != self.owner.dtype:
            raise TypeError(f"a view as {x.dtype} of an array that changes")
        offset = elements_between(self.owner, x)
        return Elements(self, offset, in_elements(x.strides, x.dtype), x.shape)  # type: ignore[arg-type]


class Lowered:
    """A program, to be traced by JAX; made while the recording's own arrays are still there.

    Called with the memories that the program changes, those that it only reads, the live numbers,
    the live arrays and inputs, it returns the changed memories, what is stored and returned, and
    whether all checks passed: if not, the memories are as before.
    """

    def __init__(self, program: Program) -> None:
        self.program = program = drop_dead_calls(program)
        self.memories: dict[int, Memory] = {}
        self.places: dict[Array, Elements] = {}
        for call in program.calls:
            with blaming(call):
                self.look_at(call)
        self.targets = {
            id(store): self.place_in_state(store.there) for store in program.stores if store.copied
        }
        for place in self.targets.values():
            place.root.is_written = True  # type: ignore[attr-defined]
        for call in program.calls:
            with blaming(call):
                for x in [*call.touched, *([call.written] if call.written else [])]:
                    self.locate(x)
        for x in program.outputs:
            self.locate(x)
        state = [m for m in self.memories.values() if m.is_state]
        self.changing = [m for m in state if m.is_written]
        self.fixed = [m for m in state if not m.is_written]
        numbers = [x for call in program.calls for x in call.leaves]
        self.numbers = [*dict.fromkeys(x.code for x in numbers if isinstance(x, Number))]
        self.checked: list[tuple[Array, int]] = []  # indices, and how many there are to choose from
        self.before = self.made_before()
        opaque = [call for call in [*filter(is_live, program.calls), *self.before] if call.opaque]
        results = dict.fromkeys(z for call in opaque for z in call.results)
        self.given = [*program.inputs, *program.reads, *results]
        self.rewritten = [x for x in program.reads if x in self.places]  # gradients, in place
        put = [store.value for store in program.stores if not store.copied] + self.rewritten
        self.outputs = [*dict.fromkeys(arrays_among([put, data_in(program.returned)]))]

    # Where arrays lie

    def look_at(self, call: Call) -> None:
        """Note what a call writes to; refuse what has no meaning in XLA."""
        if "raise" in call.errors.values() or "call" in call.errors.values():
            raise TypeError("np.errstate(…='raise') has no meaning here")
        if call.written is None:
            return
        root = call.written.holder
        if root in self.program.inputs:
            raise TypeError(f"it writes to the argument {root.name}")
        self.memory_of(root).is_written = True

    def memory_of(self, root: Array) -> Memory:
        owner = memory_owner(root.value) if isinstance(root.value, np.ndarray) else root.value
        is_state = not root.is_result and root not in self.program.reads
        return self.memories.setdefault(id(owner), Memory(owner, is_state))

    def place_in_state(self, x: Any) -> Elements:
        owner = memory_owner(x)
        return self.memories.setdefault(id(owner), Memory(owner, True)).place(x)

    def locate(self, x: Array) -> None:
        """Note where an array lies, if it lies in a memory."""
        root = x.holder
        owner = memory_owner(root.value) if isinstance(root.value, np.ndarray) else root.value
        is_given = root in self.program.inputs or root in self.program.reads
        if x not in self.places and (
            id(owner) in self.memories or not (root.is_result or is_given)
        ):
            self.places[x] = self.memory_of(root).place(x.value)

    # What NumPy does before

    def made_before(self) -> list[Call]:
        """The opaque calls, and all that they need: NumPy makes them, of what is given.

        So it does with indices that come from the arguments: it checks them.
        """
        makers, views = dict[Array, Call](), {*self.program.inputs}
        known = {*views, *self.program.reads}
        known |= {x for x, place in self.places.items() if self.memory_of(x.holder) in self.fixed}
        pending: list[Call] = []
        for call in self.program.calls:
            is_known = known.issuperset(call.arrays) and call.written is None
            if is_known:
                known |= {*call.results}
                makers |= dict.fromkeys(call.results, call)
            with blaming(call):
                self.checked += [(x, n) for x, n in indices_of(call) if x in views]
            if is_known and views.issuperset(call.arrays) and (call.opaque or call.name in VIEWS):
                views |= {*call.results}
            if call.opaque and call.name not in CHECKED and not is_live(call):
                if not is_known:
                    raise refusals.not_before(call.name, call.line)
                pending.append(call)
        pending += [makers[x] for x, _ in self.checked if x in makers]
        needed = dict[int, Call]()
        while pending:
            call = pending.pop()
            needed[id(call)] = call
            pending += [makers[x] for x in call.arrays if x in makers]
        return [call for call in self.program.calls if id(call) in needed]

    # The function

    def __call__(
        self, changing: Any, fixed: Any, numbers: Any, given: Any, seen: Any = None
    ) -> Any:
        """The step; `seen` is given each value, and returns what to go on with."""
        run = Tracing(self, changing, fixed, numbers, given)
        for call in self.program.calls:
            with blaming(call):
                run.make(call, seen)
        values = [
            (self.targets[id(s)], run.value(s.value)) for s in self.program.stores if s.copied
        ]
        outputs = [jnp.asarray(run.value(x)) for x in self.outputs]
        for place, value in values:
            run.put(place, value)
        after = [run.memories[m] for m in self.changing]
        if not run.conditions:
            return after, outputs, None
        passed = jnp.all(jnp.stack(run.conditions))
        return (
            [jnp.where(passed, z, x) for z, x in zip(after, changing, strict=True)],
            outputs,
            passed,
        )


class Tracing:
    """One run of a program under JAX's trace."""

    def __init__(self, of: Lowered, changing: Any, fixed: Any, numbers: Any, given: Any) -> None:
        self.places, self.checked = of.places, of.checked
        self.memories = dict(zip([*of.changing, *of.fixed], [*changing, *fixed], strict=True))
        self.numbers = dict(zip(of.numbers, numbers, strict=True))
        self.values: dict[Array, Any] = dict(zip(of.given, given, strict=True))
        self.made = {*of.given}
        for x in of.rewritten:
            self.put(of.places[x], self.values.pop(x))
        self.conditions: list[Any] = []

    def value(self, x: Any) -> Any:
        """An argument of a call, as JAX has it."""
        if isinstance(x, slice):
            return slice(*map(self.value, (x.start, x.stop, x.step)))
        if isinstance(x, tuple | list):
            items = [self.value(item) for item in x]
            return tuple(items) if isinstance(x, tuple) else items
        if isinstance(x, Number):
            return self.numbers[x.code]
        if not isinstance(x, Array):
            return x
        if x in self.places:
            return piece(self.memories[self.places[x].root], self.places[x])  # type: ignore[index]
        return self.values[x]

    def make(self, call: Call, seen: Any) -> None:
        """Make one call: remember its values, or put what it writes."""
        if self.made.issuperset(call.results) and call.results:
            values = [self.values[x] for x in call.results]  # NumPy has made it before
        else:
            for x, n in indices_of(call):
                if (x, n) not in self.checked:
                    self.conditions.append(are_within(self.value(x), n))
            value = jax_call(call, self.value, self.conditions)
            values = [*value] if call.several else [value]
        targets: list[Any] = call.results or [call.written]
        for x, z in zip(targets, values, strict=True):
            z = jnp.asarray(z).astype(x.dtype)
            if z.shape != x.shape:
                z = jnp.broadcast_to(z, x.shape)
            z = seen(z) if seen else z
            if x not in self.places:
                self.values[x] = z
            elif call.written is not None or x.holder is x:
                self.put(self.places[x], z)

    def put(self, place: Elements, z: Any) -> None:
        memory: Any = place.root
        if memory not in self.memories:
            self.memories[memory] = jnp.zeros(memory.owner.size, memory.owner.dtype)
        self.memories[memory] = replaced(self.memories[memory], place, z)


VIEWS = {"reshape", "ravel", "flatten", "astype", "copy"}


def is_live(call: Call) -> bool:
    """Whether it gives an array that is read anew at every call."""
    return isinstance(call.function, LiveArray)


@contextlib.contextmanager
def blaming(call: Call) -> Iterator[None]:
    """Within the block, what JAX cannot do is refused with the name and the line of the call."""
    try:
        yield
    except refusals.NotReplayable:
        raise
    except Exception as error:
        raise refusals.not_in_jax(
            call.name, f"{type(error).__name__}: {error}", call.line
        ) from error


# Views of a vector


def in_order(place: Elements) -> tuple[list[int], bool]:
    """The axes from the largest step to the smallest, and whether there are no gaps."""
    axes = sorted(range(len(place.shape)), key=lambda a: (-place.strides[a], -place.shape[a], a))
    step, dense = 1, True
    for a in reversed(axes):
        if place.shape[a] != 1:
            dense, step = dense and place.strides[a] == step, step * place.shape[a]
    return axes, dense


def places_in(place: Elements, size: int) -> Any:
    """The number in the vector of each element of a view."""
    every = np.arange(size)
    steps = [step * every.itemsize for step in place.strides]
    return as_strided(every[place.offset :], place.shape, steps)


def piece(vector: Any, place: Elements) -> Any:
    """The view of a vector that lies in a place."""
    size = math.prod(place.shape)
    axes, dense = in_order(place)
    if not size:
        return jnp.zeros(place.shape, vector.dtype)
    if not dense:
        return vector[places_in(place, vector.size)]
    part = vector[place.offset : place.offset + size].reshape([place.shape[a] for a in axes])
    return part.transpose(np.argsort(axes))


def replaced(vector: Any, place: Elements, z: Any) -> Any:
    """The vector with other numbers in a place."""
    size = math.prod(place.shape)
    axes, dense = in_order(place)
    if not size:
        return vector
    if not dense:
        return vector.at[places_in(place, vector.size)].set(z)
    part = z.transpose(axes).reshape(-1)
    if size == vector.size:
        return part
    return vector.at[place.offset : place.offset + size].set(part)
