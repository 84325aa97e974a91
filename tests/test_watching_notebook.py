"""A run in a notebook's cell: a picture in place, then the page; with anywidget, messages.

The kernel's part is played by these tests; tests/browser has the view itself.
"""

import sys
import types
import xml.etree.ElementTree as ET

import pytest
from watched import set_clock_of, watched

from tinygrad_edu.watching import widget
from tinygrad_edu.watching.still import still_svg


class Shown(list):
    """What was displayed, and what it was replaced by."""

    def __call__(self, bundle, raw, display_id):
        self.append(bundle)
        return types.SimpleNamespace(update=lambda bundle, raw: self.append(bundle))


@pytest.fixture
def shown(monkeypatch):
    found = Shown()
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=found))
    monkeypatch.setitem(sys.modules, "anywidget", None)
    return found


def displayed(run):
    run.cell = widget.CellDisplay()
    run.listeners.append(run.cell.show)
    run.cell.show(run.snapshot())
    return run


def test_without_anywidget_a_picture_is_replaced_in_place_and_at_last_by_the_page(
    shown, monkeypatch
):
    now = set_clock_of(widget, monkeypatch)
    run = displayed(watched(3, every=1000.0))
    for _ in range(13):
        run.log(loss=1.0)
    assert len(shown) == 2  # at most one a second
    now[0] = 2.0
    for _ in range(16):
        run.log(loss=1.0)
    assert len(shown) == 3 and all("<svg" in bundle["image/svg+xml"] for bundle in shown)
    run.log(loss=1.0)
    run.finish()
    assert 'sandbox="allow-scripts" srcdoc=' in shown[-1]["text/html"]
    assert shown[-1]["text/plain"] == "<Run Sequential: 33 steps, 8 frames>"


def test_with_anywidget_frames_are_messages_with_their_bytes(shown, monkeypatch):
    sent, closed = [], []

    class View:
        def __init__(self, page, key):
            self.page, self.close = page, lambda: closed.append(key)

        def _repr_mimebundle_(self):
            return {"application/vnd.jupyter.widget-view+json": {}}, {}

        def send(self, content, buffers):
            sent.append((content, buffers))

    monkeypatch.setattr(widget, "run_view_class", lambda: View)
    run = displayed(watched(3, every=1000.0))
    view = run.cell.view
    run.log(loss=1.0)
    assert view.page["runs"][0]["frames"]["step"] == [0, 1, 2]
    ((content, buffers),) = sent
    shape, _, _, number = content["head"]["maps"]["2.weight|value"]
    assert content["head"]["step"] == 4 and shape == [4, 8] and len(buffers[number]) == 32
    run.finish()
    assert len(closed) == 1 and "text/html" in shown[-1]
    for _ in range(4):
        run.log(loss=1.0)  # in another cell
    assert run.cell.view is not None and len(shown) == 3


def test_the_picture_has_all_that_stands_out():
    run = watched(30, name="<&>")
    text = still_svg(run.snapshot())
    assert "&lt;&amp;&gt;" in text and "0 Linear" in text and text.count("<image") == 10
    ET.fromstring(text)
