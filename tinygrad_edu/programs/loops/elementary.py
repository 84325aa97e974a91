"""eˣ, ln x and tanh x of float32 in loops: a few products and sums, so that they are vectorised.

Each is within 2 units in the last place. NaN, infinities and numbers below 2⁻¹²⁶ are right too. The
reductions of the range depend on the order of their steps: nothing here may be reassociated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

f4, i4 = np.float32, np.int32
LN2_HIGH, LN2_LOW = f4(0.693359375), f4(-2.12194440e-4)  # the high part times k is exact


def scale(k: Any) -> Any:
    """2ᵏ as the bits of a float32, for −126 ≤ k ≤ 127."""
    return i4((k + i4(127)) << i4(23)).view(f4)


def exp_f4(x: Any) -> Any:
    """eˣ = 2ᵏ eʳ with |r| ≤ ½ ln 2, and eʳ = 1 + r + r² p(r)."""
    y = f4(-104.0) if x < f4(-104.0) else x
    y = f4(89.0) if y > f4(89.0) else y
    k = np.floor(y * f4(1.44269504) + f4(0.5))
    r = (y - k * LN2_HIGH) - k * LN2_LOW
    p = f4(1.9875691500e-4)
    p = p * r + f4(1.3981999507e-3)
    p = p * r + f4(8.3334519073e-3)
    p = p * r + f4(4.1665795894e-2)
    p = p * r + f4(1.6666665459e-1)
    p = p * r + f4(5.0000001201e-1)
    e = (p * (r * r) + r) + f4(1)
    n = i4(k) if x == x else i4(0)
    half = n >> i4(1)  # two steps: 2ᵏ itself may be no float32
    return (e * scale(half)) * scale(n - half)


def log_f4(x: Any) -> Any:
    """ln x = k ln 2 + ln m with √½ ≤ m < √2."""
    small = x < f4(1.17549435e-38)
    y = x * f4(8388608.0) if small else x  # 2²³ x is no denormal number
    bits = f4(y).view(i4)
    k = (bits - i4(0x3F3504F3)) >> i4(23)
    m = i4(bits - (k << i4(23))).view(f4)
    e = f4(k) - (f4(23.0) if small else f4(0.0))
    r = m - f4(1)
    z = r * r
    p = f4(7.0376836292e-2)
    p = p * r + f4(-1.1514610310e-1)
    p = p * r + f4(1.1676998740e-1)
    p = p * r + f4(-1.2420140846e-1)
    p = p * r + f4(1.4249322787e-1)
    p = p * r + f4(-1.6668057665e-1)
    p = p * r + f4(2.0000714765e-1)
    p = p * r + f4(-2.4999993993e-1)
    p = p * r + f4(3.3333331174e-1)
    tail = (p * r * z + e * LN2_LOW) - f4(0.5) * z
    value = (r + tail) + e * LN2_HIGH
    value = x if x == f4(np.inf) else value
    value = f4(-np.inf) if x == f4(0) else value
    return value if x >= f4(0) else f4(np.nan)


def within(x: Any, low: Any, high: Any) -> Any:
    """x, or the limit that it passes; what is NaN stays so."""
    x = x if x != x or x > low else low
    return x if x != x or x < high else high


def tanh_f4(x: Any) -> Any:
    """x + x³ p(x²) near 0; elsewhere 1 − 2 / (e²ˣ + 1), with the sign of x."""
    a = abs(x)
    z = x * x
    p = f4(-5.70498872745e-3)
    p = p * z + f4(2.06390887954e-2)
    p = p * z + f4(-5.37397155531e-2)
    p = p * z + f4(1.33314422036e-1)
    p = p * z + f4(-3.33332819422e-1)
    near = x + x * (z * p)
    far = f4(1) - f4(2) / (exp_f4(a + a) + f4(1))
    far = -far if x < f4(0) else far
    return near if a < f4(0.625) else far
