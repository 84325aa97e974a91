"""What the tests of this folder share: screenshots, what a page asked for, what axe says of it."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "browser"
FIREFOX = os.environ.get("BROWSER") == "firefox"


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


def complaints(page: Page) -> list[str]:
    """What axe-core finds wrong, a line for each rule."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:400]}" for one in found]
