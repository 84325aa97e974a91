"""How sure is the accuracy?
=========================

Train the digit classifier from several seeds, and print a table of what each reached::

    python examples/mnist_seeds.py --seeds 10
    python examples/mnist_seeds.py --seeds 3 --schedule constant    # any flag of mnist.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import mnist
import numpy as np


def main() -> None:
    flags = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="All flags of mnist.py are taken too.",
    )
    add, out = flags.add_argument, Path("build/mnist-seeds")
    add("--seeds", type=int, default=10, help="how many seeds (default: 10)")
    add("--first", type=int, default=0, help="the first of them (default: 0)")
    add("--out", type=Path, default=out, help="where the results of each seed go")
    own, rest = flags.parse_known_args()
    results = {}
    for seed in range(own.first, own.first + own.seeds):
        given = [*rest, "--seed", str(seed), "--out", str(own.out / str(seed))]
        results[seed] = mnist.run(mnist.arguments(given))
    report(results)


def report(results: dict[int, dict[str, Any]]) -> None:
    """Print a line for each seed, and how far their accuracies spread."""
    print("\n| seed | test accuracy | training accuracy | seconds per epoch |")
    print("| --- | --- | --- | --- |")
    for seed, found in results.items():
        test, training = found["test_accuracy"], found["train_accuracy"]
        print(f"| {seed} | {test:.2%} | {training:.2%} | {found['seconds_per_epoch']:.3f} |")
    of_all = np.array([found["test_accuracy"] for found in results.values()])
    print(
        f"\ntest accuracy: mean {of_all.mean():.2%}, least {of_all.min():.2%}, "
        f"greatest {of_all.max():.2%}"
    )


if __name__ == "__main__":
    main()
