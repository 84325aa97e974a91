"""Values at the edges: narrow types, nothing, zeros and infinities; NumPy's value, dtype, error."""

import functools

import numpy as np
import pytest
from cases import ENTRIES, as_called, case
from cases_numpy import shared_options
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, check_gradients, grad, hessian, jvp, nn, special, vjp
from tinygrad_edu.core.engine import plain
from tinygrad_edu.core.gradcheck import is_real

inf, nan = np.inf, np.nan
NARROW = [np.int8, np.uint8, np.int64, bool]
FUNCTIONS = [np.mean, np.average, np.var, np.std, np.median, np.nansum, np.nanmean]
ORDERS = [None, 0, 1, 2, 3, 0.5, inf, -inf]


def assert_numpys(f, x):
    """f of a Tensor has the value, shape and dtype of f of an array."""
    with np.errstate(all="ignore"):
        z, expected = np.asarray(plain(f(Tensor(x)))), np.asarray(f(x))
    np.testing.assert_allclose(z, expected, rtol=1e-12, strict=True)


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


DEVIATION = np.eye(3) - 1 / 3
CURVED_AT_ZERO = [  # what is smooth although it is made of a length, and its second derivative at 0
    (lambda x: np.linalg.norm(x) ** 2, 2 * np.eye(3)),
    (lambda x: np.square(np.linalg.norm(x[None], "fro")), 2 * np.eye(3)),
    (lambda x: (np.linalg.norm(x[:, None], axis=1) ** 2).sum(), 2 * np.eye(3)),
    (lambda x: (np.linalg.norm([[1.0], [2.0]] * x, axis=0) ** 2).sum(), 10 * np.eye(3)),
    (lambda x: np.cos(np.linalg.norm(x)), -np.eye(3)),
    (lambda x: np.linalg.norm(x) ** 4, np.zeros((3, 3))),
    (lambda x: (np.hypot(x, x[0] * 0.0) ** 2).sum(), 2 * np.eye(3)),
    (lambda x: np.hypot(np.hypot(x[0], x[1]), x[2]) ** 2, 2 * np.eye(3)),
    (lambda x: (lambda z: z * z)(np.linalg.norm(x)), 2 * np.eye(3)),
    (lambda x: np.std(x) ** 2, DEVIATION * 2 / 3),
    (lambda x: np.std(x + 5.0, ddof=1) ** 2, DEVIATION),
    (lambda x: (np.abs(x) ** 2).sum(), 2 * np.eye(3)),
    (lambda x: (lambda z: z @ z * 3)(np.fabs(x)), 6 * np.eye(3)),
    # made of one length that is computed twice
    (lambda x: np.linalg.norm(x) * np.linalg.norm(x), 2 * np.eye(3)),
    (lambda x: (np.linalg.norm(x) + np.linalg.norm(x)) ** 2, 8 * np.eye(3)),
    (lambda x: np.linalg.norm(x) * np.sin(np.linalg.norm(x)), 2 * np.eye(3)),
    (lambda x: np.std(x) * np.std(x), DEVIATION * 2 / 3),
    (lambda x: np.hypot(x[0], x[1]) * np.hypot(x[0], x[1]), np.diag([2.0, 2.0, 0.0])),
    (lambda x: (np.abs(x) * np.abs(x)).sum(), 2 * np.eye(3)),
    (lambda x: np.linalg.norm(x[:1], 1) ** 2, np.diag([2.0, 0.0, 0.0])),
    (lambda x: np.linalg.norm(x), np.zeros((3, 3))),  # has none: 0, as its gradient
]


@pytest.mark.parametrize(("f", "expected"), CURVED_AT_ZERO)
def test_the_square_of_a_length_is_curved_at_zero_as_a_parabola(f, expected):
    zero = np.zeros(3)
    np.testing.assert_array_equal(grad(f)(zero), 0.0)
    np.testing.assert_allclose(hessian(f)(zero), expected, atol=1e-15)
    near = np.array([1e-7, -2e-7, 1e-7])
    if f is not CURVED_AT_ZERO[-1][0]:
        np.testing.assert_allclose(hessian(f)(near), expected, atol=1e-6)


def test_the_curvature_at_zero_has_derivatives_itself():
    def curvature(a):
        return hessian(lambda x: a * np.linalg.norm(x) ** 2)(np.zeros(2))[0, 0]

    assert (curvature(3.0), grad(curvature)(3.0)) == (6.0, 2.0)


STEEP = [1.2, 1.5, 1.9, 2.2, 2.5, 2.9, 3.5]  # |x|ᵖ is smooth at 0, but not to every order


@pytest.mark.parametrize("p", STEEP)
@pytest.mark.parametrize("f", [
    lambda x, p: (np.abs(x) ** p).sum(),
    lambda x, p: np.linalg.norm(x, p),
    lambda x, p: (np.hypot(x, 0.0) ** p).sum(),
    lambda x, p: (np.linalg.norm(x[:, None], axis=1) ** p).sum(),
])  # fmt: skip
def test_a_power_of_a_length_has_a_slope_at_zero_however_it_is_computed(f, p):
    x, t, of = np.array([1.0, 0.0, -2.0]), np.array([1.0, 10.0, 1.0]), functools.partial(f, p=p)
    slopes = grad(of)(x)
    assert slopes[1] == 0.0
    with np.errstate(all="ignore"):  # the second derivative at 0 is ∞ for p < 2
        np.testing.assert_allclose(jvp(of, (x,), (t,))[1], slopes @ t)
    np.testing.assert_allclose(vjp(of, Tensor(x))[1](Tensor(1.0))[0].data, slopes)
    if p > 2:
        near = hessian(of)(x + np.array([0.0, 1e-200, 0.0]))
        np.testing.assert_allclose(hessian(of)(x), near, atol=1e-15)


FLAT_WITHOUT_CURVATURE = [
    lambda x: np.abs(x).sum() ** 2,
    lambda x: np.linalg.norm(x) * np.linalg.norm(2 * x),
    lambda x: np.linalg.norm(x) * np.abs(x[0]),
    lambda x: np.prod(np.linalg.norm([[1.0], [2.0]] * x, axis=1)),
    *[lambda x, p=p: np.linalg.norm(x, p) ** 2 for p in (1, 3, 0.5, -1, inf)],
]


@pytest.mark.parametrize("f", FLAT_WITHOUT_CURVATURE)
def test_where_there_is_no_curvature_or_none_is_found_it_is_refused_by_name(f):
    assert (grad(f)(np.zeros(3)) == 0).all()
    with pytest.raises(ValueError, match=r"of (one length|the product of .*) was asked for where"):
        hessian(f)(np.zeros(3))
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(hessian(f)(x) @ x, grad(f)(x))  # f(tx) = t² f(x)


def test_a_long_chain_that_is_computed_twice_is_told_to_be_the_same():
    def f(x):
        def length():
            y = x
            for _ in range(2000):
                y = y + 0.0
            return np.linalg.norm(y)

        return length() * length()

    assert (hessian(f)(np.zeros(2)) == 2 * np.eye(2)).all()


AT_INFINITY = [
    *[
        (f, *at)
        for f in (special.silu, special.gelu, lambda x: special.gelu(x, "tanh"))
        for at in [(inf, inf, 1.0), (-inf, 0.0, 0.0), (1e300, 1e300, 1.0), (-1e300, 0.0, 0.0)]
    ],
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


def test_curves_flatten_out_at_infinity():
    for f in (special.silu, special.gelu, special.softplus, special.log_sigmoid, special.sigmoid):
        assert (hessian(lambda x, f=f: f(x).sum())(np.array([inf, -inf])) == 0).all()


@pytest.mark.parametrize("f", [special.silu, special.gelu])
def test_what_is_no_number_stays_none(f):
    assert np.isnan(f(Tensor(nan)).data) and np.isnan(grad(f)(nan))


SURE = [  # a logit of ±∞ is a probability of 0 or 1: what is sure and right costs nothing
    (nn.BCEWithLogits(), [inf, -inf], [1.0, 0.0], 0.0, [0, 0]),
    (nn.BCEWithLogits("sum"), [-inf, 0.0], [1.0, 0.5], inf, [-1, 0]),
    (nn.KLDiv("sum"), [[-inf, 0.0]], [[0.0, 1.0]], 0.0, [[0, -1]]),
    (nn.KLDiv("sum"), [[-inf, 0.0]], [[0.5, 0.5]], inf, [[-0.5, -0.5]]),
    (nn.CrossEntropy(), [[-inf, 0.0, 0.0]], [[0.0, 0.0, 1.0]], np.log(2), [[0, 0.5, -0.5]]),
    (nn.CrossEntropy(), [[-inf, 0.0, 0.0]], [2], np.log(2), [[0, 0.5, -0.5]]),
    (nn.CrossEntropy(ignore_index=0), [[-inf, 0.0]] * 2, [0, 1], 0.0, [[0, 0], [0, 0]]),
    (nn.CrossEntropy(), [[-inf, 0.0]], [[1.0, 0.0]], inf, [[-1, 1]]),
    (nn.CrossEntropy(label_smoothing=0.2), [[-inf, 0.0]], [1], inf, [[-0.1, 0.1]]),
]


@pytest.mark.parametrize(("loss", "x", "target", "value", "slopes"), SURE)
def test_losses_of_sure_predictions_are_finite_where_they_are_right(loss, x, target, value, slopes):
    x, target = np.array(x), np.array(target)
    np.testing.assert_allclose(loss(Tensor(x), target).data, value, atol=1e-15)
    np.testing.assert_allclose(grad(lambda x: loss(x, target))(x), slopes, atol=1e-15)


def test_a_target_of_zero_has_the_loss_for_its_slope():
    slopes = grad(lambda p: nn.CrossEntropy()(np.array([[1.0, 0.0]]), p))(np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(slopes, [[np.log1p(np.exp(-1)), np.log1p(np.exp(1))]])


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


# Narrow types


@pytest.mark.parametrize("f", FUNCTIONS)
@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("x", [[100, 120], [100, 120, 0]])
def test_statistics_of_integers_and_bools_are_numpys(f, dtype, x):
    assert_numpys(f, np.array(x).astype(dtype))


def test_weighted_averages_of_integers_do_not_overflow():
    x = np.array([100, 120], np.int8)
    for weights in (x, [1, 2], np.array([0.5, 1.5], np.float32)):
        assert_numpys(lambda x, w=weights: np.average(x, weights=w), x)


@pytest.mark.parametrize("f", [np.mean, np.average, np.median])
def test_sums_of_float16_do_not_overflow(f):
    assert_numpys(f, np.full(300, 300, np.float16))


@pytest.mark.parametrize("shape", [(5000, 2), (5000, 1, 2), (50, 100, 2), (2, 5000, 1, 2)])
def test_a_gradient_of_float16_is_the_sum_of_all_that_arrive(shape):
    b, n = np.zeros(2, np.float16), np.prod(shape) / 2
    for f in (lambda b: np.zeros(shape, b.dtype) + b, lambda b: b[np.indices(shape)[-1]]):
        z, pullback = vjp(f, b)
        np.testing.assert_allclose(pullback(np.ones_like(z))[0], n, rtol=1e-3)


@pytest.mark.parametrize("x", [np.zeros((3, 2)), [[1.0, 2.0], [0.0, 1.0]], 2])
def test_a_line_of_numbers_ends_where_a_list_or_a_number_says(x):
    start = np.ones(2, np.float32)
    for ends in ((start, x), (x, start)):
        z = np.linspace(*[Tensor(e) if e is start else e for e in ends], 5)
        np.testing.assert_allclose(z.data, np.linspace(*ends, 5), rtol=1e-6)
        assert z.dtype == np.linspace(*ends, 5).dtype


WIDE = np.array([300.0, -300.0] * 150)  # the squares' sum is above 65,504


@pytest.mark.parametrize("f", [np.var, np.std, np.linalg.norm, lambda x: np.linalg.norm(x, 3)])
def test_squares_of_float16_do_not_overflow_if_the_result_does_not(f):
    x = WIDE / 2 if f is np.var else WIDE
    z = f(Tensor(x.astype(np.float16))).data
    assert z.dtype == np.float16
    np.testing.assert_allclose(z, f(x), rtol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1, "count_include_pad": False},
        {"stride": 3, "ceil_mode": True},
        {"divisor_override": 4},
    ],
)
def test_pools_of_float16_do_not_overflow_if_their_means_do_not(options):
    x = np.full((1, 1, 4, 4), 30_000, np.float16)
    z = special.avg_pool2d(x, 2, **options)
    assert z.dtype == np.float16 and (z == x[0, 0, 0, 0]).all()


def test_hardswish_of_a_great_number_is_the_number():
    for x in (np.float16(20_000), np.float32(3e38), np.float64(1e308)):
        assert nn.Hardswish()(np.array(x)) == x


@pytest.mark.parametrize("x", [np.full(64, 4, np.float16), np.full(4, 1e10, np.float32)])
def test_the_cosine_of_long_vectors_is_one(x):
    loss = nn.CosineEmbedding()(x, x, np.array(1))
    assert loss.dtype == x.dtype and abs(loss) < 1e-3


def test_losses_of_float16_do_not_overflow_if_their_mean_does_not():
    x = np.full((300, 2), 100, np.float16)
    assert nn.MSE()(x, np.zeros_like(x)) == 10_000
    assert (grad(lambda x: nn.MSE()(x, np.zeros_like(x.data)))(x) == np.float16(1 / 3)).all()
    logits, labels = np.zeros((70_000, 2), np.float16), np.zeros(70_000, int)
    for loss in (nn.CrossEntropy(), nn.CrossEntropy(weight=[1.0, 2.0])):
        np.testing.assert_allclose(loss(logits, labels), np.log(2), rtol=1e-3)
        slopes = grad(lambda x, loss=loss: loss(x, labels))(logits)
        np.testing.assert_allclose(slopes[0], [-0.5 / 70_000, 0.5 / 70_000], rtol=0.02)
        assert slopes.dtype == np.float16


@pytest.mark.parametrize(
    "layer",
    [nn.LayerNorm(300), nn.GroupNorm(1, 300), nn.RMSNorm(300), nn.BatchNorm1d(2)],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_of_norms_of_float16_do_not_overflow(layer):
    x = np.array([WIDE, -WIDE], np.float16)
    x = x.T if isinstance(layer, nn.BatchNorm1d) else x
    np.testing.assert_allclose(np.abs(layer(x).numpy()), 1.0, rtol=1e-3)
    halves = Tensor(x, requires_grad=True)
    layer(halves).sum().backward()
    assert halves.grad.dtype == np.float16 and np.isfinite(halves.grad).all()


def test_the_gradient_of_a_norm_of_float16_is_its_direction():
    x = WIDE.astype(np.float16)
    np.testing.assert_allclose(grad(np.linalg.norm)(x), x / np.linalg.norm(WIDE), rtol=1e-2)


def test_the_median_of_one_great_number_is_this_number():
    assert_numpys(np.median, np.array([1.7e308]))


@pytest.mark.parametrize("n", [1, 2])
def test_differences_of_bools_say_where_they_differ(n):
    assert_numpys(lambda x: np.diff(x, n), np.array([True, False, True, True]))


# Nothing, and fewer than there are degrees of freedom


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_the_median_of_nothing_is_numpys(shape, axis):
    assert_numpys(lambda x: np.median(x, axis=axis), np.ones(shape))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("f", [np.var, np.std])
@pytest.mark.parametrize("ddof", [2, 3, 4])
def test_more_degrees_of_freedom_than_numbers_are_none(f, ddof):
    assert_numpys(lambda x: f(x, ddof=ddof), np.arange(3.0))


# Norms


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("dtype", NARROW)
def test_norms_of_integers_and_bools_are_numpys(ord, dtype):
    assert_numpys(lambda x: np.linalg.norm(x, ord), np.array([200, 220, 240]).astype(dtype))


@pytest.mark.parametrize("ord", [p for p in [*ORDERS, -1, -0.5] if p != -inf])
@pytest.mark.parametrize("x", [[], [0.0, 0.0], [0.0, 1.0, 2.0], [inf, -inf], [inf, 1.0]])
def test_norms_of_nothing_zeros_and_infinities_are_numpys(ord, x):
    assert_numpys(lambda x: np.linalg.norm(x, ord), np.array(x))


@pytest.mark.parametrize("p", [0.5, 0.9, -1, -2])
def test_a_zero_receives_no_gradient_from_a_norm_of_small_order(p):
    x = np.array([0.0, 1.0, 2.0])
    slopes = grad(lambda x: np.linalg.norm(x, p))
    assert slopes(x)[0] == 0
    assert (slopes(np.zeros(2)) == 0).all()
    others = slopes(x[1:]) if p > 0 else np.zeros(2)  # of order < 0 the norm is 0 then
    np.testing.assert_allclose(slopes(x)[1:], others)


# What NumPy refuses

X = np.arange(6.0).reshape(2, 3)
REFUSED = [
    (lambda x: np.linalg.eigh(x[:, :2], "nonsense"), 'UPLO is "L" or "U"'),
    (lambda x: np.linalg.eigvalsh(x[:, :2], "nonsense"), 'UPLO is "L" or "U"'),
    (lambda x: np.linalg.norm(x[None], axis=(0, 1, 2)), r"over the axes \(0, 1, 2\)"),
    (lambda x: np.linalg.outer(x, x), "two vectors were expected"),
    (lambda x: np.vsplit(x[0], 1), "vsplit cuts arrays of at least 2 axes"),
    (lambda x: np.hsplit(x[0, 0], 1), "hsplit cuts arrays of at least 1 axes"),
    (lambda x: np.var(x, ddof=1, correction=1), "ddof=1 and correction=1"),
    (lambda x: np.std(x, ddof=1, correction=1), "ddof=1 and correction=1"),
]


@pytest.mark.parametrize(("f", "message"), REFUSED)
def test_what_numpy_refuses_is_refused(f, message):
    with pytest.raises(ValueError):
        f(X)
    with pytest.raises(ValueError, match=message):
        f(Tensor(X))


def test_the_inner_product_of_a_number_and_a_matrix_keeps_its_axes():
    for f in (lambda x: np.inner(2.0, x), lambda x: np.inner(x, 2.0)):
        assert_numpys(f, X)


@pytest.mark.parametrize(("axis", "kind"), [(None, TypeError), (0, ValueError)])
def test_weights_that_do_not_fit_are_refused_as_numpy_refuses_them(axis, kind):
    for x in (X, Tensor(X)):
        with pytest.raises(kind, match="weights"):
            np.average(x, axis=axis, weights=np.ones(3))


def test_an_average_without_weight_is_refused_as_numpy_refuses_it():
    with pytest.raises(ZeroDivisionError, match="add up to 0"):
        np.average(Tensor(X), weights=np.zeros((2, 3)))


@pytest.mark.parametrize("dtype", [np.int8, bool])
def test_a_symmetric_matrix_of_a_narrow_type_does_not_overflow(dtype):
    assert_numpys(np.linalg.eigvalsh, np.array([[100, 0], [0, 100]]).astype(dtype))


# Options that are NumPy's numbers: np.float64(2) * x makes float64 of float32

SINGLE, IMAGES = np.ones((2, 3), np.float32), np.ones((2, 3, 2, 2), np.float32)
WITH_NUMBERS = [
    lambda f: special.dropout(SINGLE, f(0.5), rng=np.random.default_rng(0)),
    lambda f: special.elu(SINGLE, f(0.5)),
    lambda f: special.leaky_relu(SINGLE, f(0.5)),
    lambda f: nn.Dropout(f(0.5))(SINGLE),
    lambda f: nn.ELU(f(0.5))(SINGLE),
    lambda f: nn.LeakyReLU(f(0.5))(SINGLE),
    lambda f: nn.Softplus(beta=f(2.0))(SINGLE),
    lambda f: nn.Hardtanh(f(-1.0), f(1.0))(SINGLE),
    lambda f: nn.BatchNorm1d(3, eps=f(1e-5), momentum=f(0.1))(SINGLE),
    lambda f: nn.BatchNorm2d(3, eps=f(1e-5))(IMAGES),
    lambda f: nn.GroupNorm(1, 3, eps=f(1e-5))(IMAGES),
    lambda f: nn.LayerNorm(3, eps=f(1e-5))(SINGLE),
    lambda f: nn.RMSNorm(3, eps=f(1e-5))(SINGLE),
    lambda f: nn.Huber(delta=f(0.5))(SINGLE, SINGLE),
    lambda f: nn.GaussianNLL(eps=f(1e-6))(SINGLE, SINGLE, SINGLE),
    lambda f: nn.CrossEntropy(label_smoothing=f(0.1))(SINGLE, [0, 1]),
    lambda f: nn.TransformerEncoderLayer(4, 2, 4, f(0.1), layer_norm_eps=f(1e-5))(
        np.ones((1, 2, 4), np.float32)
    ),
    lambda f: step(nn.optim.SGD, lr=f(0.1), momentum=f(0.9), weight_decay=f(0.1)),
    lambda f: step(nn.optim.Adam, lr=f(0.1), betas=(f(0.9), f(0.99)), eps=f(1e-8)),
]


def step(optimizer, **options):
    p = Tensor(SINGLE.copy(), requires_grad=True)
    p.sum().backward()
    optimizer([p], **options).step()
    return p


@pytest.mark.parametrize("f", WITH_NUMBERS)
@pytest.mark.parametrize("number", [float, np.float64, np.array])
def test_an_option_that_is_numpys_number_leaves_float32_as_it_is(f, number):
    assert f(number).dtype == np.float32


# Calls in which a wrong axis would go unnoticed where there is one only

BATCH = np.arange(1.0, 25.0).reshape(2, 3, 4) / 7
BY_AXES = [
    (lambda x: np.linalg.norm(x, "fro", axis=(1, 2)), BATCH),
    (lambda x: np.linalg.norm(x, "fro", axis=(0, 2), keepdims=True), BATCH),
    (lambda x: np.linalg.norm(x, 0, axis=1, keepdims=True) * x, BATCH),
    (lambda x: np.linalg.norm(x, 0, axis=-1), BATCH),
    (np.trace, BATCH),
    (np.trace, BATCH[0]),
    (lambda x: np.trace(x, axis1=2, axis2=0), BATCH),
    (lambda x: np.hsplit(x, 2)[1], BATCH[0, 0]),
    (lambda x: np.hsplit(x, [1])[1], BATCH[0]),
    (lambda x: np.nanmean(x, axis=1, keepdims=True), np.where(BATCH > 3, nan, BATCH)),
    (lambda x: np.nanmean(x, axis=(0, 2), keepdims=True), np.where(BATCH == 1, nan, BATCH)),
]


@pytest.mark.parametrize(("f", "x"), BY_AXES)
def test_axes_are_numpys(f, x):
    z = f(Tensor(x))
    np.testing.assert_allclose(z.data, f(x), rtol=1e-12, strict=True)
    unknown = np.isnan(x)
    check_gradients(lambda y: f(np.where(unknown, nan, y)), np.where(unknown, 0.0, x))


def test_filters_that_are_not_of_four_axes_are_refused():
    images = np.ones((1, 1, 3, 3))
    for shape in ((1, 2, 2), (2, 2), (1, 1, 1, 2, 2)):
        with pytest.raises(ValueError, match=r"weight \(out, in/groups, rows, columns\)"):
            special.conv2d(Tensor(images), np.ones(shape))


# Options that are given in their places

IN_PLACES = [
    lambda x: np.max(x, 0, None, True),
    lambda x: x.max(1, None, True),
    lambda x: np.sum(x, 0, None, None, True),
    lambda x: np.mean(x, 1, None, None),
    lambda x: np.var(x, 0, None, None, 1, True),
    lambda x: x.std(0, None, None, 1),
    lambda x: np.nan_to_num(x, True, 7.0),
    lambda x: np.sort(x, 0, "stable"),
    lambda x: np.clip(x, 1.0, 3.0, None),
    lambda x: np.stack([x, x], 1, None),
    lambda x: np.take(x, [1, 0], 1, None, "clip"),
    lambda x: x.ravel("C"),
    lambda x: np.trace(x, 1, 0, 1, None, None),
    lambda x: np.linalg.norm(x, 1, 0, True),
]


@pytest.mark.parametrize("f", IN_PLACES)
def test_options_in_their_places_are_bound_to_their_names(f):
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(f(Tensor(x)).data, f(x))
    check_gradients(lambda x: np.sin(f(x)), x + 0.1)


UNKNOWN_IN_PLACES = [
    (lambda x: np.nan_to_num(x, False), "nan_to_num on a Tensor takes no copy="),
    (lambda x: np.max(x, 0, np.empty(3)), "max on a Tensor takes no out="),
    (lambda x: np.take(x, [0], 0, np.empty((1, 3))), "take on a Tensor takes no out="),
    (lambda x: x.max(0, None, True, keepdims=True), "keepdims= twice"),
    (lambda x: x.max(0, None, True, 0.0, True, 1), "max takes 6 arguments, and 7 came"),
]


@pytest.mark.parametrize(("f", "message"), UNKNOWN_IN_PLACES)
def test_what_is_not_known_is_refused_where_it_is_written(f, message):
    x = np.array([[np.nan, 1.0, 2.0], [3.0, 4.0, 5.0]])
    with pytest.raises(TypeError, match=message):
        f(Tensor(x, requires_grad=True))
    assert np.isnan(x[0, 0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.ravel("F"),
        lambda x: x.flatten("F"),
        lambda x: np.ravel(x, "F"),
        lambda x: np.reshape(x, (6,), "F"),
        lambda x: np.copy(x, "F").reshape(6),
    ],
)
def test_another_order_in_memory_is_refused_or_has_its_gradient(f):
    x, slopes = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    try:
        gradient = grad(lambda x: (f(x) * slopes).sum())(x)
    except TypeError as error:
        assert "order=" in str(error)
    else:
        origins = f(np.arange(6).reshape(2, 3))
        np.testing.assert_array_equal(gradient.ravel()[origins], slopes)


def test_where_of_a_condition_alone_gives_the_indices():
    x = np.array([[0.0, 1.0], [2.0, 0.0]])
    for t in (Tensor(x), Tensor(x, requires_grad=True)):
        np.testing.assert_array_equal(np.where(t), np.where(x))


# Every function of NumPy's in the registry × types × layouts

DTYPES = [np.float16, np.float32, np.float64, *NARROW]
FORMS = {
    "as drawn": lambda x: x,
    "empty": lambda x: x[:0] if x.ndim else x,
    "of no axes": lambda x: x.ravel()[:1].reshape(()) if x.size else x,
    "of size 1": lambda x: x.ravel()[:1].reshape((1,) * x.ndim) if x.size else x,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape) if x.size and x.ndim else x,
    "transposed": np.asfortranarray,
    "backwards": lambda x: np.flip(np.flip(x).copy()),
    "with a NaN": lambda x: (
        np.where(np.arange(x.size).reshape(x.shape) == 1, x * nan, x) if x.dtype.kind == "f" else x
    ),
}
# (function, dtype or None for all, form or None for all): why we differ from NumPy there
EXCEPTIONS = {
    (np.gradient, bool, None): "positions that are equal",
    (np.gradient, None, "broadcast"): "positions that are equal",
    (np.gradient, None, "with a NaN"): "NumPy leaves it out between positions in equal steps",
    (np.nanquantile, None, "empty"): "of nothing NumPy forgets the shape of q",
    (np.nanpercentile, None, "empty"): "of nothing NumPy forgets the shape of q",
    (np.linalg.norm, np.float16, None): "in float32: singular values exist, NumPy refuses them",
    (np.linalg.matrix_norm, np.float16, None): "in float32, as np.linalg.norm",
    (np.roots, None, None): "complex zeros are refused: see test_zeros_of_a_polynomial",
    (np.linalg.tensorinv, None, "of no axes"): "NumPy fails to reshape the result",
}


def is_numpys(function):
    name = function.__name__
    return function in (getattr(np, name, None), getattr(np.linalg, name, None))


def cast(x, dtype):
    return np.abs(x).astype(dtype) if dtype == np.uint8 else x.astype(dtype)


def outcome(function, arguments, options):
    """The arrays that a call gives, or the kind of its error."""
    try:
        z = function(*as_called(function, arguments), **options)
    except Exception as error:
        return type(error)
    return [np.asarray(plain(x)) for x in (z if isinstance(z, list | tuple) else [z])]


def agrees(outcomes, tolerance):
    ours, numpys = outcomes
    if isinstance(ours, type) or isinstance(numpys, type):
        both = isinstance(ours, type) and isinstance(numpys, type)
        return both and issubclass(ours, numpys)
    return all(
        z.dtype == x.dtype
        and z.shape == x.shape
        and np.allclose(z, x, rtol=tolerance, atol=tolerance, equal_nan=True)
        for z, x in zip(ours, numpys, strict=True)
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", [*filter(is_numpys, ENTRIES)], ids=lambda f: f.__name__)
def test_values_shapes_types_and_errors_are_numpys(function):
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case(function), st.data(), st.sampled_from(DTYPES), st.sampled_from(list(FORMS)))
    def agree(drawn, data, dtype, form):
        for names in ((dtype, form), (dtype, None), (None, form), (None, None)):
            if (function, *names) in EXCEPTIONS:
                return
        arguments, options = drawn
        arrays = [FORMS[form](cast(x, dtype)) if is_real(x) else x for x in arguments]
        tensors = [Tensor(x) if is_real(y) else x for x, y in zip(arrays, arguments, strict=True)]
        options = options | data.draw(shared_options(function, arrays))
        with np.errstate(all="ignore"):
            outcomes = [outcome(function, xs, options) for xs in (tensors, arrays)]
        assert agrees(outcomes, 1e-2 if dtype == np.float16 else 1e-5), (outcomes, arrays, options)

    agree()
