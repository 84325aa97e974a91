"""from_torch: a model of PyTorch's as one of ours, to be drawn, stepped through and explained.

Layers become their twins, of the same names and weights. A Module with a forward of its own becomes
a Ported, which makes the same calls, one after the other, with NumPy's functions.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, no_grad

from . import twins
from .layers import Sequential
from .module import Array, Module

__all__ = ["from_torch"]

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2}  # of the results' greatest number


@dataclass(frozen=True)
class Ref:
    """The result of an earlier step, by its name."""

    name: str


@dataclass(frozen=True, eq=False)
class PortedCall:
    """One call that a forward makes."""

    name: str  # what its result is called
    call: Callable[..., Any] | None  # None: the Module or Tensor at the path
    path: str  # "" if a function is called
    args: tuple[Any, ...]
    options: dict[str, Any]
    changed: str | None = None  # the argument that the call changes in place
    line: str = ""  # of the user's code

    def run(self, model: Ported, values: dict[str, Any]) -> Any:
        """Make the call, on the results of earlier ones."""
        args, options = filled(self.args, values), filled(self.options, values)
        if not self.path:
            return self.call(*args, **options)  # type: ignore[misc]
        found = at(model, self.path)
        if isinstance(found, Tensor | np.ndarray):
            return found
        return found(*args, **options)


class Constants:
    """Arrays that belong to a forward and are no state of the model."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = dict(arrays)


class Ported(Module):
    """A forward of PyTorch's, as the calls that it made with an example."""

    def __init__(self, arguments: list[str], fixed: dict[str, Any]) -> None:
        self.forwards: dict[bool, PortedForward] = {}
        self.arguments = Arguments(arguments, fixed)
        self.constants = Constants({})

    def forward(self, *args: Any, **options: Any) -> Any:
        steps = self.forwards[self.training].steps
        values = self.arguments.by_name(args, options)
        for step in steps:
            try:
                values[step.name] = step.run(self, values)
            except Exception as error:
                if step.line:
                    error.add_note(f"in {step.line}")
                raise
            if step.changed:
                values[step.changed] = values[step.name]
        return filled(self.forwards[self.training].result, values)


@dataclass(frozen=True, eq=False)
class PortedForward:
    """The steps of a forward, and what it returns."""

    steps: list[PortedCall]
    result: Any


@dataclass(frozen=True, eq=False)
class Arguments:
    """The names of a forward's arguments, and those that its steps were chosen for."""

    names: list[str]
    fixed: dict[str, Any]

    def by_name(self, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(self.names, args, strict=False)) | options
        for name, value in self.fixed.items():
            if name in given and given[name] is not value and given[name] != value:
                raise ValueError(
                    f"the model was taken over with {name}={value!r}, and now it is "
                    f"{given[name]!r:.60}: call from_torch with an example like this input"
                )
        return self.fixed | given


def from_torch(module: Any, *example: Any, rng: np.random.Generator | None = None) -> Module:
    """Our model that computes what a model of PyTorch's computes, with a copy of its weights.

    The example is its arguments, tensors or arrays. Parameters keep their names; so a state dict
    fits both. Decisions of its code, `if` and `for`, are those for the example: where another input
    decides otherwise, a ValueError says so. Raises TypeError, with a list, for layers and functions
    that have no twin here, and ValueError if the results differ. Needs PyTorch.

    >>> import torch  # doctest: +SKIP
    >>> model = nn.from_torch(torch.nn.Linear(3, 2), torch.ones(5, 3))  # doctest: +SKIP
    """
    try:
        import torch
    except ImportError:
        raise ImportError(
            "from_torch reads a model of PyTorch's, which is not installed: "
            "pip install torch, or '.[torch]' in the clone"
        ) from None
    given = tuple(torch.as_tensor(x) if isinstance(x, np.ndarray) else x for x in example)
    port = Port(module, given, rng or np.random.default_rng())
    model: Module = port.model(module, "")
    if port.refused:
        listed = "\n  ".join(dict.fromkeys(port.refused))
        raise TypeError(f"these have no twin here, so the model was not taken over:\n  {listed}")
    check_results(model, given, port.result)
    for theirs, ours in port.made.values():
        ours.training = theirs.training
    return model


class Port:
    """One model on its way: what was made so far, and what has no twin."""

    def __init__(self, module: Any, example: tuple[Any, ...], rng: np.random.Generator) -> None:
        from . import torch_trace

        self.torch, self.rng, self.refused = torch_trace, rng, list[str]()
        self.made: dict[int, tuple[Any, Any]] = {}  # Modules by the ids of PyTorch's
        self.tensors: dict[int, Tensor] = {}
        self.result, self.given, self.outputs = torch_trace.run(module, example)

    def model(self, theirs: Any, path: str) -> Any:
        """Our Module, or list or dict of Modules; the same one for a Module that is met again."""
        kind = type(theirs).__name__
        if kind in ("ModuleList", "ParameterList"):
            return [self.part(x, f"{path}.{i}") for i, x in enumerate(theirs)]
        if kind in ("ModuleDict", "ParameterDict"):
            return {name: self.part(x, f"{path}.{name}") for name, x in theirs.items()}
        if id(theirs) not in self.made:
            self.made[id(theirs)] = (theirs, self.new_model(theirs, path))
        return self.made[id(theirs)][1]

    def part(self, theirs: Any, path: str) -> Any:
        if isinstance(theirs, self.torch.Tensor):
            return self.tensor(theirs, path.rpartition(".")[2])
        return self.model(theirs, path)

    def new_model(self, theirs: Any, path: str) -> Module:
        kind, within = type(theirs).__name__, children(theirs)
        if kind == "Sequential" and not all(map(str.isdigit, within)):
            return self.ported(theirs, path)
        if kind not in ("Sequential", "Identity"):
            twin = is_builtin(theirs) and twins.our_class(kind)
            return self.layer(theirs, path) if twin else self.ported(theirs, path)
        layers = Sequential()
        for name, child in within.items():
            setattr(layers, name, self.model(child, join(path, name)))
        return layers

    def layer(self, theirs: Any, path: str) -> Module:
        """The twin of a layer, with copies of its weights."""
        dtypes = [array_of(p).dtype for p in theirs.parameters() if p.is_floating_point()]
        ours, problems = twins.layer_twin(theirs, dtypes[0] if dtypes else np.float32)
        self.refused += [f"{path or 'the model'}: {problem}" for problem in problems]
        if ours is None:
            return Module()
        own = dict(ours.named_state())
        for name, x in (*theirs.named_parameters(), *theirs.named_buffers()):
            if name not in own or own[name].shape != tuple(x.shape):
                self.refused.append(f"{path}: {type(theirs).__name__} with {name} {(*x.shape,)}")
                continue
            above, _, last = name.rpartition(".")
            setattr(at(ours, above), last, self.tensor(x, last))
        if hasattr(ours, "rng"):
            ours.rng = self.rng
        return ours

    def tensor(self, x: Any, name: str) -> Tensor:
        """A Tensor with a copy of the numbers, the same one for weights that are tied."""
        if id(x) not in self.tensors:
            self.tensors[id(x)] = Tensor(array_of(x), x.requires_grad, name)
        return self.tensors[id(x)]

    def ported(self, theirs: Any, path: str) -> Module:
        """A Module with a forward of its own: its parts, then the calls that it makes."""
        title = path or type(theirs).__name__
        if is_builtin(theirs):
            title = f"{path or 'the model'}: torch.nn.{type(theirs).__name__}"
        if theirs not in self.given:
            self.refused.append(
                f"{title}: {type(theirs).__name__}, which the example doesn't reach"
            )
            return Module()
        given = self.torch.named_arguments(theirs, *self.given[theirs])
        kind = type(type(theirs).__name__, (Ported,), {"__module__": __name__})
        fixed = {name: x for name, x in given.items() if not self.holds_tensor(x)}
        ours: Ported = kind([*inspect.signature(theirs.forward).parameters], fixed)
        lasting = theirs.state_dict()
        for name, x in (theirs._parameters | theirs._buffers).items():
            if name in lasting:
                setattr(ours, name, self.tensor(x, name))
            elif x is not None:
                ours.constants.arrays[name] = array_of(x)
        for name, child in children(theirs).items():
            setattr(ours, name, self.model(child, join(path, name)))
        for training in (False, True):
            try:
                nodes, constants = self.torch.trace(theirs, given, self.outputs, training)
            except Exception as error:
                self.refused.append(f"{title}: {type(theirs).__name__}, {error}")
                break
            ours.constants.arrays |= {name: array_of(x) for name, x in constants.items()}
            ours.forwards[training] = self.steps(theirs, nodes, title)
        return ours

    def holds_tensor(self, value: Any) -> bool:
        return any(isinstance(x, self.torch.Tensor) for x in self.torch.flat(value))

    def steps(self, theirs: Any, nodes: list[Any], title: str) -> PortedForward:
        """The nodes of a graph as steps."""
        steps, result = [], None
        for node in nodes:
            args, options = converted(node.args), dict(converted(node.kwargs))
            if node.op == "output":
                result = args[0]
            elif node.op == "call_module":
                child, changed = theirs.get_submodule(node.target), None
                if getattr(child, "inplace", False):
                    changed = args[0].name
                steps.append(PortedCall(node.name, None, node.target, args, options, changed))
            elif node.op == "get_attr":
                steps.append(PortedCall(node.name, None, node.target, (), {}))
            elif node.op != "placeholder":
                steps.append(self.function_step(node, args, options, title))
        return PortedForward(steps, result)

    def function_step(self, node: Any, args: Any, options: Any, title: str) -> PortedCall:
        """A call of a function or a method as a step, or one more refusal."""
        from .torch_functions import ATTRIBUTES, FUNCTIONS, NEUTRAL

        line = self.torch.user_line(node)
        name = node.target if node.op == "call_method" else node.target.__name__
        call, changed = FUNCTIONS.get(name), None
        if getattr(node.target, "__module__", "") == "math":
            call = node.target  # of sizes, which are Python's numbers
        if not call and name.endswith("_"):
            call, changed = FUNCTIONS.get(name[:-1]), args[0].name  # x.add_(y) changes x
        if options.pop("inplace", False):
            changed = args[0].name
        problem = "" if call else name
        if name == "getattr" and args[1] not in ATTRIBUTES:
            problem = f"a tensor's .{args[1]}"
        if call and not isinstance(call, np.ufunc | BuiltinFunctionType):
            wanted = inspect.signature(call)
            known = {"rng": self.rng, "default": self.torch.default_dtype()}
            options |= {key: known[key] for key in known if key in wanted.parameters}
            for key in (options.keys() - wanted.parameters.keys()) & NEUTRAL.keys():
                if options[key] == NEUTRAL[key] and not takes_any(wanted):
                    del options[key]
            try:
                wanted.bind(*args, **options)
            except TypeError as error:
                problem = f"{name}, {error}"
        if problem:
            self.refused.append(f"{title}: {problem}" + (f", in {line}" if line else ""))
        return PortedCall(node.name, call, "", args, options, changed, line)


def at(model: Any, path: str) -> Any:
    """What is at a path of a model: blocks.0.weight."""
    for name in path.split(".") if path else ():
        if isinstance(model, Ported) and name in model.constants.arrays:
            return model.constants.arrays[name]
        if isinstance(model, list):
            model = model[int(name)]
        else:
            model = model[name] if isinstance(model, dict) else getattr(model, name)
    return model


def is_builtin(theirs: Any) -> bool:
    return type(theirs).__module__.startswith("torch.nn.modules")


def takes_any(function: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in function.parameters.values())


def children(theirs: Any) -> dict[str, Any]:
    """The Modules directly in one of PyTorch's; a shared one under each of its names."""
    return {name: child for name, child in theirs._modules.items() if child is not None}


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """The value with results in the place of their names."""
    if isinstance(value, Ref):
        return values[value.name]
    return mapped(lambda x: filled(x, values), value)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply a function to what is in a tuple, list, dict or slice."""
    if isinstance(value, tuple | list):
        return type(value)([function(x) for x in value])
    if isinstance(value, dict):
        return {key: function(x) for key, x in value.items()}
    if isinstance(value, slice):
        return slice(function(value.start), function(value.stop), function(value.step))
    return value


def converted(value: Any) -> Any:
    """An argument in a graph as one of ours: names for nodes, NumPy's dtypes, plain lists."""
    import torch

    if isinstance(value, torch.fx.Node):
        return Ref(value.target if value.op == "placeholder" else value.name)
    if isinstance(value, torch.dtype):
        return array_of(torch.empty(0, dtype=value)).dtype
    if isinstance(value, torch.Tensor):
        return array_of(value)
    if isinstance(value, torch.device | torch.memory_format | torch.layout):
        return None
    if isinstance(value, list):
        return [converted(x) for x in value]
    if isinstance(value, tuple):
        return tuple([converted(x) for x in value])
    return mapped(converted, dict(value) if isinstance(value, dict) else value)


def array_of(x: Any) -> Array:
    """A copy of a tensor's numbers."""
    try:
        return np.array(x.detach().cpu().numpy())
    except TypeError:
        raise TypeError(f"NumPy has no {x.dtype}: take over model.float()") from None


def check_results(model: Module, example: tuple[Any, ...], expected: Any) -> None:
    """Raise ValueError unless the model gives what PyTorch's gives for the example."""
    from . import torch_trace

    copied = copy.deepcopy(model).eval()
    with no_grad():
        results = torch_trace.flat(copied(*converted(example)))
    found = [x.numpy() if isinstance(x, Tensor) else x for x in results]
    wanted = [array_of(x) for x in torch_trace.flat(expected) if hasattr(x, "detach")]
    pairs = zip([x for x in found if isinstance(x, np.ndarray | np.generic)], wanted, strict=True)
    for x, y in pairs:
        finite = np.abs(np.where(np.isfinite(y), y, 0.0)).max(initial=1.0)
        most = TOLERANCE.get(str(y.dtype), 0) * finite
        if x.shape != y.shape or not np.allclose(x, y, rtol=0, atol=most, equal_nan=True):
            raise ValueError(
                f"the results differ for the example, {x.shape} and {y.shape}"
                + (f" by {np.abs(x - y).max()}" if x.shape == y.shape else "")
                + ": a change in place, x[…] = y or x.add_(y), may have reached another name"
            )
