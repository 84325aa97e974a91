"""How sphinx-gallery runs an example: with --quick, into a folder of its own under build/docs/.

The figures come from there.
"""

import json
import os
import re
import shutil
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"  # no progress bars in the pages
ROOT = Path(__file__).parents[1]
FLAGS = {  # of those that know no --quick
    "mnist": ["--epochs", "3"],
    "mnist_seeds": ["--seeds", "2", "--epochs", "1"],
    "gallery": [],
}
GALLERY = ("digits", "residual_folded", "transformer", "small_numbers")
FIGURES = {
    "mnist": ["report"],
    "mnist_seeds": ["0/report"],
    "neuron": ["neuron"],
    "gallery": [f"{name}_{theme}" for name in GALLERY for theme in ("light", "dark")],
}
ALT = {
    "mnist": "Accuracy and cost per epoch, what is confused with what, the first weights, and "
    "answers to single images",
    "mnist_seeds": "The report of the first seed: accuracy and cost per epoch, confusions, "
    "weights and answers",
    "neuron": "The computation graph of a neuron: every box a value and its gradient",
    "gallery": "The computation graph of a network: arrays as heat maps, in a frame for each "
    "module",
}


class Order:
    """The order of the studies' page: of the examples, and of the ten questions."""

    def __init__(self, folder):
        self.page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")

    def __call__(self, name):
        found = [place.start() for place in re.finditer(f"[`/]{name}`", self.page)]
        return found or [len(self.page)]


def folder(script):
    path = ROOT / "build" / "docs" / Path(script["src_file"]).stem
    path.mkdir(parents=True, exist_ok=True)
    return path


def flags(gallery, script):
    """What stands behind the script's name on its command line, with a reader's relative paths."""
    path = Path(script["src_file"])
    name, out = path.stem, os.path.relpath(folder(script), path.parent)
    if name == "neuron":
        return [f"{out}/neuron.png"]
    return [*FLAGS.get(name, ["--quick"]), "--out", out]


def figures(block, script, gallery):
    """The figures that a script has left, as reST; of a light and a dark one, one is seen."""
    name, out = Path(script["src_file"]).stem, folder(script)
    if name == "watching":
        return page(out / "all.html")
    found = [out / f"{figure}.png" for figure in FIGURES.get(name, [])]
    found = found or sorted(out.glob("figure*.png"), reverse=True)
    alt = ALT.get(name) or json.loads((out / "metrics.json").read_text("utf-8"))["claim"]
    text = ""
    for figure in found:
        path = Path(next(script["image_path_iterator"]))
        shutil.copy(figure, path)
        theme = figure.stem.rpartition("_")[2]
        kind = f"only-{theme}" if theme in ("light", "dark") else "figure"
        text += f"\n.. image:: images/{path.name}\n   :alt: {alt}\n   :class: {kind}\n"
    return text


def page(kept):
    """The page that an example has left, in a frame."""
    shutil.copy(kept, ROOT / "docs" / "_static" / "watched.html")
    title = "Four trainings at any step: their graph, weights, gradients and outputs"
    frame = f'<iframe src="../_static/watched.html" title="{title}" class="stepper"></iframe>'
    return f"\n.. raw:: html\n\n   {frame}\n"
