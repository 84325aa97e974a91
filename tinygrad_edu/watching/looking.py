"""Who looks: the model and its probe, the graph that the probe makes, and the last good weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.core.engine import Tensor, chain_rule
from tinygrad_edu.debugging.anomaly import detect_anomaly
from tinygrad_edu.graph.read import values_behind
from tinygrad_edu.watching.before import Before, compare_gradients, copies, idle_kinds
from tinygrad_edu.watching.flow import flow_of, parameters_only, value_shapes
from tinygrad_edu.watching.frames import (
    Frame,
    gradients_of,
    look_at_parameters,
    look_at_rows,
    note_gradient,
    run_probe,
    undisturbed,
)

Note = Callable[..., None]  # takes a kind of event, its text, and more of it


class Observer:
    """It reads a model between two steps, and changes nothing of it."""

    def __init__(
        self, model: Any, probe: Callable[[], Any] | None, variables: Mapping[str, Any], note: Note
    ) -> None:
        self.model, self.probe, self.variables, self.note = model, probe, variables, note
        self.parameters: dict[str, Tensor] = dict(model.named_parameters())
        self.flow = parameters_only(model)
        self.was_told = False  # that the graph has changed
        self.explained = ""  # why the probe is not finite
        self.last_finite: tuple[int, dict[str, Array]] = (0, model.state_dict())
        if probe:  # the first time outside of the loop: what is wrong with it is an error
            with undisturbed(model), np.errstate(all="ignore"):
                loss = run_probe(probe)
                values = values_behind(loss)
                self.flow = flow_of(model, loss, values, variables)

    @property
    def image(self) -> tuple[int, int] | None:
        """The height and width of the examples, if they are images."""
        images = self.flow.images
        return None if images is None else (images.shape[1], images.shape[2])

    def copies(self) -> Before:
        return copies(self.model, self.parameters)

    def look(self, step: int, seconds: float, before: Before | None) -> Frame:
        """Take a frame; a probe that raises becomes an event, and is left out from then on."""
        frame = Frame(step, seconds)
        with np.errstate(all="ignore"):
            held = None if before is None else before.parameters
            look_at_parameters(frame, self.parameters, held, self.image)
            frame.idle = idle_kinds(before, self.model) if before else ()
            try:
                is_finite = self.look_at_probe(frame, before)
            except Exception as error:
                self.note("probe", f"the probe raised {type(error).__name__}: {error}")
                self.probe, is_finite = None, True
        if all(np.isfinite(frame.stats[p]["rms"]) for p in self.parameters):
            if is_finite:
                self.last_finite = step, self.model.state_dict()
            elif not self.explained:
                self.explained = self.anomaly()
                self.note("nan", "the watched examples' loss is not finite", self.explained)
        return frame

    def look_at_probe(self, frame: Frame, before: Before | None) -> bool:
        """Note what the probe computes; returns whether its loss is finite."""
        if not self.probe:
            return True
        with undisturbed(self.model):
            loss = run_probe(self.probe)
            values = values_behind(loss)
            if value_shapes(values) != self.flow.shapes:
                self.read_again(loss, values)
            gradients = gradients_of(loss)
        look_at_rows(frame, self.flow, values, gradients)
        frame.added = compare_gradients(before, self.parameters, gradients) if before else None
        for name, p in self.parameters.items():
            if f"{name}|gradient" not in frame.maps and p in gradients:
                note_gradient(frame, name, gradients[p], self.image)  # `grad` has been cleared
        return bool(np.isfinite(loss.data).all())

    def read_again(self, loss: Tensor, values: Sequence[Any]) -> None:
        self.flow = flow_of(self.model, loss, values, self.variables)
        if not self.was_told:
            self.note("graph", "the probe computes another graph from here on")
            self.was_told = True

    # When a number is not finite

    def explain_not_finite(self) -> str:
        """Where a number of the probe stops being finite: the operation and its line."""
        if not self.probe or self.explained:
            return self.explained
        step, state = self.last_finite
        held = {name: p.data for name, p in self.parameters.items()}
        try:
            for name, p in self.parameters.items():
                p.data = state[name].copy()
            found = self.anomaly()
        finally:
            for name, p in self.parameters.items():
                p.data = held[name]
        return f"with the weights of step {step:,}: {found}" if found else suggestion(step)

    def anomaly(self) -> str:
        """What detect_anomaly says of the probe; "" if it finds nothing."""
        assert self.probe
        with undisturbed(self.model):
            try:
                with detect_anomaly():
                    for _ in chain_rule(run_probe(self.probe)):
                        pass
            except FloatingPointError as error:
                return str(error)
            except Exception:  # an event says so
                return ""
        return ""


def suggestion(step: int) -> str:
    return (
        f"With the weights of step {step:,} the watched examples give finite numbers: "
        "run.rewind() puts these weights back; then `with detect_anomaly(): step(x, y)` "
        "names the line"
    )
