"""Attention: every position looks at all positions, and takes most from those that fit it best.

TransformerEncoderLayer is attention and two Linear layers, each with a residual and a norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_edu import Tensor, opaque, special

from . import init
from .layers import Dropout, Linear
from .module import Array, Module, plain_array
from .normalization import LayerNorm

__all__ = ["MultiHeadAttention", "TransformerEncoderLayer"]

QUERY, KEY, VALUE = 0, 1, 2  # the order of their rows in in_proj_weight
Mask = ArrayLike | Tensor | None
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": special.relu, "gelu": special.gelu}


class MultiHeadAttention(Module):
    """softmax(Q Kᵀ / √d + mask) V in each head, then `out_proj`. (Vaswani et al. 2017, §3.2)

    query is `(batch, targets, embed_dim)`, key and value `(batch, sources, embed_dim)`, or without
    the batch; key defaults to query, value to key; d = embed_dim / num_heads. `causal` hides later
    positions. `mask` is `(targets, sources)`, or shaped as `weights(…)`: True hides, floats are
    added. `key_padding_mask` is `(batch, sources)`. ValueError for other shapes.

    >>> attention = MultiHeadAttention(8, num_heads=2)  # PyTorch: MultiheadAttention
    >>> attention(np.ones((5, 3, 8), np.float32), causal=True).shape
    (5, 3, 8)
    """

    one_box = True
    dropout = 0.0

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
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
        self.in_proj_bias: Tensor | None = None
        if bias:
            zeros = init.zeros((3 * embed_dim,), dtype=dtype)
            self.in_proj_bias = Tensor(zeros, True, "in_proj_bias")
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng, dtype=dtype)
        if bias:
            init.initialize(self.out_proj, rng, bias=init.zeros)
        if dropout:
            self.dropout, self.rng = dropout, rng

    def forward(
        self,
        query: Tensor | Array,
        key: Tensor | Array | None = None,
        value: Tensor | Array | None = None,
        *,
        causal: bool = False,
        mask: Mask = None,
        key_padding_mask: Mask = None,
    ) -> Any:
        key = query if key is None else key
        value = key if value is None else value
        if query.ndim == key.ndim == value.ndim == 2:
            query, key, value = query[None], key[None], value[None]
            padding = None if key_padding_mask is None else plain_array(key_padding_mask)[None]
            options = {"causal": causal, "mask": mask, "key_padding_mask": padding}
            return self.on_batch(query, key, value, **options)[0]
        options = {"causal": causal, "mask": mask, "key_padding_mask": key_padding_mask}
        return self.on_batch(query, key, value, **options)

    def on_batch(self, query: Any, key: Any, value: Any, **hidden: Any) -> Any:
        self.check(query, key, value)
        weights = self.weights(query, key, **hidden)
        if self.dropout and self.training:
            weights = special.dropout(weights, self.dropout, rng=self.rng)
        y = weights @ self.heads(value, VALUE)  # (batch, heads, targets, d)
        return self.out_proj(y.swapaxes(1, 2).reshape(query.shape))

    def weights(
        self,
        query: Tensor | Array,
        key: Tensor | Array | None = None,
        *,
        causal: bool = False,
        mask: Mask = None,
        key_padding_mask: Mask = None,
    ) -> Any:
        """Compute how much a query takes from each key, softmax(Q Kᵀ / √d + mask).

        They are `(batch, heads, targets, sources)`, and each row adds up to 1. PyTorch returns
        them, averaged over the heads, with every output.
        """
        key = query if key is None else key
        self.check(query, key, key)
        q, k = self.heads(query, QUERY), self.heads(key, KEY)
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        masks = []
        if causal:
            masks.append(np.triu(np.ones(scores.shape[-2:], bool), 1))  # source > target
        if mask is not None:
            masks.append(checked_mask(mask, scores.shape))
        if key_padding_mask is not None:
            masks.append(checked_padding(key_padding_mask, scores.shape))
        return special.softmax(hide(scores, masks))

    def heads(self, x: Tensor | Array, role: int) -> Any:
        """The queries, keys or values: `(batch, time, embed_dim)` ↦ `(batch, heads, time, d)`."""
        batch, time, embed_dim = x.shape
        rows = slice(role * embed_dim, (role + 1) * embed_dim)
        if self.in_proj_bias is None:
            x = x @ self.in_proj_weight[rows].T
        else:
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


class TransformerEncoderLayer(Module):
    """x ← norm₁(x + attention(x)), x ← norm₂(x + W₂ σ(W₁ x + b₁) + b₂). (Vaswani et al. 2017, §3.1)

    x is `(batch, time, d_model)`, or without the batch, and so is the result. σ is "relu", "gelu",
    or a function. With norm_first=True the norms stand before attention and W₁, and x is added
    behind: such layers train without a warm-up (Xiong et al. 2020). Masks are MultiHeadAttention's.

    >>> layer = TransformerEncoderLayer(8, nhead=2, dim_feedforward=32)
    >>> layer(np.ones((5, 3, 8), np.float32), causal=True).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Any], Any] = "relu",
        layer_norm_eps: float = 1e-5,
        *,
        norm_first: bool = False,
        bias: bool = True,
        rng: np.random.Generator | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(
                f"expected an activation among {[*ACTIVATIONS]}, or a function, "
                f"found {activation!r}"
            )
        rng = rng or np.random.default_rng()
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiHeadAttention(d_model, nhead, dropout, bias, rng=rng, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm1, self.norm2 = (
            LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2)
        )
        self.dropout = Dropout(dropout, rng=rng)

    def forward(self, x: Tensor | Array, **masks: Any) -> Any:
        if self.norm_first:
            x = x + self.attend(self.norm1(x), **masks)
            return x + self.feed_forward(self.norm2(x))
        x = self.norm1(x + self.attend(x, **masks))
        return self.norm2(x + self.feed_forward(x))

    def attend(self, x: Any, **masks: Any) -> Any:
        return self.dropout(self.self_attn(x, **masks))

    def feed_forward(self, x: Any) -> Any:
        """(…, d_model) ↦ (…, dim_feedforward) ↦ (…, d_model), each position by itself."""
        f = ACTIVATIONS[self.activation] if isinstance(self.activation, str) else self.activation
        return self.dropout(self.linear2(self.dropout(f(self.linear1(x)))))


def hide(scores: Any, masks: list[Any]) -> Any:
    """Add masks of floats to the scores; put −∞ where a mask of bools is True: e^−∞ = 0."""
    if not masks:
        return scores
    hidden = np.zeros((), bool)
    for mask in masks:
        if mask.dtype == bool:
            hidden = hidden | mask
        else:
            scores, hidden = (
                scores + mask.astype(scores.dtype),
                hidden | (plain_array(mask) == -np.inf),
            )
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


def checked_mask(mask: Any, shape: tuple[int, ...]) -> Any:
    """A mask that broadcasts to the weights: of bools, or of floats that are added.

    It is `(targets, sources)`, or broadcasts to the weights' axes, or, as PyTorch's, has batch and
    heads in one axis.
    """
    mask = of_bools_or_floats(mask)
    if mask.shape == shape[-2:]:
        return mask
    if mask.shape == (shape[0] * shape[1], *shape[2:]):
        return mask.reshape(shape)
    if mask.ndim == 4 and all(n in (1, whole) for n, whole in zip(mask.shape, shape, strict=True)):
        return mask
    raise ValueError(
        f"a mask is (targets, sources), here {shape[-2:]}, or (batch, heads, targets, sources), "
        f"here {shape}, any of them 1; found {mask.shape}: keys (batch, sources) that are padding "
        "are key_padding_mask, or mask[:, None, None, :]"
    )


def checked_padding(mask: Any, shape: tuple[int, ...]) -> Any:
    """A mask of the keys, `(batch, sources)`, with axes for heads and targets."""
    mask = of_bools_or_floats(mask)
    if mask.shape != (shape[0], shape[3]):
        raise ValueError(
            f"a key_padding_mask is (batch, sources), here {(shape[0], shape[3])}, "
            f"found {mask.shape}"
        )
    return mask.reshape(shape[0], 1, 1, shape[3])


def of_bools_or_floats(mask: Any) -> Any:
    """The mask: an array of bools, or an array or a Tensor of floats."""
    numbers = check_kind(plain_array(mask))
    return mask if isinstance(mask, Tensor) and numbers.dtype.kind == "f" else numbers


@opaque
def check_kind(mask: Array) -> Array:
    """TypeError for integers, and for floats that are 0 and 1: they could mean either."""
    kind = mask.dtype.kind
    if kind == "b" or (kind == "f" and not (mask.any() and np.isin(mask, (0.0, 1.0)).all())):
        return mask
    raise TypeError(
        f"a mask is bool, True where not to look, found {mask.dtype}: write mask == 0 if 1 "
        "means look, or floats of which 0 changes nothing and -np.inf hides"
    )
