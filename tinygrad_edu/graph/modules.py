"""Which Module computed what, as a tree: read from the calls that Tensors remember."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor

MOST_CALLS = 1_000  # of Modules, in a graph that is read: more would take minutes


def too_large(count: str, most: int) -> ValueError:
    return ValueError(
        f"the graph has {count}, and with more than {most:,} it is neither drawn nor written out: "
        "take a smaller case (fewer steps, fewer elements, fewer Modules), or an earlier value of "
        "the same computation"
    )


@dataclass(frozen=True)
class ModuleCall:
    """One call of a Module that took part; a Module that was called twice is there twice."""

    id: str
    path: str  # model.blocks.0, from the outermost Module on; its type if it has no name
    kind: str  # the name of its type
    parameters: int  # how many numbers its parameters hold
    parent: str | None  # the id of the call that called it
    level: int  # 1 for the outermost
    times: int = 1  # how many blocks in a row it stands for (see fold.py)
    one_box: bool = False  # whether a picture shows it as one operation (see layers.py)


@dataclass(frozen=True, eq=False)
class Region:
    """The values that one call of a Module computed."""

    module: Any
    arguments: Any
    interior: frozenset[int]  # the ids of its results and of all between them and its arguments


Arguments = Callable[[Any], list[tuple[int, Any]]]  # a value ↦ (number, argument) of each edge
# a leaf's id ↦ (number, value) of what it was computed from while nothing was recorded
Links = dict[int, list[tuple[int, Any]]]


def module_regions(values: Sequence[Any], arguments: Arguments) -> list[Region]:
    """The calls that computed some of the values, inner ones before those that contain them."""
    results: dict[int, tuple[tuple[Any, Any, Any], list[Any]]] = {}
    for z in values:
        for call in z.notes if isinstance(z, Tensor) else ():
            results.setdefault(id(call), (call, []))[1].append(z)
    if len(results) > MOST_CALLS:
        raise too_large(f"{len(results):,} calls of Modules", MOST_CALLS)
    found = []
    for (module, args, options), outputs in results.values():
        given = {id(x) for x in nested_values((args, options))}
        found.append(Region(module, (args, options), interior(outputs, arguments, given)))
    found = [region for region in found if region.interior]
    return sorted(found, key=lambda region: len(region.interior))  # stable: inner first


def interior(outputs: Sequence[Any], arguments: Arguments, given: set[int]) -> frozenset[int]:
    """The ids of the outputs and of all that leads to them from the given values, without those."""
    inside: set[int] = set()
    pending = list(outputs)
    while pending:
        x = pending.pop()
        if id(x) in inside or id(x) in given:
            continue
        inside.add(id(x))
        pending.extend(a for _, a in arguments(x))
    return frozenset(inside)


def module_state(found: Sequence[Region]) -> set[int]:
    """The ids of the parameters and buffers that the Modules hold."""
    seen: set[int] = set()
    tensors = []
    for region in reversed(found):  # outer ones first: they hold the others
        if id(region.module) not in seen:
            seen |= {id(module) for _, module in region.module.named_modules()}
            tensors += [x for _, x in region.module.named_state()]
    return {id(x) for x in tensors} | {id(x.data) for x in tensors}


def unrecorded_links(values: Sequence[Any], arguments: Arguments) -> Links:
    """Find leaves within Modules that were computed from what the Modules were called with.

    Where nothing requires a gradient nothing is recorded: the patches that a convolution takes from
    an image stand in the graph, and the image does not. If nothing in a call uses an argument, the
    leaves within the call that have no other origin were computed from it. The innermost call with
    arguments decides: a state that begins at 0 in it comes from no argument of those around it.
    """
    found = module_regions(values, arguments)
    known, at = module_state(found), {id(x): number for number, x in enumerate(values)}
    links: Links = {}
    settled: set[int] = set()  # the leaves of inner calls
    for region in found:  # inner ones first
        given = {id(x): x for x in nested_values(region.arguments) if holds_elements(x)}
        inside = [values[number] for number in sorted(at[i] for i in region.interior)]
        there = at.keys() | given.keys()
        for z in inside:  # it grows: what an inner call was given is a leaf of this one
            new = {id(x): x for _, x in links.get(id(z), ()) if id(x) not in there}
            inside += new.values()
            there |= new.keys()
        used = {id(x) for z in inside for _, x in (*arguments(z), *links.get(id(z), ()))}
        idle = [x for i, x in given.items() if i not in used and i not in known]
        for leaf in inside:
            is_leaf = not arguments(leaf) and not getattr(leaf, "requires_grad", False)
            if is_leaf and id(leaf) not in known | links.keys() | given.keys() | settled:
                links |= {id(leaf): list(enumerate(idle))} if idle else {}
        settled |= {id(leaf) for leaf in inside} if given else set()
    return links


def holds_elements(x: Any) -> bool:
    """Whether x is a Tensor, or an array with at least one axis."""
    return isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.ndim > 0)


def loss_targets(found: Sequence[Region], values: Sequence[Any]) -> set[int]:
    """The ids of what losses compare with.

    A loss is a Module without parameters that makes one number of several arguments: its targets
    are all but the first.
    """
    numbers = {id(x) for x in values if isinstance(x, Tensor) and not x.shape}
    targets: set[int] = set()
    for region in found:
        given = [x for x in nested_values(region.arguments) if holds_elements(x)]
        results = region.interior & numbers
        if len(given) > 1 and results and not list(region.module.parameters()):
            targets |= {id(x) for x in given[1:]}
    return targets


def nested_values(value: Any) -> Iterator[Any]:
    """Yield the values in tuples, lists and dicts, however deep."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, tuple | list):
        yield value
    else:
        for item in value:
            yield from nested_values(item)


def caller_of(i: int, found: Sequence[Region]) -> int | None:
    """The number of the call that called the i-th; None if none did."""
    later = range(i + 1, len(found))
    return next((j for j in later if found[i].interior <= found[j].interior), None)


def module_paths(found: Sequence[Region], names: Mapping[int, str]) -> dict[int, str]:
    """The path of each Module, parameter and buffer from the outermost Module on, by its id.

    `names` are the variables that hold the Modules, by their ids.
    """
    roots = [region.module for i, region in enumerate(found) if caller_of(i, found) is None]
    paths: dict[int, str] = {}
    for root in roots:
        state = [(path, y) for path, x in root.named_state() for y in (x, x.data)]
        for path, x in chain(root.named_modules(), root.named_parameters(), state):
            # without a variable, "0.weight" is Sequential.0.weight and "" is Sequential
            unnamed = "" if path[:1].isalpha() else type(root).__name__
            name = names.get(id(root), unnamed)
            paths.setdefault(id(x), ".".join(filter(None, (name, path))))
    return paths


def module_tree(found: Sequence[Region], paths: Mapping[int, str]) -> list[ModuleCall]:
    """Write the calls as data, in the same order, each with the call that called it."""
    calls: dict[int | None, ModuleCall] = {}
    for i in reversed(range(len(found))):  # outer ones first
        module, above = found[i].module, calls.get(caller_of(i, found))
        kind = type(module).__name__
        calls[i] = ModuleCall(
            f"m{i}",
            paths.get(id(module), kind),
            kind,
            sum(p.size for p in module.parameters()),
            above.id if above else None,
            above.level + 1 if above else 1,
            one_box=module.one_box,
        )
    return [calls[i] for i in range(len(found))]


def innermost_region(x: int, takers: set[int], found: Sequence[Region]) -> str | None:
    """The id of the innermost call that contains a value and all that takes it as an argument."""
    around = (i for i, r in enumerate(found) if x in r.interior and takers <= r.interior)
    return next((f"m{i}" for i in around), None)
