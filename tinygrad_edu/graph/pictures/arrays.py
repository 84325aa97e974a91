"""Boxes of arrays: what goes in as heat maps, what computes as one line."""

from __future__ import annotations

from tinygrad_edu.graph.expression import (
    INFIX,
    index_text,
    number_text,
    scale_text,
    setting_text,
    shape_text,
    shorten,
)
from tinygrad_edu.graph.pictures.boxes import frame_rows, header_row
from tinygrad_edu.graph.pictures.heat import Thumbnail, image_stack, make_thumbnail, square_images
from tinygrad_edu.graph.pictures.markup import (
    bare_table,
    font_markup,
    html_label,
    table_markup,
    td,
    tr,
)
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.read import Node


def array_box(node: Node, sheet: Sheet) -> str:
    """A parameter or an input: name and shape, heat maps of value and gradient, and their
    scales."""
    theme = sheet.theme
    rows = [header_row(sheet.name(node), "", shape_text(node.shape), node, theme, 9)]
    shown = {
        "value": node_thumbnail(node, sheet) if sheet.values else None,
        "grad": node_thumbnail(node, sheet, gradient=True)
        if sheet.gradients and node.gradient is not None
        else None,
    }
    maps = {word: picture for word, picture in shown.items() if picture}
    fill = f'COLSPAN="2" BGCOLOR="{theme.roles[node.role][1]}"'
    if not node.value.size:
        rows.append(tr(td(font_markup("empty", 9, theme.muted), f'{fill} SIDES="LBR"')))
    if maps:
        pictures = tr(*map(sheet.reserve, maps.values()))
        captions = tr(
            *[
                td(map_caption(word, picture, sheet), 'ALIGN="CENTER"')
                for word, picture in maps.items()
            ]
        )
        notes = [
            tr(td(font_markup(note, 8, theme.muted), f'ALIGN="CENTER" COLSPAN="{len(maps)}"'))
            for note in dict.fromkeys(picture.note for picture in maps.values())
            if note
        ]
        rows.append(
            tr(
                td(
                    bare_table("".join([pictures, captions, *notes]), 0, 4),
                    f'{fill} CELLPADDING="1" SIDES="LBR"',
                )
            )
        )
    return frame_rows(rows, node, theme)


def map_caption(word: str, picture: Thumbnail, sheet: Sheet) -> str:
    """value ±0.12"""
    colour = sheet.theme.backward if word == "grad" else sheet.theme.ink
    return font_markup(f"{word}  ", 8, sheet.theme.muted) + font_markup(picture.caption, 8, colour)


def node_thumbnail(node: Node, sheet: Sheet, gradient: bool = False) -> Thumbnail | None:
    """The thumbnail of a value or of its gradient."""
    x = node.gradient if gradient else node.value
    if x is None or not x.size:
        return None
    data = node.role in ("input", "constant") and not gradient
    stack = image_stack(node.value) if data else None
    if x.ndim == 4 and stack is None and max(x.shape[2:]) < 16:
        stack = x.reshape(-1, *x.shape[2:])  # filters
    if x.ndim == 2 and stack is None:
        found = (square_images(x, pixels) for pixels in sorted(sheet.pixels))
        stack = next((weights for weights in found if weights is not None), None)
    return make_thumbnail(x, stack, grey=data and (stack is not None or not (x < 0).any()))


def operation_box(node: Node, sheet: Sheet) -> str:
    """One line: what is done, to which shapes, and how large the value and the gradient are."""
    theme, (strong, soft) = sheet.theme, sheet.theme.roles[node.role]
    name = font_markup(str(node.operation), 11, theme.header, bold=True) + font_markup(
        f"  {sheet.name(node)}", 8, theme.header
    )
    cells = [
        td(name, f'BGCOLOR="{strong}"'),
        td(font_markup(shapes_text(node, sheet), 10, theme.ink), f'BGCOLOR="{soft}"'),
    ]
    ranges = [("value", node.value, theme.ink)] if sheet.values and node.shape else []
    if sheet.gradients and node.gradient is not None:
        ranges.append(("grad", node.gradient, theme.backward))
    lines = [
        tr(
            td(font_markup(f"{word}   ", 8, theme.muted)),
            td(font_markup(scale_text(x), 8, colour), 'ALIGN="RIGHT"'),
        )
        for word, x, colour in ranges
    ]
    if lines:
        cells.append(td(bare_table("".join(lines), 0, 1), 'CELLPADDING="2"'))
    return html_label(
        table_markup(
            tr(*cells), f'CELLBORDER="1" CELLPADDING="5" COLOR="{strong}" BGCOLOR="{theme.panel}"'
        )
    )


def shapes_text(node: Node, sheet: Sheet) -> str:
    """(4, 784) @ (784, 16); for a number how it came about, and what it is."""
    if not node.shape:
        return sheet.expression(node) + (
            f" = {number_text(node.value[()])}" if sheet.values else ""
        )
    shapes = {
        edge.argument: shape_text(sheet.nodes[edge.source].shape) for edge in sheet.inputs[node.id]
    }
    texts = [
        text
        for _, text in sorted(
            (shapes | {number: setting_text(x) for number, x in node.constants}).items()
        )
    ]
    if str(node.operation) in INFIX and len(texts) == 2:
        return f" {INFIX[str(node.operation)]} ".join(texts)
    if node.operation == "getitem":
        return f"{shapes[0]}[{shorten(index_text(dict(node.constants).get(1, ...)), 24)}]"
    own = shape_text(node.shape)
    return own if {*shapes.values()} <= {own} else f"{next(iter(shapes.values()))} → {own}"
