"""A run in a real JupyterLab: the view grows while its cell runs, and the saved notebook keeps it.

Run by `make test-jupyterlab`, and not with the other browser tests: JupyterLab is installed for it.
The cell trains until a file is there; the tests write it when they have seen enough.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import sleep

import pytest
from playwright.sync_api import Browser, Locator, Page
from screen import ROOT, SCREENSHOTS

WAIT = 90_000  # milliseconds at most, for a machine with much to do
SETUP = """
import sys, numpy as np
from pathlib import Path
from tinygrad_edu import nn, watch
{more}
rng = np.random.default_rng(0)
x, y = rng.random((64, 8), np.float32), rng.integers(0, 3, 64)
model = nn.Sequential(nn.Linear(8, 6, rng=rng), nn.ReLU(), nn.Linear(6, 3, rng=rng))
cost, optimizer = nn.CrossEntropy(), nn.optim.SGD(model.parameters(), lr=0.01)
"""
TRAIN = """
run = watch(model, lambda: cost(model(x), y), optimizer, name="in a notebook", share=0.2)
while not Path("enough").exists():
    loss = cost(model(x), y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    run.log(loss=loss)
"""
PROMPTS = "() => [...document.querySelectorAll('.jp-InputPrompt')].map(x => x.textContent)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jupyterlab")


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """A JupyterLab of its own, with its settings and notebooks in a folder of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    token = "tests"
    where = {f"JUPYTER_{kind}_DIR": str(home / kind.lower()) for kind in ("CONFIG", "RUNTIME")}
    where |= {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(home / "ipython")}
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
    ]
    options += ["--ServerApp.disable_check_xsrf=True", "--LabApp.news_url=None"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    log = (home / "log.txt").open("w", encoding="utf-8")
    server = subprocess.Popen(command, cwd=home, env=os.environ | where, stdout=log, stderr=log)
    try:
        while not is_open(port):
            assert server.poll() is None, (home / "log.txt").read_text(encoding="utf-8")
            sleep(0.2)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def is_open(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def notebook(folder: Path, name: str, more: str = "") -> None:
    """A notebook of two cells: the model, and its training."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {},
            "source": text.strip(),
            "outputs": [],
            "execution_count": None,
        }
        for number, text in enumerate((SETUP.format(more=more), TRAIN))
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "enough").unlink(missing_ok=True)


def opened(browser: Browser, address: str, name: str) -> Page:
    """The notebook in a page of its own, with all its cells running."""
    page = browser.new_page(viewport={"width": 1360, "height": 1000})
    page.set_default_timeout(WAIT)
    page.goto(address.format(name), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # earlier, nothing would run
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).first.click()
    return page


def steps(view: Locator) -> int:
    """How many steps the view knows of: "step 8 of 16"."""
    return int(view.locator(".where").inner_text().split(" of ")[1].split()[0].replace(",", ""))


def end(page: Page, home: Path) -> None:
    (home / "enough").write_text("", encoding="utf-8")
    page.wait_for_function(f"!({PROMPTS})().some(text => text.includes('*'))")


def test_the_view_grows_while_the_cell_runs_and_the_notebook_keeps_the_page(
    browser: Browser, address: str, home: Path
) -> None:
    notebook(home, "view.ipynb")
    page = opened(browser, address, "view.ipynb")
    view = page.locator(".watching").first
    view.locator(".where").wait_for()
    assert view.locator(".state").inner_text() == "live"
    first = steps(view)
    page.wait_for_function(
        "seen => Number(document.querySelector('.watching .where').textContent"
        ".split(' of ')[1].split(' ')[0].replaceAll(',', '')) > seen",
        arg=first,
    )
    assert "[*]:" in page.evaluate(PROMPTS)
    cells = page.locator(".jp-CodeCell").count()
    view.get_by_role("button", name="first frame").click()
    assert view.locator(".state").inner_text() == "live, looking back"
    assert view.locator(".where b").inner_text() == "0"
    for key in ("ArrowRight", "ArrowRight", "a", "d", "d"):  # d d deletes a cell of a notebook
        page.keyboard.press(key)
    assert view.locator(".where b").inner_text() == "2"
    assert page.locator(".jp-CodeCell").count() == cells and "[*]:" in page.evaluate(PROMPTS)
    page.screenshot(path=SCREENSHOTS / "jupyterlab_running.png")
    end(page, home)
    kept = page.frame_locator("iframe[srcdoc]").first
    kept.locator(".state", has_text="recorded").wait_for()
    assert page.locator(".jp-OutputArea .watching").count() == 0
    page.get_by_role("menuitem", name="File", exact=True).click()
    with page.expect_response(lambda found: found.request.method == "PUT"):
        page.get_by_text("Save Notebook", exact=True).click()
    assert "srcdoc=" in (home / "view.ipynb").read_text(encoding="utf-8")
    page.reload(wait_until="domcontentloaded")
    again = page.frame_locator("iframe[srcdoc]").first
    again.get_by_role("button", name="first frame").click()
    assert again.locator(".where b").inner_text() == "0"
    page.screenshot(path=SCREENSHOTS / "jupyterlab_saved.png")
    page.close()


def test_without_anywidget_a_picture_grows_in_place(
    browser: Browser, address: str, home: Path
) -> None:
    notebook(home, "picture.ipynb", more='sys.modules["anywidget"] = None')
    page = opened(browser, address, "picture.ipynb")
    picture = page.locator(".jp-OutputArea-output img, .jp-OutputArea-output svg").first
    picture.wait_for()
    shown = ".jp-OutputArea-output"
    before = page.locator(shown).first.inner_html()
    page.wait_for_function(
        "([at, before]) => document.querySelector(at).innerHTML !== before", arg=[shown, before]
    )
    assert "[*]:" in page.evaluate(PROMPTS) and page.locator(shown).count() == 1
    page.screenshot(path=SCREENSHOTS / "jupyterlab_picture.png")
    end(page, home)
    kept = page.frame_locator("iframe[srcdoc]").first
    assert kept.locator(".state").inner_text() == "recorded"
    page.close()
