"""What needs a process of its own: how long an import takes, and how much memory an epoch does.

python -m tests.benchmarks.fresh ours_eager     # MiB, beyond data and imports
"""

from __future__ import annotations

import ctypes
import importlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .workloads import Digits, mlp

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux's
NOW = "time.perf_counter()"
TIMED = f"import time, numpy; began = {NOW}; {{}}; print(1000 * ({NOW} - began))"
IMPORTS = {
    "import, ms": {
        "ours_eager": "import tinygrad_edu",
        "torch_eager": "import torch",
        "jax_jit": "import jax",
        "hips_autograd": "import autograd.numpy",
        "mygrad": "import mygrad",
    },
    "import with layers, ms": {
        "ours_eager": "from tinygrad_edu import nn; nn.Linear",
        "torch_eager": "from torch import nn",
        "mygrad": "import mygrad.nnet",
    },
}
Times = dict[str, list[float]]


def printed(*command: str, environment: Mapping[str, str]) -> float:
    """The number that a new Python prints."""
    kept: Any = {"env": environment, "check": True, "capture_output": True, "text": True}
    return float(subprocess.run([sys.executable, *command], **kept).stdout)


def import_times(
    statements: Mapping[str, str], rounds: int, environment: Mapping[str, str]
) -> Times:
    """What each statement takes once NumPy is there, in turn; the first round fills the caches."""
    timed = {name: ("-c", TIMED.format(statement)) for name, statement in statements.items()}
    turns = [
        {name: printed(*command, environment=environment) for name, command in timed.items()}
        for _ in range(rounds + 1)
    ]
    return {name: [turn[name] for turn in turns[1:]] for name in statements}


def measured(names: Iterable[str], quick: bool, environment: Mapping[str, str]) -> dict[str, Times]:
    """The rows of imports and memory, of the contenders of these names."""
    found = {}
    for title, statements in IMPORTS.items():
        own = {name: statements[name] for name in names if name in statements}
        found[title] = import_times(own, 1 if quick else 15, environment)
    epochs = {}
    for name in names if RESET.exists() and not quick else ():
        epochs[name] = [printed("-m", __name__, name, environment=environment) for _ in range(3)]
    return found | {"memory of an epoch, MiB": epochs}


def resident(what: str) -> int:
    """Bytes in memory: VmRSS now, VmHWM at most."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(what))
    return 1024 * int(line.split()[1])


def of_an_epoch(contender: ModuleType) -> float:
    """784-16-16-10 over MNIST, batch 32: the MiB at most.

    The images stay bytes; a batch becomes numbers from 0 to 1 when it is its turn.
    """
    digits, targets = Digits(), np.eye(10, dtype=np.float32)
    images = digits.images.reshape(-1, 784)
    order = np.random.default_rng(0).permutation(len(images))
    work = mlp(digits, 32)
    # What reading the files left over goes back, or it would be used again
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    RESET.write_text("5")  # the peak is now what is resident
    before = resident("VmRSS")
    step = contender.mlp(work)
    for start in range(0, len(order), 32):
        batch = order[start : start + 32]
        x = images.take(batch, axis=0).astype(np.float32) / 255
        y = targets.take(digits.labels.take(batch), axis=0)
        cost = step(contender.array(x), contender.array(y))
    contender.numpy(cost)
    return (resident("VmHWM") - before) / 2**20


if __name__ == "__main__":
    print(of_an_epoch(importlib.import_module(f".{sys.argv[1]}", __package__)))
