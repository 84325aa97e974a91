"""How Sphinx builds the pages: `make docs` writes docs/_build/html, with docs/ on PYTHONPATH."""

import importlib.metadata
import re
from pathlib import Path

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


FOR_READERS_OF_SCREENS = {  # the theme's HTML, and what tells such a reader what it is
    "<pre>": '<pre tabindex="0">',  # wider than its place, it is moved by keys
    '<aside class="sidebar-drawer': '<aside aria-label="All pages" class="sidebar-drawer',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<div id="search-results">': '<h1>Search</h1><div id="search-results">',
    '<div class="content-icon': '<div role="region" aria-label="Source, theme" class="content-icon',
}


def tell_readers_of_screens(app, error):
    """Give each part of a page the name and the focus that it needs without eyes or mouse."""
    for page in [] if error else Path(app.outdir).rglob("*.html"):
        if page.is_relative_to(Path(app.outdir) / "_static"):
            continue
        text = page.read_text("utf-8")
        for theirs, ours in FOR_READERS_OF_SCREENS.items():
            text = text.replace(theirs, ours)
        page.write_text(text, "utf-8")


def setup(app):
    app.connect("source-read", close_up)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-process-signature", short_aliases)
    app.connect("build-finished", tell_readers_of_screens)
    app.connect("config-inited", lambda app, _: derivative_table.write(app.srcdir))
