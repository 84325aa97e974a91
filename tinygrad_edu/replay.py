"""Record a step once, replay it without building the graph again.

The first calls run as written, on arrays that write down what NumPy is asked to do (tracing.py). Once two of them agree, the
calls become a program (program.py), which is checked against what was computed, and runs from then on, as long as everything
that the step can see (state.py) is what it was.
"""

from __future__ import annotations

import functools
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import errors
from tinygrad_edu.engine import RECORDING, Tensor, new_tensor
from tinygrad_edu.lines import source
from tinygrad_edu.program import Program
from tinygrad_edu.state import ATOMS, Place, State, same
from tinygrad_edu.tracing import TRACE, Call, Live, Trace, Traced, leaves, mapped, owner, real, traced_in

Function = Callable[..., Any]

MISS = object()  # what a program returns if it does not fit the call
PATIENCE = 4  # calls that may each find another state, before that is an error
KEPT = 8  # programs for each number of arguments


def replay(step: Function) -> Replay:
    """Decorate a training step, or any function of arrays: recorded in its first calls, then replayed, faster than by hand.

    What it returns, and does to Tensors and arrays that it can see, is as without. Tensors come back without a graph;
    `grad` and rebound `data` keep their arrays, which the next call overwrites. Recorded anew for other shapes, dtypes and
    settings. Raises NotReplayable for what a replay could not follow, and leaves everything as it was: decisions on values,
    random draws outside `live`, counters. `print(step.program)` shows the calls.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> @replay
    ... def step(x):
    ...     loss = ((w * x) ** 2).sum(); w.zero_grad(); loss.backward(); w.data -= 0.25 * w.grad
    ...     return loss
    >>> [step(np.ones(2)).item() for _ in range(3)]
    [5.0, 1.25, 0.3125]
    """
    return Replay(step)


class Replay:
    """A function that is recorded, then replayed."""

    def __init__(self, function: Function) -> None:
        functools.update_wrapper(self, function)
        self.function, self.lock = function, threading.Lock()
        self.found: dict[Any, list[Compiled]] = {}
        self.earlier: dict[Any, tuple[Recording, int]] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **options: Any) -> Any:
        recording = RECORDING.get()
        if TRACE.get() is not None or not isinstance(recording, bool): return self.function(*args, **options)
        key = (recording, len(args), *options)
        with self.lock:
            for compiled in self.found.get(key, ()):
                if (result := compiled.run(*args, *options.values())) is not MISS: return result
            return self.record(key, args, options)

    @property
    def programs(self) -> list[Compiled]:
        """The programs so far, one for each signature and setting."""
        return [compiled for found in self.found.values() for compiled in found]

    @property
    def program(self) -> Compiled:
        """The program that was made last."""
        if not self.programs: raise errors.no_program()
        return self.programs[-1]

    def record(self, key: Any, args: Any, options: dict[str, Any]) -> Any:
        """Run the function as written and trace it; the second of two traces that agree becomes a program."""
        now = Recording(self.function, args, options)
        signature = (*key, *map(signature_of, (*args, *options.values())))
        before, patience = self.earlier.pop(signature, (None, PATIENCE))
        if before is None or (what := before.not_settled(now)):
            if before and patience == 1:
                now.undo()
                raise now.trace.doubt or errors.changes_every_time(what)
            self.earlier[signature] = now, patience - 1 if before else patience
            return now.result
        try:
            now.check_against(before)
            compiled = Compiled(now)
        except BaseException:
            now.undo()
            raise
        self.found[key] = [*self.found.get(key, [])[1 - KEPT:], compiled]
        return now.result


class Recording:
    """One run of a function as written, on traced arrays: its trace, the state before, and what came of it."""

    def __init__(self, function: Function, args: Any, options: dict[str, Any]) -> None:
        self.names = dict(zip(names_of(function, len(args), options), (*args, *options.values()), strict=True))
        self.inputs: dict[str, Traced] = {}
        roots = {name: x for name, x in self.names.items() if not is_input(name, x)}
        self.trace = Trace()
        self.state = State({getattr(function, "__name__", "step"): function, **roots})
        values = [self.handed(name, x) for name, x in self.names.items()]
        token = TRACE.set(self.trace)
        try:
            self.state.trace(self.trace)
            result = function(*values[:len(args)], **dict(zip(options, values[len(args):], strict=True)))
            self.trace.check_generators()
            if self.trace.refusal: raise self.trace.refusal
            self.returned = self.described(result)
        except BaseException:
            self.undo()
            raise
        finally: TRACE.reset(token)
        self.rebound = self.state.put_back(self.trace)
        self.rebound_to, self.name = [now for _, now in self.rebound], getattr(function, "__name__", "step")
        self.after = self.state.after()
        self.result = mapped(plain_result, self.returned)
        self.excluded = {id(x) for of in self.trace.excluded for x in (of, getattr(of, "__dict__", None))}
        self.read = {id(x.value) for call in self.trace.calls for x in traced_in((call.args, call.options))}

    def handed(self, name: str, x: Any) -> Any:
        """What the function is given in the place of an argument: arrays are traced."""
        if not isinstance(x, np.ndarray | np.generic | Tensor): return x
        self.inputs[name] = Traced(self.trace, x.data if isinstance(x, Tensor) else x, name)
        return new_tensor(self.inputs[name]) if isinstance(x, Tensor) else self.inputs[name]  # type: ignore[arg-type]

    def described(self, z: Any) -> Any:
        """What the function returns, with each of its leaves known."""
        if isinstance(z, tuple | list): return mapped(self.described, z)
        if isinstance(z, dict): return {key: self.described(x) for key, x in z.items()}
        if isinstance(z, Tensor) and id(z) not in self.state.seen: return Returned(z.data)
        if isinstance(z, Tensor | np.ndarray | Traced | Live | ATOMS): return z
        raise errors.cannot_return(z)

    def undo(self) -> None:
        """As if the call had not been made."""
        self.state.restore()
        self.trace.restore()

    def not_settled(self, now: Recording) -> str:
        """What of the state has changed from this call to the next, or within that: the path, or nothing."""
        if now.trace.doubt: return "an array"
        return (self.state.difference(now.state, now.excluded, now.read)
                or now.state.difference(now.after, now.excluded, now.read, grads=False))

    def check_against(self, before: Recording) -> None:
        """Both must have made the same calls, with the same constants."""
        for a, b in zip(before.trace.calls, self.trace.calls, strict=False):
            if (a.name, len(a.results)) != (b.name, len(b.results)) or not alike((a.args, a.options), (b.args, b.options)):
                raise errors.calls_differ(shown(a), shown(b), source(*b.line))
        known = {id(owner(x)) for call in before.trace.calls for x in leaves((call.args, call.options)) if isinstance(x, np.ndarray)}
        for call in self.trace.calls:
            for x in leaves((call.args, call.options)):
                if isinstance(x, np.ndarray) and id(owner(x)) in known and owner(x).flags.writeable and x.dtype != object:
                    raise errors.unseen_state(x, source(*call.line))
        if len(before.trace.calls) != len(self.trace.calls) or not alike(before.returned, self.returned):
            raise errors.calls_differ(f"{len(before.trace.calls)} calls", f"{len(self.trace.calls)} calls", "")


class Returned:
    """A Tensor that was computed and is returned: only its data goes on."""

    def __init__(self, data: Any) -> None: self.data = data


class Compiled:
    """A program with its guards, ready to run. `print` shows it, a line for each call."""

    def __init__(self, now: Recording) -> None:
        outputs, names = traced_in([now.rebound_to, *map(data_of, leaves(now.returned))]), {x: n for n, x in now.inputs.items()}
        check(now, self.assembled(now, Program(now.trace, outputs, names, exact=True)), 0.0)
        check(now, self.assembled(now, Program(now.trace, outputs, names)), 100.0)
        self.run = self.made([*self.guards(now), *self.body], {name: function for name, function, _ in now.trace.lives})

    def assembled(self, now: Recording, program: Program) -> Function:
        """The program as a function without guards, in which numbers that are read live are what they were."""
        self.program = program
        self.parameters = [self.program.use(now.inputs[name]) if name in now.inputs else self.program.fresh("x", name)
                           for name in now.names]
        epilogue = self.epilogue(now)
        result = self.returning(now.returned)
        self.body = [*self.numbers(now), *[line.code for line in self.program.lines], *epilogue, f"return {result}"]
        self.name, self.shapes = now.name, ", ".join(f"{name} {x.shape}" for name, x in now.inputs.items())
        self.result = self.program.display(result)
        return self.made(self.body, {name: functools.partial(lambda x: x, value) for name, _, value in now.trace.lives})

    def bound(self, x: Any, shown: str = "") -> str: return self.program.bound("o", x, shown)

    def made(self, body: list[str], live: dict[str, Function]) -> Function:
        """The function of this source, in which names stand for objects."""
        names = self.program.names | {f"_live_{name}": function for name, function in live.items()} | {"MISS": MISS}
        code = "\n        ".join(body)
        text = f"def build({', '.join(names)}):\n    def run({', '.join(self.parameters)}):\n        {code}\n    return run"
        space: dict[str, Any] = {}
        exec(compile(text, f"<replay of {self.parameters}>", "exec"), space)
        return space["build"](**names)  # type: ignore[no-any-return]

    def guards(self, now: Recording) -> list[str]:
        """What must be as it was: the arguments, and all that the step can see."""
        conditions = [c for name, (arg, x) in zip(self.parameters, now.names.items(), strict=True) for c in self.argument(name, x)]
        conditions += [f"len({self.bound(container)}) == {len(container)}" for container, _, _ in now.state.sized]
        conditions += [c for place in now.state.places if (c := self.held(place, now))]
        return [f"try:\n            if not ({' and '.join(conditions)}): return MISS",
                "except (LookupError, AttributeError, ValueError, TypeError): return MISS"]

    def argument(self, name: str, x: Any) -> list[str]:
        """The guards of one argument."""
        if isinstance(x, Tensor): return [f"{name}.__class__ is {self.bound(Tensor)}", f"not {name}.requires_grad",
                                          *self.argument(f"{name}.data", x.data)]
        if isinstance(x, np.ndarray | np.generic):
            return [f"{name}.__class__ is {self.bound(type(x))}", f"{name}.shape == {x.shape}", f"{name}.dtype == {self.bound(x.dtype)}"]
        return [self.equal(name, x)]

    def held(self, place: Place, now: Recording) -> str:
        """The guard of a place: nothing for numbers that are read live, for a gradient only whether there is one."""
        x, container = place.value, self.bound(place.container)
        if id(place.container) in now.excluded and isinstance(x, ATOMS): return ""
        key = place.key if isinstance(place.key, str | int) else None
        text = (f"{container}[{self.bound(place.key) if key is None else repr(key)}]" if place.is_item else f"{container}.{place.key}")
        if place.is_grad and id(x) not in now.read: return f"{text} is {'' if x is None else 'not '}None"
        return self.equal(text, x)

    def equal(self, text: str, x: Any) -> str:
        if x is None or isinstance(x, bool): return f"{text} is {x}"
        is_same = f"{text} is {self.bound(x)}"
        return f"({is_same} or {self.bound(same)}({text}, {self.bound(x)}))" if isinstance(x, ATOMS | tuple) else is_same

    def numbers(self, now: Recording) -> list[str]:
        """What is read live; if that leads to other decisions than in the trace, what reading has counted is taken back."""
        read = [(name, value) for name, _, value in now.trace.lives if not isinstance(value, np.ndarray | np.generic)]
        lines = [f"{name} = _live_{name}()" for name, _ in read]
        answers = [f"{name}.__class__ is {self.bound(type(value))}" for name, value in read]
        answers += [self.equal(code, answer) for code, answer in dict(now.trace.guards).items()]
        counted = [self.bound(of) for of in {id(of): of for of in now.trace.counted}.values()]
        if not answers: return lines
        before = [f"before = [{', '.join(f'({of}, {of}.copy())' for of in counted)}]"] if counted else []
        back = f"{self.bound(take_back)}(before); " if counted else ""
        return [*before, *lines, f"if not ({' and '.join(answers)}): {back}return MISS".replace(": return", ":\n            return", 1)]

    def epilogue(self, now: Recording) -> list[str]:
        """Arrays that the step put in the place of others: copied there; gradients are put there."""
        program, first, then = self.program, [], []
        for place, z in now.rebound:
            if not place.copied:
                value = program.use(z) if isinstance(z, Traced) and z.ndim else f"{self.bound(np.array)}({program.use(z)})"
                then.append(f"{self.bound(place.container)}.{place.key} = {'None' if z is None else value}")
                continue
            source = program.use(z)
            if isinstance(z, Traced) and not program.plan.root(z).is_result:
                source = program.fresh("t")
                first.append(f"{source} = {program.use(z)}.copy()")
            then.append(f"{program.bound('s', place.value, place.path)}[...] = {source}")
        return [*first, *then]

    def returning(self, z: Any) -> str:
        """What is returned, as code: copies, and Tensors without a graph."""
        if isinstance(z, tuple | list):
            inner = ", ".join(map(self.returning, z))
            if hasattr(z, "_make"): return f"{self.bound(type(z))}({inner})"
            return f"[{inner}]" if isinstance(z, list) else f"({inner},)" if z else "()"
        if isinstance(z, dict): return f"{{{', '.join(f'{self.bound(key)}: {self.returning(x)}' for key, x in z.items())}}}"
        if isinstance(z, Returned): return f"{self.program.bound('o', new_tensor, 'Tensor')}({self.returning(z.data)})"
        if isinstance(z, Traced): return self.program.use(z) + ("" if isinstance(z.value, np.generic) else ".copy()")
        if isinstance(z, np.ndarray): return f"{self.bound(z.copy())}.copy()"
        return "None" if z is None else z.code if isinstance(z, Live) else self.bound(z)

    def __str__(self) -> str:
        lines = [(self.program.display(line.shown), line.comment) for line in self.program.lines if line.shown]
        width = max([len(text) for text, _ in lines if len(text) < 90], default=0)
        rows = [f"{text:{width}}  # {comment}" if comment else text for text, comment in lines]
        p = self.program
        title = (f"# {self.name}({self.shapes}): {len(lines)} calls, {len(p.buffers)} buffers in {p.bytes:,} bytes, "
                 f"{p.reused} results in a buffer used before")
        return "\n".join([title, *rows, f"return {self.result}"])


def check(now: Recording, run: Function, tolerance: float) -> None:
    """Run the program from the same state: it must compute what the step computed, to rounding."""
    trace = now.trace
    floor = tolerance * max([largest(x.value) for call in trace.calls for x in call.results], default=0.0)
    after = [(memory, before, memory.copy()) for memory, before in trace.saved.values()]
    grads = [(place, place.get()) for place, _ in now.rebound if not place.copied]
    trace.rewind()
    result = run(*now.names.values())
    for memory, before, expected in after:
        change = expected - before if memory.dtype.kind == "f" else expected
        if not close(memory, expected, change, floor): raise errors.replays_differently("the state")
    for place, expected in grads:
        if not close(place.get(), expected, expected, floor): raise errors.replays_differently(place.path)
    for a, b in zip(leaves(mapped(data_of, result)), leaves(mapped(data_of, now.result)), strict=True):
        if isinstance(a, np.ndarray | np.generic) and not close(a, b, b, floor): raise errors.replays_differently("what is returned")


def close(a: Any, b: Any, scale: Any, floor: float) -> bool:
    """Equal, or floating-point numbers that are apart by no more than rounding, against the largest of a scale."""
    if a is None or b is None: return a is b
    if (np.shape(a), a.dtype) != (np.shape(b), b.dtype): return False
    if a.dtype.kind != "f": return bool(np.array_equal(a, b))
    eps = float(np.finfo(a.dtype).eps)
    with np.errstate(all="ignore"):
        apart = eps ** 0.5 * largest(scale) + eps * (floor + 8 * np.abs(b))
        return bool(np.all((np.abs(a - b) <= apart) | (a == b) | ((a != a) & (b != b))))


def largest(x: Any) -> float:
    """The greatest finite |x|."""
    if x.dtype.kind != "f" or not x.size: return 0.0
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def take_back(before: list[tuple[Any, Any]]) -> None:
    """Containers as they were."""
    for container, copy in before:
        container.clear()
        container.update(copy) if isinstance(copy, dict) else container.extend(copy)


def data_of(z: Any) -> Any: return z.data if isinstance(z, Returned | Tensor) else z


def plain_result(z: Any) -> Any:
    """What the function returns, out of the trace."""
    if isinstance(z, Returned): return new_tensor(real(z.data).copy())
    return real(z).copy() if isinstance(z, Traced) else real(z)


def is_input(name: str, x: Any) -> bool:
    """Whether an argument is an array, number or text, and not an object that is looked into."""
    if isinstance(x, list | dict | set) or (isinstance(x, tuple) and not all(isinstance(leaf, ATOMS) for leaf in leaves(x))):
        raise errors.cannot_take(name, x)
    if isinstance(x, Tensor) and x.requires_grad: raise errors.cannot_take_leaf(name, x)
    return isinstance(x, ATOMS | np.ndarray | Tensor | tuple)


def signature_of(x: Any) -> Any:
    """What of an argument decides which program is run."""
    if isinstance(x, np.ndarray | np.generic | Tensor): return type(x), x.shape, str(x.dtype)
    return (type(x), x) if isinstance(x, ATOMS | tuple) else id(x)


def names_of(function: Function, count: int, options: dict[str, Any]) -> list[str]:
    """The names of the arguments."""
    code = getattr(function, "__code__", None)
    names = list(code.co_varnames[isinstance(function, types.MethodType):code.co_argcount]) if code else []
    return [*(names + [f"argument{i}" for i in range(len(names), count)])[:count], *options]


def alike(a: Any, b: Any) -> bool:
    """Whether two arguments of a call are the same: names of arrays, expressions of numbers, and constants to the last bit."""
    if type(a) is not type(b): return False
    if isinstance(a, Traced): return bool(a.name == b.name)
    if isinstance(a, Live): return bool(a.code == b.code)
    if isinstance(a, Returned): return alike(a.data, b.data)
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and (a.dtype == object or a.tobytes() == b.tobytes())
    if isinstance(a, tuple | list): return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict): return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, slice): return alike((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    return a is b or bool(a == b) or (a != a and b != b)


def shown(call: Call) -> str:
    return f"{call.name}({', '.join(f'{real(x)!r:.40}' if not isinstance(x, Traced) else x.name for x in call.args)})"
