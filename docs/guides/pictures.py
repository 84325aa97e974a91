"""Writes the pictures of drawing.md while the pages are built, by running the code that the page shows."""

import doctest
from pathlib import Path

from tinygrad_edu.graph import Picture

PAGE = Path(__file__).with_name("drawing.md")


def shown():
    """Every picture that the page's code gives a name, by that name."""
    variables = {}
    for example in doctest.DocTestParser().get_examples(PAGE.read_text(encoding="utf-8")): exec(example.source, variables)
    return {name: x for name, x in variables.items() if isinstance(x, Picture)}


def write(folder):
    for name, picture in shown().items(): picture.save(Path(folder, "guides", f"{name}.svg"))
