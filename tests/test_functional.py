"""The transforms agree with each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import (
    Tensor,
    check_gradients,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

rng = np.random.default_rng(0)
A, x, t = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)


def f(x):
    return np.tanh(A @ x)


def loss(x):
    return (f(x) ** 2).sum()


def test_the_jacobian_of_a_product_with_a_matrix_is_the_matrix():
    np.testing.assert_allclose(jacobian(lambda x: A @ x)(x), A)


def test_forward_mode_agrees_with_reverse_mode():
    value, tangent = jvp(f, (x,), (t,))
    np.testing.assert_allclose(value, f(x))
    np.testing.assert_allclose(tangent, jacobian(f)(x) @ t)


def test_the_pullback_is_the_transposed_jacobian():
    v = rng.normal(size=3)
    np.testing.assert_allclose(vjp(f, x)[1](v)[0], v @ jacobian(f)(x))


def test_the_hessian_is_symmetric_and_hvp_is_its_product():
    H = hessian(loss)(x)
    np.testing.assert_allclose(H, H.T)
    np.testing.assert_allclose(hvp(loss, x, t), H @ t)


def test_argnums_chooses_the_arguments():
    value, (dy, dx) = value_and_grad(lambda x, y: x * y * y, argnums=(1, 0))(2.0, 3.0)
    assert (value, dx, dy) == (18, 9, 12)


def test_jacobian_and_hessian_of_several_arguments_are_tuples():
    def f(x, y):
        return x * y * y

    x, y = np.array([2.0]), np.array([3.0])
    assert [m.tolist() for m in jacobian(f, (0, 1))(x, y)] == [[[9.0]], [[12.0]]]
    h = hessian(lambda x, y: f(x, y).sum(), (0, 1))(x, y)
    assert [[float(m.item()) for m in row] for row in h] == [[0, 6], [6, 4]]


def test_the_jacobian_of_nothing_is_empty():
    assert jacobian(lambda x: x[:0])(np.ones((2, 3))).shape == (0, 3, 2, 3)


@pytest.mark.parametrize("argnums", [1, -2, (0, 2)])
def test_an_argument_that_f_was_not_called_with_is_refused(argnums):
    with pytest.raises(ValueError, match=r"argnums=.* called with 1"):
        grad(np.sin, argnums)(1.0)


def test_arrays_in_arrays_out_and_tensors_in_tensors_out():
    assert isinstance(grad(np.sin)(1.0), np.ndarray)
    assert isinstance(grad(np.sin)(Tensor(1.0)), Tensor)


def test_an_inner_derivative_does_not_mix_with_an_outer_one():
    assert (
        grad(lambda x: x * grad(lambda y: x * y)(x))(3.0) == 6.0
    )  # d/dx (x · x): the inner one is x, not 2x


def test_a_constant_has_gradient_zero():
    assert grad(lambda x: Tensor(1.0))(2.0) == 0.0


@given(st.integers(1, 5))
def test_the_nth_derivative_of_the_exponential_is_the_exponential(n):
    g = np.exp
    for _ in range(n):
        g = grad(g)
    np.testing.assert_allclose(g(0.5), np.exp(0.5))


# What comes from outside is a variable like any other


def square_of(y, w):
    return w * y**2


OUTER = {  # a function of one number within which a derivative is taken, and its own derivative
    "a closure": (lambda x: x * grad(lambda y: x * y)(2.0), lambda x: 2 * x),
    "an argument that is not chosen": (
        lambda x: x * grad(lambda y, w: np.sin(w * y), 1)(x, 0.7),
        lambda x: 2 * x * np.cos(0.7 * x) - 0.7 * x**2 * np.sin(0.7 * x),
    ),
    "a chosen one beside it": (lambda x: grad(square_of)(2.0, x) * x, lambda x: 8 * x),
    "a tangent": (lambda x: x * jvp(lambda y: 3.0 * y, (1.0,), (x,))[1], lambda x: 6 * x),
    "a tangent of a closure": (
        lambda x: jvp(lambda y: x * y**2, (2.0,), (x,))[1],
        lambda x: 8 * x,
    ),
    "the value": (lambda x: x * value_and_grad(lambda y: x * y)(2.0)[0], lambda x: 4 * x),
    "vjp": (lambda x: x * vjp(lambda y: x * y, 2.0)[1](1.0)[0], lambda x: 2 * x),
    "what a pullback is given": (lambda x: vjp(np.square, 3.0)[1](x * x)[0], lambda x: 12 * x),
    "jacobian": (
        lambda x: jacobian(lambda y: x * y * y)(np.array([1.0, 2.0])).sum(),
        lambda x: 6.0,
    ),
    "hessian": (
        lambda x: hessian(lambda y: (x * y**3).sum())(np.array([1.0, 2.0])).sum() * x,
        lambda x: 36 * x,
    ),
    "hvp": (lambda x: hvp(lambda y: x * y**3, 2.0, x), lambda x: 24 * x),
    "two levels": (
        lambda x: grad(lambda y: y * grad(lambda z: x * y * z**2)(y))(x),  # d/dy 2 x y³ = 6 x y²
        lambda x: 18 * x**2,
    ),
}


@pytest.mark.parametrize("x", [0.3, 3.0])
@pytest.mark.parametrize(("f", "slope"), OUTER.values(), ids=OUTER)
def test_a_tensor_from_outside_is_a_variable(f, slope, x):
    np.testing.assert_allclose(grad(f)(x), slope(x), rtol=1e-12)


@given(st.permutations(range(3)), st.floats(0.5, 2), st.floats(0.5, 2), st.floats(0.5, 2))
def test_derivatives_nest_in_any_order_without_confusion(order, x, y, z):
    """∂³/∂x∂y∂z x²y³z⁴ = 24 x y² z³, each derivative taken in a closure of the one around it."""

    def taken(left, values):
        if not left:
            a, b, c = values
            return a**2 * b**3 * c**4
        number, *rest = left

        def of_one(v):
            return taken(rest, [*values[:number], v, *values[number + 1 :]])

        return grad(of_one)(values[number])

    np.testing.assert_allclose(taken(order, [x, y, z]), 24 * x * y**2 * z**3, rtol=1e-10)


def test_a_parameter_learns_through_a_gradient():
    w = Tensor(3.0, requires_grad=True)
    (w * grad(lambda y: w * y**2)(2.0)).backward()
    assert w.grad == 24.0


def test_a_mixed_second_derivative_of_two_arguments():
    assert grad(grad(lambda x, y: x**2 * y**3, 0), 1)(2.0, 3.0) == 108.0


def test_jvp_of_grad_and_grad_of_jvp_agree():
    np.testing.assert_allclose(jvp(grad(loss), (x,), (t,))[1], hessian(loss)(x) @ t)
    np.testing.assert_allclose(grad(lambda x: jvp(loss, (x,), (t,))[1])(x), hessian(loss)(x) @ t)


def test_what_does_not_depend_on_an_outer_tensor_gives_arrays():
    w = Tensor(3.0, requires_grad=True)
    assert isinstance(grad(lambda y: y * 2.0)(1.0), np.ndarray)
    assert isinstance(grad(lambda y: y * w.detach())(1.0), np.ndarray)


# Arguments, constants, numbers that leave


def test_options_are_given_by_name():
    assert grad(lambda x, scale: scale * x**2)(2.0, scale=3.0) == 12.0
    assert hessian(lambda x, scale=1.0: scale * x**2)(2.0, scale=3.0) == 6.0


def test_the_last_argument_is_minus_one():
    assert grad(lambda x, y: x * y, -1)(2.0, 3.0) == 2.0


CONSTANTS = [np.floor, lambda x: Tensor(1.0), lambda x: np.ones(()), len, lambda x: 1.0]


@pytest.mark.parametrize("f", CONSTANTS)
def test_the_gradient_of_a_constant_is_zero(f):
    value, gradient = value_and_grad(f)(np.array([2.5]))
    assert value == f(np.array([2.5]))
    np.testing.assert_array_equal(gradient, [0.0], strict=True)
    assert jacobian(f)(np.array([2.5])).sum() == 0.0
    check_gradients(f, np.array([2.5]))


def test_hvp_of_several_arguments():
    x, y, u, v = 2.0, 3.0, 1.0, 10.0
    along = hvp(lambda x, y: x**2 * y, (x, y), (u, v))
    assert [float(g) for g in along] == [2 * y * u + 2 * x * v, 2 * x * u]


@pytest.mark.parametrize("call", [
    lambda: jvp(f, (x,), (1.0,)),
    lambda: jvp(f, (x,), (t, t)),
    lambda: hvp(loss, x, np.ones((3, 4))),
])  # fmt: skip
def test_a_direction_has_the_shape_of_its_input(call):
    with pytest.raises(ValueError, match=r"directions of the inputs' shapes, .* came"):
        call()


def test_integers_have_no_gradient():
    with pytest.raises(TypeError, match=r"write 2\.0 in place of 2"):
        grad(lambda x: x * x)(2)


@pytest.mark.parametrize("f", [
    lambda x: x * float(x),
    lambda x: x * math.tanh(x),
    lambda x: x * x.item(),
])  # fmt: skip
def test_a_number_does_not_leave_while_its_derivative_is_taken(f):
    with pytest.raises(TypeError, match=r"would leave the graph"):
        grad(f)(0.5)


def test_a_number_leaves_to_be_printed_and_to_be_decided_on():
    loss = Tensor(2.0, requires_grad=True) ** 2
    assert float(loss) == loss.item() == 4.0
    assert grad(lambda x: x * 2 if x > 0 else x)(1.0) == 2.0
    assert grad(lambda x: x * x.detach().item())(3.0) == 3.0


# Gradients are the caller's own


def test_gradients_are_arrays_of_their_own():
    v = np.ones(3)
    gx, gy = vjp(np.add, np.ones(3), np.ones(3))[1](v)
    first = grad(lambda x: x.sum())(np.ones(3))
    for g in (gx, gy, first):
        g += 1.0  # none is read-only
    assert v.tolist() == [1, 1, 1]
    assert gx.tolist() == gy.tolist() == first.tolist() == [2, 2, 2]


# What a reader of the code found


def test_what_an_array_is_filled_with_receives_the_gradient():
    assert grad(lambda w: np.full_like(w, w).sum())(2.0) == 1.0
    with pytest.raises(
        TypeError, match="copyto has no derivative"
    ):  # NumPy does not ask the Tensor
        grad(lambda w: (w * np.full_like(np.zeros(3), w)).sum())(2.0)


@pytest.mark.parametrize("argnums", [(0, 0), (1, -1)])
def test_an_argument_is_named_once(argnums):
    with pytest.raises(ValueError, match="names an argument twice"):
        grad(lambda a, b: a * b, argnums)(3.0, 2.0)


def test_a_tensor_may_be_an_index_to_any_order():
    def f(a):
        return (a[Tensor(np.array([0, 0]))] ** 2).sum()

    assert hessian(f)(np.array([1.0, 2.0])).tolist() == [[4, 0], [0, 0]]


@pytest.mark.parametrize("y", [False, np.array([True]), np.array([0, 3], np.uint8)])
def test_exponents_may_be_of_any_type(y):
    slope = np.asarray(y, float) * 1e3 ** (np.asarray(y, float) - 1.0)
    np.testing.assert_allclose(grad(lambda x: (x**y).sum())(1e3), slope.sum())


def test_the_remainder_has_the_slope_of_its_own_quotient():
    assert grad(np.remainder, 1)(1.0, 0.1) == -9.0


def test_value_beside_a_derivative_keeps_its_graph_to_a_tensor_from_outside():
    w = Tensor(2.0, requires_grad=True)
    values = [
        jvp(lambda x: x + w, (3.0,), (1.0,))[0],
        value_and_grad(lambda x: x + w)(3.0)[0],
        vjp(lambda x: x + w, 3.0)[0],
    ]
    assert [z.gradient(w).item() for z in values] == [1.0, 1.0, 1.0]


def test_jvp_of_a_constant_is_zero():
    assert jvp(np.argmax, (np.array([1.0, 2.0]),), (np.ones(2),))[1] == 0.0


def test_an_option_may_have_any_name():
    assert grad(lambda x, f=1.0, args=1.0: f * args * x)(1.0, f=2.0, args=3.0) == 6.0


def test_argnums_may_be_numpys_integers():
    f = lambda x, y: x * x * y  # noqa: E731
    assert grad(f, np.int64(1))(3.0, 2.0) == grad(f, 1)(3.0, 2.0) == 9.0
    assert hessian(f, np.int64(0))(3.0, 2.0) == 4.0


@pytest.mark.parametrize("argnums", ["1", 1.0, None, (0, "y")])
def test_argnums_that_are_no_integers_are_refused(argnums):
    with pytest.raises(TypeError, match="names arguments by their place"):
        grad(lambda x, y: x * y, argnums)(3.0, 2.0)
