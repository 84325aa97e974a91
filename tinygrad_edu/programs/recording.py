"""One run of a function as written, on traced arrays: what it did, and whether another run did the
same."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.engine import Tensor, new_tensor
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import source
from tinygrad_edu.programs.state import ATOMS, State
from tinygrad_edu.programs.tracing import (
    Call,
    Live,
    Trace,
    Traced,
    leaves,
    mapped,
    owner,
    real,
)

Function = Callable[..., Any]


class Recording:
    """The trace of a run, the state that it found, and what came of it."""

    def __init__(self, function: Function, args: Any, options: dict[str, Any]) -> None:
        self.name = getattr(function, "__name__", "step")
        self.arguments = dict(
            zip(names_of(function, len(args), options), (*args, *options.values()), strict=True)
        )
        self.trace, self.inputs = Trace(), dict[str, Traced]()
        objects = {name: x for name, x in self.arguments.items() if not is_value(name, x)}
        self.state = State({self.name: function, **objects})
        values = [self.handed(name, x) for name, x in self.arguments.items()]
        token = RECORDER.set(self.trace)
        try:
            self.run(
                function, values[: len(args)], dict(zip(options, values[len(args) :], strict=True))
            )
        except BaseException:
            self.undo()
            raise
        finally:
            RECORDER.reset(token)
        self.result = mapped(
            plain_result, self.returned
        )  # before the state that it may be a part of is put back
        self.rebound = self.state.put_back(self.trace)
        self.after = self.state.after()
        self.excluded = {
            id(x) for of in self.trace.excluded for x in (of, getattr(of, "__dict__", None))
        }
        self.read = {
            id(x.value)
            for call in self.trace.calls
            for x in call.traced
            if self.state.traced.get(id(x.value)) is x
        }

    def handed(self, name: str, x: Any) -> Any:
        """What the function is given in the place of an argument: arrays are traced."""
        if not isinstance(x, np.ndarray | np.generic | Tensor):
            return x
        self.inputs[name] = array = Traced(self.trace, x.data if isinstance(x, Tensor) else x, name)
        return new_tensor(array) if isinstance(x, Tensor) else array  # type: ignore[arg-type]

    def run(self, function: Function, args: list[Any], options: dict[str, Any]) -> None:
        self.state.trace(self.trace)
        result = function(*args, **options)
        self.trace.check_generators()
        if self.trace.refusal:
            raise self.trace.refusal
        self.returned = self.described(result)

    def described(self, z: Any) -> Any:
        """What the function returns, with each of its leaves known."""
        if isinstance(z, tuple | list | dict):
            return mapped(self.described, z)
        if isinstance(z, Tensor) and id(z) not in self.state.seen:
            return Returned(z.data)
        if isinstance(z, ATOMS | Tensor | np.ndarray | Traced | Live):
            return z
        raise errors.cannot_return(z)

    def undo(self) -> None:
        """As if the call had not been made."""
        self.state.restore()
        self.trace.restore()

    def unsettled(self, now: Recording) -> str:
        """What of the state has changed from this run to the next, or within that: the path, or
        nothing."""
        if now.trace.doubt:
            return "an array that replay does not see"
        return self.state.difference(now.state, now.excluded, now.read) or now.state.difference(
            now.after, now.excluded, now.read, grads=False
        )

    def check_against(self, before: Recording) -> None:
        """Both runs must have made the same calls, with the same constants, and none with an array
        that only others see."""
        shared = {
            id(owner(x))
            for call in before.trace.calls
            for x in call.leaves
            if isinstance(x, np.ndarray)
        }
        for a, b in zip(before.trace.calls, self.trace.calls, strict=False):
            if (a.name, len(a.results)) != (b.name, len(b.results)) or not alike(
                (a.args, a.options), (b.args, b.options)
            ):
                raise errors.calls_differ(shown(a), shown(b), source(*b.line))
            for x in b.leaves:
                if (
                    isinstance(x, np.ndarray)
                    and id(owner(x)) in shared
                    and owner(x).flags.writeable
                ):
                    raise errors.unseen_state(x, source(*b.line))
        first, second = len(before.trace.calls), len(self.trace.calls)
        if first != second:
            raise errors.calls_differ(f"{first} calls", f"{second} calls", f"in {self.name}")
        if not alike(before.returned, self.returned):
            raise errors.calls_differ(
                repr(before.result), repr(self.result), f"what {self.name} returns"
            )

    def forget(self) -> None:
        """Let go of the arrays of the trace: what a live function has of them are shapes and
        dtypes."""
        for x in [x for call in self.trace.calls for x in call.results] + [*self.inputs.values()]:
            x.value = np.broadcast_to(np.zeros((), x.dtype), x.shape)
        self.trace.calls, self.trace.lives, self.trace.saved = [], [], {}


class Returned:
    """A Tensor that was computed and is returned: only its data goes on."""

    def __init__(self, data: Any) -> None:
        self.data = data


def data_of(z: Any) -> Any:
    return z.data if isinstance(z, Returned | Tensor) else z


def plain_result(z: Any) -> Any:
    """What the function returns, out of the trace."""
    if isinstance(z, Returned):
        return new_tensor(real(z.data).copy())
    return real(z).copy() if isinstance(z, Traced) else real(z)


def is_value(name: str, x: Any) -> bool:
    """Whether an argument is an array, number or text, and not an object that is looked into."""
    mixed = isinstance(x, list | dict | set | tuple) and not (
        type(x) is tuple and all(isinstance(y, ATOMS) for y in leaves(x))
    )
    if mixed or (isinstance(x, np.ndarray) and type(x) not in (np.ndarray, np.memmap)):
        raise errors.cannot_take(name, x)
    if isinstance(x, Tensor) and x.requires_grad:
        raise errors.cannot_take_leaf(name, x)
    return isinstance(x, ATOMS | np.ndarray | Tensor | tuple)


def signature_of(x: Any) -> Any:
    """What of an argument decides which program is run."""
    if isinstance(x, np.ndarray | np.generic | Tensor):
        return type(x), x.shape, str(x.dtype)
    return (type(x), x) if isinstance(x, ATOMS | tuple) else id(x)


def names_of(function: Function, count: int, options: dict[str, Any]) -> list[str]:
    """The names of the arguments."""
    code = getattr(function, "__code__", None)
    names = (
        list(code.co_varnames[isinstance(function, types.MethodType) : code.co_argcount])
        if code
        else []
    )
    return [*[*names, *[f"argument{i}" for i in range(len(names), count)]][:count], *options]


def alike(a: Any, b: Any) -> bool:
    """Whether two arguments of a call are the same: names of arrays, expressions of numbers,
    constants to the last bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Traced):
        return bool(a.name == b.name)
    if isinstance(a, Live):
        return bool(a.code == b.code)
    if isinstance(a, Returned):
        return alike(a.data, b.data)
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, slice):
        return alike((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    return a is b or bool(a == b) or (a != a and b != b)


def shown(call: Call) -> str:
    return f"{call.name}({', '.join(x.name if isinstance(x, Traced) else f'{real(x)!r:.40}' for x in call.args)})"
