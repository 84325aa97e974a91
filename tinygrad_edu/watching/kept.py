"""What is kept of a run: a page that needs nothing else, written, read again, and compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from tinygrad_edu.graph.notebook import frame_of_page
from tinygrad_edu.watching.page import run_page

DATA = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.DOTALL)
FRAME_HEIGHT_OF_PAGE = 800  # CSS pixels of the frame in a notebook


@dataclass(frozen=True, eq=False)
class FrameTable:
    """The numbers of one frame, by place; printed as a table."""

    step: int
    stats: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, place: str) -> Mapping[str, Any]:
        return self.stats[place]

    def __repr__(self) -> str:
        keys = list(dict.fromkeys(key for known in self.stats.values() for key in known))
        rows = [[f"step {self.step:,}", *keys]]
        for place, known in self.stats.items():
            rows.append([place, *[cell_text(known.get(key)) for key in keys]])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(text.rjust(n) if i else text.ljust(n) for i, (text, n) in enumerate(pairs))
            for pairs in (list(zip(row, widths, strict=True)) for row in rows)
        ]
        return "\n".join(line.rstrip() for line in lines)


def cell_text(x: Any) -> str:
    return "" if x is None else f"{x:.4g}" if isinstance(x, float) else str(x)


@dataclass(frozen=True, eq=False, repr=False)
class Kept:
    """One run or several, for one page: a notebook shows it, `save(path)` writes it."""

    runs: tuple[dict[str, Any], ...]

    @cached_property
    def html(self) -> str:
        """The page: one file that asks for nothing."""
        return run_page(self.runs)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the page to a file, whose name ends in .html, in a folder that is made."""
        file = checked_page_path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.html, encoding="utf-8", newline="\n")

    def table(self, step: int | None = None) -> FrameTable:
        """The numbers of the first run's last frame that is no later than a step."""
        run = self.runs[0]
        steps = run["frames"]["step"]
        i = frame_number(steps, step)
        names = {row["id"]: f"{row['name']} {row['kind']}" for row in run["rows"]}
        stats = {
            names.get(place, place): {k: s[i] for k, s in known.items() if s[i] is not None}
            for place, known in run["stats"].items()
        }
        return FrameTable(steps[i], {place: known for place, known in stats.items() if known})

    def __repr__(self) -> str:
        told = [
            f"{run['name']}: {run['steps']:,} steps, {len(run['frames']['step'])} frames"
            for run in self.runs
        ]
        return f"<{'; '.join(told)}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": framed(self.html), "text/plain": repr(self)}


def frame_number(steps: list[int], step: int | None) -> int:
    """The last frame that is no later than a step; the last of all for None."""
    if step is None:
        return len(steps) - 1
    return max([i for i, at in enumerate(steps) if at <= step], default=0)


def framed(page: str) -> str:
    """The page of a run within a notebook's output."""
    return frame_of_page(page, "a training", FRAME_HEIGHT_OF_PAGE)


def checked_page_path(path: str | PathLike[str]) -> Path:
    """ValueError for a name that no browser would open as a page."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"a run is saved as .html, and not as {Path(path).suffix or fspath(path)}")
    return Path(path)


def load_run(path: str | PathLike[str]) -> Kept:
    """Read a run from the page that kept it. ValueError for another file.

    >>> watch.load("run.html").table(step=100)  # doctest: +SKIP
    """
    found = DATA.search(Path(path).read_text(encoding="utf-8"))
    runs = json.loads(found[1]).get("runs") if found else None
    if not runs:
        raise ValueError(
            f"{fspath(path)} is not a page of a run: expected what watch(…, save=…) has written"
        )
    return Kept(tuple(runs))


def compare_runs(*runs: Any) -> Kept:
    """Several runs on one page, each beside another: runs, kept ones, or their files.

    >>> watch.compare("rate_0.1.html", "rate_1.html").save("both.html")  # doctest: +SKIP
    """
    found: list[dict[str, Any]] = []
    for run in runs:
        kept = load_run(run) if isinstance(run, str | PathLike) else run
        found += kept.runs if isinstance(kept, Kept) else kept.kept().runs
    if len(found) < 2:
        raise ValueError(f"compare takes two runs or more, and found {len(found)}")
    return Kept(tuple(found))
