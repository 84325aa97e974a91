"""Cases for statistics, sequences and selections, and the options that NumPy's functions share."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import (
    FULL,
    GRID,
    SHAPES,
    array,
    axis_of,
    divided,
    elementwise,
    reduction,
    with_shape,
    without_zero,
)

from tinygrad_edu.core import derivatives
from tinygrad_edu.operations import composed, sequences

METHODS = ["linear", "lower", "higher", "nearest", "midpoint", "hazen", "weibull"]
METHODS += ["inverted_cdf", "averaged_inverted_cdf", "closest_observation"]
METHODS += ["interpolated_inverted_cdf", "median_unbiased", "normal_unbiased"]


@st.composite
def quantiles(draw, whole, most_axes=2):
    """An array and one or more shares of its elements, up to `whole`."""
    (x,), options = draw(reduction(unique=True))
    q = draw(st.sampled_from([0.3, 0, [0.25, 0.6], [[0.1], [1.0]]][: most_axes + 2]))
    method = draw(st.sampled_from(METHODS))
    return [x], {"q": np.multiply(q, whole).tolist(), "method": method} | options


def is_between_the_clips(drawn):
    """Whether no two different variables are multiples of each other: that is a kink, at ±1."""
    values, options = drawn
    with np.errstate(all="ignore"):
        r = np.abs(np.atleast_2d(np.corrcoef(*values, **options)))
    return np.all(r[~np.eye(len(r), dtype=bool)] < 0.99)


@st.composite
def observations(draw, **more):
    """Variables in rows or in columns, none constant, and perhaps further variables."""
    n, rowvar = draw(st.integers(3, 4)), draw(st.booleans())
    spread = np.arange(n) ** 2.0 % 3
    rows = [draw(array((draw(st.integers(1, 2)), n))) / 8 + spread for _ in range(2)]
    xs = [x if rowvar else x.T for x in rows[: draw(st.integers(1, 2))]]
    one = [x[0] for x in rows[:1]]
    args = draw(st.sampled_from([xs, one]))
    options = {"rowvar": rowvar} | {key: draw(value(n)) for key, value in more.items()}
    return args, options


def counts(n):
    return st.none() | hnp.arrays(int, n, elements=st.integers(1, 3))


def weights(n):
    return st.none() | hnp.arrays(float, n, elements=st.sampled_from([0.5, 1.0, 2.0]))


@st.composite
def padding(draw, modes):
    """An array, widths in all of NumPy's forms, and a mode."""
    x = draw(array(FULL, unique=True).filter(lambda x: x.size <= 8))
    pairs = st.tuples(st.integers(0, 2), st.integers(0, 2))
    forms = [st.integers(0, 2), pairs, st.lists(pairs, min_size=x.ndim, max_size=x.ndim)]
    return [x, draw(st.one_of(forms)), draw(st.sampled_from(modes))], {}


ENDS = st.sampled_from([1.5, (0.5, -1.0)])
KINDS = st.sampled_from(["even", "odd"])
LENGTHS = st.sampled_from([None, 1, (2, 3)])
PAD_OPTIONS = {
    "constant": {"constant_values": ENDS},
    "linear_ramp": {"end_values": ENDS},
    "reflect": {"reflect_type": KINDS},
    "symmetric": {"reflect_type": KINDS},
    "maximum": {"stat_length": LENGTHS},
    "minimum": {"stat_length": LENGTHS},
    "mean": {"stat_length": LENGTHS},
    "median": {"stat_length": LENGTHS},
}


@st.composite
def padding_of_all_modes(draw):
    arguments, _ = draw(padding(["constant", "edge", "wrap", "empty", *PAD_OPTIONS]))
    mode = arguments[-1] if arguments[-1] != "empty" else "constant"
    chosen = PAD_OPTIONS.get(mode, {}) if draw(st.booleans()) else {}
    if mode in ("maximum", "minimum", "median"):  # medians of medians shall not tie either
        x = arguments[0]
        arguments[0] = x + np.sqrt(np.arange(2.0, x.size + 2)).reshape(x.shape) / 64
    return [*arguments[:-1], mode], {key: draw(value) for key, value in chosen.items()}


@st.composite
def interpolated(draw):
    """Places inside and outside of some points, none at a point."""
    n = draw(st.integers(1, 4))
    xp = np.cumsum(draw(hnp.arrays(float, n, elements=st.sampled_from([0.5, 0.75])))) - 1.25
    x = draw(array(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))) + 1 / 16
    options = draw(st.sampled_from([{}, {"left": 0.5, "right": -1.5}, {"period": 3.1}]))
    return [x, xp, draw(array((n,)))], options


@st.composite
def sampled(draw):
    """A function on a grid, and steps or positions."""
    x = draw(array(hnp.array_shapes(min_dims=1, max_dims=2, min_side=3, max_side=4)))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    along = range(x.ndim) if axis is None else [axis]
    ways = [
        [],
        [np.array(0.5)],
        [draw(array((x.shape[a],))) / 8 + 2 * np.arange(x.shape[a]) for a in along],
    ]
    return [x, *draw(st.sampled_from(ways))], {"axis": axis, "edge_order": draw(st.integers(1, 2))}


@st.composite
def convolved(draw):
    x, y = draw(array(st.integers(1, 5))), draw(array(st.integers(1, 5)))
    return [x, y, draw(st.sampled_from(["full", "same", "valid"]))], {}


@st.composite
def partitioned(draw):
    x = draw(array(FULL, unique=True))
    axis = draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    size = x.size if axis is None else x.shape[axis]
    return [x, draw(st.integers(-size, size - 1)), axis], {}


@st.composite
def numbered(draw, mode):
    """Numbers of choices, and the choices."""
    choices, _ = draw(elementwise(draw(st.integers(1, 3))))
    shape = np.broadcast_shapes(*map(np.shape, choices))
    reach = (0, len(choices) - 1) if mode == "raise" else (-3, 5)
    return [draw(hnp.arrays(int, shape, elements=st.integers(*reach))), *choices], {"mode": mode}


@st.composite
def selected(draw):
    choices, _ = draw(elementwise(draw(st.integers(1, 3))))
    shape = np.broadcast_shapes(*map(np.shape, choices))
    conditions = [draw(hnp.arrays(bool, shape)) for _ in choices]
    return [*conditions, *choices], draw(st.sampled_from([{}, {"default": -1.5}]))


@st.composite
def ranges(draw):
    (start, stop), _ = draw(elementwise(2))
    ndim = max(np.ndim(start), np.ndim(stop))
    return [start, stop, draw(st.integers(0, 4))], {
        "endpoint": draw(st.booleans()),
        "axis": draw(st.integers(-ndim - 1, ndim)),
    }


@st.composite
def cut_into_windows(draw):
    x = draw(array(FULL))
    axis = draw(st.integers(0, x.ndim - 1))
    window = draw(st.integers(1, x.shape[axis]))
    ways = [
        (tuple(min(window, n) for n in x.shape), None),
        (window, axis),
        ((window, 1), (axis, axis)),
    ]
    return [x, *draw(st.sampled_from(ways))], {}


def away(x):
    """No whole number, no power of two, and nothing near one."""
    return x.map(lambda x: x + GRID / 3)


@st.composite
def progressions(draw, function):
    """The first and the last number of a sequence, and how many numbers."""
    positive = ((0.25, 2.0),) * 2
    ends, options = draw(ranges())
    (start, stop), _ = draw(elementwise(2, positive if function is np.geomspace else ()))
    return [start, stop, ends[2]], {"endpoint": options["endpoint"]}


@st.composite
def left_out(draw):
    x = draw(array(FULL))
    axis = draw(st.none() | axis_of(x))
    size = x.size if axis is None else x.shape[axis]
    place = st.integers(-size, size - 1)
    return [x, draw(place | st.lists(place, max_size=2) | st.just(slice(0, 1))), axis], {}


@st.composite
def inserted(draw):
    x = draw(array(FULL))
    axis = draw(st.none() | axis_of(x))
    size = x.size if axis is None else x.shape[axis]
    return [x, draw(st.integers(-size, size)), draw(array(())), axis], {}


@st.composite
def compressed(draw):
    x = draw(array(FULL))
    axis = draw(st.none() | axis_of(x))
    size = x.size if axis is None else x.shape[axis]
    return [draw(hnp.arrays(bool, size)), x, axis], {}


@st.composite
def extracted(draw):
    x = draw(array(FULL))
    return [draw(hnp.arrays(bool, x.shape)), x], {}


@st.composite
def pieces(draw):
    x = draw(array(FULL))
    conditions = [draw(hnp.arrays(bool, x.shape)) for _ in range(draw(st.integers(1, 2)))]
    functions = [np.sin, np.square, np.cos][: len(conditions) + draw(st.integers(0, 1))]
    return [x, *conditions, *functions], {}


def blocks():
    return FULL.flatmap(lambda shape: st.lists(array(shape), min_size=1, max_size=3)).map(
        lambda xs: (xs, {})
    )


def counted():
    return st.integers(1, 5).flatmap(
        lambda n: st.tuples(
            hnp.arrays(int, n, elements=st.integers(0, 3)), array((n,)), st.integers(0, 6)
        ).map(lambda drawn: (list(drawn), {}))
    )


@st.composite
def running(draw, **more):
    x = draw(array(FULL))
    options = {key: draw(value) for key, value in more.items()}
    return [x], {"axis": draw(axis_of(x))} | options


POLYNOMIALS = array(st.integers(1, 4)).map(lambda p: np.where(np.arange(len(p)) == 0, 1.375, p))


def of_polynomials(count):
    return st.tuples(*[POLYNOMIALS] * count).map(lambda drawn: (list(drawn), {}))


def has_a_full_rest(drawn):
    """No leading coefficient of the rest is nearly 0: NumPy leaves such out."""
    u, v = drawn[0]
    rest = np.polydiv(u, v)[1]
    return len(v) == 1 or (len(rest) == min(len(u), len(v) - 1) and abs(rest[0]) > 0.01)


@st.composite
def fitted_points(draw):
    y = draw(array(st.sampled_from([(5,), (5, 2)])))
    x = np.linspace(-1.0, 1.5, 5) + draw(array((5,))) / 32
    return [x, y, draw(st.integers(0, 2))], {"w": draw(st.sampled_from([None, np.arange(1.0, 6)]))}


CASES = {
    np.copysign: elementwise(2, prepare=without_zero),
    np.i0: elementwise(1),
    composed.bessel: elementwise(1).map(lambda case: (case[0], {"n": 1})),
    np.modf: elementwise(1, prepare=away),
    np.frexp: elementwise(1, prepare=away),
    np.logspace: progressions(np.logspace),
    np.geomspace: progressions(np.geomspace),
    np.ediff1d: with_shape(
        array(SHAPES), lambda x: st.none() | array((2,)), lambda x: st.none() | array(())
    ),
    np.unwrap: running(period=st.sampled_from([2 * np.pi, 0.73])),
    np.delete: left_out(),
    np.insert: inserted(),
    np.compress: compressed(),
    np.extract: extracted(),
    np.resize: with_shape(array(FULL), lambda x: st.sampled_from([(2, 3), 5, (0,)])),
    np.diagflat: with_shape(array(FULL), lambda x: st.integers(-2, 2)),
    np.trim_zeros: with_shape(
        without_zero(array((3,))), lambda x: st.sampled_from(["f", "b", "fb"])
    ),
    np.block: blocks(),
    np.broadcast_arrays: elementwise(2),
    np.meshgrid: st.lists(array(st.integers(0, 3)), min_size=1, max_size=3).flatmap(
        lambda xs: st.tuples(
            st.just(xs),
            st.fixed_dictionaries(
                {"indexing": st.sampled_from(["xy", "ij"]), "sparse": st.booleans()}
            ),
        )
    ),
    np.bincount: counted(),
    np.piecewise: pieces(),
    np.apply_along_axis: running().map(lambda case: ([np.cumsum, case[1]["axis"], case[0][0]], {})),
    np.apply_over_axes: running().map(lambda case: ([np.sum, case[0][0], case[1]["axis"]], {})),
    np.cumulative_sum: running(include_initial=st.booleans()),
    np.cumulative_prod: running(include_initial=st.booleans()),
    np.nancumsum: running(),
    np.nancumprod: running(),
    np.polyval: elementwise(1).flatmap(
        lambda case: POLYNOMIALS.map(lambda p: ([p, case[0][0]], {}))
    ),
    np.polyadd: of_polynomials(2),
    np.polysub: of_polynomials(2),
    np.polymul: of_polynomials(2),
    np.polydiv: of_polynomials(2).filter(has_a_full_rest),
    np.polyder: with_shape(POLYNOMIALS, lambda p: st.integers(0, 2)),
    np.polyint: with_shape(POLYNOMIALS, lambda p: st.integers(0, 2)),
    np.poly: with_shape(array(st.integers(1, 4))),
    np.roots: st.permutations([-1.5, 0.5, 2.0]).map(lambda r: ([np.poly(r)], {})),
    np.polyfit: fitted_points(),
    np.ldexp: elementwise(1).map(lambda case: ([*case[0], np.array(-1)], {})),
    np.interp: interpolated(),
    np.gradient: sampled(),
    np.convolve: convolved(),
    np.correlate: convolved(),
    sequences.convolve: convolved().map(lambda case: (case[0][:2], {})),
    np.partition: partitioned(),
    np.choose: numbered("raise") | numbered("wrap") | numbered("clip"),
    np.select: selected(),
    np.linspace: ranges(),
    np.real: elementwise(1),
    np.real_if_close: elementwise(1),
    np.vander: with_shape(array(st.integers(0, 3)), lambda x: st.sampled_from([None, 0, 1, 3])),
    np.dsplit: divided(axis=2, even=True),
    np.unstack: with_shape(array(FULL)),
    np.fft.fftshift: with_shape(array(FULL), lambda x: st.none() | axis_of(x)),
    np.fft.ifftshift: with_shape(array(FULL), lambda x: st.none() | axis_of(x)),
    np.lib.stride_tricks.sliding_window_view: cut_into_windows(),
    derivatives.pad: padding(["constant", "edge", "reflect", "symmetric", "wrap"]),
    np.pad: padding_of_all_modes(),
    np.nanprod: reduction(),
    np.nanvar: reduction(shapes=FULL),
    np.nanstd: reduction(
        unique=True, shapes=hnp.array_shapes(min_dims=1, max_dims=2, min_side=2, max_side=3)
    ),
    np.nanmax: reduction(unique=True),
    np.nanmin: reduction(unique=True),
    np.nanmedian: reduction(unique=True),
    np.quantile: quantiles(1),
    np.nanquantile: quantiles(1, 1),
    np.percentile: quantiles(100),
    np.nanpercentile: quantiles(100, 1),
    np.cov: observations(
        bias=lambda n: st.booleans(),
        ddof=lambda n: st.sampled_from([None, 0, 1]),
        fweights=counts,
        aweights=weights,
    ),
    np.corrcoef: observations().filter(is_between_the_clips),
}

# Options that many functions share


def mask(x):
    """Where to compute: a mask that broadcasts to x."""
    return hnp.arrays(bool, st.sampled_from([x.shape, x.shape[-1:], (1,) * x.ndim]))


FLOATS = st.sampled_from([np.float32, np.float64])
STARTS = st.sampled_from([0.55, -3, 3])
SUMS = [np.sum, np.prod]
EXTREMES = [np.max, np.amax, np.min, np.amin, np.nanmax, np.nanmin]
MEANS = [np.mean, np.nanmean, np.var, np.std, np.nanvar, np.nanstd]


@st.composite
def shared_options(draw, function, arguments):
    """Some of the options that NumPy gives to all ufuncs, sums, extremes and means."""
    x = arguments[0]
    chosen = {}
    if isinstance(function, np.ufunc) and function.nout == 1 and not function.signature:
        shape = np.broadcast_shapes(*map(np.shape, arguments))
        chosen = {"where": mask(np.empty(shape)), "dtype": FLOATS}
    elif function in EXTREMES:
        chosen = {"where": mask(x), "initial": STARTS}
    elif function in (np.nansum, np.nanprod, *SUMS):
        chosen = {"where": mask(x), "initial": STARTS, "dtype": FLOATS}
    elif function in MEANS:
        chosen = {"where": mask(x), "dtype": FLOATS}
    elif function is np.einsum:
        chosen = {"order": st.sampled_from("CFAK")}
        if sum(isinstance(x, np.ndarray) for x in arguments) > 1:  # of one NumPy may give a view
            chosen["dtype"] = st.just(np.float64)
    elif function in (np.reshape, np.ravel):
        chosen = {"order": st.sampled_from(["C", "F", "A"])}
    names = [name for name in chosen if draw(st.booleans())]
    options = {name: draw(chosen[name]) for name in names}
    if "where" in options and isinstance(function, np.ufunc):
        options["out"] = np.full(shape, 0.375)
    return options
