"""The images of a page: to pick, to measure on and to train on, at 4 bits a pixel, deflated."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from typing import Any

import numpy as np

from tinygrad_edu.playground.points import Points, check_classes

PICKED, MEASURED, TRAINED = 100, 400, 2_000  # of each kind at most
LEVELS = 15  # shades of grey above 0


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images as whole numbers from 0 to 15, `(n, pixels)`, and their classes."""

    pixels: Any
    labels: Any

    def __getitem__(self, which: Any) -> Examples:
        return Examples(self.pixels[which], self.labels[which])

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: Examples) -> Examples:
        pixels = np.concatenate([self.pixels, other.pixels])
        return Examples(pixels, np.concatenate([self.labels, other.labels]))

    @property
    def inputs(self) -> Any:
        """From 0 to 1, as the page computes with them."""
        return self.pixels / LEVELS

    def packed(self) -> str:
        """Two pixels a byte, deflated, in base64."""
        flat = self.pixels.reshape(-1)
        flat = np.append(flat, [0] * (len(flat) % 2)).astype(np.uint8)
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress((flat[::2] << 4 | flat[1::2]).tobytes()) + packer.flush()
        return base64.b64encode(packed).decode()


def examples_from(images: Any, labels: Any, side: int, classes: int) -> Examples:
    """Grey images, uint8 to 255 or numbers from 0 to 1; each is a square or a row of pixels."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim < 2 or images[0].size != side * side:
        wanted = f"(n, {side}, {side}) or (n, {side * side})"
        raise ValueError(f"the model takes images of shape {wanted}; found {images.shape}")
    check_classes(images, labels, classes, "images")
    most = 255 if images.dtype == np.uint8 else 1
    if not (images.min() >= 0 and images.max() <= most):
        raise ValueError(
            f"pixels are bytes (uint8), or numbers from 0 to 1; found {images.min():.4g} to "
            f"{images.max():.4g} of type {images.dtype}: divide by the largest"
        )
    grey = np.round(images.reshape(len(images), -1) * (LEVELS / most))
    return Examples(grey.astype(np.uint8), labels.astype(np.int64))


def to_pick(examples: Examples | Points, reads: Any, classes: int) -> Any:
    """Which to pick, half at most: rows of a class each, as many misread as on average."""
    right = reads == examples.labels
    each = min(PICKED, len(examples) // 2) // classes
    wrong = [np.flatnonzero((examples.labels == k) & ~right) for k in range(classes)]
    share = round((1 - right.mean()) * each * classes)
    most = sorted(range(classes), key=lambda k: -len(wrong[k]))[:share] if share < classes else []
    chosen: list[int] = []
    for k in range(classes):
        own = np.flatnonzero((examples.labels == k) & right)
        misread = round(each * (1 - right.mean())) if share >= classes else int(k in most)
        last = wrong[k][: max(misread, each - len(own))]
        chosen += [*own[: each - len(last)], *last]
    return np.array(chosen, int)


@dataclasses.dataclass(frozen=True)
class PageImages:
    """What goes into the page: how many to pick, to measure on (with those) and to train on."""

    examples: Examples | Points
    picked: int
    measured: int

    @classmethod
    def of(cls, tested: Any, training: Any, reads: Any, classes: int, room: int) -> PageImages:
        """Picks from what is tested; without training images the others are trained on."""
        picks = to_pick(tested, reads, classes)
        if not len(picks):
            raise ValueError(
                f"the playground needs two examples of each class at least; found {len(tested)}"
            )
        others = tested[np.setdiff1d(np.arange(len(tested)), picks)]
        chunk = len(picks)  # the page reads so many at once
        measured = min(MEASURED, len(others) if training else len(others) // 2) // chunk * chunk
        training = others[measured:] if training is None else training
        kept = tested[picks] + others[:measured]
        for count in (TRAINED, 1_500, 1_000, 500, 200, 100):
            both = kept + training[:count]
            if len(both.packed()) <= room:
                return cls(both, len(picks), len(kept))
        raise ValueError(
            f"{len(both)} images of {both.pixels.shape[1]} pixels are too large for one page: "
            "take smaller images"
        )

    @property
    def training(self) -> int:
        return len(self.examples) - self.measured
