"""What the examples share: flags, MNIST, the classifier, the training loop, how each ends.

It stands in this folder because a script finds modules beside it and in folders below it: the
studies are beside it, and the other examples say `from learning import common`. An example ends
with a figure, metrics.json, and one number that has to reach a goal, or else the script fails.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tinygrad_edu import nn, no_grad, replay, watch
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS

RESULTS = ["metrics.json", "model.safetensors", "report.png", "figure.png", "run.html"]
DATA = Path(__file__).parents[1] / "data" / "mnist"
INK, MUTED, GREY = "#1b2733", "#5b6b7a", "#c3ccd5"
BLUE, ORANGE, PLUM = "#0072b2", "#b35f00", "#8a3d6e"  # for colour-blind readers too
SIGNED = ["#7f3b08", "#f7f7f7", "#084594"]  # negative, zero, positive
DIVERGING = LinearSegmentedColormap.from_list("weights", SIGNED)
HEADING = {"fontsize": 13, "fontweight": "bold", "ha": "left"}  # of a figure

matplotlib.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "axes.edgecolor": GREY,
        "legend.frameon": False,
        "figure.dpi": 110,
    }
)


def at_least_one(text: str) -> int:
    """A flag that is an integer from 1 on."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer from 1 on, found {text}")
    return int(text)


# fmt: off
FLAGS: dict[str, dict[str, Any]] = {  # which every example takes
    "--seed": {"type": int, "default": 0,
               "help": "the start of all that is random; the same seed, the same result"},
    "--quick": {"action": "store_true",
                "help": "a few seconds instead of up to two minutes, and a lower goal"},
    "--out": {"type": Path,
              "help": "where figure.png and metrics.json go"},
    "--threads": {"type": at_least_one, "default": 1,
                  "help": "threads of the matrix products; small ones are fastest with one"},
    "--replay": {"action": argparse.BooleanOptionalAction, "default": True,
                 "help": "record the training step once and replay it, or build its graph anew "
                         "every time"},
    "--backend": {"choices": ["numpy", "numba", "jax"], "default": argparse.SUPPRESS,
                  "help": "what replays the step (default: numba, where it is installed and the "
                          "training is long enough to pay for compiling, otherwise numpy)"},
}
COMPILED_FROM = 8  # epochs: of fewer, compiling takes more than it saves
# fmt: on


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser of the flags that every example takes; an example adds its own."""
    flags = with_flags(doc, FLAGS)
    flags.set_defaults(out=Path("build") / Path(sys.argv[0]).stem)
    return flags


def with_flags(doc: str | None, table: dict[str, dict[str, Any]]) -> argparse.ArgumentParser:
    """A parser of the flags in a table, described by the first line of the script's docstring."""
    flags = Flags(
        description=(doc or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    flags.register("type", float, not_negative)  # in place of float and int, wherever they stand
    flags.register("type", int, count)
    for name, options in table.items():
        flags.add_argument(name, **options)
    return flags


def not_negative(text: str) -> float:
    """A flag that is a finite number from 0 on."""
    if not 0 <= float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number from 0 on, found {text}")
    return float(text)


def count(text: str) -> int:
    """A flag that is an integer from 0 on."""
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 on, found {text}")
    return int(text)


class Flags(argparse.ArgumentParser):
    """A parser that tries, before anything is computed, whether the results can be written.

    From then on, plain signs are printed where the terminal lacks others.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors=PLAIN_SIGNS)

    def parse_args(self, *given: Any, **options: Any) -> Any:
        args = super().parse_args(*given, **options)
        try:
            try_folder(args.out)
        except OSError as error:
            where = error.filename if isinstance(error.filename, str | Path) else args.out
            self.error(f"{where}: nothing can be written there: {error.strerror}")
        return args


def try_folder(out: Path) -> None:
    """Make the folder, and write a megabyte; raises OSError if that, or a result, can't be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(bytes(2**20))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None
    for name in RESULTS:
        if (out / name).exists():
            (out / name).open("r+b").close()  # changes nothing


def held_back_flag(flags: argparse.ArgumentParser) -> None:
    told = "train on 55,000 images, and measure on the other 5,000"
    flags.add_argument("--held-back", action="store_true", help=told)


def parse(flags: argparse.ArgumentParser, given: list[str] | None = None) -> argparse.Namespace:
    args = flags.parse_args(given)
    threadpool_limits(args.threads)
    return args


def mnist(*, held_back: bool = False, quick: bool = False) -> tuple[Any, Any, Any, Any]:
    """Read `x, y, x_test, y_test`: images `(n, 28, 28)` from 0 to 1, and their digits.

    With held_back, 5,000 training images take the test images' place, to choose settings by. With
    quick, a tenth of all images is read.
    """
    (images, y), (test_images, y_test) = nn.data.read_mnist(DATA)
    if held_back:
        images, test_images, y, y_test = nn.train_test_split(
            images, y, test_size=5_000, rng=np.random.default_rng(0)
        )
    step = 10 if quick else 1
    x, x_test = (part[::step].astype(np.float32) / 255 for part in (images, test_images))
    return x, y[::step], x_test, y_test[::step]


def network(
    sizes: Sequence[int],
    rng: np.random.Generator,
    *,
    activation: type[nn.Module] = nn.Sigmoid,
    weight: Any = nn.init.lecun_normal,
    bias: Any = nn.init.normal,
    last: type[nn.Module] | None = nn.Sigmoid,
) -> nn.Sequential:
    """Make linear layers of these sizes, an activation behind each.

    By default weights start from N(0, 1/fan_in), and biases from N(0, 1).
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), activation()]
    layers[-1:] = [last()] if last else []
    model = nn.Sequential(*layers)
    nn.init.initialize(model, rng, weight=weight, bias=bias)
    return model


def squared_cost(a: Any, wanted: Any) -> Any:
    """C = Σ (a − y)² over the ten outputs, averaged over the images."""
    return nn.MSE("sum")(a, wanted) / len(wanted)


def step_of(
    model: nn.Module, cost: Any, optimizer: nn.optim.Optimizer, args: argparse.Namespace
) -> Any:
    """Make the training step, which returns the cost of a batch."""

    def step(x: Any, y: Any) -> Any:
        loss = cost(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return replayed(step, args)


def replayed(step: Any, args: argparse.Namespace) -> Any:
    """The step, recorded in its first calls and then replayed; says on which backend.

    With --no-replay it runs as it stands.
    """
    if not args.replay:
        return step
    is_long = getattr(args, "epochs", 0) >= COMPILED_FROM and not getattr(args, "quick", False)
    backend = getattr(args, "backend", "numba" if is_long else "numpy")
    try:
        recorded = replay(step, backend=backend)
    except ImportError as error:
        if "backend" in args:  # it was asked for
            raise SystemExit(f"--backend {backend}: {error}") from error
        recorded = replay(step)
    print(f"the step is replayed by {recorded.backend}", file=sys.stderr)
    return recorded


def train(
    model: nn.Module,
    cost: Any,
    optimizer: nn.optim.Optimizer,
    loader: nn.DataLoader,
    args: argparse.Namespace,
    after_epoch: Callable[[], Any] = lambda: None,
    name: str = "run",
) -> tuple[list[float], float]:
    """Run the training loop, through one cycle of the learning rate.

    Returns the cost of each step, and the seconds that all of it took.
    """
    began, costs, steps = time.perf_counter(), [], args.epochs * len(loader)
    schedule = nn.optim.OneCycle(optimizer, steps)
    run = watched(model, cost, optimizer, loader, args, name)
    step = step_of(model, cost, optimizer, args)
    with tqdm(total=steps, unit="step") as bar:
        for _ in range(args.epochs):
            for x, y in loader:
                costs.append(step(x, y).item())
                run.log(loss=costs[-1])
                schedule.step()
                bar.update()
            after_epoch()
    seconds = time.perf_counter() - began
    run.finish()
    return costs, seconds


def watched(
    model: nn.Module,
    cost: Any,
    optimizer: nn.optim.Optimizer,
    loader: nn.DataLoader,
    args: argparse.Namespace,
    name: str = "run",
) -> Any:
    """Watch a training by a batch that stays the same; the bar keeps the terminal."""
    x, y = (part[: min(loader.batch_size, 64)] for part in loader.arrays)
    file, title = args.out / f"{name}.html", Path(sys.argv[0]).stem
    how = {"name": title, "save": file, "terminal": False}
    return watch(model, lambda: cost(model(x), y), optimizer, **how)


def parameters_of(model: nn.Module) -> int:
    """Count the numbers that are learned."""
    return sum(p.size for p in model.parameters())


def outputs(model: nn.Module, x: Any) -> Any:
    """Compute the model's outputs in `eval()`, a thousand examples at a time."""
    model.eval()
    with no_grad():
        parts = [np.asarray(model(x[i : i + 1000])) for i in range(0, len(x), 1000)]
    model.train()
    return np.concatenate(parts)


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Group parameters for an optimizer: weights are pulled towards 0, biases are not."""
    return [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim == 1]},
    ]


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the flags as values that JSON can hold."""
    return {name: str(it) if isinstance(it, Path) else it for name, it in vars(args).items()}


def conclude(
    args: argparse.Namespace, figure: Figure, claim: str, holds: bool, metrics: dict[str, Any]
) -> None:
    """Write the figure and the metrics, print the claim; end with an error if it doesn't hold."""
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "figure.png")
    known = {"claim": claim, "holds": holds, **metrics, "settings": settings(args)}
    (args.out / "metrics.json").write_text(json.dumps(known, indent=1), encoding="utf-8")
    print(f"{claim}; see {args.out}/figure.png", flush=True)
    if not holds:
        sys.exit("the goal was missed")
