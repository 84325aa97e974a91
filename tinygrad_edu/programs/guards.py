"""The guards of a program: code that asks whether all that the step can see is as it was.

They are one expression, and nearly all of it is `is`: a network of six layers costs about 1 µs.
"""

from __future__ import annotations

import itertools
import operator
import types
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.names import CodeNames
from tinygrad_edu.programs.tracing.closed_list import is_of_package
from tinygrad_edu.programs.tracing.generators import generator_state, set_generator_state
from tinygrad_edu.programs.tracing.places import ATOMS, Absent, Place, Raw, same_keys, same_value
from tinygrad_edu.programs.tracing.record import refill
from tinygrad_edu.programs.tracing.recording import Recording

MISS = object()  # what a program returns if it does not fit the call
MISSED = (LookupError, AttributeError, ValueError, TypeError)  # the errors of a place that is gone


class Guards:
    """The conditions that a recording rests on, as code in which names stand for objects."""

    def __init__(self, now: Recording, parameters: list[str], names: CodeNames) -> None:
        self.now, self.names = now, names
        self.arguments = [*zip(parameters, now.arguments.values(), strict=True)]

    def entrance(self, exposed: dict[int, Any]) -> list[str]:
        """The first lines of a program: the arguments and the state must be as they were.

        `exposed` are arrays by id: an argument that lies in their memory is copied.
        """
        world, arguments = self.now.world, self.arguments
        conditions = [condition for name, x in arguments for condition in self.argument(name, x)]
        for container, _, copy in world.sized:
            if id(container) in world.part:  # another name may stand before that of a class
                keys, before = self.names.of(container.keys()), self.names.of(frozenset(copy))
                conditions.append(f"{keys} == {before}")
            else:
                conditions.append(f"len({self.names.of(container)}) == {len(copy)}")
        for container in self.ordered():
            name, copy = self.names.of(container), self.names.of([*container])
            same, all_are = self.names.of(same_keys), f"all(map({self.names.of(operator.is_)}"
            conditions.append(f"({all_are}, {name}, {copy})) or {same}({name}, {copy}))")
        for x, attribute, kind in world.kinds:
            conditions.append(f"{self.names.of(x)}.{attribute} is {self.names.of(kind)}")
        conditions += [condition for place in world.places if (condition := self.held(place))]
        conditions += [*self.apart(exposed), *self.unchanged()]
        for space, absent in world.absent:
            if absent:
                conditions.append(
                    f"{self.names.of(space.keys().isdisjoint)}({self.names.of(absent)})"
                )
        if operations := [*self.now.trace.operations]:
            conditions.append(self.registered(operations))
        conditions += self.layouts()
        lines = [
            "try:",
            f"    if not ({' and '.join(conditions or ['True'])}): return MISS",
            "except MISSED: return MISS",
        ]
        lines += [f"{name} = {name}._data" for name, x in arguments if isinstance(x, Tensor)]
        for name, x in arguments:
            if isinstance(plain(x), np.ndarray):
                lines += self.copied_if_in(exposed, name)
        return lines

    def apart(self, exposed: dict[int, Any]) -> list[str]:
        """The guards of gradients that are read anew and written to: no memory of the program's."""
        program, written = self.now.program, self.now.program.written
        places = [place for x, place in program.reads.items() if x in written]
        grads = [f"{self.names.of(place.container)}.{place.key}" for place in places]
        return [f"not ({self.lies_in(exposed, x, f'{x}.base')})" for x in grads]

    def unchanged(self) -> list[str]:
        """The guards of graphs that were built outside: their inputs have the numbers of then."""
        graph = [z for z in self.now.world.seen.values() if type(z) is Tensor and z.operation]
        edges = [(x, z) for z in graph for _, x in z.inputs if x.requires_grad]
        return [f"{self.names.of(x)}.changed <= {z.order}" for x, z in edges]

    def lies_in(self, exposed: dict[int, Any], name: str, base: str) -> str:
        """Whether an array lies in memory of the program's own."""
        seen, array_type = self.names.of(exposed), self.names.of(np.ndarray)
        foreign = f"({base}.__class__ is not {array_type} or {base}.base is not None)"
        foreign += f" and {self.names.of(meets)}({name}, {seen})"
        known = f"id({name}) in {seen} or {base} is not None and "
        return f"{known}(id({base}) in {seen} or {foreign})"

    def copied_if_in(self, exposed: dict[int, Any], name: str) -> list[str]:
        """The lines that copy an array if it lies there."""
        lies_there = self.lies_in(exposed, name, "base")
        return [f"base = {name}.base", f"if {lies_there}: {name} = {name}.copy()"]

    def ordered(self) -> list[Any]:
        """Dicts and sets that are held as such: their order can be asked, and their members.

        An optimizer never asks in which order it keeps its arrays.
        """
        seen = self.now.world.seen.values()
        kept = [x.memory.values() for x in seen if is_of_package(type(x)) and hasattr(x, "memory")]
        excluded = {*map(id, itertools.chain(*kept)), *self.now.excluded}
        held = [place.value for place in self.now.world.places]
        held += [root for root in seen if type(root) in (dict, set)]
        every = {id(x): x for x in held if type(x) in (dict, set) and id(x) not in excluded}
        return [x for x in every.values() if x]

    def registered(self, operations: list[Any]) -> str:
        """The guard of the derivatives: each function must still have the one that was used."""
        found = {function: o for function, o in REGISTRY.items() if o in operations}
        get, functions = self.names.of(REGISTRY.get), self.names.of([*found])
        return f"[*map({get}, {functions})] == {self.names.of([*found.values()])}"

    def layouts(self) -> list[str]:
        """The guards of shapes and dtypes of the state's arrays, which can be changed in place."""
        program, every = self.now.program, self.now.world.arrays
        read = [x for i, (x, _) in every.items() if i in self.now.read]
        guards = [f"{self.names.of(x.value)}.flags.writeable" for x in program.written]
        for x in read:
            name, of = self.names.of(x), self.names.of
            guards.append(f"{name}.shape == {of(x.shape)} and {name}.dtype is {of(x.dtype)}")
        return guards

    def argument(self, name: str, x: Any) -> list[str]:
        """The guards of one argument."""
        if isinstance(x, Tensor):
            is_tensor = f"{name}.__class__ is {self.names.of(Tensor)}"
            array = self.argument(f"{name}._data", x.data)
            return [is_tensor, f"not {name}._requires_grad", *array]
        if not isinstance(x, np.ndarray | np.generic):
            return [self.equal(name, x)]
        return [
            f"{name}.__class__ is {self.names.of(type(x))}",
            f"{name}.shape == {self.names.of(x.shape)}",
            *([f"{name}.strides == {self.names.of(x.strides)}"] if x.ndim else []),
            f"{name}.dtype == {self.names.of(x.dtype)}",
        ]

    def held(self, place: Place) -> str:
        """The guard of a place, or "" for a number that is read live.

        For a gradient that the step has not read, the guard only asks whether there is one.
        """
        if self.now.world.is_excluded(place, self.now.excluded):
            return ""
        inside = place.container.items if isinstance(place.container, Raw) else place.container
        container, key = self.names.of(inside), place.key
        if place.is_item:
            spelled = repr(key) if isinstance(key, str | int) else self.names.of(key)
            text = f"{container}[{spelled}]"
        else:
            text = f"{container}.{key}"
        if id(place) in self.now.world.reads:
            whole = isinstance(place.value, np.ndarray)
            return " and ".join(self.argument(text, place.value)[: None if whole else 1])
        if place.value is Absent.NOTHING:
            return f"not hasattr({container}, {key!r})"
        if not place.is_grad or id(place.value) in self.now.read:
            return self.equal(text, place.value)
        return f"{text} is {'' if place.value is None else 'not '}None"

    def equal(self, text: str, x: Any) -> str:
        """Code that asks whether `text` still gives x itself, or an equal number or text."""
        if x is None or isinstance(x, bool):
            return f"{text} is {x}"
        name = self.names.of(x)
        if not isinstance(x, ATOMS | tuple | slice | types.MethodType):
            return f"{text} is {name}"
        return f"({text} is {name} or {self.names.of(same_value)}({text}, {name}))"

    def before(self) -> list[str]:
        """The line that copies all that live values count, if they do."""
        counted = {id(x): self.names.of(x) for live in self.now.trace.lives for x in live.counted}
        copies = ", ".join(f"({x}, {x}.copy())" for x in counted.values())
        return [f"before = [{copies}]"] if counted else []

    def live_numbers(self) -> list[str]:
        """The lines that ask for live values, in order.

        If the step would now decide otherwise than in the trace, the program does not fit the call.
        """
        trace, lines, answers, fitting = self.now.trace, list[str](), list[str](), list[str]()
        generators = [self.names.of(g) for g in trace.drawing]
        numbers = [live for live in trace.lives if not isinstance(live.value, np.ndarray)]
        if generators and numbers:
            states = ", ".join(f"({g}, {self.names.of(generator_state)}({g}))" for g in generators)
            lines.append(f"drawn = [{states}]")
        for live in trace.lives:
            lines.append(f"{live.name} = live_{live.name}()")
            if isinstance(live.value, np.ndarray):
                shape, dtype = map(self.names.of, (np.shape(live.value), live.value.dtype))
                fits = f"isinstance({live.name}, {self.names.of(np.ndarray)}) and "
                fits += f" {live.name}.shape == {shape} and {live.name}.dtype == {dtype}"
                refuse = f"{self.names.of(wrong_shape)}({live.name}, {shape}, {dtype})"
                fitting.append(f"if not ({fits}): {refuse}")
            else:
                answers.append(f"{live.name}.__class__ is {self.names.of(type(live.value))}")
        answers += [self.equal(code, answer) for code, answer in dict(trace.guards).items()]
        if answers:
            drawn = "drawn" if generators and numbers else "()"
            counted = "before" if self.before() else "()"
            back = f"{self.names.of(take_back)}({counted}, {drawn})"
            lines += [f"if not ({' and '.join(answers)}):", f"    {back}", "    return MISS"]
        return [*lines, *fitting]


def meets(x: Any, exposed: dict[int, Any]) -> bool:
    """Whether an array whose memory Python's buffers hold lies in that of one of these."""
    return any(np.may_share_memory(x, array) for array in exposed.values())


def wrong_shape(x: Any, shape: Any, dtype: Any) -> None:
    """Refuse a live array that is not as it was when the step was recorded."""
    found = f"{np.asarray(x).dtype} {np.shape(x)}"
    raise refusals.another_shape("at_replay", f"{dtype} {shape}", found)


def take_back(counted: Any, drawn: Any) -> None:
    """Give containers the items that they had, and generators of random numbers their states."""
    for container, copy in counted:
        refill(container, copy)
    for generator, state in drawn:
        set_generator_state(generator, state)
