"""Writes the pictures of pages while they are built, by running the code that the pages show."""

import doctest
import io
from contextlib import redirect_stdout
from pathlib import Path

from tinygrad_edu.graph import Picture

DOCS = Path(__file__).parent
FIRST = """
from tinygrad_edu import draw, stepper
for theme in ("light", "dark"): draw(y, theme=theme).save(folder / f"first-{theme}.svg")
stepper(y).save(folder / "first-steps.html")
"""


def variables(page):
    """What a page's code leaves behind, by name."""
    examples, found = doctest.DocTestParser().get_examples((DOCS / page).read_text(encoding="utf-8")), {}
    with redirect_stdout(io.StringIO()):
        for example in examples: exec(example.source, found)
    return found


def write(folder):
    """The graph of the first page and its steps, and every picture that the guide to drawing gives a name."""
    exec(FIRST, variables("index.md") | {"folder": Path(folder, "_static")})
    for name, picture in variables("guides/drawing.md").items():
        if isinstance(picture, Picture): picture.save(Path(folder, "guides", f"{name}.svg"))
