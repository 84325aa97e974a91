"""A page within a notebook's output: in a frame of its own, which outlives the kernel."""

from __future__ import annotations

import html


def frame_of_page(page: str, title: str, height: int) -> str:
    """A frame whose page runs its scripts and reaches nothing outside; the height is in pixels."""
    return (
        f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(page)}" width="100%" '
        f'height="{height}" title="{title}" frameborder="0"></iframe>'
    )


class PageInNotebook:
    """What a notebook shows: a page in a frame."""

    def __init__(self, page: str, title: str, height: int) -> None:
        self.page, self.title, self.height = page, title, height

    def _repr_html_(self) -> str:
        return frame_of_page(self.page, self.title, self.height)
