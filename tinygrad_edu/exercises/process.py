"""Each answer is graded in a process of its own, with limits of time and of memory.

The process writes a line of JSON before each input, and one with the mistake at the end: if it has
to be ended, or ends by itself, the last line says how far it came.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tinygrad_edu.exercises.exercise import Exercise
from tinygrad_edu.exercises.grading import Mistake, grade

SECONDS = 10.0  # for all inputs together
MEMORY = 4 * 2**30  # bytes, of addresses: NumPy itself takes a part of it
START = """
import sys
sys.path[:] = {path!r}
from tinygrad_edu.exercises import EXERCISES, process
process.answer_graded(EXERCISES[{number}], {answer!r})
"""


def grade_apart(exercise: Exercise, path: Path) -> Mistake | None:
    """What `grade` finds, or what kept it from finding anything."""
    process = started(exercise, path)
    try:
        process.stdout.readline()  # all is imported: the time begins
        lines, in_time = wait(process, SECONDS)
    except KeyboardInterrupt:
        hint = "It was stopped before it came to an end."
        return Mistake({"came": "KeyboardInterrupt"}, hint, judged=False)
    finally:
        end(process)
    said = json.loads(lines[-1]) if lines else {}
    if "right" not in said:
        return unfinished(said, in_time)
    if said["right"]:
        return None if in_time else endless_thread()
    return Mistake(said["said"], said["hint"], said["judged"])


def started(exercise: Exercise, path: Path) -> Any:
    """The process; whatever the answer prints goes nowhere, and its questions find no one."""
    from tinygrad_edu.exercises import EXERCISES

    number = next(n for n, each in EXERCISES.items() if each is exercise)
    script = START.format(path=sys.path, number=number, answer=str(path))
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each takes addresses
    settings["PYTHONOPTIMIZE"] = ""  # an answer's assertions hold
    return subprocess.Popen(
        [sys.executable, "-c", script],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | settings,
        start_new_session=True,
    )


def wait(process: Any, seconds: float) -> tuple[list[bytes], bool]:
    """The whole lines that it wrote, and whether it came to an end by then."""
    try:
        written, in_time = process.communicate(timeout=seconds)[0], True
    except subprocess.TimeoutExpired:
        end(process)
        written, in_time = process.communicate()[0], False
    return [line for line in written.splitlines(keepends=True) if line.endswith(b"\n")], in_time


def end(process: Any) -> None:
    """End the process, and those that it began."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # none is left
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    process.stdout.close()


def unfinished(at: dict[str, str], in_time: bool) -> Mistake:
    """What is said of an answer that came to no result: at this input, or before the first."""
    if in_time:
        hint = "A function ends with return: no os._exit, and no abort."
        return Mistake(at | {"came": "no result: it ended the whole process"}, hint)
    time = f"{SECONDS:g} second{'s' * (SECONDS != 1)}"
    came = f"no result after {time}, and it was ended"
    return Mistake(at | {"came": came}, "Is there a loop that never ends?")


def endless_thread() -> Mistake:
    """What is said of right results beside which something goes on."""
    came = "what is right, but a thread that it began has not ended"
    return Mistake({"came": came}, "Wait for a thread with join(); here, none is needed.")


# Within the process


def answer_graded(exercise: Exercise, path: str) -> None:
    """Grade, and write what came of it; then wait for the answer's threads."""
    write, stop = os.write, os._exit  # as they are now: the answer may change all it can reach
    lines = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)

    def tell(facts: dict[str, Any]) -> None:
        line = json.dumps(facts).encode() + b"\n"
        while line:
            line = line[write(lines, line) :]

    limit_memory()
    tell({})
    mistake = grade(exercise, Path(path), tell)
    if mistake:
        judged, hint = mistake.judged, mistake.hint
        tell({"right": False, "said": mistake.said, "hint": hint, "judged": judged})
    else:
        tell({"right": True})
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    stop(0)


def limit_memory() -> None:
    """From now on, more memory is a MemoryError, where the system can say so."""
    try:
        import resource
    except ImportError:  # Windows: only the time is limited there
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    with contextlib.suppress(ValueError, OSError):  # macOS
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
