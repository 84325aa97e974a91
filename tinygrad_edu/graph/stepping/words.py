"""The stepper's steps in words, and as data for its page."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import name_text, range_text, shape_text, true_minus
from tinygrad_edu.graph.read import Node
from tinygrad_edu.graph.steps import Backward
from tinygrad_edu.graph.text.formula import Formula

StepData = dict[str, Any]


def step_data(
    phase: str,
    text: str,
    node: Node | None = None,
    near: Iterable[str] = (),
    edges: Iterable[str] = (),
) -> StepData:
    """A step as data for the page: its text, its node, the nodes near it, the edges between."""
    return {
        "phase": phase,
        "text": true_minus(text),
        "node": node and node.id,
        "near": [*near],
        "edges": [*edges],
    }


def number_json(x: Array) -> Any:
    """Make an array fit for JSON: a number as it is, else the shape, the least and the greatest."""
    if not x.ndim:
        return float(x) if isfinite(x) else str(x)
    found: StepData = {"shape": [*x.shape]}
    if x.size:
        found["least"] = number_json(np.asarray(x.min()))
        found["greatest"] = number_json(np.asarray(x.max()))
    return found


def step_words(step: Backward) -> str:
    """Write 0.3122 × 0.6347 = 0.1981, added to what was there: 0.2698 + 0.1981 = 0.4680."""
    if step.edge.local is None:
        return f"{shape_text(step.upstream.shape)} → {shape_text(step.share.shape)}"
    local = bracket_negative(np.asarray(step.edge.local))
    words = f"{range_text(step.upstream)} × {local} = {range_text(step.share)}"
    return words if step.before is None else f"{words}, added to what was there: {sum_words(step)}"


def sum_words(step: Backward) -> str:
    """Write the sum that a source holds after a step: 0.2698 + 0.1981 = 0.4680."""
    assert step.before is not None  # nothing is added to nothing
    share = bracket_negative(step.share)
    return f"{range_text(step.before)} + {share} = {range_text(step.after)}"


def bracket_negative(x: Array) -> str:
    """Write a number, in parentheses if it is negative."""
    return f"({range_text(x)})" if x < 0 else range_text(x)


def number_symbol(x: Array) -> Formula:
    """A number as a formula that stays as it is written: 0.9 · 0.7018 is not worked out."""
    return Formula("text", (true_minus(bracket_negative(x)),), x)


def why_summed(step: Backward) -> str:
    """Say why axes of a share were summed: the value had been repeated along them."""
    before, shape = step.edge.before, step.source.shape
    axes = repeated_axes(before, shape) if before else []
    if not before or not axes:
        return ""
    repeated = f"{name_text(step.source.name)} {shape_text(shape)} was repeated"
    if len(axes) == 1 and len(before) == 2:
        lines = f"{before[axes[0]]} {('rows', 'columns')[axes[0]]}"
        return f"{repeated} for {lines}, so its gradient is summed over them."
    along = " and ".join(f"axis {axis}, {before[axis]} times" for axis in axes)
    them = "them" if len(axes) > 1 else "it"
    return f"{repeated} along {along}, so its gradient is summed over {them}."


def repeated_axes(before: tuple[int, ...], shape: tuple[int, ...]) -> list[int]:
    """The axes along which a value of this shape was repeated."""
    new = len(before) - len(shape)
    return [
        axis
        for axis, size in enumerate(before)
        if size > 1 and (axis < new or shape[axis - new] == 1)
    ]
