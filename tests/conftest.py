"""What holds for every test: none depends on the clock, so Hypothesis sets no deadline.

And for the tests of replay: each runs on every backend that is installed.
"""

from typing import Any

import pytest
from hypothesis import settings

from tinygrad_edu import replay
from tinygrad_edu.programs import backends

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(params=backends.installed())
def backend(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The backend on which `replay` runs its steps, where a test names none."""
    monkeypatch.setitem(replay.__kwdefaults__, "backend", request.param)
    name: str = request.param
    return name
