"""Every layer as a file of ONNX beside onnxruntime: its nodes, and by how much the results differ.

`build/onnx/bin/python tests/against_onnxruntime.py` prints the table of docs/guides/onnx.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
from layers import LAYERS
from test_onnx import arrays_of, in_float32, in_onnxruntime

from tinygrad_edu import nn


def row(name: str, folder: Path) -> str:
    """The line of one layer."""
    (make, shape), rng = LAYERS[name], np.random.default_rng(0)
    model, path = in_float32(make()), folder / "model.onnx"
    nn.export_onnx(model, rng.normal(size=shape).astype(np.float32), path)
    x = rng.normal(size=(7, *shape[1:])).astype(np.float32)
    pairs = zip(in_onnxruntime(path, x), arrays_of(model(x)), strict=True)
    difference = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    nodes = [node.op_type for node in onnx.load(path).graph.node]
    text = ", ".join(nodes[:8]) + (f" … {len(nodes)} nodes" if len(nodes) > 8 else "")
    return f"| `{name}` | {text} | {difference:.0e} |".replace("0e+00", "0")


if __name__ == "__main__":
    print("| layer | nodes | difference |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in LAYERS:
            print(row(name, Path(folder)))
