"""The world of a step: all that its function can read, on a closed list, each thing by content.

The search starts from the function and its arguments, and follows closures, globals, attributes and
items. An attribute is followed only if some code that the step reaches names it. What is on no list
is refused by name. While a step is recorded, `Traced` stands in place of every array.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import enum
import functools
import itertools
import sys
import types
import typing
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Operation, Tensor
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.generators import is_generator
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.program import Array
from tinygrad_edu.programs.record import refill
from tinygrad_edu.programs.traced import Recorded, Traced, memory_owner, recorded_in, untraced

ATOMS = int | float | complex | str | bytes | None | np.generic | np.dtype | enum.Enum | range
EXACT = {int, float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented), range}
SEEN_AT_MOST = 20_000  # places

# fmt: off
# Modules of Python's library whose functions only compute; no clock, no file, no environment
HARMLESS = {
    "__future__", "abc", "builtins", "cmath", "collections", "contextlib", "copy", "dataclasses",
    "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers", "operator", "random",
    "re", "statistics", "string", "textwrap", "types", "typing", "_functools",
    "_operator", "_collections_abc", "_random",
}
# What a step may not name of Python's own functions: their answers or effects are not recorded
BUILTINS_REFUSED = {
    "__import__", "breakpoint", "compile", "eval", "exec", "exit", "globals", "id", "input",
    "locals", "open", "print", "quit",
}
# Who names these reads attributes by names that his code does not show
READS_ALL = {
    "getattr", "vars", "dir", "__dict__", "attrgetter", "methodcaller", "__getattribute__",
    "asdict", "astuple", "fields", "hasattr", "getmembers",
}
WALKS = {  # a Module's methods that look at all its attributes
    "members", "modules", "named_modules", "named_parameters", "named_state", "parameters",
    "state_dict", "load_state_dict", "train", "eval", "walk", "zero_grad",
}
# Methods that Python calls by itself; others count if the step's code names them
BY_NAME = {
    "__class_getitem__", "__copy__", "__deepcopy__", "__del__", "__delattr__", "__dir__",
    "__format__", "__getattribute__", "__getstate__", "__init__", "__init_subclass__", "__new__",
    "__post_init__", "__reduce__", "__reduce_ex__", "__repr__", "__set_name__", "__setattr__",
    "__setstate__", "__sizeof__", "__str__", "__subclasshook__",
}
# fmt: on
BASES = {object, abc.ABC, typing.Generic, typing.Protocol, contextlib.ContextDecorator}
METACLASSES = {type, abc.ABCMeta, enum.EnumMeta}
PARTS = {  # what a callable object of Python's is made of
    types.MethodType: ("__self__", "__func__"),
    functools.partial: ("func", "args", "keywords"),
    property: ("fget",),
    classmethod: ("__func__",),
    staticmethod: ("__func__",),
    functools.cached_property: ("func",),
}


class Place:
    """Where a value is held: an attribute of an object, or an item of a dict or list."""

    __slots__ = ("container", "is_item", "key", "path", "stood", "value")

    def __init__(self, container: Any, key: Any, path: str, is_item: bool) -> None:
        self.container, self.key, self.path, self.is_item = container, key, path, is_item
        self.value = self.stood = self.get()

    def get(self) -> Any:
        try:
            if self.is_item:
                return self.container[self.key]
            return getattr(self.container, self.key)
        except (LookupError, AttributeError, ValueError):  # an empty cell gives a ValueError
            return None

    def set(self, value: Any) -> None:
        if self.is_item:
            self.container[self.key] = value
        else:
            try:
                setattr(self.container, self.key, value)
            except AttributeError:  # of a frozen dataclass
                object.__setattr__(self.container, self.key, value)

    def set_if_changed(self, value: Any) -> None:
        if self.get() is not value:
            self.set(value)

    @property
    def is_grad(self) -> bool:
        return type(self.container) is Tensor and self.key == "grad"


class World:
    """All places that a function can read, found from its roots.

    `stored` are numbers that the step has stored before, (id of a container, key): they are traced.
    """

    def __init__(self, roots: dict[str, Any], stored: set[Any]) -> None:
        self.places: list[Place] = []
        self.sized: list[tuple[Any, str, Any]] = []  # containers, their paths, copies of them
        self.generators: list[Any] = []  # of random numbers
        self.unknown: list[tuple[Any, str]] = []  # what is on no list
        self.kinds: list[tuple[Any, str, Any]] = []  # objects, "__class__" or "__code__", and that
        self.seen: dict[int, Any] = {}
        self.arrays: dict[int, tuple[Any, str]] = {}
        self.names: set[str] = set()  # all that the code names
        self.reads_all, self.walks = False, False
        self.waiting: dict[str, list[tuple[Any, str, bool]]] = collections.defaultdict(list)
        self.stored, self.roots = stored, roots
        self.pending = [*roots.items()][::-1]
        for operation in REGISTRY.values():
            if isinstance(operation, Operation) and not is_of_package(operation.forward):
                own = [f for f in (operation.forward, *operation.every()) if not is_of_package(f)]
                self.pending += [(operation.name, f) for f in own]
        while self.pending:
            path, x = self.pending.pop()
            start = len(self.pending)
            self.look(x, path)
            self.pending[start:] = self.pending[start:][::-1]  # in order, and depth first
        held = {id(leaf) for place in self.places for leaf in leaves(place.value)}
        self.unknown += [(x, path) for i, (x, path) in self.arrays.items() if i not in held]

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
        for key in ("data", "requires_grad", "grad"):
            self.add(x, key, path if key == "data" else f"{path}.{key}")
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
            self.pending.append((f"{path} key", key))
            name = (key.name or "…") if type(key) is Tensor else key
            self.add(x, key, f"{path}.{name}".lstrip("."), is_item=True)

    def look_from(self, f: types.FunctionType, path: str) -> None:
        """Add what a function names: closure, defaults, and globals unless this package has it."""
        code = f.__code__
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
            self.attributes(x, path, always=True)
        elif callable(x) and is_function_of_library(x):
            owner = getattr(x, "__self__", None)
            if owner is not None and not isinstance(owner, types.ModuleType):
                self.pending.append((path, owner))
        elif not self.is_plain_class(kind):
            self.unknown.append((x, path))
        else:
            self.kinds.append((x, "__class__", kind))
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
                if hasattr(x, key) and not key.startswith("__"):
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
            if isinstance(value, np.generic):
                if (id(place.container), place.key) in self.stored:
                    array = Array.of(place.path, value)
                    self.reads[id(place)] = array, place
                    place.stood = Traced(trace, array)
                    place.set(place.stood)
            elif isinstance(value, tuple | np.ndarray) and any(
                id(leaf) in self.traced for leaf in leaves(value)
            ):
                place.stood = map_leaves(lambda leaf: self.traced.get(id(leaf), leaf), value)
                place.set(place.stood)

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
        containers = all(same_keys(container, copy) for container, _, copy in self.sized)
        if moved or not containers:
            self.clean()
        return moved

    def clean(self) -> None:
        """Put arrays for what was recorded and lies in what the step has made."""
        for place in World(self.roots, set()).places:
            if isinstance(place.value, Recorded | tuple) and recorded_in(place.value):
                place.set(untraced(place.value))

    def unsettled(self, moved: list[tuple[Place, Any]], known: set[int], excluded: set[int]) -> str:
        """The path of what has changed and is no output of the step; or ""."""
        for container, path, copy in self.sized:
            if id(container) not in excluded and not same_keys(container, copy):
                return path
        for place, now in moved:
            if self.is_excluded(place, excluded):
                continue
            if id(place) in known and (place.value is None) == (now is None):
                continue
            if not same_value(place.value, now):
                return f"{place.path}: {text_of(place.value)}, then {text_of(now)}"
        return ""

    def difference(self) -> str:
        """The path of the first place that is not as it was; or ""."""
        for container, path, copy in self.sized:
            if not same_keys(container, copy):
                return path
        for place in self.places:
            if not place.is_grad and not same_value(place.value, now := place.get()):
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


class Raw:
    """A class as a container: what it holds under a name, before descriptors are asked."""

    def __init__(self, kind: type) -> None:
        self.kind, self.items = kind, vars(kind)

    def __getitem__(self, key: str) -> Any:
        return vars(self.kind)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.kind, key, value)


def same_keys(container: Any, copy: Any) -> bool:
    """Whether a dict has the keys of the copy, in its order; a set its members; a list its length."""
    if type(container) is list:
        return len(container) == len(copy)
    if len(container) != len(copy):
        return False
    return all(a is b or same_value(a, b) for a, b in zip(container, copy, strict=True))


def same_value(a: Any, b: Any) -> bool:
    """Whether a and b are one object, or equal numbers, equal texts, or tuples of such."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same_value, a, b))
    if isinstance(a, slice):
        return same_value((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, float | complex):
        return repr(a) == repr(b)  # 0.0 is not −0.0, NaN is NaN
    return isinstance(a, ATOMS | types.MethodType) and bool(a == b)


def text_of(x: Any) -> str:
    return f"an array {x.shape}" if isinstance(x, np.ndarray) else f"{untraced(x)!r:.50}"


def is_of_library(module: str | None) -> bool:
    """Whether a module belongs to Python's library or to NumPy."""
    first = (module or "").partition(".")[0]
    return first in sys.stdlib_module_names or first == "numpy"


def is_harmless_module(module: str | None) -> bool:
    first = (module or "").partition(".")[0]
    return first in HARMLESS or first == "numpy"


def is_harmless(x: Any) -> bool:
    """Whether a number or text is of NumPy, or of an Enum: its attributes do not change."""
    return isinstance(x, np.generic | enum.Enum)


def is_of_package(f: Any) -> bool:
    """Whether this package defines a function; an example in a docstring is a user's."""
    if not isinstance(f, types.FunctionType):
        return (getattr(f, "__module__", "") or "").partition(".")[0] == "tinygrad_edu"
    is_doctest = f.__code__.co_filename.startswith("<")
    return module_of(f).partition(".")[0] == "tinygrad_edu" and not is_doctest


def module_of(f: types.FunctionType) -> str:
    """Where the code of a function stands: a decorator may have given it another name."""
    return str(f.__globals__.get("__name__", ""))


def is_function_of_library(x: Any) -> bool:
    """Whether x is a function of C, of NumPy or of Python's library, or a method of such."""
    if isinstance(x, types.BuiltinFunctionType | types.MethodWrapperType):
        owner = getattr(x, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return is_harmless_module(x.__module__) if x.__module__ else True
        return True
    kind = type(x)
    if isinstance(x, types.MethodDescriptorType | types.WrapperDescriptorType):
        return True
    return isinstance(x, np.ufunc) or (
        kind.__module__.partition(".")[0] == "numpy" and "Dispatcher" in kind.__name__
    )


NAMES: weakref.WeakKeyDictionary[types.CodeType, Any] = weakref.WeakKeyDictionary()


def names_in(code: types.CodeType) -> tuple[set[str], list[str], list[str]]:
    """All that code names, with texts that could be names; its globals; what it imports.

    Functions and comprehensions within the function count too.
    """
    if code in NAMES:
        return NAMES[code]  # type: ignore[no-any-return]
    import dis  # not at the top: most programs replay nothing

    names = {*code.co_names, *texts_in(code.co_consts)}
    global_names, imports = dict[str, None](), dict[str, None]()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            global_names[instruction.argval] = None
        elif instruction.opname == "IMPORT_NAME":
            imports[instruction.argval] = None
        elif instruction.opname.startswith("FORMAT"):
            names |= {"__str__", "__repr__", "__format__"}
    if names & {"str", "repr", "format"}:
        names |= {"__str__", "__repr__", "__format__"}
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            more, others, imported = names_in(inner)
            names |= more
            global_names.update(dict.fromkeys(others))
            imports.update(dict.fromkeys(imported))
    NAMES[code] = names, [*global_names], [*imports]
    return NAMES[code]  # type: ignore[no-any-return]


def texts_in(x: Any) -> Iterator[str]:
    """Texts among constants: `getattr(x, "name")` has one."""
    for item in x:
        if isinstance(item, str):
            yield item
        elif isinstance(item, tuple | frozenset):
            yield from texts_in(item)
