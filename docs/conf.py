"""How Sphinx builds the pages: `make docs` writes docs/_build/html."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import derivative_table

project = "tinygrad_edu"
release = importlib.metadata.version("tinygrad_edu")
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
default_role = "code"  # one backtick in a docstring
html_theme = "furo"
html_title = "tinygrad_edu"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
myst_heading_anchors = 3
numpydoc_show_class_members = False


def escape_bars(app, what, name, obj, options, lines):
    """|x| in a docstring is an absolute value, not a substitution."""
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else line.replace("|", r"\|") for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("builder-inited", lambda app: derivative_table.write(app.srcdir))
