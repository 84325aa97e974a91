"""Functions of NumPy's that no gradient passes through: results are plain arrays, without a graph.

Of the first list the derivative is 0 wherever there is one, or the result depends on shapes alone.
Those of the second list have a derivative that is not known here, or keep what they are given: they
take Tensors that require no gradient, and refuse others. What writes into its argument is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.derivatives import piecewise_constant
from tinygrad_edu.core.engine import Tensor
from tinygrad_edu.core.errors import no_derivative
from tinygrad_edu.operations import errors

# fmt: off
piecewise_constant(np.around, np.fix, np.spacing, np.isneginf, np.isposinf, np.isin, np.array_equiv)
piecewise_constant(np.linalg.matrix_rank, np.iscomplexobj, np.isrealobj, np.result_type)
piecewise_constant(np.can_cast, np.min_scalar_type, np.common_type, np.einsum_path)
piecewise_constant(np.tril_indices_from)
piecewise_constant(np.triu_indices_from, np.diag_indices_from, np.ravel_multi_index)
piecewise_constant(np.unravel_index, np.ix_)
piecewise_constant(np.gcd, np.lcm, np.invert, np.bitwise_and, np.bitwise_or, np.bitwise_xor)
piecewise_constant(np.left_shift, np.right_shift, np.bitwise_count, np.packbits, np.unpackbits)
# fmt: on


def requires_gradient(x: Any) -> bool:
    """Whether x, or a part of a list or tuple, is a Tensor that requires a gradient."""
    if isinstance(x, list | tuple):
        return any(map(requires_gradient, x))
    return isinstance(x, Tensor) and x.requires_grad


def of_constants(function: Callable[..., Any], run: Callable[..., Any], *args, **options):
    """Run it as a step, but refuse Tensors that require a gradient."""
    if any(map(requires_gradient, (*args, *options.values()))):
        raise no_derivative(function)
    return run(*args, **options)


# fmt: off
OF_CONSTANTS = (
    np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.unique, np.unique_all,
    np.unique_counts, np.unique_inverse, np.unique_values, np.intersect1d, np.union1d, np.nextafter,
    np.setdiff1d, np.setxor1d, np.save, np.savez, np.savez_compressed, np.savetxt, np.array2string,
    np.array_repr, np.array_str,
)
WRITING = (np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask)
# fmt: on
piecewise_constant(*OF_CONSTANTS)
REGISTRY.update((f, functools.partial(of_constants, f, REGISTRY[f])) for f in OF_CONSTANTS)


def of_arrays_to_write_to(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the call: a Tensor's numbers are not written to."""

    def run(*args: Any, **options: Any) -> Any:
        raise errors.writes_to_its_argument(function)

    return functools.partial(run)


REGISTRY.update((function, of_arrays_to_write_to(function)) for function in WRITING)
