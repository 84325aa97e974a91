"""A checkpoint is a whole state or an error that names the file; a failed save leaves the old file
and nothing else."""

from __future__ import annotations

import errno
import inspect
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tinygrad_edu.nn import checkpoint, optim

from tinygrad_edu import Tensor, nn


def model(seed: int = 0, out: int = 2) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, out, rng=rng))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    np.testing.assert_equal(one.state_dict(), other.state_dict())


def assert_refused(path: Path, *words: str) -> None:
    """Loading names the file, says the words, and changes nothing."""
    into, before = model(1), model(1)
    with pytest.raises(ValueError) as error:
        nn.load(path, into)
    assert all(word in str(error.value) for word in (str(path), *words))
    assert_same_state(into, before)


def test_state_and_metadata_come_back(path: Path) -> None:
    metadata, other = {"epoch": "7", "note": "größer ✓", "": ""}, model(1)
    nn.save(path, model(), metadata)
    assert nn.load(str(path), other) == metadata
    assert_same_state(model(), other)


def test_metadata_are_optional(path: Path) -> None:
    nn.save(str(path), model())
    assert nn.load(path, model(1)) == {}


class State(nn.Module):
    def __init__(self, *arrays: Any) -> None:
        self.state = [Tensor(array) for array in arrays]


def test_every_shape_layout_and_dtype_comes_back(path: Path) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    arrays = [
        np.array(3.5),
        np.zeros((0, 3)),
        whole.T,
        whole[::2, ::-1],
        np.asfortranarray(whole),
        whole.astype(">f4"),
        np.array([True, False]),
        np.array([1, 2], np.int64),
        np.array([7], np.uint8),
        np.ones(2, np.float16),
    ]
    one, other = State(*arrays), State(*[np.zeros_like(array) for array in arrays])
    nn.save(path, one)
    nn.load(path, other)
    assert_same_state(one, other)


def test_a_pytorch_model_s_file_loads(path: Path) -> None:
    state = {
        "0.weight": np.ones((4, 3), "f4"),
        "0.bias": np.ones(4, "f4"),  # torch.nn.Sequential(Linear, Tanh, Linear)
        "2.weight": np.ones((2, 4), "f4"),
        "2.bias": np.ones(2, "f4"),
    }
    save_file(state, path, {"format": "pt"})
    into = model()
    assert nn.load(path, into) == {"format": "pt"}
    np.testing.assert_equal(into.state_dict(), state)


def test_a_file_cut_short_anywhere_is_refused(path: Path) -> None:
    nn.save(path, model(), {"epoch": "7"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert_refused(path, "not a whole safetensors file")


def test_what_is_no_checkpoint_is_refused(path: Path) -> None:
    for contents in (
        b"\x80\x04K\x01.",
        b"{}" * 50,
        struct.pack("<Q", 2**62) + b"{}",
    ):  # the first is a pickle
        path.write_bytes(contents)
        assert_refused(path)


def test_numbers_that_numpy_lacks_are_refused(path: Path) -> None:
    header = json.dumps(
        {"0.bias": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert_refused(path, "bfloat16", "float32")


def test_another_model_s_file_is_refused(path: Path) -> None:
    nn.save(path, model(out=5))
    assert_refused(path, "2.weight", "(5, 4)", "(2, 4)", "2.bias")
    nn.save(path, nn.Linear(3, 2))
    assert_refused(path, "missing: 0.weight", "unexpected: weight")


def test_a_missing_file_is_a_missing_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=path.name):
        nn.load(path, model())


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: Any, call: str, failure: Any
) -> None:
    nn.save(path, model(0))

    def fail(*args: Any) -> None:
        raise failure

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(failure):
        nn.save(path, model(1))
    into = model(2)
    nn.load(path, into)
    assert_same_state(into, model(0))
    assert os.listdir(path.parent) == [path.name]


def test_the_new_file_is_whole_and_on_disk_before_it_takes_the_name(
    path: Path, monkeypatch: Any
) -> None:
    nn.save(path, model(0))
    whole, replace = path.read_bytes(), os.replace
    calls: list[Any] = []

    def look(source: Any, target: Any) -> None:
        calls.append(
            (Path(source).parent, len(Path(source).read_bytes()), path.read_bytes() == whole)
        )
        replace(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append(os.fstat(descriptor).st_size))
    monkeypatch.setattr(os, "replace", look)
    nn.save(path, model(1))
    assert calls == [len(whole), (path.parent, len(whole), True)] and path.read_bytes() != whole


def test_a_checkpoint_s_permissions_are_those_of_any_new_file(path: Path) -> None:
    nn.save(path, model())
    (path.parent / "other").touch()
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("latest")
    link.symlink_to(path)
    nn.save(link, model())
    assert link.is_symlink() and path.exists()


def test_numbers_and_arrays_as_metadata_come_back(path: Path) -> None:
    mean = np.array([0.1, -2.0], np.float32)
    metadata = {"mean": mean, "scale": 0.1, "n": 7, "dark": True, "seed": np.int64(3), "by": "me"}
    nn.save(path, model(), metadata | {"nothing": np.zeros((0, 2))})
    found = nn.load(path, model(1))
    assert found.keys() == metadata.keys() | {"nothing"}
    assert {name: found[name] for name in metadata if name != "mean"} == {
        name: value for name, value in metadata.items() if name != "mean"
    }
    assert found["mean"].dtype == np.float32 and (found["mean"] == mean).all()
    assert found["nothing"].shape == (0, 2)


@pytest.mark.parametrize("names", [["Sat", ""], [["a"], [1, 2.5]], [], [np.int64(7)]])
def test_lists_of_texts_and_numbers_come_back(path: Path, names: Any) -> None:
    nn.save(path, model(), {"names": names})
    assert nn.load(path, model()) == {"names": names}


@pytest.mark.parametrize("dtype", ["U", object])
def test_an_array_of_texts_comes_back(path: Path, dtype: Any) -> None:
    nn.save(path, model(), {"names": np.array(["Sat", ""], dtype)})
    found = nn.load(path, model())["names"]
    assert found.dtype.kind == "U" and found.tolist() == ["Sat", ""]


@pytest.mark.parametrize("call", [nn.save, nn.load])
def test_pytorch_s_order_says_what_to_write(path: Path, call: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"found PosixPath.*write nn\.{call.__name__}\(path, model\)"
    ):
        call(model(), path)


def test_a_file_is_saved_into_a_folder_that_is_made(tmp_path: Path) -> None:
    nn.save(tmp_path / "runs" / "1" / "model.safetensors", model())
    nn.load(tmp_path / "runs" / "1" / "model.safetensors", model())


def test_other_metadata_are_refused(path: Path) -> None:
    for metadata in ({"a": [None]}, {7: "epoch"}, {"a": None}, {"a": {"b": 1}}):
        with pytest.raises(TypeError, match="write str"):
            nn.save(path, model(), metadata)  # type: ignore[arg-type]
    assert not path.exists()


def test_metadata_lose_no_tensor_of_the_same_name(path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            self.metadata = {"mean": Tensor(1.0)}

    with pytest.raises(ValueError, match=r"metadata\.mean"):
        nn.save(path, Named(), {"mean": np.ones(2)})


def test_tensors_of_one_name_are_not_saved(path: Path) -> None:
    with pytest.raises(ValueError, match=r"two Tensors of Twice are named p\.1"):
        nn.save(path, Twice())
    assert not path.exists()


class Twice(nn.Module):
    def __init__(self) -> None:
        self.p = {1: Tensor(1.0, requires_grad=True), "1": Tensor(2.0, requires_grad=True)}


@pytest.mark.parametrize("part", ["optimizer", "schedule"])
def test_float16_moments_and_every_schedule_come_back(path: Path, part: str) -> None:
    def made(lr: float) -> dict[str, Any]:
        layer = nn.Linear(2, 2, rng=np.random.default_rng(0), dtype=np.float16)
        optimizer = optim.Adam(layer.parameters(), lr=lr)
        return {
            "model": layer,
            "optimizer": optimizer,
            "schedule": optim.ReduceOnPlateau(optimizer),
        }

    first, second = made(0.1), made(0.2)
    for p in first["model"].parameters():
        p.grad = np.full_like(p.data, 1e-4)
    first["optimizer"].step()
    first["schedule"].step(3.0)
    nn.save(path, **first)
    nn.load(path, **second)
    assert second["schedule"].best == 3.0 and second["schedule"].t == 1
    kept = [array for arrays in second["optimizer"].memory.values() for array in arrays.values()]
    assert {array.dtype.name for array in kept} == {"float32"} and all(a.all() for a in kept)


# What training needs besides the model

OPTIMIZERS = {
    name: found
    for name in optim.__all__
    if isinstance(found := getattr(optim, name), type)
    and issubclass(found, optim.Optimizer)
    and found is not optim.Optimizer
}
ON = {
    "momentum": 0.9,
    "nesterov": True,
    "centered": True,
    "weight_decay": 0.01,
}  # whatever the optimizer has of these
INPUTS = np.random.default_rng(9).normal(size=(50, 3)).astype(np.float32)


class Training:
    """A model, an optimizer with two groups, a schedule; a shuffling loader and noise, driven by
    the same rng."""

    def __init__(self, name: str = "SGD", seed: int = 0, lr: float = 0.05) -> None:
        self.model, self.rng = model(seed), np.random.default_rng(seed)
        options = {
            key: value
            for key, value in ON.items()
            if key in inspect.signature(OPTIMIZERS[name]).parameters
        }
        groups = [
            {"params": self.model[0].parameters()},
            {"params": self.model[2].parameters(), "lr": lr / 2},
        ]
        self.optimizer = OPTIMIZERS[name](groups, lr=lr, **options)
        self.schedule = optim.Cosine(self.optimizer, steps=60)
        self.loader = nn.DataLoader(INPUTS, INPUTS[:, :2], batch_size=8, shuffle=True, rng=self.rng)

    def epochs(self, count: int) -> None:
        for _ in range(count):
            for x, y in self.loader:
                self.optimizer.zero_grad()
                nn.MSE()(
                    self.model(x + self.rng.normal(size=x.shape, scale=0.1).astype(np.float32)), y
                ).backward()
                self.optimizer.step()
                self.schedule.step()

    @property
    def parts(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer, "schedule": self.schedule, "rng": self.rng}

    def save(self, path: Path) -> None:
        nn.save(path, self.model, {"note": "✓"}, **self.parts, step=3)

    def load(self, path: Path) -> dict[str, Any]:
        return nn.load(path, self.model, **self.parts)

    def everything(self) -> Any:
        """All that may change, with names in place of Tensors."""
        names = {p: name for name, p in self.model.named_parameters()}
        kept = {
            key: {names[p]: array.copy() for p, array in arrays.items()}
            for key, arrays in self.optimizer.memory.items()
        }
        options = [
            {**group, "params": [names[p] for p in group["params"]]}
            for group in self.optimizer.param_groups
        ]
        return (
            self.model.state_dict(),
            kept,
            {names[p]: t for p, t in self.optimizer.steps.items()},
            options,
            self.schedule.t,
            [*self.schedule.initial],
            self.rng.bit_generator.state,
        )


def trained(*arguments: Any, epochs: int = 2) -> Training:
    training = Training(*arguments)
    training.epochs(epochs)
    return training


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_resumed_is_bit_for_bit_training_that_never_stopped(path: Path, name: str) -> None:
    first, resumed = trained(name), Training(name, 1, 0.7)
    first.save(path)
    assert resumed.load(path) == {"note": "✓", "step": 3}
    np.testing.assert_equal(resumed.everything(), first.everything())
    for training in (first, resumed):
        training.epochs(3)
    np.testing.assert_equal(resumed.everything(), first.everything())
    np.testing.assert_equal(first.everything(), trained(name, epochs=5).everything())


@pytest.mark.parametrize("part", ["optimizer", "schedule", "rng"])
def test_without_any_part_of_it_training_goes_another_way(path: Path, part: str) -> None:
    first, resumed = trained("Adam"), Training("Adam", 1)
    first.save(path)
    nn.load(
        path, resumed.model, **{key: value for key, value in resumed.parts.items() if key != part}
    )
    for training in (first, resumed):
        training.epochs(1)
    assert not np.array_equal(resumed.model[0].weight.data, first.model[0].weight.data)


def options(training: Training) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in group.items() if name != "params"}
        for group in training.optimizer.param_groups
    ]


@pytest.mark.parametrize("part", ["optimizer", "schedule"])
def test_the_rates_come_with_the_optimizer_and_with_the_schedule(path: Path, part: str) -> None:
    first, into = trained("Adam"), Training("Adam", 1, 0.7)
    first.save(path)
    nn.load(path, into.model, **{part: into.parts[part]})
    assert options(into) == options(first)  # betas are tuples again


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_every_generator_goes_on_where_it_was(path: Path, bits: str) -> None:
    rng, other = (np.random.Generator(getattr(np.random, bits)(seed)) for seed in (0, 1))
    rng.integers(9, size=5, dtype=np.int32)  # leaves half of 64 bits behind
    nn.save(path, model(), rng=rng)
    nn.load(path, model(), rng=other)
    for _ in range(3):
        assert rng.integers(2**31, dtype=np.int32) == other.integers(2**31, dtype=np.int32)


def test_arrays_are_named_by_what_they_are_and_by_their_parameter(path: Path) -> None:
    training = trained("SGD")
    training.save(path)
    names = [*training.model.state_dict()]
    assert sorted(load_file(path)) == sorted(
        [*names, *[f"optimizer.velocity.{name}" for name in names]]
    )


def test_the_model_alone_is_loaded_from_all_of_it(path: Path) -> None:
    training, into = trained("Adam"), model(1)
    training.save(path)
    assert nn.load(path, into) == {"note": "✓", "step": 3}
    assert_same_state(into, training.model)


def test_weights_alone_are_no_state_of_an_optimizer_and_nothing_is_loaded(path: Path) -> None:
    nn.save(path, model(0))
    nn.load(path, model(1))
    for part in ("optimizer", "schedule", "rng"):
        into = trained("Adam", 1)
        before = into.everything()
        with pytest.raises(
            ValueError, match=f"no state of the {part} is in the file: leave {part}= out"
        ) as error:
            nn.load(path, into.model, **{part: into.parts[part]})
        assert str(path) in str(error.value)
        np.testing.assert_equal(into.everything(), before)


def test_an_optimizer_that_never_stepped_is_there_all_the_same(path: Path) -> None:
    Training("Adam").save(path)
    into = trained("Adam", 1)
    into.load(path)
    assert into.optimizer.steps == {} and not any(into.optimizer.memory.values())


def test_a_step_that_is_no_integer_is_refused(path: Path) -> None:
    with pytest.raises(TypeError):
        nn.save(path, model(), step=0.5)  # type: ignore[arg-type]
    nn.save(path, model(), step=np.int64(7))  # type: ignore[arg-type]
    assert nn.load(path, model()) == {"step": 7}


def changed(path: Path, change: Any) -> None:
    """The file, its arrays and our JSON changed."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    arrays, facts = load_file(path), json.loads(metadata["tinygrad_edu"])
    change(arrays, facts)
    save_file(arrays, path, {**metadata, "tinygrad_edu": json.dumps(facts)})


VELOCITY = "optimizer.velocity.2.weight"
DAMAGES = {  # what happened to the file ↦ what the message must say
    "lost": (lambda arrays, facts: arrays.pop(VELOCITY), f"missing: {VELOCITY}, shape (2, 4)"),
    "another shape": (
        lambda arrays, facts: arrays.update({VELOCITY: np.ones((3, 4), "f4")}),
        f"different: {VELOCITY}, float32 (3, 4) in the file, float32 (2, 4) in the model",
    ),
    "complex": (
        lambda arrays, facts: arrays.update({VELOCITY: np.ones((2, 4), "c8")}),
        f"different: {VELOCITY}, complex64",
    ),
    "the model's": (
        lambda arrays, facts: arrays.pop("2.weight"),
        "missing: 2.weight, shape (2, 4)",
    ),
    "other names": (
        lambda arrays, facts: facts["optimizer"]["groups"][1].update(params=["7.weight"]),
        "missing: 2.weight\n  missing: 2.bias\n  unexpected: 7.weight",
    ),
    "other groups": (
        lambda arrays, facts: facts["optimizer"]["groups"].reverse(),
        "different groups: [['2.weight'",
    ),
    "rates": (
        lambda arrays, facts: facts["schedule"]["initial"].pop(),
        "the schedule has 2 parameter groups, the file 1",
    ),
    "optimizer's type": (
        lambda arrays, facts: facts["optimizer"].update(type="Adam"),
        "of type Adam, expected SGD",
    ),
    "schedule's type": (
        lambda arrays, facts: facts["schedule"].update(type="Step"),
        "of type Step, expected Cosine",
    ),
    "generator's type": (
        lambda arrays, facts: facts["rng"].update(type="MT19937"),
        "of type MT19937, expected PCG64",
    ),
    "no groups": (
        lambda arrays, facts: facts["optimizer"].pop("groups"),
        "damaged metadata: KeyError('groups')",
    ),
    "no steps": (lambda arrays, facts: facts["optimizer"].update(steps=3), "damaged metadata"),
    "unknown option": (
        lambda arrays, facts: facts["optimizer"]["groups"][0].update(decay=1.0),
        "options ['decay'",
    ),
    "no such number": (
        lambda arrays, facts: facts["rng"]["state"].update(uinteger=10**99),
        "damaged metadata: Overflow",
    ),
    "generator's state": (
        lambda arrays, facts: facts["rng"]["state"].pop("state"),
        "damaged metadata",
    ),
}


@pytest.mark.parametrize("damage, message", DAMAGES.values(), ids=DAMAGES)
def test_what_does_not_fit_is_listed_and_nothing_is_loaded(
    path: Path, damage: Any, message: str
) -> None:
    trained("SGD").save(path)
    changed(path, damage)
    into = trained("SGD", 1)
    before = into.everything()
    with pytest.raises(ValueError) as error:
        into.load(path)
    assert str(path) in str(error.value) and message in str(error.value)
    np.testing.assert_equal(into.everything(), before)


def test_names_that_the_file_needs_are_refused(path: Path) -> None:
    for options in ({"metadata": {"tinygrad_edu": ""}}, {"metadata": {"step": "7"}, "step": 7}):
        with pytest.raises(ValueError, match="names that the file itself needs"):
            nn.save(path, model(), **options)  # type: ignore[arg-type]
    nn.save(path, model(), {"step": "7"})
    assert nn.load(path, model()) == {"step": "7"}


def test_an_optimizer_of_another_model_is_refused(path: Path) -> None:
    stranger = optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"shapes \[\(2, 3\), \(2,\)\] that the model lacks"):
        nn.save(path, model(), optimizer=stranger)
    assert not path.exists()


# PyTorch, disks, and processes that end


def test_what_we_write_is_a_pytorch_state_dict_beside_the_optimizer_s_names(path: Path) -> None:
    training = trained("Adam")
    training.save(path)
    theirs = {
        name: array for name, array in load_file(path).items() if not name.startswith("optimizer.")
    }
    assert {name: (array.shape, array.dtype) for name, array in theirs.items()} == {
        "0.weight": ((4, 3), np.float32),
        "0.bias": ((4,), np.float32),  # torch.nn.Sequential(Linear, Tanh, Linear)
        "2.weight": ((2, 4), np.float32),
        "2.bias": ((2,), np.float32),
    }
    np.testing.assert_equal(theirs, training.model.state_dict())


class FullDisk:
    """A file that takes 100 bytes."""

    def __init__(self, path: Path, mode: str) -> None:
        self.file = open(path, mode)  # noqa: SIM115

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *error: Any) -> None:
        self.file.close()

    def write(self, contents: bytes) -> None:
        self.file.write(contents[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: Any) -> None:
    nn.save(path, model(0))
    monkeypatch.setattr("tinygrad_edu.nn.checkpoint.open", FullDisk, raising=False)
    with pytest.raises(OSError, match="No space left"):
        nn.save(path, model(1))
    into = model(2)
    nn.load(path, into)
    assert_same_state(into, model(0))
    assert os.listdir(path.parent) == [path.name]


WRITER = """
import itertools, sys, numpy as np
from tinygrad_edu import Tensor, nn
model = nn.Linear(1000, 1000)
optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in itertools.count():
    for p in model.parameters():
        p.data[...] = step
        optimizer.kept("velocity", p)[...] = step
    nn.save(sys.argv[1], model, optimizer=optimizer, step=step)
    print(step, flush=True)
"""


def test_a_writer_killed_at_any_moment_loses_at_most_what_it_was_saving(path: Path) -> None:
    for pause in random.Random(0).choices(range(60), k=8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == "0\n"
            time.sleep(pause / 1000)
            writer.kill()
            said = [0, *map(int, writer.stdout.read().split())][-1]
        layer = nn.Linear(1000, 1000)
        optimizer = optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
        step = nn.load(path, layer, optimizer=optimizer)["step"]
        assert said <= step <= said + 1
        for p in layer.parameters():
            assert (p.data == step).all() and (optimizer.kept("velocity", p) == step).all()


def test_what_a_killed_writer_left_goes_with_the_next_save_and_nobody_else_s_does(
    path: Path, monkeypatch: Any
) -> None:
    script = "import os, sys; from tinygrad_edu import nn; os.replace = lambda *_: os._exit(9); "
    script += "nn.save(sys.argv[1], nn.Linear(1, 1))"
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == 9
    (left,) = os.listdir(path.parent)
    dead = left.split("-")[1]
    others = {
        left.replace(f"-{dead}-", f"-{os.getppid()}-"),  # of a process that is at work
        left.replace(path.name, "model.safetensors.other"),  # of another checkpoint
        f".{path.name}.00000000-{dead}-{'0' * 16}",  # of another machine, in a shared folder
        f".{path.name}.notes",
    }
    for name in others:
        path.with_name(name).touch()
    nn.save(path, model())
    assert {*os.listdir(path.parent)} == others | {path.name}


def test_what_was_left_by_a_process_that_had_our_number_goes_too(path: Path) -> None:
    left = checkpoint.temporary_beside(path)
    left.touch()
    nn.save(path, model())
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_and_a_device_are_written_to_and_stay(path: Path) -> None:
    nn.save(path, model())
    whole, pipe = path.read_bytes(), path.with_name("pipe")
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        nn.save(pipe, model())
        assert reader.communicate()[0] == whole
    assert pipe.is_fifo()
    link = path.with_name("device")
    link.symlink_to(os.devnull)
    nn.save(link, model())
    assert Path(os.devnull).is_char_device() and link.is_symlink()
    script = "from tinygrad_edu import nn; nn.save('/dev/stdout', nn.Linear(1, 1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert b"weight" in done.stdout


def test_a_file_keeps_its_mode(path: Path) -> None:
    nn.save(path, model(0))
    path.chmod(0o600)
    nn.save(path, model(1))
    assert path.stat().st_mode & 0o777 == 0o600


WRONG_OPTIONS = {  # the optimizer, the option, and what a file may hold in its place
    "NaN": ("SGD", "lr", np.nan),
    "infinite": ("SGD", "lr", np.inf),
    "negative": ("SGD", "weight_decay", -1),
    "text": ("SGD", "lr", "fast"),
    "number as text": ("SGD", "lr", "0.1"),
    "nothing": ("SGD", "momentum", None),
    "list": ("SGD", "momentum", [0.9]),
    "bool for a number": ("SGD", "lr", True),
    "number for a bool": ("SGD", "nesterov", 0.5),
    "text for a bool": ("SGD", "nesterov", "no"),
    "too large": ("SGD", "lr", 10**400),
    "two that do not go together": ("SGD", "momentum", 0.0),
    "betas": ("Adam", "betas", [0.9, 1.5]),
    "one beta": ("Adam", "betas", [0.9]),
    "beta as text": ("Adam", "betas", ["0.9", "0.999"]),
    "betas NaN": ("Adam", "betas", [np.nan, 0.9]),
    "eps": ("Adam", "eps", np.nan),
    "bool": ("RMSprop", "centered", 1),
}


@pytest.mark.parametrize("name, option, value", WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_an_option_that_the_constructor_refuses_is_refused_in_a_file(
    path: Path, name: str, option: str, value: Any
) -> None:
    settings = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}

    def made(seed: int) -> tuple[nn.Module, optim.Optimizer]:
        layer = nn.Linear(3, 2, rng=np.random.default_rng(seed))
        return layer, getattr(optim, name)(layer.parameters(), lr=0.1 + seed, **settings)

    layer, optimizer = made(0)
    nn.save(path, layer, optimizer=optimizer)
    changed(path, lambda arrays, facts: facts["optimizer"]["groups"][0].update({option: value}))
    layer, optimizer = made(1)
    before = dict(optimizer.param_groups[0])
    with pytest.raises(ValueError) as error:
        nn.load(path, layer, optimizer=optimizer)
    assert str(path) in str(error.value) and option.rstrip("s") in str(error.value)
    assert optimizer.param_groups[0] == before
    assert_same_state(layer, made(1)[0])


@pytest.mark.parametrize(
    "part, change",
    {
        "a rate": ("schedule", {"initial": [0.1, np.nan]}),
        "a negative rate": ("schedule", {"initial": [-0.1, 0.1]}),
        "a rate as text": ("schedule", {"initial": ["0.1", "0.1"]}),
        "a place": ("schedule", {"t": -3}),
        "a place that is a bool": ("schedule", {"t": True}),
        "steps": ("optimizer", {"steps": {"2.weight": -1}}),
    }.items(),
)
def test_a_schedule_s_place_and_steps_are_checked_too(path: Path, part: Any, change: Any) -> None:
    part, change = change
    trained("SGD").save(path)
    changed(path, lambda arrays, facts: facts[part].update(change))
    into = trained("SGD", 1)
    before = into.everything()
    with pytest.raises(ValueError, match=path.name):
        into.load(path)
    np.testing.assert_equal(into.everything(), before)


@pytest.mark.parametrize("number", [np.float32(0.25), np.float64(0.25), np.array(0.25)])
def test_a_rate_that_is_numpy_s_is_saved(path: Path, number: Any) -> None:
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = number
    nn.save(path, layer, optimizer=optimizer)
    other = optim.SGD(layer.parameters(), lr=0.1)
    nn.load(path, layer, optimizer=other)
    assert other.param_groups[0]["lr"] == 0.25
