"""Checkpoints: a model's state in a file, in the safetensors format, which holds arrays and text and no code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from .module import Array, Module

__all__ = ["load", "save"]


def save(path: str | os.PathLike[str], model: Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write the model's state and the metadata, text to text; until all is written, an old file stays as it was.

    Raises TypeError if the metadata are anything but text.

    >>> import tempfile; from tinygrad_edu import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", nn.Linear(3, 2), {"epoch": "7"})
    ...     os.listdir(folder)
    ['model.safetensors']
    """
    import safetensors.numpy
    texts = dict(metadata or {})
    if not all(isinstance(text, str) for text in (*texts.keys(), *texts.values())):
        raise TypeError(f"metadata are text to text, found {texts}: write str(…)")
    write_whole(Path(os.path.realpath(path)), safetensors.numpy.save(model.state_dict(), texts))


def load(path: str | os.PathLike[str], model: Module) -> dict[str, str]:
    """Load a saved state into a model that has the same names and shapes. Returns the metadata.

    Raises ValueError, which names the file, if it is damaged or belongs to another model; nothing has been loaded then.

    >>> import tempfile; from tinygrad_edu import nn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", nn.Linear(3, 2), {"epoch": "7"})
    ...     load(f"{folder}/model.safetensors", nn.Linear(3, 2))
    {'epoch': '7'}
    """
    state, metadata = read_state(path)
    try: model.load_state_dict(state)
    except ValueError as error: raise ValueError(f"{os.fspath(path)}: {error}") from None
    return metadata


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays and the metadata of a safetensors file."""
    from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)}: not a whole safetensors file: {error}") from None
    except (TypeError, AttributeError) as error:  # bfloat16 and the 8-bit floats
        raise ValueError(f"{os.fspath(path)}: NumPy lacks this dtype, convert to float32: {error}") from None


def write_whole(path: Path, contents: bytes) -> None:
    """Written beside the old file, made to last, then renamed over it: a reader finds the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(temporary, "xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally: temporary.unlink(missing_ok=True)
