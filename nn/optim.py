"""Optimizers: how parameters follow their gradients; and schedules: how the learning rate changes meanwhile.

An optimizer is an `update` of one parameter; a schedule is a `factor` of the step. `p` is the parameter, `g` = ∂L/∂p.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tinygrad_edu import Tensor

from .module import Array

__all__ = ["SGD", "Adam", "Constant", "Cosine", "Optimizer", "Schedule", "Step", "WarmUp"]

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]


class Optimizer:
    """What optimizers share. `parameters` are Tensors, or groups with options of their own: see SGD.

    Raises ValueError if there are no parameters, if one comes twice, or for an option that is negative or unknown;
    TypeError for a parameter that is not a Tensor created with requires_grad=True.

    >>> class Sign(Optimizer):  # to write one, give its update; `kept` holds arrays from step to step
    ...     def update(self, p, g, lr): p.data -= lr * np.sign(g)
    >>> Sign([Tensor(1.0, requires_grad=True)], lr=0.1).param_groups
    [{'params': [Tensor(1.0, requires_grad=True)], 'lr': 0.1}]
    """

    def __init__(self, parameters: Parameters, **options: Any) -> None:
        if isinstance(parameters, Tensor): raise TypeError("expected a list, found one Tensor: write [parameter]")
        given: list[Any] = list(parameters)
        groups = given if given and all(isinstance(group, Mapping) for group in given) else [{"params": given}]
        self.param_groups = [checked_group(group, options) for group in groups]
        self.memory: dict[str, dict[Tensor, Array]] = {}
        self.steps: dict[Tensor, int] = {}
        every = [p for group in self.param_groups for p in group["params"]]
        if len(set(every)) < len(every): raise ValueError("a parameter comes twice, and would take every step twice")

    def update(self, p: Tensor, g: Array, *args: Any, **options: Any) -> None:
        """One step of one parameter, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no update: write def update(self, p, g, lr): …")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            options = {name: value for name, value in group.items() if name != "params"}
            for p in group["params"]:
                if p.grad is None: continue
                self.update(p, p.grad, **options)
                self.steps[p] = self.steps.get(p, 0) + 1

    def kept(self, name: str, p: Tensor) -> Array:
        """An array of p's shape that is kept from step to step, to be changed in place; zeros at first."""
        arrays = self.memory.setdefault(name, {})
        if p not in arrays: arrays[p] = np.zeros_like(p.data)
        return arrays[p]

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for group in self.param_groups:
            for p in group["params"]: p.grad = None


class SGD(Optimizer):
    """p ← p − lr · v, with v ← momentum · v + g, and g ← g + weight_decay · p before that.

    Without momentum v is g. As PyTorch's, without dampening; weight decay is the gradient of ½ weight_decay ‖p‖².
    Groups: `SGD([{"params": weights, "weight_decay": 5e-5}, {"params": biases}], lr=0.1)`.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # p − 0.1 · 2p
    array([0.8, 1.6])
    """

    def __init__(self, parameters: Parameters, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, p: Tensor, g: Array, lr: float, momentum: float, weight_decay: float) -> None:
        if weight_decay: g = g + weight_decay * p.data
        if momentum:
            v = self.kept("velocity", p)
            v *= momentum
            v += g
            g = v
        p.data -= lr * g


class Adam(Optimizer):
    """p ← p − lr · m̂ / (√v̂ + ε), with running means m of g and v of g². (Kingma & Ba 2015, algorithm 1)

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²; m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the start from 0.
    As in PyTorch, g ← g + weight_decay · p before that, which is not AdamW.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # the first step is lr, whatever the gradient's size
    array([0.9, 1.9])
    """

    def __init__(self, parameters: Parameters, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, p: Tensor, g: Array, lr: float, betas: tuple[float, float], eps: float,
               weight_decay: float) -> None:
        (beta1, beta2), m, v = betas, self.kept("m", p), self.kept("v", p)
        t = self.steps.get(p, 0) + 1
        if weight_decay: g = g + weight_decay * p.data
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * np.square(g)
        p.data -= lr / (1 - beta1 ** t) * m / (np.sqrt(v / (1 - beta2 ** t)) + eps)


def checked_group(group: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A parameter group with all its options, none of them unknown, negative or NaN."""
    options = {name: value for name, value in group.items() if name != "params"}
    unknown = options.keys() - defaults.keys()
    if unknown: raise ValueError(f"unknown {sorted(unknown)} in a parameter group: the options are {sorted(defaults)}")
    checked: dict[str, Any] = {"params": checked_parameters(group.get("params", ()))}
    for name, value in {**defaults, **options}.items():
        if name == "betas": checked[name] = checked_betas(value)
        elif value >= 0: checked[name] = float(value)  # Python's float leaves float32 arrays float32
        else: raise ValueError(f"expected {name} ≥ 0, found {name}={value}")
    return checked


def checked_betas(betas: Iterable[float]) -> tuple[float, ...]:
    checked = tuple(float(beta) for beta in betas)
    if len(checked) == 2 and all(0 <= beta < 1 for beta in checked): return checked
    raise ValueError(f"expected two betas with 0 ≤ β < 1, found betas={checked}")


def checked_parameters(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters of a group as a list, if there are some and each can be optimized."""
    checked = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not checked:
        raise ValueError("expected parameters, found none: a generator is empty once it has been read, so call "
                         "model.parameters() anew")
    for i, p in enumerate(checked):
        if isinstance(p, Tensor) and p.requires_grad and p.operation is None: continue
        raise TypeError("expected Tensors created with requires_grad=True, found "
                        f"{type(p).__name__} {getattr(p, 'shape', '')} at position {i}: pass model.parameters()")
    return checked


@dataclass(eq=False)
class Schedule:
    """lr = initial lr · factor(t), for every group, where t counts the calls of `step()` and starts at 0.

    Call `step()` per batch or per epoch, after the optimizer's. Raises ValueError for an option that is not positive.

    >>> class Inverse(Schedule):  # to write one, give its factor
    ...     def factor(self, t): return 1 / (1 + t)  # Robbins & Monro 1951
    >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = Inverse(optimizer); schedule.step(); optimizer.param_groups[0]["lr"]
    0.25
    """

    optimizer: Optimizer

    def __post_init__(self) -> None:
        for name in [field.name for field in fields(self)[1:]]:
            if not getattr(self, name) > 0: raise ValueError(f"expected {name} > 0, found {name}={getattr(self, name)}")
        self.t, self.initial = 0, [group["lr"] for group in self.optimizer.param_groups]
        self.set()

    def factor(self, t: int) -> float:
        """What the initial learning rate is multiplied by after t steps."""
        raise NotImplementedError(f"{type(self).__name__} has no factor: write def factor(self, t): return …")

    def set(self) -> None:
        """Give every group its learning rate at t."""
        for group, lr in zip(self.optimizer.param_groups, self.initial, strict=True):
            group["lr"] = lr * self.factor(self.t)

    def step(self) -> None:
        """Go on to the next learning rate."""
        self.t += 1
        self.set()


@dataclass(eq=False)
class Constant(Schedule):
    """factor(t) = 1.

    >>> schedule = Constant(SGD([Tensor(1.0, requires_grad=True)], lr=0.1))
    >>> [schedule.factor(t) for t in range(3)]
    [1.0, 1.0, 1.0]
    """

    def factor(self, t: int) -> float: return 1.0


@dataclass(eq=False)
class Step(Schedule):
    """factor(t) = γ^⌊t/size⌋: divided by 10 every `size` steps, if γ = 0.1.

    >>> schedule = Step(SGD([Tensor(1.0, requires_grad=True)], lr=0.1), size=2, gamma=0.5)
    >>> [schedule.factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    size: int
    gamma: float = 0.1

    def factor(self, t: int) -> float: return self.gamma ** (t // self.size)


@dataclass(eq=False)
class Cosine(Schedule):
    """factor(t) = (1 + cos(π t/steps)) / 2: from 1 to 0 over `steps`, then 0 (PyTorch's rises again).

    >>> schedule = Cosine(SGD([Tensor(1.0, requires_grad=True)], lr=0.1), steps=4)
    >>> [round(schedule.factor(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """

    steps: int

    def factor(self, t: int) -> float: return (1 + math.cos(math.pi * min(t / self.steps, 1))) / 2


@dataclass(eq=False)
class WarmUp(Schedule):
    """factor(t) = min((t + 1)/steps, 1): from 1/steps to 1 in `steps` equal strides, and 1 from there on.

    >>> schedule = WarmUp(SGD([Tensor(1.0, requires_grad=True)], lr=0.1), steps=4)
    >>> [schedule.factor(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """

    steps: int

    def factor(self, t: int) -> float: return min((t + 1) / self.steps, 1.0)
