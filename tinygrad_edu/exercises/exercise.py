"""What an exercise is: a solution, and what it takes to ask for it and to grade an answer.

The function's signature and docstring are the task; the docstring's first line is the title. So a
26th exercise is a function with `@exercise(chapter=…, inputs=…, hints=…, typical=…)` above it, in
any of the five files; chapters give the order.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.gradcheck import is_real, numerical_gradient

AnyFunction = Callable[..., Any]
Solution = TypeVar("Solution", bound=AnyFunction)


def plain_outcome(f: AnyFunction, *args: Any) -> Any:
    return f(*args)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A task, and how to judge an answer.

    f is right if `outcome(f, *args)` is `expected(*args)` for all inputs.
    """

    solution: AnyFunction
    chapter: int
    inputs: list[tuple[Any, ...]]  # from small to large: the first that fails is the smallest
    hints: list[str]  # three steps of help: the next one comes with the next attempt
    typical: dict[str, AnyFunction]  # a hint of its own ↦ the wrong answer that it is for
    expected: AnyFunction | None = None  # what is right, found otherwise than by the solution
    outcome: AnyFunction = plain_outcome
    symptom: AnyFunction | None = None  # f ↦ the hint for a mistake that is seen in what f does
    tolerance: float = 1e-6
    given: AnyFunction | None = None  # whose body stands in place of the hole: it has a bug
    also: AnyFunction | None = None  # a last check, which raises AssertionError
    uses: str = ""  # a further import

    @property
    def name(self) -> str:
        return self.solution.__name__

    @property
    def title(self) -> str:
        return docstring(self.solution).split("\n")[0].rstrip(".")

    @property
    def arguments(self) -> list[str]:
        """The names of the arguments in `inputs`."""
        if self.outcome is plain_outcome:
            return list(inspect.signature(self.solution).parameters)
        return list(inspect.signature(self.outcome).parameters)[1:]

    def answer(self, *args: Any) -> Any:
        """The outcome of a right function."""
        return self.expected(*args) if self.expected else self.outcome(self.solution, *args)


@functools.cache
def docstring(function: AnyFunction) -> str:
    """A function's docstring as its source has it: `python -OO` keeps no other."""
    definition: Any = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    return ast.get_docstring(definition) or ""


WRITTEN: list[Exercise] = []


def exercise(**settings: Any) -> Callable[[Solution], Solution]:
    """Make an exercise of the function below: it is the solution."""

    def add(solution: Solution) -> Solution:
        WRITTEN.append(Exercise(solution=solution, **settings))
        return solution

    return add


def differences(f: AnyFunction) -> AnyFunction:
    """(g, x, y, …) ↦ ∂(g·f)/∂x, ∂(g·f)/∂y, … by differences, which know nothing of the chain rule.

    Integers are settings: they have no derivative.

    >>> differences(lambda x, n: x ** n)(10.0, 3.0, 2).round(6)
    np.float64(60.0)
    """

    def gradients(g: Any, *args: Any) -> Any:
        def of(number: int) -> Array:
            def weighted(x: Array) -> float:
                return float(np.sum(g * f(*args[:number], x, *args[number + 1 :])))

            return numerical_gradient(weighted, np.asarray(args[number]))

        found = tuple(of(number) for number, x in enumerate(args) if is_real(x))
        return found if len(found) > 1 else found[0]

    return gradients


def slopes(f: AnyFunction) -> AnyFunction:
    """(x, y, …) ↦ ∂f/∂x, ∂f/∂y, … by differences, for f that gives one number."""
    return lambda *args: differences(f)(1.0, *args)


def some_numbers(*shape: int) -> Array:
    """Some numbers with one decimal, always the same ones."""
    return np.random.default_rng(2).normal(size=shape).round(1) + 0.0
