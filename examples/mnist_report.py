"""The picture of a trained digit classifier.

How it learned, what it confuses, what it looks for, what it answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from learning.common import BLUE, DIVERGING, GREY, INK, ORANGE
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WRONG = "#c8500a"


def confusion(
    predicted: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Count how many images of each digit (rows) were called which digit (columns)."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, predicted.argmax(axis=1)), 1)
    return counts


def draw(
    path: Path, model: Any, metrics: dict[str, Any], images: Any, labels: Any, predicted: Any
) -> None:
    """Write the report."""
    figure = Figure(figsize=(13, 12), layout="constrained")
    learned, right = f"{metrics['parameters']:,}", f"{metrics['test_accuracy']:.2%}"
    headed(figure, f"{learned} weights and biases, {right} of the test images right", size=15)
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=[1.05, 1.1, 1.35])
    curves, matrix = top.subfigures(1, 2, width_ratios=[1.7, 1])
    draw_curves(curves, metrics["history"])
    draw_confusion(matrix, np.array(metrics["confusion"]))
    draw_weights(middle, next(model.parameters()).data, images.shape[1:])
    draw_answers(bottom, images, labels, predicted)
    figure.savefig(path, dpi=110)


def headed(figure: Any, title: str, size: int = 10) -> None:
    """Put a title at the left, above all panels."""
    figure.suptitle(title, fontsize=size, fontweight="bold", x=0.01, ha="left")


def draw_curves(figure: Any, history: list[dict[str, float]]) -> None:
    cost, accuracy = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    cost.plot(epochs, [epoch["cost"] for epoch in history], color=BLUE)
    cost.set(title="Cost of an image, average over an epoch", xlabel="epoch", ylim=(0, None))
    for name, color, label in (
        ("train_accuracy", ORANGE, "10,000 training images"),
        ("test_accuracy", BLUE, "test images"),
    ):
        accuracy.plot(epochs, [100 * epoch[name] for epoch in history], color=color, label=label)
    accuracy.set(title="Images called rightly, %", xlabel="epoch")
    accuracy.legend(frameon=False, loc="lower right")


def draw_confusion(figure: Any, counts: np.ndarray[Any, Any]) -> None:
    axes = figure.subplots()
    wrong = counts * (1 - np.eye(10, dtype=int))
    axes.imshow(wrong, cmap=LinearSegmentedColormap.from_list("wrong", ["#ffffff", WRONG]))
    for (row, column), count in np.ndenumerate(counts):
        strong = wrong[row, column] > 0.6 * wrong.max() > 0
        axes.text(
            column,
            row,
            count or "",
            ha="center",
            va="center",
            fontsize=8,
            fontweight="bold" if row == column else "normal",
            color="white" if strong else BLUE if row == column else INK,
        )
    axes.set(
        title="Test images: which digit was called which",
        xlabel="called",
        ylabel="is",
        xticks=range(10),
        yticks=range(10),
    )
    axes.spines[:].set_visible(False)


def draw_weights(figure: Any, weights: np.ndarray[Any, Any], shape: tuple[int, int]) -> None:
    """Draw up to 16 rows of the first weights, each as the image that its neuron looks for."""
    headed(
        figure,
        f"What {min(len(weights), 16)} of {len(weights)} neurons of the first hidden layer look "
        "for: weights, blue positive, orange negative",
    )
    for number, axes in enumerate(figure.subplots(2, 8).flat):
        axes.axis("off")
        if number >= len(weights):
            continue
        picture = weights[number].reshape(shape)
        scale = np.abs(picture).max() or 1.0
        axes.imshow(picture, cmap=DIVERGING, vmin=-scale, vmax=scale)
        axes.set_title(f"{number}   ±{scale:.2g}", fontsize=8, fontweight="normal")


def draw_answers(figure: Any, images: Any, labels: Any, predicted: np.ndarray[Any, Any]) -> None:
    """Draw nine test images that were called rightly and three that were not, with ten outputs."""
    right = predicted.argmax(axis=1) == labels
    chosen = [*np.flatnonzero(right)[:9], *np.flatnonzero(~right)[:3]]
    headed(
        figure,
        "Twelve test images and the ten outputs, the brightest marked; the last three are called "
        "wrongly",
    )
    grid = figure.subplots(4, 6, height_ratios=[1.25, 1, 1.25, 1])
    for axes in grid.flat:
        axes.axis("off")
    for place, image in enumerate(chosen):
        row, column = divmod(place, 6)
        picture, bars = grid[2 * row, column], grid[2 * row + 1, column]
        picture.imshow(images[image], cmap="gray_r")
        called = int(predicted[image].argmax())
        note = f"a {labels[image]}" + ("" if right[image] else f", called {called}")
        picture.set_title(note, fontsize=9, color=INK if right[image] else WRONG, loc="center")
        draw_outputs(bars, predicted[image], called, BLUE if right[image] else ORANGE)


def draw_outputs(axes: Any, outputs: np.ndarray[Any, Any], called: int, color: str) -> None:
    """Draw ten bars; the one that the network calls has a colour."""
    outputs = outputs - min(0.0, outputs.min())
    axes.axis("on")
    axes.bar(range(10), outputs, color=[color if i == called else GREY for i in range(10)])
    axes.set(xticks=range(10), yticks=[], ylim=(0, max(1.0, outputs.max())))
    axes.tick_params(labelsize=7, length=0)
    axes.spines["left"].set_visible(False)
