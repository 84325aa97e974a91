"""The state of a step: every place where its function can see a value.

The search starts from the function's closure, the globals that it names, its defaults and its
arguments, and goes on to attributes, lists, dicts and further functions. During a trace, `Traced`
arrays stand in these places; afterwards the real ones are back.
"""

from __future__ import annotations

import collections
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.generators import is_generator
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.traced import (
    Recorded,
    Traced,
    memory_owner,
    recorded_in,
    traced_in,
    untraced,
)
from tinygrad_edu.programs.tracing import Trace

ATOMS = int | float | complex | str | bytes | None | np.generic | np.dtype
# Their code is not searched: it reads nothing that changes
LIBRARIES = sys.stdlib_module_names | {"numpy", "tinygrad_edu"}
SEEN_AT_MOST = 20_000  # places


class Place:
    """Where a value is held: an attribute of an object, or an item of a dict or list."""

    __slots__ = ("container", "copied", "is_item", "key", "path", "stood", "value")

    def __init__(self, container: Any, key: Any, path: str, is_item: bool) -> None:
        self.container, self.key, self.path, self.is_item = container, key, path, is_item
        self.copied = False  # whether a new array, put here by the step, is copied into the old one
        self.value = self.stood = self.get()

    def get(self) -> Any:
        if not self.is_item:
            return getattr(self.container, self.key, None)
        try:
            return self.container[self.key]
        except (KeyError, IndexError):
            return None

    def set(self, value: Any) -> None:
        if self.is_item:
            self.container[self.key] = value
        else:
            setattr(self.container, self.key, value)

    def set_if_changed(self, value: Any) -> None:
        if self.get() is not value:
            self.set(value)

    def stand_in(self, traced: dict[int, Traced]) -> None:
        """Put the traced array here in place of an array, or of the arrays in a tuple."""
        if any(id(leaf) in traced for leaf in leaves(self.value)):
            self.stood = map_leaves(lambda leaf: traced.get(id(leaf), leaf), self.value)
            self.set(self.stood)

    @property
    def is_grad(self) -> bool:
        return isinstance(self.container, Tensor) and self.key == "grad"


class State:
    """All places that a function can see, found from its roots."""

    def __init__(self, roots: dict[str, Any]) -> None:
        self.places: list[Place] = []
        self.sized: list[tuple[Any, str, Any]] = []  # dicts and lists, their paths, copies of them
        self.generators: list[Any] = []  # of random numbers
        self.seen: dict[int, Any] = {}
        self.arrays: dict[int, tuple[Any, str]] = {}
        self.roots = roots
        for path, root in roots.items():
            self.look(root, path)

    def look(self, x: Any, path: str) -> None:
        """Add all places within x."""
        if isinstance(x, ATOMS | Recorded) or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        if len(self.places) > SEEN_AT_MOST:
            raise refusals.sees_too_much(path)
        if isinstance(x, np.ndarray):
            if x.dtype.kind in "biufc" and type(x) in (np.ndarray, np.memmap):
                self.arrays[id(x)] = x, path
        elif isinstance(x, Tensor):
            for key in ("data", "requires_grad", *(() if x.operation else ("grad",))):
                self.add(x, key, path if key == "data" else f"{path}.{key}")
        elif isinstance(x, dict | list | collections.deque):
            self.look_into(x, path)
        elif isinstance(x, tuple | set | frozenset):
            for i, item in enumerate(x):
                self.look(item, f"{path}.{i}")
        elif isinstance(x, type):
            self.look_at_class(x)
        elif callable(x) or isinstance(x, property):
            self.look_at_callable(x, path)
        elif not isinstance(x, types.ModuleType):
            self.look_at_object(x, path)

    def add(self, container: Any, key: Any, path: str, is_item: bool = False) -> Any:
        """Add a place, and all places within its value; return the value."""
        place = Place(container, key, path, is_item)
        self.places.append(place)
        self.look(place.value, path)
        return place.value

    def look_into(self, x: Any, path: str) -> None:
        """Add the items of a dict or list."""
        self.sized.append((x, path, x.copy()))
        for key in list(x) if isinstance(x, dict) else range(len(x)):
            self.look(key, f"{path} key")
            name = (key.name or "…") if isinstance(key, Tensor) else key
            self.add(x, key, f"{path}.{name}".lstrip("."), is_item=True)

    def look_at_callable(self, x: Any, path: str) -> None:
        """Look at what a function, a method or a callable object is made of."""
        if isinstance(x, types.FunctionType):
            return self.look_from(x)
        parts: tuple[Any, ...]
        if isinstance(x, types.MethodType):
            parts = x.__self__, x.__func__
        elif isinstance(x, types.BuiltinMethodType):  # rng.normal; others show nothing
            parts = (x.__self__,) if is_generator(x.__self__) else ()
        elif isinstance(x, functools.partial):
            parts = x.func, x.args, x.keywords
        elif isinstance(x, property):
            parts = (x.fget,)
        else:
            return self.look_at_object(x, path)
        for part in parts:
            self.look(part, path)
        return None

    def look_from(self, f: types.FunctionType) -> None:
        """Add what a function names: closure, defaults, and globals unless a library defines it."""
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            value = self.add(cell, "cell_contents", name)
            self.look_into_module(value, set(f.__code__.co_names), name, [])
        for key in ("__defaults__", "__kwdefaults__"):
            self.add(f, key, f"{f.__name__}'s defaults")
        if vars(f):
            self.look_into(vars(f), f.__name__)
        if is_of_library(f):
            return
        for name, attributes in globals_named_in(f.__code__):
            if name not in f.__globals__:
                continue
            value = self.add(f.__globals__, name, name, is_item=True)
            self.look_into_module(value, attributes, name, [])

    def look_into_module(self, x: Any, names: set[str], path: str, outer: list[Any]) -> None:
        """Add what a function may read of a module that is no library, and of modules within it."""
        if not isinstance(x, types.ModuleType) or is_library(x.__name__) or x in outer:
            return
        for key in sorted(names & vars(x).keys()):
            value = self.add(vars(x), key, f"{path}.{key}", is_item=True)
            self.look_into_module(value, names, f"{path}.{key}", [*outer, x])

    def look_at_object(self, x: Any, path: str) -> None:
        """Add an object's attributes, and what its class names if that is the user's."""
        if is_generator(x):
            self.generators.append(x)
        if hasattr(x, "__wrapped__"):
            return self.look(x.__wrapped__, path)
        module = type(x).__module__
        is_ours = module.startswith("tinygrad_edu") or isinstance(x, types.SimpleNamespace)
        if is_library(module) and not is_ours:
            return None
        self.look(type(x), type(x).__name__)
        for base in type(x).__mro__:
            slots = vars(base).get("__slots__", ())
            for key in (slots,) if isinstance(slots, str) else slots:
                if hasattr(x, key) and not key.startswith("__"):
                    self.add(x, key, f"{path}.{key}")
        if hasattr(x, "__dict__"):
            self.look_into(vars(x), path)
        return None

    def look_at_class(self, x: type) -> None:
        if is_library(x.__module__):
            return
        for base in x.__bases__:
            self.look(base, base.__name__)
        for key, value in list(vars(x).items()):
            f = getattr(value, "__func__", value)
            if f is not value or isinstance(f, property):
                self.look(f, key)
                continue
            is_hidden = key.startswith("__") or isinstance(f, types.MemberDescriptorType)
            if isinstance(f, types.FunctionType) or not is_hidden:
                self.add(x, key, f"{x.__name__}.{key}")

    # During a trace, and after it

    def trace(self, trace: Trace) -> None:
        """Put a Traced in place of every array."""
        self.traced: dict[int, Traced] = {}
        bases: dict[int, Traced] = {}
        for i, (array, path) in self.arrays.items():
            self.traced[i] = x = Traced(trace, array, path)
            x.base = bases.setdefault(id(memory_owner(array)), x)
        for place in self.places:
            if isinstance(place.value, tuple | np.ndarray):
                place.stand_in(self.traced)

    def put_back(self, trace: Trace) -> list[tuple[Place, Any]]:
        """Put the real arrays back; return each place with a new array, and that array.

        Where there was an array before, the new one is copied into it, so that it stays the same
        object for all who hold it. A gradient that the step has not read is simply replaced.
        """
        moved = [(place, now) for place in self.places if (now := place.get()) is not place.stood]
        for place in self.places:
            now = place.get()
            place.set_if_changed(place.value if now is place.stood else untraced(now))
        read = {id(x) for call in trace.calls for x in traced_in((call.args, call.options))}
        arrays = [place.value for place in self.places if id(place.value) in self.traced]
        holders = collections.Counter(id(memory_owner(array)) for array in arrays)
        for place, now in moved:
            place.copied = self.can_be_copied(place, untraced(now), read, holders)
        rebound = [(place, now) for place, now in moved if place.copied or place.is_grad]
        # All are copied before any is written to: the new arrays may be views of the old ones
        contents = [untraced(now).copy() if place.copied else None for place, now in rebound]
        for (place, _), content in zip(rebound, contents, strict=True):
            if place.copied:
                trace.save(self.traced[id(place.value)])
                place.value[...] = content
                place.set(place.value)
        return rebound

    def can_be_copied(self, place: Place, now: Any, read: set[int], holders: Any) -> bool:
        """Whether the array that is at this place now can be copied into the one before it."""
        x = self.traced.get(id(place.value))
        if x is None or not isinstance(now, np.ndarray | np.generic):
            return False
        if place.is_grad and id(x) not in read:
            return False
        is_alone = holders[id(memory_owner(x.value))] == 1
        return is_alone and (now.shape, now.dtype) == (x.shape, x.dtype)

    def after(self) -> State:
        """The state as it is now, with nothing traced any more."""
        now = State(self.roots)
        for place in now.places:
            if isinstance(place.value, Recorded | tuple) and recorded_in(place.value):
                place.value = untraced(place.value)
                place.set(place.value)
        return now

    def restore(self) -> None:
        """Put every value back in its place, as if the step had not been taken."""
        for container, _, copy in self.sized:
            refill(container, copy)
        for place in self.places:
            place.set_if_changed(place.value)

    def is_excluded(self, place: Place, excluded: set[int]) -> bool:
        """Whether a place holds a number of a container that is read live."""
        return id(place.container) in excluded and isinstance(place.value, ATOMS)

    def difference(
        self, other: State, excluded: set[int], read: set[int], grads: bool = True
    ) -> str:
        """The path of the first place that differs, or "".

        Numbers in excluded containers may differ, and so may gradients that the step has not read.
        """
        for (a, path, _), (b, _, _) in zip(self.sized, other.sized, strict=False):
            if a is not b or len(self.sized) != len(other.sized):
                return path
        for mine, its in zip(self.places, other.places, strict=False):
            if mine.container is not its.container or not same_value(mine.key, its.key):
                return mine.path
            is_unread = id(mine.value) not in read and (mine.value is None) == (its.value is None)
            if mine.is_grad and (is_unread or not grads):
                continue
            if self.is_excluded(mine, excluded) or same_value(mine.value, its.value):
                continue
            return f"{mine.path}: {mine.value!r:.50}, then {its.value!r:.50}"
        a, b = len(self.places), len(other.places)
        return "" if a == b else (self if a > b else other).places[min(a, b)].path


def refill(container: Any, copy: Any) -> None:
    """Give a dict or list the items that a copy of it has."""
    container.clear()
    if isinstance(container, dict):
        container.update(copy)
    else:
        container.extend(copy)


def same_value(a: Any, b: Any) -> bool:
    """Whether a and b are one object, or equal numbers, equal texts, or tuples of such."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    return isinstance(a, ATOMS) and bool(a == b)


def is_library(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES


def is_of_library(f: types.FunctionType) -> bool:
    """Whether a library defines f; an example in a docstring, `<doctest …>`, is a user's."""
    is_doctest = f.__code__.co_filename.startswith("<")
    return is_library(f.__globals__.get("__name__", "")) and not is_doctest


def globals_named_in(code: types.CodeType) -> Iterator[tuple[str, set[str]]]:
    """Yield each global that a function names, and the attributes that it may read of it.

    Functions and comprehensions within the function count too.
    """
    import dis  # not at the top: most programs replay nothing

    instructions = [
        i for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    ]
    for name in dict.fromkeys(i.argval for i in instructions):
        yield name, set(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from globals_named_in(inner)
