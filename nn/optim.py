"""Optimizers change parameters along their gradients; gradients that are too long can be clipped.

An optimizer is an `update` of one parameter `p` along its gradient `g` = ∂L/∂p: the formula, no
more. Whether p is one parameter or a Group of them in a row is decided in group.py. How the
learning rate changes is in schedules.py, whose names are here as well: nn.optim.Cosine …
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_edu import Tensor, at_replay, opaque

from .elsewhere import OPTIM, no_such_name, refuse_options
from .group import (
    PER_CALL,
    Group,
    checked_parameters,
    complete_options,
    wide_dtype,
    without_params,
)
from .module import Array
from .schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    SequentialSchedule,
    Step,
    WarmUp,
)

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "ReduceOnPlateau",
    "Schedule",
    "SequentialSchedule",
    "Step",
    "WarmUp",
    "average_gradients",
    "clip_grad_norm",
    "clip_grad_value",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Say what the names of torch.optim are called here."""
        raise no_such_name(name, __all__, "nn.optim", OPTIM)


VANISHED = 1e-30  # kept numbers below become 0: denormal ones cost a processor many times the time

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]
Betas = tuple[float, float]
Unit = Tensor | Group  # what is updated: a parameter, or a Group of them in a row


class Optimizer:
    """What optimizers share. It takes a list of parameters, or of groups with their own options.

    The first step moves a small model's numbers into one vector: each `p.data` is a view from then
    on, and an array that `p.numpy()` gave before stays behind. ValueError for no parameters, one
    that comes twice, negative or unknown options; TypeError for no parameter. Your own's update:

    >>> class Sign(Optimizer):  # self.kept gives arrays that last from step to step
    ...     def update(self, p, g, lr): p.data -= lr * np.sign(g)
    >>> Sign([Tensor(1.0, requires_grad=True)], lr=0.1).param_groups
    [{'params': [Tensor(1.0, requires_grad=True)], 'lr': 0.1}]
    """

    joins = 0

    def __init_subclass__(cls, joins: int = 0) -> None:
        """Set `joins`: at most so many numbers are updated as one vector.

        0 is for an update that does not treat all numbers alike. Joining copies every gradient
        once, and makes one update in place of one for each parameter.
        """
        if "update" in vars(cls):
            cls.joins = joins

    def __init__(self, parameters: Parameters, **options: Any) -> None:
        if isinstance(parameters, Tensor):
            raise TypeError("expected a list, found one Tensor: write [parameter]")
        given: Any = parameters
        if not isinstance(given, Iterable):
            raise TypeError(f"expected a list, found {given!r:.60}: write model.parameters()")
        given = list(given)
        are_groups = bool(given) and all(isinstance(group, Mapping) for group in given)
        self.defaults = options
        self.param_groups: list[dict[str, Any]] = []
        self.groups: list[Group] = []
        self.memory: dict[str, dict[Tensor, Array]] = {}
        self.steps: dict[Tensor, int] = {}
        for group in given if are_groups else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimize more parameters: {"params": …}, with the options that are not the optimizer's.

        Parameters and options may also be changed in `param_groups`, at any time.
        """
        parameters = checked_parameters(group.get("params", ()))
        options = self.checked(without_params(group), self.defaults)
        self.param_groups.append({"params": parameters, **options})
        try:
            self.regroup()
        except ValueError:
            self.param_groups.pop()
            raise

    def regroup(self) -> None:
        """Check the param_groups, complete those that the user added, and make Groups of them."""
        known = {id(p) for group in self.groups for p in group.parameters}  # may be frozen now
        for options in self.param_groups:
            if (given := options["params"]) != []:
                parameters = checked_parameters(given, known)
                options["params"] = given if type(given) is list else parameters
            options.update(self.checked(without_params(options), self.defaults))
        every = [p for options in self.param_groups for p in options["params"]]
        if len(set(every)) < len(every):
            raise ValueError("a parameter comes twice, and would take every step twice")
        self.make_groups()

    def make_groups(self) -> None:
        """Make a Group of each of the param_groups; nothing is joined until the next step."""
        self.groups = []
        for options in self.param_groups:
            counts = {self.steps.get(p, 0) for p in options["params"]}
            self.groups.append(Group(options, self.joins if len(counts) == 1 else 0))

    def current_groups(self) -> list[Group]:
        """A Group for each of the param_groups; new ones if the user has changed these."""
        found = self.param_groups
        if len(found) != len(self.groups) or not all(map(Group.stands_for, self.groups, found)):
            self.regroup()
        return self.groups

    def checked(self, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        """All options of a parameter group, given or read from a file, if they make sense."""
        return complete_options(options, defaults)

    def __getstate__(self) -> dict[str, Any]:
        """All but the Groups: in a copy, or in another process, their views would be copies."""
        return {name: value for name, value in vars(self).items() if name != "groups"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.make_groups()

    def update(self, p: Any, g: Any, *args: Any, **options: Any) -> None:
        """Take one step with one parameter, in place."""
        raise NotImplementedError(
            f"{type(self).__name__} has no update: write def update(self, p, g, lr): …"
        )

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.current_groups():
            options, parameters = group.current_options(), group.with_gradients()
            at_replay(self.count, parameters, of=self.steps)
            for p in group.units(parameters):
                g = p.grad
                self.update(p, g.astype(np.float32) if g.dtype == np.float16 else g, **options)  # type: ignore[union-attr]
                if p is group:
                    group.tell_parameters()

    def zero_grad(self, **elsewhere: Any) -> None:
        """Forget the gradient of every parameter."""
        if elsewhere:
            refuse_options("zero_grad", elsewhere)
        for group in self.current_groups():
            for p in group.parameters:
                p._grad = None

    # What is kept from step to step

    def kept(self, name: str, p: Unit) -> Array:
        """An array of p's shape that is kept, to be changed in place; zeros at first."""
        arrays = self.memory.setdefault(name, {})
        if isinstance(p, Group):
            return p.keep(name, arrays)
        if p not in arrays:
            arrays[p] = np.zeros_like(p.data, dtype=wide_dtype(p.dtype))
        return arrays[p]

    def accumulate(self, name: str, p: Unit, x: Array, decay: float = 1.0) -> Array:
        """Set z ← decay · z + x, where z is the kept array of that name, and return z."""
        z = self.kept(name, p)
        z *= decay
        z += x
        return z

    def taken(self, p: Unit) -> int:
        """How many steps p has taken; within `update`, this one is counted."""
        first = p.parameters[0] if isinstance(p, Group) else p
        return at_replay(lambda: self.steps[first], of=self.steps)  # type: ignore[no-any-return]

    def count(self, parameters: list[Tensor]) -> None:
        """Count one more step for each of these parameters."""
        steps = self.steps
        for p in parameters:
            steps[p] = t = steps.get(p, 0) + 1
        if parameters and t % 256 == 0:
            self.forget_vanished(parameters)

    def forget_vanished(self, parameters: list[Tensor]) -> None:
        """Set to 0 what is kept for these parameters and has all but vanished."""
        for arrays in self.memory.values():
            for kept in [arrays[p] for p in parameters if p in arrays]:
                kept[np.abs(kept) < VANISHED] = 0.0

    def restore(self, memory: dict[str, dict[Tensor, Array]], steps: dict[Tensor, int]) -> None:
        """Go on from the kept arrays and step counts of a checkpoint."""
        self.memory, self.steps = memory, steps
        self.make_groups()


class SGD(Optimizer, joins=2 * PER_CALL):
    """p ← p − lr · v, with v ← momentum · v + g, and g ← g + weight_decay · p before that.

    Without momentum v is g; with nesterov, p ← p − lr · (g + momentum · v), a look ahead (Sutskever
    et al. 2013, §2). As PyTorch's, without dampening: the decay is the gradient of ½ weight_decay
    ‖p‖². Groups: `SGD([{"params": weights, "weight_decay": 5e-5}, {"params": biases}], lr=0.1)`.

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

    def checked(self, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        checked = super().checked(options, defaults)
        if checked["nesterov"] and not checked["momentum"]:
            raise ValueError(
                "nesterov=True looks ahead along the momentum: give momentum > 0, for example 0.9"
            )
        return checked

    def update(
        self, p: Unit, g: Array, lr: float, momentum: float, weight_decay: float, nesterov: bool
    ) -> None:
        if weight_decay:
            g = g + weight_decay * p.data
        if momentum:
            v = self.accumulate("velocity", p, g, momentum)
            g = g + momentum * v if nesterov else v
        p.data -= lr * g


class Adam(Optimizer, joins=12 * PER_CALL):
    """p ← p − lr · m̂ / (√v̂ + ε), with running means m of g and v of g².

    m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g²; m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo
    the start from 0. As in PyTorch, g ← g + weight_decay · p before that, which is not AdamW.
    (Kingma & Ba 2015, algorithm 1)

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # the first step is lr, whatever g is
    array([0.9, 1.9])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(
        self, p: Unit, g: Array, lr: float, betas: Betas, eps: float, weight_decay: float
    ) -> None:
        (beta1, beta2), t = betas, self.taken(p)
        if weight_decay:
            g = g + weight_decay * p.data
        m = self.accumulate("m", p, (1 - beta1) * g, beta1)
        v = self.accumulate("v", p, (1 - beta2) * np.square(g), beta2)
        c = (1 - beta2**t) ** 0.5  # √v̂ = √v / c: numbers are multiplied, not arrays (section 2)
        p.data -= m / (np.sqrt(v) + eps * c) * (lr * c / (1 - beta1**t))


class AdamW(Adam, joins=12 * PER_CALL):
    """p ← (1 − lr · weight_decay) p, then Adam's step without weight decay.

    In Adam the penalty's gradient is divided by √v̂ like any other; here every parameter shrinks by
    the same factor. As in PyTorch, the decay is multiplied by lr, which a schedule changes.
    (Loshchilov & Hutter 2019, algorithm 2)

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.1, weight_decay=0.5)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # 0.95 p − 0.1
    array([0.85, 1.8 ])
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def update(
        self, p: Unit, g: Array, lr: float, betas: Betas, eps: float, weight_decay: float
    ) -> None:
        p.data *= 1 - lr * weight_decay
        super().update(p, g, lr, betas, eps, weight_decay=0.0)


class RMSprop(Optimizer, joins=8 * PER_CALL):
    """p ← p − lr · u, with u ← momentum · u + g / (√v + ε) and a running mean v ← α v + (1 − α) g².

    g ← g + weight_decay · p before that. centered=True subtracts from v the square of g's running
    mean, which leaves the variance (Graves 2013, eq. 38 to 41; there ε is inside the root, here and
    in PyTorch outside). Defaults and order are PyTorch's. (Tieleman & Hinton 2012, lecture 6.5)

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
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, **options, momentum=momentum, centered=centered)

    def update(
        self,
        p: Unit,
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
            v = np.maximum(v - np.square(m), 0)  # for a constant g, rounding could make it negative
        u = g / (np.sqrt(v) + eps)
        p.data -= lr * (self.accumulate("u", p, u, momentum) if momentum else u)


class Adagrad(Optimizer, joins=6 * PER_CALL):
    """p ← p − lr · g / (√s + ε), with s ← s + g² since the first step.

    g ← g + weight_decay · p before that. As PyTorch's, without lr_decay (a schedule does it) and
    starting with s = 0. (Duchi et al. 2011, fig. 1, diagonal matrices)

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=0.1)
    >>> (p * p).sum().backward(); optimizer.step(); p.data  # the first step is lr, whatever g is
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

    def update(self, p: Unit, g: Array, lr: float, weight_decay: float, eps: float) -> None:
        if weight_decay:
            g = g + weight_decay * p.data
        s = self.accumulate("sum", p, np.square(g))
        p.data -= lr * g / (np.sqrt(s) + eps)


def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Any:
    """g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶)), in place; ‖g‖ is of all gradients as one vector.

    Call it between backward() and step(). Returns ‖g‖ as it was. It is PyTorch's `clip_grad_norm_`
    for the Euclidean norm. Raises ValueError for a negative max_norm, and for a norm that is NaN or
    infinite, as PyTorch does with error_if_nonfinite=True. (Pascanu et al. 2013, algorithm 1)

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> ([3.0, 4.0] * p).sum().backward(); clip_grad_norm([p], max_norm=1.0), p.grad.round(3)
    (np.float64(5.0), array([0.6, 0.8]))
    """
    found = those_with_gradients(parameters, max_norm=max_norm)
    norm = joint_norm(*[p.grad for p in found])
    factor = np.minimum(max_norm / (norm + 1e-6), 1.0)
    for p in found:
        p.grad *= factor.astype(wide_dtype(p.dtype))
    return norm


@opaque
def joint_norm(*gradients: Array) -> np.float64:
    """The norm of all gradients as one vector. Raises ValueError if it is not finite."""
    norms = [norm_of(g) for g in gradients]
    for i, norm in enumerate(norms):
        if not math.isfinite(norm):
            raise ValueError(
                f"the gradient of parameter {i}, shape {gradients[i].shape}, has norm {norm}, "
                "which nothing can clip: lower the learning rate, or ask "
                "`with detect_anomaly():` where it comes from"
            )
    return np.float64(math.hypot(*norms))


def norm_of(g: Array) -> float:
    """‖g‖ = m ‖g/m‖, where m is the greatest |g|: squares of g itself might overflow or vanish."""
    greatest = np.abs(g).max(initial=0.0).astype(np.float64)
    if not 0 < greatest < np.inf:
        return float(greatest)
    return float(greatest * np.linalg.norm(np.ravel(g) / greatest))


def clip_grad_value(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """g ← min(max(g, −clip_value), clip_value), number by number, in place.

    Unlike clip_grad_norm it changes the gradient's direction. It is PyTorch's `clip_grad_value_`.
    Raises ValueError for a negative clip_value; NaNs stay NaNs.

    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> ([3.0, -0.5] * p).sum().backward(); clip_grad_value([p], clip_value=1.0); p.grad
    array([ 1. , -0.5])
    """
    for p in those_with_gradients(parameters, clip_value=clip_value):
        np.clip(p.grad, -float(clip_value), float(clip_value), out=p.grad)


def average_gradients(optimizer: Optimizer, comm: Any) -> None:
    """g ← Σ g / n over the n processes of an MPI communicator: one Allreduce for all gradients.

    Call it between backward() and step(), in every process: each has computed the mean over its own
    part of the batch, all parts of one size. `comm` is mpi4py's, or has its `size` and `Allreduce`.

    >>> class Alone:  # a communicator of one process
    ...     size, Allreduce = 1, staticmethod(lambda mine, of_all: np.copyto(of_all, mine))
    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> (p * p).sum().backward(); average_gradients(SGD([p], lr=0.1), Alone); p.grad
    array([2., 4.])
    """
    every = [p for options in optimizer.param_groups for p in options["params"]]
    found = those_with_gradients(every)
    for dtype in dict.fromkeys(wide_dtype(p.grad.dtype) for p in found):  # MPI has no float16
        alike = [p for p in found if wide_dtype(p.grad.dtype) == dtype]
        mine = np.concatenate([p.grad.astype(dtype, copy=False).reshape(-1) for p in alike])
        mean = np.empty_like(mine)
        comm.Allreduce(mine, mean)
        mean /= comm.size
        parts = np.split(mean, np.cumsum([p.grad.size for p in alike])[:-1])
        for p, part in zip(alike, parts, strict=True):
            p.grad[...] = part.reshape(p.grad.shape)


def those_with_gradients(parameters: Tensor | Iterable[Tensor], **bound: float) -> list[Any]:
    """The parameters that have a gradient, each once. Raises ValueError for a negative bound."""
    for name, value in bound.items():
        if not value >= 0:
            raise ValueError(f"expected {name} ≥ 0, found {name}={value}")
    every = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p for p in dict.fromkeys(every) if p.grad is not None]
