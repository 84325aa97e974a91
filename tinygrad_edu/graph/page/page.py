"""The page of a picture: a template, a style and scripts in one file that asks for nothing."""

from __future__ import annotations

import html
from pathlib import Path

from tinygrad_edu.graph.expression import count_text, equations
from tinygrad_edu.graph.page.details import page_details
from tinygrad_edu.graph.page.levels import all_levels, take_images, take_looks
from tinygrad_edu.graph.read import Graph
from tinygrad_edu.graph.stepping.pieces import page_json
from tinygrad_edu.graph.stepping.stepper import fill_template, policy_hash, theme_css

SCRIPTS = ("view", "graph", "panel", "search", "start")  # a file for each idea, in this order


def picture_page(whole: Graph, shown: Graph, direction: str | None = None) -> str:
    """The whole page: every level of `whole`, which opens at the one that is `shown`."""
    levels, start = all_levels(whole, shown, direction)
    levels, images = take_images(levels)
    levels, looks = take_looks(levels)
    data = page_details(whole, levels) | {"start": start, "images": images}
    style = theme_css() + looks + asset_of_page("page.css")
    script = '"use strict";\n' + "".join(asset_of_page(f"{name}.js") for name in SCRIPTS)
    written = equations(shown)[shown.output.id]
    values, edges = count_text(len(whole.nodes), "value"), count_text(len(whole.edges), "edge")
    return fill_template(
        asset_of_page("page.html"),
        {
            "title": html.escape(written),
            "summary": html.escape(f"{values}, {edges}"),
            "style": style,
            "style_hash": policy_hash(style),
            "levels": "".join(f"<template>{level.svg}</template>\n" for level in levels),
            "script": script,
            "script_hash": policy_hash(script),
            "data": page_json(data),
        },
    )


def asset_of_page(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")
