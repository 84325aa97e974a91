"""Slopes from 1e-310 to 1e308, at infinities and NaN, against the textbook's formula in a wider
type: of float32 in float64, of float64 in long double, where that is wider. There nothing overflows
on the way. Functions are drawn from the registry: one without a formula here fails."""

import itertools
import math

import numpy as np
import pytest
from cases import ELEMENTWISE

from tinygrad_edu import Tensor, grad, hessian, nn, special, vjp
from tinygrad_edu.operations import composed

inf, nan = np.inf, np.nan
TYPES = {np.float32: np.float64, np.float64: np.longdouble}
SCALES = {
    np.float32: (1e-40, 1e-30, 1e-4, 0.3, 1.0, 3.0, 15.0, 60.0, 300.0, 1e5, 1e30, 3e38),
    np.float64: (1e-310, 1e-300, 1e-9, 0.3, 1.0, 3.0, 15.0, 60.0, 600.0, 1e5, 1e200, 1.7e308),
}
LN2, LN10 = np.log(np.longdouble(2)), np.log(np.longdouble(10))
PI = 4 * np.arctan(np.longdouble(1))


def sigma(x):
    return 1 / (1 + np.exp(-x))


def density(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * PI)


@np.vectorize(otypes=[float])
def probability(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def times(x, y):
    """x y, and 0 where one is: 0 · ∞ is 0."""
    return np.where((x == 0) | (y == 0), 0, x * y)


def ahead(x, y):
    return np.where(x == y, 0.5, (x > y) | np.isnan(y))


def behind(x, y):
    return ahead(-x, -y)


def power_slope(x, y):
    return np.where((x == 0) & (y >= 0), 0, x**y * np.log(x))  # PyTorch's, where it is open


def leg_slope(x, y):
    return x / np.sqrt(x * x + y * y)


def sinc_slope(x):
    y = PI * x
    return np.where(np.abs(y) < 1e-3, -PI * y / 3, PI * (y * np.cos(y) - np.sin(y)) / y**2)


# The slope with respect to each argument
# fmt: off
SLOPES = {
    np.add:         (lambda x, y: 1, lambda x, y: 1),
    np.subtract:    (lambda x, y: 1, lambda x, y: -1),
    np.multiply:    (lambda x, y: y, lambda x, y: x),
    np.divide:      (lambda x, y: 1 / y, lambda x, y: -x / y / y),
    np.power:       (lambda x, y: y * x ** (y - 1), power_slope),
    np.float_power: (lambda x, y: y * x ** (y - 1), power_slope),
    np.remainder:   (lambda x, y: 1, lambda x, y: -np.floor_divide(x, y)),
    np.fmod:        (lambda x, y: 1, lambda x, y: -np.trunc(x / y)),
    np.negative:    (lambda x: -1,),
    np.positive:    (lambda x: 1,),
    np.conjugate:   (lambda x: 1,),
    np.square:      (lambda x: 2 * x,),
    np.sqrt:        (lambda x: 1 / (2 * np.sqrt(x)),),
    np.cbrt:        (lambda x: 1 / (3 * np.cbrt(x) ** 2),),
    np.reciprocal:  (lambda x: -1 / x / x,),
    np.exp:         (np.exp,),
    np.exp2:        (lambda x: LN2 * 2 ** x,),
    np.expm1:       (np.exp,),
    np.log:         (lambda x: 1 / x,),
    np.log2:        (lambda x: 1 / x / LN2,),
    np.log10:       (lambda x: 1 / x / LN10,),
    np.log1p:       (lambda x: 1 / (1 + x),),
    np.logaddexp:   (lambda x, y: sigma(x - y), lambda x, y: sigma(y - x)),
    np.logaddexp2:  (lambda x, y: 1 / (1 + 2 ** (y - x)), lambda x, y: 1 / (1 + 2 ** (x - y))),
    np.sin:         (np.cos,),
    np.cos:         (lambda x: -np.sin(x),),
    np.tan:         (lambda x: 1 / np.cos(x) ** 2,),
    np.arcsin:      (lambda x: 1 / np.sqrt(1 - x * x),),
    np.arccos:      (lambda x: -1 / np.sqrt(1 - x * x),),
    np.arctan:      (lambda x: 1 / (1 + x * x),),
    np.arctan2:     (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y)),
    np.sinh:        (np.cosh,),
    np.cosh:        (np.sinh,),
    np.tanh:        (lambda x: 1 / np.cosh(x) ** 2,),
    np.arcsinh:     (lambda x: 1 / np.sqrt(1 + x * x),),
    np.arccosh:     (lambda x: 1 / np.sqrt(x * x - 1),),
    np.arctanh:     (lambda x: 1 / (1 - x * x),),
    np.deg2rad:     (lambda x: PI / 180,),
    np.radians:     (lambda x: PI / 180,),
    np.rad2deg:     (lambda x: 180 / PI,),
    np.degrees:     (lambda x: 180 / PI,),
    np.maximum:     (ahead, lambda x, y: ahead(y, x)),
    np.minimum:     (behind, lambda x, y: behind(y, x)),
    np.fmax:        (ahead, lambda x, y: ahead(y, x)),
    np.fmin:        (behind, lambda x, y: behind(y, x)),
    np.absolute:    (np.sign,),
    np.fabs:        (np.sign,),
    np.copysign:    (lambda x, y: np.sign(x) * np.copysign(1, y), lambda x, y: 0),
    np.hypot:       (leg_slope, lambda x, y: leg_slope(y, x)),
    np.sinc:        (sinc_slope,),
    np.nan_to_num:  (np.isfinite,),
    special.sigmoid:     (lambda x: sigma(x) * sigma(-x),),
    special.log_sigmoid: (lambda x: sigma(-x),),
    special.relu:        (lambda x: x > 0,),
    special.leaky_relu:  (lambda x: np.where(x > 0, 1, 0.01),),
    special.elu:         (lambda x: np.exp(np.minimum(x, 0)),),
    special.softplus:    (sigma,),
    special.silu:        (lambda x: sigma(x) + times(x, sigma(x) * sigma(-x)),),
    special.gelu:        (lambda x: probability(x) + times(x, density(x)),),
}
# fmt: on
# What has two results, or arguments with bounds of their own
ARE_TOLD_ELSEWHERE = {np.ldexp, np.where, np.clip, np.divmod, np.modf, np.frexp}
VALUES = {  # of our own functions; NumPy's have the values that NumPy gives
    special.sigmoid: sigma,
    special.log_sigmoid: lambda x: -np.logaddexp(0, -x),
    special.relu: lambda x: np.maximum(x, 0),
    special.leaky_relu: lambda x: np.where(x > 0, x, 0.01 * x),
    special.elu: lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    special.softplus: lambda x: np.logaddexp(0, x),
    special.silu: lambda x: times(x, sigma(x)),
    special.gelu: lambda x: times(x, probability(x)),
}
# How many roundings of 1 a value or slope may be off, and why
ROUNDED = {
    special.sigmoid: (1, "1 + tanh x/2"),
    special.silu: (4, "x times sigmoid, of which x is 15 at most where it is no 0 or 1"),
    np.tanh: (1, "1 − z²"),
    np.sinc: (4, "πx is rounded"),
}
# Where a value or slope may be off by more, and why
HARD = {
    np.hypot: lambda x, y: np.isinf(np.hypot(x, y)),  # NumPy's overflows
    np.arctan2: lambda x, y: np.isinf(np.hypot(x, y)),
    np.power: lambda x, y: np.abs(x) < np.finfo(x.dtype).tiny,  # 1/x overflows
    np.float_power: lambda x, y: np.abs(x) < np.finfo(x.dtype).tiny,
}


def points(narrow, count):
    scales = [sign * scale for scale in SCALES[narrow] for sign in (1, -1)]
    near = [sign * (1 + step * np.finfo(narrow).eps) for sign in (1, -1) for step in (-1, 3, -50)]
    xs = np.array([*scales, *near, 0.0, -0.0, inf, -inf, nan], narrow)
    return [np.array(x, narrow) for x in zip(*itertools.product(xs, repeat=count), strict=True)]


def wrong(found, expected, narrow, allowed):
    """Where what was found is not the expected number, rounded to the narrow type."""
    with np.errstate(over="ignore"):
        expected = np.broadcast_to(np.asarray(expected).astype(narrow), found.shape)
    tiny = np.finfo(narrow)
    off = ~np.isclose(found, expected, 2048 * tiny.eps, 1024 * tiny.smallest_subnormal + allowed)
    return off & ~np.isnan(expected)  # where the formula says nothing


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("narrow", TYPES)
@pytest.mark.parametrize("function", [f for f in ELEMENTWISE if f not in ARE_TOLD_ELSEWHERE])
def test_slopes_of_every_magnitude_are_the_textbooks(function, narrow):
    wide = TYPES[narrow]
    if np.finfo(wide).maxexp <= np.finfo(narrow).maxexp:
        pytest.skip("long double is no wider here")
    xs = points(narrow, len(SLOPES[function]))
    widened = [x.astype(wide) for x in xs]
    z, pullback = vjp(function, *xs)
    judged = ~np.isnan(z) & ~HARD.get(function, lambda *_: np.False_)(*xs)
    allowed = np.finfo(narrow).eps * ROUNDED.get(function, (0,))[0]
    if function in VALUES:
        off = wrong(z, VALUES[function](*widened), narrow, allowed)
        assert not off.any(), [*zip(xs[0][off], z[off], strict=True)][:5]
    for slope, found in zip(SLOPES[function], pullback(np.ones_like(z)), strict=True):
        off = judged & wrong(found, slope(*widened), narrow, allowed)
        assert not off.any(), [*zip(*[x[off] for x in (*xs, found)], strict=True)][:5]


# Reductions: NumPy's value, and the slope at x = s (1, 2, −3, ½)

PATTERN = np.array([1.0, 2.0, -3.0, 0.5])


def centred(x):
    return x - x.mean()


def softened(x):
    e = np.exp(x - x.max())
    return e / e.sum()


# fmt: off
REDUCED = {  # f ↦ ∂ Σf∕∂x
    np.sum:     lambda x: np.ones(4),
    np.nansum:  lambda x: np.ones(4),
    np.mean:    lambda x: np.ones(4) / 4,
    np.nanmean: lambda x: np.ones(4) / 4,
    np.average: lambda x: np.ones(4) / 4,
    np.prod:    lambda x: np.array([np.delete(x, i).prod() for i in range(4)]),
    np.nanprod: lambda x: np.array([np.delete(x, i).prod() for i in range(4)]),
    np.cumsum:  lambda x: np.array([4.0, 3.0, 2.0, 1.0]),
    np.max:     lambda x: x == x.max(),
    np.min:     lambda x: x == x.min(),
    np.nanmax:  lambda x: x == x.max(),
    np.nanmin:  lambda x: x == x.min(),
    np.ptp:     lambda x: 1.0 * (x == x.max()) - (x == x.min()),
    np.median:  lambda x: np.array([0.5, 0, 0, 0.5]),
    np.nanmedian: lambda x: np.array([0.5, 0, 0, 0.5]),
    np.var:     lambda x: centred(x) / 2,
    np.nanvar:  lambda x: centred(x) / 2,
    np.std:     lambda x: centred(x) / np.sqrt(np.square(centred(x)).sum()) / 2,
    np.nanstd:  lambda x: centred(x) / np.sqrt(np.square(centred(x)).sum()) / 2,
    np.linalg.norm: lambda x: x / np.sqrt(np.square(x).sum()),
    np.linalg.vector_norm: lambda x: x / np.sqrt(np.square(x).sum()),
    special.logsumexp: softened,
    special.softmax: lambda x: np.zeros(4),
    special.log_softmax: lambda x: 1 - 4 * softened(x),
}
# fmt: on
SQUARES = {np.var, np.nanvar, np.std, np.nanstd, np.linalg.norm, np.linalg.vector_norm}
OUR_SUMS = {
    special.logsumexp: lambda x: np.log(np.exp(x - x.max()).sum()) + x.max(),
    special.softmax: softened,
    special.log_softmax: lambda x: x - x.max() - np.log(np.exp(x - x.max()).sum()),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("narrow", TYPES)
@pytest.mark.parametrize("function", REDUCED)
def test_reductions_of_every_magnitude_have_numpys_value_and_the_textbooks_slope(function, narrow):
    wide = TYPES[narrow]
    if np.finfo(wide).maxexp <= np.finfo(narrow).maxexp:
        pytest.skip("long double is no wider here")
    for scale in (s for s in SCALES[narrow] if 3.5 * s < np.finfo(narrow).max / 3):
        x = (PATTERN * scale).astype(narrow)
        z, pullback = vjp(function, x)
        expected = OUR_SUMS.get(function, function)(x)
        kind = np.finfo(narrow)
        np.testing.assert_allclose(z, expected, 16 * kind.eps, 4 * kind.smallest_subnormal)
        (found,) = pullback(np.ones_like(z))
        if function in SQUARES and not 1e-12 < np.square(narrow(scale)) < 1e30:
            continue  # NumPy's squares vanish or overflow
        off = wrong(found, REDUCED[function](x.astype(wide)), narrow, 4 * kind.eps)
        assert not off.any(), (scale, found)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", REDUCED)
@pytest.mark.parametrize(
    "x", [[1.0, inf, 2.0], [1.0, -inf, 2.0], [inf, -inf, 1.0], [1.0, nan, 2.0]]
)
def test_of_infinities_and_nan_reductions_have_numpys_value(function, x):
    z = function(Tensor(np.array(x), requires_grad=True))
    if function not in OUR_SUMS:
        np.testing.assert_array_equal(z.data, function(np.array(x)))
    z.backward(np.ones(z.shape))


def test_an_infinite_pixel_is_seen_by_its_own_windows_only():
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 0, 0] = inf
    for pool in (nn.AvgPool2d(2), nn.AvgPool2d(3, 2, padding=1), nn.AdaptiveAvgPool2d(3)):
        z = pool(x)
        assert (z.ravel() == inf).tolist() == [True] + [False] * (z.size - 1)
        assert np.isfinite(z.ravel()[1:]).all()


@pytest.mark.parametrize("seed", range(9))
def test_a_correlation_that_is_rounded_beyond_one_keeps_its_curvature(seed):
    y = np.random.default_rng(seed).normal(size=5)
    away = y - y.mean()
    unit = away / np.sqrt(away @ away)
    curvature = (np.outer(unit, unit) - np.eye(5) + 1 / 5) / (away @ away)
    found = hessian(lambda x: np.corrcoef(x, 3 * y)[0, 1])(y)
    np.testing.assert_allclose(found, curvature, atol=1e-12)


def test_bessels_function_is_its_series():
    x = np.array([0.0, 1e-310, 0.25, -2.0, 3.75, 30.0])
    k = np.arange(80)
    factorials = np.array([float(math.factorial(n)) for n in range(82)])
    for n in (0, 1, 2):
        terms = (x[:, None] / 2) ** (2 * k + n) / factorials[k] / factorials[k + n]
        found = composed.bessel(x, n=n)
        np.testing.assert_allclose(found, terms.sum(axis=1), 1e-13, 1e-16)
    assert grad(np.i0)(0.0) == 0 and hessian(np.i0)(0.0) == 0.5
