"""Lines of code as functions of Python's, in which names stand for objects.

A long program becomes a function for each few lines. Where a body is repeated, as that of a
recurrent network is for each step in time, these are equal but for the objects, and Python compiles
them once.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from tinygrad_edu.core.functional import Function

NAME = re.compile(r"\b(_[a-z]\d+|n\d+|check)\b")  # of an object, or of a local variable
LONG = 400  # lines


@functools.lru_cache(maxsize=512)
def compiled_text(text: str, name: str) -> Any:
    """Text compiled by Python: two shapes of a step often have the same text."""
    return compile(text, name, "exec")


def function_of(
    lines: Sequence[str], parameters: Sequence[str], objects: dict[str, Any], title: str
) -> Function:
    """A function of these lines, which find the objects by their names."""
    body = "\n        ".join(lines)
    used = set(re.findall(r"\w+", body))
    objects = {name: x for name, x in objects.items() if name in used}
    text = (
        f"def build(objects):\n"
        f"    [{', '.join(objects)}] = objects\n"
        f"    def run({', '.join(parameters)}):\n"
        f"        {body}\n"
        f"    return run\n"
    )
    space: dict[str, Any] = {}
    exec(compiled_text(text, title), space)
    return space["build"](objects.values())  # type: ignore[no-any-return]


FIRST_LINE = 4  # of the text of a function


class Blocks:
    """Lines as calls of functions of a few lines each; `t` holds their local variables."""

    def __init__(self, lines: list[str], objects: dict[str, Any], title: str) -> None:
        self.starts: list[int] = []  # the number of the first line of each block
        self.places: dict[str, int] = {}  # a local variable ↦ its place in t
        self.functions: dict[str, Function] = {}
        if len(lines) < LONG:
            self.starts, self.lines = [*range(len(lines))], lines
            return
        start = 0
        for block in alike(lines):
            self.starts.append(start)
            start += len(block)
            function = self.block(block, objects, title)
            self.functions[f"block_{len(self.functions)}"] = function
        self.lines = [f"{name}(t)" for name in self.functions]

    def block(self, lines: list[str], objects: dict[str, Any], title: str) -> Function:
        """A function of some lines, whose names are numbered in order."""
        parts = NAME.split("\n".join(lines))  # every second one is a name
        values, spelled = dict[str, Any](), dict[str, str]()
        for i, name in enumerate(dict.fromkeys(parts[1::2])):
            if name in objects:
                spelled[name], values[f"a{i}"] = f"a{i}", objects[name]
            else:
                place = self.places.setdefault(name, len(self.places))
                spelled[name], values[f"a{i}"] = f"t[a{i}]", place
        parts[1::2] = [spelled[name] for name in parts[1::2]]
        return function_of("".join(parts).split("\n"), ["t"], values, title)

    def called(self, given: Sequence[str], wanted: str) -> list[str]:
        """The lines that call the blocks: with what is given, and with what a text wants behind."""
        if not self.functions:
            return self.lines
        into = [f"t[{self.places[name]}] = {name}" for name in given if name in self.places]
        names = [name for name in dict.fromkeys(NAME.findall(wanted)) if name in self.places]
        out = [f"{name} = t[{self.places[name]}]" for name in names if name not in given]
        return [f"t = [None] * {len(self.places)}", *into, *self.lines, *out]


def alike(lines: list[str]) -> Iterator[list[str]]:
    """Cut lines where the functions that they call say so: repeated bodies are cut alike."""
    start, called = 0, [line.partition("(")[0] if line[:2] == "_f" else "" for line in lines]
    for i in range(len(lines)):
        n, here = i - start, " ".join(called[i - 2 : i + 1])
        if n >= 200 or (n >= 16 and zlib.crc32(here.encode()) % 16 == 0):
            yield lines[start:i]
            start = i
    yield lines[start:]
