"""The pictures that are kept in tests/golden/ to be compared byte by byte.

Run as a script, this draws them anew.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, nn
from tinygrad_edu.graph import Picture, draw

FOLDER = Path(__file__).parent / "golden"


def neuron(**options: Any) -> Picture:
    x1, x2 = Tensor(2.0, name="x1"), Tensor(0.0, name="x2")
    w1, w2, b = (Tensor(value, requires_grad=True) for value in (-3.0, 1.0, 6.88))
    p1, p2 = w1 * x1, w2 * x2
    L = np.tanh(p1 + p2 + b)
    return draw(L, **options)


def images(**options: Any) -> Picture:
    """Four smooth images of 8 × 8 pixels through two layers."""
    ramp, rng = np.linspace(0, 1, 8), np.random.default_rng(0)
    corner = np.outer(ramp, ramp)
    x = np.stack([corner, np.outer(ramp[::-1], ramp), np.outer(ramp, 1 - ramp), 1 - corner])
    x, y = x.reshape(4, 64), np.eye(4)[:, :3]
    first = nn.Linear(64, 5, rng=rng, dtype=float)
    model = nn.Sequential(first, nn.Tanh(), nn.Linear(5, 3, rng=rng, dtype=float))
    loss = nn.MSE()(model(x), y)
    return draw(loss, **options)


def residual(**options: Any) -> Picture:
    rng, x = np.random.default_rng(0), np.linspace(-1, 1, 8).reshape(2, 4)

    def layer() -> nn.Linear:
        return nn.Linear(4, 4, rng=rng, dtype=float)

    model = nn.Sequential(layer(), *[nn.Residual(layer(), nn.Tanh(), layer()) for _ in range(12)])
    loss = nn.MSE()(model(x), np.zeros((2, 4)))
    return draw(loss, **options)


def small(**options: Any) -> Picture:
    """A network of two inputs, two hidden values and one output."""
    rng, x = np.random.default_rng(0), np.array([[0.5, -1.0]])
    first = nn.Linear(2, 2, rng=rng, dtype=float)
    model = nn.Sequential(first, nn.Tanh(), nn.Linear(2, 1, rng=rng, dtype=float))
    y = model(x)
    return draw(y, **options)


PICTURES: dict[str, Callable[[], Picture]] = {
    "neuron": neuron,
    "neuron_dark": partial(neuron, theme="dark"),
    "images": images,
    "images_dark": partial(images, theme="dark"),
    "residual": residual,
    "residual_folded": partial(residual, depth=3),
    "small_scalars": partial(small, scalars=True),
}


def unpacked(svg: str) -> str:
    """The SVG with each thumbnail's pixels in place of its PNG: zlib may pack otherwise."""

    def hexadecimal(found: re.Match[str]) -> str:
        return pixels(base64.b64decode(found[1])).hex()

    return re.sub(r"data:image/png;base64,([^\"]*)", hexadecimal, svg)


def pixels(png: bytes) -> bytes:
    """The numbers of the colours, each row after a 0."""
    start = png.index(b"IDAT")
    return zlib.decompress(png[start + 4 : start + 4 + int.from_bytes(png[start - 4 : start])])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, draws in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(draws().svg(), encoding="utf-8")
