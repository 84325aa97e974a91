"""Every example in a docstring runs, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
import runpy
import traceback
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import nn
from tinygrad_edu.core.engine import REGISTRY, derivative

PACKAGE = Path(tinygrad_edu.__path__[0])
FOUND = pkgutil.walk_packages(tinygrad_edu.__path__, "tinygrad_edu.")
MODULES = ["tinygrad_edu", *[module.name for module in FOUND]]
MODULES += [f"tinygrad_edu.nn.{module.name}" for module in pkgutil.iter_modules(nn.__path__)]
PACKAGES = [tinygrad_edu, tinygrad_edu.errors, tinygrad_edu.operations.special, nn]
PACKAGES += [nn.data, nn.init, nn.metrics, nn.optim, nn.transforms]
PUBLIC = [(package.__name__, name) for package in PACKAGES for name in package.__all__]
EXTRAS = {  # what a module, or those of a package, need
    "tinygrad_edu.nn.torch_trace": "torch",
    "tinygrad_edu.programs.loops.numba_loops": "numba",
    "tinygrad_edu.programs.jax": "jax",
}
ARE_MODULES = {"special", "nn", "optim", "init", "data", "metrics", "transforms"}


@pytest.fixture(autouse=True)
def whole_messages(monkeypatch):
    """A doctest compares an error's notes too; before Python 3.13 it saw the last line alone."""
    lines = traceback.format_exception_only
    monkeypatch.setattr(traceback, "format_exception_only", lambda *error: ["".join(lines(*error))])


@pytest.fixture(autouse=True)
def every_early_frame(monkeypatch):
    """A watched run takes all early frames, however busy the machine is."""
    monkeypatch.setattr("tinygrad_edu.watching.pace.FREE_SECONDS", 600.0)


@pytest.mark.parametrize("module", sorted(set(MODULES)))
def test_the_examples_in_docstrings_run(module, monkeypatch):
    monkeypatch.chdir(__file__.rpartition("/tests/")[0])
    for place, package in EXTRAS.items():
        if f"{module}.".startswith(f"{place}."):
            pytest.importorskip(package)
    found = importlib.import_module(module)
    failed, _ = doctest.testmod(found, extraglobs={"np": np}, optionflags=doctest.ELLIPSIS)
    assert not failed


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_every_public_name_has_a_docstring_of_ten_lines_at_most_with_an_example(package, name):
    documented = inspect.getdoc(getattr(importlib.import_module(package), name)) or ""
    if name not in ARE_MODULES:
        assert ">>>" in documented
        assert len(documented.splitlines()) <= 10


DOCS = Path(__file__).parents[1] / "docs"
ERRORS = PACKAGE / "errors.md"  # of which docs/errors.md is made
TEXTS = [
    DOCS.parent / "README.md",
    ERRORS,
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("*/*.md")),
]
NEEDED = {  # by a page, and no part of `dev`
    "pytorch": "torch",
    "from-pytorch": "torch",
    "onnx": "onnxruntime",
    "outgrow-your-machine": "jax",
}
PAGES = [page for page in TEXTS if ">>> " in page.read_text("utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_run(page, monkeypatch):
    if page.stem in NEEDED:
        pytest.importorskip(NEEDED[page.stem])
    monkeypatch.chdir(DOCS.parent)
    how = {"module_relative": False, "optionflags": doctest.ELLIPSIS, "encoding": "utf-8"}
    failed, _ = doctest.testfile(str(page), **how)
    assert not failed


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_code_that_stands_without_a_prompt_runs_too(page):
    if page.stem == "derivatives":
        return  # generated: the table's own lines
    without_prompt, text = r"^```python\n((?!>>>).+?)^```", page.read_text("utf-8")
    for block in re.findall(without_prompt, text, re.MULTILINE | re.DOTALL):
        with patch.dict(REGISTRY):
            exec(block, {"np": np, "derivative": derivative})


def test_the_index_of_the_guides_names_each_guide_twice():
    index = (DOCS / "guides" / "index.md").read_text(encoding="utf-8")
    guides = {path.stem for path in (DOCS / "guides").glob("*.md")} - {"index"}
    assert set(re.findall(r"\]\(([a-z-]+)\.md\)", index)) == guides
    assert set(re.findall(r"^[a-z-]+$", index.partition(":maxdepth: 1")[2], re.MULTILINE)) == guides


def test_pages_show_the_pictures_that_their_code_draws(tmp_path):
    for name in ("course", "guides", "_static", "labs"):
        (tmp_path / name).mkdir()
    pictures = runpy.run_path(str(DOCS / "page_pictures.py"))
    for name, part in pictures["PARTS"].items():
        if name not in {page.stem for page in pictures["LABS"]}:  # tests/test_labs.py runs those
            part(tmp_path)
    drawn = {path.name for path in tmp_path.glob("*/*.*")}
    pages = [
        DOCS / "index.md",
        DOCS / "labs" / "index.md",
        *pictures["GUIDES"],
        DOCS / "guides" / "playground.md",
        *DOCS.glob("course/*.md"),
    ]
    pattern = r'(?:_static/|[("])([\w-]+\.svg)|_static/([\w-]+\.html)'
    found = [re.findall(pattern, page.read_text("utf-8")) for page in pages]
    shown = {svg or html for names in found for svg, html in names}
    # by the guide, by make docs, by the labs
    others = {"neuron.svg", "playground.html", "mnist-run.html", "curves.svg"}
    assert drawn == shown - others


def test_each_section_about_errors_is_named_by_an_error_and_the_other_way_round():
    source = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    named = re.findall(r"see\(['\"]([a-z-]+)['\"]\)", source)
    titles = re.findall(r"^## (.+)$", ERRORS.read_text("utf-8"), re.MULTILINE)
    assert {*named} == {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("section", ["shape-mismatch", "not-a-number"])
def test_an_installed_package_explains_its_errors(section):
    explained = repr(tinygrad_edu.errors.explain(section))
    assert explained.startswith("## ")
    assert " ".join(explained.split()) in " ".join(ERRORS.read_text("utf-8").split())


def test_an_unknown_section_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"did you mean 'shape-mismatch'\? There are .*replay"):
        tinygrad_edu.errors.explain("shapes-mismatch")


@pytest.mark.parametrize("module", [nn, nn.optim])
def test_the_table_beside_pytorch_has_every_class_of_nn(module):
    classes = {name for name in module.__all__ if inspect.isclass(getattr(module, name))}
    rows = re.findall(r"^\| `nn\.(?:optim\.)?(\w+)`", (DOCS / "nn.md").read_text(), re.MULTILINE)
    assert classes - set(rows) <= {
        "Module",
        "Sequential",
        "DataLoader",
        "Progress",
        "Optimizer",
        "Schedule",
    }
