"""Attention: every position looks at all positions, and takes most from those that fit it best."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu import Tensor, opaque, special

from . import init
from .layers import Linear
from .module import Array, Module, plain_array

__all__ = ["MultiHeadAttention"]

QUERY, KEY, VALUE = 0, 1, 2  # the order of their rows in in_proj_weight


class MultiHeadAttention(Module):
    """softmax(Q Kᵀ / √d) V in each head, then `out_proj`. (Vaswani et al. 2017, §3.2)

    query is `(batch, targets, embed_dim)`, key and value are `(batch, sources, embed_dim)`; key
    defaults to query, value to key. The result has query's shape; d = embed_dim / num_heads.
    `causal` hides later positions; a bool `mask`, `(targets, sources)` or 4-d as `weights(…)`,
    hides where it is True. Raises ValueError for other shapes, or a query with all keys hidden.

    >>> attention = MultiHeadAttention(8, num_heads=2)  # PyTorch: MultiheadAttention
    >>> attention(np.ones((5, 3, 8), np.float32), causal=True).shape
    (5, 3, 8)
    """

    one_box = True

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise ValueError(
                "expected num_heads that divides embed_dim, found "
                f"MultiHeadAttention({embed_dim}, {num_heads})"
            )
        rng, self.num_heads = rng or np.random.default_rng(), num_heads
        self.in_proj_weight = Tensor(
            init.xavier_uniform((3 * embed_dim, embed_dim), rng, dtype), True, "in_proj_weight"
        )
        self.in_proj_bias = Tensor(init.zeros((3 * embed_dim,), dtype=dtype), True, "in_proj_bias")
        self.out_proj = Linear(embed_dim, embed_dim, rng=rng, dtype=dtype)
        init.initialize(self.out_proj, rng, bias=init.zeros)

    def forward(
        self,
        query: Tensor | Array,
        key: Tensor | Array | None = None,
        value: Tensor | Array | None = None,
        *,
        causal: bool = False,
        mask: ArrayLike | Tensor | None = None,
    ) -> Any:
        key = query if key is None else key
        value = key if value is None else value
        self.check(query, key, value)
        y = self.weights(query, key, causal=causal, mask=mask) @ self.heads(
            value, VALUE
        )  # (batch, heads, targets, d)
        return self.out_proj(y.swapaxes(1, 2).reshape(query.shape))

    def weights(
        self,
        query: Tensor | Array,
        key: Tensor | Array | None = None,
        *,
        causal: bool = False,
        mask: ArrayLike | Tensor | None = None,
    ) -> Any:
        """Compute how much a query takes from each key, softmax(Q Kᵀ / √d).

        They are `(batch, heads, targets, sources)`, and each row adds up to 1. PyTorch returns
        them, averaged over the heads, with every output.
        """
        key = query if key is None else key
        self.check(query, key, key)
        q, k = self.heads(query, QUERY), self.heads(key, KEY)
        return special.softmax(hide(q @ k.mT / math.sqrt(q.shape[-1]), causal, mask))

    def heads(self, x: Tensor | Array, role: int) -> Any:
        """The queries, keys or values: `(batch, time, embed_dim)` ↦ `(batch, heads, time, d)`."""
        batch, time, embed_dim = x.shape
        rows = slice(role * embed_dim, (role + 1) * embed_dim)
        x = special.linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])
        return x.reshape(batch, time, self.num_heads, embed_dim // self.num_heads).swapaxes(1, 2)

    def check(self, query: Tensor | Array, key: Tensor | Array, value: Tensor | Array) -> None:
        embed_dim, batch = self.in_proj_weight.shape[1], query.shape[:1]
        if (
            all(
                x.ndim == 3 and x.shape[2] == embed_dim and x.shape[:1] == batch
                for x in (query, key)
            )
            and key.shape == value.shape
            and key.shape[1]
        ):
            return
        raise ValueError(
            f"MultiHeadAttention({embed_dim}, {self.num_heads}) takes query (batch, targets, "
            f"{embed_dim}), "
            f"key and value (batch, sources, {embed_dim}) with sources ≥ 1, found query "
            f"{query.shape}, "
            f"key {key.shape}, value {value.shape}: for one sequence (time, features) write x[None]"
        )


def hide(scores: Any, causal: bool, mask: ArrayLike | Tensor | None) -> Any:
    """Put −∞ for scores of keys later than the query, or where the mask is True: e^−∞ = 0."""
    if mask is None and not causal:
        return scores
    hidden = np.zeros((), bool)
    if causal:
        hidden = np.triu(np.ones(scores.shape[-2:], bool), 1)  # source > target
    if mask is not None:
        hidden = hidden | checked_mask(plain_array(mask), scores.shape)
    return np.where(leaving_some(hidden), -np.inf, scores)


@opaque
def leaving_some(hidden: Array) -> Array:
    """Return what is hidden; ValueError if a query has all keys hidden."""
    if not hidden.all(axis=-1).any():
        return hidden
    raise ValueError(
        "a query has all keys hidden, so its weights cannot add up to 1: leave it one, and "
        "ignore its output"
    )


def checked_mask(mask: Array, shape: tuple[int, ...]) -> Array:
    """Return a mask that is bool and `(targets, sources)`, or broadcasts to the weights' axes."""
    if mask.dtype != bool:
        raise TypeError(
            f"a mask is bool, True where not to look, found {mask.dtype}: write mask == 0 if 1 "
            "means look"
        )
    if mask.shape == shape[-2:]:
        return mask
    if mask.ndim == 4 and all(n in (1, whole) for n, whole in zip(mask.shape, shape, strict=True)):
        return mask
    raise ValueError(
        f"a mask is (targets, sources), here {shape[-2:]}, or (batch, heads, targets, sources), "
        f"here {shape}, any "
        f"of them 1; found {mask.shape}: for keys (batch, sources) that are padding write "
        "mask[:, None, None, :]"
    )
