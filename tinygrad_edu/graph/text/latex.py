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
from tinygrad_edu.graph.read import Edge, Graph, Node, read, values_behind
from tinygrad_edu.graph.text.calculus import (
    contribution_formula,
    derivative_formula,
    name_formulas,
    right_side,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import (
    DOTS_FORMULA,
    Formula,
    as_formula,
    count_signs,
    same_formula,
    with_value,
)
from tinygrad_edu.graph.text.paths import paths_to

MOST_WRITTEN = 400  # nodes: more would fill a book
MOST_WAYS, LONGEST_WAY = (
    4,
    12,
)  # ways to a parameter, and values on one, that are still written out as products
MOST_TERMS = 6  # terms of a sum: of more the middle is left out
ARITHMETIC = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "matmul",
    "power",
    "square",
    "sum",
}
MOST_SIGNS = 10  # names, numbers and signs of an expression that may stand within another

Row = tuple[Formula, Sequence[Formula]]  # x = y = z
Way = tuple[str, ...]  # the ids of the values on it


@dataclass(frozen=True, eq=False, repr=False)
class Formulas:
    """Equations, as LaTeX for a document and as MathML for a page. A notebook shows them."""

    latex: str
    mathml: str

    def __repr__(self) -> str:
        return self.latex

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex}\n$$"


def latex(output: Tensor) -> Formulas:
    """The equations that a Tensor was computed by, and the chain rule's for its parameters, as
    `.latex` and `.mathml`.

    Between numbers, a parameter has a product for each way to it. With arrays, or with many ways,
    every value has what it receives from those that used it. w1 is written w₁, alpha α; what has no
    name is z₁, z₂ …, or stands where it is used.

    >>> w, a = Tensor(3.0, requires_grad=True, name="w"), Tensor(2.0, name="a")
    >>> print(latex(w * a).latex.splitlines()[2])
      \\frac{\\partial z_{1}}{\\partial w} &= a
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"latex takes a Tensor that was computed, and got {output!r:.60}")
    if (count := len(values_behind(output))) > MOST_WRITTEN:
        raise ValueError(
            f"the graph has {count} nodes, and more than {MOST_WRITTEN} are not written out: take a "
            "smaller case "
            "(fewer steps, fewer elements), or an earlier value of the same computation"
        )
    variables = sys._getframe(1).f_locals
    graph = read(output, variables)
    equations = Equations(graph, unnamed_values(graph, output, variables))
    rows = [
        row
        for row in (*equations.forward(), *equations.backward())
        if not same_formula(row[0], row[1][0])
    ]
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
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mtable '
        'displaystyle="true">'
        f"{table}</mtable></math>"
    )


def unnamed_values(graph: Graph, output: Tensor, variables: Mapping[str, object]) -> set[str]:
    """The ids of the values whose names are the graph's own, z1, z2 …"""
    return {
        node.id
        for node, x in zip(graph.nodes, values_behind(output), strict=True)
        if re.fullmatch(r"z\d+", node.name)
        and node.name != getattr(x, "name", None)
        and variables.get(node.name) is not x
    }


class Equations:
    """The rows of a graph. Arithmetic that has no name, and is used once, stands where it is used:
    z = w a + b."""

    def __init__(self, graph: Graph, unnamed: Collection[str] = ()) -> None:
        self.graph, self.edges = (
            graph,
            [edge for edge in graph.edges if edge.contribution is not None],
        )
        self.symbols = {node.id: upstream_formula(graph, node) for node in graph.nodes}
        self.names = name_formulas(graph)
        opaque = {
            end
            for edge in self.edges
            if self.passed(edge, self.symbols) is None
            for end in (edge.source, edge.target)
        }
        uses = Counter(edge.source for edge in graph.edges)
        for node in graph.nodes:
            if (
                node.id not in unnamed
                or node.id in opaque
                or uses[node.id] != 1
                or node.operation not in ARITHMETIC
            ):
                continue
            expression = right_side(graph, node, self.names)
            if count_signs(expression) <= MOST_SIGNS:
                self.names[node.id] = expression

    def inlined(self, node: str) -> bool:
        return self.names[node].kind != "name"

    def forward(self) -> Iterator[Row]:
        """The equation of every value that was computed; an output that was not is given."""
        for node in self.graph.nodes:
            if not self.inlined(node.id) and (node.operation or node is self.graph.output):
                yield self.names[node.id], [right_side(self.graph, node, self.names)]

    def backward(self) -> Iterator[Row]:
        """The chain rule: as products for each parameter if they are few and short, else one step
        for each value."""
        parameters = [
            node
            for node in self.graph.nodes
            if node.role == "parameter" and node.gradient is not None
        ]
        arrays = any(node.shape for node in self.graph.nodes)
        chains = [None if arrays else self.chain(node) for node in parameters]
        if None in chains:
            return self.steps()
        return (
            (self.symbols[node.id], chain)
            for node, chain in zip(parameters, chains, strict=True)
            if chain
        )

    # One step for each value

    def steps(self) -> Iterator[Row]:
        """What each value receives from those that used it, added up; the youngest first."""
        arriving: dict[str, Formula] = {}
        for node in reversed(self.graph.nodes):
            if node.gradient is None:
                continue
            terms = [
                self.step(edge, arriving) for edge in self.edges if edge.source == node.id
            ] or [as_formula(1.0)]
            total = with_value(sum_of(terms), node.gradient)
            hidden = self.inlined(node.id) or (
                node is self.graph.output and not node.shape
            )  # ∂C/∂C, which is 1
            arriving[node.id] = total if hidden else self.symbols[node.id]
            if not hidden:
                yield self.symbols[node.id], [total]

    def step(self, edge: Edge, arriving: Mapping[str, Formula]) -> Formula:
        """What an edge passes back: ∂C/∂a · (1 − a²), or ∂C/∂a · ∂a/∂z if it has no formula."""
        passed = self.passed(edge, arriving)
        return (
            arriving[edge.target] * self.local(edge.source, edge.target)
            if passed is None
            else passed
        )

    def passed(self, edge: Edge, arriving: Mapping[str, Formula]) -> Formula | None:
        return contribution_formula(self.graph, edge, arriving[edge.target], self.names)

    def local(self, start: str, end: str) -> Formula:
        return Formula("derivative", (self.names[end], self.names[start]), np.ones(()))

    # Products

    def chain(self, node: Node) -> list[Formula] | None:
        """∂z/∂w · ∂a/∂z · ∂C/∂a, summed over the ways from w to C, then worked out; None if they
        are many, or long."""
        ways = [path.nodes[::-1] for path in paths_to(self.graph, node).paths]
        if not ways or max(map(len, ways)) > LONGEST_WAY:
            return None
        stretches: dict[
            tuple[str, str], list[Way]
        ] = {}  # from one named value on the ways to the next
        for stretch in dict.fromkeys(stretch for way in ways for stretch in self.stretches(way)):
            stretches.setdefault((stretch[0], stretch[-1]), []).append(stretch)
        shown = dict.fromkeys(tuple(node for node in way if not self.inlined(node)) for way in ways)
        if len(shown) > MOST_WAYS:
            return None
        symbols = {pair: self.local(*pair) for pair in stretches}
        worked = {pair: self.worked_out(found, symbols[pair]) for pair, found in stretches.items()}
        direct = (
            node.id,
            self.graph.output.id,
        )  # its ∂C/∂w, the other inputs held fixed, is not the one that is sought
        if len(shown) > 1 and direct in symbols:
            symbols[direct] = worked[direct]
        sums = [
            sum_of([product_of([table[pair] for pair in pairwise(way)]) for way in shown])
            for table in (symbols, worked)
        ]
        return sums[1:] if same_formula(*sums) or len(symbols) == 1 else sums

    def stretches(self, way: Way) -> list[Way]:
        """A way, cut at the values that are named."""
        ends = [i for i, node in enumerate(way) if not self.inlined(node)]
        return [way[start : end + 1] for start, end in pairwise(ends)]

    def worked_out(self, stretches: Sequence[Way], symbol: Formula) -> Formula:
        """∂end/∂start over all stretches between the two; as a symbol if one has no formula."""
        terms = [[self.link(*pair) for pair in pairwise(stretch)] for stretch in stretches]
        known = [[factor for factor in term if factor is not None] for term in terms]
        return (
            sum_of(list(map(product_of, known)))
            if list(map(len, known)) == list(map(len, terms))
            else symbol
        )

    def link(self, start: str, end: str) -> Formula | None:
        """∂end/∂start, computed directly: x × x, which has two edges from x, has 2 x."""
        edges = [edge for edge in self.edges if (edge.source, edge.target) == (start, end)]
        found = [derivative_formula(self.graph, edge, self.names) for edge in edges]
        known = [f for f in found if f is not None]
        return sum_of(known) if len(known) == len(found) else None


def product_of(factors: Sequence[Formula]) -> Formula:
    return functools.reduce(operator.mul, factors)


def sum_of(terms: Sequence[Formula]) -> Formula:
    """Their sum; of many the first and the last."""
    return functools.reduce(
        operator.add, terms if len(terms) <= MOST_TERMS else [*terms[:3], DOTS_FORMULA, terms[-1]]
    )
