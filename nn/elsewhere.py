"""What the names of torch.nn are called here, for the errors of those who come from there."""

from __future__ import annotations

from collections.abc import Iterable

NAMES = {  # in torch.nn ↦ what to write
    "MultiheadAttention": "nn.MultiHeadAttention",
    "Parameter": "Tensor(…, requires_grad=True)",
    "ModuleList": "a list of Modules: their parameters are found in it",
    "ModuleDict": "a dict of Modules: their parameters are found in it",
    "ParameterList": "a list of Tensors",
    "Identity": "nn.Sequential()",
    "functional": "tinygrad_edu.special, and NumPy's own functions",
    "utils": "nn.optim.clip_grad_norm and nn.optim.clip_grad_value",
    "Softmax2d": "nn.Softmax(axis=1)",
    "Threshold": "np.where(x > threshold, x, value)",
    "ZeroPad2d": "nn.Pad2d(padding)",
    "ConstantPad2d": "nn.Pad2d(padding, value=value)",
    "ReflectionPad2d": 'nn.Pad2d(padding, mode="reflect")',
    "ReplicationPad2d": 'nn.Pad2d(padding, mode="replicate")',
    "CircularPad2d": 'nn.Pad2d(padding, mode="circular")',
    "UpsamplingNearest2d": "nn.Upsample",
    "TransformerEncoder": "nn.Sequential of several nn.TransformerEncoderLayer",
}


def no_such_name(name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that nn lacks; with what to write, if that is known."""
    alike = {other.lower(): other for other in known}.get(name.removesuffix("Loss").lower())
    hint = NAMES.get(name, f"nn.{alike}" if alike else "")
    return AttributeError(
        f"module 'tinygrad_edu.nn' has no attribute {name!r}" + (f": write {hint}" if hint else "")
    )
