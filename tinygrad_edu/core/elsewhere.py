"""What PyTorch's names are called here, for the errors of those who come from there."""

from __future__ import annotations

import numpy as np

METHODS = {  # of a tensor of PyTorch's ↦ what to write
    "view": "x.reshape(…)",
    "permute": "x.transpose(…)",
    "t": "x.T",
    "dim": "x.ndim",
    "numel": "x.size",
    "unsqueeze": "x[None], or np.expand_dims(x, axis)",
    "expand": "np.broadcast_to(x, shape)",
    "type": "x.astype(dtype)",
    "float": "x.astype(np.float32)",
    "double": "x.astype(np.float64)",
    "long": "x.astype(int)",
    "to": "x.astype(dtype); there is no device: numbers are NumPy's",
    "cpu": "x: there is no device, numbers are NumPy's",
    "cuda": "x: there is no device, numbers are NumPy's",
    "device": "nothing: there is no device, numbers are NumPy's",
    "contiguous": "x: how its numbers lie in memory is NumPy's concern",
    "clone": "x.copy()",
    "pow": "x ** y",
    "mm": "x @ y",
    "bmm": "x @ y",
    "gather": "np.take_along_axis(x, indices, axis)",
    "masked_fill": "np.where(mask, value, x)",
    "chunk": "np.split(x, parts, axis)",
    "is_leaf": "x.operation is None",
    "grad_fn": "x.operation",
    "requires_grad_": "Tensor(…, requires_grad=True)",
    "retain_grad": "loss.gradient(x), for any x",
}
OPTIONS = {"dim": "axis=", "keepdim": "keepdims=", "input": "x, without a name"}


def what_to_write(name: str) -> str:
    """What to write in place of a method of PyTorch's; "" if that is not known."""
    if name in METHODS:
        return METHODS[name]
    if name.endswith("_") and not name.startswith("_"):
        return "an expression, x = x + 1: nothing here changes a Tensor in place"
    if callable(getattr(np, name, None)) and not isinstance(getattr(np, name), type):
        return f"np.{name}(x)"
    return ""
