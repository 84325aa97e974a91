"""A program: what a step asked NumPy to do, as data.

Inputs, state and constants, the calls in the order in which they were made, and what is returned
and stored in the end. Everything else reads it: the passes, the code that runs, the text, JSON.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs.calls import (
    FILLING,
    OPERATOR_SYMBOLS,
    ArrayAttribute,
    ArrayMethod,
    CallRow,
    row_for,
    ufunc_method,
)
from tinygrad_edu.programs.nested import leaves, map_leaves


@dataclasses.dataclass(eq=False, slots=True)
class Array:
    """An array of a program: an input, a part of the state, or, with a # in its name, a result.

    `holder` is the Array in whose memory it lies, itself if it has its own. `value` is what it was
    when the step was recorded; in the state it is the array itself.
    """

    name: str
    value: Any
    shape: tuple[int, ...]
    dtype: Any
    strides: tuple[int, ...]
    is_scalar: bool  # whether it is one of NumPy's numbers, and no array
    holder: Array = None  # type: ignore[assignment]

    @classmethod
    def of(cls, name: str, value: Any, holder: Array | None = None) -> Array:
        is_scalar = not isinstance(value, np.ndarray)
        x = cls(name, value, value.shape, value.dtype, value.strides, is_scalar)
        x.holder = holder or x
        return x

    @property
    def is_result(self) -> bool:
        return self.name[0] == "#"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * int(self.dtype.itemsize)

    @property
    def is_contiguous(self) -> bool:
        stride = self.dtype.itemsize
        for n, step in zip(self.shape[::-1], self.strides[::-1], strict=True):
            if n != 1 and step != stride:
                return self.size == 0
            stride *= n
        return True

    def empty(self) -> Any:
        """An array of this shape, dtype and order of axes in memory; its numbers are not set."""
        return np.ndarray(self.shape, self.dtype, strides=self.dense_strides)

    @property
    def dense_strides(self) -> tuple[int, ...]:
        """The strides of an array of this order of axes in memory, without gaps."""
        return dense_strides(self.shape, self.dtype, self.strides)

    def __repr__(self) -> str:
        return self.name


@functools.lru_cache(maxsize=1024)
def dense_strides(shape: Any, dtype: Any, strides: Any) -> tuple[int, ...]:
    z = np.empty_like(as_strided(np.empty(1, dtype), shape, strides))
    return z.strides


@dataclasses.dataclass(eq=False, slots=True)
class Number:
    """A number that is read anew at every call, `n0`, or an expression of such: `(n0 * 2)`."""

    code: str
    value: Any

    def __repr__(self) -> str:
        return self.code


@dataclasses.dataclass(eq=False, slots=True)
class Call:
    """A call of NumPy: its arguments, what it gave, what it wrote to, and who made it."""

    function: Function
    args: tuple[Any, ...]
    options: dict[str, Any]
    results: list[Array] = dataclasses.field(default_factory=list)
    written: Array | None = None
    several: bool = False  # whether it gave a list or tuple
    opaque: bool = False  # a function that was marked so: nobody looks into it
    errors: Any = dataclasses.field(default_factory=dict)  # NumPy's, as np.geterr() says
    line: tuple[str, int, str] = ("", 0, "")  # the user's file, line and layer
    operation: str = ""  # of the engine, if one made the call
    module: str = ""  # the Module's path, model.0, if one did; also for its backward pass
    # `arrays`, once they have been looked for; not those of a call that this is a variant of
    known: list[Array] | None = dataclasses.field(default=None, init=False)

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", str(self.function))

    @property
    def row(self) -> CallRow | None:
        return row_for(self.function)

    @property
    def leaves(self) -> list[Any]:
        return [*leaves((self.args, self.options))]

    @property
    def arrays(self) -> list[Array]:
        """The arrays among the arguments whose numbers are read."""
        if self.known is None:
            of = () if self.function in FILLING else (self.args, self.options)
            self.known = arrays_among(of)
        return self.known

    @property
    def target(self) -> Array:
        """The array that the call gives, or writes to."""
        return self.results[0] if self.written is None else self.written

    @property
    def touched(self) -> list[Array]:
        return [*self.arrays, *self.results]

    @property
    def checks(self) -> bool:
        """Whether it may raise an error, or draws: then it is made even if nobody uses it."""
        row = self.row
        if self.opaque or row is None or "raise" in self.errors.values():
            return True
        if row.checks and self.name in ("getitem", "setitem", "take"):
            return bool(arrays_among((self.args[1:2], self.options)))  # among the indices
        return row.checks

    def __str__(self) -> str:
        """The call as NumPy would be asked: `#2.0 = np.add(x, #1.0)`."""
        args = [text_of_argument(x) for x in self.args]
        args += [f"{key}={text_of_argument(x)}" for key, x in self.options.items()]
        left = ", ".join(x.name for x in self.results)
        return f"{left} = {self.spelled(args)}" if left else self.spelled(args)

    def spelled(self, args: list[str]) -> str:
        f = self.function
        if isinstance(f, ArrayAttribute):
            return f"{args[0]}.{self.name}"
        if isinstance(f, ArrayMethod):
            return f"{args[0]}.{self.name}({', '.join(args[1:])})"
        if self.name == "getitem":
            return f"{args[0]}[{args[1]}]"
        if self.name == "setitem":
            return f"{args[0]}[{args[1]}] = {args[2]}"
        if f in OPERATOR_SYMBOLS and len(args) == 2:
            return f"{args[0]} {OPERATOR_SYMBOLS[f]} {args[1]}"
        return f"{function_name(f)}({', '.join(args)})"


@dataclasses.dataclass(eq=False)
class Store:
    """What a step leaves in a place of its state: `copied` into the array there, or put there."""

    path: str
    container: Any
    key: Any
    is_item: bool
    there: Any  # what was in the place before
    value: Any  # an Array, or an array of the state
    copied: bool


@dataclasses.dataclass(eq=False)
class Maker:
    """An operation of the engine, or a Module, that computed some arrays out of its arguments."""

    who: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    results: list[Array] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False)
class Program:
    """A step as data; `print` shows it, a line for each call.

    >>> from tinygrad_edu import replay
    >>> step = replay(lambda x: np.sin(x) * 2)
    >>> for i in range(2): _ = step(np.zeros(3))
    >>> [call.name for call in step.program.calls], step.program.inputs
    (['sin', 'mul'], [x])
    """

    name: str
    inputs: list[Array]
    calls: list[Call]
    returned: Any
    stores: list[Store]
    errors: Any
    constants: dict[Array, Any] = dataclasses.field(default_factory=dict)
    reads: dict[Array, Any] = dataclasses.field(default_factory=dict)  # numbers in the state
    lives: dict[str, Any] = dataclasses.field(default_factory=dict)  # numbers that are read anew
    shared: dict[Array, Array] = dataclasses.field(default_factory=dict)  # a copy ↦ its original
    # Who made an array, the innermost first: a reader may take all that one computes as a whole
    makers: dict[Array, list[Maker]] = dataclasses.field(default_factory=dict)
    text: str = ""  # the program as it runs

    @property
    def outputs(self) -> list[Array]:
        """The arrays that are stored or returned."""
        return arrays_among([[store.value for store in self.stores], data_in(self.returned)])

    @property
    def state(self) -> list[Array]:
        """The arrays that the calls use, and that are older than the step."""
        used = [x for call in self.calls for x in call.touched] + self.outputs
        return [x for x in dict.fromkeys(used) if not x.is_result and x not in self.inputs]

    @property
    def written(self) -> list[Array]:
        """The arrays of the state that calls write to, each once."""
        roots = [self.root(call.written) for call in self.calls if call.written]
        return [x for x in dict.fromkeys(roots) if not x.is_result]

    def root(self, x: Array) -> Array:
        """The Array in whose memory x lies."""
        x = x.holder
        while x in self.shared:
            x = self.shared[x].holder
        return x

    def __str__(self) -> str:
        return self.text or self.listing()

    def listing(self) -> str:
        """The calls as they are, a line for each, with the shape of what it gives."""
        head = ", ".join(f"{x.name} {x.shape}" for x in self.inputs)
        rows = [f"# {self.name}({head}): {len(self.calls)} calls"]
        for call in self.calls:
            gives = call.results or call.written
            note = f"  # {call.target.shape} {call.module}".rstrip() if gives else ""
            rows.append(f"{call}{note}")
        for store in self.stores:
            left = f"{store.path}[...]" if store.copied else store.path
            rows.append(f"{left} = {text_of_argument(store.value)}")
        text = "\n".join([*rows, f"return {text_of_argument(data_in(self.returned))}"])
        made = {call.target for call in self.calls if call.results or call.written}
        names = {copy.name: self.original(copy).name for copy in self.shared if copy not in made}
        return re.sub(r"#\d+\.\d+", lambda match: names.get(match[0], match[0]), text)

    def original(self, x: Array) -> Array:
        while x in self.shared:
            x = self.shared[x]
        return x

    def to_json(self) -> dict[str, Any]:
        """The program as numbers, texts, lists and dicts, which `json.dumps` takes.

        Arrays are named; those of the state are said by shape and dtype, constants by their values.
        """
        constants: dict[str, Any] = {}

        def plain(x: Any) -> Any:
            return json_of(x, constants)

        calls = [
            {
                "function": function_name(call.function),
                "args": plain(call.args),
                "options": plain(call.options),
                "results": [x.name for x in call.results],
                "writes": call.written.name if call.written else None,
                "operation": call.operation,
                "module": call.module,
            }
            for call in self.calls
        ]
        stores = [{"place": s.path, "value": plain(s.value)} for s in self.stores]
        return {
            "name": self.name,
            "inputs": [kind_of(x) for x in self.inputs],
            "state": [kind_of(x) for x in self.state],
            "calls": calls,
            "stores": stores,
            "returned": plain(data_in(self.returned)),
            "constants": constants,
        }

    def javascript(self, values: bool = True) -> str:
        """The program as a function in JavaScript: see `programs/javascript/function.py`."""
        from tinygrad_edu.programs.javascript.function import javascript

        return javascript(self, values)

    def onnx(
        self,
        name: str = "",
        beside: Program | None = None,
        layers: Mapping[Any, Function] = MappingProxyType({}),
        names: Mapping[int, str] = MappingProxyType({}),
        inputs: Sequence[str] = (),
    ) -> Any:
        """The program as a ModelProto of ONNX, checked: see `programs/onnx/model.py`."""
        from tinygrad_edu.programs.onnx.model import OnnxGraph

        inputs = inputs or [x.name for x in self.inputs]
        return OnnxGraph(self, beside or self, layers, names, inputs).model(name or self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.to_json() == other.to_json()

    __hash__ = object.__hash__


class ReturnedTensor:
    """A Tensor that the function computed and returned: only its data are kept."""

    def __init__(self, data: Any) -> None:
        self.data = data


def data_in(z: Any) -> Any:
    """What is returned, with the data in place of each Tensor."""
    return map_leaves(lambda leaf: getattr(leaf, "data", leaf) if is_tensor(leaf) else leaf, z)


def is_tensor(z: Any) -> bool:
    return isinstance(z, ReturnedTensor) or hasattr(z, "requires_grad")


def arrays_among(x: Any) -> list[Array]:
    return [leaf for leaf in leaves(x) if isinstance(leaf, Array)]


def function_name(f: Function) -> str:
    """A function as the user writes it: np.dot, np.add.reduce, np.linalg.inv, scatter."""
    name = getattr(f, "__name__", "f")
    if isinstance(f, ArrayMethod):
        return f"ndarray.{name}"
    if ufunc := ufunc_method(f, name):
        return f"np.{ufunc.__name__}.{name}"
    if f in OPERATOR_SYMBOLS:
        return f"operator.{name}"
    for module, prefix in ((np, "np"), (np.linalg, "np.linalg")):
        if getattr(module, name, None) is f:
            return f"{prefix}.{name}"
    return name


def text_of_argument(x: Any) -> str:
    if isinstance(x, slice):
        parts = [
            "" if part is None else text_of_argument(part) for part in (x.start, x.stop, x.step)
        ]
        return ":".join(parts[:2] if parts[2] == "" else parts)
    if type(x) is tuple:
        return f"({', '.join(map(text_of_argument, x))}{',' * (len(x) == 1)})"
    if type(x) is list:
        return f"[{', '.join(map(text_of_argument, x))}]"
    if isinstance(x, np.ndarray | np.generic):
        return text_of_item(x.item()) if x.size == 1 else f"array{x.shape}"
    return "..." if x is ... else f"{x!r:.40}"


def text_of_item(x: Any) -> str:
    """The item of an array: a long number is rounded, and keeps its exponent."""
    text = repr(x)
    return f"{x:.10g}" if isinstance(x, float) and len(text) > 12 else text


def kind_of(x: Array) -> dict[str, Any]:
    return {"name": x.name, "shape": list(x.shape), "dtype": str(x.dtype)}


def json_of(x: Any, constants: dict[str, Any]) -> Any:
    """An argument of a call for JSON; the values of constant arrays go into `constants`."""
    many: Callable[[Any], Iterator[Any]] = lambda xs: (json_of(item, constants) for item in xs)  # noqa: E731
    if isinstance(x, Array | Number):
        return {"array" if isinstance(x, Array) else "number": repr(x)}
    if isinstance(x, tuple | list):
        return [*many(x)]
    if isinstance(x, dict):
        return {str(key): json_of(item, constants) for key, item in x.items()}
    if isinstance(x, slice):
        return {"slice": [*many((x.start, x.stop, x.step))]}
    if isinstance(x, np.ndarray | np.generic):
        name = f"k{len(constants)}"
        values = np.asarray(x).astype(str).tolist() if x.dtype.kind in "fc" else x.tolist()
        constants[name] = {"shape": list(x.shape), "dtype": str(x.dtype), "values": values}
        return {"constant": name}
    if x is None or isinstance(x, bool | int | str):
        return x
    return repr(x) if isinstance(x, float) else str(x)
