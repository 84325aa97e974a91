"""What becomes of a replayed step that an error stops, or Ctrl-C: all or nothing.

The state is as before the call: what was counted is taken back, and what was written to is put
back, from copies that a program makes of arrays to which it writes before a call that may raise an
error. Ctrl-C behind that point lets the step come to its end.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_edu.programs.functions import FIRST_LINE, Blocks
from tinygrad_edu.programs.guards import take_back
from tinygrad_edu.programs.numpy.codegen import Code

BEFORE = "the replayed step was stopped, and its state is as before the call"
AFTER = "the replayed step was completed before it was stopped"
BETWEEN = "the replayed step was stopped while it changed its state, which is now in between"


class Stop:
    """How to leave the state if an error stops a program."""

    def __init__(self, code: Code, ending: list[str]) -> None:
        self.blocks: Blocks  # of the lines
        self.begin = self.between = (
            0  # the number of the first block in the text; lines behind them
        )
        program, calls, self.objects = code.program, code.program.calls, code.names.objects
        self.once = code.once
        self.lines = [*[line.code for line in code.lines], *ending]
        self.last = len(code.lines)  # the number of the first line of the ending
        roots = [program.root(call.written) if call.written else None for call in calls]
        changing = [i for i, root in enumerate(roots) if root and not root.is_result]
        checking = max([i for i, call in enumerate(calls) if call.checks], default=-1)
        # the arrays that are copied, and the first line that changes another one
        self.kept = [
            code.use(x) for x in dict.fromkeys(roots[i] for i in changing if i <= checking)
        ]
        later = {i for i in changing if i > checking}
        lines = [n for n, line in enumerate(code.lines) if line.call in later]
        self.for_good = min(lines, default=self.last)

    def settle(self, error: BaseException, found: dict[str, Any]) -> None:
        """Leave the state as before or after the step, and let the error say which.

        `found` are the local variables of the program.
        """
        done = self.lines_done(error)
        if done <= self.for_good:
            for x, copy in found.get("kept", ()):
                x[...] = copy
            take_back(found.get("before", ()), found.get("drawn", ()))
            error.add_note(BEFORE)
        elif isinstance(error, Exception) or "".join(self.lines[done : done + 1]).startswith(
            "with "
        ):
            error.add_note(BETWEEN)
        else:
            local = {name: found["t"][i] for name, i in self.blocks.places.items()}
            exec("\n".join(self.lines[done:]), {**self.objects, **found, **local})
            error.add_note(AFTER)

    def lines_done(self, error: BaseException) -> int:
        """How many lines of the program have been executed.

        Python lets Ctrl-C through behind a call: then a ufunc, which may have written onto its own
        operand, is done, and so are loops. Any other line can be executed again.
        """
        at = error.__traceback__
        n = at.tb_lineno - self.begin  # type: ignore[union-attr]
        if n >= len(self.blocks.lines):
            return max(n - len(self.blocks.lines) - self.between, 0) + self.last
        if n < 0:
            return 0
        if self.blocks.functions:
            if at.tb_next is None:  # type: ignore[union-attr]
                return [*self.blocks.starts, self.last][n + 1]
            at = at.tb_next  # type: ignore[union-attr]
            n = self.blocks.starts[n] + at.tb_lineno - FIRST_LINE
        called = re.match(r"_f\d+(?=\()", self.lines[n])
        function = self.objects[called[0]] if called else None
        is_done = isinstance(getattr(function, "__self__", function), np.ufunc)
        is_done = is_done or bool(called and called[0] in self.once)
        return n + (is_done and not isinstance(error, Exception))
