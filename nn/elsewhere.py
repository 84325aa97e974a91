"""What the names of torch.nn are called here, for the errors of those who come from there."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from tinygrad_edu import Tensor

PACKAGE = __name__.rpartition(".")[0]
NAMES = {  # in torch.nn ↦ what to write
    "MultiheadAttention": "nn.MultiHeadAttention",
    "Parameter": "Tensor(…, requires_grad=True)",
    "Buffer": "Tensor(…)",
    "ModuleList": "a list of Modules: their parameters are found in it",
    "ModuleDict": "a dict of Modules: their parameters are found in it",
    "ParameterList": "a list of Tensors",
    "ParameterDict": "a dict of Tensors",
    "Identity": "nn.Sequential()",
    "functional": "tinygrad_edu.special, and NumPy's own functions",
    "utils": "nn.optim.clip_grad_norm and nn.optim.clip_grad_value",
    "TensorDataset": "the arrays themselves: nn.DataLoader(x, y)",
    "Dataset": "arrays, or a class with __len__ and __getitem__: nn.DataLoader takes it",
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
OPTIM = {  # in torch.optim, and in its lr_scheduler
    "lr_scheduler": "nn.optim.Cosine, or another schedule: they are in nn.optim",
    "StepLR": "nn.optim.Step",
    "ConstantLR": "nn.optim.Constant",
    "CosineAnnealingLR": "nn.optim.Cosine",
    "CosineAnnealingWarmRestarts": "nn.optim.CosineRestarts",
    "OneCycleLR": "nn.optim.OneCycle",
    "LinearLR": "nn.optim.WarmUp",
    "SequentialLR": "nn.optim.SequentialSchedule",
    "ReduceLROnPlateau": "nn.optim.ReduceOnPlateau",
    "LambdaLR": "a class of your own, with factor(t), below nn.optim.Schedule",
}
NO_DEVICE = "nothing: there is no device, numbers are NumPy's"
TYPE = "nn.Linear(…, dtype=…), as each layer takes the type of its numbers"
OF_MODULES = {  # methods of torch.nn.Module
    "to": f"{TYPE}; there is no device",
    "half": TYPE,
    "float": TYPE,
    "double": TYPE,
    "cuda": NO_DEVICE,
    "cpu": NO_DEVICE,
    "children": "[*model], of a Sequential; model.members() also yields names, and Tensors",
    "named_children": "model.members(), which also yields Tensors",
    "modules": "model.named_modules(), which also yields names",
    "buffers": "model.named_state(), of which those without requires_grad are buffers",
    "named_buffers": "model.named_state(), of which those without requires_grad are buffers",
    "apply": "nn.init.initialize(model, rng, weight=…), or a loop over model.named_modules()",
    "register_buffer": "self.mean = Tensor(array): without requires_grad it is a buffer",
    "register_parameter": "self.weight = Tensor(array, requires_grad=True)",
    "add_module": "self.name = module, or setattr(self, name, module)",
    "register_module": "self.name = module, or setattr(self, name, module)",
    "append": "nn.Sequential(*model, layer)",
    "extend": "nn.Sequential(*model, *layers)",
    "requires_grad_": "for p in model.parameters(): p.requires_grad = False",
    "register_forward_hook": "a Module of your own around it; watch(…) shows every output",
    "compile": "@replay above the training step",
}
HERE = "leave it out: there is no device, numbers are NumPy's"
IN_MEMORY = "leave it out: batches are cut here, from arrays in memory"
FUSED = "leave it out: a small model's numbers are updated as one vector"
OPTIONS = {  # of PyTorch's constructors
    "dim": "write axis=",
    "inplace": "leave it out: nothing changes a Tensor in place",
    "batch_first": "leave it out: the batch is always first",
    "device": HERE,
    "size_average": "write reduction=",
    "generator": "write rng=np.random.default_rng(0)",
    "num_workers": IN_MEMORY,
    "pin_memory": HERE,
    "persistent_workers": IN_MEMORY,
    "prefetch_factor": IN_MEMORY,
    "collate_fn": "give an iterable of examples, each an array or a tuple of arrays",
    "sampler": "give an iterable of examples, in your order",
    "batch_sampler": "give an iterable of examples, in your order",
    "foreach": FUSED,
    "fused": FUSED,
    "set_to_none": "leave it out: a gradient that is forgotten is None",
}


def no_such_name(
    name: str, known: Iterable[str], module: str = "nn", names: Mapping[str, str] = NAMES
) -> AttributeError:
    """The error for a name that nn lacks; with what to write, if that is known."""
    alike = {other.lower(): other for other in known}.get(name.removesuffix("Loss").lower())
    hint = names.get(name, f"{module}.{alike}" if alike else "")
    return AttributeError(
        f"module 'tinygrad_edu.{module}' has no attribute {name!r}"
        + (f": write {hint}" if hint else "")
    )


class OfPyTorchs:
    """A method that PyTorch's Modules have and ours lack: the error says what to write.

    It is no property, so that a Module of yours may have an attribute of that name.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type) -> NoReturn:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {self.name!r}: write "
            + OF_MODULES[self.name]
        )


def refuse_options(function: str, options: Iterable[str]) -> NoReturn:
    """Raise TypeError for options that a function does not take; say what to write, if known."""
    name = min(options, key=lambda name: name not in OPTIONS)
    hint = f": {OPTIONS[name]}" if name in OPTIONS else ""
    raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")


def made_with_arrays(cls: type, x: Any) -> TypeError:
    kind = "array" if isinstance(x, np.ndarray) else type(x).__name__
    return TypeError(
        f"{cls.__name__} found {kind} {x.shape} where it is made: it is made first, "
        f"f = nn.{cls.__name__}(…), and called with arrays then, f(…)"
    )


def explain_options(cls: Any, takes_arrays: bool) -> None:
    """Let a class's constructor say what PyTorch's options are called here.

    It is also told apart from a call, unless it takes arrays: PyTorch's functions have like names.
    """
    init = cls.__init__
    plain = init is object.__init__
    code = None if plain else inspect.unwrap(init).__code__
    if code and code.co_flags & inspect.CO_VARKEYWORDS:
        return  # it knows itself which options there are
    taken = code.co_varnames if code else ()

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **options: Any) -> None:
        if options and not OPTIONS.keys().isdisjoint(options):
            others = [name for name in options if name in OPTIONS and name not in taken]
            if others:
                refuse_options(cls.__name__, others)
        for x in () if takes_arrays else args:
            if isinstance(x, Tensor | np.ndarray) and x.ndim:  # one number is an option
                raise made_with_arrays(cls, x)
        if plain and (args or options):
            raise TypeError(f"{cls.__name__}() takes no arguments")
        init(self, *args, **options)

    if plain:
        me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        __init__.__signature__ = inspect.Signature([me])  # type: ignore[attr-defined]
    cls.__init__ = __init__


def tell_pytorchs_names(module: type, found: Iterable[Any]) -> None:
    """Let Modules name what to write for PyTorch's methods, and the classes for its options."""
    for name in OF_MODULES:
        setattr(module, name, OfPyTorchs(name))
    for cls in {x for x in found if isinstance(x, type) and x.__module__.startswith(PACKAGE)}:
        if cls is not module:
            explain_options(cls, takes_arrays=not issubclass(cls, module))
