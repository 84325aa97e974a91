"""The lines of a recorded step as the page lists them: each with the stop at which it runs.

On the line above the network, stop 0 is the input, 1 to L are the layers, L + 1 is the cost; then
back: the outputs, the layers before them, the weights; behind the last stop the weights move.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_edu.programs.calls import ArrayAttribute
from tinygrad_edu.programs.javascript.function import Writer
from tinygrad_edu.programs.program import Array, Call, Program, data_in

VECTORS = {"data": "weights", "grad": "gradient"}  # of the optimizer: all numbers in a row
Line = tuple[int, str]


class Listing:
    """A step's calls and loops, in NumPy's words and in JavaScript's."""

    def __init__(self, program: Program) -> None:
        self.writer = Writer(program, values=False)
        self.program = self.writer.program
        self.returned: dict[str, Any] = data_in(self.program.returned)
        self.copies = {c.target: c.arrays[0] for c in self.program.calls if c.name == "copy"}
        self.names = self.named()
        self.stops = self.stops_of_calls()

    def source(self, x: Array) -> Array:
        """What an array is a copy of."""
        x = self.program.original(x)
        return self.source(self.copies[x]) if x in self.copies else x

    def named(self) -> dict[Array, str]:
        """Names as in the textbook: z1, a1, C; ∂C/∂z1 is dz1; of the weights, dw1 and db1."""
        names: dict[Array, str] = {}
        for kind in ("da", "dz", "a", "z"):
            found = enumerate(self.returned[kind], 1)
            names |= {self.source(x): f"{kind}{n}" for n, x in found}
        for n, (weight, bias) in enumerate(self.gradients(), 1):
            names |= {weight: f"dw{n}", bias: f"db{n}"}
        names[self.source(self.returned["cost"])] = "C"
        return names

    def gradients(self) -> list[tuple[Array, Array]]:
        """∂C/∂w and ∂C/∂b of each layer, as computed."""
        stores = [x.value for x in self.program.stores if x.path.endswith(".grad")]
        found = [self.source(x) for x in stores if isinstance(x, Array)]
        return [*zip(found[::2], found[1::2], strict=True)]

    def stops_of_calls(self) -> dict[Call, int]:
        """A call runs at the first stop whose results are not there before it."""
        last = {self.source(call.target): n for n, call in enumerate(self.program.calls)}
        a, da = self.returned["a"], self.returned["da"]
        due = [[x] for x in (*a, self.returned["cost"], da[-1])]
        due += [
            [x, *g] for x, g in zip(reversed(da[:-1]), reversed(self.gradients()), strict=False)
        ]
        due.append([*self.gradients()[0]])
        ends = [max(last[self.source(x)] for x in results) for results in due]
        stops = {}
        for call in self.program.calls:
            place = last[self.source(call.target)] if call.name == "copy" else None
            at = self.program.calls.index(call) if place is None else place
            stops[call] = next((n for n, end in enumerate(ends, 1) if at <= end), len(ends) + 1)
        return stops

    def numpy(self) -> list[Line]:
        """A line for each call that computes; views are written where they are used."""
        lines, others = [], 0
        for call in self.program.calls:
            text = self.text(call)
            target = self.source(call.target)
            if call.name == "copy":
                continue
            if isinstance(call.function, ArrayAttribute) or call.name == "reshape":
                self.names[target] = text
                continue
            if target not in self.names and target.is_result:
                self.names[target] = f"b{others}"
                others += 1
            lines.append((self.stops[call], f"{self.name(target)} = {text}"))
        return lines

    def text(self, call: Call) -> str:
        """A call as NumPy is asked, with the arrays' names."""
        options = {key: x for key, x in call.options.items() if key != "out" and not is_default(x)}
        args = [self.argument(x) for x in call.args]
        if call.name == "neg":
            return f"-{args[0]}"
        return call.spelled([*args, *[f"{key}={self.argument(x)}" for key, x in options.items()]])

    def argument(self, x: Any) -> str:
        if isinstance(x, Array):
            return self.name(self.source(x))
        if isinstance(x, list | tuple):
            return f"[{', '.join(map(self.argument, x))}]"
        if isinstance(x, np.ndarray) and x.size:
            x = x.flat[0] if (x == x.flat[0]).all() else f"array{x.shape}"
        if isinstance(x, float | np.floating):
            return f"{x:.6g}"
        return "η" if re.fullmatch(r"n\d+", str(x)) else str(x)

    def name(self, x: Array) -> str:
        if x in self.names:
            return self.names[x]
        vector = VECTORS.get(x.name.rpartition(".")[2]) if "groups" in x.name else None
        return vector or re.sub(r"^.*\bmodel\.(\d+)", r"model[\1]", x.name)

    def javascript(self) -> list[tuple[int, int, str]]:
        """The loops, each with the first and the last stop at which its calls run."""
        found = []
        for calls, lines in self.writer.parts():
            stops = [self.stops[call] for call in calls]
            found.append((min(stops), max(stops), "\n".join(lines)))
        return found


def is_default(x: Any) -> bool:
    return x is None or x is False
