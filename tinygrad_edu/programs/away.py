"""What stands for an array of the state while its numbers lie on a device.

Whoever uses it in any way brings all numbers home first, and gets the array itself. An array that
somebody holds from before, and that no place leads to, is NaN meanwhile: it cannot be stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.programs.nested import map_leaves

AWAY: list[Any] = []  # what has arrays that are not at home, and a `sync` that brings them


def bring_home(but: Any = None) -> None:
    """Bring home what lies on devices, save that of one of them."""
    for memory in [x for x in AWAY if x is not but]:
        memory.sync()


class StandIn:
    """An array that is elsewhere: `bring` gives it. Shape and dtype are known without that."""

    __slots__ = ("__weakref__", "array", "bring", "holds")

    def __init__(self, array: Any, bring: Callable[[], Any]) -> None:
        self.array, self.bring = array, bring  # of `array` only shape and dtype are asked
        self.holds: Any = None  # what it keeps alive

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return np.ndarray

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size"):
            return getattr(self.array, name)
        if name.startswith("__array"):  # NumPy asks for what it would read without `__array__`
            raise AttributeError(name)
        return getattr(self.bring(), name)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*at_home(args), **at_home(options))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return function(*at_home(args), **at_home(options))


def at_home(x: Any) -> Any:
    """x with the array itself for each that stands in."""
    return map_leaves(lambda leaf: leaf.bring() if type(leaf) is StandIn else leaf, x)


def forwarded(name: str) -> Any:
    """A method such as __add__, which Python does not look up by __getattr__."""
    return lambda self, *args, **options: getattr(self.bring(), name)(*at_home(args), **options)


# fmt: off
OWN = {*vars(StandIn), "__delattr__", "__dir__", "__doc__", "__getattribute__", "__getstate__",
       "__array_finalize__", "__array_interface__", "__array_priority__", "__array_struct__",
       "__array_wrap__", "__class_getitem__", "__hash__", "__init_subclass__", "__new__",
       "__setattr__", "__sizeof__", "__subclasshook__"}
# fmt: on
for attribute in [name for name in dir(np.ndarray) if name.startswith("__") and name not in OWN]:
    setattr(StandIn, attribute, forwarded(attribute))
