"""The benchmarks run, contenders that disagree are refused, those that are not there are named.

No time is asserted.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks import numpy_by_hand, numpy_with_buffers, ours_eager, race, report, workloads
from benchmarks.__main__ import environment

ROOT = Path(__file__).parent.parent
KINDS = ["mlp", "written_out", "classifier", "cnn", "hvp", "affine_chain", "mix_chain"]


@pytest.fixture(scope="module")
def works():
    """The last row of each kind."""
    made = [make() for make in workloads.rows(workloads.Digits(), quick=True).values()]
    return {work.kind: work for work in made}


def imitator(kind, step_of):
    """A contender whose steps are made of those by hand."""
    return SimpleNamespace(array=np.asarray, numpy=np.asarray, **{kind: step_of})


def raced(work, **modules):
    return race.race(work, {"numpy_by_hand": numpy_by_hand, **modules}, rounds=2, seconds=1e-4)


def test_every_kind_of_work_is_known(works):
    assert sorted(works) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand_with_buffers_and_ours_agree(kind, works):
    times = raced(works[kind], buffers=numpy_with_buffers, ours=ours_eager)
    assert all(len(found) == 2 and min(found) > 0 for found in times.values())
    assert {"numpy_by_hand", "ours"} <= times.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_contender_that_computes_something_else_is_refused_by_name(kind, works):
    def off(work):
        step = getattr(numpy_by_hand, kind)(work)

        def wrong(*batch):
            result = step(*batch)
            several = isinstance(result, list | tuple)
            return [x * 1.001 for x in result] if several else result * 1.001

        return wrong

    with pytest.raises(race.Disagreement, match="cheat and numpy_by_hand disagree at step 1"):
        raced(works[kind], cheat=imitator(kind, off))


@pytest.mark.parametrize("kind", ["mlp", "written_out", "classifier", "cnn"])
def test_a_contender_that_forgets_the_update_is_refused(kind, works):
    idle = imitator(kind, lambda work: getattr(numpy_by_hand, kind)(replace(work, lr=0.0)))
    with pytest.raises(race.Disagreement, match="at step 2"):
        raced(works[kind], idle=idle)


def test_a_contender_that_is_not_installed_is_named_and_left_out():
    found, missing = race.contenders(["numpy_by_hand", "nobody"])
    assert list(found) == ["numpy_by_hand"]
    assert "nobody" in missing["nobody"]


def test_rounds_are_measured_without_the_environment_s_choice_of_kernels(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in environment(1)
    assert environment(2)["OPENBLAS_NUM_THREADS"] == "2"


def test_a_ratio_is_that_of_the_same_round_and_what_a_contender_cannot_do_is_a_dash():
    rows = {"work": {"numpy_by_hand": [1e-6, 3e-6, 1e-6], "ours": [2e-6, 6e-6, 2e-6]}}
    names = {"numpy_by_hand": "by hand", "ours": "ours", "peer": "peer"}
    last = "| work | **1.00** 1 µs | **2.00** 2 µs | – |"
    assert report.table(names, rows, report.with_ratio).endswith(last)


def test_the_benchmark_leaves_a_table_a_figure_and_all_times(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--rounds", "2"]
    kept = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "--out", tmp_path], cwd=ROOT, **kept)
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.rstrip() == (tmp_path / "table.md").read_text().rstrip()
    assert "kernels" in done.stdout and "| CNN, batch 32 |" in done.stdout
    run = json.loads((tmp_path / "results.json").read_text())["runs"][0]
    ran = {name for row in run["rows"].values() for name in row}
    assert ran >= {"numpy_by_hand", "numpy_with_buffers", "ours_eager"}
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
