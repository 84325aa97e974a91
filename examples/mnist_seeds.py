"""How sure is the accuracy?
=========================

The digit classifier trained from several seeds, and a table of what each reached::

    python examples/mnist_seeds.py --seeds 10 python examples/mnist_seeds.py --seeds 3 --schedule
    constant --weight-decay 0    # any flag of mnist.py"""

from __future__ import annotations

import argparse
from pathlib import Path

import mnist
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="All flags of mnist.py are taken too.",
    )
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds (default: 10)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/mnist-seeds"),
        help="where the results of each seed go",
    )
    own, rest = parser.parse_known_args()
    results = []
    for seed in range(own.first, own.first + own.seeds):
        results.append(
            mnist.run(
                mnist.arguments([*rest, "--seed", str(seed), "--out", str(own.out / str(seed))])
            )
        )
    print(
        "\n| seed | test accuracy | training accuracy | seconds per epoch |\n| --- | --- | --- | "
        "--- |"
    )
    for seed, r in enumerate(results, own.first):
        print(
            f"| {seed} | {r['test_accuracy']:.2%} | {r['train_accuracy']:.2%} | "
            f"{r['seconds_per_epoch']:.3f} |"
        )
    accuracies = np.array([result["test_accuracy"] for result in results])
    print(
        f"\ntest accuracy: mean {accuracies.mean():.2%}, least {accuracies.min():.2%}, greatest "
        f"{accuracies.max():.2%}"
    )


if __name__ == "__main__":
    main()
