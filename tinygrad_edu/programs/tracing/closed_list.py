"""The closed list: what the code of a step may name, and what its objects may be.

The shorter the lists are, the better: where it is doubtful, a step is refused.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import functools
import sys
import types
import typing
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Operation

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
    "asdict", "astuple", "fields", "hasattr", "getmembers", "format", "format_map", "vformat",
}
WALKS = {  # a Module's methods that look at all its attributes
    "members", "modules", "named_modules", "named_parameters", "named_state", "parameters",
    "state_dict", "load_state_dict", "train", "eval", "walk", "zero_grad",
}
# Methods that Python calls by itself; others count if the step's code names them
BY_NAME = {
    "__copy__", "__deepcopy__", "__del__", "__dir__", "__format__", "__getattribute__",
    "__getstate__", "__init__", "__init_subclass__", "__new__", "__post_init__", "__reduce__",
    "__reduce_ex__", "__repr__", "__set_name__", "__setstate__", "__sizeof__", "__str__",
    "__subclasshook__",
}
COPYING = {
    "__copy__", "__deepcopy__", "__getstate__", "__reduce__", "__reduce_ex__", "__setstate__",
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


def is_of_user(function: Any) -> bool:
    """Whether a function that has derivatives is a user's own: the step's code leads to it."""
    return isinstance(function, types.FunctionType) and not is_of_package(
        getattr(function, "__wrapped__", function)
    )


@functools.lru_cache(maxsize=1024)
def functions_of_users(operation: Any) -> tuple[Any, ...]:
    """The functions that run for an operation, save for those of this package."""
    if not isinstance(operation, Operation):
        return ()
    return tuple([f for f in (operation.forward, *operation.every()) if not is_of_package(f)])


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
        elif instruction.opname == "MATCH_CLASS":  # its positions are names in __match_args__
            names.add("getattr")
        elif instruction.opname.startswith("FORMAT"):
            names |= {"__str__", "__repr__", "__format__"}
    if names & {"str", "repr", "format"} or any("%" in text for text in texts_in(code.co_consts)):
        names |= {"__str__", "__repr__", "__format__"}
    if names & {"copy", "deepcopy"}:
        names |= COPYING
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
