"""The playground: draw a digit, watch the engine's own program run forward and backward, train.

`playground(model, images, labels)` makes the page of a model; on the command line
`python -m tinygrad_edu.playground` that of a checkpoint of examples/mnist.py.
"""

import sys
from types import ModuleType
from typing import Any

from tinygrad_edu.playground.page import Playground, playground

__all__ = ["Playground", "playground"]


class CallableModule(ModuleType):
    """A module that is called as its function of the same name: `from tinygrad_edu import` it."""

    def __call__(self, *args: Any, **options: Any) -> Playground:
        return playground(*args, **options)


sys.modules[__name__].__class__ = CallableModule
