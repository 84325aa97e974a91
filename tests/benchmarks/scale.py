"""A step on more and more devices: measured on this machine, and on paper for 64 GPUs.

    python -m tests.benchmarks.scale           # or make bench-scale, in an environment with JAX

A processor counts as several devices, each with one thread, so no more than its cores can work at a
time: beyond these, what is left to see is the price of a device more. Leaves scale.md and scale.png
in build/bench/.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

LAYERS = (784, 512, 512, 10)
BATCHES = (64, 1024)
DEVICES = (1, 2, 4, 8)
PARAMETERS = sum((n + 1) * m for n, m in itertools.pairwise(LAYERS))
# On paper: a GPU and what connects 64 of them, 8 to a host
GPU = {"FLOP/s": 20e12, "bytes/s": 50e9, "latency": 5e-6}


def step_and_batch(batch: int, devices: int) -> Any:
    """A step of training on so many devices, and what it is given."""
    from tinygrad_edu import nn, replay

    rng, layers = np.random.default_rng(0), list[Any]()
    for n, m in itertools.pairwise(LAYERS):
        layers += [nn.Linear(n, m, rng=rng), nn.ReLU()]
    model, cost = nn.Sequential(*layers[:-1]), nn.CrossEntropy()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)

    @replay(backend="jax", devices=devices, audit=False)
    def step(x: Any, y: Any) -> Any:
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, rng.random((batch, LAYERS[0]), np.float32), rng.integers(0, 10, batch)


def measure(devices: int, rounds: int) -> None:
    """Print the seconds of a step for each batch, and the all-reduces in it.

    They are those of the fastest tenth: whatever else the machine does only adds to them.
    """
    steps = [step_and_batch(batch, devices) for batch in BATCHES]
    times: list[list[float]] = [[] for _ in BATCHES]
    for _ in range(rounds):
        for found, (step, x, y) in zip(times, steps, strict=True):
            for repeat in range(4):
                began = perf_counter()
                step(x, y)
                if repeat:  # the first brings the other model's state home
                    found.append(perf_counter() - began)
    lines = steps[0][0].last.hlo().splitlines()
    reduces = sum(" all-reduce(" in line for line in lines)
    print(
        json.dumps(
            {"times": [float(np.quantile(found[6:], 0.1)) for found in times], "reduces": reduces}
        )
    )


def on_this_machine(rounds: int) -> dict[int, Any]:
    """What a process with so many devices finds, for each number of devices."""
    found = {}
    for devices in DEVICES:
        flags = (
            f"--xla_force_host_platform_device_count={devices} --xla_cpu_multi_thread_eigen=false"
        )
        command = [sys.executable, "-m", f"{__package__}.scale", "--devices", str(devices)]
        done = subprocess.run(
            [*command, "--rounds", str(rounds)],
            env=os.environ | {"XLA_FLAGS": flags, "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        found[devices] = json.loads(done.stdout.splitlines()[-1])
    return found


def on_paper(batch: int, parameters: int, devices: int) -> tuple[float, float]:
    """Seconds of arithmetic, 6 FLOPs a parameter and example, and of a ring all-reduce, which
    sends 2 (n − 1) parts of the gradient's n, one after the other.
    """
    arithmetic = 6 * parameters * batch / devices / GPU["FLOP/s"]
    turns = 2 * (devices - 1)
    return arithmetic, turns * (4 * parameters / devices / GPU["bytes/s"] + GPU["latency"])


def page(found: dict[int, Any]) -> str:
    """Both as tables."""
    head = " | ".join(f"batch {batch}" for batch in BATCHES)
    rows = [f"| devices | {head} | all-reduces |", "|" + " --- |" * (len(BATCHES) + 2)]
    for devices, result in found.items():
        times = " | ".join(f"{1e3 * t:.2f} ms" for t in result["times"])
        rows.append(f"| {devices} | {times} | {result['reduces']} |")
    rows += ["", "| GPUs, on paper | parameters | batch | arithmetic | all-reduce | of 100 % |"]
    rows.append("|" + " --- |" * 6)
    for parameters, batch in ((PARAMETERS, 1024), (PARAMETERS, 65536), (100_000_000, 65536)):
        for devices in (1, 8, 64):
            work, talk = on_paper(batch, parameters, devices)
            share = f"{100 * work / (work + talk):.0f} %"
            times = f"{1e3 * work:.3f} ms | {1e3 * talk:.3f} ms"
            rows.append(f"| {devices} | {parameters:,} | {batch:,} | {times} | {share} |")
    return "\n".join(rows) + "\n"


def draw(found: dict[int, Any], path: Path) -> None:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    from .figure import GREY, INK, MUTED, SETTINGS

    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(8, 3.6))
        axes = figure.subplots(1, 2)
        for i, (batch, color) in enumerate(zip(BATCHES, (MUTED, INK), strict=True)):
            times = [1e3 * result["times"][i] for result in found.values()]
            axes[0].plot([*found], times, "o-", color=color, label=f"batch {batch}")
        axes[0].set_title(f"measured on {os.cpu_count()} cores")
        axes[0].set_ylabel("ms per step")
        for batch, line in ((1024, ":"), (65536, "-")):
            counts = [1, 2, 4, 8, 16, 32, 64]
            times = [1e3 * sum(on_paper(batch, PARAMETERS, n)) for n in counts]
            axes[1].plot(counts, times, f"o{line}", color=INK, label=f"batch {batch:,}")
        axes[1].set_title("GPUs, on paper")
        for one in axes:
            one.set(xscale="log", yscale="log", xlabel="devices")
            one.set_xticks([1, 2, 4, 8] if one is axes[0] else [1, 4, 16, 64])
            one.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
            one.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            one.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
            one.minorticks_off()
            one.grid(color=GREY, linewidth=0.4)
            one.legend()
        figure.tight_layout()
        figure.savefig(path)


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--rounds", type=int, default=15)
    flags.add_argument("--devices", type=int, help="measure here, with so many")
    args = flags.parse_args()
    if args.devices:
        return measure(args.devices, args.rounds)
    out = Path("build") / "bench"
    out.mkdir(parents=True, exist_ok=True)
    found = on_this_machine(args.rounds)
    (out / "scale.md").write_text(page(found))
    draw(found, out / "scale.png")
    return print(page(found))


if __name__ == "__main__":
    main()
