"""Not a study, and not to be run: the training that shuffled_labels.py and structure.py share.

The same network learns the same images twice, from the same start and in the same order: with their
true labels, and with these labels permuted. Its cost and accuracy on all of these images are
measured several times per epoch, at equal distances.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import common
import numpy as np
import study
from study import Array
from tqdm import tqdm

from tinygrad_edu import nn

SIZES = (784, 256, 256, 10)
SIZE = 269_322  # 784·256 + 256 + 256·256 + 256 + 256·10 + 10


@dataclass
class Course:
    """How one training went.

    The network is measured on its own images at `epochs`, on test images after each whole epoch.
    """

    epochs: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    answers: Any = None  # what it answers at the end, image by image

    def until(self, accuracy: float) -> float:
        """Find how many epochs it took to get this share of its images right; inf if never."""
        reached = np.flatnonzero(np.array(self.accuracies) >= accuracy)
        return self.epochs[reached[0]] if len(reached) else np.inf

    def note(self, epoch: float, outputs: Array, labels: Array) -> None:
        """Write down cost and accuracy at this moment."""
        self.epochs.append(epoch)
        self.costs.append(nn.CrossEntropy()(outputs, labels).item())
        self.answers = outputs.argmax(axis=1)
        self.accuracies.append(float((self.answers == labels).mean()))


@dataclass
class Pair:
    """Both trainings, and what they learned from."""

    x: Array
    labels: dict[str, Array]
    courses: dict[str, Course]

    @property
    def kept(self) -> float:
        """The share of the labels that shuffling left the same."""
        return float((self.labels["true"] == self.labels["shuffled"]).mean())

    def slower(self, accuracy: float) -> float:
        """Find how many times as long shuffled labels take until this share is right."""
        return self.courses["shuffled"].until(accuracy) / self.courses["true"].until(accuracy)


# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--images": {"type": int, "default": 2000,
                 "help": "how many images are learned; with --quick a fifth"},
    "--batch": {"type": int, "default": 50, "help": "images per step; with --quick a fifth"},
    "--points": {"type": int, "default": 10,
                 "help": "how often per epoch cost and accuracy are measured"},
    "--epochs": {"type": int, "default": 100, "help": "where the training gives up"},
    "--lr": {"type": float, "default": 0.1, "help": "learning rate"},
}
# fmt: on


def share(args: Any) -> int:
    return 5 if args.quick else 1


def train(x: Array, labels: Array, x_test: Array, y_test: Array, args: Any, title: str) -> Course:
    """Train with cross-entropy and a constant rate until 99.9 % of the images are right."""
    start, order = np.random.default_rng(args.seed).spawn(2)  # the same for both labelings
    model = study.relu_network(SIZES, start)
    optimizer = nn.optim.SGD(model.parameters(), lr=args.lr)
    step = common.step_of(model, nn.CrossEntropy(), optimizer, args)
    loader = nn.DataLoader(x, labels, batch_size=args.batch // share(args), shuffle=True, rng=order)
    every = max(len(loader) // args.points, 1)
    course = Course()
    course.note(0.0, study.outputs(model, x), labels)
    with tqdm(range(args.epochs), desc=title, unit="epoch", leave=False) as bar:
        for epoch in bar:
            for i, batch in enumerate(loader, 1):
                step(*batch)
                if i % every == 0:
                    course.note(epoch + i / len(loader), study.outputs(model, x), labels)
            course.test.append(study.accuracy(model, x_test, y_test))
            bar.set_postfix(accuracy=f"{course.accuracies[-1]:.3f}")
            if course.accuracies[-1] >= 0.999:
                break
    return course


def both(args: Any) -> Pair:
    """Learn the same images with true and with shuffled labels."""
    x, y, x_test, y_test = study.mnist(args)
    chosen, shuffled = np.random.default_rng(args.seed).spawn(4)[2:]
    some = chosen.permutation(len(x))[: args.images // share(args)]
    labels = {"true": y[some], "shuffled": shuffled.permutation(y[some])}
    courses = {
        name: train(x[some], given, x_test, y_test, args, f"{name} labels")
        for name, given in labels.items()
    }
    return Pair(x[some], labels, courses)
