"""Activations: the functions between layers, as Modules. All but GLU keep the shape.

Many networks use Sigmoid to LogSoftmax; few use those from PReLU on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import Tensor, special

from .module import Module

__all__ = [
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ), between 0 and 1.

    >>> Sigmoid()(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    """

    def forward(self, x: Any) -> Any:
        return special.sigmoid(x)


class Tanh(Module):
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), between −1 and 1.

    >>> Tanh()(np.array([0.0, 1000.0]))
    array([0., 1.])
    """

    def forward(self, x: Any) -> Any:
        return np.tanh(x)


class ReLU(Module):
    """max(x, 0); its derivative at 0 is 0.

    >>> ReLU()(np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        return special.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope · x, which is its derivative at 0 too.

    >>> LeakyReLU()(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """

    one_box = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return special.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """x where x > 0, else alpha (eˣ − 1); its derivative at 0 is alpha. (Clevert et al. 2015)

    >>> ELU()(np.array([-1000.0, 2.0]))
    array([-1.,  2.])
    """

    one_box = True

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return special.elu(x, self.alpha)


class SiLU(Module):
    """x σ(x), also called swish.

    >>> SiLU()(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return special.silu(x)


class GELU(Module):
    """x Φ(x): x times the probability that a normal number is below x.

    approximate="tanh" is many times faster, and off by less than 0.0005. (Hendrycks and Gimpel
    2016, section 2)

    >>> GELU()(np.array([-1000.0, 1.0])), GELU("tanh")(np.array([-1000.0, 1.0]))
    (array([-0.        ,  0.84134475]), array([-0.        ,  0.84119199]))
    """

    one_box = True

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return special.gelu(x, self.approximate)


class Softplus(Module):
    """ln(1 + e^(beta x)) / beta: a smooth ReLU, sharper for a greater beta.

    It is exact everywhere and needs no threshold. PyTorch returns x where beta x > 20, which is up
    to 2e-9/beta less.

    >>> Softplus()(np.array([-1000.0, 1000.0]))
    array([   0., 1000.])
    """

    one_box = True

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = float(beta)

    def forward(self, x: Any) -> Any:
        return special.softplus(x * self.beta) / self.beta


class Softmax(Module):
    """eˣ / Σ eˣ along the axis: positive, adding up to 1. PyTorch calls the axis dim.

    >>> Softmax()(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return special.softmax(x, axis=self.axis)


class LogSoftmax(Module):
    """ln softmax(x) = x − ln Σ eˣ along the axis, in nats; PyTorch calls it dim.

    >>> LogSoftmax()(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return special.log_softmax(x, axis=self.axis)


# Met less often


class PReLU(Module):
    """x where x > 0, else a x, where the slope `weight` a is learnt. (He et al. 2015, equation 1)

    There is one a, or with num_parameters one for each channel, axis 1 of x. It starts as `init`.

    >>> PReLU()(np.array([-1.0, 2.0])).data
    array([-0.25,  2.  ])
    """

    one_box = True

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32
    ) -> None:
        self.weight = Tensor(np.full(num_parameters, init, dtype), True, "weight")

    def forward(self, x: Any) -> Any:
        channels = self.weight.size
        if channels == 1:
            slope = self.weight if x.ndim else self.weight.reshape(())
            return np.where(x > 0, x, slope * x)
        if x.ndim < 2 or x.shape[1] != channels:
            raise ValueError(f"PReLU({channels}) takes (batch, {channels}, …), found {x.shape}")
        return np.where(x > 0, x, self.weight.reshape(channels, *[1] * (x.ndim - 2)) * x)


class SELU(Module):
    """λ x where x > 0, else λ α (eˣ − 1): keeps mean 0 and variance 1 from layer to layer.

    λ ≈ 1.0507 and α ≈ 1.6733 are chosen for that. (Klambauer et al. 2017, equation 2)

    >>> SELU()(np.array([-1000.0, 1.0]))
    array([-1.75809934,  1.05070099])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return special.elu(x, 1.6732632423543772) * 1.0507009873554805


class GLU(Module):
    """a σ(b), where a and b are the halves of x along the axis, which becomes half as long.

    PyTorch calls the axis dim. ValueError for an odd length. (Dauphin et al. 2017)

    >>> GLU()(np.array([1.0, 2.0, 0.0, 1000.0]))
    array([0.5, 2. ])
    """

    one_box = True

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        if not -x.ndim <= self.axis < x.ndim:
            raise ValueError(f"GLU halves axis {self.axis}, which shape {x.shape} lacks")
        if x.shape[self.axis] % 2:
            raise ValueError(f"GLU halves axis {self.axis} of {x.shape}, whose length is odd")
        a, b = np.split(x, 2, axis=self.axis)
        return a * special.sigmoid(b)


class Hardtanh(Module):
    """x, but min_val below it and max_val above; its derivative at both is 0.

    >>> Hardtanh()(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """

    one_box = True

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ValueError(f"expected min_val < max_val, found {min_val} and {max_val}")
        self.min_val, self.max_val = float(min_val), float(max_val)

    def forward(self, x: Any) -> Any:
        not_above = np.where(x >= self.max_val, self.max_val, x)  # NaN stays NaN
        return np.where(x <= self.min_val, self.min_val, not_above)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6): numbers above 6 would need more bits. (Krizhevsky 2010)

    >>> ReLU6()(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


class Hardswish(ReLU6):
    """x · min(max(x + 3, 0), 6) / 6: SiLU with straight lines in it. (Howard et al. 2019, §5.2)

    >>> Hardswish()(np.array([-3.0, 1.5, 3.0]))
    array([-0.   ,  1.125,  3.   ])
    """

    def forward(self, x: Any) -> Any:
        return x * (super().forward(x + 3) / 6)  # 6 x might overflow


class Softsign(Module):
    """x / (1 + |x|), between −1 and 1: it goes there more slowly than tanh.

    >>> Softsign()(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return x / (abs(x) + 1)


class Mish(Module):
    """x tanh(ln(1 + eˣ)). (Misra 2019)

    >>> Mish()(np.array([0.0, 1000.0]))
    array([   0., 1000.])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return x * np.tanh(special.softplus(x))


class LogSigmoid(Module):
    """ln σ(x), exact where σ itself underflows to 0.

    >>> LogSigmoid()(np.array([-1000.0]))
    array([-1000.])
    """

    one_box = True

    def forward(self, x: Any) -> Any:
        return special.log_sigmoid(x)
