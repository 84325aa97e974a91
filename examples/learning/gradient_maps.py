"""Not a study: the panels of gradient_vector.py that show each component where its weight is.

Blue components ask for a larger number, orange ones for a smaller one. Each panel has its own
scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from study import Array, Look


def draw_tiles(axes: Any, look: Look, g: Array) -> None:
    """Draw the first layer's components as sixteen pictures of 28 by 28."""
    tiles = np.full((4, 31, 4, 31), np.nan)
    tiles[:, :28, :, :28] = -g[: 784 * 16].reshape(4, 4, 28, 28).transpose(0, 2, 1, 3)
    most = np.nanmax(np.abs(tiles))
    colors = {"cmap": look.diverging, "vmin": -most, "vmax": most}
    axes.imshow(tiles.reshape(124, 124)[:-3, :-3], interpolation="nearest", **colors)
    axes.set(title="−∇C for 784 × 16 first weights", xlabel=f"strongest: {most:.4f}")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_layers(axes: Any, look: Look, g: Array, digit: int) -> None:
    """Draw the second and third layer's weights as lines, as wide as their components are large."""
    at = [np.linspace(0, 1, n + 2)[1:-1] for n in (16, 16, 10)]
    second = g[12560:12816].reshape(16, 16)  # 12,560 = 784·16 + 16
    third = g[12832:12992].reshape(10, 16)
    for column, weights in enumerate((second, third)):
        draw_lines(axes, look, column, weights, at[column], at[column + 1])
    dots = {"s": 38, "color": look.paper, "edgecolors": look.ink, "zorder": 3}
    for column, places in enumerate(at):
        axes.scatter(np.full(len(places), column), places, **dots)
    plain, own = ({"color": look.muted}, {"color": look.ink, "fontweight": "bold"})
    for i, place in enumerate(at[2]):
        axes.text(2.1, place, str(i), va="center", **(own if i == digit else plain))
    axes.set(title="for 16 × 16 and 16 × 10 weights", xlim=(-0.1, 2.25), ylim=(1.0, -0.03))
    axes.axis("off")


def draw_lines(
    axes: Any, look: Look, column: int, weights: Array, left: Array, right: Array
) -> None:
    """Draw the weights between two columns of neurons, the strongest last."""
    size = np.abs(weights)
    to, of = np.unravel_index(np.argsort(size, axis=None), weights.shape)
    share = -weights[to, of] / size.max()
    pairs = zip(to, of, strict=True)
    ends = [((column, left[j]), (column + 1, right[i])) for i, j in pairs]
    colors, widths = look.diverging(0.5 + 0.5 * share), 0.3 + 4 * np.abs(share)
    axes.add_collection(LineCollection(ends, colors=colors, linewidths=widths))
    told, font = f"strongest: {size.max():.4f}", {"fontsize": 9, "color": look.muted}
    axes.text(column + 0.5, 0.0, told, ha="center", **font)


def draw_wishes(axes: Any, look: Look, images: Array, wishes: Array) -> None:
    """Draw what each image wants for the ten output biases, and the average."""
    rows = np.vstack([wishes, np.full((1, 10), np.nan), wishes.mean(axis=0)])
    most = np.abs(wishes).max()
    colors = {"cmap": look.diverging, "vmin": -most, "vmax": most}
    axes.imshow(rows, extent=(-0.5, 9.5, 11.5, -0.5), aspect="auto", **colors)
    for i, image in enumerate(images):
        place = (-1.65, -0.65, i + 0.5, i - 0.5)
        axes.imshow(image.reshape(28, 28), cmap=look.amount, extent=place, aspect="auto")
    for j, value in enumerate(rows[-1]):
        told = f"{value:.2f}".replace("-0.", "−.")
        color = look.paper if abs(value) > 0.6 * most else look.ink
        axes.text(j, 11, told, ha="center", va="center", fontsize=8.5, color=color)
    axes.text(-0.65, 11, "mean", ha="right", va="center", fontweight="bold")
    axes.set(
        title="ten images, and their average",
        xlim=(-1.7, 9.5),
        ylim=(11.5, -0.5),
        xticks=range(10),
        yticks=[],
        xlabel="−∇C for the biases of the ten outputs",
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
