"""The examples end in what they promise, with settings that take seconds."""

import ast
import errno
import functools
import gzip
import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import nn, watch

ROOT = Path(__file__).parent.parent
STUDIES = ["mnist_tuned", "mnist_cnn", "moons", "char_lm", "autoencoder"]
MNIST = [sys.executable, str(ROOT / "examples" / "mnist.py")]


def train(out, *flags):
    done = subprocess.run(
        [*MNIST, "--out", str(out), *flags], check=True, capture_output=True, text=True
    )
    return done.stdout, json.loads((out / "metrics.json").read_text())


def test_three_epochs_of_the_classifier_reach_94_percent_and_leave_a_report(tmp_path):
    printed, metrics = train(tmp_path, "--epochs", "3")
    assert "13,002 parameters" in printed
    assert metrics["test_accuracy"] > 0.94
    assert metrics["parameters"] == 13_002
    assert np.array(metrics["confusion"]).sum() == 10_000
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    run = watch.load(tmp_path / "run.html").runs[0]
    assert run["steps"] == 3 * 1875 and run["curves"]["accuracy"]["mean"][-1] > 0.94


def test_the_checkpoint_gives_back_the_network_and_its_accuracy(tmp_path):
    _, metrics = train(tmp_path, "--epochs", "1")
    first, second, third = nn.Linear(784, 16), nn.Linear(16, 16), nn.Linear(16, 10)
    model = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid(), third, nn.Sigmoid())
    nn.load(tmp_path / "model.safetensors", model)
    _, (images, labels) = nn.data.read_mnist(ROOT / "examples" / "data" / "mnist")
    predicted = model(images.reshape(-1, 784).astype(np.float32) / 255).argmax(axis=1)
    assert float((predicted == labels).mean()) == metrics["test_accuracy"]


@pytest.fixture(scope="module")
def small_data(tmp_path_factory):
    """A directory of IDX files with 600 images, not gzipped."""
    folder, source = tmp_path_factory.mktemp("data"), ROOT / "examples" / "data" / "mnist"
    for packed in source.glob("*.gz"):
        raw = gzip.decompress(packed.read_bytes())
        header, each = (16, 784) if "images" in packed.name else (8, 1)
        count, sizes = (600).to_bytes(4, "big"), raw[8:header]
        kept = raw[:4] + count + sizes + raw[header : header + 600 * each]
        (folder / packed.stem).write_bytes(kept)
    return folder


@pytest.mark.parametrize(
    "flags",
    [
        "--loss cross-entropy --activation relu --optimizer adam --hidden 20",
        "--activation tanh --optimizer momentum --lr 0.1 --schedule constant --threads 2",
        "--hidden --batch 7",
        "--epochs 0",
    ],
)
def test_every_flag_is_taken(flags, small_data, tmp_path):
    _, metrics = train(tmp_path, "--data", str(small_data), "--epochs", "2", *flags.split())
    assert 0 <= metrics["test_accuracy"] <= 1


def test_the_same_seed_gives_the_same_network(small_data, tmp_path):
    flags = ("--data", str(small_data), "--epochs", "2", "--seed", "5")
    first, second = (train(tmp_path / name, *flags)[1]["history"][-1]["cost"] for name in "ab")
    assert first == second


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_ctrl_c_and_a_request_to_end_keep_what_was_reached(name, tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*MNIST, "--out", str(tmp_path)], **pipes) as process:
        while "accuracy=" not in process.stderr.readline(200):
            pass
        process.send_signal(getattr(signal, name))
        printed, _ = process.communicate()
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert process.returncode == 0 and metrics["epochs"] < 120
    assert 0.8 < metrics["test_accuracy"] < 1
    assert "test accuracy" in printed


def refused(script, *flags):
    """What a script says that ends before it begins."""
    command = [sys.executable, str(ROOT / "examples" / script), *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "%" not in done.stderr
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("script", ["mnist.py", "moons.py", "learning/cost.py"])
def test_results_that_cannot_be_written_are_refused_before_the_training(script, tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"{out}: nothing can be written there" in refused(script, "--out", out)
    for out in ("/proc/results", "/dev/null/results") if Path("/proc").is_dir() else ():
        assert f"{out}: nothing can be written there" in refused(script, "--out", out)
    (tmp_path / "out" / "metrics.json").mkdir(parents=True)
    assert "metrics.json: nothing can be written there" in refused(
        script, "--out", tmp_path / "out"
    )


def test_a_full_disk_is_found_before_the_training(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    common = importlib.import_module("learning.common")

    class Full(io.BytesIO):
        def write(self, contents):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(common.tempfile, "TemporaryFile", lambda **options: Full())
    with pytest.raises(OSError, match="No space left"):
        common.try_folder(tmp_path)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e999", "fast"])
def test_a_rate_that_is_no_finite_number_is_refused(value):
    for flag in ("--lr", "--weight-decay"):
        assert f"argument {flag}: " in refused("mnist.py", f"{flag}={value}")
    assert "argument --lr: " in refused("autoencoder.py", f"--lr={value}")


@pytest.mark.parametrize(
    "flag", ["--batch=0", "--threads=0", "--hidden=0", "--epochs=-1", "--seed=-1"]
)
def test_a_count_that_is_none_is_refused(flag):
    assert f"argument {flag.partition('=')[0]}: " in refused("mnist.py", flag)


def as_a_terminal(encoding, *arguments, **options):
    """What a script prints where that encoding is the terminal's."""
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, env=environment, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_terminals_that_lack_a_sign_get_a_plain_one(encoding, tmp_path):
    neuron = as_a_terminal(encoding, ROOT / "examples" / "neuron.py", tmp_path / "neuron.svg")
    assert "dy/dw1 = 1.0019" in neuron
    kept = (ROOT / "docs" / "pictures" / "neuron.svg").read_text("utf-8")
    assert (tmp_path / "neuron.svg").read_text("utf-8") == kept
    assert "or -ln of" in " ".join(as_a_terminal(encoding, *MNIST[1:], "--help").split())


@pytest.mark.parametrize("script", ["moons.py", "mnist_seeds.py", "learning/minima.py"])
def test_help_is_printed_in_ascii(script):
    assert "usage:" in as_a_terminal("ascii", ROOT / "examples" / script, "--help")


def test_every_text_file_is_opened_with_its_encoding():
    found = []
    for path in [
        p for name in ("tinygrad_edu", "nn", "examples") for p in (ROOT / name).rglob("*.py")
    ]:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and not has_encoding(call):
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)}")
    assert found == []


def has_encoding(call):
    """Whether a call opens no text file, or gives the encoding."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    opened = ast.unparse(call.func)
    if opened in {"os.open", "webbrowser.open"} or name not in {"open", "read_text", "write_text"}:
        return True
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    is_binary = name == "open" and any("b" in text for text in texts)
    return is_binary or "utf-8" in texts or "encoding" in {given.arg for given in call.keywords}


def files_with(text):
    found = (ROOT / "examples").rglob("*.py")
    return {path.name for path in found if text in path.read_text("utf-8")}


def test_the_training_loop_stands_once_for_all_examples_and_in_full_in_the_two_to_read():
    assert files_with("loss.backward()") == {"common.py", "gpt.py"}
    assert files_with("schedule.step()") == {"common.py", "mnist.py", "study.py"}
    assert files_with("common.train(") == {f"{name}.py" for name in STUDIES}


def study(out, name, *flags):
    script = ROOT / "examples" / f"{name}.py"
    command = [sys.executable, script, "--quick", "--out", out, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, json.loads((out / "metrics.json").read_text())


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What an example leaves behind, from one run for all tests."""
    return functools.cache(
        lambda flags: (out := tmp_path_factory.mktemp("study"), *study(out, *flags.split()))
    )


@pytest.mark.parametrize("flags", [*STUDIES, "mnist_tuned --shifts", "char_lm --transformer"])
def test_an_example_reaches_its_goal_and_leaves_a_figure(flags, quick):
    out, done, metrics = quick(flags)
    assert done.returncode == 0 and metrics["holds"], done.stderr[-1000:]
    assert metrics["claim"] in done.stdout
    assert "100%" in done.stderr  # the progress bar
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert watch.load(out / "run.html").runs[0]["steps"] > 0


def test_an_example_that_misses_its_goal_fails(tmp_path):
    done, metrics = study(tmp_path, "mnist_tuned", "--lr", "1e-9")
    assert done.returncode == 1 and not metrics["holds"]
    assert "the goal was missed" in done.stderr


@pytest.mark.parametrize(
    ("flags", "number"),
    [
        ("mnist_tuned --shifts", "accuracy"),
        ("moons", "accuracy"),
        ("autoencoder", "error"),
        ("char_lm", "bits"),
        ("char_lm --transformer", "bits"),
    ],
)
def test_the_same_seed_gives_the_same_example(flags, number, quick, tmp_path):
    assert study(tmp_path, *flags.split())[1][number] == quick(flags)[2][number]


def test_a_network_tells_the_moons_apart_where_a_straight_line_cannot(quick):
    metrics = quick("moons")[2]
    assert metrics["line"] < 0.88 < 0.93 <= metrics["accuracy"]
    assert metrics["accuracy"] < 0.98  # the best any rule reaches is 0.971


def test_two_numbers_draw_a_digit_better_than_the_two_best_linear_ones(quick):
    metrics = quick("autoencoder")[2]
    (known, _), (images, _) = nn.data.read_mnist(ROOT / "examples" / "data" / "mnist")
    known, images = (part[::10].reshape(-1, 784) / 255 for part in (known, images))
    two, away = np.linalg.svd(np.cov(known.T))[0][:, :2], images - known.mean(axis=0)
    lost = np.square(away - away @ two @ two.T).sum(axis=1).mean()
    assert metrics["linear"] == pytest.approx(lost, rel=1e-4)
    assert metrics["error"] < 0.92 * metrics["linear"]


def words(picture):
    """What stands in a picture, without numbers: their last digit may be a machine's own."""
    return re.findall(r">([^<>]*[a-z][^<>]*)<", re.sub(r"data:[^\"]*|−?\d[\d.,e-]*", "", picture))


def test_the_pictures_of_the_readme_are_what_the_examples_draw(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    script = ROOT / "examples" / "neuron.py"
    subprocess.run([sys.executable, script, tmp_path / "neuron.svg"], check=True)
    kept = ROOT / "docs" / "pictures"
    assert (tmp_path / "neuron.svg").read_text() == (kept / "neuron.svg").read_text()
    drawn = importlib.import_module("gallery").digits(theme="light").svg()
    assert words(drawn) == words((kept / "network.svg").read_text()) != []


@pytest.fixture
def char_lm(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("char_lm")


@pytest.mark.parametrize("network", ["Recurrent", "Transformer"])
def test_reading_character_by_character_predicts_what_reading_at_once_does(network, char_lm):
    model = getattr(char_lm, network)(50, np.random.default_rng(0))
    x, state, steps = np.arange(40)[None] % 7, None, []
    for i in range(x.shape[1]):
        logits, state = model.read(x[:, i : i + 1], state)
        steps.append(logits[:, -1])
    assert np.allclose(np.stack(steps, axis=1), model(x), atol=1e-4)


def test_no_paragraph_that_is_held_out_is_trained_on(char_lm):
    training, held_out = char_lm.corpus()
    assert not set(training.split("\n\n")) & set(held_out.split("\n\n"))


def test_surprise_is_that_of_the_next_character_and_a_model_of_pair_counts_has_the_bigrams(char_lm):
    training, held_out = np.random.default_rng(0).integers(0, 5, (2, 1000))
    pairs = np.ones((5, 5))
    np.add.at(pairs, (training[:-1], training[1:]), 1)
    model, p = nn.Embedding(5, 5), pairs / pairs.sum(axis=1, keepdims=True)
    model.weight.data = np.log(pairs)
    bits = char_lm.surprise(model, held_out)
    expected = -np.log2(p[held_out[:-1], held_out[1:]])
    expected = expected[char_lm.TIME // 2 :]  # the first have too little before them
    assert len(expected) - char_lm.TIME < len(bits) <= len(expected)
    assert np.allclose(bits, expected[: len(bits)])
    assert np.isclose(bits.mean(), char_lm.baselines(training, held_out, 5)["bigram"])


@pytest.fixture
def gpt(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("gpt")


def test_a_gpt_learns_to_invent_names_and_draws_its_attention(tmp_path):
    done, metrics = study(tmp_path, "gpt")
    assert done.returncode == 0 and metrics["nats"] < 2.25  # counts of pairs reach 2.36
    invented = re.search("Invented: (.+)", done.stdout)[1].split()
    assert len(invented) == 20 and len({*invented}) > 15
    assert "4,192 parameters" in done.stdout
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_gpt_is_a_file_of_150_lines_at_most():
    assert len((ROOT / "examples" / "gpt.py").read_text("utf-8").splitlines()) <= 150


def test_a_name_is_encoded_with_its_points_and_nothing_is_predicted_behind_the_last(gpt):
    x, y = gpt.encode(["mary", "jo"])
    assert ["".join(gpt.ALPHABET[code] for code in row[:6]) for row in x] == [".mary.", ".jo..."]
    assert y[0, :6].tolist() == [*x[0, 1:6], -1] and (y[0, 5:] == -1).all()
    assert y[1, :4].tolist() == [*x[1, 1:4], -1] and x.shape == y.shape == (2, gpt.CONTEXT)


def test_the_census_has_5163_names_of_eleven_letters_at_most_in_an_order_of_the_seed(gpt):
    first, again, other = (gpt.first_names(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert len(first) == 5163 and max(map(len, first)) == 11
    assert {*"".join(first)} == {*gpt.ALPHABET[1:]}
    assert (first == again).all() and (first != other).any() and {*first} == {*other}


def test_no_place_of_a_gpt_sees_a_later_one(gpt):
    model = gpt.GPT(16, 4, 2, np.random.default_rng(0))
    one, other = (model(gpt.encode([name])[0]).numpy()[0] for name in ("maria", "marks"))
    assert (one[:4] == other[:4]).all() and (one[4:] != other[4:]).any()


def test_the_attention_of_a_gpt_is_that_of_the_library(gpt):
    rng = np.random.default_rng(0)
    block, library = gpt.Block(16, 4), nn.MultiHeadAttention(16, 4, bias=False)
    weights = [layer.weight.data for layer in (block.query, block.key, block.value)]
    library.in_proj_weight.data = np.concatenate(weights)
    library.out_proj.weight.data = block.out.weight.data
    x = rng.normal(size=(3, gpt.CONTEXT, 16)).astype(np.float32)
    assert np.allclose(block.attention(x), library(x, causal=True), atol=1e-6)


def test_three_trainings_are_broken_and_what_is_said_of_them_is_right(tmp_path):
    script = [sys.executable, str(ROOT / "examples" / "watching.py"), "--quick"]
    done = subprocess.run(
        [*script, "--out", str(tmp_path)], check=True, capture_output=True, text=True
    )
    learning, dead, saturated, exploding = done.stdout.split("\n\n")[:4]
    assert learning.startswith("learning") and "▲" not in learning and "Learning" in learning
    assert "▲ 3 ReLU: " in dead and "nothing flows back through them" in dead
    assert saturated.count("of the outputs lie where the curve is flat") == 2
    assert "The loss is NaN since step" in exploding and "✕ 0 Linear" in exploding
    names = [run["name"] for run in watch.load(tmp_path / "all.html").runs]
    assert names == ["learning", "dead", "saturated", "exploding"]
