"""A real browser for the tests of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright
from screen import SCREENSHOTS

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "no Chromium was found: install it (apt-get install chromium, or your system's package), "
    "or run `playwright install chromium` in the virtual environment"
)


NO_FIREFOX = (
    "no Firefox was found: install it (apt-get install firefox-esr, or your system's package)"
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright brings; without either the tests fail.

    With BROWSER=firefox the system's Firefox, by the protocol that all browsers know (BiDi).
    """
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        if os.environ.get("BROWSER") == "firefox":
            path = shutil.which("firefox-esr") or shutil.which("firefox")
            assert path, NO_FIREFOX
            preferences = {"ui.prefersReducedMotion": 1}
            opened = playwright.firefox.launch(
                channel="moz-firefox", executable_path=path, firefox_user_prefs=preferences
            )
        else:
            found = next(filter(None, map(shutil.which, NAMES)), None)
            try:
                opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
            except Error as error:
                pytest.fail(f"{MISSING}\n{error}")
        yield opened
        opened.close()
