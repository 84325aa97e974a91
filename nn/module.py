"""Module: a function with parameters, which are found by looking at its attributes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_edu import Tensor

from .elsewhere import refuse_options

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
MAY_BE_MISSING = {"num_batches_tracked"}  # in a state that is loaded
PLAIN = (np.ndarray, np.generic, list, int, float)  # what is no part of a state
USUAL = {Tensor, np.ndarray}  # types of arguments that forward gets as they are
NUMBER_THEM = (
    "write x.astype(np.float32) if they are numbers; [names.index(text) for text in texts] numbers "
    "texts, by a list of all names"
)
Member = TypeVar("Member", "Module", Tensor)


class Module:
    """A function with parameters: write `forward`, call the Module.

    Layers, losses, models are Modules. Attributes are its state: Tensors, Modules, lists and dicts
    of them, named like `blocks.0.weight`. Lists of numbers and DataFrames reach it as arrays.

    >>> class Scale(Module):
    ...     def __init__(self): self.factor = Tensor([2.0, 3.0], requires_grad=True)
    ...     def forward(self, x): return self.factor * x
    >>> Scale()(10.0)
    Tensor([20., 30.], operation=multiply)
    """

    training = True
    one_box = False  # whether a picture shows it as one operation, with its parameters beside

    def forward(self, *args: Any, **options: Any) -> Any:
        """Compute the Module's result; calling the Module calls this."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: write def forward(self, x): return …"
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        usual = not options
        for x in args:
            usual = usual and type(x) in USUAL
        try:
            if not usual:
                args = tuple(map(as_input, args))
            result = self.forward(*args, **options)
        except Exception as error:
            note_path(error, self, (*args, *options.values()))
            raise
        call = (self, args, options)  # one for all results: a picture knows its Modules from it
        if usual and type(result) is Tensor:
            for x in args:
                if x is result:  # handed through
                    return result
            if result.operation:
                result.notes += (call,)
            return result
        for z in tensors_in(result) - tensors_in((args, options)):
            if z.operation:
                z.notes += (call,)
        return result

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, set | frozenset) and any(isinstance(x, Module) for x in value):
            raise TypeError(
                f"{name} is a {type(value).__name__} of Modules, whose parameters would have no "
                "order and no names: write a list"
            )
        if isinstance(value, PLAIN):
            old = vars(self).get(name)
            if isinstance(old, Tensor) and old.requires_grad and old.operation is None:
                raise TypeError(
                    f"{name} is a parameter, and a {type(value).__name__} in its place would be "
                    f"none: write .{name}.data = np.asarray(…, np.{old.dtype}) for other numbers"
                )
        super().__setattr__(name, value)

    def members(self) -> Iterator[tuple[str, Module | Tensor]]:
        """Yield the Modules and Tensors directly in it, by name."""
        for name, value in vars(self).items():
            yield from held(value, name)

    def walk(
        self, path: str = "", above: tuple[Module, ...] = ()
    ) -> Iterator[tuple[str, Module | Tensor]]:
        """Yield itself and all within it, by path; what is shared comes once for each name."""
        yield path, self
        above = (*above, self)
        for name, member in self.members():
            name = f"{path}.{name}" if path else name
            if isinstance(member, Tensor):
                yield name, member
            elif not any(member is module for module in above):
                yield from member.walk(name, above)

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """Every Tensor that was not computed, by name; a shared one once for each of its names."""
        return (
            (name, x) for name, x in self.walk() if isinstance(x, Tensor) and x.operation is None
        )

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every Tensor that requires a gradient, by name, once. Others are buffers."""
        return ((name, x) for name, x in unique(self.named_state()) if x.requires_grad)

    def parameters(self) -> Iterator[Tensor]:
        """Every parameter, once."""
        return (x for _, x in self.named_parameters())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Itself, named "", and every Module within it, once."""
        return unique((name, x) for name, x in self.walk() if isinstance(x, Module))

    def state_dict(self) -> dict[str, Array]:
        """Copies of parameters and buffers, by name. PyTorch's share memory with the model.

        ValueError if two of them have the same name, as those in `{1: p, "1": q}`.
        """
        return {name: np.array(x.data, order="C") for name, x in state_by_name(self).items()}

    def load_state_dict(
        self, state: Mapping[str, ArrayLike], strict: bool = True
    ) -> dict[str, list[str]] | None:
        """Copy arrays into the parameters and buffers of the same name, and keep their dtypes.

        Integers become floats; floats become no integers. If names are missing or unexpected, or
        shapes or numbers do not fit, a ValueError lists them all, and nothing has been loaded. With
        strict=False what fits is loaded, and the names that did not fit are returned. As in
        PyTorch, `num_batches_tracked` may be missing: PyTorch wrote none before 0.4.1.
        """
        own = state_by_name(self)
        arrays = {name: np.asarray(array) for name, array in state.items()}
        problems = misfits(own, arrays)
        if strict and problems:
            title = f"the state does not fit {type(self).__name__}, and nothing was loaded:"
            lines = [
                f"{kind}: {text}" for kind, found in problems.items() for text in found.values()
            ]
            raise ValueError("\n  ".join([title, *lines]))
        different = problems.get("different", {})
        fitting = [
            (x, arrays[name]) for name, x in own.items() if name in arrays.keys() - different
        ]
        # Converting may fail, so it is done before anything is loaded
        for x, array in [(x, np.array(array, x.dtype)) for x, array in fitting]:
            x.data = array
        return None if strict else {kind: [*found] for kind, found in problems.items()}

    def train(self, mode: bool = True) -> Self:
        """Set `training`, here and in every Module within: some layers differ in training."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False, here and in every Module within."""
        return self.train(False)

    def zero_grad(self, **elsewhere: Any) -> None:
        """Forget the gradient of every parameter, of frozen ones too."""
        if elsewhere:
            refuse_options("zero_grad", elsewhere)
        for _, p in self.named_state():
            p.grad = None

    def __repr__(self) -> str:
        modules = dict(self.named_modules())
        rows = [
            (
                "  " * depth(path, modules) + module_title(path, module),
                shapes(module),
                count_of_parameters(module),
            )
            for path, module in modules.items()
        ]
        left, middle, right = (max(map(len, column)) for column in zip(*rows, strict=True))
        first, *others = [f"{a:{left}}  {b:{middle}}  {c:>{right}}".rstrip() for a, b, c in rows]
        return "\n".join([f"{first} parameters" if rows[0][2] else first, *others])


def as_input(x: Any) -> Any:
    """Make an array of a list of numbers, and of what NumPy converts; the rest stays as it is.

    A DataFrame, a Series or a tensor of PyTorch's has `__array__`, but would compute in its own way
    what is asked of it. TypeError if it holds no numbers.
    """
    first = x
    while isinstance(first, list) and first:
        first = first[0]
    if first is not x:
        return np.asarray(x) if isinstance(first, int | float) else x
    if not hasattr(x, "__array__") or hasattr(x, "__array_function__") or np.isscalar(x):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"expected numbers, found a {type(x).__name__} {array.shape} of dtype {array.dtype}: "
            + NUMBER_THEM
        )
    return array


class PathNote(str):
    """What is noted on an error: in which Module it was raised."""

    __slots__ = ("module",)
    module: Module


def note_path(error: Exception, module: Module, args: tuple[Any, ...]) -> None:
    """Note on an error on its way up the path of the innermost Module: in model.2 (Linear …).

    Each Module on the way writes the note anew, as it knows more of the path. The first name is
    that of the variable that holds the outermost.
    """
    notes = getattr(error, "__notes__", [])
    noted = next((note for note in notes if isinstance(note, PathNote)), None)
    failed = noted.module if noted else module
    path = next((path for path, x in module.named_modules() if x is failed), None)
    if path is None:
        return  # it is none of its own
    frame = sys._getframe(2)
    variables = {**frame.f_globals, **frame.f_locals}.items()
    name = next((name for name, x in variables if x is module), type(module).__name__)
    if noted:
        said = noted.partition(" (")[2]
        notes.remove(noted)
    else:
        about = f"{module_title('', module)} {shapes(module)}".strip()
        given = ", ".join(map(called_with, args)) + origin(*args[:1])
        said = f"{about}), called with {given or 'nothing'}"
    note = PathNote(f"in {'.'.join(filter(None, (name, path)))} ({said}")
    note.module = failed
    error.add_note(note)


def called_with(x: Any) -> str:
    """An argument in a note: its type, shape and dtype, or its repr."""
    if hasattr(x, "shape"):
        dtype = getattr(x, "dtype", "")
        no_numbers = getattr(dtype, "kind", "f") not in "biufc"
        kind = (f" of {dtype}" if dtype else "") + f", no numbers: {NUMBER_THEM}" * no_numbers
        return f"{type(x).__name__} {tuple(x.shape)}{kind}"
    if holds_arrays(x):
        return f"({', '.join(map(called_with, x))})"
    if isinstance(x, int | float):
        return f"{x!r}, which is no array: write np.array([{x!r}])"
    return f"{x!r:.40}"


def holds_arrays(x: Any) -> bool:
    return isinstance(x, tuple) and any(hasattr(item, "shape") for item in x)


def origin(x: Any = 0.0) -> str:
    """What to write if x is what another Module gave in place of an array: nothing, or several."""
    if x is None:
        return ": does the forward that gave it return its result?"
    if holds_arrays(x):
        return ": a recurrent layer gives two, of which one is meant: write every, last = lstm(x)"
    return ""


def array_or_tensor(x: Any) -> Tensor | Array:
    """Make an array of a number, a sequence, or what as_input converts; the rest stays as it is."""
    if type(x) in (Tensor, np.ndarray):
        return x  # type: ignore[no-any-return]
    return np.asarray(x) if isinstance(x, Sequence | int | float | complex) else as_input(x)


def plain_array(x: Any) -> Any:
    """Make an array as `array_or_tensor` does; a Tensor gives its own."""
    return x.numpy() if isinstance(x, Tensor) else array_or_tensor(x)


def held(value: Any, name: str) -> Iterator[tuple[str, Module | Tensor]]:
    """Yield the Modules and Tensors in a value: itself, or those in a list, tuple or dict."""
    if isinstance(value, Module | Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from held(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from held(item, f"{name}.{i}")


def state_by_name(module: Module) -> dict[str, Tensor]:
    """The Tensors of `named_state`; ValueError if two of them have the same name."""
    found: dict[str, Tensor] = {}
    for name, x in module.named_state():
        if found.setdefault(name, x) is not x:
            raise ValueError(
                f"two Tensors of {type(module).__name__} are named {name}, shapes "
                f"{found[name].shape} and {x.shape}: keys such as 1 and '1', or 'a.b' and b in a, "
                "make one name, so rename one of them"
            )
    return found


def misfits(own: Mapping[str, Tensor], arrays: Mapping[str, Array]) -> dict[str, dict[str, str]]:
    """What is missing, unexpected or different, each by name, with a text that says more."""
    found = {
        "missing": {
            name: f"{name}, shape {x.shape}"
            for name, x in own.items()
            if name not in arrays and name.rpartition(".")[2] not in MAY_BE_MISSING
        },
        "unexpected": {
            name: f"{name}, shape {array.shape}"
            for name, array in arrays.items()
            if name not in own
        },
        "different": {
            name: f"{name}, {a.dtype} {a.shape} in the state, {x.dtype} {x.shape} in the model"
            for name, x in own.items()
            if (a := arrays.get(name)) is not None and not can_be_loaded(a, x)
        },
    }
    return {kind: texts for kind, texts in found.items() if texts}


def can_be_loaded(array: Array, x: Tensor) -> bool:
    """Whether an array fits x: float64 can become float32, complex numbers can't."""
    return array.shape == x.shape and np.can_cast(array.dtype, x.dtype, "same_kind")


def tensors_in(value: Any) -> set[Tensor]:
    return {x for _, x in held(value, "") if isinstance(x, Tensor)}


def unique(named: Iterable[tuple[str, Member]]) -> Iterator[tuple[str, Member]]:
    """Yield each thing once, with its first name."""
    seen = set()
    for name, x in named:
        if id(x) not in seen:
            yield name, x
        seen.add(id(x))


def depth(path: str, paths: Iterable[str]) -> int:
    """How many of the paths lead to this one."""
    return sum(path.startswith(f"{above}.") for above in paths) + (path != "")


def module_title(path: str, module: Module) -> str:
    """Write a Module as `path: Type(option=value)`."""
    options = [
        f"{name}={value}"
        for name, value in vars(module).items()
        if isinstance(value, int | float | str) and name != "training"
    ]
    return (
        (f"{path}: " if path else "")
        + type(module).__name__
        + (f"({', '.join(options)})" if options else "")
    )


def shapes(module: Module) -> str:
    """Write the state that a Module itself holds: `weight (16, 784), bias (16,)`."""
    return ", ".join(
        f"{name} {x.shape}{'' if x.requires_grad else ' buffer'}"
        for name, x in module.members()
        if isinstance(x, Tensor) and x.operation is None
    )


def count_of_parameters(module: Module) -> str:
    """Write how many numbers a Module's parameters hold, 13,002; "" if there are none."""
    total = sum(p.size for p in module.parameters())
    return f"{total:,}" if total else ""
