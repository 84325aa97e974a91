"""Noise in, a confident digit out
===============================

What the network answers to images that show nothing::

    python examples/learning/noise.py

A network that has only seen digits cannot say that it sees none. Four networks with a fixed rate,
and four with a penalty and a falling rate, which classify better, are shown three kinds of images:
test images, the same with all their pixels shuffled, and pixels uniform between 0 and 1. How sure a
network is of noise depends much on its start, so no single network is typical.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look

CLAIM = (
    "Given random noise, the network doesn't seem unsure: it confidently answers with some digit."
)
FIXED, TUNED = "fixed rate", "penalty and falling rate"
KINDS: dict[str, dict[str, Any]] = {
    FIXED: {"lr": 1.5},
    TUNED: {"lr": 3.0, "cosine": True, "decay": 5e-5},
}
IMAGES = DIGITS, SHUFFLED, NOISE = "test images", "shuffled pixels", "uniform noise"
TITLE = "Shown noise, a network does not say “I don't know”: it names a digit, often confidently"
NOTE = (
    "Left: the first four images of noise, and the ten outputs of one network, the middle one of "
    "all in how sure it is. Right: thin lines are single networks, thick ones their mean."
)
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": 30, "help": "how often every image is seen"},
    "--networks": {"type": int, "default": 4, "help": "how many networks of each kind"},
}
# fmt: on


@dataclass
class Answers:
    """What the networks of one kind answer: outputs `(images, 10)`, by the kind of image."""

    outputs: dict[str, list[Array]] = field(default_factory=lambda: defaultdict(list))
    accuracies: list[float] = field(default_factory=list)

    def above(self, name: str, limit: float) -> Array:
        """Find each network's share of images whose brightest output is above the limit."""
        return np.array([(a.max(axis=1) > limit).mean() for a in self.outputs[name]])

    def brightest(self, name: str) -> Array:
        """Find each network's mean of the brightest output."""
        return np.array([a.max(axis=1).mean() for a in self.outputs[name]])

    def favourites(self, name: str) -> float:
        """Find the share of images that get a network's three most frequent digits, on average."""
        counts = [np.bincount(a.argmax(axis=1), minlength=10) / len(a) for a in self.outputs[name]]
        return float(np.mean([np.sort(share)[-3:].sum() for share in counts]))

    def words(self, name: str) -> str:
        """Write all that is measured of one kind of image."""
        above, brightest = self.above(name, 0.5), self.brightest(name)
        return (
            f"mean {brightest.mean():.2f} ({brightest.min():.2f} to {brightest.max():.2f}); "
            f"above 0.5 for {above.mean():.0%} ({above.min():.0%} to {above.max():.0%}), "
            f"above 0.9 for {self.above(name, 0.9).mean():.0%}; "
            f"three digits take {self.favourites(name):.0%}"
        )


def answers(
    kind: dict[str, Any], data: tuple[Array, ...], inputs: dict[str, Array], args: Any, title: str
) -> Answers:
    """Train a few networks, each from its own start, and record what they answer."""
    x, y, x_test, y_test = data
    known, wanted = Answers(), study.one_hot(y)
    for rng in np.random.default_rng(args.seed).spawn(args.networks):
        start, order = rng.spawn(2)
        model = study.network(study.VIDEO, start)
        study.train(model, x, wanted, args, order, epochs=args.epochs, title=title, **kind)
        known.accuracies.append(study.accuracy(model, x_test, y_test))
        for name, images in inputs.items():
            known.outputs[name].append(study.outputs(model, images))
    return known


def draw_outputs(picture: Any, bars: Any, look: Look, image: Array, a: Array) -> None:
    """Draw an image of noise above the network's ten outputs."""
    picture.imshow(image.reshape(28, 28), cmap=look.amount, vmin=0, vmax=1)
    picture.set_title(f"“{a.argmax()}”: {a.max():.2f}", loc="center", fontsize=11)
    picture.axis("off")
    colors = [look.orange if i == a.argmax() else look.muted for i in range(10)]
    bars.bar(range(10), a, color=colors, width=0.75)
    bars.set(xticks=range(10), ylim=(0, 1), yticks=[])
    bars.tick_params(length=0)
    bars.spines["left"].set_visible(False)


def draw_sureness(axes: Any, look: Look, known: Answers, title: str) -> None:
    """Draw for every limit the share of images whose brightest output is above it.

    Each network has a thin line, their mean a thick one.
    """
    limits = np.linspace(0, 1, 101)
    for name, colour in ((DIGITS, look.blue), (SHUFFLED, look.plum), (NOISE, look.orange)):
        shares = np.array([known.above(name, limit) for limit in limits])
        axes.plot(limits, shares, color=colour, linewidth=0.8, alpha=0.55)
        axes.plot(limits, shares.mean(axis=1), color=colour, linewidth=2.8, label=name)
    axes.axvline(0.5, color=look.muted, linewidth=0.8, linestyle=":")
    axes.set(
        title=f"{title}: {np.mean(known.accuracies):.1%} right",
        xlim=(0, 1),
        ylim=(0, 1.02),
        xlabel="the brightest output is above …",
        ylabel="share of the images",
    )
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def draw_all(look: Look, known: dict[str, Answers], images: Array) -> Figure:
    """Draw four images of noise with a middling network's outputs, and how sure all are."""
    every = [a for kind in known.values() for a in kind.outputs[NOISE]]
    middle = sorted(every, key=lambda a: a.max(axis=1).mean())[len(every) // 2]
    drawn = study.figure(TITLE, 13, 4.7, NOTE)
    axes = drawn.subplot_mosaic(
        [["0", "1", "2", "3", FIXED, TUNED], ["a", "b", "c", "d", FIXED, TUNED]],
        width_ratios=[1, 1, 1, 1, 3, 3],
        height_ratios=[1, 1.25],
    )
    for i, (above, below) in enumerate(zip("0123", "abcd", strict=True)):
        draw_outputs(axes[above], axes[below], look, images[i], middle[i])
    for title, kind in known.items():
        draw_sureness(axes[title], look, kind, title)
    axes[TUNED].set(ylabel="", yticklabels=[])
    axes[FIXED].legend(loc="lower left", fontsize=10)
    return drawn


def checks_of(known: dict[str, Answers], quick: bool) -> dict[str, bool]:
    """Check what has to hold; with --quick the limits are wider."""
    kinds = fixed, tuned = known[FIXED], known[TUNED]
    lowest, factor = (0.25, 0.85) if quick else (0.4, 0.6)
    gain = np.mean(tuned.accuracies) - np.mean(fixed.accuracies)
    sure = np.mean([kind.above(NOISE, 0.5) for kind in kinds])
    of_noise = min(kind.favourites(NOISE) for kind in kinds)
    of_digits = max(kind.favourites(DIGITS) for kind in kinds)
    brightest = {name: [kind.brightest(name).mean() for kind in kinds] for name in IMAGES}
    others = np.maximum(brightest[NOISE], brightest[SHUFFLED])
    shuffled, before = (kind.above(SHUFFLED, 0.9).mean() for kind in (tuned, fixed))
    checks = {
        f"more than {lowest:.0%} of all noise is answered with an output above 0.5": sure > lowest,
        "three digits take more than 80 % of the noise, and less than 45 % of the test images": (
            of_noise > 0.8 and of_digits < 0.45
        ),
        "test images get the brightest answers": bool((brightest[DIGITS] > others).all()),
        f"with the penalty, shuffled pixels get an output above 0.9 less than {factor} times as "
        "often": shuffled < factor * before,
    }
    if quick:
        return checks
    return {"the penalty and the falling rate gain more than 0.3 points": gain > 0.003} | checks


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    if args.quick:
        args.networks = min(args.networks, 2)
    data = study.mnist(args)
    rng, x_test = np.random.default_rng(args.seed), data[2]
    inputs = {
        DIGITS: x_test,
        SHUFFLED: rng.permuted(x_test, axis=1),
        NOISE: rng.random(x_test.shape, dtype=np.float32),
    }
    known = {name: answers(kind, data, inputs, args, name) for name, kind in KINDS.items()}
    told = {f"{kind}: {name}": known[kind].words(name) for kind in KINDS for name in inputs}
    right = {kind: f"{np.mean(answered.accuracies):.2%}" for kind, answered in known.items()}

    def each(of: Callable[[Answers, str], Array]) -> dict[str, dict[str, list[float]]]:
        return {
            kind: {name: of(answered, name).tolist() for name in inputs}
            for kind, answered in known.items()
        }

    study.conclude(
        args,
        lambda look: draw_all(look, known, inputs[NOISE]),
        claim=CLAIM,
        checks=checks_of(known, args.quick),
        source="3Blue1Brown, Gradient descent, how neural networks learn: random noise as input",
        verdict="holds, but how confidently depends on the start, and a penalty makes it less "
        "sure of shuffled pixels",
        measured=told | {f"{kind}: right on test images": share for kind, share in right.items()},
        brightest=each(lambda answered, name: answered.brightest(name)),
        above_half=each(lambda answered, name: answered.above(name, 0.5)),
    )


if __name__ == "__main__":
    main()
