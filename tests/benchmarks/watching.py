"""What watching costs: a step with `log` against the same step without, by turns, and the frames.

    python -m tests.benchmarks.watching        # or make bench-watching

Each kind of step has two models that are alike; blocks of steps of one and of the other take turns,
so that what slows the machine slows both. Frames are timed apart: their share of the time is said.
The sum of both is to stay below 3 %. Times are the processor's, those of other programs left out.
"""

from __future__ import annotations

import argparse
import os
from time import process_time as now
from typing import Any

import numpy as np

from tinygrad_edu import nn, replay, watch
from tinygrad_edu.watching import pace, run
from tinygrad_edu.watching.pace import FREE

Kind = tuple[Any, Any, Any]  # model, cost, shape of an image


def mlp() -> Kind:
    rng = np.random.default_rng(0)
    layers = [nn.Linear(784, 16, rng=rng), nn.Sigmoid(), nn.Linear(16, 16, rng=rng), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(16, 10, rng=rng)), nn.CrossEntropy(), (784,)


def cnn() -> Kind:
    rng = np.random.default_rng(0)
    first = [nn.Conv2d(1, 8, 5, rng=rng), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(8, 16, 5, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    last = [nn.Linear(256, 64, rng=rng), nn.ReLU(), nn.Linear(64, 10, rng=rng)]
    return nn.Sequential(*first, *second, *last), nn.CrossEntropy(), (1, 28, 28)


def step_of(model: Any, cost: Any, is_replayed: bool) -> tuple[Any, Any]:
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return (replay(step) if is_replayed else step), optimizer


def cost_of_log() -> float:
    """Seconds of a `log` that only appends."""
    seen, times = watch(mlp()[0], terminal=False), []
    seen.until = 1 << 62
    for _ in range(200):
        began = now()
        for _ in range(1000):
            seen.log(loss=1.0)
        times.append((now() - began) / 1000)
        seen.ticks.clear()
    return min(times)


def raced(made: Any, is_replayed: bool, seconds: float, size: int) -> dict[str, float]:
    """Seconds of a step and of a frame; what `log` and the frames add, as shares; the noise."""
    rng = np.random.default_rng(1)
    kinds = [made() for _ in range(3)]
    x, y = rng.random((64, *kinds[0][2]), np.float32), rng.integers(0, 10, 64)
    steps = [step_of(model, cost, is_replayed) for model, cost, _ in kinds]
    (bare, _), (again, _), (step, optimizer) = steps
    twin, cost, _ = kinds[2]
    often = {"every": 3 * 0.2, "share": 0.02 / 3}  # of the time of all three
    seen = watch(twin, lambda: cost(twin(x), y), optimizer, terminal=False, **often)

    def block(turn: Any) -> float:
        began, frames = now(), seen.pace.cost
        for _ in range(size):
            turn(x[:32], y[:32])
        return (now() - began - (seen.pace.cost - frames)) / size

    turns = [bare, again, lambda x, y: seen.log(loss=step(x, y))]
    for turn in turns * 3:  # recorded, warm
        block(turn)
    began, times, order = now(), [], [0, 1, 2]
    while now() - began < seconds:
        order = order[1:] + order[:1]  # each comes first, second and last
        found = dict.fromkeys(order, 0.0)
        for i in order:
            found[i] = block(turns[i])
        times.append([found[i] for i in range(3)])
    first, second, watched = np.quantile(times, 0.1, axis=0)
    frames, free = sum(seen.pace.costs), sum(seen.pace.costs[:FREE])
    own = float(np.sum(times, axis=0)[2]) * size + frames  # seconds of the watched training
    return {
        "step": first,
        "log": 2 * watched / (first + second) - 1,
        "noise": abs(second / first - 1),
        "frame": float(np.median(seen.pace.costs)),
        "frames": (frames - free) / own,
        "free": free,
    }


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--seconds", type=float, default=20, help="for each kind of step")
    args = flags.parse_args()
    pace.perf_counter = run.perf_counter = now  # type: ignore[attr-defined]
    print(f"log: {1e6 * cost_of_log():.2f} µs (load of the machine: {os.getloadavg()[0]:.1f})")
    for made, is_replayed, size in ((mlp, False, 60), (mlp, True, 120), (cnn, True, 3)):
        found = raced(made, is_replayed, args.seconds, size)
        kind = f"{made.__name__}, {'replayed' if is_replayed else 'eager'}"
        print(
            f"{kind}: a step {1e6 * found['step']:,.0f} µs; "
            f"log {found['log']:+.1%} (two that are alike differ by {found['noise']:.1%}); "
            f"a frame {1e3 * found['frame']:.1f} ms, frames {found['frames']:.1%} of the time, "
            f"and {found['free']:.2f} s once",
            flush=True,
        )


if __name__ == "__main__":
    main()
