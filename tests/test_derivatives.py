"""Every entry of the table against numerical derivatives; and the check against broken entries."""

import functools
import itertools
import operator

import numpy as np
import pytest
from cases import ELEMENTWISE, ENTRIES, OPERATIONS, STEPS, as_called, call, case, together
from hypothesis import HealthCheck, Phase, given, settings

from tinygrad_edu import Tensor, check_gradients, grad, hessian, jvp, operation, special, vjp
from tinygrad_edu.core.engine import REGISTRY, Operation, plain
from tinygrad_edu.core.functional import of_chosen
from tinygrad_edu.core.gradcheck import is_real
from tinygrad_edu.core.sparse import dense
from tinygrad_edu.operations import constants


def name(function):
    return function.__name__


ALL = pytest.mark.parametrize("function", ENTRIES, ids=name)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def check_many(function, how_many):
    """The gradients of sin ∘ f for many arguments.

    The sine makes g depend on x: so a partial that forgets to differentiate g is caught.
    """

    @how_many
    @given(case(function))
    def check(drawn):
        arguments, options = drawn
        check_gradients(lambda *args: np.sin(call(function, *args, **options)), *arguments)

    check()


@ALL
def test_every_derivative_agrees_with_differences_to_second_order(function):
    check_many(function, QUICK)


@pytest.mark.parametrize("function", ELEMENTWISE, ids=name)
def test_an_elementwise_derivative_agrees_with_differences_to_third_order(function):
    check_third_order(function, settings(QUICK, max_examples=25))


def check_third_order(function, how_many):
    """The gradients of sin ∘ f of single numbers, to third order."""

    @how_many
    @given(case(function).filter(lambda drawn: all(x.size for x in drawn[0])))
    def check(drawn):
        check_gradients(
            lambda *args: np.sin(call(function, *args)), *[x.ravel()[0] for x in drawn[0]], order=3
        )

    check()


def of_reals(function, arguments, options):
    """The function of its floating-point arguments alone, and these."""
    real = tuple([number for number, x in enumerate(arguments) if is_real(x)])
    return of_chosen(functools.partial(call, function, **options), real, tuple(arguments)), [
        arguments[n] for n in real
    ]


@ALL
def test_forward_mode_agrees_with_reverse_mode(function):
    @settings(QUICK, max_examples=25)
    @given(case(function))
    def agrees(drawn):
        f, inputs = of_reals(function, *drawn)
        rng = np.random.default_rng(0)
        tangents = [rng.normal(size=x.shape) for x in inputs]
        z, forward = jvp(f, inputs, tangents)
        v = rng.normal(size=z.shape)
        backward = vjp(f, *inputs)[1](v)
        np.testing.assert_allclose(
            (v * forward).sum(),
            sum((g * t).sum() for g, t in zip(backward, tangents, strict=True)),
            rtol=1e-9,
            atol=1e-9,
        )  # vᵀ (J t) = (vᵀ J) t

    agrees()


@ALL
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_floats_are_kept_as_numpy_keeps_them(function, dtype):
    @settings(QUICK, max_examples=10)
    @given(case(function))
    def keeps(drawn):
        arguments, options = drawn
        narrow = [x.astype(dtype) if is_real(x) else x for x in arguments]
        try:
            expected = numpys(function, *narrow, **options).dtype
        except (TypeError, RuntimeWarning):
            return  # no linear algebra in float16; before NumPy 2.3 sinc(0) is NaN there
        tensors = [Tensor(x, requires_grad=True) if is_real(x) else x for x in narrow]
        z = call(function, *tensors, **options)
        z.backward(np.ones(z.shape, z.dtype))
        assert z.dtype == expected
        assert {t.grad.dtype for t in tensors if isinstance(t, Tensor) and t.grad is not None} <= {
            np.dtype(dtype)
        }

    keeps()


@ALL
def test_fortran_order_and_strided_views_change_no_gradient(function):
    @settings(QUICK, max_examples=40)
    @given(case(function))
    def agrees(drawn):
        f, inputs = of_reals(function, *drawn)
        v = np.random.default_rng(0).normal(size=f(*map(Tensor, inputs)).shape)

        def gradients(layout):
            return vjp(f, *map(layout, inputs))[1](layout(v))

        plain = gradients(np.array)
        for layout in (lambda x: np.array(x, order="F"), strided):
            for expected, g in zip(plain, gradients(layout), strict=True):
                np.testing.assert_allclose(g, expected, atol=1e-12)

    agrees()


def strided(x):
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


@ALL
def test_a_result_on_tensors_is_numpys_own(function):
    @QUICK
    @given(case(function))
    def agrees(drawn):
        arguments, options = drawn
        tensors = [
            Tensor(x) if isinstance(x, np.ndarray) and x.dtype == float else x for x in arguments
        ]
        result, expected = (
            call(function, *tensors, **options),
            numpys(function, *arguments, **options),
        )
        if function in OPERATIONS:
            np.testing.assert_array_equal(result.data, expected)
        else:
            np.testing.assert_allclose(result.data, expected, rtol=1e-12, atol=1e-12)

    agrees()


def numpys(function, *arguments, **options):
    """What the function gives on plain arrays."""
    if function in OPERATIONS:
        return OPERATIONS[function].forward(*arguments, **options)
    return together(function(*as_called(function, arguments), **options))


# Mutants: a broken partial must be caught by the very check above. A partial that is zero
# everywhere cannot be scaled.


def scaled(partial):
    return lambda *args, **options: dense(partial(*args, **options)) * 1.001


def negated(partial):
    return lambda *args, **options: -dense(partial(*args, **options))


def with_ones_for_g(place):
    def forgets_g(partial):
        def broken(*args, **options):
            g = args[place]
            ones = np.ones(g.shape)
            return partial(
                *args[:place],
                Tensor(ones) if isinstance(g, Tensor) else ones,
                *args[place + 1 :],
                **options,
            )

        return broken

    return forgets_g


def first_order_only(partial):
    def broken(*args, **options):
        result = dense(partial(*[x.data if isinstance(x, Tensor) else x for x in args], **options))
        return Tensor(result) if any(isinstance(x, Tensor) for x in args) else result

    return broken


def wrong_where(chosen, factor):
    """The result is too large by a factor, but only where `chosen` says of its numbers."""

    def locally_wrong(partial):
        def broken(*args, **options):
            result = dense(partial(*args, **options))
            return result * np.where(chosen(np.abs(plain(result))), factor, 1.0)

        return broken

    return lambda place: locally_wrong


def smallest(x):
    """The one place of the smallest number that is not 0."""
    found = np.zeros(x.shape, bool)
    if x.any():
        found.flat[np.where(x == 0, np.inf, x).argmin()] = True
    return found


def second_half(x):
    return np.arange(x.size).reshape(x.shape) >= x.size // 2


BREAKS = {
    "wrong at the smallest": wrong_where(smallest, 2.0),
    "wrong in one region": wrong_where(second_half, 1.01),
    "scaled": lambda place: scaled,
    "negated": lambda place: negated,
    "forgets g": with_ones_for_g,
    "first order only": lambda place: first_order_only,
}
PARTIALS = [
    (function, number) for function, run in OPERATIONS.items() for number in run.partials or [0]
]
MUTANTS = list(itertools.product(PARTIALS, BREAKS))


@pytest.mark.parametrize(
    ("entry", "how"), MUTANTS, ids=[f"{name(f)}-{n}-{how}" for (f, n), how in MUTANTS]
)
def test_every_broken_partial_is_caught(entry, how, monkeypatch):
    function, number = entry
    run = OPERATIONS[function]
    each = run.each
    worse = each and BREAKS[how](0)

    def broken_each(*args, **options):
        return lambda n: worse(lambda *a, **o: each(*a, **o)(n))(*args, **options)

    broken = Operation(run.name, run.forward, each=each and broken_each, domain=run.domain)
    broken.options = run.options
    if not each:
        broken.partials.update(run.partials | {number: BREAKS[how](0)(run.partials[number])})
    monkeypatch.setitem(REGISTRY, function, broken)
    search = settings(
        max_examples=100,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError, match=r"the derivative is"):
        check_many(function, search)


PROMISED = """
add subtract multiply divide negative positive power float_power square sqrt cbrt reciprocal
absolute fabs exp expm1 exp2 log log2 log10 log1p logaddexp logaddexp2 sin cos tan arcsin arccos
arctan arctan2 hypot sinh cosh tanh arcsinh arccosh arctanh sinc deg2rad rad2deg degrees radians
maximum minimum fmax fmin clip where nan_to_num remainder mod fmod sum nansum mean nanmean prod max
min amax amin var std ptp average median cumsum cumprod diff trapezoid trace reshape ravel
ndarray.flatten transpose matrix_transpose permute_dims swapaxes moveaxis rollaxis squeeze
expand_dims broadcast_to concatenate stack vstack hstack dstack column_stack split array_split
hsplit vsplit tile repeat flip fliplr flipud rot90 roll pad append take take_along_axis sort diag
diagonal tril triu atleast_1d atleast_2d atleast_3d ndarray.astype copy matmul dot vdot vecdot inner
outer tensordot einsum kron cross linalg.norm linalg.solve linalg.inv linalg.det linalg.slogdet
linalg.cholesky linalg.eigh linalg.svd sign floor ceil rint round trunc equal not_equal less
less_equal greater greater_equal logical_and logical_or logical_not logical_xor argmax argmin
argsort searchsorted isnan isfinite any all count_nonzero shape ndim size
""".split()  # noqa: SIM905 — a list of 150 quoted words is no easier to read


@pytest.mark.parametrize("path", PROMISED)
def test_every_numpy_function_that_is_promised_works_on_tensors(path):
    assert operator.attrgetter(path)(np) in REGISTRY


def test_the_median_of_what_holds_a_nan_is_nan():
    x = np.array([[1.0, np.nan, 2.0], [2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(np.median(Tensor(x), axis=1).data, np.median(x, axis=1))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.nansum(x),
        lambda x: np.nanmean(x) * 2,
        lambda x: np.nan_to_num(x).sum(),
        lambda x: np.fmax(x, -9.0)[:2].sum(),
        lambda x: np.fmax(x, [np.nan, np.nan, 9.0]).sum(),
        lambda x: np.fmin(x, [np.nan, 9.0, 9.0]).sum(),
        lambda x: np.fmin([np.nan, 9.0, 9.0], x).sum(),
        lambda x: np.fmax([np.nan, np.nan, 9.0], x).sum(),
    ],
)
def test_what_is_not_a_number_gets_no_gradient_and_spoils_none(f):
    assert (grad(f)(np.array([1.0, 3.0, np.nan])) == [1, 1, 0]).all()


def test_an_entry_without_a_case_fails(monkeypatch):
    @operation
    def without_case(x):
        return x

    monkeypatch.setitem(ENTRIES, without_case, REGISTRY[without_case])
    with pytest.raises(KeyError, match="without_case is in the registry and has no case"):
        case(without_case)


# Kinks: the values are PyTorch's

KINKS = [
    (special.relu, 0.0, 0.0),
    (np.absolute, 0.0, 0.0),
    (lambda x: np.maximum(x, 2.0), 2.0, 0.5),
    (lambda x: np.minimum(2.0, x), 2.0, 0.5),
    (lambda x: np.maximum(x, x), 1.0, 1.0),
    (lambda x: x**0, 0.0, 0.0),
    (lambda x: x**2, 0.0, 0.0),
    (lambda x: x**1, 0.0, 1.0),
    (lambda x: 0.0**x, 2.0, 0.0),
    (lambda x: np.where(x > 0, x, 0.0), 0.0, 0.0),
    (lambda x: (x * np.ones(4)).max(), 1.0, 1.0),
    (lambda x: np.clip(x, 0, 2), 2.0, 1.0),
    (lambda x: np.clip(x, 0, 2), 3.0, 0.0),
    (lambda x: np.clip(5.0, 0, x), 2.0, 1.0),
    (lambda x: np.fmax(x, 2.0), 2.0, 0.5),
    (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
    (lambda x: np.std(x * np.ones(3)), 1.0, 0.0),
    (lambda x: np.std([1.0, 1.0] + x * np.array([1.0, -1.0])), 0.0, 0.0),
    (np.sinc, 0.0, 0.0),
    (np.fabs, 0.0, 0.0),
    (lambda x: np.linalg.norm(x * np.ones(3)), 0.0, 0.0),
    (lambda x: np.median(x * np.array([1.0, 2.0, 3.0])), 1.0, 2.0),
]


@pytest.mark.parametrize(("f", "x", "slope"), KINKS)
def test_slopes_at_kinks_are_pytorchs(f, x, slope):
    assert grad(f)(x) == slope


def test_the_slope_of_the_root_at_zero_is_infinite():
    with np.errstate(divide="ignore"):
        assert grad(np.sqrt)(0.0) == np.inf


@pytest.mark.parametrize("zeros", [[], [1], [0, 2], [0, 1, 2, 3]])
def test_the_product_and_the_running_product_are_right_with_any_number_of_zeros_to_second_order(
    zeros,
):
    x = np.array([2.0, 3.0, 0.5, -1.0])
    x[zeros] = 0
    expected = np.array([np.prod(np.delete(x, i)) for i in range(4)])
    np.testing.assert_allclose(grad(np.prod)(x), expected)
    pairs = [[0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(hessian(np.prod)(x), pairs)
    np.testing.assert_allclose(grad(lambda x: np.cumprod(x)[-1])(x), expected)
    np.testing.assert_allclose(hessian(lambda x: np.cumprod(x)[-1])(x), pairs)


def test_the_curvature_of_sinc_at_zero_is_right():
    assert grad(grad(np.sinc))(0.0) == pytest.approx(-(np.pi**2) / 3)


def test_elements_that_tie_share_the_gradient_of_the_maximum():
    assert (grad(np.max)(np.array([1.0, 3.0, 3.0])) == [0, 0.5, 0.5]).all()


def test_repeated_indices_add_up():
    assert (grad(lambda x: x[[0, 0, 1]].sum())(np.ones(3)) == [2, 1, 0]).all()


SECOND = {
    np.allclose: np.ones(2),
    np.isclose: np.ones(2),
    np.array_equal: np.ones(2),
    np.searchsorted: 1.0,
    np.argpartition: 0,
    np.digitize: np.ones(1),
    np.full_like: 1.0,
}


@pytest.mark.parametrize("function", STEPS, ids=name)
def test_piecewise_constant_functions_give_plain_arrays_equal_to_numpys(function):
    check_step(function)


X, INTEGERS = np.array([1.5, -2.0]), np.array([3, 5])
TWO, SQUARE = (INTEGERS, INTEGERS[::-1]), (np.outer(X, X),)
GIVEN = {  # what a step takes; else X, and for each further argument of a ufunc ones
    **{f: (X, second) for f, second in SECOND.items()},
    **dict.fromkeys((np.isin, np.array_equiv), (X, np.ones(2))),
    **dict.fromkeys((np.gcd, np.lcm, np.bitwise_and, np.bitwise_or, np.bitwise_xor), TWO),
    **dict.fromkeys((np.left_shift, np.right_shift), (INTEGERS, np.array([1, 2]))),
    **dict.fromkeys((np.invert, np.bitwise_count, np.ix_), (INTEGERS,)),
    **dict.fromkeys((np.tril_indices_from, np.triu_indices_from, np.diag_indices_from), SQUARE),
    **dict.fromkeys((np.packbits, np.unpackbits), (INTEGERS.astype(np.uint8),)),
    np.can_cast: (X, np.float32),
    np.einsum_path: ("i,i->", X, X),
    np.ravel_multi_index: (INTEGERS[None], (6,)),
    np.unravel_index: (INTEGERS, (2, 3)),
}


def on_tensor(x):
    """Of an array a Tensor, which requires a gradient if it can."""
    return Tensor(x, requires_grad=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x


def check_step(function):
    args = GIVEN.get(function, (X, *[np.ones(2)] * (getattr(function, "nin", 1) - 1)))
    array = next(n for n, x in enumerate(args) if isinstance(x, np.ndarray))
    given = [*args[:array], on_tensor(args[array]), *args[array + 1 :]]
    result, expected = function(*given), function(*args)
    assert not isinstance(result, Tensor)
    if function in (np.einsum_path, np.common_type):
        assert result == expected
    elif function is not np.empty_like:
        np.testing.assert_array_equal(result, expected)


def test_a_step_takes_tensors_within_lists_and_tuples():
    x, y = Tensor([2.0, 1.0], requires_grad=True), Tensor([1.0, 2.0])
    assert np.lexsort((x, y)).tolist() == [0, 1]
    assert np.ravel_multi_index((Tensor(INTEGERS), Tensor(INTEGERS)), (6, 7)).tolist() == [24, 40]


OF_TWO = {np.histogram2d, np.intersect1d, np.union1d, np.nextafter, np.setdiff1d, np.setxor1d}


@pytest.mark.parametrize("function", constants.OF_CONSTANTS, ids=name)
def test_what_has_no_known_derivative_takes_tensors_without_a_gradient_only(function, tmp_path):
    x = X[:, None] if function is np.histogramdd else X
    before = [tmp_path / "file"] if function.__name__.startswith("save") else []
    more = [np.ones(2)] if function in OF_TWO else []
    result, expected = function(*before, Tensor(x), *more), function(*before, x, *more)
    assert repr(result) == repr(expected)
    with pytest.raises(TypeError, match=f"{function.__name__} has no derivative"):
        function(*before, Tensor(x, requires_grad=True), *more)


@pytest.mark.parametrize("function", constants.WRITING, ids=name)
def test_what_writes_into_its_argument_is_refused(function):
    more = {np.copyto: 1, np.fill_diagonal: 1, np.put_along_axis: 3}.get(function, 2)
    with pytest.raises(TypeError, match=f"{function.__name__} has no derivative: it changes"):
        function(Tensor(np.eye(2)), *[np.zeros((2, 2), int)] * more)
