"""The colours of a picture, light and dark.

They are Okabe and Ito's hues, darkened until text on them can be read. Blue is a positive number,
orange a negative one, everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as #rrggbb; a role has two, its header's and its value cell's."""

    roles: dict[str, tuple[str, str]]
    positive: str
    negative: str
    backward: str
    background: str
    panel: str
    track: str  # behind a bar
    line: str
    ink: str
    muted: str
    count: str  # how many parameters
    residual: str  # a path that skips over Modules
    cluster: str  # behind the values of a Module
    border: str  # around them, and around heat maps
    header: str = "#fffffe"  # text on a role's colour


THEMES = {
    "light": Theme(
        {
            "input": ("#0072b2", "#e4f1fa"),
            "target": ("#0072b2", "#e4f1fa"),
            "parameter": ("#b35f00", "#fdf0dc"),
            "operation": ("#44546a", "#eef1f5"),
            "module": ("#44546a", "#eef1f5"),
            "output": ("#8a3d6e", "#f9e8f2"),
            "constant": ("#6b7280", "#f3f4f6"),
            "buffer": ("#6b7280", "#f3f4f6"),
        },
        positive="#0b6fae",
        negative="#c8500a",
        backward="#c1440e",
        background="#ffffff",
        panel="#fefefe",
        track="#dde3e9",
        line="#3d4f61",
        ink="#1b2733",
        muted="#5b6b7a",
        count="#b35f00",
        residual="#0072b2",
        cluster="#f7f9fb",
        border="#c3cedb",
    ),
    "dark": Theme(
        {
            "input": ("#1c72b0", "#16303f"),
            "target": ("#1c72b0", "#16303f"),
            "parameter": ("#ad5e00", "#38290f"),
            "operation": ("#566a81", "#232d38"),
            "module": ("#566a81", "#232d38"),
            "output": ("#a34c84", "#381f30"),
            "constant": ("#7b8794", "#262e37"),
            "buffer": ("#7b8794", "#262e37"),
        },
        positive="#56b4e9",
        negative="#ff9a52",
        backward="#ff8a52",
        background="#12181f",
        panel="#1a232d",
        track="#33414f",
        line="#a9bacb",
        ink="#e8eef4",
        muted="#9fb0c0",
        count="#f0a640",
        residual="#56b4e9",
        cluster="#17202a",
        border="#3a4a5a",
    ),
}

# black on white, for print: the role stands in words
THEMES["plain"] = Theme(
    {
        "input": ("#6b6b6b", "#f4f4f4"),
        "target": ("#6b6b6b", "#f4f4f4"),
        "parameter": ("#4d4d4d", "#f4f4f4"),
        "operation": ("#262626", "#f4f4f4"),
        "module": ("#262626", "#f4f4f4"),
        "output": ("#000000", "#e8e8e8"),
        "constant": ("#7d7d7d", "#f9f9f9"),
        "buffer": ("#7d7d7d", "#f9f9f9"),
    },
    positive="#000000",
    negative="#737373",
    backward="#262626",
    background="#ffffff",
    panel="#ffffff",
    track="#e2e2e2",
    line="#262626",
    ink="#000000",
    muted="#555555",
    count="#000000",
    residual="#737373",
    cluster="#fafafa",
    border="#b0b0b0",
    header="#ffffff",
)


def css_variables(theme: Theme) -> dict[str, str]:
    """The colours of a theme by the names of their CSS variables."""
    named = {f"--{name}": colour for name, colour in vars(theme).items() if isinstance(colour, str)}
    for role, (strong, soft) in theme.roles.items():
        named |= {f"--{role}": strong, f"--{role}-cell": soft}
    return named


CSS_COLOURS = {colour: f"var({name})" for name, colour in css_variables(THEMES["light"]).items()}
