"""Translate calls into code: lines of Python without branches, whose results go into buffers.

This is the second half of a compiler. An elementwise call may write onto its own operand; a view of
an array that stays where it is is made once. Where NumPy has a cheaper call for the same numbers,
the code has that one: `dot` for a matrix product, and for a sum a product with ones.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.functional import Function
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.calls import (
    FILLING,
    OPERATOR_SYMBOLS,
    OPERATOR_UFUNCS,
    ArrayAttribute,
    ArrayMethod,
)
from tinygrad_edu.programs.names import CodeNames, Line
from tinygrad_edu.programs.nested import leaves, map_leaves
from tinygrad_edu.programs.numpy.buffers import Buffers, joins_to_vector
from tinygrad_edu.programs.passes import (
    Liveness,
    copied_by,
    is_full_of,
    is_product,
    promotion_of,
    reduction_by,
    ufunc_of,
)
from tinygrad_edu.programs.program import Array, Call, Number, Program
from tinygrad_edu.programs.tracing.closed_list import is_of_package
from tinygrad_edu.programs.tracing.record import LiveArray
from tinygrad_edu.programs.tracing.traced import memory_owner

SCALAR_SYMBOLS = OPERATOR_SYMBOLS | {
    ufunc: OPERATOR_SYMBOLS[function]
    for function, ufunc in OPERATOR_UFUNCS.items()
    if function in OPERATOR_SYMBOLS
}
SPREAD_AT_MOST = 8192  # numbers: up to here a broadcast costs more than a copy
SUMMED_AT_MOST = 1024  # up to here a product with ones is as exact as NumPy's pairwise sum
OUT_BY_KEYWORD = {np.maximum, np.minimum}  # these take their out= by name only


class Code:
    """The lines of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.liveness, self.names = Liveness(program), CodeNames()
        self.buffers = Buffers(self.liveness, self.names)
        self.use, self.home = self.buffers.use, self.buffers.home
        self.live_operands: dict[Any, str] = {}  # the names of live numbers as arrays
        self.for_ufuncs = [self.copied, self.multiplied, self.elementwise]
        self.for_others = [
            self.copied,
            self.asked,
            self.viewed,
            self.joined,
            self.filled,
            self.scalar,
            self.summed,
            self.reduced,
            self.multiplied,
            self.assigned,
            self.as_it_is,
        ]
        self.lines: list[Line] = []
        self.ends: list[int] = []  # for each call, how many lines there are up to its last
        self.once: set[str] = set()  # functions that may not be called again if a call was stopped
        self.translate()

    def translate(self) -> None:
        for i, call in enumerate(self.program.calls):
            self.write(i, call)

    def write(self, i: int, call: Call) -> None:
        """Write the lines of a call, by the first rule that fits it."""
        before = len(self.lines)
        rules = self.for_ufuncs if ufunc_of(call) else self.for_others
        next(rule for rule in rules if rule(i, call))
        if call.errors != self.program.errors:
            state = f"{self.names.constant(np.errstate)}(**{self.names.of(call.errors)})"
            for line in self.lines[before:]:
                line.code = f"with {state}: {line.code}"
        for line in self.lines[before:]:
            line.call = i
        self.ends.append(len(self.lines))
        self.buffers.release(i)

    def checked(self) -> tuple[list[str], list[tuple[Call, int]]]:
        """The lines, and behind each call one for each result: check(result); whose these are.

        What that returns, the values when the step was recorded, is put in the result's place.
        """
        lines, compared, start = list[str](), list[tuple[Call, int]](), 0
        for i, end in enumerate(self.ends):
            lines += [line.code for line in self.lines[start:end]]
            start = end
            for call, k, z in self.given_at(i):
                code = f"check({self.use(z)})"
                compared.append((call, k))
                is_name = z not in self.home and self.use(z).isidentifier()
                lines.append(f"{self.use(z)} = {code}" if is_name else code)
        return lines, compared

    def given_at(self, i: int) -> list[tuple[Call, int, Array]]:
        """What there is behind the lines of call i: whose result, the number of it, the Array."""
        call = self.program.calls[i]
        gave = call.results or ([] if call.written is None else [call.written])
        return [(call, k, z) for k, z in enumerate(gave) if z not in self.program.shared]

    def asked(self, i: int, call: Call) -> bool:
        """A live array was asked for at the beginning, under its name."""
        if not isinstance(call.function, LiveArray):
            return False
        z = call.results[0]
        if z in self.buffers.placed:
            self.lines.append(Line(f"{self.buffers.room(z)}[...] = {call.name}"))
        else:
            self.buffers.text[z] = call.name
        return True

    def copied(self, i: int, call: Call) -> bool:
        """A copy that is not made needs no line."""
        return not self.program.shared.keys().isdisjoint(call.results)

    def viewed(self, i: int, call: Call) -> bool:
        """A view of an array that stays where it is needs no line: it is made once, now."""
        if call.opaque or not call.results:
            return False
        if any(self.program.root(z) is z for z in call.results) or not self.stays(call.leaves):
            return False
        made = call.function(*self.at_home(call.args), **self.at_home(call.options))
        views = made if call.several else [made]
        original = memory_owner(self.home[call.arrays[0]])
        if not all(np.may_share_memory(view, original) for view in views):
            return False
        shown = "" if call.several else self.names.display(self.spelled(call))
        for z, view in zip(call.results, views, strict=True):
            self.buffers.settle(z, view, self.names.of(view, "v", shown))
        return True

    def stays(self, arguments: Sequence[Any]) -> bool:
        """Whether the arguments are the same objects at every replay."""
        if any(isinstance(x, Number) for x in arguments):
            return False
        return all(self.use(x) and x in self.home for x in arguments if isinstance(x, Array))

    def at_home(self, x: Any) -> Any:
        """The arguments with the array that holds it in place of each Array."""
        return map_leaves(lambda leaf: self.home[leaf] if isinstance(leaf, Array) else leaf, x)

    def joined(self, i: int, call: Call) -> bool:
        """To join pieces, copy those that are not in their place already."""
        if not joins_to_vector(call) or call.target not in self.home:
            return False
        out, start, missing = self.home[call.target], 0, []
        for piece in call.args[0]:
            stop, name = start + piece.size, self.use(piece)
            there = self.home.get(piece) if isinstance(piece, Array) else None
            if there is None or data_address(there) != data_address(out[start:stop]):
                missing.append(Line(f"{self.use(call.target)}[{start}:{stop}] = {name}"))
            start = stop
        if len(missing) == len(call.args[0]):
            return False
        self.lines += missing
        return True

    def filled(self, i: int, call: Call) -> bool:
        """zeros_like and ones_like fill a buffer; empty_like takes a buffer as it is."""
        if call.function not in FILLING:
            return False
        out, number = self.buffers.target(call.target, i, []), FILLING[call.function]
        return number is None or self.line(f"{out}[...] = {number}", call)

    def scalar(self, i: int, call: Call) -> bool:
        """Python's operators compute NumPy's scalars: no buffer, and a tenth of the time."""
        symbol = SCALAR_SYMBOLS.get(call.function)
        if symbol is None or call.options or len(call.args) != 2:
            return False
        if not gives_scalar(call):
            return False
        x, y = map(self.use, call.args)
        return self.assign(call, f"{x} {symbol} {y}")

    def summed(self, i: int, call: Call) -> bool:
        """A sum over an axis of a matrix, or of all, is a product with ones: 3 times faster."""
        ufunc, axis, keepdims = reduction_by(call) or (None, None, False)
        if ufunc is not np.add:
            return False
        x, z = call.args[0], call.results[0]
        if x.dtype not in (np.float32, np.float64) or z.dtype != x.dtype or not x.size:
            return False
        if axis is None and gives_scalar(call):
            return x.size <= SUMMED_AT_MOST and self.summed_to_number(call)
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        if x.ndim != 2 or axis not in (0, 1, -1):
            return False
        if axis != 0 and x.shape[1] > SUMMED_AT_MOST:
            return False
        shape = ((1, -1) if axis == 0 else (-1, 1)) if keepdims else ()
        ones, name = self.names.ones(x.shape[axis], x.dtype, *shape), self.use(x)
        return self.into(i, call, np.dot, [ones, name] if axis == 0 else [name, ones])

    def summed_to_number(self, call: Call) -> bool:
        """The sum of all numbers, if the array that holds them can be read as a vector."""
        x = call.args[0]
        name, home = self.use(x), self.home.get(x)
        if home is None or not home.flags.c_contiguous:
            return False
        if home.ndim != 1:
            vector = home.reshape(-1)
            name = self.names.of(vector, "v", f"{self.names.shown[name]}.ravel()")
        dot, ones = self.names.function(np.dot), self.names.ones(x.size, x.dtype)
        return self.assign(call, f"{dot}({ones}, {name})")

    def reduced(self, i: int, call: Call) -> bool:
        """A reduction writes into a buffer."""
        found = reduction_by(call)
        if found is None or gives_scalar(call):
            return False
        ufunc, axis, keepdims = found
        args = [self.use(call.args[0]), repr(axis), "None"]
        return self.into(i, call, ufunc.reduce, args, then=["True"] if keepdims else [])

    def multiplied(self, i: int, call: Call) -> bool:
        """X @ Y of two matrices becomes np.dot, which has less to decide."""
        if not is_product(call):
            return False
        x, y = call.args
        return self.into(i, call, np.dot, [self.use(x), self.use(y)])

    def elementwise(self, i: int, call: Call) -> bool:
        """A ufunc writes into a buffer; a number among its operands becomes an array.

        If exactly one operand has to be broadcast or cast, it is copied into the buffer first.
        """
        ufunc, operands = ufunc_of(call), list(call.args)
        if ufunc is None:
            return False
        is_square = ufunc is np.power and is_full_of(operands[1], 2)
        if is_square and same_kind(call):
            ufunc, operands = np.square, operands[:1]
        if all(type(x) is Array and x.dtype == call.target.dtype for x in operands):
            dtypes: Any = [call.target.dtype] * len(operands)
        else:
            dtypes = ufunc.resolve_dtypes((*map(promotion_of, operands), None))
        args = [self.operand(call, operands, k, dtypes[k]) for k in range(len(operands))]
        if ufunc is np.matmul:
            return self.into(i, call, ufunc, args)
        spread = [k for k, x in enumerate(operands) if is_spread_first(x, dtypes[k], call)]
        if len(spread) == 1:
            out = self.buffers.target(call.target, i, [])
            self.lines.append(Line(f"{out}[...] = {args[spread[0]]}", shape=call.target.shape))
            args[spread[0]] = out
        return self.into(i, call, ufunc, args, [x for x in operands if isinstance(x, Array)])

    def operand(self, call: Call, operands: list[Any], k: int, dtype: Any) -> str:
        """Operand k of a ufunc as code; a number becomes an array.

        An array of equal numbers becomes one number, if the others give the result its shape.
        """
        x = operands[k]
        if type(x) is Array:
            return self.use(x)
        if isinstance(x, Number):
            return self.live_operand(x, dtype)
        if type(x) in (bool, int, float):
            return self.names.constant(np.array(x, dtype))
        if isinstance(x, np.generic):
            return self.names.constant(np.asarray(x))
        if not isinstance(x, np.ndarray) or x.size < 2 or x.flat[0] == 0 or np.any(x != x.flat[0]):
            return self.use(x)
        shapes = [shape_of(y) for y in (*operands[:k], *operands[k + 1 :])]
        if np.broadcast_shapes((), *shapes) != call.target.shape:
            return self.use(x)
        return self.names.constant(np.array(x.flat[0]))

    def live_operand(self, x: Number, dtype: Any) -> str:
        """The array of a live number, which a line fills; the same array wherever it is used."""
        if (x.code, dtype) not in self.live_operands:
            shown = x.code[1:-1] if x.code.startswith("(") else x.code
            name = self.names.new("k", shown, np.empty((), dtype))
            self.live_operands[x.code, dtype] = name
            self.lines.append(Line(f"{name}[()] = {x.code}", " "))
        return self.live_operands[x.code, dtype]

    def assigned(self, i: int, call: Call) -> bool:
        """x[index] = value; if x stays where it is, the view x[index] is made once."""
        if call.function is not operator.setitem:
            return False
        x, index, value = call.args
        place, shown = f"{self.use(x)}[{self.buffers.subscript(index)}]", self.use(value)
        if self.stays([x, *leaves(index)]):
            view = self.home[x][self.at_home(index)]
            if isinstance(view, np.ndarray) and np.may_share_memory(view, self.home[x]):
                name = self.names.of(view, "v", self.names.display(place))
                return self.line(f"{name}[...] = {shown}", call, f"{place} = {shown}")
        return self.line(f"{place} = {shown}", call)

    def as_it_is(self, i: int, call: Call) -> bool:
        """Any other call stays as it was, and gives a new array each time."""
        original = copied_by(call)
        if original is not None and call.results[0] not in self.buffers.placed:
            out = self.buffers.allocate(call.results[0], -1, [])
            return self.line(f"{out}[...] = {self.use(original)}", call)
        if call.written is not None:
            return self.line(self.spelled(call), call)
        return self.assign(call, self.spelled(call))

    # Code

    def into(
        self,
        i: int,
        call: Call,
        function: Function,
        args: list[str],
        operands: Sequence[Array] = (),
        then: Sequence[str] = (),
    ) -> bool:
        """Write function(*args, out, *then): out is a buffer, or what the call writes to."""
        z, name = call.target, self.names.function(function)
        out = self.use(z) if call.written is not None else self.buffers.target(z, i, [*operands])
        given = [*args, f"out={out}" if function in OUT_BY_KEYWORD else out, *then]
        options = [*(["keepdims=True"] if then else []), f"out={out}"]
        shown = [*[arg for arg in args if arg != "None"], *options]
        return self.line(f"{name}({', '.join(given)})", call, f"{out} = {name}({', '.join(shown)})")

    def assign(self, call: Call, code: str) -> bool:
        """Write z = code, with a name for each array z that the call gives."""
        names = [self.names.new("t") for _ in call.results]
        left = ", ".join(names) + "," * (call.several and len(names) == 1)
        if call.opaque and not is_of_package(call.function):
            kinds = [(x.shape, x.dtype) for x in call.results]
            code = f"{self.names.of(as_before)}({code}, {self.names.of(kinds)}, {call.name!r})"
        self.line(f"{left} = {code}" if names else code, call)
        for z, name in zip(call.results, names, strict=True):
            if z in self.buffers.placed:
                self.lines.append(Line(f"{self.buffers.room(z)}[...] = {name}"))
            else:
                self.buffers.text[z] = name
        return True

    def line(self, code: str, call: Call, shown: str = "") -> bool:
        gives_array = call.results or call.written is not None
        self.lines.append(Line(code, shown, call.target.shape if gives_array else ""))
        return True

    def spelled(self, call: Call) -> str:
        """A call as code."""
        f, args = call.function, [self.use(x) for x in call.args]
        if f is operator.getitem:
            return f"{args[0]}[{self.buffers.subscript(call.args[1])}]"
        if isinstance(f, ArrayAttribute):
            return f"{args[0]}.{call.name}"
        if f in OPERATOR_SYMBOLS:
            return f"{args[0]} {OPERATOR_SYMBOLS[f]} {args[1]}"
        options = [f"{key}={self.use(x)}" for key, x in call.options.items()]
        if isinstance(f, ArrayMethod):
            return f"{args[0]}.{call.name}({', '.join([*args[1:], *options])})"
        return f"{self.names.function(f)}({', '.join([*args, *options])})"


def as_before(z: Any, kinds: list[Any], name: str) -> Any:
    """What an opaque function gives; an error if it has another shape or dtype than before."""
    for x, (shape, dtype) in zip(z if isinstance(z, tuple | list) else [z], kinds, strict=True):
        if x.shape != shape or x.dtype != dtype:
            raise refusals.another_shape(name, f"{dtype} {shape}", f"{x.dtype} {x.shape}")
    return z


def shape_of(x: Any) -> Any:
    return x.shape if isinstance(x, Array) else np.shape(getattr(x, "value", x))


def same_kind(call: Call) -> bool:
    """Whether a power has the dtype of its base: an integer to the power 2.0 is none."""
    x = call.args[0]
    return isinstance(x, Array) and x.dtype == call.target.dtype and x.dtype.kind == "f"


def data_address(x: Any) -> int:
    return x.__array_interface__["data"][0]  # type: ignore[no-any-return]


def is_spread_first(x: Any, dtype: Any, call: Call) -> bool:
    """Whether to broadcast or cast an operand into the result's buffer first.

    The ufunc is faster then: it meets equal layouts.
    """
    z = call.target
    if not isinstance(x, Array) or not x.ndim or call.written is not None or dtype != z.dtype:
        return False
    return bool(x.dtype != dtype) or (x.shape != z.shape and z.size <= SPREAD_AT_MOST)


def gives_scalar(call: Call) -> bool:
    """Whether a call gives one of NumPy's scalars and not an array."""
    return len(call.results) == 1 and call.results[0].is_scalar
