"""A recording, compiled by XLA: a step whose state lies on devices from call to call."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from tinygrad_edu.core.engine import new_tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.away import StandIn, at_home
from tinygrad_edu.programs.checking import Checker
from tinygrad_edu.programs.functions import function_of
from tinygrad_edu.programs.guards import MISS, MISSED, Guards, take_back
from tinygrad_edu.programs.jax.devices import Devices, in_a_row
from tinygrad_edu.programs.jax.xla import Lowered, is_live
from tinygrad_edu.programs.jax.xla_calls import are_within
from tinygrad_edu.programs.names import CodeNames
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array, Number, Program, ReturnedTensor
from tinygrad_edu.programs.stopping import AFTER, BEFORE
from tinygrad_edu.programs.tracing.generators import generator_state
from tinygrad_edu.programs.tracing.places import Place
from tinygrad_edu.programs.tracing.record import Interpreter
from tinygrad_edu.programs.tracing.recording import Recording
from tinygrad_edu.programs.tracing.traced import memory_owner


class AwayGuards(Guards):
    """The guards while the state is away: no shape of it can have changed."""

    def layouts(self) -> list[str]:
        return []


class NormalChecker(Checker):
    """A Checker for XLA, which takes numbers for 0 that are too small to be normal."""

    def is_close(self, call: Any, a: Any, b: Any, doubt: float) -> bool:
        least = np.finfo(b.dtype).tiny if b.dtype.kind == "f" else 0.0
        return super().is_close(call, a, b, doubt + float(least) ** 0.5)  # of which it takes a root


class OnDevices:
    """A recording, compiled by XLA: `run` is the step, or gives MISS if it does not fit."""

    def __init__(self, now: Recording, devices: Devices) -> None:
        self.now, self.recorded, self.calls, self.order = now, now.program, 0, 0
        self.signature: Any = ()  # of the arguments
        self.devices, self.lives = devices, dict[str, Any]()
        self.guarding: dict[tuple[bool, ...], Any] = {}  # by the places in which something stands
        self.away: Any = None  # what it has taken to the devices
        self.lowered = lowered = Lowered(now.program)
        self.made_before = dataclasses.replace(self.recorded, calls=lowered.before)
        self.storing = [
            (Place(store.container, store.key, store.path, store.is_item), store.value)
            for store in self.recorded.stores
            if not store.copied
        ]
        self.done: list[Any] = []  # what the function has given, until the step has ended
        self.asking = [call for call in now.program.calls if is_live(call)]
        self.stages = {"as traced": now.program, "without the dead": lowered.program}
        self.places = [
            (place, place.value, devices.stand_in(place.value))
            for place in now.world.places
            if isinstance(place.value, tuple | np.ndarray)
            and any(isinstance(x, np.ndarray) for x in leaves(place.value))
        ]
        self.written = {id(memory.owner) for memory in lowered.changing}
        kinds = {memory.owner.dtype.kind for memory in lowered.changing}
        aliases = [s for s in self.recorded.stores if isinstance(s.value, np.ndarray)]
        self.stays = kinds <= set("fciu") and not aliases  # on the devices, from call to call
        self.function = jax.jit(lowered, donate_argnums=0, out_shardings=devices.everywhere)
        self.shapes: Any = None  # of all that the function is given
        lives = ", ".join(live.name for live in now.trace.lives)
        codes = "".join(f"{code}, " for code in lowered.numbers)
        self.numbers = eval(f"lambda {lives}: ({codes})")
        self.check()
        self.run = self.compile()

    @property
    def program(self) -> Program:
        return self.lowered.program

    # What the function is given

    def before(self, inputs: list[Any], lives: dict[str, Any]) -> list[Any] | None:
        """The arrays that the function is given, some of them computed by NumPy.

        None if an index is outside of what it chooses from.
        """
        lowered = self.lowered
        ran = Interpreter(self.made_before, inputs, lives)
        ran.found |= {call.results[0]: lives[call.name] for call in self.asking}
        for x, n in lowered.checked:
            if not are_within(ran.found[x], n):
                return None
        given = [np.asarray(ran.found[x]) for x in lowered.given]
        for x, z in zip(lowered.given, given, strict=True):
            if (z.shape, z.dtype) != (x.shape, x.dtype):
                raise refusals.another_shape(x.name, f"{x.dtype} {x.shape}", f"{z.dtype} {z.shape}")
        return given

    def check(self) -> None:
        """Run the calls one by one on what they were given when recorded, and compare."""
        now, lowered = self.now, self.lowered
        calls = lowered.program.calls
        compared = [(call, k) for call in calls for k in range(len(call.results) or 1)]
        gave = {id(call): x for call, x in zip(now.program.calls, now.trace.gave, strict=True)}
        recorded = [gave[id(call)][k] for call, k in compared]

        def one_by_one(changing: Any, fixed: Any, numbers: Any, given: Any, recorded: Any) -> Any:
            found: list[Any] = []

            def seen(z: Any) -> Any:
                found.append(z)
                return recorded[len(found) - 1]

            lowered(changing, fixed, numbers, given, seen)
            return found

        lives = {live.name: live.value for live in now.trace.lives}
        given = self.before([x.value for x in self.recorded.inputs], lives)
        state = [[in_a_row(m.owner) for m in some] for some in (lowered.changing, lowered.fixed)]
        with numpys_precision():
            numbers = np.array(self.numbers(*lives.values()), float)
            run = jax.jit(one_by_one, compiler_options=QUICKLY)
            found = run(*state, numbers, given, recorded)
        checker = NormalChecker(now.program.calls, now.trace.gave, compared)
        for z in found:
            checker(np.array(z))

    def compile(self) -> Any:
        """The step as a function: guards, live values, then the function on the devices."""
        names = CodeNames()
        parameters = [names.new("x", name) for name in self.now.arguments]
        guards = Guards(self.now, parameters, names)
        given = f"({''.join(f'{x}, ' for x in parameters)})"
        kinds = guards, AwayGuards(self.now, parameters, names)
        self.parameters = parameters
        self.entrances = [[*kind.entrance({}), f"return {given}"] for kind in kinds]
        self.known = {**names.objects, "MISS": MISS, "MISSED": MISSED}
        drawing = ", ".join(
            f"({names.of(g)}, {names.of(generator_state)}({names.of(g)}))"
            for g in self.now.trace.drawing
        )
        lives = "".join(f"{live.name!r}: {live.name}, " for live in self.now.trace.lives)
        asking = [
            *guards.live_numbers(),
            f"result = call(given, {{{lives}}})",
            "if result is MISS: take_back(before, drawn)",
            "return result",
        ]
        lines = [
            f"given = fits({given})",
            "if given is MISS: return MISS",
            "before = ()",
            *guards.before(),
            f"drawn = [{drawing}]",
            "try:",
            *[f"    {line}" for line in asking],
            "except BaseException as error:",
            "    settle(error, before, drawn)",
            "    raise",
        ]
        live = {f"live_{live.name}": live.function for live in self.now.trace.lives}
        own = {"fits": self.fits, "call": self.call, "take_back": take_back, "settle": self.settle}
        objects = {**names.objects, **self.known, **own, **live}
        return function_of(lines, parameters, objects, self.title)

    @property
    def title(self) -> str:
        return f"<replay of {self.now.name}>"

    def fits(self, arguments: Any) -> Any:
        """The arguments as arrays, if the program fits them and the state; or MISS."""
        there = tuple([place.get() is instead for place, _, instead in self.places])
        if there not in self.guarding:
            self.guarding[there] = self.guards_while(there)
        return self.guarding[there](*arguments)

    def guards_while(self, there: tuple[bool, ...]) -> Any:
        """The guards while something stands in these places."""
        instead = {
            id(x): z for is_away, (_, x, z) in zip(there, self.places, strict=True) if is_away
        }
        objects = {name: instead.get(id(x), x) for name, x in self.known.items()}
        return function_of(self.entrances[any(there)], self.parameters, objects, self.title)

    def call(self, arguments: Any, lives: dict[str, Any]) -> Any:
        """Run the function on the devices; MISS if a check has not passed."""
        named = dict(zip(self.now.arguments, arguments, strict=True))
        for name, x in named.items():
            if isinstance(x, np.ndarray) and id(memory_owner(at_home(x))) in self.written:
                raise refusals.lies_in_the_state(name)
        given = self.before([named[x.name] for x in self.recorded.inputs], lives)
        if given is None:
            return MISS
        numbers = np.array(self.numbers(*lives.values()), float)
        devices, lowered = self.devices, self.lowered
        with devices.lock, numpys_precision():
            held = devices.lift(self).held
            state = [held[id(memory.owner)].vector for memory in lowered.changing]
            fixed = [held[id(memory.owner)].vector for memory in lowered.fixed]
            all_given = (state, fixed, numbers, self.shared(given))
            self.shapes = self.shapes or jax.tree.map(kind_on_devices, all_given)
            self.done, self.lives = [], lives
            # Filled in C, so that Ctrl-C cannot come in between
            self.done.extend(map(self.function, *([x] for x in all_given)))
            return self.ended()

    def shared(self, given: list[Any]) -> list[Any]:
        """What is given, on the devices: arrays with the batch as first axis in parts."""
        if self.devices.mesh.size == 1:
            return given
        n = next((x.shape[0] for x in given if x.ndim), 0)
        if n % self.devices.mesh.size:
            raise refusals.not_divided(n, self.devices.mesh.size)
        put, parts, whole = self.devices.put, self.devices.in_parts, self.devices.everywhere
        return [put(x, parts if x.ndim and x.shape[0] == n else whole) for x in given]

    def ended(self) -> Any:
        """Keep the state, store what the step stores, and return what it returns."""
        (after, given, passed), lives = self.done[0], self.lives
        for memory, vector in zip(self.lowered.changing, after, strict=True):
            self.away.held[id(memory.owner)].vector = vector
        for z in (*after, *given):  # the caller may write to the arguments afterwards
            z.block_until_ready()
        if passed is not None and not passed:
            self.done = []
            return MISS
        outputs = dict(zip(self.lowered.outputs, given, strict=True))
        for x in self.lowered.rewritten:
            self.recorded.reads[x].get()[...] = np.asarray(outputs[x])
        for place, z in self.storing:
            if isinstance(z, Array) and place.is_grad:
                gradient = later(outputs[z])
                self.away.gradients[id(place.container)] = place, gradient
                place.set(gradient)
            else:
                place.set(self.found(z, outputs, lives) if isinstance(z, Array | Number) else z)
        result = map_leaves(lambda z: self.found(z, outputs, lives), self.recorded.returned)
        self.done = []
        if not self.stays:
            self.devices.sync()
        return result

    def settle(self, error: BaseException, before: Any, drawn: Any) -> None:
        """Leave all as before a step that was stopped, or as after it if the devices are done."""
        if self.done and self.ended() is not MISS:
            error.add_note(AFTER)
        else:
            take_back(before, drawn)
            error.add_note(BEFORE)

    def found(self, z: Any, outputs: dict[Array, Any], lives: dict[str, Any]) -> Any:
        """A leaf of what is returned or stored, of NumPy."""
        if isinstance(z, ReturnedTensor):
            return new_tensor(self.found(z.data, outputs, lives))
        if isinstance(z, Array):
            array = np.array(outputs[z])
            return array[()] if z.is_scalar else array
        if isinstance(z, Number):
            return eval(z.code, {}, lives)
        return z.copy() if isinstance(z, np.ndarray) else z

    def hlo(self, optimized: bool = True) -> str:
        """What XLA runs, as its text, or what it is given; after a call."""
        with numpys_precision():
            lowered = self.function.lower(*self.shapes)
            return str((lowered.compile() if optimized else lowered).as_text())


@contextlib.contextmanager
def numpys_precision() -> Iterator[None]:
    """Within the block, XLA knows 64 bits, and multiplies float32 matrices in float32 on a GPU."""
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


# XLA's options for what runs once
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def kind_on_devices(x: Any) -> Any:
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))


def later(z: Any) -> StandIn:
    """A gradient that stays on the device until somebody looks at it."""
    found: list[Any] = []

    def bring() -> Any:
        if not found:
            found.append(np.array(z))
        return found[0]

    return StandIn(z, bring)
