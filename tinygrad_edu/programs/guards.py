"""The guards of a program: code that asks whether all that the step can see is as it was.

They are one expression, and nearly all of it is `is`: a network of six layers costs about 1 µs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.programs.names import CodeNames
from tinygrad_edu.programs.recording import Recording, data_of
from tinygrad_edu.programs.state import ATOMS, Place, refill, same_value

MISS = object()  # what a program returns if it does not fit the call
MISSED = (LookupError, AttributeError, ValueError, TypeError)  # the errors of a place that is gone


class Guards:
    """The conditions that a recording rests on, as code in which names stand for objects."""

    def __init__(self, now: Recording, parameters: list[str], names: CodeNames) -> None:
        self.now, self.names = now, names
        self.arguments = [*zip(parameters, now.arguments.values(), strict=True)]

    def entrance(self, exposed: set[int]) -> list[str]:
        """The first lines of a program: the arguments and the state must be as they were.

        `exposed` are ids of arrays: an argument that lies in their memory is copied.
        """
        state, arguments = self.now.state, self.arguments
        conditions = [condition for name, x in arguments for condition in self.argument(name, x)]
        for container, _, _ in state.sized:
            conditions.append(f"len({self.names.of(container)}) == {len(container)}")
        conditions += [condition for place in state.places if (condition := self.held(place))]
        lines = [
            "try:",
            f"    if not ({' and '.join(conditions or ['True'])}): return MISS",
            "except MISSED: return MISS",
        ]
        lines += [f"{name} = {name}.data" for name, x in arguments if isinstance(x, Tensor)]
        if exposed:
            seen = self.names.of(exposed)
            for name, x in arguments:
                if isinstance(data_of(x), np.ndarray):
                    lies_there = f"id({name}) in {seen} or id({name}.base) in {seen}"
                    lines.append(f"if {lies_there}: {name} = {name}.copy()")
        return lines

    def argument(self, name: str, x: Any) -> list[str]:
        """The guards of one argument."""
        if isinstance(x, Tensor):
            is_tensor = f"{name}.__class__ is {self.names.of(Tensor)}"
            return [is_tensor, f"not {name}.requires_grad", *self.argument(f"{name}.data", x.data)]
        if not isinstance(x, np.ndarray | np.generic):
            return [self.equal(name, x)]
        return [
            f"{name}.__class__ is {self.names.of(type(x))}",
            f"{name}.shape == {x.shape}",
            f"{name}.dtype == {self.names.of(x.dtype)}",
        ]

    def held(self, place: Place) -> str:
        """The guard of a place, or "" for a number that is read live.

        For a gradient that the step has not read, the guard only asks whether there is one.
        """
        if self.now.state.is_excluded(place, self.now.excluded):
            return ""
        container, key = self.names.of(place.container), place.key
        if place.is_item:
            spelled = repr(key) if isinstance(key, str | int) else self.names.of(key)
            text = f"{container}[{spelled}]"
        else:
            text = f"{container}.{key}"
        if not place.is_grad or id(place.value) in self.now.read:
            return self.equal(text, place.value)
        return f"{text} is {'' if place.value is None else 'not '}None"

    def equal(self, text: str, x: Any) -> str:
        """Code that asks whether `text` still gives x itself, or an equal number or text."""
        if x is None or isinstance(x, bool):
            return f"{text} is {x}"
        name = self.names.of(x)
        if not isinstance(x, ATOMS | tuple):
            return f"{text} is {name}"
        return f"({text} is {name} or {self.names.of(same_value)}({text}, {name}))"

    def live_numbers(self) -> tuple[list[str], str]:
        """The lines that read live numbers, and the code that takes back what they counted.

        If the step would now decide otherwise than in the trace, the program does not fit the call.
        """
        trace = self.now.trace
        arrays = np.ndarray | np.generic  # read by a line of the program
        read = [(name, value) for name, _, value in trace.lives if not isinstance(value, arrays)]
        lines = [f"{name} = live_{name}()" for name, _ in read]
        answers = [f"{name}.__class__ is {self.names.of(type(value))}" for name, value in read]
        answers += [self.equal(code, answer) for code, answer in dict(trace.guards).items()]
        counted = dict.fromkeys(map(self.names.of, trace.counted))
        copies, undo = ", ".join(f"({of}, {of}.copy())" for of in counted), ""
        if counted:
            undo = f"{self.names.of(take_back)}(before)"
            lines = [f"before = [{copies}]", *lines]
        if answers:
            back = [f"    {undo}"] if undo else []
            lines += [f"if not ({' and '.join(answers)}):", *back, "    return MISS"]
        return lines, undo


def take_back(before: list[tuple[Any, Any]]) -> None:
    """Give each container the items that it had before."""
    for container, copy in before:
        refill(container, copy)
