"""Every example in a docstring runs, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import tinygrad_edu

MODULES = ["tinygrad_edu", *[module.name for module in pkgutil.walk_packages(tinygrad_edu.__path__, "tinygrad_edu.")]]
MODULES += [f"tinygrad_edu.nn.{module.name}" for module in pkgutil.iter_modules(tinygrad_edu.nn.__path__)]
PUBLIC = [(package.__name__, name) for package in (tinygrad_edu, tinygrad_edu.nn, tinygrad_edu.special, tinygrad_edu.nn.optim)
          for name in package.__all__]
ARE_MODULES = {"special", "nn", "optim", "init", "data"}


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


def test_the_examples_in_the_readme_run():
    failed, ran = doctest.testfile("../README.md", optionflags=doctest.ELLIPSIS)
    assert ran > 10
    assert not failed
