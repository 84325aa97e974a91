"""The built pages in a real browser, wide in the light and narrow in the dark.

Screenshots are kept in build/browser/pages/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from screen import ROOT, SCREENSHOTS, complaints, listen

BUILT = ROOT / "docs" / "_build" / "html"
PAGES = sorted(BUILT.glob("*.html")) + sorted(BUILT.glob("[!_]*/**/*.html"))
# The title of a card's picture stands below it
BLIND = """[...document.images].filter(x => !x.alt && !x.closest('.sd-card')
    || x.checkVisibility() && !x.naturalWidth).map(x => x.outerHTML)"""


def missed(page: Any, path: Path) -> list[str]:
    """What a reader would miss: images without a text or a file, what is wider than the window."""
    page.goto(path.as_uri())
    for frame in page.frames:
        frame.wait_for_load_state()
    found = page.evaluate(BLIND) + complaints(page)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("wider than the window")
    name = str(path.relative_to(BUILT).with_suffix("")).replace("/", "_")
    kept = SCREENSHOTS / "pages" / f"{name}_{page.viewport_size['width']}.png"
    page.screenshot(path=kept, full_page=True)
    return [f"{path.name}: {what}" for what in found]


@pytest.mark.parametrize(("width", "theme"), [(1200, "light"), (480, "dark")])
def test_every_page_fits_shows_its_pictures_asks_nobody_and_axe_finds_nothing(
    width: int, theme: Any, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    noise: list[str] = []
    listen(page, noise)
    assert len(PAGES) > 50
    assert [what for path in PAGES for what in missed(page, path)] == noise == []
    page.close()


def test_the_stepper_of_the_first_page_steps(browser: Browser) -> None:
    page = browser.new_page()
    page.goto((BUILT / "index.html").as_uri())
    steps = page.frame_locator("iframe.stepper")
    steps.get_by_text("Next").click()
    assert steps.locator("#slider").input_value() == "1"


def test_the_frame_of_a_flat_graph_is_as_high_as_its_steps(browser: Browser) -> None:
    page, found = browser.new_page(viewport={"width": 1280, "height": 900}), {}
    for path in sorted((BUILT / "course").glob("[0-9]*.html")):
        page.goto(path.as_uri())
        for place in page.locator("iframe.stepper.across").all():
            handle = place.element_handle()
            frame = handle.content_frame() if handle else None
            assert frame
            frame.wait_for_load_state()
            left = frame.evaluate("""() => Math.min(...steps.map((_, i) => { show(i);
                return innerHeight - document.body.getBoundingClientRect().bottom; }))""")
            found[place.get_attribute("src")] = left
    assert len(found) == 4 and all(0 <= left < 90 for left in found.values()), found


def test_the_answers_of_a_chapter_are_folded_and_open(browser: Browser) -> None:
    page = browser.new_page()
    page.goto((BUILT / "course" / "2-the-chain-rule-on-a-graph.html").as_uri())
    answer = page.locator("details").first
    assert not answer.locator("p").first.is_visible()
    answer.locator("summary").click()
    assert answer.locator("p").first.is_visible()
