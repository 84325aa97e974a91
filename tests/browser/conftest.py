"""A real browser for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright
from screen import FIREFOX, SCREENSHOTS

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

ONLY_IN_CHROMIUM = {
    "touch": "fingers are moved by Chromium's own protocol",
    "two_thousand": "layouts are counted by Chromium's own protocol",
    "dark": "the protocol that all browsers know has no themes yet",
    "axe": "axe-core is injected into pages only where their policy is switched off",
    "under_a_finger": "a finger moves by a protocol of Chromium's own",
    "motion_runs": "Firefox is asked for calm once, for all pages",
    "engine_s_numbers": "Firefox counts the space before a text in SVG to its box",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if FIREFOX else []:
        for name, reason in ONLY_IN_CHROMIUM.items():
            if name in item.name:
                item.add_marker(pytest.mark.skip(reason))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else the one that Playwright brings; without either the tests fail.

    With BROWSER=firefox the system's Firefox, by the protocol that all browsers know (BiDi).
    """
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        if FIREFOX:
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
