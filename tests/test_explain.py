"""What is said of a graph, in tables, paths, formulas and JSON, is what the engine computed."""

from __future__ import annotations

import functools
import io
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cases import ELEMENTWISE, call, case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_graph import HOSTILE, network, neuron, parameter

from tinygrad_edu import (
    Tensor,
    derivative,
    draw,
    explain,
    latex,
    nn,
    operation,
    paths,
    special,
    stepper,
)
from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Operation, unbroadcast
from tinygrad_edu.graph import read
from tinygrad_edu.graph.data import as_json
from tinygrad_edu.graph.read import Edge, Graph
from tinygrad_edu.graph.steps import Backward, Forward, steps
from tinygrad_edu.graph.text.calculus import (
    derivative_formula,
    name_formulas,
    share_formula,
    upstream_formula,
)
from tinygrad_edu.graph.text.formula import TRUTHS, Formula, operation_template
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS
from tinygrad_edu.graph.text.typeset import DERIVATIVE, SUMMED, TRANSPOSED, latex_name

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
GRAPHS = [
    lambda: neuron()[0],
    network,
    lambda: used_twice()[0],
    lambda: special.softmax(parameter([[1.0, 2.0]]))[0] * 3,
    lambda: nn.MSE()(
        nn.Linear(3, 2, rng=np.random.default_rng(0))(np.ones((4, 3), np.float32)), np.zeros((4, 2))
    ),
]


def used_twice() -> tuple[Any, dict[str, Any]]:
    """L = (s tanh(s) − y)², s = w x + b: the graph of the pictures."""
    x, w, b, y = (
        Tensor(1.5, name="x"),
        parameter(-0.8, "w"),
        parameter(1.9, "b"),
        Tensor(0.2, name="y"),
    )
    a = w * x
    s = a + b
    t = np.tanh(s)
    u = s * t
    d = u - y
    L = d**2
    for name, z in {"a": a, "s": s, "t": t, "u": u, "d": d, "L": L}.items():
        z.name = name
    return L, {"x": x, "w": w, "b": b, "s": s, "t": t, "L": L}


@st.composite
def scalar_graphs(draw: Any) -> tuple[Any, list[Any]]:
    """A random computation with numbers, and all its values."""
    values: list[Any] = [parameter(draw(st.floats(-1, 1)), name) for name in "pqr"]
    for _ in range(draw(st.integers(1, 9))):
        x, y = (values[draw(st.integers(0, len(values) - 1))] for _ in "xy")
        values.append(
            draw(
                st.sampled_from(
                    [
                        lambda x, y: x + y,
                        lambda x, y: x * y,
                        lambda x, y: np.tanh(x),
                        lambda x, y: x - y,
                        lambda x, y: np.sin(x) * 2,
                        lambda x, y: x**2,
                    ]
                )
            )(x, y)
        )
    return values[-1], values


# Steps


@pytest.mark.parametrize("made", GRAPHS)
def test_shares_are_the_engine_s_and_add_up_to_the_gradient(made: Callable[[], Any]) -> None:
    walk = [step for step in steps(read(made())) if isinstance(step, Backward)]
    for step in walk:
        np.testing.assert_allclose(
            step.after, step.share + (0 if step.before is None else step.before)
        )
        if step.edge.local is not None:
            assert step.share == pytest.approx(step.upstream * step.edge.local)
        if step.complete:
            np.testing.assert_allclose(step.after, step.source.gradient, rtol=1e-6)  # type: ignore[arg-type]
    assert {step.source.id for step in walk if step.complete} == {step.source.id for step in walk}


@pytest.mark.parametrize("made", GRAPHS)
def test_a_gradient_is_complete_before_it_is_passed_on(made: Callable[[], Any]) -> None:
    graph, complete = read(made()), set()
    for step in steps(graph):
        if isinstance(step, Forward):
            continue
        assert step.target is graph.output or step.target.id in complete
        if step.complete:
            complete.add(step.source.id)


def test_every_value_comes_after_its_inputs() -> None:
    seen = set()
    for step in steps(read(neuron()[0])):
        if not isinstance(step, Forward):
            break
        assert seen.issuperset(node.id for node in step.inputs)
        seen.add(step.node.id)
    assert len(seen) == 10


# explain


def test_the_table_has_both_passes_and_what_was_added() -> None:
    lines = repr(explain(used_twice()[0])).splitlines()
    assert lines[0].split() == ["step", "forward", "inputs", "value"]
    assert lines[5].split() == ["5", "a", "=", "w", "×", "x", "−0.8000,", "1.500", "−1.200"]
    assert lines[12].split() == [
        "step",
        "backward",
        "upstream",
        "local",
        "derivative",
        "share",
        "total",
    ]
    assert re.split("  +", lines[17].strip()) == [
        "15",
        "t → s",
        "0.3123",
        "0.6347",
        "0.1982",
        "0.2696 + 0.1982 = 0.4678",
    ]


def test_sentences_say_what_the_table_shows() -> None:
    said = explain(used_twice()[0]).sentences().splitlines()
    assert said[0] == "Step 1: x is given: 1.500." and said[4] == "Step 5: a = w × x is −1.200."
    assert said[14] == (
        "Step 15: t passes 0.3123 × 0.6347 = 0.1982 back to s, added to what was there: "
        "0.2696 + 0.1982 = 0.4678."
    )


def test_arrays_have_shapes_ranges_and_what_was_summed() -> None:
    explanation = explain((np.ones((4, 2)) * parameter([1.0, 2.0], "v")).sum())
    assert "(4, 2) summed to (2,) 4.00" in explanation and "derivatives.py:" in explanation
    assert "z1 passes (4, 2) summed to an array (2,) of 4.00 back to v." in explanation.sentences()


def test_without_a_gradient_there_is_no_backward_pass() -> None:
    assert [line.split() for line in explain(Tensor(2.0, name="x")).splitlines()] == [
        ["step", "forward", "inputs", "value"],
        ["1", "x", "output", "2.000"],
    ]


# paths


@given(scalar_graphs())
@QUICK
def test_products_over_all_paths_add_up_to_the_gradient(made: tuple[Any, list[Any]]) -> None:
    output, _ = made
    for leaf in {
        id(x): x for x in [output, *[x for _, z in ancestors(output) for _, x in z.inputs]]
    }.values():
        found = paths(output, leaf)
        assert found.gradient == pytest.approx(output.gradient(leaf).item(), abs=1e-12)
        if not found.paths:
            continue
        assert len(set(found.paths)) == found.count == brute_force(output, leaf)
        assert sum(path.product for path in found.paths) == pytest.approx(
            found.gradient, rel=1e-9, abs=1e-12
        )


def ancestors(output: Any) -> list[tuple[int, Any]]:
    return [(0, output), *[pair for _, x in output.inputs for pair in ancestors(x)]]


def brute_force(output: Any, leaf: Any) -> int:
    return 1 if output is leaf else sum(brute_force(x, leaf) for _, x in output.inputs)


def test_a_path_is_made_of_the_ids_of_nodes_and_edges() -> None:
    L, values = used_twice()
    found = paths(L, values["s"])
    edges = {edge.id: edge for edge in found.graph.edges}
    for path in found.paths:
        assert path.nodes[0] == found.graph.output.id and path.nodes[-1] == found.leaf.id
        assert [(edges[name].target, edges[name].source) for name in path.edges] == list(
            pairwise(path.nodes)
        )
        assert tuple(edges[name].local for name in path.edges) == path.locals


def test_paths_are_shown_with_their_products_and_sum() -> None:
    L, values = used_twice()
    assert repr(paths(L, values["s"])).splitlines() == [
        "∂L/∂s = 0.4678, over 2 paths",
        "  L ← d ← u ← s      0.446 × 1.00 × 0.604          = 0.2696",
        "  L ← d ← u ← t ← s  0.446 × 1.00 × 0.700 × 0.635  = 0.1982",
        "  0.2696 + 0.1982 = 0.4678",
    ]


def test_2_to_the_60_paths_are_counted() -> None:
    z = x = parameter(1.0, "x")
    for _ in range(60):
        z = z + z * 0.5
    found = paths(z, x)
    assert found.count == 2**60 and found.paths == () and found.gradient == pytest.approx(1.5**60)
    assert repr(found) == (
        "∂z/∂x = 3.677e10, the sum over 1,152,921,504,606,846,976 paths: more than 200 are not "
        "listed"
    )


def test_of_a_long_path_the_middle_is_left_out() -> None:
    z = x = parameter(1.0, "x")
    for _ in range(30):
        z = z * 1.0
    assert "  z ← z29 ← z28 ← z27 ← z26 ← z25 ← … ← z4 ← z3 ← z2 ← z1 ← x  1.00 × " in repr(
        paths(z, x)
    )


def test_200_paths_are_listed() -> None:
    x = parameter(1.0, "x")
    for count, listed in [(200, 200), (201, 0)]:
        z: Any = sum((x * 1.0 for _ in range(count - 1)), x)
        assert (found := paths(z, x)).count == count and len(found.paths) == listed


def test_a_path_through_numbers_is_found_beside_arrays() -> None:
    s = parameter(2.0, "s")
    assert paths(parameter([1.0, 2.0], "v").sum() * s, s).gradient == 3.0


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: paths(2.0, parameter(1.0)), "got 2.0 as output"),  # type: ignore[arg-type]
        (lambda: paths(parameter(1.0), "x"), "got 'x' as leaf"),  # type: ignore[arg-type]
        (
            lambda: paths(parameter(1.0) * 2, Tensor(1.0, name="other")),
            "'other' is not among the 2 values",
        ),
        (lambda: paths(used_twice()[0], used_twice()[1]["w"]), "the very same one"),
        (
            lambda: (lambda L, values: paths(L, values["x"]))(*used_twice()),
            "'x' requires no gradient",
        ),
        (
            lambda: paths(((s := parameter(2.0, "s")) * np.ones(3)).sum(), s),
            r"'z1' has the shape \(3,\)",
        ),
        (
            lambda: paths((v := parameter([1.0, 2.0], "v")).sum(), v),
            r"'v' has the shape \(2,\).*compute with numbers",
        ),
    ],
)
def test_what_has_no_paths_is_refused(made: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        made()


# Formulas


WRITTEN: dict[str, Any] = {  # each function by how it is written
    operation_template(run, max(run.partials) + 1): function
    for function, run in REGISTRY.items()
    if isinstance(run, Operation) and run.partials
} | {truth: function for function, truth in TRUTHS.items()}
WRITTEN[TRANSPOSED] = np.matrix_transpose


def evaluated(f: Formula, values: dict[str, Any]) -> Any:
    """What a formula comes to, from its tree alone."""
    if f.kind == "number":
        return f.parts[0]
    if f.kind == "name":
        return values[f.parts[1]]
    if f.kind == DERIVATIVE:
        return values["g"]
    function = WRITTEN.get(f.kind) or getattr(np, f.kind.partition("(")[0])
    return function(*[evaluated(part, values) for part in f.parts]) * 1.0


def meant(python: str, values: dict[str, float]) -> float:
    functions = {name: getattr(np, name) for name in dir(np) if name.islower()} | {
        "sigmoid": special.sigmoid,
        "ln": np.log,
    }
    return float(
        eval(python, functions | {"E": math.e, "frac": lambda x: lambda y: x / y} | values)
    )


LATEX = {
    r"\\left\(": "(",
    r"\\right\)": ")",
    r"\\left\[": "((",
    r"\\right\]": ")*1.0)",
    r"\\,|\\cdot": "*",
    r"\\mathrm\{e\}": "E",
    r"\\sigma": "sigmoid",
    r"\\operatorname": "",
    r"_\{(\d+)\}": r"\1",
    r"\\": "",
    r"\^": "**",
    "{": "(",
    "}": ")",
    " = ": "==",
}
CHARACTERS = {
    "−": "-",
    "·": "*",
    "\u2062": "*",
    "\u2061": "",
    "[": "((",
    "]": ")*1.0)",
    "=": "==",
    "σ": "sigmoid",
}


def latex_as_python(text: str) -> str:
    for pattern, python in LATEX.items():
        text = re.sub(pattern, python, text)
    return text


def mathml_as_python(x: ET.Element) -> str:
    parts = [mathml_as_python(part) for part in x]
    if x.tag == "mfrac":
        return f"(({parts[0]})/({parts[1]}))"
    if x.tag == "msup":
        return f"{parts[0]}**({parts[1]})"
    if x.tag == "msqrt":
        return f"sqrt({''.join(parts)})"
    if x.get("mathvariant") == "normal":
        return "E"
    return "".join(parts) or "".join(
        CHARACTERS.get(character, character) for character in x.text or ""
    )


# A condition has no gradient; Φ, the shift of an exponent and of the last digit have no formula
NAMED = [f for f in ELEMENTWISE if f not in (np.where, special.gelu, np.ldexp, np.frexp)]


@pytest.mark.parametrize("function", NAMED, ids=lambda f: f.__name__)
def test_a_formula_read_as_tree_as_latex_and_as_mathml_gives_the_engine_s_derivative(
    function: Any,
) -> None:
    @QUICK
    @given(case(function).filter(lambda drawn: all(x.size for x in drawn[0])))
    def check(drawn: Any) -> None:
        graph = read(
            call(
                function,
                *[parameter(x.ravel()[0], name) for x, name in zip(drawn[0], "abc", strict=False)],
            )
        )
        ids, named = (
            {getattr(node, key): node.value[()] for node in graph.nodes} for key in ("id", "name")
        )
        for edge in graph.edges:
            if edge.local is None:
                continue
            f = derivative_formula(graph, edge)
            assert f is not None
            assert evaluated(f, ids) == pytest.approx(edge.local, rel=1e-9)
            whole, g = (
                passed(graph, edge),
                next(node.gradient for node in graph.nodes if node.id == edge.target),
            )
            assert whole is not None and evaluated(whole, ids | {"g": g}) == pytest.approx(
                edge.share, rel=1e-9
            )
            roughly = pytest.approx(
                edge.local, rel=5e-3, abs=5e-3
            )  # numbers are written with four digits
            assert meant(latex_as_python(f.latex), named) == roughly
            assert meant(mathml_as_python(ET.fromstring(f.mathml)), named) == roughly

    check()


def passed(graph: Graph, edge: Edge) -> Formula | None:
    return share_formula(
        graph, edge, upstream_formula(graph, next(n for n in graph.nodes if n.id == edge.target))
    )


@pytest.mark.parametrize(
    "function",
    [
        np.add,
        np.multiply,
        np.divide,
        np.tanh,
        np.matmul,
        special.linear,
        special.sigmoid,
        special.relu,
    ],
    ids=lambda f: f.__name__,
)
def test_a_formula_of_arrays_gives_what_the_engine_passes_back(function: Any) -> None:
    products = function in (
        np.matmul,
        special.linear,
    )  # of matrices: vectors are written as if they were some

    @QUICK
    @given(
        case(function).filter(lambda drawn: not products or all(x.ndim == 2 for x in drawn[0][:2]))
    )
    def check(drawn: Any) -> None:
        z = call(function, *map(parameter, drawn[0]))
        graph = read((z * np.cos(np.arange(z.size)).reshape(z.shape) + 0.0).sum())
        nodes = {node.id: node for node in graph.nodes}
        values = {node.id: node.value for node in graph.nodes}
        for edge in graph.edges:
            if nodes[edge.target].kind != function.__name__ or edge.share is None:
                continue
            f = passed(graph, edge)
            assert f is not None
            found = evaluated(
                f.parts[0] if f.kind == SUMMED and edge.before else f,
                values | {"g": nodes[edge.target].gradient},
            )
            shape = edge.before or edge.share.shape
            np.testing.assert_allclose(
                unbroadcast(np.broadcast_to(found, shape), edge.share.shape),
                edge.share,
            )

    check()


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (lambda x, y: x + 7, ["1"]),
        (lambda x, y: x - y, ["1", "-1"]),
        (lambda x, y: x * y, ["y", "x"]),
        (lambda x, y: -x, ["-1"]),
        (lambda x, y: x / y, [r"\frac{1}{y}", r"-\frac{z_{1}}{y}"]),
        (lambda x, y: x**2, [r"2\,x"]),
        (lambda x, y: x**3, [r"3\,x^{2}"]),
        (lambda x, y: x**y, [r"y \cdot x^{y - 1}", r"z_{1} \cdot \ln\left(x\right)"]),
        (lambda x, y: np.square(x), [r"2\,x"]),
        (lambda x, y: np.exp(x), ["z_{1}"]),
        (lambda x, y: np.log(x), [r"\frac{1}{x}"]),
        (lambda x, y: np.tanh(x), ["1 - z_{1}^{2}"]),
        (lambda x, y: np.sqrt(x), [r"\frac{1}{2\,z_{1}}"]),
        (lambda x, y: np.sin(x), [r"\cos\left(x\right)"]),
        (lambda x, y: np.cos(x), [r"-\sin\left(x\right)"]),
        (lambda x, y: special.sigmoid(x), [r"z_{1} \cdot \left(1 - z_{1}\right)"]),
        (lambda x, y: x.relu(), [r"\left[x > 0\right]"]),
        (lambda x, y: x.sum(), ["1"]),
        (lambda x, y: np.maximum(x, y), [r"\left[x > y\right]", r"\left[y > x\right]"]),
    ],
)
def test_a_derivative_is_written_as_in_a_textbook(
    made: Callable[..., Tensor], written: list[str]
) -> None:
    graph = read(made(parameter(3.0, "x"), parameter(2.0, "y")))
    assert [
        f.latex for edge in graph.edges if (f := derivative_formula(graph, edge)) is not None
    ] == written


def test_where_elements_take_different_cases_there_is_no_formula_even_if_no_gradient_arrives() -> (
    None
):
    graph = read((special.leaky_relu(parameter([-1.0, 1.0])) * 0.0).sum())
    edges = [edge for edge in graph.edges if edge.target == "n3" and edge.share is not None]
    assert [passed(graph, edge) for edge in edges] == [None, None]


def test_an_operation_of_one_s_own_has_its_formula_too() -> None:
    @operation
    def cube(x: Any) -> Any:
        return x * x * x

    derivative(cube, lambda g, z, x: g * 3 * x * x)
    graph = read(cube(parameter(2.0, "x")))
    f = derivative_formula(graph, graph.edges[0])
    assert f is not None and f.latex == r"3\,x^{2}"


def test_an_operation_of_the_same_name_is_not_mistaken_for_numpy_s() -> None:
    @operation
    def tanh(x: Any) -> Any:
        return x * 2

    derivative(tanh, lambda g, z, x: g * 2)
    graph = read(tanh(parameter(2.0, "x")))
    f = derivative_formula(graph, graph.edges[0])
    assert f is not None and f.latex == "2"


def test_a_partial_that_cannot_take_formulas_has_none() -> None:
    @operation
    def sine(x: Any) -> Any:
        return np.sin(x)

    derivative(sine, lambda g, z, x: g * math.cos(x))
    graph = read(sine(parameter(2.0, "x")))
    assert derivative_formula(graph, graph.edges[0]) is None
    lines = latex(sine(parameter(2.0, "x")) * 3).latex.splitlines()
    assert lines[-2] == r"   &= \frac{\partial z_{1}}{\partial x} \cdot 3"


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (lambda x, y: x - (y - x), r"x - \left(y - x\right)"),
        (lambda x, y: (x + y) * y, r"\left(x + y\right) \cdot y"),
        (lambda x, y: -(x + y), r"-\left(x + y\right)"),
        (lambda x, y: (-x) ** 2, r"\left(-x\right)^{2}"),
        (lambda x, y: x * -2.0, r"x \cdot \left(-2\right)"),
        (lambda x, y: (x / y) ** y, r"\left(\frac{x}{y}\right)^{y}"),
        (lambda x, y: 2 * 3.5 * x, r"7\,x"),
        (lambda x, y: 1e-9 * x, r"1 \cdot 10^{-9}\,x"),
        (lambda x, y: np.exp(x) ** 2, r"\left(\mathrm{e}^{x}\right)^{2}"),
    ],
)
def test_parentheses_stand_where_they_are_needed(
    made: Callable[..., Formula], written: str
) -> None:
    x, y = (Formula("name", (name, name), np.array(2.0)) for name in "xy")
    assert made(x, y).latex == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("w1", "w_{1}"),
        ("w_12", "w_{12}"),
        ("alpha", r"\alpha"),
        ("Omega2", r"\Omega_{2}"),
        ("σ", r"\sigma"),
        ("loss", r"\mathrm{loss}"),
        ("model.0.weight", r"\mathrm{model.0.weight}"),
        ("model.0", r"\mathrm{model.0}"),
        ("a_b", r"\mathrm{a\_b}"),
        ("a-b", r"\mathrm{a\text{-}b}"),
        ("1", r"\mathrm{1}"),
    ],
)
def test_a_name_is_written_as_a_symbol_where_it_is_one(name: str, written: str) -> None:
    assert latex_name(name) == written


# latex


def test_one_neuron_is_written_as_in_the_video() -> None:
    w, a0, b, y = (
        parameter(0.7, "w"),
        Tensor(0.6, name="a0"),
        parameter(0.1, "b"),
        Tensor(1.0, name="y"),
    )
    z = w * a0 + b
    a1 = special.sigmoid(z)
    C = (a1 - y) ** 2
    assert latex(C).latex.splitlines() == [
        r"\begin{aligned}",
        r"  z &= w \cdot a_{0} + b \\[4pt]",
        r"  a_{1} &= \sigma\left(z\right) \\[4pt]",
        r"  C &= \left(a_{1} - y\right)^{2} \\[4pt]",
        r"  \frac{\partial C}{\partial w} &= \frac{\partial z}{\partial w} "
        r"\cdot \frac{\partial a_{1}}{\partial z} \cdot \frac{\partial C}{\partial a_{1}} \\[4pt]",
        r"   &= a_{0} \cdot a_{1} \cdot \left(1 - a_{1}\right) "
        r"\cdot 2\,\left(a_{1} - y\right) \\[4pt]",
        r"  \frac{\partial C}{\partial b} &= \frac{\partial z}{\partial b} "
        r"\cdot \frac{\partial a_{1}}{\partial z} \cdot \frac{\partial C}{\partial a_{1}} \\[4pt]",
        r"   &= a_{1} \cdot \left(1 - a_{1}\right) \cdot 2\,\left(a_{1} - y\right)",
        r"\end{aligned}",
    ]


@given(scalar_graphs())
@QUICK
def test_the_products_of_a_parameter_come_to_its_gradient(made: tuple[Any, list[Any]]) -> None:
    output, _ = made
    from tinygrad_edu.graph.text.latex import Equations

    graph = read(output)
    ids = {node.id: node.value[()] for node in graph.nodes}
    for unnamed in ([], [node.id for node in graph.nodes]):
        equations = Equations(graph, unnamed)
        for node in graph.nodes:
            if node.role != "parameter" or (chain := equations.products(node)) is None:
                continue
            assert evaluated(chain[-1], ids) == pytest.approx(
                float(node.gradient), rel=1e-9, abs=1e-12
            )  # type: ignore[arg-type]


def test_layers_have_the_equations_of_backpropagation() -> None:
    x, W, b = (
        Tensor(np.ones((4, 3)), name="X"),
        parameter(np.ones((3, 2)), "W"),
        parameter([0.1, 0.2], "b"),
    )
    Z = x @ W + b
    A = special.sigmoid(Z)
    C = A.sum()
    assert {line.strip().removesuffix(r" \\[4pt]") for line in latex(C).latex.splitlines()} >= {
        r"Z &= X\,W + b",
        r"\frac{\partial C}{\partial W} &= X^{\mathsf{T}}\,\frac{\partial C}{\partial Z}",
        r"\frac{\partial C}{\partial Z} &= \frac{\partial C}{\partial A} "
        r"\odot A \odot \left(1 - A\right)",
        r"\frac{\partial C}{\partial b} &= \sum \frac{\partial C}{\partial Z}",
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_but_its_own_text(name: str) -> None:
    def written(name: str) -> Any:
        return latex(np.exp(parameter(1.0, name) - 2))

    assert written(name).latex.replace(latex_name(name), "N") == written("plain").latex.replace(
        latex_name("plain"), "N"
    )
    word = r"(?:[^\\{}$&#%_^~<> -]|\\[{}$&#%_ ]|\\(?:backslash|wedge|sim) |\{[<>]\}|\\text\{-\})+"
    assert re.fullmatch(
        rf"(?:\\mathrm\{{{word}\}}|[A-Za-z]|\\[A-Za-z]+)(?:_\{{\d+\}})?", latex_name(name)
    )
    tags = [
        [x.tag for x in ET.fromstring(written(n).mathml).iter() if x.tag[-3:] not in ("sub", "}mn")]
        for n in (name, "N")
    ]
    assert tags[0] == tags[1]
    assert (
        json.loads(json.dumps(as_json(read(parameter(1.0, name) * 2)), allow_nan=False))["nodes"][
            0
        ]["name"]
        == name
    )
    explain(parameter(1.0, name) * 2).sentences().encode()


def test_a_derivative_with_other_inputs_held_fixed_is_not_mistaken_for_the_one_that_is_sought() -> (
    None
):
    x = parameter(3.0, "x")
    y = np.exp(x)
    assert latex(y * x).latex.splitlines()[-3:-1] == [
        r"  \frac{\partial z_{1}}{\partial x} &= \frac{\partial y}{\partial x} "
        r"\cdot \frac{\partial z_{1}}{\partial y} + y \\[4pt]",
        r"   &= y \cdot x + y",
    ]


def test_numbers_beyond_all_numbers_have_signs() -> None:
    assert latex(parameter(1.0, "x") * -np.inf).latex.count(r"-\infty") == 2
    assert "<mn>NaN</mn>" in latex(parameter(1.0, "x") * np.nan).mathml


def test_a_notebook_shows_latex_and_a_page_mathml() -> None:
    formulas = latex(neuron()[0])
    assert (
        formulas._repr_latex_() == f"$$\n{formulas.latex}\n$$" and repr(formulas) == formulas.latex
    )
    assert ET.fromstring(formulas.mathml).tag == "{http://www.w3.org/1998/Math/MathML}math"


def test_many_paths_give_one_step_for_each_value() -> None:
    z = parameter(1.0, "x")
    for _ in range(60):
        z = z + z * 0.5
    assert latex(z).latex.count(r"\frac{\partial z}") < 200


def test_a_value_that_is_used_many_times_has_a_sum_of_few_terms() -> None:
    x = parameter(1.0, "x")
    z: Any = sum((np.tanh(x) for _ in range(100)), x)
    assert latex(z).latex.count(r"\cdots") == 1


def test_more_than_400_nodes_are_not_written_out() -> None:
    z = parameter(1.0)
    for _ in range(400):
        z = z + 1
    with pytest.raises(ValueError, match=r"401 nodes.*take a smaller case"):
        latex(z)


@pytest.mark.parametrize("reader", [explain, latex])
def test_what_is_no_tensor_is_refused(reader: Any) -> None:
    with pytest.raises(TypeError, match=r"takes a Tensor that was computed, and got 2\.0"):
        reader(2.0)
    with pytest.raises(TypeError, match=r"got a Linear: write (explain|latex)\(model\(x\)\)$"):
        reader(nn.Linear(2, 1))


def test_infinite_and_undefined_gradients_are_shown_without_a_warning() -> None:
    x, v = parameter(0.0, "x"), parameter([0.0, 0.0], "v")
    z = x.sqrt() * 2 - x.sqrt()
    assert "−inf + inf = nan" in explain(z) and math.isnan(paths(z, x).gradient) and latex(z).latex
    assert latex((v.sqrt() * np.array([[1.0, 2.0], [-1.0, -2.0]])).sum()).latex


# JSON


@pytest.mark.parametrize("made", GRAPHS)
def test_a_graph_is_plain_data_and_the_same_each_time(made: Callable[[], Any]) -> None:
    first, second = (json.dumps(as_json(read(made())), allow_nan=False) for _ in "12")
    assert first == second and " at 0x" not in first and json.loads(first)["nodes"][0]["id"] == "n0"


def test_what_json_has_no_number_for_is_text() -> None:
    data = as_json(read(parameter([np.nan, np.inf, -np.inf, 1.0], "x")[1:].astype(np.float32)))
    assert data["nodes"][0]["value"] == {
        "shape": [4],
        "dtype": "float64",
        "data": ["NaN", "Infinity", "-Infinity", 1.0],
    }
    assert [node["constants"] for node in data["nodes"][1:]] == [{"1": "1:"}, {"1": "float32"}]
    json.dumps(data, allow_nan=False)


def test_the_data_has_every_edge_and_module() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    graph = read(model(np.ones((4, 3), np.float32)).sum())
    data = as_json(graph)
    assert [edge["id"] for edge in data["edges"]] == [edge.id for edge in graph.edges]
    assert [module["kind"] for module in data["modules"]] == ["Linear", "Sequential"]
    assert data["edges"][0]["share"] is None and name_formulas(graph).keys() == {
        node["id"] for node in data["nodes"]
    }


PLAIN = """
import numpy as np
from tinygrad_edu import Tensor, explain, latex, paths
x, α, long = Tensor(3.0, requires_grad=True), Tensor(-2.0, requires_grad=True), Tensor(np.ones(5))
y = np.exp(x) * α * x
print(explain(y)), print(explain(y).sentences()), print(paths(y, x)), print(explain(long * y))
print(repr(explain(y)), repr(paths(y, α)), latex(y))
print(explain(Tensor(1.0, name="\\ud800 \\u4e2d") * x))
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp437", "utf-8"])
def test_a_terminal_that_lacks_a_sign_gets_a_plain_one(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], capture_output=True, env=environment, check=False
    )
    said = done.stdout.decode(encoding)
    assert not done.stderr and said.count("\n") > 30
    assert ("->" in said, "→" in said) == (encoding != "utf-8", encoding == "utf-8")
    assert ("×" in said) == (encoding in ("cp1252", "latin-1", "utf-8"))


def test_signs_have_plain_ones() -> None:
    text = "∂y/∂x = −1 × 2·3 → 4 ← α₁ x² ⁻¹ … ≤ é 中 \ud800"
    plain = "dy/dx = -1 * 2*3 -> 4 <- alpha1 x^2 ^-1 ... <= e ? ?"
    assert text.encode("ascii", PLAIN_SIGNS) == plain.encode()
    assert "− × ½".encode("cp1252", PLAIN_SIGNS) == "- × ½".encode("cp1252")


def test_what_a_terminal_can_print_stays_as_it_is(monkeypatch: Any) -> None:
    table = explain(Tensor(3.0, requires_grad=True) * -2.0)
    assert str(table) == repr(table) == "".join(table) and "→" in str(table)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert str(table).isascii() and "->" in repr(table) and "→" in "".join(table)


RANKS = [
    ((3,), (3,), r"p \cdot q", "g q", "g p"),
    ((2, 3), (3,), r"p\,q", r"G\,q^{T}", r"p^{T}\,G"),
    ((3,), (3, 2), r"p\,q", r"G\,q^{T}", r"p\,G^{T}"),
    ((2, 3), (3, 4), r"p\,q", r"G\,q^{T}", r"p^{T}\,G"),
    ((5, 2, 3), (3, 4), r"p\,q", r"G\,q^{T}", r"\sum p^{T}\,G"),
    ((5, 2, 3), (5, 3, 4), r"p\,q", r"G\,q^{T}", r"p^{T}\,G"),
    ((5, 2, 3), (3,), r"p\,q", r"G\,q^{T}", r"\sum p^{T}\,G"),
    ((3,), (5, 3, 4), r"p\,q", r"\sum G\,q^{T}", r"p\,G^{T}"),
]


@pytest.mark.parametrize(("left", "right", "product", "to_left", "to_right"), RANKS)
def test_a_product_is_written_by_the_rank_of_its_factors(
    left: Any, right: Any, product: str, to_left: str, to_right: str
) -> None:
    rng = np.random.default_rng(0)
    p, q = parameter(rng.normal(size=left), "p"), parameter(rng.normal(size=right), "q")
    z = p @ q
    z.name = "z"
    loss = (z * 2).sum()
    loss.name = "L"
    text = latex(loss).latex.replace(r"\mathsf{T}", "T").replace(r" \\[4pt]", "")
    for g in (r"\left(\frac{\partial L}{\partial z}\right)", r"\frac{\partial L}{\partial z}"):
        text = text.replace(g, "G")
    rows = dict(line.strip().split(" &= ") for line in text.splitlines()[1:-1])
    assert rows["z"] == product
    if len(left) == len(right) == 1:
        to_left, to_right = r"G \cdot q", r"G \cdot p"
    assert rows[r"\frac{\partial L}{\partial p}"] == to_left
    assert rows[r"\frac{\partial L}{\partial q}"] == to_right


def test_the_table_of_many_inputs_grows_with_their_number_not_with_its_square():
    lengths = [
        len(explain(np.stack([Tensor(i, requires_grad=True) for i in np.ones(n)]).sum()))
        for n in (100, 200)
    ]
    assert lengths[1] < 2.1 * lengths[0]


@functools.cache
def wide(n=100_000):
    return np.stack([Tensor(i, requires_grad=True) for i in np.ones(n)]).sum()


@functools.cache
def handed_through(n=33_333):
    """A value that n Modules, one within the other, have returned."""
    z = np.sin(Tensor(1.0, requires_grad=True))
    z.notes = tuple([(nn.Sequential(), (), {}) for _ in range(n)])
    return z


SHOWN = [draw, explain, latex, stepper, lambda z: paths(z, z.args[0])]


@pytest.mark.parametrize("show", SHOWN)
@pytest.mark.parametrize(("make", "count"), [(wide, "100,00"), (handed_through, "33,333")])
def test_what_is_too_large_to_be_read_is_refused_at_once(show, make, count):
    with pytest.raises(ValueError, match=rf"the graph has {count}\d* .*take a smaller case"):
        show(make())
