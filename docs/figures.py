"""Every figure of the README and the pages, with the command that measured it: `make figures`.

A figure is a number with a unit: 96.36 %, 17 s, 1.0 to 1.7 times. Its command stands in the same
row or paragraph, or above it in its section, or in front of the page's first section; or a block of
code on the page prints it, so that `make docs-test` measures it. For others figures.toml says what
they are. Three things make it fail: a figure of which nothing is known, a target of make with two
durations, and a fact that two places tell differently.
"""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOLD = tomllib.loads(Path(__file__).with_name("figures.toml").read_text("utf-8"))
UNITS = (
    r"%|per cent|times|seconds?|minutes?|hours?|s|ms|µs|[kM]B|KB|GB|bits|tests|samples|points|"
    r"parameters"
)
NUMBER = r"\d[\d,]*(?:\.\d+)?"
FIGURE = re.compile(rf"(?<![\w#.,/^−·])({NUMBER}(?: (?:to|or) {NUMBER})? ?(?:{UNITS}))(?![\w²/])")
COMMAND = re.compile(r"`((?:make|python|pip|\.venv/bin/python) [^`]+|[\w/]*\w+\.py(?: -[^`]*)?)`")
IN_SHELL = re.compile(r"^((?:make|python|pip) [^#\n]+?)\s*(?:#(.*))?$", re.MULTILINE)
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(?=#+ )", re.MULTILINE)
MINUTE = 60.0
WORDS = {
    "a few": (2.0, 6.0),
    "several": (2.0, 10.0),
    "half an": (0.5, 0.5),
    "a": (1.0, 1.0),
    "an": (1.0, 1.0),
    "two": (2.0, 2.0),
    "three": (3.0, 3.0),
    "ten": (10.0, 10.0),
}
DURATION = re.compile(
    rf"((?:under|below|less than|about|some) )?({'|'.join(WORDS)}|\d+ to \d+|\d+) "
    r"(second|minute|hour)s?\b"
)
SMALL = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
TARGET = re.compile(r"(?:`|^)make ([a-z][a-z-]+)")


def in_words(number: int) -> str:
    """A number below 100 as a word: 25 is twenty-five."""
    if number < 20:
        return SMALL.split()[number]
    tens, ones = divmod(number, 10)
    word = TENS.split()[tens - 2]
    return f"{word}-{in_words(ones)}" if ones else word


NUMBER_WORDS = {in_words(number) for number in range(2, 100)}


@dataclass(frozen=True)
class Figure:
    """A number with its unit, where it stands, and the command that measured it, if it is known."""

    page: str
    section: str
    text: str
    command: str


def texts() -> dict[str, str]:
    """The pages by name, the Makefile's help among them."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tinygrad_edu" / "errors.md"]
    pages += sorted(path for path in ROOT.glob("docs/**/*.md") if path.parts[-2][0] != "_")
    found = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in pages}
    help_lines = re.findall(r"^([a-z-]+):.*## (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    found["Makefile"] = "\n".join(f"`make {target}`: {text}\n" for target, text in help_lines)
    return {name: text for name, text in found.items() if name not in TOLD["generated"]}


def last_command(text: str) -> str:
    """The last command that a text names."""
    found = COMMAND.findall(text)
    return found[-1] if found else ""


def without_blocks(text: str) -> str:
    """A text without its blocks of code; of those for the shell, commands and comments stay."""

    def commands(block: re.Match[str]) -> str:
        return "".join(f"\n`{command}` {said}\n" for command, said in IN_SHELL.findall(block[0]))

    return BLOCK.sub(commands, text)


def figures(page: str, text: str) -> Iterator[Figure]:
    """The figures of a page; those in its blocks of code are tests already."""
    printed = " ".join(BLOCK.findall(text))
    parts = HEADING.split(without_blocks(text))
    of_page = last_command(parts[0]) or last_command("".join(parts[1:2]))
    for part in parts:
        section = part.partition("\n")[0].strip("# ") if part.startswith("#") else ""
        above = ""
        for block in re.split(r"\n\n|\n(?=[|-] )", part):
            above = last_command(block) or above
            for it in FIGURE.finditer(block):
                known = explained(page, section, it[1]) or above
                tested = "make docs-test" if is_printed(it[1], printed) else ""
                yield Figure(page, section, it[1], known or tested or of_page)


def is_printed(figure: str, printed: str) -> bool:
    """Whether a block of code has the figure's number, and it is long enough to be no accident."""
    number = figure.split(" ")[0].strip("%")
    long_enough = len(re.sub(r"\D", "", number)) >= 3
    return long_enough and bool(re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", printed))


def explained(page: str, section: str, text: str) -> str:
    """What figures.toml says of a figure, of its section, or of its page."""
    for entry in TOLD["figure"]:
        asked = {"page": page, "section": section, "text": text}
        if all(re.fullmatch(entry.get(key, ".*"), x) for key, x in asked.items()):
            return str(entry["is"])
    return ""


def seconds(bound: str | None, count: str, unit: str) -> tuple[float, float]:
    """A duration in words as seconds, from and to: `under 3 minutes` is 0 to 180."""
    scale = {"second": 1.0, "minute": MINUTE, "hour": 60 * MINUTE}[unit]
    numbers = [float(n) for n in re.findall(r"\d+", count)]
    low, high = WORDS.get(count) or (numbers[0], numbers[-1])
    is_upper = (bound or "").strip() in ("under", "below", "less than")
    return (0.0 if is_upper else low * scale), high * scale


def durations(pages: dict[str, str]) -> dict[str, dict[tuple[float, float], list[str]]]:
    """How long each target of make takes, by what is said of it, and where."""
    found: dict[str, dict[tuple[float, float], list[str]]] = {}
    for page, text in pages.items():
        for line in text.split("\n"):
            if not (target := TARGET.search(line)):
                continue
            for it in list(DURATION.finditer(line, target.end()))[:1]:
                at = found.setdefault(target[1], {}).setdefault(seconds(*it.groups()), [])
                at.append(f"{page}: {it[0]}")
    return found


def right_values(fact: dict[str, Any]) -> list[str]:
    """How a fact may be said: as it stands in figures.toml, or a number that is counted now."""
    if "value" in fact:
        return list(fact["value"])
    if "count" in fact:
        number = len([*ROOT.glob(fact["count"])])
    else:
        module, _, name = fact["size"].partition(":")
        number = len(getattr(importlib.import_module(module), name))
    return [f"{number}", in_words(number)]


def is_number(text: str) -> bool:
    return text[0].isdigit() or text.lower() in NUMBER_WORDS


def disagreements(pages: dict[str, str]) -> Iterator[str]:
    """What is told differently in two places, and facts that are told nowhere."""
    for target, told in durations(pages).items():
        if len(told) > 1:
            places = "; ".join(place for places in told.values() for place in places)
            yield f"make {target} has {len(told)} durations: {places}"
    for fact in TOLD["fact"]:
        found = [
            (page, it) for page, text in pages.items() for it in re.finditer(fact["said"], text)
        ]
        said = {f"{page}: {it[0]}": it[1] for page, it in found if is_number(it[1])}
        right = right_values(fact)
        wrong = [
            place for place, value in said.items() if value.lower() not in map(str.lower, right)
        ]
        if wrong or not said:
            told_so = "; ".join(wrong) or "nothing"
            yield f"{fact['what']}: {' or '.join(right)}, and said is {told_so}"


def main() -> int:
    pages = texts()
    found = [it for page, text in pages.items() for it in figures(page, text)]
    for page in pages:
        by_command: dict[str, list[str]] = {}
        for it in found:
            if it.page == page:
                by_command.setdefault(it.command, []).append(it.text)
        for command, told in by_command.items():
            print(f"{page}: {command or '?'}: {', '.join(told)}")
    wrong = [
        f"{it.page}, {it.section}: {it.text}: which command measured it?"
        for it in found
        if not it.command
    ]
    wrong += disagreements(pages)
    print(f"\n{len(found)} figures on {len({it.page for it in found})} pages", *wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
