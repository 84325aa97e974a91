"""The examples end in what they promise, with settings that take seconds."""

import gzip
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import nn

ROOT = Path(__file__).parent.parent
STUDIES = ["mnist_tuned", "mnist_cnn"]
LOOP = """\
for _ in range(args.epochs):
for x, y in loader:
loss = cost(model(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
schedule.step()
bar.update()
"""
MNIST = [sys.executable, str(ROOT / "examples" / "mnist.py")]


def train(out, *flags):
    done = subprocess.run([*MNIST, "--out", str(out), *flags], check=True, capture_output=True, text=True)
    return done.stdout, json.loads((out / "metrics.json").read_text())


def test_three_epochs_of_the_classifier_reach_94_percent_and_leave_a_report(tmp_path):
    printed, metrics = train(tmp_path, "--epochs", "3")
    assert "13,002 parameters" in printed
    assert metrics["test_accuracy"] > 0.94
    assert metrics["parameters"] == 13_002
    assert np.array(metrics["confusion"]).sum() == 10_000
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_checkpoint_gives_back_the_network_and_its_accuracy(tmp_path):
    _, metrics = train(tmp_path, "--epochs", "1")
    layers = [layer for a, b in ((784, 16), (16, 16), (16, 10)) for layer in (nn.Linear(a, b), nn.Sigmoid())]
    model = nn.Sequential(*layers)
    nn.load(tmp_path / "model.safetensors", model)
    _, (images, labels) = nn.data.read_mnist(ROOT / "examples" / "data" / "mnist")
    predicted = model(images.reshape(-1, 784).astype(np.float32) / 255).argmax(axis=1)
    assert float((predicted == labels).mean()) == metrics["test_accuracy"]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """A directory of IDX files with 600 images, not gzipped."""
    folder, source = tmp_path_factory.mktemp("data"), ROOT / "examples" / "data" / "mnist"
    for packed in source.glob("*.gz"):
        raw, header = gzip.decompress(packed.read_bytes()), 16 if "images" in packed.name else 8
        each = 784 if header == 16 else 1
        (folder / packed.stem).write_bytes(raw[:4] + (600).to_bytes(4, "big") + raw[8:header] + raw[header:header + 600 * each])
    return folder


@pytest.mark.parametrize("flags", ["--loss cross-entropy --activation relu --optimizer adam --hidden 20",
                                   "--activation tanh --optimizer momentum --lr 0.1 --schedule constant --threads 2",
                                   "--hidden --batch 7", "--epochs 0"])
def test_every_flag_is_taken(flags, small_data, tmp_path):
    _, metrics = train(tmp_path, "--data", str(small_data), "--epochs", "2", *flags.split())
    assert 0 <= metrics["test_accuracy"] <= 1


def test_the_same_seed_gives_the_same_network(small_data, tmp_path):
    flags = ("--data", str(small_data), "--epochs", "2", "--seed", "5")
    first, second = (train(tmp_path / name, *flags)[1]["history"][-1]["cost"] for name in "ab")
    assert first == second


def test_ctrl_c_ends_cleanly_and_keeps_what_was_reached(tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*MNIST, "--out", str(tmp_path)], **pipes) as process:
        while "accuracy=" not in process.stderr.readline(200): time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert 0.8 < json.loads((tmp_path / "metrics.json").read_text())["test_accuracy"] < 1
    assert "test accuracy" in printed


@pytest.mark.parametrize("name", STUDIES)
def test_the_training_loop_is_the_same_eight_lines_in_every_example(name):
    lines = (ROOT / "examples" / f"{name}.py").read_text().splitlines()
    assert LOOP in "".join(f"{line.strip()}\n" for line in lines)


def study(out, name, *flags):
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--quick", "--out", str(out), *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False), json.loads((out / "metrics.json").read_text())


@pytest.mark.parametrize("flags", [*STUDIES, "mnist_tuned --shifts"])
def test_an_example_reaches_its_goal_and_leaves_a_figure(flags, tmp_path):
    done, metrics = study(tmp_path, *flags.split())
    assert done.returncode == 0 and metrics["holds"], done.stderr[-1000:]
    assert metrics["claim"] in done.stdout
    assert "100%" in done.stderr  # the progress bar
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_an_example_that_misses_its_goal_fails(tmp_path):
    done, metrics = study(tmp_path, "mnist_tuned", "--lr", "1e-9")
    assert done.returncode == 1 and not metrics["holds"]
    assert "the goal was missed" in done.stderr


def test_the_same_seed_gives_the_same_example(tmp_path):
    first, second = (study(tmp_path / name, "mnist_tuned", "--shifts", "--seed", "3")[1]["accuracy"] for name in "ab")
    assert first == second
