"""The page of a picture: its numbers are the engine's, it asks for nothing, and names are text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_graph import HOSTILE, neuron, parameter
from test_pictures import transformer

from tinygrad_edu import detect_anomaly, draw, nn
from tinygrad_edu.graph import Picture, opening, read
from tinygrad_edu.graph.stepping.stepper import policy_hash


def page_data(page: str) -> Any:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


class Elements(HTMLParser):
    """The tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


def test_the_page_tells_the_numbers_of_the_engine() -> None:
    L, _ = neuron()
    things = page_data(draw(L).html())["things"]
    for node in read(L).nodes:
        assert float(things[node.id]["value"].replace("−", "-")) == pytest.approx(node.value, 1e-5)
        if node.gradient is not None:
            told = float(things[node.id]["gradient"].replace("−", "-"))
            assert told == pytest.approx(float(node.gradient), 1e-5)


def lines(picture: Picture) -> dict[str, str]:
    """What stands behind the place in the line of each value that has one."""
    found = page_data(picture.html())["things"].values()
    return {x["name"]: x["line"].partition(": ")[2] for x in found if "line" in x}


def test_the_page_tells_the_line_that_bound_a_variable_if_it_is_the_only_one() -> None:
    x = parameter(3.0)
    s = x * x + 1.0
    h = x
    h = np.sin(s)
    y = s * h
    assert lines(draw(y)) == {"x": "x = parameter(3.0)", "s": "s = x * x + 1.0", "y": "y = s * h"}


def test_a_variable_that_is_bound_again_or_below_has_no_line() -> None:
    for y in (parameter(1.0), parameter(2.0) * 3):
        drawn = lines(draw(y)) if y.operation else {}
        x = y
    assert drawn == {"y": "for y in (parameter(1.0), parameter(2.0) * 3):"} and x is y


def test_every_operation_that_draw_or_anomaly_mode_has_seen_has_its_line() -> None:
    def model(x: Any) -> Any:
        z = np.sin(x) * 2.0
        return np.exp(z)

    code = ["z = np.sin(x) * 2.0"] * 2 + ["return np.exp(z)"]
    assert [*lines(draw(model, np.ones(2))).values()] == code
    with detect_anomaly():
        watched = model(parameter(1.0, "x"))
    assert [*lines(draw(watched)).values()] == code


def test_every_depth_has_its_layout_and_the_page_opens_where_the_picture_stands() -> None:
    picture = draw(transformer(3))
    page = picture.html()
    data = page_data(page)
    sizes = [len(level["nodes"]) for level in data["levels"]]
    assert sizes == sorted(sizes) and sizes[-1] == len(read(transformer(3)).nodes)
    assert page.count("<template>") == len(sizes) > 4
    assert {*data["levels"][data["start"]]["nodes"]} == {node.id for node in picture.graph.nodes}
    for level in data["levels"]:
        known = {*level["nodes"]}
        assert all({edge[1], edge[2]} <= known for edge in level["edges"])
        assert known <= data["things"].keys() | level["own"].keys()


def test_the_page_asks_for_nothing_and_runs_only_its_own_script() -> None:
    page = draw(neuron()[0]).html()
    addresses = set(re.findall(r"https?://[^\"'<\s]*", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
    assert "default-src 'none'" in page
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(inside) == 1 and policy_hash(inside[0]) in page
    assert not re.search(r"<[^>]+ style=", page)


@pytest.mark.parametrize("name", [*HOSTILE, "{{data}}", "{{script}}", "</template><b>"])
def test_a_hostile_name_changes_no_element_of_the_page(name: str) -> None:
    def tags(name: str) -> list[str]:
        return Elements(draw(np.exp(parameter(1.0, name) - 2)).html()).tags

    assert tags(name) == tags("plain")


def test_a_large_graph_has_details_for_as_many_boxes_as_can_be_read() -> None:
    page = draw(transformer(3), depth=1).html()
    data = page_data(page)
    assert data["start"] == 0
    assert any("formula" in thing for thing in data["things"].values())
    assert all("spoken" in thing for thing in data["things"].values())


def test_a_page_is_saved_as_html(tmp_path: Path) -> None:
    picture = draw(parameter(1.0, "x") * 2)
    picture.save(tmp_path / "graph.html")
    assert (tmp_path / "graph.html").read_text("utf-8") == picture.html()


def test_show_opens_the_browser_and_in_a_notebook_shows_a_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(opening.webbrowser, "open", opened.append)
    picture = draw(nn.Linear(2, 1)(np.ones((1, 2))))
    assert picture.show() is None
    assert opened[0].startswith("file:") and opened[0].endswith("graph.html")
    monkeypatch.setattr(opening, "runs_in_notebook", lambda: True)
    frame = picture.show()._repr_html_()
    assert frame.startswith('<iframe sandbox="allow-scripts"') and len(opened) == 1


def test_the_same_graph_gives_the_same_page() -> None:
    assert draw(neuron()[0]).html() == draw(neuron()[0]).html()
