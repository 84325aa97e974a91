"""The gallery: each example is run with --quick, and gets a page with its figures and what it said.

`make docs` runs them, a process each, into folders under build/docs/.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
KEPT = ROOT / "build" / "docs"
# Parts of other examples
PARTS = ["common", "gradient_maps", "memorise", "mnist_report", "page", "study", "valleys"]
FLAGS = {  # of those that know no --quick
    "mnist": [],
    "mnist_seeds": ["--seeds", "2", "--epochs", "1"],
    "gallery": [],
}
DRAWN = ("digits", "residual_folded", "transformer", "small_numbers")
FIGURES = {
    "mnist": ["report"],
    "mnist_seeds": ["0/report"],
    "neuron": ["neuron"],
    "gallery": [f"{name}_{theme}" for name in DRAWN for theme in ("light", "dark")],
    "watching": [],
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
FOUR = "Four trainings at any step: their graph, weights, gradients and outputs"
THUMBNAIL = 400, 240  # pixels


def examples() -> list[Path]:
    """The scripts, in the order in which the page of studies names them."""
    page = (DOCS / "studies.md").read_text("utf-8")
    found = sorted([*ROOT.glob("examples/*.py"), *ROOT.glob("examples/learning/*.py")])

    def place(path: Path) -> int:
        return min([it.start() for it in re.finditer(f"[`/]{path.name}", page)] or [len(page)])

    return sorted([path for path in found if path.stem not in PARTS], key=place)


def folder(script: Path) -> Path:
    return KEPT / script.stem


def flags(script: Path) -> list[str]:
    """What stands behind the script's name on its command line."""
    if script.stem == "neuron":
        return [str(folder(script) / "neuron.png")]
    return [*FLAGS.get(script.stem, ["--quick"]), "--out", str(folder(script))]


def figures(script: Path) -> list[Path]:
    """The figures that a script has left."""
    if script.stem in FIGURES:
        return [folder(script) / f"{figure}.png" for figure in FIGURES[script.stem]]
    return sorted(folder(script).glob("figure*.png"), reverse=True)


def figure_text(script: Path, images: Path) -> str:
    """The figures as reST; of a light and a dark one, one is seen. They go to the page's images."""
    name, text = script.stem, ""
    if name == "watching":
        shutil.copy(folder(script) / "all.html", DOCS / "_static" / "watched.html")
        frame = f'<iframe src="../_static/watched.html" title="{FOUR}" class="stepper"></iframe>'
        return f".. raw:: html\n\n   {frame}\n"
    alt = ALT.get(name) or json.loads((folder(script) / "metrics.json").read_text("utf-8"))["claim"]
    for figure in figures(script):
        image = images / f"{name}_{figure.name}"
        shutil.copy(figure, image)
        theme = figure.stem.rpartition("_")[2]
        kind = f"only-{theme}" if theme in ("light", "dark") else "figure"
        text += f".. image:: images/{image.name}\n   :alt: {alt}\n   :class: {kind}\n\n"
    return text


def page_text(script: Path, printed: str, images: Path) -> str:
    """A page: what the script's docstring says, its figures, what it printed, its code."""
    tree = ast.parse(script.read_text("utf-8"))
    source = f"/../{script.relative_to(ROOT)}"
    parts = [ast.get_docstring(tree), figure_text(script, images)]
    if printed.strip():
        lines = printed.replace(f"{ROOT}/", "").strip().splitlines()
        indented = "".join(f"   {line}\n" for line in lines)
        parts.append(f".. code-block:: none\n   :class: printed\n\n{indented}")
    parts.append(f"All of {script.name} (:download:`as a file <{source}>`):")
    parts.append(f".. literalinclude:: {source}\n   :lines: {tree.body[1].lineno}-\n")
    return "\n\n".join(map(str, parts)) + "\n"


def thumbnail(figure: Path, image: Path) -> None:
    """A small image of a figure: its upper part, if it is high."""
    with Image.open(figure) as whole:
        width, height = THUMBNAIL
        scaled = max(1, round(whole.height * width / whole.width))
        small = whole.convert("RGB").resize((width, scaled))
        small.crop((0, 0, width, min(height, scaled))).save(image)


def card(script: Path, images: Path, link: str) -> str:
    title = (ast.get_docstring(ast.parse(script.read_text("utf-8"))) or "").partition("\n")[0]
    text = f"   .. grid-item-card:: {title}\n      :link: {link}\n      :link-type: doc\n"
    if shown := figures(script):
        image = images / f"{script.stem}_thumb.png"
        thumbnail(shown[0], image)
        text += f"      :img-top: {image.relative_to(DOCS / 'gallery')}\n      :img-alt:\n"
    return text


def write(printed: dict[Path, str]) -> None:
    """The pages of the gallery, docs/gallery/, of what each script has printed."""
    home = DOCS / "gallery"
    shutil.rmtree(home, ignore_errors=True)
    index, links = "", []
    for source in (ROOT / "examples", ROOT / "examples" / "learning"):
        pages = home / source.relative_to(ROOT / "examples")
        images = pages / "images"
        images.mkdir(parents=True)
        header = (source / "GALLERY_HEADER.rst").read_text("utf-8")
        index += f"{header}\n.. grid:: 1 2 3 3\n   :gutter: 2\n\n"
        for script in [path for path in examples() if path.parent == source]:
            text = page_text(script, printed[script], images)
            (pages / f"{script.stem}.rst").write_text(text, "utf-8")
            links.append((pages / script.stem).relative_to(home).as_posix())
            index += card(script, images, links[-1]) + "\n"
    contents = "".join(f"   {link}\n" for link in links)
    index += f".. toctree::\n   :hidden:\n\n{contents}"
    (home / "index.rst").write_text(index, "utf-8")
