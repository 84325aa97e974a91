"""The page of a picture in a real browser: zoom, folding, search, values and paths, by keys alone.

Screenshots are kept in build/browser/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from screen import SCREENSHOTS, complaints, listen
from test_graph import HOSTILE, neuron, parameter
from test_pictures import transformer

from tinygrad_edu import draw, nn, stepper
from tinygrad_edu.graph import read
from tinygrad_edu.graph.page.page import picture_page

Open = Callable[..., Page]
FRAMES = """async count => {
    const times = [];
    let before = performance.now();
    for (let i = 0; i < count; i++) {
        panBy(i % 2 ? 37 : -31, i % 3 ? -53 : 47);
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        times.push(now - before);
        before = now;
    }
    return times.sort((a, b) => a - b);
}"""


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page; at the end, it must have said nothing and asked for nothing."""
    noise: list[str] = []

    def opened(made: str, address: str = "", **options: Any) -> Page:
        (tmp_path / "graph.html").write_text(made, encoding="utf-8")
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        page = browser.new_page(**usual | options)
        listen(page, noise)
        page.goto((tmp_path / "graph.html").as_uri() + address)
        return page

    yield opened
    assert not noise


def small() -> Any:
    """A model of three layers."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    x, y = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros((2, 1))
    loss = nn.MSE()(model(x), y)
    return draw(loss)


def chosen(page: Page) -> str:
    return page.locator("#panel h2").first.inner_text()


def keys(page: Page, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 480)])
def test_axe_finds_nothing_in_the_pages(show: Open, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 800}
    made = {"picture": small().html(), "numbers": draw(neuron()[0]).html()}
    made["steps"] = stepper(neuron()[0]).html
    head = "<!DOCTYPE html><html lang=en><title>a picture</title>"
    made["svg"] = f"{head}<main><h1>a</h1>{small().svg()}"
    for name, text in made.items():
        page = show(text, color_scheme=scheme, viewport=size)
        if name == "picture":
            keys(page, "ArrowDown", "ArrowDown")
        assert complaints(page) == [], name
        page.screenshot(path=SCREENSHOTS / f"page_{name}_{scheme}_{width}.png")
        page.close()


def test_arrow_keys_follow_edges_and_the_panel_tells(show: Open) -> None:
    page = show(draw(neuron()[0]).html())
    keys(page, "ArrowLeft")  # from nothing: the output
    assert chosen(page) == "L"
    keys(page, "ArrowLeft", "ArrowLeft")
    assert chosen(page) == "s" and page.url.endswith("#s")
    keys(page, "ArrowLeft")
    first = chosen(page)
    keys(page, "ArrowDown")
    assert {first, chosen(page)} == {"p1", "p2"}
    assert "local derivative" in page.locator("#panel").inner_text()
    assert page.locator("#panel math").count() > 0
    assert page.evaluate("document.activeElement.id").startswith("n")
    keys(page, "Escape")
    assert chosen(page) == "A computation graph"


def test_hovering_tells_the_line_of_code_and_the_partial(show: Open) -> None:
    x = parameter(3.0, "x")
    y = np.exp(x)
    page = show(draw(y).html())
    page.locator("#n1").hover()
    told = page.locator("#panel").inner_text()
    assert "y = np.exp(x)" in told and "test_picture_browser.py:" in told
    assert "lambda g, z, x: g * z" in told and chosen(page) == "y"
    page.mouse.move(2, 2)
    assert chosen(page) == "A computation graph"


def test_two_values_show_the_paths_between_them_and_their_product(show: Open) -> None:
    x = parameter(3.0, "x")
    y = np.exp(x) * x
    page = show(draw(y).html())
    page.locator("#n0").click()
    page.locator("#n2").click(modifiers=["Shift"])
    told = page.locator("#panel").inner_text()
    assert "2 paths" in told and "∂y/∂x = 80.342" in told and "20.086 × 3 = 60.257" in told
    assert page.locator(".edge.way").count() == 3
    assert page.url.endswith("#x&to=y")
    by_keys = show(draw(y).html())
    keys(by_keys, "ArrowLeft", "p", "ArrowLeft", "ArrowLeft", "p")
    assert "∂y/∂x" in by_keys.locator("#panel").inner_text()


def test_a_module_is_folded_and_unfolded_by_click_and_by_enter(show: Open) -> None:
    page = show(small().html())
    level = page.locator("#level")
    start = level.inner_text()
    page.locator("#less").click()
    folded = level.inner_text()
    assert folded != start
    box = page.locator(".node.module").first
    box.click()
    assert level.inner_text() != folded
    keys(page, "[")
    page.locator(".node.module").first.focus()
    before = level.inner_text()
    keys(page, "Enter")
    assert level.inner_text() != before
    page.locator(".frame-title").first.click()
    assert page.locator(".node.module, .node.output").count() > 0


def test_search_finds_what_is_folded_and_a_link_shows_the_same_place(show: Open) -> None:
    page = show(draw(transformer(2)).html())
    page.locator("#find").fill("attention")
    assert "found" in page.locator("#found").inner_text()
    assert page.locator(".halo.hit").count() > 0
    keys(page, "Enter")
    address = page.url[page.url.index("#") :]
    assert "find=attention" in address
    again = show(draw(transformer(2)).html(), address)
    assert chosen(again) == chosen(page) and again.locator("#find").input_value() == "attention"


def test_wheel_keys_and_buttons_zoom_and_move(show: Open) -> None:
    page = show(small().html())
    scale = "view.scale"
    start = page.evaluate(scale)
    keys(page, "+")
    assert page.evaluate(scale) > start
    page.locator("#out").click()
    assert page.evaluate(scale) == pytest.approx(start)
    page.mouse.move(400, 400)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(f"{scale} > {start} * 1.5")
    x = page.evaluate("view.x")
    page.mouse.down()
    page.mouse.move(460, 420)
    page.mouse.up()
    assert page.evaluate("view.x") == pytest.approx(x + 60)
    keys(page, "0")
    for target in page.locator("button:visible").all():
        box = target.bounding_box()
        assert box and box["width"] >= 44 and box["height"] >= 44


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_in_the_page(show: Open, name: str) -> None:
    page = show(draw((parameter(2.0, name) * 3 + 1) ** 2).html())
    page.on("dialog", lambda dialog: pytest.fail("a name ran a script"))
    keys(page, "ArrowRight")
    assert page.locator("script").count() == 2 and page.locator("#canvas > svg").count() == 1


def test_two_thousand_values_move_without_a_layout(show: Open) -> None:
    z = x = parameter(np.linspace(-1, 1, 12).reshape(3, 4), "x")
    for _ in range(1000):
        z = np.tanh(z * 1.1)
    graph = read(z)
    page = show(picture_page(graph, graph))
    assert page.locator(".node").count() == len(graph.nodes) == 2001 and x.grad is None
    counts = page.context.new_cdp_session(page)
    counts.send("Performance.enable")

    def layouts() -> float:
        found = counts.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in found if one["name"] == "LayoutCount")

    page.evaluate(FRAMES, 5)
    before = layouts()
    times = page.evaluate(FRAMES, 60)
    print(f"2,001 boxes: median {times[30]:.1f} ms, 90 % below {times[54]:.1f} ms a frame")
    assert layouts() - before <= 2
