"""Linear algebra through NumPy's names: products, einsum, solving, decompositions.

Matrices are the last two axes; all axes before them are a batch. cholesky, eigh and eigvalsh are
for symmetric matrices, of which they read one triangle, as NumPy does: it receives all of the
gradient, which so agrees with differences.
"""

from __future__ import annotations

import functools
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import scatter
from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.switches import RECORDING
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed

# einsum's letters for axes, in the order of an implied result
LETTERS = ascii_uppercase + ascii_lowercase


def move_axes(x, source, destination):
    """np.moveaxis, but x itself if nothing moves, so that the graph has no idle step."""
    return x if source == destination else np.moveaxis(x, source, destination)


def from_end(axis, x):
    """The axis counted from the end, −1 for the last. NumPy raises AxisError."""
    return normalize_axis_index(axis, x.ndim) - x.ndim


@functools.cache
def named_results(function):
    """The class of the named tuple in which NumPy's function gives its results.

    The class has no public name, so the function runs once, and the type of its result is taken.
    """
    return type(function(np.eye(1)))


def symmetric_part(x):
    """(X + Xᵀ)/2. What is not square stays as it is: NumPy refuses it."""
    return x / 2 + x.mT / 2 if x.shape[-1:] == x.shape[-2:-1] != () else x


def mirrored(x, triangle):
    """The symmetric matrix with the lower triangle of x, "L", or with the upper one, "U"."""
    if str(triangle).upper() not in ("L", "U"):
        raise errors.no_such_triangle(triangle)
    (x,) = as_arrays(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return x  # which NumPy refuses
    if str(triangle).upper() == "L":
        return np.tril(x) + np.tril(x, -1).mT
    return np.triu(x) + np.triu(x, 1).mT


# einsum: the gradient is an einsum too, in which g and the operand have changed places


def einsum_formula(args):
    """The formula and the operands of a call of einsum, in whichever of its two forms.

    From x, [0, 1], y, [1, 2], [0, 2] come "AB,BC->AC" and [x, y].
    """
    if isinstance(args[0], str):
        return args[0].replace(" ", ""), list(args[1:])
    pairs = len(args) // 2
    operands, axes, result = args[: 2 * pairs : 2], args[1 : 2 * pairs : 2], args[2 * pairs :]
    terms = ",".join(map(letters_of, axes))
    return "->".join([terms, *map(letters_of, result)]), list(operands)


def letters_of(axes):
    """The axes [0, 1, ...] as "AB..."."""
    return "".join("..." if axis is ... else LETTERS[axis] for axis in axes)


def einsum_terms(args):
    """The letters of each operand, the letters of the result, and the operands.

    A result that was implied is written out, and each axis behind the dots gets a letter.
    """
    formula, operands = einsum_formula(args)
    left, arrow, result = formula.partition("->")
    if not arrow:
        result = "..." + "".join(c for c in LETTERS if left.count(c) == 1)
    terms = left.split(",")
    named = [len(term.replace("...", "")) for term in terms]
    hidden = [np.ndim(x) - n for n, x in zip(named, operands, strict=True)]  # axes behind dots
    dots = "".join(c for c in LETTERS if c not in formula)[: max(hidden)]
    terms = [
        term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, hidden, strict=True)
    ]
    return terms, result.replace("...", dots), operands


def einsum_vjp(g, z, *args, optimize=False):
    """After ij,jk->ik the gradient of the first operand is ik,jk->ij."""
    every_term, result, every_operand = einsum_terms(args)

    def share(number):
        place = number - 1 if isinstance(args[0], str) else number // 2
        terms, operands = list(every_term), list(every_operand)
        letters, x = terms.pop(place), operands.pop(place)
        terms, operands = [result, *terms], [g, *operands]
        known = axis_sizes(terms, operands)
        wanted, factors = axis_factors(letters, x.shape, "".join([letters, *terms]))
        for term, factor in factors:
            if (term, len(factor)) not in known:
                terms.append(term)
                operands.append(factor.astype(g.dtype))
        return np.einsum(",".join(terms) + "->" + wanted, *operands, optimize=bool(optimize))

    return share


def axis_sizes(terms, operands):
    """All pairs (letter, size) of the operands; a letter has a second size if a 1 broadcasts."""
    return {
        letter_and_size
        for term, x in zip(terms, operands, strict=True)
        for letter_and_size in zip(term, np.shape(x), strict=True)
    }


def axis_factors(letters, shape, taken):
    """The letters of an operand's gradient, and a factor for each of its axes.

    A factor of ones makes an axis that no other operand has. An identity makes an axis that repeats
    the letter of one before it: after ii->i the gradient is i,ia->ia.
    """
    fresh = (c for c in LETTERS if c not in taken)
    wanted, factors = "", []
    for letter, size in zip(letters, shape, strict=True):
        if letter in wanted:
            new = next(fresh)
            wanted += new
            factors.append((letter + new, np.eye(size)))
        else:
            wanted += letter
            factors.append((letter, np.ones(size)))
    return wanted, factors


derivative(np.einsum, each=einsum_vjp)

# Products


def axis_numbers(x, y, axes):
    """The numbers that einsum needs for tensordot: of the axes of x, of y and of z.

    Two axes that are summed together have the same number.
    """
    if isinstance(axes, int | np.integer):
        axes = range(-axes, 0), range(axes)
    first, second = axes
    of_x, of_y = list(range(np.ndim(x))), list(range(np.ndim(x), np.ndim(x) + np.ndim(y)))
    for i, j in zip(np.atleast_1d(first), np.atleast_1d(second), strict=True):
        of_y[j] = of_x[i]
    return of_x, of_y, sorted({*of_x} ^ {*of_y})


def tensordot_left_vjp(g, z, x, y, axes=2):
    """∂L/∂X: G times Y, summed over the axes that only Y has."""
    of_x, of_y, of_z = axis_numbers(x, y, axes)
    return np.einsum(g, of_z, y, of_y, of_x, optimize=True)


def tensordot_right_vjp(g, z, x, y, axes=2):
    """∂L/∂Y: X times G, summed over the axes that only X has."""
    of_x, of_y, of_z = axis_numbers(x, y, axes)
    return np.einsum(x, of_x, g, of_z, of_y, optimize=True)


derivative(np.tensordot, tensordot_left_vjp, tensordot_right_vjp, on_numbers=np.tensordot)


@composed(np.dot)
def dot_product(a, b):
    """Σ a b over the last axis of a and the second last of b, or the only axis of b."""
    a, b = as_arrays(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return a @ b if b.ndim <= 2 else np.tensordot(a, b, (-1, -2))


@composed(np.inner)
def inner_product(a, b):
    """Σ a b over the last axis of a and the last axis of b."""
    a, b = as_arrays(a, b)
    return np.dot(a, b.mT if a.ndim and b.ndim > 1 else b)


@composed(np.vdot)
def vdot(a, b):
    """Σ aᵢ bᵢ over all elements."""
    return np.ravel(a) @ np.ravel(b)


@composed(np.vecdot)
def vecdot(a, b, axis=-1, *, axes=None, keepdims=False):
    """Σ aᵢ bᵢ along an axis, for each pair of vectors: (1, n) @ (n, 1).

    `axes` names the axis of a, that of b, and that of the result, of size 1, if keepdims is True.
    """
    of_a, of_b, *of_z = axes_of_each(axis if axes is None else axes)
    a, b = as_arrays(a, b)
    a, b = move_axes(a, from_end(of_a, a), -1), move_axes(b, from_end(of_b, b), -1)
    z = (a[..., None, :] @ b[..., None])[..., 0]
    return move_axes(z, -1, *of_z or (-1,)) if keepdims else z[..., 0]


def axes_of_each(axes):
    """The axis of each argument, and of the result if it is named: 1, [0, 1] or [0, (1,), 2]."""
    if isinstance(axes, int):
        return axes, axes, axes
    return [axis[0] if isinstance(axis, tuple) else axis for axis in axes if axis != ()]


if hasattr(np, "matvec"):  # since NumPy 2.2

    @composed(np.matvec)
    def matrix_times_vectors(x1, x2):
        """X y for each matrix X and each vector y."""
        x1, x2 = as_arrays(x1, x2)
        if x1.ndim < 2 or x2.ndim < 1:
            raise errors.not_matrices("matvec", x1)
        return (x1 @ x2[..., None])[..., 0]

    @composed(np.vecmat)
    def vectors_times_matrix(x1, x2):
        """y X for each vector y and each matrix X."""
        x1, x2 = as_arrays(x1, x2)
        if x1.ndim < 1 or x2.ndim < 2:
            raise errors.not_matrices("vecmat", x2)
        return (x1[..., None, :] @ x2)[..., 0, :]


@composed(np.outer)
def outer_product(a, b):
    """zᵢⱼ = aᵢ bⱼ, where a and b are flattened first."""
    return np.ravel(a)[:, None] * np.ravel(b)


@composed(np.linalg.outer)
def outer_of_vectors(x1, x2):
    """zᵢⱼ = aᵢ bⱼ, of two vectors and of nothing else."""
    x1, x2 = as_arrays(x1, x2)
    if not x1.ndim == x2.ndim == 1:
        raise errors.not_vectors(x1, x2)
    return outer_product(x1, x2)


@composed(np.kron)
def kron(a, b):
    """Each element of a, replaced by its product with b: (m, n) and (p, q) give (m·p, n·q)."""
    a, b = as_arrays(a, b)
    n = max(a.ndim, b.ndim)
    a, b = [x.reshape((1,) * (n - x.ndim) + x.shape) for x in (a, b)]
    even, odd = tuple(range(0, 2 * n, 2)), tuple(range(1, 2 * n, 2))
    blocks = np.expand_dims(a, odd) * np.expand_dims(b, even)  # (m, p, n, q)
    return blocks.reshape([p * q for p, q in zip(a.shape, b.shape, strict=True)])


@operation
def cross(x, y):
    """x × y for vectors of three numbers along the last axis."""
    return np.cross(x, y)


# fmt: off
derivative(cross, lambda g, z, x, y: np.cross(y, g),  # g · (dx × y) = dx · (y × g)
                  lambda g, z, x, y: np.cross(g, x))  # g · (x × dy) = dy · (g × x)
# fmt: on


@composed(np.cross)
def cross_along(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross product of vectors of three numbers, along any axes.

    A vector of two numbers has 0 as its third; of two such vectors, only the third number of the
    product is returned. NumPy 2 warns of these.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = as_arrays(a, b)
    x, y = move_axes(a, from_end(axisa, a), -1), move_axes(b, from_end(axisb, b), -1)
    lengths = {x.shape[-1], y.shape[-1]}
    if not lengths <= {2, 3}:
        raise errors.not_three_numbers(x, y)
    if lengths != {3}:
        np.cross(np.zeros(x.shape[-1]), np.zeros(y.shape[-1]))  # NumPy warns, or refuses
    z = cross(three_numbers(x), three_numbers(y))
    return z[..., 2] if lengths == {2} else move_axes(z, -1, axisc)


def three_numbers(x):
    """Vectors of two numbers with a 0 behind them; those of three as they are."""
    if x.shape[-1] == 3:
        return x
    return np.concatenate([x, np.zeros((*x.shape[:-1], 1), x.dtype)], axis=-1)


@composed(np.linalg.cross)
def cross_of_three(x1, x2, *, axis=-1):
    """The cross product of vectors of three numbers, and of nothing else."""
    x1, x2 = as_arrays(x1, x2)
    if not x1.shape[from_end(axis, x1)] == x2.shape[from_end(axis, x2)] == 3:
        raise errors.not_three_numbers(x1, x2)
    return cross_along(x1, x2, axis=axis)


def trace_vjp(g, z, x, offset=0, axis1=0, axis2=1):
    """∂ tr X/∂X is the identity."""
    identity = np.eye(x.shape[axis1], x.shape[axis2], offset, dtype=g.dtype)
    return move_axes(g[..., None, None] * identity, (-2, -1), (axis1, axis2))


derivative(np.trace, trace_vjp, on_numbers=np.trace)

# fmt: off
for numpys, new in ((np.tensordot, np.linalg.tensordot), (np.vecdot, np.linalg.vecdot),
                    (np.matmul, np.linalg.matmul),
                    (np.matrix_transpose, np.linalg.matrix_transpose)):
    REGISTRY[new] = REGISTRY[numpys]  # NumPy 2's new names for the same functions
# fmt: on

# Solving, inverses and determinants


def solve_right_vjp(g, z, x, y):
    """X Z = Y: ∂L/∂Y = X⁻ᵀ G"""
    transposed = np.matrix_transpose(x)
    if np.ndim(y) == 1:
        return np.linalg.solve(transposed, g[..., None])[..., 0]
    return np.linalg.solve(transposed, g)


def solve_left_vjp(g, z, x, y):
    """X Z = Y: ∂L/∂X = −X⁻ᵀ G Zᵀ"""
    for_y = solve_right_vjp(g, z, x, y)
    return -for_y[..., None] * z[..., None, :] if np.ndim(y) == 1 else -for_y @ z.mT


def det_vjp(g, z, x):
    """The cofactors, det(X) X⁻ᵀ (Jacobi's formula).

    Where X is singular, or nearly so, the cofactors are computed by their definition. It holds for
    every matrix and to every order, but takes n² determinants in place of one inverse.
    """
    if well_conditioned(plain(x)):
        return g[..., None, None] * (z[..., None, None] * np.linalg.inv(x).mT)
    return g[..., None, None] * cofactors(x)


def well_conditioned(x):
    """Whether dividing by any of the matrices leaves half of the digits right."""
    return x.size == 0 or bool((np.linalg.cond(x) < np.finfo(x.dtype).eps ** -0.5).all())


def cofactors(x):
    """(−1)ⁱ⁺ʲ times the determinant of X without row i and column j."""
    n = np.arange(x.shape[-1])
    others = np.array([np.delete(n, i) for i in n])  # (n, n − 1)
    minors = x[..., others[:, None, :, None], others[None, :, None, :]]  # (…, n, n, n − 1, n − 1)
    z = np.linalg.det(minors)
    return np.where((n[:, None] + n) % 2, -z, z)


@operation
def slogdet(x):
    """The sign of det X and ln |det X|, in this order along a new first axis."""
    return np.stack(np.linalg.slogdet(x))


@composed(np.linalg.slogdet)
def named_slogdet(x):
    """slogdet as a named tuple; its sign is a plain array, since its derivative is 0."""
    z = slogdet(x)
    return named_results(np.linalg.slogdet)(z.data[0], z[1])


# fmt: off
derivative(np.linalg.solve, solve_left_vjp, solve_right_vjp)
derivative(np.linalg.inv, lambda g, z, x: -z.mT @ g @ z.mT)     # ∂L/∂X = −X⁻ᵀ G X⁻ᵀ
derivative(np.linalg.det, det_vjp)
derivative(slogdet, lambda g, z, x:                             # ∂ ln |det X|/∂X = X⁻ᵀ
           g[1][..., None, None] * np.linalg.inv(x).mT)
# fmt: on

# Decompositions: an operation has one result, with the values in its first row and vectors below


@operation
def cholesky(x, *, upper=False):
    """np.linalg.cholesky of the symmetric part."""
    return np.linalg.cholesky(symmetric_part(x), upper=upper)


def cholesky_vjp(g, z, x, *, upper=False):
    """X = L Lᵀ: ∂L/∂X = L⁻ᵀ Φ(Lᵀ G) L⁻¹, made symmetric.

    Φ keeps the lower triangle and half of the diagonal.
    """
    if upper:
        g, z = g.mT, z.mT
    half = np.tri(z.shape[-1], dtype=g.dtype) - np.eye(z.shape[-1], dtype=g.dtype) / 2
    return symmetric_part(np.linalg.solve(z.mT, np.linalg.solve(z.mT, z.mT @ g * half).mT))


derivative(cholesky, cholesky_vjp)


@composed(np.linalg.cholesky)
def cholesky_of_triangle(a, upper=False):
    """X = L Lᵀ, or Uᵀ U if upper, where X is symmetric and one triangle of a."""
    return cholesky(mirrored(a, "U" if upper else "L"), upper=upper)


def inverse(x, bound):
    """1/x, but 0 where |x| ≤ bound, with derivatives 0 there."""
    none = np.absolute(x) <= bound
    return np.where(none, 0.0, 1 / np.where(none, 1.0, x))


def rounding_error(w):
    """How far apart equal values may come out: nearer values count as equal."""
    greatest = np.abs(w).max(axis=-1, keepdims=True, initial=0.0)
    return 10 * np.finfo(w.dtype).eps * w.shape[-1] * greatest


def inverse_gaps(w, sign=-1):
    """1/(wⱼ − wᵢ), or with sign = 1, 1/(wⱼ + wᵢ); 0 where the denominator is 0 but for rounding."""
    return inverse(w[..., None, :] + sign * w[..., None], rounding_error(plain(w))[..., None])


@operation
def vectors(x, *, every=False):
    """The rows below the values: the vectors.

    To take them is a step of its own, because values have gradients where vectors have none.
    """
    return x[..., 1:, :]


def vectors_vjp(g, z, x, *, every=False):
    """Raise ValueError if a vector is used whose value is not its own; `every` says all are used.

    Vectors of one value are arbitrary up to a rotation. If the matrix, (m, n), is not square, so
    that m + n > 2k, vectors of the value 0 also mix with directions that have no value at all.
    """
    w, k = plain(x)[..., 0, :], x.shape[-1]
    same = np.abs(w[..., None, :] - w[..., None]) <= rounding_error(w)[..., None]
    is_zero = np.abs(w) <= rounding_error(w)
    mixed = (same.sum(axis=-1) > 1) | ((x.shape[-2] - 1 > 2 * k) & is_zero)
    mixed &= every | (plain(g) != 0).any(axis=-2)
    if mixed.any():
        raise errors.no_vectors(w[mixed])
    return scatter(g, indices=((..., slice(1, None), slice(None)),), shape=x.shape)


@operation
def eigh(x, *, UPLO="L"):
    """X = V Λ Vᵀ: `(…, n, n)` becomes `(…, 1 + n, n)`, λ above V, whose signs UPLO decides."""
    values, columns = np.linalg.eigh(symmetric_part(x), UPLO)
    return np.concatenate([values[..., None, :], columns], axis=-2)


def eigh_vjp(g, z, x, *, UPLO="L"):
    """∂L/∂X = V (∂L/∂Λ + F ∘ Vᵀ ∂L/∂V) Vᵀ, made symmetric, where Fᵢⱼ = 1/(λⱼ − λᵢ)."""
    v, gv = vectors(z, every=True), g[..., 1:, :]
    turned = v @ (inverse_gaps(z[..., 0, :]) * (v.mT @ gv))
    return symmetric_part((v * g[..., :1, :] + turned) @ v.mT)


@operation
def svd(x):
    """X = U S Vᵀ: `(…, m, n)` becomes `(…, 1 + m + n, k)`, s above U above V, k = min(m, n)."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([s[..., None, :], u, vt.mT], axis=-2)


def svd_vjp(g, z, x):
    """∂L/∂X = U C Vᵀ + (1 − U Uᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (1 − V Vᵀ), where Ū is ∂L/∂U.

    C = S̄ + (F + P) ∘ (Uᵀ Ū − Ūᵀ U)/2 + (F − P) ∘ (Vᵀ V̄ − V̄ᵀ V)/2,
    Fᵢⱼ = 1/(sⱼ − sᵢ), Pᵢⱼ = 1/(sⱼ + sᵢ).
    """
    m, s, both = x.shape[-2], z[..., 0, :], vectors(z, every=True)
    u, v = both[..., :m, :], both[..., m:, :]
    gs, gu, gv = g[..., :1, :], g[..., 1 : m + 1, :], g[..., m + 1 :, :]
    uu, vv, f, p = u.mT @ gu, v.mT @ gv, inverse_gaps(s), inverse_gaps(s, 1)
    c = ((f + p) * (uu - uu.mT) + (f - p) * (vv - vv.mT)) / 2
    one_by_s = inverse(s, rounding_error(plain(s)))[..., None, :]
    outside_u, outside_v = (gu - u @ uu) * one_by_s, (gv - v @ vv) * one_by_s
    return (u * gs + u @ c + outside_u) @ v.mT + u @ outside_v.mT


derivative(vectors, vectors_vjp)
derivative(eigh, eigh_vjp)
derivative(svd, svd_vjp)


@composed(np.linalg.eigh)
def named_eigh(a, UPLO="L"):
    """λ, ascending, and V, of the symmetric matrix whose triangle UPLO names.

    λ always has a gradient. V, and the second derivative of λ, have one if no two values are equal.
    """
    z = eigh(mirrored(a, UPLO), UPLO=UPLO)
    return named_results(np.linalg.eigh)(z[..., 0, :], vectors(z))


@composed(np.linalg.svd)
def named_svd(a, full_matrices=True, compute_uv=True, hermitian=False):
    """U, the values s, descending, and Vᵀ; they have gradients where those of eigh do.

    A matrix that is not square needs full_matrices=False to have gradients. One that is hermitian
    has s = |λ| and Vᵀ = sign(λ) Uᵀ, where 0 has the sign 1.
    """
    if hermitian:
        w, u = np.linalg.eigh(a)
        order = np.flip(np.argsort(np.abs(w)), -1)
        s = np.take_along_axis(np.abs(w), order, -1)
        if not compute_uv:
            return s
        u, signs = (
            np.take_along_axis(u, order[..., None, :], -1),
            np.take_along_axis(np.copysign(1.0, plain(w)), order, -1),
        )
        return named_results(np.linalg.svd)(u, s, (u * signs[..., None, :]).mT)
    if not compute_uv:
        return np.linalg.svdvals(a)
    if full_matrices and len(set(a.shape[-2:])) > 1:
        if a.requires_grad and RECORDING.get():
            raise errors.full_matrices(a)
        return named_results(np.linalg.svd)(*map(Tensor, np.linalg.svd(a.data)))
    z, m = svd(a), a.shape[-2]
    both = vectors(z)
    return named_results(np.linalg.svd)(both[..., :m, :], z[..., 0, :], both[..., m:, :].mT)


@composed(np.linalg.eigvalsh)
def eigvalsh(a, UPLO="L"):
    """λ, ascending, of the symmetric matrix whose triangle UPLO names."""
    return eigh(mirrored(a, UPLO))[..., 0, :]


@composed(np.linalg.svdvals)
def svdvals(x):
    """The singular values s, descending."""
    return svd(x)[..., 0, :]
