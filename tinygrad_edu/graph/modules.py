"""Which Module computed what, as a tree: read from the calls that Tensors remember
(`Tensor.notes`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any


@dataclass(frozen=True)
class Module:
    """One call of a Module that took part; a Module that was called twice is there twice."""

    id: str
    path: str  # model.blocks.0, from the outermost Module on; its type if it has no name
    kind: str  # the name of its type
    parameters: int  # how many numbers they hold
    parent: str | None  # the id of the call that called it
    level: int  # 1 for the outermost
    times: int = 1  # how many blocks in a row it stands for (see fold.py)


@dataclass(frozen=True, eq=False)
class Call:
    module: Any
    arguments: Any
    interior: frozenset[int]  # the ids of the values between its arguments and its results


def calls(values: Sequence[Any], arguments: Any) -> list[Call]:
    """The calls that computed some of the values, inner ones before the outer ones that contain
    them."""
    results: dict[int, tuple[tuple[Any, Any, Any], list[Any]]] = {}
    for z in values:
        for call in getattr(z, "notes", ()):
            results.setdefault(id(call), (call, []))[1].append(z)
    found = [
        Call(
            module,
            (args, options),
            interior(outputs, arguments, {id(x) for x in flat((args, options))}),
        )
        for (module, args, options), outputs in results.values()
    ]
    return sorted(
        [call for call in found if call.interior], key=lambda call: len(call.interior)
    )  # stable: inner first


def interior(outputs: Sequence[Any], arguments: Any, given: set[int]) -> frozenset[int]:
    """What lies between the outputs and what was given, given values excluded."""
    inside: set[int] = set()
    pending = list(outputs)
    while pending:
        x = pending.pop()
        if id(x) in inside or id(x) in given:
            continue
        inside.add(id(x))
        pending.extend(a for _, a in arguments(x))
    return frozenset(inside)


def flat(value: Any) -> Iterator[Any]:
    """The values in tuples, lists and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, tuple | list):
        yield value
    else:
        for item in value:
            yield from flat(item)


def outer(i: int, found: Sequence[Call]) -> int | None:
    """The call that called the i-th."""
    return next(
        (j for j in range(i + 1, len(found)) if found[i].interior <= found[j].interior), None
    )


def paths(found: Sequence[Call], names: Mapping[int, str]) -> dict[int, str]:
    """The path of each Module and parameter from the outermost Module on, by id; `names` are the
    variables that hold them."""
    roots = [call.module for i, call in enumerate(found) if outer(i, found) is None]
    named: dict[int, str] = {}
    for root in roots:
        for path, x in chain(root.named_modules(), root.named_parameters()):
            named.setdefault(
                id(x),
                ".".join(part for part in (names.get(id(root)), path) if part)
                or type(root).__name__,
            )
    return named


def tree(found: Sequence[Call], named: Mapping[int, str]) -> list[Module]:
    """The calls as Modules, in the same order."""
    modules: dict[int | None, Module] = {}
    for i in reversed(range(len(found))):  # outer ones first
        module, above = found[i].module, modules.get(outer(i, found))
        kind = type(module).__name__
        modules[i] = Module(
            f"m{i}",
            named.get(id(module), kind),
            kind,
            sum(p.size for p in module.parameters()),
            above.id if above else None,
            above.level + 1 if above else 1,
        )
    return [modules[i] for i in range(len(found))]


def home(x: int, consumers: set[int], found: Sequence[Call]) -> str | None:
    """The innermost call that contains a value, and for a leaf all that takes it too."""
    return next(
        (
            f"m{i}"
            for i, call in enumerate(found)
            if x in call.interior and consumers <= call.interior
        ),
        None,
    )
