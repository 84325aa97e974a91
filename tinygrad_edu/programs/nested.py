"""Arguments within arguments: the leaves of nested tuples, lists, dicts and slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(x: Any) -> Iterator[Any]:
    """Yield each leaf of nested tuples, lists, dicts and slices.

    >>> [*leaves((1, {"a": [2, 3]}))]
    [1, 2, 3]
    """
    if isinstance(x, tuple | list):
        for item in x:
            yield from leaves(item)
    elif isinstance(x, dict):
        yield from leaves(list(x.values()))
    elif isinstance(x, slice):
        yield from (x.start, x.stop, x.step)
    else:
        yield x


def map_leaves(f: Callable[[Any], Any], x: Any) -> Any:
    """Return x with f(leaf) in place of each leaf; a slice counts as one leaf.

    >>> map_leaves(str, (1, {"a": [2, 3]}))
    ('1', {'a': ['2', '3']})
    """
    if isinstance(x, tuple | list):
        items = [map_leaves(f, item) for item in x]
        return x._make(items) if hasattr(x, "_make") else type(x)(items)
    if isinstance(x, dict):
        return {key: map_leaves(f, item) for key, item in x.items()}
    return f(x)
