"""Not a study: the descents of descent.py that can be seen whole, on a curve and on a surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from study import Array, Look

from tinygrad_edu import grad

W, U = np.linspace(-2.35, 2.35, 400), np.linspace(-1.5, 1.5, 300)


def curve(w: Any) -> Any:
    """The cost of one number has two valleys; the start decides which one a descent reaches."""
    return 0.25 * w**4 - w**2 + 0.3 * w + 1.6


def surface(p: Any) -> Any:
    """The cost of two numbers has two valleys, and a bent floor between them."""
    return curve(p[0]) + 1.2 * (p[1] - 0.4 * np.sin(2 * p[0])) ** 2


def walk(cost: Callable[[Any], Any], start: Any, lr: float, steps: int) -> Array:
    """Descend; return the points, the start first. The slope is the engine's."""
    slope, points = grad(cost), [np.asarray(start, float)]
    for _ in range(steps):
        points.append(points[-1] - lr * np.asarray(slope(points[-1])))
    return np.stack(points)


def lengths(points: Array) -> Array:
    return np.linalg.norm(np.diff(points.reshape(len(points), -1), axis=0), axis=1)


def hand_made() -> tuple[dict[str, Array], list[Array]]:
    """Descend on the curve with three rates, and on the surface from three starts."""
    on_curve = {
        "right: 0.04": walk(curve, -2.32, 0.04, 20),
        "too small: 0.005": walk(curve, 2.3, 0.005, 3),
        "too large: 0.75": walk(curve, 0.85, 0.75, 20),
    }
    starts = ((-2.1, 1.2), (2.1, -0.9), (0.35, 1.35))
    return on_curve, [walk(surface, start, 0.06, 60) for start in starts]


def draw_curve(axes: Any, look: Look, walks: dict[str, Array]) -> None:
    axes.plot(W, curve(W), color=look.grey, linewidth=3)
    looks = zip((look.blue, look.plum, look.orange), "o^s", strict=True)
    for (name, points), (color, mark) in zip(walks.items(), looks, strict=True):
        style = {"color": color, "marker": mark, "markersize": 5, "linewidth": 1}
        axes.plot(points, curve(points), label=name, **style)
    axes.set(title="one number: a curve", xlabel="w", ylabel="cost", xlim=W[[0, -1]], ylim=(0, 4.4))
    axes.legend(loc="upper center")


def draw_surface(axes: Any, look: Look, walks: list[Array]) -> None:
    plane, levels = surface(np.stack(np.meshgrid(W, U))), np.geomspace(0.2, 9, 15)
    axes.contourf(W, U, plane, levels=levels, cmap=look.amount, alpha=0.3, extend="both")
    axes.contour(W, U, plane, levels=levels, colors=look.muted, linewidths=0.5)
    for points, color, mark in zip(walks, (look.blue, look.plum, look.orange), "o^s", strict=True):
        axes.plot(*points.T, color=color, marker=mark, markersize=4, linewidth=1)
        axes.plot(*points[-1], marker="*", markersize=13, color=color, markeredgecolor=look.paper)
    axes.set(
        title="two numbers: a surface from above",
        xlabel="w₁",
        ylabel="w₂",
        xlim=W[[0, -1]],
        ylim=U[[0, -1]],
    )


def checks_of(on_curve: dict[str, Array], on_surface: list[Array]) -> dict[str, bool]:
    right, _, large = on_curve.values()
    jumps = np.diff(large)
    to_and_fro = bool((jumps[-4:] * jumps[-5:-1] < -1e-3).all())
    ends = [lengths(points)[-1] / lengths(points).max() for points in on_surface]
    return {
        "on the curve each step is shorter than the one before": bool(
            (np.diff(lengths(right)) < 0).all()
        ),
        "on the curve a rate that is too large jumps to and fro over the minimum, up to the "
        "end": to_and_fro,
        "on the surface the last step is under a hundredth of the longest": max(ends) < 1 / 100,
    }
