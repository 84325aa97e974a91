"""A program as a function in JavaScript, which needs no library: for a page, or for Node.

Each nest of loops of loops.py becomes one of JavaScript, over typed arrays; products are a function
of their own. What has no loops is refused by name before anything runs.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np

from tinygrad_edu.programs.javascript.spelling import (
    REDUCED,
    array_type,
    identifier,
    number,
    spelled,
)
from tinygrad_edu.programs.loops.loops import Loops, is_computed
from tinygrad_edu.programs.loops.nests import collapsed
from tinygrad_edu.programs.loops.statements import (
    Apply,
    CheckClasses,
    Elements,
    Gather,
    Product,
    Reduce,
    Statement,
    every_place,
    steps_of,
)
from tinygrad_edu.programs.nested import leaves
from tinygrad_edu.programs.program import Array, Call, Number, Program, data_in
from tinygrad_edu.programs.refusals import NotReplayable

HELPERS = resources.files(__package__).joinpath("helpers.js")


def javascript(program: Program, values: bool = True) -> str:
    """A program as the text of a function in JavaScript, of the same name.

    `const {run, state, stored} = step();` `run(x, y, numbers)` is the step: it takes typed arrays,
    and returns numbers and typed arrays. `state` holds the arrays that it uses, by name; `stored`
    what it leaves behind, as `model.0.weight.grad`. `numbers` are read anew at every call, like a
    learning rate: {n0: 0.1}; left out, they are what they were. Integers of 64 bits are 32 here.
    With `values=False` the state starts at 0. NotReplayable for what has no loops in JavaScript.

    >>> from tinygrad_edu import replay
    >>> step = replay(lambda x: np.tanh(x) * 2)
    >>> for i in range(3): _ = step(np.ones(3))
    >>> "Math.tanh" in javascript(step.program)
    True
    """
    return Writer(program, values).text()


class ScriptLoops(Loops):
    """Also those that only JavaScript has: Φ, an element x[i, j], what is broadcast to a copy."""

    def statements_of(self, call: Call) -> Iterator[Statement]:
        copied = call.name == "broadcast_to" and call.target.is_result
        element = call.name == "getitem" and not any(map(is_computed, leaves(call.args[1])))
        if call.results and call.results[0].holder is not call.results[0]:
            copied = element = False  # a view
        if call.name == "normal_cdf" or copied:
            z = self.place(call.target)
            name = "copy" if copied else call.name
            yield Apply(call, name, z, (self.read(call.args[0], z.shape),))
        elif element:
            yield Apply(call, "copy", self.place(call.target), (self.item(call),))
        else:
            yield from super().statements_of(call)


class Writer:
    """One program on its way into JavaScript."""

    def __init__(self, program: Program, values: bool) -> None:
        self.loops, self.values = ScriptLoops(program), values
        self.program = self.loops.program
        self.starts: dict[Array, int] = {}  # where the first array of a memory begins
        self.sizes: dict[Array, int] = {}
        self.names: dict[Array, str] = {}
        if self.program.reads:
            raise NotReplayable(f"{self.program.name} reads numbers from arrays of its state")
        self.used_in = self.uses()
        for x in self.program.inputs:
            self.names[x] = identifier(x.name)
        self.lives = live_numbers(self.program)

    def uses(self) -> dict[Array, set[int]]:
        """In which groups each memory is used; −1 stands for what is returned or stored."""
        used: dict[Array, set[int]] = {}
        for n, group in enumerate(self.loops.groups):
            for statement in group:
                for place in every_place(statement):
                    self.measure(place)
                    used.setdefault(place.root, set()).add(n)
        for x in [*self.program.outputs, *self.program.state]:
            place = self.loops.place(x)
            self.measure(place)
            used.setdefault(place.root, set()).add(-1)
        return used

    def measure(self, place: Elements) -> None:
        ends = [step * (n - 1) for step, n in zip(place.strides, place.shape, strict=True)]
        first = place.offset + sum(end for end in ends if end < 0)
        last = place.offset + sum(end for end in ends if end > 0)
        begin = 0 if place.root in self.program.inputs else first  # an input is given as a whole
        start = min(first, self.starts.get(place.root, begin))
        end = max(last + 1, self.starts.get(place.root, 0) + self.sizes.get(place.root, 0))
        self.starts[place.root], self.sizes[place.root] = start, end - start

    # Lines

    def text(self) -> str:
        body = [line for n, group in enumerate(self.loops.groups) for line in self.group(n, group)]
        inputs = ", ".join(self.names[x] for x in self.program.inputs)
        defaults = ", ".join(f"{name}: {number(value)}" for name, value in self.lives.items())
        numbers = f"{{{', '.join(self.lives)}}} = {{{defaults}}}"
        arguments = ", ".join(filter(None, [inputs, numbers * bool(self.lives)]))
        ending = [*self.ending()]
        memory = [*self.memory()]
        rows = [
            f"// {self.program.name}: {len(self.program.calls)} calls of NumPy "
            f"as {len(self.loops.groups)} loops and products",
            f"function {identifier(self.program.name)}() {{",
            *indented(memory),
            f"  function run({arguments}) {{",
            *indented([*body, *ending], 2),
            "  }",
            f"  return {{run, state: {self.named(self.state())}, stored}};",
            *indented(helpers_for("\n".join([*memory, *body]))),
            "}",
        ]
        return "\n".join(rows) + "\n"

    def parts(self) -> list[tuple[list[Call], list[str]]]:
        """What the function does, loop by loop: the calls of NumPy in each, and its lines."""
        made = []
        for n, group in enumerate(self.loops.groups):
            calls = dict.fromkeys(statement.call for statement in group)
            made.append(([*calls], self.group(n, group)))
        return made

    def memory(self) -> Iterator[str]:
        """A typed array for each memory: constants, state, results that outlive their loop."""
        for x in self.sizes:
            if self.is_local(x) or x in self.program.inputs:
                continue
            kind = array_type(x)
            name = self.name(x)
            size = self.sizes[x]
            value = None if x.is_result else self.value_of(x)
            if value is None or not (self.values or x in self.loops.constants.values()):
                yield f"const {name} = new {kind}({size});"
            elif x not in self.program.state and (value == value[0]).all():
                yield f"const {name} = new {kind}({size}).fill({number(value[0])});"
            else:
                text = base64.b64encode(value.tobytes()).decode()
                yield f'const {name} = numbersOf("{text}", {kind});  // {x.name}'
        yield f"const stored = {self.named(self.stored())};"

    def value_of(self, x: Array) -> Any:
        """The numbers of a memory, as they are now: those of all arrays that lie in it."""
        kind = np.dtype("int32") if x.dtype == np.int64 else x.dtype
        values = np.zeros(self.sizes[x], kind)
        within = [y for y in self.program.state if self.loops.place(y).root is x] or [x]
        for y in within:
            place = self.loops.place(y)
            at = place.offset - self.starts[x]
            room = np.lib.stride_tricks.as_strided(
                values[at:], place.shape, [step * kind.itemsize for step in place.strides]
            )
            room[...] = y.value
        return values

    def name(self, x: Array) -> str:
        if x not in self.names:
            taken = len(self.names)
            self.names[x] = f"b{taken}" if x.is_result else f"m{taken}"
        return self.names[x]

    def is_local(self, x: Array) -> bool:
        """Whether a result is only used within one nest of loops, as a number at a time."""
        used = self.used_in[x]
        return x.is_result and len(used) == 1 and -1 not in used

    def at(self, place: Elements, counters: tuple[str, ...]) -> str:
        """`m0[3 + 16 * i + j]`."""
        terms = [str(place.offset - self.starts[place.root])]
        for counter, step in zip(counters, place.strides, strict=True):
            if step:
                terms.append(counter if step == 1 else f"{step} * {counter}")
        kept = terms[1:] if terms[0] == "0" and len(terms) > 1 else terms
        return f"{self.name(place.root)}[{' + '.join(kept)}]"

    def group(self, n: int, group: list[Statement]) -> list[str]:
        first = group[0]
        if isinstance(first, Product):
            return [self.product(first)]
        if isinstance(first, Gather):
            return self.gather(first)
        if isinstance(first, CheckClasses):
            return self.check(first)
        return self.nest(group)  # type: ignore[arg-type]

    def product(self, statement: Product) -> str:
        z, x, y = statement.target, statement.left, statement.right
        parts = [
            f"{self.name(a.root)}, {a.offset - self.starts[a.root]}, {a.strides[0]}, {a.strides[1]}"
            for a in (z, x, y)
        ]
        return f"product({', '.join(parts)}, {x.shape[0]}, {x.shape[1]}, {y.shape[1]});"

    def nest(self, group: list[Apply | Reduce]) -> list[str]:
        """A group as one nest of loops."""
        shape, group = collapsed(group)
        counters = tuple("ijklmnop"[: len(shape)])
        before, body, known = [], list[str](), dict[Elements, str]()
        for statement in group:
            target = statement.target
            if isinstance(statement, Reduce):
                start, step = REDUCED[statement.name]
                before += self.filled(target, start)
                value = self.operand(statement.operand, counters, known, body)
                there = self.at(target, counters)
                body.append(f"{there} = {step.format(there, value)};")
                continue
            operands = [self.operand(x, counters, known, body) for x in statement.operands]
            value = spelled(statement, operands)
            if value in known.values():  # a copy
                known[target] = value
                continue
            known[target] = f"v{sum(line.startswith('const') for line in body)}"
            body.append(f"const {known[target]} = {value};")
        for place, name in known.items():
            written = any(s.target == place for s in group if isinstance(s, Apply))
            if written and not self.is_local(place.root):
                body.append(f"{self.at(place, counters)} = {name};")
        return [*before, *loops(shape, counters, body)]

    def operand(
        self, x: Any, counters: tuple[str, ...], known: dict[Elements, str], body: list[str]
    ) -> str:
        """A number, or the name of a constant that holds an element."""
        if not isinstance(x, Elements):
            return number(x)
        if x not in known:
            known[x] = f"v{sum(line.startswith('const') for line in body)}"
            body.append(f"const {known[x]} = {self.at(x, counters)};")
        return known[x]

    def filled(self, place: Elements, value: str) -> list[str]:
        """Lines that set each element of a place to a number."""
        kept = [n if step else 1 for n, step in zip(place.shape, place.strides, strict=True)]
        once = Elements(place.root, place.offset, place.strides, tuple(kept))
        shape, (fill,) = collapsed([Apply(None, "copy", once, ())])  # type: ignore[arg-type]
        counters = tuple("ijklmnop"[: len(shape)])
        return loops(shape, counters, [f"{self.at(fill.target, counters)} = {value};"])

    def gather(self, statement: Gather) -> list[str]:
        z, x, indices = statement.target, statement.source, statement.indices
        counters = tuple("ijklmnop"[: len(z.shape)])
        n, body, terms = len(indices[0].shape), list[str](), [str(x.offset - self.starts[x.root])]
        for a, index in enumerate(indices):
            body.append(f"let g{a} = {self.at(index, counters[:n])};")
            body.append(f"if (g{a} < 0) g{a} += {x.shape[a]};")
            terms.append(f"{x.strides[a]} * g{a}")
        rest = zip(x.strides[len(indices) :], counters[n:], strict=True)
        terms += [f"{step} * {counter}" for step, counter in rest]
        source = f"{self.name(x.root)}[{' + '.join(terms)}]"
        return loops(z.shape, counters, [*body, f"{self.at(z, counters)} = {source};"])

    def check(self, statement: CheckClasses) -> list[str]:
        labels, classes = statement.labels, statement.classes
        counters = tuple("ijklmnop"[: len(labels.shape)])
        label = self.at(labels, counters)
        wrong = f"if (!({label} >= 0 && {label} < {classes})) "
        message = (
            f"throw new RangeError(`label ${{{label}}} is not a class from 0 to {classes - 1}`);"
        )
        return loops(labels.shape, counters, [wrong + message])

    # What is left in the end

    def ending(self) -> list[str]:
        copied = [store for store in self.program.stores if store.copied]
        if copied:
            raise NotReplayable(f"{copied[0].path} is an array that is put in place of another")
        return [f"return {self.returned(data_in(self.program.returned))};"]

    def returned(self, x: Any) -> str:
        if isinstance(x, tuple | list):
            return f"[{', '.join(map(self.returned, x))}]"
        if isinstance(x, dict):
            return f"{{{', '.join(f'{json.dumps(k)}: {self.returned(v)}' for k, v in x.items())}}}"
        if not isinstance(x, Array):
            return "null" if x is None else number(x)
        place = self.loops.place(x)
        if not x.shape:
            return self.at(place, ())
        return f"{self.piece(place)}.slice()"

    def piece(self, place: Elements) -> str:
        """The elements of a place, which lie one after the other, as a typed array."""
        if place.strides != steps_of(place.shape) and math.prod(place.shape) > 1:
            raise NotReplayable(f"{place.root.name} is returned in another order of its axes")
        start = place.offset - self.starts[place.root]
        size = math.prod(place.shape)
        return f"{self.name(place.root)}.subarray({start}, {start + size})"

    def state(self) -> dict[str, Elements]:
        return {x.name: self.loops.place(x) for x in self.program.state}

    def stored(self) -> dict[str, Elements]:
        stores = [s for s in self.program.stores if isinstance(s.value, Array)]
        return {s.path: self.loops.place(s.value) for s in stores}

    def named(self, places: dict[str, Elements]) -> str:
        rows = [f"{json.dumps(name)}: {self.piece(place)}" for name, place in places.items()]
        return f"{{{', '.join(rows)}}}"


def live_numbers(program: Program) -> dict[str, Any]:
    """The numbers that are read anew at every call, and what they were."""
    found = [x for call in program.calls for x in leaves((call.args, call.options))]
    codes = " ".join(x.code for x in found if isinstance(x, Number))
    return {name: program.lives[name] for name in sorted(set(re.findall(r"n\d+", codes)))}


def helpers_for(code: str) -> list[str]:
    """Lines of the functions that the code calls."""
    lines: list[str] = []
    for helper in HELPERS.read_text("utf-8").split("\n\n")[1:]:
        name = helper.partition("function ")[2].partition("(")[0]
        lines += helper.splitlines() if f"{name}(" in code else []
    return lines


def indented(lines: Any, by: int = 1) -> list[str]:
    return [f"{'  ' * by}{line}" for line in lines]


def loops(shape: tuple[int, ...], counters: tuple[str, ...], body: list[str]) -> list[str]:
    """Lines within a loop for each axis."""
    if not shape:
        return ["{", *indented(body), "}"] if len(body) > 1 else body
    (i, *others), n = counters, shape[0]
    inner = loops(shape[1:], tuple(others), body) if others else body
    return [f"for (let {i} = 0; {i} < {n}; {i}++) {{", *indented(inner), "}"]
