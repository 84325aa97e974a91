"""Which statements share a nest of loops, and how few loops they need."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_edu.programs.statements import (
    Apply,
    Elements,
    Reduce,
    Statement,
    every_place,
    places_of,
)


def grouped(statements: list[Statement]) -> list[list[Statement]]:
    """Lists of neighbours that one nest of loops can do, each element in turn."""
    groups: list[list[Statement]] = []
    for statement in statements:
        if groups and all(fits_behind(statement, other) for other in groups[-1]):
            groups[-1].append(statement)
        else:
            groups.append([statement])
    return groups


def fits_behind(second: Statement, first: Statement) -> bool:
    """Whether the second may be done for an element before the first is done for the next one."""
    if not isinstance(first, Apply | Reduce) or not isinstance(second, Apply | Reduce):
        return False
    if first.target.shape != second.target.shape:
        return False
    written, reads = first.target, places_of(second)
    if isinstance(first, Reduce):  # complete only behind its loops
        return all(x.root is not written.root for x in (*reads, second.target))
    pairs = [(x, written) for x in (*reads, second.target)]
    pairs += [(x, second.target) for x in places_of(first)]
    return all(x.root is not y.root or x.counts_as(y) for x, y in pairs)


def collapsed(group: list[Apply | Reduce]) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of a group's loops, and its statements: axes that count on become one."""
    places = list(dict.fromkeys(p for s in group for p in every_place(s)))
    shape = group[0].target.shape
    axes: list[list[int]] = []  # each of the new axes, as old ones
    for a, n in enumerate(shape):
        if n == 1:
            continue
        before = axes[-1][-1] if axes else None
        if before is not None and all(p.strides[before] == p.strides[a] * n for p in places):
            axes[-1].append(a)
        else:
            axes.append([a])
    new = {
        p: Elements(
            p.root,
            p.offset,
            tuple([p.strides[old[-1]] for old in axes]),
            tuple([math.prod(shape[a] for a in old) for old in axes]),
        )
        for p in places
    }

    def moved(x: Any) -> Any:
        return new[x] if isinstance(x, Elements) else x

    statements: list[Any] = []
    for s in group:
        if isinstance(s, Apply):
            statements.append(Apply(s.call, s.name, moved(s.target), tuple(map(moved, s.operands))))
        else:
            statements.append(Reduce(s.call, s.name, moved(s.target), moved(s.operand)))
    return tuple([math.prod(shape[a] for a in old) for old in axes]), statements
