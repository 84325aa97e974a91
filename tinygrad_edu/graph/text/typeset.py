"""How formulas are set in LaTeX and in MathML: signs, words, names and numbers.

A sign is found by an operation's symbol, "{} + {}" or "√{}", not by its name: so your own
operation is set as well as ours. A symbol that the table does not have is set as it stands.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tinygrad_edu.graph.expression import PLUS, TIMES, TO_THE_POWER, name_text, setting_text

if TYPE_CHECKING:
    from tinygrad_edu.graph.text.formula import Formula

LEAF_KINDS = ("name", "number", "text")
NEGATIVE, DIVIDED, MATRIX_PRODUCT, SUMMED = "−{}", "{} / {}", "{} @ {}", "∑ {}"
SQUARE, TWO_TO_THE, TRANSPOSED, DERIVATIVE = "{}²", "2^{}", "{}ᵀ", "∂{} / ∂{}"
SCALED, ELEMENTWISE_PRODUCT = "{} {}", "{} ⊙ {}"  # a product after a number, of arrays

# What binds tighter has a higher level. A part below the level that its place needs stands in
# parentheses; a place that shows where the part ends needs 0.
SUM, SIGN, PRODUCT, MATRICES, POWER, CALL, ATOM = range(1, 8)


@dataclass(frozen=True)
class Sign:
    """How one symbol is set: a format of the parts in each language."""

    level: int
    needs: tuple[int, ...]  # the level that each part needs
    latex: str
    mathml: str
    inline: bool = False  # arithmetic, that may stand within a longer expression


def infix_sign(level: int, left: int, right: int, latex: str, mathml: str) -> Sign:
    in_mathml = f"<mrow>{{}}<mo>{mathml}</mo>{{}}</mrow>"
    return Sign(level, (left, right), f"{{}}{latex}{{}}", in_mathml, inline=True)


def truth_sign(latex: str, mathml: str) -> Sign:
    """Iverson's bracket: 1 where it is true, else 0."""
    in_mathml = f"<mrow><mo>[</mo>{{}}<mo>{mathml}</mo>{{}}<mo>]</mo></mrow>"
    return Sign(ATOM, (SUM, SUM), rf"\left[{{}} {latex} {{}}\right]", in_mathml)


INVISIBLE_TIMES = '<mo>&#x2062;</mo><mspace width="0.17em"/>'  # as wide as LaTeX's thin space
MATHML_T = '<mi mathvariant="normal">T</mi>'
SIGNS = {
    PLUS: infix_sign(SUM, SUM, PRODUCT, " + ", "+"),
    "{} − {}": infix_sign(SUM, SUM, PRODUCT, " - ", "−"),
    NEGATIVE: Sign(SIGN, (PRODUCT,), "-{}", "<mrow><mo>−</mo>{}</mrow>", inline=True),
    "+{}": Sign(SIGN, (PRODUCT,), "+{}", "<mrow><mo>+</mo>{}</mrow>"),
    TIMES: infix_sign(PRODUCT, SIGN, PRODUCT, r" \cdot ", "·"),
    SCALED: Sign(
        PRODUCT, (SIGN, PRODUCT), r"{}\,{}", f"<mrow>{{}}{INVISIBLE_TIMES}{{}}</mrow>", True
    ),  # 2 x, with an invisible ·
    ELEMENTWISE_PRODUCT: infix_sign(PRODUCT, SIGN, PRODUCT, r" \odot ", "⊙"),
    MATRIX_PRODUCT: Sign(
        MATRICES, (MATRICES, POWER), r"{}\,{}", f"<mrow>{{}}{INVISIBLE_TIMES}{{}}</mrow>", True
    ),
    SUMMED: Sign(PRODUCT, (PRODUCT,), r"\sum {}", "<mrow><mo>∑</mo>{}</mrow>", inline=True),
    "{} {}ᵀ + {}": Sign(
        SUM,
        (MATRICES, ATOM, PRODUCT),
        r"{}\,{}^{{\mathsf{{T}}}} + {}",
        f"<mrow>{{}}{INVISIBLE_TIMES}<msup>{{}}{MATHML_T}</msup><mo>+</mo>{{}}</mrow>",
    ),
    DIVIDED: Sign(CALL, (0, 0), r"\frac{{{}}}{{{}}}", "<mfrac>{}{}</mfrac>", inline=True),
    "1 / {}": Sign(CALL, (0,), r"\frac{{1}}{{{}}}", "<mfrac><mn>1</mn>{}</mfrac>"),
    DERIVATIVE: Sign(
        CALL,
        (ATOM, ATOM),
        r"\frac{{\partial {}}}{{\partial {}}}",
        "<mfrac><mrow><mo>∂</mo>{}</mrow><mrow><mo>∂</mo>{}</mrow></mfrac>",
    ),
    TO_THE_POWER: Sign(POWER, (ATOM, 0), "{}^{{{}}}", "<msup>{}{}</msup>", inline=True),
    SQUARE: Sign(POWER, (ATOM,), "{}^{{2}}", "<msup>{}<mn>2</mn></msup>", inline=True),
    TRANSPOSED: Sign(POWER, (ATOM,), r"{}^{{\mathsf{{T}}}}", f"<msup>{{}}{MATHML_T}</msup>"),
    "e^{}": Sign(
        POWER, (0,), r"\mathrm{{e}}^{{{}}}", '<msup><mi mathvariant="normal">e</mi>{}</msup>'
    ),
    TWO_TO_THE: Sign(POWER, (0,), "2^{{{}}}", "<msup><mn>2</mn>{}</msup>"),
    "√{}": Sign(ATOM, (0,), r"\sqrt{{{}}}", "<msqrt>{}</msqrt>"),
    "∛{}": Sign(ATOM, (0,), r"\sqrt[3]{{{}}}", "<mroot>{}<mn>3</mn></mroot>"),
    "|{}|": Sign(ATOM, (0,), r"\left|{}\right|", "<mrow><mo>|</mo>{}<mo>|</mo></mrow>"),
    "⋯": Sign(ATOM, (), r"\cdots", "<mo>⋯</mo>"),
    "{}[{}]": Sign(ATOM, (ATOM, 0), r"{}\left[{}\right]", "<mrow>{}<mo>[</mo>{}<mo>]</mo></mrow>"),
    "[{} > {}]": truth_sign(">", "&gt;"),
    "[{} ≥ {}]": truth_sign(r"\ge", "≥"),
    "[{} = {}]": truth_sign("=", "="),
    "[{} < {}]": truth_sign("<", "&lt;"),
    "[{} ≤ {}]": truth_sign(r"\le", "≤"),
    "[{} ≠ {}]": truth_sign(r"\ne", "≠"),
}
# The functions that LaTeX has a command for
WORDS = {"sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan"}
WORDS |= {"ln", "max", "min"}
CALLED = re.compile(r"([^{}]*)\(((?:\{\}(?:, )?)*)\)", re.DOTALL)  # tanh({}), max({}, {})


def is_in_table(symbol: str) -> bool:
    return symbol in SIGNS


@functools.cache
def sign_of(symbol: str) -> Sign:
    """How a symbol is set: as the table says, as a call, or as it stands."""
    if symbol in SIGNS:
        return SIGNS[symbol]
    called = CALLED.fullmatch(symbol)
    return call_sign(called[1], symbol.count("{}")) if called else literal_sign(symbol)


def call_sign(word: str, count: int) -> Sign:
    """A function with its arguments in parentheses."""
    latex = rf"\{word}" if word in WORDS else GREEK.get(word) or operator_name(word)
    blanks = ["{}"] * count
    return Sign(
        CALL,
        (0,) * count,
        rf"{literally(latex)}\left({', '.join(blanks)}\right)",
        f"<mrow><mi>{literally(escape(name_text(word)))}</mi><mo>&#x2061;</mo>"
        f"<mrow><mo>(</mo>{'<mo>,</mo>'.join(blanks)}<mo>)</mo></mrow></mrow>",
    )


def literal_sign(symbol: str) -> Sign:
    """Set a symbol's text as it stands; sums and products at its ends get parentheses."""
    texts = symbol.split("{}")
    needs = [0] * (len(texts) - 1)
    if not texts[0]:
        needs[0] = CALL
    if not texts[-1]:
        needs[-1] = CALL
    latex = [" ".join(map(escape_latex, text.split(" "))) for text in texts]
    mathml = [f"<mo>{escape(text.strip())}</mo>" if text.strip() else "" for text in texts]
    return Sign(
        SUM if CALL in needs else ATOM,
        tuple(needs),
        "{}".join(map(literally, latex)),
        f"<mrow>{'{}'.join(map(literally, mathml))}</mrow>",
        inline=True,
    )


def literally(text: str) -> str:
    """Double the braces of a text, so that str.format leaves them."""
    return text.replace("{", "{{").replace("}", "}}")


# Formulas


@dataclass(frozen=True)
class Language:
    """What LaTeX and MathML write differently, apart from signs."""

    sign: Callable[[Sign], str]
    leaves: dict[str, Callable[..., str]]  # by the kind of leaf
    enclosed: Callable[[str], str]


def write_formula(f: Formula, language: Language) -> str:
    """Write a formula in a language."""
    if f.kind in LEAF_KINDS:
        return language.leaves[f.kind](f.parts[0])
    sign = formula_sign(f)
    parts = []
    for part, need in zip(f.parts, sign.needs, strict=True):
        text = write_formula(part, language)
        parts.append(text if binding_level(part) >= need else language.enclosed(text))
    return language.sign(sign).format(*parts)


def formula_sign(f: Formula) -> Sign:
    """The sign of a formula: in 2 x there is none, between two arrays it is ⊙, in u · v a dot."""
    if f.kind == MATRIX_PRODUCT and f.parts[0].ndim == f.parts[1].ndim == 1:
        return SIGNS[TIMES]
    if f.kind != TIMES:
        return sign_of(f.kind)
    x, y = f.parts
    if x.kind == "number" and not begins_with_a_number(y):
        return SIGNS[SCALED]
    is_elementwise = x.ndim and y.ndim and y.kind != "number" and x.value.size > 1 < y.value.size
    return SIGNS[ELEMENTWISE_PRODUCT if is_elementwise else TIMES]


def begins_with_a_number(f: Formula) -> bool:
    if f.kind in (TIMES, TO_THE_POWER, SQUARE):
        return begins_with_a_number(f.parts[0])
    if f.kind == "text":
        return bool(f.parts[0][:1].isdigit())
    return f.kind in ("number", TWO_TO_THE)


def binding_level(f: Formula) -> int:
    """How tightly a formula binds: it gets parentheses where a place needs a higher level."""
    if f.kind == "number":
        if f.parts[0] < 0:
            return SIGN
        return PRODUCT if "e" in setting_text(f.parts[0]) else ATOM
    return ATOM if f.kind in LEAF_KINDS else formula_sign(f).level


# Names and numbers

GREEK_NAMES = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "upsilon",
    "phi",
    "chi",
    "psi",
    "omega",
    "Gamma",
    "Delta",
    "Theta",
    "Lambda",
    "Xi",
    "Pi",
    "Sigma",
    "Upsilon",
    "Phi",
    "Psi",
    "Omega",
]
GREEK_LETTERS = dict(zip(GREEK_NAMES, "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", strict=True))
GREEK = {letter: rf"\{name}" for name, letter in GREEK_LETTERS.items()}
ESCAPES = {
    "\\": r"\backslash ",
    "^": r"\wedge ",
    "~": r"\sim ",
    " ": r"\ ",
    "-": r"\text{-}",
    "<": "{<}",
    ">": "{>}",
}
# in math mode, for TeX, MathJax and KaTeX alike
ESCAPES |= {character: f"\\{character}" for character in "{}$&#%_"}


def split_digits(name: str) -> tuple[str, str]:
    """Split w1 and w_1 into w and 1; write sigma as σ."""
    found = re.fullmatch(r"(.*[^\d\W_])_?([0-9]+)", name_text(name))
    base, digits = found.groups() if found else (name_text(name), "")
    return GREEK_LETTERS.get(base, base), digits


def latex_name(name: str) -> str:
    base, digits = split_digits(name)
    is_letter = re.fullmatch("[A-Za-z]", base)
    symbol = base if is_letter else GREEK.get(base) or rf"\mathrm{{{escape_latex(base)}}}"
    return f"{symbol}_{{{digits}}}" if digits else symbol


def mathml_name(name: str) -> str:
    base, digits = split_digits(name)
    symbol = f"<mi>{escape(base)}</mi>"
    return f"<msub>{symbol}<mn>{digits}</mn></msub>" if digits else symbol


def operator_name(word: str) -> str:
    return rf"\operatorname{{{escape_latex(name_text(word))}}}"


def escape_latex(text: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in text)


def number_in_words(x: float, power: str, infinity: str, nan: str) -> str:
    """Write a number with 4 digits, 1e-9 as a product with a power of ten."""
    digits, _, exponent = setting_text(x).partition("e")
    digits = digits.replace("inf", infinity).replace("nan", nan)
    return digits + (power.format(exponent) if exponent else "")


def latex_number(x: float) -> str:
    return number_in_words(x, r" \cdot 10^{{{}}}", r"\infty", r"\mathrm{NaN}")


def mathml_number(x: float) -> str:
    power = "</mn><mo>·</mo><msup><mn>10</mn><mn>{}</mn></msup>"
    text = number_in_words(x, power, "∞", "NaN").replace("-", "−")
    return f"<mrow><mn>{text}</mrow>" if "<" in text else f"<mn>{text}</mn>"


LATEX = Language(
    sign=lambda sign: sign.latex,
    leaves={
        "name": latex_name,
        "number": latex_number,
        "text": lambda text: rf"\mathtt{{{escape_latex(text)}}}",
    },
    enclosed=lambda text: rf"\left({text}\right)",
)
MATHML = Language(
    sign=lambda sign: sign.mathml,
    leaves={
        "name": mathml_name,
        "number": mathml_number,
        "text": lambda text: f"<mtext>{escape(text)}</mtext>",
    },
    enclosed=lambda text: f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>",
)
