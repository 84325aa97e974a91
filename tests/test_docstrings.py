"""Every example in a docstring runs, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu

PACKAGE = Path(tinygrad_edu.__path__[0])
MODULES = ["tinygrad_edu", *[module.name for module in pkgutil.walk_packages(tinygrad_edu.__path__, "tinygrad_edu.")]]
MODULES += [f"tinygrad_edu.nn.{module.name}" for module in pkgutil.iter_modules(tinygrad_edu.nn.__path__)]
PACKAGES = [tinygrad_edu, tinygrad_edu.special, tinygrad_edu.nn]
PACKAGES += [tinygrad_edu.nn.data, tinygrad_edu.nn.init, tinygrad_edu.nn.optim, tinygrad_edu.nn.transforms]
PUBLIC = [(package.__name__, name) for package in PACKAGES
          for name in package.__all__]
ARE_MODULES = {"special", "nn", "optim", "init", "data", "transforms"}


@pytest.mark.parametrize("module", sorted(set(MODULES)))
def test_the_examples_in_docstrings_run(module, monkeypatch):
    monkeypatch.chdir(__file__.rpartition("/tests/")[0])
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
COURSE = sorted(f"../docs/{path.relative_to(DOCS)}" for path in [*DOCS.glob("course/*.md"), *DOCS.glob("labs/[1-9]-*.md")])


@pytest.mark.parametrize("page", ["../README.md", "../docs/errors.md", "../docs/nn.md", *COURSE])
def test_the_examples_of_a_page_run(page, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    failed, ran = doctest.testfile(page, optionflags=doctest.ELLIPSIS)
    assert ran > 10
    assert not failed


def test_each_section_about_errors_is_named_by_an_error_and_the_other_way_round():
    pattern = r"see\(['\"]([a-z-]+)['\"]\)"
    named = set(re.findall(pattern, (PACKAGE / "errors.py").read_text()))
    named |= set(re.findall(pattern, (PACKAGE / "anomaly.py").read_text()))
    page = Path(__file__).parent.parent / "docs" / "errors.md"
    assert named == {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", page.read_text(), re.M)}


@pytest.mark.parametrize("module", [tinygrad_edu.nn, tinygrad_edu.nn.optim])
def test_the_table_beside_pytorch_has_every_class_of_nn(module):
    classes = {name for name in module.__all__ if inspect.isclass(getattr(module, name))}
    rows = re.findall(r"^\| `nn\.(?:optim\.)?(\w+)`", (PACKAGE.parent / "docs" / "nn.md").read_text(), re.MULTILINE)
    assert classes - set(rows) <= {"Module", "Sequential", "DataLoader", "Optimizer", "Schedule"}
