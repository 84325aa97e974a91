"""One call of a step, recorded: its program, and the world that the program rests on."""

from __future__ import annotations

import functools
import gc
import types
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor, new_tensor
from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.core.switches import WATCHER
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.checking import largest_finite, same_bits
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array, Maker, Number, Program, ReturnedTensor, Store
from tinygrad_edu.programs.tracing.generators import set_generator_state
from tinygrad_edu.programs.tracing.places import ATOMS, Place
from tinygrad_edu.programs.tracing.record import Repeater, Trace
from tinygrad_edu.programs.tracing.traced import (
    Traced,
    as_data,
    data_of_leaf,
    is_recorded,
    memory_owner,
)
from tinygrad_edu.programs.tracing.world import World


class Recording:
    """One run of a function on traced arrays, and its program; afterwards all is as before."""

    def __init__(
        self, function: Function, args: Any, options: dict[str, Any], stored: set[Any]
    ) -> None:
        self.function, self.args, self.options = function, args, options
        self.name = getattr(function, "__name__", "step")
        names = argument_names(function, len(args), options)
        self.arguments = dict(zip(names, (*args, *options.values()), strict=True))
        objects = {name: x for name, x in self.arguments.items() if not is_plain_value(name, x)}
        self.world = World({self.name: function, **objects}, stored)
        self.trace = Trace(
            self.world.generators,
            [x for x, _, _ in self.world.sized],
            self.world.paths,
            Recording.run.__code__,
        )
        self.inputs = dict[str, Array]()
        token = RECORDER.set(self.trace)
        try:
            returned, moved = self.run()
            self.refuse_leaks()
        except BaseException:
            self.take_back()
            raise
        finally:
            RECORDER.reset(token)
        self.finish(returned, moved)

    def finish(self, returned: Any, moved: list[tuple[Place, Any]]) -> None:
        """Make the program, keep what the run gave, and put everything back."""
        self.excluded = {id(x) for x in self.trace.excluded}
        stores = self.stores(moved)
        self.program = Program(
            self.name,
            [*self.inputs.values()],
            self.trace.calls,
            returned,
            stores,
            self.trace.errors,
            reads=dict(self.world.reads.values()),
            makers=self.makers,
            lives={
                live.name: live.value
                for live in self.trace.lives
                if not isinstance(live.value, np.ndarray)
            },
        )
        known = {id(place) for place, _ in self.kept}
        unsettled = functools.partial(self.world.unsettled, moved, known, self.excluded)
        self.unsettled = "an array that it writes to" if self.trace.doubt else unsettled()
        # Whether that is no more than a gradient that came, or went
        self.is_of_gradients = not self.trace.doubt and not unsettled(but_gradients=True)
        # What the run on traced arrays gave, to be compared
        self.result = map_leaves(copied_value, returned)
        self.after = [np.copy(x) for x in self.world.owners()]
        self.take_back()
        used = {id(x) for call in self.program.calls for x in call.arrays}
        traced = self.world.traced.items()
        self.read = {i for i, x in traced if id(x.of) in used}  # ids of arrays of the state

    def traced_argument(self, name: str, x: Any) -> Any:
        """What the function is given for an argument: an array is traced."""
        if not isinstance(x, np.ndarray | np.generic | Tensor):
            return x
        self.inputs[name] = array = Array.of(name, x.data if isinstance(x, Tensor) else x)
        traced = Traced(self.trace, array)
        return new_tensor(traced) if isinstance(x, Tensor) else traced

    def run(self) -> Any:
        """Run the function on the traced state; return what it returns, as data, and what moved."""
        values = [self.traced_argument(name, x) for name, x in self.arguments.items()]
        keywords = dict(zip(self.options, values[len(self.args) :], strict=True))
        made: list[Tensor] = []
        token = WATCHER.set(lambda z, *_: made.append(z))
        try:
            self.world.stand_in(self.trace)
            result = self.function(*values[: len(self.args)], **keywords)
            self.trace.check_generators()
        except Exception as error:
            if self.trace.refusal:  # NumPy makes another error of it
                raise self.trace.refusal from error
            if isinstance(error, TypeError) and ("Traced" in str(error) or "Live" in str(error)):
                raise refusals.value_leaves(str(error), "") from error
            raise
        finally:
            WATCHER.reset(token)
        self.makers = makers_of(made)
        if refusal := self.trace.refusal or self.trace.caught:
            raise refusal
        returned = map_leaves(self.returned_leaf, result)
        moved = [(place, as_data(now)) for place, now in self.world.take_out()]
        self.world.refuse_unknown({id(x) for x in self.trace.excluded})
        return returned, moved

    def refuse_leaks(self) -> None:
        """Refuse the step if it has put an array where nothing leads: it would stay as it is."""
        known = {id(x) for x in self.world.traced.values()}
        behind = recorded_behind([live.function for live in self.trace.lives])
        for x in behind:
            if any(x is read for read in self.trace.asked):
                raise refusals.live_reads_the_step(x.of.name)
        known |= {id(x) for x in behind}
        if any(ref() is not None and id(ref()) not in known for ref in self.trace.made):
            gc.collect()  # it may be in a cycle that is dead
        for ref in self.trace.made:
            if (x := ref()) is not None and id(x) not in known:
                raise refusals.left_behind(x.value)

    def returned_leaf(self, z: Any) -> Any:
        """A leaf of what the function returns, as data; a computed Tensor loses its graph."""
        if is_recorded(z):
            return z.of
        if isinstance(z, Tensor) and id(z) not in self.world.seen:
            return ReturnedTensor(z.data.of if is_recorded(z.data) else z.data)
        if isinstance(z, ATOMS | Tensor | np.ndarray):
            return z
        raise refusals.cannot_return(z)

    def stores(self, moved: list[tuple[Place, Any]]) -> list[Store]:
        """What the step has left in places of its state: new arrays, numbers, other arrays.

        Where there was an array before, a new one is copied into it, so that it stays the same
        object for all who hold it. A gradient that the step has not read is simply replaced.
        """
        read = {x for call in self.trace.calls for x in call.arrays}
        traced = self.world.traced
        arrays = [place.value for place in self.world.places if id(place.value) in traced]
        holders = [id(memory_owner(array)) for array in arrays]
        targets = [value.holder for _, value in moved if isinstance(value, Array)]
        # arrays of the state that are in another place now
        elsewhere = {id(value.value) for _, value in moved if isinstance(value, Array)}
        self.kept: list[tuple[Place, Store]] = []
        self.replaced: set[Any] = set()  # where numbers were stored, or gradients it has read
        for place, value in moved:
            copied = (
                isinstance(value, Array)
                and self.fits(place, value)
                and holders.count(id(memory_owner(place.value))) == 1
                and targets.count(value.holder) == 1
                and id(place.value) not in elsewhere
            )
            if place.is_grad:
                there = traced.get(id(place.value))
                is_read = there is not None and there.of in read
                if is_read:  # its successor may be another array at every call
                    self.replaced.add((id(place.container), place.key))
                copied = copied and is_read
                known = value is None or isinstance(value, Array)
            elif isinstance(value, Array) and not copied:
                if value.is_scalar:
                    self.replaced.add((id(place.container), place.key))
                elif id(value.value) in traced:
                    value = value.value  # another array of the state: an alias stays one
                known = not isinstance(value, Array) or id(place) in self.world.reads
            else:
                known = copied or id(value) in traced
            if known:
                at = place.path, place.container, place.key, place.is_item, place.value
                self.kept.append((place, Store(*at, value, copied)))
        return [store for _, store in self.kept]

    def fits(self, place: Place, new: Array) -> bool:
        """Whether a new array, one that nobody else has, can be copied into the one of before."""
        there = place.value
        if not isinstance(there, np.ndarray) or id(there) not in self.world.traced:
            return False
        return new.holder.is_result and (new.shape, new.dtype) == (there.shape, there.dtype)

    def take_back(self) -> None:
        """Put everything back, as if the call had not been made."""
        self.world.restore()
        self.trace.restore()

    def result_as_written(self) -> Any:
        """Run the function as it is, and return its result; new arrays are put as the stores say.

        While it was recorded it must have computed the same.
        """
        drawn = self.trace.generators  # with their states after the run on traced arrays
        token = RECORDER.set(Repeater(self.trace.lives))
        try:
            result = map_leaves(copied_leaf, self.function(*self.args, **self.options))
            self.compare(result)
        except BaseException:
            self.take_back()
            raise
        finally:
            RECORDER.reset(token)
        for generator, state in drawn:
            set_generator_state(generator, state)
        settle(self.kept)
        return result

    def compare(self, result: Any) -> None:
        """Refuse the step if, as written, it gives other numbers than on traced arrays."""
        pairs = [
            ("its result", *pair)
            for pair in zip(values_of(self.result), values_of(result), strict=True)
        ]
        pairs += [("its state", a, b) for a, b in zip(self.after, self.world.owners(), strict=True)]
        for place, store in self.kept:
            if isinstance(store.value, Array):
                pairs.append((store.path, store.value.value, place.get()))
        for what, a, b in pairs:
            if not same_numbers(a, b):
                raise refusals.differs_as_written(what)

    def forget(self) -> None:
        """Let go of the arrays of the trace; their shapes and dtypes are kept."""
        results = [x for call in self.program.calls for x in call.results]
        lives = self.program.lives
        for live in self.trace.lives:
            if isinstance(live.value, np.ndarray):
                lives[live.name] = no_numbers(live.value.shape, live.value.dtype)
            live.value = None
        for x in (*results, *self.inputs.values()):
            x.value = no_numbers(x.shape, x.dtype)
        self.trace.saved, self.trace.gave, self.after, self.result = {}, [], [], None
        self.trace.asked, self.trace.is_over = [], True
        self.args, self.options = (), {}


@functools.lru_cache(maxsize=1024)
def no_numbers(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array of this shape and dtype that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def recorded_behind(pending: list[Any]) -> list[Any]:
    """What is recorded and held by functions that are asked at every replay; they may see it."""
    found, seen = list[Any](), dict[int, Any]()
    while pending:
        x = pending.pop()
        if id(x) in seen:
            continue
        seen[id(x)] = x
        if is_recorded(x):
            found.append(x)
        elif isinstance(x, types.FunctionType):
            pending += [cell.cell_contents for cell in x.__closure__ or ()]
        elif isinstance(x, functools.partial):
            pending += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, types.MethodType):
            pending += [x.__func__, x.__self__]
        elif isinstance(x, Tensor):
            pending += [x.data, x.args, x.values, x.options, x.notes]
        elif isinstance(x, tuple | list | dict):
            pending += x.values() if isinstance(x, dict) else x
    return found


def makers_of(made: list[Tensor]) -> dict[Array, list[Maker]]:
    """Who made the data of these Tensors: their operations, and the Modules that they remember."""
    found, known = dict[Array, list[Maker]](), dict[int, Maker]()
    for z in made:
        if z.operation is None or not is_recorded(z.values[0]):
            continue
        data = z.values[0].of
        makers = [Maker(z.operation, *map_leaves(data_of, (z.args, z.options)))]
        for who, args, options in z.notes:
            maker = Maker(who, *map_leaves(data_of, (args, options)))
            makers.append(known.setdefault(id(args), maker))
        for maker in makers:
            maker.results.append(data)
        found[data] = makers
    return found


def data_of(x: Any) -> Any:
    """The Array or Number of a Tensor, or of what else is recorded."""
    return data_of_leaf(x.data if isinstance(x, Tensor) else x)


def settle(kept: list[tuple[Place, Store]]) -> None:
    """After a run as written, copy each new array into the one of before, as a program does."""
    moved = [(place, place.get()) for place, store in kept if store.copied]
    # All are copied before any is written to: the new arrays may be views of the old ones
    contents = [np.copy(now) for _, now in moved]
    for (place, now), content in zip(moved, contents, strict=True):
        if now is not place.value:
            place.value[...] = content
            place.set(place.value)


def values_of(z: Any) -> list[Any]:
    """The arrays and numbers of a result."""
    return [getattr(leaf, "data", leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves(z)]


def copied_value(z: Any) -> Any:
    """A leaf of a returned structure as it was when the step was recorded."""
    z = z.data if isinstance(z, ReturnedTensor | Tensor) else z
    z = z.value if isinstance(z, Array | Number) else z
    return z.copy() if isinstance(z, np.ndarray) else z


def copied_leaf(z: Any) -> Any:
    """One leaf of what the function returns, as its caller receives it: it owns its memory."""
    if isinstance(z, Tensor):
        return new_tensor(z.data.copy()) if z.operation or not z.requires_grad else z
    return z.copy() if isinstance(z, np.ndarray) else z


def same_numbers(a: Any, b: Any) -> bool:
    """Whether two arrays hold the same bits, or differ as little as another order of sums does."""
    if not isinstance(a, np.ndarray | np.generic) or not isinstance(b, np.ndarray | np.generic):
        return type(a) is type(b)
    if same_bits(a, b):
        return True
    if (a.shape, a.dtype) != (b.shape, b.dtype) or a.dtype.kind not in "fc":
        return False
    return bool(np.allclose(a, b, 1e-6, 1e-6 * largest_finite(b), equal_nan=True))


def is_plain_value(name: str, x: Any) -> bool:
    """Whether an argument is an array, number or text; if not, World looks into the object."""
    if isinstance(x, np.ndarray) and type(x) not in (np.ndarray, np.memmap):
        raise refusals.cannot_take(name, x)
    if isinstance(x, list | dict | set | tuple):
        is_plain = type(x) is tuple and all(isinstance(leaf, ATOMS) for leaf in leaves(x))
        if not is_plain:
            raise refusals.cannot_take(name, x)
    if isinstance(x, Tensor) and x.requires_grad:
        raise refusals.cannot_take_leaf(name, x)
    return isinstance(x, ATOMS | np.ndarray | Tensor | tuple)


def signature_of(x: Any) -> Any:
    """The part of an argument that tells signatures apart: an array's shape, a number itself."""
    if isinstance(x, np.ndarray | np.generic | Tensor):
        return type(x), x.shape, x.dtype
    return (type(x), repr(x)) if isinstance(x, ATOMS | tuple) else id(x)


def argument_names(function: Function, count: int, options: dict[str, Any]) -> list[str]:
    """The names of a function's arguments in a call; argument0, … where it names none."""
    code, names = getattr(function, "__code__", None), list[str]()
    if code:
        names = [*code.co_varnames[: code.co_argcount]]
        names = names[isinstance(function, types.MethodType) :]  # a method has its self already
    names += [f"argument{i}" for i in range(len(names), count)]
    return [*names[:count], *options]
