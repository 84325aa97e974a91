"""The operators and methods of a Tensor: each is a NumPy function with the Tensor as its first
argument.

They are a look-up in `REGISTRY`, nothing else: what runs there is filled in by derivatives.py,
composed.py and special.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.core import errors

Method = Callable[..., Any]

REGISTRY: dict[Callable[..., Any], Any] = {}  # NumPy's function ↦ what runs when it meets a Tensor
OURS: dict[
    str, Callable[..., Any]
] = {}  # the methods that are functions of our own, from special.py


def apply(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a NumPy function, or one of ours, on Tensors: what the registry holds for it runs."""
    run = REGISTRY.get(function)
    if run is None:
        raise errors.no_derivative(function)
    return run(*args, **options)


def method(function: Callable[..., Any]) -> Method:
    """A method or operator of Tensor that is a NumPy function with self as its first argument."""

    def call(self: Any, *args: Any, **options: Any) -> Any:
        return apply(function, self, *args, **options)

    call.__name__, call.__doc__ = function.__name__, f"numpy's {function.__name__}, recorded."
    return call


def operators(function: Callable[..., Any]) -> tuple[Method, Method]:
    """The operator that is an Operation on two arguments, tensor / 2.0, and the one with self on
    the right, 2.0 / tensor."""
    return (
        lambda self, other: REGISTRY[function].call((self, other)),
        lambda self, other: REGISTRY[function].call((other, self)),
    )


def in_place(function: Callable[..., Any]) -> Method:
    """`p -= step` makes a new Tensor, which is refused where it would silently leave the parameter
    as it was."""

    def call(self: Any, other: Any) -> Any:
        if self.requires_grad and self.operation is None:
            raise errors.in_place_on_leaf(function, self)
        return apply(function, self, other)

    return call


def ours(name: str) -> Method:
    """A method that is a function of special.py. That file is built on Tensor, and enters its
    functions in OURS."""

    def call(self: Any, *args: Any, **options: Any) -> Any:
        return OURS[name](self, *args, **options)

    call.__name__, call.__doc__ = name, f"special.{name}, recorded."
    return call


class Methods:
    """What ndarray can do and has a derivative, in columns."""

    __slots__ = ()
    __hash__ = object.__hash__
    data: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self.data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self.data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.data.dtype

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return apply(np.swapaxes, self, -1, -2)

    # fmt: off
    (__add__, __radd__), __iadd__ = operators(np.add), in_place(np.add)
    (__sub__, __rsub__), __isub__ = operators(np.subtract), in_place(np.subtract)
    (__mul__, __rmul__), __imul__ = operators(np.multiply), in_place(np.multiply)
    (__truediv__, __rtruediv__), __itruediv__ = operators(np.divide), in_place(np.divide)
    (__mod__, __rmod__), __imod__ = operators(np.remainder), in_place(np.remainder)
    (__pow__, __rpow__), __ipow__ = operators(np.power), in_place(np.power)
    (__matmul__, __rmatmul__), __imatmul__ = operators(np.matmul), in_place(np.matmul)
    __floordiv__, __rfloordiv__ = method(np.floor_divide), lambda self, other: apply(np.floor_divide, other, self)
    __neg__, __pos__, __abs__, __round__ = method(np.negative), method(np.positive), method(np.absolute), method(np.round)
    __eq__, __ne__ = method(np.equal), method(np.not_equal)
    __lt__, __le__, __gt__, __ge__ = method(np.less), method(np.less_equal), method(np.greater), method(np.greater_equal)

    exp, log, sqrt, tanh, abs = method(np.exp), method(np.log), method(np.sqrt), method(np.tanh), method(np.absolute)
    sum, prod, mean, var, std = method(np.sum), method(np.prod), method(np.mean), method(np.var), method(np.std)
    max, min, argmax, argmin, argsort = method(np.max), method(np.min), method(np.argmax), method(np.argmin), method(np.argsort)
    cumsum, cumprod, clip, dot, trace = method(np.cumsum), method(np.cumprod), method(np.clip), method(np.dot), method(np.trace)
    squeeze, swapaxes, ravel, diagonal = method(np.squeeze), method(np.swapaxes), method(np.ravel), method(np.diagonal)
    take, repeat, copy, round = method(np.take), method(np.repeat), method(np.copy), method(np.round)
    all, any, nonzero, searchsorted = method(np.all), method(np.any), method(np.nonzero), method(np.searchsorted)
    flatten, astype = method(np.ndarray.flatten), method(np.ndarray.astype)
    relu, sigmoid, softmax, log_softmax = ours("relu"), ours("sigmoid"), ours("softmax"), ours("log_softmax")
    # fmt: on

    def reshape(self, *shape: Any) -> Any:
        """reshape(2, 3) or reshape((2, 3)); one size may be -1."""
        return apply(np.reshape, self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """transpose(), transpose(1, 0) or transpose((1, 0))."""
        return apply(np.transpose, self, axes[0] if len(axes) == 1 else axes or None)
