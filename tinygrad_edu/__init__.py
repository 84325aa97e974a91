"""Backpropagation from first principles: a Tensor records how it was computed, the chain rule walks back.

>>> from tinygrad_edu import Tensor
>>> w = Tensor(-3.0, requires_grad=True, name="w")
>>> x = Tensor(2.0, name="x")
>>> loss = (w * x + 7.0) ** 2
>>> loss.backward()
>>> loss.item(), w.grad.item()  # ∂/∂w (w x + 7)² = 2 (w x + 7) x
(1.0, 4.0)

Read the source in this order: engine.py, derivatives.py, functional.py, gradcheck.py.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tinygrad_edu import composed as composed
from tinygrad_edu import derivatives as derivatives
from tinygrad_edu import linalg as linalg
from tinygrad_edu import special as special
from tinygrad_edu.engine import Tensor, derivative, no_grad, operation
from tinygrad_edu.functional import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_edu.tracing import live, whole

if TYPE_CHECKING:
    from tinygrad_edu import nn
    from tinygrad_edu.anomaly import detect_anomaly
    from tinygrad_edu.gradcheck import check_gradients
    from tinygrad_edu.graph import draw, explain, latex, paths, stepper
    from tinygrad_edu.replaying import replay

__all__ = ["Tensor", "check_gradients", "derivative", "detect_anomaly", "draw", "explain", "grad", "hessian", "hvp", "jacobian",
           "jvp", "latex", "live", "nn", "no_grad", "operation", "paths", "replay", "special", "stepper", "value_and_grad",
           "vjp", "whole"]

# What many programs never ask for, and the module that it comes with when it is first asked for: importing stays quick
LATER = {"nn": "nn", "check_gradients": "gradcheck", "detect_anomaly": "anomaly", "replay": "replaying",
         "draw": "graph", "explain": "graph", "latex": "graph", "paths": "graph", "stepper": "graph"}

if not TYPE_CHECKING:  # a type checker knows the imports above, and that there are no other names
    def __getattr__(name: str) -> Any:
        """One of these names, or a module that they come with."""
        home = LATER.get(name, name)
        if home not in LATER.values(): raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"tinygrad_edu.{home}")
        return module if name == home else getattr(module, name)


def __dir__() -> list[str]: return sorted({*globals(), *__all__})
