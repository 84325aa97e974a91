"""Linear algebra: products, einsum, norms, solving, determinants and decompositions, through
NumPy's names.

Matrices are the last two axes; all axes before them are a batch. cholesky, eigh and eigvalsh are
for symmetric matrices: they take (X + Xᵀ)/2 of what they get, where NumPy reads one triangle, so
that gradients are symmetric and agree with differences."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from tinygrad_edu.core import errors
from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import axes_of, inverse, norm, scatter
from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.switches import RECORDING
from tinygrad_edu.operations.composed import as_arrays, composed

LETTERS = (
    ascii_uppercase + ascii_lowercase
)  # einsum's names for axes, in the order that an implied result has them


def moved(x: Any, source: Any, to: Any) -> Any:
    """np.moveaxis, which is no step of the graph where there is nothing to move."""
    return x if source == to else np.moveaxis(x, source, to)


@functools.cache
def named_results(function: Any) -> Any:
    """The named tuple in which NumPy's function gives its results: it has no public name, so one is
    looked at, once."""
    return type(function(np.eye(1)))


def symmetric(x: Any) -> Any:
    """(X + Xᵀ)/2. What is not square stays as it is: NumPy refuses it."""
    return (x + x.mT) / 2 if x.shape[-1:] == x.shape[-2:-1] else x


# einsum: the gradient is an einsum too, in which g and the operand have changed places


def as_formula(args: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """einsum's arguments x, [0, 1], y, [1, 2], [0, 2] as "AB,BC->AC" and (x, y), which is its other
    form."""
    if isinstance(args[0], str):
        return args[0].replace(" ", ""), args[1:]
    n = len(args) // 2
    words = [
        "".join("..." if i is ... else LETTERS[i] for i in axes)
        for axes in (*args[1 : 2 * n : 2], *args[2 * n :])
    ]
    return ",".join(words[:n]) + "".join("->" + word for word in words[n:]), args[: 2 * n : 2]


def explicit(args: Sequence[Any]) -> tuple[list[str], str, list[Any]]:
    """The letters of each operand and of the result, with letters for the axes behind dots; and the
    operands."""
    formula, operands = as_formula(args)
    left, arrow, result = formula.partition("->")
    if not arrow:
        result = "..." + "".join(c for c in LETTERS if left.count(c) == 1)
    terms = left.split(",")
    hidden = [
        np.ndim(x) - len(term.replace("...", "")) for term, x in zip(terms, operands, strict=True)
    ]
    dots = "".join(c for c in LETTERS if c not in formula)[: max(hidden)]
    terms = [
        term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, hidden, strict=True)
    ]
    return terms, result.replace("...", dots), list(operands)


def of_einsum(number: int, g: Any, z: Any, *args: Any, optimize: Any = False) -> Any:
    """After ij,jk->ik it is ik,jk->ij. An axis that only x has comes from ones; one that x has
    twice, from an identity: after ii->i it is i,ia->ia."""
    terms, result, operands = explicit(args)
    place = number - 1 if isinstance(args[0], str) else number // 2
    letters, x, wanted = terms.pop(place), operands.pop(place), ""
    terms, operands = [result, *terms], [g, *operands]
    known = {
        axis
        for term, y in zip(terms, operands, strict=True)
        for axis in zip(term, np.shape(y), strict=True)
    }
    fresh = (c for c in LETTERS if c not in "".join([letters, *terms]))
    for letter, n in zip(letters, x.shape, strict=True):
        if letter in wanted:
            term, factor, wanted = (
                letter + (new := next(fresh)),
                np.eye(n, dtype=g.dtype),
                wanted + new,
            )
        else:
            term, factor, wanted = letter, np.ones(n, g.dtype), wanted + letter
        if (term, n) not in known:
            terms, operands = [*terms, term], [*operands, factor]
    return np.einsum(",".join(terms) + "->" + wanted, *operands, optimize=bool(optimize))


derivative(np.einsum, each=of_einsum)

# Products


def axis_numbers(x: Any, y: Any, axes: Any) -> tuple[list[int], list[int], list[int]]:
    """tensordot as einsum takes it: numbers for the axes of x, y and z, the same for axes that are
    summed together."""
    first, second = (range(-axes, 0), range(axes)) if isinstance(axes, int | np.integer) else axes
    of_x, of_y = list(range(np.ndim(x))), list(range(np.ndim(x), np.ndim(x) + np.ndim(y)))
    for i, j in zip(np.atleast_1d(first), np.atleast_1d(second), strict=True):
        of_y[j] = of_x[i]
    return of_x, of_y, sorted({*of_x} ^ {*of_y})


def of_tensordot_left(g: Any, z: Any, x: Any, y: Any, axes: Any = 2) -> Any:
    of_x, of_y, of_z = axis_numbers(x, y, axes)
    return np.einsum(g, of_z, y, of_y, of_x, optimize=True)


def of_tensordot_right(g: Any, z: Any, x: Any, y: Any, axes: Any = 2) -> Any:
    of_x, of_y, of_z = axis_numbers(x, y, axes)
    return np.einsum(x, of_x, g, of_z, of_y, optimize=True)


derivative(np.tensordot, of_tensordot_left, of_tensordot_right, on_numbers=np.tensordot)


@composed(np.dot)
def dot(a: Any, b: Any) -> Any:
    """The last axis of a against the second last of b, or its only one."""
    a, b = as_arrays(a, b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    return a @ b if b.ndim <= 2 else np.tensordot(a, b, (-1, -2))


@composed(np.inner)
def inner(a: Any, b: Any) -> Any:
    """The last axis of a against the last of b."""
    a, b = as_arrays(a, b)
    return np.dot(a, b if b.ndim < 2 else b.mT)


@composed(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return np.ravel(a) @ np.ravel(b)


@composed(np.vecdot)
def vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    """Σ aᵢ bᵢ along an axis, for each pair of vectors: (1, n) @ (n, 1)."""
    a, b = [moved(x, axis, -1) for x in as_arrays(a, b)]
    return (a[..., None, :] @ b[..., None])[..., 0, 0]


@composed(np.outer)
def outer(a: Any, b: Any) -> Any:
    return np.ravel(a)[:, None] * np.ravel(b)


@composed(np.kron)
def kron(a: Any, b: Any) -> Any:
    """A copy of b for each element of a, multiplied by it: (m, n) and (p, q) become (m·p, n·q)."""
    a, b = as_arrays(a, b)
    n = max(a.ndim, b.ndim)
    a, b = [x.reshape((1,) * (n - x.ndim) + x.shape) for x in (a, b)]
    blocks = np.expand_dims(a, tuple(range(1, 2 * n, 2))) * np.expand_dims(
        b, tuple(range(0, 2 * n, 2))
    )  # (m, p, n, q)
    return blocks.reshape([p * q for p, q in zip(a.shape, b.shape, strict=True)])


@operation
def cross(x: Any, y: Any) -> Any:
    """x × y for vectors of three numbers along the last axis."""
    return np.cross(x, y)


# fmt: off
derivative(cross, lambda g, z, x, y: np.cross(y, g),  # g · (dx × y) = dx · (y × g)
                  lambda g, z, x, y: np.cross(g, x))  # g · (x × dy) = dy · (g × x)
# fmt: on


@composed(np.cross)
def cross_along(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """The cross product along other axes. Vectors of three numbers only: two are deprecated in
    NumPy 2."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = [moved(x, axis, -1) for x, axis in zip(as_arrays(a, b), (axisa, axisb), strict=True)]
    if not x.shape[-1:] == y.shape[-1:] == (3,):
        raise errors.not_three_numbers(x, y)
    return moved(cross(x, y), -1, axisc)


def of_trace(g: Any, z: Any, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """∂ tr X/∂X is the identity."""
    identity = np.eye(x.shape[axis1], x.shape[axis2], offset, dtype=g.dtype)
    return moved(g[..., None, None] * identity, (-2, -1), (axis1, axis2))


derivative(np.trace, of_trace, on_numbers=np.trace)

for name in (
    "tensordot",
    "vecdot",
    "outer",
    "cross",
    "matmul",
    "matrix_transpose",
):  # the same under NumPy 2's new names
    REGISTRY[getattr(np.linalg, name)] = REGISTRY[getattr(np, name)]

# Norms


MATRIX_NORMS: dict[Any, Callable[[Any], Any]] = {  # of the last two axes
    "fro": lambda x: norm(x, axis=(-2, -1)),
    "nuc": lambda x: np.linalg.svdvals(x).sum(axis=-1),
    2: lambda x: np.linalg.svdvals(x).max(axis=-1),
    -2: lambda x: np.linalg.svdvals(x).min(axis=-1),
    1: lambda x: np.abs(x).sum(axis=-2).max(axis=-1),  # of the columns' sums
    -1: lambda x: np.abs(x).sum(axis=-2).min(axis=-1),
    np.inf: lambda x: np.abs(x).sum(axis=-1).max(axis=-1),  # of the rows' sums
    -np.inf: lambda x: np.abs(x).sum(axis=-1).min(axis=-1),
}


@composed(np.linalg.norm)
def any_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """√Σx², unless ord names another norm: of vectors along one axis, of matrices along two."""
    if ord is None:
        return norm(x, axis=axis, keepdims=keepdims)
    axes = axes_of(axis, x.ndim)
    if len(axes) == 1 and not isinstance(ord, str):
        return vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or ord not in MATRIX_NORMS:
        raise errors.no_such_norm(ord, axes, MATRIX_NORMS)
    z = MATRIX_NORMS[ord](moved(x, axes, (-2, -1)))
    return np.expand_dims(z, axes) if keepdims else z


def vector_norm(x: Any, p: float, axis: int, keepdims: Any) -> Any:
    """(Σ|x|ᵖ)^(1/p), with gradient 0 where it is 0; the greatest or smallest |x| for p = ±∞, how
    many are not 0 for p = 0."""
    if p == 2:
        return norm(x, axis=axis, keepdims=keepdims)
    if p == 0:
        return (x != 0).astype(x.dtype).sum(axis=axis, keepdims=keepdims)
    if np.isinf(p):
        return (np.max if p > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    total = np.sum(np.abs(x) ** p, axis=axis, keepdims=keepdims)
    return np.where(total == 0, 0.0, np.where(total == 0, 1.0, total) ** (1 / p))


# Solving, inverses and determinants


def of_solve_right(g: Any, z: Any, x: Any, y: Any) -> Any:
    """X Z = Y: ∂L/∂Y = X⁻ᵀ G"""
    transposed = np.matrix_transpose(x)
    return (
        np.linalg.solve(transposed, g[..., None])[..., 0]
        if np.ndim(y) == 1
        else np.linalg.solve(transposed, g)
    )


def of_solve_left(g: Any, z: Any, x: Any, y: Any) -> Any:
    """X Z = Y: ∂L/∂X = −X⁻ᵀ G Zᵀ"""
    of_y = of_solve_right(g, z, x, y)
    return -of_y[..., None] * z[..., None, :] if np.ndim(y) == 1 else -of_y @ z.mT


def of_det(g: Any, z: Any, x: Any) -> Any:
    """The cofactors, det(X) X⁻ᵀ (Jacobi's formula); where X is singular or nearly so, by their
    definition.

    The definition holds for every matrix and to every order, but takes n² determinants, in place of
    one inverse."""
    return g[..., None, None] * (
        z[..., None, None] * np.linalg.inv(x).mT if well_conditioned(plain(x)) else cofactors(x)
    )


def well_conditioned(x: Any) -> bool:
    """Are half of the digits left after a division by any of the matrices?"""
    return x.size == 0 or bool((np.linalg.cond(x) < np.finfo(x.dtype).eps ** -0.5).all())


def cofactors(x: Any) -> Any:
    """(−1)ⁱ⁺ʲ times the determinant of X without row i and column j."""
    n = np.arange(x.shape[-1])
    others = np.array([np.delete(n, i) for i in n])  # (n, n − 1)
    minors = x[..., others[:, None, :, None], others[None, :, None, :]]  # (…, n, n, n − 1, n − 1)
    z = np.linalg.det(minors)
    return np.where((n[:, None] + n) % 2, -z, z)


@operation
def slogdet(x: Any) -> Any:
    """The sign of the determinant and ln |det X|, in this order along a new first axis."""
    return np.stack(np.linalg.slogdet(x))


@composed(np.linalg.slogdet)
def named_slogdet(x: Any) -> Any:
    """The sign is a plain array: it is constant wherever the logarithm is finite."""
    z = slogdet(x)
    return named_results(np.linalg.slogdet)(z.data[0], z[1])


# fmt: off
derivative(np.linalg.solve, of_solve_left, of_solve_right)
derivative(np.linalg.inv, lambda g, z, x: -z.mT @ g @ z.mT)  # ∂L/∂X = −X⁻ᵀ G X⁻ᵀ
derivative(np.linalg.det, of_det)
derivative(slogdet, lambda g, z, x: g[1][..., None, None] * np.linalg.inv(x).mT)  # ∂ ln |det X|/∂X = X⁻ᵀ
# fmt: on

# Decompositions. An operation has one result: its first row are the values, the columns below are
# their vectors


def of_cholesky(g: Any, z: Any, x: Any, *, upper: bool = False) -> Any:
    """X = L Lᵀ: ∂L/∂X = L⁻ᵀ Φ(Lᵀ G) L⁻¹, made symmetric, where Φ keeps the lower triangle and half
    of the diagonal."""
    if upper:
        g, z = g.mT, z.mT
    half = np.tri(z.shape[-1], dtype=g.dtype) - np.eye(z.shape[-1], dtype=g.dtype) / 2
    return symmetric(np.linalg.solve(z.mT, np.linalg.solve(z.mT, z.mT @ g * half).mT))


# fmt: off
derivative(np.linalg.cholesky, of_cholesky, forward=lambda x, *, upper=False: np.linalg.cholesky(symmetric(x), upper=upper))
# fmt: on


def rounding(w: Any) -> Any:
    """Values that are no further apart may be the same."""
    return (
        10
        * np.finfo(w.dtype).eps
        * w.shape[-1]
        * np.abs(w).max(axis=-1, keepdims=True, initial=0.0)
    )


def between(w: Any, sign: int = -1) -> Any:
    """1/(wⱼ − wᵢ), or 1/(wⱼ + wᵢ) for sign = 1; where the values are the same, 0."""
    return inverse(w[..., None, :] + sign * w[..., None], rounding(plain(w))[..., None])


@operation
def vectors(x: Any, *, every: bool = False) -> Any:
    """The vectors below the values: a step of its own, because values have a gradient where vectors
    have none."""
    return x[..., 1:, :]


def of_vectors(g: Any, z: Any, x: Any, *, every: bool = False) -> Any:
    """Vectors whose values coincide are arbitrary up to a rotation: an error if one of them is used
    (every one, if so asked).

    With the value 0 they mix with the directions that have no value at all, if the matrix, (m, n),
    is not square: m + n > 2k."""
    w, k = plain(x)[..., 0, :], x.shape[-1]
    same = np.abs(w[..., None, :] - w[..., None]) <= rounding(w)[..., None]
    mixed = (same.sum(axis=-1) > 1) | ((x.shape[-2] - 1 > 2 * k) & (np.abs(w) <= rounding(w)))
    mixed &= every | (plain(g) != 0).any(axis=-2)
    if mixed.any():
        raise errors.no_vectors(w[mixed])
    return scatter(g, indices=((..., slice(1, None), slice(None)),), shape=x.shape)


derivative(vectors, of_vectors)


@operation
def eigh(x: Any) -> Any:
    """X = V Λ Vᵀ: `(…, n, n)` becomes `(…, 1 + n, n)`, λ above V."""
    values, columns = np.linalg.eigh(symmetric(x))
    return np.concatenate([values[..., None, :], columns], axis=-2)


def of_eigh(g: Any, z: Any, x: Any) -> Any:
    """∂L/∂X = V (∂L/∂Λ + F ∘ Vᵀ ∂L/∂V) Vᵀ, made symmetric, Fᵢⱼ = 1/(λⱼ − λᵢ)."""
    v = vectors(z, every=True)
    return symmetric(
        (v * g[..., :1, :] + v @ (between(z[..., 0, :]) * (v.mT @ g[..., 1:, :]))) @ v.mT
    )


@operation
def svd(x: Any) -> Any:
    """X = U S Vᵀ: `(…, m, n)` becomes `(…, 1 + m + n, k)`, s above U above V, k = min(m, n)."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([s[..., None, :], u, vt.mT], axis=-2)


def of_svd(g: Any, z: Any, x: Any) -> Any:
    """∂L/∂X = U C Vᵀ + (1 − U Uᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (1 − V Vᵀ), where Ū = ∂L/∂U, V̄ = ∂L/∂V, S̄
    = ∂L/∂S,

    C = S̄ + (F + P) ∘ (Uᵀ Ū − Ūᵀ U)/2 + (F − P) ∘ (Vᵀ V̄ − V̄ᵀ V)/2, Fᵢⱼ = 1/(sⱼ − sᵢ), Pᵢⱼ = 1/(sⱼ
    + sᵢ)."""
    m, s, both = x.shape[-2], z[..., 0, :], vectors(z, every=True)
    u, v, gu, gv = both[..., :m, :], both[..., m:, :], g[..., 1 : m + 1, :], g[..., m + 1 :, :]
    uu, vv, f, p = u.mT @ gu, v.mT @ gv, between(s), between(s, 1)
    c = ((f + p) * (uu - uu.mT) + (f - p) * (vv - vv.mT)) / 2
    one_by_s = inverse(s, rounding(plain(s)))[..., None, :]
    return (u * g[..., :1, :] + u @ c + (gu - u @ uu) * one_by_s) @ v.mT + u @ (
        (gv - v @ vv) * one_by_s
    ).mT


derivative(eigh, of_eigh)
derivative(svd, of_svd)


@composed(np.linalg.eigh)
def named_eigh(a: Any, UPLO: str = "L") -> Any:
    """λ, ascending, and V. Values have a gradient always; vectors, and the values' second
    derivative, if no two coincide."""
    z = eigh(a)
    return named_results(np.linalg.eigh)(z[..., 0, :], vectors(z))


@composed(np.linalg.svd)
def named_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, s, descending, and Vᵀ; gradients as for eigh, and full_matrices=False if the matrix is not
    square."""
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
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    return eigh(a)[..., 0, :]


@composed(np.linalg.svdvals)
def svdvals(x: Any) -> Any:
    return svd(x)[..., 0, :]
