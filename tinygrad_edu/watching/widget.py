"""A run in a notebook: a view that grows while the cell runs, or a picture where anywidget lacks.

The view is an anywidget (`pip install '.[notebook]'`): each frame is a message with the maps' bytes
beside it. Without it the cell shows a picture of the newest frame, drawn anew once a second. When
the training ends, the whole page takes its place, which outlives the kernel.
"""

from __future__ import annotations

from secrets import token_hex
from time import monotonic
from typing import Any

from tinygrad_edu.graph.pictures.heat import DIVERGING
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.watching.encoding import Snapshot, frame_data, run_data
from tinygrad_edu.watching.kept import framed
from tinygrad_edu.watching.page import joined_scripts, run_page, style_sheet, watching_asset
from tinygrad_edu.watching.still import still_svg

PAUSE_OF_STILL = 1.0  # seconds between two pictures


class CellDisplay:
    """What shows a run in the cell that is running; a run that goes on in another cell, there."""

    def __init__(self) -> None:
        self.handle: Any = None  # of what is displayed, while the cell runs
        self.view: Any = None  # the widget, if there is one
        self.next = 0.0

    def show(self, run: Snapshot) -> None:
        if self.handle is None:
            self.begin(run)
        elif self.view is not None:
            head, buffers = frame_data(run)
            self.view.send({"head": head}, buffers)
        elif monotonic() >= self.next:
            self.next = monotonic() + PAUSE_OF_STILL
            self.handle.update(still_bundle(run), raw=True)

    def begin(self, run: Snapshot) -> None:
        from IPython.display import display

        try:
            self.view = run_view_class()(
                page={"runs": [plain_data(run)], "stops": DIVERGING}, key=token_hex(8)
            )
            shown = self.view._repr_mimebundle_()
            bundle = shown[0] if isinstance(shown, tuple) else shown
        except ImportError:
            bundle = still_bundle(run)
        self.handle = display(bundle, raw=True, display_id=True)

    def end(self, run: Snapshot) -> None:
        """Put the whole page in the view's place: a saved notebook keeps it."""
        if self.handle is not None:
            page = framed(run_page([run_data(run)]))
            self.handle.update({"text/html": page, "text/plain": repr_of(run)}, raw=True)
        if self.view is not None:
            self.view.close()
        self.handle = self.view = None


class MarimoDisplay:
    """What shows a run below its cell in marimo: a picture once a second, in the end the page."""

    def __init__(self) -> None:
        self.next = 0.0

    def show(self, run: Snapshot) -> None:
        if monotonic() >= self.next:
            self.next = monotonic() + PAUSE_OF_STILL
            put_below_cell(still_svg(run))

    def end(self, run: Snapshot) -> None:
        put_below_cell(framed(run_page([run_data(run)])))


def put_below_cell(html: str) -> None:
    import marimo

    marimo.output.replace(marimo.Html(html))


def still_bundle(run: Snapshot) -> dict[str, str]:
    return {"image/svg+xml": still_svg(run), "text/plain": repr_of(run)}


def repr_of(run: Snapshot) -> str:
    return f"<Run {run.name}: {run.steps:,} steps, {len(run.frames)} frames>"


def plain_data(run: Snapshot) -> dict[str, Any]:
    """The data of a run without tuples, as a widget's messages need it."""
    import json

    data: dict[str, Any] = json.loads(json.dumps(run_data(run), allow_nan=False))
    return data


def run_view_class() -> Any:
    """The widget's class, made when it is first asked for: anywidget is imported here alone."""
    import anywidget
    import traitlets

    class RunView(anywidget.AnyWidget):  # type: ignore[misc]
        _esm = joined_scripts() + watching_asset("widget.js")
        _css = scoped_themes() + style_sheet()
        page = traitlets.Dict().tag(sync=True)
        key = traitlets.Unicode().tag(sync=True)

    return RunView


def scoped_themes() -> str:
    """The themes as CSS variables of the view alone; the script says which one holds."""
    from tinygrad_edu.graph.pictures.themes import css_variables

    blocks = [
        f'.watching[data-theme="{theme}"] {{'
        + "".join(f"{name}:{colour};" for name, colour in css_variables(THEMES[theme]).items())
        + "}\n"
        for theme in ("light", "dark")
    ]
    return "".join(blocks)
