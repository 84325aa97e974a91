"""A checkpoint is a whole state or an error that names the file; a failed save leaves the old file and nothing else."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tinygrad_edu import Tensor, nn


def model(seed: int = 0, out: int = 2) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, out, rng=rng))


@pytest.fixture
def path(tmp_path: Path) -> Path: return tmp_path / "model.safetensors"


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    np.testing.assert_equal(one.state_dict(), other.state_dict())


def assert_refused(path: Path, *words: str) -> None:
    """Loading names the file, says the words, and changes nothing."""
    into, before = model(1), model(1)
    with pytest.raises(ValueError) as error: nn.load(path, into)
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
    def __init__(self, *arrays: Any) -> None: self.state = [Tensor(array) for array in arrays]


def test_every_shape_layout_and_dtype_comes_back(path: Path) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    arrays = [np.array(3.5), np.zeros((0, 3)), whole.T, whole[::2, ::-1], np.asfortranarray(whole), whole.astype(">f4"),
              np.array([True, False]), np.array([1, 2], np.int64), np.array([7], np.uint8), np.ones(2, np.float16)]
    one, other = State(*arrays), State(*[np.zeros_like(array) for array in arrays])
    nn.save(path, one)
    nn.load(path, other)
    assert_same_state(one, other)


def test_a_pytorch_model_s_file_loads(path: Path) -> None:
    state = {"0.weight": np.ones((4, 3), "f4"), "0.bias": np.ones(4, "f4"),  # torch.nn.Sequential(Linear, Tanh, Linear)
             "2.weight": np.ones((2, 4), "f4"), "2.bias": np.ones(2, "f4")}
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
    for contents in (b"\x80\x04K\x01.", b"{}" * 50, struct.pack("<Q", 2 ** 62) + b"{}"):  # the first is a pickle
        path.write_bytes(contents)
        assert_refused(path)


def test_numbers_that_numpy_lacks_are_refused(path: Path) -> None:
    header = json.dumps({"0.bias": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert_refused(path, "bfloat16", "float32")


def test_another_model_s_file_is_refused(path: Path) -> None:
    nn.save(path, model(out=5))
    assert_refused(path, "2.weight", "(5, 4)", "(2, 4)", "2.bias")
    nn.save(path, nn.Linear(3, 2))
    assert_refused(path, "missing: 0.weight", "unexpected: weight")


def test_a_missing_file_is_a_missing_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=path.name): nn.load(path, model())


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: Any, call: str,
                                                            failure: Any) -> None:
    nn.save(path, model(0))
    def fail(*args: Any) -> None: raise failure
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(failure): nn.save(path, model(1))
    into = model(2)
    nn.load(path, into)
    assert_same_state(into, model(0))
    assert os.listdir(path.parent) == [path.name]


def test_the_new_file_is_whole_and_on_disk_before_it_takes_the_name(path: Path, monkeypatch: Any) -> None:
    nn.save(path, model(0))
    whole, replace = path.read_bytes(), os.replace
    calls: list[Any] = []
    def look(source: Any, target: Any) -> None:
        calls.append((Path(source).parent, len(Path(source).read_bytes()), path.read_bytes() == whole))
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


def test_metadata_are_text(path: Path) -> None:
    for metadata in ({"epoch": 7}, {7: "epoch"}):
        with pytest.raises(TypeError, match="write str"): nn.save(path, model(), metadata)  # type: ignore[arg-type]
    assert not path.exists()
