"""What the engine says when it cannot go on: what came, what was expected, what to write instead.

Each function makes one error; the engine raises it. So engine.py stays about what works, and every sentence is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

HINTS = {  # words of NumPy's own message ↦ what to do about it
    "broadcast": "Shapes broadcast when, read from the right, each pair of sizes is equal or one of them is 1.",
    "core dimension": "The last axis of the left factor must be as long as the second last of the right: transpose one?",
}


def described(x: Any) -> str:
    """A value as messages name it: a Tensor by its name and shape, an array by its shape, else as it prints."""
    if not hasattr(x, "shape"): return repr(x)
    return f"{getattr(x, 'name', None) or ('Tensor' if hasattr(x, 'requires_grad') else 'array')} {x.shape}"


def function_failed(operation: Any, error: Exception, args: tuple[Any, ...]) -> Exception:
    kind = next(kind for kind in (np.linalg.LinAlgError, ValueError, IndexError, TypeError) if isinstance(error, kind))
    hint = next((hint for words, hint in HINTS.items() if words in str(error)), "")
    return kind(f"{operation.name}({', '.join(map(described, args))}): {error}. {hint}".rstrip())


def unknown_options(operation: Any, options: dict[str, Any]) -> TypeError:
    unknown = ", ".join(f"{key}=" for key in options if key not in operation.options)
    return TypeError(f"{operation.name} on a Tensor takes no {unknown}: its derivative is known for other options only. "
                     "A result is always a new Tensor of NumPy's dtype: select with np.where, convert with astype")


def no_derivative(function: Callable[..., Any]) -> TypeError:
    name = getattr(function, "__name__", str(function))
    return TypeError(f"{name} has no derivative here. If none is needed, give it the array: {name}(tensor.data). "
                     f"If you know it, register it: derivative({name}, lambda g, z, x: …)")


def no_partial(operation: Any, number: int) -> TypeError:
    return TypeError(f"{operation.name} has no derivative with respect to its argument {number}. Give it the array, "
                     f"tensor.data, or register the partial: derivative({operation.name}, …)")


def partial_does_not_fit(operation: Any, number: int, gradient: Any, x: Any) -> ValueError:
    return ValueError(f"the partial of {operation.name} for argument {number} gave shape {gradient.shape}, which does not fit "
                      f"the argument's own, {x.shape}: sum or broadcast it within the partial")


def nothing_to_differentiate(root: Any) -> ValueError:
    return ValueError(f"{described(root)} does not depend on a Tensor with requires_grad=True, so there is nothing to "
                      "differentiate: create the parameters with Tensor(…, requires_grad=True), and compute outside no_grad")


def backward_from_many(root: Any) -> ValueError:
    return ValueError(f"backward starts from one number, and {described(root)} holds {root.size}: reduce it first, "
                      "loss = z.sum() or z.mean(), or pass ∂L/∂z as gradient=")


def gradient_does_not_fit(root: Any, gradient: Any) -> ValueError:
    return ValueError(f"gradient= has shape {np.shape(gradient)}, and that of {described(root)} was expected")


def requires_no_gradient(x: Any) -> ValueError:
    return ValueError(f"{described(x)} does not require a gradient: create it with requires_grad=True")


def not_one_number(x: Any) -> ValueError:
    return ValueError(f"{described(x)} holds {x.size} numbers, and one was expected: reduce it, for example with .sum(), "
                      "or take all of them with .numpy()")


def tensor_of_tensor(x: Any) -> TypeError:
    return TypeError(f"{described(x)} is a Tensor already: use it as it is, or detach() it from its graph")


def not_real_numbers(data: Any, dtype: Any) -> TypeError:
    return TypeError(f"a Tensor holds real numbers, and {str(data)[:60]!r} has dtype {dtype}. Complex numbers, text and ragged "
                     "lists are out of scope")


def integer_gradient(name: str | None, dtype: Any) -> TypeError:
    return TypeError(f"only floating-point Tensors have gradients, and {name or 'this one'} has dtype {dtype}: "
                     "write 2.0 in place of 2, or array.astype(float)")


def in_place_on_leaf(function: Callable[..., Any], x: Any) -> TypeError:
    return TypeError(f"an in-place {function.__name__} would bind your variable to a new Tensor and leave the parameter "
                     f"{described(x)} as it was: write p.data -= step, or p = p - step if you want a new Tensor")


def item_assignment(x: Any) -> TypeError:
    return TypeError(f"{described(x)} cannot be assigned to in part, or what was computed from it would be wrong: build a new "
                     "Tensor with np.where or np.concatenate, or change tensor.data[…] before it is used")


def not_iterable(x: Any) -> TypeError:
    return TypeError(f"{described(x)} is one number and cannot be iterated over: write .item(), or give it an axis, x[None]")


def array_of_tensor(x: Any) -> TypeError:
    return TypeError(f"an array of {described(x)} would forget how it was computed: write .numpy() if that is meant, or use "
                     "NumPy's functions on the Tensor itself (np.stack for a list of Tensors)")


def out_or_reduce(ufunc: np.ufunc, method: str, x: Any) -> TypeError:
    call = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "(…, out=…), or array op= tensor,")
    return TypeError(f"{call} has no derivative on {described(x)}: a Tensor's result is always a new Tensor. Write z = x + y "
                     "in place of x += y, and np.sum in place of np.add.reduce")


def not_three_numbers(x: Any, y: Any) -> ValueError:
    return ValueError(f"cross({described(x)}, {described(y)}): vectors of three numbers were expected along the last axis, or "
                      "along axis=. In the plane, write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]")


def no_such_norm(ord: Any, axes: tuple[int, ...], known: Any) -> ValueError:
    return ValueError(f"norm with ord={ord!r} over the axes {axes}: along one axis ord is a number, along two it is one of "
                      f"{', '.join(map(repr, known))}. Choose the axes with axis=")


def no_vectors(values: Any) -> ValueError:
    return ValueError(f"the vectors of the values {values} were asked for a gradient and have none: another value is the "
                      "same, or it is 0 and the matrix is not square, and they are arbitrary up to a rotation. Differentiate "
                      "the values only, and once; or make them distinct: add np.diag of small distinct numbers to the matrix")


def full_matrices(x: Any) -> ValueError:
    return ValueError(f"svd of {described(x)} with full_matrices=True: the vectors beyond the values are arbitrary up to a "
                      "rotation and have no gradient. Write np.linalg.svd(x, full_matrices=False)")
