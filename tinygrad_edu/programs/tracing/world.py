"""The world of a step: all that its function can read (search.py), while it is recorded.

`Traced` stands in place of every array then, and afterwards all is put back.
"""

from __future__ import annotations

import itertools
import types
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array
from tinygrad_edu.programs.tracing.places import (
    ATOMS,
    Place,
    same_keys,
    same_value,
    text_of,
)
from tinygrad_edu.programs.tracing.record import refill
from tinygrad_edu.programs.tracing.search import Search
from tinygrad_edu.programs.tracing.traced import (
    Recorded,
    Traced,
    is_recorded,
    memory_owner,
    recorded_in,
    untraced,
)


class World(Search):
    """All places that a function can read, found from its roots, and what stands in them."""

    def refuse_unknown(self, excluded: set[int]) -> None:
        """Refuse the step if it can read what is on no list, save what `at_replay` is told of."""
        for x, path in self.unknown:
            if id(x) not in excluded:
                raise refusals.not_on_the_list(path, x)

    def stand_in(self, trace: Any) -> None:
        """Put a Traced in place of every array, and of every number that the step has stored."""
        self.traced: dict[int, Traced] = {}
        self.reads: dict[int, tuple[Array, Place]] = {}  # numbers that are read at every call
        holders: dict[int, Array] = {}
        for i, (array, path) in self.arrays.items():
            data = Array.of(path, array)
            data.holder = holders.setdefault(id(memory_owner(array)), data)
            self.traced[i] = Traced(trace, data)
        self.refuse_overlaps()
        for place in self.places:
            value = place.value
            if (id(place.container), place.key) in self.stored and self.is_alone(value):
                array = Array.of(place.path, value)
                self.reads[id(place)] = array, place
                place.stood = Traced(trace, array)
                place.set(place.stood)
                self.traced.pop(id(value), None)
            elif isinstance(value, tuple | np.ndarray) and any(
                id(leaf) in self.traced for leaf in leaves(value)
            ):
                place.stood = map_leaves(lambda leaf: self.traced.get(id(leaf), leaf), value)
                place.set(place.stood)

    def is_alone(self, x: Any) -> bool:
        """Whether x is a number, or an array in whose memory no other lies, held in one place."""
        if not isinstance(x, np.ndarray):
            return isinstance(x, np.generic)
        owners = [id(memory_owner(array)) for array, _ in self.arrays.values()]
        return owners.count(id(memory_owner(x))) == self.held[id(x)] == 1

    def refuse_overlaps(self) -> None:
        """Refuse arrays that lie in the same memory unless one is NumPy's view of the other."""
        owners = {id(memory_owner(x)): (memory_owner(x), path) for x, path in self.arrays.values()}
        bounds = sorted(
            (*byte_bounds(x), path) for x, path in owners.values() if isinstance(x, np.ndarray)
        )
        for (_, end, path), (start, stop, other) in itertools.pairwise(bounds):
            if start < end and start < stop:
                raise refusals.overlapping(path, other)

    def take_out(self) -> list[tuple[Place, Any]]:
        """Put the values back for what stood in; return the places that hold something new."""
        moved = []
        for place in self.places:
            now = place.get()
            if now is place.stood:
                place.set_if_changed(place.value)
            else:
                moved.append((place, now))
                place.set_if_changed(untraced(now))
        grown = [x for x, _, copy in self.sized if not same_keys(x, copy)]
        made = [now for _, now in moved if not is_recorded(now) and not isinstance(now, ATOMS)]
        if any(type(x) is types.MappingProxyType for x in grown):  # of a class
            grown += [x for x in self.seen.values() if isinstance(x, type)]
        if grown or made:
            clean([*made, *grown])
        return moved

    def unsettled(
        self,
        moved: list[tuple[Place, Any]],
        known: set[int],
        excluded: set[int],
        but_gradients: bool = False,
    ) -> str:
        """The path of what has changed and is no output of the step; or ""."""
        for container, path, copy in self.sized:
            if id(container) not in excluded and not same_keys(container, copy):
                return path
        for place, now in moved:
            if self.is_excluded(place, excluded):
                continue
            is_output = but_gradients and place.is_grad
            if id(place) in known and (is_output or (place.value is None) == (now is None)):
                continue
            if not same_value(place.value, now):
                return f"{place.path}: {text_of(place.value)}, then {text_of(now)}"
        return ""

    def is_excluded(self, place: Place, excluded: set[int]) -> bool:
        """Whether a place holds a number of a container that is read live."""
        return id(place.container) in excluded and isinstance(place.value, ATOMS)

    def restore(self) -> None:
        """Put every value back in its place, as if the step had not been taken."""
        for container, _, copy in self.sized:
            if type(container) in (dict, list, set) and not same_keys(container, copy):
                refill(container, copy)
        for place in self.places:
            place.set_if_changed(place.value)

    def owners(self) -> list[Any]:
        """The arrays in whose memory the state lies."""
        every = {id(memory_owner(x)): memory_owner(x) for x, _ in self.arrays.values()}
        return [x for x in every.values() if isinstance(x, np.ndarray)]


def clean(made: list[Any]) -> None:
    """Put arrays for what was recorded and lies in what a step has made, or added to."""
    for place in World({"what the step has made": made}, set(), reads_all=True).places:
        if isinstance(place.value, Recorded | tuple) and recorded_in(place.value):
            place.set(untraced(place.value))
