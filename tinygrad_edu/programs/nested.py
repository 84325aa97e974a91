"""Arguments within arguments: the leaves of nested tuples, lists, dicts and slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NESTING = (tuple, list, dict, slice)


def leaves(x: Any) -> list[Any]:
    """The leaves of nested tuples, lists, dicts and slices, in order.

    >>> leaves((1, {"a": [2, 3]}))
    [1, 2, 3]
    """
    found, pending = list[Any](), [x]
    while pending:
        x = pending.pop()
        kind = type(x)  # not isinstance: what stands for an array says that it is one
        if kind is tuple:  # nearly always
            pending += x[::-1]
        elif not issubclass(kind, NESTING):
            found.append(x)
        elif issubclass(kind, dict):
            pending += [*x.values()][::-1]
        else:
            pending += (x.step, x.stop, x.start) if kind is slice else x[::-1]
    return found


def map_leaves(f: Callable[[Any], Any], x: Any) -> Any:
    """Return x with f(leaf) in place of each leaf; a slice counts as one leaf.

    >>> map_leaves(str, (1, {"a": [2, 3]}))
    ('1', {'a': ['2', '3']})
    """
    kind = type(x)
    if kind is tuple:  # nearly always
        return tuple([map_leaves(f, y) if issubclass(type(y), NESTING) else f(y) for y in x])
    if kind is slice or not issubclass(kind, NESTING):
        return f(x)
    if issubclass(kind, dict):
        return {key: map_leaves(f, item) for key, item in x.items()}
    items = [map_leaves(f, item) for item in x]
    return x._make(items) if hasattr(x, "_make") else kind(items)
