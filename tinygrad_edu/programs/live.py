"""Numbers that are read anew at every replay, and what is computed from them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.calls import (
    ARITHMETIC_SYMBOLS,
    COMPARISON_SYMBOLS,
    OPERATOR_SYMBOLS,
)
from tinygrad_edu.programs.traced import Recorded, on_arrays, untraced

if TYPE_CHECKING:
    from tinygrad_edu.programs.tracing import Trace


class LiveNumber(Recorded):
    """A Python number that `at_replay` gave, or an expression of such numbers.

    A program computes `code` anew: `n0`, `(n0 * 2)`, `(1 - (0.9 ** n1))`.
    """

    __slots__ = ("code",)
    __hash__ = None  # type: ignore[assignment]
    ndim = 0

    def __init__(self, trace: Trace, value: Any, code: str) -> None:
        self.trace_of, self.value, self.code = trace, value, code

    @property
    def dtype(self) -> Any:
        return np.asarray(self.value).dtype

    def astype(self, dtype: Any) -> Any:
        """The number as an array, which can be the data of a Tensor."""
        return self.trace_of.record(np.array, (self, dtype), {})

    def answer(self, code: str, value: bool) -> bool:
        """Return the answer to a question, and note it: at a replay it must be the same."""
        self.trace_of.guards.append((code, value))
        return value

    def __bool__(self) -> bool:
        return self.answer(f"bool({self.code})", bool(self.value))

    def __neg__(self) -> LiveNumber:
        return LiveNumber(self.trace_of, -self.value, f"(-{self.code})")

    def __pos__(self) -> LiveNumber:
        return self


class LiveArray:
    """The function of a call that reads an array anew at each replay.

    Its name is made of its place in the trace, so two runs of a step give it the same name.
    """

    def __init__(self, name: str, function: Function) -> None:
        self.__name__, self.function = name, function

    def __call__(self) -> Any:
        return self.function()


def is_python_number(x: Any) -> bool:
    return type(x) in (int, float)  # np.float64 is a float too, but an array's element


def code_of(x: Any) -> str:
    return x.code if isinstance(x, LiveNumber) else repr(x)


def on_numbers(
    function: Function, with_array: Function, reflected: bool = False, compares: bool = False
) -> Function:
    """x + y for a LiveNumber x: an expression if y is a number too; recorded if y is an array."""

    def operate(self: LiveNumber, other: Any) -> Any:
        if not is_python_number(other) and not isinstance(other, LiveNumber):
            return with_array(self, other)
        x, y = (other, self) if reflected else (self, other)
        value = function(untraced(x), untraced(y))
        code = f"({code_of(x)} {OPERATOR_SYMBOLS[function]} {code_of(y)})"
        return self.answer(code, value) if compares else LiveNumber(self.trace_of, value, code)

    return operate


def add_number_operators() -> None:
    """Give LiveNumber the operators of numbers."""
    for name in ARITHMETIC_SYMBOLS:
        function = getattr(operator, name)
        left, right, _ = on_arrays(function)
        setattr(LiveNumber, f"__{name}__", on_numbers(function, left))
        setattr(LiveNumber, f"__r{name}__", on_numbers(function, right, reflected=True))
    for name in COMPARISON_SYMBOLS:
        function = getattr(operator, name)
        method = on_numbers(function, on_arrays(function)[0], compares=True)
        setattr(LiveNumber, f"__{name}__", method)


add_number_operators()
