"""A case for every entry of the registry: how to draw arguments for it.

Data only; the tests are in test_derivatives.py.
"""

import functools
import operator

import cases_linalg
import cases_numpy
import cases_special
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import (
    FULL,
    GRID,
    MATRICES,
    SHAPES,
    array,
    axis_of,
    divided,
    elementwise,
    reduction,
    with_shape,
    without_zero,
)

from tinygrad_edu import special
from tinygrad_edu.core import derivatives
from tinygrad_edu.core.engine import REGISTRY, Operation, plain
from tinygrad_edu.operations import constants, lengths

WITHOUT_GRAPH = {f: run for f, run in REGISTRY.items() if isinstance(run, functools.partial)}
STEPS = {  # piecewise constant
    f: run
    for f, run in WITHOUT_GRAPH.items()
    if f not in (*constants.OF_CONSTANTS, *constants.WRITING)
}
OURS = {
    f: f
    for name in special.__all__
    if (f := getattr(special, name)) not in REGISTRY and f is not special.dropout
}
ENTRIES = {function: run for function, run in REGISTRY.items() if function not in WITHOUT_GRAPH}
ENTRIES |= OURS
OPERATIONS = {function: run for function, run in ENTRIES.items() if isinstance(run, Operation)}
TAKE_A_LIST = {np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack}
TAKE_A_LIST |= {np.linalg.multi_dot, np.block}


def together(results):
    """The floating-point numbers of all results in a row; one result as it is."""
    if not isinstance(results, list | tuple):
        return results
    return np.concatenate([np.ravel(x) for x in results if np.asarray(plain(x)).dtype.kind == "f"])


def as_called(function, args):
    """The arguments as the function takes them: arrays that NumPy wants in a list in a list."""
    if function in TAKE_A_LIST:
        return [list(args)]
    if function is np.choose:
        return [args[0], list(args[1:])]
    if function is np.piecewise:
        n = (len(args) - 1) // 2
        return [args[0], list(args[1 : n + 1]), list(args[n + 1 :])]
    if function is np.select:
        return [list(args[: len(args) // 2]), list(args[len(args) // 2 :])]
    return list(args)


def call(function, *args, **options):
    """function(*args), all that it returns in one array."""
    return together(REGISTRY.get(function, function)(*as_called(function, args), **options))


@st.composite
def apart(draw):
    """Two arrays that broadcast and have no number in common: off the kink of maximum, minimum."""
    (x, y), options = draw(elementwise(2))
    return [x, y + GRID / 2], options


@st.composite
def inside_and_outside(draw):
    """x off both bounds, the lower below the upper."""
    (x, low, high), options = draw(elementwise(3))
    return [x + GRID / 2, np.minimum(low, high.min(initial=2)) - GRID, high], options


def far_from_a_jump(case):
    """x/y is no whole number, nor near one."""
    x, y = case[0]
    ratio = x / y
    return np.abs(ratio - np.round(ratio)).min(initial=1) > 0.04


def scan():
    """An array and one of its axes, or none."""
    return with_shape(array(SHAPES), lambda x: st.none() | axis_of(x) if x.ndim else st.none())


@st.composite
def weighted(draw):
    """np.average's arguments: weights of x's shape, or of the axis's."""
    x = draw(array(FULL))
    axis = draw(
        st.none() | axis_of(x) | st.permutations(range(x.ndim)).map(lambda axes: tuple(axes[:2]))
    )
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    shape = draw(
        st.sampled_from([x.shape, *([tuple(x.shape[a] for a in axes)] if axis is not None else [])])
    )
    return [x, axis, draw(array(shape, (0, 2)))], {"keepdims": draw(st.booleans())}


@st.composite
def differences(draw):
    x = draw(array(FULL))
    axis = draw(axis_of(x))
    one = tuple(1 if a == axis % x.ndim else size for a, size in enumerate(x.shape))
    ends = draw(st.lists(array(()) | array(one), max_size=2))
    return [x, draw(st.integers(0, 2)), axis, *ends], {}


@st.composite
def integrand(draw):
    y = draw(array(FULL))
    axis = draw(axis_of(y))
    x = draw(st.none() | array(y.shape) | array((y.shape[axis],)))
    return [y, x, draw(array(()))], {"axis": axis}


@st.composite
def taken(draw):
    x = draw(array(FULL))
    axis = draw(st.none() | axis_of(x))
    size = x.size if axis is None else x.shape[axis]
    shapes = hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)
    return [x, draw(hnp.arrays(int, shapes, elements=st.integers(-size, size - 1))), axis], {}


@st.composite
def taken_along_axis(draw):
    x = draw(array(FULL))
    axis = draw(axis_of(x))
    shape = tuple(3 if a == axis % x.ndim else size for a, size in enumerate(x.shape))
    return [x, draw(hnp.arrays(int, shape, elements=st.integers(0, x.shape[axis] - 1))), axis], {}


@st.composite
def repeated(draw):
    x = draw(array(FULL))
    axis = draw(st.none() | axis_of(x))
    size = x.size if axis is None else x.shape[axis]
    return [
        x,
        draw(st.integers(0, 3) | hnp.arrays(int, size, elements=st.integers(0, 2))),
        axis,
    ], {}


@st.composite
def alike(draw, shapes=FULL, axis=None):
    """Some arrays of one shape, to be stacked."""
    shape = draw(shapes)
    arrays = [draw(array(shape)) for _ in range(draw(st.integers(1, 3)))]
    return arrays, {} if axis is None else {"axis": draw(st.integers(-len(shape) - 1, len(shape)))}


@st.composite
def products(draw):
    """Vectors, matrices and stacks of them that multiply."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(
            signature="(m?,n),(n,p?)->(m?,p?)", max_dims=1, max_side=3
        )
    ).input_shapes
    return [draw(array(shape)) for shape in shapes], {}


@st.composite
def indexed(draw):
    x = draw(array(FULL))
    index = draw(
        hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True)
        | hnp.integer_array_indices(x.shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
        | hnp.arrays(bool, x.shape)
    )
    return [x, index], {}


@st.composite
def scattered(draw):
    (x, index), _ = draw(indexed())
    return (
        [draw(array(np.shape(x[index]))) for _ in range(2)],
        {"indices": (index, index), "shape": x.shape},
    )


@st.composite
def joined(draw):
    shape, axis = draw(FULL), draw(st.integers(0, 2))
    axis = axis % len(shape)
    sizes = draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))
    return (
        [draw(array((*shape[:axis], size, *shape[axis + 1 :]))) for size in sizes],
        {"axis": draw(st.sampled_from([axis, axis - len(shape)]))},
    )


AS_FLOATS = with_shape(array(SHAPES), lambda x: st.just(np.float64))

CASES = (
    {
        np.divide: elementwise(2, prepare=without_zero),
        np.reciprocal: elementwise(1, prepare=without_zero),
        np.absolute: elementwise(1, prepare=without_zero),
        np.tan: elementwise(1, domain=((-1.5, 1.5),)),
        np.fabs: elementwise(1, prepare=without_zero),
        np.cbrt: elementwise(1, prepare=without_zero),
        np.maximum: apart(),
        np.minimum: apart(),
        np.fmax: apart(),
        np.fmin: apart(),
        np.remainder: elementwise(2, prepare=without_zero).filter(far_from_a_jump),
        np.fmod: elementwise(2, prepare=without_zero).filter(far_from_a_jump),
        np.divmod: elementwise(2, prepare=without_zero).filter(far_from_a_jump),
        np.arctan2: elementwise(2, prepare=without_zero),
        np.hypot: elementwise(2, prepare=without_zero),
        derivatives.clip: inside_and_outside(),
        np.clip: inside_and_outside(),
        np.sinc: elementwise(1),
        np.nan_to_num: elementwise(1),
        np.where: elementwise(3).map(lambda case: ([case[0][0] > 0, *case[0][1:]], {})),
        derivatives.where: elementwise(3).map(lambda c: ([c[0][0] > 0, *c[0][1:]], {})),
        np.sum: reduction(),
        np.prod: reduction(),
        np.nansum: reduction(),
        np.max: reduction(unique=True),
        np.min: reduction(unique=True),
        np.ptp: reduction(unique=True),
        np.amax: reduction(unique=True),
        np.amin: reduction(unique=True),
        np.median: reduction(unique=True),
        np.mean: reduction(shapes=FULL),
        np.nanmean: reduction(shapes=FULL),
        np.var: reduction(shapes=FULL),
        np.std: reduction(
            unique=True, shapes=hnp.array_shapes(min_dims=1, max_dims=2, min_side=2, max_side=3)
        ),
        lengths.norm: reduction(prepare=without_zero).filter(lambda case: case[0][0].size),
        np.average: weighted(),
        np.diff: differences(),
        np.trapezoid: integrand(),
        np.cumsum: scan(),
        np.cumprod: scan(),
        np.reshape: with_shape(
            array(SHAPES | hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=3)),
            lambda x: st.sampled_from([-1, x.shape, x.shape[::-1], (1, *x.shape)]).filter(
                lambda shape: x.size or shape != -1
            ),
        ),
        np.ravel: with_shape(array(SHAPES)),
        np.ndarray.flatten: with_shape(array(SHAPES)),
        np.expand_dims: with_shape(array(SHAPES), lambda x: st.integers(-x.ndim - 1, x.ndim)),
        np.squeeze: with_shape(array(SHAPES)),
        np.swapaxes: with_shape(array(FULL), axis_of, axis_of),
        np.matrix_transpose: with_shape(array(FULL.filter(lambda shape: len(shape) > 1))),
        np.transpose: with_shape(
            array(SHAPES),
            lambda x: (
                st.none() | st.permutations(range(-x.ndim, 0)) | st.permutations(range(x.ndim))
            ),
        ),
        np.full_like: elementwise(2).filter(
            lambda case: np.broadcast_shapes(*map(np.shape, case[0])) == np.shape(case[0][0])
        ),
        np.broadcast_to: with_shape(
            array(SHAPES), lambda x: st.sampled_from([x.shape, (2, *x.shape)])
        ),
        np.ndarray.astype: AS_FLOATS,
        getattr(np, "astype", np.ndarray.astype): AS_FLOATS,
        np.moveaxis: with_shape(
            array(FULL),
            lambda x: st.permutations(range(x.ndim)).map(lambda axes: axes[:2]),
            lambda x: st.permutations(range(-x.ndim, 0)).map(lambda axes: axes[:2]),
        ),
        np.rollaxis: with_shape(array(FULL), axis_of, axis_of),
        np.copy: with_shape(array(SHAPES)),
        np.flip: with_shape(array(FULL), lambda x: st.none() | axis_of(x)),
        np.fliplr: with_shape(array(MATRICES)),
        np.flipud: with_shape(array(FULL)),
        np.rot90: with_shape(array(MATRICES), lambda x: st.integers(-1, 3)),
        np.roll: with_shape(
            array(FULL), lambda x: st.integers(-4, 4), lambda x: st.none() | axis_of(x)
        ),
        np.repeat: repeated(),
        np.tile: with_shape(
            array(FULL), lambda x: st.integers(1, 2) | st.tuples(st.integers(1, 2), st.just(2))
        ),
        np.take: taken(),
        np.take_along_axis: taken_along_axis(),
        np.diag: with_shape(
            array(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3)),
            lambda x: st.integers(-2, 2),
        ),
        np.diagonal: with_shape(array(MATRICES), lambda x: st.integers(-1, 1)),
        np.tril: with_shape(array(MATRICES), lambda x: st.integers(-1, 1)),
        np.triu: with_shape(array(MATRICES), lambda x: st.integers(-1, 1)),
        np.sort: with_shape(array(FULL, unique=True), lambda x: st.none() | axis_of(x)),
        np.append: alike().map(lambda case: ([case[0][0], case[0][-1]], {})),
        np.concatenate: joined(),
        np.stack: alike(axis=True),
        np.vstack: alike(),
        np.hstack: alike(),
        np.dstack: alike(),
        np.column_stack: alike(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3)),
        np.atleast_1d: alike(SHAPES),
        np.atleast_2d: alike(SHAPES),
        np.atleast_3d: alike(SHAPES),
        np.split: divided(even=True),
        np.array_split: divided(),
        np.vsplit: divided(axis=0, even=True),
        np.hsplit: divided(axis=1, even=True),
        operator.getitem: indexed(),
        derivatives.scatter: scattered(),
        derivatives.concatenate: joined(),
        derivatives.stack: alike(axis=True),
        np.matmul: products(),
    }
    | cases_linalg.CASES
    | cases_numpy.CASES
    | cases_special.CASES
)


# Functions of single numbers, one of each argument: these are checked to third order
ELEMENTWISE = [f for f in ENTRIES if isinstance(f, np.ufunc) and not f.signature] + [
    np.where,
    np.clip,
    np.sinc,
    np.nan_to_num,
    special.sigmoid,
    special.log_sigmoid,
    special.relu,
    special.leaky_relu,
    special.elu,
    special.silu,
    special.softplus,
    special.gelu,
]


def case(function):
    """How to draw (arguments, options) for an entry of the registry.

    Without a case, a ufunc draws from its domain.
    """
    if function in CASES:
        return CASES[function]
    if isinstance(function, np.ufunc):
        return elementwise(function.nin, OPERATIONS[function].domain)
    raise KeyError(f"{function.__name__} is in the registry and has no case here: add one")
