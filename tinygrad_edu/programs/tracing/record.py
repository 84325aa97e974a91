"""Write down what a step asks NumPy to do: its calls in order, and what they rest on.

`Trace` is the recorder of core/marks.py. `at_replay` asks it for a number or array that is read
anew at every replay; `opaque`, for one call of a function that may assign.
"""

from __future__ import annotations

import functools
import sys
import weakref
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_edu.core.engine import Operation, chain_rule
from tinygrad_edu.core.functional import Function
from tinygrad_edu.core.marks import RECORDER
from tinygrad_edu.debugging.caller import is_inside, line_of_the_user, source
from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.calls import (
    FILLING,
    METADATA,
    SHAPED_BY_VALUES,
    array_written_by,
    row_for,
)
from tinygrad_edu.programs.nested import leaves
from tinygrad_edu.programs.program import Array, Call, Number, Program
from tinygrad_edu.programs.tracing.generators import (
    generator_state,
    global_generators,
    same_state,
    set_generator_state,
)
from tinygrad_edu.programs.tracing.traced import (
    LiveNumber,
    Traced,
    as_data,
    is_python_number,
    is_recorded,
    memory_owner,
    recorded_in,
    untraced,
)

# The types of what a call may be given; lists, tuples, dicts and slices hold them
PLAIN = {bool, int, float, complex, str, type(None), type(...), range, np.ndarray}
PLAIN |= {Traced, LiveNumber}


class Live:
    """What is read anew at each replay: a function, what it gave, what asking it changes."""

    def __init__(self, name: str, function: Function, value: Any) -> None:
        self.name, self.function, self.value = name, function, value
        self.counted: list[Any] = []  # dicts and lists that asking changes
        self.after: list[tuple[Any, Any]] = []  # these, and copies of them after it was asked


class Repeater:
    """A recorder that records nothing: a run of the step as written gets the live values again."""

    def __init__(self, lives: list[Live]) -> None:
        self.lives = iter(lives)

    def at_replay(self, function: Function, of: Any) -> Any:
        """What was asked before; what asking has changed, it changes again."""
        live = next(self.lives, None)
        if live is None:
            return function()
        for container, copy in live.after:
            refill(container, copy)
        return live.value

    def opaque(self, function: Function, args: Any, options: dict[str, Any]) -> Any:
        return function(*args, **options)


class LiveArray:
    """The function of a call that gives an array which was read at the beginning of a replay."""

    def __init__(self, live: Live) -> None:
        self.__name__, self.live = live.name, live

    def __call__(self) -> Any:
        return np.copy(self.live.value)


class Trace:
    """The calls of one run of a function, in order; `generators` are all that it can see."""

    def __init__(
        self,
        generators: list[Any],
        containers: list[Any],
        paths: dict[int, str],
        runs: CodeType,
    ) -> None:
        self.runs = runs  # the code that runs the function
        self.paths = paths  # of Modules and other objects of this package, by id
        self.calls: list[Call] = []
        self.gave: list[list[Any]] = []  # what each call gave or wrote, copied
        self.errors = np.geterr()
        # Arrays of the state that were written to, and what they held before
        self.saved: dict[int, tuple[Any, Any]] = {}
        self.lives: list[Live] = []
        # Questions about live numbers, as code, and the answers that the trace rests on
        self.guards: list[tuple[str, Any]] = []
        # Containers whose numbers are read live, and all that can be changed by asking
        self.excluded: list[Any] = []
        self.containers = [x for x in containers if type(x) in (dict, list)]
        self.operations: dict[Any, None] = {}
        self.refusal: Exception | None = None
        self.doubt: Exception | None = None  # a refusal, if the next run has such a cause too
        self.caught: Exception | None = None  # a refusal, if the step catches an error of a call
        every = [*global_generators(), *generators]
        self.generators = self.generators_before = [(g, generator_state(g)) for g in every]
        self.drawing: list[Any] = []  # generators that at_replay has drawn from
        self.counted: list[tuple[Any, Any]] = []  # what asking has changed, and copies of before
        self.made: list[Any] = []  # weak references to all that stands for an array
        self.is_asking = self.is_over = False
        self.asked: list[Any] = []  # what stands for arrays of the state that at_replay has read

    def record(
        self, function: Function, args: Any, options: dict[str, Any], opaque: bool = False
    ) -> Any:
        """Run a call and write it down.

        After the trace, or in another thread, it is only run.
        """
        plain, named = untraced(args), untraced(options) if options else options
        if function in METADATA:
            return function(*plain, **named)
        given = pieces((args, options) if options else args)
        if RECORDER.get() is not self:
            self.notice_read([x for x in given if type(x) is Traced])
            return function(*plain, **named)
        written = None if opaque else self.checked(function, args, options, given)
        if type(written) is Traced:
            self.save(written)
        try:
            value = function(*plain, **named)
        except Exception as error:
            # if the step catches it, that is a decision on values
            line = source(*line_of_the_user())
            self.caught = self.caught or refusals.error_caught(error, line)
            raise
        if written is not None and type(written) is not Traced:
            return value  # an array that the step has made, or that nobody sees
        call = self.call(function, args, options, opaque)
        if function not in FILLING:
            call.known = [x.of for x in reversed(given) if type(x) is Traced]
        self.calls.append(call)
        if written is None:
            return self.results(call, value, given)
        call.written = written.of
        self.gave.append([np.copy(written.value)])
        return written

    def checked(
        self, function: Function, args: Any, options: dict[str, Any], given: list[Any]
    ) -> Any:
        """Refuse a call that is not in the table; return what it writes to."""
        if function in SHAPED_BY_VALUES or (function is np.where and len(args) == 1):
            self.refuse(refusals.shape_of_values(function, source(*line_of_the_user())))
        row = row_for(function)
        if row is None:
            self.refuse(refusals.no_row(function, source(*line_of_the_user())))
        for x in given:
            if type(x) not in PLAIN and not is_plain(x):
                self.refuse(refusals.strange_argument(function, x, source(*line_of_the_user())))
        fixed = row.fixed(args, options)  # type: ignore[union-attr]
        for x in leaves(fixed) if fixed else fixed:
            if is_recorded(x) or (type(x) is np.ndarray and x.ndim):
                self.refuse(refusals.shape_of_values(function, source(*line_of_the_user())))
        if function is np.nan_to_num and not options.get("copy", True):
            self.refuse(refusals.no_row(function, source(*line_of_the_user())))
        written = array_written_by(row, args, options)  # type: ignore[arg-type]
        if isinstance(written, tuple):
            self.refuse(refusals.no_row(function, source(*line_of_the_user())))
        if written is not None and type(written) is not Traced:
            line = source(*line_of_the_user())
            self.doubt = self.doubt or refusals.writes_unseen(written, line)
        return written

    def call(self, function: Function, args: Any, options: dict[str, Any], opaque: bool) -> Call:
        """The call as data, with who made it."""
        line, operation, module = self.maker()
        return Call(
            function,
            as_data(args),
            as_data(options) if options else {},
            opaque=opaque,
            errors=self.errors if (errors := np.geterr()) == self.errors else errors,
            line=line,
            operation=operation.name if operation else "",
            module=module,
        )

    def maker(self) -> tuple[tuple[str, int, str], Any, str]:
        """The user's line that led here with the layer on the way, the engine's operation, and the
        path of the Module; in the backward pass, of that which made the Tensor.
        """
        frame, layer, line, operations, module = sys._getframe(3), "", None, [], ""
        while (code := frame.f_code) is not self.runs and frame.f_back:
            if code is FORWARD:
                operations.append(frame.f_locals["self"])
            elif code is BACKWARD:
                z = frame.f_locals["z"]
                operations.append(z.operation)
                module = module or self.module_of(z)
            elif line is None and not inside(code, frame):
                line = code.co_filename, frame.f_lineno, layer
            elif line is None and not layer and LAYERS[code]:
                layer = code.co_qualname
            if not module and LAYERS.get(code) and code.co_name == "__call__":
                module = self.paths.get(id(frame.f_locals.get("self")), "")
            frame = frame.f_back
        for operation in operations:
            self.operations[operation] = None
        return line or ("", 0, layer), operations[0] if operations else None, module

    def module_of(self, z: Any) -> str:
        """The path of the Module that made a Tensor in this step."""
        x = z.data.of if type(z.data) is Traced else None
        if x is None or not x.is_result:
            return ""
        return self.calls[int(x.name[1:].partition(".")[0]) - 1].module  # "#2.0" is of the second

    def results(self, call: Call, value: Any, given: list[Any]) -> Any:
        """What a call gave, with each array traced; an argument that came back is itself."""
        if value is None:
            self.gave.append([])
            return None
        call.several = isinstance(value, tuple | list)
        traced = [x for x in given if type(x) is Traced]
        results = []
        for i, z in enumerate(value if call.several else [value]):
            same = [x for x in traced if x.value is z]
            if not isinstance(z, np.ndarray | np.generic):
                what = f"{call.name}, which gives {type(z).__name__},"
                self.refuse(refusals.value_leaves(what, source(*line_of_the_user())))
            if z.dtype.kind not in "biufc" or (z.ndim and type(z) is not np.ndarray):
                self.refuse(refusals.no_row(call.function, source(*line_of_the_user())))
            given = traced if same or z.base is not None else []  # else its memory is its own
            holders = (x.of.holder for x in given if np.may_share_memory(z, x.value))
            array = Array.of(f"#{len(self.calls)}.{i}", z, next(holders, None))
            call.results.append(array)
            results.append(same[0] if same else Traced(self, array))
            self.made.append(weakref.ref(results[-1]))
        self.gave.append([np.array(x.value) for x in call.results])
        if not call.several:
            return results[0]
        kind = type(value)
        return kind(*results) if hasattr(value, "_fields") else kind(results)

    def opaque(self, function: Function, args: Any, options: dict[str, Any]) -> Any:
        """Run an opaque function; write the call down if an argument is recorded."""
        if not any(map(recorded_in, (*args, *options.values()))):
            return function(*args, **options)
        return self.record(function, args, options, opaque=True)

    def at_replay(self, function: Function, of: Any) -> Any:
        """Run `at_replay(function, of)` within the trace, and return what it gives."""
        # such as an optimizer's rate: it changes nothing
        if is_of_dict(function) and type(value := function()) is not Traced:
            live = Live(f"n{len(self.lives)}", function, value)
            self.excluded += [of, getattr(of, "__dict__", None)]
            return self.answered(live)
        self.check_generators()
        own = [x for x in (of, getattr(of, "__dict__", None)) if type(x) in (dict, list)]
        containers = {id(x): x for x in [*own, *self.containers]}.values()
        before = [(x, x.copy()) for x in containers]
        live = Live(f"n{len(self.lives)}", function, None)
        token, self.is_asking = RECORDER.set(None), True  # its own calls are not the step's
        try:
            live.value = self.as_read(function())
        finally:
            self.is_asking = False
            RECORDER.reset(token)
        if self.refusal:  # the function may have caught it
            raise self.refusal
        for x, copy in before:
            if not same_items(x, copy):
                live.counted.append(x)
                self.counted.insert(0, (x, copy))
        live.after = [(x, x.copy()) for x in live.counted]
        self.excluded += [of, getattr(of, "__dict__", None), *live.counted]
        self.notice_draws()
        return self.answered(live)

    def notice_read(self, read: list[Traced]) -> None:
        """Refuse a live value that reads what the step has computed: it is asked at its beginning.

        An array of the state may be read, unless the step has written to it.
        """
        if not self.is_asking and not self.is_over:
            return
        for x in read:
            owner = memory_owner(x.of.holder.value)
            is_state = not x.of.holder.is_result and id(owner) not in self.saved
            if self.is_over or not is_state:
                self.refusal = refusals.live_reads_the_step(x.of.name)
                raise self.refusal
        self.asked += read

    def as_read(self, value: Any) -> Any:
        """What at_replay gives: for an array of the state its numbers."""
        if type(value) is not Traced:
            return value
        self.notice_read([value])
        return np.copy(value.value)

    def answered(self, live: Live) -> Any:
        """What stands for a live value in the trace."""
        value = live.value
        self.lives.append(live)
        if isinstance(value, np.ndarray | np.generic):
            call = Call(LiveArray(live), (), {}, opaque=True, errors=self.errors)
            self.calls.append(call)
            return self.results(call, np.copy(value) if np.ndim(value) else value, [])
        if is_python_number(value):
            return LiveNumber(self, value, live.name)
        self.guards.append((live.name, value))
        return value

    def notice_draws(self) -> None:
        """Remember which generators at_replay has drawn from; from now on they stand there."""
        now = [(g, generator_state(g)) for g, _ in self.generators]
        for (g, state), (_, before) in zip(now, self.generators, strict=True):
            if not same_state(state, before) and not any(g is other for other in self.drawing):
                self.drawing.append(g)
        self.generators = now

    def save(self, x: Traced) -> None:
        """Keep what an array of the state holds, before it is written to."""
        if not x.of.holder.is_result:
            memory = memory_owner(x.of.holder.value)
            self.saved.setdefault(id(memory), (memory, memory.copy()))

    def rewind(self) -> None:
        """Give the state's arrays the numbers that they had before."""
        for memory, before in reversed(self.saved.values()):  # one may lie in another
            memory[...] = before

    def restore(self) -> None:
        """Put the state's arrays, the counts and the generators back to what they were before."""
        self.rewind()
        for container, copy in self.counted:
            refill(container, copy)
        for generator, state in self.generators_before:
            set_generator_state(generator, state)

    def check_generators(self) -> None:
        """Refuse the step if it has drawn random numbers outside of `at_replay`."""
        for generator, state in self.generators:
            if not same_state(generator_state(generator), state):
                self.refuse(refusals.random_draw(generator, source(*line_of_the_user())))

    def refuse(self, error: Exception) -> None:
        """Raise the error, and remember it, because the step may catch it."""
        if RECORDER.get() is self:
            self.refusal = self.refusal or error
        raise error


FORWARD, BACKWARD = Operation.call.__code__, chain_rule.__code__
LAYERS: dict[CodeType, bool] = {}  # whether a function of this package is a layer's


def inside(code: CodeType, frame: Any) -> bool:
    """Whether a frame runs this package or NumPy, as `is_inside` says; asked once for each code."""
    if code in LAYERS:
        return True
    if not is_inside(frame):
        return False
    LAYERS[code] = frame.f_globals["__name__"].startswith("tinygrad_edu.nn.")
    return True


def pieces(x: Any) -> list[Any]:
    """All leaves of an argument, and containers that are no plain tuple, list or dict."""
    found, pending = list[Any](), [x]
    while pending:
        x = pending.pop()
        kind = type(x)
        if kind is tuple or kind is list:
            pending += x
        elif kind is dict:
            pending += x.values()
        elif kind is slice:
            pending += (x.start, x.stop, x.step)
        else:
            found.append(x)
    return found


def is_plain(x: Any) -> bool:
    """Whether x is one of NumPy's numbers, a dtype or a type; or a Tensor's number."""
    return isinstance(x, np.number | np.bool_ | np.dtype | type)


def is_of_dict(function: Function) -> bool:
    """Whether a function is functools.partial(items.get, key): it draws and changes nothing."""
    get = function.func if type(function) is functools.partial else None
    owner = getattr(get, "__self__", None)
    return type(owner) is dict and get == owner.get


def refill(container: Any, copy: Any) -> None:
    """Give a dict, list or set the items that a copy of it has."""
    container.clear()
    container.extend(copy) if type(container) is list else container.update(copy)


def same_items(x: Any, copy: Any) -> bool:
    """Whether a dict or list holds the very objects that a copy of it holds."""
    if len(x) != len(copy):
        return False
    if isinstance(x, dict):
        return all(key in x and x[key] is value for key, value in copy.items())
    return all(a is b for a, b in zip(x, copy, strict=True))


# Programs as they were recorded


class Interpreter:
    """The calls of a program made one by one, as they were recorded: slow, and sure."""

    def __init__(self, program: Program, inputs: list[Any], lives: dict[str, Any]) -> None:
        self.found: dict[Array, Any] = dict(zip(program.inputs, inputs, strict=True))
        self.found |= {x: place.get() for x, place in program.reads.items()}
        self.lives = lives
        for call in program.calls:
            with np.errstate(**call.errors):
                self.make(call)

    def make(self, call: Call) -> None:
        """Make one call, and remember what it gave."""
        value: Any
        if isinstance(call.function, LiveArray):
            value = np.copy(self.lives[call.name])[()]
        elif call.function in FILLING:
            value = call.results[0].empty()
            value[...] = FILLING[call.function] or 0
        else:
            options = {key: self.now(x) for key, x in call.options.items()}
            value = call.function(*self.now(call.args), **options)
        if call.written is None and call.results:
            values = value if call.several else [value]
            self.found.update(zip(call.results, values, strict=True))

    def now(self, x: Any) -> Any:
        """An argument with the values that there are now."""
        if isinstance(x, slice):
            return slice(*map(self.now, (x.start, x.stop, x.step)))
        if isinstance(x, tuple):
            return tuple(map(self.now, x))
        if isinstance(x, list):
            return [*map(self.now, x)]
        if isinstance(x, Array):
            return self.found.get(x, x.value)
        return eval(x.code, {}, self.lives) if isinstance(x, Number) else x
