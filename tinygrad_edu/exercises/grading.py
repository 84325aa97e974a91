"""What is wrong with a learner's file: it is run with each input, and compared with what is right.

Whatever the learner wrote, no traceback of ours is printed. What goes wrong becomes a `Mistake`:
texts with labels, which are printed.
"""

from __future__ import annotations

import copy
import functools
import io
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.debugging.diagnosis import differ
from tinygrad_edu.exercises.exercise import AnyFunction, Exercise
from tinygrad_edu.exercises.files import TO_DO

Tell = Callable[[dict[str, str]], None]
MOST_SHOWN = 100_000  # elements
NO_RESULT = "nothing was returned: is there a `return`?"


class Mistake(Exception):
    """What a learner is told, text by label.

    `hint` is for this very mistake; `judged` says whether there was an answer to judge.
    """

    def __init__(self, said: dict[str, str], hint: str = "", judged: bool = True) -> None:
        super().__init__(said)
        self.said, self.hint, self.judged = said, hint, judged


def grade(exercise: Exercise, path: Path, tell: Tell = lambda at: None) -> Mistake | None:
    """The first mistake, at the smallest input that shows it; None if the answer is right.

    Before each input, `tell` gets it as a text with a label.
    """
    printed, at = io.StringIO(), dict[str, str]()

    def go_on(now: dict[str, str]) -> None:
        printed.truncate(printed.seek(0))  # of the input that fails, this is shown
        at.update(now)
        tell(now)

    try:
        with redirect_stdout(printed), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            f = loaded(exercise, path)
            for number, args in enumerate(exercise.inputs):
                go_on({"input": inputs_text(exercise.arguments, args)})
                compare(exercise, f, number, path)
            if exercise.also:
                go_on({"input": "Tensors, to be differentiated once more"})
                guarded(path, functools.partial(exercise.also, f))
    except Mistake as mistake:
        if mistake.judged or "differs" in mistake.said:
            mistake.said = at | mistake.said
        if printed.getvalue():
            mistake.said["printed"] = last_lines(printed.getvalue())
        return mistake
    except BaseException as error:  # of what was returned: an object that can't be compared
        came = error_text(error)
        return Mistake(at | {"came": came}, slip(error, came))
    return None


def loaded(exercise: Exercise, path: Path) -> Any:
    """The learner's function."""
    names: dict[str, Any] = {"__name__": path.stem}

    def run() -> None:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), names)

    guarded(path, run, judged=False)
    f = names.get(exercise.name)
    if callable(f):
        return f
    found = exercise.name in names
    came = f"{exercise.name} is {learner_text(f)}" if found else f"no {exercise.name}"
    expected = f"a function {exercise.name}, as it stood there at first"
    raise Mistake({"came": came, "expected": expected}, judged=False)


def guarded(path: Path, run: Callable[[], Any], judged: bool = True) -> Any:
    """Call run(); an error becomes a Mistake with the line of the learner's file it came from."""
    try:
        return run()
    except BaseException as error:
        came = error_text(error)
        hole = came == f"NotImplementedError: {TO_DO}"
        if hole:
            came = "the hole: nothing is written there yet"
        judged = judged and not hole and not isinstance(error, NameError | ImportError)
        raise Mistake(
            {"line": located(path, error), "came": came}, slip(error, came), judged
        ) from None


def error_text(error: BaseException) -> str:
    """`ValueError: what it says`."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        said = "\n".join([message, *getattr(error, "__notes__", [])])
    except BaseException as another:
        return without_text(error, another)
    return f"{type(error).__name__}: {said}".removesuffix(": ")


def without_text(x: Any, error: BaseException) -> str:
    return f"{type(x).__name__}, whose text raises {type(error).__name__}"


def slip(error: BaseException, said: str) -> str:
    """A hint for an error that says little of the task, but something of Python."""
    if isinstance(error, NameError) and hasattr(np, str(error.name)):
        return f"NumPy's functions need np in front: np.{error.name}."
    if "for ^" in said or "bitwise_xor" in said:
        return "A power is written x ** 2. x ^ 2 works on bits."
    if isinstance(error, EOFError):
        return "What a function works on are its arguments: there is nobody to ask with input()."
    if isinstance(error, MemoryError):
        return "It takes more memory than there is for an answer: how large are its arrays?"
    if isinstance(error, KeyboardInterrupt):
        return "It was stopped before it came to an end."
    return ""


def located(path: Path, error: BaseException) -> str:
    """Write `exercises/03_….py:14: return x`, the innermost line of the file with the error.

    If the error came from no line of the file, it is the line where the function begins.
    """
    lines = path.read_text("utf-8", errors="replace").splitlines()
    numbers = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        numbers = [error.lineno or 1]
    name = path.stem.partition("_")[2]
    where_named = (n for n, line in enumerate(lines, 1) if name in line)
    number = numbers[-1] if numbers else next(where_named, 1)
    return ": ".join([f"{path}:{number}", *(line.strip() for line in lines[number - 1 : number])])


def compare(exercise: Exercise, f: AnyFunction, number: int, path: Path) -> None:
    """Raise a Mistake if f is not right for this input."""
    args = exercise.inputs[number]
    given = copy.deepcopy(args)
    try:
        came = guarded(path, lambda: exercise.outcome(f, *given))
    except Mistake as mistake:
        if mistake.judged and not mistake.hint:
            mistake.hint = typical_hint(exercise, f)
        raise
    expected = exercise.answer(*args)
    if wrong := difference(came, expected, exercise.tolerance):
        said = {"came": learner_text(came), "expected": learner_text(expected), "differs": wrong}
        raise Mistake(said, typical_hint(exercise, f), judged=wrong != NO_RESULT)
    for name, before, after in zip(exercise.arguments, args, given, strict=True):
        if repr(after) != repr(before):
            raise Mistake(
                {
                    "came": f"{name} was changed, to {learner_text(after)}",
                    "expected": f"{name} left as it was",
                },
                "The result is right, but what is given has to stay as it was: begin with a copy, "
                "or write v = v * 2 in place of v *= 2.",
            )


def typical_hint(exercise: Exercise, f: AnyFunction) -> str:
    """Find the hint for a typical wrong answer.

    The wrong answer has to come to the same as f for all inputs: one equal number is not enough.
    """
    found = outcomes(exercise, f)
    for hint, wrong in exercise.typical.items():
        if same_outcomes(found, outcomes(exercise, wrong)):
            return hint
    right = [exercise.answer(*args) for args in exercise.inputs]
    return symptom_hint(exercise, f) or general_hint(found, right)


def symptom_hint(exercise: Exercise, f: AnyFunction) -> str:
    """Find the hint for a mistake that shows in what f does, whatever numbers it comes to."""
    try:
        with redirect_stdout(io.StringIO()):
            return str(exercise.symptom(f)) if exercise.symptom else ""
    except BaseException:
        return ""


def general_hint(found: list[Any], right: list[Any]) -> str:
    """Find a hint for mistakes in any exercise: results exchanged, one factor in all numbers."""
    if isinstance(right[0], tuple) and same_outcomes(found, [z[::-1] for z in right]):
        return "The results are exchanged."
    a, b = as_numbers(found[-1]), as_numbers(right[-1])
    if a is None or b is None or a.shape != b.shape:
        return ""
    factor = np.vdot(a, b) / np.vdot(b, b)
    if not factor or not np.isfinite(factor):
        return ""
    same = same_outcomes(found, [np.multiply(factor, z) for z in right])
    return f"Every number is {factor:.6g} times what is right." if same else ""


def same_outcomes(found: list[Any], others: list[Any]) -> bool:
    """Whether two functions came to the same for every input: numbers, or the type of an error."""

    def same(a: Any, b: Any) -> bool:
        return a is b or not (isinstance(b, type) or difference(a, b, 1e-6))

    return all(map(same, found, others))


def outcomes(exercise: Exercise, f: AnyFunction) -> list[Any]:
    """What f comes to for each input, or the type of what it raises."""

    def of(args: tuple[Any, ...]) -> Any:
        try:
            return exercise.outcome(f, *copy.deepcopy(args))
        except BaseException as error:
            return type(error)

    with redirect_stdout(io.StringIO()):
        return [of(args) for args in exercise.inputs]


def difference(came: Any, expected: Any, tolerance: float) -> str:
    """Say what is wrong with a result; "" if it is right."""
    if came is None:
        return NO_RESULT
    if not isinstance(expected, tuple):
        return difference_of_arrays(came, np.asarray(plain(expected)), tolerance)
    if isinstance(came, Tensor | np.ndarray) and came.ndim:
        came = list(plain(came))
    if not isinstance(came, tuple | list) or len(came) != len(expected):
        return f"{len(expected)} results were expected: return them with a comma between them"
    for n, (one, right) in enumerate(zip(came, expected, strict=True), 1):
        if text := difference(one, right, tolerance):
            return f"result {n} of {len(expected)}: {text}"
    return ""


def difference_of_arrays(came: Any, expected: Array, tolerance: float) -> str:
    a = as_numbers(came)
    if a is None:
        return f"a {type(came).__name__} came, not a number or an array of numbers"
    if a.shape != expected.shape:
        comma = ": a comma after it makes a tuple" if isinstance(came, tuple) else ""
        number = "" if expected.ndim else ", one number"
        return f"shape {a.shape} came, {expected.shape} was expected{number}{comma}"
    wrong = differ(a, expected, tolerance) & ~(np.isnan(a) & np.isnan(expected))
    if not wrong.any():
        return ""
    place = tuple(map(int, np.argwhere(wrong)[0]))
    if not np.isfinite(a[place]):
        return f"element {list(place)} is not a finite number" if place else "not a finite number"
    if not place:
        return f"by {learner_text(a - expected)}"
    count = f"; {wrong.sum()} of {wrong.size} differ" if wrong.size > 1 else ""
    one, right = learner_text(a[place]), learner_text(expected[place])
    return f"element {list(place)}: {one} came, {right} was expected{count}"


def as_numbers(x: Any) -> Array | None:
    """Make an array of numbers of x; None if that cannot be done."""
    try:
        return np.asarray(plain(x), float)
    except (TypeError, ValueError):
        return None


def learner_text(x: Any) -> str:
    """Write a value for a learner: numbers with eight digits, functions by name."""
    if isinstance(x, tuple):
        return (", " if all(np.ndim(part) == 0 for part in x) else "\n").join(map(learner_text, x))
    if isinstance(x, np.ndarray | Tensor) and x.size > MOST_SHOWN:
        return f"an array of shape {x.shape}"
    array = None if isinstance(x, str) or x is None else as_numbers(x)
    if array is None:
        try:
            return last_lines(x.__name__ if hasattr(x, "__name__") else repr(x))
        except BaseException as error:
            return without_text(x, error)
    digits: Any = {"float_kind": "{:.8g}".format}
    rounded = array.round(10) + 0.0
    return np.array2string(rounded, formatter=digits, separator=", ", max_line_width=60)


def inputs_text(names: list[str], args: tuple[Any, ...]) -> str:
    """Write `x = …` for each input, on a line or more."""
    texts = [repr(x) if isinstance(x, tuple | list) else learner_text(x) for x in args]
    return "\n".join(
        f"{n} = {text}".replace("\n", "\n" + " " * len(f"{n} = "))
        for n, text in zip(names, texts, strict=True)
    )


def last_lines(text: str, lines: int = 8, columns: int = 90) -> str:
    """Keep the last lines of a text that may be long, and the start of each."""
    return "\n".join(line[:columns] for line in text.rstrip("\n").split("\n")[-lines:])
