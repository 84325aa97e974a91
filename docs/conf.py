"""How Sphinx builds the pages: `make docs` writes docs/_build/html."""

import importlib.metadata

project = "tinygrad_edu"
release = importlib.metadata.version("tinygrad_edu")
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "tinygrad_edu"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
