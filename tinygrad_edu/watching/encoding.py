"""A run as data: dicts, lists, texts and numbers, its maps compressed. A page and a file hold it.

The frames of a map stand in a row, with fewer shades than in memory, as differences in time where
these are smaller, deflated and written in base64. `frame_data` is a single frame, for a page that
is open while the training goes on.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.watching.curves import Curve
from tinygrad_edu.watching.flow import Flow, Row
from tinygrad_edu.watching.frames import Frame
from tinygrad_edu.watching.maps import NOT_A_NUMBER, SHADES, Map, finite_or_text

KEPT_SHADES = {
    "answers": 63,
    "value": 63,
    "output": 63,
    "gradient": 31,
    "backward": 31,
    "update": 31,
}
LEVEL = 6  # of zlib; 9 takes thirty times as long for 1 %
TRIED = 12  # frames, to see whether differences are smaller


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A run at one moment. Another thread may read it: nothing in it changes any more."""

    name: str
    steps: int
    frames: tuple[Frame, ...]
    curves: Mapping[str, Curve]
    flow: Flow
    shapes: Mapping[str, tuple[int, ...]]
    findings: list[dict[str, Any]]
    events: list[dict[str, Any]]
    overhead: Mapping[str, float]


def run_data(run: Snapshot) -> dict[str, Any]:
    """All of a run, for a page."""
    steps = [frame.step for frame in run.frames]
    return {
        "name": run.name,
        **example_data(run.flow),
        "shapes": {name: list(shape) for name, shape in run.shapes.items()},
        "frames": {
            "step": steps,
            "time": [round(frame.seconds, 3) for frame in run.frames],
            "sentence": [list(frame.sentence) for frame in run.frames],
        },
        "maps": packed_maps(run.frames),
        "stats": stats_by_place(run.frames),
        **changing_data(run),
        "overhead": dict(run.overhead),
    }


def changing_data(run: Snapshot) -> dict[str, Any]:
    """What a page gets anew with each frame."""
    return {
        "steps": run.steps,
        "rows": [row_data(row) for row in run.flow.rows],
        "edges": [list(edge) for edge in run.flow.edges],
        "examples": run.flow.examples,
        "curves": {name: curve.data() for name, curve in run.curves.items()},
        "findings": run.findings,
        "events": run.events,
    }


def row_data(row: Row) -> dict[str, Any]:
    names = ("id", "name", "kind", "role", "count", "times", "parameters")
    symbol = row.operation.facts.get("symbol", "") if row.operation else ""
    known = {name: getattr(row, name) for name in names}
    return {**known, "shape": list(row.shape), "symbol": symbol, "line": row.is_line}


def example_data(flow: Flow) -> dict[str, Any]:
    """What is known of the examples, and what guessing costs."""
    images = flow.images
    packed = images is not None and {"shape": images.shape, "data": deflated(images.tobytes())}
    return {
        "labels": flow.labels,
        "softmax": flow.outcomes == flow.classes > 0,
        "outcomes": flow.outcomes,
        "guess": None if flow.guess is None else round(flow.guess, 4),
        "classes": flow.classes,
        "images": packed or None,
    }


def stats_by_place(frames: Sequence[Frame]) -> dict[str, dict[str, list[Any]]]:
    """Each number of each place as a list over the frames; None where a frame has none."""
    pairs = {
        (place, key): None for f in frames for place, known in f.stats.items() for key in known
    }
    found: dict[str, dict[str, list[Any]]] = {}
    for place, key in pairs:
        series = [finite_or_text(frame.stats.get(place, {}).get(key)) for frame in frames]
        found.setdefault(place, {})[key] = series
    return found


# Maps


def packed_maps(frames: Sequence[Frame]) -> dict[str, dict[str, Any]]:
    keys = dict.fromkeys(key for frame in frames for key in frame.maps)
    return {key: packed_map(key, [frame.maps.get(key) for frame in frames]) for key in keys}


def packed_map(key: str, maps: Sequence[Map | None]) -> dict[str, Any]:
    """One map over all frames. Where its shape was another, it is left out."""
    shape = [m for m in maps if m][-1].shape
    kept = [m if m and m.shape == shape else None for m in maps]
    cells = np.zeros((len(kept), prod(shape)), np.int8)
    for i, m in enumerate(kept):
        if m:
            cells[i] = m.numbers.ravel()
    shades = KEPT_SHADES.get(key.rpartition("|")[2], SHADES)
    coarse = np.rint(cells * (shades / SHADES)).astype(np.int8)
    coarse[cells == NOT_A_NUMBER] = NOT_A_NUMBER
    is_delta, data = smaller_form(coarse.view(np.uint8))
    return {
        "shape": list(shape),
        "shades": shades,
        "delta": is_delta,
        "exponents": [m.exponent if m else None for m in kept],
        "greatest": [finite_or_text(m.greatest) if m else None for m in kept],
        "data": data,
    }


def smaller_form(cells: Array) -> tuple[bool, str]:
    """The frames as they are, or the differences between them: a dozen frames decide."""
    delta = np.diff(cells, axis=0, prepend=np.zeros((1, cells.shape[1]), np.uint8))
    some = slice(len(cells) // 2, len(cells) // 2 + TRIED)
    sizes = [len(zlib.compress(form[some].tobytes(), LEVEL)) for form in (cells, delta)]
    is_delta = sizes[1] < sizes[0]
    return is_delta, deflated((delta if is_delta else cells).tobytes())


def deflated(data: bytes) -> str:
    """Raw deflate, as a browser's DecompressionStream reads it, in base64."""
    return base64.b64encode(zlib.compress(data, LEVEL)[2:-4]).decode()


# A single frame


def frame_data(run: Snapshot) -> tuple[dict[str, Any], list[bytes]]:
    """The last frame as a page takes it, and its maps' bytes; a map names its bytes by number."""
    frame = run.frames[-1]
    buffers: list[bytes] = []
    maps = {}
    for key, m in frame.maps.items():
        maps[key] = [list(m.shape), m.exponent, finite_or_text(m.greatest), len(buffers)]
        buffers.append(m.numbers.tobytes())
    stats = {
        place: {key: finite_or_text(x) for key, x in known.items()}
        for place, known in frame.stats.items()
    }
    head = {
        "step": frame.step,
        "time": round(frame.seconds, 3),
        "sentence": list(frame.sentence),
        "stats": stats,
        "maps": maps,
    }
    return head | changing_data(run), buffers
