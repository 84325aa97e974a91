"""A case for every function of linalg.py: how to draw (arguments, options) for it."""

import itertools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import FULL, MATRICES, array, with_shape

from tinygrad_edu.operations import lengths, linalg, norms, solving

SIDES = st.integers(1, 3)
SPACED = np.array([1.0, 2.2, 3.6])


@st.composite
def multiplied(draw, *ways):
    """Two arrays, written "an,nb": the same letter is the same size, 0 included.

    A way may have options: ("an,nb", {"axes": 1}).
    """
    signature, options = draw(
        st.sampled_from([way if isinstance(way, tuple) else (way, {}) for way in ways])
    )
    sizes = {letter: draw(st.integers(0, 2)) for letter in "abcdn"} | {"3": 3}
    return [
        draw(array(tuple(sizes[letter] for letter in letters))) for letters in signature.split(",")
    ], options


def with_values(values, rows, columns):
    """A matrix with these singular values.

    The seed is one of those around which LAPACK's vectors keep their signs.
    """
    rng = np.random.default_rng(23)
    u, v = (
        np.linalg.qr(rng.uniform(-1.0, 1.0, (n, n)))[0][:, : len(values)] for n in (rows, columns)
    )
    return (u * values) @ v.T


@st.composite
def near(draw, make, count=1):
    """A matrix, or two, near one that `make` gives: values stay apart, signs stay."""
    m = make(*[draw(SIDES) for _ in range(count)])
    return m + draw(array((*draw(st.sampled_from([(), (1,), (2,)])), *m.shape))) / 32


def alone(strategy, **options):
    return strategy.map(lambda x: ([x], options))


SQUARE = near(lambda n: with_values(SPACED[:n], n, n))
ANY = near(lambda m, n: with_values(SPACED[: min(m, n)], m, n), 2)
SYMMETRIC = near(
    lambda n: np.exp(-np.abs(np.subtract.outer(np.arange(n), np.arange(n)))) + np.diag(SPACED[:n])
).map(lambda x: (x + x.mT) / 2)


@st.composite
def equations(draw):
    """A matrix, or a batch, and right-hand sides: a vector, columns, or a batch of columns."""
    a = draw(SQUARE)
    n = a.shape[-1]
    return [a, draw(st.sampled_from([(n,), (n, 2), (2, n, 1)]).flatmap(array))], {}


@st.composite
def einsums(draw):
    """Both forms; letters shared, alone and repeated; dots; sizes 1 that broadcast.

    A result is implied, or in any order.
    """
    terms, dots = (
        draw(st.lists(st.text("ijk", max_size=3), min_size=1, max_size=3)),
        draw(st.booleans()),
    )
    sizes = {letter: draw(SIDES) for letter in "ijk"}
    batch = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=len(terms), max_dims=1, max_side=2)
    ).input_shapes

    def size(c, term):
        return 1 if term.count(c) == 1 and draw(st.integers(0, 3)) == 0 else sizes[c]

    operands = [
        draw(array((*(first if dots else ()), *[size(c, term) for c in term])))
        for first, term in zip(batch, terms, strict=True)
    ]
    results = (
        st.lists(st.sampled_from("".join(terms)), unique=True, max_size=3).map("".join)
        if any(terms)
        else st.just("")
    )
    words = [*terms, *draw(st.just([]) | results.map(lambda result: [result]))]
    if draw(st.booleans()):
        words, n = ["..." * dots + word for word in words], len(operands)
        arguments = [" -> ".join([",".join(words[:n]), *words[n:]]), *operands]
    else:
        lists = [[...] * dots + ["ijk".index(c) for c in word] for word in words]
        arguments = [part for pair in zip(operands, lists, strict=False) for part in pair] + lists[
            len(operands) :
        ]
    return arguments, {"optimize": draw(st.sampled_from([False, True, "optimal"]))}


def few_numbers(case):
    """Second differences are taken of each number with each."""
    return (
        sum(x.size for x in case[0] if isinstance(x, np.ndarray)) <= 16
        and np.size(np.einsum(*case[0])) <= 9
    )


@st.composite
def traced(draw):
    x = draw(
        array(hnp.array_shapes(min_dims=2, max_dims=3, max_side=3)).filter(lambda x: x.size <= 12)
    )
    axis1, axis2 = draw(st.permutations(range(x.ndim)))[:2]
    return [x], {"offset": draw(st.integers(-2, 2)), "axis1": axis1, "axis2": axis2 - x.ndim}


@st.composite
def normed(draw):
    """Numbers of different sizes, none 0; no two rows or columns with the same sum."""
    signs = draw(hnp.arrays(float, (2, 3), elements=st.sampled_from([-1.0, 1.0])))
    x = signs * (1 + np.arange(6).reshape(2, 3) ** 2 / 7 + draw(array((2, 3))) / 32)
    over_one = [(axis, ord) for axis in (0, -1) for ord in (1, 2, 3, 2.5, -1, np.inf, -np.inf)]
    over_two = [(axis, ord) for axis in (None, (1, 0)) for ord in norms.MATRIX_NORMS]
    axis, ord = draw(
        st.sampled_from([(None, None), (0, None), ((0, 1), None), *over_one, *over_two])
    )
    return [x], {"ord": ord, "axis": axis, "keepdims": draw(st.booleans())}


@st.composite
def vector_norms(draw):
    (x,), _ = draw(normed())
    options = {"axis": draw(st.sampled_from([None, 0, -1, (1, 0)]))}
    options["ord"] = draw(st.sampled_from([1, 2, 3, 2.5, -1, np.inf, -np.inf]))
    return [x], options | {"keepdims": draw(st.booleans())}


@st.composite
def matrix_norms(draw):
    (x,), _ = draw(normed())
    return [x], {
        "keepdims": draw(st.booleans()),
        "ord": draw(st.sampled_from([*norms.MATRIX_NORMS])),
    }


def with_eigenvalues(values):
    """A matrix with these eigenvalues, not symmetric."""
    n = len(values)
    columns = np.eye(n) + np.random.default_rng(23).uniform(-0.4, 0.4, (n, n))
    return columns * values @ np.linalg.inv(columns)


REAL_VALUES = near(lambda n: with_eigenvalues(SPACED[:n]))
TALL = ANY.filter(lambda x: x.shape[-2] >= x.shape[-1])


@st.composite
def overdetermined(draw):
    """A matrix and a vector, or some columns, of which none is met exactly."""
    a = draw(
        near(lambda m, n: with_values(SPACED[: min(m, n)], m, n), 2).filter(lambda x: x.ndim == 2)
    )
    return [a, draw(array(draw(st.sampled_from([a.shape[:1], (len(a), 2)]))))], {}


@st.composite
def chained(draw):
    """Matrices that multiply, the first and the last perhaps a vector."""
    sizes = draw(st.lists(st.integers(1, 2), min_size=3, max_size=5))
    arrays = [draw(array(pair)) for pair in itertools.pairwise(sizes)]
    first, last = draw(st.booleans()), draw(st.booleans())
    arrays[0] = arrays[0][0] if first else arrays[0]
    arrays[-1] = arrays[-1][:, 0] if last else arrays[-1]
    return arrays, {}


@st.composite
def equations_of_tensors(draw, inverse=False):
    """A matrix of which rows and columns are several axes, and what it is to give."""
    a = with_values(np.array([1.0, 1.7, 2.2, 3.6]), 4, 4) + draw(array((4, 4))) / 32
    if inverse:
        return draw(
            st.sampled_from([([a.reshape(4, 2, 2)], {"ind": 1}), ([a.reshape(2, 2, 4)], {})])
        )
    b = draw(array((4,)))
    ways = [([a.reshape(4, 2, 2), b], {}), ([a.reshape(2, 2, 4), b.reshape(2, 2)], {})]
    ways.append(([np.moveaxis(a.reshape(4, 2, 2), 1, 0), b], {"axes": (0, 2)}))
    return draw(st.sampled_from(ways))


CASES = {
    np.einsum: einsums().filter(few_numbers),
    np.tensordot: multiplied(
        ("an,nb", {"axes": 1}),
        ("an,an", {}),
        ("a,b", {"axes": 0}),
        ("an,bn", {"axes": (-1, 1)}),
        ("acn,nba", {"axes": ([0, -1], [2, 0])}),
        ("n,anb", {"axes": ([0], [1])}),
    ),
    np.dot: multiplied(
        ",", ",ab", "ab,", "n,n", "an,n", "n,na", "an,nb", "n,anb", "an,bnc", "abn,n", "abn,cnd"
    ),
    np.inner: multiplied(",", "ab,", "n,n", "an,n", "n,an", "an,bn", "abn,cn"),
    np.vdot: multiplied(",", "n,n", "an,an"),
    np.outer: multiplied("a,b", "ab,c", ",a"),
    np.vecdot: multiplied(
        "n,n",
        "an,n",
        "an,an",
        ("nab,nb", {"axis": 0}),
        ("bna,na", {"axis": -2}),
        ("n,nab", {"axis": 0}),
    ),
    np.kron: multiplied(",", ",ab", "a,b", "ab,cd", "ab,c", "a,bcd"),
    np.cross: multiplied(
        "3,3",
        "3,a3",
        "ab3,b3",
        ("3a,3a", {"axis": 0}),
        ("3,3a", {"axisb": 0}),
        ("3a,ba3", {"axisa": 0, "axisc": 1}),
        ("a3b,3", {"axisa": -2, "axisc": 0}),
    ),
    linalg.cross: multiplied("3,3", "3,a3", "a3,a3"),
    np.trace: traced(),
    np.linalg.tensordot: multiplied("abc,bcd"),
    np.linalg.vecdot: multiplied("an,n"),
    np.linalg.outer: multiplied("a,b"),
    np.linalg.cross: multiplied("a3,a3"),
    np.linalg.matmul: multiplied("an,nb", "can,nb"),
    np.linalg.matrix_transpose: with_shape(array(FULL.filter(lambda shape: len(shape) > 1))),
    np.linalg.norm: normed(),
    lengths.root: st.tuples(array(FULL, (0.5, 2.0)), st.sampled_from([3, 1.5, 0.5, -1])).map(
        lambda drawn: ([drawn[0]], {"p": drawn[1]})
    ),
    np.linalg.solve: equations(),
    np.linalg.inv: alone(SQUARE),
    np.linalg.det: alone(SQUARE),
    linalg.slogdet: alone(SQUARE),
    np.linalg.slogdet: alone(SQUARE),
    linalg.cholesky: alone(SYMMETRIC) | alone(SYMMETRIC, upper=True),
    np.linalg.cholesky: alone(SYMMETRIC) | alone(SYMMETRIC, upper=True),
    linalg.eigh: alone(SYMMETRIC),
    np.linalg.eigh: alone(SYMMETRIC) | alone(SYMMETRIC, UPLO="U"),
    np.linalg.eigvalsh: alone(SYMMETRIC) | alone(SYMMETRIC, UPLO="U"),
    linalg.svd: alone(ANY),
    np.linalg.svd: alone(ANY, full_matrices=False)
    | alone(SQUARE)
    | alone(SYMMETRIC, hermitian=True),
    np.linalg.svdvals: alone(ANY),
    solving.qr: alone(TALL),
    np.linalg.qr: alone(ANY) | alone(SQUARE, mode="complete") | alone(ANY, mode="r"),
    solving.eig: alone(REAL_VALUES),
    np.linalg.eig: alone(REAL_VALUES),
    np.linalg.eigvals: alone(REAL_VALUES),
    solving.pinv: alone(ANY),
    np.linalg.pinv: alone(ANY) | alone(ANY, rcond=1e-3) | alone(SYMMETRIC, hermitian=True),
    np.linalg.lstsq: overdetermined(),
    np.linalg.matrix_power: with_shape(SQUARE, lambda x: st.sampled_from([-2, -1, 1, 2, 3, 5])),
    np.linalg.multi_dot: chained(),
    np.linalg.tensorsolve: equations_of_tensors(),
    np.linalg.tensorinv: equations_of_tensors(inverse=True),
    np.matvec: multiplied("an,n", "ban,bn"),
    np.vecmat: multiplied("n,na", "bn,bna"),
    np.linalg.cond: with_shape(SQUARE, lambda x: st.sampled_from([None, -2, 1, "fro"])),
    np.linalg.trace: with_shape(array(MATRICES)),
    np.linalg.diagonal: with_shape(array(MATRICES)),
    np.linalg.vector_norm: vector_norms(),
    np.linalg.matrix_norm: matrix_norms(),
    linalg.vectors: alone(SYMMETRIC.map(linalg.eigh) | ANY.map(linalg.svd)),
}
