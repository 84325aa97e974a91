"""Checkpoints: all that training needs to go on, in one safetensors file: arrays and text, no code.

The model's arrays have the names of its `state_dict()`, as in PyTorch. An optimizer's velocity of
the parameter 0.weight is named optimizer.velocity.0.weight. The rest (options, steps, the place of
the schedule, the state of the rng) is JSON in the metadata.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import operator
import os
import platform
import re
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_edu import Tensor

from .group import NO_OPTIONS, checked_count, wide_dtype
from .module import Array, Module, can_be_loaded, state_by_name
from .optim import Optimizer, Schedule

__all__ = ["load", "save"]

OURS = "tinygrad_edu"  # where our JSON stands in the metadata
WRITING: set[Path] = set()  # the temporary files that this process is writing now
Groups = list[list[str]]  # the names of the parameters in each
Restore = Callable[[], None]  # sets what has been checked: cannot fail
# The errors that JSON leads to if save did not write it
NOT_OURS = (LookupError, TypeError, AttributeError, OverflowError, RecursionError)


def save(
    path: str | os.PathLike[str],
    model: Module,
    metadata: Mapping[str, Any] | None = None,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
    step: int | None = None,
) -> None:
    """Write the model, metadata (texts, numbers, arrays, lists), and what else is given, to a file.

    With all of it loaded again, training goes on bit for bit as if it had never stopped. An old
    file stays as it was until all is written; the new one takes its mode. A pipe or a device is
    written to. PyTorch loads the model without the names that begin with "optimizer." and
    "metadata.". TypeError for other metadata, ValueError for names that the file needs.

    >>> import tempfile; from tinygrad_edu import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", nn.Linear(3, 2), {"epoch": 7, "scale": np.ones(3)})
    """
    import safetensors.numpy

    check_order("save", model)
    arrays, facts = model.state_dict(), dict[str, Any]()
    texts, numbers, beside = split_metadata(metadata or {})
    refuse_taken(arrays.keys() & beside.keys(), "the model")
    arrays |= beside
    if numbers:
        facts["metadata"] = numbers
    if optimizer is not None:
        kept, facts["optimizer"] = optimizer_state(optimizer, tensor_names(model, optimizer))
        refuse_taken(arrays.keys() & kept.keys(), "the model")
        arrays |= kept
    if schedule is not None:
        facts["schedule"] = {"type": kind(schedule)} | schedule.state_dict()
    if rng is not None:
        facts["rng"] = {"type": kind(rng.bit_generator), "state": rng.bit_generator.state}
    if step is not None:
        facts["step"] = operator.index(step)
    taken = {OURS, *(["step"] if "step" in facts else [])}
    refuse_taken((metadata or {}).keys() & taken, "the metadata")
    if facts:
        texts[OURS] = json.dumps(facts, default=plain_numbers)
    write_contents(Path(path), safetensors.numpy.save(arrays, texts))


def load(
    path: str | os.PathLike[str],
    model: Module,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Any]:
    """Load what was saved, in place: the model alone, or more. Returns the metadata and the "step".

    As in PyTorch, the optimizer's options become those in the file. Raises ValueError, and loads
    nothing, if the file is damaged, of another model, or lacks what is asked for.

    >>> import tempfile; from tinygrad_edu import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", nn.Linear(3, 2), {"epoch": 7, "by": "me"}, step=100)
    ...     load(f"{folder}/model.safetensors", nn.Linear(3, 2))
    {'by': 'me', 'epoch': 7, 'step': 100}
    """
    check_order("load", model)
    arrays, metadata = read_state(path)
    try:
        facts = json.loads(metadata.pop(OURS, "{}"))
        names = [name for name in array_names(facts.get("optimizer")) if name in arrays]
        kept = {name: arrays.pop(name) for name in names}
        beside = numbers_and_arrays(facts.get("metadata", {}), arrays)
        step = {"step": facts["step"]} if "step" in facts else {}
        restores = checked_restores(facts, kept, model, optimizer, schedule, rng)
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    except NOT_OURS as error:
        raise ValueError(f"{os.fspath(path)}: damaged metadata: {error!r}") from None
    for restore in restores:
        restore()
    return metadata | beside | step


def check_order(function: str, model: Any) -> None:
    """Raise TypeError unless a Module came second."""
    if not isinstance(model, Module):
        raise TypeError(
            f"{function} takes a path, then a Module, and found {type(model).__name__} in its "
            f"place: write nn.{function}(path, model)"
        )


def split_metadata(
    metadata: Mapping[str, Any],
) -> tuple[dict[str, str], dict[str, Any], dict[str, Array]]:
    """Texts, numbers, and arrays by their names in the file; for an array the number is None.

    Lists are among the numbers, and arrays of texts, each in a dict.
    """
    texts, numbers, arrays = dict[str, str](), dict[str, Any](), dict[str, Array]()
    for name, value in metadata.items():
        if isinstance(name, str) and isinstance(value, str):
            texts[name] = value
        elif isinstance(name, str) and isinstance(value, int | float | np.number | np.bool):
            numbers[name] = value
        elif isinstance(name, str) and isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            numbers[name], arrays[f"metadata.{name}"] = None, np.array(value, order="C")
        elif isinstance(name, str) and isinstance(value, list | tuple) and is_in_json(value):
            numbers[name] = value
        elif isinstance(name, str) and isinstance(value, np.ndarray) and is_in_json(value.tolist()):
            numbers[name] = {"array": value}
        else:
            raise TypeError(
                "metadata are texts, numbers, and arrays and lists of them, by name, found "
                f"{name!r}: {value!r:.60}: write str(…), or json.dumps(…) for a dict"
            )
    return texts, numbers, arrays


def numbers_and_arrays(numbers: Mapping[str, Any], arrays: dict[str, Array]) -> dict[str, Any]:
    """The metadata that are not text; their arrays are taken out of those of the file."""
    found = dict[str, Any]()
    for name, number in numbers.items():
        if number is None:
            found[name] = arrays.pop(f"metadata.{name}")
        else:
            found[name] = np.array(number["array"]) if isinstance(number, dict) else number
    return found


def is_in_json(x: Any) -> bool:
    """Whether x is a text, a number, or a list of such, as JSON has them."""
    if isinstance(x, list | tuple):
        return all(map(is_in_json, x))
    return isinstance(x, str | int | float | np.number | np.bool)


def plain_numbers(x: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(x, np.generic | np.ndarray):
        return x.tolist()
    raise TypeError(f"expected numbers in what is saved, found {x!r:.60}")


def checked_restores(
    facts: Mapping[str, Any],
    kept: Mapping[str, Array],
    model: Module,
    optimizer: Optimizer | None,
    schedule: Schedule | None,
    rng: np.random.Generator | None,
) -> list[Restore]:
    """Check the state of all but the model; return the functions that set it."""
    restores: list[Restore] = []
    if optimizer is not None:
        names = tensor_names(model, optimizer)
        saved = saved_state(facts, "optimizer", optimizer)
        restores.append(optimizer_restore(optimizer, saved, names, kept))
    if schedule is not None:
        saved = dict(saved_state(facts, "schedule", schedule))
        del saved["type"]
        restores.append(functools.partial(schedule.restore, schedule.checked(saved)))
    if rng is not None:
        restores.append(rng_restore(rng, saved_state(facts, "rng", rng.bit_generator)))
    return restores


def optimizer_state(
    optimizer: Optimizer, names: Mapping[Tensor, str]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """What the optimizer keeps: arrays by name, and the rest, with names for parameters."""
    memory = {
        key: {names[p]: array for p, array in kept.items()}
        for key, kept in optimizer.memory.items()
    }
    groups = [
        {**group, "params": [names[p] for p in group["params"]]} for group in optimizer.param_groups
    ]
    facts = {
        "type": kind(optimizer),
        "memory": {key: [*kept] for key, kept in memory.items()},
        "groups": groups,
        "steps": {names[p]: t for p, t in optimizer.steps.items()},
    }
    arrays = [np.array(array, order="C") for kept in memory.values() for array in kept.values()]
    return dict(zip(array_names(facts), arrays, strict=True)), facts


def array_names(facts: Mapping[str, Any] | None) -> Iterator[str]:
    """The names of the optimizer's arrays in the file."""
    return (
        f"optimizer.{key}.{name}"
        for key, names in (facts or {"memory": {}})["memory"].items()
        for name in names
    )


def optimizer_restore(
    optimizer: Optimizer,
    facts: Mapping[str, Any],
    names: Mapping[Tensor, str],
    arrays: Mapping[str, Array],
) -> Restore:
    """Check that the state fits the optimizer's parameters; return what sets it."""
    groups = optimizer.param_groups
    check_groups(
        [[names[p] for p in group["params"]] for group in groups],
        [group["params"] for group in facts["groups"]],
    )
    parameters = {names[p]: p for group in groups for p in group["params"]}
    listed = [
        (key, parameters[name], f"optimizer.{key}.{name}")
        for key, kept in facts["memory"].items()
        for name in kept
    ]
    check_arrays({name: p for _, p, name in listed}, arrays)
    memory: dict[str, dict[Tensor, Array]] = {key: {} for key in facts["memory"]}
    for key, p, name in listed:
        memory[key][p] = np.array(arrays[name], wide_dtype(p.dtype))
    steps = {parameters[name]: checked_count(name, t) for name, t in facts["steps"].items()}
    options = [
        checked_options(optimizer, group, saved)
        for group, saved in zip(groups, facts["groups"], strict=True)
    ]

    def restore() -> None:
        optimizer.restore(memory, steps)
        for group, saved in zip(groups, options, strict=True):
            group.update(saved)

    return restore


def rng_restore(rng: np.random.Generator, facts: Mapping[str, Any]) -> Restore:
    """Try the state on a copy; return what sets it in place, for all who share the generator."""
    trial = copy.deepcopy(rng.bit_generator)
    trial.state = facts["state"]

    def restore() -> None:
        rng.bit_generator.state = trial.state

    return restore


def saved_state(facts: Mapping[str, Any], name: str, own: Any) -> Any:
    """The file's state of the optimizer, the schedule or the rng, if that is of the same type."""
    if name not in facts:
        raise ValueError(
            f"no state of the {name} is in the file: leave {name}= out, or save with {name}=…"
        )
    if facts[name]["type"] == kind(own):
        return facts[name]
    raise ValueError(
        f"the {name} in the file is of type {facts[name]['type']}, expected {kind(own)}"
    )


def kind(x: Any) -> str:
    return type(x).__name__


def tensor_names(model: Module, optimizer: Optimizer) -> dict[Tensor, str]:
    """The names of the model's Tensors; ValueError if one of the optimizer's is not among them."""
    names = {x: name for name, x in reversed(state_by_name(model).items())}  # its first name
    strangers = [
        p.shape for group in optimizer.param_groups for p in group["params"] if p not in names
    ]
    if not strangers:
        return names
    raise ValueError(
        f"the optimizer has parameters of shapes {strangers} that the model lacks: optimize "
        "model.parameters()"
    )


def check_groups(ours: Groups, theirs: Groups) -> None:
    """Raise ValueError unless the parameter groups have the same parameters."""
    have, found = [*chain(*ours)], [*chain(*theirs)]
    problems = [f"missing: {name}" for name in have if name not in found]
    problems += [f"unexpected: {name}" for name in found if name not in have]
    if not problems and ours != theirs:
        problems = [f"different groups: {theirs} in the file, {ours} in the optimizer"]
    refuse(problems)


def checked_options(
    optimizer: Optimizer, group: Mapping[str, Any], saved: Mapping[str, Any]
) -> dict[str, Any]:
    """The saved options of a parameter group, if they are the same ones and make sense."""
    odd = sorted((saved.keys() ^ group.keys()) - NO_OPTIONS)
    if odd:
        raise ValueError(
            f"options {odd}: found either in the file or in the optimizer, expected in both"
        )
    options = {name: value for name, value in saved.items() if name != "params"}
    for name, value in options.items():
        own = group.get(name, 0.0)
        if isinstance(value, bool) is not isinstance(own, bool):
            raise ValueError(f"expected {name} to be like {own!r}, found {name}={value!r}")
    checked = optimizer.checked({}, options)
    return {name: checked[name] for name in options}


def check_arrays(expected: Mapping[str, Tensor], arrays: Mapping[str, Array]) -> None:
    """Raise ValueError unless there is an array for every name, and it fits the parameter."""
    problems = [
        f"missing: {name}, shape {p.shape}" for name, p in expected.items() if name not in arrays
    ]
    refuse(
        problems
        + [
            f"different: {name}, {a.dtype} {a.shape} in the file, {p.dtype} {p.shape} in the model"
            for name, p in expected.items()
            if (a := arrays.get(name)) is not None and not can_be_loaded(a, p)
        ]
    )


def refuse(problems: list[str]) -> None:
    if problems:
        raise ValueError(
            "\n  ".join(["the optimizer's state does not fit, and nothing was loaded:", *problems])
        )


def refuse_taken(names: set[str], where: str) -> None:
    if names:
        raise ValueError(
            f"{sorted(names)} in {where} are names that the file itself needs: choose others"
        )


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays and the metadata of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)}: not a whole safetensors file: {error}") from None
    except (TypeError, AttributeError) as error:  # bfloat16 and the 8-bit floats
        raise ValueError(
            f"{os.fspath(path)}: NumPy lacks this dtype, convert to float32: {error}"
        ) from None


def write_contents(path: Path, contents: bytes) -> None:
    """Write to a pipe or a device as it stands; give a file, or a new one, the new contents.

    A folder that is not there is made.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
        path.parent.mkdir(parents=True, exist_ok=True)
    if mode is None or stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        replace_file(Path(os.path.realpath(path)), contents, mode)
    else:
        path.write_bytes(contents)


def replace_file(path: Path, contents: bytes, mode: int | None) -> None:
    """Write a file beside the old one, then rename it: a reader finds the old one or the new."""
    temporary = temporary_beside(path)
    WRITING.add(temporary)
    try:
        remove_abandoned(path)
        with open(temporary, "xb") as file:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))  # as the old one's, before there is a byte
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        WRITING.discard(temporary)


def temporary_beside(path: Path) -> Path:
    """A hidden name that no other process has: machine, process, chance."""
    return path.with_name(f".{path.name}.{machine()}-{os.getpid()}-{os.urandom(8).hex()}")


def machine() -> str:
    """Eight digits for this machine's name: a folder may be shared by several."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def remove_abandoned(path: Path) -> None:
    """Remove what processes of this machine left beside the file when they were killed."""
    name = re.compile(rf"\.{re.escape(path.name)}\.{machine()}-(\d+)-[0-9a-f]{{16}}")
    with contextlib.suppress(OSError):  # what can't be listed or removed stays
        for beside in path.parent.iterdir():
            found = name.fullmatch(beside.name)
            if found and beside not in WRITING and has_ended(int(found[1])):
                beside.unlink(missing_ok=True)


def has_ended(process: int) -> bool:
    """Whether no such process is left. One with our own number was an earlier one."""
    if process == os.getpid():
        return True
    if os.name != "posix":
        return False  # Windows has no harmless way to ask: there, the file stays
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # another user's
        return False
    return False
