"""The twins of PyTorch's layers: the same name, options of the same names, the same weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import nn

from .module import Array, Module
from .torch_functions import numbers

OTHER_NAMES = {"MultiheadAttention": "MultiHeadAttention"}  # PyTorch's ↦ ours
OTHER_OPTIONS = {"axis": "dim"}  # ours ↦ PyTorch's
WITHOUT_MEANING = {"self", "inplace", "device", "dtype", "kwargs", "args", "mode", "batch_first"}


# Layers


def layer_twin(theirs: Any, dtype: Any) -> tuple[Module | None, list[str]]:
    """Our layer with the options of PyTorch's, or None, and what of it has no twin."""
    name = type(theirs).__name__
    ours = getattr(nn, OTHER_NAMES.get(name, name), None)
    if not type(theirs).__module__.startswith("torch.nn.modules") or ours is None:
        return None, [f"torch.nn.{name}"]
    wanted, known = layer_options(type(theirs)), inspect.signature(ours.__init__).parameters
    options, refused = {}, []
    for option in known:
        value = option_of(theirs, OTHER_OPTIONS.get(option, option))
        if option not in ("self", "rng", "dtype") and value is not inspect.Parameter.empty:
            options[option] = value
    for option, default in wanted.items():
        value = option_of(theirs, option)
        if option not in {OTHER_OPTIONS.get(key, key) for key in known} and value != default:
            refused.append(f"torch.nn.{name} with {option}={value!r}")
    if refused:
        return None, refused
    if "dtype" in known:
        options["dtype"] = dtype
    try:
        return ours(**options), []
    except (TypeError, ValueError) as error:
        return None, [f"torch.nn.{name}: {error}"]


def layer_options(kind: type) -> dict[str, Any]:
    """The options of a layer of PyTorch's, with their defaults."""
    for cls in kind.__mro__:
        parameters = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
        if "args" not in parameters:
            break
    return {
        name: p.default
        for name, p in parameters.items()
        if name not in WITHOUT_MEANING and name[0] != "_"
    }


def option_of(theirs: Any, option: str) -> Any:
    """The value of an option, as it was given: a layer with bias=True holds the bias itself."""
    if type(theirs).__name__ == "MultiheadAttention":
        held = {
            "bias": theirs.in_proj_bias is not None,
            "add_bias_kv": theirs.bias_k is not None,
            "kdim": None if theirs.kdim == theirs.embed_dim else theirs.kdim,
            "vdim": None if theirs.vdim == theirs.embed_dim else theirs.vdim,
        }
        if option in held:
            return held[option]
    value = getattr(theirs, option, inspect.Parameter.empty)
    if option == "bias" and not isinstance(value, bool):
        return value is not None
    return value


# Calls of layers that take other arguments than their twins


def call_attention(
    attention: Any,
    query: Any,
    key: Any,
    value: Any,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    batch_first: bool = True,
) -> tuple[Any, Any]:
    """PyTorch's gives the weights too, averaged over the heads."""
    if not batch_first:
        query, key, value = (np.swapaxes(x, 0, 1) for x in (query, key, value))
    hidden = None if attn_mask is None else hidden_keys(attn_mask)
    if hidden is not None and hidden.ndim == 3:
        hidden = hidden.reshape(-1, attention.num_heads, *hidden.shape[1:])
    if key_padding_mask is not None:
        padding = hidden_keys(key_padding_mask)[:, None, None, :]
        hidden = padding if hidden is None else hidden | padding
    z, weights = attention(query, key, value, mask=hidden), None
    if need_weights:
        weights = attention.weights(query, key, mask=hidden)
        weights = weights.mean(axis=1) if average_attn_weights else weights
    return (z if batch_first else np.swapaxes(z, 0, 1)), weights


def hidden_keys(mask: Any) -> Array:
    """A mask as bools, True where not to look; of numbers to be added, only 0 and −∞ are known."""
    array = numbers(mask)
    if array.dtype != bool and not np.all((array == 0) | np.isneginf(array)):
        raise ValueError("a mask of attention is bool, or 0 and −∞ here, and other numbers came")
    hidden: Array = array if array.dtype == bool else np.isneginf(array)
    return hidden


def call_recurrent(layer: Any, x: Any, state: Any = None, batch_first: bool = True) -> Any:
    """PyTorch's has time first, unless it is told otherwise."""
    if batch_first:
        return layer(x, state)
    z, last = layer(np.swapaxes(x, 0, 1), state)
    return np.swapaxes(z, 0, 1), last


CALLS: dict[str, Callable[..., Any]] = {
    "MultiheadAttention": call_attention,
    "RNN": call_recurrent,
    "LSTM": call_recurrent,
    "GRU": call_recurrent,
}
