"""A formula as a small tree, which writes itself as LaTeX and as MathML.

NumPy's functions build it: `1 - z * z` of a formula z is a formula. So a partial of derivatives.py,
called with formulas in place of arrays, writes down its own derivative. Each formula knows its
value too: code that asks for shapes, or chooses between two cases, gets on with the numbers that
were recorded, and the formula is that of the case that was taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_edu.core.engine import Array
from tinygrad_edu.graph.expression import name_text, setting_text


@dataclass(frozen=True, eq=False, repr=False)
class Formula(NDArrayOperatorsMixin):
    """A name, a number, some text, or an operation on formulas, with its value.

    >>> x = Formula("name", ("x1", "n0"), np.array(3.0))
    >>> ((1 - x * x) / np.sqrt(x)).latex
    '\\\\frac{1 - x_{1}^{2}}{\\\\sqrt{x_{1}}}'
    """

    # name, number, text, or what an operation is called: NOTATIONS has those that are no function
    # call
    kind: str
    parts: tuple[Any, ...]  # of a name, the name and the id of its node
    value: Array

    @property
    def latex(self) -> str:
        return write_formula(self, LATEX)

    @property
    def mathml(self) -> str:
        return write_formula(self, MATHML)  # to stand within <math>

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return int(self.value.ndim)

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def mT(self) -> Formula:
        return Formula("transposed", (self,), self.value.mT)

    @property
    def T(self) -> Formula:
        return Formula("transposed", (self,), self.value.T)

    def astype(self, dtype: Any) -> Formula:
        return with_value(self, self.value.astype(dtype))

    def reshape(self, *shape: Any) -> Formula:
        return with_value(self, self.value.reshape(*shape))

    def __getitem__(self, index: Any) -> Formula:
        items = index if isinstance(index, tuple) else (index,)
        if any(i not in (None, Ellipsis, slice(None)) for i in items):
            raise TypeError("only new axes have a formula")
        return with_value(self, self.value[index])

    def sum(self, axis: Any = None, keepdims: Any = False) -> Formula:
        return Formula("sum", (self,), np.asarray(self.value.sum(axis=axis, keepdims=keepdims)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        parts = tuple(map(as_formula, args))
        with np.errstate(all="ignore"):
            value = np.asarray(ufunc(*[part.value for part in parts]))
        if value.dtype.kind == "b" and ufunc.__name__ not in NOTATIONS:
            return truth_formula(value)
        return simplify(Formula(ufunc.__name__, parts, value))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](*args, **options)


def as_formula(x: Any) -> Formula:
    """x itself, or a number as a formula."""
    if isinstance(x, Formula):
        return x
    if np.ndim(x):
        raise TypeError("an array has no formula but its name")
    return Formula("number", (float(x),), np.asarray(x))


def with_value(f: Formula, value: Array) -> Formula:
    """The same formula of an array in another shape or type, which formulas don't show."""
    return Formula(f.kind, f.parts, value)


def truth_formula(value: Array) -> Formula:
    """1 or 0: which case it is, of those that a partial tells apart."""
    if value.any() != value.all():
        raise TypeError("some elements are one case, some the other")
    return Formula("number", (float(value.all()),), value)


def where_formula(condition: Any, x: Any, y: Any) -> Formula:
    """The case that the numbers take."""
    chosen = condition.value if isinstance(condition, Formula) else np.asarray(condition)
    if chosen.any() != chosen.all():
        raise TypeError("some elements take one case, some the other")
    return as_formula(x if chosen.all() else y)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where_formula,
    np.all: lambda x: x.value.all(),
    np.sum: Formula.sum,
    np.broadcast_to: lambda x, shape: with_value(x, np.broadcast_to(x.value, shape)),
    np.expand_dims: lambda x, axis: with_value(x, np.expand_dims(x.value, axis)),
}


# What is written shorter: 1 x as x, x x as x²


def simplify(f: Formula) -> Any:
    """The same without factors of 1, signs in front; numbers are worked out."""
    if (
        all(part.kind == "number" for part in f.parts)
        and f.value.dtype.kind == "f"
        and f.value.size
    ):
        return Formula(
            "number", (float(f.value.flat[0]),), f.value
        )  # all its elements are the same
    if f.kind == "multiply":
        return with_value(simplify_product(*f.parts), f.value)
    if f.kind == "add" and same_formula(*f.parts):
        return 2 * f.parts[0]
    if f.kind in ("divide", "power") and is_the_number(f.parts[1], 1):
        return with_value(f.parts[0], f.value)
    if f.kind == "matmul" and is_the_number(f.parts[0], 1) and f.parts[0].value.size == 1:
        return with_value(f.parts[1], f.value)
    if f.kind == "matmul" and is_the_number(f.parts[1], 1) and f.parts[1].value.size == 1:
        return with_value(f.parts[0], f.value)
    if f.kind == "divide" and f.parts[0].kind == "negative":
        return -(f.parts[0].parts[0] / f.parts[1])
    if f.kind == "divide" and is_the_number(f.parts[0], -1):
        return -(1 / f.parts[1])
    if f.kind == "negative" and f.parts[0].kind == "negative":
        return with_value(f.parts[0].parts[0], f.value)
    return f


def simplify_product(x: Formula, y: Formula) -> Any:
    if is_the_number(x, 1):
        return y
    if is_the_number(y, 1):
        return x
    if is_the_number(x, -1):
        return -y
    if x.kind == "negative":
        return -(x.parts[0] * y)
    if y.kind == "negative":
        return -(x * y.parts[0])
    if same_formula(x, y):
        return x**2
    if y.kind == "divide" and is_the_number(y.parts[0], 1):
        return x / y.parts[1]
    if x.kind == "multiply" and same_formula(x.parts[1], y):
        return x.parts[0] * y**2
    with np.errstate(all="ignore"):
        return Formula("multiply", (x, y), np.asarray(x.value * y.value))


def is_the_number(x: Formula, number: float) -> bool:
    return x.kind == "number" and x.parts[0] == number


def same_formula(x: Formula, y: Formula) -> bool:
    """Whether two formulas say the same of the same values."""
    if x.kind != y.kind or len(x.parts) != len(y.parts):
        return False
    return x.parts == y.parts if x.kind in LEAF_KINDS else all(map(same_formula, x.parts, y.parts))


def count_signs(f: Formula) -> int:
    return 1 if f.kind in LEAF_KINDS else 1 + sum(map(count_signs, f.parts))


def is_factor(g: Formula, f: Formula) -> bool:
    """Whether f is g times something, or by something, in which g is not."""
    if f.kind == "negative":
        return is_factor(g, f.parts[0])
    if f.kind == "divide":
        return is_factor(g, f.parts[0]) and not contains(f.parts[1], g)
    if f.kind != "multiply":
        return same_formula(f, g)
    x, y = f.parts
    return (is_factor(g, x) and not contains(y, g)) or (is_factor(g, y) and not contains(x, g))


def contains(f: Formula, g: Formula) -> bool:
    return same_formula(f, g) or (
        f.kind not in LEAF_KINDS and any(contains(part, g) for part in f.parts)
    )


# How it is written. Levels say what binds tighter: a part below the level that its place needs
# stands in parentheses

SUM, NEGATIVE, PRODUCT, MATRICES, POWER, CALL, ATOM = range(1, 8)
LEAF_KINDS = ("name", "number", "text")


@dataclass(frozen=True)
class Notation:
    level: int
    needs: tuple[
        int, ...
    ]  # the level that each part needs; 0 where the notation itself shows where the part ends
    latex: str
    mathml: str


def infix_notation(level: int, left: int, right: int, latex: str, mathml: str) -> Notation:
    return Notation(
        level, (left, right), f"{{}}{latex}{{}}", f"<mrow>{{}}<mo>{mathml}</mo>{{}}</mrow>"
    )


def truth_notation(latex: str, mathml: str) -> Notation:
    """Iverson's bracket: 1 where it is true, else 0."""
    return Notation(
        ATOM,
        (SUM, SUM),
        rf"\left[{{}} {latex} {{}}\right]",
        f"<mrow><mo>[</mo>{{}}<mo>{mathml}</mo>{{}}<mo>]</mo></mrow>",
    )


# an invisible ·, and the width of LaTeX's thin space
BESIDE = '<mo>&#x2062;</mo><mspace width="0.17em"/>'
NOTATIONS = {
    "add": infix_notation(SUM, SUM, PRODUCT, " + ", "+"),
    "subtract": infix_notation(SUM, SUM, PRODUCT, " - ", "−"),
    "negative": Notation(NEGATIVE, (PRODUCT,), "-{}", "<mrow><mo>−</mo>{}</mrow>"),
    "positive": Notation(NEGATIVE, (PRODUCT,), "+{}", "<mrow><mo>+</mo>{}</mrow>"),
    "multiply": infix_notation(PRODUCT, NEGATIVE, PRODUCT, r" \cdot ", "·"),
    "scale": infix_notation(
        PRODUCT, NEGATIVE, PRODUCT, r"\,", "&#x2062;"
    ),  # 2 x, with an invisible ·
    "elementwise": infix_notation(PRODUCT, NEGATIVE, PRODUCT, r" \odot ", "⊙"),
    "matmul": Notation(MATRICES, (MATRICES, POWER), r"{}\,{}", f"<mrow>{{}}{BESIDE}{{}}</mrow>"),
    "sum": Notation(PRODUCT, (PRODUCT,), r"\sum {}", "<mrow><mo>∑</mo>{}</mrow>"),
    "linear": Notation(
        SUM,
        (MATRICES, ATOM, PRODUCT),
        r"{}\,{}^{{\mathsf{{T}}}} + {}",
        f'<mrow>{{}}{BESIDE}<msup>{{}}<mi mathvariant="normal">T</mi></msup><mo>+</mo>{{}}</mrow>',
    ),
    "divide": Notation(CALL, (0, 0), r"\frac{{{}}}{{{}}}", "<mfrac>{}{}</mfrac>"),
    "reciprocal": Notation(CALL, (0,), r"\frac{{1}}{{{}}}", "<mfrac><mn>1</mn>{}</mfrac>"),
    "derivative": Notation(
        CALL,
        (ATOM, ATOM),
        r"\frac{{\partial {}}}{{\partial {}}}",
        "<mfrac><mrow><mo>∂</mo>{}</mrow><mrow><mo>∂</mo>{}</mrow></mfrac>",
    ),
    "power": Notation(POWER, (ATOM, 0), "{}^{{{}}}", "<msup>{}{}</msup>"),
    "square": Notation(POWER, (ATOM,), "{}^{{2}}", "<msup>{}<mn>2</mn></msup>"),
    "transposed": Notation(
        POWER, (ATOM,), r"{}^{{\mathsf{{T}}}}", '<msup>{}<mi mathvariant="normal">T</mi></msup>'
    ),
    "exp": Notation(
        POWER, (0,), r"\mathrm{{e}}^{{{}}}", '<msup><mi mathvariant="normal">e</mi>{}</msup>'
    ),
    "exp2": Notation(POWER, (0,), "2^{{{}}}", "<msup><mn>2</mn>{}</msup>"),
    "sqrt": Notation(ATOM, (0,), r"\sqrt{{{}}}", "<msqrt>{}</msqrt>"),
    "cbrt": Notation(ATOM, (0,), r"\sqrt[3]{{{}}}", "<mroot>{}<mn>3</mn></mroot>"),
    "absolute": Notation(ATOM, (0,), r"\left|{}\right|", "<mrow><mo>|</mo>{}<mo>|</mo></mrow>"),
    "dots": Notation(ATOM, (), r"\cdots", "<mo>⋯</mo>"),
    "getitem": Notation(
        ATOM, (ATOM, 0), r"{}\left[{}\right]", "<mrow>{}<mo>[</mo>{}<mo>]</mo></mrow>"
    ),
    "greater": truth_notation(">", "&gt;"),
    "greater_equal": truth_notation(r"\ge", "≥"),
    "equal": truth_notation("=", "="),
    "less": truth_notation("<", "&lt;"),
    "less_equal": truth_notation(r"\le", "≤"),
    "not_equal": truth_notation(r"\ne", "≠"),
}
DOTS_FORMULA = Formula("dots", (), np.zeros(()))
SYMBOLS = {
    name: (rf"\{name}", name)
    for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan")
}
SYMBOLS |= {
    "log": (r"\ln", "ln"),
    "sigmoid": (r"\sigma", "σ"),
    "maximum": (r"\max", "max"),
    "minimum": (r"\min", "min"),
}


@dataclass(frozen=True)
class Language:
    """How LaTeX or MathML writes what has no notation above."""

    template: Callable[[Notation], str]
    name: Callable[[str], str]
    number: Callable[[float], str]
    text: Callable[[str], str]
    enclosed: Callable[[str], str]
    call: Callable[[str, list[str]], str]


def write_formula(f: Formula, language: Language) -> str:
    """A formula as text of the language."""
    if f.kind in LEAF_KINDS:
        return getattr(language, f.kind)(f.parts[0])  # type: ignore[no-any-return]
    notation = notation_of(f)
    needs = notation.needs if notation else (0,) * len(f.parts)
    parts = [
        text if binding_level(part) >= need else language.enclosed(text)
        for part, need, text in zip(
            f.parts, needs, [write_formula(part, language) for part in f.parts], strict=True
        )
    ]
    return language.template(notation).format(*parts) if notation else language.call(f.kind, parts)


def notation_of(f: Formula) -> Notation | None:
    """None for a function with its arguments in parentheses."""
    kind = f.kind
    if kind == "multiply":
        x, y = f.parts
        if x.kind == "number" and not begins_with_a_number(y):
            kind = "scale"
        elif x.ndim and y.ndim and y.kind != "number":
            kind = "elementwise"
    notation = NOTATIONS.get(kind)
    return notation if notation and len(notation.needs) == len(f.parts) else None


def begins_with_a_number(f: Formula) -> bool:
    return f.kind in ("number", "exp2") or (
        f.kind in ("multiply", "power", "square") and begins_with_a_number(f.parts[0])
    )


def binding_level(f: Formula) -> int:
    if f.kind == "number":
        return NEGATIVE if f.parts[0] < 0 else PRODUCT if "e" in setting_text(f.parts[0]) else ATOM
    if f.kind in LEAF_KINDS:
        return ATOM
    notation = notation_of(f)
    return notation.level if notation else CALL


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
ESCAPES |= {
    character: f"\\{character}" for character in "{}$&#%_"
}  # in math mode, for TeX, MathJax and KaTeX alike


def split_digits(name: str) -> tuple[str, str]:
    """w1 and w_1 as w and 1; sigma as σ."""
    found = re.fullmatch(r"(.*[^\d\W_])_?([0-9]+)", name_text(name))
    base, digits = found.groups() if found else (name_text(name), "")
    return GREEK_LETTERS.get(base, base), digits


def latex_name(name: str) -> str:
    base, digits = split_digits(name)
    letter = (
        base
        if re.fullmatch("[A-Za-z]", base)
        else GREEK.get(base) or rf"\mathrm{{{escape_latex(base)}}}"
    )
    return f"{letter}_{{{digits}}}" if digits else letter


def mathml_name(name: str) -> str:
    base, digits = split_digits(name)
    return (
        f"<msub><mi>{escape(base)}</mi><mn>{digits}</mn></msub>"
        if digits
        else f"<mi>{escape(base)}</mi>"
    )


def escape_latex(text: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in text)


def number_in_words(x: float, power: str, infinity: str, nan: str) -> str:
    """1e-9 as a product with a power of ten."""
    digits, _, exponent = setting_text(x).partition("e")
    return digits.replace("inf", infinity).replace("nan", nan) + (
        power.format(exponent) if exponent else ""
    )


def mathml_number(x: float) -> str:
    text = number_in_words(
        x, "</mn><mo>·</mo><msup><mn>10</mn><mn>{}</mn></msup>", "∞", "NaN"
    ).replace("-", "−")
    return f"<mrow><mn>{text}</mrow>" if "<" in text else f"<mn>{text}</mn>"


def latex_call(name: str, parts: list[str]) -> str:
    function = (
        SYMBOLS[name][0]
        if name in SYMBOLS
        else rf"\operatorname{{{escape_latex(name_text(name))}}}"
    )
    return rf"{function}\left({', '.join(parts)}\right)"


def mathml_call(name: str, parts: list[str]) -> str:
    function = SYMBOLS[name][1] if name in SYMBOLS else escape(name_text(name))
    inside = "<mo>,</mo>".join(parts)
    return f"<mrow><mi>{function}</mi><mo>&#x2061;</mo><mrow><mo>(</mo>{inside}<mo>)</mo></mrow></mrow>"


LATEX = Language(
    template=lambda notation: notation.latex,
    name=latex_name,
    call=latex_call,
    number=lambda x: number_in_words(x, r" \cdot 10^{{{}}}", r"\infty", r"\mathrm{NaN}"),
    text=lambda text: rf"\mathtt{{{escape_latex(text)}}}",
    enclosed=lambda text: rf"\left({text}\right)",
)
MATHML = Language(
    template=lambda notation: notation.mathml,
    name=mathml_name,
    call=mathml_call,
    number=mathml_number,
    text=lambda text: f"<mtext>{escape(text)}</mtext>",
    enclosed=lambda text: f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>",
)
