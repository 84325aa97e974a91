"""Who is how fast: interleaved rounds, in a process whose threads are set before any import.

    python -m tests.benchmarks.race --threads 1 --out build/bench/1.json

A row's contenders take turns, A B C A B C …, so that whatever disturbs the machine disturbs all of
them. Before a time counts, the results of their first steps have to agree.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .report import machine
from .workloads import Array, Digits, Work, rows, sweeps

CONTENDERS = (
    "numpy_by_hand",
    "numpy_with_buffers",
    "bare_engine",
    "ours_eager",
    "ours_replay",
    "ours_numba",
    "ours_jax",
    "torch_eager",
    "jax_jit",
    "hips_autograd",
    "mygrad",
)
CHECKED = 4  # steps, before which no time counts
ROUND = 0.01  # seconds


class Disagreement(Exception):
    """A contender computes something else."""


def contenders(names: Sequence[str]) -> tuple[dict[str, ModuleType], dict[str, str]]:
    """The modules that can be imported, and why the others can't."""
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = importlib.import_module(f".{name}", __package__)
        except ImportError as error:
            missing[name] = str(error)
    return found, missing


class Runner:
    """A contender on its way: its step, and its batches in its own kind of array."""

    def __init__(self, contender: ModuleType, work: Work) -> None:
        self.contender, self.work, self.cycles = contender, work, 1
        self.batches = [tuple(contender.array(x) for x in batch) for batch in work.batches]
        self.begin()

    def begin(self) -> None:
        self.step: Callable[..., Any] = getattr(self.contender, self.work.kind)(self.work)

    def numbers(self, result: Any) -> list[Array]:
        """A result as NumPy has it."""
        results = result if isinstance(result, tuple | list) else [result]
        return [np.asarray(self.contender.numpy(x), float) for x in results]

    def first(self) -> list[list[Array]]:
        """The results of the first steps."""
        batches = itertools.islice(itertools.cycle(self.batches), CHECKED)
        return [self.numbers(self.step(*batch)) for batch in batches]

    def seconds(self) -> float:
        """The time of one step, in a round; a result that is still being computed is waited for."""
        if self.work.afresh:
            self.begin()
            self.first()  # compiles, where there is something to compile
        step, batches = self.step, self.batches
        began = time.perf_counter()
        for _ in range(self.cycles):
            for batch in batches:
                result = step(*batch)
        self.numbers(result)
        return (time.perf_counter() - began) / (self.cycles * len(batches) * self.work.per)

    def warm_up(self, seconds: float) -> None:
        """Choose how many cycles fill a round."""
        if self.work.afresh:
            return
        per_cycle = min(self.seconds() for _ in range(3)) * len(self.batches) * self.work.per
        self.cycles = max(1, round(seconds / per_cycle))


def named(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call it; an error says which contender's it is."""
    try:
        return function(*args)
    except Exception as error:
        error.add_note(f"in the contender {name}")
        raise


def agree(runners: dict[str, Runner]) -> None:
    """Raise Disagreement unless the first results of all are the first one's."""
    firsts = {name: named(name, runner.first) for name, runner in runners.items()}
    reference, expected = next(iter(firsts.items()))
    for name, results in firsts.items():
        tolerance = runners[name].work.tolerance
        for number, (found, wanted) in enumerate(zip(results, expected, strict=True), 1):
            for x, y in zip(found, wanted, strict=True):
                if not close(x, y, tolerance):
                    raise Disagreement(
                        f"{name} and {reference} disagree at step {number}: {x} against {y}"
                    )


def close(x: Array, y: Array, tolerance: float) -> bool:
    return x.shape == y.shape and bool(np.abs(x - y).max() <= tolerance * np.abs(y).max())


def race(
    work: Work, modules: dict[str, ModuleType], rounds: int, seconds: float
) -> dict[str, list[float]]:
    """The times of all rounds, for each contender that can do the work."""
    runners = {
        name: named(name, Runner, module, work)
        for name, module in modules.items()
        if hasattr(module, work.kind)
    }
    agree(runners)
    for runner in runners.values():
        runner.warm_up(seconds)
    gc.collect()
    gc.freeze()  # what was imported is not looked through again: for some contenders that is a lot
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            times[name].append(runner.seconds())
    return times


def curves(digits: Digits, modules: dict[str, ModuleType], quick: bool) -> dict[str, Any]:
    """The figure's points: how many operations and FLOPs a step has, and its times."""
    found: dict[str, Any] = {}
    for what, points in sweeps(digits, quick).items():
        for size, make in points.items():
            work = make()
            times = race(work, modules, 2 if quick else 9, round_length(quick))
            counts = {"operations": work.operations, "flops": work.flops}
            found.setdefault(what, {})[size] = {**counts, "times": times}
            progress(f"{what} {size}", times)
    return found


def round_length(quick: bool) -> float:
    return ROUND / 100 if quick else ROUND


def progress(title: str, times: dict[str, list[float]]) -> None:
    medians = [f"{name} {statistics.median(found) * 1e6:.3g} µs" for name, found in times.items()]
    print(f"{title}: {', '.join(medians)}", file=sys.stderr, flush=True)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--threads", type=int, default=1)
    flags.add_argument("--contenders", nargs="+", default=CONTENDERS)
    flags.add_argument("--only", default="", help="rows whose title contains this")
    flags.add_argument("--rounds", type=int, default=31)
    flags.add_argument("--quick", action="store_true")
    flags.add_argument("--curves", action="store_true", help="also what the figure shows")
    flags.add_argument("--out", type=Path, required=True)
    args = flags.parse_args()
    modules, missing = contenders(args.contenders)
    digits, found = Digits(), {}
    for title, make in rows(digits, args.quick).items():
        if args.only not in title:
            continue
        work = make()
        rounds = min(args.rounds, 5) if work.afresh else args.rounds
        found[title] = race(work, modules, rounds, round_length(args.quick))
        progress(title, found[title])
    results = {
        "threads": args.threads,
        "machine": machine(modules),
        "names": {name: m.NAME for name, m in modules.items()},
        "missing": missing,
        "rows": found,
        "curves": curves(digits, modules, args.quick) if args.curves else {},
    }
    args.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
