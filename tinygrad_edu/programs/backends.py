"""What runs a program: a compiler for each name, imported when somebody asks for it.

A compiler makes of a Recording what `Compiled` is: `run` is the step, `program` its text.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

Compiler = Callable[..., Any]


def numpy_calls() -> Compiler:
    from tinygrad_edu.programs.numpy.compiled import Compiled

    return Compiled


def numba_loops() -> Compiler:
    from tinygrad_edu.programs.loops.numba_loops import NumbaLoops

    return NumbaLoops


def xla(devices: Any = None) -> Compiler:
    from tinygrad_edu.programs.jax.devices import devices_of, mesh_of

    return devices_of(mesh_of(devices))


BACKENDS: dict[str, tuple[Callable[..., Compiler], tuple[str, ...]]] = {  # by the packages it needs
    "numpy": (numpy_calls, ()),
    "numba": (numba_loops, ("numba", "scipy")),
    "jax": (xla, ("jax",)),
}


def is_installed(backend: str) -> bool:
    """Whether all packages that a backend needs are there."""
    return not missing(backend)


def installed() -> list[str]:
    return [name for name in BACKENDS if is_installed(name)]


def missing(backend: str) -> list[str]:
    return [name for name in BACKENDS[backend][1] if importlib.util.find_spec(name) is None]


def compiler(backend: str, devices: Any = None) -> Compiler:
    """The compiler of this name; ValueError if there is none, ImportError without its packages."""
    if backend not in BACKENDS:
        names = ", ".join(map(repr, BACKENDS))
        raise ValueError(f"backend={backend!r} is unknown: write one of {names}")
    if packages := missing(backend):
        raise ImportError(
            f"backend={backend!r} needs {' and '.join(packages)}, which is not installed: "
            f"pip install '.[{backend}]' in the clone brings what it needs"
        )
    if devices is not None and backend != "jax":
        raise ValueError(
            f"devices={devices} of backend={backend!r}: only backend='jax' has several"
        )
    make = BACKENDS[backend][0]
    return make() if devices is None else make(devices)
