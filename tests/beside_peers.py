"""Print a table: the same small questions put to five libraries and to this engine.

    make peers      # installs them, and runs this

Each is used as its own documentation does. tinygrad runs on its Python device, slow, but in no need
of a compiler.
"""

import gc
import importlib.metadata
import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
from counting import code_lines

os.environ.setdefault("DEV", "PYTHON")
SECONDS = 60  # for one question


def micrograd():
    from micrograd.engine import Value

    return Value, lambda v: v.grad


def mygrad():
    import mygrad

    return mygrad.tensor, lambda v: v.grad


def tinygrad():
    from tinygrad import Tensor

    def tensor(x):
        return Tensor(np.atleast_1d(x))  # a number alone would be a constant

    return tensor, lambda v: v.grad.numpy().squeeze()


def torch():
    import torch

    return lambda x: torch.tensor(x, requires_grad=True), lambda v: v.grad.numpy()


def tinygrad_edu():
    from tinygrad_edu import Tensor

    return lambda x: Tensor(x, requires_grad=True), lambda v: v.grad


def autograd():
    return None, None


LIBRARIES = [micrograd, autograd, mygrad, tinygrad, torch, tinygrad_edu]


def gradient(library, f, x, passes=1):
    """df/dx, added up over so many backward passes through one graph."""
    if library is autograd:
        from autograd import grad

        return grad(f)(x) if passes == 1 else "a gradient is a value: nothing adds up"
    tensor, read = library()
    if library is micrograd and np.ndim(x):
        return "numbers only"
    z = f(v := tensor(x))
    if library is tinygrad:
        z = z.sum()
    for _ in range(passes):
        z.backward(**{"retain_graph": True} if library is torch else {})
    return read(v)


def second_derivative(library, x):
    """d²/dx² of x³."""

    def cube(x):
        return x * x * x

    if library is autograd:
        from autograd import grad

        return grad(grad(cube))(x)
    tensor, _ = library()
    z = cube(v := tensor(x))
    if library is torch:
        from torch.autograd import grad

        return grad(grad(z, v, create_graph=True)[0], v)[0].numpy()
    if library is tinygrad:
        return z.sum().gradient(v)[0].sum().gradient(v)[0].numpy().squeeze()
    if library is tinygrad_edu:
        return z.gradient(v, create_graph=True).gradient(v).numpy()
    return "no"


def chain(x):
    z = x
    for _ in range(10_000):
        z = z + x
    return z


def left_over(library):
    """How many objects of a dead graph wait for Python's garbage collector."""

    def f(x):
        return x * x * x + x

    gradient(library, f, 2.0)
    gc.collect()
    gc.disable()
    gradient(library, f, 2.0)
    found = gc.collect()
    gc.enable()
    return "none" if not found else f"{found} objects"


def size(library):
    """Lines of code in the package's Python files."""
    package = Path(importlib.util.find_spec(library.__name__).origin).parent

    def count(path):
        try:
            return len(code_lines(path))
        except SyntaxError:
            return 0  # a template

    return f"{sum(map(count, package.rglob('*.py'))):,}"


QUESTIONS = {
    "z = y², y = x², x = 2; two backward passes: 64": lambda library: gradient(
        library, lambda x: (y := x * x) * y, 2.0, passes=2
    ),
    "a chain of 10,000 additions: 10001": lambda library: gradient(library, chain, 0.5),
    "Σ x[[0, 0, 1]], an index twice: [2, 1, 0]": lambda library: gradient(
        library, lambda x: x[[0, 0, 1]].sum(), np.ones(3)
    ),
    "∏ x at [0, 2, 3]: [6, 0, 0]": lambda library: gradient(
        library, lambda x: x.prod(), np.array([0.0, 2.0, 3.0])
    ),
    "(x³)″ at 2: 12": lambda library: second_derivative(library, 2.0),
    "of a dead graph is left": left_over,
    "lines of Python in the package": size,
}


def answer(question, library):
    def late(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        found = question(library)
    except (RecursionError, TimeoutError) as error:
        return type(error).__name__
    finally:
        signal.alarm(0)
    if isinstance(found, str):
        return found
    form = {"float": "{:g}".format}
    return np.array2string(np.asarray(found, float), formatter=form, separator=", ")


def main():
    versions = [f"{f.__name__} {importlib.metadata.version(f.__name__)}" for f in LIBRARIES]
    print("| question |", " | ".join(versions), "|\n|" + " --- |" * (1 + len(LIBRARIES)))
    for title, question in QUESTIONS.items():
        answers = [answer(question, library) for library in LIBRARIES]
        print("|", title, "|", " | ".join(answers), "|", flush=True)


if __name__ == "__main__":
    main()
