"""The same models of PyTorch's as pictures, ours beside torchview's and torchviz's.

Run as a script, in an environment with torch, torchview, torchviz and a system dot: it writes the
pictures to build/beside/, and prints how many boxes each has, how large it is, and its bytes. With
`pages`, it prints how large our pages of graphs of 20, 200 and 2,000 values are, and how long they
take.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "build" / "beside"
NAMES = ("MLP", "LeNet", "ResNet", "GPT", "LSTM classifier")


def our_svg(model: Any, inputs: tuple[Any, ...]) -> str:
    from tinygrad_edu import draw, nn

    ours = nn.from_torch(model, *inputs)
    return draw(ours(*(x.numpy() for x in inputs)).sum()).svg()


def torchview_svg(model: Any, inputs: tuple[Any, ...]) -> str:
    from torchview import draw_graph

    drawn = draw_graph(model, input_data=inputs, expand_nested=True, depth=5)
    return str(drawn.visual_graph.pipe("svg").decode())


def torchviz_svg(model: Any, inputs: tuple[Any, ...]) -> str:
    from torchviz import make_dot

    y = model(*inputs).sum()
    return str(make_dot(y, params=dict(model.named_parameters())).pipe("svg").decode())


def rows() -> Iterator[tuple[str, ...]]:
    """For each model and tool: boxes, size in points, kilobytes."""
    import torch
    from torch_models import MODELS

    for name in NAMES:
        make, sample = MODELS[name]
        torch.manual_seed(0)
        model, inputs = make().eval(), sample(2)
        for tool in (our_svg, torchview_svg, torchviz_svg):
            svg = tool(model, inputs)
            kind = tool.__name__.removesuffix("_svg")
            (FOLDER / f"{name}_{kind}.svg").write_text(svg, encoding="utf-8")
            boxes = len(re.findall(r'class="node', svg))
            width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', svg)[:2]
            size = f"{float(width):.0f} × {float(height):.0f}"
            yield name, kind, str(boxes), size, f"{len(svg.encode()) / 1000:.0f} KB"


def pages() -> Iterator[tuple[str, ...]]:
    """For chains and transformers: values, kilobytes, levels, seconds."""
    import numpy as np
    from test_graph import parameter
    from test_pictures import transformer

    from tinygrad_edu import draw
    from tinygrad_edu.graph import read
    from tinygrad_edu.graph.page.page import picture_page

    def chain(length: int) -> Any:
        z = parameter(np.linspace(-1, 1, 12).reshape(3, 4), "x")
        for _ in range(length // 2):
            z = np.tanh(z * 1.1)
        return z

    for make, sizes in ((chain, (20, 200, 2000)), (transformer, (1, 3, 35))):
        for size in sizes:
            output = make(size)
            start = time.perf_counter()
            graph = read(output)
            page = picture_page(graph, graph) if make is chain else draw(output).html()
            seconds = f"{time.perf_counter() - start:.1f} s"
            sized, depths = f"{len(page.encode()) / 1000:.0f} KB", page.count("<template>")
            yield make.__name__, f"{len(graph.nodes):,}", sized, str(depths), seconds


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for row in pages() if "pages" in sys.argv else rows():
        print("| " + " | ".join(row) + " |")
