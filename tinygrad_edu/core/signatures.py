"""How a function is called: which arguments, which options, with which defaults.

NumPy's functions and our partials say so themselves, in their signatures.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from tinygrad_edu.core import errors


@functools.cache
def places(function: Callable[..., Any], run: Callable[..., Any]) -> int:
    """Count the arguments that a call may give without a name: those before `out`."""
    names = [parameter.name for parameter in parameters_of(function)]
    most = names.index("out") if "out" in names else sys.maxsize
    taken = [parameter.kind for parameter in parameters_of(run)]
    if Parameter.VAR_POSITIONAL not in taken:
        return min(most, len(taken) - taken.count(Parameter.KEYWORD_ONLY))
    every = [parameter.kind for parameter in parameters_of(function)]
    return sys.maxsize if Parameter.VAR_POSITIONAL in every else most


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function; none for a function in C that does not tell them."""
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        return []


def check_partials(function: Callable[..., Any], partials: tuple[Any, ...]) -> None:
    """Refuse a partial that cannot be given g, z and an argument."""
    for partial in partials:
        code = getattr(partial, "__code__", None)  # a signature takes 20 times as long
        if code is None or hasattr(partial, "__wrapped__"):
            continue
        if code.co_argcount < 3 and not code.co_flags & inspect.CO_VARARGS:
            raise errors.partial_without_values(function, code)


def call_signature(run: Any) -> inspect.Signature:
    """How an operation is called: as its partials are, without g and z."""
    found = [inspect.signature(f, follow_wrapped=False) for f in run.every()]
    parameters = [*(found or [inspect.signature(run.forward)])[0].parameters.values()]
    first = 2 * bool(found)
    many = [p for p in parameters[:first] if p.kind is p.VAR_POSITIONAL]
    return inspect.Signature([*many, *parameters[first:]])


def option_names(run: Any) -> frozenset[str]:
    """The options that an operation knows: the parameters of its partials."""
    names = {name for f in run.every() for name in inspect.signature(f).parameters}
    return frozenset(names - {"out"})  # which np.take's partial shows, as np.take has it


def by_name(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any], first: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Name the arguments behind the first ones, and leave out those that equal their default."""
    known, named = parameters_of(function), dict(options)
    if len(args) > len(known):
        raise errors.too_many_arguments(function, args, len(known) or first)
    for parameter, value in zip(known[first:], args[first:], strict=False):
        if parameter.name in options:
            raise errors.option_twice(function, parameter.name)
        default = parameter.default
        if value is not default and not (type(value) is type(default) and value == default):
            named[parameter.name] = value
    return args[:first], named


@functools.cache
def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The options of NumPy's function, with their defaults: giving a default asks for nothing."""
    usual = {x.name: x.default for x in parameters_of(function) if x.default is not x.empty}
    return usual or {"out": None}
