"""A program: the code of a recording behind its guards, ready to run."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import new_tensor
from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.checking import check_program
from tinygrad_edu.programs.codegen import Code
from tinygrad_edu.programs.guards import MISS, MISSED, Guards
from tinygrad_edu.programs.live import LiveNumber
from tinygrad_edu.programs.names import Line
from tinygrad_edu.programs.nested import leaves
from tinygrad_edu.programs.recording import Recording, ReturnedTensor, data_of
from tinygrad_edu.programs.state import Place
from tinygrad_edu.programs.traced import Traced, traced_in


class Program:
    """The program of a recording; `print` shows it, a line for each call.

    It is made and checked twice: with the calls as they were, then with the cheaper calls, for
    which the check allows more rounding.
    """

    def __init__(self, now: Recording) -> None:
        self.name = now.name
        self.shapes = ", ".join(f"{name} {x.shape}" for name, x in now.inputs.items())
        recorded: dict[str, Function] = {
            name: functools.partial(recorded_value, z) for name, _, z in now.trace.lives
        }
        for exact in (True, False):
            self.translate(now, exact)
            run = self.build([], recorded)
            check_program(now, run, tolerance=0.0 if exact else 100.0)
        entrance = self.guards.entrance(self.code.buffers.exposed())
        self.run = self.build(entrance, {name: read for name, read, _ in now.trace.lives})

    def translate(self, now: Recording, exact: bool) -> None:
        """Make the code, what it returns, and what it does at the end."""
        wanted = [[z for _, z in now.rebound], *map(data_of, leaves(now.returned))]
        self.code = code = Code(now.trace, traced_in(wanted), [*now.inputs.values()], exact)
        self.names = code.names
        self.parameters = [
            code.use(now.inputs[name]) if name in now.inputs else self.names.new("x", name)
            for name in now.arguments
        ]
        self.guards = Guards(now, self.parameters, self.names)
        self.ending = self.rebinding(now.rebound)
        self.result = self.returned(now.returned)
        self.live_numbers, self.undo = self.guards.live_numbers()

    def build(self, entrance: list[str], live: dict[str, Function]) -> Function:
        """Compile guards and lines into a function, in which names stand for objects."""
        body = [line.code for line in self.code.lines]
        if self.ending:
            ending = [line.code for line in self.ending]
            body += [f"result = {self.result}", *ending, "return result"]
        else:
            body += [f"return {self.result}"]
        if self.undo:  # a step that raises has counted nothing
            tried = [f"    {line}" for line in body]
            body = ["try:", *tried, "except BaseException:", f"    {self.undo}", "    raise"]
        lines = "\n        ".join([*entrance, *self.live_numbers, *body])
        readers = {f"live_{name}": read for name, read in live.items()}
        objects = {**self.names.objects, **readers, "MISS": MISS, "MISSED": MISSED}
        text = (
            f"def build({', '.join(objects)}):\n"
            f"    def run({', '.join(self.parameters)}):\n"
            f"        {lines}\n"
            f"    return run\n"
        )
        space: dict[str, Any] = {}
        exec(compile(text, f"<replay of {self.name}>", "exec"), space)
        return space["build"](**objects)  # type: ignore[no-any-return]

    def rebinding(self, rebound: list[tuple[Place, Any]]) -> list[Line]:
        """The lines that copy each new array into the old one at its place, and set gradients."""
        first, then = [], []
        for place, z in rebound:
            name = self.code.use(z)
            if not place.copied:
                tensor = self.names.of(place.container, "o", place.path.removesuffix(".grad"))
                if isinstance(z, Traced) and not z.ndim:
                    name = f"{self.names.function(np.array)}({name})"
                then.append(Line(f"{tensor}.grad = {name}"))
                continue
            if isinstance(z, Traced) and not self.code.liveness.root(z).is_result:
                value, name = (
                    name,
                    self.names.new("t"),
                )  # it is part of the state, which is about to change
                first.append(Line(f"{name} = {value}.copy()"))
            then.append(Line(f"{self.names.of(place.value, 's', place.path)}[...] = {name}"))
        return [*first, *then]

    def returned(self, z: Any) -> str:
        """The code of what is returned: copies of arrays, and Tensors without a graph."""
        if isinstance(z, dict):
            items = [f"{self.names.of(key)}: {self.returned(x)}" for key, x in z.items()]
            return f"{{{', '.join(items)}}}"
        if isinstance(z, tuple | list):
            items = [self.returned(x) for x in z]
            if hasattr(z, "_make"):
                return f"{self.names.function(type(z))}({', '.join(items)})"
            if isinstance(z, list):
                return f"[{', '.join(items)}]"
            return f"({', '.join(items)}{',' * (len(z) == 1)})"
        if isinstance(z, ReturnedTensor):
            return f"{self.names.of(new_tensor, 'o', 'Tensor')}({self.returned(z.data)})"
        if isinstance(z, Traced):
            return self.code.use(z) + ("" if isinstance(z.value, np.generic) else ".copy()")
        if isinstance(z, np.ndarray):
            return f"{self.names.of(z)}.copy()"
        return z.code if isinstance(z, LiveNumber) else self.code.use(z)

    def __str__(self) -> str:
        every = [*self.code.lines, Line(f"result = {self.result}"), *self.ending]
        lines = [line for line in every if line.shown.strip()]
        texts = [self.names.display(line.shown) for line in lines]
        width = max([len(text) for text in texts if len(text) < 80], default=0)
        shapes = [f"  # {line.shape}" if line.shape != "" else "" for line in lines]
        rows = [f"{text:{width}}{shape}" for text, shape in zip(texts, shapes, strict=True)]
        buffers = self.code.buffers
        title = (
            f"# {self.name}({self.shapes}): {len(self.code.lines)} lines, "
            f"{buffers.bytes:,} bytes of buffers, "
            f"{buffers.reused} results in bytes that were used before"
        )
        return "\n".join([title, *[row.rstrip() for row in rows], "return result"])


def recorded_value(z: Any) -> Any:
    """What was read live when the step was recorded; an array is copied."""
    return np.copy(z) if isinstance(z, np.ndarray) else z
