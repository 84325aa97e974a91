"""NumPy's functions of polynomials, given by their coefficients, the highest power's first."""

from __future__ import annotations

import numpy as np

from tinygrad_edu.core.engine import Tensor, plain
from tinygrad_edu.operations import errors
from tinygrad_edu.operations.composed import as_arrays, composed


@composed(np.polyval)
def polyval(p, x):
    """Σ pᵢ xⁿ⁻ⁱ by Horner's rule: ((p₀ x + p₁) x + p₂) x + …."""
    p, x = as_arrays(p, x)
    z = np.zeros_like(plain(x))
    for coefficient in p:
        z = z * x + coefficient
    return z


def padded_alike(p, q):
    """Two lists of coefficients, the shorter with zeros in front."""
    p, q = [np.atleast_1d(x) for x in as_arrays(p, q)]
    n = max(len(p), len(q))
    return [np.concatenate([np.zeros(n - len(x), x.dtype), x]) for x in (p, q)]


@composed(np.polyadd)
def polyadd(a1, a2):
    """The coefficients of p + q."""
    p, q = padded_alike(a1, a2)
    return p + q


@composed(np.polysub)
def polysub(a1, a2):
    """The coefficients of p − q."""
    p, q = padded_alike(a1, a2)
    return p - q


@composed(np.polymul)
def polymul(a1, a2):
    """The coefficients of p q: their convolution."""
    p, q = [np.trim_zeros(np.atleast_1d(x), "f") for x in as_arrays(a1, a2)]
    p, q = [x if x.size else np.zeros(1, x.dtype) for x in (p, q)]
    return np.convolve(p, q)


@composed(np.polydiv)
def polydiv(u, v):
    """The coefficients of the quotient of u by v, and of the rest."""
    u, v = [np.atleast_1d(x) + 0.0 for x in as_arrays(u, v)]
    scale, quotient, before = 1.0 / v[0], [], []
    while len(u) >= len(v):
        quotient.append(scale * u[0])
        before.append(u[:1] - quotient[-1] * v[:1])  # 0, but for rounding
        u = np.concatenate([u[1 : len(v)] - quotient[-1] * v[1:], u[len(v) :]])
    rest = np.concatenate([*before, u])
    kept = np.flatnonzero(~np.isclose(rest, 0.0, rtol=1e-14))  # NumPy leaves out leading zeros
    rest = rest[min(kept[0] if kept.size else len(rest), len(rest) - 1) :]
    return np.stack(quotient) if quotient else rest[:1] * 0.0, rest


@composed(np.polyder)
def polyder(p, m=1):
    """The coefficients of the mth derivative."""
    if m < 0:
        raise errors.negative_times(m)
    (p,) = as_arrays(p)
    for _ in range(m):
        n = len(p) - 1
        p = p[:-1] * np.arange(n, 0, -1)
    return p


@composed(np.polyint)
def polyint(p, m=1, k=None):
    """The coefficients of the mth integral, with the constants k, by default 0."""
    if m < 0:
        raise errors.negative_times(m)
    (p,) = as_arrays(p)
    constants = np.zeros(m) if k is None else np.broadcast_to(np.atleast_1d(as_arrays(k)[0]), (m,))
    for i in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[i : i + 1]])
    return p


@composed(np.poly)
def poly(seq_of_zeros):
    """The coefficients of Π (x − rᵢ); of a matrix, r are its eigenvalues."""
    (zeros,) = as_arrays(seq_of_zeros)
    type_ = np.asarray(
        np.poly(np.zeros_like(plain(zeros)))
    ).dtype  # NumPy refuses what does not fit
    if zeros.ndim == 2:
        zeros = np.linalg.eigvals(zeros)
    p = np.ones(1, type_)
    for zero in np.atleast_1d(zeros.astype(type_)):
        p = np.convolve(p, np.stack([np.ones_like(zero), -zero]))
    return p if zeros.size else p[0]


@composed(np.roots)
def roots(p):
    """The zeros of the polynomial, if all of them are real: eigenvalues of its companion matrix."""
    (p,) = as_arrays(p)
    if p.ndim != 1:
        raise errors.not_a_vector("roots", p)
    filled = np.flatnonzero(p)
    if not filled.size:
        return Tensor(np.zeros(0))
    p, zeros = p[filled[0] : filled[-1] + 1], len(p) - 1 - filled[-1]
    if len(p) < 2:
        return Tensor(np.zeros(zeros))
    top = (-p[1:] / p[0])[None]
    companion = np.concatenate([top, np.eye(len(p) - 2, len(p) - 1, dtype=top.dtype)])
    return np.concatenate([np.linalg.eigvals(companion), np.zeros(zeros, top.dtype)])


@composed(np.polyfit)
def polyfit(x, y, deg, rcond=None, *, w=None):
    """The coefficients whose polynomial is next to the points (x, y): Σ w² (y − p(x))² is least."""
    x, y = [v + 0.0 for v in as_arrays(x, y)]
    np.polyfit(plain(x), plain(y), deg, rcond, w=None if w is None else plain(w))
    powers = np.vander(x, deg + 1)
    if w is not None:
        (w,) = as_arrays(w)
        powers, y = powers * w[:, None], y * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(np.square(powers), axis=0))
    cut = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    return (np.linalg.lstsq(powers / scale, y, cut)[0].T / scale).T
