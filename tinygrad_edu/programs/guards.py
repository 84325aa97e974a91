"""A program with its guards: it runs where everything that the step can see is as it was, and says
so where it is not.

The guards are one expression. They cost about 1 µs for a network of six layers: each is an `is`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.engine import Tensor, new_tensor
from tinygrad_edu.programs.codegen import Line, Program
from tinygrad_edu.programs.recording import Recording, Returned, data_of
from tinygrad_edu.programs.state import ATOMS, Place, refill, same
from tinygrad_edu.programs.tracing import Live, Traced, leaves, mapped, traced_in

Function = Callable[..., Any]

MISS = object()  # what a program returns if it does not fit the call
MISSED = (LookupError, AttributeError, ValueError, TypeError)  # a place that is there no more


class Compiled:
    """The program of a recording, ready to run. `print` shows it, a line for each call."""

    def __init__(self, now: Recording) -> None:
        outputs = traced_in([[z for _, z in now.rebound], *map(data_of, leaves(now.returned))])
        for exact in (
            True,
            False,
        ):  # the same to the last bit; then with the cheaper calls, to rounding
            self.program = Program(now.trace, outputs, [*now.inputs.values()], exact)
            self.names, self.name = self.program.names, now.name
            self.parameters = [
                self.program.text[now.inputs[name]]
                if name in now.inputs
                else self.names.new("x", name)
                for name in now.arguments
            ]
            self.epilogue, self.result = self.ending(now), self.returning(now.returned)
            check(
                now,
                self.made(
                    [],
                    self.numbers(now),
                    {
                        n: functools.partial(np.copy, z)
                        if isinstance(z, np.ndarray)
                        else functools.partial(lambda z: z, z)
                        for n, _, z in now.trace.lives
                    },
                ),
                tolerance=0.0 if exact else 100.0,
            )
        self.run = self.made(
            self.guards(now),
            self.numbers(now),
            {name: function for name, function, _ in now.trace.lives},
        )
        self.shapes = ", ".join(f"{name} {x.shape}" for name, x in now.inputs.items())

    # What runs

    def made(self, guards: list[str], numbers: list[str], lives: dict[str, Function]) -> Function:
        """The function of these guards and the program's lines, in which names stand for
        objects."""
        first, last = (
            [line.code for line in lines] for lines in (self.program.lines, self.epilogue)
        )
        lines = (
            [*first, f"result = {self.result}", *last, "return result"]
            if last
            else [*first, f"return {self.result}"]
        )
        if numbers and numbers[0].startswith("before"):  # an error of the step is no step
            lines = [
                "try:",
                *[f"    {line}" for line in lines],
                "except BaseException:",
                f"    {self.names.of(take_back)}(before)",
                "    raise",
            ]
        lines = [*guards, *numbers, *lines]
        objects = (
            self.names.objects
            | {f"live_{name}": f for name, f in lives.items()}
            | {"MISS": MISS, "MISSED": MISSED}
        )
        code = "\n        ".join(lines)
        text = (
            f"def build({', '.join(objects)}):\n    def run({', '.join(self.parameters)}):\n  "
            f"      {code}\n    return run\n"
        )
        space: dict[str, Any] = {}
        exec(compile(text, f"<replay of {self.name}>", "exec"), space)
        return space["build"](**objects)  # type: ignore[no-any-return]

    def guards(self, now: Recording) -> list[str]:
        """What must be as it was: the arguments, and all that the step can see."""
        arguments = [*zip(self.parameters, now.arguments.values(), strict=True)]
        conditions = [condition for name, x in arguments for condition in self.argument(name, x)]
        conditions += [
            f"len({self.names.of(container)}) == {len(container)}"
            for container, _, _ in now.state.sized
        ]
        conditions += [
            condition for place in now.state.places if (condition := self.held(place, now))
        ]
        lines = [
            "try:",
            f"    if not ({' and '.join(conditions or ['True'])}): return MISS",
            "except MISSED: return MISS",
        ]
        lines += [f"{name} = {name}.data" for name, x in arguments if isinstance(x, Tensor)]
        exposed = self.program.exposed()
        if not exposed:
            return lines
        seen = self.names.of(exposed)
        return lines + [
            f"if id({name}) in {seen} or id({name}.base) in {seen}: {name} = {name}.copy()"
            for name, x in arguments
            if isinstance(data_of(x), np.ndarray)
        ]

    def argument(self, name: str, x: Any) -> list[str]:
        """The guards of one argument."""
        if isinstance(x, Tensor):
            return [
                f"{name}.__class__ is {self.names.of(Tensor)}",
                f"not {name}.requires_grad",
                *self.argument(f"{name}.data", x.data),
            ]
        if not isinstance(x, np.ndarray | np.generic):
            return [self.equal(name, x)]
        return [
            f"{name}.__class__ is {self.names.of(type(x))}",
            f"{name}.shape == {x.shape}",
            f"{name}.dtype == {self.names.of(x.dtype)}",
        ]

    def held(self, place: Place, now: Recording) -> str:
        """The guard of a place: nothing for numbers that are read live, for a gradient only whether
        there is one."""
        if now.state.is_excluded(place, now.excluded):
            return ""
        key = repr(place.key) if isinstance(place.key, str | int) else self.names.of(place.key)
        text = f"{self.names.of(place.container)}{f'[{key}]' if place.is_item else f'.{place.key}'}"
        if not place.is_grad or id(place.value) in now.read:
            return self.equal(text, place.value)
        return f"{text} is {'' if place.value is None else 'not '}None"

    def equal(self, text: str, x: Any) -> str:
        """That code still gives the same object, or an equal number or text."""
        if x is None or isinstance(x, bool):
            return f"{text} is {x}"
        name = self.names.of(x)
        if not isinstance(x, ATOMS | tuple):
            return f"{text} is {name}"
        return f"({text} is {name} or {self.names.of(same)}({text}, {name}))"

    def numbers(self, now: Recording) -> list[str]:
        """What is read live. If the step would decide otherwise than in the trace, what reading has
        counted is taken back."""
        read = [
            (name, value)
            for name, _, value in now.trace.lives
            if not isinstance(value, np.ndarray | np.generic)
        ]
        lines = [f"{name} = live_{name}()" for name, _ in read]
        answers = [f"{name}.__class__ is {self.names.of(type(value))}" for name, value in read]
        answers += [self.equal(code, answer) for code, answer in dict(now.trace.guards).items()]
        counted = dict.fromkeys(map(self.names.of, now.trace.counted))
        if counted:
            lines = [f"before = [{', '.join(f'({of}, {of}.copy())' for of in counted)}]", *lines]
        back = [f"    {self.names.of(take_back)}(before)"] if counted else []
        return [
            *lines,
            *([f"if not ({' and '.join(answers)}):", *back, "    return MISS"] if answers else []),
        ]

    def ending(self, now: Recording) -> list[Line]:
        """Arrays that the step put in the place of others: copied into those; gradients are put
        there."""
        first, then = [], []
        for place, z in now.rebound:
            name = self.program.use(z)
            if not place.copied:
                tensor = self.names.of(place.container, "o", place.path.removesuffix(".grad"))
                is_array = z is None or (isinstance(z, Traced) and z.ndim)
                then.append(
                    Line(
                        f"{tensor}.grad = "
                        f"{name if is_array else f'{self.names.function(np.array)}({name})'}"
                    )
                )
                continue
            if (
                isinstance(z, Traced) and not self.program.plan.root(z).is_result
            ):  # of the state, which is about to change
                value, name = name, self.names.new("t")
                first.append(Line(f"{name} = {value}.copy()"))
            then.append(Line(f"{self.names.of(place.value, 's', place.path)}[...] = {name}"))
        return [*first, *then]

    def returning(self, z: Any) -> str:
        """What is returned, as code: copies, and Tensors without a graph."""
        if isinstance(z, dict):
            return f"{{{', '.join(f'{self.names.of(key)}: {self.returning(x)}' for key, x in z.items())}}}"
        if isinstance(z, tuple | list):
            inner = ", ".join(map(self.returning, z))
            if hasattr(z, "_make"):
                return f"{self.names.function(type(z))}({inner})"
            return f"[{inner}]" if isinstance(z, list) else f"({inner}{',' * (len(z) == 1)})"
        if isinstance(z, Returned):
            return f"{self.names.of(new_tensor, 'o', 'Tensor')}({self.returning(z.data)})"
        if isinstance(z, Traced):
            return self.program.use(z) + ("" if isinstance(z.value, np.generic) else ".copy()")
        if isinstance(z, np.ndarray):
            return f"{self.names.of(z)}.copy()"
        return z.code if isinstance(z, Live) else self.program.use(z)

    def __str__(self) -> str:
        every = [*self.program.lines, Line(f"result = {self.result}"), *self.epilogue]
        lines = [line for line in every if line.shown.strip()]
        shown = [self.names.display(line.shown) for line in lines]
        width = max([len(text) for text in shown if len(text) < 80], default=0)
        shapes = [f"  # {line.shape}" if line.shape != "" else "" for line in lines]
        rows = [
            f"{text:{width}}{shape}".rstrip() for text, shape in zip(shown, shapes, strict=True)
        ]
        title = (
            f"# {self.name}({self.shapes}): {len(self.program.lines)} lines, "
            f"{self.program.bytes:,} bytes of buffers, "
            f"{self.program.reused} results in bytes that were used before"
        )
        return "\n".join([title, *rows, "return result"])


def check(now: Recording, run: Function, tolerance: float) -> None:
    """Run the program from the same state: it must compute what the step computed."""
    trace = now.trace
    floor = tolerance * max(
        [largest(x.value) for call in trace.calls for x in call.results], default=0.0
    )
    after = [(memory, before, memory.copy()) for memory, before in trace.saved.values()]
    grads = [(place, place.get()) for place, _ in now.rebound if not place.copied]
    trace.rewind()
    result = run(*map(data_of, now.arguments.values()))
    for memory, before, expected in after:
        change = expected - before if memory.dtype.kind == "f" else expected
        if not close(memory, expected, change, floor):
            raise errors.replays_differently("the state")
        memory[...] = expected
    for place, expected in grads:
        if not close(place.get(), expected, expected, floor):
            raise errors.replays_differently(place.path)
    for a, b in zip(
        leaves(mapped(data_of, result)), leaves(mapped(data_of, now.result)), strict=True
    ):
        if isinstance(a, np.ndarray | np.generic) and not close(a, b, b, floor):
            raise errors.replays_differently("what is returned")


def close(a: Any, b: Any, scale: Any, floor: float) -> bool:
    """Equal, or floating-point numbers that are apart by no more than rounding, against the largest
    of a scale."""
    if a is None or b is None:
        return a is b
    if (np.shape(a), a.dtype) != (np.shape(b), b.dtype):
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    eps = float(np.finfo(a.dtype).eps)
    with np.errstate(all="ignore"):
        apart = eps**0.5 * largest(scale) + eps * (floor + 8 * np.abs(b))
        return bool(np.all((np.abs(a - b) <= apart) | (a == b) | ((a != a) & (b != b))))


def largest(x: Any) -> float:
    """The greatest finite |x|."""
    if x.dtype.kind != "f" or not x.size:
        return 0.0
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def take_back(before: list[tuple[Any, Any]]) -> None:
    """Containers as they were."""
    for container, copy in before:
        refill(container, copy)
