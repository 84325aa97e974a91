"""What NumPy is asked to do, written down: arrays and numbers that record every call in which they
take part.

A `Traced` stands for an array. Its operators, its methods and NumPy's functions run for real, and
each call goes into the `Trace`; Tensors over Traced arrays leave the engine as it is. What would
take a value out of the trace, `if x.sum() > 0`, is refused. `at_replay` reads a number or array anew at
every replay, `opaque` makes one call of a function that assigns."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import line_of_the_user, source

Function = Callable[..., Any]


# By their values they decide the shape of what they give, which a replay cannot change
SHAPED_BY_VALUES = {
    np.nonzero,
    np.flatnonzero,
    np.argwhere,
    np.unique,
    np.unique_all,
    np.unique_counts,
    np.unique_inverse,
    np.unique_values,
    np.extract,
    np.compress,
    np.trim_zeros,
    np.union1d,
    np.intersect1d,
    np.setdiff1d,
    np.setxor1d,
    np.bincount,
    np.delete,
    np.insert,
    np.histogram_bin_edges,
}
# What they give follows from shapes and dtypes alone
METADATA = {
    np.shape,
    np.ndim,
    np.size,
    np.result_type,
    np.can_cast,
    np.common_type,
    np.iscomplexobj,
    np.isrealobj,
    np.may_share_memory,
    np.shares_memory,
}


class Call:
    """A call as it was made: what it gave, what it wrote to, and the user's line that led to it."""

    def __init__(
        self,
        function: Function,
        args: Any,
        options: dict[str, Any],
        written: Traced | None,
        opaque: bool,
    ) -> None:
        self.function, self.args, self.options, self.written, self.opaque = (
            function,
            args,
            options,
            written,
            opaque,
        )
        self.results: list[Traced] = []
        self.several = False  # whether it gave a list or tuple
        self.errors, self.line = np.geterr(), line_of_the_user()

        self.leaves = [*leaves((args, options))]
        self.traced = [x for x in self.leaves if isinstance(x, Traced)]

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", str(self.function))

    @property
    def target(self) -> Traced:
        """The array that it gives, or writes to."""
        return self.results[0] if self.written is None else self.written

    @property
    def touched(self) -> list[Traced]:
        return [*self.traced, *self.results]


class Method:
    """A method or attribute of arrays as a function: Method("sum")(x, axis=0) is x.sum(axis=0)."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, self.__name__)(*args, **options)


class Attribute(Method):
    """Attribute("T")(x) is x.T."""

    def __call__(self, x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, self.__name__)


class LiveArray:
    """Stands in a call for the function that is asked anew; it has a name instead, the same in
    every trace."""

    def __init__(self, name: str, function: Function) -> None:
        self.__name__, self.function = name, function

    def __call__(self) -> Any:
        return self.function()


class Trace:
    """The calls of one run of a function, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.saved: dict[
            int, tuple[Any, Any]
        ] = {}  # arrays of the state that were written to, and what they held before
        self.lives: list[
            tuple[str, Function, Any]
        ] = []  # what is read live: name, function, what it gave
        self.guards: list[
            tuple[str, Any]
        ] = []  # an expression of them, and the answer that the trace rests on
        self.excluded: list[Any] = []  # containers whose numbers are read live
        self.counted: list[
            Any
        ] = []  # those among them that reading changes, as counting steps does
        self.errors = np.geterr()
        self.refusal: Exception | None = None
        self.doubt: Exception | None = None  # a refusal that a later trace may turn out not to need
        self.generators = self.before = [(g, state_of(g)) for g in generators()]

    def record(
        self, function: Function, args: Any, options: dict[str, Any], opaque: bool = False
    ) -> Any:
        """Run a call for real and write it down. After the trace, or in another thread, it is only
        run."""
        here, written = RECORDER.get() is self, written_by(function, args, options)
        if here and isinstance(written, np.ndarray):
            self.doubt = self.doubt or errors.writes_unseen(written, here_is())
        if here and isinstance(written, Traced):
            self.save(written)
        if function in SHAPED_BY_VALUES or (function is np.where and len(args) == 1):
            self.refuse(errors.shape_of_values(function, here_is()))
        value = function(*real(args), **real(options))
        if not here or function in METADATA:
            return value
        if isinstance(written, np.ndarray):
            return value
        call = Call(function, args, options, written, opaque)
        self.calls.append(call)
        return written if written is not None else self.results(call, value)

    def results(self, call: Call, value: Any) -> Any:
        """What a call gave, each array of it traced."""
        if value is None:
            return None
        call.several = isinstance(value, tuple | list)
        for i, z in enumerate(value if call.several else [value]):
            if not isinstance(z, np.ndarray | np.generic):
                self.refuse(
                    errors.value_leaves(f"{call.name}, which gives {type(z).__name__},", here_is())
                )
            shared = (x.base for x in call.traced if np.may_share_memory(z, x.value))
            call.results.append(Traced(self, z, f"#{len(self.calls)}.{i}", next(shared, None)))
        if not call.several:
            return call.results[0]
        return (
            type(value)(*call.results) if hasattr(value, "_fields") else type(value)(call.results)
        )

    def opaque(self, function: Function, args: Any, options: dict[str, Any]) -> Any:
        """A call of an opaque function, written down if it is given what the trace knows."""
        if not any(map(recorded_in, (*args, *options.values()))):
            return function(*args, **options)
        return self.record(function, args, options, opaque=True)

    def at_replay(self, function: Function, of: Any) -> Any:
        """What `at_replay` gives within the trace."""
        self.check_generators()
        self.excluded.append(of)
        before = of.copy() if isinstance(of, dict | list) else None
        value = function()
        if before is not None and before != of:
            self.counted.append(of)
        self.generators = [(g, state_of(g)) for g, _ in self.generators]
        name = f"n{len(self.lives)}"
        self.lives.append((name, function, value))
        if isinstance(value, np.ndarray | np.generic):
            self.calls.append(Call(LiveArray(name, function), (), {}, None, opaque=True))
            return self.results(self.calls[-1], value)
        if is_number(value):
            return Live(self, value, name)
        self.guards.append((name, value))
        return value

    def save(self, x: Traced) -> None:
        """Before the state is written to: keep what it holds."""
        if not x.base.is_result:
            self.saved.setdefault(id(x.base), (x.base.memory, x.base.memory.copy()))

    def restore(self) -> None:
        """Undo: the state, and generators, as they were before."""
        self.rewind()
        for g, state in self.before:
            set_state(g, state)

    def rewind(self) -> None:
        """The state's arrays as they were before."""
        for memory, before in self.saved.values():
            memory[...] = before

    def check_generators(self) -> None:
        for g, state in self.generators:
            if repr(state_of(g)) != repr(state):
                self.refuse(errors.random_draw(g, here_is()))

    def refuse(self, error: Exception) -> None:
        """Raise, and remember that: the step itself may catch it."""
        if RECORDER.get() is self:
            self.refusal = self.refusal or error
        raise error


class Recorded:
    """What Traced and Live share: calls in which they take part are recorded."""

    __slots__ = ("tape", "value")
    tape: Trace
    value: Any

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if not all(map(is_known, args)):
            return NotImplemented  # a Tensor: its turn
        return self.tape.record(
            ufunc if method == "__call__" else getattr(ufunc, method), args, options
        )

    def __array_function__(self, function: Function, types: Any, args: Any, options: Any) -> Any:
        if not all(issubclass(kind, np.ndarray | Recorded) for kind in types):
            return NotImplemented
        return self.tape.record(function, args, options)

    def leaving(self, what: str) -> Any:
        if RECORDER.get() is self.tape:
            self.tape.refuse(errors.value_leaves(what, here_is()))
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(
            self.leaving("an array of its own, as np.asarray makes it,"), dtype, copy=copy
        )

    def __float__(self) -> float:
        return float(self.leaving("float()"))

    def __int__(self) -> int:
        return int(self.leaving("int()"))

    def __index__(self) -> int:
        return operator.index(self.leaving("an index or count"))

    def __repr__(self) -> str:
        return f"traced {self.value!r}"


class Traced(Recorded):
    """An array of a trace: a value, a name, and the Traced in whose memory it lies, itself if it
    has memory of its own."""

    __slots__ = ("base", "name")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, value: Any, name: str, base: Traced | None = None) -> None:
        self.tape, self.value, self.name, self.base = (
            trace,
            value,
            name,
            self if base is None else base,
        )

    @property
    def is_result(self) -> bool:
        return self.name[0] == "#"

    @property
    def memory(self) -> Any:
        return owner(self.value)

    @property
    def shape(self) -> Any:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.value.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def nbytes(self) -> int:
        return self.value.nbytes  # type: ignore[no-any-return]

    @property
    def flags(self) -> Any:
        return self.value.flags

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.leaving("a decision, if, while, and, or,"))

    def item(self) -> Any:
        return self.leaving("item()").item()

    def tolist(self) -> Any:
        return self.leaving("tolist()").tolist()

    def __getitem__(self, index: Any) -> Any:
        index = without_tensors(index)
        for i in index if isinstance(index, tuple) else (index,):
            if isinstance(i, Traced) and i.dtype == bool and RECORDER.get() is self.tape:
                self.tape.refuse(errors.shape_of_values(operator.getitem, here_is()))
        return self.tape.record(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tape.record(operator.setitem, (self, without_tensors(index), value), {})


class Live(Recorded):
    """A Python number that is read anew at every replay, and what is computed from it: an
    expression of such numbers."""

    __slots__ = ("code",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace, value: Any, code: str) -> None:
        self.tape, self.value, self.code = trace, value, code

    def answer(self, code: str, value: bool) -> bool:
        """A decision is taken as it falls now; at a replay it must fall alike."""
        self.tape.guards.append((code, value))
        return value

    def __bool__(self) -> bool:
        return self.answer(f"bool({self.code})", bool(self.value))

    def __neg__(self) -> Live:
        return Live(self.tape, -self.value, f"(-{self.code})")

    def __pos__(self) -> Live:
        return self


ARITHMETIC = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
}
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
INFIX = {getattr(operator, name): symbol for name, symbol in (ARITHMETIC | COMPARISONS).items()} | {
    operator.matmul: "@",
    operator.and_: "&",
    operator.or_: "|",
    operator.xor: "^",
}
UFUNC: dict[Function, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.floordiv: np.floor_divide,
    operator.mod: np.remainder,
    operator.pow: np.power,
    operator.matmul: np.matmul,
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
    operator.neg: np.negative,
    operator.pos: np.positive,
    operator.invert: np.invert,
    operator.abs: np.absolute,
    operator.and_: np.bitwise_and,
    operator.or_: np.bitwise_or,
    operator.xor: np.bitwise_xor,
}


def on_arrays(function: Function) -> tuple[Function, Function, Function]:
    """x + y, y + x and x += y on Traced."""

    def left(self: Recorded, other: Any) -> Any:
        return self.tape.record(function, (self, other), {}) if is_known(other) else NotImplemented

    def right(self: Recorded, other: Any) -> Any:
        return self.tape.record(function, (other, self), {}) if is_known(other) else NotImplemented

    def in_place(self: Recorded, other: Any) -> Any:
        if isinstance(self.value, np.generic) or not is_known(other):
            return left(self, other)
        return self.tape.record(UFUNC[function], (self, other), {"out": (self,)})

    return left, right, in_place


def on_numbers(
    function: Function, on_arrays: Function, compare: bool = False, reflected: bool = False
) -> Function:
    """x + y on Live: an expression if y is a number too, recorded if it is an array."""

    def operate(self: Live, other: Any) -> Any:
        if not is_number(other) and not isinstance(other, Live):
            return on_arrays(self, other)
        x, y = (other, self) if reflected else (self, other)
        value, code = (
            function(number(x), number(y)),
            f"({code_of(x)} {INFIX[function]} {code_of(y)})",
        )
        return self.answer(code, value) if compare else Live(self.tape, value, code)

    return operate


METHODS = (
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "astype",
    "clip",
    "copy",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "flatten",
    "max",
    "mean",
    "min",
    "prod",
    "ravel",
    "repeat",
    "reshape",
    "round",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "transpose",
    "var",
    "view",
)


def add_operators() -> None:
    """Give Traced the operators and methods of arrays, and Live those of numbers."""
    for name in (*ARITHMETIC, "matmul", "and_", "or_", "xor"):
        function, bare = getattr(operator, name), name.strip("_")
        for prefix, on in zip(("", "r", "i"), on_arrays(function), strict=True):
            setattr(Traced, f"__{prefix}{bare}__", on)
        if name not in ARITHMETIC:
            continue
        for prefix, on in zip(("", "r"), on_arrays(function), strict=False):
            setattr(Live, f"__{prefix}{name}__", on_numbers(function, on, reflected=prefix == "r"))
    for name in COMPARISONS:
        function = getattr(operator, name)
        on = on_arrays(function)[0]
        setattr(Traced, f"__{name}__", on)
        setattr(Live, f"__{name}__", on_numbers(function, on, compare=True))
    for name in ("neg", "pos", "invert", "abs"):
        setattr(Traced, f"__{name}__", one_argument(getattr(operator, name)))
    for name in ("T", "mT", "real"):
        setattr(Traced, name, property(one_argument(Attribute(name))))
    for name in METHODS:
        setattr(Traced, name, one_argument(Method(name)))


def one_argument(function: Function) -> Function:
    """A method of Traced: a function with self as its first argument."""
    return lambda self, *args, **options: self.tape.record(function, (self, *args), options)


add_operators()


# Looking into arguments


def is_known(x: Any) -> bool:
    """Whether x is no stranger with operators of its own, as a Tensor is."""
    return isinstance(x, np.ndarray | np.generic | Recorded) or not hasattr(
        type(x), "__array_ufunc__"
    )


def leaves(x: Any) -> Iterator[Any]:
    """What stands in nested tuples, lists, dicts and slices."""
    if isinstance(x, tuple | list):
        yield from (leaf for item in x for leaf in leaves(item))
    elif isinstance(x, dict):
        yield from leaves(list(x.values()))
    elif isinstance(x, slice):
        yield from (x.start, x.stop, x.step)
    else:
        yield x


def traced_in(x: Any) -> list[Traced]:
    return [leaf for leaf in leaves(x) if isinstance(leaf, Traced)]


def recorded_in(x: Any) -> bool:
    return any(isinstance(leaf, Recorded) for leaf in leaves(x))


def mapped(f: Function, x: Any) -> Any:
    """x with each leaf replaced by f of it."""
    if isinstance(x, tuple) and hasattr(x, "_make"):
        return x._make([mapped(f, item) for item in x])
    if isinstance(x, tuple | list):
        return type(x)([mapped(f, item) for item in x])
    if isinstance(x, dict):
        return {key: mapped(f, item) for key, item in x.items()}
    return f(x)


def is_number(x: Any) -> bool:
    return type(x) in (int, float)  # np.float64 is a float too, but an array's element


def number(x: Any) -> Any:
    return x.value if isinstance(x, Recorded) else x


def code_of(x: Any) -> str:
    return x.code if isinstance(x, Live) else repr(x)


def real(x: Any) -> Any:
    return mapped(number, x)


def without_tensors(index: Any) -> Any:
    """An index whose Tensors are their arrays."""
    return mapped(lambda i: i.data if hasattr(i, "requires_grad") else i, index)


def here_is() -> str:
    return source(*line_of_the_user())


def written_by(function: Function, args: Any, options: dict[str, Any]) -> Any:
    """The array that a call writes to, if it is given one."""
    if function is operator.setitem:
        return args[0]
    out = options.get("out")
    return out[0] if isinstance(out, tuple) else out


def owner(x: Any) -> Any:
    """The array whose memory x is a view of."""
    while isinstance(x, np.ndarray) and isinstance(x.base, np.ndarray):
        x = x.base
    return x


# Generators of random numbers, which only `at_replay` may ask


def generators() -> list[Any]:
    """All that there are: NumPy's, its global one, and Python's."""
    found: list[Any] = [m for m in [sys.modules.get("random")] if m]
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random:
        import gc  # every generator is found, wherever it is held; what is frozen would not be

        frozen = gc.get_freeze_count()
        if frozen:
            gc.unfreeze()
        found += [
            g
            for g in gc.get_objects()
            if type(g) is numpy_random.Generator or type(g) is numpy_random.RandomState
        ]
        if frozen:
            gc.freeze()
    return found


def state_of(generator: Any) -> Any:
    """What changes when numbers are drawn."""
    if hasattr(generator, "getstate"):
        return generator.getstate()
    return (
        generator.bit_generator.state
        if hasattr(generator, "bit_generator")
        else generator.get_state(legacy=False)
    )


def set_state(generator: Any, state: Any) -> None:
    """The opposite of state_of."""
    if hasattr(generator, "setstate"):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
