"""A run in marimo: a picture grows below the cell while it runs, and the page takes its place.

Run by `make test-marimo`, and not with the other browser tests: marimo is installed for it.
The cell trains until a file is there; the test writes it when it has seen enough.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from playwright.sync_api import Browser
from screen import ROOT, SCREENSHOTS

WAIT = 90_000  # milliseconds at most, for a machine with much to do
NOTEBOOK = """
    import marimo
    app = marimo.App()

    @app.cell
    def _():
        import numpy as np
        from pathlib import Path
        from tinygrad_edu import nn, watch
        rng = np.random.default_rng(0)
        x, y = rng.random((64, 8), np.float32), rng.integers(0, 3, 64)
        model = nn.Sequential(nn.Linear(8, 6, rng=rng), nn.ReLU(), nn.Linear(6, 3, rng=rng))
        cost, optimizer = nn.CrossEntropy(), nn.optim.SGD(model.parameters(), lr=0.01)
        with watch(model, lambda: cost(model(x), y), optimizer, name="in marimo") as run:
            while not Path("enough").exists():
                loss = cost(model(x), y)
                optimizer.zero_grad(); loss.backward(); optimizer.step()
                run.log(loss=loss)
        return
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A marimo of its own, with the notebook in a folder of its own."""
    (tmp_path / "notebook.py").write_text(dedent(NOTEBOOK), encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", "notebook.py", "--headless", "--no-token"]
    options = ["--host", "127.0.0.1", "--port", str(port)]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([*command, *options], cwd=tmp_path, env=where)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_a_picture_grows_below_the_cell_and_the_page_takes_its_place(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(WAIT)
    for _ in range(300):  # until the server is there
        try:
            page.goto(address, wait_until="domcontentloaded")
            break
        except Exception:
            page.wait_for_timeout(300)
    step = page.get_by_text("step ").first
    step.wait_for()
    before = step.text_content()
    page.wait_for_function(
        "before => [...document.querySelectorAll('svg text')].some("
        "x => x.textContent.startsWith('step ') && x.textContent !== before)",
        arg=before,
    )
    page.screenshot(path=SCREENSHOTS / "marimo_running.png")
    (tmp_path / "enough").write_text("", encoding="utf-8")
    kept = page.frame_locator("iframe[srcdoc]").first
    kept.locator(".state", has_text="recorded").wait_for()
    kept.get_by_role("button", name="first frame").click()
    assert kept.locator(".where b").inner_text() == "0"
    page.screenshot(path=SCREENSHOTS / "marimo_kept.png")
    page.close()
