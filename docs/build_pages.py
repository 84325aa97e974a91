"""Builds the pages, and says what it does and how far it is: `make docs`.

1. All that the pages show is computed, in as many processes as there are cores; what has read
   nothing new is kept from the last time (kept.py). 2. Sphinx writes the pages. 3. links.py follows
   their links.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import gallery_runs
import kept
import links
import page_pictures
from gallery_runs import DOCS, KEPT, ROOT

BUILT = DOCS / "_build" / "html"
FIRST_GUESS = {"example mnist": 60.0}  # seconds of parts that never ran: the longest begin first
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


@dataclass(frozen=True)
class Part:
    """A script that makes something for the pages, and the folder in which it leaves that."""

    name: str
    script: Path
    arguments: list[str]
    out: Path

    @property
    def note(self) -> Path:
        return KEPT / "notes" / f"{self.name.replace(' ', '-')}.json"

    @property
    def is_kept(self) -> bool:
        return self.out.is_dir() and any(self.out.iterdir()) and kept.is_valid(self.note)

    def told(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.note.read_text("utf-8"))
        return found

    def make(self) -> None:
        """Run the script in a process of its own."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        self.note.parent.mkdir(parents=True, exist_ok=True)
        self.note.unlink(missing_ok=True)
        command = [sys.executable, str(DOCS / "kept.py"), str(self.note), str(self.script)]
        run = [*command, *self.arguments]
        done = subprocess.run(
            run, cwd=self.script.parent, env=os.environ | ONE_THREAD, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{self.name} failed: {' '.join(run)}\n{done.stdout}{done.stderr}")


def first_parts() -> list[Part]:
    """The parts that wait for nothing."""
    found = []
    for path in gallery_runs.examples():
        out = gallery_runs.folder(path)
        found.append(Part(f"example {path.stem}", path, gallery_runs.flags(path), out))
    for name in page_pictures.PARTS:
        out = KEPT / "pictures" / name
        found.append(Part(f"pictures {name}", DOCS / "page_pictures.py", [name, str(out)], out))
    return found


def playground_part() -> Part:
    """The page of the network that the example has trained."""
    out = KEPT / "playground"
    arguments = ["--checkpoint", str(KEPT / "mnist" / "model.safetensors")]
    arguments += ["--out", str(out / "playground.html")]
    return Part("playground", ROOT / "tinygrad_edu/playground/__main__.py", arguments, out)


def seconds_of(part: Part) -> float:
    """How long a part took the last time; one that never ran begins early."""
    try:
        return float(str(part.told()["seconds"]))
    except (OSError, ValueError, KeyError):
        return FIRST_GUESS.get(part.name, 5.0)


def make_all(parts: list[Part], say: Callable[[str], None]) -> None:
    """Make the parts that are not kept, in parallel, the longest first."""
    lacking = sorted([part for part in parts if not part.is_kept], key=seconds_of, reverse=True)
    kept_parts = len(parts) - len(lacking)
    if kept_parts:
        say(f"{kept_parts} of {len(parts)} are kept: nothing that they read has changed")
    with ThreadPoolExecutor(cores()) as pool:
        running = {pool.submit(part.make): part for part in lacking}
        try:
            for number, done in enumerate(as_completed(running), 1):
                done.result()
                part = running[done]
                say(f"{number:2} of {len(lacking)}  {part.name}: {seconds_of(part):.1f} s")
        finally:
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def place_pictures(parts: list[Part]) -> None:
    """Copy what was drawn to where the pages look for it, and write the gallery's pages."""
    for part in parts:
        if part.name.startswith("pictures"):
            for folder in page_pictures.FOLDERS:
                shutil.copytree(part.out / folder, DOCS / folder, dirs_exist_ok=True)
    costs = [KEPT / "pictures" / lab.stem / f"{lab.stem}.json" for lab in page_pictures.LABS]
    page_pictures.draw_curves(costs, DOCS)
    gallery_runs.write({part.script: str(part.told()["printed"]) for part in parts})
    shutil.copy(playground_part().out / "playground.html", DOCS / "_static")
    shutil.copy(KEPT / "mnist" / "run.html", DOCS / "_static" / "mnist-run.html")


def run_sphinx() -> int:
    command = [sys.executable, "-m", "sphinx", "--fresh-env", "--fail-on-warning", "--keep-going"]
    command += ["--jobs", str(cores()), "-b", "html", str(DOCS), str(BUILT)]
    if not sys.stdout.isatty():  # where a line cannot be replaced by the next one
        command.append("--quiet")
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": str(DOCS)}).returncode


def main() -> int:
    began = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - began:5.0f} s  {text}", flush=True)

    parts = first_parts()
    say(f"1 of 3: compute what the pages show, in {cores()} processes")
    make_all(parts, say)
    make_all([playground_part()], say)
    place_pictures(parts)
    say("2 of 3: write the pages")
    failed = run_sphinx()
    say("3 of 3: follow every link within the pages")
    failed = links.main(BUILT) or failed
    say("done" if not failed else "failed: see above")
    if not failed:
        print(f"open {BUILT.relative_to(ROOT)}/index.html")
    return failed


if __name__ == "__main__":
    sys.exit(main())
