"""QR and eigenvalues of any matrix, pseudo-inverses, least squares, powers, equations of tensors.

Matrices are the last two axes; all axes before them are a batch.
"""

from __future__ import annotations

import functools
import math
import operator

import numpy as np

from tinygrad_edu.core.engine import Tensor, derivative, operation, plain
from tinygrad_edu.core.switches import RECORDING
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed
from tinygrad_edu.operations.linalg import (
    LETTERS,
    inverse_gaps,
    mirrored,
    named_results,
    vectors,
)

# QR


@operation
def qr(x):
    """X = Q R for m ≥ n: `(…, m, n)` becomes `(…, m + n, n)`, Q above R."""
    return np.concatenate(np.linalg.qr(x), axis=-2)


def qr_vjp(g, z, x):
    """∂L/∂X = (Q̄ + Q M) R⁻ᵀ, where Q̄ is ∂L/∂Q.

    M is symmetric, and its lower triangle is that of R R̄ᵀ − Q̄ᵀ Q.
    """
    m = x.shape[-2]
    q, r, gq, gr = z[..., :m, :], z[..., m:, :], g[..., :m, :], g[..., m:, :]
    lower = np.tril(r @ gr.mT - gq.mT @ q)
    symmetric = lower + np.tril(lower, -1).mT
    return np.linalg.solve(r, (gq + q @ symmetric).mT).mT


derivative(qr, qr_vjp)


@composed(np.linalg.qr)
def named_qr(a, mode="reduced"):
    """X = Q R, Q with orthonormal columns, R upper triangular; or R alone with mode="r".

    A matrix with more columns than rows has R = (R₁, Qᵀ X₂), where X₁ = Q R₁ is its square part.
    """
    if mode not in ("reduced", "complete", "r"):
        raise errors.unknown_mode("qr", mode, ("reduced", "complete", "r"))
    (a,) = as_arrays(a)
    if a.ndim < 2:
        raise errors.not_matrices("qr", a)
    m, n = a.shape[-2:]
    if mode == "complete" and m > n:
        if a.requires_grad and RECORDING.get():
            raise errors.complete_columns(a)
        return named_results(np.linalg.qr)(*map(Tensor, np.linalg.qr(plain(a), mode)))
    z = qr(a[..., :m])
    q, r = z[..., :m, :], z[..., m:, :]
    if m < n:
        r = np.concatenate([r, q.mT @ a[..., m:]], axis=-1)
    return r if mode == "r" else named_results(np.linalg.qr)(q, r)


# Eigenvalues of a matrix that is not symmetric


@operation
def eig(x):
    """X V = V Λ with real λ: `(…, n, n)` becomes `(…, 1 + n, n)`, λ above V."""
    values, columns = np.linalg.eig(x)
    if np.any(values.imag != 0):
        raise errors.complex_eigenvalues(x, values)
    return np.concatenate([values.real[..., None, :], columns.real], axis=-2)


def eig_vjp(g, z, x):
    """∂L/∂X = V⁻ᵀ (∂L/∂Λ + F ∘ (C − Vᵀ V diag C)) Vᵀ, where C = Vᵀ ∂L/∂V, Fᵢⱼ = 1/(λⱼ − λᵢ).

    The second term keeps each column at length 1.
    """
    v, gv = vectors(z, every=True), g[..., 1:, :]
    turned = v.mT @ gv
    along = np.diagonal(turned, axis1=-2, axis2=-1)[..., None, :]
    inside = inverse_gaps(z[..., 0, :]) * (turned - v.mT @ v * along)
    diagonal = np.eye(x.shape[-1], dtype=g.dtype) * g[..., :1, :]
    return np.linalg.solve(v.mT, (diagonal + inside) @ v.mT)


derivative(eig, eig_vjp)


@composed(np.linalg.eig)
def named_eig(a):
    """λ and V of X V = V Λ, in LAPACK's order; TypeError if a λ is complex.

    λ always has a gradient. V, and the second derivative of λ, have one if no two values are equal.
    """
    z = eig(a)
    return named_results(np.linalg.eig)(z[..., 0, :], vectors(z))


@composed(np.linalg.eigvals)
def eigvals(a):
    """The eigenvalues λ in LAPACK's order; TypeError if one is complex."""
    return eig(a)[..., 0, :]


# Pseudo-inverse and least squares


@operation
def pinv(x, **options):
    """np.linalg.pinv, where the small singular values that count as 0 are those below rtol."""
    return np.linalg.pinv(x, **options)


def pinv_vjp(g, z, x, *, rcond=None, rtol=None):
    """∂L/∂X = −Zᵀ G Zᵀ + (1 − X Z) Gᵀ Z Zᵀ + Zᵀ Z Gᵀ (1 − Z X) (Golub and Pereyra, 1973).

    It holds where the rank does not change. If hermitian is True, NumPy reads the lower triangle.
    """
    gz, zg = g.mT @ z, z.mT @ z @ g.mT
    left, right = gz @ z.mT - x @ (z @ gz @ z.mT), zg - zg @ z @ x
    return left + right - z.mT @ g @ z.mT


derivative(pinv, pinv_vjp)


@composed(np.linalg.pinv)
def pseudo_inverse(a, rcond=None, hermitian=False, **options):
    """The shortest of all X for which |A X − 1| is least; hermitian reads the lower triangle."""
    if rcond is not None:
        options["rcond"] = rcond
    if hermitian and a.shape[-1] != a.shape[-2]:
        raise errors.not_square("pinv", a)
    return pinv(mirrored(a, "L") if hermitian else a, **options)


@composed(np.linalg.lstsq)
def lstsq(a, b, rcond=None):
    """The shortest of all x for which |a x − b| is least: x = a⁺ b; its squared distances, if a
    has full rank and more rows than columns; a's rank, and its singular values.
    """
    a, b = [x if x.dtype.kind == "f" else x.astype(np.float64) for x in as_arrays(a, b)]
    rank = np.linalg.lstsq(plain(a), plain(b), rcond)[2]  # NumPy refuses what does not fit
    m, n = a.shape
    eps = np.finfo(np.result_type(a.dtype, b.dtype, np.float32)).eps
    x = np.linalg.pinv(a, rtol=eps * max(m, n) if rcond is None else max(rcond, 0.0)) @ b
    squares = np.square(b - a @ x)
    distances = np.atleast_1d(np.sum(squares, axis=0)) if rank == n < m else squares[:0].ravel()[:0]
    return x, distances, rank, np.linalg.svdvals(a)


# Products and equations


@composed(np.linalg.matrix_power)
def matrix_power(a, n):
    """Xⁿ by repeated squaring, X⁻ⁿ = (X⁻¹)ⁿ; for n = 0 the identity."""
    (a,) = as_arrays(a)
    n = operator.index(n)
    if a.shape[-1:] != a.shape[-2:-1] or a.ndim < 2:
        raise errors.not_square("matrix_power", a)
    if n == 0:
        return Tensor(np.linalg.matrix_power(plain(a), 0))
    square, n, factors = (a if n > 0 else np.linalg.inv(a)), abs(n), []
    while n:
        if n % 2:
            factors.append(square)
        n //= 2
        square = square @ square if n else square
    return functools.reduce(operator.matmul, factors)


@composed(np.linalg.multi_dot)
def multi_dot(arrays):
    """A B C … in the order that takes the fewest multiplications; the ends may be vectors."""
    arrays = as_arrays(*arrays)
    axes = [x.ndim for x in arrays]
    if len(axes) < 2 or not {*axes[1:-1]} <= {2} or not {axes[0], axes[-1]} <= {1, 2}:
        raise errors.no_chain(arrays)
    first, last = arrays[0].ndim == 1, arrays[-1].ndim == 1
    terms = [LETTERS[i : i + 2] for i in range(len(arrays))]
    terms[0], terms[-1] = terms[0][first:], terms[-1][: 2 - last]
    result = LETTERS[0] * (not first) + LETTERS[len(arrays)] * (not last)
    return np.einsum(",".join(terms) + "->" + result, *arrays, optimize=True)


@composed(np.linalg.tensorsolve)
def tensorsolve(a, b, axes=None):
    """X of Σ a X = b, where a's last axes are X's; `axes` are moved to the end of a first."""
    a, b = as_arrays(a, b)
    if axes is not None:
        a = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
    shape = a.shape[b.ndim :]
    if not math.prod(shape) == b.size == a.size**0.5:
        raise errors.not_square("tensorsolve", a)
    return np.linalg.solve(a.reshape(b.size, b.size), b.ravel()).reshape(shape)


@composed(np.linalg.tensorinv)
def tensorinv(a, ind=2):
    """The inverse of a as a matrix of its first `ind` axes and all others."""
    (a,) = as_arrays(a)
    if ind <= 0:
        raise errors.no_axes("tensorinv", ind)
    rows, columns = a.shape[:ind], a.shape[ind:]
    matrix = a.reshape(math.prod(rows), math.prod(columns))
    return np.linalg.inv(matrix).reshape(columns + rows)


@composed(np.linalg.trace)
def trace_of_matrices(x, *, offset=0):
    """The sum of the diagonal of each matrix."""
    return np.trace(x, offset, -2, -1)


@composed(np.linalg.diagonal)
def diagonal_of_matrices(x, *, offset=0):
    """The diagonal of each matrix."""
    return np.diagonal(x, offset, -2, -1)
