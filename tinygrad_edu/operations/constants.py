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
from tinygrad_edu.core.engine import Tensor, plain
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


def without_graph(x: Any, function: Callable[..., Any]) -> Any:
    """x with arrays in place of Tensors; TypeError if one requires a gradient."""
    if isinstance(x, list | tuple):
        return type(x)([without_graph(part, function) for part in x])
    if isinstance(x, Tensor) and x.requires_grad:
        raise no_derivative(function)
    return plain(x)


def of_constants(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of arrays, for Tensors that require no gradient."""

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        options = {name: without_graph(x, function) for name, x in options.items()}
        return function(*without_graph(args, function), **options)

    return functools.partial(run)  # as a function of piecewise constants is


# fmt: off
OF_CONSTANTS = """histogram histogram2d histogramdd histogram_bin_edges unique unique_all
    unique_counts unique_inverse unique_values intersect1d union1d setdiff1d setxor1d save savez
    savez_compressed savetxt array2string array_repr array_str"""
for name in OF_CONSTANTS.split():
    REGISTRY[getattr(np, name)] = of_constants(getattr(np, name))
# fmt: on


def of_arrays_to_write_to(function: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse the call: a Tensor's numbers are not written to."""

    def run(*args: Any, **options: Any) -> Any:
        raise errors.writes_to_its_argument(function)

    return functools.partial(run)


for function in (np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask):
    REGISTRY[function] = of_arrays_to_write_to(function)
