"""Progress: a line beside a loop that says how far it is, how fast, and what it has reached."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from .data import DataLoader

__all__ = ["Progress"]

LINE = "{desc}{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


class Progress:
    """Go through batches, and say how many are done, how many a second, and when all will be.

    `show(cost=…)` adds numbers to the line. It counts the examples of a DataLoader, and the steps
    of others. A terminal and a notebook show one line; a log file, or any other, gets a new one
    every `seconds`, and one at the end. The line goes to stderr, or to `file`.

    >>> progress = Progress(range(100), "epoch 1", file=sys.stdout)
    >>> for x in progress: progress.show(cost=1 / (x + 1), rate=0.01)
    epoch 1: 100/100 [00:00<00:00, ... steps/s, cost=0.01, rate=0.01]
    """

    def __init__(
        self,
        batches: Iterable[Any],
        title: str = "",
        *,
        file: TextIO | None = None,
        seconds: float = 10.0,
    ) -> None:
        self.batches, self.file, self.seconds = batches, file or sys.stderr, seconds
        self.numbers: dict[str, str] = {}
        self.options = {"desc": title, "total": total(batches), "unit": " steps"}
        if isinstance(batches, DataLoader):
            self.options["unit"] = " examples"

    def show(self, **numbers: Any) -> None:
        """Set the numbers in the line: Tensors, arrays of one number, or numbers."""
        self.numbers |= {name: f"{float(x):.4g}" for name, x in numbers.items()}

    def __iter__(self) -> Iterator[Any]:
        self.numbers.clear()
        is_log = not self.file.isatty() and "ipykernel" not in sys.modules
        return self.logged() if is_log else self.drawn()

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def text(self) -> str:
        return ", ".join(f"{name}={x}" for name, x in self.numbers.items())

    def size(self, batch: Any) -> int:
        """By how much a batch brings the count forward."""
        return len(batch[0]) if isinstance(self.batches, DataLoader) else 1

    def drawn(self) -> Iterator[Any]:
        """Yield the batches, with tqdm's bar."""
        from tqdm.auto import tqdm

        with tqdm(**self.options, file=self.file, dynamic_ncols=True) as bar:
            for batch in self.batches:
                yield batch
                bar.set_postfix_str(self.text(), refresh=False)
                bar.update(self.size(batch))

    def logged(self) -> Iterator[Any]:
        """Yield the batches, with a line of tqdm's now and then."""
        done, start = 0, time.monotonic()
        written = start
        try:
            for batch in self.batches:
                yield batch
                done += self.size(batch)
                now = time.monotonic()
                if now - written >= self.seconds:
                    self.write_line(done, now - start)
                    written = now
        finally:  # a loop may be left by break
            self.write_line(done, time.monotonic() - start)

    def write_line(self, done: int, elapsed: float) -> None:
        from tqdm import tqdm

        title = self.options["desc"]
        line = tqdm.format_meter(
            done,
            self.options["total"],
            elapsed,
            prefix=f"{title}: " if title else "",
            unit=self.options["unit"],
            bar_format=LINE,
            postfix=self.text(),
        )
        print(line, file=self.file, flush=True)


def total(batches: Any) -> int | None:
    """How many examples a DataLoader gives, how many steps another iterable; None if unknown."""
    if isinstance(batches, DataLoader):
        return batches.examples
    return len(batches) if hasattr(batches, "__len__") else None
