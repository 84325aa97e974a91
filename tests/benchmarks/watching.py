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


def raced(made: Any, is_replayed: bool, blocks: int, size: int) -> dict[str, float]:
    """Seconds of a step, of a watched one without its frames, and of a frame; and their shares."""
    rng = np.random.default_rng(1)
    model, cost, shape = made()
    twin, _, _ = made()
    x, y = rng.random((64, *shape), np.float32), rng.integers(0, 10, 64)
    (bare, _), (step, optimizer) = (step_of(m, cost, is_replayed) for m in (model, twin))
    seen = watch(twin, lambda: cost(twin(x), y), optimizer, terminal=False)
    for _ in range(20):  # recorded, warm
        bare(x[:32], y[:32])
        seen.log(loss=step(x[:32], y[:32]))
    began, spent, alone, watched = now(), seen.pace.cost, [], []
    for _ in range(blocks):
        start = now()
        for _ in range(size):
            bare(x[:32], y[:32])
        middle, frames = now(), seen.pace.cost
        for _ in range(size):
            seen.log(loss=step(x[:32], y[:32]))
        end = now()
        alone.append((middle - start) / size)
        watched.append((end - middle - (seen.pace.cost - frames)) / size)
    tenth = [float(np.quantile(times, 0.1)) for times in (alone, watched)]
    total = now() - began
    return {
        "step": tenth[0],
        "log": tenth[1] / tenth[0] - 1,
        "frame": float(np.median(seen.pace.costs)),
        "share": (seen.pace.cost - spent) / (total - sum(alone) * size),
    }


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument("--blocks", type=int, default=300, help="turns for each kind of step")
    args = flags.parse_args()
    pace.perf_counter = run.perf_counter = now  # type: ignore[attr-defined]
    print(f"log: {1e6 * cost_of_log():.2f} µs (load of the machine: {os.getloadavg()[0]:.1f})")
    for made, is_replayed, size in ((mlp, False, 60), (mlp, True, 120), (cnn, True, 3)):
        found = raced(made, is_replayed, args.blocks, size)
        print(
            f"{made.__name__}, {'replayed' if is_replayed else 'eager'}: "
            f"a step {1e6 * found['step']:,.0f} µs, log {found['log']:+.1%}, "
            f"a frame {1e3 * found['frame']:.1f} ms, all frames {found['share']:.1%} of the time"
        )


if __name__ == "__main__":
    main()
