"""Check a program call by call: from the same inputs each call must give what it gave before.

What is compared is each call, by the error that its own arithmetic can have, and not the state
after an optimizer: that divides a gradient which is zero but for rounding by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.programs import refusals
from tinygrad_edu.programs.program import Array, Call

FURTHER = 16  # loops may be as many times further away than NumPy's calls with shaken results


class Checker:
    """Compares results, one by one, with those of the recording, and returns these.

    `compared` says whose results they are: a call, and the number of the result.
    """

    def __init__(
        self, calls: list[Call], gave: list[list[Any]], compared: list[tuple[Call, int]]
    ) -> None:
        before = {id(call): values for call, values in zip(calls, gave, strict=True)}
        self.pending = iter([(call, k, before[id(call)][k]) for call, k in compared])
        self.unset: set[Array] = set()
        # By a call's id and the number of a result: how much rounding before it may change it
        self.doubt: dict[tuple[int, int], float] | None = None

    def __call__(self, found: Any) -> Any:
        call, k, expected = next(self.pending)
        if call.function is np.empty_like:
            self.unset.add(call.target)
        if call.target.holder in self.unset:
            return found  # some of its numbers have never been set
        if isinstance(found, np.ndarray | np.generic) and same_bits(found, expected):
            return found
        doubt = 0.0 if self.doubt is None else FURTHER * self.doubt[id(call), k]
        if not self.is_close(call, found, expected, doubt):
            raise refusals.replays_differently(f"what {call.name} gives", call.line)
        if not isinstance(found, np.ndarray):
            return found.dtype.type(expected) if hasattr(found, "dtype") else expected
        if found.flags.writeable:
            found[...] = expected
        return found

    def is_close(self, call: Call, a: Any, b: Any, doubt: float) -> bool:
        """|a − b| ≤ ε (16 |b| + n max|x| max|y|) + doubt; a sum or product adds n terms."""
        if np.shape(a) != b.shape or (hasattr(a, "dtype") and a.dtype != b.dtype):
            return False
        if b.dtype.kind not in "fc":
            return bool(np.array_equal(a, b))
        eps = float(np.finfo(b.dtype).eps)
        with np.errstate(all="ignore"):
            apart = eps * (16 * np.abs(b) + self.added(call, b.size)) + doubt
            return bool(np.all((np.abs(a - b) <= apart) | (a == b) | ((a != a) & (b != b))))

    def added(self, call: Call, size: int) -> float:
        """n max|x| max|y|: how large the terms are that a sum or a product of matrices adds."""
        if call.opaque or call.written is not None or not call.arrays:
            return 0.0
        name = call.name
        arrays = [x for x in call.arrays if x.dtype.kind in "fc"]
        if name in ("matmul", "dot"):
            n = max(x.shape[-1] if x.ndim else 1 for x in call.arrays)
            return n * float(np.prod([largest_finite(x.value) for x in arrays]))
        if name in ("sum", "mean", "reduce", "einsum", "tensordot", "trace", "cumsum"):
            terms = max(x.size for x in call.arrays) / max(size, 1)
            terms *= 1 if self.doubt is None else terms  # loops add one after the other
            return terms * max([largest_finite(x.value) for x in arrays], default=0.0)
        return 0.0


def same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays have the same shape, dtype and bits."""
    same: bool = (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()
    return same


def largest_finite(x: Any) -> float:
    """The greatest finite |x|."""
    if not isinstance(x, np.ndarray | np.generic) or x.dtype.kind not in "fc" or not x.size:
        return 0.0
    x = np.asarray(x)
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))
