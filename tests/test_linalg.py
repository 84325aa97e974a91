"""Linear algebra beyond test_derivatives.py: types, dtypes, forms.

And what holds where matrices are singular or values equal.
"""

import numpy as np
import pytest
from cases import OPERATIONS, as_called, together
from cases_linalg import CASES, SYMMETRIC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_edu import Tensor, check_gradients, grad, hessian, no_grad, vjp
from tinygrad_edu.core.arraylike import apply
from tinygrad_edu.core.engine import plain
from tinygrad_edu.core.gradcheck import is_real
from tinygrad_edu.operations import linalg, norms

SOME = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
ALL = pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
RNG = np.random.default_rng(1)


def variables(arguments, dtype=float):
    return [
        Tensor(x.astype(dtype), requires_grad=True)
        if isinstance(x, np.ndarray) and is_real(x)
        else x
        for x in arguments
    ]


def numpys(function):
    return OPERATIONS[function].forward if function in OPERATIONS else function


# Every function


@ALL
def test_results_have_numpys_values_shape_and_type(function):
    @SOME
    @given(CASES[function])
    def agree(case):
        arguments, options = case
        expected, z = (
            numpys(function)(*as_called(function, arguments), **options),
            apply(function, *as_called(function, variables(arguments)), **options),
        )
        assert type(z) is (type(expected) if isinstance(expected, tuple) else Tensor)
        np.testing.assert_allclose(
            plain(together(z)), together(expected), rtol=1e-12, atol=1e-12, strict=True
        )

    agree()


@ALL
def test_float32_stays_float32_in_results_and_within_partials(function):
    @SOME
    @given(CASES[function])
    def stays(case):
        arguments, options = case
        z = together(
            apply(function, *as_called(function, variables(arguments, np.float32)), **options)
        )
        assert z.dtype == np.float32
        if function not in OPERATIONS:
            return
        for number, _ in z.inputs:
            assert z.operation.partial(number)(z.data, *z.values, **z.options).dtype == np.float32

    stays()


# einsum

X, Y, CUBE = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=(2, 2, 3))
FORMS = [
    ("ij,jk->ik", X, Y),
    ("ij,jk", X, Y),
    ("ba,cb", X, CUBE[0].T),
    ("bA", X),
    (" i j -> j i ", X),
    ("ij->", X),
    ("ij", X),
    ("ij->j", X),
    ("iij->j", CUBE),
    ("iij->ij", CUBE),
    ("iij", CUBE),
    ("ii", X @ Y),
    ("ii->i", X @ Y),
    ("ii,i->i", X @ Y, X[:, 0]),
    ("iii->i", RNG.normal(size=(2, 2, 2))),
    ("ii,ii->i", X @ Y, X @ Y),
    ("iij,iij->", CUBE, CUBE),
    ("...ij,...jk->...ik", CUBE, Y),
    ("...ij,...jk", CUBE, Y),
    ("...,...", X, X[0]),
    ("i...->...i", CUBE),
    ("...", X),
    ("...ii->...i", CUBE[..., :2]),
    ("i...,i...->...", CUBE, X[:, None]),
    ("ij,jk,kl->il", X, Y, X),
    (",ij,->ji", 2.0, X, 3.0),
    ("ij,kj->", X, X[:, :1]),
    ("ij,ij->ij", X[:1], X),
    ("i,j,k->kij", X[0], X[1], Y[0]),
    ("ij,j->i", X, [1.0, 2.0, 3.0]),
    (X, [0, 1], Y, [1, 2], [0, 2]),
    (X, [0, 1], Y, [1, 2]),
    (X, [1, 0]),
    (X, [30, 2]),
    (X, [2, 30]),
    (CUBE, [..., 0], [0, ...]),
    (CUBE, [0, 0, 1], [1]),
    (CUBE, [..., 0, 1], Y, [1, 2]),
    (X, (0, 1), []),
    (X, np.array([0, 1]), [1, 0]),
]


@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: str([part for part in form if isinstance(part, str | list)])
)
@pytest.mark.parametrize("optimize", [False, True, "optimal", ("greedy", 100)])
def test_einsum_takes_every_form_that_numpys_does(form, optimize):
    def f(*args):
        return np.einsum(*args, optimize=optimize)

    if f(*form).shape != np.einsum(*form).shape:
        pytest.skip("NumPy before 2.3 orders axes above 25 otherwise if it optimizes")
    np.testing.assert_allclose(f(*variables(form)).data, f(*form), rtol=1e-12, atol=1e-15)
    check_gradients(f, *form)


def test_einsum_follows_a_path_of_its_own():
    form = ("ij,jk->i", X, Y)
    check_gradients(lambda *args: np.einsum(*args, optimize=np.einsum_path(*form)[0]), *form)


BAD_FORMS = [
    (("ij,jk", X, X), "could not be broadcast"),
    (("ij->ijk", X), "'k' which never appeared"),
    (("ij", X, X), "fewer operands"),
    (("i", X), "more dimensions"),
    (("ij->i?", X), "invalid subscript"),
    (("ij->jj", X), "multiple times"),
    ((X, [0, 1], [0, 60]), "not within the valid range"),
]


@pytest.mark.parametrize(("form", "words"), BAD_FORMS, ids=[words for _, words in BAD_FORMS])
def test_einsum_says_what_came_and_what_numpy_says(form, words):
    with pytest.raises(ValueError, match=rf"(?s){words}.*in einsum\(.*Tensor \(2, 3\)"):
        np.einsum(*variables(form))


# Arguments

T = Tensor(X[0], requires_grad=True, name="t")
ROTATION = Tensor([[0.0, -1.0], [1.0, 0.0]])
LISTS = [
    (np.dot, [1.0, 2.0, 3.0], T),
    (np.dot, T, [1.0, 2.0, 3.0]),
    (np.dot, 2.0, T),
    (np.dot, T, 2),
    (np.inner, 2.0, T),
    (np.inner, T, [1, 2, 3]),
    (np.vdot, [[1.0], [2.0], [3.0]], T),
    (np.vecdot, T, [1, 2, 3]),
    (np.outer, T, 2.0),
    (np.outer, [1.0, 2.0], T),
    (np.kron, [1.0, 2.0], T),
    (np.kron, T, 2.0),
    (np.cross, [1.0, 2.0, 3.0], T),
    (np.tensordot, T, [1.0, 2.0], 0),
    (np.tensordot, [[1.0], [2.0], [3.0]], T, (0, [0])),
    (np.einsum, "i,i", T, [1, 2, 3]),
    (np.linalg.solve, np.diag([1.0, 2.0, 3.0]).tolist(), T),
    (np.linalg.solve, Tensor(np.eye(3)), [1, 2, 3]),
]


@pytest.mark.parametrize(("f", "args"), [(f, args) for f, *args in LISTS])
def test_lists_and_numbers_are_arguments_too(f, args):
    z = f(*args)
    assert z.dtype == float
    np.testing.assert_allclose(z.data, f(*map(plain, args)))
    t = next(x for x in args if isinstance(x, Tensor))
    check_gradients(lambda y: f(*[y if x is t else x for x in args]), t.data)


MATRICES = RNG.normal(size=(4, 3, 3)) + 3 * np.eye(3)
BY_MATRIX = [
    np.linalg.inv,
    np.linalg.det,
    np.linalg.eigvalsh,
    np.linalg.svdvals,
    np.linalg.cholesky,
    np.linalg.slogdet,
    np.linalg.eigh,
    np.linalg.svd,
    lambda x: np.linalg.solve(x, X[0]),
    lambda x: np.linalg.norm(x, "nuc", axis=(-2, -1)),
]


@pytest.mark.parametrize("f", BY_MATRIX)
def test_a_batch_is_its_matrices_one_by_one(f):
    def value_and_gradient(x):
        z, pullback = vjp(lambda x: np.ravel(together(f(x))), (x + x.mT) / 2)
        return [z.sum(), pullback(np.ones(z.shape))[0]]

    value, gradient = value_and_gradient(MATRICES)
    one_by_one = [value_and_gradient(x) for x in MATRICES]
    np.testing.assert_allclose(value, sum(v for v, _ in one_by_one))
    np.testing.assert_allclose(gradient, [g for _, g in one_by_one], atol=1e-12)


OF_A_TRIANGLE = [
    (np.linalg.cholesky, np.tril),
    (lambda x: np.linalg.cholesky(x, upper=True), np.triu),
    (np.linalg.eigvalsh, np.tril),
    (lambda x: np.linalg.eigvalsh(x, "U"), np.triu),
    (lambda x: np.linalg.eigh(x, UPLO="l").eigenvectors, np.tril),
    (lambda x: np.linalg.eigh(x, "U").eigenvectors, np.triu),
]


@pytest.mark.parametrize(("f", "triangle"), OF_A_TRIANGLE)
@given(SYMMETRIC)
def test_decompositions_of_symmetric_matrices_read_one_triangle_as_numpy_does(f, triangle, x):
    z, gradient = f(Tensor(x)).data, grad(lambda x: np.sin(f(x)).sum())(x)
    np.testing.assert_allclose(z, f(x), atol=1e-12)
    np.testing.assert_array_equal(z, f(Tensor(triangle(x))).data)
    np.testing.assert_array_equal(gradient, triangle(gradient))


@pytest.mark.parametrize("triangle", ["L", "U"])
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_vectors_have_the_signs_that_numpy_gives(triangle, seed, n):
    x = np.random.default_rng(seed).normal(size=(2, n, n))
    z = np.linalg.eigh(Tensor(x), triangle).eigenvectors
    np.testing.assert_allclose(z.data, np.linalg.eigh(x, triangle).eigenvectors, atol=1e-6)


def test_the_sign_of_a_determinant_is_a_plain_array():
    z = np.linalg.slogdet(Tensor(MATRICES, requires_grad=True))
    assert type(z.sign) is np.ndarray
    assert type(z.logabsdet) is Tensor


# Norms: zeros and kinks

NORMS = [
    *[(axis, ord) for axis in (0, -1) for ord in (None, 1, 2, 3, 2.5, -1, np.inf, -np.inf)],
    *[(axis, ord) for axis in (None, (0, 1), (1, 0)) for ord in (None, *norms.MATRIX_NORMS)],
]


@pytest.mark.parametrize(("axis", "ord"), NORMS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_every_norm_is_numpys(axis, ord, keepdims):
    def f(x):
        return np.linalg.norm(x, ord, axis, keepdims)

    np.testing.assert_allclose(f(Tensor(X)).data, f(X), strict=True)
    check_gradients(f, X)


NORMS_AT_ZERO = [
    {},
    {"ord": 2, "axis": 0},
    {"ord": 3, "axis": 0},
    {"ord": 1.5, "axis": 1},
    {"ord": "fro"},
    {"axis": (0, 1)},
]


@pytest.mark.parametrize("options", NORMS_AT_ZERO)
def test_a_norm_at_zero_has_gradient_zero_and_a_finite_second_one(options):
    def f(x):
        return np.linalg.norm(x, **options).sum()

    assert (grad(f)(np.zeros((2, 3))) == 0).all()
    if options.get("ord") != 1.5:
        assert (hessian(f)(np.zeros((2, 3))) == 0).all()


def test_only_the_rows_that_are_zero_get_no_gradient():
    gradient = grad(lambda x: np.linalg.norm(x, axis=1).sum())(np.array([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(gradient, [[0.0, 0.0], [0.6, 0.8]])


@pytest.mark.parametrize("ord", [1, np.inf])
def test_columns_that_tie_share_the_gradient_of_a_matrix_norm(ord):
    assert (grad(lambda x: np.linalg.norm(x, ord))(np.eye(2)) == np.eye(2) / 2).all()


def test_the_number_of_elements_that_are_not_zero_is_a_norm_without_derivative():
    np.testing.assert_array_equal(
        np.linalg.norm(Tensor([[0.0, 2.0], [1.0, 3.0]]), 0, axis=0), [1.0, 2.0]
    )


# Singular matrices


@pytest.mark.parametrize("rank", range(4))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_determinant_has_derivatives_at_every_rank(n, rank):
    x = RNG.normal(size=(n, rank)) @ RNG.normal(size=(rank, n))
    check_gradients(lambda x: np.sin(np.linalg.det(x)), x)


def test_the_determinant_has_third_derivatives_where_the_matrix_is_zero():
    assert (
        hessian(lambda x: grad(np.linalg.det)(x)[0, 0])(np.zeros((3, 3)))[1, 1, 2, 2] == 1
    )  # ∂³det/∂x₀₀∂x₁₁∂x₂₂


def test_a_batch_may_hold_singular_matrices():
    check_gradients(
        lambda x: np.sin(np.linalg.det(x)), np.stack([np.zeros((2, 2)), np.eye(2), np.ones((2, 2))])
    )


NEARLY = np.arange(9.0).reshape(3, 3) + 1  # singular, and its determinant is computed as 7e-16


def test_the_determinant_keeps_its_digits_near_singular_matrices():
    np.testing.assert_allclose(grad(np.linalg.det)(NEARLY), [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]])
    np.testing.assert_allclose(
        hessian(np.linalg.det)(NEARLY)[0, 0], [[0, 0, 0], [0, 9, -8], [0, -6, 5]], atol=1e-12
    )


def test_cofactors_stay_float32():
    assert linalg.cofactors(np.ones((3, 3), np.float32)).dtype == np.float32


def test_the_vector_of_the_value_zero_of_a_square_matrix_has_a_gradient():
    check_gradients(lambda x: np.outer(u := np.linalg.svd(x)[0][:, -1], u), NEARLY, order=1)


OF_EMPTY = [
    np.linalg.det,
    lambda x: np.linalg.slogdet(x)[1],
    np.linalg.inv,
    np.linalg.eigvalsh,
    np.linalg.svdvals,
]


@pytest.mark.parametrize("f", OF_EMPTY)
@pytest.mark.parametrize("shape", [(0, 0), (0, 2, 2)])
def test_empty_matrices_and_batches_have_empty_gradients(f, shape):
    assert grad(lambda x: f(x).sum())(np.zeros(shape)).shape == shape


# Values that coincide

VALUES = [
    np.linalg.eigvalsh,
    np.linalg.svdvals,
    lambda x: np.linalg.eigh(x)[0],
    lambda x: np.linalg.svd(x)[1],
    lambda x: np.linalg.svd(x, compute_uv=False),
]


@pytest.mark.parametrize("f", VALUES)
@pytest.mark.parametrize("x", [np.eye(3), np.zeros((3, 3))])
def test_values_that_coincide_have_a_gradient(f, x):
    np.testing.assert_allclose(grad(lambda x: f(x).sum())(x), np.eye(3), atol=1e-12)


def eigenvector(n):
    return lambda x: (np.linalg.eigh(x)[1][:, n] ** 3).sum()


def thin(x):
    return np.linalg.svd(x, full_matrices=False)


NO_VECTORS = [
    (eigenvector(0), np.eye(2)),
    (eigenvector(1), np.eye(3)),
    (lambda x: np.linalg.svd(x)[0].sum(), np.eye(2)),
    (lambda x: thin(x)[2].sum(), np.ones((3, 2))),
    (lambda x: thin(x)[0].sum(), np.diag([2.0, 0.0, 0.0])[:, :2]),
    (lambda x: np.linalg.eigh(x)[1].sum(), np.stack([np.diag([1.0, 2.0]), np.eye(2)])),
    (lambda x: grad(lambda y: (np.linalg.eigvalsh(y) ** 2).sum())(x).sum(), np.eye(2)),
    (lambda x: grad(lambda y: ((np.linalg.eigvalsh(y) - 1) ** 2).sum())(x).sum(), np.eye(2)),
]


@pytest.mark.parametrize(("f", "x"), NO_VECTORS)
def test_vectors_whose_values_coincide_are_refused_when_their_gradient_is_asked_for(f, x):
    with pytest.raises(
        ValueError,
        match=r"vectors of the values \[.*\] .* have none: another value is the same, or it is 0",
    ):
        grad(f)(x)


def test_vectors_of_other_values_have_a_gradient():
    x = np.diag([1.0, 1.0, 5.0])
    check_gradients(lambda x: np.outer(v := np.linalg.eigh(x)[1][:, -1], v), x, order=1)


def test_values_close_to_each_other_are_no_reason_to_refuse():
    assert np.isfinite(grad(eigenvector(0))(np.diag([1.0, 1.0 + 1e-12]))).all()


def test_vectors_beyond_the_values_are_refused_where_a_gradient_is_needed():
    x = Tensor(X, requires_grad=True, name="x")
    with pytest.raises(
        ValueError, match=r"svd of x \(2, 3\) .*Write np.linalg.svd\(x, full_matrices=False\)"
    ):
        np.linalg.svd(x)
    with no_grad():
        assert np.linalg.svd(x).Vh.shape == (3, 3)
    assert np.linalg.svd(x.detach()).Vh.shape == (3, 3)


HIGHER = [
    (np.linalg.norm, X[0]),
    (lambda x: np.linalg.inv(x).sum(), X @ Y),
    (np.linalg.det, X @ Y),
    (np.linalg.det, np.ones((2, 2))),
    (lambda x: np.linalg.eigh(x)[1].sum(), np.array([[2.0, 1.0], [1.0, 3.5]])),
    (lambda x: thin(x)[0].sum(), Y),
    (np.linalg.cholesky, np.array([[2.0, 1.0], [1.0, 3.5]])),
    (lambda x: np.einsum("ii,ij->j", x, x), X @ Y),
]


@pytest.mark.parametrize(("f", "x"), HIGHER)
def test_third_derivatives_agree_with_differences(f, x):
    check_gradients(lambda x: np.sin(f(x)), x, order=3, tolerance=1e-5)


# Errors

MISTAKES = [
    (
        lambda: np.tensordot(T, X, 1),
        ValueError,
        r"(?s)shape-mismatch for sum.*in tensordot\(t \(3,\), array \(2, 3\), 1\)",
    ),
    (lambda: np.tensordot(T, X[0], 2), IndexError, r"tensordot\(t \(3,\)"),
    (
        lambda: np.linalg.cross(T[:2], X[:, 0]),
        ValueError,
        r"cross\(Tensor \(2,\), array \(2,\)\): vectors of three .*In the plane",
    ),
    (
        lambda: np.linalg.norm(T, "fro"),
        ValueError,
        r"norm with ord='fro' over the axes \(0,\): along one axis ord is a number",
    ),
    (
        lambda: np.linalg.norm(Tensor(X), 3),
        ValueError,
        r"ord=3 over the axes \(0, 1\): .*two it is one of 'fro', 'nuc', 2",
    ),
    (
        lambda: np.linalg.norm(Tensor(CUBE), 2),
        ValueError,
        r"over the axes \(0, 1, 2\): .*Choose the axes with axis=",
    ),
    (
        lambda: np.linalg.eigh(Tensor(X[:1])),
        np.linalg.LinAlgError,
        r"(?s)square.*in eigh\(Tensor \(1, 3\)\)",
    ),
    (
        lambda: np.linalg.cholesky(T),
        np.linalg.LinAlgError,
        r"(?s)1-dimensional array given.*in cholesky\(t \(3,\)\)",
    ),
    (
        lambda: np.linalg.cholesky(Tensor(-np.eye(2))),
        np.linalg.LinAlgError,
        "not positive definite",
    ),
    (
        lambda: np.linalg.inv(Tensor(np.ones((2, 2)))),
        np.linalg.LinAlgError,
        r"(?s)Singular matrix.*in inv\(Tensor \(2, 2\)\)",
    ),
    (lambda: np.linalg.solve(np.eye(2), T), ValueError, r"solve\(array \(2, 2\), t \(3,\)\)"),
    (
        lambda: grad(lambda x: np.linalg.slogdet(x)[1])(np.zeros((2, 2))),
        np.linalg.LinAlgError,
        "Singular matrix",
    ),
    (lambda: np.einsum("i->i", T, dtype="i4"), TypeError, "according to the rule 'safe'"),
    (lambda: np.linalg.eig(ROTATION), TypeError, r"the matrix \(2, 2\) has complex eigenvalues"),
    (lambda: np.linalg.eigvals(ROTATION), TypeError, "np.linalg.eigh is for symmetric"),
    (lambda: np.linalg.qr(Tensor(X), "raw"), ValueError, "the modes reduced, complete, r"),
    (
        lambda: np.linalg.qr(Tensor(np.ones((3, 2)), requires_grad=True), "complete"),
        ValueError,
        "the columns beyond the matrix's own",
    ),
    (lambda: np.linalg.matrix_power(T, 2), np.linalg.LinAlgError, "takes square matrices"),
    (lambda: np.linalg.matrix_power(ROTATION, 0.5), TypeError, "integer"),
    (lambda: np.linalg.pinv(Tensor(X), hermitian=True), np.linalg.LinAlgError, "takes square"),
    (lambda: np.linalg.multi_dot([T, T[None, None]]), np.linalg.LinAlgError, "may be vectors"),
    (lambda: np.linalg.tensorsolve(Tensor(X), T), np.linalg.LinAlgError, "tensorsolve"),
    (lambda: np.linalg.tensorinv(Tensor(X), 0), ValueError, "at least 1, and ind=0"),
    (lambda: np.fft.rfft(T), TypeError, "gives complex numbers"),
]


def test_what_has_no_gradient_still_has_numpys_value():
    x = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]])
    for found, expected in zip(
        np.linalg.qr(Tensor(x), "complete"), np.linalg.qr(x, "complete"), strict=True
    ):
        np.testing.assert_array_equal(found.data, expected)
    np.testing.assert_array_equal(np.linalg.matrix_power(Tensor(x[:2]), 0).data, np.eye(2))


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("p", [None, -2])
def test_a_singular_matrix_has_numpys_condition_number(p, shape):
    x = np.zeros(shape)
    x[0, 0] = 2.0
    assert np.linalg.cond(Tensor(x), p).data == np.linalg.cond(x, p)


@pytest.mark.parametrize("values", [(0.0, 2.0), (-1.0, 0.0)])
def test_a_hermitian_matrix_with_the_value_zero_has_its_vector(values):
    x = np.diag(values)
    for found, expected in zip(
        np.linalg.svd(Tensor(x), hermitian=True), np.linalg.svd(x, hermitian=True), strict=True
    ):
        np.testing.assert_array_equal(found.data, expected)


def test_the_least_squares_say_distances_and_rank_as_numpy_does():
    x = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 1.0]])
    for a in (x, x[:2], x[:, :1], x[:2, ::-1]):
        b = np.arange(len(a) * 1.0)
        for found, expected in zip(
            np.linalg.lstsq(Tensor(a), b), np.linalg.lstsq(a, b), strict=True
        ):
            np.testing.assert_allclose(plain(found), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("mistake", "kind", "words"), MISTAKES, ids=[words for *_, words in MISTAKES]
)
def test_mistakes_are_named(mistake, kind, words):
    with pytest.raises(kind, match=words):
        mistake()
