"""An operation of a user's own is drawn, spelled and set by what it says of itself, as ours is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_graph import parameter, texts

from tinygrad_edu import Tensor, derivative, draw, explain, latex, operation
from tinygrad_edu.graph import read
from tinygrad_edu.graph.expression import equations
from tinygrad_edu.graph.scalars import open_arrays


def smooth_maximum(**facts: Any) -> Callable[..., Tensor]:
    """ln(eˣ + eʸ), as a user would make it."""

    @operation
    def smooth_max(x: Any, y: Any) -> Any:
        return np.logaddexp(x, y)

    derivative(
        smooth_max,
        lambda g, z, x, y: g * np.exp(x - z),
        lambda g, z, x, y: g * np.exp(y - z),
        **facts,
    )
    return smooth_max


def with_facts() -> Callable[..., Tensor]:
    return smooth_maximum(symbol="{} ⊕ {}", elementwise=True)


def test_numbers_are_drawn_with_its_symbol() -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    assert "= a ⊕ b" in texts(draw(with_facts()(a, b)))


def test_arrays_are_drawn_with_its_symbol_between_their_shapes() -> None:
    a, b = parameter([1.0, 2.0], "a"), parameter([[3.0], [4.0]], "b")
    assert "(2,) ⊕ (2, 1)" in texts(draw(with_facts()(a, b)))


def test_arrays_are_opened_to_numbers() -> None:
    a, b = parameter([1.0, 2.0], "a"), parameter([3.0, 4.0], "b")
    numbers = open_arrays(read(with_facts()(a, b)))
    assert {"z1[0] = a[0] ⊕ b[0]", "z1[1] = a[1] ⊕ b[1]"} <= set(equations(numbers).values())
    shares = {node.name: node.gradient for node in numbers.nodes}
    np.testing.assert_allclose(float(shares["a[0]"]), np.exp(1) / (np.exp(1) + np.exp(3)))


def test_it_says_what_it_does_to_arrays_of_numbers() -> None:
    @operation
    def scaled_sum(x: Any) -> Any:
        return 2.0 * np.sum(x)

    derivative(scaled_sum, lambda g, z, x: 2.0 * g * np.ones(x.shape), on_numbers=scaled_sum)
    numbers = open_arrays(read(scaled_sum(parameter([1.0, 2.0], "a"))))
    assert [text for text in equations(numbers).values() if "=" in text] == [
        "s1 = a[0] + a[1]",
        "z1 = 2 × s1",
    ]


def test_explain_spells_it_with_its_symbol() -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    assert "z1 = a ⊕ b is 2.313." in explain(with_facts()(a, b)).sentences()


def test_formulas_have_its_symbol_and_parentheses_around_what_is_looser() -> None:
    a, b, c = parameter(1.0, "a"), parameter(2.0, "b"), parameter(3.0, "c")
    formulas = latex(with_facts()(a + b, c))
    assert r"z_{1} &= \left(a + b\right) ⊕ c" in formulas.latex.replace("z_{2}", "z_{1}")
    assert "<mo>⊕</mo><mi>c</mi>" in formulas.mathml


def test_its_arithmetic_stands_within_a_longer_expression() -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    assert r"\left(a ⊕ b\right) \cdot a" in latex(with_facts()(a, b) * a).latex


@pytest.mark.parametrize(
    ("symbol", "written"),
    [
        ("‖{} − {}‖", "‖a − b‖"),
        ("{} mod {}", "a mod b"),
        ("{{}, {}}", r"\{a, b\}"),
        ("<{}, {}>", "{<}a, b{>}"),
        ("max₂({}, {})", r"\operatorname{max₂}\left(a, b\right)"),
        ("{} + {}", "a + b"),
    ],
)
def test_any_symbol_can_be_set(symbol: str, written: str) -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    assert f" &= {written} \\\\" in latex(smooth_maximum(symbol=symbol)(a, b)).latex


def test_a_symbol_is_text_and_nothing_else() -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    z = smooth_maximum(symbol="{{}, {}} <b>&\\N")(a, b)
    assert r"= {a, b} <b>&\N" in texts(draw(z))
    assert "<mo>} &lt;b&gt;&amp;\\N</mo>" in latex(z).mathml


def test_a_notation_is_for_textbooks_and_a_symbol_for_pictures() -> None:
    own = smooth_maximum(symbol="{} ⊕ {}", notation="{} + {}")
    z = own(parameter(1.0, "a"), parameter(2.0, "b"))
    assert "= a ⊕ b" in texts(draw(z)) and "&= a + b" in latex(z).latex


def test_an_addition_of_ones_own_joins_residual_paths() -> None:
    from tinygrad_edu import nn
    from tinygrad_edu.graph.fold import fold, residual_edges

    @operation
    def join(x: Any, y: Any) -> Any:
        return x + y

    derivative(join, lambda g, z, x, y: g, lambda g, z, x, y: g, symbol="{} + {}")
    x = parameter([[1.0, 2.0]], "x") * 2
    graph = fold(read(join(x, nn.Linear(2, 2, rng=np.random.default_rng(0))(x)).sum()), 1)
    assert len(residual_edges(graph)) == 1


def test_without_facts_it_is_written_as_a_call_and_not_opened() -> None:
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    z = smooth_maximum()(a, b)
    assert "= smooth_max(a, b)" in texts(draw(z))
    assert "smooth_max(a, b)" in explain(z)
    assert r"\operatorname{smooth\_max}\left(a, b\right)" in latex(z).latex
    with pytest.raises(ValueError, match="smooth_max is not known to work number by number"):
        draw(smooth_maximum()(parameter([1.0]), parameter([2.0])), scalars=True)


def test_an_operation_of_the_name_of_ours_is_not_taken_for_it() -> None:
    @operation
    def add(x: Any, y: Any) -> Any:
        return x * y

    derivative(add, lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)
    a, b = parameter(1.0, "a"), parameter(2.0, "b")
    z = add(a, b)
    assert "= add(a, b)" in texts(draw(z))
    assert r"\operatorname{add}\left(a, b\right)" in latex(z).latex
