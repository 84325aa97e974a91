"""Runs a script, and notes what it has read: while nothing of that changes, its results are kept.

`python docs/kept.py NOTE SCRIPT …` is what `make docs` runs for each of its parts. The note has a
hash of each file of this project that was opened, imported or given as an argument, the versions of
what computes, and what was printed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import runpy
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOT_READ = {".git", ".venv", "__pycache__", "_build", "build"}
COMPUTES = ("numpy", "matplotlib")


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def versions() -> list[str]:
    return [platform.python_version(), *map(metadata.version, COMPUTES)]


def is_valid(note: Path) -> bool:
    """Whether a script would read what it has read then."""
    try:
        told = json.loads(note.read_text("utf-8"))
        files, computed = told["files"], told["versions"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    return computed == versions() and all(hash_of(ROOT / x) == y for x, y in files.items())


def within_project(path: Any) -> Path | None:
    """The path within this project of a file that a script may depend on."""
    if not isinstance(path, str | os.PathLike):
        return None
    found = Path(os.path.abspath(path))  # links stay what they are
    if not found.is_relative_to(ROOT) or NOT_READ & {*(inner := found.relative_to(ROOT)).parts}:
        return None
    return inner


def run(note: Path, script: str, arguments: list[str]) -> None:
    """Run a script as `python script …` does, and write the note."""
    opened: set[Path | None] = set()

    def hear(event: str, args: Any) -> None:
        if event == "open" and "r" in (args[1] or "r"):
            opened.add(within_project(args[0]))

    written = {os.path.relpath(path, ROOT) for path in arguments if not Path(path).exists()}
    sys.argv[:] = [script, *arguments]
    sys.path[0] = str(Path(script).parent.resolve())
    sys.addaudithook(hear)
    printed, began = io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(script, run_name="__main__")
    seconds = time.perf_counter() - began
    modules = {within_project(getattr(m, "__file__", None)) for m in [*sys.modules.values()]}
    read = {path.as_posix() for path in opened | modules | {within_project(script)} if path}
    given = {os.path.relpath(path, ROOT) for path in arguments if Path(path).is_file()} - written
    files = {path: hash_of(ROOT / path) for path in sorted(read | given)}
    told = {
        "seconds": round(seconds, 1),
        "processor_seconds": round(time.process_time(), 1),
        "versions": versions(),
        "files": files,
        "printed": printed.getvalue(),
    }
    note.write_text(json.dumps(told, indent=1), "utf-8")


if __name__ == "__main__":
    run(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:])
