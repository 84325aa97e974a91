"""nn beside PyTorch: what each layer, loss, optimizer and schedule computes, in float64, and the
greatest difference.

    pip install torch --index-url https://download.pytorch.org/whl/cpu
    python tests/against_pytorch.py

Prints the table of docs/nn.md. Parameters move through safetensors files, to PyTorch and back, as a
user moves them. What is compared: results, and the gradients of Σ sin(result) in every input and
parameter; 20 steps of an optimizer; 20 rates of a schedule. Nothing else in this project needs
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
SEQUENCE, IMAGES, ROWS = (3, 7, 6), (3, 4, 9, 8), (5, 6)


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
        'no padding="same", always a batch',
    ),
    (
        "MaxPool2d, stride",
        T.MaxPool2d((3, 2), 1),
        IMAGES,
        "no padding or dilation; ties share the gradient",
    ),
    ("AvgPool2d, stride", T.AvgPool2d(3, (1, 2)), IMAGES, "no padding"),
    ("Flatten", T.Flatten(), IMAGES, ""),
    ("Dropout, eval", T.Dropout(0.3).eval(), ROWS, "takes `rng`; compared in `eval()`"),
    ("Embedding", T.Embedding(6, 4), ROWS, "no padding_idx"),
    ("BatchNorm1d", T.BatchNorm1d(6), ROWS, "running statistics always kept"),
    ("BatchNorm2d", T.BatchNorm2d(4), IMAGES, "running statistics always kept"),
    ("LayerNorm", T.LayerNorm(6), SEQUENCE, ""),
    ("RMSNorm", T.RMSNorm(6), SEQUENCE, ""),
    ("RNN", T.RNN(6, 5, batch_first=True), SEQUENCE, "one layer, one direction, batch first"),
    ("LSTM", T.LSTM(6, 5, batch_first=True), SEQUENCE, "one layer, one direction, batch first"),
    ("GRU", T.GRU(6, 5, batch_first=True), SEQUENCE, "one layer, one direction, batch first"),
    (
        "MultiHeadAttention",
        T.MultiheadAttention(6, 2, batch_first=True),
        SEQUENCE,
        "batch first; key and value may be left out; `causal=True`; weights by `.weights(…)`",
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
    (
        nn.CrossEntropy,
        T.CrossEntropyLoss,
        "classes",
        "(batch, classes) only; no class weights, no ignore_index",
    ),
    (nn.NLL, T.NLLLoss, "classes", "(batch, classes) only; no class weights, no ignore_index"),
    (nn.BCEWithLogits, T.BCEWithLogitsLoss, "probabilities", "no weights"),
    (nn.KLDiv, T.KLDivLoss, "probabilities", "no log_target"),
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


def loss(ours: Any, theirs: Any, kind: str) -> float:
    """Values and gradients with each reduction."""
    x = RNG.normal(size=ROWS)
    if kind == "numbers":
        y: Any = RNG.normal(size=ROWS)
    elif kind == "classes":
        y = RNG.integers(0, 6, ROWS[:1])
    else:
        y = RNG.dirichlet(np.ones(6), 5)
    if ours in (nn.NLL, nn.KLDiv):
        x = np.log(RNG.dirichlet(np.ones(6), 5))
    worst = 0.0
    for reduction in ("mean", "sum", "none"):
        x1, x2 = Tensor(x, True), torch.tensor(x, requires_grad=True)
        z1, z2 = ours(reduction)(x1, y), theirs(reduction=reduction)(x2, torch.tensor(y))
        z1.sum().backward()
        z2.sum().backward()
        worst = max(worst, difference([z1, x1.grad], [z2, x2.grad]))
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
    if worst > 1e-12:
        sys.exit("that is more than rounding")


if __name__ == "__main__":
    main()
