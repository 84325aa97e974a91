"""The table: a row for each work, a column for each contender; and the machine that measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

REFERENCE = "numpy_by_hand"
LIBRARIES = ("torch", "jax", "autograd", "mygrad")


def processor() -> str:
    """Its name, as Linux tells it; else as Python does."""
    cpu = Path("/proc/cpuinfo")
    told = (
        re.search(r"^model name\s*:(.*)$", cpu.read_text(), re.MULTILINE) if cpu.exists() else None
    )
    return told[1].strip() if told else platform.processor()


def machine(modules: Iterable[str]) -> dict[str, str]:
    """What a time depends on."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = {
        f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels"
        for pool in pools
    }
    used = {
        library: importlib.metadata.version(library)
        for library in LIBRARIES
        if any(library in name for name in modules)
    }
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "BLAS": "; ".join(sorted(blas)),
        **used,
    }


def number(x: float) -> str:
    return f"{x:.3g}" if x < 999.5 else f"{x:,.0f}"


def duration(seconds: float) -> str:
    return f"{number(seconds * 1e6)} µs" if seconds < 0.001 else f"{number(seconds * 1e3)} ms"


def markdown(header: list[str], lines: Iterable[list[str]]) -> str:
    """Cells as a table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines])


def with_ratio(times: list[float], row: dict[str, list[float]]) -> str:
    """The median of the rounds' ratios: both were measured in one round, whatever disturbed it."""
    ratio = median(time / by_hand for time, by_hand in zip(times, row[REFERENCE], strict=True))
    return f"**{ratio:.2f}** {duration(median(times))}"


def spread(times: list[float], show: Callable[[float], str] = duration) -> str:
    return " … ".join(show(x) for x in (min(times), median(times), max(times)))


def table(
    names: dict[str, str], rows: dict[str, dict[str, list[float]]], cell: Callable[..., str]
) -> str:
    """A row's cells are made of a contender's times and those of all."""
    lines = [
        [title, *[cell(times[name], times) if name in times else "–" for name in names]]
        for title, times in rows.items()
    ]
    return markdown(["what", *names.values()], lines)


def page(runs: list[dict[str, Any]], apart: dict[str, dict[str, list[float]]]) -> str:
    """All that was measured: a run for each number of threads, and what had its own process."""
    first = runs[0]
    names = first["names"]
    facts = [f"- {what}: {value}" for what, value in first["machine"].items()]
    facts += [f"- left out: {name} ({reason})" for name, reason in first["missing"].items()]
    parts = ["\n".join(facts)]
    for run in runs:
        threads = f"{run['threads']} thread{'s' * (run['threads'] > 1)}"
        parts += [
            f"{threads}: ratio to NumPy by hand, and the time of a step",
            table(names, run["rows"], with_ratio),
            f"{threads}: least … median … greatest time of the rounds",
            table(names, run["rows"], lambda times, _: spread(times)),
        ]
    if apart:
        parts += [
            "beyond NumPy and the data: least … median … greatest",
            table(names, apart, lambda values, _: spread(values, number)),
        ]
    return "\n\n".join(parts) + "\n"
