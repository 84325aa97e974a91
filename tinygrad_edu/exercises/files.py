"""What a learner is given, and what is remembered of their attempts.

The file is made from the solution, so that it cannot drift.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from datetime import date
from pathlib import Path
from typing import Any

from tinygrad_edu.exercises.exercise import AnyFunction, Exercise

FOLDER = Path("exercises")  # in the current directory
PROGRESS = FOLDER / "progress.json"
COMMAND = "python -m tinygrad_edu.exercises"
TO_DO = "write this"
HOLE = f'    raise NotImplementedError("{TO_DO}")\n'

INNER_TYPES = re.compile(r": Any(?=[,)])| -> \w+(?=:$)", re.MULTILINE)

# The exercise's name ↦ the attempts, the hints asked for, and the date when it was solved
Progress = dict[str, dict[str, Any]]


def path_of(number: int, exercise: Exercise) -> Path:
    return FOLDER / f"{number:02}_{exercise.name}.py"


def parts(function: AnyFunction) -> tuple[str, str]:
    """A function's docstring and its body, as they stand in the source, without inner types."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(keepends=True)
    definition: Any = ast.parse("".join(lines)).body[0]
    first, *rest = definition.body
    if ast.get_docstring(definition) is None:
        return "", "".join(lines[first.lineno - 1 :])
    body = INNER_TYPES.sub("", "".join(lines[rest[0].lineno - 1 :]))
    return "".join(lines[first.lineno - 1 : first.end_lineno]), body


def template(number: int, exercise: Exercise) -> str:
    """The learner's file: the solution's signature and docstring, a hole in place of its body."""
    imports = "\n".join(["import numpy as np", *filter(None, [exercise.uses])])
    body = parts(exercise.given)[1] if exercise.given else HOLE
    return (
        f'"""Exercise {number}, to chapter {exercise.chapter}. Then: {COMMAND} check '
        f'{number}"""\n\n'
        f"{imports}\n\n\n{signature(exercise)}{parts(exercise.solution)[0]}{body}"
    )


def signature(exercise: Exercise) -> str:
    arguments = ", ".join(inspect.signature(exercise.solution).parameters)
    return f"def {exercise.name}({arguments}):\n"


def solution_text(exercise: Exercise) -> str:
    """The solution, as it would stand in the learner's file, without the task."""
    return signature(exercise) + parts(exercise.solution)[1]


def write_template(number: int, exercise: Exercise) -> bool:
    """Write the learner's file; False if there is one, which is left alone."""
    FOLDER.mkdir(exist_ok=True)
    try:
        with path_of(number, exercise).open("x", encoding="utf-8") as file:
            file.write(template(number, exercise))
    except FileExistsError:
        return False
    return True


def load_progress() -> Progress:
    """Read the learner's progress, which is empty at first."""
    if not PROGRESS.exists():
        return {}
    try:
        entries = json.loads(PROGRESS.read_text("utf-8")).items()
        return {name: checked_entry(entry) for name, entry in entries}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SystemExit(
            f"{PROGRESS} is damaged. Delete it to count anew: your answers stay, and "
            f"`{COMMAND} check` marks what is solved"
        ) from None


def checked_entry(entry: Any) -> dict[str, Any]:
    return dict(entry) | {key: int(entry[key]) for key in {"attempts", *entry} - {"solved"}}


def save_progress(progress: Progress) -> None:
    FOLDER.mkdir(exist_ok=True)
    PROGRESS.write_text(json.dumps(progress, indent=1) + "\n", "utf-8")


def next_hint(exercise: Exercise) -> int:
    """Count one more hint that was asked for; return which it is: 1, 2, 3, and then 3 again."""
    progress = load_progress()
    entry = progress.setdefault(exercise.name, {"attempts": 0})
    entry["hints"] = min(entry.get("hints", 0) + 1, len(exercise.hints))
    save_progress(progress)
    return int(entry["hints"])


def remember(exercise: Exercise, right: bool) -> dict[str, Any]:
    """Count one more attempt, up to the one that solves it."""
    progress = load_progress()
    entry = progress.setdefault(exercise.name, {"attempts": 0})
    if "solved" not in entry:
        entry["attempts"] += 1
        if right:
            entry["solved"] = date.today().isoformat()
        save_progress(progress)
    return entry
