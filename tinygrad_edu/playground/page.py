"""The playground's page: one file that asks for nothing, with the programs that it runs."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.graph.notebook import frame_of_page
from tinygrad_edu.graph.pictures.heat import DIVERGING
from tinygrad_edu.graph.pictures.themes import THEMES, css_variables
from tinygrad_edu.graph.stepping.pieces import page_json
from tinygrad_edu.graph.stepping.stepper import fill_template, policy_hash
from tinygrad_edu.playground.images import Examples, PageImages, examples_from
from tinygrad_edu.playground.listing import Listing
from tinygrad_edu.playground.network import Network
from tinygrad_edu.playground.points import FIELD, GIVEN, Points, plane_around, points_from
from tinygrad_edu.playground.points import NAMES as FEATURES
from tinygrad_edu.playground.steps import RATE, Steps
from tinygrad_edu.programs.program import Program

# fmt: off
SCRIPTS = ("numbers", "canvas", "network", "words", "state", "line", "drawing", "plane", "wires",
           "neurons", "lens", "dock", "steps", "training", "charts", "gestures", "address", "start")
LIGHT = {"hairline": "#d9e0e7", "control": "#97a4b1", "well": "#e9eef3", "accent": "#0b6fae",
         "negative-text": "#b84808", "focus": "#0b6fae", "wrong": "#b3440c", "right": "#0b6fae",
         "pick": "#dcebf7", "blank": "#ffffff", "half": "#8d939a", "full": "#1b2733",
         "least": DIVERGING[0], "zero": DIVERGING[len(DIVERGING) // 2], "most": DIVERGING[-1],
         "class-0": "#c8500a", "class-1": "#0b6fae", "class-2": "#00795c", "class-3": "#8a3d6e",
         "class-4": "#7a6500", "class-5": "#44546a"}
DARK = {"hairline": "#2d3945", "control": "#63748a", "well": "#25303b", "accent": "#1c72b0",
        "negative-text": "#ff9a52", "focus": "#56b4e9", "wrong": "#c4531a", "right": "#2f86c4",
        "pick": "#1e3a52", "blank": "#12181f", "half": "#7d848b", "full": "#e8eef4",
        "least": "#ff9a52", "zero": "#1a222b", "most": "#5cb8ee",
        "input": "#3f93cf", "parameter": "#e39a3b", "operation": "#7d92aa", "output": "#d884bb",
        "class-0": "#ff9a52", "class-1": "#5cb8ee", "class-2": "#3fc9a3", "class-3": "#d884bb",
        "class-4": "#d9c152", "class-5": "#a3b4c6"}
RATES = {"squared": (0.05, 1, 5, 50), "cross-entropy": (0.001, 0.02, 0.2, 20)}  # crawls … dies
# fmt: on
BATCHES = (1, 4, 10, 32, 100, 500, 1_000, 2_000)  # images per step: a program for each
MOST_BYTES = 440_000  # of weights and images, of 700,000 in all
CURVE = 161  # of the curve of an activation, from −8 to 8


class Playground:
    """A page to look into a network: a notebook shows it, `html` is its text, `save` writes it."""

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | os.PathLike[str]) -> Path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(self.html, encoding="utf-8")
        return Path(path)

    def __repr__(self) -> str:
        return f"<Playground: a page of {len(self.html.encode()):,} bytes>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        frame = frame_of_page(self.html, "a network to look into", 860)
        return {"text/html": frame, "text/plain": repr(self)}


def playground(
    model: nn.Module,
    images: Any,
    labels: Any,
    save: str | os.PathLike[str] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Playground:
    """A page for a model and images or points: look inside, go backward, take a step, train anew.

    Images: uint8, or 0 to 1, `(n, side, side)` or `(n, side²)`; points: `(n, 2)`; labels: `(n,)`.
    Some images can be picked, others measure, the rest train. If the last layer is an activation,
    the cost is Σ (a − y)², else cross-entropy. TypeError or ValueError for what it can't show.

    >>> from tinygrad_edu import nn
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Sequential(nn.Linear(64, 8, rng=rng), nn.Sigmoid(), nn.Linear(8, 3, rng=rng))
    >>> page = playground(model, rng.random((300, 8, 8)), rng.integers(0, 3, 300))
    """
    network = Network(model)
    if network.on_points:
        tested: Any = points_from(images, labels, network.classes)
    else:
        tested = examples_from(images, labels, network.side, network.classes)
    page = page_of(network, tested, None, names)
    if save is not None:
        page.save(save)
    return page


def page_of(
    network: Network,
    tested: Examples | Points,
    training: Examples | None,
    names: Sequence[str] | None = None,
) -> Playground:
    """The page of a network; what it gets right is measured on all of `tested`."""
    if names is None:
        are_digits = network.classes == 10 and not network.on_points
        names = [f"{'' if are_digits else 'class '}{k}" for k in range(network.classes)]
    names = [*names]
    if len(names) != network.classes:
        raise ValueError(f"{network.classes} classes need as many names; found {len(names)}")
    style, steps = themes() + playground_asset("page.css"), Steps(network)
    data, programs = page_data(network, steps, tested, training, names)
    script = (
        '"use strict";\n'
        + recorded(programs)
        + "".join(playground_asset(f"{name}.js") for name in SCRIPTS)
    )
    return Playground(
        fill_template(
            playground_asset("page.html"),
            {
                "title": html.escape(data["title"]),
                "style": style,
                "style_hash": policy_hash(style),
                "script": script,
                "script_hash": policy_hash(script),
                "data": page_json(data),
            },
        )
    )


def page_data(
    network: Network,
    steps: Steps,
    tested: Examples | Points,
    training: Examples | None,
    names: Sequence[str],
) -> tuple[dict[str, Any], list[Program]]:
    """What the page knows, and the programs that it runs."""
    weights = np.concatenate([p.data.reshape(-1) for p in network.model.parameters()])
    packed = base64.b64encode(weights.astype(np.float32).tobytes()).decode()
    reads = np.asarray(steps.forward(tested.inputs)[1][-1].data).argmax(axis=1)
    room = MOST_BYTES - len(packed)
    images = PageImages.of(tested, training, reads, network.classes, room)
    batches = sorted({b for b in BATCHES if b <= images.training} | {images.training})[-8:]
    data = {
        "title": f"Look inside a network that {task(network, names)}",
        "names": names,
        **(plane_facts(tested) if network.on_points else {"side": network.side}),
        "layers": layer_facts(network),
        "cost": network.cost,
        "marks": marks(steps, tested),
        "right": [float((reads == tested.labels).mean()), len(tested)],
        "rates": RATES[network.cost],
        "batches": batches,
        "picked": images.picked,
        "measured": images.measured,
        "labels": images.examples.labels.tolist(),
        "images": images.examples.packed(),
        "weights": packed,
    }
    programs = page_programs(steps, images, batches)
    return data | program_facts(network, programs), programs


def task(network: Network, names: Sequence[str]) -> str:
    digits = [str(k) for k in range(network.classes)]
    told = "points apart" if network.on_points else "digits" if names == digits else "images"
    return f"{'tells' if network.on_points else 'reads'} {told}"


def plane_facts(tested: Any) -> dict[str, Any]:
    """The part of the plane that is shown, and what the network is told of a point."""
    chosen = [int(k < GIVEN) for k in range(len(FEATURES))]
    return {
        "side": FIELD,
        "plane": plane_around(tested.pixels),
        "features": FEATURES,
        "chosen": chosen,
    }


def page_programs(steps: Steps, images: PageImages, batches: Sequence[int]) -> list[Program]:
    """To look at one image, to read many, to train on batches, and the curves of activations.

    On points also what the network is told of one, of all and of a square of them.
    """
    train = [steps.train(count) for count in sorted({*batches, images.picked})]
    bends = [
        steps.bend(layer.activation, f"bend_{n}", CURVE + 1)
        for n, layer in enumerate(steps.network.layers, 1)
        if layer.activation is not None
    ]
    programs = [steps.look(), steps.read(images.picked), *train, *bends]
    if steps.network.on_points:
        sizes = sorted({1, len(images.examples), FIELD**2})
        programs += [steps.field(), *[steps.told(points) for points in sizes]]
    return programs


def program_facts(network: Network, programs: Sequence[Program]) -> dict[str, Any]:
    """The lines of the step for one image, and where programs keep weights and gradients."""
    listing = Listing(programs[0])
    state = {p.name: [x.name for x in p.state] for p in programs}
    stores = {p.name: [x.path for x in p.stores] for p in programs}
    return {
        "numpy": listing.numpy(),
        "javascript": listing.javascript(),
        "rate": RATE,
        "places": {name: number_places(own, network) for name, own in state.items()},
        "gradients": {name: number_places(own, network, ".grad") for name, own in stores.items()},
    }


def layer_facts(network: Network) -> list[dict[str, Any]]:
    """Of each layer: where its numbers begin, and how noise is spread that it can learn from."""
    facts, start = [], 0
    for n, layer in enumerate(network.layers):
        inputs, outputs = layer.sizes
        relu = network.layers[0].kind not in ("Sigmoid", "Tanh")
        facts.append(
            {
                "place": layer.place,
                "kind": layer.kind,
                "range": layer.range,
                "size": outputs,
                "weights": start,
                "biases": start + inputs * outputs,
                "drawn": network.drawn(n),
                "spread": [((2 if relu else 1) / inputs) ** 0.5, 0 if relu else 1],
            }
        )
        start += inputs * outputs + outputs
    return facts


def marks(steps: Steps, tested: Examples | Points) -> dict[str, float]:
    """What a cost means: the average now, the same answer for every class, none at all."""
    classes = steps.network.classes
    wanted = np.eye(classes)[tested.labels]
    found = {"average": steps.mean_cost(tested.inputs, wanted)}
    if steps.network.cost == "squared":
        found["none"] = float(steps.parts(np.zeros(classes), np.eye(classes)[0]).sum())
    even = np.full(classes, 1 / classes)
    return found | {"even": float(np.sum(steps.parts(even, np.eye(classes)[0])))}


def number_places(
    names: Sequence[str], network: Network, ending: str = ""
) -> list[tuple[str, int, int]]:
    """Where a program keeps each parameter or gradient: its name, where it begins, how many."""
    found, start = [], 0
    for name, p in network.model.named_parameters():
        own = [full for full in names if full.endswith(f"model.{name}{ending}")]
        found += [(full, start, p.size) for full in own]
        start += p.size
    return found


def recorded(programs: Sequence[Program]) -> str:
    """The recorded programs in JavaScript, by name; the weights come later."""
    entries = [
        f"{p.name}: (() => {{\n{p.javascript(values=False)}return {p.name};\n}})(),"
        for p in programs
    ]
    return f"const RECORDED = {{\n{chr(10).join(entries)}\n}};\n"


def themes() -> str:
    """The pictures' themes and the page's own colours; a button may say which of them."""
    light, dark = (
        "".join(
            f"  {name}: {colour};\n"
            for name, colour in (
                css_variables(THEMES[theme]) | {f"--{name}": colour for name, colour in own.items()}
            ).items()
        )
        for theme, own in (("light", LIGHT), ("dark", DARK))
    )
    dark += "  color-scheme: dark;\n"
    return (
        f":root {{\n{light}  color-scheme: light;\n}}\n@media (prefers-color-scheme: dark) {{\n"
        f':root:not([data-theme="light"]) {{\n{dark}}}\n}}\n:root[data-theme="dark"] {{\n{dark}}}\n'
    )


def playground_asset(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")
