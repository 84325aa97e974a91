"""What holds for every test: none depends on the clock, so Hypothesis sets no deadline.

And for the tests of replay: each runs on every backend that is installed.
"""

from typing import Any

import pytest
from hypothesis import settings

from tinygrad_edu import replay
from tinygrad_edu.programs import backends
from tinygrad_edu.programs.away import bring_home
from tinygrad_edu.programs.loops.looped import Looped
from tinygrad_edu.programs.loops.slow import python_function
from tinygrad_edu.programs.replay import Replay

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


class SlowLoops(Looped):
    """The loops that a compiler gets, run by Python: where there is none, they are tested so."""

    machine = staticmethod(python_function)

    def fall_back(self, now: Any) -> None:
        raise  # the error that is being handled: the loops gave other numbers


backends.BACKENDS["loops in Python"] = (lambda: SlowLoops, ())


@pytest.fixture(params=backends.installed())
def backend(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The backend on which `replay` runs its steps, where a test names none."""
    monkeypatch.setitem(replay.__kwdefaults__, "backend", request.param)
    if request.param == "jax":  # many of these tests hold arrays of the state from before
        call = Replay.__call__

        def call_and_sync(self: Replay, *args: Any, **options: Any) -> Any:
            try:
                return call(self, *args, **options)
            finally:
                bring_home()

        monkeypatch.setattr(Replay, "__call__", call_and_sync)
    name: str = request.param
    return name
