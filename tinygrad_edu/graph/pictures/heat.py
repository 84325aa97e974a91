"""Arrays as small pictures: heat maps, tiles of images, strips.

Blue is positive, orange negative, white zero. A PNG with a palette takes a few lines with zlib, so
no image library is needed.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import greatest_magnitude, range_text, scale_text

# −max … zero … +max
DIVERGING = ["#7f3b08", "#e08214", "#fdc98c", "#f7f7f7", "#9ecae1", "#3b8bc2", "#084594"]
GREY = ("#ffffff", "#222222")  # 0 … max
HALF = 126  # the colours 0 to 252 are the scale, so that zero has one of its own, in the middle
GAP, NAN = 255, 254  # colours: between tiles, and for what is not a number
TILES = 16  # shown at most
SIDE = 64  # rows and columns shown at most
LONGEST, SHORTEST = 116, 44  # points, of a side of a heat map
CELL, TILE, STRIP = 14, 33, 12  # points of a number at most, of an image of four, of one row
SMALLEST = 8  # rows of a flattened array that may be an image
PIXELS_PER_POINT = 2


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A small picture, its size in points, and what is written below it."""

    png: bytes
    width: float
    height: float
    caption: str
    note: str = ""  # how it was reduced
    tile_pixels: int = 0  # of each image, if it shows images side by side


def make_thumbnail(x: Array, stack: Array | None = None, grey: bool = False) -> Thumbnail:
    """Draw an array as a heat map, or as tiles if `stack` has its images; in colours or grey."""
    note = ""
    if stack is None:
        small, note = reduce_matrix(x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1))
    else:
        small = stack[:TILES]
        if len(stack) > TILES:
            note = f"{TILES} of {len(stack)} shown"
    if grey:
        colours = grey_colours(small, x)
    else:
        colours = diverging_colours(small, greatest_magnitude(x[np.isfinite(x)]))
    pixels = enlarge_cells(colours) if stack is None else mosaic(colours)
    height, width = pixels.shape
    return Thumbnail(
        palette_png(pixels, GREY if grey else DIVERGING),
        width / PIXELS_PER_POINT,
        height / PIXELS_PER_POINT,
        range_text(x) if grey else scale_text(x),
        note,
        0 if stack is None else stack.shape[1] * stack.shape[2],
    )


def scale_thumbnail() -> Thumbnail:
    """The colours from −max to +max, for the legend."""
    colours = np.linspace(0, 2 * HALF, 2 * HALF + 1).astype(np.uint8)
    line = colours[None].repeat(PIXELS_PER_POINT * 9, 0)
    return Thumbnail(palette_png(line, DIVERGING), 72, 9, "")


def reduce_matrix(matrix: Array) -> tuple[Array, str]:
    """Reduce a matrix to at most SIDE rows and columns; also return how it was reduced.

    Each block of numbers becomes the one of them that is farthest from zero.
    """
    rows, columns = (math.ceil(length / SIDE) for length in matrix.shape)
    if rows == columns == 1:
        return matrix, ""
    greatest = reduce_blocks(np.fmax, matrix, rows, columns)
    least = reduce_blocks(np.fmin, matrix, rows, columns)
    farthest = np.where(greatest > -least, greatest, least)
    return farthest, f"a cell: the greatest of {rows} × {columns}"


def reduce_blocks(f: np.ufunc, matrix: Array, rows: int, columns: int) -> Array:
    """Reduce each block of a matrix to one number."""
    tall: Array = f.reduceat(matrix, range(0, matrix.shape[0], rows), axis=0)
    return f.reduceat(tall, range(0, matrix.shape[1], columns), axis=1)


def diverging_colours(x: Array, greatest: float) -> Array:
    """Numbers as colours: −greatest is 0, zero in the middle, +greatest at the end."""
    shares = np.clip(np.nan_to_num(x.astype(float)) / (greatest or 1.0), -1, 1)
    return np.where(np.isnan(x), NAN, np.rint(HALF * (1 + shares))).astype(np.uint8)


def grey_colours(x: Array, whole: Array) -> Array:
    """Numbers as greys: the least of them and of 0 is white, the greatest is black."""
    least, greatest = min(float(whole.min()), 0.0), float(whole.max())
    shares = (x.astype(float) - least) / ((greatest - least) or 1.0)
    return np.rint(2 * HALF * shares).astype(np.uint8)


def enlarge_cells(colours: Array) -> Array:
    """Make each cell a few pixels wide, so that the picture is neither tiny nor huge."""
    rows, columns = colours.shape
    side = min(LONGEST / max(rows, columns), 6 if rows == 1 else CELL)
    across, down = max(side, SHORTEST / columns), STRIP if rows == 1 else side
    return colours.repeat(max(int(PIXELS_PER_POINT * down), 1), 0).repeat(
        max(int(PIXELS_PER_POINT * across), 1), 1
    )


def mosaic(colours: Array) -> Array:
    """Images side by side, in rows of four; fewer than four are larger."""
    across = min(len(colours), 4)
    side = max(TILE, min(2 * TILE, LONGEST / across))
    times = max(round(PIXELS_PER_POINT * side / max(colours.shape[1:])), 1)
    wide = ((0, -len(colours) % across), (1, 1), (1, 1))
    framed = np.pad(colours.repeat(times, 1).repeat(times, 2), wide, constant_values=GAP)
    _, height, width = framed.shape
    return framed.reshape(-1, across, height, width).swapaxes(1, 2).reshape(-1, across * width)


def number_colour(x: float, greatest: float) -> str:
    """The colour of one number on the scale from −greatest to +greatest, as #rrggbb."""
    place = int(diverging_colours(np.array(x), greatest))
    return "#" + palette(DIVERGING)[3 * place : 3 * place + 3].hex()


def palette(stops: Sequence[str]) -> bytes:
    """256 colours: those between the stops, and at the end the two special ones."""
    known = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    places, scale = np.linspace(0, 2 * HALF, len(stops)), np.arange(2 * HALF + 1)
    channels = [np.interp(scale, places, channel) for channel in known.T]
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(scale)] = np.rint(np.stack(channels, axis=1))
    colours[NAN], colours[GAP] = (208, 0, 208), (255, 255, 255)
    return colours.tobytes()


def palette_png(pixels: Array, stops: Sequence[str]) -> bytes:
    """A PNG whose pixels are the numbers of the palette's colours."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    height, width = pixels.shape
    rows = np.pad(pixels, ((0, 0), (1, 0))).tobytes()  # each begins with its filter's number: none
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", palette(stops)),
            chunk(b"IDAT", zlib.compress(rows, 9)),
            chunk(b"IEND", b""),
        ]
    )


# Which arrays are images


def image_stack(x: Array) -> Array | None:
    """A batch of images, flattened or with channels, as `(n, h, w)`; None if x is no such batch."""
    if x.size == 0 or x.dtype.kind not in "fiu":
        return None
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[2] == x.shape[3] >= SMALLEST:
        return np.asarray(x.mean(axis=1))
    if x.ndim == 2:
        stack = square_images(x, (math.isqrt(x.shape[1])) ** 2)
    else:
        stack = x if x.ndim == 3 and x.shape[1] == x.shape[2] >= SMALLEST else None
    return stack if stack is not None and is_smooth(stack) else None


def square_images(x: Array, pixels: int) -> Array | None:
    """The rows of a matrix, or else its columns, as square images; None if the sizes don't fit."""
    side = math.isqrt(pixels)
    if side < SMALLEST or pixels not in x.shape:
        return None
    return (x if x.shape[1] == pixels else x.T).reshape(-1, side, side)


def is_smooth(stack: Array) -> bool:
    """Whether pixels above each other are alike, as in images: their correlation is above ½."""
    centred = stack.astype(float) - stack.mean()
    return bool((centred[:, 1:] * centred[:, :-1]).mean() > (centred**2).mean() / 2)
