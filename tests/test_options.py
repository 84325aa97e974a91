"""NumPy's options on Tensors: where=, out=, initial=, dtype=, mean=, order=, casting=."""

import inspect
from inspect import Parameter

import numpy as np
import pytest
from cases import ENTRIES, call, case
from cases_numpy import EXTREMES, MEANS, SUMS, shared_options
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, check_gradients, grad
from tinygrad_edu.core.engine import Operation, plain
from tinygrad_edu.core.signatures import parameters_of, places

UFUNCS = [f for f, run in ENTRIES.items() if isinstance(f, np.ufunc) and isinstance(run, Operation)]
REDUCTIONS = [*SUMS, *EXTREMES, *MEANS, np.nansum, np.nanprod]
WITH_SHARED = [*UFUNCS, *REDUCTIONS, np.einsum, np.reshape, np.ravel]
LEAN = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("function", WITH_SHARED, ids=lambda f: f.__name__)
def test_with_options_too_every_derivative_agrees_with_differences_to_second_order(function):
    @LEAN
    @given(case(function), st.data())
    def agree(drawn, data):
        arguments, options = drawn
        more = data.draw(shared_options(function, arguments))
        more = more | ({"dtype": np.float64} if "dtype" in more else {})  # differences need it
        assume(function not in EXTREMES or "initial" in more or "where" not in more)
        if function in MEANS and "where" in more:
            chosen = np.broadcast_to(more["where"], arguments[0].shape)
            assume((chosen.sum(axis=options["axis"]) > 1).all())
        f = lambda *args: np.sin(function(*args, **options, **more))  # noqa: E731
        check_gradients(f, *arguments)

    agree()


X = np.array([[1.0, 0.0, 3.0], [-4.0, 5.0, 0.25]])


def test_where_false_nothing_is_computed_and_no_gradient_comes():
    f = lambda x: np.log(x, where=x > 0, out=np.full((2, 3), 7.0)).sum()  # noqa: E731
    np.testing.assert_allclose(f(X), np.log(15 / 4) + 14)
    np.testing.assert_array_equal(grad(f)(X), [[1, 0, 1 / 3], [0, 0.2, 4]])


def test_what_out_holds_where_nothing_is_computed_has_a_gradient():
    f = lambda x: np.log(x, where=X > 0, out=x * x).sum()  # noqa: E731
    np.testing.assert_array_equal(grad(f)(X), [[1, 0, 1 / 3], [-8, 0.2, 4]])


def test_out_is_not_written_to_and_alone_is_refused():
    out = np.ones(3)
    np.exp(Tensor(np.ones(3)), where=[True, False, True], out=out)
    assert (out == 1).all()
    with pytest.raises(TypeError, match="always a new Tensor"):
        np.exp(Tensor(np.ones(3)), out=out)


def test_without_out_the_rest_is_zero():
    assert np.divide(1.0, Tensor(X), where=X != 0).tolist()[0] == [1, 0, 1 / 3]


def test_a_default_that_is_written_out_asks_for_nothing():
    t = Tensor(X, requires_grad=True)
    assert np.sum(t, axis=0, dtype=None, out=None).operation.name == "sum"
    np.testing.assert_array_equal(np.median(t, out=None, overwrite_input=False).data, np.median(X))


def test_a_mean_that_is_given_is_a_variable():
    x, m = np.array([1.0, 2.0, 4.0]), np.array([2.0])
    for f in (np.var, np.std):
        check_gradients(lambda x, m, f=f: f(x, mean=m), x, m)
        np.testing.assert_allclose(f(Tensor(x), mean=m).data, f(x, mean=m))


def test_an_initial_value_that_is_a_tensor_has_a_gradient():
    for f in (np.sum, np.prod, np.max, np.min):
        check_gradients(lambda x, y, f=f: f(x, initial=y), np.array([1.0, 2.0, 4.0]), 1.5)


REFUSED = [
    (lambda x: np.max(x, where=X > 0), ValueError, "initial="),
    (lambda x: np.exp(x, dtype=int), TypeError, "ufunc exp"),
    (lambda x: np.add(x, 1.0, dtype=np.float32, casting="no"), TypeError, "rule 'no'"),
    (lambda x: np.sum(x, where=np.ones(4, bool)), ValueError, "broadcast"),
    (lambda x: x.astype(np.float32, casting="safe"), TypeError, "rule 'safe'"),
    (lambda x: x.T.reshape(6, copy=False), ValueError, "[Uu]nable to avoid"),
    (lambda x: np.matmul(x, x.T, axes=[(0, 1)] * 3), TypeError, "no axes="),
]


@pytest.mark.parametrize(("f", "kind", "message"), REFUSED)
def test_an_option_that_cannot_be_is_refused(f, kind, message):
    with pytest.raises(kind, match=message):
        f(Tensor(X))


@pytest.mark.parametrize("order", ["F", "A", "K"])
@pytest.mark.parametrize("layout", [np.array, np.asfortranarray, lambda x: x[::-1, ::2]])
def test_elements_are_read_in_the_order_that_is_asked_for(order, layout):
    x = layout(X)
    np.testing.assert_array_equal(np.ravel(Tensor(x), order=order).data, np.ravel(x, order=order))
    flat = Tensor(x).flatten(order=order)
    np.testing.assert_array_equal(flat.data, x.flatten(order))


def test_a_tensor_is_cast_as_numpy_casts():
    x = Tensor(X, requires_grad=True)
    z = np.einsum("ij->j", x, dtype=np.float32, casting="same_kind")
    assert z.dtype == np.float32
    z.sum().backward()
    assert (x.grad == 1).all()


def test_the_gradient_of_a_quantile_goes_to_its_neighbours():
    x = np.array([5.0, 1.0, np.nan, 3.0])
    np.testing.assert_allclose(grad(lambda x: np.quantile(x, 0.25))(x[:2]), [0.25, 0.75])
    np.testing.assert_allclose(grad(lambda x: np.nanquantile(x, 0.25))(x), [0, 0.5, 0, 0.5])
    for f in (np.nanmedian, np.nanmax, np.nanmin, np.nanvar, np.nanstd, np.nanprod, np.nanmean):
        g = grad(f)(x)
        np.testing.assert_allclose(g[[0, 1, 3]], grad(f)(x[[0, 1, 3]]))
        assert g[2] == 0


@pytest.mark.parametrize("method", ["linear", "hazen", "weibull", "median_unbiased", "lower"])
@pytest.mark.parametrize("f", [np.quantile, np.percentile, np.nanquantile, np.nanpercentile])
def test_a_quantile_has_a_slope_in_q(f, method):
    x = np.array([[5.0, 1.0, 2.5, 9.0, -4.0], [0.0, 8.0, 3.0, -1.0, 2.0]])
    q = np.array([0.31, 0.62]) * (100 if "percent" in f.__name__ else 1)
    missing = np.isin(np.arange(10).reshape(2, 5), [1, 8]) & ("nan" in f.__name__)
    options = {"axis": 1, "method": method}
    check_gradients(lambda x, q: f(np.where(missing, np.nan, x), q, **options), x, q)


def test_nothing_but_nan_is_nan():
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    for f in (np.nanmax, np.nanmin):
        np.testing.assert_array_equal(f(Tensor(x), axis=1).data, [np.nan, 1])


def test_the_cross_product_in_the_plane_is_numpys():
    x, y, z = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([[1.0, 2.0, 3.0]])
    with pytest.warns(DeprecationWarning):
        for a, b in ((x, y), (x, z), (z, y)):
            np.testing.assert_array_equal(np.cross(Tensor(a), b).data, np.cross(a, b))
        np.testing.assert_array_equal(grad(lambda x: np.cross(x, y))(x), [5.0, -3.0])
    with pytest.raises(ValueError, match="three numbers"):
        np.linalg.cross(Tensor(x), y)


def test_a_product_of_vectors_takes_numpys_axes():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 2, 2)
    for options in (
        {"axes": [(1,), (0,), ()]},
        {"axes": [1, 0, 1], "keepdims": True},
        {"keepdims": True, "axis": -1},
    ):
        b = y if "axes" in options else x
        z = np.vecdot(Tensor(x), b, **options)
        np.testing.assert_array_equal(z.data, np.vecdot(x, b, **options))


WHERE = [[1, 0, 1, 0], [1.5, 0, 1, 0], 1, np.array([1, 0, 1, 0]), np.array([1.0, 0.0, 1.0, 0.0])]


@pytest.mark.parametrize("where", WHERE, ids=repr)
@pytest.mark.parametrize(
    "function", [np.exp, np.sum, np.mean, np.std, np.max, np.nansum, np.nanvar]
)
def test_where_is_as_numpy_takes_it(function, where):
    x = np.array([3.0, 1.0, 2.0, 5.0])
    more = {np.exp: {"out": np.zeros(4)}, np.max: {"initial": 0.0}}.get(function, {})
    try:
        expected = function(x, where=where, **more)
    except TypeError:  # an array must be of bools
        with pytest.raises(TypeError, match="bool"):
            function(Tensor(x), where=where, **more)
        return
    np.testing.assert_allclose(plain(function(Tensor(x), where=where, **more)), expected)


@pytest.mark.parametrize("choices", [(1.0, np.float32([3])), (2, np.int8([3])), ([1.0], [2])])
def test_a_chosen_number_has_numpys_dtype(choices):
    tensors = tuple(Tensor(x) if isinstance(x, np.ndarray) else x for x in choices)
    for number in (0, 1):
        expected = np.choose([number], choices)
        found = np.choose(Tensor([number]), tensors)
        assert (found.dtype, found.data) == (expected.dtype, expected)


# What is neither a case of its own nor an option


def test_zeros_of_a_polynomial_are_found_if_they_are_real():
    for p in ([1.0, -3.0, 2.0], [2.0, 0.0, -8.0, 0.0], [3.0], [0.0, 0.0], [0.0, 2.0, 1.0]):
        np.testing.assert_allclose(np.sort(plain(np.roots(Tensor(p)))), np.sort(np.roots(p)))
    with pytest.raises(TypeError, match="complex"):
        np.roots(Tensor([1.0, 0.0, 1.0]))


JUMPS = [[0.0, 2.0, 2.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0], [-np.inf, -np.inf, -np.inf]]


@pytest.mark.parametrize("xp", [[-np.inf, 0.5, 4.0], [0.0, 2.0, np.inf], [0.0, 1.0, 3.0], *JUMPS])
@pytest.mark.parametrize("fp", [[0.0, 10.0, 5.0], [-np.inf, 1.0, 2.0], [3.0, 3.0, np.inf]])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_lines_between_infinite_points_are_numpys(xp, fp):
    x = np.array([-np.inf, -1.0, 0.0, 0.25, 0.5, 1.5, 2.0, 3.5, np.inf, np.nan])
    np.testing.assert_array_equal(np.interp(Tensor(x), xp, fp).data, np.interp(x, xp, fp))


def test_a_piece_may_be_a_number():
    x = np.array([-1.0, 2.0, 5.0])
    f = lambda x: np.piecewise(x, [x < 0, x > 4], [np.square, 7.0, np.negative])  # noqa: E731
    np.testing.assert_array_equal(plain(f(Tensor(x))), f(x))
    np.testing.assert_array_equal(grad(lambda x: f(x).sum())(x), [-2.0, -1.0, 0.0])


def test_divmod_is_an_operator():
    t = Tensor(7.5, requires_grad=True)
    assert [plain(x) for x in divmod(t, 2.0)] == [3.0, 1.5]
    assert [plain(x) for x in divmod(20.0, t)] == [2.0, 5.0]
    assert grad(lambda x: divmod(20.0, x)[1])(7.5) == -2


def test_zeros_are_trimmed_where_numpy_trims_them():
    x = np.array([0.0, 0.0, 3.0, 0.0, 4.0, 0.0])
    for trim in ("f", "b", "fb"):
        np.testing.assert_array_equal(np.trim_zeros(Tensor(x), trim).data, np.trim_zeros(x, trim))
    assert grad(lambda x: np.trim_zeros(x).sum())(x).tolist() == [0, 0, 1, 1, 1, 0]
    assert np.trim_zeros(Tensor(np.zeros(3))).shape == (0,)
    if "axis" in inspect.signature(np.trim_zeros).parameters:  # since NumPy 2.2
        x = np.outer([0.0, 2.0, 0.0], [0.0, 0.0, 3.0])
        np.testing.assert_array_equal(np.trim_zeros(Tensor(x), axis=1).data, x[:, 2:])


def test_blocks_within_blocks_are_joined_along_earlier_axes():
    x, y = np.ones((2, 2)), np.arange(2.0)
    layout = lambda x, y: [[x, 2 * x], [y, y], [np.zeros((1, 4))]]  # noqa: E731
    z = np.block(layout(Tensor(x), Tensor(y)))
    np.testing.assert_array_equal(z.data, np.block(layout(x, y)))
    check_gradients(lambda x, y: np.sin(np.block(layout(x, y))), x, y)


def test_a_weighted_quantile_is_one_of_the_elements():
    x, w = np.array([[5.0, 1.0, 3.0], [2.0, 9.0, 4.0]]), np.array([[1.0, 3.0, 1.0]] * 2)
    for f, q in ((np.quantile, 0.6), (np.percentile, [20.0, 70.0]), (np.nanquantile, 0.6)):
        options = {"axis": 1, "weights": w, "method": "inverted_cdf", "keepdims": True}
        z = f(Tensor(x), q, **options)
        np.testing.assert_array_equal(z.data, f(x, q, **options))
    assert np.quantile(Tensor(x), 0.6, axis=1, weights=w[0], method="inverted_cdf").shape == (2,)
    options = {"weights": w[0], "method": "inverted_cdf"}
    assert grad(lambda x: np.quantile(x, 0.6, **options))(x[0]).tolist() == [0, 1, 0]


def test_running_sums_are_taken_in_the_type_that_is_asked_for():
    x = np.array([1.0, 2.0], np.float32)
    for f in (np.cumsum, np.cumprod, np.nancumsum):
        assert f(Tensor(x), dtype=np.float64).dtype == np.float64
    assert np.trace(Tensor(X[:, :2]), dtype=np.float32).dtype == np.float32
    assert np.full_like(Tensor(X), Tensor(2.0), order="F", subok=False).shape == X.shape


def in_places(function):
    """The names of the arguments that may be given in their places."""
    positional = Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD
    return [p.name for p in parameters_of(function) if p.kind in positional]


@pytest.mark.parametrize("function", ENTRIES, ids=lambda f: f.__name__)
def test_an_argument_stands_where_numpy_has_it(function):
    ours, numpys = in_places(ENTRIES[function]), in_places(function)
    pairs = [*zip(ours[: places(function, ENTRIES[function])], numpys, strict=False)]
    assert not [pair for pair in pairs if pair[0] != pair[1] and pair[0] in numpys]


def test_what_writes_into_a_tensor_is_refused():
    t = Tensor(X.copy(), requires_grad=True)
    for write in (
        lambda: np.put(t, 0, 7.0),
        lambda: np.copyto(t, 7.0),
        lambda: np.fill_diagonal(t, 7.0),
        lambda: np.putmask(t, X > 0, 7.0),
    ):
        with pytest.raises(TypeError, match=r"in place.*np\.where"):
            write()
    assert (t.data == X).all()


def test_options_about_memory_change_no_value():
    t = Tensor(X, requires_grad=True)
    for z, expected in (
        (np.copy(t, order="F", subok=True), X),
        (np.broadcast_to(t, (2, 2, 3), subok=True), np.broadcast_to(X, (2, 2, 3))),
        (np.median(t, axis=0, overwrite_input=True), np.median(X, axis=0)),
        (np.nanpercentile(t, 30, None, None, True), np.nanpercentile(X, 30)),
        (np.zeros_like(t, dtype=int, order="F", shape=(2,)), np.zeros(2, int)),
    ):
        np.testing.assert_array_equal(plain(z), expected, strict=True)


def test_functions_of_constants_refuse_what_requires_a_gradient():
    x = np.array([1.0, 3.0, 1.0])
    np.testing.assert_array_equal(np.unique(Tensor(x)), np.unique(x))
    np.testing.assert_array_equal(np.histogram(Tensor(x), 2)[0], [2, 1])
    for f in (np.unique, np.histogram, lambda x: np.intersect1d(x, [1.0]), np.array_repr):
        with pytest.raises(TypeError, match="no derivative here"):
            f(Tensor(x, requires_grad=True))


def test_options_of_an_operation_without_a_call_are_numpys():
    assert call(np.sum, Tensor(X), axis=0, keepdims=True).shape == (1, 3)
