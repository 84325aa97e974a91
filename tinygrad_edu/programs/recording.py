"""One run of a function as written, on traced arrays; and a check that two runs did the same."""

from __future__ import annotations

import types
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Tensor, new_tensor
from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import source
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.live import LiveNumber
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.state import ATOMS, State
from tinygrad_edu.programs.traced import Traced, memory_owner, untraced
from tinygrad_edu.programs.tracing import RecordedCall, Trace


class Recording:
    """One run of a function: its trace, the state that it found, and what it returned."""

    def __init__(self, function: Function, args: Any, options: dict[str, Any]) -> None:
        self.name = getattr(function, "__name__", "step")
        names = argument_names(function, len(args), options)
        self.arguments = dict(zip(names, (*args, *options.values()), strict=True))
        objects = {name: x for name, x in self.arguments.items() if not is_plain_value(name, x)}
        self.state = State({self.name: function, **objects})
        self.trace, self.inputs = Trace(self.state.generators), dict[str, Traced]()
        values = [self.traced_argument(name, x) for name, x in self.arguments.items()]
        keywords = dict(zip(options, values[len(args) :], strict=True))
        token = RECORDER.set(self.trace)
        try:
            self.returned = self.run(function, values[: len(args)], keywords)
        except BaseException:
            self.undo()
            raise
        finally:
            RECORDER.reset(token)
        # The result may be a part of the state: take it before the state is put back
        self.result = map_leaves(result_of, self.returned)
        self.rebound = self.state.put_back(self.trace)
        self.after = self.state.after()
        attributes = [getattr(of, "__dict__", None) for of in self.trace.excluded]
        self.excluded = {id(x) for x in (*self.trace.excluded, *attributes)}
        used = [x for call in self.trace.calls for x in call.traced]
        self.read = {id(x.value) for x in used if self.state.traced.get(id(x.value)) is x}

    def traced_argument(self, name: str, x: Any) -> Any:
        """What the function is given for an argument: an array is traced."""
        if not isinstance(x, np.ndarray | np.generic | Tensor):
            return x
        self.inputs[name] = array = Traced(self.trace, x.data if isinstance(x, Tensor) else x, name)
        return new_tensor(array) if isinstance(x, Tensor) else array

    def run(self, function: Function, args: list[Any], options: dict[str, Any]) -> Any:
        """Run the function on the traced state; return what it returns, each leaf checked."""
        self.state.trace(self.trace)
        returned = map_leaves(self.returned_leaf, function(*args, **options))
        self.trace.check_generators()
        if self.trace.refusal:
            raise self.trace.refusal
        return returned

    def returned_leaf(self, z: Any) -> Any:
        """A leaf of what the function returns; a Tensor that it computed loses its graph."""
        if isinstance(z, Tensor) and id(z) not in self.state.seen:
            return ReturnedTensor(z.data)
        if isinstance(z, ATOMS | Tensor | np.ndarray | Traced | LiveNumber):
            return z
        raise refusals.cannot_return(z)

    def undo(self) -> None:
        """Put everything back, as if the call had not been made."""
        self.state.restore()
        self.trace.restore()

    def unsettled(self, now: Recording) -> str:
        """The path of what changed between this run and the next, or during the next; else ""."""
        if now.trace.doubt:
            return "an array that replay does not see"
        between = self.state.difference(now.state, now.excluded, now.read)
        return between or now.state.difference(now.after, now.excluded, now.read, grads=False)

    def check_against(self, before: Recording) -> None:
        """Refuse the step unless both runs made the same calls, with the same constants.

        An array that both used, that may change and that replay cannot see, is refused too.
        """
        arrays = [
            x for call in before.trace.calls for x in call.leaves if isinstance(x, np.ndarray)
        ]
        shared = {id(memory_owner(x)) for x in arrays}
        for a, b in zip(before.trace.calls, self.trace.calls, strict=False):
            if not is_same_call(a, b):
                raise refusals.calls_differ(call_text(a), call_text(b), source(*b.line))
            for x in b.leaves:
                if not isinstance(x, np.ndarray) or id(memory_owner(x)) not in shared:
                    continue
                if memory_owner(x).flags.writeable:
                    raise refusals.unseen_state(x, source(*b.line))
        first, second = len(before.trace.calls), len(self.trace.calls)
        if first != second:
            raise refusals.calls_differ(f"{first} calls", f"{second} calls", f"in {self.name}")
        if not is_same_argument(before.returned, self.returned):
            what = f"what {self.name} returns"
            raise refusals.calls_differ(repr(before.result), repr(self.result), what)

    def forget(self) -> None:
        """Let go of the arrays of the trace; their shapes and dtypes are kept.

        A function that is read live may hold some of them, as Traced, for as long as the program.
        """
        results = [x for call in self.trace.calls for x in call.results]
        for x in (*results, *self.inputs.values()):
            x.value = np.broadcast_to(np.zeros((), x.dtype), x.shape)
        self.trace.calls, self.trace.lives, self.trace.saved = [], [], {}


class ReturnedTensor:
    """A Tensor that the function computed and returned: only its data are kept."""

    def __init__(self, data: Any) -> None:
        self.data = data


def data_of(z: Any) -> Any:
    return z.data if isinstance(z, ReturnedTensor | Tensor) else z


def result_of(z: Any) -> Any:
    """One leaf of what the function returns, as its caller receives it."""
    if isinstance(z, ReturnedTensor):
        return new_tensor(untraced(z.data).copy())
    return untraced(z).copy() if isinstance(z, Traced) else untraced(z)


def is_plain_value(name: str, x: Any) -> bool:
    """Whether an argument is an array, number or text; if not, State looks into the object."""
    if isinstance(x, np.ndarray) and type(x) not in (np.ndarray, np.memmap):
        raise refusals.cannot_take(name, x)
    if isinstance(x, list | dict | set | tuple):
        is_plain = type(x) is tuple and all(isinstance(leaf, ATOMS) for leaf in leaves(x))
        if not is_plain:
            raise refusals.cannot_take(name, x)
    if isinstance(x, Tensor) and x.requires_grad:
        raise refusals.cannot_take_leaf(name, x)
    return isinstance(x, ATOMS | np.ndarray | Tensor | tuple)


def signature_of(x: Any) -> Any:
    """The part of an argument that tells signatures apart: an array's shape, a number itself."""
    if isinstance(x, np.ndarray | np.generic | Tensor):
        return type(x), x.shape, str(x.dtype)
    return (type(x), x) if isinstance(x, ATOMS | tuple) else id(x)


def argument_names(function: Function, count: int, options: dict[str, Any]) -> list[str]:
    """The names of a function's arguments in a call; argument0, … where it names none."""
    code, names = getattr(function, "__code__", None), list[str]()
    if code:
        names = [*code.co_varnames[: code.co_argcount]]
        names = names[isinstance(function, types.MethodType) :]  # a method has its self already
    names += [f"argument{i}" for i in range(len(names), count)]
    return [*names[:count], *options]


def is_same_call(a: RecordedCall, b: RecordedCall) -> bool:
    if (a.name, len(a.results)) != (b.name, len(b.results)):
        return False
    return is_same_argument((a.args, a.options), (b.args, b.options))


def is_same_argument(a: Any, b: Any) -> bool:
    """Whether the arguments of two calls are the same.

    Traced arrays must have the same name, live numbers the same code, constants the same bits.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, Traced):
        return bool(a.name == b.name)
    if isinstance(a, LiveNumber):
        return bool(a.code == b.code)
    if isinstance(a, ReturnedTensor):
        return is_same_argument(a.data, b.data)
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(is_same_argument, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(is_same_argument(a[key], b[key]) for key in a)
    if isinstance(a, slice):
        return is_same_argument((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    return a is b or bool(a == b) or (a != a and b != b)


def call_text(call: RecordedCall) -> str:
    """The call as an error shows it."""
    args = [x.name if isinstance(x, Traced) else f"{untraced(x)!r:.40}" for x in call.args]
    return f"{call.name}({', '.join(args)})"
