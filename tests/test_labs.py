"""The labs break the engine on purpose.

Each leaves it as it was, and its broken training ends above the right one.
"""

import page_pictures
import pytest

from tinygrad_edu.core import engine
from tinygrad_edu.core.engine import REGISTRY, Operation


def state():
    """The engine's functions, and every partial of every operation."""
    operations = {f: run for f, run in REGISTRY.items() if isinstance(run, Operation)}
    return dict(vars(engine)), {f: dict(run.partials) for f, run in operations.items()}


@pytest.mark.parametrize("page", page_pictures.LABS, ids=lambda page: page.stem)
def test_a_lab_leaves_the_engine_as_it_was_and_its_broken_training_ends_above_the_right_one(page):
    before = state()
    costs = page_pictures.names(page)
    assert state() == before
    assert costs["right"][-1] < costs["wrong"][-1]
