"""A language model, character by character
========================================

A GRU, or a small transformer, learns from the text that Python's help() shows::

    python examples/char_lm.py                  # a GRU with a state of 256 numbers
    python examples/char_lm.py --transformer    # two blocks of attention and a small network

The corpus is `pydoc_data.topics`, some 0.4 MB of the language reference, which every Python has,
each version its own. The last tenth is held out. Many paragraphs stand under several topics: what
is held out is never trained on, the rest once."""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from pydoc_data.topics import topics
from typing import Any

import common
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.lib.stride_tricks import sliding_window_view
from tqdm import tqdm

from tinygrad_edu import nn, no_grad, special

TIME = 64  # characters in a window, the furthest that a model learns to look back
BITS = 1 / math.log(2)  # in a nat
UNKNOWN = "�"


class Recurrent(nn.Module):
    """A GRU carries what it remembers from character to character. `(batch, time)` ↦ logits
    `(batch, time, characters)`."""

    def __init__(self, characters: int, rng: np.random.Generator) -> None:
        self.embedding = nn.Embedding(characters, 64, rng=rng)
        self.gru = nn.GRU(64, 256, rng=rng)
        self.head = nn.Linear(256, characters, rng=rng)

    def forward(self, x: Any) -> Any:
        return self.read(x)[0]

    def read(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """The logits of what follows each character, and the state from which to read on."""
        h, state = self.gru(self.embedding(x), state)
        return self.head(h), state


class Causal(nn.MultiHeadAttention):
    """Each position looks at itself and at those before it."""

    def forward(self, x: Any) -> Any:
        return super().forward(x, causal=True)


class Transformer(nn.Module):
    """Attention gathers what came before, then a network works on each position. Shapes as
    Recurrent's; time up to TIME."""

    def __init__(
        self, characters: int, rng: np.random.Generator, width: int = 96, blocks: int = 2
    ) -> None:
        self.embedding, self.positions = (
            nn.Embedding(characters, width, rng=rng),
            nn.Embedding(TIME, width, rng=rng),
        )
        self.blocks = nn.Sequential(
            *[
                nn.Sequential(
                    nn.Residual(nn.LayerNorm(width), Causal(width, num_heads=4, rng=rng)),
                    nn.Residual(
                        nn.LayerNorm(width),
                        nn.Linear(width, 4 * width, rng=rng),
                        nn.GELU("tanh"),
                        nn.Linear(4 * width, width, rng=rng),
                    ),
                )
                for _ in range(blocks)
            ]
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, characters, rng=rng)
        # as N(0, 1), where an Embedding starts, they drown what the blocks add at first: 1.94 bits
        # in place of 1.84
        for part in (self.embedding, self.positions):
            nn.init.initialize(part, rng, weight=partial(nn.init.normal, std=0.1))

    def forward(self, x: Any) -> Any:
        x = self.embedding(x) + self.positions(
            np.arange(x.shape[1])
        )  # (batch, time, width) + (time, width)
        return self.head(self.norm(self.blocks(x)))

    def read(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """As Recurrent's; the state is the last TIME characters, all of which are read again."""
        x = x if state is None else np.concatenate([state, x], axis=1)[:, -TIME:]
        return self.forward(x), x


class Cost(nn.CrossEntropy):
    """Cross-entropy over the characters of all windows, in nats."""

    def forward(self, logits: Any, y: Any) -> Any:
        return super().forward(logits.reshape(y.size, -1), y.ravel())


def corpus() -> tuple[str, str]:
    """The text to train on, and the text held out."""
    paragraphs = "\n\n".join(topics.values()).split("\n\n")
    cut = len(paragraphs) * 9 // 10
    held_out, others = paragraphs[cut:], dict.fromkeys(paragraphs[:cut])
    return "\n\n".join(p for p in others if p not in held_out), "\n\n".join(held_out)


def encode(text: str, alphabet: str) -> Any:
    """Each character's place in the alphabet; those that are not in it count as UNKNOWN, whichever
    they are."""
    places = {character: i for i, character in enumerate(alphabet)}
    return np.array([places.get(character, places[UNKNOWN]) for character in text])


def windows(codes: Any, step: int) -> tuple[Any, Any]:
    """`x, y`, both `(n, TIME)`: a window every `step` characters, and the character that follows
    each of its own."""
    both = sliding_window_view(codes, TIME + 1)[::step]
    return both[:, :-1], both[:, 1:]


def surprise(model: nn.Module, codes: Any) -> Any:
    """−log₂ p of every character from the 34th on, in bits, each predicted from the 33 to 64
    characters before it."""
    x, y = windows(
        codes, TIME // 2
    )  # they overlap by half, and what counts are their second halves
    logits, y = common.outputs(model, x)[:, TIME // 2 :], y[:, TIME // 2 :]
    return nn.CrossEntropy("none")(logits.reshape(y.size, -1), y.ravel()) * BITS


def baselines(training: Any, held_out: Any, characters: int) -> dict[str, float]:
    """Bits per character where p comes from counts of characters, and of pairs, each one more than
    was seen."""
    single, pairs = np.ones(characters), np.ones((characters, characters))
    np.add.at(single, training, 1)
    np.add.at(pairs, (training[:-1], training[1:]), 1)
    x, y = (
        part[:, TIME // 2 :] for part in windows(held_out, TIME // 2)
    )  # the same characters as in surprise
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
    """The prompt and `length` characters more, each drawn from softmax(logits / temperature)."""
    text, new, state = prompt, encode(prompt, alphabet)[None], None
    for _ in range(length):
        logits, state = model.read(new, state)
        p = special.softmax(np.asarray(logits)[0, -1].astype(float) / temperature)
        new = rng.choice(len(alphabet), size=(1, 1), p=p)
        text += alphabet[new.item()]
    return text


def passage(text: str, bits: Any, rows: int = 16, columns: int = 78) -> tuple[str, Any]:
    """Lines in a row, and their bits: of those that fill a page best, the ones closest to the
    average of the whole text."""
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
    """Each character on a ground that is the darker, the more it surprised the model."""
    shades = LinearSegmentedColormap.from_list(
        "surprise", ["#ffffff", "#fdf0dc", "#f6b878", "#e07a35"]
    )
    places = [
        (row, column)
        for row, line in enumerate(text.splitlines(keepends=True))
        for column in range(len(line))
    ]
    grid = np.full(np.max(places, axis=0) + 1, np.nan)
    grid[tuple(np.transpose(places))] = bits
    image = axes.imshow(grid, cmap=shades, vmin=0, vmax=8, aspect="auto")
    for (row, column), character in zip(places, text, strict=True):
        shown, colour = ("↵", common.MUTED) if character == "\n" else (character, common.INK)
        axes.text(
            column,
            row,
            shown,
            color=colour,
            family="monospace",
            fontsize=10,
            ha="center",
            va="center_baseline",
        )
    axes.axis("off")
    scale = axes.inset_axes([0.8, 1.035, 0.1, 0.022])
    axes.figure.colorbar(image, cax=scale, orientation="horizontal", ticks=[]).outline.set_visible(
        False
    )
    for x, side, label in ((0.79, "right", "0 bits"), (0.91, "left", "8 or more")):
        axes.text(
            x, 1.046, label, transform=axes.transAxes, ha=side, va="center", color=common.MUTED
        )


def draw(
    batches: list[float], measured: list[float], counted: dict[str, float], text: str, bits: Any
) -> Figure:
    """Bits per character during training, and what counting alone reaches; below, a passage that
    was held out."""
    figure, steps = Figure(figsize=(10, 8)), len(batches)
    above, below = figure.subplots(
        2,
        gridspec_kw={
            "height_ratios": [2, 3],
            "hspace": 0.35,
            "left": 0.06,
            "right": 0.97,
            "top": 0.95,
            "bottom": 0.02,
        },
    )
    above.plot(np.arange(1, steps + 1), batches, color=common.GREY, lw=0.9)
    above.plot(
        np.linspace(0, steps, len(measured) + 1)[1:],
        measured,
        "o-",
        color=common.BLUE,
        ms=5,
        clip_on=False,
    )
    labels = [(f"held out, {measured[-1]:.2f}", steps, measured[-1], -14, common.BLUE)]
    for (name, value), colour in zip(counted.items(), (common.PLUM, common.ORANGE), strict=True):
        above.axhline(value, color=colour, lw=1.2, ls="--")
        labels.append((f"{name} counts, {value:.2f}", 0.75 * steps, value, 4, colour))
    for label, x, y, shift, colour in labels:
        above.annotate(
            label,
            (x, y),
            (0, shift),
            textcoords="offset points",
            ha="right",
            color=colour,
            weight="bold",
        )
    above.annotate(
        "training batches", (0, batches[0]), (10, 4), textcoords="offset points", color=common.MUTED
    )
    above.set(
        xlim=(0, steps),
        ylim=(0, 1.12 * max(batches)),
        xlabel="step",
        ylabel="bits per character",
        title="Surprise per character, while the network learns",
    )
    below.set_title(
        f"Text that was held out, the darker the more surprising: {bits.mean():.2f} bits per "
        "character",
        pad=12,
    )
    draw_passage(below, text, bits)
    return figure


def arguments() -> argparse.Namespace:
    flags = common.parser(__doc__)
    flags.add_argument(
        "--transformer", action="store_true", help="a transformer in place of the GRU"
    )
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
) -> tuple[list[float], list[Any]]:
    """The cost of every batch in bits, and the surprise at every character that was held out, after
    each epoch."""
    noted: list[float] = []
    measured: list[Any] = []
    cost = Cost()
    optimizer = nn.optim.Adam(model.parameters(), lr=args.lr)
    schedule = nn.optim.OneCycle(optimizer, args.epochs * len(loader))
    step = common.step_of(model, cost, optimizer, args)
    with tqdm(total=args.epochs * len(loader), unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                noted.append(step(x, y).item() * BITS)
                schedule.step()
                bar.update()
            measured.append(surprise(model, held_out))
    return noted, measured


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
    began = time.perf_counter()
    loader = nn.DataLoader(*windows(training, TIME), batch_size=batch, shuffle=True, rng=order)
    noted, measured = train(model, loader, held_out, args)
    seconds = time.perf_counter() - began

    bits, counted = measured[-1], baselines(training, held_out, len(alphabet))
    for temperature in (0.5, 1.0):
        print(
            "\nWritten at temperature "
            f"{temperature}:\n\n{write(model, 'The ', alphabet, temperature, draws)}\n"
        )
    figure = draw(
        noted,
        [each.mean() for each in measured],
        counted,
        *passage(held_text[TIME // 2 + 1 :], bits),
    )
    reached, goal = (
        float(bits.mean()),
        counted["unigram"] - 0.3 if args.quick else counted["bigram"] - 1.2,
    )
    claim = (
        f"{reached:.2f} bits per character on {len(bits):,} held out, where counts of pairs need "
        f"{counted['bigram']:.2f} "
        f"(goal {goal:.2f}), after {seconds:.1f} s of training"
    )
    common.conclude(
        args,
        figure,
        claim,
        reached < goal,
        {
            "bits": reached,
            **counted,
            "unknown": int((held_out == len(alphabet) - 1).sum()),
            "seconds": seconds,
            "parameters": sum(p.size for p in model.parameters()),
        },
    )


if __name__ == "__main__":
    main()
