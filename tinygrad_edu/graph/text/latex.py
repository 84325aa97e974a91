"""latex: a computation and its chain rule as equations, in the notation of textbooks."""

from __future__ import annotations

import functools
import operator
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.graph.read import Edge, Graph, Node, no_tensor, own_name, read, values_behind
from tinygrad_edu.graph.text.calculus import (
    derivative_formula,
    name_formulas,
    right_side,
    share_formula,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import (
    DOTS_FORMULA,
    Formula,
    count_signs,
    same_formula,
    textbook_symbol,
    to_formula,
    with_value,
)
from tinygrad_edu.graph.text.paths import paths_to
from tinygrad_edu.graph.text.signs import printable
from tinygrad_edu.graph.text.typeset import DERIVATIVE, sign_of

MOST_WRITTEN = 400  # nodes: more would fill a book
MOST_WAYS, LONGEST_WAY = 4, 12  # to a parameter, that are still written out as products
MOST_TERMS = 6  # of a sum: of more the middle is left out
MOST_SIGNS = 10  # names, numbers and signs of an expression that may stand within another

Row = tuple[Formula, Sequence[Formula]]  # x = y = z
Way = tuple[str, ...]  # the ids of the values on it


@dataclass(frozen=True, eq=False, repr=False)
class Formulas:
    """Equations, as LaTeX for a document and as MathML for a page. A notebook shows them."""

    latex: str
    mathml: str

    def __repr__(self) -> str:
        return printable(self.latex)

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"


def latex(output: Tensor) -> Formulas:
    """Write the equations that a Tensor was computed by, and the chain rule for its parameters.

    A parameter gets one product for each path to it. With arrays, or many paths, each value gets
    an equation for what it receives. w1 is written w₁, alpha α. Names are read off the caller's
    variables; a value without a name is z₁, z₂ … or stands where it is used.

    >>> w, a = Tensor(3.0, requires_grad=True), Tensor(2.0)
    >>> print(latex(w * a).latex.splitlines()[2])
      \\frac{\\partial z_{1}}{\\partial w} &= a
    """
    if not isinstance(output, Tensor):
        raise no_tensor("latex", output)
    if (count := len(values_behind(output))) > MOST_WRITTEN:
        raise ValueError(
            f"the graph has {count} nodes, and more than {MOST_WRITTEN} are not written out: take "
            "a smaller case (fewer steps, fewer elements), or an earlier value of the same "
            "computation"
        )
    variables = sys._getframe(1).f_locals
    graph = read(output, variables)
    equations = Equations(graph, unnamed_values(graph, output, variables))
    rows = [*equations.forward(), *equations.backward()]
    rows = [row for row in rows if not same_formula(row[0], row[1][0])]  # x = x
    return Formulas(aligned_latex(rows), table_mathml(rows))


def aligned_latex(rows: Sequence[Row]) -> str:
    lines = [
        f"  {start.latex if i == 0 else ''} &= {right.latex}"
        for start, rights in rows
        for i, right in enumerate(rights)
    ]
    return "\\begin{aligned}\n" + " \\\\[4pt]\n".join(lines) + "\n\\end{aligned}"


def table_mathml(rows: Sequence[Row]) -> str:
    def cell(side: str, inside: str) -> str:
        return f'<mtd style="text-align: -webkit-{side}; padding: 0.3em 0.1em">{inside}</mtd>'

    lines = [
        cell("right", start.mathml if i == 0 else "") + cell("left", f"<mo>=</mo>{right.mathml}")
        for start, rights in rows
        for i, right in enumerate(rights)
    ]
    table = "".join(f"<mtr>{line}</mtr>" for line in lines)
    return (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">'
        f'<mtable displaystyle="true">{table}</mtable></math>'
    )


def unnamed_values(graph: Graph, output: Tensor, variables: Mapping[str, object]) -> set[str]:
    """The ids of the values whose names are the graph's own, z1, z2 …"""
    return {
        node.id
        for node, x in zip(graph.nodes, values_behind(output), strict=True)
        if re.fullmatch(r"z\d+", node.name)
        and node.name != own_name(x)
        and variables.get(node.name) is not x
    }


class Equations:
    """The equations of a graph, one in a row.

    Arithmetic that has no name, and is used once, stands where it is used: z = w a + b.
    """

    def __init__(self, graph: Graph, unnamed: Collection[str] = ()) -> None:
        self.graph = graph
        self.edges = [edge for edge in graph.edges if edge.share is not None]
        self.slopes = {node.id: upstream_formula(graph, node) for node in graph.nodes}  # ∂C/∂node
        self.symbols = name_formulas(graph)
        without = [edge for edge in self.edges if self.passed(edge, self.slopes) is None]
        named = {end for edge in without for end in (edge.source, edge.target)}
        uses = Counter(edge.source for edge in graph.edges)
        for node in graph.nodes:
            may_vanish = node.id in unnamed and node.id not in named and uses[node.id] == 1
            if may_vanish and is_arithmetic(node):
                expression = right_side(graph, node, self.symbols)
                if count_signs(expression) <= MOST_SIGNS:
                    self.symbols[node.id] = expression

    def is_inlined(self, node: str) -> bool:
        """Whether a value stands where it is used, and has no equation of its own."""
        return self.symbols[node].kind != "name"

    def forward(self) -> Iterator[Row]:
        """Yield the equation of every computed value, and of the output even if it was given."""
        for node in self.graph.nodes:
            if not self.is_inlined(node.id) and (node.kind or node is self.graph.output):
                yield self.symbols[node.id], [right_side(self.graph, node, self.symbols)]

    def backward(self) -> Iterator[Row]:
        """The chain rule: products for each parameter if few and short, else a step for each value.

        A graph with arrays always has steps.
        """
        parameters = [
            node
            for node in self.graph.nodes
            if node.role == "parameter" and node.gradient is not None
        ]
        arrays = any(node.shape for node in self.graph.nodes)
        products = [None if arrays else self.products(node) for node in parameters]
        if None in products:
            return self.steps()
        return (
            (self.slopes[node.id], found)
            for node, found in zip(parameters, products, strict=True)
            if found
        )

    # One step for each value

    def steps(self) -> Iterator[Row]:
        """Yield what each value receives from those that used it, added up; the youngest first."""
        arriving: dict[str, Formula] = {}
        for node in reversed(self.graph.nodes):
            if node.gradient is None:
                continue
            received = [edge for edge in self.edges if edge.source == node.id]
            terms = [self.step(edge, arriving) for edge in received] or [to_formula(1.0)]
            total = with_value(total_of(terms), node.gradient)
            is_one = node is self.graph.output and not node.shape  # ∂C/∂C
            if is_one or self.is_inlined(node.id):
                arriving[node.id] = total
            else:
                arriving[node.id] = self.slopes[node.id]
                yield self.slopes[node.id], [total]

    def step(self, edge: Edge, arriving: Mapping[str, Formula]) -> Formula:
        """Write what an edge passes back: ∂C/∂a · (1 − a²), or ∂C/∂a · ∂a/∂z without a formula."""
        passed = self.passed(edge, arriving)
        if passed is not None:
            return passed
        return to_formula(arriving[edge.target] * self.local(edge.source, edge.target))

    def passed(self, edge: Edge, arriving: Mapping[str, Formula]) -> Formula | None:
        return share_formula(self.graph, edge, arriving[edge.target], self.symbols)

    def local(self, start: str, end: str) -> Formula:
        return Formula(DERIVATIVE, (self.symbols[end], self.symbols[start]), np.ones(()))

    # Products

    def products(self, node: Node) -> list[Formula] | None:
        """Write ∂z/∂w · ∂a/∂z · ∂C/∂a, summed over the ways from w to C, then worked out.

        None if the ways are many, or long.
        """
        ways = [path.nodes[::-1] for path in paths_to(self.graph, node).paths]
        if not ways or max(map(len, ways)) > LONGEST_WAY:
            return None
        named = dict.fromkeys(
            tuple(value for value in way if not self.is_inlined(value)) for way in ways
        )
        if len(named) > MOST_WAYS:
            return None
        symbols, worked = self.factors(ways)
        # the direct ∂C/∂w would look like the ∂C/∂w that is sought: write it worked out
        direct = node.id, self.graph.output.id
        if len(named) > 1 and direct in symbols:
            symbols[direct] = worked[direct]
        sums = [
            total_of([product_of([factors[pair] for pair in pairwise(way)]) for way in named])
            for factors in (symbols, worked)
        ]
        return sums[1:] if same_formula(*sums) or len(symbols) == 1 else sums

    def factors(
        self, ways: Sequence[Way]
    ) -> tuple[dict[tuple[str, str], Formula], dict[tuple[str, str], Formula]]:
        """∂end/∂start from each named value on the ways to the next: as symbols, and worked out."""
        stretches: dict[tuple[str, str], list[Way]] = {}
        for stretch in dict.fromkeys(stretch for way in ways for stretch in self.stretches(way)):
            stretches.setdefault((stretch[0], stretch[-1]), []).append(stretch)
        symbols = {pair: self.local(*pair) for pair in stretches}
        worked = {pair: self.worked_out(found, symbols[pair]) for pair, found in stretches.items()}
        return symbols, worked

    def stretches(self, way: Way) -> list[Way]:
        """Cut a way at the values that are named."""
        ends = [i for i, node in enumerate(way) if not self.is_inlined(node)]
        return [way[start : end + 1] for start, end in pairwise(ends)]

    def worked_out(self, stretches: Sequence[Way], symbol: Formula) -> Formula:
        """∂end/∂start over all stretches between the two; as a symbol if one has no formula."""
        terms = []
        for stretch in stretches:
            links = [self.link(*pair) for pair in pairwise(stretch)]
            known = [factor for factor in links if factor is not None]
            if len(known) < len(links):
                return symbol
            terms.append(product_of(known))
        return total_of(terms)

    def link(self, start: str, end: str) -> Formula | None:
        """∂end/∂start over the edges between them: x × x, with two edges from x, has 2 x."""
        edges = [edge for edge in self.edges if (edge.source, edge.target) == (start, end)]
        found = [derivative_formula(self.graph, edge, self.symbols) for edge in edges]
        known = [f for f in found if f is not None]
        return total_of(known) if len(known) == len(found) else None


def is_arithmetic(node: Node) -> bool:
    """Whether a value is written with a sign that may stand within a longer expression."""
    symbol = textbook_symbol(node.operation) if node.operation else ""
    return bool(symbol) and sign_of(symbol).inline


def product_of(factors: Sequence[Formula]) -> Formula:
    return functools.reduce(operator.mul, factors)


def total_of(terms: Sequence[Formula]) -> Formula:
    """The sum of the terms; of more than six the first three, dots and the last."""
    shown = terms if len(terms) <= MOST_TERMS else [*terms[:3], DOTS_FORMULA, terms[-1]]
    return functools.reduce(operator.add, shown)
