"""A language model, character by character
========================================

A GRU, or a small transformer, learns from the text that Python's help() shows::

    python examples/char_lm.py                  # a GRU with a state of 256 numbers
    python examples/char_lm.py --transformer    # two blocks of attention and a small network

The corpus is `pydoc_data.topics`, some 0.4 MB of the language reference. Every Python has it, each
version its own. The last tenth is held out. Many paragraphs stand under several topics: those held
out are left out of the training text, and the others stand in it once.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from learning import common
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_edu import nn, no_grad, special

TIME = 64  # characters in a window: training looks back no further
BITS = 1 / math.log(2)  # in a nat
UNKNOWN = "�"
SHADES = ["#ffffff", "#fdf0dc", "#f6b878", "#e07a35"]
GROUND = LinearSegmentedColormap.from_list("surprise", SHADES)


class Recurrent(nn.Module):
    """A GRU carries what it remembers from character to character.

    `(batch, time)` ↦ logits `(batch, time, characters)`.
    """

    def __init__(self, characters: int, rng: np.random.Generator) -> None:
        self.embedding = nn.Embedding(characters, 64, rng=rng)
        self.gru = nn.GRU(64, 256, rng=rng)
        self.head = nn.Linear(256, characters, rng=rng)

    def forward(self, x: Any) -> Any:
        return self.read(x)[0]

    def read(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return the logits of what follows each character, and the state to read on from."""
        h, state = self.gru(self.embedding(x), state)
        return self.head(h), state


class Causal(nn.MultiHeadAttention):
    """Each position looks at itself and at those before it."""

    def forward(self, x: Any) -> Any:
        return super().forward(x, causal=True)


def block(width: int, rng: np.random.Generator) -> nn.Sequential:
    """Attention gathers what came before, then a network works on each position."""
    return nn.Sequential(
        nn.Residual(nn.LayerNorm(width), Causal(width, num_heads=4, rng=rng)),
        nn.Residual(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, rng=rng),
            nn.GELU("tanh"),
            nn.Linear(4 * width, width, rng=rng),
        ),
    )


class Transformer(nn.Module):
    """Blocks that look at all characters at once; shapes as Recurrent's, time up to TIME."""

    def __init__(
        self, characters: int, rng: np.random.Generator, width: int = 96, blocks: int = 2
    ) -> None:
        self.embedding = nn.Embedding(characters, width, rng=rng)
        self.positions = nn.Embedding(TIME, width, rng=rng)
        self.blocks = nn.Sequential(*[block(width, rng) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters, rng=rng)
        # An Embedding starts from N(0, 1), which would drown what the blocks add at first: 1.94
        # bits in place of 1.84
        for part in (self.embedding, self.positions):
            nn.init.initialize(part, rng, weight=partial(nn.init.normal, std=0.1))

    def forward(self, x: Any) -> Any:
        place = self.positions(np.arange(x.shape[1]))
        x = self.embedding(x) + place  # (batch, time, width) + (time, width)
        return self.head(self.norm(self.blocks(x)))

    def read(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Read on as Recurrent does; the state is the last TIME characters, all read again."""
        x = x if state is None else np.concatenate([state, x], axis=1)[:, -TIME:]
        return self.forward(x), x


class Cost(nn.CrossEntropy):
    """Cross-entropy over the characters of all windows, in nats."""

    def forward(self, logits: Any, y: Any) -> Any:
        return super().forward(logits.reshape(y.size, -1), y.ravel())


def corpus() -> tuple[str, str]:
    """Return the text to train on, and the text held out."""
    paragraphs = "\n\n".join(topics.values()).split("\n\n")
    cut = len(paragraphs) * 9 // 10
    held_out, others = paragraphs[cut:], dict.fromkeys(paragraphs[:cut])
    return "\n\n".join(p for p in others if p not in held_out), "\n\n".join(held_out)


def encode(text: str, alphabet: str) -> Any:
    """Each character's place in the alphabet; one that is not in it counts as UNKNOWN."""
    places = {character: i for i, character in enumerate(alphabet)}
    return np.array([places.get(character, places[UNKNOWN]) for character in text])


def windows(codes: Any, step: int) -> tuple[Any, Any]:
    """Cut `x, y`, both `(n, TIME)`: a window every `step` characters, and what follows each."""
    both = sliding_window_view(codes, TIME + 1)[::step]
    return both[:, :-1], both[:, 1:]


def surprise(model: nn.Module, codes: Any) -> Any:
    """−log₂ p of every character from the 34th on, in bits.

    Each is predicted from the 33 to 64 characters before it: the windows overlap by half, and
    their second halves count.
    """
    x, y = windows(codes, TIME // 2)
    logits, y = common.outputs(model, x)[:, TIME // 2 :], y[:, TIME // 2 :]
    return nn.CrossEntropy("none")(logits.reshape(y.size, -1), y.ravel()) * BITS


def baselines(training: Any, held_out: Any, characters: int) -> dict[str, float]:
    """Measure the bits per character if p comes from counts of characters, and of pairs.

    One is added to each count, so that none is 0. The characters are those of `surprise`.
    """
    single, pairs = np.ones(characters), np.ones((characters, characters))
    np.add.at(single, training, 1)
    np.add.at(pairs, (training[:-1], training[1:]), 1)
    x, y = (part[:, TIME // 2 :] for part in windows(held_out, TIME // 2))
    p, p_after = single / single.sum(), pairs / pairs.sum(axis=1, keepdims=True)
    return {
        "unigram": float(-np.log2(p[y]).mean()),
        "bigram": float(-np.log2(p_after[x, y]).mean()),
    }


@no_grad()
def write(
    model: Any,
    prompt: str,
    alphabet: str,
    temperature: float,
    rng: np.random.Generator,
    length: int = 300,
) -> str:
    """Write `length` characters after the prompt, each drawn from softmax(logits / temperature)."""
    text, new, state = prompt, encode(prompt, alphabet)[None], None
    for _ in range(length):
        logits, state = model.read(new, state)
        p = special.softmax(np.asarray(logits)[0, -1].astype(float) / temperature)
        new = rng.choice(len(alphabet), size=(1, 1), p=p)
        text += alphabet[new.item()]
    return text


def passage(text: str, bits: Any, rows: int = 16, columns: int = 78) -> tuple[str, Any]:
    """Choose `rows` lines in a row, and return them with their bits.

    Of the quarter that fills a page best, they are the closest to the whole text's average.
    """
    starts = [i + 1 for i, character in enumerate(text[: len(bits)]) if character == "\n"]
    pages = [
        slice(a, b)
        for a, b in zip(starts, starts[rows:], strict=False)
        if max(map(len, text[a:b].splitlines())) < columns
    ]
    full = sorted(pages, key=lambda page: page.start - page.stop)[: len(pages) // 4 + 1]
    chosen = min(full, key=lambda page: abs(bits[page].mean() - bits.mean()))
    return text[chosen], bits[chosen]


def draw_passage(axes: Any, text: str, bits: Any) -> None:
    """Draw each character on a ground that is darker the more it surprised the model."""
    lines = text.splitlines(keepends=True)
    places = [(row, column) for row, line in enumerate(lines) for column in range(len(line))]
    grid = np.full(np.max(places, axis=0) + 1, np.nan)
    grid[tuple(np.transpose(places))] = bits
    image = axes.imshow(grid, cmap=GROUND, vmin=0, vmax=8, aspect="auto")
    at = {"family": "monospace", "fontsize": 10, "ha": "center", "va": "center_baseline"}
    for (row, column), character in zip(places, text, strict=True):
        if character == "\n":
            axes.text(column, row, "↵", color=common.MUTED, **at)
        else:
            axes.text(column, row, character, color=common.INK, **at)
    axes.axis("off")
    draw_scale(axes, image)


def draw_scale(axes: Any, image: Any) -> None:
    """Draw above the passage what the grounds mean."""
    scale = axes.inset_axes([0.8, 1.035, 0.1, 0.022])
    bar = axes.figure.colorbar(image, cax=scale, orientation="horizontal", ticks=[])
    bar.outline.set_visible(False)
    at = {"transform": axes.transAxes, "va": "center", "color": common.MUTED}
    axes.text(0.79, 1.046, "0 bits", ha="right", **at)
    axes.text(0.91, 1.046, "8 or more", ha="left", **at)


def draw_learning(
    axes: Any, batches: list[float], measured: list[float], counted: dict[str, float]
) -> None:
    """Draw the bits per character during training, and what counting alone reaches."""
    steps, at = len(batches), {"textcoords": "offset points"}
    ends = np.linspace(0, steps, len(measured) + 1)[1:]  # of the epochs
    axes.plot(np.arange(1, steps + 1), batches, color=common.GREY, lw=0.9)
    axes.plot(ends, measured, "o-", color=common.BLUE, ms=5, clip_on=False)
    labels = [(f"held out, {measured[-1]:.2f}", steps, measured[-1], -14, common.BLUE)]
    for (name, value), colour in zip(counted.items(), (common.PLUM, common.ORANGE), strict=True):
        axes.axhline(value, color=colour, lw=1.2, ls="--")
        labels.append((f"{name} counts, {value:.2f}", 0.75 * steps, value, 4, colour))
    for label, x, y, shift, colour in labels:
        axes.annotate(label, (x, y), (0, shift), color=colour, ha="right", weight="bold", **at)
    axes.annotate("training batches", (0, batches[0]), (10, 4), color=common.MUTED, **at)
    axes.set(
        xlim=(0, steps),
        ylim=(0, 1.12 * max(batches)),
        xlabel="step",
        ylabel="bits per character",
        title="Surprise per character, while the network learns",
    )


def draw(
    batches: list[float], measured: list[float], counted: dict[str, float], text: str, bits: Any
) -> Figure:
    """Draw how the network learns, and below it a passage that was held out."""
    figure = Figure(figsize=(10, 8))
    figure.subplots_adjust(left=0.06, right=0.97, top=0.95, bottom=0.02, hspace=0.35)
    above, below = figure.subplots(2, height_ratios=[2, 3])
    draw_learning(above, batches, measured, counted)
    told = f"the darker the more surprising: {bits.mean():.2f} bits per character"
    below.set_title(f"Text that was held out, {told}", pad=12)
    draw_passage(below, text, bits)
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    told = "a transformer in place of the GRU"
    flags.add_argument("--transformer", action="store_true", help=told)
    flags.add_argument("--lr", type=float, help="the learning rate at its peak")
    flags.add_argument("--epochs", type=int, default=4, help="how often every character is seen")
    flags.set_defaults(lr=6e-3)
    if flags.parse_known_args()[0].transformer:
        flags.set_defaults(lr=4e-3)
    args = common.parse(flags)
    if args.quick:
        args.epochs = 1
    return args


def train(
    model: nn.Module, loader: nn.DataLoader, held_out: Any, args: argparse.Namespace
) -> tuple[list[float], list[Any], float]:
    """Train; return the cost of every batch in bits, the surprise after each epoch, the seconds.

    The surprise is one number for each character that was held out.
    """
    measured: list[Any] = []

    def measure() -> None:
        measured.append(surprise(model, held_out))

    optimizer = nn.optim.Adam(model.parameters(), lr=args.lr)
    nats, seconds = common.train(model, Cost(), optimizer, loader, args, measure)
    return [cost * BITS for cost in nats], measured, seconds


def main() -> None:
    args, (text, held_text) = arguments(), corpus()
    network, batch = (Transformer, 16) if args.transformer else (Recurrent, 32)
    if args.quick:
        text, held_text, batch = text[:50_000], held_text[:8_000], batch // 2
    alphabet = "".join(sorted(set(text))) + UNKNOWN
    training, held_out = encode(text, alphabet), encode(held_text, alphabet)
    start, order, draws = np.random.default_rng(args.seed).spawn(3)
    model = network(len(alphabet), start)
    print(model)
    loader = nn.DataLoader(*windows(training, TIME), batch_size=batch, shuffle=True, rng=order)
    batches, measured, seconds = train(model, loader, held_out, args)

    for temperature in (0.5, 1.0):
        print(f"\nWritten at temperature {temperature}:\n")
        print(write(model, "The ", alphabet, temperature, draws), end="\n\n")
    bits, counted = measured[-1], baselines(training, held_out, len(alphabet))
    reached = float(bits.mean())
    goal = counted["unigram"] - 0.3 if args.quick else counted["bigram"] - 1.2
    claim = (
        f"{reached:.2f} bits per character on {len(bits):,} held out, where counts of pairs need "
        f"{counted['bigram']:.2f} (goal {goal:.2f}), after {seconds:.1f} s of training"
    )
    metrics = {
        "bits": reached,
        **counted,
        "unknown": int((held_out == len(alphabet) - 1).sum()),
        "seconds": seconds,
        "parameters": common.parameters_of(model),
    }
    shown, means = passage(held_text[TIME // 2 + 1 :], bits), [each.mean() for each in measured]
    common.conclude(args, draw(batches, means, counted, *shown), claim, reached < goal, metrics)


if __name__ == "__main__":
    main()
