"""How Sphinx builds the pages: `make docs` writes docs/_build/html, with docs/ on PYTHONPATH."""

import importlib.metadata
import re

import derivative_table

project = "tinygrad_edu"
release = importlib.metadata.version("tinygrad_edu")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_design",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
default_role = "code"  # one backtick in a docstring
html_theme = "furo"
html_title = "tinygrad_edu"
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "attrs_inline"]
numpydoc_show_class_members = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    name: name for name in ("Array", "ArrayLike", "DTypeLike", "Function", "Parameters", "Partial")
}


def escape_bars(app, what, name, obj, options, lines):
    """|x| in a docstring is an absolute value, not a substitution."""
    lines[:] = [
        line if line.lstrip().startswith((">>>", "...")) else line.replace("|", r"\|")
        for line in lines
    ]


def short_aliases(app, what, name, obj, options, signature, returns):
    """Tensor | Array, as the source has it."""

    def short(text):
        return text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text)

    return short(signature), short(returns)


def close_up(app, page, text):
    """The empty line that ends a doctest within a block of code isn't shown."""
    text[0] = text[0].replace("\n\n```\n", "\n```\n")


def setup(app):
    app.connect("source-read", close_up)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-process-signature", short_aliases)
    app.connect("config-inited", lambda app, _: derivative_table.write(app.srcdir))
