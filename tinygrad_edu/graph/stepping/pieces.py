"""The pieces of HTML that the stepper's panels are made of, and its data as JSON.

Names come from users: `escape` stands between them and the page. MathML is escaped where it is
made, in typeset.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from tinygrad_edu.graph.expression import true_minus

MOST_LINES = 12  # of source, or of a table, at most
COMMENT = re.compile("(?<=  )# .*")  # after code


def step_article(phase: str, title: str, body: str, aside: str = "") -> str:
    """The panel of one step, which is hidden until the page comes to it."""
    chip = "" if phase == "start" else f'<p class="phase">{phase}</p>'
    beside = f"<aside>{aside}</aside>" if aside else ""
    section = f"<section>{chip}<h2>{escape(title)}</h2>{body}</section>"
    return f"<article hidden>{section}{beside}</article>\n"


def element_choice(rows: int, columns: int) -> str:
    """The row and the column of an element, and a place for its sum."""

    def choice(word: str, count: int) -> str:
        last = f'min="0" max="{count - 1}" value="0"'
        return f'<label>{word} <input type="number" {last}></label>'

    which = f"<p>One element: {choice('row', rows)} {choice('column', columns)}</p>"
    return f'<div class="element">{which}<p class="sum" aria-live="polite"></p></div>'


def question_form(step: int, text: str, equation: str, symbol: str, hints: Sequence[str]) -> str:
    """The form of a question: no <form>, which a notebook's sandbox would not let submit."""
    steps = "".join(hint.replace(">", " hidden>", 1) for hint in hints)
    return (
        f'<section class="question" data-step="{step}" hidden><p class="phase">quiz</p>'
        f"<h2>{escape_minus(text)}</h2>{equation}"
        f'<div class="answer"><math displaystyle="true">{symbol}<mo>=</mo></math>'
        '<input type="text" inputmode="decimal" autocomplete="off" aria-label="your answer">'
        '<button class="check">Check</button><button class="hint">Hint</button></div>'
        f'<p class="said" role="status"></p><div class="hints">{steps}</div></section>\n'
    )


def score_line(count: int) -> str:
    """A dot for each question: full if it was answered at once, half with help."""
    return f'<p id="score" hidden>{"<i></i>" * count}<span></span></p>\n'


def code_listing(lines: Sequence[str], kind: str = "code") -> str:
    """Lines of source, or of a table; a comment is set apart."""
    text = escape("\n".join([*lines[:MOST_LINES], *["…"] * (len(lines) > MOST_LINES)]))
    marked = COMMENT.sub(lambda comment: f'<span class="comment">{comment[0]}</span>', text)
    return f'<pre class="{kind}"><code>{marked}</code></pre>'


def figure(word: str, symbol: str, content: str) -> str:
    """A number or an image, with a word and a formula above it."""
    formula = f"<math>{symbol}</math>" if symbol else ""
    return f"<figure><figcaption>{escape(word)}{formula}</figcaption>{content}</figure>"


def escape_minus(text: str) -> str:
    return escape(true_minus(text))


def paragraph(text: str) -> str:
    return f"<p>{escape_minus(text)}</p>"


def note_line(text: str, code: str = "") -> str:
    return f'<p class="note">{escape(text)} <code>{escape(code)}</code></p>'


def ruled_box(content: str) -> str:
    return f'<div class="ruled">{content}</div>'


def math_block(inside: str) -> str:
    return f'<math displaystyle="true">{inside}</math>'


def formula_line(text: str) -> str:
    return f'<p class="formula">{escape_minus(text)}</p>'


def tile_row(parts: Iterable[str]) -> str:
    return f'<div class="row">{"".join(parts)}</div>'


def sign_and_tile(text: str, part: str = "") -> str:
    return f'<div class="then"><span class="sign">{escape(text)}</span>{part}</div>'


def number_span(text: str, kinds: str) -> str:
    return f'<span class="number {kinds}">{escape_minus(text)}</span>'


def scale_span(text: str) -> str:
    return f'<span class="scale">{escape_minus(text)}</span>'


def image_place(key: str, width: float, height: float, words: str) -> str:
    """A place for one of the page's images."""
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return f'<img data-image="{key}" {size} alt="{escape_minus(words)}">'


def page_json(content: Any) -> str:
    """Write JSON that can stand in a page, whatever is in its texts."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    dangerous = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
    return text.translate(dangerous)
