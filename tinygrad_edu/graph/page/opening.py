"""Open a page: in the browser, or below a notebook's cell."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from tinygrad_edu.graph.page.page import frame_of_page


class PageInNotebook:
    """What a notebook shows: the page in a frame."""

    def __init__(self, page: str) -> None:
        self.page = page

    def _repr_html_(self) -> str:
        return frame_of_page(self.page)


def show_page(page: str) -> Any:
    """Open a page in the browser, from a file that stays until the system clears it away.

    In a notebook the result is what its cell shows.
    """
    if runs_in_notebook():
        return PageInNotebook(page)
    folder = Path(tempfile.mkdtemp(prefix="tinygrad_edu_"))
    (folder / "graph.html").write_text(page, encoding="utf-8", newline="\n")
    webbrowser.open((folder / "graph.html").as_uri())
    return None


def runs_in_notebook() -> bool:
    """Whether IPython runs with a kernel: then there is somebody who shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
