"""Values at the edges: narrow types, nothing, zeros and infinities; NumPy's value, dtype, error."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, grad, special

inf, nan = np.inf, np.nan

# Slopes at zeros and infinities: PyTorch's


@pytest.mark.parametrize("x", [0.0, 1e-310, nan, inf, 2.0])
@pytest.mark.parametrize("exponent", [0, 0.0, Tensor(0.0), np.zeros(1)])
def test_the_zeroth_power_has_slope_zero_everywhere(x, exponent):
    assert grad(lambda x: (x**exponent).sum())(x) == 0


def test_the_zeroth_power_of_narrow_numbers_has_slope_zero_too():
    x = np.array([1e-39, 0.0, 2.0], np.float32)
    assert (grad(lambda x: (x ** np.zeros(3, np.float32)).sum())(x) == 0).all()


def test_the_slope_of_the_zeroth_power_depends_on_the_exponent():
    x, y = Tensor(3.0, requires_grad=True), Tensor(0.0, requires_grad=True)
    slope = (x**y).gradient(x, create_graph=True)
    np.testing.assert_allclose(slope.gradient(y).data, 1 / 3)  # ∂²xʸ/∂x∂y = 1/x at y = 0


AT_INFINITY = [
    (special.softplus, inf, inf, 1.0),
    (special.softplus, -inf, 0.0, 0.0),
    (special.log_sigmoid, inf, 0.0, 0.0),
    (special.log_sigmoid, -inf, -inf, 1.0),
    (lambda x: np.logaddexp(x, 3.0), inf, inf, 1.0),
    (lambda x: np.logaddexp(x, -inf), inf, inf, 1.0),
    (lambda x: np.logaddexp(x, inf), -inf, inf, 0.0),
    (lambda x: np.logaddexp(inf, x), 3.0, inf, 0.0),
    (lambda x: np.logaddexp2(x, 3.0), inf, inf, 1.0),
    (lambda x: np.logaddexp2(-inf, x), inf, inf, 1.0),
]


@pytest.mark.parametrize(("f", "x", "value", "slope"), AT_INFINITY)
def test_values_and_slopes_at_infinity_are_pytorchs(f, x, value, slope):
    assert f(Tensor(x)).data == value
    assert grad(f)(x) == slope


@pytest.mark.parametrize("f", [special.softmax, special.log_softmax])
def test_softmax_along_an_axis_of_no_elements_is_empty(f):
    assert f(Tensor(np.ones((2, 0)))).shape == grad(lambda x: f(x).sum())(np.ones((2, 0))).shape


def test_logsumexp_of_nothing_is_minus_infinity():
    assert (special.logsumexp(np.ones((2, 0)), axis=1) == -inf).all()


def test_a_transpose_by_one_number_takes_its_gradient_back():
    assert (grad(lambda x: (np.transpose(x, 0) * [1.0, 2.0]).sum())(np.ones(2)) == [1, 2]).all()


@pytest.mark.parametrize("bounds", [(None, 2.0), (2.0, None), (None, None)])
def test_clip_with_a_bound_that_is_none_has_a_gradient(bounds):
    x = np.array([1.0, 3.0])
    inside = (x > (bounds[0] or -inf)) & (x < (bounds[1] or inf))
    assert (grad(lambda x: np.clip(x, *bounds).sum())(x) == inside).all()
