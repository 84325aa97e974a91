"""The pieces of Graphviz's HTML-like labels: tables, cells, texts.

Numbers keep an ASCII minus here, because layout takes U+2212 to be wider than it is; render.py
swaps it in afterwards.
"""

from __future__ import annotations

import html


def html_label(markup: str) -> str:
    """An HTML-like label, which the graphviz package knows by its brackets."""
    return f"<{markup}>"


def table_markup(rows: str, attributes: str, spacing: int = 0) -> str:
    return f'<TABLE BORDER="0" CELLSPACING="{spacing}" {attributes}>{rows}</TABLE>'


def bare_table(rows: str, padding: int = 0, spacing: int = 0) -> str:
    """A table without lines."""
    return table_markup(rows, f'CELLBORDER="0" CELLPADDING="{padding}"', spacing)


def tr(*cells: str) -> str:
    return f"<TR>{''.join(cells)}</TR>"


def td(content: str, attributes: str = 'ALIGN="LEFT"') -> str:
    return f"<TD {attributes}>{content}</TD>"


def swatch(width: float, height: float, colour: str) -> str:
    return f'<TD FIXEDSIZE="TRUE" WIDTH="{width:g}" HEIGHT="{height:g}" BGCOLOR="{colour}"></TD>'


def font_markup(words: str, points: int, colour: str, bold: bool = False) -> str:
    written = f"<B>{escape_label(words)}</B>" if bold else escape_label(words)
    return f'<FONT POINT-SIZE="{points}" COLOR="{colour}">{written}</FONT>'


def escape_label(words: str) -> str:
    """Escape text for a label: Graphviz reads a backslash as an escape, so it is doubled."""
    return html.escape(words).replace("\\", "\\\\")
