"""The state of steps on JAX's devices, and what stands for it here meanwhile.

The vectors of xla.py lie there from call to call. Here, meanwhile, a stand-in is in each place that
led to one of their arrays (away.py): whoever uses it brings all home, and the next call of a step
(on_devices.py) takes it there again.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.away import AWAY, StandIn
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.tracing.places import Place
from tinygrad_edu.programs.tracing.recording import Recording
from tinygrad_edu.programs.tracing.traced import memory_owner


class Held:
    """The numbers of an array that owns its memory, as a vector on the devices."""

    def __init__(self, owner: Any, vector: Any) -> None:
        self.owner, self.vector, self.changes = owner, vector, False


class Away:
    """What a step has taken to the devices, and what stands for it: until it comes home.

    Whoever may bring it home holds it: the steps that use it, and what stands in its places. So it
    dies with a model that nobody needs any more.
    """

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}  # by the id of the owner
        self.placed: list[tuple[Place, Any, Any]] = []
        self.gradients: dict[int, tuple[Place, StandIn]] = {}  # by the id of the Tensor
        self.lifted: set[int] = set()  # ids of the steps whose arrays are all there


class Devices:
    """Some devices, with what lies there: all steps that run there share it."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.everywhere = NamedSharding(self.mesh, PartitionSpec())
        self.in_parts = NamedSharding(self.mesh, PartitionSpec(self.mesh.axis_names[0]))
        self.stand_ins = WeakValueDictionary[int, StandIn]()  # by the id of the array
        self.found: Any = lambda: None  # a weak reference to what is away
        self.lock = threading.RLock()

    @property
    def away(self) -> Away | None:
        return self.found()  # type: ignore[no-any-return]

    def __call__(self, now: Recording) -> Any:
        """Compile a recording."""
        from tinygrad_edu.programs.jax.on_devices import OnDevices

        return OnDevices(now, self)

    def put(self, x: Any, sharding: Any) -> Any:
        """A copy of an array on the devices: of each process its own part."""
        if jax.process_count() == 1:
            return jax.device_put(np.array(x), sharding)
        return jax.make_array_from_callback(x.shape, sharding, lambda part: np.array(x[part]))

    def lift(self, step: Any) -> Away:
        """Take a step's state to the devices, unless it is there."""
        away = step.away = self.away or Away()
        self.found = weakref.ref(away)
        if id(step) in away.lifted:
            return away
        for memory in [*step.lowered.changing, *step.lowered.fixed]:
            owner = memory.owner
            if id(owner) not in away.held:
                away.held[id(owner)] = Held(owner, self.put(in_a_row(owner), self.everywhere))
        if self not in AWAY:
            AWAY.append(self)
        for memory in step.lowered.changing:
            held = away.held[id(memory.owner)]
            if not held.changes:
                in_a_row(held.owner)[...] = poison(held.owner.dtype)
                held.changes = True
        for place, value, instead in step.places:
            owners = [id(memory_owner(x.array)) for x in at_leaves(instead)]
            if place.get() is value and not away.held.keys().isdisjoint(owners):
                place.set(instead)
                away.placed.append((place, value, instead))
                for x in at_leaves(instead):
                    x.holds = away
        away.lifted.add(id(step))
        return away

    def sync(self) -> None:
        """Bring all numbers home: each array holds its own again, and stands in its places."""
        with self.lock:
            if self not in AWAY:
                return
            AWAY.remove(self)
            away, self.found = self.away or Away(), lambda: None
            touched = [held for held in away.held.values() if was_touched(held)]
            for held in away.held.values():
                if held.changes:
                    in_a_row(held.owner)[...] = np.asarray(held.vector)
            for place, value, instead in away.placed:
                if place.get() is instead:
                    place.set(value)
            for place, gradient in away.gradients.values():
                if place.get() is gradient:
                    place.set(gradient.bring())
            for x in self.stand_ins.values():
                x.holds = None
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


def at_leaves(x: Any) -> list[Any]:
    """What stands in for arrays in a value."""
    return [leaf for leaf in leaves(x) if type(leaf) is StandIn]


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
