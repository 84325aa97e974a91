"""The command line: list the exercises, start one, check one or all, help with one."""

from __future__ import annotations

import argparse
import io
import sys
import textwrap
from collections.abc import Sequence

from tinygrad_edu.exercises import CHAPTERS, EXERCISES, files
from tinygrad_edu.exercises.files import COMMAND
from tinygrad_edu.exercises.grading import Mistake
from tinygrad_edu.exercises.process import grade_apart
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS

FREE_AFTER = 2  # attempts, from which a solution is shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if what was asked for was done, and `check` found no mistake; else 1."""
    parser = argparse.ArgumentParser(
        COMMAND, description="Twenty-five exercises. Without a command they are listed."
    )
    commands = parser.add_subparsers(dest="command", metavar="{start,check,hint,solution}")
    commands.add_parser("start", help="write a file to fill in").add_argument(
        "number", type=number_of
    )
    commands.add_parser("check", help="grade one answer, or all").add_argument(
        "number", type=number_of, nargs="?"
    )
    commands.add_parser("hint", help="three steps of help, one at each call").add_argument(
        "number", type=number_of
    )
    solution = commands.add_parser("solution", help="print a solution, after two attempts")
    solution.add_argument("number", type=number_of)
    solution.add_argument("--now", action="store_true", help="before two attempts too")
    given = parser.parse_args(arguments)
    try:
        if given.command == "start":
            return start_one(given.number)
        if given.command == "check":
            return check_started(given.number)
        if given.command == "hint":
            return hint_at(given.number)
        if given.command == "solution":
            return show_solution(given.number, given.now)
        return list_all()
    except OSError as error:
        raise SystemExit(": ".join(filter(None, [error.filename, error.strerror]))) from None


def number_of(text: str) -> int:
    """Read an exercise's number as it was typed."""
    if not text.isdecimal() or int(text) not in EXERCISES:
        raise argparse.ArgumentTypeError(
            f"there is no exercise {text!r}: they are 1 to {len(EXERCISES)}"
        )
    return int(text)


def list_all() -> int:
    progress, chapter = files.load_progress(), 0
    for number, exercise in EXERCISES.items():
        if exercise.chapter != chapter:
            print(f"Chapter {(chapter := exercise.chapter)}. {CHAPTERS[chapter]}")
        print(f"  {number:2}  {exercise.title:56}{state(number, progress)}".rstrip())
    print(f"\n{len(solved(progress))} of {len(EXERCISES)} solved.{what_next(progress)}")
    return 0


def state(number: int, progress: files.Progress) -> str:
    """Say how far the learner is with an exercise."""
    exercise = EXERCISES[number]
    entry = progress.get(exercise.name, {})
    if "solved" in entry:
        return f"solved {entry['solved']}, {attempts(entry['attempts'])}"
    if entry.get("attempts"):
        return attempts(entry["attempts"])
    return "started" if files.path_of(number, exercise).exists() else ""


def attempts(count: int) -> str:
    return f"{count} attempt{'s' * (count > 1)}"


def solved(progress: files.Progress) -> list[int]:
    return [n for n, exercise in EXERCISES.items() if "solved" in progress.get(exercise.name, {})]


def what_next(progress: files.Progress) -> str:
    """Write the command for the first exercise that is not solved."""
    rest = sorted(EXERCISES.keys() - solved(progress))
    if not rest:
        return " These were all."
    command = "check" if files.path_of(rest[0], EXERCISES[rest[0]]).exists() else "start"
    return f" Next: {COMMAND} {command} {rest[0]}"


def start_one(number: int) -> int:
    exercise = EXERCISES[number]
    path = files.path_of(number, exercise)
    if files.write_template(number, exercise):
        print(f"{path} is written: {exercise.title}.")
    else:
        print(f"{path} is there already, and stays as it is. To begin anew, delete it first.")
    print(f"{'Mend' if exercise.given else 'Fill in'} the function, then: {COMMAND} check {number}")
    print(
        f"What it is about: chapter {exercise.chapter} of the course, {CHAPTERS[exercise.chapter]}"
    )
    return 0


def hint_at(number: int) -> int:
    """Print the next of three hints."""
    exercise = EXERCISES[number]
    step = files.next_hint(exercise)
    print(f"{number:2}  {exercise.title}: step {step} of {len(exercise.hints)}")
    line("hint", exercise.hints[step - 1])
    if step == len(exercise.hints):
        line("note", f"That was all help. {COMMAND} solution {number} shows one after two attempts")
    return 0


def show_solution(number: int, now: bool) -> int:
    """Print a solution to a learner who has tried, or wants it all the same."""
    exercise = EXERCISES[number]
    entry = files.load_progress().get(exercise.name, {"attempts": 0})
    if entry["attempts"] < FREE_AFTER and "solved" not in entry and not now:
        print(f"A solution comes after {FREE_AFTER} attempts, and you made {entry['attempts']}.")
        print(f"Help: {COMMAND} hint {number}")
        print(f"To see it all the same: {COMMAND} solution {number} --now")
        return 1
    print(files.solution_text(exercise), end="")
    return 0


def check_started(number: int | None) -> int:
    started = [n for n, exercise in EXERCISES.items() if files.path_of(n, exercise).exists()]
    if number and number not in started:
        print(
            f"{files.path_of(number, EXERCISES[number])} is not in this directory: {COMMAND} "
            f"start {number}"
        )
    elif not started:
        print(f"No exercise is started in this directory: {COMMAND} start 1")
    else:
        right = [check_one(n) for n in ([number] if number else started)]
        if all(right):
            print(what_next(files.load_progress()).strip())
        return int(not all(right))
    return 1


def check_one(number: int) -> bool:
    """Grade one answer, print what came of it, and remember it."""
    exercise = EXERCISES[number]
    path = files.path_of(number, exercise)
    mistake = grade_apart(exercise, path)
    before = files.load_progress().get(exercise.name, {})
    entry = before if mistake and not mistake.judged else files.remember(exercise, mistake is None)
    found = f"not right yet, {path}" if mistake else f"solved, {attempts(entry['attempts'])}"
    print(f"{number:2}  {exercise.title}: {found}")
    if mistake:
        report(mistake, exercise.hints, entry.get("attempts", 0))
    if mistake and "solved" in before:
        line("note", f"It was solved on {before['solved']}: the file has changed since.")
    return mistake is None


def report(mistake: Mistake, hints: Sequence[str], count: int) -> None:
    for label, text in mistake.said.items():
        line(label, text)
    if mistake.hint or mistake.judged:
        line("hint", mistake.hint or hints[min(count, len(hints)) - 1])


def line(label: str, text: str) -> None:
    """Print a label and beside it a text, wrapped to 80 columns together.

    A line of code is not wrapped.
    """
    wrapped = [
        textwrap.fill(part, 66) if len(part) > 66 and label != "line" else part
        for part in text.split("\n")
    ]
    print(f"    {label:10}" + "\n".join(wrapped).replace("\n", "\n" + " " * 14))


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=PLAIN_SIGNS)  # ∂ is d where it cannot be printed
    sys.exit(main())
