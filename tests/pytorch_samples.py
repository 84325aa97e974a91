"""nn on the samples with which PyTorch tests its own modules: how many run here, and none wrongly.

    pip install torch expecttest --index-url https://download.pytorch.org/whl/cpu
    python tests/against_pytorch.py

prints it as the second table of docs/nn.md. A sample is a module with options, its inputs, and
training or not. Compared are results, the gradients of Σ sin(result) in every input and parameter,
and buffers, in float64. A sample that is refused here, by an error, is counted as refused: an
option that is left out. A difference beyond rounding is wrong."""

from __future__ import annotations

import collections
import inspect
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
warnings.simplefilter("ignore")

from torch.testing._internal.common_modules import module_db  # noqa: E402

from tinygrad_edu import Tensor, nn  # noqa: E402

BEFORE = [
    "Linear",
    "Conv2d",
    "MaxPool2d",
    "AvgPool2d",
    "Embedding",
    "BatchNorm1d",
    "BatchNorm2d",
    "LayerNorm",
    "RMSNorm",
    "RNN",
    "LSTM",
    "GRU",
    "MultiheadAttention",
    "Sigmoid",
    "Tanh",
    "ReLU",
    "LeakyReLU",
    "ELU",
    "SiLU",
    "GELU",
    "Softplus",
    "Softmax",
    "LogSoftmax",
    "MSELoss",
    "L1Loss",
    "HuberLoss",
    "CrossEntropyLoss",
    "NLLLoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
]
SINCE = [
    "Conv1d",
    "ConvTranspose2d",
    "MaxPool1d",
    "AvgPool1d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "GroupNorm",
    "RNNCell",
    "LSTMCell",
    "GRUCell",
    "TransformerEncoderLayer",
    "PReLU",
    "SELU",
    "GLU",
    "ReLU6",
    "Hardswish",
    "Hardtanh",
    "Softsign",
    "Mish",
    "LogSigmoid",
    "BCELoss",
    "SmoothL1Loss",
    "GaussianNLLLoss",
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "ZeroPad2d",
    "ConstantPad2d",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "CircularPad2d",
]
PADS = {
    "ZeroPad2d": "constant",
    "ConstantPad2d": "constant",
    "ReflectionPad2d": "reflect",
    "ReplicationPad2d": "replicate",
    "CircularPad2d": "circular",
}
RENAMED = {"dim": "axis", "attn_mask": "mask", "src_mask": "mask", "input": "x"}
RENAMED |= {"src_key_padding_mask": "key_padding_mask"}
# Options that we lack: a sample that gives the default only has to leave it out
DEFAULTS = {"return_indices": False, "add_bias_kv": False, "add_zero_attn": False, "proj_size": 0}


def twin(name: str) -> Any:
    """Our class for one of PyTorch's."""
    if name in PADS:
        return nn.Pad2d
    return getattr(
        nn, name.replace("MultiheadAttention", "MultiHeadAttention").removesuffix("Loss")
    )


def ours_of(x: Any, known: dict[int, Any]) -> Any:
    """PyTorch's tensors as ours: with a gradient if they are of floats; what comes twice is one."""
    if isinstance(x, torch.Tensor):
        array = x.detach().numpy()
        made = Tensor(array.copy(), True) if array.dtype.kind == "f" else array
        return known.setdefault(id(x), made)
    if isinstance(x, tuple | list):
        return type(x)(ours_of(item, known) for item in x)
    return x


def options_of(theirs: Any, sample: Any) -> dict[str, Any]:
    """The options of a sample by name, as our class calls them, arrays in place of tensors."""
    given = sample.constructor_input
    bound = inspect.signature(theirs).bind(*given.args, **given.kwargs).arguments
    bound |= bound.pop("kwargs", {})
    bound.pop("batch_first", None)  # always here
    for name in DEFAULTS.keys() & bound.keys():
        if bound[name] == DEFAULTS[name]:
            del bound[name]
    options = {RENAMED.get(name, name): value for name, value in bound.items()}
    if theirs.__name__ in PADS:
        options["mode"] = PADS[theirs.__name__]
    if options.get("activation") is torch.nn.functional.gelu:
        options["activation"] = "gelu"
    return {
        name: value.numpy() if isinstance(value, torch.Tensor) else value
        for name, value in options.items()
    }


def tensors(*values: Any) -> Iterator[Any]:
    for x in values:
        if isinstance(x, tuple | list):
            yield from tensors(*x)
        elif isinstance(x, torch.Tensor | Tensor):
            yield x


def outcome(theirs: Any, sample: Any, training: bool) -> str:
    """ "" if the sample runs and is right, else how it is refused, or "wrong: …"."""
    module = theirs(*sample.constructor_input.args, **sample.constructor_input.kwargs)
    module.train(training)
    kind = twin(theirs.__name__)
    try:
        options, more = options_of(theirs, sample), {}
        if "dtype" in inspect.signature(kind).parameters or issubclass(kind, nn.recurrent.Gated):
            more = {"dtype": np.float64}
        layer = kind(**options, **more).train(training)
        layer.load_state_dict({name: x.numpy() for name, x in module.state_dict().items()})
        args, names = sample.forward_input.args, sample.forward_input.kwargs
        swapped = kind is nn.TransformerEncoderLayer and args[0].ndim == 3
        swapped = swapped and not sample.constructor_input.kwargs.get("batch_first", False)
        known: dict[int, Any] = {}
        mine = [ours_of(x, known) for x in args]
        named = {RENAMED.get(name, name): ours_of(x, known) for name, x in names.items()}
        z1 = layer(*[x.swapaxes(0, 1) for x in mine] if swapped else mine, **named)
        z1 = z1.swapaxes(0, 1) if swapped else z1
    except (TypeError, ValueError, NotImplementedError) as error:
        return str(error).splitlines()[0]
    for x in tensors(*args):
        x.requires_grad_(x.dtype.is_floating_point)
    z2 = module(*args, **names)
    z2 = z2[0] if isinstance(module, torch.nn.MultiheadAttention) else z2
    results = [*tensors(z1)], [*tensors(z2)]
    sum(np.sin(z).sum() for z in results[0]).backward()
    sum(torch.sin(z).sum() for z in results[1]).backward()
    found = [*results[0], *[x.grad for x in tensors(*mine)], *[p.grad for p in layer.parameters()]]
    wanted = [*results[1], *[x.grad for x in tensors(*args) if x.dtype.is_floating_point]]
    wanted += [p.grad for p in module.parameters()]
    found += [*layer.state_dict().values()]
    wanted += [*module.state_dict().values()]
    return difference(found, wanted)


def difference(found: list[Any], wanted: list[Any]) -> str:
    """ "" if all arrays are the same but for rounding."""
    if len(found) != len(wanted):
        return f"wrong: {len(found)} arrays, {len(wanted)} in PyTorch"
    for a, b in zip(found, wanted, strict=True):
        if a is None and (b is None or not b.any()):
            continue
        a, b = np.asarray(a.data if isinstance(a, Tensor) else a), b.detach().numpy()
        if a.shape != b.shape or not np.allclose(a, b, 1e-9, 1e-12, equal_nan=True):
            return f"wrong: {a.shape} and {b.shape}"
    return ""


def table() -> int:
    """Print it; return how many samples are wrong."""
    infos = {info.module_cls.__name__: info for info in module_db}
    totals: dict[str, list[int]] = {}
    print("| PyTorch | samples | run | refused |\n| --- | --- | --- | --- |")
    for name in [*BEFORE, *SINCE]:
        info, found = infos[name], []
        for training in (True, False):
            torch.manual_seed(0)
            samples = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=False, training=training
            )
            found += [outcome(info.module_cls, sample, training) for sample in samples]
        refused = collections.Counter(text for text in found if text)
        reasons = "; ".join(f"{n} × {text}"[:110] for text, n in refused.most_common(3))
        runs, wrong = found.count(""), sum(text.startswith("wrong") for text in found)
        print(f"| `{name}` | {len(found)} | {runs} | {reasons} |", flush=True)
        for group in ("BEFORE", "all") if name in BEFORE else ("all",):
            total = totals.setdefault(group, [0, 0, 0])
            totals[group] = [t + n for t, n in zip(total, (len(found), runs, wrong), strict=True)]
    for group, twins in (("BEFORE", len(BEFORE)), ("all", len(BEFORE) + len(SINCE))):
        samples, runs, wrong = totals[group]
        share = runs / samples
        print(f"\n{twins} twins: {runs} of {samples} samples run ({share:.0%}), {wrong} wrong.")
    return totals["all"][2]


if __name__ == "__main__":
    sys.exit(table() > 0)
