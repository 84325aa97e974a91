"""The search for all that a step's function can read, on a closed list, each thing by content.

It starts from the function and its arguments, and follows closures, globals, attributes and items.
An attribute is followed only if some code that the step reaches names it. What is on no list is
kept as unknown, and refused by name.
"""

from __future__ import annotations

import collections
import enum
import functools
import types
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.nested import leaves
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
)
from tinygrad_edu.programs.tracing.traced import (
    Recorded,
)

SEEN_AT_MOST = 20_000  # places


class Search:
    """All places that a function can read, found from its roots.

    `stored` are numbers and gradients that the step has stored before, each as (id of its
    container, key): they are read anew at every call.
    """

    def __init__(self, roots: dict[str, Any], stored: set[Any], reads_all: bool = False) -> None:
        self.places: list[Place] = []
        self.sized: list[tuple[Any, str, Any]] = []  # containers, their paths, copies of them
        self.part = set[int]()  # ids of those of which not all items are places
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
        self.waiting: dict[str, list[tuple[Any, str, str, bool]]] = collections.defaultdict(list)
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
        elif isinstance(x, enum.Enum):
            self.look_at_member(x, path)
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
            if kind is functools.partial:
                self.look_into(vars(x), path)
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

    def wait(
        self, container: Any, name: str, path: str, is_item: bool = False, asked: str = ""
    ) -> None:
        """Add a place as soon as some code names it, or what is `asked`."""
        asked = asked or name
        if self.reads_all or asked in self.names:
            self.add(container, name, path, is_item)
        else:
            self.waiting[asked].append((container, name, path, is_item))

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
            for place in self.waiting.pop(name):
                self.add(*place)

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
        if vars(f) or not is_of_package(f):
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
        if is_of_library(name) or type(x) is not types.ModuleType:
            self.unknown.append((x, path))
            return
        self.sized.append((vars(x), path, vars(x).copy()))
        if "__getattr__" in vars(x):
            self.add(vars(x), "__getattr__", f"{path}.__getattr__", is_item=True)
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
        self.kinds.append((x, "__dict__", vars(x)))
        self.part.add(id(vars(x)))
        self.sized.append((vars(x), path, vars(x).copy()))
        for key in [*vars(x)]:
            place = vars(x), key, f"{path}.{key}".lstrip("."), True
            self.wait(*place)
            if type(x) is types.SimpleNamespace:  # its text names them all
                self.wait(*place, asked="__repr__")

    def look_at_class(self, x: type, path: str) -> None:
        """Wait for what code names of a class; Python asks for methods like __add__ by itself."""
        package = x.__module__.partition(".")[0]
        if package in ("numpy", "tinygrad_edu"):
            return
        if issubclass(x, enum.Enum):
            self.look_at_enum(x)
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
            if always and not callable(value) and not isinstance(value, classmethod):
                continue
            (self.add if always else self.wait)(where, key, f"{x.__name__}.{key}", True)
        self.part.add(id(space := vars(x)))
        self.sized.append((space, path, dict(space)))

    def look_at_enum(self, x: type[enum.Enum]) -> None:
        """Wait for its methods, and add its members."""
        if is_of_library(x.__module__):
            return
        self.pending += [(f"{x.__name__}.{key}", member) for key, member in x.__members__.items()]
        kinds = (types.FunctionType, property, classmethod, staticmethod)
        self.pending += [(f"class {base.__name__}", base) for base in x.__bases__]
        for key in [key for key, f in vars(x).items() if isinstance(f, kinds)]:
            self.wait(Raw(x), key, f"{x.__name__}.{key}", True)

    def look_at_member(self, x: enum.Enum, path: str) -> None:
        """Add what a member of an Enum has beside numbers and texts."""
        if is_of_library(type(x).__module__):
            return
        self.pending.append((path, type(x)))
        self.part.add(id(vars(x)))
        self.sized.append((vars(x), path, vars(x).copy()))
        for key, value in [*vars(x).items()]:
            if key == "_value_":
                self.pending.append((path, value))
            elif key not in ("_name_", "__objclass__", "_sort_order_"):
                self.wait(vars(x), key, f"{path}.{key}", is_item=True)
