"""A case for every entry of the registry: how to draw arguments for it. Data; the tests are in test_derivatives.py."""

import operator

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_edu import derivatives, special
from tinygrad_edu.engine import REGISTRY, Operation

OPERATIONS = {function: run for function, run in REGISTRY.items() if isinstance(run, Operation)}
# Kinks and poles are kept away from by drawing from a grid that avoids them, plus the same offset for all: no two numbers
# are closer than 1/8 unless they are equal, and numerical steps are a thousand times smaller.
GRID = 0.125


def numbers(low=-np.inf, high=np.inf):
    """Multiples of 1/8 in an open interval, between −2 and 2 where it has no bound, never 0 unless 0 is its inside."""
    low = max(low, -2.0) if np.isfinite(low) else -2.0
    high = min(high, 2.0) if np.isfinite(high) else low + 4.0
    return st.integers(round(low / GRID) + 1, round(high / GRID) - 1).map(lambda n: n * GRID)


def array(shape, domain=(-np.inf, np.inf), unique=False):
    return hnp.arrays(np.float64, shape, elements=numbers(*domain), unique=unique)


def without_zero(arrays):
    return arrays.map(lambda x: np.where(x == 0, 0.375, x))


SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


@st.composite
def elementwise(draw, count, domain=(), prepare=lambda x: x):
    """`count` arrays that broadcast, with axes of size 0 and 1 and without axes."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3)).input_shapes
    domain = domain or ((-np.inf, np.inf),) * count
    return [draw(prepare(array(shape, interval))) for shape, interval in zip(shapes, domain, strict=True)], {}


@st.composite
def apart(draw):
    """Two arrays that broadcast and have no number in common: off the kink of maximum and minimum."""
    (x, y), options = draw(elementwise(2))
    return [x, y + GRID / 2], options


@st.composite
def reduction(draw, unique=False, most_axes=3):
    x = draw(array(FULL if unique else SHAPES, unique=unique).filter(lambda x: x.size <= 12))
    axes = st.none() | st.sets(st.integers(0, max(x.ndim - 1, 0)), min_size=1, max_size=most_axes).map(tuple)
    axis = draw(axes if x.ndim else st.none())
    if axis and draw(st.booleans()): axis = axis[0] - x.ndim
    return [x], {"axis": axis, "keepdims": draw(st.booleans())}


@st.composite
def along_one_axis(draw):
    x = draw(array(FULL))
    return [x], {"axis": draw(st.integers(-x.ndim, x.ndim - 1))}


@st.composite
def products(draw):
    """Vectors, matrices and stacks of them that multiply."""
    shapes = draw(hnp.mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", max_dims=1, max_side=3)).input_shapes
    return [draw(array(shape)) for shape in shapes], {}


@st.composite
def indexed(draw):
    x = draw(array(FULL))
    index = draw(hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True)
                 | hnp.integer_array_indices(x.shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
                 | hnp.arrays(bool, x.shape))
    return [x, index], {}


@st.composite
def scattered(draw):
    (x, index), _ = draw(indexed())
    return [draw(array(np.shape(x[index]))), index, x.shape], {}


@st.composite
def joined(draw):
    shape, axis = draw(FULL), draw(st.integers(0, 2))
    axis = axis % len(shape)
    sizes = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
    return ([draw(array((*shape[:axis], size, *shape[axis + 1:]))) for size in sizes],
            {"axis": draw(st.sampled_from([axis, axis - len(shape)]))})


@st.composite
def linear_layer(draw):
    batch = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    n, m = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return [draw(array((*batch, n))), draw(array((m, n))), draw(array((m,)))], {}


def with_shape(strategy, *make):
    """x, and further arguments that are drawn knowing x."""
    @st.composite
    def arguments(draw):
        x = draw(strategy)
        return [x, *[draw(m(x)) for m in make]], {}
    return arguments()


def axis_of(x): return st.integers(-x.ndim, x.ndim - 1)


CASES = {
    np.divide: elementwise(2, prepare=without_zero),
    np.reciprocal: elementwise(1, prepare=without_zero),
    np.absolute: elementwise(1, prepare=without_zero),
    np.maximum: apart(), np.minimum: apart(),
    np.where: elementwise(3).map(lambda case: ([case[0][0] > 0, *case[0][1:]], {})),
    np.sum: reduction(), np.max: reduction(unique=True), np.min: reduction(unique=True),
    special.logsumexp: reduction(most_axes=1).filter(lambda case: case[0][0].size),
    np.reshape: with_shape(array(SHAPES), lambda x: st.sampled_from([-1, x.shape, x.shape[::-1], (1, *x.shape)]).filter(
        lambda shape: x.size or shape != -1)),
    np.ravel: with_shape(array(SHAPES)), np.ndarray.flatten: with_shape(array(SHAPES)),
    np.expand_dims: with_shape(array(SHAPES), lambda x: st.integers(-x.ndim - 1, x.ndim)),
    np.squeeze: with_shape(array(SHAPES)),
    np.swapaxes: with_shape(array(FULL), axis_of, axis_of),
    np.matrix_transpose: with_shape(array(FULL.filter(lambda shape: len(shape) > 1))),
    np.transpose: with_shape(array(SHAPES), lambda x: st.none() | st.permutations(range(-x.ndim, 0)) |
                             st.permutations(range(x.ndim))),
    np.broadcast_to: with_shape(array(SHAPES), lambda x: st.sampled_from([x.shape, (2, *x.shape)])),
    np.ndarray.astype: with_shape(array(SHAPES), lambda x: st.just(np.float64)),
    operator.getitem: indexed(), derivatives.scatter: scattered(), derivatives.join: joined(), np.matmul: products(),
    special.linear: linear_layer(), special.softmax: along_one_axis(), special.log_softmax: along_one_axis(),
    special.sigmoid: elementwise(1), special.relu: elementwise(1, prepare=without_zero),
}


def case(function):
    """How to draw (arguments, options) for an entry of the registry; a ufunc off its kinks and poles draws from its domain."""
    if function in CASES: return CASES[function]
    if isinstance(function, np.ufunc): return elementwise(function.nin, OPERATIONS[function].domain)
    raise KeyError(f"{OPERATIONS[function].name} is in the registry and has no case here: add one")
