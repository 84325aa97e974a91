"""A frame as one picture: for a notebook in which no script of ours runs."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import brief_number
from tinygrad_edu.graph.pictures.heat import DIVERGING as STOPS
from tinygrad_edu.graph.pictures.heat import (
    diverging_colours,
    mosaic,
    palette_png,
)
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.watching.curves import Curve
from tinygrad_edu.watching.encoding import Snapshot
from tinygrad_edu.watching.flow import Row
from tinygrad_edu.watching.health import is_bias, mark_of, row_title
from tinygrad_edu.watching.maps import Map
from tinygrad_edu.watching.sentence import DECADE, brief3, percent

WIDTH, MARGIN = 860, 14
HEAD, CELL_WIDTH, CELL_HEIGHT, ROW, GAP_HEIGHT = 128, 104, 42, 62, 20
RULER_LEFT, RULER_WIDTH = 610, 220
INK = THEMES["light"]


def still_svg(run: Snapshot) -> str:
    """The newest frame: curves, and a row for each module with its maps."""
    parts = [*heading(run), *curve_parts(run)]
    top = 142.0
    for row in run.flow.rows:
        if row.role in ("input", "buffer") or row.is_line:
            continue
        parts += row_parts(run, row, top)
        top += (34 if row.role == "output" else ROW) + GAP_HEIGHT
    size = f'width="{WIDTH}" height="{top:.0f}" viewBox="0 0 {WIDTH} {top:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
        f'font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" '
        f'fill="{INK.background}"/>{"".join(parts)}</svg>'
    )


def label(x: float, y: float, content: str, size: float = 12, **looks: Any) -> str:
    named = {"fill": INK.ink, **looks}
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in named.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{extra}>{escape(content)}</text>'


def heading(run: Snapshot) -> Iterator[str]:
    frame = run.frames[-1]
    yield label(MARGIN, 22, run.name, 15, font_weight=700)
    when = f"step {run.steps:,}  ·  {frame.seconds:.0f} s"
    yield label(WIDTH - MARGIN, 22, when, fill=INK.muted, text_anchor="end")
    yield label(MARGIN, 42, "".join(frame.sentence[:2]), 12)


def curve_parts(run: Snapshot) -> Iterator[str]:
    first = ["loss", "accuracy"]
    names = sorted(run.curves, key=lambda name: first.index(name) if name in first else 2)
    curves = [(name, run.curves[name]) for name in names if len(run.curves[name].buckets)][:3]
    width = (WIDTH - 2 * MARGIN - 20 * (len(curves) - 1)) / max(len(curves), 1)
    for i, (name, curve) in enumerate(curves):
        left = MARGIN + i * (width + 20)
        yield label(left, 64, name, font_weight=600)
        last = percent(curve.last) if name == "accuracy" else brief3(curve.last)
        yield label(left + width, 64, last, 13, font_weight=700, text_anchor="end")
        points = curve_points(curve, left, width, run.steps)
        yield f'<polyline fill="none" stroke="{INK.ink}" stroke-width="1.6" points="{points}"/>'


def curve_points(curve: Curve, left: float, width: float, steps: int) -> str:
    data = curve.data(120)
    means = np.array(data["mean"], float)
    if means.min() > 0 and means.max() > DECADE * means.min():
        means = np.log(means)
    low, size = means.min(), (means.max() - means.min()) or 1.0
    places = left + width * np.minimum(np.array(data["step"]) / max(steps, 1), 1)
    heights = 128 - 54 * (means - low) / size
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(places, heights, strict=True))


def row_parts(run: Snapshot, row: Row, top: float) -> Iterator[str]:
    frame, height = run.frames[-1], 34 if row.role == "output" else ROW
    strong = INK.roles["output" if row.role == "output" else "module"][0]
    for width, fill in ((WIDTH - 2 * MARGIN, INK.panel), (HEAD - 10, strong)):
        yield (
            f'<rect x="{MARGIN}" y="{top}" width="{width}" height="{height}" rx="3" '
            f'fill="{fill}" stroke="{strong}"/>'
        )
    middle = top + height / 2 + 4
    title = "loss" if row.role == "output" else row_title(row)
    yield label(MARGIN + 9, middle, title, 12.5, fill=INK.header, font_weight=650)
    stats = frame.stats.get(row.id, {})
    if row.role == "output":
        value = f"{brief3(stats.get('value', math.nan))} for the examples that are watched"
        yield label(HEAD + 14, middle, value)
        return
    weight = next((p for p in row.parameters if not is_bias(p)), None)
    keys = [f"{weight}|value", f"{weight}|gradient", f"{row.id}|output", f"{row.id}|backward"]
    for i, key in enumerate(keys):
        if key in frame.maps:
            yield from map_parts(frame.maps[key], HEAD + 14 + i * (CELL_WIDTH + 8), top)
    if weight and frame.stats[weight].get("ratio"):
        yield from ruler_parts(frame.stats[weight]["ratio"], top)
    elif "dead" in stats:
        yield label(RULER_LEFT, middle, f"{stats['dead']} of {stats['of']} units never on")
    yield from note_parts(run, row, top + ROW + 14)


def map_parts(m: Map, left: float, top: float) -> Iterator[str]:
    x = m.array()
    greatest = float(np.nanmax(np.abs(x), initial=0.0)) if np.isfinite(x).any() else 0.0
    colours = diverging_colours(x, greatest)
    pixels: Array = mosaic(colours[:8]) if colours.ndim == 3 else colours
    png = base64.b64encode(palette_png(pixels, STOPS)).decode()
    yield (
        f'<image x="{left}" y="{top + 5}" width="{CELL_WIDTH}" height="{CELL_HEIGHT}" '
        f'preserveAspectRatio="none" image-rendering="pixelated" '
        f'href="data:image/png;base64,{png}"/>'
    )
    scale = "NaN" if math.isnan(m.greatest) else f"±{brief_number(m.greatest)}"
    yield label(left + CELL_WIDTH, top + 57, scale, 9, fill=INK.muted, text_anchor="end")


def ruler_parts(ratio: float, top: float) -> Iterator[str]:
    """step ÷ weight from 1e-7 to 1, the healthy band behind it."""

    def place(r: float) -> float:
        return RULER_LEFT + RULER_WIDTH * (math.log10(min(max(r, 1e-7), 1)) + 7) / 7

    band = place(1e-2) - place(1e-4)
    size = f'width="{band:.1f}" height="26" rx="3"'
    yield f'<rect x="{place(1e-4):.1f}" y="{top + 14}" {size} fill="{INK.track}"/>'
    x, colour = place(ratio), INK.roles["parameter"][0]
    yield f'<circle cx="{x:.1f}" cy="{top + 32}" r="4.5" fill="{colour}"/>'
    said = f"{ratio:.0e}".replace("e-0", "e−") if ratio else "0"
    yield label(x, top + 23, said, 10, text_anchor="middle")
    for power, text in ((1e-6, "1e−6"), (1e-3, "1e−3"), (1, "1")):
        yield label(place(power), top + 54, text, 9, fill=INK.muted, text_anchor="middle")


def note_parts(run: Snapshot, row: Row, y: float) -> Iterator[str]:
    """The gravest finding of the row that holds now."""
    step = run.frames[-1].step
    texts = [f["texts"][-1] for f in run.findings if f["place"] == row.id and f["to"] == step]
    if texts:
        _, weight, text = max(texts, key=lambda found: found[1])
        colour = INK.backward if weight > 1 else INK.ink
        yield label(HEAD + 14, y, f"{mark_of(weight)} {text}", 11.5, fill=colour)
