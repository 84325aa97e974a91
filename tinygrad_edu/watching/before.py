"""What is kept of a model before a step, so that afterwards it is known what the step did."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor

COMPARED = 1 << 14  # of a gradient's numbers


class Before(NamedTuple):
    """A model before a step: its parameters, the beginnings of their gradients, and its signs."""

    parameters: list[Array]
    gradients: list[Array | None]
    signs: dict[str, list[str]]


class Added(NamedTuple):
    """How a gradient has changed since the step before, beside the watched examples' own.

    If it was added to the one before, the change is one step's gradient: much shorter than the
    sum, about as long as the watched examples' gradient, and in its direction.
    """

    share: float  # ‖change‖ / ‖gradient‖
    size: float  # ‖change‖ / ‖the examples' gradient‖
    likeness: float  # the cosine between these two


def copies(model: Any, parameters: Mapping[str, Tensor]) -> Before:
    held = parameters.values()
    data = [np.copy(p.data) for p in held]
    gradients = [None if p.grad is None else np.copy(beginning(p.grad)) for p in held]
    return Before(data, gradients, signs_of_training(model))


def beginning(g: Any) -> Array:
    numbers: Array = np.asarray(g).reshape(-1)[:COMPARED]
    return numbers


def compare_gradients(
    before: Before, parameters: Mapping[str, Tensor], gradients: Mapping[Tensor, Array]
) -> Added | None:
    """The change of all gradients as one vector; None where there are none to compare."""
    total = np.zeros(4)
    for p, old in zip(parameters.values(), before.gradients, strict=True):
        if old is None or p.grad is None or p not in gradients:
            continue
        g, own = (beginning(x).astype(np.float64) for x in (p.grad, gradients[p]))
        change = g - old
        total += change @ change, g @ g, own @ own, change @ own
    changed, square, examples, product = total.tolist()
    if not (changed and square and examples):
        return None
    return Added(
        math.sqrt(changed / square),
        math.sqrt(changed / examples),
        product / math.sqrt(changed * examples),
    )


def median_change(found: Sequence[Added | None]) -> Added | None:
    """The medians over frames: a batch's own gradient may point anywhere. None for too few."""
    known = [added for added in found if added]
    return Added(*map(statistics.median, zip(*known, strict=True))) if len(known) > 2 else None


def signs_of_training(model: Any) -> dict[str, list[str]]:
    """What a step in train() changes and one in eval() does not, by the kind of Module.

    It is the random generator of a Dropout, the counter of a BatchNorm.
    """
    found: dict[str, list[str]] = {}
    for _, module in model.named_modules():
        own = vars(module)
        counter, rng = own.get("num_batches_tracked"), own.get("rng")
        if counter is not None:
            found.setdefault(type(module).__name__, []).append(str(counter.data))
        elif isinstance(rng, np.random.Generator) and (own.get("p") or own.get("dropout")):
            found.setdefault(type(module).__name__, []).append(str(rng.bit_generator.state))
    return found


def idle_kinds(before: Before, model: Any) -> tuple[str, ...]:
    """The kinds of Modules that work in train() only, if the step went by without any of them."""
    now = signs_of_training(model)
    return tuple(now) if now == before.signs else ()
