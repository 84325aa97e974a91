"""The playground of points in Chromium: its plane, its features, and its numbers beside ours."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from screen import SCREENSHOTS, Show, complaints, playgrounds, said

from tinygrad_edu import nn, replay
from tinygrad_edu.playground import playground
from tinygrad_edu.playground.points import features

SIZES = (2, 8, 6, 2)


def moons(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Two half circles that reach into each other, off by N(0, 0.2²)."""
    lower, angle = np.arange(n) % 2, rng.uniform(0, np.pi, n)
    x, y = np.cos(angle), np.sin(angle)
    points = np.where(lower, [1 - x, 0.5 - y], [x, y]).T
    return points + rng.normal(0, 0.2, (n, 2)), lower


def network(rng: np.random.Generator) -> nn.Sequential:
    layers = [nn.Linear(a, b, rng=rng) for a, b in itertools.pairwise(SIZES)]
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a network that has learned the two moons."""
    rng = np.random.default_rng(0)
    points, labels = moons(600, rng)
    model, cost = network(rng), nn.CrossEntropy()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.03)

    @replay
    def step(x: Any, y: Any) -> None:
        optimizer.zero_grad()
        cost(model(x), y).backward()
        optimizer.step()

    for _ in range(300):
        step(points, labels)
    path = tmp_path_factory.mktemp("points") / "moons.html"
    playground(model, points, labels, save=path, names=["upper moon", "lower moon"])
    return path


@pytest.fixture
def show(browser: Browser, trained: Path) -> Iterator[Show]:
    with playgrounds(browser, trained) as opened:
        yield opened


def keep(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"points_{name}.png", full_page=True)


def with_weights(numbers: Any) -> nn.Sequential:
    """A network with a page's weights, told of seven features."""
    model = network(np.random.default_rng(0))
    model[0].weight.data = np.zeros((SIZES[1], 7))
    start = 0
    for p in model.parameters():
        p.data = np.array(numbers[start : start + p.size]).reshape(p.shape)
        start += p.size
    return model


def test_cost_gradient_and_field_are_the_engines(show: Show) -> None:
    page = show("#image=4&t=8")
    model = with_weights(page.evaluate("[...P]"))
    x, label, chosen = page.evaluate("[[...S.x], S.label, [...plane.chosen]]")
    cost = nn.CrossEntropy()(model(np.array([x])), np.array([label]))
    assert page.evaluate("costNow()") == pytest.approx(cost.item(), abs=1e-12)
    slopes = np.concatenate([g.data.ravel() for g in cost.gradient(*model.parameters())])
    np.testing.assert_allclose(page.evaluate("[...S.back.gradient]"), slopes, atol=1e-9)
    cells = np.array(page.evaluate("[...cellPoints()]")).reshape(-1, 2)
    shares = nn.Softmax()(model(features(cells, np.array(chosen)))).data
    found = np.array(page.evaluate("[...fieldNow()[DEPTH]]")).reshape(-1, 2)
    np.testing.assert_allclose(found, shares, atol=1e-9)


def test_a_place_in_the_plane_is_told_apart_and_answered(show: Show) -> None:
    page = show()
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.93 * box["height"])
    assert "It takes it for lower moon" in said(page) and "really?" in said(page)
    page.locator("#digits button").first.click()
    assert "but you say it is upper moon" in said(page)
    page.locator("#next").click()
    assert "From the cost backward" in said(page)
    keep(page, "own_point")


def test_a_click_beside_a_point_takes_the_point(show: Show) -> None:
    page = show()
    place = page.evaluate("pointAt(7).map((v, n) => (n ? planeY : planeX)(v, 1))")
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.click(box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"])
    assert page.evaluate("[S.source, S.label === LABELS[S.index]]") == ["sample", True]


def test_the_whole_way_by_keyboard_alone(show: Show) -> None:
    page = show()
    press = page.keyboard.press
    page.locator("#pad").focus()
    press("ArrowRight")
    press("Shift+ArrowUp")
    assert page.evaluate("S.source") == "drawn"
    assert page.locator("#spoken").inner_text().startswith("x₁ ")
    press("Enter")
    assert page.evaluate("S.source") == "sample" and "is a cost of" in said(page)
    for _ in range(4):
        press("b")
    assert "The gradient is complete: 132 numbers" in said(page)
    before, weights = page.evaluate("[costNow(), [...P]]")
    press("s")
    assert page.evaluate("costNow()") < before
    moved = int(np.sum(page.evaluate("[...P]") != np.array(weights)))
    assert moved == 132 - 5 * 8 and f"{moved} of 132 numbers moved" in said(page)
    press("u")
    assert page.evaluate("costNow()") == before
    page.locator(".inputs .feature").nth(2).focus()
    press("Enter")
    assert page.evaluate("[...plane.chosen]") == [1, 1, 1, 0, 0, 0, 0]
    page.locator("#pad").focus()
    press("Delete")
    assert "Point at a place" in said(page)


def test_its_words_are_those_of_two_classes_of_points(show: Show) -> None:
    page = show("#view=train&seed=1")
    assert page.locator("dl.keys dt").first.inner_text() == "0…1"
    assert "moves 92 of 132 numbers" in said(page)
    worse = page.evaluate("""SENTENCES.stepped(
        {many: 1, rate: 1, from: 1, to: 0, others: 9, lost: 3, gain: 0})""")
    assert "good for one point" in str(worse)


def test_features_noise_and_regularisation_reach_the_training(show: Show) -> None:
    page = show("#view=train&seed=1")
    page.locator("#told .feature").nth(4).click()
    before = np.array(page.evaluate("[...plane.points]"))
    page.evaluate("""() => {
        for (const [id, value] of [["spread", 0.2], ["penalty", 5]]) {
            $(id).value = value;
            $(id).dispatchEvent(new Event("input"));
        }
    }""")
    noise = np.array(page.evaluate("[...plane.noise]"))
    size = page.evaluate("plane.size")
    assert 0.1 < size < 0.3
    np.testing.assert_allclose(page.evaluate("[...plane.points]"), before + size * noise)
    start, batches, end, told = page.evaluate("""() => {
        fresh();
        const start = [...T.weights], batches = [];
        for (let n = 0; n < 100; n++) {
            const {inputs, targets} = nextBatch();
            trainOn(T.weights, inputs, targets, 32, 0.3);
            batches.push(T.order.slice(T.at - 32, T.at));
        }
        return [start, batches, [...T.weights], [...X]];
    }""")
    measured, labels = page.evaluate("[MEASURED, LABELS]")
    model = with_weights(start)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.3)
    x = np.array(told).reshape(-1, 7)
    np.testing.assert_allclose(x, features((before + size * noise).reshape(-1, 2), x.any(axis=0)))
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    for chosen in batches:
        which = np.array(chosen) + measured
        optimizer.zero_grad()
        cost = nn.CrossEntropy()(model(x[which]), np.array(labels)[which])
        (cost + 0.015 * sum((w * w).sum() for w in weights)).backward()
        optimizer.step()
    ours = np.concatenate([p.data.ravel() for p in model.parameters()])
    np.testing.assert_allclose(end, ours, atol=1e-4)


def test_from_noise_it_learns_where_the_moons_part(show: Show) -> None:
    page = show("#view=train&seed=1")
    page.evaluate("""() => {
        $("rate2").value = Math.log10(0.5);
        for (let n = 0; n < 3000; n++) trainOnce();
        evaluate(); drawTraining(); tellTraining(true);
    }""")
    keep(page, "trained")
    assert page.evaluate("T.right") > 0.94 and "points that it never learns from" in said(page)
    page.locator("#adopt").click()
    assert page.evaluate("S.right") > 90
    keep(page, "adopted")


def test_by_touch_a_point_is_dragged(show: Show) -> None:
    page = show(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    pad = page.locator("#pad")
    pad.scroll_into_view_if_needed()
    scrolled, box = page.evaluate("scrollY"), pad.bounding_box()
    assert box
    client = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.05), ("touchMove", 0.1), ("touchMove", 0.9)):
        at = {"x": box["x"] + share * box["width"], "y": box["y"] + 0.95 * box["height"]}
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("scrollY") == scrolled
    assert page.evaluate("plane.at[0] > DATA.plane[0]") and "It takes it for" in said(page)
    small = page.evaluate("""[...document.querySelectorAll("button, input")].filter(e => {
        const {width, height} = e.getBoundingClientRect();
        return width && (width < 44 || height < 44);
    }).filter(e => !e.matches(".neuron, .digit, .term[data-plain], input")).length""")
    assert small == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_six_classes_have_six_marks(show: Show, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(360) % 6
    angle = labels * np.pi / 3
    points = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.4, (360, 2))
    model = nn.Sequential(nn.Linear(2, 10, rng=rng), nn.ReLU(), nn.Linear(10, 6, rng=rng))
    playground(model, points, labels, save=tmp_path / "page.html")
    page = show("#view=train&seed=2", tmp_path / "page.html")
    page.evaluate("for (let n = 0; n < 500; n++) trainOnce(); evaluate(); drawTraining()")
    assert page.evaluate("T.right") > 0.9
    keep(page, "six_classes")


HEARD = [
    "tells points apart",
    "The gradient is complete",
    'application "the plane"',
    "Arrow keys move a point of your own",
    "the network says upper moon, wrong",
    'group "Features"',
    'button "x₁" [pressed]',
    'button "x₁ x₂"',
    "layer 1, neuron 1: activation",
    "output lower moon: activation",
    'button "lower moon: the right answer"',
]


def test_what_a_screen_reader_finds_tells_the_story_in_its_order(show: Show) -> None:
    tree = show("#image=49&t=8").locator("body").aria_snapshot()
    at = 0
    for part in HEARD:
        at = tree.find(part, at)
        assert at >= 0, f"{part}\n{tree}"


STATES = {
    "empty": "",
    "forward": "#image=3",
    "backward": "#image=49&t=8&neuron=1.2",
    "code": "#image=49&t=7&tab=program",
    "training": "#view=train&seed=1",
}


@pytest.mark.parametrize("width", [1280, 480])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(show: Show, state: str, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 800}
    page = show(STATES[state], viewport=size, color_scheme=scheme, bypass_csp=True)
    keep(page, f"{state}_{scheme}_{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints(page) == []
