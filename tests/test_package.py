"""What is installed: the wheel works outside the repository, imports nothing heavy, and arrows
point one way."""

import ast
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from counting import code_lines

ROOT = Path(__file__).parent.parent
USE = """
import numpy as np, tinygrad_edu
from tinygrad_edu import Tensor, nn, draw, stepper
model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
loss = model(np.ones((3, 2), np.float32)).sum()
loss.backward()
assert draw(loss).svg().startswith("<?xml") or "<svg" in draw(loss).svg()
assert "<svg" in stepper(loss).html
print(tinygrad_edu.__file__)
"""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def test_the_wheel_works_in_a_fresh_environment_outside_the_repository(tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT))
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    wheel = next(tmp_path.glob("*.whl"))
    run(str(python), "-m", "pip", "install", "--quiet", str(wheel), cwd=tmp_path)
    assert str(tmp_path) in run(str(python), "-c", USE, cwd=tmp_path)
    assert "examples" not in run(str(python), "-m", "zipfile", "-l", str(wheel))


SLOW = {
    "graphviz",
    "resvg_py",
    "safetensors",
    "matplotlib",
    "hypothesis",
    "numpy.random",
    "numpy.typing",
    "numpy.testing",
    "argparse",
    "copy",
    "dataclasses",
    "gzip",
    "hashlib",
    "importlib.metadata",
    "json",
    "logging",
    "subprocess",
    "tempfile",
    "uuid",
    "xml",
    "tinygrad_edu.debugging.anomaly",
    "tinygrad_edu.core.gradcheck",
    "tinygrad_edu.graph",
    "tinygrad_edu.nn",
}


def test_importing_loads_nothing_slow_that_numpy_has_not_loaded():
    program = (
        "import sys, numpy; known = set(sys.modules); import tinygrad_edu; "
        "print(*set(sys.modules) - known)"
    )
    loaded = set(run(sys.executable, "-c", program).split())
    assert "tinygrad_edu.core.engine" in loaded
    assert not SLOW & loaded


@pytest.mark.parametrize(
    "first",
    [
        "import tinygrad_edu",
        "import tinygrad_edu.nn",
        "from tinygrad_edu import nn",
        "from tinygrad_edu.nn import optim",
        "from tinygrad_edu import *",
    ],
)
def test_nn_is_there_however_it_is_first_asked_for(first):
    run(sys.executable, "-c", f"{first}; import tinygrad_edu; tinygrad_edu.nn.Linear(1, 1)")


def test_names_and_derivatives_are_there_before_anything_was_asked_for():
    run(
        sys.executable,
        "-c",
        """if True:
        import tinygrad_edu
        from tinygrad_edu.core.arraylike import REGISTRY
        names, table = dir(tinygrad_edu), set(REGISTRY)
        from tinygrad_edu import *
        assert set(tinygrad_edu.__all__) <= set(names)
        assert all(function.__module__.startswith("tinygrad_edu.nn") for function in set(REGISTRY) - table)""",
    )


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and str(node.module).startswith("tinygrad_edu")
        ):
            yield from [f"{node.module}.{name.name}" for name in node.names]


@pytest.mark.parametrize("path", sorted((ROOT / "nn").glob("*.py")), ids=lambda path: path.name)
def test_nn_uses_public_names_of_the_engine_only(path):
    import tinygrad_edu

    allowed = {f"tinygrad_edu.{name}" for name in tinygrad_edu.__all__}
    assert set(imported(path)) <= allowed


BELOW = {
    "core": set(),
    "operations": {"core"},
    "debugging": {"core"},
    "graph": {"core"},
    "programs": {"core", "debugging"},
    "nn": set(),
    "exercises": {"core", "graph", "debugging"},
}  # what each folder may import, itself aside


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tinygrad_edu").glob("*/**/*.py")), ids=lambda path: path.name
)
def test_arrows_point_one_way(path):
    folder = path.relative_to(ROOT / "tinygrad_edu").parts[0]
    found = {name.split(".")[1] for name in imported(path) if name.split(".")[1] in BELOW}
    assert found <= {folder, *BELOW[folder]}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tinygrad_edu" / "graph").rglob("*.py")), ids=lambda path: path.name
)
def test_readers_of_a_graph_know_the_graph_and_it_knows_none_of_them(path):
    folder, folders = path.parent.name, {"pictures", "text", "stepping"}
    allowed = {"graph": set(), "stepping": folders}.get(folder, {folder})
    if path.name != "__init__.py":
        assert {
            name.split(".")[2] for name in imported(path) if name.startswith("tinygrad_edu.graph.")
        } & folders <= allowed


FOLDERS = (
    "tinygrad_edu",
    "tinygrad_edu/exercises",
    "tinygrad_edu/graph",
    "tinygrad_edu/graph/pictures",
    "tinygrad_edu/graph/stepping",
    "tinygrad_edu/graph/text",
    "tinygrad_edu/core",
    "tinygrad_edu/operations",
    "tinygrad_edu/debugging",
    "tinygrad_edu/programs",
    "nn",
    "examples",
    "tests/benchmarks",
)
CEILINGS = [
    (path, 220 if path.name == "engine.py" else 300)
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.py"))
]


def test_the_readme_states_the_code_lines_of_the_four_files():
    stated = re.findall(
        r"\]\((tinygrad_edu/core/\w+\.py)\).*\| (\d+) \|", (ROOT / "README.md").read_text()
    )
    assert {path: int(count) for path, count in stated} == {
        path: len(code_lines(ROOT / path)) for path, _ in stated
    }
    assert len(stated) == 4


@pytest.mark.parametrize(("path", "most"), CEILINGS, ids=[path.name for path, _ in CEILINGS])
def test_a_file_and_a_function_stay_below_their_ceilings(path, most):
    code = code_lines(path)
    assert len(code) <= most
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert len(code & set(range(node.lineno, node.end_lineno + 1))) <= 30, node.name


def test_every_target_that_is_named_is_there():
    makefile, readme = (ROOT / "Makefile").read_text(), (ROOT / "README.md").read_text()
    named = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split() + re.findall(
        r"^make ([a-z-]+)", readme, re.M
    )
    assert {*named} <= {*re.findall(r"^([a-z-]+):", makefile, re.M)}
