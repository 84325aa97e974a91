"""A program as code: its calls as lines that write into buffers, behind its guards."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import ORDER
from tinygrad_edu.core.engine import Tensor, new_tensor
from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.checking import Checker
from tinygrad_edu.programs.functions import FIRST_LINE, Blocks, function_of
from tinygrad_edu.programs.guards import MISS, MISSED, Guards
from tinygrad_edu.programs.names import Line
from tinygrad_edu.programs.numpy.codegen import Code
from tinygrad_edu.programs.passes import PASSES
from tinygrad_edu.programs.program import Array, Call, Number, Program, ReturnedTensor, Store
from tinygrad_edu.programs.stopping import Stop
from tinygrad_edu.programs.tracing.recording import Recording
from tinygrad_edu.programs.tracing.traced import memory_owner


class Compiled:
    """A recording, compiled: `run` is the step, or gives MISS if the program does not fit.

    The code is checked call by call before it is used.
    """

    def __init__(self, now: Recording) -> None:
        self.now, self.recorded, self.calls, self.order = now, now.program, 0, 0
        self.signature: Any = ()  # of the arguments
        program = now.program
        self.stages = {"as traced": program}
        for name, change in PASSES.items():
            program = self.stages[name] = change(program)
        self.translate(program)
        self.check(program)
        self.run = self.compile()

    @functools.cached_property
    def program(self) -> Program:
        """The program, whose text is the code as it runs."""
        return dataclasses.replace(self.recorded, text=self.text())

    def make_code(self, program: Program) -> Code:
        return Code(program)

    def translate(self, program: Program) -> None:
        """Make the code, what it returns, and what it does at the end."""
        self.code = code = self.make_code(program)
        self.names, inputs = code.names, self.now.inputs
        self.parameters = [
            code.use(inputs[name]) if name in inputs else self.names.new("x", name)
            for name in self.now.arguments
        ]
        self.guards = Guards(self.now, self.parameters, self.names)
        self.reading = [
            f"{code.use(x)} = {self.place(place)}" for x, place in program.reads.items()
        ]
        self.ending = [*self.storing(program.stores), *self.telling(program)]
        self.result = self.returned(program.returned)

    def check(self, program: Program) -> None:
        """Run the code on what the step was recorded with, and compare call by call."""
        now, trace, (lines, compared) = self.now, self.now.trace, self.code.checked()
        asking = [f"{live.name} = live_{live.name}()" for live in trace.lives]
        others = {f"live_{live.name}": Asked(live.value) for live in trace.lives}
        objects = {
            **self.names.objects,
            **others,
            "check": self.checker(compared),
        }
        blocks = Blocks(lines, objects, self.title)
        body = [*asking, *self.reading, *blocks.called(self.given, ""), "pass"]
        run = function_of(body, self.parameters, {**objects, **blocks.functions}, self.title)
        inputs = now.inputs
        try:
            run(*[np.copy(inputs[x].value) if x in inputs else None for x in now.arguments])
        finally:
            trace.rewind()

    def checker(self, compared: list[tuple[Call, int]]) -> Checker:
        return Checker(self.now.program.calls, self.now.trace.gave, compared)

    def apart(self) -> list[str]:
        """Further lines of the entrance: what the arguments must not lie in."""
        return []

    def compile(self) -> Function:
        """The program as a function: guards, live values, the lines, what is stored."""
        ending = [line.code for line in self.ending]
        stop = Stop(self.code, ending)
        blocks = stop.blocks = Blocks(stop.lines[: stop.last], self.names.objects, self.title)
        kept = [f"kept = [{', '.join(f'({x}, {x}.copy())' for x in stop.kept)}]"][: len(stop.kept)]
        exposed = self.code.buffers.exposed()
        grads = [self.code.use(x) for x in self.code.program.reads if not x.is_scalar]
        copies = [self.guards.copied_if_in(exposed, x) for x in grads]
        reading = [*self.reading, *itertools.chain(*copies)]
        before = [*self.guards.live_numbers(), *reading, *kept]
        called = blocks.called(self.given, "\n".join([self.result, *ending]))
        first = called.index(blocks.lines[0]) if blocks.lines else 0
        entrance = [*self.guards.entrance(exposed), *self.apart()]
        begin = [*entrance, *self.guards.before(), "try:"]
        stop.begin = FIRST_LINE + len(begin) + len(before) + first
        stop.between = len(called) - first - len(blocks.lines) + 1
        body = [*before, *called, f"result = {self.result}", *ending, "return result"]
        handler = ["except BaseException as error:", "    settle(error, locals())", "    raise"]
        live = {f"live_{live.name}": live.function for live in self.now.trace.lives}
        others = {**live, **blocks.functions, "settle": stop.settle, "MISS": MISS, "MISSED": MISSED}
        text = [*begin, *[f"    {line}" for line in body], *handler]
        return function_of(text, self.parameters, {**self.names.objects, **others}, self.title)

    @property
    def title(self) -> str:
        return f"<replay of {self.now.name}>"

    @property
    def given(self) -> list[str]:
        """Local variables that the lines find set."""
        lives = [live.name for live in self.now.trace.lives]
        return [*self.parameters, *lives, *[self.code.use(x) for x in self.code.program.reads]]

    def place(self, place: Any) -> str:
        """The code of a place in the state."""
        container = self.names.of(place.container, "o", place.path)
        if not place.is_item:
            return f"{container}.{place.key}"
        key = repr(place.key) if isinstance(place.key, str | int) else self.names.of(place.key)
        return f"{container}[{key}]"

    def storing(self, stores: list[Store]) -> list[Line]:
        """The lines that copy each new array into the old one at its place, or put it there."""
        first, then = [], []
        for store in stores:
            z = store.value
            name = self.code.use(z)
            if not store.copied:
                if store.key == "_grad" and not store.is_item:
                    owner = self.names.of(store.container, "o", store.path.removesuffix(".grad"))
                    if isinstance(z, Array) and not z.ndim:
                        name = f"{self.names.function(np.array)}({name})"
                    then.append(Line(f"{owner}._grad = {name}", f"{owner}.grad = {name}"))
                else:
                    then.append(Line(f"{self.place(store)} = {name}", f"{store.path} = {name}"))
                continue
            if isinstance(z, Array) and not self.code.program.root(z).is_result:
                # it is part of the state, which is about to change
                value, name = name, self.names.new("t")
                first.append(Line(f"{name} = {value}.copy()"))
            then.append(Line(f"{self.names.of(store.there, 's', store.path)}[...] = {name}"))
        return [*first, *then]

    def telling(self, program: Program) -> list[Line]:
        """The line that tells Tensors that their numbers were changed, for older graphs."""
        copied = [store.there for store in program.stores if store.copied]
        written = {id(memory_owner(x)) for x in [*copied, *[x.value for x in program.written]]}
        tensors = [
            self.names.of(place.container)
            for place in self.now.world.places
            if isinstance(place.container, Tensor) and place.key == "_data"
            if place.container._requires_grad and id(memory_owner(place.value)) in written
        ]
        marks = [f"{x}.changed" for x in tensors]
        return [Line(" = ".join([*marks, f"next({self.names.of(ORDER)})"]), " ")] if marks else []

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
        if isinstance(z, Array):
            return self.code.use(z) + ("" if z.is_scalar else ".copy()")
        if isinstance(z, np.ndarray):
            return f"{self.names.of(z)}.copy()"
        return z.code if isinstance(z, Number) else self.code.use(z)

    def text(self) -> str:
        """The program as it runs, with the shape of what each line gives."""
        shapes = ", ".join(f"{name} {x.shape}" for name, x in self.now.inputs.items())
        every = [*self.code.lines, Line(f"result = {self.result}"), *self.ending]
        lines = [line for line in every if line.shown.strip()]
        texts = [self.names.display(line.shown) for line in lines]
        width = max([len(text) for text in texts if len(text) < 80], default=0)
        calls = self.code.program.calls
        modules = [calls[line.call].module if line.call >= 0 else "" for line in lines]
        notes = [f"{line.shape} {path}".strip() for line, path in zip(lines, modules, strict=True)]
        given = [f"  # {note}" if note else "" for note in notes]
        rows: list[str] = [
            f"{text:{width}}{shape}" for text, shape in zip(texts, given, strict=True)
        ]
        buffers = self.code.buffers
        title = (
            f"# {self.now.name}({shapes}): {len(self.code.lines)} lines, "
            f"{buffers.bytes:,} bytes of buffers, "
            f"{buffers.reused} results in bytes that were used before"
        )
        return "\n".join([title, *[row.rstrip() for row in rows], "return result"])


class Asked:
    """A live value as it was when the step was recorded; an array is copied."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return np.copy(self.value)[()] if isinstance(self.value, np.ndarray) else self.value
