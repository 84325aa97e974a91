"""detect_anomaly names the first NaN or infinity, and every array that changed too early.

Each error shows the user's line.
"""

import gc
import linecache
import math
import threading
import warnings
import weakref

import numpy as np
import pytest
from cases import OPERATIONS, case
from hypothesis import HealthCheck, given, settings

from tinygrad_edu import (
    Tensor,
    check_gradients,
    derivative,
    detect_anomaly,
    draw,
    grad,
    hessian,
    nn,
    no_grad,
    operation,
    special,
)
from tinygrad_edu.core.arraylike import REGISTRY, apply

inf, nan = np.inf, np.nan


def variable(x, name=None):
    return Tensor(np.array(x), requires_grad=True, name=name)


def complaint(f, error=FloatingPointError):
    with pytest.raises(error) as caught, detect_anomaly():
        f()
    return str(caught.value)


def without_source(message):
    """A message without the line of source that it shows: the words stand in that line too."""
    first, _, last = message.split("\n")
    return f"{first}\n{last}"


# 1. The first NaN or infinity: what is computed, and what the message must say

x, zero = variable([0.0, 1.0, 4.0], "x"), variable(0.0, "zero")
data, huge = np.array([[1.0, nan], [2.0, nan]]), variable(1e200, "huge")

ANOMALIES = [
    (
        lambda: np.log(x),
        [
            "forward pass",
            "log(x (3,))",
            "-inf at element (0,)",
            "1 of 3 elements",
            "finite. If only x > 0",
        ],
    ),
    (
        lambda: 1.0 / x,
        [
            "forward pass",
            "divide(1.0, x (3,))",
            "inf at element (0,)",
            "np.divide(1, np.where(x != 0, x, 1.0))",
        ],
    ),
    (lambda: np.log(zero), ["log(zero ()) is -inf\n"]),
    (
        lambda: np.exp(variable(1000.0)),
        ["forward pass", "exp(Tensor ()) is inf\n", "All that came in is finite."],
    ),
    (
        lambda: data @ variable([0.0, 1.0], "w"),
        [
            "matmul(array (2, 2), w (2,))",
            "It came in: argument 0, array (2, 2), is nan",
            "element (0, 1); 2 of 4 elements",
        ],
    ),
    (
        lambda: [1.0, inf, 1.0] * x,
        ["multiply(", "It came in: argument 0", "is inf at element (1,)"],
    ),
    (lambda: x * nan, ["multiply(x (3,), nan)", "It came in: argument 1, nan, is nan"]),
    (lambda: x**nan, ["power(x (3,), nan)", "It came in: argument 1, nan, is nan"]),
    (
        lambda: Tensor([nan], name="data") + 1.0,
        ["add(data (1,), 1.0)", "It came in: argument 0, data (1,)"],
    ),  # not recorded
    (
        lambda: np.sqrt(x).sum().backward(),
        [
            "backward pass: the gradient for argument 0, x (3,), of sqrt(x (3,)) is inf at "
            "element (0,)",
            "finite. If only x > 0",
        ],
    ),
    (
        lambda: np.where(x > 0, np.sqrt(x), 0.0).sum().backward(),
        ["backward pass", "sqrt(x (3,)) is nan"],
    ),
    (
        lambda: np.where(x > 0, np.log(x), 0.0).sum().backward(),
        ["log(x (3,)) is -inf", "np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)"],
    ),
    (
        lambda: (x * 2.0).backward(np.array([1.0, inf, 1.0])),
        [
            "backward pass",
            "argument 0",
            "multiply(x (3,), 2.0)",
            "It came in: the gradient that arrived, is inf at element (1,)",
        ],
    ),
    (
        lambda: huge * huge,
        ["forward pass", "multiply(huge (), huge ()) is inf\n", "All that came in is finite."],
    ),
    (
        lambda: np.sqrt(x).sum().gradient(x, create_graph=True),
        ["backward pass", "x (3,), of sqrt(x (3,)) is inf"],
    ),
    (
        lambda: (x**1.5).sum().gradient(x, create_graph=True).sum().backward(),
        [
            "backward pass",
            "of power(x (3,), 0.5) within the derivative of power(x (3,), 1.5) is inf",
        ],
    ),
]


@pytest.mark.parametrize(("f", "words"), ANOMALIES)
def test_the_first_nan_or_infinity_is_named(f, words):
    message = without_source(complaint(f))
    assert [word for word in words if word not in message] == []


def test_the_backward_pass_is_checked_outside_of_the_context_too():
    with detect_anomaly():
        loss = np.sqrt(x).sum()
    with pytest.raises(FloatingPointError, match=r"backward pass: .* sqrt"):
        loss.backward()


def test_a_derivative_of_what_was_recorded_within_is_watched_outside_too():
    with detect_anomaly():
        z = (x**1.5).sum()
    slope = z.gradient(x, create_graph=True)
    with pytest.raises(
        FloatingPointError,
        match=r"within the derivative of power.*\n.*: z = \(x\*\*1\.5\)\.sum\(\)",
    ):
        slope.sum().backward()


def test_a_nan_that_reaches_no_result_is_no_anomaly():
    with detect_anomaly():
        np.where([True, True, True], x, np.array([nan, 1.0, -inf])).sum().backward()


WITH_DOMAIN = [
    f
    for f, run in OPERATIONS.items()
    if np.isfinite(run.domain).any() or run.facts.get("poles", ())
]


@pytest.mark.parametrize("function", WITH_DOMAIN, ids=lambda f: f.__name__)
def test_the_remedy_that_a_message_suggests_works(function):
    x = variable([-9.0, -1.0, 0.0, 0.5, 1.0, 9.0])
    y = variable([0.5, 0.0, 2.0, 1.0, 1.0, 0.0])
    arguments = (x, y)[: len(OPERATIONS[function].partials)]
    said = complaint(lambda: apply(function, *arguments).sum().backward())
    written = said.rpartition("of its own: ")[2].partition(". See")[0]
    with detect_anomaly():
        eval(written).sum().backward()


def test_no_remedy_is_suggested_for_what_lies_within_the_domain():
    assert complaint(lambda: huge**2.0).endswith("All that came in is finite.")


# 2. The user's line


def of(x):
    return x / (x - x)


def test_the_line_is_the_users(lines=of.__code__.co_firstlineno):
    assert f"\n  {__file__}:{lines + 1}: return x / (x - x)\n" in complaint(lambda: of(x))


@pytest.mark.parametrize(
    "f",
    [
        np.log,
        Tensor.log,
        lambda z: np.mean(z / zero),
        lambda z: np.stack([z, z]) / zero,
        lambda z: np.polynomial.polynomial.polyval(z, [1.0, inf]),
    ],
)
def test_no_line_of_this_package_or_of_numpy_is_shown(f):
    message = complaint(lambda: f(x - x))
    assert __file__ in message
    assert "tinygrad_edu/" not in message
    assert "numpy/" not in message


def test_within_a_model_the_layer_is_named_too():
    model = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1))
    model[2].bias.data = model[2].bias.data * nan
    message = complaint(lambda: model(np.ones((4, 2), np.float32)))
    assert f"{__file__}:" in message
    assert ", in Linear.forward: message = complaint(lambda: model(" in message
    assert "argument 2, bias (1,), is nan" in message


def test_without_a_source_the_line_has_its_number_only():
    code = compile("\n\nnp.log(x)", "<prompt>", "exec")
    assert "\n  <prompt>:3\n" in complaint(
        lambda: exec(code, {"np": np, "x": x, "__name__": "__main__"})
    )
    name = "tinygrad_edu.debugging.anomaly"  # as doctest runs its docstrings
    assert "\n  <prompt>:3\n" in complaint(lambda: exec(code, {"np": np, "x": x, "__name__": name}))


# 3. Arrays that change between forward and backward

w, p = variable([1.0, 2.0], "w"), variable(3.0, "p")
a, rows = np.array([1.0, 2.0]), np.array([0, 1])

CHANGES = [  # what is computed, the array that then becomes 7, what the message must say
    (
        lambda: w * a,
        a,
        [
            "argument 1, array (2,), of multiply(w (2,), array (2,))",
            "element (0,) was 1.0 and is 7.0; 2 of 2",
        ],
    ),
    (
        lambda: w * a,
        w.data,
        ["argument 0, w (2,), of multiply(w (2,), array (2,))", "element (0,) was 1.0 and is 7.0"],
    ),
    (
        lambda: p * p,
        p.data,
        ["argument 0, p (), of multiply(p (), p ())", ": it was 3.0 and is 7.0; 1 of 1"],
    ),
    (
        lambda: w[rows],
        rows,
        [
            "argument 1, array (2,), of getitem(w (2,), array (2,))",
            "element (0,) was 0 and is 7; 2 of 2",
        ],
    ),
    (
        lambda: w[rows, None],
        rows,
        ["argument 1, (array (2,), None), of getitem(w (2,), (", "element (0,) was 0 and is 7"],
    ),
]


@pytest.mark.parametrize(("f", "array", "words"), CHANGES)
def test_an_array_that_was_changed_in_place_is_named_with_the_operation_that_used_it(
    f, array, words
):
    before = array.copy()
    with detect_anomaly():
        z = f()
    array[...] = 7
    with pytest.raises(RuntimeError) as caught:
        z.backward(np.ones(z.shape))
    array[...] = before
    message = str(caught.value)
    assert [
        word for word in [*words, "p.data = p.data - step"] if word not in without_source(message)
    ] == []
    assert f"\n  {__file__}:{f.__code__.co_firstlineno}: lambda: " in message


def test_a_result_that_was_changed_in_place_is_named():
    with detect_anomaly():
        z = np.exp(w)
    z.data[1] = 0.0
    with pytest.raises(
        RuntimeError, match=r"the result of exp\(w \(2,\)\) was changed in place .* and is 0.0"
    ):
        z.backward(a)


def test_an_array_that_was_restored_is_as_it_was():
    with detect_anomaly():
        z = w * a
    a[0] += 1.0
    a[0] -= 1.0
    z.backward(np.ones(2))


@pytest.mark.parametrize("create_graph", [False, True])
def test_data_may_be_replaced(create_graph):
    q = variable([1.0, 2.0])
    with detect_anomaly():
        loss = (q**3).sum()
        q.data = q.data - 1.0
        slope = loss.gradient(q, create_graph=create_graph)
        q.data -= 1.0
        assert slope.data.tolist() == [3, 12]
        if create_graph:
            assert slope.sum().gradient(q).data.tolist() == [6, 12]


# 4. Everything else is as it was without it

FEW = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("function", OPERATIONS, ids=lambda f: OPERATIONS[f].name)
def test_every_derivative_is_right_to_second_order_while_it_is_watched(function):
    @FEW
    @given(case(function))
    def check(drawn):
        arguments, options = drawn
        with detect_anomaly():
            check_gradients(lambda *args: np.sin(apply(function, *args, **options)), *arguments)

    check()


def test_nothing_is_recorded_or_watched_within_no_grad():
    with detect_anomaly(), no_grad():
        assert (w * inf).operation is None
    with no_grad(), detect_anomaly():
        assert (w * inf).operation is None


def test_it_nests_and_ends_even_with_an_error():
    with detect_anomaly():
        complaint(lambda: w * nan)
        with pytest.raises(FloatingPointError):
            w * nan
    w * nan


def test_as_a_decorator_it_may_call_itself():
    @detect_anomaly()
    def product(n):
        return w * nan if n == 0 else w * product(n - 1)

    with pytest.raises(FloatingPointError, match="multiply"):
        product(3)
    w * nan


def test_in_one_thread_it_leaves_the_others_alone():
    found = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(w * nan))
        thread.start()
        thread.join()
    assert type(found[0].operation) is type(REGISTRY[np.multiply])


def test_numpys_warnings_are_silent_within_and_back_afterwards():
    with detect_anomaly():
        assert np.log(np.zeros(1)) == -inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.log(np.zeros(1))


def network():
    hidden = special.sigmoid(
        np.array([[1.0, -2.0]]) @ variable([[0.5], [0.25]], "w") + variable([0.1], "b")
    )
    return np.sqrt((hidden * 2 - 1).sum() ** 2)


def test_a_graph_is_drawn_as_it_is_without_it():
    with detect_anomaly():
        watched = draw(network()).svg()
    assert watched == draw(network()).svg()


def test_a_graph_is_drawn_even_with_what_would_raise():
    p = variable(0.0, "p")
    with detect_anomaly():
        z = np.sqrt(p * 1.0)
        p.data += 1.0
        assert "× inf" in draw(z).svg()


def test_a_dead_graph_is_freed_at_once():
    gc.disable()
    try:
        with detect_anomaly():
            q = variable(np.ones(10))
            z = np.sin(q) * q
            slope = z.sum().gradient(q, create_graph=True)
            slope.sum().backward()
        kept = [weakref.ref(t) for t in (z, slope, z.operation, slope.operation)]
        del z, slope
        assert [ref() for ref in kept] == [None] * 4
    finally:
        gc.enable()


def test_a_long_chain_goes_forward_backward_and_out_of_scope():
    z = q = variable(1.0)
    with detect_anomaly():
        for _ in range(50_000):
            z = z + 1.0
        z.backward()
    del z
    assert q.grad == 1.0


BOUNDED = [
    ((0.0, 1.0), "(x > 0) & (x < 1)", 0.5),
    ((-inf, 3.0), "x < 3", 2.0),
    ((-1.0, 1.0), "(x > -1) & (x < 1)", 0.0),
]


@pytest.mark.parametrize(("interval", "condition", "inside"), BOUNDED)
def test_the_remedy_of_a_users_operation_follows_its_domain(interval, condition, inside):
    f = operation(lambda x: x * nan)
    f.__name__ = "logit"
    derivative(f, lambda g, z, x: g, domain=(interval,))
    assert f"np.where({condition}, logit(np.where({condition}, x, {inside})), 0.0)" in complaint(
        lambda: f(variable(7.0))
    )


@pytest.mark.parametrize(
    ("distance", "focus", "safe"),
    [(variable(0.0, "d"), 2.0, "d"), (2.0, variable(0.0, "f"), "f")],
)
def test_the_remedy_of_a_users_operation_follows_its_poles(distance, focus, safe):
    @operation
    def lens(distance, focus):
        return 1 / np.asarray(focus) - 1 / np.asarray(distance)

    derivative(
        lens,
        lambda g, z, d, f: g / (d * d),
        lambda g, z, d, f: -g / (f * f),
        poles=(0, 1),
    )
    arguments = [f"np.where({safe} != 0, {safe}, 1.0)", "2"]
    if safe == "f":
        arguments.reverse()
    said = complaint(lambda: lens(distance, focus))
    assert f"np.where({safe} != 0, lens({', '.join(arguments)}), 0.0)" in said


def test_a_users_operation_of_the_name_of_numpys_is_not_taken_for_it():
    @operation
    def log(x):
        return np.log(x)

    derivative(log, lambda g, z, x: g / x, domain=((0.0, inf),))
    assert "np.where(x > 0, log(np.where(x > 0, x, 1.0)), 0.0)" in complaint(
        lambda: log(variable(0.0))
    )


def test_a_users_operation_is_watched():
    @operation
    def broken(x):
        return x * nan

    assert "the result of broken(w (2,)) is nan" in complaint(lambda: broken(w))


def test_functions_of_functions_are_watched():
    assert "backward pass: the gradient for argument 0, Tensor (), of sqrt" in complaint(
        lambda: grad(np.sqrt)(0.0)
    )


# 6. A number that leaves the graph, a state that is carried on


def warnings_of(f):
    """The warnings of f within detect_anomaly, each with the text of the line that it names."""
    with warnings.catch_warnings(record=True) as caught, detect_anomaly():
        warnings.simplefilter("always")
        f()
    return [(str(w.message), linecache.getline(w.filename, w.lineno)) for w in caught]


@pytest.mark.parametrize("leave", [float, Tensor.item, math.tanh, np.float64])
def test_the_line_where_a_number_leaves_the_graph_is_named(leave):
    ((message, line),) = warnings_of(lambda: w[0] * leave(w[0]))
    assert "Tensor () leaves the graph as a number" in message
    assert "w[0] * leave(w[0])" in line


def test_a_number_may_leave_where_nothing_is_recorded_and_for_decisions_and_texts():
    def decide():
        with no_grad():
            float(w[0])
        return w[0] > 0 and f"{w[0]:.2f}" and float(w[0].detach())

    assert not warnings_of(decide)


def test_a_transform_within_refuses_a_number_that_leaves():
    with pytest.raises(TypeError, match="would leave the graph as a number"):
        warnings_of(lambda: grad(lambda x: x * math.tanh(x))(0.5))


def unroll(cut):
    """Three steps that carry a state on."""
    state = Tensor(np.zeros(2))
    for _ in range(3):
        state = np.tanh(w * 0.1 + state)
        state.sum().backward()
        state = cut(state)


def test_a_state_that_is_not_detached_between_steps_is_named_once():
    ((message, line),) = set(warnings_of(lambda: unroll(lambda state: state)))
    assert "state.detach()" in message
    assert "state = np.tanh(w * 0.1 + state)" in line
    assert not warnings_of(lambda: unroll(Tensor.detach))


def test_two_passes_from_one_root_and_derivatives_of_derivatives_are_no_state():
    def twice():
        loss = np.sin(w).sum()
        loss.backward()
        loss.backward()
        slope = np.exp(w).sum().gradient(w, create_graph=True)
        (slope * slope).sum().backward()

    assert not warnings_of(twice)
    assert not warnings_of(lambda: hessian(lambda x: (x**3).sum())(np.ones(3)))
