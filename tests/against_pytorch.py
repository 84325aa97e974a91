"""nn beside PyTorch: what each layer, loss, optimizer and schedule computes, in float64, and the
greatest difference.

    pip install torch --index-url https://download.pytorch.org/whl/cpu
    python tests/against_pytorch.py

Prints the table of docs/nn.md. Parameters move through safetensors files, to PyTorch and back, as a
user moves them. What is compared: results, and the gradients of Σ sin(result) in every input and
parameter; 20 steps of an optimizer; 200 rates of a schedule. Nothing else in this project needs
PyTorch."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layers import F8, LAYERS
from safetensors.torch import load_file, save_file

from tinygrad_edu import Tensor, nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)

T = torch.nn
RNG = np.random.default_rng(0)
SEQUENCE, IMAGES, ROWS, SIGNALS = (3, 7, 6), (3, 4, 9, 8), (5, 6), (3, 2, 9)
TWO = (3, 2, 9, 8)  # images of two channels


class SameResidual(T.Sequential):
    """Our Residual, written with PyTorch's own layers."""

    def forward(self, x: Any) -> Any:
        return x + super().forward(x)


# A name in layers.py, PyTorch's, the shape of the input, and how they differ beyond their names
SAME: list[tuple[str, Any, tuple[int, ...], str]] = [
    ("Linear", T.Linear(6, 4), ROWS, ""),
    (
        "Conv2d, options",
        T.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (2, 1), 2),
        IMAGES,
        "",
    ),
    (
        "MaxPool2d, stride",
        T.MaxPool2d((3, 2), 1),
        IMAGES,
        "ties share the gradient; no return_indices",
    ),
    ("AvgPool2d, beyond", T.AvgPool2d(2, 3, 1, True, False), IMAGES, ""),
    ("Conv1d", T.Conv1d(2, 3, 2, padding=1), SIGNALS, ""),
    (
        "ConvTranspose2d",
        T.ConvTranspose2d(2, 6, (3, 2), (2, 1), 1, (1, 0), 2),
        TWO,
        "output_padding is less than the stride",
    ),
    ("MaxPool1d", T.MaxPool1d(2, 1), SIGNALS, "ties share the gradient; no return_indices"),
    ("AvgPool1d", T.AvgPool1d(3, 2, 1), SIGNALS, ""),
    ("AdaptiveAvgPool1d", T.AdaptiveAvgPool1d(3), SIGNALS, ""),
    ("AdaptiveAvgPool2d", T.AdaptiveAvgPool2d((3, None)), IMAGES, ""),
    (
        "Pad2d, replicate",
        T.ReplicationPad2d(2),
        IMAGES,
        "one class for ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d",
    ),
    ("Upsample", T.Upsample(scale_factor=(2, 3)), IMAGES, "nearest only; whole scale factors"),
    ("Unflatten", T.Unflatten(1, (2, -1)), IMAGES, ""),
    ("Flatten", T.Flatten(), IMAGES, ""),
    ("Dropout, eval", T.Dropout(0.3).eval(), ROWS, "takes `rng`; compared in `eval()`"),
    ("Embedding", T.Embedding(6, 4), ROWS, "no padding_idx"),
    ("BatchNorm1d", T.BatchNorm1d(6), ROWS, ""),
    ("BatchNorm2d", T.BatchNorm2d(4), IMAGES, ""),
    ("GroupNorm", T.GroupNorm(1, 2), TWO, ""),
    ("LayerNorm", T.LayerNorm(6), SEQUENCE, ""),
    ("RMSNorm", T.RMSNorm(6), SEQUENCE, ""),
    ("RNN", T.RNN(6, 5, batch_first=True), SEQUENCE, "always batch first"),
    (
        "LSTM, layers",
        T.LSTM(6, 5, 2, batch_first=True, bidirectional=True),
        SEQUENCE,
        "always batch first; no proj_size",
    ),
    (
        "GRU, layers",
        T.GRU(6, 5, 2, batch_first=True, bidirectional=True),
        SEQUENCE,
        "always batch first",
    ),
    ("RNNCell", T.RNNCell(6, 5), ROWS, ""),
    ("LSTMCell", T.LSTMCell(6, 5), ROWS, ""),
    ("GRUCell", T.GRUCell(6, 5, bias=False), ROWS, ""),
    (
        "TransformerEncoderLayer",
        T.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True),
        SEQUENCE,
        "always batch first; `mask`, `key_padding_mask`, `causal`",
    ),
    (
        "MultiHeadAttention",
        T.MultiheadAttention(6, 2, batch_first=True),
        SEQUENCE,
        "always batch first; key and value may be left out; `mask` is attn_mask, `causal=True`; "
        "weights by `.weights(…)`; no add_bias_kv, add_zero_attn, kdim",
    ),
    ("Sigmoid", T.Sigmoid(), ROWS, ""),
    ("Tanh", T.Tanh(), ROWS, ""),
    ("ReLU", T.ReLU(), ROWS, ""),
    ("LeakyReLU, slope", T.LeakyReLU(0.2), ROWS, ""),
    ("ELU, alpha", T.ELU(2.0), ROWS, ""),
    ("SiLU", T.SiLU(), ROWS, ""),
    ("GELU", T.GELU(), ROWS, ""),
    ("Softplus", T.Softplus(), ROWS, "exact: no threshold"),
    ("Softmax", T.Softmax(dim=1), ROWS, "`axis`, not `dim`"),
    ("LogSoftmax", T.LogSoftmax(dim=1), ROWS, "`axis`, not `dim`"),
    ("PReLU, channels", T.PReLU(4), IMAGES, ""),
    ("SELU", T.SELU(), ROWS, ""),
    ("GLU, axis", T.GLU(1), IMAGES, "`axis`, not `dim`"),
    ("ReLU6", T.ReLU6(), ROWS, ""),
    ("Hardtanh", T.Hardtanh(-0.5, 0.75), ROWS, ""),
    ("Hardswish", T.Hardswish(), ROWS, ""),
    ("Softsign", T.Softsign(), ROWS, ""),
    ("Mish", T.Mish(), ROWS, ""),
    ("LogSigmoid", T.LogSigmoid(), ROWS, ""),
    (
        "Residual",
        SameResidual(T.Linear(6, 4), T.Tanh(), T.Linear(4, 6)),
        ROWS,
        "a Sequential that adds x",
    ),
]

LOSSES: list[tuple[Any, Any, str, str]] = [
    (nn.MSE, T.MSELoss, "numbers", ""),
    (nn.L1, T.L1Loss, "numbers", ""),
    (nn.Huber, T.HuberLoss, "numbers", ""),
    (nn.SmoothL1, T.SmoothL1Loss, "numbers", ""),
    (
        nn.CrossEntropy,
        T.CrossEntropyLoss,
        "classes",
        "nothing is ignored unless ignore_index says so",
    ),
    (nn.NLL, T.NLLLoss, "log-classes", "nothing is ignored unless ignore_index says so"),
    (nn.BCEWithLogits, T.BCEWithLogitsLoss, "yes or no", ""),
    (nn.BCE, T.BCELoss, "probabilities", "refuses what is no probability"),
    (nn.KLDiv, T.KLDivLoss, "log-probabilities", ""),
    (nn.GaussianNLL, T.GaussianNLLLoss, "variance", ""),
    (nn.CosineEmbedding, T.CosineEmbeddingLoss, "pairs of rows", ""),
    (nn.MarginRanking, T.MarginRankingLoss, "pairs", ""),
    (nn.HingeEmbedding, T.HingeEmbeddingLoss, "signs", ""),
    (nn.TripletMargin, T.TripletMarginLoss, "triplets", "Euclidean, no swap"),
    (nn.MultiMargin, T.MultiMarginLoss, "classes", ""),
]

ADAM = {"lr": 0.01, "weight_decay": 0.1}
SGD, RMS = ADAM | {"momentum": 0.9, "nesterov": True}, ADAM | {"momentum": 0.9, "centered": True}
OPTIMIZERS: list[tuple[Any, Any, dict[str, Any], str]] = [
    (nn.optim.SGD, torch.optim.SGD, SGD, "no dampening"),
    (nn.optim.Adam, torch.optim.Adam, ADAM, "no amsgrad"),
    (nn.optim.AdamW, torch.optim.AdamW, ADAM, "no amsgrad"),
    (nn.optim.RMSprop, torch.optim.RMSprop, RMS, ""),
    (nn.optim.Adagrad, torch.optim.Adagrad, ADAM, "no lr_decay"),
]

rates = torch.optim.lr_scheduler
COSTS = np.abs(np.sin(np.arange(200) / 7)) + 20 / (20 + np.arange(200))  # for ReduceOnPlateau
SCHEDULES: list[tuple[Any, Any, str, str]] = [
    (nn.optim.Constant, lambda o: rates.ConstantLR(o, factor=1.0), "ConstantLR", "factor 1"),
    (lambda o: nn.optim.Step(o, 50), lambda o: rates.StepLR(o, 50), "StepLR", ""),
    (
        lambda o: nn.optim.Cosine(o, 200),
        lambda o: rates.CosineAnnealingLR(o, 200),
        "CosineAnnealingLR",
        "stays at 0 at the end; no eta_min",
    ),
    (
        lambda o: nn.optim.CosineRestarts(o, 20, 2),
        lambda o: rates.CosineAnnealingWarmRestarts(o, 20, 2),
        "CosineAnnealingWarmRestarts",
        "T_0 and T_mult are steps and growth; no eta_min",
    ),
    (
        lambda o: nn.optim.WarmUp(o, 80),
        lambda o: rates.LinearLR(o, 1 / 80, total_iters=79),
        "LinearLR",
        "from 1/steps to 1",
    ),
    (
        lambda o: nn.optim.OneCycle(o, 200),
        lambda o: rates.OneCycleLR(o, 0.1, 200, cycle_momentum=False),
        "OneCycleLR",
        "the momentum is not cycled; the peak is the optimizer's lr",
    ),
    (
        lambda o: nn.optim.ReduceOnPlateau(o, patience=15, cooldown=5),
        lambda o: rates.ReduceLROnPlateau(o, patience=15, cooldown=5, eps=0.0),
        "ReduceLROnPlateau",
        "factor is gamma; no min_lr, relative thresholds",
    ),
    (
        lambda o: nn.optim.SequentialSchedule(
            o, [nn.optim.WarmUp(o, 20), nn.optim.Cosine(o, 180)], [20]
        ),
        lambda o: rates.SequentialLR(
            o,
            [rates.LinearLR(o, 1 / 20, total_iters=19), rates.CosineAnnealingLR(o, 180)],
            [20],
        ),
        "SequentialLR",
        "",
    ),
    (
        lambda o: nn.optim.WarmUp(nn.optim.Step(o, 30, 0.5), 50),
        lambda o: rates.ChainedScheduler(
            [rates.LinearLR(o, 1 / 50, total_iters=49), rates.StepLR(o, 30, 0.5)]
        ),
        "ChainedScheduler",
        "one schedule stands in the optimizer's place of the other",
    ),
]


def move(ours: nn.Module, theirs: Any) -> None:
    """PyTorch's parameters into our model, and back again, through files."""
    with tempfile.TemporaryDirectory() as folder:
        save_file(theirs.state_dict(), Path(folder) / "theirs.safetensors")
        nn.load(Path(folder) / "theirs.safetensors", ours)
        nn.save(Path(folder) / "ours.safetensors", ours)
        theirs.load_state_dict(load_file(Path(folder) / "ours.safetensors"))


def flat(*results: Any) -> list[Any]:
    """The arrays in a result that may be a tuple of tuples."""
    return [
        x
        for result in results
        for x in (flat(*result) if isinstance(result, tuple | list) else [result])
        if x is not None
    ]


def difference(ours: list[Any], theirs: list[Any]) -> float:
    """The greatest, of arrays that have the same shapes."""
    a, b = (
        [np.asarray(x.detach() if isinstance(x, torch.Tensor | Tensor) else x) for x in xs]
        for xs in (ours, theirs)
    )
    if [x.shape for x in a] != [x.shape for x in b]:
        raise AssertionError([x.shape for x in a], [x.shape for x in b])
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))


def layer(ours: nn.Module, theirs: Any, shape: tuple[int, ...]) -> float:
    """Results and all gradients, of a loss that every number of the result takes part in."""
    if ours.state_dict():
        move(ours, theirs)
    integers = isinstance(ours, nn.Embedding)
    x = RNG.integers(0, 6, shape) if integers else RNG.normal(size=shape)
    x1, x2 = (
        (x, torch.tensor(x)) if integers else (Tensor(x, True), torch.tensor(x, requires_grad=True))
    )
    attention = isinstance(ours, nn.MultiHeadAttention)
    z1 = flat(ours(x1, causal=True) if attention else ours(x1))
    later = torch.triu(torch.ones(7, 7, dtype=torch.bool), 1)
    z2 = flat(theirs(x2, x2, x2, attn_mask=later, need_weights=False) if attention else theirs(x2))
    sum([np.sin(z).sum() for z in z1]).backward()
    sum([torch.sin(z).sum() for z in z2]).backward()
    g1 = [p.grad for p in [*([] if integers else [x1]), *ours.parameters()]]
    g2 = [p.grad for p in [*([] if integers else [x2]), *theirs.parameters()]]
    buffers = [list(model.state_dict().values()) for model in (ours, theirs)]
    return difference([*z1, *g1, *buffers[0]], [*z2, *g2, *buffers[1]])


def loss_inputs(kind: str) -> tuple[list[Any], list[Any]]:
    """What a loss of this kind is differentiated by, and what else it is given."""
    x, y, rows = RNG.normal(size=ROWS), RNG.normal(size=ROWS), ROWS[0]
    p, q = RNG.dirichlet(np.ones(6), rows), RNG.dirichlet(np.ones(6), rows)
    signs, classes = np.sign(y), RNG.integers(0, 6, rows)
    return {
        "numbers": ([x, y], []),
        "classes": ([x], [classes]),
        "log-classes": ([np.log(p)], [classes]),
        "yes or no": ([x], [q]),
        "probabilities": ([p], [q]),
        "log-probabilities": ([np.log(p)], [q]),
        "variance": ([x, y, p], []),
        "pairs of rows": ([x, y], [signs[:, 0]]),
        "pairs": ([x, y], [signs]),
        "signs": ([x], [signs]),
        "triplets": ([x, y, p], []),
    }[kind]


def loss(ours: Any, theirs: Any, kind: str) -> float:
    """Values and gradients with each reduction."""
    worst, (inputs, others) = 0.0, loss_inputs(kind)
    for reduction in ("mean", "sum", "none"):
        x1 = [Tensor(x, True) for x in inputs]
        x2 = [torch.tensor(x, requires_grad=True) for x in inputs]
        z1 = ours(reduction)(*x1, *others)
        z2 = theirs(reduction=reduction)(*x2, *map(torch.tensor, others))
        z1.sum().backward()
        z2.sum().backward()
        worst = max(worst, difference([z1, *[x.grad for x in x1]], [z2, *[x.grad for x in x2]]))
    return worst


def optimizer(ours: Any, theirs: Any, options: dict[str, Any]) -> float:
    """Twenty steps down Σ (A p)² + Σ sin p."""
    a, start = RNG.normal(size=(6, 6)), RNG.normal(size=6)
    p1, p2, a2 = Tensor(start, True), torch.tensor(start, requires_grad=True), torch.tensor(a)
    o1, o2, worst = ours([p1], **options), theirs([p2], **options), 0.0
    for _ in range(20):
        o1.zero_grad()
        o2.zero_grad()
        (np.square(a @ p1).sum() + np.sin(p1).sum()).backward()
        ((a2 @ p2).square().sum() + p2.sin().sum()).backward()
        o1.step()
        o2.step()
        worst = max(worst, difference([p1], [p2]))
    return worst


def schedule(ours: Any, theirs: Any) -> float:
    """Two hundred learning rates."""
    o1, o2 = (
        nn.optim.SGD([Tensor(1.0, True)], lr=0.1),
        torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.1),
    )
    s1, s2, worst = ours(o1), theirs(o2), 0.0
    costs = isinstance(s1, nn.optim.ReduceOnPlateau)
    for cost in COSTS:
        worst = max(worst, abs(o1.param_groups[0]["lr"] - o2.param_groups[0]["lr"]))
        if cost == COSTS[-1]:
            break
        o2.step()
        s1.step(*[cost] * costs)
        s2.step(*[cost] * costs)
    return worst


def rows() -> Iterator[tuple[str, str, float, str]]:
    for title, theirs, shape, differs in SAME:
        ours = nn.Embedding(6, 4, **F8) if title == "Embedding" else LAYERS[title][0]()
        known = "" if isinstance(theirs, SameResidual) else f"torch.nn.{name(theirs)}"
        yield f"nn.{name(ours)}", known, layer(ours, theirs, shape), differs
    for ours, theirs, kind, differs in LOSSES:
        yield (
            f"nn.{ours.__name__}",
            f"torch.nn.{theirs.__name__}",
            loss(ours, theirs, kind),
            differs,
        )
    for ours, theirs, options, differs in OPTIMIZERS:
        yield (
            f"nn.optim.{ours.__name__}",
            f"torch.optim.{theirs.__name__}",
            optimizer(ours, theirs, options),
            differs,
        )
    for ours, theirs, other, differs in SCHEDULES:
        made = name(ours(nn.optim.SGD([Tensor(1.0, True)])))
        yield (
            f"nn.optim.{made}",
            f"torch.optim.lr_scheduler.{other}",
            schedule(ours, theirs),
            differs,
        )


def name(x: Any) -> str:
    return type(x).__name__


def main() -> None:
    print("| here | PyTorch | greatest difference | differs in |\n| --- | --- | --- | --- |")
    worst = 0.0
    for ours, theirs, found, differs in rows():
        linked, exact = f"`{theirs}`" if theirs else "", f"{found:.0e}" if found else "0"
        print(f"| `{ours}` | {linked} | {exact} | {differs} |")
        worst = max(worst, found)
    print(
        f"\nPyTorch {torch.__version__.partition('+')[0]}; the greatest difference of all is "
        f"{worst:.1e}."
    )
    try:
        import pytorch_samples
    except ImportError as error:
        print(f"\nPyTorch's own samples need another package: {error}")
    else:
        print("\nThe samples with which PyTorch tests its own modules:\n")
        worst = max(worst, pytorch_samples.table())
    if worst > 1e-12:
        sys.exit("that is more than rounding")


if __name__ == "__main__":
    main()
