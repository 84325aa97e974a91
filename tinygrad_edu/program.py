"""A trace made into a program: straight-line Python, whose results go into arrays that are allocated once.

What compilers do, in five steps. Calls whose results nobody uses are dropped. A copy of what does not change afterwards is
no copy. Gradients that are joined into one vector are written there in the first place. A buffer whose value is used up
takes the next result (liveness), an elementwise call may write onto its own operand. And where NumPy has a cheaper call for
the same numbers, that is made: `dot` for a matrix product, and for a sum a product with ones.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu.tracing import INFIX, UFUNC, Attribute, Call, Live, LiveArray, Method, Trace, Traced, leaves, mapped, owner, traced_in

Function = Callable[..., Any]

FOREVER = 1 << 60
INFIX_OF_UFUNC = {ufunc: INFIX[function] for function, ufunc in UFUNC.items() if function in INFIX}
REDUCTIONS = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum, np.amax: np.maximum,
              np.amin: np.minimum, np.add.reduce: np.add, np.maximum.reduce: np.maximum, np.minimum.reduce: np.minimum}
REDUCING_METHODS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}
FILLED = {np.zeros_like, np.ones_like, np.empty_like}
COMMUTE = {operator.mul, np.multiply}
NEUTRAL = {f: 1 for f in (*COMMUTE, operator.truediv, np.divide, operator.pow, np.power)}  # x · 1 = x
BY_KEYWORD = {np.maximum, np.minimum}  # take their out= by name only


class Plan:
    """Which calls are made, and how long each result is needed."""

    def __init__(self, trace: Trace, outputs: list[Traced]) -> None:
        self.alias: dict[Traced, Traced] = {}  # a copy that is none ↦ what it would have copied
        self.constants: dict[Traced, Any] = {}
        self.calls = trace.calls
        self.outputs = outputs
        self.fold()
        self.share_copies()
        self.drop_dead()
        self.last = {root: FOREVER for root in map(self.root, outputs)}
        self.first: dict[Traced, int] = {}
        for i, call in enumerate(self.calls):
            for x in touched(call):
                self.first.setdefault(self.root(x), i)
                self.last[self.root(x)] = max(i, self.last.get(self.root(x), 0))

    def root(self, x: Traced) -> Traced:
        """The Traced in whose memory x lies."""
        x = x.base
        while x in self.alias: x = self.alias[x].base
        return x

    def writes(self, root: Traced, start: int = 0) -> bool:
        """Whether a call from `start` on writes to it."""
        return any(call.written is not None and self.root(call.written) is root for call in self.calls[start:])

    def fold(self) -> None:
        """Arrays of zeros that stay zeros are constants."""
        for call in self.calls:
            if call.function in FILLED and not self.writes(call.results[0]): self.constants[call.results[0]] = call.results[0].value
        self.calls = [call for call in self.calls if not call.results or call.results[0] not in self.constants]

    def share_copies(self) -> None:
        """A copy of a result, neither of which is changed afterwards, is that result; one owner outside is enough for it."""
        owned = {self.root(x) for x in self.outputs}
        for i, call in enumerate(self.calls):
            if (x := copied(call)) is None: continue
            copy = call.results[0]
            root = self.root(x)
            if not root.is_result or x.value.strides != copy.value.strides or self.writes(root, i) or self.writes(copy, i): continue
            if copy in owned and root in owned: continue
            if copy in owned: owned.add(root)
            self.alias[copy] = x

    def drop_dead(self) -> None:
        """Keep the calls that something needs: an output, the state, or a call that is kept."""
        needed, roots, kept = set(self.outputs), {self.root(x) for x in self.outputs}, []
        for call in reversed(self.calls):
            effect = call.whole and (not call.results or not traced_in((call.args, call.options)))
            if call.written is not None: effect = not self.root(call.written).is_result or self.root(call.written) in roots
            if not effect and needed.isdisjoint(call.results): continue
            kept.append(call)
            needed.update(touched(call))
            roots.update(map(self.root, touched(call)))
        self.calls = kept[::-1]


def touched(call: Call) -> list[Traced]:
    """All arrays of a call: arguments, results, and what it writes to."""
    return [*traced_in((call.args, call.options)), *call.results]


def copied(call: Call) -> Traced | None:
    """The array that a call gives anew, if it does nothing else: x.copy(), +x, x ** 1, 1 * x."""
    if call.written is not None or len(call.results) != 1 or call.options or not call.args: return None
    x, z, one = call.args[0], call.results[0], NEUTRAL.get(call.function)
    if one is not None and call.function in COMMUTE and is_number(x, one): x, one = call.args[1], None
    if one is not None and not is_number(call.args[1], one): return None
    if one is None and x is call.args[0] and call.name not in ("copy", "pos", "positive"): return None
    same = isinstance(x, Traced) and isinstance(x.value, np.ndarray) and isinstance(z.value, np.ndarray)
    return x if same and (x.shape, x.dtype) == (z.shape, z.dtype) else None


def is_number(x: Any, value: float) -> bool:
    """Whether x is this number, or an array full of it."""
    return not isinstance(x, Traced | Live) and isinstance(x, int | float | np.ndarray | np.generic) and bool(np.all(x == value))


class Line:
    """target = function(*args, out=target), as it runs and as it is shown."""

    def __init__(self, code: str, shown: str = "", comment: str = "") -> None:
        self.code, self.shown, self.comment = code, shown or code, comment


class Program:
    """The program of one trace."""

    def __init__(self, trace: Trace, outputs: list[Traced], names: dict[Traced, str], exact: bool = False) -> None:
        self.exact = exact  # without the cheaper calls, whose last digit may be another
        self.plan = Plan(trace, outputs)
        self.trace = trace
        self.lines: list[Line] = []
        self.names: dict[str, Any] = {}  # what the names of the code stand for
        self.shown: dict[str, str] = {}  # and how they are shown
        self.known: dict[tuple[int, Any], str] = {}
        self.text: dict[Traced, str] = {}  # the name by which the code knows a Traced
        self.home: dict[Traced, Any] = {}  # the array that holds a Traced, where it is the same at every replay
        self.free: list[Any] = []  # storage, not in use
        self.storage: dict[Traced, Any] = {}  # of a root, from which its buffer is cut
        self.buffers: dict[tuple[Any, ...], str] = {}
        self.placed: set[Traced] = set()
        self.fills: dict[tuple[str, Any], str] = {}
        self.reused = self.bytes = 0
        for x, name in names.items():
            self.text[x] = self.fresh("x", name)
        for x, value in self.plan.constants.items(): self.at_home(x, value, self.constant(value))
        self.join()
        for i, call in enumerate(self.plan.calls): self.emit(i, call)

    # Names

    def fresh(self, letter: str, shown: str = "", value: Any = None) -> str:
        """A new name."""
        n = sum(name[1] == letter for name in self.shown)
        name = f"_{letter}{n}"
        self.shown[name] = shown or f"{letter}{n}"
        if value is not None: self.names[name] = value
        return name

    def bound(self, letter: str, value: Any, shown: str = "") -> str:
        """The name of an object, always the same."""
        key = (id(value), letter)
        if key not in self.known: self.known[key] = self.fresh(letter, shown, value)
        return self.known[key]

    def constant(self, value: Any) -> str:
        """An array or object that never changes; a number's name shows the number."""
        key = (value.dtype, value.shape, value.tobytes()) if isinstance(value, np.ndarray) and value.size < 2 else None
        if key and (0, key) in self.known: return self.known[0, key]
        small = isinstance(value, np.ndarray) and value.size == 1
        name = self.bound("k", value, repr(value.item()) if small else getattr(value, "__name__", "") if callable(value) else "")
        if key: self.known[0, key] = name
        return name

    def at_home(self, x: Traced, array: Any, name: str) -> None:
        self.home[x], self.text[x] = array, name

    def use(self, x: Any) -> str:
        """An argument as code."""
        if isinstance(x, Traced):
            if x not in self.text:
                shared = self.plan.alias.get(x)
                if shared is None: self.at_home(x, x.value, self.bound("s", x.value, x.name))  # state
                else:
                    self.text[x] = self.use(shared)
                    if shared in self.home: self.home[x] = self.home[shared]
            return self.text[x]
        if isinstance(x, Live): return x.code
        if isinstance(x, slice): return f"slice({', '.join(map(self.use, (x.start, x.stop, x.step)))})"
        if isinstance(x, tuple | list) and any(isinstance(leaf, Traced | Live) for leaf in leaves(x)):
            inner = ", ".join(map(self.use, x))
            return f"[{inner}]" if isinstance(x, list) else f"({inner},)"
        if x is None or type(x) in (bool, int, str) or (type(x) is float and np.isfinite(x)): return repr(x)
        if isinstance(x, tuple) and all(isinstance(leaf, int | type(None)) for leaf in leaves(x)) and "slice" not in repr(x): return repr(x)
        return self.constant(x)

    # Buffers

    def allocate(self, x: Traced, i: int, onto: list[Traced]) -> str:
        """A buffer for x: that of an operand that is used up here, or storage that is free, or new."""
        strides = np.empty_like(x.value).strides
        for y in onto:
            root, home = self.plan.root(y), self.home.get(y)
            if home is None or self.plan.last[root] != i or root not in self.storage: continue
            if (home.shape, home.dtype, home.strides) != (x.shape, x.dtype, strides): continue
            if any(self.plan.root(z) is root and self.home[z] is not home for z in onto): continue
            self.storage[x] = self.storage.pop(root)
            self.reused += 1
            self.at_home(x, home, self.text[y])
            return self.text[x]
        fits = [s for s in self.free if s.nbytes >= x.nbytes]
        if fits:
            storage = min(fits, key=lambda s: s.nbytes)
            self.free = [s for s in self.free if s is not storage]
            self.reused += 1
        else:
            storage = np.empty(x.nbytes, np.uint8)
            self.bytes += x.nbytes
        key = (id(storage), x.shape, x.dtype, strides)
        if key not in self.buffers:
            self.buffers[key] = self.fresh("b", value=np.ndarray(x.shape, x.dtype, storage, 0, strides))
        self.storage[x] = storage
        self.at_home(x, self.names[self.buffers[key]], self.buffers[key])
        return self.text[x]

    def release(self, i: int) -> None:
        """Storage of what call i used for the last time is free again."""
        for root in [root for root in self.storage if self.plan.last[root] == i]: self.free.append(self.storage.pop(root))

    def join(self) -> None:
        """What a concatenation joins is computed where it will be."""
        for i, call in enumerate(self.plan.calls):
            if call.function is not np.concatenate or len(call.args) > 1 or call.options.keys() - {"out"}: continue
            out = call.written if call.written is not None else call.results[0]
            if out.ndim != 1 or not out.value.flags.c_contiguous: continue
            start = 0
            for piece in call.args[0]:
                stop = start + piece.size
                if isinstance(piece, Traced) and self.joins(i, piece, out):
                    root = self.plan.root(piece)
                    if out not in self.home and out.is_result:
                        array = np.empty(out.shape, out.dtype)
                        self.bytes += array.nbytes
                        self.at_home(out, array, self.fresh("b", value=array))
                    elif out not in self.home: self.use(out)
                    home = self.home[out][start:stop].reshape(root.shape)
                    self.at_home(root, home, self.bound("b", home, f"{self.shown[self.text[out]]}[{start}:{stop}]"))
                    self.placed.add(root)
                start = stop

    def joins(self, i: int, piece: Traced, out: Traced) -> bool:
        """Whether a piece can be computed in its place: nothing else happens there from then to call i, and nothing later."""
        plan, root, target = self.plan, self.plan.root(piece), self.plan.root(out)
        if not root.is_result or root in self.placed or root not in plan.first or not into_buffer(plan.calls[plan.first[root]]): return False
        if root.size != piece.size or root.dtype != out.dtype or not (root.value.flags.c_contiguous and piece.value.flags.c_contiguous):
            return False
        between = plan.calls[plan.first[root]:i]
        if any(plan.root(x) is target for other in between for x in touched(other)): return False
        changed = plan.writes(target, i + 1) or plan.writes(root, i + 1)
        return not changed or plan.last[root] <= i

    # One call

    def emit(self, i: int, call: Call) -> None:
        """The line of a call; none for a view of what stays where it is."""
        if call.results and call.results[0] in self.plan.alias: return
        if not self.hoisted(call):
            before = len(self.lines)
            (self.joined(call) or self.scalar(call) or self.reduction(call, i) or self.product(call, i) or self.elementwise(call, i)
             or self.as_it_is(call))
            if call.errors != self.trace.errors and len(self.lines) > before:
                line = self.lines[-1]
                line.code = f"with {self.constant(np.errstate)}(**{self.constant(call.errors)}): {line.code}"
        self.release(i)

    def hoisted(self, call: Call) -> bool:
        """A view of a buffer, or of the state, is made once, now."""
        views = call.results and not call.whole and all(self.plan.root(z) is not z for z in call.results)
        if not views: return False
        for x in traced_in((call.args, call.options)):
            self.use(x)
            if x not in self.home: return False
        if any(isinstance(x, Live) for x in leaves((call.args, call.options))): return False
        def home(x: Any) -> Any: return self.home[x] if isinstance(x, Traced) else x
        made = call.function(*mapped(home, call.args), **mapped(home, call.options))
        made = made if call.several else [made]
        roots = [self.home.get(self.plan.root(z)) for z in call.results]
        if not all(root is not None and np.may_share_memory(owner(z), root) for z, root in zip(made, roots, strict=True)): return False
        for z, array in zip(call.results, made, strict=True):
            self.at_home(z, array, self.bound("v", array, self.display(self.spelled(call)) if not call.several else ""))
        return True

    def joined(self, call: Call) -> bool:
        """A concatenation, of which the pieces that are not there yet are copied."""
        if call.function is not np.concatenate or len(call.args) > 1 or call.options.keys() - {"out"}: return False
        out = call.written if call.written is not None else call.results[0]
        pieces = call.args[0]
        if not any(isinstance(p, Traced) and self.plan.root(p) in self.placed and np.may_share_memory(
                self.home[self.plan.root(p)], self.home.get(out, p.value)) for p in pieces): return False
        start = 0
        for p in pieces:
            stop = start + p.size
            if not (isinstance(p, Traced) and self.plan.root(p) in self.placed):
                self.lines.append(Line(f"{self.use(out)}[{start}:{stop}] = {self.use(p)}"))
            start = stop
        return True

    def scalar(self, call: Call) -> bool:
        """Numbers, NumPy's scalars, are computed by Python's operators: no buffer, a tenth of the time."""
        z = call.results[0].value if len(call.results) == 1 and call.written is None else None
        symbol = INFIX.get(call.function) or INFIX_OF_UFUNC.get(call.function)  # type: ignore[call-overload]
        if self.exact or not isinstance(z, np.generic) or not symbol or len(call.args) != 2 or call.options: return False
        self.assign(call, f"{self.use(call.args[0])} {symbol} {self.use(call.args[1])}")
        return True

    def assign(self, call: Call, code: str) -> None:
        """target = code"""
        targets = []
        for z in call.results:
            self.text[z] = self.fresh("t")
            targets.append(self.text[z])
        left = f"{', '.join(targets)}{',' if call.several and len(targets) == 1 else ''} = " if targets else ""
        self.lines.append(Line(left + code, comment=str(call.results[0].shape) if call.results else ""))

    def into(self, call: Call, i: int, function: Function, args: list[str], tail: list[str], onto: list[Traced]) -> None:
        """function(*args, out, *tail), where out is a buffer, or what the call writes to."""
        if call.written is not None: out = self.use(call.written)
        else:
            z = call.results[0]
            out = self.text[z] if z in self.placed or z in self.home else self.allocate(z, i, onto)
        name = self.bound("f", function, qualified(function))
        by_name = ["out=" + out] if function in BY_KEYWORD else [out]
        spelled = [*args, "out=" + out] if not tail else [*args[:2], *(["keepdims=True"] if tail == ["True"] else []), "out=" + out]
        self.lines.append(Line(f"{name}({', '.join([*args, *by_name, *tail])})", f"{out} = {name}({', '.join(spelled)})",
                               str((call.written if call.written is not None else call.results[0]).shape)))

    def elementwise(self, call: Call, i: int) -> bool:
        """A ufunc writes into a buffer; numbers among its operands are arrays of the dtype that it computes in."""
        ufunc = ufunc_of(call)
        if ufunc is None: return False
        operands = list(call.args)
        if ufunc is np.power and is_number(operands[1], 2) and not self.exact: ufunc, operands = np.square, operands[:1]
        shape = (call.written if call.written is not None else call.results[0]).shape
        dtypes = ufunc.resolve_dtypes((*[weak(x) for x in operands], *[None] * ufunc.nout))
        args = []
        for k, x in enumerate(operands):
            others = [np.shape(number_of(y)) for j, y in enumerate(operands) if j != k]
            args.append(self.operand(x, dtypes[k], shape, others))
        onto = [x for x in operands if isinstance(x, Traced)] if ufunc is not np.matmul else []
        self.into(call, i, ufunc, args, [], onto)
        return True

    def operand(self, x: Any, dtype: Any, shape: Any, others: list[Any]) -> str:
        """An operand of a ufunc: a number as a 0-d array, a constant array of equal numbers likewise, where shapes allow it."""
        if isinstance(x, Live):
            if (x.code, dtype) not in self.fills:
                self.fills[x.code, dtype] = name = self.fresh("k", x.code, np.empty((), dtype))
                self.lines.append(Line(f"{name}[()] = {x.code}", f"{name}"))
                self.lines[-1].shown = ""
            return self.fills[x.code, dtype]
        if type(x) in (bool, int, float): return self.constant(np.array(x, dtype))
        if isinstance(x, np.generic): return self.constant(np.asarray(x))
        if isinstance(x, np.ndarray) and x.size > 1 and np.broadcast_shapes(*others, ()) == shape and (x == x.flat[0]).all():
            return self.constant(np.array(x.flat[0]))
        return self.use(x)

    def product(self, call: Call, i: int) -> bool:
        """X @ Y of matrices by dot, which has less to decide."""
        if self.exact or call.function not in (operator.matmul, np.matmul) or call.options: return False
        x, y = call.args
        z = call.results[0].value
        if not (x.ndim == y.ndim == 2 and isinstance(z, np.ndarray) and z.flags.c_contiguous and x.dtype == y.dtype == z.dtype): return False
        self.into(call, i, np.dot, [self.use(x), self.use(y)], [], [])
        return True

    def reduction(self, call: Call, i: int) -> bool:
        """A sum along an axis of a matrix is a product with ones, three times faster; others reduce into a buffer."""
        ufunc = REDUCTIONS.get(call.function) or REDUCING_METHODS.get(call.name if isinstance(call.function, Method) else "")
        if ufunc is None or call.written is not None or call.options.keys() - {"axis", "keepdims"} or len(call.args) > 2: return False
        x, z, keep = call.args[0], call.results[0], bool(call.options.get("keepdims"))
        axis = call.args[1] if len(call.args) == 2 else call.options.get("axis", 0 if call.function == ufunc.reduce else None)
        if not isinstance(x, Traced): return False
        plain = not self.exact and ufunc is np.add and x.dtype == z.dtype and x.dtype.kind == "f" and x.dtype.itemsize >= 4 and x.size
        if isinstance(z.value, np.generic) and plain and x.value.ndim and x.value.flags.c_contiguous and axis is None:
            flat = self.flat(x)
            if flat:
                self.assign(call, f"{self.bound('f', np.dot, 'np.dot')}({self.ones(x.size, x.dtype)}, {flat})")
                return True
        if not isinstance(z.value, np.ndarray): return False
        one = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        if plain and x.ndim == 2 and one in (0, 1, -1) and not isinstance(one, bool):
            ones = self.ones(x.shape[one], x.dtype)
            args = [ones, self.use(x)] if one == 0 else [self.use(x), ones]
            if not keep:
                self.into(call, i, np.dot, args, [], [])
                return True
            ones2 = self.ones(x.shape[one], x.dtype, (1, -1) if one == 0 else (-1, 1))
            self.into(call, i, np.dot, [ones2, self.use(x)] if one == 0 else [self.use(x), ones2], [], [])
            return True
        self.into(call, i, ufunc.reduce, [self.use(x), repr(axis), "None"], ["True"] if keep else [], [])
        return True

    def ones(self, n: int, dtype: Any, shape: Any = -1) -> str:
        key = (1, (n, dtype, shape))
        if key not in self.known: self.known[key] = self.fresh("k", "ones", np.ones(n, dtype).reshape(shape))
        return self.known[key]

    def flat(self, x: Traced) -> str:
        """The name of x as a vector, if it stays where it is."""
        self.use(x)
        home = self.home.get(x)
        if home is None or not home.flags.c_contiguous: return ""
        if home.ndim == 1: return self.text[x]
        return self.bound("v", home.reshape(-1), f"{self.shown[self.text[x]]}.ravel()")

    def as_it_is(self, call: Call) -> bool:
        """Any other call, made as it was."""
        if call.function is operator.setitem:
            x, index, value = call.args
            self.lines.append(Line(f"{self.use(x)}[{self.use(index)}] = {self.use(value)}", comment=str(x.shape)))
        elif (x := copied(call)) is not None and x.ndim:
            out = self.allocate(call.results[0], -1, [])
            self.lines.append(Line(f"{out}[...] = {self.use(x)}", comment=str(x.shape)))
        elif call.written is not None: self.lines.append(Line(self.spelled(call), comment=str(call.written.shape)))
        else: self.assign(call, self.spelled(call))
        return True

    def spelled(self, call: Call) -> str:
        """A call as code."""
        f, args = call.function, [self.use(x) for x in call.args]
        options = [f"{key}={self.use(x)}" for key, x in call.options.items()]
        if isinstance(f, LiveArray): return f"_live_{f.__name__}()"
        if f is operator.getitem: return f"{args[0]}[{args[1]}]"
        if f in INFIX and len(args) == 2: return f"{args[0]} {INFIX[f]} {args[1]}"
        if isinstance(f, Attribute): return f"{args[0]}.{call.name}"
        if isinstance(f, Method): return f"{args[0]}.{call.name}({', '.join([*args[1:], *options])})"
        return f"{self.bound('f', f, qualified(f))}({', '.join([*args, *options])})"

    def display(self, code: str) -> str:
        """Code with the names that are shown."""
        return re.sub(r"\b_[a-z]\d+\b", lambda match: self.shown[match[0]], code)


def into_buffer(call: Call) -> bool:
    """Whether a call can write into an array that it is given."""
    reduces = call.function in REDUCTIONS or (isinstance(call.function, Method) and call.name in REDUCING_METHODS)
    array = len(call.results) == 1 and isinstance(call.results[0].value, np.ndarray)
    return array and (ufunc_of(call) is not None or call.function in (operator.matmul, np.matmul) or
                      (reduces and not call.options.keys() - {"axis", "keepdims"} and len(call.args) <= 2))


def ufunc_of(call: Call) -> np.ufunc | None:
    """The ufunc that a call is, if it has one array as result, and no options."""
    ufunc = call.function if isinstance(call.function, np.ufunc) else UFUNC.get(call.function)
    if ufunc is None or ufunc.nout != 1 or call.options.keys() - {"out"}: return None
    z = call.written if call.written is not None else call.results[0]
    return ufunc if isinstance(z.value, np.ndarray) else None


def number_of(x: Any) -> Any: return x.value if isinstance(x, Traced | Live) else x


def weak(x: Any) -> Any:
    """What NumPy's rules of promotion look at: an array's dtype, or the type of a Python number."""
    x = number_of(x)
    return type(x) if type(x) in (int, float) else np.asarray(x).dtype


def qualified(f: Function) -> str:
    """np.dot, np.add.reduce, scatter"""
    name = getattr(f, "__name__", "f")
    if name == "reduce": return f"np.{f.__self__.__name__}.reduce"  # type: ignore[attr-defined]
    return f"np.{name}" if getattr(np, name, None) is f else name
