"""The command line: the playground of a checkpoint that examples/mnist.py has written.

python -m tinygrad_edu.playground --checkpoint build/mnist/model.safetensors --open
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import nn
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS
from tinygrad_edu.nn.checkpoint import read_state
from tinygrad_edu.playground.images import TRAINED, examples_from
from tinygrad_edu.playground.network import Network
from tinygrad_edu.playground.page import page_of

IMAGES = Path(__file__).parents[2] / "examples" / "data" / "mnist"
CHECKPOINT = Path("build/mnist/model.safetensors")
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


def write_page(arguments: Sequence[str] | None = None) -> int:
    """Write the page; an error says what is missing."""
    parser = argparse.ArgumentParser("python -m tinygrad_edu.playground", description=FIRST_LINE)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="of examples/mnist.py")
    parser.add_argument("--data", type=Path, default=IMAGES, help="the folder of four IDX files")
    parser.add_argument("--labels", help="names of the classes, with commas between them")
    parser.add_argument("--out", type=Path, default=Path("build/playground.html"))
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    given = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=PLAIN_SIGNS)
    if not given.checkpoint.exists():
        parser.error(f"{given.checkpoint}: there is none; `make mnist` trains one")
    names = None if given.labels is None else [name.strip() for name in given.labels.split(",")]
    try:
        network = Network(model_from(given.checkpoint))
        (images, labels), (unseen, answers) = nn.data.read_mnist(given.data)
        shape = (network.side, network.classes)
        tested = examples_from(unseen, answers, *shape)
        training = examples_from(images[:TRAINED], labels[:TRAINED], *shape)
        page = page_of(network, tested, training, names)
        path = page.save(given.out)
    except (OSError, ValueError, TypeError) as error:
        parser.error(str(error))
    print(f"{path}: {path.stat().st_size / 1000:,.0f} kB, open it in a browser")
    if given.open:
        webbrowser.open_new_tab(path.resolve().as_uri())
    return 0


FIRST_LINE = "Write a page in which a network of examples/mnist.py is looked into and trained."


def model_from(checkpoint: Path) -> nn.Module:
    """The network that a checkpoint holds: its sizes, and the activations that were set."""
    arrays, _ = read_state(checkpoint)
    places = sorted(int(name[:-7]) for name in arrays if re.fullmatch(r"\d+\.weight", name))
    if places != [*range(0, 2 * len(places), 2)] or not places:
        raise ValueError(f"{checkpoint} holds no layers 0, 2, 4 … of examples/mnist.py")
    shapes = [arrays[f"{place}.weight"].shape for place in places]
    told = nn.load(checkpoint, network_of(shapes, nn.Sigmoid, False))
    settings = {"activation": "", "loss": ""} | json.loads(told.get("settings", "{}"))
    if settings["activation"] not in ACTIVATIONS:
        raise ValueError(
            f"{checkpoint} does not say its activation, as those of examples/mnist.py do: "
            "call playground(model, images, labels)"
        )
    activation = ACTIVATIONS[settings["activation"]]
    model = network_of(shapes, activation, settings["loss"] == "squared")
    nn.load(checkpoint, model)
    return model


def network_of(shapes: Sequence[Any], activation: type[nn.Module], squared: bool) -> nn.Module:
    """Layers of these shapes: behind the last a Sigmoid, for a cost of squares."""
    layers: list[nn.Module] = []
    for outputs, inputs in shapes:
        layers += [nn.Linear(inputs, outputs, rng=np.random.default_rng(0)), activation()]
    return nn.Sequential(*layers[:-1], *[nn.Sigmoid()] * squared)


if __name__ == "__main__":
    sys.exit(write_page())
