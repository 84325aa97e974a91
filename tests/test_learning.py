"""The studies of what the video claims, with settings that take seconds.

Each measures what it says, and leaves two figures.
"""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "learning"
NOT_STUDIES = {"common", "gradient_maps", "memorise", "page", "study", "valleys"}
STUDIES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_STUDIES)


def run(out, name, *flags):
    command = [sys.executable, FOLDER / f"{name}.py", "--quick", "--out", out, *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("learning")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_s_claims_hold_and_it_leaves_two_figures(name, folder):
    done = run(folder / name, name)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((folder / name / "metrics.json").read_text())
    assert metrics["holds"] and len(metrics["checks"]) > 1 and all(metrics["checks"].values())
    assert metrics["claim"] in done.stdout and metrics["source"] and metrics["measured"]
    assert metrics["verdict"].startswith(("holds", "does not hold: "))
    files = (folder / name / f"figure_{look}.png" for look in ("light", "dark"))
    light, dark = (matplotlib.image.imread(file)[..., :3] for file in files)
    assert light.shape == dark.shape and light[0, 0].mean() > 0.9 > 0.2 > dark[0, 0].mean()
    assert "%" in done.stderr  # the progress bar


def test_a_study_whose_claim_is_missed_says_which_and_fails(tmp_path):
    done = run(tmp_path, "cost", "--epochs", "0")
    assert done.returncode == 1
    assert "missed: training makes the average at least eight times smaller" in done.stderr
    assert not json.loads((tmp_path / "metrics.json").read_text())["holds"]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("page")


def test_every_study_is_run_by_make_and_has_its_place_on_the_page(page):
    how, makefile = re.DOTALL | re.MULTILINE, (ROOT / "Makefile").read_text()
    in_turn = re.search(r"^learning:.*?for name in (.*?);", makefile, how)[1]
    assert in_turn.split() == [*page.STUDIES]
    assert sorted(page.STUDIES) == STUDIES


def test_the_page_shows_what_a_study_left_and_names_those_not_yet_run(page, tmp_path):
    run(tmp_path / "cost", "cost")
    shown = page.page(tmp_path)
    metrics = json.loads((tmp_path / "cost" / "metrics.json").read_text())
    assert metrics["claim"] in shown
    assert "1 of 1 studies passed" in shown and "with --quick" in shown
    assert shown.count("<td>") == len(metrics["measured"])
    assert shown.count("✓") == len(metrics["checks"])
    assert shown.count("Not run yet: <code>") == len(STUDIES) - 1
