"""A plan made into a program: straight-line Python, whose results go into arrays that are allocated
once.

The second half of a compiler. A buffer whose value is used up takes the next result (liveness), an
elementwise call may write onto its own operand, views of what stays where it is are made once,
gradients that will be joined into one vector are written there in the first place. And where NumPy
has a cheaper call for the same numbers, that is made: `dot` for a matrix product, and for a sum a
product with ones."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.programs.liveness import Plan, copied, is_number, reduction_of, ufunc_of, weak
from tinygrad_edu.programs.tracing import (
    INFIX,
    UFUNC,
    Attribute,
    Call,
    Live,
    LiveArray,
    Method,
    Trace,
    Traced,
    mapped,
    owner,
)

Function = Callable[..., Any]

SYMBOL = INFIX | {ufunc: INFIX[function] for function, ufunc in UFUNC.items() if function in INFIX}
SMALL = 8192  # numbers: up to here a broadcast costs more than a copy
BY_KEYWORD = {np.maximum, np.minimum}  # these take their out= by name only


class Names:
    """The names in a program's code: the objects that they stand for, and how they are shown."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.shown: dict[str, str] = {}
        self.known: dict[Any, str] = {}

    def new(self, letter: str, shown: str = "", value: Any = None) -> str:
        n = sum(name[1] == letter for name in self.shown)
        name = f"_{letter}{n}"
        self.shown[name] = shown or f"{letter}{n}"
        if value is not None:
            self.objects[name] = value
        return name

    def of(self, value: Any, letter: str = "o", shown: str = "") -> str:
        """The name of an object, always the same."""
        key = letter, id(value)
        if key not in self.known:
            self.known[key] = self.new(letter, shown, value)
        return self.known[key]

    def constant(self, value: Any) -> str:
        """The name of what never changes; that of a number shows the number."""
        if not isinstance(value, np.ndarray) or value.size != 1:
            return self.of(
                value,
                "k",
                getattr(value, "__name__", str(value) if isinstance(value, np.dtype) else ""),
            )
        key = value.dtype, value.shape, value.tobytes()
        if key not in self.known:
            self.known[key] = self.new("k", f"{value.item()!r:.12}", value)
        return self.known[key]

    def ones(self, n: int, dtype: Any, *shape: int) -> str:
        key = "ones", n, dtype, shape
        if key not in self.known:
            self.known[key] = self.new("k", "ones", np.ones(n, dtype).reshape(shape or -1))
        return self.known[key]

    def function(self, f: Function) -> str:
        """np.dot, np.add.reduce, scatter"""
        name = getattr(f, "__name__", "f")
        if name == "reduce":
            return self.of(f, "f", f"np.{f.__self__.__name__}.reduce")  # type: ignore[attr-defined]
        return self.of(f, "f", f"np.{name}" if getattr(np, name, None) is f else name)

    def display(self, code: str) -> str:
        """Code as it is shown."""
        return re.sub(r"\b_[a-z]\d+\b", lambda match: self.shown[match[0]], code)


class Line:
    """A line of a program: as it runs, as it is shown, and the shape of what it gives."""

    def __init__(self, code: str, shown: str = "", shape: Any = "") -> None:
        self.code, self.shown, self.shape = code, shown or code, shape


class Program:
    """The lines of a trace. `exact` leaves out the cheaper calls, whose last digit may be
    another."""

    def __init__(
        self, trace: Trace, outputs: list[Traced], inputs: list[Traced], exact: bool = False
    ) -> None:
        self.trace, self.exact = trace, exact
        self.plan, self.names = Plan(trace, outputs), Names()
        self.lines: list[Line] = []
        self.text: dict[Traced, str] = {
            x: self.names.new("x", x.name) for x in inputs
        }  # the code that stands for it
        self.home: dict[
            Traced, Any
        ] = {}  # the array that holds it, where that is the same at every replay
        self.storage: dict[
            Traced, Any
        ] = {}  # of a root with a buffer: the bytes that it is cut from
        self.free: list[Any] = []  # bytes that are not in use
        self.placed: set[Traced] = set()  # roots that are computed where they will be joined
        self.filled: dict[Any, str] = {}  # numbers that are read live, as arrays
        self.bytes = self.reused = 0
        for x, value in self.plan.constants.items():
            self.at_home(x, value, self.names.constant(value))
        for i, call in enumerate(self.plan.calls):
            self.place(i, call)
        for i, call in enumerate(self.plan.calls):
            self.write(i, call)

    def at_home(self, x: Traced, array: Any, name: str) -> None:
        self.home[x], self.text[x] = array, name

    def use(self, x: Any) -> str:
        """An argument as code."""
        if isinstance(x, Traced):
            return self.text.get(x) or self.find(x)
        if isinstance(x, Live):
            return x.code
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.use, (x.start, x.stop, x.step)))})"
        if type(x) is tuple:
            return f"({', '.join(map(self.use, x))}{',' if len(x) == 1 else ''})"
        if type(x) is list:
            return f"[{', '.join(map(self.use, x))}]"
        if x is None or type(x) in (bool, int, str) or (type(x) is float and np.isfinite(x)):
            return repr(x)
        return self.names.constant(x)

    def find(self, x: Traced) -> str:
        """The code for what no call of the program has given: the state, or the original of a copy
        that is none."""
        original = self.plan.alias.get(x)
        if original is None:
            self.at_home(x, x.value, self.names.of(x.value, "s", x.name))
        else:
            self.text[x] = self.use(original)
            if original in self.home:
                self.home[x] = self.home[original]
        return self.text[x]

    # Buffers

    def allocate(self, z: Traced, i: int, operands: list[Traced]) -> str:
        """A buffer for z: that of an operand that call i uses up, or bytes that are free, or new
        ones."""
        strides = np.empty_like(z.value).strides
        for x in operands:
            root, home = self.plan.root(x), self.home.get(x)
            alike = home is not None and (home.shape, home.dtype, home.strides) == (
                z.shape,
                z.dtype,
                strides,
            )
            if not alike or self.plan.last[root] != i or root not in self.storage:
                continue
            return self.cut(z, self.storage.pop(root), strides)
        fits = [storage for storage in self.free if storage.nbytes >= z.nbytes]
        if not fits:
            return self.cut(z, np.empty(z.nbytes, np.uint8), strides)
        storage = min(fits, key=len)
        self.free = [other for other in self.free if other is not storage]
        return self.cut(z, storage, strides)

    def cut(self, z: Traced, storage: Any, strides: Any) -> str:
        """A buffer of z's layout from these bytes, the same one as before if there was one."""
        key = "buffer", id(storage), z.shape, z.dtype, strides
        is_new = not any(key[1] == known[1] for known in self.names.known if known[0] == "buffer")
        if is_new:
            self.bytes += storage.nbytes
        else:
            self.reused += 1
        if key not in self.names.known:
            self.names.known[key] = self.names.new(
                "b", value=np.ndarray(z.shape, z.dtype, storage, 0, strides)
            )
        self.storage[z] = storage
        self.at_home(z, self.names.objects[self.names.known[key]], self.names.known[key])
        return self.text[z]

    def exposed(self) -> set[int]:
        """Memory that is seen outside and written to earlier than the step would: arguments must
        not lie there."""
        return {id(owner(self.home[root])) for root in (*self.storage, *self.placed)}

    def release(self, i: int) -> None:
        """The bytes of what call i uses for the last time are free again."""
        for root in [root for root in self.storage if self.plan.last[root] == i]:
            self.free.append(self.storage.pop(root))

    def place(self, i: int, call: Call) -> None:
        """What call i joins to a vector is computed where it will be."""
        if not joins(call):
            return
        out, start = call.target, 0
        for piece in call.args[0]:
            stop, root = (
                start + piece.size,
                self.plan.root(piece) if isinstance(piece, Traced) else None,
            )
            if root is not None and root not in self.placed and self.plan.joins(i, piece, out):
                if out.is_result and out not in self.home:
                    array = np.empty(out.shape, out.dtype)
                    self.at_home(out, array, self.names.new("b", value=array))
                    self.bytes += array.nbytes
                name, home = self.use(out), self.home[out][start:stop].reshape(root.shape)
                self.at_home(
                    root,
                    home,
                    self.names.of(home, "b", f"{self.names.shown[name]}[{start}:{stop}]"),
                )
                self.placed.add(root)
            start = stop

    # Calls

    def write(self, i: int, call: Call) -> None:
        """The lines of a call; none for a view of what stays where it is."""
        before = len(self.lines)
        for rule in (
            self.copied,
            self.viewed,
            self.joined,
            self.scalar,
            self.sum,
            self.reduction,
            self.product,
            self.elementwise,
            self.as_it_is,
        ):
            if rule(i, call):
                break
        if call.errors != self.trace.errors:
            for line in self.lines[before:]:
                line.code = f"with {self.names.constant(np.errstate)}(**{self.names.of(call.errors)}): {line.code}"
        self.release(i)

    def copied(self, i: int, call: Call) -> bool:
        """A copy that is none needs no line."""
        return not self.plan.alias.keys().isdisjoint(call.results)

    def viewed(self, i: int, call: Call) -> bool:
        """A view of a buffer, or of the state, is made once, now."""
        if call.opaque or not call.results or any(self.plan.root(z) is z for z in call.results):
            return False
        for x in call.leaves:
            if isinstance(x, Live) or (
                isinstance(x, Traced) and self.use(x) and x not in self.home
            ):
                return False
        args, options = mapped(
            lambda x: self.home[x] if isinstance(x, Traced) else x, (call.args, call.options)
        )
        made = call.function(*args, **options)
        views = made if call.several else [made]
        if not all(np.may_share_memory(view, owner(self.home[call.traced[0]])) for view in views):
            return False
        shown = "" if call.several else self.names.display(self.spelled(call))
        for z, view in zip(call.results, views, strict=True):
            self.at_home(z, view, self.names.of(view, "v", shown))
        return True

    def joined(self, i: int, call: Call) -> bool:
        """Joining: the pieces that are not there already are copied."""
        if not joins(call) or call.target not in self.home:
            return False
        start, missing = 0, []
        for piece in call.args[0]:
            stop, name = start + piece.size, self.use(piece)
            there = self.home.get(piece) if isinstance(piece, Traced) else None
            if there is None or address(there) != address(self.home[call.target][start:stop]):
                missing.append(Line(f"{self.use(call.target)}[{start}:{stop}] = {name}"))
            start = stop
        if len(missing) == len(call.args[0]):
            return False
        self.lines += missing
        return True

    def scalar(self, i: int, call: Call) -> bool:
        """NumPy's scalars are computed by Python's operators: no buffer, a tenth of the time."""
        symbol = SYMBOL.get(call.function)
        if (
            self.exact
            or symbol is None
            or call.options
            or len(call.args) != 2
            or not is_scalar(call)
        ):
            return False
        return self.assign(call, f"{self.use(call.args[0])} {symbol} {self.use(call.args[1])}")

    def sum(self, i: int, call: Call) -> bool:
        """A sum along an axis of a matrix, or of everything, is a product with ones, three times
        faster."""
        ufunc, axis, keepdims = reduction_of(call) or (None, None, False)
        if self.exact or ufunc is not np.add:
            return False
        x, z, dot = call.args[0], call.results[0], self.names.function(np.dot)
        if x.dtype not in (np.float32, np.float64) or z.dtype != x.dtype or not x.size:
            return False
        if axis is None and is_scalar(call):
            return (
                x.size <= SMALL
                and bool(flat := self.flat(x))
                and self.assign(call, f"{dot}({self.names.ones(x.size, x.dtype)}, {flat})")
            )
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        if x.ndim != 2 or axis not in (0, 1, -1):
            return False
        ones = self.names.ones(
            x.shape[axis], x.dtype, *(([1, -1], [-1, 1])[axis] if keepdims else ())
        )
        return self.into(
            i, call, np.dot, [ones, self.use(x)] if axis == 0 else [self.use(x), ones], []
        )

    def flat(self, x: Traced) -> str:
        """The name of x as a vector, if it stays where it is."""
        name, home = self.use(x), self.home.get(x)
        if home is None or not home.flags.c_contiguous:
            return ""
        return (
            name
            if home.ndim == 1
            else self.names.of(home.reshape(-1), "v", f"{self.names.shown[name]}.ravel()")
        )

    def reduction(self, i: int, call: Call) -> bool:
        """A reduction goes into a buffer."""
        found = reduction_of(call)
        if found is None or is_scalar(call):
            return False
        ufunc, axis, keepdims = found
        return self.into(
            i,
            call,
            ufunc.reduce,
            [self.use(call.args[0]), repr(axis), "None"],
            [],
            ["True"] if keepdims else [],
        )

    def product(self, i: int, call: Call) -> bool:
        """X @ Y of matrices is dot, which has less to decide."""
        if self.exact or ufunc_of(call) is not np.matmul or call.written is not None:
            return False
        (x, y), z = call.args, call.results[0]
        if not (
            x.ndim == y.ndim == 2 and x.dtype == y.dtype == z.dtype and z.value.flags.c_contiguous
        ):
            return False
        return self.into(i, call, np.dot, [self.use(x), self.use(y)], [])

    def elementwise(self, i: int, call: Call) -> bool:
        """A ufunc writes into a buffer; numbers among its operands become arrays of the dtype that
        it computes in."""
        ufunc, operands = ufunc_of(call), list(call.args)
        if ufunc is None:
            return False
        if ufunc is np.power and is_number(operands[1], 2) and not self.exact:
            ufunc, operands = np.square, operands[:1]
        dtypes = ufunc.resolve_dtypes((*map(weak, operands), None))
        shapes = [np.shape(x.value if isinstance(x, Traced | Live) else x) for x in operands]
        args = [
            self.operand(
                x,
                dtype,
                np.broadcast_shapes((), *shapes[:k], *shapes[k + 1 :]) == call.target.shape,
            )
            for k, (x, dtype) in enumerate(zip(operands, dtypes, strict=False))
        ]
        spread = [
            k
            for k, x in enumerate(operands)
            if is_spread(x, dtypes[k], call) and ufunc is not np.matmul
        ]
        if len(spread) == 1:
            out = (
                self.use(call.target)
                if call.target in self.home
                else self.allocate(call.target, i, [])
            )
            self.lines.append(Line(f"{out}[...] = {args[spread[0]]}", shape=call.target.shape))
            args[spread[0]] = out
        return self.into(
            i,
            call,
            ufunc,
            args,
            [x for x in operands if isinstance(x, Traced) and ufunc is not np.matmul],
        )

    def operand(self, x: Any, dtype: Any, fills: bool) -> str:
        """An operand of a ufunc: a number as an array; and if it `fills` the shape of others, an
        array of equal numbers too."""
        if isinstance(x, Live):
            if (x.code, dtype) not in self.filled:
                self.filled[x.code, dtype] = name = self.names.new(
                    "k", x.code.strip("()"), np.empty((), dtype)
                )
                self.lines.append(Line(f"{name}[()] = {x.code}", " "))
            return self.filled[x.code, dtype]
        if type(x) in (bool, int, float):
            return self.names.constant(np.array(x, dtype))
        if isinstance(x, np.generic):
            return self.names.constant(np.asarray(x))
        if (
            isinstance(x, np.ndarray)
            and fills
            and x.size > 1
            and x.flat[0] != 0
            and (x == x.flat[0]).all()
        ):
            return self.names.constant(np.array(x.flat[0]))
        return self.use(x)

    def as_it_is(self, i: int, call: Call) -> bool:
        """Any other call is made as it was; it gives a new array each time."""
        if copied(call) is not None and call.results[0] not in self.placed:
            return self.line(
                f"{self.allocate(call.results[0], -1, [])}[...] = {self.use(copied(call))}", call
            )
        if call.function is operator.setitem:
            return self.line(
                f"{self.use(call.args[0])}[{self.use(call.args[1])}] = {self.use(call.args[2])}",
                call,
            )
        return (
            self.line(self.spelled(call), call)
            if call.written is not None
            else self.assign(call, self.spelled(call))
        )

    # Code

    def into(
        self,
        i: int,
        call: Call,
        function: Function,
        args: list[str],
        operands: list[Traced],
        then: Any = (),
    ) -> bool:
        """function(*args, out, *then), where out is a buffer, or what the call writes to."""
        z = call.target
        out = (
            self.use(z)
            if call.written is not None or z in self.home
            else self.allocate(z, i, operands)
        )
        name = self.names.function(function)
        code = (
            f"{name}({', '.join([*args, f'out={out}' if function in BY_KEYWORD else out, *then])})"
        )
        options = [*(["keepdims=True"] if then else []), f"out={out}"]
        return self.line(
            code,
            call,
            f"{out} = {name}({', '.join([*[a for a in args if a != 'None'], *options])})",
        )

    def assign(self, call: Call, code: str) -> bool:
        """z = code, for each array z that the call gives."""
        names = [self.names.new("t") for _ in call.results]
        self.line(
            f"{', '.join(names)}{',' * (call.several and len(names) == 1)} = {code}"
            if names
            else code,
            call,
        )
        for z, name in zip(call.results, names, strict=True):
            if z in self.placed:
                self.lines.append(Line(f"{self.text[z]}[...] = {name}"))
            else:
                self.text[z] = name
        return True

    def line(self, code: str, call: Call, shown: str = "") -> bool:
        self.lines.append(
            Line(code, shown, call.target.shape if call.results or call.written is not None else "")
        )
        return True

    def spelled(self, call: Call) -> str:
        """A call as code."""
        f, args = call.function, [self.use(x) for x in call.args]
        if isinstance(f, LiveArray):
            return f"live_{f.__name__}()"
        if f is operator.getitem:
            return f"{args[0]}[{args[1]}]"
        if isinstance(f, Attribute):
            return f"{args[0]}.{call.name}"
        if f in INFIX:
            return f"{args[0]} {INFIX[f]} {args[1]}"
        rest = [
            *(args[1:] if isinstance(f, Method) else args),
            *[f"{key}={self.use(x)}" for key, x in call.options.items()],
        ]
        return f"{f'{args[0]}.{call.name}' if isinstance(f, Method) else self.names.function(f)}({', '.join(rest)})"


def joins(call: Call) -> bool:
    """Whether a call joins arrays to a vector."""
    if call.function is not np.concatenate or len(call.args) > 1 or call.options.keys() - {"out"}:
        return False
    return (
        call.target.ndim == 1
        and bool(call.target.value.flags.c_contiguous)
        and type(call.args[0]) in (list, tuple)
    )


def address(x: Any) -> Any:
    return x.__array_interface__["data"][0]


def is_spread(x: Any, dtype: Any, call: Call) -> bool:
    """Whether an operand is better broadcast or cast into the result's buffer first, so that the
    ufunc meets equal layouts."""
    z = call.target
    if not isinstance(x, Traced) or not x.ndim or call.written is not None or dtype != z.dtype:
        return False
    return bool(x.dtype != dtype) or (x.shape != z.shape and z.size <= SMALL)


def is_scalar(call: Call) -> bool:
    """Whether a call gives one of NumPy's scalars, and no array."""
    return len(call.results) == 1 and isinstance(call.results[0].value, np.generic)
