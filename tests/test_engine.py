"""The engine's promises: shape and dtype, accumulation, depth, width, garbage, errors, threads; and
what is recorded."""

import copy
import functools
import gc
import itertools
import operator
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu import Tensor, check_gradients, derivative, grad, jvp, no_grad, operation
from tinygrad_edu.core import derivatives
from tinygrad_edu.core.derivatives import scatter
from tinygrad_edu.core.engine import REGISTRY, chain_rule, unbroadcast

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])


def variable(x, name=None):
    return Tensor(x, requires_grad=True, name=name)


# 1. Shape, dtype, accumulation


@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3), FLOATS, FLOATS)
def test_a_gradient_has_the_shape_and_dtype_of_its_input(shapes, left, right):
    x, y = (
        variable(np.ones(shape, dtype))
        for shape, dtype in zip(shapes.input_shapes, (left, right), strict=True)
    )
    (x * y + np.float64(2) * x).sum().backward()
    assert (x.grad.shape, x.grad.dtype, y.grad.shape, y.grad.dtype) == (
        x.shape,
        x.dtype,
        y.shape,
        y.dtype,
    )


def test_two_backward_passes_add_exactly_twice():
    x = variable(np.array([0.1, 0.7]))
    loss = np.sin(x * x * x).sum()
    loss.backward()
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)


def test_a_value_used_twice_gets_both_gradients():
    x = variable(3.0)
    (x * x + x).backward()
    assert x.grad == 7.0


def test_a_gradient_is_an_array_of_its_own_that_can_be_written_to():
    x, y = variable(np.ones(3)), variable(np.ones(3))
    (x + y).sum().backward()
    x.grad += 1
    assert x.grad.tolist() == [2, 2, 2]
    assert y.grad.tolist() == [1, 1, 1]


def test_a_gradient_that_two_passes_have_added_up_can_be_written_to_too():
    x = variable(3.0)
    for _ in range(2):
        (x * x).backward()
    x.grad[...] = 1.0
    assert x.grad == 1.0


def test_only_what_requires_a_gradient_gets_one():
    x, data = variable(2.0), Tensor(3.0)
    (x * data).backward()
    assert data.grad is None


def test_a_partial_is_evaluated_only_where_a_gradient_is_wanted(monkeypatch):
    called = []
    run = REGISTRY[np.multiply]
    monkeypatch.setitem(run.partials, 0, lambda g, z, x, y: called.append("x"))
    (Tensor(2.0) * variable(3.0)).backward()
    assert not called


# 2. Depth, width, garbage


def test_a_chain_of_a_million_operations_goes_forward_backward_and_out_of_scope():
    x = z = variable(1.0)
    for _ in range(1_000_000):
        z = z + 1.0
    z.backward()
    del z
    assert x.grad == 1.0


def test_a_diamond_repeated_sixty_times_takes_sixty_steps():
    x = z = variable(1.0)
    for _ in range(60):
        z = z + z
    assert sum(1 for _ in chain_rule(z)) == 61
    assert z.gradient(x).item() == 2.0**60


@pytest.mark.parametrize("join", [np.stack, np.concatenate])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_backward_pass_of_many_arguments_asks_their_partial_once(
    join, create_graph, monkeypatch
):
    run = REGISTRY[{np.stack: derivatives.stack, np.concatenate: derivatives.concatenate}[join]]
    calls, each = [], run.each

    @functools.wraps(each)
    def counted(*args, **options):
        calls.append(len(args))
        return each(*args, **options)

    monkeypatch.setattr(run, "each", counted)
    xs = [variable(np.ones(1)) for _ in range(20_000)]
    slopes = np.square(join(xs)).sum().gradient(*xs, create_graph=create_graph)
    assert calls == [20_002]
    assert {g.data.item() for g in slopes} == {2.0}


def test_a_dead_graph_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        x = variable(np.ones(1000))
        middle = np.sin(x) * x
        middle.sum().backward()
        array = weakref.ref(middle)
        del middle
        assert array() is None
    finally:
        gc.enable()


def test_the_walk_yields_each_tensor_once_and_after_all_that_it_flowed_into():
    x = variable(2.0)
    y = x * x
    z = y + x * y
    walked = [tensor for tensor, _ in chain_rule(z)]
    assert walked[0] is z
    assert walked[-1] is x
    assert len({id(t) for t in walked}) == len(walked) == 4


# 3. What was recorded is what is differentiated


def test_replacing_data_after_recording_changes_no_gradient():
    x = variable(3.0)
    z = x * x * x
    x.data = np.array(100.0)
    slope = z.gradient(x, create_graph=True)
    assert (slope.item(), slope.gradient(x).item()) == (27.0, 18.0)


def test_gradients_of_any_order():
    slopes = list(itertools.accumulate(range(4), lambda f, _: grad(f), initial=lambda x: x**4))
    assert [float(f(2.0)) for f in slopes[1:]] == [32, 48, 48, 24]


def test_gradient_reaches_values_that_were_computed_and_leaves_grad_alone():
    x = variable(2.0)
    y = x * x
    assert (y * y).gradient(y).item() == 8.0
    assert x.grad is None


def test_gradient_is_zero_where_nothing_depends():
    x, y = variable(2.0), variable(np.ones(3))
    assert [g.data.tolist() for g in (x * x).gradient(x, y)] == [4.0, [0, 0, 0]]


def test_gradient_of_an_array():
    w = variable(np.array([1.0, 2.0]))
    assert (w * w).sum().gradient(w).data.tolist() == [2, 4]


def test_backward_starts_from_the_gradient_that_is_given():
    x = variable(np.array([1.0, 2.0]))
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [2, 40]


@given(
    hnp.mutually_broadcastable_shapes(num_shapes=1, max_dims=4, min_side=0, max_side=3), st.data()
)
def test_unbroadcast_is_the_transpose_of_broadcast_to(shapes, data):
    small = shapes.input_shapes[0]
    large = data.draw(hnp.broadcastable_shapes(small, min_side=0, max_side=3, min_dims=len(small)))
    if np.broadcast_shapes(small, large) != large:
        return
    g = np.random.default_rng(0).normal(size=large)
    x = np.random.default_rng(1).normal(size=small)
    np.testing.assert_allclose(
        (np.broadcast_to(x, large) * g).sum(), (x * unbroadcast(g, small)).sum(), atol=1e-9
    )


# 4. no_grad, threads, copies


def test_nothing_is_recorded_within_no_grad():
    x = variable(2.0)
    with no_grad():
        z = x * x
    assert not z.requires_grad
    assert z.operation is None


def test_no_grad_in_one_thread_does_not_leak_into_another():
    x, found = variable(2.0), []
    with no_grad():
        thread = threading.Thread(target=lambda: found.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]


def test_a_paused_generator_does_not_switch_recording_off_for_others():
    def halves(x):
        with no_grad():
            while True:
                yield x / 2

    x = variable(2.0)
    half = halves(x)
    assert not next(half).requires_grad and (x * x).requires_grad
    with no_grad():
        assert not next(half).requires_grad and not (x * x).requires_grad
    half.close()
    assert (x * x).requires_grad


def test_no_grad_may_end_in_another_order_than_it_began():
    x = variable(2.0)

    def once():
        with no_grad():
            yield

    paused = once()
    next(paused)
    with no_grad():
        next(paused, None)
        assert not (x * x).requires_grad
    assert (x * x).requires_grad


def test_no_grad_decorates_a_generator_function():
    @no_grad()
    def squares(x):
        for _ in range(2):
            yield x * x

    x = variable(2.0)
    assert [z.requires_grad for z in squares(x)] == [False, False]
    for z in squares(x):
        assert not z.requires_grad and (x * x).requires_grad


def test_no_grad_decorates_a_function_that_calls_itself():
    @no_grad()
    def power(x, n):
        return x * power(x, n - 1) if n else x

    x = variable(2.0)
    assert not power(x, 3).requires_grad and (x * x).requires_grad


def test_threads_add_to_one_leaf_and_none_is_lost():
    w, count = variable(np.zeros(200_000)), 12

    def work():
        for _ in range(count):
            (w * 1.0).sum().backward()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(interval)
    assert set(w.grad.tolist()) == {8.0 * count}


def pickled(t):
    return pickle.loads(pickle.dumps(t))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, copy.copy])
def test_a_copy_is_a_leaf_of_its_own(copied):
    x = variable([2.0], "x")
    for t in (x, x * 1):
        y = copied(t)
        (t * y * y).sum().backward()
        assert (y.operation, y.grad, y.name) == (None, 8.0, t.name)
        assert np.shares_memory(y.data, t.data) == (copied is copy.copy)
    assert x.grad == 8.0


def test_tensors_of_one_array_share_its_memory_and_copies_of_both_do_too():
    array = np.ones(2)
    x, y = copy.deepcopy((Tensor(array), Tensor(array)))
    x.data[0] = array[1] = 5.0
    assert (y.data.tolist(), Tensor(array).numpy() is array) == ([5.0, 1.0], True)


# 5. Operators and NumPy's functions


@settings(max_examples=50)
@given(
    st.sampled_from(["+", "-", "*", "/", "**"]),
    st.booleans(),
    st.sampled_from([2, 3.0, np.float64(2), np.arange(1.0, 3)]),
)
def test_operators_work_from_both_sides(symbol, tensor_left, other):
    compute = eval(f"lambda x, y: x {symbol} y")
    x = np.array([1.5, 2.5])
    pair = (Tensor(x), other) if tensor_left else (other, Tensor(x))
    plain = (x, other) if tensor_left else (other, x)
    np.testing.assert_array_equal(compute(*pair).data, compute(*plain))


def test_lists_take_part():
    x = variable(np.array([1.0, 2.0]))
    ([2.0, 3.0] * x ** [2, 0]).sum().backward()
    assert x.grad.tolist() == [4.0, 0.0]


@pytest.mark.parametrize(
    ("f", "options"),
    [
        (np.swapaxes, {"axis1": 0, "axis2": 1}),
        (np.expand_dims, {"axis": 0}),
        (np.transpose, {"axes": (1, 0)}),
        (np.squeeze, {"axis": None}),
        (np.broadcast_to, {"shape": (2, 2, 3)}),
        (np.sum, {"axis": 0}),
        (np.max, {"keepdims": True}),
    ],
)
def test_settings_may_be_given_by_numpys_names(f, options):
    x = np.arange(6.0).reshape(2, 3)
    z = f(variable(x), **options)
    np.testing.assert_array_equal(z.data, f(x, **options))
    z.sum().backward()


@pytest.mark.parametrize(
    "f",
    [
        lambda t: np.concatenate([[1.0, 2.0], t]),
        lambda t: np.average([1.0, 2.0, 3.0], weights=t),
        lambda t: np.diff([1.0, 2.0], prepend=t),
        lambda t: np.prod(t, axis=np.int64(0)),
        lambda t: np.append([1.0], t),
    ],
)
def test_lists_and_numpys_integers_are_taken_where_numpy_takes_them(f):
    t = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(f(Tensor(t)).data, f(t))
    check_gradients(f, t)


def test_a_result_of_integers_or_booleans_requires_no_gradient():
    assert not variable(np.array([1.5])).astype(int).requires_grad
    assert not variable(np.array([1.5])).astype(bool).requires_grad


def test_one_number_becomes_pythons_and_many_become_lists():
    assert (int(variable(2.5)), float(variable(2.5)), variable(np.ones(2)).tolist()) == (
        2,
        2.5,
        [1.0, 1.0],
    )


def test_comparisons_give_plain_arrays():
    x = variable(np.array([1.0, 2.0]))
    assert isinstance(x > 1.5, np.ndarray)
    assert (x == x).all()


def test_a_stack_of_many_tensors_is_one_operation():
    xs = [Tensor(1.0, requires_grad=True) for _ in range(5)]
    assert [id(x) for _, x in np.stack(xs).inputs] == [id(x) for x in xs]


def test_iterating_unpacks():
    a, b = variable(np.array([1.0, 2.0]))
    assert (a.item(), b.item()) == (1.0, 2.0)


@given(st.lists(st.sampled_from(["row", "column", "mask", "whole"]), min_size=1, max_size=6))
def test_the_gradients_of_parts_and_of_the_whole_add_up(uses):
    x = variable(np.arange(6.0).reshape(3, 2))
    part = {
        "row": lambda: x[1],
        "column": lambda: x[:, 0],
        "mask": lambda: x[x > 2],
        "whole": lambda: x,
    }
    expected = np.zeros((3, 2))
    for use in uses:
        expected += {
            "row": [[0, 0], [1, 1], [0, 0]],
            "column": [[1, 0]] * 3,
            "mask": x.data > 2,
            "whole": 1,
        }[use]
    assert (sum(part[use]().sum() for use in uses).gradient(x).data == expected).all()


def test_a_loop_over_rows_writes_the_zeros_of_the_gradient_out_once(monkeypatch):
    calls, run = [], REGISTRY[scatter]
    forward = run.forward
    monkeypatch.setattr(
        run, "forward", lambda *pieces, **options: calls.append(1) or forward(*pieces, **options)
    )
    x = variable(np.ones((100, 2)))
    sum(np.sin(row).sum() for row in x).backward()
    assert len(calls) == 1


def test_a_users_operation_is_three_lines():
    cube = operation(lambda x: x * x * x)
    derivative(cube, lambda g, z, x: g * 3 * x * x)
    assert grad(grad(cube))(2.0) == 12.0


def test_printing_shows_numbers_and_origin():
    x = variable(np.float32(0.1), "x")
    assert repr(x) == "Tensor(0.1, dtype=float32, name='x', requires_grad=True)"
    assert f"{x * 2:.2f}" == "0.20"
    assert repr(Tensor([1.0, 2.0]) * 2) == "Tensor([2., 4.])"


def item_of(array, t):
    array[0] = t


def last_item(array, t):
    array.flat[-1] = t


def parts_of_objects(array, t):
    objects = np.empty(1, object)
    objects[0] = t
    objects.astype(array.dtype)


@pytest.mark.filterwarnings("ignore:.*would leave the graph")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, complex])
@pytest.mark.parametrize(
    "write",
    [
        item_of,
        last_item,
        parts_of_objects,
        lambda array, t: array.fill(t),
        lambda array, t: np.ndarray.fill(array, t),
        lambda array, t: np.fromiter([1.0, t], array.dtype),
        lambda array, t: np.fromiter((t * i for i in range(3)), array.dtype),
        lambda array, t: operator.setitem(array, 0, t),
        lambda array, t: item_of(memoryview(np.zeros(3)), t),
        lambda array, t: np.array([t, t], array.dtype),
    ],
)
def test_a_number_does_not_leave_the_graph_into_an_array(write, dtype):
    for t in (variable(3.0), variable([3.0])[0], np.sin(variable(3.0))):
        with pytest.raises((TypeError, ValueError)):
            write(np.zeros(2, dtype), t)


def test_a_number_that_leaves_into_an_array_is_told_of_np_stack():
    for write in (item_of, lambda array, t: array.fill(t)):
        with pytest.raises(ValueError, match="array element") as error:
            write(np.zeros(2), variable(3.0))
        assert "np.stack" in str(error.value.__cause__)
    with pytest.warns(RuntimeWarning, match=r"np\.stack"), pytest.raises(ValueError):
        last_item(np.zeros(2), variable(3.0))  # NumPy drops our error there


def test_numbers_that_are_asked_for_by_name_leave_the_graph():
    array, t = np.zeros(4), variable(3.0)
    array[0], array[1] = float(t), t.item()
    array[2:].fill(float(t))
    np.testing.assert_array_equal(array, 3.0)
    assert np.fromiter((float(x) for x in [t, t]), float).sum() == sum(map(float, [t, t])) == 6.0
    array[0] = Tensor(1.0)  # requires no gradient
    assert (array[0], f"{t:.1f}", "%.1f" % t) == (1.0, "3.0", "3.0")  # noqa: UP031


def test_numbers_that_were_changed_after_they_were_used_are_refused_in_backward():
    w = Tensor([1.0, 2.0], requires_grad=True)
    product, total = (w * w).sum(), (w * 1.0).sum()
    w.data -= 1.0
    for loss in (product, total):
        with pytest.raises(RuntimeError, match="changed in place after multiply had used it"):
            loss.backward()
        with pytest.raises(RuntimeError, match="changed in place after multiply had used it"):
            loss.gradient(w)
    assert w.grad is None
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, [0, 2])


def test_a_new_array_leaves_an_older_graph_its_own_even_if_it_is_changed_then():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = (w * w).sum()
    w.data = w.data - 1.0
    w.data -= 1.0
    loss.backward()
    np.testing.assert_array_equal(w.grad, [2, 4])


def test_data_may_be_replaced_by_real_numbers_and_integers_may_be_integers():
    p, k = variable(np.ones(2)), Tensor(np.arange(2))
    p.data, k.data, k.requires_grad = np.float32(2.0), np.ones(3, bool), False
    assert (p.dtype, k.shape) == (np.float32, (3,))


def test_a_leaf_without_a_gradient_has_none():
    for leaf in (variable(1.0), Tensor(1.0), (variable(1.0) * 2).detach()):
        assert leaf.grad is None
    assert not hasattr(variable(1.0) * 2, "grad")


# 6. Errors: mistake ↦ what the message must say

x, w, number = (
    variable(np.ones((2, 3)), "x"),
    variable(np.ones((2, 3)), "weight"),
    variable(1.0, "n"),
)


def subtract_in_place():
    p = variable(np.ones(3), "p")
    p -= 1.0


def assign():
    x[0] = 1.0


def out():
    np.ones(3).__iadd__(variable(np.ones(3)))


def put(name, value):
    """A Tensor of floats, or of integers, whose data or requires_grad is replaced."""
    p = variable(np.ones(3), "p") if name == "data" else Tensor(np.arange(3), name="p")
    setattr(p, name, value)


def replaced_parameter(rate=0.1):
    w = variable(2.0, "w")
    for _ in range(2):
        (w * w).backward()
        w = w - rate * w.grad


def replaced_unrecorded():
    w = variable(2.0, "w")
    for _ in range(2):
        (w * w).backward()
        with no_grad():
            w = w - 0.1 * w.grad


def wrong_partial(shape):
    f = operation(lambda x: x.sum())
    derivative(f, lambda g, z, x: np.ones(shape))
    f(variable(np.ones((2, 3)))).backward()


MISTAKES = [
    (lambda: x @ w, ValueError, ["matmul", "x (2, 3)", "weight (2, 3)", "transpose"]),
    (lambda: x + np.ones(5), ValueError, ["add", "x (2, 3)", "(5,)", "from the right"]),
    (lambda: x.backward(), ValueError, ["one number", "x (2, 3)", "sum()"]),
    (lambda: x.sum().backward(np.ones(3)), ValueError, ["(3,)", "()"]),
    (lambda: Tensor(1.0).backward(), ValueError, ["requires_grad=True"]),
    (lambda: number.gradient(Tensor(1.0)), ValueError, ["requires_grad=True"]),
    (lambda: np.asarray(x), TypeError, ["x (2, 3)", ".numpy()"]),
    (lambda: np.sum([x, x]), TypeError, ["np.stack"]),
    (lambda: float(x), ValueError, ["x (2, 3)", "6 numbers"]),
    (lambda: bool(x), ValueError, ["x (2, 3)", "one was expected"]),
    (lambda: iter(number), TypeError, ["n ()", "iterated"]),
    (assign, TypeError, ["x (2, 3)", "np.where"]),
    (subtract_in_place, TypeError, ["p (3,)", "p.data -= step"]),
    (out, TypeError, ["out=", "new Tensor"]),
    (lambda: np.add.reduce(x), TypeError, ["np.add.reduce", "np.sum"]),
    (lambda: np.unique(x), TypeError, ["unique", "no derivative", "derivative("]),
    (lambda: np.ones(3).clip(0, number), TypeError, ["clip", "no derivative"]),  # a nameless ufunc
    (lambda: np.r_[x, x], TypeError, ["np.concatenate for np.r_"]),
    (lambda: np.mean([x, x]), TypeError, ["np.stack for a list of Tensors"]),
    (lambda: np.fft.fft(x), TypeError, ["fft", "complex numbers", "cos("]),
    (lambda: x[7], IndexError, ["x (2, 3)", "out of bounds"]),
    (lambda: np.where(x, x, variable(1.0)).sum().backward(), TypeError, ["where", "argument 0"]),
    *[
        (lambda shape=shape: wrong_partial(shape), ValueError, [str(shape), "(2, 3)", "argument 0"])
        for shape in [(7,), (), (3, 2), (6,), (2, 1), (2, 3, 3)]
    ],
    (replaced_parameter, AttributeError, ["computed, by subtract", "leaf", "p.data -= rate"]),
    (replaced_unrecorded, ValueError, ["nothing to differentiate", "p.data -= step"]),
    (lambda: (x * w).grad, AttributeError, ["multiply", "loss.gradient(x)"]),
    (lambda: put("requires_grad", True), TypeError, ["p", "int64", "2.0"]),
    (lambda: put("data", np.arange(3)), TypeError, ["p", "int64", "2.0"]),
    (lambda: put("data", np.ones(3, bool)), TypeError, ["p", "bool"]),
    (lambda: put("data", np.ones(3, complex)), TypeError, ["real numbers", "complex128"]),
    (lambda: put("data", 5.0), TypeError, ["p (3,)", "5.0", "np.array(5.0"]),
    (lambda: put("data", [1.0, 2.0]), TypeError, ["p (3,)", "[1.0, 2.0]", "np.array"]),
    (lambda: put("data", Tensor(np.ones(3))), TypeError, ["p (3,)", "p.data = t.data"]),
    (lambda: Tensor(2, requires_grad=True, name="k"), TypeError, ["k", "int64", "2.0"]),
    (lambda: Tensor(["a"]), TypeError, ["real numbers", "'a'"]),
    (lambda: Tensor([[1.0, 2.0], [3.0]]), TypeError, ["real numbers", "ragged"]),
    (lambda: jvp(np.sin, 1.0, 2.0), TypeError, ["tuple", "float", "(x,)"]),
    (lambda: check_gradients(np.sin, 3), ValueError, ["floating-point", "3.0"]),
    (lambda: grad(lambda x: [x])(1.0), TypeError, ["must return a Tensor", "[Tensor"]),
    (lambda: grad(lambda x: np.allclose(x, 1))(1.0), TypeError, ["return a Tensor", "True"]),
    (lambda: x * 1j, TypeError, ["multiply", "complex128", "real numbers"]),
    (lambda: x + np.array([[1.0], ["one"]], object), TypeError, ["add", "x (2, 3)"]),
    (
        lambda: x + np.array([[1.0], [2.0]], object),
        TypeError,
        ["add gave dtype object", "astype(float)"],
    ),
    (lambda: Tensor([1.0, None]), TypeError, ["real numbers", "object"]),
    (lambda: np.exp(x, out=np.ones((2, 3))), TypeError, ["out=", "x (2, 3)"]),
    (lambda: np.exp(x, signature="d->d"), TypeError, ["exp", "signature=", "np.where"]),
    (lambda: np.mean(x, out=np.ones(())), TypeError, ["mean", "out=", "new Tensor"]),
    (lambda: np.sum(x, out=np.ones(())), TypeError, ["sum", "out=", "new Tensor"]),
    (lambda: np.clip(x, 0, 1, out=np.ones((2, 3))), TypeError, ["out="]),
    (lambda: np.take(x, indices=x), TypeError, ["take", "indices="]),
    (lambda: np.pad(x, 1, mode="mirror"), ValueError, ["mirror", "reflect"]),
    (lambda: np.diff(x, -1), ValueError, ["-1"]),
    *[
        (lambda f=f: f(x), ValueError, ["axis 5", "2"])
        for f in [
            lambda x: np.median(x, axis=5),
            lambda x: np.diff(x, axis=5),
            lambda x: np.trapezoid(x, axis=5),
            lambda x: np.split(x, 1, axis=5),
            lambda x: np.var(x, axis=5),
            lambda x: np.linalg.norm(x, 1, axis=5),
        ]
    ],
    (lambda: np.reshape(x, (4, 2)), ValueError, ["reshape", "x (2, 3)"]),
    (lambda: np.concatenate([x, number]), ValueError, ["concatenate", "x (2, 3)", "n ()"]),
    (lambda: np.stack([x, number]), ValueError, ["stack", "x (2, 3)", "n ()", "shape"]),
    (lambda: Tensor(1j), TypeError, ["real numbers", "complex128"]),
    (lambda: Tensor([x, x]), TypeError, ["np.stack"]),
    (lambda: Tensor(x), TypeError, ["already"]),
    (lambda: no_grad_gradient(), ValueError, ["no_grad"]),
]


def no_grad_gradient():
    with no_grad():
        grad(np.sin)(1.0)


@pytest.mark.parametrize(("mistake", "kind", "words"), MISTAKES)
def test_an_error_says_what_came_what_was_expected_and_what_to_write(mistake, kind, words):
    with pytest.raises(kind) as caught:
        mistake()
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert [word for word in words if word not in said] == []


def test_steps_take_tensors_by_name():
    assert np.argmax(a=Tensor([1.0, 3.0])) == 1
    assert np.isclose(1.0, b=Tensor(1.0))


def test_a_partial_without_the_result_or_the_arguments_is_refused_where_it_is_registered():
    @operation
    def double(x):
        return 2 * x

    with pytest.raises(TypeError, match=r"takes \(g, x\), and would be given the gradient, the r"):
        derivative(double, lambda g, x: 2 * g)
    derivative(double, lambda g, *values: 2 * g)
    x = Tensor(1.0, requires_grad=True)
    double(x).backward()
    assert x.grad == 2


def test_an_operation_or_a_partial_that_gives_no_array_is_named():
    def gives(z):
        return lambda x: z

    with pytest.raises(TypeError, match=r"gave 2\.0, and an array was expected"):
        operation(gives(2.0))(variable(1.0))
    square = operation(lambda x: x * x)
    derivative(square, lambda g, z, x: 1.0)
    with pytest.raises(TypeError, match=r"the partial of .* for argument 0 gave 1\.0"):
        square(variable(1.0)).backward()


@pytest.mark.parametrize("gradient", [np.ones((3, 2)), np.ones(2), np.float64(1.0), 1.0, [1.0]])
def test_a_gradient_of_another_shape_is_refused(gradient):
    x = variable(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"has its shape, \(2, 3\), and one of shape"):
        x.grad = gradient
    assert x.grad is None


def test_a_gradient_is_an_array():
    x = variable(1.0)
    x.grad = 2.0
    with pytest.raises(TypeError, match=r"write p\.grad = t\.data"):
        x.grad = Tensor(2.0)


@pytest.mark.parametrize("name", [name for name in dir(np.ndarray) if name[0] != "_"])
def test_an_attribute_of_arrays_is_a_tensors_or_the_error_says_what_to_write(name):
    t = Tensor(np.eye(2))
    if not hasattr(t, name):
        with pytest.raises(AttributeError, match=f"{name}': write (x|np|nothing|Tensor)"):
            getattr(t, name)
