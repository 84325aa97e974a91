"""The digit classifier
====================

784 pixels, two hidden layers of 16, ten outputs, trained on MNIST with mini-batch gradient
descent::

    python examples/mnist.py            # the network of 3Blue1Brown's video on gradient descent
    python examples/mnist.py --help     # others; --data takes Fashion-MNIST as it is

The cost of one image is the sum over the ten outputs of (activation − target)², the target being 1
for its digit and 0 elsewhere; the cost of a batch is the average over its images. Writes a
checkpoint, report.png, metrics.json, and run.html: the training, to be watched again.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path
from typing import Any

import mnist_report
import numpy as np
from learning import common
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tinygrad_edu import nn

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
RATES = {
    ("sgd", "squared"): 5.0,
    ("momentum", "squared"): 0.3,
    ("adam", "squared"): 0.002,
    ("sgd", "cross-entropy"): 0.1,
    ("momentum", "cross-entropy"): 0.02,
    ("adam", "cross-entropy"): 0.002,
}

# fmt: off
FLAGS: dict[str, dict[str, Any]] = {
    "--hidden": {"type": common.at_least_one, "nargs": "*", "default": [16, 16], "metavar": "N",
                 "help": "neurons in each hidden layer"},
    "--activation": {"choices": ACTIVATIONS, "default": "sigmoid",
                     "help": "what the hidden neurons do with their weighted sum"},
    "--loss": {"choices": ["squared", "cross-entropy"], "default": "squared",
               "help": "the cost: squared differences of ten sigmoid outputs, or −ln of the "
                       "softmax probability of the right digit"},
    "--optimizer": {"choices": ["sgd", "momentum", "adam"], "default": "sgd",
                    "help": "how a step follows from the gradient"},
    "--lr": {"type": float, "default": argparse.SUPPRESS,
             "help": "learning rate: how far a step goes (default: one that suits optimizer and "
                     "loss, 5.0 for sgd and squared)"},
    "--schedule": {"choices": ["cosine", "constant"], "default": "cosine",
                   "help": "how the rate changes: down to 0, or not"},
    "--weight-decay": {"type": float, "default": 5e-5,
                       "help": "how strongly every weight is pulled towards 0 in a step"},
    "--batch": {"type": common.at_least_one, "default": 32, "help": "images per step"},
    "--epochs": {"type": int, "default": 120, "help": "how often every image is seen"},
    "--seed": {"type": int, "default": 0,
               "help": "the start of all that is random; the same seed gives the same network"},
    "--data": {"type": Path, "default": common.DATA,
               "help": "a directory with the four IDX files, gzipped or not"},
    "--out": {"type": Path, "default": Path("build/mnist"), "help": "where the results go"},
    "--threads": {"type": common.at_least_one, "default": 1,
                  "help": "threads of the matrix products; for small networks one is fastest"},
    "--replay": common.FLAGS["--replay"],
    "--backend": common.FLAGS["--backend"],
}
# fmt: on


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    args = common.with_flags(__doc__, FLAGS).parse_args(given)
    args.lr = getattr(args, "lr", RATES[args.optimizer, args.loss])
    return args


def network(sizes: list[int], args: argparse.Namespace, rng: np.random.Generator) -> nn.Sequential:
    """Make linear layers with an activation behind each; for cross-entropy none behind the last."""
    start = {}
    if args.activation == "relu":
        start = {"weight": nn.init.kaiming_normal, "bias": nn.init.zeros}
    last = nn.Sigmoid if args.loss == "squared" else None
    return common.network(sizes, rng, activation=ACTIVATIONS[args.activation], last=last, **start)


def optimizer_of(model: nn.Module, args: argparse.Namespace) -> nn.optim.Optimizer:
    groups = common.groups(model, args.weight_decay)
    if args.optimizer == "adam":
        return nn.optim.Adam(groups, lr=args.lr)
    return nn.optim.SGD(groups, lr=args.lr, momentum=0.9 if args.optimizer == "momentum" else 0.0)


def train(
    model: nn.Module,
    args: argparse.Namespace,
    images: Any,
    targets: Any,
    rng: np.random.Generator,
    measure: Any,
) -> list[dict[str, float]]:
    """The training loop; Ctrl-C or SIGTERM ends it and keeps what was reached.

    Returns what was measured after each epoch.
    """
    loader = nn.DataLoader(images, targets, batch_size=args.batch, shuffle=True, rng=rng)
    cost = common.squared_cost if args.loss == "squared" else nn.CrossEntropy()
    optimizer = optimizer_of(model, args)
    steps = max(args.epochs * len(loader), 1)
    constant = args.schedule == "constant"
    schedule = nn.optim.Constant(optimizer) if constant else nn.optim.Cosine(optimizer, steps)
    run = common.watched(model, cost, optimizer, loader, args)
    step = common.step_of(model, cost, optimizer, args)
    history: list[dict[str, float]] = []
    epochs = tqdm(range(args.epochs), unit="epoch")
    try:
        for _ in epochs:
            total, start = 0.0, time.perf_counter()
            for x, y in loader:
                loss = step(x, y)
                run.log(loss=loss)
                schedule.step()
                total += loss.item() * len(x)
            seconds = time.perf_counter() - start
            now = {"cost": total / len(images), "seconds": seconds, **measure()}
            run.log(accuracy=now["test_accuracy"])
            history.append(now)
            epochs.set_postfix(cost=f"{now['cost']:.4f}", accuracy=f"{now['train_accuracy']:.2%}")
    except KeyboardInterrupt:
        stopped = len(history) + 1
        epochs.write(f"stopped in epoch {stopped} of {args.epochs}; what was reached is kept")
    epochs.close()
    run.finish()
    return history


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure, write the checkpoint, the report and the metrics; returns the metrics."""
    (images, labels), (test_images, test_labels) = nn.data.read_mnist(args.data)
    x, x_test = (rows_of(each) for each in (images, test_images))
    targets = nn.data.one_hot(labels, 10) if args.loss == "squared" else labels
    start, order = np.random.default_rng(args.seed).spawn(2)  # the order is the same for all sizes
    model = network([x.shape[1], *args.hidden, 10], args, start)
    parameters = common.parameters_of(model)
    print(model, f"{parameters:,} parameters", sep="\n", flush=True)

    def accuracies() -> dict[str, float]:
        seen = accuracy(common.outputs(model, x[:10_000]), labels[:10_000])
        unseen = accuracy(common.outputs(model, x_test), test_labels)
        return {"train_accuracy": seen, "test_accuracy": unseen}

    with threadpool_limits(args.threads):
        history = train(model, args, x, targets, order, accuracies)
        predicted = common.outputs(model, x_test)
    seconds = sum(epoch["seconds"] for epoch in history)
    metrics = {
        "test_accuracy": accuracy(predicted, test_labels),
        "train_accuracy": accuracy(common.outputs(model, x), labels),
        "parameters": parameters,
        "seconds": seconds,
        "seconds_per_epoch": seconds / max(len(history), 1),
        "epochs": len(history),
        "confusion": mnist_report.confusion(predicted, test_labels).tolist(),
        "settings": common.settings(args),
        "history": history,
    }
    nn.save(args.out / "model.safetensors", model, {"settings": json.dumps(metrics["settings"])})
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    mnist_report.draw(args.out / "report.png", model, metrics, test_images, test_labels, predicted)
    return metrics


def rows_of(images: Any) -> Any:
    """Turn bytes `(n, 28, 28)` into numbers `(n, 784)` from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def accuracy(predicted: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    return float((predicted.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    args = arguments()
    metrics = run(args)
    print(
        f"test accuracy {metrics['test_accuracy']:.2%} on images that it never saw, "
        f"training accuracy {metrics['train_accuracy']:.2%}, "
        f"after {metrics['epochs']} epochs in {metrics['seconds']:.0f} s"
    )
    files = "run.html (watch it learn), model.safetensors, report.png and metrics.json"
    print(f"{metrics['parameters']:,} parameters; {args.out}/ holds {files}")
