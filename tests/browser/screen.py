"""What the tests of this folder share: screenshots, what a page asked for, what axe says of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "browser"
FIREFOX = os.environ.get("BROWSER") == "firefox"
Show = Callable[..., Page]


def listen(page: Page, noise: list[str]) -> None:
    """Note what the page says, what fails in it, and every address of somebody else it asks for."""

    def note(request: Request) -> None:
        if request.url.startswith(("http", "ws")):
            noise.append(request.url)

    def hear(text: str) -> None:
        if not (FIREFOX and "style-src-elem" in text):  # a screenshot's own style, refused
            noise.append(text)

    page.on("console", lambda message: hear(message.text))
    page.on("pageerror", lambda error: hear(str(error)))
    page.on("request", note)


@contextlib.contextmanager
def playgrounds(browser: Browser, usual_page: Path) -> Iterator[Show]:
    """What opens a playground; in the end it must have said nothing and asked for nothing else."""
    noise: list[str] = []
    contexts = []

    def opened(address: str = "", page: Path = usual_page, **options: Any) -> Page:
        usual = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        contexts.append(browser.new_context(**usual | options))
        made = contexts[-1].new_page()
        listen(made, noise)
        requests: list[str] = []
        made.on("request", lambda request: requests.append(request.url))
        made.goto(page.as_uri() + address)
        made.wait_for_selector("body[data-ready]")
        assert len(requests) <= 1  # Firefox does not tell of the page itself
        return made

    yield opened
    for context in contexts:
        context.close()
    assert not noise


def said(page: Page) -> str:
    """The sentence of a playground."""
    return page.locator("#sentence").inner_text()


def complaints(page: Page) -> list[str]:
    """What axe-core finds wrong in a page, not in its frames; it reads no file a second time."""
    options = {"preload": False, "iframes": False}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:400]}" for one in found]
