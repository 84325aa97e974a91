"""Which statements share a nest of loops, and how few loops they need."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tinygrad_edu.programs.loops.statements import (
    Apply,
    CheckClasses,
    Elements,
    Gather,
    Reduce,
    Statement,
    every_place,
)
from tinygrad_edu.programs.program import Array


class SharedNest:
    """Statements that one nest of loops can do, each element in turn."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        # What the statements read, write, and complete only behind their loops, by memory
        self.uses: dict[Array, dict[tuple[Elements, str], None]] = {}

    def add(self, statement: Statement) -> None:
        self.statements.append(statement)
        for place, how in uses_of(statement):
            self.uses.setdefault(place.root, {})[place, how] = None

    def takes(self, statement: Statement) -> bool:
        """Whether it may be done for an element before the others are done for the next one."""
        first = self.statements[0]
        if not isinstance(first, Apply | Reduce) or not isinstance(statement, Apply | Reduce):
            return False
        if first.target.shape != statement.target.shape:
            return False
        return all(
            "sum" not in (how, other) and place.counts_as(there)
            for place, how, there, other in self.shared_with(statement)
        )

    def bars(self, statement: Statement) -> bool:
        """Whether it may not be done before these: they share elements, or may raise an error."""
        if isinstance(self.statements[0], CheckClasses | Gather):
            return True
        return any(True for _ in self.shared_with(statement))

    def shared_with(self, statement: Statement) -> Iterator[tuple[Elements, str, Elements, str]]:
        """The pairs of places that have elements in common, one of them written to."""
        for place, how in uses_of(statement):
            for there, other in self.uses.get(place.root, ()):
                if not how == other == "read" and not place.is_apart_from(there):
                    yield place, how, there, other


def uses_of(statement: Statement) -> list[tuple[Elements, str]]:
    """Each place of a statement, with "read", "write", or "sum" for what is complete in the end."""
    how = "sum" if isinstance(statement, Reduce) else "write"
    places = every_place(statement)
    if isinstance(statement, CheckClasses):
        return [(place, "read") for place in places]
    return [(place, how if place is statement.target else "read") for place in places]


def nest_for(statement: Statement, groups: list[SharedNest]) -> SharedNest | None:
    """The last group that takes a statement, unless one behind it bars the way."""
    for group in reversed(groups):
        if group.takes(statement):
            return group
        if group.bars(statement):
            return None
    return None


def grouped(statements: list[Statement]) -> list[list[Statement]]:
    """Lists of statements that one nest of loops can do, each element in turn.

    A statement goes back past those that it has nothing to do with, to a nest that takes it.
    """
    groups: list[SharedNest] = []
    for statement in statements:
        within = nest_for(statement, groups)
        if within is None:
            groups.append(within := SharedNest())
        within.add(statement)
    return [group.statements for group in groups]


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
