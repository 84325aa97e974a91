"""What does the second layer look for?
====================================

The first weights of 16 neurons as pictures, and how far from random they are::

    python examples/learning/weights.py

Each neuron has one weight for each of 784 pixels. The video's pictures look almost random, and not
like the edges one hopes for. Two numbers measure that on the pixels that are lit in at least 1 % of
the images. Moran's I compares neighbours: it is 0 if the pixels are shuffled, near 1 if all is
smooth. The other number is the share of a picture that the best of 48 soft edges and bars explains,
at its best place. The network with the large start is also shown minus its start: what it learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import study
from matplotlib.figure import Figure
from study import Array, Look

from tinygrad_edu import nn

CLAIM = (
    "The weights of the second layer's neurons look almost random, instead of picking up on "
    "small edges."
)
TITLE = (
    "The first weights are neither random nor edges, and a large start hides what the "
    "neurons have learned"
)
NOTE = (
    "Blue: a lit pixel makes the neuron brighter, orange: darker; each picture is scaled by its "
    "largest weight. Moran's I of shuffled pixels is 0.00. Of a drawn edge, the best one explains "
    "{:.0%}."
)
SHUFFLES = 100
# Images are padded to this size, so that a template that leaves one side doesn't enter on the other
GRID = 64
# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--epochs": {"type": int, "default": 30,
                 "help": "how often every image is seen, with the penalty twice as often"},
}
# fmt: on


@dataclass
class Weights:
    """The weights of one network's 16 neurons, `(16, 28, 28)`, and what was measured of them."""

    title: str
    pictures: Array
    accuracy: float | None
    moran: Array
    shuffled: Array  # the largest Moran's I of the shuffled pixels, neuron by neuron
    edges: Array

    @property
    def beats(self) -> int:
        return int((self.moran > self.shuffled).sum())

    @property
    def words(self) -> str:
        return (
            f"Moran's I {self.moran.mean():.2f}, {self.beats} of 16 beat {SHUFFLES} shuffles; "
            f"the best edge explains {self.edges.mean():.0%}"
        )


def moran(pictures: Array, lit: Array) -> Array:
    """Compute Moran's I = (N / Σw) Σ w zᵢ zⱼ / Σ z², for each picture `(…, 28, 28)`.

    The weight w is 1 for neighbours left, right, above and below, else 0.
    """
    z, image = centred(pictures, lit), (-2, -1)
    below = (z[..., 1:, :] * z[..., :-1, :]).sum(axis=image)
    beside = (z[..., 1:] * z[..., :-1]).sum(axis=image)
    count = (lit[1:] & lit[:-1]).sum() + (lit[:, 1:] & lit[:, :-1]).sum()
    return (below + beside) / count * lit.sum() / np.square(z).sum(axis=image)


def centred(pictures: Array, lit: Array) -> Array:
    """Subtract the mean of the lit pixels, and set the others to 0."""
    return (pictures - pictures[..., lit].mean(axis=-1)[..., None, None]) * lit


def shuffle(pictures: Array, lit: Array, rng: np.random.Generator) -> Array:
    """Shuffle the weights of the lit pixels."""
    mixed = pictures.copy()
    mixed[..., lit] = rng.permuted(pictures[..., lit], axis=-1)
    return mixed


def templates() -> Array:
    """Make `(48, 28, 28)`: an edge and a bar in 3 sizes and 8 directions, in a round window."""
    drawn = []
    y, x = np.mgrid[:28, :28] - 13.5
    for size in (1.5, 2.5, 4.0):
        for angle in np.arange(8) * np.pi / 8:
            across = (x * np.cos(angle) + y * np.sin(angle)) / size
            window = np.exp(-(x * x + y * y) / (2 * (1.5 * size) ** 2))
            drawn += [np.sin(1.5 * across) * window, np.cos(1.5 * across) * window]
    return np.array(drawn)


def correlated(images: Array, kernels: Array) -> Array:
    """Compute Σ image · kernel at every shift, by the Fourier transform."""
    product = np.fft.rfft2(images, (GRID, GRID)) * np.fft.rfft2(kernels, (GRID, GRID)).conj()
    return np.fft.irfft2(product, (GRID, GRID))


def edge_share(pictures: Array, lit: Array, bank: Array) -> Array:
    """Find the share of each picture's energy Σ w² that the best template explains.

    The template is at its best place. It is cut off outside of the lit pixels, and a quarter of
    its energy has to be inside.
    """
    w, energy = centred(pictures, lit), bank**2
    size = correlated(lit.astype(float), energy)
    size = np.where(size > 0.25 * energy.sum(axis=(1, 2))[:, None, None], size, np.inf)
    explained = np.square(correlated(w[:, None], bank)) / size  # (picture, template, row, column)
    return explained.max(axis=(1, 2, 3)) / np.square(w).sum(axis=(1, 2))


def drawn_edges() -> Array:
    """Draw three edges `(3, 28, 28)`, dark on one side and light on the other, in a disc.

    Their directions are not among those of the templates.
    """
    y, x = np.mgrid[:28, :28] - 13.5
    disc = np.hypot(x, y) < 6
    return np.array([np.sign(x * np.cos(a) + y * np.sin(a)) * disc for a in (0.2, 1.3, 2.1)])


def measured(
    title: str, weights: Array, lit: Array, rng: np.random.Generator, accuracy: float | None = None
) -> Weights:
    """Measure both numbers of weights `(16, 784)`, and Moran's I of shuffled weights."""
    pictures = weights.reshape(-1, 28, 28).astype(float)
    chance = np.array([moran(shuffle(pictures, lit, rng), lit) for _ in range(SHUFFLES)])
    return Weights(
        title,
        pictures,
        accuracy,
        moran(pictures, lit),
        chance.max(axis=0),
        edge_share(pictures, lit, templates()),
    )


def first(model: nn.Sequential) -> Array:
    """Copy the weights of the second layer's neurons, one row of 784 each."""
    return np.array(dict(model.named_parameters())["0.weight"].data)


def mosaic(pictures: Array) -> Array:
    """Put sixteen pictures in four rows, each scaled by its largest weight, with gaps of nan."""
    scaled = pictures / np.abs(pictures).max(axis=(1, 2), keepdims=True)
    framed = np.pad(scaled, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    return framed.reshape(4, 4, 30, 30).swapaxes(1, 2).reshape(120, 120)


def draw_weights(axes: Any, look: Look, weights: Weights) -> None:
    axes.imshow(mosaic(weights.pictures), cmap=look.diverging, vmin=-1, vmax=1)
    axes.set_title(weights.title, fontsize=10.5)
    axes.axis("off")
    axes.set_anchor("N")
    told = [
        f"Moran's I: {weights.moran.mean():.2f}",
        f"{weights.beats} of 16 beat {SHUFFLES} shuffles",
        f"the best edge explains {weights.edges.mean():.0%}",
    ]
    if weights.accuracy is not None:
        told.append(f"{weights.accuracy:.1%} of the test images right")
    at = {"transform": axes.transAxes, "va": "top", "fontsize": 10, "linespacing": 1.5}
    axes.text(0, -0.03, "\n".join(told), **at)


def trained(
    title: str, args: Any, data: tuple[Array, ...], **kind: Any
) -> tuple[Array, Array, float]:
    """Train; return the first weights before and after, and the accuracy on test images."""
    x, y, x_test, y_test = data
    start, order = np.random.default_rng(args.seed).spawn(2)
    model = study.network(study.VIDEO, start, weight=kind.pop("weight", nn.init.lecun_normal))
    before = first(model)
    study.train(model, x, study.one_hot(y), args, order, title=title, **kind)
    return before, first(model), study.accuracy(model, x_test, y_test)


@dataclass
class Found:
    """The weights before training, and the four pictures."""

    start: Weights
    large: Weights
    learned: Weights  # the large start's, minus the start
    small: Weights
    best: Weights
    kept: float  # the share of the large network's variance that is its start
    drawn_edge: float  # how much of an edge the best template explains

    @property
    def networks(self) -> list[Weights]:
        return [self.large, self.learned, self.small, self.best]


def look_at(data: tuple[Array, ...], args: Any) -> Found:
    """Train three networks, and measure what their neurons look for."""
    lit = (data[0] > 0).mean(axis=0).reshape(28, 28) >= 0.01
    fixed = {"lr": 1.5, "epochs": args.epochs}
    tuned = {"lr": 3.0, "epochs": 2 * args.epochs, "cosine": True, "decay": 5e-5}
    noise, loud, of_loud = trained("start from N(0, 1)", args, data, weight=nn.init.normal, **fixed)
    _, quiet, of_quiet = trained("start from N(0, 1/784)", args, data, **fixed)
    _, penal, of_penal = trained("with the penalty", args, data, **tuned)
    rng = np.random.default_rng(args.seed)
    return Found(
        measured("start", noise, lit, rng),
        measured("large start: N(0, 1)", loud, lit, rng, of_loud),
        measured("the same network minus its start", loud - noise, lit, rng),
        measured("small start: N(0, 1/784)", quiet, lit, rng, of_quiet),
        measured("small start, penalty, falling rate", penal, lit, rng, of_penal),
        kept=float(np.corrcoef(loud.ravel(), noise.ravel())[0, 1] ** 2),
        drawn_edge=float(edge_share(drawn_edges(), lit, templates()).min()),
    )


def draw(look: Look, found: Found) -> Figure:
    drawn = study.figure(TITLE, 13, 5.1, NOTE.format(found.drawn_edge))
    for axes, weights in zip(drawn.subplots(1, 4), found.networks, strict=True):
        draw_weights(axes, look, weights)
    return drawn


def checks_of(found: Found, quick: bool) -> dict[str, bool]:
    """Check what has to hold.

    With --quick the large start has learned less, and only the mean of its neurons is checked.
    """
    start, learned = found.start.moran.mean(), found.learned.moran.mean()
    large, small = found.large.moran.mean(), found.small.moran.mean()
    beat = min(found.small.beats, found.best.beats)
    explained = [weights.edges.mean() for weights in found.networks]
    few = max(explained) < 0.45 and found.drawn_edge > 0.5
    least = min(explained[2:])  # of the small start
    if quick:
        seen = {"Moran's I of the large start is above 0.035": large > 0.035}
    else:
        beats = found.large.beats >= 13
        seen = {"with the large start 13 of 16 neurons beat every shuffle": beats}
    return seen | {
        "untrained weights have a Moran's I within 0.035 of 0": abs(start) < 0.035,
        "with the small start 15 of 16 neurons beat every shuffle": beat >= 15,
        "Moran's I of the small start is 0.15 above the large one's": small > large + 0.15,
        "what the large start has learned has a Moran's I that is 0.15 higher": (
            learned > large + 0.15
        ),
        "more than 40 % of its weights' variance was never erased": 0.4 < found.kept < 1,
        "the best edge explains less than 45 % of a picture, and more than 50 % of a drawn edge": (
            few
        ),
        "it explains more than twice as much of the small start as of untrained weights": (
            least > 2 * found.start.edges.mean()
        ),
    }


def main() -> None:
    args = study.parse(study.parser(__doc__, FLAGS))
    found = look_at(study.mnist(args), args)
    networks = {weights.title: weights for weights in found.networks}
    study.conclude(
        args,
        lambda look: draw(look, found),
        claim=CLAIM,
        source="3Blue1Brown, Gradient descent, how neural networks learn: what the second layer "
        "looks for",
        verdict="holds, but only to the eye, after a large start: neighbouring weights are alike, "
        "and a small start shows strokes, though none is a whole picture",
        measured={weights.title: weights.words for weights in [found.start, *found.networks]}
        | {
            "variance of the large start's weights that is the start": f"{found.kept:.0%}",
            "how much of a drawn edge the best template explains": f"{found.drawn_edge:.0%}",
        },
        checks=checks_of(found, args.quick),
        kept=found.kept,
        drawn_edge=found.drawn_edge,
        moran={title: weights.moran.tolist() for title, weights in networks.items()},
        edges={title: weights.edges.tolist() for title, weights in networks.items()},
    )


if __name__ == "__main__":
    main()
