"""What `replay` says of a step that it cannot hold: what it did, where, what to write instead.

Each function makes one error; the code that finds the mistake raises it. errors.md, Replay, has
code that is refused, and code that works.
"""

from __future__ import annotations

import types
from typing import Any

from tinygrad_edu.core.errors import described, see
from tinygrad_edu.debugging.caller import source


class NotReplayable(RuntimeError):
    """A step that `replay` cannot hold: it would replay something else than what was written."""


def refusal(*sentences: str) -> NotReplayable:
    """The error with these sentences, and with the place that explains it."""
    return NotReplayable("".join(sentences) + see("replay"))


def value_leaves(what: str, line: str) -> NotReplayable:
    return refusal(
        f"{what} takes a value out of the trace, and a replay could not follow it\n  {line}\n  ",
        "Compute with arrays: np.where(condition, x, y) in place of if; return what is to be ",
        "printed",
    )


def shape_of_values(function: Any, line: str) -> NotReplayable:
    name = "indexing by a mask" if function.__name__ == "getitem" else function.__name__
    return refusal(
        f"what {name} gives has a shape that depends on values, and a replay has fixed shapes\n  ",
        f"{line}\n  Write np.where(mask, x, 0.0), or do it outside of the step",
    )


def no_row(function: Any, line: str) -> NotReplayable:
    name = getattr(function, "__name__", str(function))
    return refusal(
        f"{name} is not in the table of calls that a program can hold\n  {line}\n  ",
        "Compute it with other functions of NumPy, or in a function of its own, decorated with ",
        "@opaque",
    )


def strange_argument(function: Any, x: Any, line: str) -> NotReplayable:
    name = getattr(function, "__name__", str(function))
    return refusal(
        f"{name} is given {type(x).__name__}, and a program holds arrays, numbers, texts, lists ",
        f"and tuples\n  {line}\n  Hand over a list, [*x], or an array",
    )


def error_caught(error: Exception, line: str) -> NotReplayable:
    return refusal(
        f"{type(error).__name__} was raised and caught, which is a decision on values\n  ",
        f"{line}\n  Let the error pass, or decide outside of the step",
    )


def not_on_the_list(path: str, x: Any) -> NotReplayable:
    named = isinstance(x, type | types.ModuleType | types.FunctionType | types.BuiltinFunctionType)
    what = x.__name__ if named else x if isinstance(x, str) else f"a {type(x).__name__}"
    where = "" if what in path else f" is {what}, which"
    return refusal(
        f"the step can see {path}:{where} is not on the list of what a replay can watch\n  ",
        "Hold numbers, texts, arrays, lists, dicts, sets and plain objects; read it outside and ",
        "pass the number; or at_replay(lambda: …, of=it)",
    )


def overlapping(a: str, b: str) -> NotReplayable:
    return refusal(
        f"{a} and {b} lie in the same memory, and neither is NumPy's view of the other: make one ",
        "from the other by indexing or reshaping",
    )


def differs_as_written(what: str) -> NotReplayable:
    return refusal(
        f"while it was recorded, the step computed something else as {what} than as written: it ",
        "asks what an array is, and not only for its numbers",
    )


def left_behind(x: Any) -> NotReplayable:
    return refusal(
        f"an array {x.shape} of the step is kept where replay cannot see it\n  ",
        "Return it, or put it where the step names it: a list, a dict, an attribute",
    )


def another_shape(name: str, shape: str, found: str) -> NotReplayable:
    return refusal(
        f"{name} gave {found} where it gave {shape} before: an array keeps its shape and dtype"
    )


def live_reads_the_step(name: str) -> NotReplayable:
    return refusal(
        f"at_replay is asked before the step begins, and reads {name}, which the step is given or ",
        "computes\n  Compute with it outside of at_replay, or draw by its shape alone",
    )


def writes_unseen(array: Any, line: str) -> NotReplayable:
    return refusal(
        f"an array {array.shape} that replay does not see is written to\n  {line}\n  ",
        "Make a new array, z = x + y, or one that is seen, np.zeros_like(x, shape=…); decorate ",
        "the function that assigns with @opaque, or hold the array where the step names it",
    )


def random_draw(generator: Any, line: str) -> NotReplayable:
    return refusal(
        f"random numbers were drawn from {generator!r}, and a replay would repeat them\n  ",
        f"before {line}\n  ",
        "Draw within at_replay(lambda: rng.random(shape)), or outside of the step",
    )


def sees_too_much(path: str) -> NotReplayable:
    return refusal(
        f"the step can see more than 20,000 things, the last {path}: a replay watches all of ",
        "them. Name fewer in the step: give it arrays as arguments",
    )


def changes_every_time(path: str) -> NotReplayable:
    return refusal(
        f"every call finds something else in {path}\n  A replay would not follow it: keep ",
        "counters and logs out of the step, or read the number by ",
        "at_replay(lambda: …, of=its container)",
    )


def cannot_take(name: str, x: Any) -> NotReplayable:
    return refusal(
        "a replayed step takes arrays, numbers and texts, each as an argument of its own, and ",
        f"{name} is a {type(x).__name__}",
    )


def cannot_take_leaf(name: str, x: Any) -> NotReplayable:
    return refusal(
        f"{name}, {described(x)}, requires a gradient: hand over its array, and make the Tensor ",
        f"in the step, Tensor({name}, requires_grad=True)",
    )


def cannot_return(x: Any) -> NotReplayable:
    return refusal(
        "a replayed step returns Tensors, arrays, and tuples, lists and dicts of them, and ",
        f"{x!r:.60} came",
    )


def replays_differently(what: str, line: Any) -> NotReplayable:
    return refusal(
        f"compiled, {what} differs from what it gave when the step was recorded\n  ",
        f"{line[0]}:{line[1]}\n  A fault of the compiler: please report it",
    )


def not_in_jax(name: str, why: str, line: Any) -> NotReplayable:
    return refusal(
        f"{name} has no place in a program of JAX: {why:.200}\n  {source(*line)}\n  ",
        'Compute it with other functions of NumPy, or leave the step to backend="numpy"',
    )


def not_before(name: str, line: Any) -> NotReplayable:
    return refusal(
        f"{name} is opaque, and is given what the step has computed from its state: NumPy makes ",
        f"opaque calls before JAX begins, from the arguments alone\n  {source(*line)}\n  ",
        'Write it with functions of NumPy, without @opaque, or leave the step to backend="numpy"',
    )


def lies_in_the_state(name: str) -> NotReplayable:
    return refusal(
        f"{name} lies in the memory of an array that the step changes, and on a device they are ",
        f"two: hand over {name}.copy()",
    )


def written_while_away(shape: Any) -> NotReplayable:
    return refusal(
        f"an array {shape} was written to, through a view from before, while its numbers lay on ",
        "a device: these have come home, and what was written is lost. Write to p.data, or call ",
        "step.sync() before",
    )


def too_few_devices(wanted: int, found: int) -> ValueError:
    return ValueError(
        f"devices={wanted}, and JAX sees {found}: a processor counts as several after "
        f"export XLA_FLAGS=--xla_force_host_platform_device_count={wanted}"
    )


def not_divided(n: int, devices: int) -> ValueError:
    return ValueError(
        f"a batch of {n} does not divide among {devices} devices: take "
        f"{n - n % devices or devices} examples; DataLoader(…, drop_last=True)"
    )


def no_picture(backend: str) -> NotReplayable:
    return NotReplayable(f"{backend} lays out memory itself, and shows no picture of it")


def no_program() -> NotReplayable:
    return NotReplayable(
        "there is no program yet: it is made in the first call that leaves the state as it was, "
        "save for numbers in arrays"
    )


def audit_failed(name: str, what: str) -> str:
    return (
        f"{name} is not replayed any more: run beside it as written, {what} came out differently. "
        "The step's own numbers stand; it reads what replay has not seen: please report it"
    )
