"""Places where a step's values are held, and when two values count as the same."""

from __future__ import annotations

import enum
import types
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.programs.away import StandIn
from tinygrad_edu.programs.tracing.traced import untraced

ATOMS = int | float | complex | str | bytes | None | np.generic | np.dtype | enum.Enum | range
EXACT = {int, float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented), range}


class Absent(enum.Enum):
    """What a slot holds to which nothing has been assigned."""

    NOTHING = "nothing"


class Place:
    """Where a value is held: an attribute of an object, or an item of a dict or list."""

    __slots__ = ("container", "is_item", "key", "path", "stood", "value")

    def __init__(self, container: Any, key: Any, path: str, is_item: bool) -> None:
        self.container, self.key, self.path, self.is_item = container, key, path, is_item
        self.value = self.stood = self.get()
        if type(self.value) is StandIn:  # somebody has put it here while it was elsewhere
            self.value = self.stood = self.value.bring()
            self.set(self.value)

    def get(self) -> Any:
        try:
            if self.is_item:
                return self.container[self.key]
            return getattr(self.container, self.key)
        except AttributeError:
            return Absent.NOTHING
        except (LookupError, ValueError):  # an empty cell gives a ValueError
            return None

    def set(self, value: Any) -> None:
        if self.is_item:
            self.container[self.key] = value
        elif value is Absent.NOTHING:
            delattr(self.container, self.key)
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
        return type(self.container) is Tensor and self.key == "_grad"


class Raw:
    """A class as a container: what it holds under a name, before descriptors are asked."""

    def __init__(self, kind: type) -> None:
        self.kind, self.items = kind, vars(kind)

    def __getitem__(self, key: str) -> Any:
        return vars(self.kind)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self.kind, key, value)


def same_keys(container: Any, copy: Any) -> bool:
    """Whether a dict or set has the keys of the copy, in its order, and a list its length."""
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
        return bool(a.dtype == b.dtype and a.tobytes() == b.tobytes())
    if isinstance(a, float | complex):
        return repr(a) == repr(b)  # 0.0 is not −0.0, NaN is NaN
    equal: bool = isinstance(a, ATOMS | types.MethodType) and bool(a == b)
    return equal


def text_of(x: Any) -> str:
    return f"an array {x.shape}" if isinstance(x, np.ndarray) else f"{untraced(x)!r:.50}"
