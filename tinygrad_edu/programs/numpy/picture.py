"""The picture of a program's memory: which bytes hold which result, from which line to which."""

from __future__ import annotations

from html import escape

from tinygrad_edu.programs.numpy.codegen import Code

ROW, COLUMN, LEFT, TOP = 22, 9, 120, 46
BAR, OUTPUT, INK, MUTED, TRACK = "#44546a", "#8a3d6e", "#1b2733", "#5b6b7a", "#dde3e9"


def bytes_picture(code: Code, name: str) -> str:
    """An SVG: a row for each block of bytes, from left to right the lines, a bar for each result.

    What is returned or stored, and lives to the end, has another colour.
    """
    buffers, liveness = code.buffers, code.liveness
    lines = [line for line in code.lines if line.shown.strip()]
    number: dict[int, int] = {}
    for n, line in enumerate(lines):
        number.setdefault(line.call, n)
    starts = [number.get(i, 0) for i in range(len(liveness.calls))]
    rows = {storage: n for n, storage in enumerate(dict.fromkeys(s for s, _ in buffers.lives))}
    width, height = LEFT + COLUMN * (len(lines) + 1) + 20, TOP + ROW * len(rows) + 34
    title = f"{name}: {buffers.bytes:,} bytes in {len(rows)} blocks, {len(lines)} lines"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(12, 24, title, 14, INK),
    ]
    for storage, row in rows.items():
        y = TOP + ROW * row
        size = max(z.nbytes for s, z in buffers.lives if s == storage)
        parts.append(text(12, y + 14, f"{size:,} bytes", 11, MUTED))
        track = COLUMN * (len(lines) + 1)
        parts.append(f'<rect x="{LEFT}" y="{y + 8}" width="{track}" height="1" fill="{TRACK}"/>')
    for storage, z in buffers.lives:
        root, y = liveness.root(z), TOP + ROW * rows[storage]
        first, last = liveness.first.get(root, 0), liveness.last.get(root, 0)
        is_output = last >= len(starts)
        x = LEFT + COLUMN * starts[first]
        end = LEFT + COLUMN * (len(lines) if is_output else starts[last]) + COLUMN - 2
        call = next((c for c in liveness.calls if c.results and c.results[0] is z), None)
        shown = lines[starts[first]].shown if lines else ""
        hint = f"{call or z} {z.shape}, from line {starts[first] + 1}: {code.names.display(shown)}"
        parts.append(
            f'<rect x="{x}" y="{y + 1}" width="{max(end - x, 3)}" height="15" rx="3" '
            f'fill="{OUTPUT if is_output else BAR}"><title>{escape(hint)}</title></rect>'
        )
    parts.append(text(LEFT, height - 12, f"line 1 … {len(lines)} →", 11, MUTED))
    return "\n".join([*parts, "</svg>"])


def text(x: float, y: float, words: str, size: int, color: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}">{escape(words)}</text>'
