"""Text in columns, for the terminal and the notebook: numbers with a true minus sign."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinygrad_edu.graph.expression import true_minus
from tinygrad_edu.graph.text.signs import printable


class TextTable(str):
    """Text that shows itself, printed or at the prompt, in the signs that the terminal has."""

    def __str__(self) -> str:
        return printable("".join(self))

    __repr__ = __str__


def table_lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Write rows as lines, two spaces between columns; the columns in `right` are flush right."""
    rows = [[true_minus(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [f"{cell:{'>' if i in right else '<'}{widths[i]}}" for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return lines
