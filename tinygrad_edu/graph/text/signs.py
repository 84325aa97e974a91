"""Plain signs for a terminal that can't print the others: dy/dx for ∂y/∂x.

A terminal of Windows may have 256 signs, and one without a language 128. What it has is printed as
it is.
"""

from __future__ import annotations

import codecs
import sys
import unicodedata

PLAIN_SIGNS = "plain signs"  # as errors= for str.encode, and for a stream
# fmt: off
PLAIN = {
    "∂": "d", "−": "-", "×": "*", "·": "*", "⊙": "*", "→": "->", "←": "<-", "↦": "->",
    "…": "...", "⋯": "...", "′": "'", "″": "''", "‴": "'''", "≤": "<=", "≥": ">=", "≠": "!=",
    "±": "+-", "√": "sqrt", "∛": "cbrt", "∇": "grad ", "∞": "inf", "Σ": "sum", "∑": "sum",
    "∏": "prod", "∫": "integral ", "‖": "||", "⌊": "floor(", "⌋": ")", "½": "1/2", "∘": "o",
    "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "✓": "ok", "✗": "no", "†": "+",
}
# fmt: on


def plain_sign(sign: str) -> str:
    """x² ↦ x^2, α₁ ↦ alpha1, é ↦ e; ? for what has no plain sign.

    >>> "".join(map(plain_sign, "∂α₁/∂x²"))
    'dalpha1/dx^2'
    """
    if sign.isascii():
        return sign
    if sign in PLAIN:
        return PLAIN[sign]
    name = unicodedata.name(sign, "")
    if name.startswith(("GREEK SMALL LETTER ", "GREEK CAPITAL LETTER ")):
        letter = name.split()[3]
        return letter.lower() if "SMALL" in name else letter.capitalize()
    kind, _, rest = unicodedata.decomposition(sign).partition(" ")
    parts = rest if kind.startswith("<") else f"{kind} {rest}"
    found = "".join(plain_sign(chr(int(part, 16))) for part in parts.split())
    if unicodedata.combining(sign):
        return ""
    return f"^{found}" if kind == "<super>" else found or "?"


def plain_signs(error: UnicodeError) -> tuple[str, int]:
    """What is encoded in place of signs that the encoding lacks: a handler of Python's codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(map(plain_sign, error.object[error.start : error.end]))
    return text.replace("^-^", "^-"), error.end  # x⁻¹ is x^-1


codecs.register_error(PLAIN_SIGNS, plain_signs)


def printable(text: str) -> str:
    """The text, with plain signs for those that can't be printed now."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, PLAIN_SIGNS).decode(encoding)
