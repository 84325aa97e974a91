"""What an error means, at greater length: the sections of errors.md, a page of the docs too."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

__all__ = ["explain"]


class Section(str):
    """Text that shows itself as it is, at the prompt; a notebook shows it as a page."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def explain(section: str) -> str:
    """Show more about an error: code that fails, why it fails, and code that works.

    The error's message names the section. ValueError for an unknown name: it lists all names.

    >>> from tinygrad_edu import errors
    >>> errors.explain("shape-mismatch").splitlines()[0]
    '## Shape mismatch'
    """
    text = Path(__file__).with_name("errors.md").read_text("utf-8")
    titles = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    found = {title_name(part.partition("\n")[0]): part for part in titles}
    if section not in found:
        near = get_close_matches(section, found, n=1)
        names = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"no section is named {section!r}: {names}There are {', '.join(found)}")
    return Section(found[section].replace("\n\n```\n", "\n```\n").strip())


def title_name(title: str) -> str:
    """The name of a section: "## One number" is one-number."""
    return title.removeprefix("## ").lower().replace(" ", "-")
