"""Boxes of numbers: the value, the gradient, and a bar of the gradient's size."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.arraylike import Array
from tinygrad_edu.graph.expression import greatest_magnitude, range_text
from tinygrad_edu.graph.pictures.markup import (
    bare_table,
    escape_label,
    font_markup,
    html_label,
    swatch,
    table_markup,
    td,
    tr,
)
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import Theme
from tinygrad_edu.graph.read import Node

BAR_LENGTH = 108  # points, of a full bar: that of the greatest gradient


def number_box(node: Node, sheet: Sheet) -> str:
    """One number: header, value, gradient and a bar."""
    theme, soft = sheet.theme, sheet.theme.roles[node.role][1]
    equation = f" = {sheet.expression(node)}" if node.kind else ""
    beside = node.role if not node.kind or node.role == "output" else ""
    if node.kind and not node.operation:  # an element that a whole layer computed
        equation, beside = "", node.kind if node.role == "operation" else node.role
    rows = [header_row(sheet.name(node), equation, beside, node, theme)]
    if sheet.values:
        rows.append(number_row("value", number_markup(node.value, theme.ink), theme, soft))
    g = node.gradient
    if sheet.gradients:
        missing = font_markup("not required" if sheet.second == "grad" else "-", 9, theme.muted)
        shown = missing if g is None else number_markup(g, sign_colour(g, theme))
        rows.append(number_row(sheet.second, shown, theme))
    last = gradient_bar(g, sheet.greatest, theme) if sheet.gradients else ""
    height = 10 if sheet.gradients else 2
    if sheet.values or sheet.gradients:
        rows.append(tr(td(last, f'COLSPAN="2" ALIGN="LEFT" SIDES="LBR" HEIGHT="{height}"')))
    return frame_rows(rows, node, theme)


def frame_rows(rows: list[str], node: Node, theme: Theme, padding: int = 4) -> str:
    """Rows in a frame of the role's colour."""
    strong = theme.roles[node.role][0]
    look = f'CELLBORDER="1" CELLPADDING="{padding}" COLOR="{strong}" BGCOLOR="{theme.panel}"'
    return html_label(table_markup("".join(rows), look))


def header_row(
    name: str, equation: str, beside: str, node: Node, theme: Theme, points: int = 8
) -> str:
    """The header p1 = w1 × x1, the name in bold; what stands beside it is flush right."""
    title = f"<B>{escape_label(name)}</B>{escape_label(equation)}"
    cells = [td(f'<FONT COLOR="{theme.header}" POINT-SIZE="11">{title}</FONT>')]
    if beside:
        cells.append(td(font_markup(beside, points, theme.header), 'ALIGN="RIGHT"'))
    look = f'COLSPAN="2" CELLPADDING="0" BGCOLOR="{theme.roles[node.role][0]}"'
    return tr(td(bare_table(tr(*cells), 4), look))


def number_markup(value: Array, colour: str) -> str:
    """A number, or a range with three dots, because layout takes … to be wider than it is."""
    return font_markup(range_text(value).replace("…", "..."), 12, colour)


def number_row(name: str, content: str, theme: Theme, colour: str | None = None) -> str:
    """A name at the left, its number at the right."""
    fill = f' BGCOLOR="{colour}"' if colour else ""
    return tr(
        td(font_markup(name, 9, theme.muted), f'ALIGN="LEFT" SIDES="L" WIDTH="46"{fill}'),
        td(content, f'ALIGN="RIGHT" SIDES="R" WIDTH="72"{fill}'),
    )


def gradient_bar(gradient: Array | None, greatest: float, theme: Theme) -> str:
    """A bar whose length is the gradient's size; a picture's greatest gradient fills it."""
    if gradient is None:
        return ""
    share = min(greatest_magnitude(gradient) / (greatest or 1.0), 1.0)  # 1 if it is infinite
    filled = round(BAR_LENGTH * share)
    pieces = [(filled, sign_colour(gradient, theme)), (BAR_LENGTH - filled, theme.track)]
    cells = "".join(swatch(length, 4, colour) for length, colour in pieces if length)
    fixed = f'ALIGN="LEFT" FIXEDSIZE="TRUE" WIDTH="{BAR_LENGTH}" HEIGHT="4"'
    return table_markup(tr(cells), f'{fixed} CELLBORDER="0" CELLPADDING="0"')


def sign_colour(number: Array, theme: Theme) -> str:
    """Blue for a positive number, orange for a negative one."""
    if np.isnan(number):
        return theme.ink
    if number == 0:
        return theme.muted
    return theme.positive if number > 0 else theme.negative
