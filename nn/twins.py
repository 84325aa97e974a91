"""The twins of PyTorch's layers: the same name, options of the same names, the same weights."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import nn

from .module import Module

OTHER_NAMES = {"MultiheadAttention": "MultiHeadAttention"}  # PyTorch's ↦ ours
OTHER_OPTIONS = {"axis": "dim"}  # ours ↦ PyTorch's
WITHOUT_MEANING = {"self", "args", "kwargs", "options", "inplace", "batch_first"}
EMPTY = inspect.Parameter.empty


# Layers


def layer_twin(theirs: Any, dtype: Any) -> tuple[Module | None, list[str]]:
    """Our layer with the options of PyTorch's, or None, and what of it has no twin."""
    name = type(theirs).__name__
    ours = our_class(name)
    if name in CALLS:
        ours = with_their_arguments(ours, CALLS[name], theirs)
    wanted, known = layer_options(type(theirs)), layer_options(ours)
    options, refused = {}, []
    for option in known:
        value = option_of(theirs, OTHER_OPTIONS.get(option, option))
        if option != "rng" and value is not EMPTY:
            options[option] = value
    named = {OTHER_OPTIONS.get(key, key) for key in known}
    for option, default in wanted.items():
        value = option_of(theirs, option)
        if option not in named and EMPTY not in (default, value) and value != default:
            refused.append(f"torch.nn.{name} with {option}={value!r}")
    if refused:
        return None, refused
    if "dtype" in known:
        options["dtype"] = dtype
    try:
        return ours(**options), []
    except (TypeError, ValueError) as error:
        return None, [f"torch.nn.{name}: {error}"]


def our_class(kind: str) -> Any:
    """Our class for a kind of PyTorch's layers, or None."""
    return getattr(nn, OTHER_NAMES.get(kind, kind), None)


def layer_options(kind: type) -> dict[str, Any]:
    """The options of a class, with their defaults: its own, and those that it hands on."""
    found: dict[str, Any] = {}
    for cls in [cls for cls in kind.__mro__ if "__init__" in vars(cls)]:
        parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        found = {p.name: p.default for p in parameters if p.name not in found} | found
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return {name: x for name, x in found.items() if name not in WITHOUT_MEANING and name[0] != "_"}


def option_of(theirs: Any, option: str) -> Any:
    """The value of an option, as it was given; empty if the layer doesn't tell."""
    held = HELD.get(type(theirs).__name__, {})
    if option in held:
        return held[option](theirs)
    value = getattr(theirs, option, EMPTY)
    if option == "bias" and not isinstance(value, bool):
        return value is not None  # a layer with bias=True holds the bias itself
    return value


# What layers hold under other names
HELD: dict[str, dict[str, Callable[[Any], Any]]] = {
    "MultiheadAttention": {
        "bias": lambda m: m.in_proj_bias is not None,
        "add_bias_kv": lambda m: m.bias_k is not None,
        "kdim": lambda m: None if m.kdim == m.embed_dim else m.kdim,
        "vdim": lambda m: None if m.vdim == m.embed_dim else m.vdim,
    },
    "TransformerEncoderLayer": {
        "d_model": lambda m: m.linear1.in_features,
        "nhead": lambda m: m.self_attn.num_heads,
        "dim_feedforward": lambda m: m.linear1.out_features,
        "dropout": lambda m: m.dropout.p,
        "activation": lambda m: {1: "relu", 2: "gelu"}.get(m.activation_relu_or_gelu, m.activation),
        "layer_norm_eps": lambda m: m.norm1.eps,
        "bias": lambda m: m.linear1.bias is not None,
    },
}


# Layers whose forward takes other arguments than their twin's: the twin is given PyTorch's


def call_attention(
    forward: Any,
    layer: Any,
    query: Any,
    key: Any,
    value: Any,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """PyTorch's gives the weights too, averaged over the heads."""
    masks = {"mask": attn_mask, "key_padding_mask": key_padding_mask}
    turn = query.ndim == 3 and not layer.batch_first
    if turn:
        query, key, value = (np.swapaxes(x, 0, 1) for x in (query, key, value))
    z, weights = forward(query, key, value, **masks), None
    if need_weights:
        alone = query.ndim == 2
        weights = layer.weights(*((query[None], key[None]) if alone else (query, key)), **masks)
        weights = weights.mean(axis=1) if average_attn_weights else weights
        weights = weights[0] if alone else weights
    return (np.swapaxes(z, 0, 1) if turn else z), weights


def call_encoder(
    forward: Any,
    layer: Any,
    src: Any,
    src_mask: Any = None,
    src_key_padding_mask: Any = None,
    is_causal: bool = False,
) -> Any:
    masks = {"mask": src_mask, "key_padding_mask": src_key_padding_mask}
    if layer.batch_first or src.ndim == 2:
        return forward(src, **masks)
    return np.swapaxes(forward(np.swapaxes(src, 0, 1), **masks), 0, 1)


def call_recurrent(forward: Any, layer: Any, input: Any, hx: Any = None) -> Any:
    """PyTorch's has time first, unless it is told otherwise."""
    if layer.batch_first or input.ndim == 2:
        return forward(input, hx)
    z, last = forward(np.swapaxes(input, 0, 1), hx)
    return np.swapaxes(z, 0, 1), last


CALLS: dict[str, Callable[..., Any]] = {
    "MultiheadAttention": call_attention,
    "TransformerEncoderLayer": call_encoder,
    "RNN": call_recurrent,
    "LSTM": call_recurrent,
    "GRU": call_recurrent,
}


def with_their_arguments(ours: Any, call: Callable[..., Any], theirs: Any) -> Any:
    """Our class with PyTorch's forward."""

    def forward(self: Any, *args: Any, **options: Any) -> Any:
        return call(functools.partial(ours.forward, self), self, *args, **options)

    batch_first = bool(getattr(theirs, "self_attn", theirs).batch_first)
    own = {"__module__": __name__, "forward": forward, "batch_first": batch_first}
    return type(ours.__name__, (ours,), own)
