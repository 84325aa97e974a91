"""Backpropagation from first principles: a Tensor records, the chain rule walks back.

>>> from tinygrad_edu import Tensor
>>> w = Tensor(-3.0, requires_grad=True, name="w")
>>> x = Tensor(2.0, name="x")
>>> loss = (w * x + 7.0) ** 2
>>> loss.backward()
>>> loss.item(), w.grad.item()  # ∂/∂w (w x + 7)² = 2 (w x + 7) x
(1.0, 4.0)

Read the source in this order: core/engine.py, core/derivatives.py, core/functional.py,
core/gradcheck.py. `python -m tinygrad_edu` lists what there is.
"""

import importlib
import importlib.machinery
import os
import sys
from typing import TYPE_CHECKING, Any

from tinygrad_edu.core import derivatives as derivatives
from tinygrad_edu.core.elsewhere import no_such_function
from tinygrad_edu.core.engine import Tensor, derivative, operation
from tinygrad_edu.core.functional import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_edu.core.marks import at_replay, opaque
from tinygrad_edu.core.switches import no_grad
from tinygrad_edu.operations import composed as composed
from tinygrad_edu.operations import constants as constants
from tinygrad_edu.operations import lengths as lengths
from tinygrad_edu.operations import linalg as linalg
from tinygrad_edu.operations import norms as norms
from tinygrad_edu.operations import options as options
from tinygrad_edu.operations import padding as padding
from tinygrad_edu.operations import polynomials as polynomials
from tinygrad_edu.operations import scans as scans
from tinygrad_edu.operations import selecting as selecting
from tinygrad_edu.operations import sequences as sequences
from tinygrad_edu.operations import solving as solving
from tinygrad_edu.operations import special as special
from tinygrad_edu.operations import statistics as statistics

if TYPE_CHECKING:
    from tinygrad_edu import errors as errors
    from tinygrad_edu import nn
    from tinygrad_edu.debugging.anomaly import detect_anomaly
    from tinygrad_edu.debugging.diagnosis import check_gradients
    from tinygrad_edu.graph import draw, explain, latex, paths, stepper
    from tinygrad_edu.programs.replay import replay
    from tinygrad_edu.watching import watch

__version__ = "0.2.0"

__all__ = [
    "Tensor",
    "at_replay",
    "check_gradients",
    "derivative",
    "detect_anomaly",
    "draw",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "latex",
    "nn",
    "no_grad",
    "opaque",
    "operation",
    "paths",
    "replay",
    "special",
    "stepper",
    "value_and_grad",
    "vjp",
    "watch",
]

HERE = __path__[0]


class Beside:
    """Find `tinygrad_edu.nn` in a clone, where nn/ stands beside this folder."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name != "tinygrad_edu.nn":
            return None
        return importlib.machinery.PathFinder.find_spec(name, [os.path.dirname(HERE)])


if not os.path.isdir(os.path.join(HERE, "nn")):
    sys.meta_path.insert(0, Beside)  # first, or an editable install of another clone would win

# Public names that many programs never use, and the modules that define them. Each is imported when
# it is first used, so that importing the package is quick
LATER = {
    "check_gradients": "debugging.diagnosis",
    "detect_anomaly": "debugging.anomaly",
    "replay": "programs.replay",
    "draw": "graph",
    "explain": "graph",
    "latex": "graph",
    "paths": "graph",
    "stepper": "graph",
    "watch": "watching",
}

if not TYPE_CHECKING:  # so a type checker reports a name that is not imported above

    def __getattr__(name: str) -> Any:
        """Import a name of LATER, or nn, graph, errors or playground, when it is first used."""
        if name in ("nn", "graph", "errors", "playground"):
            return importlib.import_module(f"tinygrad_edu.{name}")
        if name not in LATER:
            raise no_such_function(name)
        return getattr(importlib.import_module(f"tinygrad_edu.{LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
