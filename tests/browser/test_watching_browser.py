"""The page of a run in a real browser: every frame, key and size; its numbers are Python's.

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
from watched import IMAGES, LABELS, batches, classifier, training, watched

from tinygrad_edu import Tensor, nn
from tinygrad_edu.graph.pictures.heat import DIVERGING
from tinygrad_edu.watching import Run, watch
from tinygrad_edu.watching.encoding import frame_data
from tinygrad_edu.watching.page import joined_scripts, watching_asset
from tinygrad_edu.watching.widget import plain_data

HOSTILE = "</script><img src=x onerror=alert(1)>{{data}}<b>"


def learning() -> Run:
    return watched(16, name="learning", every=0.0, share=1.0)


def dead() -> Run:
    model = classifier()
    model[0].bias.data = np.full(8, -100.0, np.float32)
    return watched(16, model, name="dead", every=0.0, share=1.0)


def saturated() -> Run:
    model = classifier(hidden=(nn.Tanh,))
    model[0].weight.data = model[0].weight.data * 100
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    return watched(16, model, optimizer, name="saturated", every=0.0, share=1.0)


def exploding() -> Run:
    model = classifier()
    run = watched(20, model, name="exploding", every=0.0, share=1.0)
    model[0].weight.data = model[0].weight.data * np.nan
    run.log(loss=np.nan)
    run.finish()
    return run


def residual() -> Run:
    """Images, a convolution beside a path that skips it, no answers as a matrix."""
    rng = np.random.default_rng(0)
    inner = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, rng=rng), nn.ReLU())
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng), nn.Residual(inner), nn.Flatten(), nn.Linear(72, 4, rng=rng)
    )
    x, y, optimizer = IMAGES[:32, None], LABELS[:32], nn.optim.SGD(model.parameters(), lr=0.1)
    run = watch(model, lambda: nn.CrossEntropy()(model(x), y), optimizer, name="residual")
    step = training(model, optimizer)
    for images, labels in batches(8):
        run.log(loss=step(images.reshape(-1, 1, 8, 8), labels))
    return run


def parameters_only() -> Run:
    run = watch(classifier(), name="parameters only")
    run.log(loss=1.0)
    return run


class Branches(nn.Module):
    """What it takes is prepared, with a buffer, and then goes two ways."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.mean = Tensor(np.full(64, 0.5, np.float32))
        self.left, self.right = nn.Linear(64, 4, rng=rng), nn.Linear(64, 4, rng=rng)

    def forward(self, x: Any) -> Any:
        z = x - self.mean
        return np.tanh(self.left(z)) * self.mean[:4] + np.tanh(self.right(z))


def branches() -> Run:
    model = Branches(np.random.default_rng(0))
    return watched(8, model, name="branches", every=0.0, share=1.0)


RUNS = [learning, dead, saturated, exploding, residual, branches, parameters_only]
Show = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of a run; at the end, it must have said nothing and asked for nothing."""
    noise: list[str] = []

    def opened(kept: Any, **options: Any) -> Page:
        kept.save(tmp_path / "run.html")
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        page = browser.new_page(**usual | options)
        listen(page, noise)
        page.goto((tmp_path / "run.html").as_uri())
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    assert not noise


def keep(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"watching_{name}.png")


def frame(page: Page) -> int:
    return int(page.evaluate("view.frame"))


# Every frame


CELLS = """() => Object.fromEntries(Object.entries(view.run.maps).map(([key, map]) => [key,
    view.run.frames.step.map((_, f) => {
        const read = cellReader(map, f);
        return isThere(map, f) ? Array.from({length: map.cells}, (_, i) => String(read(i))) : null;
    })]))"""


@pytest.mark.parametrize("make_run", RUNS, ids=lambda f: f.__name__)
def test_every_frame_shows_the_numbers_that_were_seen(show: Show, make_run: Any) -> None:
    run = make_run()
    page, rows = show(run), run.observer.flow.rows
    cells = page.evaluate(CELLS)
    page.keyboard.press("Home")
    for number, seen in enumerate(run.frames):
        assert frame(page) == number
        assert f"step {seen.step:,} of {run.steps:,}" in page.locator(".where").inner_text()
        for key, m in seen.maps.items():
            there = np.array(cells[key][number], float)
            assert np.allclose(there, m.array().ravel(), atol=2.0**m.exponent / 31, equal_nan=True)
        assert page.locator(".headline b").first.inner_text() == seen.sentence[0]
        loss = seen.stats.get(rows[-1].id, {}).get("value")
        if loss is not None and np.isfinite(loss):
            shown = page.locator(".row.output .said b").first.inner_text()
            assert float(shown) == pytest.approx(loss, rel=6e-3)
        page.keyboard.press("ArrowRight")
    keep(page, make_run.__name__)
    page.keyboard.press("ArrowDown")
    keep(page, f"{make_run.__name__}_row")
    assert page.locator(".detail .sum").count() > 0


ARROWS = """() => [...document.querySelectorAll(".row")].flatMap((row, i, rows) => {
    const arrow = row.nextElementSibling?.querySelector("svg");
    return arrow ? [[row.dataset.row, rows[i + 1].dataset.row, !arrow.matches(".unrecorded")]] : [];
})"""


@pytest.mark.parametrize("make_run", RUNS, ids=lambda f: f.__name__)
def test_an_arrow_is_an_edge_and_an_edge_an_arrow(show: Show, make_run: Any) -> None:
    run = make_run()
    page, edges = show(run), run.observer.flow.edges
    rows = page.evaluate("[...document.querySelectorAll('.row')].map(row => row.dataset.row)")
    place = {row: i for i, row in enumerate(rows)}
    seen = [edge for edge in edges if edge[0] in place and edge[1] in place]
    near = [edge for edge in seen if place[edge[1]] == place[edge[0]] + 1]
    assert sorted(map(tuple, page.evaluate(ARROWS))) == sorted(near)
    assert page.locator(".arcs polygon").count() == len(seen) - len(near)
    dashed = page.locator(".arcs path.unrecorded").count()
    assert dashed == sum(not recorded for *_, recorded in set(seen) - set(near))


def test_a_step_of_nothing_is_0(show: Show) -> None:
    run = watched(0, name="still")
    for _ in range(3):
        run.log(loss=1.0)
    page = show(run)
    page.keyboard.press("End")
    assert page.locator(".row.module text.strong").first.text_content() == "0"


def test_findings_are_marks_with_a_sentence(show: Show) -> None:
    run = dead()
    page = show(run)
    told = " ".join(page.locator(".note").all_inner_texts())
    assert "▲ all 8 units are 0 for all 32 examples, and nothing flows back through them" in told
    assert "weight and bias receive a gradient of exactly 0" in told
    assert page.locator(".flags i.warning").count() >= 2
    assert page.locator(".badge", has_text="▲").count() >= 2
    head = page.locator(".row.module button.head").nth(1)
    assert "8 of 8 never on" in (head.get_attribute("aria-description") or "")


def test_a_run_that_broke_says_when_and_what_to_do(show: Show) -> None:
    page = show(exploding())
    assert page.locator(".state").inner_text() == "ended: NaN"
    assert "✕ The loss is NaN since step 21." in page.locator(".headline").inner_text()
    assert "run.rewind() puts these weights back" in page.locator(".happened").inner_text()
    assert page.locator("canvas.lost").count() > 2
    page.keyboard.press("ArrowLeft")
    assert page.locator(".happened").is_hidden() and page.locator("canvas.lost").count() == 0


def test_an_edge_that_skips_a_row_is_an_arc(show: Show) -> None:
    page = show(residual())
    page.wait_for_selector(".arcs path")
    assert page.locator(".arcs path").count() == 1 == page.locator(".row.slim").count()


# Controls


def test_keys_buttons_slider_and_curves_move_between_the_frames(show: Show) -> None:
    page = show(watched(30, every=0.0, share=1.0))
    last = frame(page)
    moves = [("Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1), ("PageDown", 11), ("PageUp", 1)]
    for key, expected in [*moves, ("End", last), ("ArrowRight", last)]:
        page.keyboard.press(key)
        assert frame(page) == expected
    for name, expected in [("first frame", 0), ("next frame", 1), ("last frame", last)]:
        page.get_by_role("button", name=name).click()
        assert frame(page) == expected
    page.get_by_label("frame", exact=True).fill("5")
    assert frame(page) == 5
    page.locator(".curve svg").first.click(position={"x": 40, "y": 40})
    assert frame(page) < 5


def test_play_goes_on_by_itself_and_space_stops_it(show: Show) -> None:
    page = show(learning())
    page.clock.install()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.clock.run_for(2200)
    assert frame(page) == 3 and page.locator(".play").inner_text() == "Pause"
    page.keyboard.press(" ")
    page.clock.run_for(5000)
    assert frame(page) == 3
    spoken = page.locator("[aria-live]")
    assert spoken.inner_text().startswith("step 4. ")
    page.locator(".play").click()
    page.clock.run_for(60_000)
    assert page.locator(".play").inner_text() == "Play"


def test_a_row_opens_to_what_the_step_does(show: Show) -> None:
    run = saturated()
    page = show(run)
    page.keyboard.press("ArrowLeft")
    page.locator("button.head").first.click()
    assert page.locator(".row.chosen").count() == 1
    assert "the step" in page.locator(".sum").inner_text()  # Adam's is no multiple of the gradient
    stats = run.frames[-2].stats["0.weight"]
    facts = dict(zip(*(page.locator(f".facts {part}").all_inner_texts() for part in
                       ("dt", ".number")), strict=True))  # fmt: skip
    assert float(facts["‖gradient‖"].replace("−", "-")) == pytest.approx(stats["norm"], rel=0.06)
    page.keyboard.press("Escape")
    assert page.locator(".detail").count() == 0 and page.locator(".example").count() == 8


def test_e_goes_to_the_next_finding_and_question_mark_helps(show: Show) -> None:
    run = dead()
    page = show(run)
    page.keyboard.press("Home")
    page.keyboard.press("?")
    assert page.locator(".help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator(".help").is_hidden()
    page = show(exploding())
    page.keyboard.press("Home")
    page.keyboard.press("e")
    assert page.evaluate("view.step") == 21


# Two runs


def test_two_runs_stand_beside_each_other(show: Show) -> None:
    page = show(watch.compare(learning(), saturated()))  # type: ignore[attr-defined]
    page.keyboard.press("b")
    assert page.locator(".rows.two").count() == 0
    page.keyboard.press("b")
    assert page.locator(".rows.two .titles b").all_inner_texts()[:2] == ["learning", "saturated"]
    assert "saturated: loss" in page.locator(".headline").inner_text()
    page.get_by_label("what to compare").select_option("output")
    assert page.evaluate("view.quantity") == "output"
    page.get_by_role("combobox", name="run").select_option("saturated")
    assert page.locator("h1").inner_text() == "saturated"
    keep(page, "two")


def test_two_runs_of_other_shapes_are_said_to_differ(show: Show) -> None:
    page = show(watch.compare(learning(), residual()))  # type: ignore[attr-defined]
    assert "not there" in page.locator(".flow").inner_text()


# Themes, sizes, names


@pytest.mark.parametrize("make_run", [dead, residual], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1090), ("light", 928), ("dark", 480)])
def test_dark_and_narrow_pages_fit(show: Show, make_run: Any, scheme: Any, width: int) -> None:
    page = show(make_run(), color_scheme=scheme, viewport={"width": width, "height": 900})
    paper = {"dark": "rgb(18, 24, 31)", "light": "rgb(255, 255, 255)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    for key in ("Home", "ArrowDown", "End"):
        page.keyboard.press(key)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("[...document.querySelectorAll('.side, .flow')].every(x => "
                             "x.scrollWidth <= x.clientWidth)")  # fmt: skip
    keep(page, f"{make_run.__name__}_{scheme}_{width}")


def test_the_steps_of_a_long_training_fit_a_phone(show: Show) -> None:
    run = watch(classifier(), name="long", terminal=False)
    for _ in range(12_800):
        run.log(loss=1.0)
    run.finish()
    page = show(run, viewport={"width": 390, "height": 844})
    page.keyboard.press("End")
    assert page.locator(".where").inner_text() == "step 12,800 of 12,800"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_has_a_name_for_who_cannot_see_it(show: Show) -> None:
    page = show(learning())
    for control in page.locator("button, input, select").all():
        assert control.get_attribute("aria-label") or control.inner_text().strip()


@pytest.mark.parametrize("make_run", RUNS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 480)])
def test_axe_finds_nothing_in_any_state(show: Show, make_run: Any, scheme: Any, width: int) -> None:
    size = {"width": width, "height": 800}
    page = show(make_run(), color_scheme=scheme, viewport=size)
    for keys in (["End"], ["Home"], ["ArrowDown"], ["ArrowDown", "e"], ["Escape", "?"]):
        for key in keys:
            page.keyboard.press(key)
        assert complaints(page) == [], keys
        keep(page, f"axe_{make_run.__name__}_{scheme}_{width}_{keys[-1].strip('?')}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 480)])
def test_axe_finds_nothing_in_two_runs(show: Show, scheme: Any, width: int) -> None:
    both = watch.compare(learning(), saturated())  # type: ignore[attr-defined]
    page = show(both, color_scheme=scheme, viewport={"width": width, "height": 800})
    for key in ("b", "ArrowDown", "Home"):
        page.keyboard.press(key)
        assert complaints(page) == [], key


def test_hostile_names_are_text_and_run_nothing(show: Show) -> None:
    model = classifier()
    run = watched(9, model, name=HOSTILE)
    run.event(HOSTILE)
    run.log(loss=1.0, **{HOSTILE: 2.0})
    for row in run.observer.flow.rows:
        row.name = row.kind = HOSTILE
    page = show(run)
    page.on("dialog", lambda dialog: pytest.fail("a name ran a script"))
    page.keyboard.press("ArrowDown")
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.locator("img").count() == 0 and page.locator("script").count() == 2


def test_a_notebook_s_frame_runs_the_page(show: Show) -> None:
    run = learning()
    page = show(run)
    page.set_content(run.kept()._repr_mimebundle_()["text/html"])
    inside = page.frame_locator("iframe")
    inside.get_by_role("button", name="first frame").click()
    assert inside.locator(".where b").inner_text() == "0"


# A run that goes on


def test_an_open_page_grows_while_the_training_goes_on(browser: Browser, monkeypatch: Any) -> None:
    monkeypatch.setattr("webbrowser.open_new_tab", lambda url: True)
    run = watched(4, every=1000.0)
    page = browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.goto(run.open())
    page.wait_for_selector("body[data-ready]")
    assert page.url == f"http://127.0.0.1:{run.page.port}/"  # type: ignore[union-attr]
    assert page.locator(".state").inner_text() == "live" and frame(page) == 3
    for _ in range(4):
        run.log(loss=1.0)
    page.locator(".where", has_text="step 8 of 8").wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".state").inner_text() == "live, looking back"
    assert complaints(page) == []
    for _ in range(8):
        run.log(loss=1.0)
    page.locator(".where", has_text="of 16").wait_for()
    assert page.evaluate("view.step") == 4
    page.locator(".state").click()
    assert page.evaluate("view.step") == 16
    run.finish()
    page.locator(".state", has_text="recorded").wait_for()
    run.page.close()  # type: ignore[union-attr]
    page.keyboard.press("Home")
    assert page.evaluate("view.step") == 0 and not wrong


def test_a_notebook_s_widget_takes_frames_before_and_after_it_is_drawn(browser: Browser) -> None:
    script = joined_scripts() + watching_asset("widget.js")
    run = watched(4, every=1000.0)
    first, sent = plain_data(run.snapshot()), []
    run.listeners.append(lambda snapshot: sent.append(frame_data(snapshot)))
    for _ in range(12):
        run.log(loss=1.0)
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    messages = [[head, [list(data) for data in buffers]] for head, buffers in sent]
    seen = page.evaluate(
        """async ([script, first, stops, messages]) => {
        const url = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
        const view = (await import(url)).default, heard = [];
        const known = {page: {runs: [first], stops}, key: "k"};
        const model = {get: name => known[name], on: (_, f) => heard.push(f), off() {}};
        const tell = ([head, buffers]) => heard.forEach(f => f({head},
            buffers.map(b => new DataView(new Uint8Array(b).buffer))));
        document.body.dataset.jpThemeLight = "false";
        const steps = () => document.querySelector(".where").textContent, found = [];
        view.initialize({model});
        tell(messages[0]);
        await view.render({model: {...model}, el: document.body});
        found.push(steps());
        messages.slice(1).forEach(tell);
        found.push(steps());
        return [...found, document.querySelector(".watching").dataset.theme];
    }""",
        [script, first, DIVERGING, messages],
    )
    assert seen[0].startswith("step 8 of 8") and seen[1].startswith("step 16 of 16")
    assert seen[2] == "dark" and not wrong


def test_a_page_that_is_open_for_long_keeps_a_bounded_number_of_frames(show: Show) -> None:
    page = show(learning())
    kept = page.evaluate("""() => {
        const run = view.runs[0], sent = s => ({...run, step: s, time: s, stats: {}, maps: {},
            sentence: ["", "", false], steps: s});
        for (let s = 100; s < 500; s++) appendFrame(run, sent(s));
        const lengths = Object.values(run.maps).map(map => map.exponents.length);
        return [run.frames.step.length, ...new Set(lengths), run.frames.step.at(-1)];
    }""")
    assert kept == [300, 300, 499]
