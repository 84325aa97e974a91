"""How a picture is printed: its theme, its legend, its font and its width."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from tinygrad_edu.graph.pictures.themes import CSS_COLOURS, THEMES, css_variables

FONTS_OF_SVG = 'font-family="Helvetica, Arial, sans-serif"'
SIZE = re.compile(r'<svg([^>]*?) width="([\d.]+)pt" height="([\d.]+)pt"')
WIDTH = re.compile(r"([\d.]+)(pt|px|mm|cm|in|%)?")


@dataclass(frozen=True)
class Paper:
    """What a reader's page asks of a picture."""

    theme: str = "light"  # or dark, or auto: light and dark in one file
    style: str = "colour"  # or plain: black on white
    legend: bool = True
    font: str | None = None  # in place of Helvetica
    width: str | float | None = None  # points, or a text with a unit: "8.6cm", "100%"

    def __post_init__(self) -> None:
        if self.theme not in ("light", "dark", "auto"):
            raise ValueError(f"theme is one of light, dark, auto, and not {self.theme!r}")
        if self.style not in ("colour", "plain"):
            raise ValueError(f"style is colour or plain, and not {self.style!r}")
        if self.width is not None and not WIDTH.fullmatch(str(self.width)):
            raise ValueError(
                f"width is a number of points or a text such as '8.6cm', and not {self.width!r}"
            )

    @property
    def colours(self) -> str:
        """The name of the theme that the picture is laid out in."""
        if self.style == "plain":
            return "plain"
        return "light" if self.theme == "auto" else self.theme

    def finish(self, svg: str) -> str:
        """An SVG as this paper has it."""
        if self.font:
            svg = svg.replace(FONTS_OF_SVG, f'font-family="{html.escape(self.font)}"')
        if self.width is not None:
            svg = SIZE.sub(self.resized, svg, count=1)
        return svg if self.theme != "auto" or self.style == "plain" else follow_page(svg)

    def resized(self, found: re.Match[str]) -> str:
        """The opening of an SVG of the wanted width, and of a height that keeps its shape."""
        number, unit = WIDTH.fullmatch(str(self.width)).groups()  # type: ignore[union-attr]
        height = f"{float(number) * float(found[3]) / float(found[2]):.4g}{unit or 'pt'}"
        high = "" if unit == "%" else f' height="{height}"'
        return f'<svg{found[1]} width="{number}{unit or "pt"}"{high}'


def follow_page(svg: str) -> str:
    """Colours as CSS variables: dark where the reader's system, or the page around it, is dark."""
    colours = re.compile("|".join(f'(?<="){colour}(?=")' for colour in CSS_COLOURS))
    svg = colours.sub(lambda found: CSS_COLOURS[found[0]], svg)
    light, dark = (
        "".join(f"{k}:{v};" for k, v in css_variables(THEMES[x]).items()) for x in ("light", "dark")
    )
    style = (
        f".graph-of-values{{{light}}}"
        f"@media (prefers-color-scheme: dark){{:not([data-theme=light]) .graph-of-values,"
        f"svg.graph-of-values:root{{{dark}}}}}"
        f"[data-theme=dark] .graph-of-values{{{dark}}}"
    )
    opening, _, rest = svg.partition(">")
    return f'{opening} class="graph-of-values"><style>{style}</style>{rest}'
