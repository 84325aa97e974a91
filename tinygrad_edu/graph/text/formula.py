"""A formula as a small tree, which writes itself as LaTeX and as MathML.

NumPy's functions build it: `1 - z * z` of a formula z is a formula. So a partial of derivatives.py,
called with formulas in place of arrays, writes down its own derivative. Each formula knows its
value too: a partial that asks for a shape, or chooses between two cases, goes on with the numbers
that were recorded, and the formula is that of the case that was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_edu.core.arraylike import REGISTRY, Array
from tinygrad_edu.core.engine import Operation
from tinygrad_edu.graph.expression import PLUS, TIMES, TO_THE_POWER
from tinygrad_edu.graph.text.typeset import (
    DIVIDED,
    LATEX,
    LEAF_KINDS,
    MATHML,
    MATRIX_PRODUCT,
    NEGATIVE,
    SUMMED,
    TRANSPOSED,
    is_in_table,
    write_formula,
)


@dataclass(frozen=True, eq=False, repr=False)
class Formula(NDArrayOperatorsMixin):
    """A name, a number, some text, or an operation on formulas, with its value.

    >>> x = Formula("name", ("x1", "n0"), np.array(3.0))
    >>> ((1 - x * x) / np.sqrt(x)).latex
    '\\\\frac{1 - x_{1}^{2}}{\\\\sqrt{x_{1}}}'
    """

    kind: str  # name, number, text, or how it is written, with a blank for each part: {} + {}
    parts: tuple[Any, ...]  # of a name, the name and the id of its node
    value: Array
    stands_as: str = ""  # a number, or a vector as a row or a column, that was given more axes

    @property
    def latex(self) -> str:
        return write_formula(self, LATEX)

    @property
    def mathml(self) -> str:
        """MathML that stands within <math>."""
        return write_formula(self, MATHML)

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
        if self.stands_as:
            turned = {"row": "column", "column": "row"}.get(self.stands_as, self.stands_as)
            return replace(self, value=self.value.mT, stands_as=turned)
        return Formula(TRANSPOSED, (self,), self.value.mT)

    @property
    def T(self) -> Formula:
        if self.stands_as:
            return self.mT
        return Formula(TRANSPOSED, (self,), self.value.T)

    def astype(self, dtype: Any) -> Formula:
        return with_value(self, self.value.astype(dtype))

    def reshape(self, *shape: Any) -> Formula:
        found = with_value(self, self.value.reshape(*shape))
        is_row = self.ndim == 1 and found.shape == (1, *self.shape)
        return replace(found, stands_as="row") if is_row else found

    def __getitem__(self, index: Any) -> Formula:
        items = index if isinstance(index, tuple) else (index,)
        if items == (Ellipsis, 0) and self.stands_as in ("number", "column"):
            return with_value(self, self.value[index])  # the vector itself again
        if any(i not in (None, Ellipsis, slice(None)) for i in items):
            raise TypeError("only new axes have a formula")
        stands_as = "column" if items[-1] is None else "row" if None in items else ""
        if not self.ndim or self.stands_as == "number":
            stands_as = "number"
        return replace(self, value=self.value[index], stands_as=stands_as)

    def sum(self, axis: Any = None, keepdims: Any = False) -> Formula:
        return Formula(SUMMED, (self,), np.asarray(self.value.sum(axis=axis, keepdims=keepdims)))

    def __bool__(self) -> bool:
        return bool(self.value)

    # x -= y makes another formula, and changes none
    __iadd__ = NDArrayOperatorsMixin.__add__
    __isub__ = NDArrayOperatorsMixin.__sub__
    __imul__ = NDArrayOperatorsMixin.__mul__
    __itruediv__ = NDArrayOperatorsMixin.__truediv__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        parts = tuple(map(to_formula, args))
        with np.errstate(all="ignore"):
            value = np.asarray(ufunc(*[part.value for part in parts]))
        if value.dtype.kind == "b" and ufunc not in TRUTHS:
            return truth_formula(value)
        if ufunc is np.matmul:
            return matrix_product(parts[0], parts[1], value)
        return simplify(Formula(ufunc_template(ufunc, len(parts)), parts, value))

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if function not in FUNCTIONS:
            return NotImplemented
        return FUNCTIONS[function](*args, **options)


DOTS_FORMULA = Formula("⋯", (), np.zeros(()))

# How an operation is written


def operation_template(operation: Operation, count: int) -> str:
    """How an operation on so many parts is written, with a blank for each: {} + {}, tanh({}).

    It is written as a call where its symbol has not that many blanks.
    """
    written = textbook_symbol(operation)
    return written if written.count("{}") == count else call_template(operation.name, count)


def textbook_symbol(operation: Operation) -> str:
    """How textbooks write an operation; "" if they write it as a call."""
    facts = operation.facts
    return str(facts.get("notation") or facts.get("symbol") or "")


def call_template(name: str, count: int) -> str:
    """Write a call with a blank for each argument: f({}, {})."""
    return f"{name}({', '.join(['{}'] * count)})"


TRUTHS: dict[np.ufunc, str] = {
    np.greater: "[{} > {}]",
    np.greater_equal: "[{} ≥ {}]",
    np.equal: "[{} = {}]",
    np.less: "[{} < {}]",
    np.less_equal: "[{} ≤ {}]",
    np.not_equal: "[{} ≠ {}]",
}  # not operations: they have no derivative. Iverson's brackets are 1 where true, else 0


def ufunc_template(ufunc: np.ufunc, count: int) -> str:
    """How NumPy's function is written."""
    known = REGISTRY.get(ufunc)
    if isinstance(known, Operation):
        return operation_template(known, count)
    return TRUTHS.get(ufunc) or call_template(ufunc.__name__, count)


# What stands in for NumPy's functions


def to_formula(x: Any) -> Formula:
    """x itself if it is a formula, else the number x as one."""
    if isinstance(x, Formula):
        return x
    if np.ndim(x):
        raise TypeError("an array has no formula but its name")
    return Formula("number", (float(x),), np.asarray(x))


def with_value(f: Formula, value: Any) -> Formula:
    """The same formula for an array of another shape or dtype, which formulas don't show."""
    return Formula(f.kind, f.parts, np.asarray(value))


def truth_formula(value: Array) -> Formula:
    """Write a comparison as 1 or 0; TypeError if it is true for some elements only."""
    if value.any() != value.all():
        raise TypeError("some elements are one case, some the other")
    return Formula("number", (float(value.all()),), value)


def where_formula(condition: Any, x: Any, y: Any) -> Formula:
    """Stand in for np.where: x if the condition holds for all elements, y if for none."""
    chosen = condition.value if isinstance(condition, Formula) else np.asarray(condition)
    if chosen.any() != chosen.all():
        raise TypeError("some elements take one case, some the other")
    return to_formula(x if chosen.all() else y)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where_formula,
    np.all: lambda x: x.value.all(),
    np.sum: Formula.sum,
    np.broadcast_to: lambda x, shape: with_value(x, np.broadcast_to(x.value, shape)),
    np.expand_dims: lambda x, axis: with_value(x, np.expand_dims(x.value, axis)),
}


def matrix_product(x: Formula, y: Formula, value: Array) -> Formula:
    """Write a product as textbooks do by rank: number · vector, u vᵀ, A v, A B."""
    if "number" in (x.stands_as, y.stands_as):
        number, other = (x, y) if x.stands_as == "number" else (y, x)
        found = simplify(Formula(TIMES, (with_value(number, number.value), other), value))
        return replace(found, value=value, stands_as=other.stands_as)
    if (x.stands_as, y.stands_as) == ("column", "row"):
        turned = Formula(TRANSPOSED, (y,), y.value)
        return simplify(Formula(MATRIX_PRODUCT, (x, turned), value))
    stands_as = y.stands_as if y.stands_as == "column" else x.stands_as
    found = simplify(Formula(MATRIX_PRODUCT, (x, y), value))
    return replace(found, stands_as=stands_as if stands_as in ("row", "column") else "")


# What is written shorter: 1 x as x, x x as x²


def simplify(f: Formula) -> Formula:
    """Write a formula without factors of 1 and with signs in front; work numbers out."""
    numbers = all(part.kind == "number" for part in f.parts)
    if numbers and f.value.dtype.kind == "f" and f.value.size:
        return Formula("number", (float(f.value.flat[0]),), f.value)  # all elements are the same
    found = SIMPLER[f.kind](*f.parts) if f.kind in SIMPLER else None
    return f if found is None else with_value(found, f.value)


def simplify_product(x: Formula, y: Formula) -> Formula:
    if is_the_number(x, 1):
        return y
    if is_the_number(y, 1):
        return x
    if is_the_number(x, -1):
        return negated(y)
    if x.kind == NEGATIVE:
        return negated(x.parts[0] * y)
    if y.kind == NEGATIVE:
        return negated(x * y.parts[0])
    if same_formula(x, y):
        return to_formula(x**2)
    if y.kind == DIVIDED and is_the_number(y.parts[0], 1):
        return to_formula(x / y.parts[1])
    if x.kind == TIMES and same_formula(x.parts[1], y):
        return to_formula(x.parts[0] * y**2)
    with np.errstate(all="ignore"):
        return Formula(TIMES, (x, y), np.asarray(x.value * y.value))


def simplify_quotient(x: Formula, y: Formula) -> Formula | None:
    if is_the_number(y, 1):
        return x
    if x.kind == NEGATIVE:
        return negated(x.parts[0] / y)
    return negated(1 / y) if is_the_number(x, -1) else None


def simplify_matrix_product(x: Formula, y: Formula) -> Formula | None:
    if is_the_number(x, 1) and x.value.size == 1:
        return y
    return x if is_the_number(y, 1) and y.value.size == 1 else None


SIMPLER: dict[str, Callable[..., Formula | None]] = {
    TIMES: simplify_product,
    PLUS: lambda x, y: to_formula(2 * x) if same_formula(x, y) else None,
    DIVIDED: simplify_quotient,
    TO_THE_POWER: lambda x, y: x if is_the_number(y, 1) else None,
    MATRIX_PRODUCT: simplify_matrix_product,
    NEGATIVE: lambda x: x.parts[0] if x.kind == NEGATIVE else None,
}


def negated(f: Any) -> Formula:
    return to_formula(-f)


def is_the_number(x: Formula, number: float) -> bool:
    return x.kind == "number" and x.parts[0] == number


def same_formula(x: Formula, y: Formula) -> bool:
    """Whether two formulas say the same of the same values."""
    if x.kind != y.kind or len(x.parts) != len(y.parts):
        return False
    return x.parts == y.parts if x.kind in LEAF_KINDS else all(map(same_formula, x.parts, y.parts))


# What is asked of a formula


def count_signs(f: Formula) -> int:
    """How many names, numbers and signs it has."""
    return 1 if f.kind in LEAF_KINDS else 1 + sum(map(count_signs, f.parts))


def is_factor(g: Formula, f: Formula) -> bool:
    """Whether f is ±g, perhaps multiplied or divided by something that does not contain g."""
    if f.kind == NEGATIVE:
        return is_factor(g, f.parts[0])
    if f.kind == DIVIDED:
        return is_factor(g, f.parts[0]) and not contains(f.parts[1], g)
    if f.kind != TIMES:
        return same_formula(f, g)
    x, y = f.parts
    return (is_factor(g, x) and not contains(y, g)) or (is_factor(g, y) and not contains(x, g))


def contains(f: Formula, g: Formula) -> bool:
    if same_formula(f, g):
        return True
    return f.kind not in LEAF_KINDS and any(contains(part, g) for part in f.parts)


def has_notation(f: Formula) -> bool:
    """Whether all truth values in it are comparisons: no others can be written."""
    if f.kind in LEAF_KINDS:
        return True
    is_written = f.value.dtype.kind != "b" or is_in_table(f.kind)
    return is_written and all(map(has_notation, f.parts))
