"""Computation graphs as pictures
==============================

From a neuron to a transformer of twelve blocks, light and dark::

    python examples/gallery.py      # writes them to build/gallery/
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from learning.common import DATA
from mnist_cnn import network

from tinygrad_edu import Tensor, draw, nn


class Block(nn.Module):
    """A block of a transformer: attention and a small network, each beside a residual path."""

    def __init__(self, width: int, heads: int, rng: np.random.Generator) -> None:
        self.ln_1, self.attn = nn.LayerNorm(width), nn.MultiHeadAttention(width, heads, rng=rng)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width, rng=rng), nn.GELU(), nn.Linear(4 * width, width, rng=rng)
        )

    def forward(self, x: Any) -> Any:
        x = x + self.attn(self.ln_1(x), causal=True)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """Tokens `(batch, time)` ↦ how likely each token is next, `(batch, time, vocabulary)`."""

    def __init__(
        self, blocks: int, vocabulary: int, time: int, width: int, rng: np.random.Generator
    ) -> None:
        self.wte = nn.Embedding(vocabulary, width, rng=rng)
        self.wpe = nn.Embedding(time, width, rng=rng)
        self.h = [Block(width, 4, rng) for _ in range(blocks)]
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False, rng=rng)

    def forward(self, tokens: Any) -> Any:
        x = self.wte(tokens) + self.wpe(np.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


# A picture takes the names x, loss and model from the function that calls draw


def neuron(**options: Any) -> Any:
    x1, x2 = Tensor(2.0, name="x1"), Tensor(0.0, name="x2")
    w1, w2, b = (Tensor(value, requires_grad=True) for value in (-3.0, 1.0, 6.88))
    p1, p2 = w1 * x1, w2 * x2
    L = np.tanh(p1 + p2 + b)
    return draw(L, **options)


def used_twice(**options: Any) -> Any:
    a, b = Tensor(-2.0, requires_grad=True), Tensor(3.0, requires_grad=True)
    d, e = a * b, a + b
    f = d * e
    return draw(f, **options)


def digits(**options: Any) -> Any:
    """784-16-16-10 with MSE, on four images."""
    (images, labels), _ = nn.data.read_mnist(DATA)
    x, y = images[:4].reshape(4, 784).astype(np.float32) / 255, nn.data.one_hot(labels[:4], 10)
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(784, 16, rng=rng),
        nn.Tanh(),
        nn.Linear(16, 16, rng=rng),
        nn.Tanh(),
        nn.Linear(16, 10, rng=rng),
    )
    loss = nn.MSE()(model(x), y)
    return draw(loss, **options)


def convolutions(**options: Any) -> Any:
    (images, labels), _ = nn.data.read_mnist(DATA)
    x, model = images[:4, None].astype(np.float32) / 255, network(np.random.default_rng(0))
    loss = nn.CrossEntropy()(model(x), labels[:4])
    return draw(loss, **options)


def residual(**options: Any) -> Any:
    """Twelve blocks, each beside a residual path."""
    rng = np.random.default_rng(0)

    def layer() -> nn.Linear:
        return nn.Linear(8, 8, rng=rng)

    x = rng.standard_normal((4, 8)).astype(np.float32)
    first = layer()
    blocks = [nn.Residual(layer(), nn.Tanh(), layer()) for _ in range(12)]
    model = nn.Sequential(first, *blocks, nn.Linear(8, 1, rng=rng))
    loss = nn.MSE()(model(x), np.zeros((4, 1)))
    return draw(loss, **options)


def transformer(blocks: int = 12, **options: Any) -> Any:
    rng = np.random.default_rng(0)
    tokens, targets = rng.integers(0, 50, (2, 16)), rng.integers(0, 50, (2, 16))
    model = Transformer(blocks, 50, 16, 32, rng)
    loss = nn.CrossEntropy()(model(tokens).reshape(-1, 50), targets.reshape(-1))
    return draw(loss, **options)


def small(**options: Any) -> Any:
    """A network of two inputs, two hidden values and one output."""
    rng = np.random.default_rng(0)
    x, y = np.array([[0.5, -1.0]], np.float32), np.ones((1, 1), np.float32)
    model = nn.Sequential(nn.Linear(2, 2, rng=rng), nn.Tanh(), nn.Linear(2, 1, rng=rng))
    loss = nn.MSE()(model(x), y)
    return draw(loss, **options)


GALLERY: list[tuple[str, Any, dict[str, Any]]] = [
    ("neuron", neuron, {}),
    ("used_twice", used_twice, {}),
    ("digits", digits, {}),
    ("digits_folded", digits, {"depth": 2}),
    ("convolutions", convolutions, {}),
    ("convolutions_folded", convolutions, {"depth": 2}),
    ("residual", residual, {}),
    ("residual_folded", residual, {"depth": 3}),
    ("block", transformer, {"blocks": 1}),
    ("transformer", transformer, {}),
    ("transformer_open", transformer, {"depth": 4}),
    ("small", small, {}),
    ("small_numbers", small, {"scalars": True}),
]


def main() -> None:
    flags = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    flags.add_argument(
        "--out", type=Path, default=Path("build") / "gallery", help="where the pictures go"
    )
    out = flags.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, example, options in GALLERY:
        for theme in ("light", "dark"):
            picture = example(theme=theme, **options)
            for suffix in ("svg", "png"):
                picture.save(out / f"{name}_{theme}.{suffix}")
        print(f"{name:20} {picture!r}")
    print(f"{2 * len(GALLERY)} pictures in {out}/, as SVG and as PNG")


if __name__ == "__main__":
    main()
