"""What the core says when it cannot go on: what came, what was expected, what to write instead.

Each function makes one error, and the core raises it, so that the other files are about what works.
The longer errors name a section of errors.md, which shows code that fails, why it fails, and code
that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygrad_edu.core.elsewhere import METHODS, OPTIONS

TRANSPOSE = (
    "The last axis of the left factor must be as long "
    "as the second last of the right: transpose one"
)
HINTS = {  # words of NumPy's own message ↦ what to do about it
    "broadcast": (
        "Shapes broadcast when, read from the right, "
        "each pair of sizes is equal or one of them is 1."
    ),
    "core dimension": TRANSPOSE,
    "not aligned": TRANSPOSE,
}


def see(section: str) -> str:
    """The end of a message: where the error is explained."""
    return f'. See tinygrad_edu.errors.explain("{section}")'


def described(x: Any) -> str:
    """A value as messages name it: `w (2, 3)`, `Tensor (2, 3)`, `array (2, 3)`, else its repr."""
    shape = getattr(x, "shape", None)
    if isinstance(x, tuple | list) and any(hasattr(item, "shape") for item in x):
        return f"({', '.join(map(described, x))})"
    if shape is None:
        return repr(x)
    kind = "array" if isinstance(x, np.ndarray | np.generic) else type(x).__name__
    return f"{getattr(x, 'name', None) or kind} {shape}"


def function_failed(operation: Any, error: Exception, args: tuple[Any, ...]) -> str:
    """The note that is added to the error of a function: the call, and what to do about it."""
    hint = next((hint for words, hint in HINTS.items() if words in str(error)), "")
    said = f"{operation.name}({', '.join(map(described, args))})"
    return f"in {said}: {hint}{see('shape-mismatch')}" if hint else f"in {said}"


def not_an_array(data: Any, what: str) -> TypeError:
    return TypeError(
        f"{what} {data!r:.60}, and an array was expected: compute with NumPy's functions, and let "
        "an operation give one array; np.asarray(…) makes one of a number"
    )


def unknown_facts(function: Any, facts: Iterable[str], known: Iterable[str]) -> TypeError:
    unknown = ", ".join(f"{key}=" for key in facts if key not in known)
    return TypeError(
        f"derivative({function.__name__}, …) takes no {unknown}: known are forward=, "
        f"domain=, each=, elementwise=, {', '.join(f'{key}=' for key in sorted(known))}"
    )


def partial_without_values(function: Any, code: Any) -> TypeError:
    found = ", ".join(code.co_varnames[: code.co_argcount])
    return TypeError(
        f"a partial of {function.__name__} takes ({found}), and would be given the gradient, the "
        "result and every argument: write lambda g, z, x: …, although it may not need all of them"
    )


def no_attribute(name: str) -> AttributeError:
    return AttributeError(f"'Tensor' object has no attribute {name!r}: write {METHODS[name]}")


def unknown_options(name: str, options: Iterable[str], known: Iterable[str]) -> TypeError:
    others = [key for key in options if key not in known]
    unknown, renamed = ", ".join(f"{key}=" for key in others), OPTIONS.keys() & {*others}
    if renamed:
        here = ", ".join(f"{key}= is {OPTIONS[key]}" for key in sorted(renamed))
        return TypeError(f"{name} on a Tensor takes no {unknown}: here PyTorch's {here}")
    return TypeError(
        f"{name} on a Tensor takes no {unknown}: its derivative is known for "
        "other options only. A result is always a new Tensor of NumPy's "
        "dtype, of all elements: select with np.where, convert with astype"
    )


def too_many_arguments(function: Any, args: Any, most: int) -> TypeError:
    return TypeError(f"{function.__name__} takes {most} arguments, and {len(args)} came")


def option_twice(function: Any, name: str) -> TypeError:
    return TypeError(f"{function.__name__} was given {name}= twice: in its place, and by its name")


def tensor_by_name(name: str, key: str) -> TypeError:
    return TypeError(
        f"{name} was given a Tensor by name, {key}=: give what "
        "is differentiated in its place, without the name"
    )


def no_derivative(function: Callable[..., Any]) -> TypeError:
    name = getattr(function, "__name__", str(function))
    if getattr(function, "__module__", "") == np.fft.__name__:  # some ufuncs have none
        return TypeError(
            f"{name} takes or gives complex numbers, and a Tensor holds real ones: a transform of "
            "n numbers is also the product with the real matrices cos(2π j k / n) and "
            "−sin(2π j k / n)" + see("real-numbers")
        )
    return TypeError(
        f"{name} has no derivative here. If none is needed, give it the array: "
        f"{name}(tensor.data). If you know it, register it: derivative({name}, lambda g, z, x: …)"
        + see("no-derivative")
    )


def no_partial(name: str, number: int) -> TypeError:
    return TypeError(
        f"{name} has no derivative with respect to its argument {number}. Give it "
        f"the array, tensor.data, or register the partial: derivative({name}, …)"
        + see("no-derivative")
    )


def partial_does_not_fit(operation: Any, number: int, gradient: Any, x: Any) -> ValueError:
    return ValueError(
        f"the partial of {operation.name} for argument {number} gave shape {gradient.shape}, "
        f"which does not fit the argument's own, {x.shape}: sum or broadcast it within the partial"
        + see("a-partial-of-the-wrong-shape")
    )


def nothing_to_differentiate(root: Any) -> ValueError:
    return ValueError(
        f"{described(root)} does not depend on a Tensor with requires_grad=True, "
        "so there is nothing to differentiate: create the parameters with "
        "Tensor(…, requires_grad=True), compute outside no_grad, and "
        "change a parameter by p.data -= step: p = p - step replaces it"
        + see("nothing-to-differentiate")
    )


def backward_from_many(root: Any) -> ValueError:
    return ValueError(
        f"backward starts from one number, and {described(root)} holds {root.size}: "
        "reduce it first, loss = z.sum() or z.mean(), or pass ∂L/∂z as gradient="
        + see("one-number")
    )


def gradient_does_not_fit(root: Any, gradient: Any) -> ValueError:
    return ValueError(
        f"gradient= has shape {np.shape(gradient)}, and that of {described(root)} was expected"
    )


def requires_no_gradient(x: Any) -> ValueError:
    return ValueError(
        f"{described(x)} does not require a gradient: create it with requires_grad=True"
    )


def changed_after_use(x: Any, z: Any) -> RuntimeError:
    return RuntimeError(
        f"{described(x)} was changed in place after {z.operation.name} had used it: its old "
        "numbers, which the derivative needs, are gone. Call backward() before optimizer.step(), "
        "or compute the loss anew" + see("changed-too-early")
    )


def not_in_a_tuple(inputs: Any, tangents: Any) -> TypeError:
    return TypeError(
        "jvp(f, inputs, tangents) takes a tuple of f's arguments "
        "and a tuple of as many directions, jvp(f, (x,), (t,)); "
        f"{type(inputs).__name__} and {type(tangents).__name__} came"
    )


def directions_do_not_fit(shapes: Any, theirs: Any) -> ValueError:
    return ValueError(f"directions of the inputs' shapes, {shapes}, were expected; {theirs} came")


def number_leaves(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} would leave the graph as a number, and the derivative "
        "that is being taken would miss it: use NumPy's functions, np.tanh in "
        "place of math.tanh, or x.detach().item() if no derivative is wanted"
        + see("a-number-leaves-the-graph")
    )


def number_into_an_array(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} would leave the graph as a number in an array, and no gradient would come "
        "back to it: collect Tensors in a list and join them by np.stack(list), or write "
        "array[i] = x.item() if the number alone is meant" + see("assignment")
    )


def nothing_to_check(inputs: Any) -> ValueError:
    return ValueError(
        "check_gradients differentiates floating-point numbers, arrays and Tensors, and there is "
        f"none among {described(inputs)}: write 3.0 in place of 3, and np.array(x) for a list x"
    )


def not_a_tensor(z: Any) -> TypeError:
    return TypeError(
        f"f must return a Tensor computed from its arguments, and it returned {z!r:.200}"
    )


def within_no_grad() -> ValueError:
    return ValueError(
        "nothing is recorded within no_grad, so there is no derivative: leave it first"
    )


def no_such_argument(argnums: Any, count: int) -> ValueError:
    return ValueError(
        f"argnums={argnums!r} names arguments by their place, and "
        f"f was called with {count}: 0 to {count - 1} were expected"
    )


def no_argument_numbers(argnums: Any) -> TypeError:
    return TypeError(
        f"argnums={argnums!r} names arguments by their place: an integer was expected, or a tuple "
        "of integers, as argnums=0 or argnums=(0, 2)"
    )


def argument_twice(argnums: Any) -> ValueError:
    return ValueError(f"argnums={argnums!r} names an argument twice: name each once")


def not_one_number(x: Any) -> ValueError:
    return ValueError(
        f"{described(x)} holds {x.size} numbers, and one was expected: reduce "
        "it, for example with .sum(), or take all of them with .numpy()" + see("one-number")
    )


def tensor_of_tensor(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} is a Tensor already: use it as it is, or detach() it from its graph"
    )


def data_is_no_array(x: Any, data: Any) -> TypeError:
    return TypeError(
        f"the data of {described(x)} is an array, and {data!r:.60} came: write np.array(5.0, "
        "p.dtype) in place of 5.0, and p.data = t.data for the numbers of a Tensor t"
    )


def no_gradient_of(x: Any, gradient: Any) -> TypeError | ValueError:
    if hasattr(gradient, "gradient"):
        return TypeError(
            f"the gradient of {described(x)} is an array, and a Tensor came: write p.grad = t.data"
        )
    return ValueError(
        f"the gradient of {described(x)} has its shape, {x.shape}, and one of shape "
        f"{np.shape(gradient)} came"
    )


def no_leaf(x: Any) -> AttributeError:
    return AttributeError(
        f"{described(x)} was computed, by {x.operation.name}, and backward() keeps the gradients "
        "of leaves alone: loss.gradient(x) gives that of any x. A parameter that is replaced by "
        "its own step, p = p - rate * p.grad, is a leaf no more: write p.data -= rate * p.grad"
        + see("not-a-leaf")
    )


def not_real_numbers(data: Any, dtype: Any, name: str = "") -> TypeError:
    what = f"{name} gave" if name else f"{str(data)[:60]!r} has"
    return TypeError(
        f"a Tensor holds real numbers, and {what} dtype {dtype}. Complex "
        "numbers, text, ragged lists and arrays of objects are out of scope: "
        "np.stack joins Tensors, array.astype(float) makes numbers of objects" + see("real-numbers")
    )


def integer_gradient(name: str | None, dtype: Any) -> TypeError:
    return TypeError(
        f"only floating-point Tensors have gradients, and {name or 'this one'} "
        f"has dtype {dtype}: write 2.0 in place of 2, or array.astype(float)" + see("integers")
    )


def masked_elements(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} has masked elements, and a Tensor holds numbers only: write "
        "x.filled(0.0), and np.where(x.mask, …) for what is masked; or give where=~x.mask"
    )


def matrix_class(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)}: with np.matrix * is the product of matrices, with Tensors it is taken "
        "number by number: write np.asarray(x), and @ for the product"
    )


def in_place_on_leaf(function: Callable[..., Any], x: Any) -> TypeError:
    return TypeError(
        f"an in-place {function.__name__} would bind your variable to a "
        f"new Tensor and leave the parameter {described(x)} as it was: "
        "write p.data -= step, or p = p - step if you want a new Tensor" + see("in-place")
    )


def item_assignment(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} cannot be assigned to in part, or what was "
        "computed from it would be wrong: build a new Tensor with np.where "
        "or np.concatenate, or change tensor.data[…] before it is used" + see("assignment")
    )


def not_iterable(x: Any) -> TypeError:
    return TypeError(
        f"{described(x)} is one number and cannot be iterated "
        "over: write .item(), or give it an axis, x[None]"
    )


def array_of_tensor(x: Any) -> TypeError:
    return TypeError(
        f"an array of {described(x)} would forget how it was computed: write .numpy() if that is "
        "meant, or use NumPy's functions on the Tensor itself (np.stack for a list "
        "of Tensors, np.concatenate for np.r_, np.column_stack for np.c_)"
        + see("an-array-of-a-tensor")
    )


def out_or_reduce(ufunc: np.ufunc, method: str, x: Any) -> TypeError:
    how = "(…, out=…), or array op= tensor," if method == "__call__" else f".{method}"
    call = f"np.{ufunc.__name__}{how}"
    return TypeError(
        f"{call} has no derivative on {described(x)}: a Tensor's result is always a new "
        "Tensor. Write z = x + y in place of x += y, and np.sum in place of np.add.reduce"
        + see("in-place")
    )
