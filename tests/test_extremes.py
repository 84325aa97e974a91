"""Slopes at very great and very small numbers and at NaN: no rounding, no overflow, no NaN that is
hidden. Each was wrong in this engine or in another library."""

import numpy as np
import pytest
from tinygrad_edu.nn import activations

from tinygrad_edu import Tensor, check_gradients, grad, hessian, special, vjp

inf, nan = np.inf, np.nan


def slopes(f, *xs):
    """∂ Σ f / ∂x for each x."""
    z, pullback = vjp(f, *xs)
    return pullback(np.ones(np.shape(z), z.dtype))


# Sums of exponentials: the weights add up to 1, however great the numbers are


@pytest.mark.parametrize("f", [np.logaddexp, np.logaddexp2])
@pytest.mark.parametrize("x", [0.0, 1e17, -1e200, inf, -inf])
def test_equal_numbers_share_the_slope_of_a_sum_of_powers(f, x):
    assert slopes(f, x, x) == (0.5, 0.5)


def test_the_slope_of_logaddexp_keeps_its_digits_in_float32():
    x, y = np.float32(5000), np.float32(5001)
    np.testing.assert_allclose(slopes(np.logaddexp, x, y), [0.26894143, 0.7310586], rtol=1e-6)


@pytest.mark.parametrize("x", [1e17, -1e200])
def test_equal_numbers_share_the_slope_of_logsumexp(x):
    assert (grad(special.logsumexp)(np.full(4, x)) == 0.25).all()


def test_softplus_bends_by_a_quarter_at_zero():
    assert grad(grad(special.softplus))(0.0) == 0.25


# Squares that overflow or vanish on the way


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200])
def test_an_angle_turns_as_fast_as_its_radius_says(scale):
    x, y = 3 * scale, 4 * scale
    np.testing.assert_allclose(slopes(np.arctan2, y, x), [0.12 / scale, -0.16 / scale])


def test_an_angle_of_float16_has_a_slope_beyond_the_root_of_the_greatest_number():
    x = np.float16(300)
    np.testing.assert_allclose(slopes(np.arctan2, x, x)[0], 1 / 600, rtol=1e-2)


def test_the_angle_of_the_origin_has_slope_zero():
    assert slopes(np.arctan2, 0.0, 0.0) == (0, 0)
    assert (hessian(lambda p: np.arctan2(p[0], p[1]))(np.zeros(2)) == 0).all()


@pytest.mark.parametrize("x", [1e20, 1e200])
def test_arcosh_of_a_great_number_has_the_slope_of_a_logarithm(x):
    np.testing.assert_allclose(grad(np.arccosh)(x), 1 / x)


def test_the_slope_of_expm1_does_not_vanish_where_it_is_nearly_minus_one():
    np.testing.assert_allclose(grad(np.expm1)(-50.0), np.exp(-50.0))
    np.testing.assert_allclose(grad(special.elu)(-50.0), np.exp(-50.0))


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_power_of_zero_falls_without_bound_as_its_negative_exponent_grows():
    assert slopes(np.power, 0.0, -2.0) == (-inf, -inf)
    assert slopes(np.power, 0.0, 2.0) == (0, 0)


# NaN: who gives it is told


@pytest.mark.parametrize("f", [np.maximum, np.minimum])
@pytest.mark.parametrize(("x", "y"), [(nan, 1.0), (1.0, nan), (nan, nan)])
def test_nan_in_a_maximum_passes_the_gradient_on_as_in_pytorch(f, x, y):
    assert slopes(f, x, y) == (1, 1)


@pytest.mark.parametrize("f", [np.max, np.min])
def test_nan_receives_the_gradient_of_an_extreme_that_is_nan(f):
    assert (grad(f)(np.array([1.0, nan, 2.0])) == [0, 1, 0]).all()
    assert (
        grad(lambda x: f(x, axis=0).sum())(np.array([[nan, 1.0], [nan, 2.0]]))[:, 0] == 0.5
    ).all()


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("name", activations.__all__)
def test_an_activation_of_nan_is_nan(name):
    z = getattr(activations, name)()(np.full((2, 2), nan))
    assert np.isnan(z.numpy() if isinstance(z, Tensor) else z).all()


@pytest.mark.filterwarnings("ignore:.*egrees of freedom", "ignore:.*divide", "ignore:invalid")
@pytest.mark.parametrize("f", [np.nanvar, np.nanstd])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_variance_of_too_few_numbers_is_nan_as_in_numpy(f, keepdims):
    x = np.array([[1.0, 2.0, nan], [1.0, nan, nan], [1.0, 2.0, 4.0]])
    options = {"axis": 1, "ddof": 2, "keepdims": keepdims}
    np.testing.assert_allclose(f(Tensor(x), **options).data, f(x, **options))


@pytest.mark.parametrize(("dtype", "ulps"), [(np.float16, 0), (np.float32, 0), (np.longdouble, 1)])
def test_a_ramp_is_rounded_once(dtype, ulps):
    x = np.array([1.0, 5.0], dtype)
    z, numpys = np.pad(Tensor(x), 3, "linear_ramp").data, np.pad(x, 3, "linear_ramp")
    np.testing.assert_allclose(z, numpys, rtol=ulps * np.finfo(dtype).eps, strict=True)


def test_statistics_of_long_doubles_keep_their_digits():
    x = np.array([1.0, 2.0, 4.0, 8.0, 9.0], np.longdouble)
    for f in (np.std, lambda x: np.linalg.norm(x, 3)):
        np.testing.assert_allclose(f(Tensor(x)).data, f(x), rtol=4 * np.finfo(x.dtype).eps)


def test_the_pseudo_inverse_of_a_hermitian_matrix_reads_the_triangle_that_numpy_reads():
    x = np.array([[2.0, 7.0], [1.0, 3.0]])  # for NumPy [[2, 1], [1, 3]]
    z = np.linalg.pinv(Tensor(x), hermitian=True).data
    np.testing.assert_allclose(z, np.linalg.pinv(x, hermitian=True))
    check_gradients(lambda x: np.linalg.pinv(x, hermitian=True), x)


# Many numbers of float16: how many they are is beyond its greatest number, 65,504

MANY = np.ones(70_000, np.float16)


@pytest.mark.parametrize("f", [np.max, np.min])
def test_many_that_tie_in_float16_share_the_gradient(f):
    assert (grad(f)(MANY) == np.float16(1 / MANY.size)).all()


def test_the_sum_within_a_softmax_of_float16_does_not_overflow():
    share = np.float16(1 / MANY.size)
    assert (special.softmax(MANY) == share).all()
    assert (grad(special.logsumexp)(MANY) == share).all()
    assert special.logsumexp(MANY) == -special.log_softmax(MANY)[0] + 1
    assert special.softmax(MANY).dtype == special.log_softmax(MANY).dtype == np.float16
