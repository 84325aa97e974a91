"""What the functions of this folder say when they cannot go on.

Each function makes one error, as in core/errors.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_edu.core.errors import described, see


def unknown_mode(name: str, mode: Any, known: Iterable[str]) -> ValueError:
    return ValueError(f"{name} on a Tensor knows the modes {', '.join(known)}, and {mode!r} came")


def pieces_do_not_fit(conditions: int, functions: int) -> ValueError:
    return ValueError(
        f"piecewise takes a function for each condition, and perhaps one for the rest: "
        f"{conditions} conditions and {functions} functions came"
    )


def no_vectors_to_apply(x: Any, axis: int) -> ValueError:
    return ValueError(f"{described(x)} has no vector along axis {axis} to apply a function to")


def no_axis(function: Any, x: Any) -> ValueError:
    return ValueError(
        f"{described(x)} has several axes: say along which to go, axis=, or np.{function.__name__} "
        "goes through all of it"
    )


def writes_to_its_argument(function: Any) -> TypeError:
    return TypeError(
        f"{function.__name__} has no derivative: it changes an array in place, and a Tensor's "
        "numbers stay as they were recorded: write np.where(mask, new, x), or the new array to "
        "p.data of a parameter" + see("in-place")
    )


def no_identity(function: Any) -> ValueError:
    return ValueError(
        f"np.{function.__name__} of no elements is nothing, so where= needs a value "
        "to begin with: give initial= too"
    )


def no_curvature(z: Any, y: Any) -> ValueError:
    of_two = (
        "of one length"
        if z is y
        else f"of the product of {z.operation.name} and {y.operation.name}"
    )
    return ValueError(
        f"a second derivative {of_two} was asked for where it is 0: it has none there, or none "
        "that can be found. Write the square of a length as a sum, np.sum(x * x), or keep x off 0"
    )


def negative_times(n: int) -> ValueError:
    return ValueError(f"diff is taken 0, 1, 2 … times, and n = {n} came")


def two_corrections(ddof: Any, correction: Any) -> ValueError:
    return ValueError(
        f"ddof={ddof} and correction={correction} were given, and are the same: give one of them"
    )


def weights_do_not_fit(x: Any, weights: Any, axis: Any) -> TypeError | ValueError:
    kind = TypeError if axis is None else ValueError
    return kind(
        f"average of {described(x)} with axis={axis} and weights {weights.shape}: weights have "
        "the array's shape, or that of the averaged axes, which axis names"
    )


def no_weight(weights: Any) -> ZeroDivisionError:
    return ZeroDivisionError(
        f"the weights add up to 0, and no average has them: {described(weights)}"
    )


def too_few_axes(name: str, x: Any, least: int) -> ValueError:
    return ValueError(
        f"{name} cuts arrays of at least {least} axes, and {described(x)} came: "
        "np.split cuts along any axis"
    )


def no_such_triangle(UPLO: Any) -> ValueError:
    return ValueError(f'UPLO is "L" or "U", the triangle of a symmetric matrix; found {UPLO!r}')


AXES = {1: "length", 2: "height, width"}  # how the axes of signals and images are called
KERNEL_AXES = {1: "kernel", 2: "rows, columns"}


def images_expected(n: int, x: Any) -> ValueError:
    if n == 1:
        return ValueError(
            f"signals of shape (batch, channels, length) were expected, and {described(x)} came: "
            "give a single signal a batch of one, x[None], and one channel, x[:, None]"
        )
    return ValueError(
        "images of shape (batch, channels, height, width) were "
        f"expected, and {described(x)} came: give a single image a batch "
        "of one, x[None], and gray images their one channel, x[:, None]"
    )


def filters_do_not_fit(n: int, x: Any, weight: Any, bias: Any, groups: int) -> ValueError:
    bias_shape = None if bias is None else np.shape(bias)
    return ValueError(
        f"conv{n}d takes x (batch, in, {AXES[n]}), weight (out, in/groups, {KERNEL_AXES[n]}), and "
        f"bias (out,) or None, where groups divides in and out; found x {np.shape(x)}, "
        f"weight {np.shape(weight)}, bias {bias_shape}, groups={groups}"
    )


def transposed_do_not_fit(x: Any, weight: Any, bias: Any, groups: int) -> ValueError:
    bias_shape = None if bias is None else np.shape(bias)
    return ValueError(
        "conv_transpose2d takes x (batch, in, rows, columns), weight (in, out/groups, kernel rows, "
        f"columns), and bias (out,) or None, where groups divides in; found x {np.shape(x)}, "
        f"weight {np.shape(weight)}, bias {bias_shape}, groups={groups}"
    )


def output_padding_too_large(output_padding: Any, stride: Any) -> ValueError:
    return ValueError(
        f"output_padding is less than the stride, {stride}: it says which of the sizes that a "
        f"convolution makes the same is meant; found {output_padding}"
    )


def nothing_left(padding: Any, whole: Any) -> ValueError:
    return ValueError(
        f"conv_transpose2d makes {' × '.join(map(str, whole))} pixels, of which padding={padding} "
        "cuts off so many on each side that none is left: give a smaller padding"
    )


def padding_too_large(padding: Any, kernel: Any) -> ValueError:
    return ValueError(
        f"padding is half a kernel at most, here of {kernel}, so that no window is empty; "
        f"found {padding}"
    )


def same_with_stride(stride: Any) -> ValueError:
    return ValueError(
        f'padding="same" keeps the size, which a stride of {stride} does not: give a number'
    )


def kernel_too_large(x: Any, kernel: Any, reach: Any, images: Any) -> ValueError:
    sizes = images.shape[-len(reach) :]
    return ValueError(
        f"a kernel of {kernel} reaches over {' × '.join(map(str, reach))} pixels, "
        f"and {described(x)} has {' × '.join(map(str, sizes))}, its "
        "padding included: take a smaller kernel, or more padding"
    )


def not_a_size(what: str, value: Any, n: int, least: int) -> ValueError:
    pair = ", or a pair of them for rows and columns" if n == 2 else ""
    return ValueError(f"{what} is a whole number of at least {least}{pair}; found {value!r}")


def shapes_differ(name: str, x: Any, y: Any) -> ValueError:
    return ValueError(
        f"{name} takes arrays of one shape, found {x.shape} and {y.shape}: "
        "reshape one of them, for example x[:, 0] or y[:, None]"
    )


def classes_do_not_fit(log_p: Any, target: Any) -> ValueError:
    return ValueError(
        "nll takes log-probabilities (batch, classes) and class indices (batch,), "
        f"found {log_p.shape} and {target.shape}: write target[:, 0] for (batch, 1)"
    )


def not_classes(target: Any) -> TypeError:
    number = ": write target.astype(int)" * (target.dtype.kind in "bf")
    return TypeError(f"class indices are integers, found dtype {target.dtype}{number}")


def no_class(target: Any, classes: int) -> ValueError:
    outside = target[(target < 0) | (target >= classes)]
    hint = ": write ignore_index=-100" if outside[0] == -100 else ""  # PyTorch's default
    return ValueError(f"expected class indices from 0 to {classes - 1}, found {outside[0]}{hint}")


def not_a_probability(p: Any) -> ValueError:
    return ValueError(f"p is the probability that a number is dropped, from 0 to 1; found {p!r}")


def not_a_generator(rng: Any) -> TypeError:
    return TypeError(
        "rng is a NumPy generator, rng = np.random.default_rng(seed), "
        f"made once and passed to every call; found {rng!r}"
    )


def not_indices(indices: Any, weight: Any) -> TypeError:
    return TypeError(
        "embedding(indices, weight) takes integers as indices, and "
        f"{indices.dtype} of shape {indices.shape} came with {described(weight)}: "
        "indices come first; write indices.astype(int) if they are whole numbers"
    )


def index_out_of_range(indices: Any, weight: Any) -> IndexError:
    return IndexError(
        f"the rows of {described(weight)} are numbered 0 to {len(weight) - 1}, and the "
        f"indices, of shape {indices.shape}, reach from {indices.min()} to {indices.max()}"
    )


def unknown_approximation(approximate: Any) -> ValueError:
    return ValueError(
        'approximate is "none", with the exact normal distribution, or '
        f'"tanh"; found {approximate!r}'
    )


def not_vectors(x: Any, y: Any) -> ValueError:
    return ValueError(
        f"linalg.outer({described(x)}, {described(y)}): two vectors were expected; "
        "np.outer makes vectors of what it gets"
    )


def not_three_numbers(x: Any, y: Any) -> ValueError:
    return ValueError(
        f"cross({described(x)}, {described(y)}): vectors of three "
        "numbers were expected along the last axis, or along axis=. In "
        "the plane, write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]"
    )


def no_such_norm(ord: Any, axes: tuple[int, ...], known: Any) -> ValueError:
    return ValueError(
        f"norm with ord={ord!r} over the axes {axes}: along one axis ord is a number, "
        f"along two it is one of {', '.join(map(repr, known))}. Choose the axes with axis="
    )


def no_vectors(values: Any) -> ValueError:
    return ValueError(
        f"the vectors of the values {values} were asked for a gradient and have none: "
        "another value is the same, or it is 0 and the matrix is not square, and they "
        "are arbitrary up to a rotation. Differentiate the values only, and once; or "
        "make them distinct: add np.diag of small distinct numbers to the matrix"
        + see("vectors-of-equal-values")
    )


def full_matrices(x: Any) -> ValueError:
    return ValueError(
        f"svd of {described(x)} with full_matrices=True: the vectors "
        "beyond the values are arbitrary up to a rotation and have "
        "no gradient. Write np.linalg.svd(x, full_matrices=False)"
    )


def complete_columns(x: Any) -> ValueError:
    return ValueError(
        f'qr of {described(x)} with mode="complete": the columns beyond the matrix\'s own are '
        "arbitrary up to a rotation and have no gradient. Write np.linalg.qr(x)"
    )


def complex_eigenvalues(x: Any, values: Any) -> TypeError:
    return TypeError(
        f"the matrix {x.shape} has complex eigenvalues, {values[values.imag != 0][:2]} …, and a "
        "Tensor holds real numbers: np.linalg.eigh is for symmetric matrices, whose values are real"
        + see("real-numbers")
    )


def not_square(name: str, x: Any) -> np.linalg.LinAlgError:
    return np.linalg.LinAlgError(f"{name} takes square matrices, and {described(x)} came")


def no_axes(name: str, ind: Any) -> ValueError:
    return ValueError(f"{name} makes rows of the first ind axes, at least 1, and ind={ind} came")


def not_matrices(name: str, x: Any) -> np.linalg.LinAlgError:
    return np.linalg.LinAlgError(
        f"{name} takes matrices, arrays of at least two axes, and {described(x)} came"
    )


def no_chain(arrays: Any) -> ValueError:
    kind = ValueError if len(arrays) < 2 else np.linalg.LinAlgError
    return kind(
        f"multi_dot({', '.join(map(described, arrays))}): at least two matrices were expected, "
        "of which the first and the last may be vectors"
    )


def not_sequences(name: str, xs: Any) -> ValueError:
    return ValueError(
        f"{name}({', '.join(map(described, xs))}): two vectors were expected, neither empty; "
        "special.conv2d convolves images"
    )


def not_a_vector(name: str, x: Any) -> ValueError:
    return ValueError(f"{name} takes a vector, and {described(x)} came")
