"""A frame: what is seen of a training between two of its steps.

Parameters are copied before a step and looked at after it, so that the step itself is known, for
any optimizer. Then the probe runs once, forward and backward, in eval(): no random number is drawn
for dropout, no running statistic moves, no `grad` is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_edu import special
from tinygrad_edu.core.arraylike import REGISTRY, Array
from tinygrad_edu.core.engine import Tensor, chain_rule
from tinygrad_edu.core.switches import RECORDING, WATCHER
from tinygrad_edu.graph.pictures.heat import SIDE
from tinygrad_edu.watching.before import Added
from tinygrad_edu.watching.flow import SHOWN_EXAMPLES, Flow, Row
from tinygrad_edu.watching.maps import (
    Map,
    is_multiple,
    length,
    make_map,
    output_cells,
    parameter_cells,
    root_mean_square,
)

FLAT_SIGMOID, FLAT_TANH = 0.03, 0.97  # beyond, a curve counts as flat: Karpathy's |tanh| > 0.97


@dataclass(eq=False)
class Frame:
    """Maps by `place|what`, numbers by place: a parameter's name or a row's id."""

    step: int
    seconds: float
    sentence: tuple[str, str, bool] = ("", "", False)  # see sentence.py
    maps: dict[str, Map] = field(default_factory=dict)
    stats: dict[str, dict[str, float]] = field(default_factory=dict)
    added: Added | None = None  # how the gradients have changed since the step before
    idle: tuple[str, ...] = ()  # the kinds of Modules that a step in train() would have changed

    @property
    def nbytes(self) -> int:
        return sum(m.numbers.nbytes for m in self.maps.values())


# Parameters


def look_at_parameters(
    frame: Frame,
    parameters: Mapping[str, Tensor],
    before: Sequence[Array] | None,
    image: tuple[int, int] | None,
) -> None:
    """Note each parameter, its gradient, and the step that it has just taken."""
    for i, (name, p) in enumerate(parameters.items()):
        w = np.asarray(p.data)
        frame.maps[f"{name}|value"] = make_map(parameter_cells(w, image))
        stats = frame.stats.setdefault(name, {})
        stats["rms"] = root_mean_square(w)
        if p.grad is not None:
            note_gradient(frame, name, p.grad, image)
        if before is not None:
            note_step(frame, name, before[i], w, p.grad, image)


def note_gradient(frame: Frame, name: str, g: Array, image: tuple[int, int] | None) -> None:
    g = np.asarray(g)
    frame.maps[f"{name}|gradient"] = make_map(parameter_cells(g, image))
    frame.stats[name]["norm"] = length(g)


def note_step(
    frame: Frame,
    name: str,
    before: Array,
    after: Array,
    g: Array | None,
    image: tuple[int, int] | None,
) -> None:
    """The step's size, as a share of the weights' too; its map, unless it is the gradient's."""
    step = after - before
    size = root_mean_square(step)
    frame.stats[name] |= {"step": size, "ratio": size / (root_mean_square(before) or 1.0)}
    if g is None or not is_multiple(step, np.asarray(g)):
        frame.maps[f"{name}|update"] = make_map(parameter_cells(step, image))


# The probe


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """The model in eval(), with recording on and nobody watching; then all as it was."""
    modules = [module for _, module in model.named_modules()]
    modes = [vars(module).get("training") for module in modules]
    recording, watcher = RECORDING.set(True), WATCHER.set(None)
    try:
        model.eval()
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            if mode is None:
                del module.training  # it had none of its own
            else:
                module.training = mode
        WATCHER.reset(watcher)
        RECORDING.reset(recording)


def run_probe(probe: Callable[[], Any]) -> Tensor:
    """The probe's loss. TypeError for what is not one number computed from the parameters."""
    loss = probe()
    if isinstance(loss, Tensor) and loss.size == 1 and loss.requires_grad:
        return loss
    came = f"a Tensor of shape {loss.shape}" if isinstance(loss, Tensor) else f"{loss!r:.60}"
    raise TypeError(
        f"the probe gave {came}, and shall give the loss of a few fixed examples, one number that "
        "depends on the model's parameters: watch(model, lambda: cost(model(x[:64]), y[:64]))"
    )


def look_at_rows(
    frame: Frame, flow: Flow, values: Sequence[Any], gradients: Mapping[Tensor, Array]
) -> None:
    """Note what leaves each row, and the gradient that comes back to it."""
    for row in flow.rows:
        if row.role in ("input", "buffer") or row.place is None:
            continue
        z = values[row.place]
        x, stats = np.asarray(getattr(z, "data", z)), frame.stats.setdefault(row.id, {})
        if x.size == 1:
            stats["value"] = float(x.reshape(()))
            continue
        stats["out"] = root_mean_square(x)
        g = np.asarray(gradients[z]) if isinstance(z, Tensor) and z in gradients else None
        if g is not None:
            stats["back"] = length(g)
        if row.is_line:
            continue
        frame.maps[f"{row.id}|output"] = make_map(output_cells(x))
        if g is not None:
            frame.maps[f"{row.id}|backward"] = make_map(output_cells(g))
        if np.isfinite(x).all():
            look_at_units(frame, row, x)
    if flow.answer is not None:
        frame.maps["answers"] = make_map(answer_cells(flow, np.asarray(values[flow.answer].data)))


def answer_cells(flow: Flow, z: Array) -> Array:
    """The model's answers to the first examples: as shares, as images, or as they are."""
    z = z[:SHOWN_EXAMPLES]
    if flow.draws_images and flow.images is not None:
        return z.reshape(-1, *flow.images.shape[1:])
    return softmax_of_rows(z) if flow.outcomes == flow.classes else z


def look_at_units(frame: Frame, row: Row, x: Array) -> None:
    """Of each unit behind a relu, sigmoid or tanh: for which share of the examples it is on,
    or where its curve is flat."""
    axes = (0, *range(2, x.ndim)) if x.ndim != 3 else (0, 1)  # a sequence's units come last
    stats = frame.stats[row.id]
    if row.operation is REGISTRY[special.relu]:
        share = (x > 0).mean(axis=axes)
        stats["dead"] = int((share == 0).sum())
    elif row.operation is REGISTRY[special.sigmoid]:
        share = ((x < FLAT_SIGMOID) | (x > 1 - FLAT_SIGMOID)).mean(axis=axes)
        stats["saturated"] = float(share.mean())
    elif row.operation is REGISTRY[np.tanh]:
        share = (np.abs(x) > FLAT_TANH).mean(axis=axes)
        stats["saturated"] = float(share.mean())
    else:
        return
    stats |= {"of": share.size, "examples": x.size // share.size}
    frame.maps[f"{row.id}|units"] = make_map(np.atleast_1d(share)[None, :SIDE])


def softmax_of_rows(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    shares: Array = e / e.sum(axis=1, keepdims=True)
    return shares


def gradients_of(loss: Tensor) -> dict[Tensor, Array]:
    """∂loss/∂value of each value; nothing for a loss that is not finite."""
    return dict(chain_rule(loss)) if np.isfinite(loss.data).all() else {}
