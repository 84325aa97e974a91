"""The names in a program's code, and its lines."""

from __future__ import annotations

import collections
import re
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.program import function_name, text_of_argument


class CodeNames:
    """The names in a program's code: the objects that they stand for, and how they are shown.

    `_b0` in the code is shown as `b0`; `_s0`, a parameter of a model, is shown as its path.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.shown: dict[str, str] = {}
        self.known: dict[Any, str] = {}
        self.count: dict[str, int] = collections.defaultdict(int)  # of names, by letter

    def new(self, letter: str, shown: str = "", value: Any = None) -> str:
        n = self.count[letter]
        self.count[letter] += 1
        name = f"_{letter}{n}"
        self.shown[name] = shown or f"{letter}{n}"
        if value is not None:
            self.objects[name] = value
        return name

    def of(self, value: Any, letter: str = "o", shown: str = "") -> str:
        """The name of an object: for the same object always the same name."""
        key = letter, id(value)
        if key not in self.known:
            self.known[key] = self.new(letter, shown, value)
        return self.known[key]

    def constant(self, value: Any) -> str:
        """The name of a value that never changes; a single number is shown as itself."""
        key: Any
        if type(value) in (int, float):
            key = type(value), repr(value)
        elif isinstance(value, np.ndarray) and value.size == 1:
            key = value.dtype, value.shape, value.tobytes()
        else:
            otherwise = str(value) if isinstance(value, np.dtype) else ""
            if isinstance(value, np.ndarray) and value.ndim == 1 and np.all(value == 1):
                otherwise = "ones"
            return self.of(value, "k", getattr(value, "__name__", otherwise))
        if key not in self.known:
            shown = text_of_argument(value) if isinstance(value, np.ndarray) else repr(value)
            self.known[key] = self.new("k", shown, value)
        return self.known[key]

    def ones(self, n: int, dtype: Any, *shape: int) -> str:
        key = "ones", n, dtype, shape
        if key not in self.known:
            self.known[key] = self.new("k", "ones", np.ones(n, dtype).reshape(shape or -1))
        return self.known[key]

    def function(self, f: Function) -> str:
        """The name of a function, shown as the user writes it: np.dot, np.add.reduce, scatter."""
        return self.known.get(("f", id(f))) or self.of(f, "f", function_name(f))

    def display(self, code: str) -> str:
        """The code with each name as it is shown."""
        return re.sub(r"\b_[a-z]\d+\b", lambda match: self.shown[match[0]], code)


class Line:
    """A line of a program: as it runs, as it is shown, and the shape of what it gives."""

    def __init__(self, code: str, shown: str = "", shape: Any = "") -> None:
        self.code, self.shown, self.shape = code, shown or code, shape
        self.call = -1  # the number of the call that the line makes
