"""A case for each function of `special`, and for what it is made of: how to draw arguments.

Data only.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import FULL, array, elementwise, linear_layer, reduction, without_zero

from tinygrad_edu import special
from tinygrad_edu.operations import convolution

PAIRS = st.tuples(st.integers(1, 2), st.integers(1, 2))
STACKS = st.sampled_from([(), (2,), (1, 2)])  # what may stand before height and width
BATCHES = st.sampled_from([(0, 1), (1, 1), (2, 1), (1, 2)])  # images and channels


def with_options(strategy, **options):
    """A case with options drawn as well."""
    return st.tuples(strategy, st.fixed_dictionaries(options)).map(
        lambda drawn: (drawn[0][0], drawn[0][1] | drawn[1])
    )


@st.composite
def along_axes(draw):
    x = draw(array(FULL.filter(lambda shape: np.prod(shape) <= 12)))
    axes = st.sets(st.integers(0, x.ndim - 1), min_size=1).map(tuple)
    return [x], {"axis": draw(st.integers(-x.ndim, x.ndim - 1) | axes)}


@st.composite
def images_and_windows(draw, unique=False, before=STACKS):
    """Images and windows that fit into them: x, kernel, stride, dilation.

    Up to one row and column are left over.
    """
    kernel, stride, dilation, (rows, columns) = draw(st.tuples(PAIRS, PAIRS, PAIRS, PAIRS))
    size = [
        (n - 1) * s + (k - 1) * d + 1 + draw(st.integers(0, 1))
        for n, k, s, d in zip((rows, columns), kernel, stride, dilation, strict=True)
    ]
    x = array((*draw(before), *size), unique=unique).filter(lambda x: x.size <= 30)
    return [draw(x), kernel, stride, dilation], {}


@st.composite
def windows_to_lay_back(draw):
    (x, *where), _ = draw(images_and_windows())
    return [draw(array(convolution.windows(x, *where).shape)), x.shape[-2:], *where[1:]], {}


@st.composite
def pool(draw, unique=False):
    (x, kernel, stride, _), _ = draw(images_and_windows(unique, BATCHES))
    return [x, draw(st.sampled_from([kernel, min(kernel)]))], {
        "stride": draw(st.sampled_from([None, stride, max(stride)]))
    }


@st.composite
def convolutions(draw):
    groups, per_group, filters = draw(
        st.sampled_from([(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 1, 2), (2, 2, 1)])
    )
    kernel, padding = draw(PAIRS), draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    size = [
        draw(st.integers(2 * k - 1, 3)) for k in kernel
    ]  # with a dilation of 2 a kernel of 2 reaches over 3
    x = draw(array((draw(st.integers(0, 2)), groups * per_group, *size)))
    arguments = [x, draw(array((groups * filters, per_group, *kernel)))]
    if draw(st.booleans()):
        arguments.append(draw(array((groups * filters,))))
    return arguments, {
        "stride": draw(PAIRS | st.just(2)),
        "padding": padding,
        "dilation": draw(PAIRS),
        "groups": groups,
    }


@st.composite
def pairs(draw):
    x = draw(array(FULL))
    return [x, draw(array(x.shape))], {}


@st.composite
def classified(draw):
    log_p = draw(array(st.tuples(st.integers(1, 3), st.integers(1, 3))))
    return [
        log_p,
        draw(hnp.arrays(np.int64, len(log_p), elements=st.integers(0, log_p.shape[1] - 1))),
    ], {}


def in_one_axis(case):
    """A case for images as one for signals: their first row, the second of each pair."""
    arguments, options = case
    arguments = [x[..., 0, :] if np.ndim(x) == 4 else second(x) for x in arguments]
    return arguments, {name: second(value) for name, value in options.items()}


def second(pair):
    return pair[1] if isinstance(pair, tuple) else pair


@st.composite
def transposed_convolutions(draw):
    groups, per_group, filters = draw(st.sampled_from([(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 1, 2)]))
    kernel, stride = draw(PAIRS), draw(PAIRS)
    x = draw(array((draw(st.integers(0, 2)), groups * per_group, *draw(PAIRS))))
    arguments = [x, draw(array((groups * per_group, filters, *kernel)))]
    if draw(st.booleans()):
        arguments.append(draw(array((groups * filters,))))
    return arguments, {
        "stride": stride,
        "padding": tuple(draw(st.integers(0, (k - 1) // 2)) for k in kernel),
        "output_padding": tuple(draw(st.integers(0, s - 1)) for s in stride),
        "dilation": draw(PAIRS),
        "groups": groups,
    }


@st.composite
def adaptive(draw):
    sizes = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    x = draw(array((*draw(STACKS), *draw(st.tuples(st.integers(1, 3), st.integers(1, 3))))))
    return [x, sizes], {}


@st.composite
def look_up(draw):
    weight = draw(array((draw(st.integers(1, 3)), draw(st.integers(1, 3)))))
    row = st.integers(0, len(weight) - 1)
    return [
        draw(row.map(np.array) | st.lists(row, max_size=4).map(lambda rows: np.array(rows, int))),
        weight,
    ], {}


def seeded_dropout(x, p, seed):
    """The same numbers dropped at every call, so that it is a function."""
    return special.dropout(x, p, rng=np.random.default_rng(seed))


CASES = {
    special.squared_error: pairs(),
    special.nll: classified(),
    special.linear: linear_layer(),
    special.sigmoid: elementwise(1),
    special.relu: elementwise(1, prepare=without_zero),
    special.logsumexp: reduction(most_axes=2).filter(lambda case: case[0][0].size),
    special.softmax: along_axes(),
    special.log_softmax: along_axes(),
    special.normal_cdf: elementwise(1),
    special.normal_pdf: elementwise(1),
    special.softplus: elementwise(1),
    special.log_sigmoid: elementwise(1),
    special.silu: elementwise(1),
    special.gated: elementwise(2),
    special.leaky_relu: with_options(
        elementwise(1, prepare=without_zero), negative_slope=st.sampled_from([0.01, 0.5, 2.0])
    ),
    special.elu: with_options(
        elementwise(1, prepare=without_zero), alpha=st.sampled_from([0.5, 1.0, 2.0])
    ),
    special.gelu: with_options(elementwise(1), approximate=st.sampled_from(["none", "tanh"])),
    seeded_dropout: with_options(
        elementwise(1), p=st.sampled_from([0.0, 0.25, 0.5, 1.0]), seed=st.integers(0, 9)
    ),
    special.embedding: look_up(),
    special.conv2d: convolutions(),
    special.max_pool2d: pool(unique=True),
    special.avg_pool2d: pool(),
    special.conv1d: convolutions().map(in_one_axis),
    special.conv_transpose2d: transposed_convolutions(),
    special.max_pool1d: pool(unique=True).map(in_one_axis),
    special.avg_pool1d: pool().map(in_one_axis),
    special.adaptive_avg_pool: adaptive(),
    convolution.windows: images_and_windows(),
    convolution.overlap_add: windows_to_lay_back(),
}
