"""Boxes of arrays: a leaf is drawn as heat maps, an operation as one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import (
    IN_BRACKETS,
    LONGEST_INDEX,
    MOST_NUMBERS_WRITTEN,
    brief_number,
    fill_blanks,
    greatest_magnitude,
    has_blanks,
    in_order_of_arguments,
    index_text,
    name_text,
    number_text,
    numbers_or_scale,
    scale_text,
    setting_text,
    shape_text,
    shorten,
)
from tinygrad_edu.graph.pictures.boxes import frame_rows, header_row
from tinygrad_edu.graph.pictures.heat import (
    Thumbnail,
    image_stack,
    make_thumbnail,
    number_colour,
    square_images,
)
from tinygrad_edu.graph.pictures.markup import (
    bare_table,
    font_markup,
    html_label,
    table_markup,
    td,
    tr,
)
from tinygrad_edu.graph.pictures.sheet import DATA_ROLES, Sheet
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.graph.read import Node

# a number on a strong colour, and on a weak one: no theme has these two
PALE, DARK = "#fffffd", "#1b2734"
MOST_FILTER_ROWS = 16  # a kernel of so many rows or columns is no tile


def array_box(node: Node, sheet: Sheet) -> str:
    """A parameter or an input: name and shape, then heat maps of value and gradient."""
    theme = sheet.theme
    word = f"{node.role}   " if node.role in ("target", "buffer") else ""
    rows = [header_row(sheet.name(node), "", word + shape_text(node.shape), node, theme, 9)]
    fill = f'COLSPAN="2" BGCOLOR="{theme.roles[node.role][1]}"'
    if not node.value.size:
        rows.append(tr(td(font_markup("empty", 9, theme.muted), f'{fill} SIDES="LBR"')))
    maps = heat_maps(node, sheet)
    if maps:
        rows.append(tr(td(maps, f'{fill} CELLPADDING="1" SIDES="LBR"')))
    return frame_rows(rows, node, theme)


def heat_maps(node: Node, sheet: Sheet) -> str:
    """Heat maps side by side, a caption below each, and below all how they were reduced."""
    if node.value.size <= MOST_NUMBERS_WRITTEN and node.value.dtype.kind in "fiub":
        return written_numbers(node, sheet)
    maps: dict[str, Thumbnail] = {}
    if sheet.values and (value := node_thumbnail(node, sheet)):
        maps["value"] = value
    if sheet.gradients and (gradient := node_thumbnail(node, sheet, gradient=True)):
        maps[sheet.second] = gradient
    if not maps:
        return ""
    pictures = [sheet.reserve(picture) for picture in maps.values()]
    captions = [
        td(map_caption(word, picture, sheet), 'ALIGN="CENTER"') for word, picture in maps.items()
    ]
    rows = [tr(*pictures), tr(*captions)]
    for note in dict.fromkeys(picture.note for picture in maps.values() if picture.note):
        text = font_markup(note, 8, sheet.theme.muted)
        rows.append(tr(td(text, f'ALIGN="CENTER" COLSPAN="{len(maps)}"')))
    return bare_table("".join(rows), 0, 4)


def written_numbers(node: Node, sheet: Sheet) -> str:
    """A few numbers themselves, each on its colour; of a matrix value and gradient side by side."""
    shown = {"value": node.value} if sheet.values else {}
    if sheet.gradients and node.gradient is not None:
        shown[sheet.second] = node.gradient
    tables = {word: number_table(x, sheet) for word, x in shown.items() if x.size}
    if not tables:
        return ""
    muted = {word: td(font_markup(word, 8, sheet.theme.muted), "") for word in tables}
    if node.value.ndim < 2 or node.value.size == node.value.shape[-1]:
        lines = [tr(muted[word], td(table, "")) for word, table in tables.items()]
    else:
        lines = [tr(*[td(table, "") for table in tables.values()]), tr(*muted.values())]
    return bare_table("".join(lines), 1, 3)


def number_table(x: Array, sheet: Sheet) -> str:
    """The numbers of a small array in rows and columns, on the colours of a heat map."""
    greatest = greatest_magnitude(x[np.isfinite(x)])
    rows = []
    for row in x.reshape(-1, x.shape[-1]):
        cells = []
        for number in row:
            plain = sheet.theme is THEMES["plain"]
            strong = abs(number) > 0.6 * greatest > 0 and not plain
            ink = sheet.theme.ink if plain else PALE if strong else DARK
            text = font_markup(brief_number(number), 9, ink)
            fill = "#ffffff" if plain else number_colour(float(number), greatest)
            cells.append(td(text, f'BGCOLOR="{fill}" WIDTH="36" CELLPADDING="2"'))
        rows.append(tr(*cells))
    return bare_table("".join(rows), 2, 1)


def map_caption(word: str, picture: Thumbnail, sheet: Sheet) -> str:
    """The caption of a heat map: value ±0.12."""
    colour = sheet.theme.ink if word == "value" else sheet.theme.backward
    muted = font_markup(f"{word}  ", 8, sheet.theme.muted)
    return muted + font_markup(picture.caption, 8, colour)


def node_thumbnail(node: Node, sheet: Sheet, gradient: bool = False) -> Thumbnail | None:
    """The heat map of a value or of its gradient; None if there is nothing to show.

    Images, and the weights of their pixels, are shown as tiles.
    """
    x = node.gradient if gradient else node.value
    if x is None or not x.size:
        return None
    is_data = node.role in DATA_ROLES and not gradient
    stack = image_stack(node.value) if is_data else None
    if x.ndim == 4 and stack is None and max(x.shape[2:]) < MOST_FILTER_ROWS:
        stack = x.reshape(-1, *x.shape[2:])
    if x.ndim == 2 and stack is None:
        found = (square_images(x, pixels) for pixels in sorted(sheet.pixels))
        stack = next((weights for weights in found if weights is not None), None)
    is_grey = is_data and (stack is not None or not bool(np.any(x < 0)))
    if is_grey or sheet.theme is not THEMES["plain"]:
        return make_thumbnail(x, stack, is_grey)
    return replace(make_thumbnail(x, stack, grey=True), caption=scale_text(x))


def operation_box(node: Node, sheet: Sheet) -> str:
    """One line: what is done, to which shapes, and how large the value and the gradient are."""
    theme, (strong, soft) = sheet.theme, sheet.theme.roles[node.role]
    kind = font_markup(name_text(str(node.kind)), 11, theme.header, bold=True)
    name = font_markup(f"  {sheet.name(node)}", 8, theme.header)
    cells = [
        td(kind + name, f'BGCOLOR="{strong}"'),
        td(font_markup(shapes_text(node, sheet), 10, theme.ink), f'BGCOLOR="{soft}"'),
    ]
    ranges = [("value", node.value, theme.ink)] if sheet.values and node.shape else []
    if sheet.gradients and node.gradient is not None:
        ranges.append((sheet.second, node.gradient, theme.backward))
    lines = []
    for word, x, colour in ranges:
        scale = numbers_or_scale(x)
        gap = " " * (3 + scale.count("-"))  # a true minus is wider than layout takes it to be
        number = td(font_markup(scale, 8, colour), 'ALIGN="RIGHT"')
        lines.append(tr(td(font_markup(word + gap, 8, theme.muted)), number))
    if lines:
        cells.append(td(bare_table("".join(lines), 0, 1), 'CELLPADDING="2"'))
    look = f'CELLBORDER="1" CELLPADDING="5" COLOR="{strong}" BGCOLOR="{theme.panel}"'
    return html_label(table_markup(tr(*cells), look))


def shapes_text(node: Node, sheet: Sheet) -> str:
    """Write an operation's shapes, (4, 784) @ (784, 16); of a number its expression and value."""
    if not node.shape:
        value = f" = {number_text(node.value[()])}" if sheet.values else ""
        return sheet.expression(node) + value
    shapes = {
        edge.argument: shape_text(sheet.nodes[edge.source].shape) for edge in sheet.inputs[node.id]
    }
    if IN_BRACKETS in node.symbol:
        index = shorten(index_text(dict(node.constants).get(1, ...)), LONGEST_INDEX)
        return fill_blanks(node.symbol, [shapes[0], index])
    settings = {number: setting_text(x) for number, x in node.constants}
    texts = in_order_of_arguments(shapes, settings)
    if len(texts) == 2 and has_blanks(node, 2):
        return fill_blanks(node.symbol, texts)
    own = shape_text(node.shape)
    return own if {*shapes.values()} <= {own} else f"{next(iter(shapes.values()))} → {own}"
