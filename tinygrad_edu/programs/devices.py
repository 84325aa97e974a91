"""The state of a step on JAX's devices, and the step that runs there.

The vectors of xla.py lie there from call to call. Here, meanwhile, a stand-in is in each place that
led to one of their arrays (away.py): whoever uses it brings all home, and the next call takes it
there again.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.core.engine import new_tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.away import AWAY, StandIn, at_home
from tinygrad_edu.programs.checking import Checker
from tinygrad_edu.programs.functions import function_of
from tinygrad_edu.programs.generators import generator_state
from tinygrad_edu.programs.guards import MISS, MISSED, Guards, take_back
from tinygrad_edu.programs.names import CodeNames
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.places import Place
from tinygrad_edu.programs.program import Array, Number, Program, ReturnedTensor
from tinygrad_edu.programs.record import Interpreter
from tinygrad_edu.programs.recording import Recording, signature_of
from tinygrad_edu.programs.stopping import AFTER, BEFORE
from tinygrad_edu.programs.traced import memory_owner
from tinygrad_edu.programs.xla import Lowered, is_live
from tinygrad_edu.programs.xla_calls import are_within


class Held:
    """The numbers of an array that owns its memory, as a vector on the devices."""

    def __init__(self, owner: Any, vector: Any) -> None:
        self.owner, self.vector, self.changes = owner, vector, False


class Devices:
    """What lies on some devices, and what stands for it here: all steps that run there share it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.everywhere = NamedSharding(self.mesh, PartitionSpec())
        self.in_parts = NamedSharding(self.mesh, PartitionSpec(self.mesh.axis_names[0]))
        self.held: dict[int, Held] = {}
        self.stand_ins = WeakValueDictionary[int, StandIn]()  # by the id of the array
        self.placed: list[tuple[Place, Any, Any]] = []
        self.gradients: dict[int, tuple[Place, StandIn]] = {}  # by the id of the Tensor
        self.lifted: set[int] = set()  # ids of the steps whose arrays are all there
        self.lock = threading.RLock()

    def __call__(self, now: Recording) -> OnDevices:
        """Compile a recording."""
        return OnDevices(now, self)

    def put(self, x: Any, sharding: Any) -> Any:
        """A copy of an array on the devices: of each process its own part."""
        if jax.process_count() == 1:
            return jax.device_put(np.array(x), sharding)
        return jax.make_array_from_callback(x.shape, sharding, lambda part: np.array(x[part]))

    def lift(self, step: OnDevices) -> None:
        """Take a step's state to the devices, unless it is there."""
        if id(step) in self.lifted:
            return
        for memory in [*step.lowered.changing, *step.lowered.fixed]:
            owner = memory.owner
            if id(owner) not in self.held:
                self.held[id(owner)] = Held(owner, self.put(in_a_row(owner), self.everywhere))
        if self not in AWAY:
            AWAY.append(self)
        for memory in step.lowered.changing:
            held = self.held[id(memory.owner)]
            if not held.changes:
                in_a_row(held.owner)[...] = poison(held.owner.dtype)
                held.changes = True
        for place, value, instead in step.places:
            if place.get() is value:
                place.set(instead)
                self.placed.append((place, value, instead))
        self.lifted.add(id(step))

    def sync(self) -> None:
        """Bring all numbers home: each array holds its own again, and stands in its places."""
        with self.lock:
            if self not in AWAY:
                return
            AWAY.remove(self)
            found, self.held = [*self.held.values()], {}
            touched = [held for held in found if was_touched(held)]
            for held in found:
                if held.changes:
                    in_a_row(held.owner)[...] = np.asarray(held.vector)
            for place, value, instead in self.placed:
                if place.get() is instead:
                    place.set(value)
            for place, gradient in self.gradients.values():
                if place.get() is gradient:
                    place.set(gradient.bring())
            self.placed, self.gradients, self.lifted = [], {}, set()
        if touched:
            raise refusals.written_while_away(touched[0].owner.shape)

    def stand_in(self, value: Any) -> Any:
        """What stands in a place for a value while its arrays are away."""

        def instead(x: Any) -> Any:
            if not isinstance(x, np.ndarray):
                return x
            return self.stand_ins.setdefault(id(x), StandIn(x, lambda: self.home(x)))

        return map_leaves(instead, value)

    def home(self, x: Any) -> Any:
        self.sync()
        return x


def in_a_row(owner: Any) -> Any:
    """All numbers of an array that owns its memory, in the order in which they lie there."""
    return as_strided(owner, (owner.size,), (owner.itemsize,))


def poison(dtype: Any) -> Any:
    """What an array holds while its numbers are elsewhere: NaN, or the least integer."""
    return np.nan if dtype.kind in "fc" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def was_touched(held: Held) -> bool:
    """Whether somebody has written to an array while its numbers were elsewhere."""
    x = in_a_row(held.owner)
    there = np.full_like(x, poison(x.dtype)) if held.changes else np.asarray(held.vector)
    same: bool = x.tobytes() == there.tobytes()
    return not same


@functools.cache
def devices_of(mesh: Mesh) -> Devices:
    """The same for the same mesh."""
    return Devices(mesh)


def mesh_of(devices: Any) -> Mesh:
    """A mesh of one axis: of one device, of the first n, of these, or the mesh itself."""
    if isinstance(devices, Mesh):
        return devices
    if devices is None:
        return Mesh(np.array(jax.local_devices()[:1]), ("batch",))
    if isinstance(devices, Sequence):
        return Mesh(np.array(devices), ("batch",))
    if not 1 <= devices <= len(jax.devices()):
        raise refusals.too_few_devices(devices, len(jax.devices()))
    return Mesh(np.array(jax.devices()[:devices]), ("batch",))


class AwayGuards(Guards):
    """The guards while the state is away: no shape of it can have changed."""

    def layouts(self) -> list[str]:
        return []


class OnDevices:
    """A recording, compiled by XLA: `run` is the step, or gives MISS if it does not fit."""

    def __init__(self, now: Recording, devices: Devices) -> None:
        self.now, self.recorded, self.calls, self.order = now, now.program, 0, 0
        self.signature: Any = ()  # of the arguments
        self.devices, self.lives = devices, dict[str, Any]()
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
        self.owners = owners = {id(memory.owner) for memory in [*lowered.changing, *lowered.fixed]}
        self.places = [
            (place, place.value, devices.stand_in(place.value))
            for place in now.world.places
            if isinstance(place.value, tuple | np.ndarray)
            and any(id(memory_owner(x)) in owners for x in leaves(place.value))
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
        return [np.asarray(ran.found[x]) for x in lowered.given]

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
        with jax.enable_x64(True):
            numbers = np.array(self.numbers(*lives.values()), float)
            run = jax.jit(one_by_one, compiler_options=QUICKLY)
            found = run(*state, numbers, given, recorded)
        checker = Checker(now.program.calls, now.trace.gave, compared)
        for z in found:
            checker(np.array(z))

    def compile(self) -> Any:
        """The step as a function: guards, live values, then the function on the devices."""
        names = CodeNames()
        parameters = [names.new("x", name) for name in self.now.arguments]
        guards = Guards(self.now, parameters, names)
        title, given = f"<replay of {self.now.name}>", f"({''.join(f'{x}, ' for x in parameters)})"
        entrance = [*guards.entrance(set()), f"return {given}"]
        elsewhere = [*AwayGuards(self.now, parameters, names).entrance(set()), f"return {given}"]
        known = {"MISS": MISS, "MISSED": MISSED}
        away = {id(value): instead for _, value, instead in self.places}
        instead = {name: away.get(id(x), x) for name, x in names.objects.items()}
        self.fits_home = function_of(entrance, parameters, {**names.objects, **known}, title)
        self.fits_away = function_of(elsewhere, parameters, {**instead, **known}, title)
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
        return function_of(lines, parameters, {**names.objects, **known, **own, **live}, title)

    def fits(self, arguments: Any) -> Any:
        """The arguments as arrays, if the program fits them and the state; or MISS."""
        devices = self.devices
        if id(self) in devices.lifted:
            return self.fits_away(*arguments)
        if tuple(map(signature_of, arguments)) != self.signature:
            return MISS
        if devices.held.keys() >= self.owners:
            fitted = self.fits_away(*arguments)
            if fitted is not MISS:
                return fitted
        devices.sync()
        return self.fits_home(*arguments)

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
        with devices.lock, jax.enable_x64(True):
            devices.lift(self)
            changing = [devices.held[id(memory.owner)] for memory in lowered.changing]
            fixed = [devices.held[id(memory.owner)].vector for memory in lowered.fixed]
            state = [held.vector for held in changing]
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
            self.devices.held[id(memory.owner)].vector = vector
        jax.block_until_ready(after)  # the caller may write to the arguments afterwards
        if passed is not None and not passed:
            self.done = []
            return MISS
        outputs = dict(zip(self.lowered.outputs, given, strict=True))
        for x in self.lowered.rewritten:
            self.recorded.reads[x].get()[...] = np.asarray(outputs[x])
        for place, z in self.storing:
            if isinstance(z, Array) and place.is_grad:
                gradient = later(outputs[z])
                self.devices.gradients[id(place.container)] = place, gradient
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

    def hlo(self) -> str:
        """What XLA runs, as its text; after a call."""
        with jax.enable_x64(True):
            return str(self.function.lower(*self.shapes).compile().as_text())


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
