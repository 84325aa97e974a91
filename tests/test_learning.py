"""The studies of what the video claims: with settings that take seconds each measures what it says, and leaves two figures."""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "learning"
NOT_STUDIES = {"study", "memorise", "page"}
STUDIES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_STUDIES)


def run(out, name, *flags):
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--quick", "--out", str(out), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory): return tmp_path_factory.mktemp("learning")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_s_claims_hold_and_it_leaves_two_figures(name, folder):
    done = run(folder / name, name)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((folder / name / "metrics.json").read_text())
    assert metrics["holds"] and len(metrics["checks"]) > 1 and all(metrics["checks"].values())
    assert metrics["claim"] in done.stdout and metrics["source"] and metrics["measured"]
    assert metrics["verdict"].startswith(("holds", "does not hold: "))
    light, dark = (matplotlib.image.imread(folder / name / f"figure_{look}.png")[..., :3] for look in ("light", "dark"))
    assert light.shape == dark.shape and light[0, 0].mean() > 0.9 > 0.2 > dark[0, 0].mean()
    assert "%" in done.stderr  # the progress bar
