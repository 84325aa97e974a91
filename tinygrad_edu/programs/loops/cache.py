"""Where compiled loops are kept: a private folder in the user's cache, a file for each program.

A compiler keeps what it made beside the file of a function. What lies there is executed, so nobody
else may write to the folder; the file's name is made of all that the machine code depends on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

KEPT = 500  # programs; the oldest are deleted


def user_cache() -> Path:
    """The folder for what can be made again."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def private_folder() -> Path | None:
    """The folder, if it is this user's and nobody else can write to it; else nothing is kept."""
    try:
        folder = user_cache() / "tinygrad_edu" / "loops"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for place in (folder, folder.parent):
            found = place.lstat()
            if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
                return None
    except (OSError, RuntimeError):  # read-only, or nobody's home
        return None
    return folder


def file_for(text: str, versions: str) -> Path | None:
    """The file of a program, written if there is none; None if nothing can be kept."""
    folder = private_folder()
    if folder is None:
        return None
    name = hashlib.sha256("\n".join([versions, text]).encode()).hexdigest()[:32]
    path = folder / f"{name}.py"
    try:
        if not path.exists():
            delete_old(folder)
            write_whole(path, text)
    except OSError:
        return None
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file that others see whole or not at all, and always with the same date."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
    os.utime(file.name, (0, 0))  # a compiler asks whether the file is as it was
    Path(file.name).replace(path)


def forget(path: Path) -> None:
    """Delete a program's file, and what a compiler has kept beside it."""
    for file in [path, *(path.parent / "__pycache__").glob(f"{path.stem}*")]:
        file.unlink(missing_ok=True)


def delete_old(folder: Path) -> None:
    """Make room for another program, if there are too many."""
    files = sorted(folder.glob("*.py"), key=lambda path: path.stat().st_ctime)
    for path in files[: max(len(files) - KEPT + 1, 0)]:
        forget(path)
