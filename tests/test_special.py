"""Our own functions beyond test_derivatives.py: values, stability, kinks, dtypes, errors."""

import math

import numpy as np
import pytest
from cases_special import CASES, images_and_windows, seeded_dropout
from hypothesis import HealthCheck, given, settings

from tinygrad_edu import Tensor, check_gradients, grad, hvp, special
from tinygrad_edu.operations import convolution

FEW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
ALL = pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)


@FEW
@given(CASES[seeded_dropout])
def test_the_gradient_of_dropout_agrees_with_differences_to_second_order(drawn):
    (x,), options = drawn
    check_gradients(lambda x: np.sin(seeded_dropout(x, **options)), x)


@ALL
def test_arrays_give_arrays_and_tensors_give_tensors_of_the_same_numbers(f):
    @FEW
    @given(CASES[f])
    def agrees(drawn):
        arguments, options = drawn
        on_arrays = f(*arguments, **options)
        on_tensors = f(
            *[Tensor(x) if isinstance(x, np.ndarray) else x for x in arguments], **options
        )
        assert not isinstance(on_arrays, Tensor)
        assert not on_tensors.requires_grad
        np.testing.assert_array_equal(on_tensors.data, on_arrays)

    agrees()


# Values, against formulas written out with math and loops

X = np.linspace(-3, 3, 25)
FORMULAS = [
    (special.sigmoid, lambda x: 1 / (1 + math.exp(-x))),
    (special.log_sigmoid, lambda x: math.log(1 / (1 + math.exp(-x)))),
    (special.softplus, lambda x: math.log(1 + math.exp(x))),
    (special.silu, lambda x: x / (1 + math.exp(-x))),
    (special.relu, lambda x: x if x > 0 else 0),
    (special.leaky_relu, lambda x: x if x > 0 else 0.01 * x),
    (special.elu, lambda x: x if x > 0 else math.exp(x) - 1),
    (special.gelu, lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    (lambda x: special.leaky_relu(x, 0.2), lambda x: max(x, 0.2 * x)),
    (lambda x: special.elu(x, 2.0), lambda x: x if x > 0 else 2 * math.exp(x) - 2),
    (
        lambda x: special.gelu(x, approximate="tanh"),
        lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    ),
    (special.normal_cdf, lambda x: (1 + math.erf(x / math.sqrt(2))) / 2),
    (special.normal_pdf, lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)),
]


@pytest.mark.parametrize(("f", "formula"), FORMULAS)
def test_values_are_the_formulas(f, formula):
    np.testing.assert_allclose(f(X), [formula(x) for x in X], rtol=1e-13, atol=1e-15)


def test_the_exact_gelu_keeps_its_digits_far_below_zero():
    assert special.gelu(-20.0) == pytest.approx(
        -20 * math.erfc(20 / math.sqrt(2)) / 2, rel=1e-13, abs=0
    )


def convolved(x, weight, bias, stride, padding, dilation, groups):
    """The sum over batch, output, rows, columns, inputs and kernel, one number at a time."""
    x = np.pad(x, [(0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2])
    out, per_group, kh, kw = weight.shape
    rows = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    z = np.zeros((len(x), out, rows, columns)) + bias[:, None, None]
    for b, o, p, q, c, i, j in np.ndindex(*z.shape, per_group, kh, kw):
        channel = o // (out // groups) * per_group + c
        z[b, o, p, q] += (
            weight[o, c, i, j]
            * x[b, channel, p * stride[0] + i * dilation[0], q * stride[1] + j * dilation[1]]
        )
    return z


@FEW
@given(CASES[special.conv2d])
def test_conv2d_is_the_sum_written_out(drawn):
    (x, weight, *bias), options = drawn
    stride = options["stride"] if isinstance(options["stride"], tuple) else (options["stride"],) * 2
    expected = convolved(
        x, weight, bias[0] if bias else np.zeros(len(weight)), **options | {"stride": stride}
    )
    np.testing.assert_allclose(special.conv2d(x, weight, *bias, **options), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("pool", "of"), [(special.max_pool2d, np.max), (special.avg_pool2d, np.mean)]
)
@FEW
@given(CASES[special.avg_pool2d])
def test_pools_reduce_one_window_at_a_time(pool, of, drawn):
    (x, kernel), options = drawn
    (kh, kw), (sh, sw) = [
        n if isinstance(n, tuple) else (n, n) for n in (kernel, options["stride"] or kernel)
    ]
    z = [
        [
            of(x[:, :, p : p + kh, q : q + kw], axis=(2, 3))
            for q in range(0, x.shape[3] - kw + 1, sw)
        ]
        for p in range(0, x.shape[2] - kh + 1, sh)
    ]
    np.testing.assert_allclose(pool(x, kernel, **options), np.moveaxis(z, (0, 1), (2, 3)))


@FEW
@given(images_and_windows())
def test_overlap_add_is_the_transpose_of_windows(drawn):
    (x, kernel, stride, dilation), _ = drawn
    seen = convolution.windows(x, kernel, stride, dilation)
    g = np.cos(np.arange(seen.size)).reshape(seen.shape)
    back = convolution.overlap_add(g, x.shape[-2:], stride, dilation)
    np.testing.assert_allclose((seen * g).sum(), (x * back).sum(), atol=1e-12)


def test_embedding_takes_rows_and_adds_the_gradients_of_repeated_ones():
    weight = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    z = special.embedding(Tensor([[0, 2], [2, 2]]), weight)
    z.sum().backward()
    assert (z.data == weight.data[[[0, 2], [2, 2]]]).all()
    assert (weight.grad == [[1, 1], [0, 0], [3, 3]]).all()


def test_dropout_drops_a_share_of_p_and_keeps_the_mean():
    z = special.dropout(np.ones(100_000), 0.2, rng=np.random.default_rng(0))
    assert set(z) == {0.0, 1.25}
    assert np.mean(z == 0) == pytest.approx(0.2, abs=0.01)


def test_dropout_draws_anew_and_the_same_from_the_same_seed():
    x, rng = np.ones(50), np.random.default_rng(0)
    first, second = special.dropout(x, rng=rng), special.dropout(x, rng=rng)
    assert (first != second).any()
    assert (first == seeded_dropout(x, 0.5, 0)).all()


# Stability

ELEMENTWISE = [
    special.sigmoid,
    special.log_sigmoid,
    special.relu,
    special.leaky_relu,
    special.elu,
    special.silu,
    np.tanh,
    special.softplus,
    special.gelu,
    lambda x: special.gelu(x, "tanh"),
    special.normal_cdf,
    special.normal_pdf,
]
ALONG = [special.softmax, special.log_softmax, special.logsumexp]
FLOATS = pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])


@FLOATS
@pytest.mark.parametrize("f", ELEMENTWISE + ALONG)
@pytest.mark.parametrize(
    "x", [[1000.0, -1000.0], [-1000.0, -1000.0], [1000.0, 1000.0], [0.0, 1000.0]]
)
def test_functions_are_finite_at_a_thousand_to_second_order_and_keep_the_dtype(f, x, dtype):
    x, v = np.array(x, dtype), np.array([1.0, 2.0], dtype)

    def weighted(x):
        return (f(x) * v).sum()

    assert all(
        np.isfinite(t).all() and t.dtype == dtype
        for t in (f(x), grad(weighted)(x), hvp(weighted, x, v))
    )


LIMITS = [  # f, value and slope at −1000, value and slope at 1000
    (special.sigmoid, 0, 0, 1, 0),
    (special.log_sigmoid, -1000, 1, 0, 0),
    (special.relu, 0, 0, 1000, 1),
    (special.leaky_relu, -10, 0.01, 1000, 1),
    (special.elu, -1, 0, 1000, 1),
    (special.silu, 0, 0, 1000, 1),
    (special.softplus, 0, 0, 1000, 1),
    (special.gelu, 0, 0, 1000, 1),
    (lambda x: special.gelu(x, "tanh"), 0, 0, 1000, 1),
    (lambda x: special.logsumexp(x, axis=0), -1000, 1, 1000, 1),
]


@FLOATS
@pytest.mark.parametrize(("f", "low", "slope_low", "high", "slope_high"), LIMITS)
def test_values_and_slopes_at_a_thousand_are_the_limits(f, low, slope_low, high, slope_high, dtype):
    for x, value, slope in [(-1000, low, slope_low), (1000, high, slope_high)]:
        np.testing.assert_allclose(f(np.array([x], dtype)).ravel(), dtype(value))
        np.testing.assert_allclose(grad(lambda x: f(x).sum())(np.array([x], dtype)), [dtype(slope)])


def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity_with_derivatives_zero():
    x = np.full(2, -np.inf)
    assert special.logsumexp(x) == -np.inf
    assert (grad(special.logsumexp)(x) == 0).all()
    assert (hvp(special.logsumexp, x, np.ones(2)) == 0).all()


@FLOATS
def test_images_and_look_ups_keep_the_dtype(dtype):
    x, weight, bias = np.ones((1, 2, 3, 3), dtype), np.ones((2, 2, 2, 2), dtype), np.ones(2, dtype)
    table, rng = np.ones((3, 2), dtype), np.random.default_rng(0)
    for f, inputs in [
        (lambda *args: special.conv2d(*args, padding=1), (x, weight, bias)),
        (
            lambda x: convolution.overlap_add(x, (5, 5), (1, 1), (1, 1)),
            (np.ones((2, 2, 4, 4), dtype),),
        ),
        (lambda x: special.max_pool2d(x, 2), (x,)),
        (lambda x: special.avg_pool2d(x, 2), (x,)),
        (lambda x: special.dropout(x, 0.3, rng=rng), (x,)),
        (lambda w: special.embedding([0, 2], w), (table,)),
    ]:
        tensors = [Tensor(x, requires_grad=True) for x in inputs]
        z = f(*tensors)
        z.sum().backward()
        assert {t.dtype for t in (z, f(*inputs), *[t.grad for t in tensors])} == {np.dtype(dtype)}


# Kinks: the slopes are PyTorch's, but for ties in a pool, which share

KINKS = [
    (special.relu, 0.0),
    (special.leaky_relu, 0.01),
    (lambda x: special.leaky_relu(x, 0.2), 0.2),
    (special.elu, 1.0),
    (lambda x: special.elu(x, 3.0), 3.0),
]


@pytest.mark.parametrize(("f", "slope"), KINKS)
def test_slopes_at_zero_are_those_from_below(f, slope):
    assert grad(f)(0.0) == slope


def test_pixels_that_tie_share_the_gradient_of_the_pool():
    slope = grad(lambda x: special.max_pool2d(x, 2).sum())(
        np.array([[[[1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 2.0, 0.0]]]])
    )
    np.testing.assert_allclose(slope, [[[[1 / 3, 1 / 3, 0, 1 / 2], [1 / 3, 0, 1 / 2, 0]]]])


# Mistakes

IMAGES, FILTERS, RNG = np.ones((2, 4, 5, 5)), np.ones((6, 4, 3, 3)), np.random.default_rng(0)
MISTAKES = [
    (
        lambda: special.conv2d(IMAGES[0], FILTERS),
        ValueError,
        r"x \(4, 5, 5\), weight \(6, 4, 3, 3\), bias None, groups=1",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS[0]),
        ValueError,
        r"weight \(out, in/groups, rows, columns\).* weight \(4, 3, 3\)",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS, groups=2),
        ValueError,
        r"x \(2, 4, 5, 5\), weight \(6, 4, 3, 3\).* groups=2",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS[:3, :2], groups=2),
        ValueError,
        r"divides in and out; .* weight \(3, 2, 3, 3\)",
    ),
    (lambda: special.conv2d(IMAGES, FILTERS, groups=0), ValueError, r"groups=0"),
    (
        lambda: special.conv2d(IMAGES, FILTERS, np.ones(4)),
        ValueError,
        r"bias \(out,\) or None.* bias \(4,\)",
    ),
    (
        lambda: special.conv2d(Tensor(IMAGES, name="digits"), FILTERS, dilation=(3, 1)),
        ValueError,
        r"a kernel of \(3, 3\) reaches over 7 × 3 pixels, "
        r"and digits \(2, 4, 5, 5\) has 5 × 5, its padding included",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS, stride=0),
        ValueError,
        r"stride is a whole number of at least 1.* found 0",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS, padding=(1, 1, 1)),
        ValueError,
        r"padding is .* at least 0, or a pair",
    ),
    (
        lambda: special.conv2d(IMAGES, FILTERS, padding=0.5),
        ValueError,
        r"padding is a whole number .* found 0.5",
    ),
    (
        lambda: special.max_pool2d(IMAGES[0], 2),
        ValueError,
        r"\(batch, channels, height, width\) .* array \(4, 5, 5\) came",
    ),
    (
        lambda: special.avg_pool2d(IMAGES, (2, 6)),
        ValueError,
        r"reaches over 2 × 6 pixels, and array \(2, 4, 5, 5\) has 5 × 5",
    ),
    (
        lambda: special.max_pool2d(IMAGES, 0),
        ValueError,
        r"kernel_size is a whole number of at least 1",
    ),
    (lambda: special.dropout(IMAGES, 1.5, rng=RNG), ValueError, r"from 0 to 1; found 1.5"),
    (lambda: special.dropout(IMAGES, math.nan, rng=RNG), ValueError, r"found nan"),
    (lambda: special.dropout(IMAGES, rng=0), TypeError, r"np.random.default_rng\(seed\).* found 0"),
    (
        lambda: special.embedding(np.ones((2, 3)), np.ones((4, 2))),
        TypeError,
        r"float64 of shape \(2, 3\) .* array \(4, 2\)",
    ),
    (
        lambda: special.embedding([0, 4], np.ones((4, 2))),
        IndexError,
        r"array \(4, 2\) .* 0 to 3, .* \(2,\), reach from 0 to 4",
    ),
    (lambda: special.embedding([-1], np.ones((4, 2))), IndexError, r"from -1 to -1"),
    (
        lambda: special.gelu(1.0, approximate="erf"),
        ValueError,
        r'"none".* or "tanh"; found \'erf\'',
    ),
]


@pytest.mark.parametrize(("mistake", "kind", "message"), MISTAKES)
def test_a_mistake_is_named_with_what_was_expected(mistake, kind, message):
    with pytest.raises(kind, match=message):
        mistake()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, bool])
def test_log_sigmoid_of_integers_without_a_sign_is_that_of_numbers(dtype):
    x = np.array([0, 1, 1])
    np.testing.assert_allclose(special.log_sigmoid(x.astype(dtype)), special.log_sigmoid(x))
