"""How to draw arguments for a function: numbers on a grid, arrays that broadcast, reductions.

The cases are made of these.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# Numbers come from a grid that avoids kinks and poles. So no two are closer than 1/8 unless they
# are equal, and numerical steps are a thousand times smaller.
GRID = 0.125


def numbers(low=-np.inf, high=np.inf):
    """Multiples of 1/8 in an open interval, between −2 and 2 where it has no bound.

    Never 0, unless 0 is inside.
    """
    low = max(low, -2.0) if np.isfinite(low) else -2.0
    high = min(high, 2.0) if np.isfinite(high) else low + 4.0
    return st.integers(round(low / GRID) + 1, round(high / GRID) - 1).map(lambda n: n * GRID)


def array(shape, domain=(-np.inf, np.inf), unique=False):
    return hnp.arrays(np.float64, shape, elements=numbers(*domain), unique=unique)


def without_zero(arrays):
    return arrays.map(lambda x: np.where(x == 0, 0.375, x))


SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
FULL = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)
MATRICES = hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=3)


@st.composite
def elementwise(draw, count, domain=(), prepare=lambda x: x):
    """`count` arrays that broadcast, with axes of size 0 and 1 and without axes."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=3)
    ).input_shapes
    domain = domain or ((-np.inf, np.inf),) * count
    return [
        draw(prepare(array(shape, interval)))
        for shape, interval in zip(shapes, domain, strict=True)
    ], {}


@st.composite
def reduction(draw, unique=False, most_axes=3, shapes=None, prepare=lambda x: x, **more):
    shapes = shapes if shapes is not None else FULL if unique else SHAPES
    x = draw(prepare(array(shapes, unique=unique).filter(lambda x: x.size <= 12)))
    axes = st.none() | st.sets(
        st.integers(0, max(x.ndim - 1, 0)), min_size=1, max_size=most_axes
    ).map(tuple)
    axis = draw(axes if x.ndim else st.none())
    if axis and draw(st.booleans()):
        axis = axis[0] - x.ndim
    return [x], {
        "axis": axis,
        "keepdims": draw(st.booleans()),
        **{key: draw(value) for key, value in more.items()},
    }


@st.composite
def along_one_axis(draw):
    x = draw(array(FULL))
    return [x], {"axis": draw(st.integers(-x.ndim, x.ndim - 1))}


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


def axis_of(x):
    return st.integers(-x.ndim, x.ndim - 1)


@st.composite
def divided(draw, axis=None, even=False):
    """An array and where to cut it."""
    x = draw(
        array(
            hnp.array_shapes(
                min_dims=1 if axis is None else max(2, axis + 1), max_dims=3, max_side=4
            )
        )
    )
    along = draw(axis_of(x)) if axis is None else axis
    size = x.shape[along]
    parts = st.sampled_from([n for n in range(1, 5) if not even or size % n == 0]) | st.lists(
        st.integers(0, size), max_size=3
    )
    return [x, draw(parts), *([along] if axis is None else [])], {}
