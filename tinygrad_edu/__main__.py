"""`python -m tinygrad_edu` lists what there is to read, to use and to learn with."""

import importlib
import inspect
import io
import re
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import tinygrad_edu
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS

HOME = Path(tinygrad_edu.__path__[0])
GROUPS = {
    "core": "Record, and walk back",
    "core.functional": "Take f, return f′",
    "core.gradcheck": "Ask why",
    "debugging": "Ask why",
    "graph": "See it",
    "watching": "See it learn",
    "programs": "Run it again",
    "core.marks": "Run it again",
    "module": "Build with it",
}  # where a name is defined ↦ what it is for


def first_line(documented: object, width: int) -> str:
    """The first sentence of a docstring, in one line."""
    paragraph = (inspect.getdoc(documented) or "").partition("\n\n")[0]
    sentence = re.split(r"(?<=[a-z0-9)`])\. ", " ".join(paragraph.split()))[0]
    return textwrap.shorten(sentence.rstrip("."), width, placeholder=" …")


def purpose(value: object) -> str:
    """What a public name is for: the module that defines it decides."""
    if isinstance(value, ModuleType):
        return GROUPS["module"]
    home = str(getattr(value, "__module__", "")).removeprefix("tinygrad_edu.")
    return GROUPS[max(filter(home.startswith, GROUPS), key=len)]


def name_table(rows: dict[str, object]) -> list[str]:
    """One line for each name, with the first sentence about it."""
    left = max(map(len, rows), default=0) + 2
    return [f"  {name:<{left}}{first_line(value, 96 - left)}" for name, value in rows.items()]


def reading_order() -> dict[str, object]:
    """The four files to read, in the order that the package's docstring gives."""
    order = re.findall(r"(core/\w+)\.py", tinygrad_edu.__doc__ or "")
    names = [name.replace("/", ".") for name in order]
    return {
        f"{name}.py": importlib.import_module(f"tinygrad_edu.{module}")
        for name, module in zip(order, names, strict=True)
    }


def public_names() -> dict[str, dict[str, object]]:
    """The public names of each group."""
    found: dict[str, dict[str, object]] = {title: {} for title in GROUPS.values()}
    for name in tinygrad_edu.__all__:
        value = getattr(tinygrad_edu, name)
        found[purpose(value)][name] = value
    return found


def other_places() -> list[str]:
    """Where the course, the examples and the exercises are."""
    cloned = (HOME.parent / "docs").is_dir()
    rest = HOME.parent if cloned else "the repository, beside the package's own folder"
    return [
        f"  The course, labs and guides (docs/) and the examples (examples/) are in {rest}",
        "  Exercises, graded here: python -m tinygrad_edu.exercises",
    ]


def overview() -> str:
    """What `python -m tinygrad_edu` prints."""
    title = first_line(tinygrad_edu, 200)
    lines = [f"tinygrad_edu {tinygrad_edu.__version__}: {title}", ""]
    lines += [f"Read it, in this order, in {HOME}", *name_table(reading_order()), ""]
    for heading, names in public_names().items():
        lines += [heading, *name_table(names), ""]
    return "\n".join([*lines, "And then", *other_places()])


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=PLAIN_SIGNS)  # where ∂ cannot be printed, print d
    print(overview())
