"""What PyTorch's Modules do: an example run, and each Module's forward as a graph of torch.fx.

The only file that imports torch. A Module is traced by itself, and those within it stay whole: so
what is made of it has its parts and their names.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import operator
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor as Tensor
from torch import fx

from .torch_functions import expect

FACTORIES = ["arange", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "zeros"]


class Known(fx.Proxy):  # type: ignore[misc]
    """A value of the trace, whose truth, length or number Python may ask: the example's is told."""

    def __len__(self) -> int:
        return self.tracer.settled(self, len, "len")  # type: ignore[no-any-return]

    def __index__(self) -> int:
        return self.tracer.settled(self, operator.index, "int")  # type: ignore[no-any-return]

    def __float__(self) -> float:
        return self.tracer.settled(self, float, "float")  # type: ignore[no-any-return]

    __int__ = __index__


class Example(fx.Tracer):  # type: ignore[misc]
    """Traces one Module beside the values of an example, on which decisions in it are settled."""

    record_stack_traces, proxy_buffer_attributes = True, True

    def __init__(self, given: dict[str, Any], outputs: dict[Any, list[Any]]) -> None:
        super().__init__()
        self.given, self.outputs = given, outputs
        self.calls: dict[Any, int] = defaultdict(int)
        self.values: dict[fx.Node, Any] = {}

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        return True

    def proxy(self, node: fx.Node) -> Known:
        return Known(node, self)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """Give Tensors, and what holds them, as unknown; None, numbers and texts as they are."""
        given = {}
        for name, value in self.given.items():
            given[name] = value
            if any(isinstance(x, Tensor) for x in flat(value)):
                given[name] = self.create_proxy("placeholder", name, (), {})
                self.values[given[name].node] = value
        return functools.partial(root_fn, self.root, **given), []

    def call_module(self, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
        z = super().call_module(m, forward, args, kwargs)
        number = self.calls[m]
        self.calls[m] += 1
        if number < len(self.outputs[m]):
            self.values[z.node] = self.outputs[m][number]
        return z

    def value(self, node: fx.Node) -> Any:
        """What the example has here."""
        if node not in self.values:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.value)
            if node.op == "get_attr":
                z = operator.attrgetter(node.target)(self.root)
            elif node.op == "call_method":
                z = getattr(args[0], node.target)(*args[1:], **kwargs)
            else:
                z = node.target(*args, **kwargs)
            self.values[node] = z
        return self.values[node]

    def settled(self, x: fx.Proxy, ask: Callable[[Any], Any], name: str) -> Any:
        """The example's answer, and a node of the graph that demands the same of others."""
        answer = ask(self.value(x.node))
        self.create_node("call_function", expect, (x.node, answer, name), {})
        return answer

    def to_bool(self, obj: fx.Proxy) -> bool:
        return self.settled(obj, bool, "bool")  # type: ignore[no-any-return]

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        return iter([obj[i] for i in range(self.settled(obj, len, "len"))])


def flat(value: Any) -> Iterator[Any]:
    """The values in tuples, lists and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, tuple | list):
        yield value
    else:
        for item in value:
            yield from flat(item)


def run(module: Any, example: tuple[Any, ...]) -> tuple[Any, dict[Any, Any], dict[Any, list[Any]]]:
    """The module's result for an example, each Module's first arguments, and all its results."""
    given: dict[Any, Any] = {}
    outputs: dict[Any, list[Any]] = defaultdict(list)

    def before(m: Any, args: Any, options: Any) -> None:
        given.setdefault(m, (args, options))

    with ExitStack() as hooks, in_mode(module, False), torch.no_grad():
        for m in module.modules():
            for handle in (
                m.register_forward_pre_hook(before, with_kwargs=True),
                m.register_forward_hook(lambda m, args, z: outputs[m].append(z)),
            ):
                hooks.callback(handle.remove)
        result = module(*example)
    return result, given, outputs


@contextmanager
def in_mode(module: Any, training: bool) -> Iterator[None]:
    """Set the mode of a Module and all within it, and afterwards each one's own again."""
    modes = {m: m.training for m in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def named_arguments(module: Any, args: Any, options: Any) -> dict[str, Any]:
    """All arguments of a call of forward by name, the defaults too."""
    bound = inspect.signature(module.forward).bind(*args, **options)
    bound.apply_defaults()
    return dict(bound.arguments)


def recorded_factory(make: Callable[..., Any]) -> Callable[..., Any]:
    """A function such as torch.ones that is recorded if one of its sizes is traced."""

    @functools.wraps(make)
    def function(*args: Any, **options: Any) -> Any:
        for x in flat((args, options)):
            if isinstance(x, fx.Proxy):
                return x.tracer.create_proxy("call_function", make, args, options)
        return make(*args, **options)

    return function


def trace(
    module: Any, given: dict[str, Any], outputs: dict[Any, list[Any]], training: bool
) -> tuple[list[Any], dict[str, Any]]:
    """The nodes of one Module's forward, in a mode, and the constants among them by name."""
    known = {*vars(module)}
    with ExitStack() as stack, in_mode(module, training), torch.no_grad():
        for name in FACTORIES:
            stack.enter_context(patch.object(torch, name, recorded_factory(getattr(torch, name))))
        nodes = list(Example(given, outputs).trace(module).nodes)
    constants = {name: vars(module)[name] for name in {*vars(module)} - known}
    for name in constants:
        delattr(module, name)  # torch.fx leaves them there
    return nodes, constants


def default_dtype() -> Any:
    """The dtype of torch.ones(…), as NumPy's."""
    return torch.empty(0).numpy().dtype


def user_line(node: Any) -> str:
    """Where the user's code made a call: model.py:12: x = self.fc(x)."""
    ours = (os.path.dirname(torch.__file__), os.path.dirname(__file__), contextlib.__file__)
    found = re.findall(r'File "(.+)", line (\d+), in .+\n(?:    (.+))?', node.stack_trace or "")
    for path, line, text in reversed(found):
        if not path.startswith(ours):
            return f"{os.path.basename(path)}:{line}: {text}".removesuffix(": ")
    return ""
