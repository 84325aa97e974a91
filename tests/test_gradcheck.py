"""check_gradients lets right gradients pass, and says of wrong ones where and why."""

import functools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, check_gradients, derivative, operation, special
from tinygrad_edu.core import gradcheck
from tinygrad_edu.core.gradcheck import STEP, numerical_gradient
from tinygrad_edu.debugging import diagnosis
from tinygrad_edu.debugging.diagnosis import SHRINKING

rng = np.random.default_rng(0)
X, M, ROWS = (
    np.array([0.3, 0.7, -0.4]),
    np.array([[0.3, 0.7], [-0.4, 1.1]]),
    np.arange(12.0).reshape(4, 3) / 8,
)


def of(forward, *partials):
    """A new operation."""
    made = operation(forward)
    derivative(made, *partials)
    return made


def raw(x):
    return Tensor(x.data) if isinstance(x, Tensor) else x


def message(f, *inputs, **options):
    """What check_gradients says of a wrong gradient."""
    with (
        np.errstate(all="ignore"),
        pytest.raises(AssertionError, match="the derivative is") as caught,
    ):
        check_gradients(f, *inputs, **options)
    return str(caught.value)


def add(x, b):
    return x + b


def matmul(x, y):
    return x @ y


def square(x):
    return x * x


def cube(x):
    return x * x * x


def sine(x):
    return np.sin(x)


def twice_the_first(x):
    return x[[0, 0, 1]]


def total(x):
    return x.sum(axis=0)


def g_of(g, z, x, *rest):
    return g


def overwritten(g, z, x):
    return np.stack([g[1], g[2], 0 * g[0]])


def added(g, z, x):
    return np.stack([g[0] + g[1], g[2], 0 * g[0]])


# words that are expected, the operation, its broken partials, its right ones, where they differ
BROKEN = [
    (
        r"a factor: .* 1\.001 times",
        square,
        [lambda g, z, x: g * 2 * x * 1.001],
        [lambda g, z, x: g * 2 * x],
        [X],
    ),
    (r"a factor: .* 0\.5 times", square, [lambda g, z, x: g * x], [lambda g, z, x: g * 2 * x], [X]),
    (
        r"a factor: .* 2 times",
        square,
        [lambda g, z, x: g * 4 * x],
        [lambda g, z, x: g * 2 * x],
        [np.array(0.3)],
    ),
    (
        r"a factor: .* 2 times .* element$",
        square,
        [lambda g, z, x: g * 4 * x],
        [lambda g, z, x: g * 2 * x],
        [X[:2]],
    ),
    (
        r"a factor: .* 0\.25 times .*, and 4 .* a mean in place of a sum",
        add,
        [g_of, lambda g, z, x, b: g.sum(axis=0) / 4],
        [g_of, lambda g, z, x, b: g.sum(axis=0)],
        [ROWS, X],
    ),
    (
        "a sign: .* −1 times",
        sine,
        [lambda g, z, x: -g * np.cos(x)],
        [lambda g, z, x: g * np.cos(x)],
        [X],
    ),
    (r"forgets g: .* 1\.4", square, [lambda g, z, x: 2 * x], [lambda g, z, x: g * 2 * x], [X]),
    (
        "a missing sum: .* index 0 of axis 0 .* 4 summands",
        add,
        [g_of, lambda g, z, x, b: g[0]],
        [g_of, g_of],
        [ROWS, X],
    ),
    (
        "a missing sum: .* index 1 of axis 0 .* 3 summands",
        twice_the_first,
        [overwritten],
        [added],
        [X],
    ),
    (
        "transposed: .* the transpose of",
        matmul,
        [lambda g, z, x, y: y @ g.mT, lambda g, z, x, y: x.mT @ g],
        [lambda g, z, x, y: g @ y.mT, lambda g, z, x, y: x.mT @ g],
        [M, M + 1],
    ),
    (
        "transposed: .* if gᵀ arrived",
        add,
        [g_of, lambda g, z, x, b: g.sum(axis=1)],
        [g_of, g_of],
        [ROWS[:3], X],
    ),
    (
        "right to order 1 .* all of it everywhere",
        square,
        [lambda g, z, x: g * 2 * raw(x)],
        [lambda g, z, x: g * 2 * x],
        [X],
    ),
    (
        "right to order 1 .* all of it everywhere",
        square,
        [lambda g, z, x: raw(g) * 2 * x],
        [lambda g, z, x: g * 2 * x],
        [X],
    ),
    (
        r"right to order 1 only: .* lacks 0\.0142273 of 0\.0284546",
        cube,
        [lambda g, z, x: g * 3 * x * raw(x)],
        [lambda g, z, x: g * 3 * x * x],
        [X],
    ),
    (
        "two formulas",
        square,
        [lambda g, z, x: g * (3 if isinstance(x, Tensor) else 2) * x],
        [lambda g, z, x: g * 2 * x],
        [X],
    ),
    (
        "nothing arrives: .* exactly 0",
        total,
        [lambda g, z, x: 0 * x],
        [lambda g, z, x: g + 0 * x],
        [ROWS],
    ),
    (
        r"not finite: v·f is -?\d.* the partials give nan",
        square,
        [lambda g, z, x: g * x * np.inf * 0],
        [lambda g, z, x: g * 2 * x],
        [X],
    ),
    ("cause unknown", sine, [lambda g, z, x: g * np.sin(x)], [lambda g, z, x: g * np.cos(x)], [X]),
    ("cause unknown", lambda x: x + 0, [lambda g, z, x: g * (x > 0)], [g_of], [X]),
    (
        "cause unknown",
        sine,
        [lambda g, z, x: g * np.sin(x)],
        [lambda g, z, x: g * np.cos(x)],
        [np.array(0.7)],
    ),
]


@pytest.mark.parametrize(("words", "forward", "broken", "right", "inputs"), BROKEN)
def test_a_broken_partial_is_reported_with_its_cause_and_the_right_one_passes(
    words, forward, broken, right, inputs
):
    check_gradients(of(forward, *right), *inputs)
    said = message(of(forward, *broken), *inputs)
    assert re.search(rf"\n  {words}", said), said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(("words", "forward", "broken", "right", "inputs"), BROKEN)
def test_the_broken_operation_is_found_among_others(words, forward, broken, right, inputs):
    f = of(forward, *broken)
    said = message(lambda *inputs: np.sin(f(*inputs)) * np.tanh(inputs[0].sum()), *inputs)
    assert re.search(
        rf"\n  checked alone, .* argument \d of {re.escape(forward.__name__)}.*\n    {words}", said
    ), said
    assert len(said.splitlines()) == 3


def stair(x):
    return np.where(x > 1, x + 2, x)


def in_float32(x):
    return np.sin(x.astype(np.float32)).astype(np.float64)


def halved_root(x):
    return np.where(x > 0, np.sqrt(x), 0.0)


# words that are expected, a function whose partials are right, a place where differences are not,
# one where they are
DOUBTFUL = [
    (r"a kink: .* (0 from below and -?0\.\d+|-?0\.\d+ from below and 0) ", special.relu, 0.0, 0.5),
    (r"a kink: .* from below and .* from above", lambda x: np.maximum(x * x, 2 - x), 1.0, 0.5),
    (r"a kink: ", lambda x: special.relu(x) * x, 0.0, 0.5),
    (r"a jump: .* 0\.25\d* for h = 1e-4, 0\.25\d* for h = 1e-6", of(stair, g_of), 1.0, 2.0),
    (r"a jump: ", np.abs, 0.0, 0.5),  # of the derivative, at the second order
    (r"not finite: v·f is nan .* -?0 at it", np.sqrt, 0.0, 0.5),
    (r"not finite: v·f is nan .* -?inf at it", np.log, 0.0, 0.5),
    (
        r"rounding: .* least for h = 0\.0?01, by \de-0[67]; "
        r"by 0\.000\d* for h = 0\.1 and by 0\.\d* for h = 1e-8",
        of(in_float32, lambda g, z, x: g * np.cos(x)),
        0.3,
        None,
    ),
    (r"rounding: .* without cancellation", lambda x: (x + 1e10) - 1e10, 0.3, None),
    (r"the step: .* least for h = 1e-0[78], .* bends", lambda x: np.sin(x * 1e5), 0.3, None),
    (r"the step: .* jumps within one step", special.relu, 3e-5, 3e-3),
]


@pytest.mark.parametrize(("words", "f", "bad", "good"), DOUBTFUL)
def test_where_differences_cannot_be_trusted_the_reason_is_said(words, f, bad, good):
    if good:
        check_gradients(f, np.array([0.25, good]))
    said = message(f, np.array([bad]))
    assert re.search(rf"\n +{words}", said), said


@pytest.mark.parametrize("x", np.arange(1, 9) / 7)
def test_rounding_is_not_mistaken_for_a_kink(x):
    assert "\n  rounding" in message(of(lambda x: (x + 1e8) - 1e8, g_of), np.array(x))


def test_a_kink_is_not_blamed_for_more_than_lies_between_its_slopes():
    assert "cause unknown" in message(
        of(lambda x: np.maximum(x, 0), lambda g, z, x: g * 7), np.array(0.0)
    )


def test_raw_data_in_the_function_is_told_from_a_broken_operation():
    said = message(lambda x: np.sin(x) * x.data, X)
    assert re.search(
        r"\n  not recorded: the operations of f, 2, are right alone, .* lacks .* x\.data", said
    ), said


def test_a_broken_operation_within_a_partial_is_found():
    cosine = of(np.cos.__call__, lambda g, z, x: g * np.sin(x))
    said = message(of(sine, lambda g, z, x: g * cosine(x)), X)
    assert re.search(
        r"second order.*\n  checked alone, first order: argument 0 of __call__.*\n    a sign", said
    ), said


def test_third_order_is_reached_and_named():
    almost = of(square, lambda g, z, x: g * 2 * raw(x))
    f = of(
        lambda x: x**4 / 3,
        lambda g, z, x: g * 4 / 3 * x * (almost(x) if isinstance(x, Tensor) else x * x),
    )
    check_gradients(lambda x: x**4, X, order=3)
    check_gradients(of(cube, lambda g, z, x: g * 3 * square(x)), X, order=3)
    said = message(f, X, order=3)
    assert re.search(
        "third order: .*\n  checked alone, second order: .* square.*\n    right to order 1", said
    ), said


def test_the_element_the_numbers_and_how_many_differ_are_named():
    f = of(lambda x: x * np.array([1.0, 2.0, 3.0]), lambda g, z, x: g * np.array([1.0, 2.0, 3.1]))
    said = message(lambda n, x: f(x) * n, 3, X)
    assert re.match(
        r"first order: input 1, element \(2,\): "
        r"the derivative is \S+ by .*; 1 of 3 elements differ",
        said,
    ), said
    by_partials, by_differences = map(float, re.findall(r"(\S+) by ", said)[:2])
    assert by_partials / by_differences == pytest.approx(3.1 / 3)


def test_the_tensors_name_is_said():
    f = of(square, lambda g, z, x: g * x)
    assert message(lambda n, w: f(w) * n, 2, Tensor(X, name="w")).startswith(
        "first order: input 1 (w), element (0,)"
    )


@pytest.mark.parametrize(
    ("partials", "words"),
    [
        (
            [lambda g, z, x, y: raw(g) * y, lambda g, z, x, y: g * x],
            "input 0 with respect to the gradient that arrives,",
        ),
        (
            [lambda g, z, x, y: g * y, lambda g, z, x, y: g * raw(x)],
            r"input 1 \(y\) with respect to input 0,",
        ),
        (
            [lambda g, z, x, y: g * raw(y), lambda g, z, x, y: g * x],
            r"input 0 with respect to input 1 \(y\),",
        ),
    ],
)
def test_the_second_order_is_told_in_words(partials, words):
    f = of(lambda x, y: x * y, *partials)
    assert re.match(
        f"second order: the gradient of {words}", message(f, X, Tensor(X + 1, name="y"))
    )


def test_a_function_that_refuses_points_nearby_does_not_hide_what_was_found():
    def guarded(x):
        if x.max() > 0.705:
            raise ValueError("0.7 at most")
        return x * x

    said = message(of(guarded, lambda g, z, x: g * x), X)
    assert "cause unknown: f refuses a point nearby: 0.7 at most, in guarded(" in said


def test_a_small_gradient_is_compared_with_itself():
    message(of(lambda x: x * 1e-7, lambda g, z, x: g * 5e-7), X)


def test_a_small_element_is_not_hidden_by_a_large_one():
    slopes, one_wrong = np.array([1e4, 1e-3]), np.array([1e4, -1e-3])
    said = message(of(lambda x: x * slopes, lambda g, z, x: g * one_wrong), np.array([0.3, 0.7]))
    assert "element (1,)" in said


def test_a_check_that_passes_is_not_diagnosed(monkeypatch):
    monkeypatch.setattr(diagnosis, "explained", None)
    check_gradients(
        lambda x, w: np.tanh(x @ w), rng.normal(size=(2, 3)), rng.normal(size=3), order=3
    )
    with pytest.raises(TypeError):
        check_gradients(of(square, lambda g, z, x: g * x), X)


def test_the_diagnosis_looks_at_the_step_of_the_check():
    assert SHRINKING[0] == STEP


SMOOTH = [
    np.sin,
    np.tanh,
    np.sqrt,
    np.log1p,
    special.sigmoid,
]  # on (0, 1.5), where no slope is below 1/8
COMPOSITIONS = st.lists(st.sampled_from(SMOOTH), max_size=2)
POINTS = st.lists(st.integers(2, 10), min_size=1, max_size=3).map(lambda x: np.array(x) / 8)


def composition(functions):
    return lambda x: functools.reduce(lambda z, f: f(z), functions, x)


@settings(max_examples=40, deadline=None)
@given(
    COMPOSITIONS, COMPOSITIONS, POINTS, st.integers(-40, 40).filter(lambda n: n not in (-8, 0, 8))
)
def test_smooth_compositions_pass_and_a_scaled_one_is_reported_with_its_factor(
    before, after, x, eighths
):
    check_gradients(composition([*before, np.positive, *after]), x)
    scaled = of(lambda x: x + 0, lambda g, z, x: g * (eighths / 8))
    assert f"a factor: the partials give {eighths / 8:.6g} times" in message(
        composition([*before, scaled, *after]), x
    )


@settings(deadline=None)
@given(COMPOSITIONS, POINTS)
def test_differences_are_exact_to_eight_digits(functions, x):
    f = composition(functions)
    slope = gradcheck.vjp(f, x)[1](np.ones(x.shape))[0]
    np.testing.assert_allclose(numerical_gradient(lambda x: f(x).sum(), x), slope, rtol=1e-8)
