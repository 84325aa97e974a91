"""Optimizers: how parameters follow their gradients; and how to clip gradients that are too long.

An optimizer is an `update` of one parameter, in place. `p` is the parameter, `g` = ∂L/∂p. How the
learning rate changes meanwhile is in schedules.py, whose names are here as well: nn.optim.Cosine …
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, at_replay, opaque

from .flat import Flat, can_be_flat
from .module import Array
from .schedules import Constant, Cosine, OneCycle, Schedule, Step, WarmUp

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Step",
    "WarmUp",
    "clip_grad_norm",
    "clip_grad_value",
]

VANISHED = (
    1e-30  # smaller ones would become denormal, which a processor handles many times more slowly
)

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """What optimizers share. `parameters` are Tensors, or groups with options of their own: see
    SGD.

    Raises ValueError if there are no parameters, if one comes twice, or for an option that is
    negative or unknown; TypeError for a parameter that is not a Tensor created with
    requires_grad=True.

    >>> class Sign(Optimizer):  # to write one, give its update; `kept` holds arrays from step to step
    ...     def update(self, p, g, lr): p.data -= lr * np.sign(g)
    >>> Sign([Tensor(1.0, requires_grad=True)], lr=0.1).param_groups
    [{'params': [Tensor(1.0, requires_grad=True)], 'lr': 0.1}]
    """

    def __init__(self, parameters: Parameters, **options: Any) -> None:
        if isinstance(parameters, Tensor):
            raise TypeError("expected a list, found one Tensor: write [parameter]")
        given: list[Any] = list(parameters)
        groups = (
            given
            if given and all(isinstance(group, Mapping) for group in given)
            else [{"params": given}]
        )
        self.param_groups = [checked_group(group, options) for group in groups]
        self.memory: dict[str, dict[Tensor, Array]] = {}
        self.steps: dict[Tensor, int] = {}
        every = [p for group in self.param_groups for p in group["params"]]
        if len(set(every)) < len(every):
            raise ValueError("a parameter comes twice, and would take every step twice")
        self.flats = [
            Flat(group["params"])
            if hasattr(self.update, "elementwise") and can_be_flat(group["params"])
            else None
            for group in self.param_groups
        ]

    def update(self, p: Any, g: Array, *args: Any, **options: Any) -> None:
        """One step of one parameter, in place."""
        raise NotImplementedError(
            f"{type(self).__name__} has no update: write def update(self, p, g, lr): …"
        )

    def step(self) -> None:
        """Update every parameter that has a gradient. All of a group as one vector, where that
        pays: see Flat."""
        for i, (group, flat) in enumerate(zip(self.param_groups, self.flats, strict=True)):
            options = options_of(group)
            parameters = [p for p in group["params"] if p.grad is not None]
            if len(parameters) < len(group["params"]):
                self.flats[i] = flat = None  # from here on their counts differ
            at_replay(functools.partial(self.count, parameters), of=self.steps)
            for p in [flat] if flat is not None and flat.gathers() else parameters:
                self.update(p, p.grad, **options)

    def count(self, parameters: list[Tensor]) -> None:
        """One step more that these have taken. Now and then, numbers kept for them that have all
        but vanished become 0."""
        steps = self.steps
        for p in parameters:
            steps[p] = t = steps.get(p, 0) + 1
        if not parameters or t % 256:
            return
        for arrays in self.memory.values():
            for p in parameters:
                kept = arrays.get(p)
                if isinstance(kept, np.ndarray):
                    kept[np.abs(kept) < VANISHED] = 0.0

    def taken(self, p: Any) -> Any:
        """How many steps p has taken; within `update`, with this one."""
        return at_replay(
            lambda: self.steps[next(iter(p.views)) if isinstance(p, Flat) else p], of=self.steps
        )

    def kept(self, name: str, p: Any) -> Array:
        """An array of p's shape that is kept from step to step, to be changed in place; zeros at
        first."""
        arrays = self.memory.setdefault(name, {})
        if isinstance(p, Flat):
            return p.kept(name, arrays)
        if p not in arrays:
            arrays[p] = np.zeros_like(p.data)
        return arrays[p]

    def restore(self, memory: dict[str, dict[Tensor, Array]], steps: dict[Tensor, int]) -> None:
        """Go on from what was kept elsewhere; parameters that have not taken the same steps are
        updated one by one."""
        self.memory, self.steps = memory, steps
        self.flats = [
            None if flat is None or len({steps.get(p, 0) for p in flat.views}) > 1 else flat
            for flat in self.flats
        ]

    def accumulate(self, name: str, p: Any, x: Array, decay: float = 1.0) -> Array:
        """z ← decay · z + x for the kept array z of that name, in place: a sum that forgets, or
        not."""
        z = self.kept(name, p)
        z *= decay
        z += x
        return z

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None


def options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group is updated with; a step that is replayed reads it anew every time."""
    options = {name: option for name, option in group.items() if name != "params"}
    if isinstance(group["params"][0].data, np.ndarray):
        return options  # while a step is recorded it is no array
    return {name: at_replay(functools.partial(group.get, name), of=group) for name in options}


def elementwise(update: Any) -> Any:
    """Mark an update that treats every number alike, so that parameters can be one vector."""
    update.elementwise = True
    return update


class SGD(Optimizer):
    """p ← p − lr · v, with v ← momentum · v + g, and g ← g + weight_decay · p before that.

    Without momentum v is g; with nesterov, p ← p − lr · (g + momentum · v), a look ahead (Sutskever
    et al. 2013, §2). As PyTorch's, without dampening; weight decay is the gradient of ½
    weight_decay ‖p‖². Groups: `SGD([{"params": weights, "weight_decay": 5e-5}, {"params": biases}],
    lr=0.1)`.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # p − 0.1 · 2p
    array([0.8, 1.6])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        *,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        )
        if any(group["nesterov"] and not group["momentum"] for group in self.param_groups):
            raise ValueError(
                "nesterov=True looks ahead along the momentum: give momentum > 0, for example 0.9"
            )

    @elementwise
    def update(
        self, p: Any, g: Array, lr: float, momentum: float, weight_decay: float, nesterov: bool
    ) -> None:
        if weight_decay:
            g = g + weight_decay * p.data
        if momentum:
            v = self.accumulate("velocity", p, g, momentum)
            g = g + momentum * v if nesterov else v
        p.data -= lr * g


class Adam(Optimizer):
    """p ← p − lr · m̂ / (√v̂ + ε), with running means m of g and v of g². (Kingma & Ba 2015,
    algorithm 1)

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²; m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo
    the start from 0. As in PyTorch, g ← g + weight_decay · p before that, which is not AdamW.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # the first step is lr, whatever the gradient's size
    array([0.9, 1.9])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    @elementwise
    def update(
        self,
        p: Any,
        g: Array,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        (beta1, beta2), t = betas, self.taken(p)
        if weight_decay:
            g = g + weight_decay * p.data
        m = self.accumulate("m", p, g * (1 - beta1), beta1)
        square = np.square(g)
        square *= 1 - beta2
        v = self.accumulate("v", p, square, beta2)
        correction = (
            1 - beta2**t
        ) ** 0.5  # √v̂ = √v / correction: multiplied out, so that it costs no pass over the arrays
        step = np.sqrt(v)
        step += eps * correction
        step = m / step
        step *= lr * correction / (1 - beta1**t)
        p.data -= step


class AdamW(Adam):
    """p ← (1 − lr · weight_decay) p, then Adam's step without weight decay. (Loshchilov & Hutter
    2019, algorithm 2)

    In Adam the penalty's gradient is divided by √v̂ like any other; here every parameter shrinks by
    the same factor. As in PyTorch, the decay is multiplied by lr, which a schedule changes.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.1, weight_decay=0.5)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # 0.95 p − 0.1
    array([0.85, 1.8 ])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    @elementwise
    def update(
        self,
        p: Any,
        g: Array,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        p.data *= 1 - lr * weight_decay
        super().update(p, g, lr, betas, eps, weight_decay=0.0)


class RMSprop(Optimizer):
    """p ← p − lr · u, with u ← momentum · u + g / (√v + ε) and a running mean v ← α v + (1 − α) g².

    g ← g + weight_decay · p before that; centered=True subtracts from v the square of the running
    mean of g, which leaves its variance (Graves 2013, eq. 38 to 41; there ε is inside the root, in
    PyTorch and here outside). Source: Tieleman & Hinton 2012, lecture 6.5. Defaults and order of
    the options are PyTorch's.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.1, alpha=0.75)
    >>> (p * p).sum().backward(); optimizer.step(); p.data.round(6)  # p − 0.1 · g / (½ |g|)
    array([0.8, 1.8])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            parameters,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    @elementwise
    def update(
        self,
        p: Any,
        g: Array,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
    ) -> None:
        if weight_decay:
            g = g + weight_decay * p.data
        v = self.accumulate("v", p, (1 - alpha) * np.square(g), alpha)
        if centered:
            m = self.accumulate("m", p, (1 - alpha) * g, alpha)
            v = np.maximum(
                v - np.square(m), 0
            )  # where g is constant, rounding could make it negative
        u = g / (np.sqrt(v) + eps)
        p.data -= lr * (self.accumulate("u", p, u, momentum) if momentum else u)


class Adagrad(Optimizer):
    """p ← p − lr · g / (√s + ε), with s ← s + g² since the first step. (Duchi et al. 2011, fig. 1,
    diagonal matrices)

    g ← g + weight_decay · p before that. As PyTorch's, without lr_decay (a schedule does it) and
    starting with s = 0.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # the first step is lr, whatever the gradient's size
    array([0.9, 1.9])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-2,
        *,
        weight_decay: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, eps=eps)

    @elementwise
    def update(self, p: Any, g: Array, lr: float, weight_decay: float, eps: float) -> None:
        if weight_decay:
            g = g + weight_decay * p.data
        p.data -= lr * g / (np.sqrt(self.accumulate("sum", p, np.square(g))) + eps)


def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Any:
    """g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶)), in place, g being all gradients as one vector.
    Returns ‖g‖ as it was.

    Between backward() and step(). PyTorch's `clip_grad_norm_`, for the Euclidean norm; nothing here
    that changes things in place has a _ behind its name. Raises ValueError for a negative max_norm,
    and for a norm that is NaN or infinite (PyTorch does so with error_if_nonfinite=True). (Pascanu
    et al. 2013, algorithm 1)

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> ([3.0, 4.0] * p).sum().backward(); clip_grad_norm([p], max_norm=1.0), p.grad.round(3)
    (np.float64(5.0), array([0.6, 0.8]))
    """
    found = with_gradients(parameters, max_norm=max_norm)
    norm = length(*[p.grad for p in found])
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
    for p in found:
        p.grad *= factor.astype(p.dtype)
    return norm


@opaque
def length(*gradients: Array) -> np.float64:
    """Of all gradients as one vector, if it is finite."""
    norms = [float(np.linalg.norm(np.ravel(g))) for g in gradients]
    for i, norm in enumerate(norms):
        if not math.isfinite(norm):
            raise ValueError(
                f"the gradient of parameter {i}, shape {gradients[i].shape}, has norm {norm}, "
                "which nothing can "
                "clip: lower the learning rate, or ask `with detect_anomaly():` where it comes from"
            )
    return np.float64(math.hypot(*norms))


def clip_grad_value(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """g ← min(max(g, −clip_value), clip_value), number by number: unlike clip_grad_norm, this
    changes the direction.

    PyTorch's `clip_grad_value_`. Raises ValueError for a negative clip_value; NaNs stay NaNs.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> ([3.0, -0.5] * p).sum().backward(); clip_grad_value([p], clip_value=1.0); p.grad
    array([ 1. , -0.5])
    """
    for p in with_gradients(parameters, clip_value=clip_value):
        np.clip(p.grad, -float(clip_value), float(clip_value), out=p.grad)


def with_gradients(parameters: Tensor | Iterable[Tensor], **bound: float) -> list[Any]:
    """The parameters that have a gradient, each once, if the bound is one."""
    for name, value in bound.items():
        if not value >= 0:
            raise ValueError(f"expected {name} ≥ 0, found {name}={value}")
    every = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in dict.fromkeys(every) if p.grad is not None]


def checked_group(group: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A parameter group with all its options, none of them unknown, negative or NaN."""
    options = {name: value for name, value in group.items() if name != "params"}
    unknown = options.keys() - defaults.keys()
    if unknown:
        raise ValueError(
            f"unknown {sorted(unknown)} in a parameter group: the options are {sorted(defaults)}"
        )
    checked: dict[str, Any] = {"params": checked_parameters(group.get("params", ()))}
    for name, value in {**defaults, **options}.items():
        if name == "betas":
            checked[name] = checked_betas(value)
        elif isinstance(value, bool):
            checked[name] = value
        elif value >= 0:
            checked[name] = float(value)  # Python's float leaves float32 arrays float32
        else:
            raise ValueError(f"expected {name} ≥ 0, found {name}={value}")
    return checked


def checked_betas(betas: Iterable[float]) -> tuple[float, ...]:
    checked = tuple(float(beta) for beta in betas)
    if len(checked) == 2 and all(0 <= beta < 1 for beta in checked):
        return checked
    raise ValueError(f"expected two betas with 0 ≤ β < 1, found betas={checked}")


def checked_parameters(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters of a group as a list, if there are some and each can be optimized."""
    checked = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not checked:
        raise ValueError(
            "expected parameters, found none: a generator is empty once it has been read, so call "
            "model.parameters() anew"
        )
    for i, p in enumerate(checked):
        if isinstance(p, Tensor) and p.requires_grad and p.operation is None:
            continue
        raise TypeError(
            "expected Tensors created with requires_grad=True, found "
            f"{type(p).__name__} {getattr(p, 'shape', '')} at position {i}: pass model.parameters()"
        )
    return checked
