"""Open a page: in the browser, or below a notebook's cell."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any


def show_page(page: str, in_notebook: Callable[[str], Any]) -> Any:
    """Open a page in the browser, from a file that stays until the system clears it away.

    In a notebook the result is what its cell shows: in_notebook(page).
    """
    if runs_in_notebook():
        return in_notebook(page)
    path = Path(tempfile.mkdtemp(prefix="tinygrad_edu_")) / "graph.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    webbrowser.open(path.as_uri())
    return None


def runs_in_notebook() -> bool:
    """Whether IPython runs with a kernel: then there is somebody who shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")
