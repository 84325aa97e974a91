"""The page of a run: a template, styles and scripts in one file that asks for nothing.

The scripts are plain functions, a file for each idea, joined in the order of `SCRIPTS`. Colours
come from pictures' themes, heat maps have their palette.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu.graph.pictures.heat import DIVERGING
from tinygrad_edu.graph.stepping.pieces import page_json
from tinygrad_edu.graph.stepping.stepper import fill_template, policy_hash, theme_css

# fmt: off
SCRIPTS = ("numbers", "recorded", "heat", "elements", "curves", "examples", "detail", "cells",
           "graph", "compare", "view")
# fmt: on


def run_page(runs: Sequence[Mapping[str, Any]], live: bool = False) -> str:
    """The whole page; `live` follows a run that goes on, by the server's stream."""
    style = theme_css() + style_sheet()
    script = '"use strict";\n' + joined_scripts() + watching_asset("start.js")
    data = {"runs": list(runs), "stops": DIVERGING, "live": live}
    return fill_template(
        watching_asset("watching.html"),
        {
            "title": html.escape(" and ".join(str(run["name"]) for run in runs)),
            "style": style,
            "style_hash": policy_hash(style),
            "script": script,
            "script_hash": policy_hash(script),
            "connect": "connect-src 'self'; " if live else "",
            "data": page_json(data),
        },
    )


def style_sheet() -> str:
    """The styles; the legend has the palette's colours."""
    return fill_template(watching_asset("watching.css"), {"stops": ", ".join(DIVERGING)})


def joined_scripts() -> str:
    return "".join(watching_asset(f"{name}.js") for name in SCRIPTS)


def watching_asset(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")
