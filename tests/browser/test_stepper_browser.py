"""The stepper in a real browser: every step, key and click, light and dark, wide and narrow.

Screenshots are kept in build/browser/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page
from screen import SCREENSHOTS, complaints, listen
from test_stepper import (
    HOSTILE,
    attention,
    classifier,
    data,
    line,
    matrix,
    neuron,
    parameter,
    residual,
    twice,
)
from watched import IMAGES

from tinygrad_edu import nn, stepper
from tinygrad_edu.graph.expression import name_text, number_text
from tinygrad_edu.graph.stepping.layout import value_or_scale
from tinygrad_edu.graph.steps import Backward, Forward, steps

PAGES: dict[str, Callable[[], Any]] = {
    "neuron": lambda: neuron()[0],
    "twice": lambda: twice()["L"],
    "classifier": classifier,
    "residual": lambda: residual(12),
}
Show = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens the page of an output; at the end, it must have said nothing and asked for nothing."""
    noise: list[str] = []

    def opened(output: Any, optimizer: Any = None, quiz: bool = False, **options: Any) -> Page:
        (made := stepper(output, optimizer, quiz=quiz)).save(tmp_path / "steps.html")
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        page = browser.new_page(**usual | options)
        listen(page, noise)
        page.goto((tmp_path / "steps.html").as_uri())
        page.graph = made.graph  # type: ignore[attr-defined]
        return page

    yield opened
    assert not noise


def at(page: Page) -> int:
    return int(page.locator("#slider").input_value())


def texts(page: Page, kind: str) -> dict[str, str]:
    """What stands in the boxes of the graph, by the node's id."""
    pairs = "all => all.map(x => [x.closest('.node').id, x.textContent])"
    return dict(page.eval_on_selector_all(f".node .{kind}", pairs))


def visible(page: Page) -> Locator:
    return page.locator("#panels article:visible")


def keep(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def signed(text: str) -> str:
    return text.replace("-", "−")


# Every step


@pytest.mark.parametrize("name", PAGES)
def test_every_step_shows_the_engine_s_numbers(show: Show, name: str) -> None:
    page = show(PAGES[name]())
    values: dict[str, str] = {}
    gradients: dict[str, str] = {}
    walk = steps(page.graph)  # type: ignore[attr-defined]
    keep(page, f"{name}_00")
    for number, step in enumerate(seeded(walk), 1):
        page.keyboard.press("ArrowRight")
        if isinstance(step, Forward):
            values[step.node.id] = signed(value_or_scale(step.node.value))
        else:
            key, total = step
            gradients[key] = signed(value_or_scale(total))
        assert at(page) == number
        assert {key: text for key, text in texts(page, "value").items() if text} == values
        assert {key: text for key, text in texts(page, "gradient").items() if text} == gradients
        assert visible(page).count() == 1 and visible(page).locator("h2").inner_text()
        assert not overlapping(page)
        keep(page, f"{name}_{number:02}")
    assert page.locator("#next").is_disabled() and page.locator("#last").is_disabled()


def seeded(walk: list[Forward | Backward]) -> list[Any]:
    """Forward steps, then the node and what it has received for backward ones: first the output."""
    forward = [step for step in walk if isinstance(step, Forward)]
    backward = [(step.source.id, step.after) for step in walk if isinstance(step, Backward)]
    output = forward[-1].node
    return [*forward, (output.id, output.gradient), *backward]


def overlapping(page: Page) -> list[str]:
    """Pairs of things in the panel, or of texts in the graph, that lie upon each other."""
    return list(
        page.evaluate("""() => {
        const seen = selector => [...document.querySelectorAll(selector)].filter(
            x => x.textContent && x.checkVisibility({visibilityProperty: true}));
        const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
            Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
        const box = x => x.getBoundingClientRect();
        const pairs = all => all.flatMap((x, i) => all.slice(i + 1)
            .filter(y => !x.contains(y) && meet(box(x), box(y)))
            .map(y => `${x.textContent} | ${y.textContent}`));
        const panel = "figure, .ruled, article p, article h2, pre";
        return [...pairs(seen(panel)), ...pairs(seen("#graph text"))];
    }""")
    )


def test_the_panel_of_a_step_has_its_numbers(show: Show) -> None:
    page = show(twice()["L"])
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert visible(page).locator("figcaption").all_inner_texts()[2] == "share"
    assert visible(page).locator(".number").all_inner_texts() == ["0.7000", "0.6347", "0.4443"]
    assert "Added to what was there: 0.6044 + 0.4443 = 1.049" in visible(page).inner_text()
    assert "0.6044 + 0.4443 = 1.049" in page.locator("#spoken").inner_text()
    assert texts(page, "gradient")["n2"] == "1.049"
    assert page.locator(".edge.now").count() == 1 and page.locator(".node.now").count() == 1


def test_only_edges_that_were_passed_show_what_they_passed(show: Show) -> None:
    page = show(neuron()[0])
    assert page.locator(".edge text:visible").count() == 0
    page.keyboard.press("End")
    # × local and = share on seven edges: x1 and x2 require no gradient
    assert page.locator(".edge text:visible").count() == 2 * 7
    assert page.locator(".edge.way").count() > 1  # the paths to the last leaf


# Controls


def test_keys_buttons_and_slider_move_between_the_steps(show: Show) -> None:
    page = show(neuron()[0])
    last = len(data(page.content())["steps"]) - 1
    for key, expected in [
        ("End", last),
        ("ArrowRight", last),
        ("ArrowLeft", last - 1),
        ("Home", 0),
        ("ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        assert at(page) == expected
    for button, expected in [("next", 1), ("next", 2), ("back", 1), ("last", last), ("first", 0)]:
        page.locator(f"#{button}").click()
        assert at(page) == expected
    page.locator("#slider").fill("5")
    assert page.locator("#count").inner_text() == f"5 of {last}"
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")  # one step, not one for the slider and one for the page
    assert at(page) == 6


def test_play_goes_on_by_itself_and_space_stops_it(show: Show) -> None:
    page = show(neuron()[0])
    page.clock.install()
    page.keyboard.press(" ")
    page.clock.run_for(3400)
    assert at(page) == 3 and page.locator("#play").inner_text() == "Pause"
    page.keyboard.press(" ")
    page.clock.run_for(5000)
    assert at(page) == 3 and page.locator("#play").inner_text() == "Play"
    page.locator("#play").click()
    page.clock.run_for(60_000)
    assert page.locator("#next").is_disabled() and page.locator("#play").inner_text() == "Play"


def test_a_click_on_a_box_goes_through_its_steps(show: Show) -> None:
    page = show(twice()["L"])
    found = [i for i, step in enumerate(data(page.content())["steps"]) if step["node"] == "n2"]
    assert len(found) == 3  # computed; a gradient from L, and one from t
    for expected in (*found, found[0]):
        page.locator("#n2").click()
        assert at(page) == expected


def test_it_can_be_used_by_keyboard_and_heard(show: Show) -> None:
    page = show(twice()["L"])
    page.locator("#n3").focus()
    assert page.locator("#n3 .halo").evaluate("halo => getComputedStyle(halo).stroke") != "none"
    page.keyboard.press("Enter")
    told = "Step 4 of 11, forward: t is computed: t = tanh(s) = tanh(0.7000) = 0.6044"
    assert page.locator("#spoken").inner_text() == told
    assert page.locator("#spoken").get_attribute("aria-live") == "polite"
    for control in page.locator("button, input, [role=button]").all():
        assert control.get_attribute("aria-label") or control.inner_text().strip()


# The last act


def momentum() -> Any:
    return line(taken=2, momentum=0.9)


def arrays() -> Any:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(6, 4, rng=rng), nn.Tanh(), nn.Linear(4, 3, rng=rng))
    x = rng.random((5, 6), np.float32)
    loss = nn.MSE()(model(x), np.zeros((5, 3), np.float32))
    return loss, nn.optim.Adam(model.parameters(), lr=0.01)


def test_the_last_act_shows_the_new_values_and_lets_the_old_gradients_go(show: Show) -> None:
    page = show(*momentum())
    found = data(page.content())["steps"]
    page.keyboard.press("End")
    assert page.locator(".phase:visible").inner_text() == "again"
    assert not any(texts(page, "gradient").values())
    assert page.locator(".edge text:visible").count() == 0  # what they passed is out of date too
    shown = {key: signed(number_text(x)) for key, x in found[-1]["numbers"]["values"].items()}
    assert texts(page, "value") == shown
    assert page.locator(".value.changed").count() == 6
    for step in (found[-2], found[-3]):
        page.keyboard.press("ArrowLeft")
        node = page.locator(f"#{step['node']}")
        assert node.locator(".value.changed").text_content() == step["value"]
        assert node.locator(".gradient").text_content()
    assert page.locator("#phases .update").is_visible()
    assert not show(neuron()[0]).locator("#phases .update").is_visible()


@pytest.mark.parametrize("make", [momentum, arrays], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 480)])
def test_the_last_act_fits_and_axe_finds_nothing(
    show: Show, make: Any, scheme: str, width: int
) -> None:
    page = show(*make(), color_scheme=scheme, viewport={"width": width, "height": 800})
    page.keyboard.press("End")
    while page.locator(".phase:visible").inner_text() in ("update", "again"):
        assert complaints(page) == [] and not overlapping(page) and in_sight(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keep(page, f"last_act_{make.__name__}_{scheme}_{width}_{at(page):02}")
        page.keyboard.press("ArrowLeft")


# One element of a product


# left, top, width and height of the frames that are shown, in percent
BANDS = """() => {
    const sides = ["left", "top", "width", "height"];
    const bands = [...document.querySelectorAll("article:not([hidden]) .band")];
    return bands.map(band => sides.map(side => Math.round(parseFloat(band.style[side]))));
}"""


def chosen_sum(page: Page) -> list[float]:
    """The terms of the sum that is written out, and its value."""
    texts = visible(page).locator(".sum span").all_inner_texts()
    signs = str.maketrans({"−": "-", "=": "", "+": "", "(": "", ")": ""})
    terms = [text.translate(signs).split("×") for text in texts]
    return [float(np.prod([float(x.split()[0]) for x in term])) for term in terms]


def test_an_element_is_the_sum_that_is_written_out(show: Show) -> None:
    page = show(classifier())
    found = data(page.content())
    for number, step in enumerate(found["steps"]):
        if "product" not in step:
            continue
        page.locator("#slider").fill(str(number))
        result = matrix(found, step["product"]["result"]["numbers"])
        row, column = result.shape[0] - 1, result.shape[1] // 2
        rows, columns = visible(page).locator(".element input").all()
        rows.fill(str(row))
        columns.fill(str(column))
        *terms, value = chosen_sum(page)
        assert value == pytest.approx(result[row, column], rel=6e-3, abs=1e-6)
        assert sum(terms) == pytest.approx(value, rel=0.02, abs=0.02 * max(map(abs, terms)))


def test_the_row_and_the_column_light_up_where_a_cell_is_clicked(show: Show) -> None:
    page = show(attention())
    page.keyboard.press("End")
    first = next(i for i, x in enumerate(data(page.content())["steps"]) if "product" in x)
    page.locator("#slider").fill(str(first))
    picture = visible(page).locator(".choosable")
    box = picture.bounding_box()
    assert box
    picture.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.9})
    rows, columns = visible(page).locator(".element input").all()
    assert (rows.input_value(), columns.input_value()) == ("2", "1")
    shares = page.evaluate(BANDS)
    # q's row 2 of 3; kᵀ's column 1 of 3; the cell itself
    assert shares == [[0, 67, 100, 33], [33, 0, 33, 100], [33, 67, 33, 33]]


def test_an_element_is_chosen_by_keys_and_stays_within_the_matrix(show: Show) -> None:
    page = show(attention())
    first = next(i for i, x in enumerate(data(page.content())["steps"]) if "product" in x)
    page.locator("#slider").fill(str(first))
    rows = visible(page).locator(".element input").first
    rows.focus()
    before = visible(page).locator(".sum").inner_text()
    page.keyboard.press("ArrowUp")
    assert rows.input_value() == "1" and visible(page).locator(".sum").inner_text() != before
    page.keyboard.press("ArrowRight")  # within the number, and no step of the page
    assert at(page) == first
    rows.fill("99")
    assert rows.input_value() == "2"


def test_images_light_up_whole(show: Show) -> None:
    layer, x = nn.Linear(64, 6, rng=np.random.default_rng(0)), IMAGES[:3].reshape(3, 64)
    page = show(np.tanh(layer(x)).sum())
    first = next(i for i, x in enumerate(data(page.content())["steps"]) if "product" in x)
    page.locator("#slider").fill(str(first))
    rows, columns = visible(page).locator(".element input").all()
    rows.fill("2")
    columns.fill("5")
    # the last of three images, the sixth of six sets of weights in rows of four, a cell of 3 × 6
    assert page.evaluate(BANDS) == [[67, 0, 33, 100], [25, 50, 25, 50], [83, 67, 17, 33]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("dark", 480)])
def test_a_product_fits_and_axe_finds_nothing(show: Show, scheme: str, width: int) -> None:
    page = show(classifier(), color_scheme=scheme, viewport={"width": width, "height": 800})
    found = [i for i, x in enumerate(data(page.content())["steps"]) if "product" in x]
    for number in (found[0], found[-1]):
        page.locator("#slider").fill(str(number))
        visible(page).locator(".element input").last.fill("3")
        assert complaints(page) == [] and not overlapping(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keep(page, f"product_{scheme}_{width}_{number:02}")


# The quiz


def answer(page: Page, text: str) -> str:
    """Type an answer, press Enter, and read what is said."""
    field = page.locator(".question:visible input")
    field.fill(text)
    field.press("Enter")
    return page.locator(".question:visible .said").inner_text()


@pytest.mark.parametrize("name", ["neuron", "twice"])
def test_the_quiz_is_solved_by_keys_alone(show: Show, name: str) -> None:
    page = show(PAGES[name](), quiz=True)
    asked = data(page.content())["questions"]
    first = min(map(int, asked))
    while at(page) < first:
        page.keyboard.press("ArrowRight")
    for number in sorted(map(int, asked)):
        question = asked[str(number)]
        assert at(page) == number and visible(page).count() == 0
        assert page.evaluate("document.activeElement.matches('.question input')")
        assert page.locator(".edge.now .mark").text_content() == "?"
        hidden = number_text(question["answer"]).replace("-", "−")
        assert page.locator("#spoken").inner_text().startswith("Question ")
        page.keyboard.type(hidden)
        page.keyboard.press("Enter")
        said = page.locator(".question:visible .said").inner_text()
        assert said.startswith("Right: ") and visible(page).count() == 1
        assert page.locator(".edge.now .mark").count() == 0
        page.keyboard.press("Enter")
    assert said and page.locator(".question:visible .said").inner_text() == "All done."
    assert page.locator("#score span").inner_text() == f"{len(asked)} of {len(asked)} right at once"
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    assert at(page) == 0


def test_what_is_not_found_yet_is_nowhere_on_the_page(show: Show) -> None:
    page = show(twice()["L"], quiz=True)
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    gradients = {x for x in texts(page, "gradient").values() if x}
    assert gradients == {"?", "1.000"} and visible(page).count() == 0
    assert page.locator(".edge text:not(.mark)").all() and not any(
        text.is_visible() for text in page.locator(".edge text:not(.mark)").all()
    )
    page.locator("#quiz").click()
    assert "?" not in texts(page, "gradient").values() and visible(page).count() == 1


WRONG = [
    ("after", lambda k: -k["after"], "the sign is not"),
    ("after", lambda k: k["share"], "That is what this edge brings. 0.6044 was there already"),
    ("after", lambda k: k["before"], "That is what was there before."),
    ("after", lambda k: k["before"] * k["share"], "added, not multiplied"),
    ("after", lambda k: k["before"] - k["share"], "not subtracted"),
    ("after", lambda k: k["local"], "Multiply it by what arrives, 0.7."),
    ("after", lambda k: 1.03 * k["after"], "Close. Three digits"),
    ("after", lambda k: 2 * k["after"], "Twice as much"),
    ("after", lambda k: k["after"] / 2, "Half of it"),
    ("after", lambda k: 1 / k["after"], "one over it"),
    ("after", lambda k: 77.0, "Not yet."),
    ("local", lambda k: k["upstream"], "That is what arrives."),
]


@pytest.mark.parametrize(("ask", "wrong", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_a_wrong_answer_is_told_what_it_is(show: Show, ask: str, wrong: Any, words: str) -> None:
    page = show(twice()["L"], quiz=True)
    found = {q["ask"]: (n, q) for n, q in data(page.content())["questions"].items()}
    number, question = found[ask]
    page.locator("#slider").fill(number)
    assert words in answer(page, repr(wrong(question["known"])))
    assert answer(page, repr(question["answer"])).startswith("Right")
    assert page.locator("#score i.helped").count() == 1
    assert page.locator("#score span").inner_text().startswith("0 of")


def test_numbers_are_read_as_people_write_them(show: Show) -> None:
    page = show(neuron()[0], quiz=True)
    pairs = [("0,25", 0.25), ("−1.5e−3", -0.0015), (" 1/4 ", 0.25), ("7", 7.0)]
    assert [page.evaluate("numberOf", text) for text, _ in pairs] == [x for _, x in pairs]
    for text in ("", "w", "1/2/3", "1/"):
        assert page.evaluate("text => Number.isNaN(numberOf(text))", text)
    page.keyboard.press("End")
    assert "A number, such as" in answer(page, "one")


def test_hints_come_one_by_one_and_then_the_answer(show: Show) -> None:
    page = show(twice()["L"], quiz=True)
    page.keyboard.press("End")
    hint, hints = (
        page.locator(".question:visible .hint"),
        page.locator(".question:visible .hints > *"),
    )
    total = hints.count()
    for given in range(1, total + 1):
        hint.click()
        assert sum(one.is_visible() for one in hints.all()) == given
    assert hint.inner_text() == "Show it"
    hint.click()
    page.keyboard.press("Enter")
    assert page.locator(".question:visible .said").inner_text().startswith("Right")
    assert page.locator("#score i.helped").count() == 1


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 480), ("dark", 480)]
)
def test_the_quiz_fits_and_axe_finds_nothing(show: Show, scheme: str, width: int) -> None:
    page = show(
        twice()["L"], quiz=True, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page.locator("#slider").fill("9")
    for state in ("asked", "wrong", "hinted", "right"):
        if state == "wrong":
            answer(page, "77")
        if state == "hinted":
            page.locator(".question:visible .hint").click()
        if state == "right":
            answer(page, repr(page.evaluate("questions[at].answer")))
        assert complaints(page) == [] and in_sight(page) and not overlapping(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        keep(page, f"quiz_{scheme}_{width}_{state}")


def test_a_notebook_s_sandbox_lets_the_quiz_be_answered(show: Show) -> None:
    page = show(neuron()[0])
    page.set_content(stepper(twice()["L"], quiz=True)._repr_mimebundle_()["text/html"])
    frame = page.frame_locator("iframe")
    frame.locator("#last").click()
    field = frame.locator(".question:visible input")
    field.fill("77")
    field.press("Enter")
    assert frame.locator(".question:visible .said").inner_text() == "Not yet."


# Themes, sizes, names


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 480), ("dark", 480)])
def test_dark_and_narrow_pages_show_everything(
    show: Show, name: str, scheme: str, width: int
) -> None:
    page = show(PAGES[name](), color_scheme=scheme, viewport={"width": width, "height": 800})
    paper = {"dark": "rgb(18, 24, 31)", "light": "rgb(255, 255, 255)"}[scheme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    last = len(data(page.content())["steps"]) - 1
    for step in (0, last // 3, last * 3 // 4, last):
        page.locator("#slider").fill(str(step))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not overlapping(page)
        assert step == 0 or in_sight(page)
        keep(page, f"{name}_{scheme}_{width}_{step:02}")


CHAPTER = {"width": 928, "height": 736}  # of a page's frame


def test_a_graph_that_fits_when_it_is_a_little_smaller_is_seen_whole(show: Show) -> None:
    x, w = parameter(np.ones((4, 5)), "x"), parameter(np.ones((3, 5)), "w")
    page = show(((x @ w.T) * np.ones((4, 3))).sum(), viewport=CHAPTER)
    assert page.evaluate("graph.scrollHeight <= graph.clientHeight")
    assert page.evaluate("graph.scrollWidth <= graph.clientWidth")


def test_a_graph_that_goes_on_says_so_and_follows_the_step(show: Show) -> None:
    page = show(twice()["L"], viewport=CHAPTER | {"width": 480})
    assert page.evaluate("graph.scrollWidth > graph.clientWidth")
    assert "linear-gradient" in page.evaluate("getComputedStyle(graph).backgroundImage")
    page.keyboard.press("ArrowRight")
    while page.locator("#next").is_enabled():
        assert in_sight(page)
        page.keyboard.press("ArrowRight")


def in_sight(page: Page) -> bool:
    """Whether the box that the step is about is within the frame of the graph."""
    return bool(
        page.evaluate("""() => {
        const frame = document.getElementById("graph").getBoundingClientRect();
        const box = document.querySelector(".node.now").getBoundingClientRect();
        return box.right > frame.left && box.left < frame.right
            && box.bottom > frame.top && box.top < frame.bottom;
    }""")
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_and_run_nothing(show: Show, name: str) -> None:
    page = show((parameter(2.0, name) * 3 + 1) ** 2)
    page.on("dialog", lambda dialog: pytest.fail("a name ran a script"))
    page.keyboard.press("End")
    assert page.locator("script").count() == 2 and page.locator("#graph > svg").count() == 1
    assert name_text(name)[:20] in " ".join(page.locator("#n0 text").all_text_contents())


def test_a_notebook_s_frame_runs_the_page(show: Show) -> None:
    page = show(neuron()[0])
    page.set_content(stepper(neuron()[0])._repr_mimebundle_()["text/html"])
    frame = page.frame_locator("iframe")
    frame.locator("#last").click()
    assert frame.locator("#next").is_disabled() and frame.locator("article:visible").count() == 1
