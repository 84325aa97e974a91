"""A GPT that invents first names
==============================

Attention over characters, in 4,192 numbers, learns from the first names of the 1990 US census::

    python examples/gpt.py                                     # a thousand steps of 32 names
    python examples/gpt.py --layers 2 --width 64 --lr 0.005    # a larger one, 102,784 numbers

The package `names` has them (MIT, its lists public domain): `pip install '.[examples]'` brings it.
"""

from functools import partial
from typing import Any

import names
import numpy as np
from learning import common
from matplotlib.figure import Figure

from tinygrad_edu import nn, no_grad, special

ALPHABET = ".abcdefghijklmnopqrstuvwxyz"  # a point stands before and behind each name
CONTEXT = 16  # places; no name has more than eleven letters
linear = partial(nn.Linear, bias=False)
cost = nn.CrossEntropy(ignore_index=-1)  # −ln p of what follows each character, averaged


def first_names(rng: np.random.Generator) -> Any:
    """Read all names, each once, and shuffle them."""
    files = [names.FILES[f"first:{kind}"] for kind in ("female", "male")]
    lists = [np.loadtxt(file, str, usecols=0, encoding="utf-8") for file in files]
    return rng.permutation(np.unique(np.char.lower(np.concatenate(lists))))


def encode(some: Any) -> tuple[Any, Any]:
    """`x, y`, both `(names, CONTEXT)`: the codes of .mary, and of what follows each, mary."""
    texts = [f".{name}.".ljust(CONTEXT + 1) for name in some]
    codes = np.array([[ALPHABET.find(character) for character in text] for text in texts])
    return np.maximum(codes[:, :-1], 0), codes[:, 1:]  # y is −1 where nothing follows


def rms_norm(x: Any) -> Any:
    """Scale the numbers at each place to a mean square of 1."""
    return x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + 1e-5)


class Block(nn.Module):
    """Attention between the places, then a small network at each; both add to x."""

    def __init__(self, width: int, heads: int) -> None:
        self.query, self.key, self.value, self.out = [linear(width, width) for _ in range(4)]
        self.wide, self.narrow = linear(width, 4 * width), linear(4 * width, width)
        self.heads = heads

    def forward(self, x: Any) -> Any:
        x = x + self.attention(rms_norm(x))
        return x + self.narrow(special.relu(self.wide(rms_norm(x))))

    def attention(self, x: Any) -> Any:
        """Each place takes values from the places up to it, most where a key suits its query."""
        y = self.weights(x) @ self.split(self.value(x))
        return self.out(y.swapaxes(1, 2).reshape(x.shape))

    def weights(self, x: Any) -> Any:
        """How much each place takes from each, `(batch, heads, time, time)`; rows add up to 1."""
        q, k = self.split(self.query(x)), self.split(self.key(x))
        is_later = np.triu(np.ones((CONTEXT, CONTEXT), bool), 1)
        return special.softmax(np.where(is_later, -np.inf, q @ k.mT / np.sqrt(q.shape[-1])))

    def split(self, x: Any) -> Any:
        """A part of the numbers for each head, `(batch, heads, time, width / heads)`."""
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)


class GPT(nn.Module):
    """Codes `(batch, CONTEXT)` ↦ logits of what follows, `(batch, CONTEXT, 27)`."""

    def __init__(self, width: int, heads: int, layers: int, rng: np.random.Generator) -> None:
        self.character = nn.Embedding(len(ALPHABET), width)
        self.place = nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.head = linear(width, len(ALPHABET))
        nn.init.initialize(self, rng, weight=partial(nn.init.normal, std=0.1))

    def forward(self, x: Any) -> Any:
        x = self.character(x) + self.place.weight
        return self.head(rms_norm(self.blocks(x)))


def train(model: GPT, known: Any, args: Any, rng: np.random.Generator) -> None:
    """Take steps of Adam, whose rate falls to 0 in a line."""
    optimizer = nn.optim.Adam(model.parameters(), args.lr, betas=(0.9, 0.99))

    def step(x: Any, y: Any) -> None:
        loss = cost(model(x).mT, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    # recorded once; --backend says what runs it from then on
    step = common.replayed(step, args)
    for i in range(args.steps):
        optimizer.param_groups[0]["lr"] = args.lr * (1 - i / args.steps)
        step(*encode(rng.choice(known, args.batch)))


@no_grad()
def invent(model: GPT, rng: np.random.Generator, temperature: float = 0.7) -> str:
    """Draw character after character from softmax(logits / temperature), up to the point."""
    name = ""
    while len(name) < CONTEXT and not name.endswith("."):
        logits = np.asarray(model(encode([name])[0]))[0, len(name)].astype(float)
        name += ALPHABET[rng.choice(len(ALPHABET), p=special.softmax(logits / temperature))]
    return name.rstrip(".")


@no_grad()
def draw(model: GPT, name: str) -> Figure:
    """Draw for each head of the first block how much a character, a row, takes from each."""
    x = model.character(encode([name])[0]) + model.place.weight
    weights, text = np.asarray(model.blocks[0].weights(rms_norm(x)))[0], [*f".{name}"]
    figure, at = Figure(figsize=(7, 7), layout="constrained"), range(len(text))
    for head, each in enumerate(weights):
        axes = figure.add_subplot(2, (len(weights) + 1) // 2, head + 1)
        axes.imshow(each[at][:, at], cmap="Blues", vmin=0, vmax=1)
        axes.set(xticks=at, yticks=at, xticklabels=text, yticklabels=text, title=f"head {head}")
    return figure


def main() -> None:
    flags = common.parser(__doc__)
    for name, default in {"layers": 1, "width": 16, "heads": 4, "steps": 1000, "batch": 32}.items():
        flags.add_argument(f"--{name}", type=common.at_least_one, default=default, help="how many")
    flags.add_argument("--lr", type=float, default=0.02, help="the rate of the first step")
    args = common.parse(flags)
    args.steps = 300 if args.quick else args.steps
    rng = np.random.default_rng(args.seed)
    held_out, known = np.split(first_names(rng), [500])
    model = GPT(args.width, args.heads, args.layers, rng)
    print(model)
    train(model, known, args, rng)
    x, y = encode(held_out)
    nats = cost(model(x).mT, y).item()
    print("Invented:", *[invent(model, rng) for _ in range(20)])
    claim = f"{nats:.2f} nats per character of {len(held_out)} names that were held out"
    common.conclude(args, draw(model, "elizabeth"), claim, nats < 2.25, {"nats": nats})


if __name__ == "__main__":
    main()
