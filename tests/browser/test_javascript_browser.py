"""Programs in JavaScript, run by Chromium: Node, where the other tests run them, may be missing."""

from __future__ import annotations

import json

from playwright.sync_api import Browser
from test_javascript import assert_same, every_step, script


def test_loops_in_a_page_give_numpys_numbers(browser: Browser) -> None:
    programs, expected = every_step()
    page = browser.new_page()
    found = json.loads(page.evaluate(f"() => {{ {script(programs)} return text; }}"))
    for name, values in expected.items():
        assert_same(found[name][0], values)
    page.close()
