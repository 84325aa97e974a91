"""The digit classifier
====================

784 pixels, two hidden layers of 16, ten outputs, trained on MNIST with mini-batch gradient
descent::

    python examples/mnist.py            # the network of 3Blue1Brown's "Gradient descent, how neural
    networks learn" python examples/mnist.py --help     # other networks, costs and optimizers;
    --data takes Fashion-MNIST as it is

The cost of one image is the sum over the ten outputs of (activation − target)², the target being 1
for its digit and 0 elsewhere; the cost of a batch is the average over its images. Writes a
checkpoint, report.png and metrics.json."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import common
import mnist_report
import numpy as np
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


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--hidden",
        type=int,
        nargs="*",
        default=[16, 16],
        metavar="N",
        help="neurons in each hidden layer",
    )
    add(
        "--activation",
        choices=ACTIVATIONS,
        default="sigmoid",
        help="what the hidden neurons do with their weighted sum",
    )
    add(
        "--loss",
        choices=["squared", "cross-entropy"],
        default="squared",
        help="the cost: squared differences of ten sigmoid outputs, or −ln of the softmax "
        "probability of the right digit",
    )
    add(
        "--optimizer",
        choices=["sgd", "momentum", "adam"],
        default="sgd",
        help="how a step follows from the gradient",
    )
    add(
        "--lr",
        type=float,
        help="learning rate: how far a step goes (default: one that suits optimizer and loss, "
        "5.0 for sgd and squared)",
        default=argparse.SUPPRESS,
    )
    add(
        "--schedule",
        choices=["cosine", "constant"],
        default="cosine",
        help="how the rate changes: down to 0, or not",
    )
    add(
        "--weight-decay",
        type=float,
        default=5e-5,
        help="how strongly every weight is pulled towards 0 in a step",
    )
    add("--batch", type=int, default=32, help="images per step")
    add("--epochs", type=int, default=120, help="how often every image is seen")
    add(
        "--seed",
        type=int,
        default=0,
        help="the start of all that is random; the same seed gives the same network",
    )
    add(
        "--data",
        type=Path,
        default=common.DATA,
        help="a directory with the four IDX files, gzipped or not",
    )
    add("--out", type=Path, default=Path("build/mnist"), help="where the results go")
    add(
        "--threads",
        type=int,
        default=1,
        help="threads of the matrix products; for small networks one is fastest",
    )
    common.replay_flag(parser)
    args = parser.parse_args(given)
    args.lr = getattr(args, "lr", RATES[args.optimizer, args.loss])
    return args


def network(sizes: list[int], args: argparse.Namespace, rng: np.random.Generator) -> nn.Sequential:
    """Linear layers with an activation behind each; with cross-entropy the last gives its weighted
    sums as they are."""
    start = (
        {"weight": nn.init.kaiming_normal, "bias": nn.init.zeros}
        if args.activation == "relu"
        else {}
    )
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
    """The training loop. Ctrl-C ends it and keeps what was reached. Returns what was measured after
    each epoch."""
    loader = nn.DataLoader(images, targets, batch_size=args.batch, shuffle=True, rng=rng)
    cost = common.squared_cost if args.loss == "squared" else nn.CrossEntropy()
    optimizer = optimizer_of(model, args)
    steps = max(args.epochs * len(loader), 1)
    schedule = (
        nn.optim.Cosine(optimizer, steps)
        if args.schedule == "cosine"
        else nn.optim.Constant(optimizer)
    )
    step = common.step_of(model, cost, optimizer, args)
    history = []
    epochs = tqdm(range(args.epochs), unit="epoch")
    try:
        for _ in epochs:
            total, start = 0.0, time.perf_counter()
            for x, y in loader:
                loss = step(x, y)
                schedule.step()
                total += loss.item() * len(x)
            seconds = time.perf_counter() - start
            history.append({"cost": total / len(images), "seconds": seconds, **measure()})
            epochs.set_postfix(
                cost=f"{history[-1]['cost']:.4f}", accuracy=f"{history[-1]['train_accuracy']:.2%}"
            )
    except KeyboardInterrupt:
        epochs.write(
            f"stopped in epoch {len(history) + 1} of {args.epochs}; what was reached is kept"
        )
    epochs.close()
    return history


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure, write the checkpoint, the report and the metrics; returns the metrics."""
    (train_images, train_labels), (test_images, test_labels) = nn.data.read_mnist(args.data)
    x, x_test = (
        images.reshape(len(images), -1).astype(np.float32) / 255
        for images in (train_images, test_images)
    )
    targets = nn.data.one_hot(train_labels, 10) if args.loss == "squared" else train_labels
    start, order = np.random.default_rng(args.seed).spawn(
        2
    )  # the order of the images doesn't depend on the network's size
    model = network([x.shape[1], *args.hidden, 10], args, start)
    parameters = sum(p.size for p in model.parameters())
    print(model, f"{parameters:,} parameters", sep="\n", flush=True)

    def accuracies() -> dict[str, float]:
        return {
            "train_accuracy": accuracy(common.outputs(model, x[:10_000]), train_labels[:10_000]),
            "test_accuracy": accuracy(common.outputs(model, x_test), test_labels),
        }

    with threadpool_limits(args.threads):
        history = train(model, args, x, targets, order, accuracies)
        predicted = common.outputs(model, x_test)
    seconds = sum(epoch["seconds"] for epoch in history)
    metrics = {
        "test_accuracy": accuracy(predicted, test_labels),
        "train_accuracy": accuracy(common.outputs(model, x), train_labels),
        "parameters": parameters,
        "seconds": seconds,
        "seconds_per_epoch": seconds / max(len(history), 1),
        "epochs": len(history),
        "confusion": mnist_report.confusion(predicted, test_labels).tolist(),
        "settings": common.settings(args),
        "history": history,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    nn.save(args.out / "model.safetensors", model, {"settings": json.dumps(metrics["settings"])})
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    mnist_report.draw(args.out / "report.png", model, metrics, test_images, test_labels, predicted)
    return metrics


def accuracy(predicted: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    return float((predicted.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    args = arguments()
    metrics = run(args)
    print(
        f"test accuracy {metrics['test_accuracy']:.2%} on images that it never saw, training "
        "accuracy "
        f"{metrics['train_accuracy']:.2%}, after {metrics['epochs']} epochs in "
        f"{metrics['seconds']:.0f} s"
    )
    print(
        f"{metrics['parameters']:,} parameters; {args.out}/ holds model.safetensors, report.png "
        "and metrics.json"
    )
