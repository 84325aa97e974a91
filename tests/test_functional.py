"""The transforms agree with each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

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


@pytest.mark.parametrize("argnums", [1, -1, (0, 2)])
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
