"""What a terminal shows of a run: one line, rewritten in place.

Elsewhere, in a file or a pipe, there are lines: after 1 second, 2, 4, at last each 10.
"""

from __future__ import annotations

import shutil
import sys
from math import prod
from time import monotonic
from typing import Any

from tinygrad_edu.graph.text.signs import PLAIN_SIGNS
from tinygrad_edu.watching.encoding import Snapshot
from tinygrad_edu.watching.health import Finding
from tinygrad_edu.watching.sentence import terminal_line

PAUSE = 0.2  # seconds between lines in a terminal
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0  # elsewhere: each twice as long as the one before


class TerminalLine:
    """Writes to stderr, so that what a program prints stays its own."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.in_place = self.stream.isatty()
        self.next, self.events, self.width = 0.0, 0, 0
        self.pause = PAUSE if self.in_place else FIRST_PAUSE

    def start(self, run: Snapshot, examples: int, save: Any) -> None:
        count = sum(prod(shape) for shape in run.shapes.values())
        seen = f", and {examples} examples" if examples else ""
        kept = f"; the run goes to {save}" if save else ""
        self.write(f"watching {run.name}: {count:,} parameters{seen}{kept}")
        self.next = monotonic() + self.pause

    def show(self, run: Snapshot, found: list[Finding], last: bool = False) -> None:
        for event in run.events[self.events :]:
            self.write(f"step {event['step']:,}: {event['text']}")
            for line in event["detail"].splitlines():
                self.write(f"  {line}")
        self.events = len(run.events)
        now = monotonic()
        if not last and now < self.next:
            return
        self.pause = PAUSE if self.in_place else min(2 * self.pause, LONGEST_PAUSE)
        self.next = now + self.pause
        columns = shutil.get_terminal_size().columns if self.in_place else 160
        seconds = run.frames[-1].seconds
        rows = run.flow.rows
        self.rewrite(terminal_line(run.steps, seconds, run.curves, found, rows, columns - 1))

    def rewrite(self, line: str) -> None:
        if not self.in_place:
            self.write(line)
            return
        self.put(f"\r{line:<{self.width}}")
        self.width = len(line)

    def write(self, line: str) -> None:
        """A line that stays."""
        self.put(f"\r{line:<{self.width}}\n" if self.in_place else f"{line}\n")
        self.width = 0

    def put(self, text: str) -> None:
        """A stream may lack signs, or may be closed: then it gets plain ones, or nothing."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        try:
            self.stream.write(text.encode(encoding, PLAIN_SIGNS).decode(encoding))
            self.stream.flush()
        except (OSError, ValueError):
            pass

    def end(self, text: str) -> None:
        if self.in_place and self.width:
            self.put("\n")
            self.width = 0
        if text:
            self.write(text)
