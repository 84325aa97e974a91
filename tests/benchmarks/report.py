"""The table: a row for each work, a column for each contender, and what machine it was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

REFERENCE = "numpy_by_hand"
LIBRARIES = ("torch", "jax", "autograd", "mygrad")


def machine(modules: Iterable[str]) -> dict[str, str]:
    """What a time depends on."""
    cpu = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")] \
        if cpu.exists() else []
    blas = {f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels"
            for pool in threadpool_info() if pool["user_api"] == "blas"}
    used = {library: importlib.metadata.version(library) for library in LIBRARIES if any(library in name for name in modules)}
    return {"processor": f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores",
            "system": platform.platform(), "Python": platform.python_version(), "NumPy": np.__version__,
            "BLAS": "; ".join(sorted(blas)), **used}


def ratio(times: list[float], reference: list[float]) -> float:
    """The median of the rounds' ratios: both were measured in the same round, whatever disturbed it."""
    return median(time / by_hand for time, by_hand in zip(times, reference, strict=True))


def duration(seconds: float) -> str: return f"{seconds * 1e6:.3g} µs" if seconds < 0.001 else f"{seconds * 1e3:.3g} ms"


def markdown(header: list[str], lines: Iterable[list[str]]) -> str:
    """Cells as a table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines])


def short(times: list[float], reference: list[float]) -> str:
    return f"**{ratio(times, reference):.2f}** {duration(median(times))}"


def spread(times: list[float], reference: list[float]) -> str:
    return " … ".join(duration(time) for time in (min(times), median(times), max(times)))


def table(results: dict[str, Any], cell: Any) -> str:
    names = results["names"]
    return markdown(["", *names.values()], [
        [title, *[cell(times[name], times[REFERENCE]) if name in times else "–" for name in names]]
        for title, times in results["rows"].items()])


def page(runs: list[dict[str, Any]]) -> str:
    """The page of all runs, one for each number of threads."""
    parts = ["\n".join(f"- {what}: {value}" for what, value in runs[0]["machine"].items())]
    parts += [f"- not here: {name}, {reason}" for name, reason in runs[0]["missing"].items()]
    for run in runs:
        parts += [f"**{run['threads']} thread{'s' * (run['threads'] > 1)}: ratio to NumPy by hand, and the median time**",
                  table(run, short), "least … median … greatest of the rounds", table(run, spread)]
    return "\n\n".join(parts) + "\n"
