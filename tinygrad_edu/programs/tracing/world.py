"""The world of a step: all that its function can read, on a closed list, each thing by content.

The search starts from the function and its arguments, and follows closures, globals, attributes and
items. An attribute is followed only if some code that the step reaches names it. What is on no list
is refused by name. While a step is recorded, `Traced` stands in place of every array.
"""

from __future__ import annotations

import collections
import enum
import itertools
import types
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array
from tinygrad_edu.programs.tracing.closed_list import (
    BASES,
    BUILTINS_REFUSED,
    BY_NAME,
    METACLASSES,
    PARTS,
    READS_ALL,
    WALKS,
    functions_of_users,
    is_function_of_library,
    is_harmless,
    is_harmless_module,
    is_of_library,
    is_of_package,
    is_of_user,
    module_of,
    names_in,
)
from tinygrad_edu.programs.tracing.generators import is_generator
from tinygrad_edu.programs.tracing.places import (
    ATOMS,
    EXACT,
    Place,
    Raw,
    same_keys,
    same_value,
    text_of,
)
from tinygrad_edu.programs.tracing.record import refill
from tinygrad_edu.programs.tracing.traced import (
    Recorded,
    Traced,
    is_recorded,
    memory_owner,
    recorded_in,
    untraced,
)

SEEN_AT_MOST = 20_000  # places


class World:
    """All places that a function can read, found from its roots.

    `stored` are numbers and gradients that the step has stored before, each as (id of its
    container, key): they are read anew at every call.
    """

    def __init__(self, roots: dict[str, Any], stored: set[Any], reads_all: bool = False) -> None:
        self.places: list[Place] = []
        self.sized: list[tuple[Any, str, Any]] = []  # containers, their paths, copies of them
        self.paths: dict[int, str] = {}  # of objects with attributes, by id
        self.generators: list[Any] = []  # of random numbers
        self.unknown: list[tuple[Any, str]] = []  # what is on no list
        # objects, "__class__", "__code__" or "__bases__", and that
        self.kinds: list[tuple[Any, str, Any]] = []
        # dicts of globals, and names that they must not have: Python's own stand behind them
        self.absent: list[tuple[dict[str, Any], list[str]]] = []
        self.seen: dict[int, Any] = {}
        self.arrays: dict[int, tuple[Any, str]] = {}
        self.names: set[str] = set()  # all that the code names
        self.reads_all, self.walks = reads_all, False
        self.waiting: dict[str, list[tuple[Any, str, bool]]] = collections.defaultdict(list)
        self.stored = stored
        self.pending = [*roots.items()][::-1]
        for function, operation in REGISTRY.items():
            if functions_of_users(operation) and not is_of_user(function):
                self.look_at_operation(function)  # no name of the step leads there
        while self.pending:
            path, x = self.pending.pop()
            start = len(self.pending)
            self.look(x, path)
            self.pending[start:] = self.pending[start:][::-1]  # in order, and depth first
        values = [place.value for place in self.places]
        tuples = [x for x in values if type(x) is tuple]
        self.held = collections.Counter(map(id, [*values, *leaves(tuples)]))
        self.unknown += [(x, path) for i, (x, path) in self.arrays.items() if i not in self.held]

    def look(self, x: Any, path: str) -> None:
        """Add all places within x."""
        kind = type(x)
        if issubclass(kind, Recorded):
            return
        if isinstance(x, type) and not path.startswith("class "):  # it can be called
            self.learn({"__init__", "__new__", "__post_init__"})
        if kind in EXACT or id(x) in self.seen:
            return
        self.seen[id(x)] = x
        if len(self.places) > SEEN_AT_MOST:
            raise refusals.sees_too_much(path)
        if kind is Tensor:
            self.look_at_tensor(x, path)
        elif kind in (dict, list):
            self.look_into(x, path)
        elif kind is tuple:
            self.look_at_each(x, path)
        elif kind in (set, frozenset):
            self.sized.append((x, path, [*x]))
            self.look_at_each(x, path)
        elif kind is np.ndarray or kind is np.memmap:
            self.look_at_array(x, path)
        elif kind is types.FunctionType:
            self.look_from(x, path)
        elif isinstance(x, ATOMS | slice | types.CodeType | types.GenericAlias | types.UnionType):
            if isinstance(x, int | float | complex | str | bytes) and not is_harmless(x):
                self.unknown.append((x, path))  # a subclass, with attributes of its own
        elif isinstance(x, types.ModuleType):
            self.look_at_module(x, path)
        elif isinstance(x, type):
            self.look_at_class(x, path)
        elif kind in PARTS:
            for key in PARTS[kind]:
                self.pending.append((path, getattr(x, key)))
        else:
            self.look_at_object(x, path)

    def look_at_each(self, x: Any, path: str) -> None:
        self.pending += [(f"{path}.{i}", item) for i, item in enumerate(x)]

    def look_at_tensor(self, x: Tensor, path: str) -> None:
        """Add its data and gradient; and those of the graph behind it, which backward() walks."""
        for key in ("_data", "_requires_grad", "_grad"):  # what the properties give
            self.add(x, key, path if key == "_data" else f"{path}.{key[1:]}")
        if x.operation is not None:
            self.add(x, "args", path)
            self.add(x, "values", path)
        self.wait(x, "name", f"{path}.name")

    def look_at_array(self, x: Any, path: str) -> None:
        if x.dtype.kind in "biufc":
            self.arrays[id(x)] = x, path
        else:
            self.unknown.append((x, path))

    def add(self, container: Any, key: Any, path: str, is_item: bool = False) -> None:
        """Add a place; all places within its value follow."""
        place = Place(container, key, path, is_item)
        self.places.append(place)
        self.pending.append((path, place.value))

    def wait(self, container: Any, name: str, path: str, is_item: bool = False) -> None:
        """Add a place as soon as some code names it."""
        if self.reads_all or name in self.names:
            self.add(container, name, path, is_item)
        else:
            self.waiting[name].append((container, path, is_item))

    def learn(self, names: set[str]) -> None:
        """Take up names of code that the step reaches."""
        new = names - self.names
        self.names |= new
        if new & READS_ALL:
            self.reads_all = True
        if new & WALKS and not self.walks:
            self.walks = True
            new = new | {"training"}
        for name in [*self.waiting] if self.reads_all else sorted(new & self.waiting.keys()):
            for container, path, is_item in self.waiting.pop(name):
                self.add(container, name, path, is_item)

    def look_into(self, x: Any, path: str) -> None:
        """Add the items of a dict or list."""
        self.sized.append((x, path, x.copy()))
        for key in [*(x if type(x) is dict else range(len(x)))]:
            if type(key) not in EXACT:
                self.pending.append((f"{path} key", key))
            name = (key.name or "…") if type(key) is Tensor else key
            self.add(x, key, f"{path}.{name}".lstrip("."), is_item=True)

    def look_at_operation(self, function: Any) -> None:
        """Add the functions that run for an operation, save for those of this package."""
        operation: Any = REGISTRY.get(function)
        self.pending += [(operation.name, f) for f in functions_of_users(operation)]

    def look_from(self, f: types.FunctionType, path: str) -> None:
        """Add what a function names: closure, defaults, and globals unless this package has it."""
        code = f.__code__
        self.look_at_operation(f)
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            self.add(cell, "cell_contents", name)
        for key in ("__defaults__", "__kwdefaults__"):
            if getattr(f, key):
                self.add(f, key, f"{f.__name__}'s defaults")
        if vars(f):
            self.look_into(vars(f), f.__name__)
        if is_of_package(f):
            return
        if is_of_library(module_of(f)):
            if not is_harmless_module(module_of(f)):
                self.unknown.append((f, path))
            return
        self.kinds.append((f, "__code__", code))
        self.read(code, f.__globals__)

    def read(self, code: types.CodeType, space: dict[str, Any]) -> None:
        """Add the globals that code names, and take up all its names."""
        names, global_names, imports = names_in(code)
        for name in imports:
            self.unknown.append((name, f"import {name}"))
        self.absent.append((space, [name for name in global_names if name not in space]))
        for name in global_names:
            if name in space:
                if name not in ("__name__", "__file__", "__doc__"):
                    self.add(space, name, name, is_item=True)
            elif name in BUILTINS_REFUSED:
                self.unknown.append((name, f"{name}()"))
        self.learn(names)

    def look_at_module(self, x: types.ModuleType, path: str) -> None:
        """Wait for what code names of a module; of a library, only its numbers and containers."""
        name = x.__name__
        if name.partition(".")[0] in ("numpy", "tinygrad_edu") or is_harmless_module(name):
            return
        if is_of_library(name):
            self.unknown.append((x, path))
            return
        self.sized.append((vars(x), path, vars(x).copy()))
        for key in [*vars(x)]:
            if not key.startswith("__"):
                self.wait(vars(x), key, f"{path}.{key}", is_item=True)

    def look_at_object(self, x: Any, path: str) -> None:
        """Add an object's attributes, and what its class names; unless it is on no list."""
        kind = type(x)
        if is_generator(x):
            self.generators.append(x)
        elif kind is types.SimpleNamespace:
            self.attributes(x, path, always=False)
        elif kind.__module__.partition(".")[0] == "tinygrad_edu" and hasattr(x, "__wrapped__"):
            self.pending.append((path, x.__wrapped__))
        elif kind.__module__.partition(".")[0] == "tinygrad_edu":
            self.paths[id(x)] = path
            self.attributes(x, path, always=True)
        elif callable(x) and is_function_of_library(x):
            owner = getattr(x, "__self__", None)
            if owner is not None and not isinstance(owner, types.ModuleType):
                self.pending.append((path, owner))
        elif not self.is_plain_class(kind):
            self.unknown.append((x, path))
        else:
            self.kinds.append((x, "__class__", kind))
            self.paths[id(x)] = path
            self.pending.append((f"class {kind.__name__}", kind))
            self.attributes(x, path, always=False)

    def is_plain_class(self, kind: type) -> bool:
        """Whether attributes are all that an object of this class has: no container, no C code."""
        if type(kind) not in METACLASSES or is_of_library(kind.__module__):
            return False
        for base in kind.__mro__:
            if base in BASES or base.__module__.partition(".")[0] == "tinygrad_edu":
                continue
            if is_of_library(base.__module__) or vars(base).keys() & {
                "__getattr__",
                "__getattribute__",
            }:
                return False
            if not vars(base).keys() & {"__dict__", "__slots__"}:
                has_dict = any("__dict__" in vars(above) for above in base.__mro__[1:])
                if not has_dict:
                    return False
        return True

    def attributes(self, x: Any, path: str, always: bool) -> None:
        """Add an object's attributes: always, or as code names them.

        A Module's Tensors and Modules count if code walks through all of them.
        """
        for base in type(x).__mro__:
            slots = vars(base).get("__slots__", ())
            for key in (slots,) if isinstance(slots, str) else slots:
                if not key.startswith("__"):
                    (self.add if always else self.wait)(x, key, f"{path}.{key}")
        if not hasattr(x, "__dict__"):
            return
        if always:
            self.look_into(vars(x), path)
            return
        for base in type(x).__mro__:
            if base.__module__.partition(".")[0] == "tinygrad_edu":
                for f in vars(base).values():
                    if isinstance(f, types.FunctionType):
                        self.learn(names_in(f.__code__)[0] - READS_ALL - WALKS)
        self.sized.append((vars(x), path, vars(x).copy()))
        for key in [*vars(x)]:
            self.wait(vars(x), key, f"{path}.{key}".lstrip("."), is_item=True)

    def look_at_class(self, x: type, path: str) -> None:
        """Wait for what code names of a class; Python asks for methods like __add__ by itself."""
        package = x.__module__.partition(".")[0]
        if package in ("numpy", "tinygrad_edu") or issubclass(x, enum.Enum):
            return
        if is_of_library(x.__module__):
            if not is_harmless_module(x.__module__):
                self.unknown.append((x, path))
            return
        if type(x) not in METACLASSES:
            self.unknown.append((x, path))
            return
        self.kinds.append((x, "__bases__", x.__bases__))
        for base in x.__bases__:
            if base not in BASES:
                self.pending.append((f"class {base.__name__}", base))
        where = Raw(x)
        for key, value in [*vars(x).items()]:
            if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                continue
            always = key.startswith("__") and key.endswith("__") and key not in BY_NAME
            if always and not isinstance(value, types.FunctionType):
                continue
            (self.add if always else self.wait)(where, key, f"{x.__name__}.{key}", True)
        self.sized.append((vars(x), path, dict(vars(x))))

    # During a recording, and after it

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
