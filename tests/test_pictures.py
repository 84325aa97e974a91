"""Three zoom levels of one graph, Modules, arrays and numbers: all show what the engine computed,
and the pictures say so."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_pictures import FOLDER, PICTURES, images, pixels, residual, small, unpacked
from test_graph import HOSTILE, parameter, texts

from tinygrad_edu import Tensor, nn, special
from tinygrad_edu.core.arraylike import REGISTRY
from tinygrad_edu.core.engine import Operation
from tinygrad_edu.graph import Graph, Picture, draw, layers, read
from tinygrad_edu.graph.expression import equations, scale_text
from tinygrad_edu.graph.fold import (
    collapse_repeats,
    deepest_level,
    fitting_depth,
    fold,
    residual_edges,
)
from tinygrad_edu.graph.pictures import heat, pdf, render
from tinygrad_edu.graph.pictures.sheet import Sheet
from tinygrad_edu.graph.pictures.themes import THEMES
from tinygrad_edu.graph.pictures.truetype import TrueType, packaged_font
from tinygrad_edu.graph.scalars import open_arrays

SVG = "{http://www.w3.org/2000/svg}"


class Block(nn.Module):
    """A block of a transformer."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.norm_1, self.attention = nn.LayerNorm(8), nn.MultiHeadAttention(8, 2, rng=rng)
        self.norm_2, self.mlp = (
            nn.LayerNorm(8),
            nn.Sequential(nn.Linear(8, 16, rng=rng), nn.GELU(), nn.Linear(16, 8, rng=rng)),
        )

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.norm_1(x), causal=True)
        return x + self.mlp(self.norm_2(x))


def transformer(count: int) -> Any:
    """The cost of a language model, its graph."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Embedding(5, 8, rng=rng), *[Block(rng) for _ in range(count)], nn.Linear(8, 5, rng=rng)
    )
    return model(np.arange(4).reshape(1, 4)).sum()


def chained(*layers: nn.Module) -> Graph:
    """x through the layers, as a graph."""
    model = nn.Sequential(*layers)
    return read(model(parameter(np.linspace(-1, 1, 8).reshape(2, 4), "x")).sum(), {"model": model})


def layer(seed: int = 0, out: int = 4) -> nn.Linear:
    return nn.Linear(4, out, rng=np.random.default_rng(seed), dtype=float)


def shown(graph: Graph) -> list[tuple[str, str | None]]:
    """The names and operations of what is not a leaf."""
    return [(node.name, node.kind) for node in graph.nodes if node.kind]


def adds_up(graph: Graph) -> None:
    """What arrives along the edges is the gradient."""
    for node in graph.nodes[:-1]:
        passed = [
            edge.share for edge in graph.edges if edge.source == node.id and edge.share is not None
        ]
        if node.gradient is not None:
            np.testing.assert_allclose(sum(passed), node.gradient, rtol=1e-4, atol=1e-6)


# Modules


def test_folding_makes_one_node_of_each_module_with_its_value_and_gradient() -> None:
    graph = chained(layer(), nn.Tanh(), nn.Residual(layer(1), nn.Tanh()))
    whole = fold(graph, 2)
    assert shown(whole) == [
        ("model.0", "Linear"),
        ("model.1", "Tanh"),
        ("model.2", "Residual"),
        ("z6", "sum"),
    ]
    folded = [node for node in whole.nodes if node.role == "module"]
    assert [(node.parameters, len(node.members)) for node in folded] == [(20, 1), (0, 1), (20, 3)]
    z = {node.name: node for node in graph.nodes}
    assert [
        node.value is z[name].value and node.gradient is z[name].gradient
        for node, name in zip(folded, ("z1", "z2", "z5"), strict=True)
    ] == [True] * 3


@pytest.mark.parametrize("depth", range(1, 6))
@pytest.mark.parametrize("make", [lambda: read(transformer(4)), lambda: residual().graph])
def test_the_gradients_of_a_folded_graph_add_up_and_its_order_is_topological(
    make: Callable[[], Graph], depth: int
) -> None:
    graph = make()
    for folded in (fold(graph, depth), fold(collapse_repeats(graph), depth)):
        adds_up(folded)
        at = {node.id: number for number, node in enumerate(folded.nodes)}
        assert all(at[edge.source] < at[edge.target] for edge in folded.edges)
        assert folded.output.value is graph.output.value
        assert {node.module for node in folded.nodes} <= {
            None,
            *(module.id for module in folded.modules),
        }


def test_a_depth_below_the_innermost_modules_folds_nothing() -> None:
    graph = chained(layer(), nn.Residual(layer(1)))
    assert [node.id for node in fold(graph, deepest_level(graph) + 1).nodes] == [
        node.id for node in graph.nodes
    ]


def test_modules_that_contain_no_other_are_folded_above_the_depth_too() -> None:
    assert ("model.0", "Linear") in shown(fold(chained(layer(), nn.Residual(layer(1))), 3))


def test_blocks_that_repeat_are_drawn_once_with_the_gradient_of_each() -> None:
    graph = chained(*[nn.Residual(layer(seed), nn.Tanh()) for seed in range(5)])
    block = fold(collapse_repeats(graph), 2).nodes[-2]
    additions = [node for node in graph.nodes if node.kind == "add"]
    assert (block.name, block.kind, block.parameters) == ("model[0:5]", "Residual", 100)
    assert block.series == tuple(
        np.abs(node.gradient).max() for node in additions if node.gradient is not None
    )
    assert block.value is additions[-1].value


def test_open_blocks_that_repeat_are_drawn_once_in_a_module_that_says_how_many() -> None:
    drawn = collapse_repeats(
        chained(layer(9), *[nn.Residual(layer(seed), nn.Tanh()) for seed in range(5)])
    )
    names = [node.name for node in drawn.nodes if node.series]
    assert names == ["model[1:6].0.weight", "model[1:6].0.bias", "z14", "z15", "z16"]
    assert [
        (module.path, module.times, module.parameters)
        for module in drawn.modules
        if module.times > 1
    ] == [("model[1:6]", 5, 100)]


@pytest.mark.parametrize(
    "layers",
    [
        [layer(0), layer(1)],  # only two
        [layer(0), nn.Tanh(), layer(1), nn.Tanh(), layer(2)],  # others in between
        [
            layer(0),
            nn.Linear(4, 5, dtype=float),
            nn.Linear(5, 4, dtype=float),
        ],  # of different shapes
        [nn.Residual(layer(0)), nn.Residual(layer(1), nn.Tanh()), nn.Residual(layer(2))],
    ],
)  # built differently
def test_other_blocks_are_not_drawn_once(layers: list[nn.Module]) -> None:
    graph = chained(*layers)
    assert collapse_repeats(graph) is graph


def test_blocks_side_by_side_are_not_drawn_once() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            self.heads = [layer(seed) for seed in range(4)]

        def forward(self, x: Any) -> Any:
            return sum(head(x) for head in self.heads)

    graph = read(Heads()(parameter(np.ones((1, 4)))).sum())
    assert collapse_repeats(graph) is graph


def test_what_enters_every_block_keeps_its_whole_gradient() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.blocks = [Scale() for _ in range(4)]

        def forward(self, x: Any, by: Any) -> Any:
            for block in self.blocks:
                x = block(x, by)
            return x

    class Scale(nn.Module):
        def forward(self, x: Any, by: Any) -> Any:
            return np.tanh(x * by)

    drawn = fold(
        collapse_repeats(read(Scaled()(parameter([1.0, 2.0], "x"), parameter(0.5, "by")).sum())), 2
    )
    assert [(node.name, len(node.series)) for node in drawn.nodes] == [
        ("x", 0),
        ("by", 0),
        ("blocks[0:4]", 4),
        ("z9", 0),
    ]
    adds_up(drawn)


def test_a_module_that_is_called_many_times_counts_its_parameters_once() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Sequential(layer(), nn.Tanh())

        def forward(self, x: Any) -> Any:
            for _ in range(4):
                x = self.inner(x)
            return x

    node = next(
        node
        for node in fold(collapse_repeats(read(Again()(parameter(np.ones((1, 4)))).sum())), 2).nodes
        if node.series
    )
    assert (node.name, len(node.series), node.parameters) == ("inner", 4, 20)


def test_a_module_that_goes_on_with_what_it_computed_before_stays_open() -> None:
    class Captured(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + y

    y = parameter([1.0, 2.0], "y") * 2
    graph = fold(read(Captured()(np.tanh(y)).sum()), 1)
    assert [operation for _, operation in shown(graph)] == ["multiply", "tanh", "add", "sum"]


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: read(transformer(2)), 4),
        (lambda: fold(read(transformer(2)), 3), 4),
        (lambda: fold(read(transformer(2)), 2), 0),
        (lambda: read((x := parameter(1.0)) + x * x), 0),
    ],
)
def test_a_residual_path_skips_over_modules_into_an_addition(
    make: Callable[[], Graph], count: int
) -> None:
    graph = make()
    targets = {edge.target for edge in graph.edges if edge.id in residual_edges(graph)}
    assert len(residual_edges(graph)) == count
    assert all(node.kind == "add" for node in graph.nodes if node.id in targets)


def test_more_than_60_nodes_fold_by_themselves_and_the_picture_says_so() -> None:
    picture = draw(transformer(12))
    assert len(picture.graph.nodes) <= 60 and any(
        node.role == "module" for node in picture.graph.nodes
    )
    assert any(
        re.match(r"\d+ values, Modules at level 3 folded to one box each.*depth=4 shows more", text)
        for text in texts(picture)
    )
    assert "× 12" in texts(picture)
    assert not any(node.members for node in draw(chain_of(60)).graph.nodes)


def chain_of(count: int) -> Any:
    """So many nodes, all but one in a Module."""

    class Chain(nn.Module):
        def forward(self, x: Any) -> Any:
            for _ in range(count - 1):
                x = x + 1.0
            return x

    return Chain()(parameter(1.0))


def test_a_depth_that_leaves_more_than_400_nodes_is_refused_and_one_that_does_not_is_named() -> (
    None
):
    with pytest.raises(ValueError, match=r"401 nodes.*depth=1"):
        draw(chain_of(401), depth=9)
    assert (
        len(draw(chain_of(401)).graph.nodes) == 2 == len(draw(chain_of(401), depth=1).graph.nodes)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth is 1 .* or more, and not 0"),
        ({"depth": 2, "scalars": True}, "draw with one of them"),
    ],
)
def test_a_depth_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(parameter(1.0) * 2, **options)


def test_of_two_thousand_nodes_each_partial_runs_once_and_few_boxes_are_laid_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, lay_out = transformer(35), render.lay_out
    runs, layouts = [], []

    def counted_partial(partial: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            runs.append(partial)
            return partial(*args, **options)

        return run

    def counted_layout(source: str, kind: str) -> bytes:
        layouts.append(source.count("<TABLE"))
        return lay_out(source, kind)

    for operation in {o for o in REGISTRY.values() if isinstance(o, Operation)}:
        counted = {n: counted_partial(partial) for n, partial in operation.partials.items()}
        monkeypatch.setattr(operation, "partials", counted)
    monkeypatch.setattr(render, "lay_out", counted_layout)
    picture = draw(output)
    picture.svg()
    once = len(runs)
    graph = read(output)
    assert len(graph.nodes) > 2000 and len(picture.graph.nodes) < 60
    assert once == sum(edge.share is not None for edge in graph.edges)
    assert len(layouts) == 1 and layouts[0] < 10 * 60  # tables: a box has at most ten


# Numbers


def attention(x: Any, w: Any) -> Any:
    return special.softmax(x @ w.T) @ w


NUMBERS: list[Callable[[Any, Any], Any]] = [
    lambda x, w: x * w + np.tanh(x) / 2,
    lambda x, w: x @ w.T,
    lambda x, w: special.linear(x, w, w[0, :2]),
    lambda x, w: x.sum(axis=0, keepdims=True) * w,
    lambda x, w: x.mean(axis=1) * w.mean(),
    lambda x, w: x[[0, 0], 1:] - w[:, 1:],
    lambda x, w: x.reshape(3, 2) @ w,
    lambda x, w: np.swapaxes(x, 0, 1) * w[0, 0],
    lambda x, w: np.stack([x, w]) * 2,
    lambda x, w: np.concatenate([x, w, x], axis=1) ** 2,
    lambda x, w: np.where(x.data > 0, x, w),
    attention,
    lambda x, w: special.log_softmax(x)[[0, 1], [2, 1]] * w[0, :2],
    lambda x, w: special.logsumexp(x, axis=0) * special.logsumexp(w),
    lambda x, w: x.prod(axis=1),
    lambda x, w: special.relu(x) * special.sigmoid(w),
    lambda x, w: np.var(x, axis=0) * w,
    lambda x, w: np.broadcast_to(x[0], (2, 3)) * np.array([[1.0, 2.0, 3.0]]),
    lambda x, w: np.clip(x, -0.5, 0.5) * special.gelu(w),
    lambda x, w: special.squared_error(x, w * 2),
    lambda x, w: special.nll(special.log_softmax(x * w), np.array([2, 0])),
]


@pytest.mark.parametrize("f", NUMBERS)
def test_numbers_have_the_values_and_gradients_of_the_arrays_that_they_are_part_of(
    f: Callable[[Any, Any], Any],
) -> None:
    rng = np.random.default_rng(0)
    whole = read(
        f(parameter(rng.normal(size=(2, 3)), "x"), parameter(rng.normal(size=(2, 3)), "w"))
    )
    arrays, numbers = {node.name: node for node in whole.nodes}, open_arrays(whole)
    adds_up(numbers)
    compared = 0
    for node in numbers.nodes:
        name, _, index = node.name.rstrip("]").partition("[")
        if name not in arrays:
            continue
        at, array = tuple(map(int, index.split(", "))) if index else (), arrays[name]
        np.testing.assert_allclose(node.value, array.value[at], rtol=1e-12)
        if array.gradient is not None:
            np.testing.assert_allclose(node.gradient, array.gradient[at], rtol=1e-10, atol=1e-14)
        compared += 1
    assert compared > 6


def test_the_local_derivatives_of_numbers_multiply_to_their_gradients() -> None:
    graph = small(scalars=True).graph
    gradients = {node.id: node.gradient for node in graph.nodes}
    for edge in graph.edges:
        if edge.local is not None and edge.share is not None:
            np.testing.assert_allclose(
                edge.share, gradients[edge.target] * np.array(edge.local), rtol=1e-12
            )


def test_a_network_of_two_layers_opens_to_its_numbers() -> None:
    picture = small(scalars=True)
    written = [text for text in equations(picture.graph).values() if "=" in text]
    assert {
        "p1 = x[0, 0] × model.0.weight[0, 0]",
        "p2 = x[0, 1] × model.0.weight[0, 1]",
        "s1 = p1 + p2",
        "z1[0, 0] = s1 + model.0.bias[0]",
        "z2[0, 0] = tanh(z1[0, 0])",
        "y[0, 0] = s3 + model.2.bias[0]",
    } <= set(written)
    assert [node.role for node in picture.graph.nodes].count("parameter") == 9
    assert {"p1", "= x[0, 0] × model.0.weight[0, 0]"} <= set(texts(picture))
    assert "rankdir=LR" in picture.source


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda: parameter(np.ones(201)) * 2, "201 in 'x1' alone"),
        (
            lambda: np.ones((9, 9)) @ parameter(np.ones((9, 3))),
            "at most 200 numbers.*fewer examples",
        ),
        (
            lambda: np.linalg.inv(parameter(np.eye(2))),
            "inv is not known to work number by number: draw the graph without scalars",
        ),
    ],
)
def test_what_cannot_be_drawn_in_numbers_is_refused(
    output: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw(output(), scalars=True)


# Arrays


def colours(thumbnail: heat.Thumbnail) -> Any:
    """The colours of a thumbnail's pixels, one array of rows."""
    width = int.from_bytes(thumbnail.png[16:20])
    rows = np.frombuffer(pixels(thumbnail.png), np.uint8).reshape(-1, width + 1)[:, 1:]
    start = thumbnail.png.index(b"PLTE") + 4
    return np.frombuffer(thumbnail.png[start : start + 768], np.uint8).reshape(256, 3)[rows]


def test_a_heat_map_is_orange_below_zero_white_at_zero_and_blue_above() -> None:
    thumbnail = heat.make_thumbnail(np.array([[-2.0, 0.0, 2.0], [1.0, np.nan, np.inf]]))
    rows = colours(thumbnail)
    height, width = rows.shape[0] // 2, rows.shape[1] // 3
    assert [bytes(x).hex() for x in rows[0, ::width]] == ["7f3b08", "f7f7f7", "084594"]
    assert [bytes(x).hex() for x in rows[height, ::width]][1:] == ["d000d0", "084594"]
    assert [
        heat.make_thumbnail(np.array(x)).caption for x in ([[-2.0, 0.0]], [[0.0]], [[np.nan, -1]])
    ] == ["±2.0", "0", "±1.0, NaN"]


def test_the_scale_of_numbers_none_of_which_is_negative_is_their_range() -> None:
    for x, text in (
        ([0.0, 300.0], "0 … 300"),
        ([0.1, 0.3], "0.10 … 0.30"),
        ([1.0, 1.0], "1.0"),
        ([np.nan, 1.0, 2.0], "1.0 … 2.0, NaN"),
        ([np.nan, np.nan], "0, NaN"),
        ([0.0, np.inf], "0 … inf"),
        ([False, True], "0 … 1.0"),
        ([-0.0, -3.0], "±3.0"),
    ):
        assert scale_text(np.array(x)) == text


def test_in_grey_zero_is_white_and_the_greatest_black() -> None:
    shown = colours(heat.make_thumbnail(np.array([0.0, 3.0]), grey=True))[0]
    assert [bytes(x).hex() for x in shown[[0, -1]]] == ["ffffff", "222222"]
    assert bytes(colours(heat.make_thumbnail(np.array([3.0]), grey=True))[0, 0]).hex() == "222222"


def test_a_large_array_is_reduced_to_what_is_farthest_from_zero_and_says_so() -> None:
    x = np.zeros((200, 130))
    x[150, 100], x[3, 3] = -5.0, 1.0
    reduced, note = heat.reduce_matrix(x)
    assert reduced.shape == (50, 44) and note == "a cell: the greatest of 4 × 3"
    assert sorted(reduced[reduced != 0]) == [-5.0, 1.0] and reduced[37, 33] == -5.0
    assert note in texts(draw(parameter(x, "x") * 2))


def test_images_are_shown_as_images_and_other_matrices_are_not() -> None:
    smooth = np.outer(np.arange(8.0), np.arange(8.0))
    stack = np.stack([smooth, smooth.T[::-1]])
    assert np.array_equal(heat.image_stack(stack.reshape(2, 64)), stack)  # type: ignore[arg-type]
    assert np.array_equal(heat.image_stack(stack[:, None]), stack)  # type: ignore[arg-type]
    assert (
        heat.image_stack(stack[:, 2:5, 2:5].reshape(2, 9)) is None
    )  # smooth, but three pixels are no picture
    assert heat.image_stack(np.random.default_rng(0).normal(size=(20, 64))) is None
    assert (
        heat.image_stack(stack.reshape(2, 64)[:, :60])
        is heat.image_stack(np.ones((3, 64)))
        is heat.image_stack(np.zeros((0, 64)))
        is None
    )


def test_the_weights_of_pixels_are_tiles_and_only_16_of_them() -> None:
    tiled = heat.square_images(np.arange(20 * 64.0).reshape(20, 64), 64)
    assert tiled is not None and tiled.shape == (20, 8, 8)
    thumbnail = heat.make_thumbnail(tiled, tiled)
    assert thumbnail.note == "16 of 20 shown" and thumbnail.width == thumbnail.height
    assert [node.name for node in images().graph.nodes if node.shape == (5, 64)] == [
        "model.0.weight"
    ]


def test_every_large_parameter_has_two_heat_maps_and_every_input_one() -> None:
    root = ET.fromstring(images().svg())
    assert len(list(root.iter(f"{SVG}image"))) == 2 * 2 + 2 + 1  # and the scale; biases are written
    assert "#ac00" not in ET.tostring(root, encoding="unicode")


def test_an_operation_says_what_it_does_to_which_shapes() -> None:
    shown = texts(images())
    assert {
        "(4, 64) → (4, 5)",
        "(4, 5) → (4, 3)",
        "linear",
        "z1",
        "weight",
        "(5, 64)",
        "325 parameters",
    } <= set(shown)
    assert any(re.fullmatch(r"z4 / 12 = \d\.\d+", text) for text in shown)


@pytest.mark.parametrize(
    ("draws", "option", "gone"),
    [
        (images, "values", {"value"}),
        (images, "gradients", {"grad"}),
        (partial(residual, depth=3), "gradients", {"|grad|"}),
        (partial(small, scalars=True), "values", {"value"}),
        (partial(small, scalars=True), "gradients", {"grad"}),
    ],
)
def test_values_or_gradients_are_left_out(
    draws: Callable[..., Picture], option: str, gone: set[str]
) -> None:
    assert gone & set(texts(draws())) and not gone & set(texts(draws(**{option: False})))


def test_titles_of_frames_stand_above_all_edges_with_a_halo() -> None:
    drawing = next(ET.fromstring(images().svg()).iter(f"{SVG}g"))
    titles = [text for text in list(drawing)[-12:] if text.tag == f"{SVG}text"]
    assert {"model", "model.0", "model.2", "MSE"} <= {(text.text or "").strip() for text in titles}
    assert {text.get("paint-order") for text in titles} == {"stroke"}
    assert not any(
        list(group.iter(f"{SVG}text")) for group in drawing if "cluster" in group.get("class", "")
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_but_text_in_any_picture(name: str) -> None:
    def tags(name: str) -> list[tuple[str, str | None]]:
        inner, x = nn.Sequential(layer()), parameter(np.ones((1, 4)), name)
        setattr(inner, name, nn.Tanh())
        inner.forward = lambda x: getattr(inner, name)(layer()(x))  # type: ignore[method-assign]
        drawn = [
            draw(inner(x).sum(), **options) for options in ({}, {"depth": 2}, {"scalars": True})
        ]
        return [
            (e.tag, e.get("class"))
            for picture in drawn
            for e in ET.fromstring(picture.svg()).iter()
        ]

    assert tags(name) == tags("plain")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_golden_one(name: str) -> None:
    pinned = re.findall(
        r"graphviz-pure==([\d.]+)", (Path(__file__).parent.parent / "pyproject.toml").read_text()
    )
    try:
        installed = importlib.metadata.version("graphviz-pure")
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    if pinned != [installed]:
        pytest.skip(f"drawn with graphviz-pure {pinned}, and here is {installed}")
    assert unpacked(PICTURES[name]().svg()) == unpacked(
        (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    )


# Files


def test_a_png_has_two_pixels_for_a_point_and_its_texts() -> None:
    svg = images().svg()
    png = render.svg_to_png(svg)
    width = float(svg.split('width="')[1].split("pt")[0])
    assert abs(int.from_bytes(png[16:20]) - 2 * width) <= 2
    assert render.svg_to_png(re.sub("<text.*?</text>", "", svg)) != png


def test_a_png_of_a_huge_picture_has_fewer_pixels() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9000pt" height="8000pt"></svg>'
    png = render.svg_to_png(svg)
    assert (
        0.9 * render.PIXELS
        < int.from_bytes(png[16:20]) * int.from_bytes(png[20:24])
        < 1.01 * render.PIXELS
    )


def test_without_the_packages_for_it_a_png_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(render.RendererError, match="pip install resvg-py fontpkg-arimo"):
        images().save(tmp_path / "graph.png")
    assert not (tmp_path / "graph.png").exists()


def test_a_picture_is_saved_into_a_folder_that_is_made(tmp_path: Path) -> None:
    images().save(tmp_path / "new" / "graph.svg")
    assert (tmp_path / "new" / "graph.svg").exists()


def test_a_pdf_has_the_texts_the_boxes_and_the_heat_maps_of_the_svg(tmp_path: Path) -> None:
    images(width="10cm").save(tmp_path / "graph.pdf")
    data = (tmp_path / "graph.pdf").read_bytes()
    assert data.count(b"/Subtype /Image") == 7 and data.endswith(b"%%EOF\n")
    content, *_, file, signs = streams_of(data)
    known = dict(re.findall("<([0-9a-f]{4})> <([0-9a-f]{4})>", signs.decode("latin-1")))
    codes = "".join(re.findall("/F4 [0-9.]+ Tf <([0-9a-f]+)>", content.decode("latin-1")))
    shown = "".join(chr(int(known[x], 16)) for x in re.findall("....", codes))
    assert "squared_error" in shown and "325 parameters" in shown and "×" in shown
    assert b"/FontFile2" in data and b"Helvetica" not in data
    assert {b"glyf", b"loca", b"hmtx"} <= TrueType(file).tables.keys() and len(data) < 60_000
    size = re.search(rb"MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
    assert size and float(size[1]) == pytest.approx(10 / 2.54 * 72, rel=1e-3)
    table = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    assert data[table : table + 4] == b"xref"
    for place in re.findall(rb"(\d{10}) 00000 n", data):
        assert re.match(rb"\d+ 0 obj", data[int(place) :])


def streams_of(data: bytes) -> list[bytes]:
    """What a PDF's streams hold, apart from images."""
    found = re.findall(rb"<< ([^\n]*) >>\nstream\n(.*?)\nendstream", data, re.S)
    return [zlib.decompress(content) for head, content in found if b"/Image" not in head]


def test_without_its_font_a_pdf_has_those_that_every_reader_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pdf, "packaged_font", lambda: None)
    images().save(tmp_path / "graph.pdf")
    data = (tmp_path / "graph.pdf").read_bytes()
    content = streams_of(data)[0].decode("latin-1")
    shown = "".join(bytes.fromhex(x).decode("cp1252") for x in re.findall("<([0-9a-f]+)>", content))
    assert "squared_error" in shown and b"/BaseFont /Helvetica" in data
    assert b"/FontFile2" not in data


def test_an_accent_brings_the_letter_below_it() -> None:
    font = packaged_font()
    assert font is not None
    letter = font.outlines["é"]
    assert font.outlines["e"] in {*font.parts(letter)}
    kept = TrueType(font.with_only([letter]))
    assert kept.points(font.outlines["e"]) and not kept.points(font.outlines["k"])
    assert font.width(font.outlines["0"]) == 556  # as in Helvetica


def test_fitting_finds_the_greatest_depth_that_leaves_few_enough() -> None:
    graph = collapse_repeats(read(transformer(3)))
    sizes = {depth: len(fold(graph, depth).nodes) for depth in range(1, deepest_level(graph) + 2)}
    for most in (5, 15, 40, 400):
        assert fitting_depth(graph, most) == max(
            (depth for depth, size in sizes.items() if size <= most), default=1
        )


# What enters a model


def roles(graph: Graph) -> dict[str, str]:
    return {node.name: node.role for node in graph.nodes if not node.operation}


def links(graph: Graph) -> list[tuple[str, str]]:
    """Names at both ends of the edges that were not recorded."""
    names = {node.id: node.name for node in graph.nodes}
    return [(names[edge.source], names[edge.target]) for edge in graph.edges if not edge.recorded]


@pytest.mark.parametrize("wrapped", [np.asarray, Tensor])
def test_an_image_stands_before_the_patches_that_a_convolution_takes_from_it(
    wrapped: Callable[[Any], Any],
) -> None:
    rng, image = np.random.default_rng(0), wrapped(np.ones((1, 1, 4, 4), np.float32))
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.Flatten(), nn.Linear(8, 2, rng=rng))
    graph = read(model(image).sum(), {"model": model, "image": image})
    assert roles(graph)["image"] == "input" and links(graph) == [("image", "c1")]
    folded = fold(graph, 2)
    names = {node.id: node.name for node in folded.nodes}
    assert ("image", "model.0") in {(names[e.source], names[e.target]) for e in folded.edges}
    adds_up(folded)


class Prepared(nn.Module):
    """It centres what it is given, and hands it to a layer."""

    def __init__(self, inner: nn.Module) -> None:
        self.inner = inner

    def forward(self, x: Any) -> Any:
        found = self.inner(x - 0.5)
        return found[0] if isinstance(found, tuple) else found


def test_what_a_model_prepares_stands_between_its_input_and_the_layer() -> None:
    rng, image = np.random.default_rng(0), np.ones((1, 1, 4, 4), np.float32)
    model = Prepared(nn.Conv2d(1, 2, 3, rng=rng))
    graph = read(model(image).sum(), {"model": model, "image": image})
    assert roles(graph)["image"] == "input"
    assert links(graph) == [("image", "c1"), ("c1", "c2")]  # centred; the patches
    assert {node.name: node.module for node in graph.nodes}["image"] is None


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_state_that_begins_at_zero_comes_from_no_input(layer: Any) -> None:
    x = np.ones((1, 3, 4), np.float32)
    model = Prepared(layer(4, 2, rng=np.random.default_rng(0)))
    graph = read(model(x).sum(), {"model": model, "x": x})
    assert links(graph) == [("x", "c1")]
    assert "model.inner" in {module.path for module in graph.modules}


@pytest.mark.parametrize(
    "make",
    [np.asarray, Tensor, lambda x: Tensor(x, requires_grad=True)],
    ids=["array", "Tensor", "leaf"],
)
def test_what_enters_a_block_leads_to_its_first_norm_and_around_it(
    make: Callable[[Any], Any],
) -> None:
    model, x = Block(np.random.default_rng(0)), make(np.ones((1, 3, 8), np.float32))
    graph = fold(read(model(x).sum(), {"model": model, "x": x}), 2)
    names = {node.id: node.name for node in graph.nodes}
    reached = [names[edge.target] for edge in graph.edges if names[edge.source] == "x"]
    assert roles(graph)["x"] == "input" and reached[0] == "model.norm_1" and len(reached) == 2
    assert len(residual_edges(graph)) == 2


def test_each_value_has_the_role_in_which_a_model_takes_it() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.BatchNorm1d(2)).eval()
    x, labels = np.ones((4, 3), np.float32), np.array([0, 1, 1, 0])
    loss = nn.CrossEntropy()(model(x), labels)
    found = roles(read(loss, {"model": model, "x": x, "labels": labels}))
    assert found["x"] == "input" and found["labels"] == "target"
    assert found["model.1.running_mean"] == "buffer"
    assert {role for name, role in found.items() if "weight" in name} == {"parameter"}


# Layers and recurrent nets


def test_a_layer_is_one_box_beside_its_parameters_until_depth_opens_it() -> None:
    rng, x = np.random.default_rng(0), np.ones((1, 1, 6, 6), np.float32)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.MaxPool2d(2), nn.GELU())
    picture = draw(model(x).sum())
    assert [node.kind for node in picture.graph.nodes if node.kind] == [
        "Conv2d",
        "MaxPool2d",
        "GELU",
        "sum",
    ]
    assert [node.name for node in picture.graph.nodes if node.role == "parameter"] == [
        "weight",
        "bias",
    ]
    assert "(1, 1, 6, 6) → (1, 2, 4, 4)" in texts(picture)
    assert any("depth=3 opens them" in text for text in texts(picture))
    opened = {node.kind for node in draw(model(x).sum(), depth=3).graph.nodes}
    assert {"matmul", "windows", "max"} <= opened


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_an_unrolled_recurrent_net_is_its_cell_with_the_gradient_of_each_step(layer: Any) -> None:
    model = layer(3, 4, rng=np.random.default_rng(0))
    outputs, _ = model(np.linspace(-1, 1, 21, dtype=np.float32).reshape(1, 7, 3))
    picture = draw(outputs.sum())
    calls = [module for module in picture.graph.modules if module.times > 1]
    assert [(call.path, call.times) for call in calls] == [("model.cell", 7)]
    assert {len(node.series) for node in picture.graph.nodes} == {0, 7}
    adds_up(picture.graph)
    assert "× 7" in texts(picture)


def test_a_net_that_is_unrolled_by_hand_is_its_cell_too() -> None:
    rng = np.random.default_rng(0)
    w, u, h = parameter(rng.normal(size=(4, 4)), "w"), parameter(rng.normal(size=(3, 4)), "u"), 0
    for x in rng.normal(size=(5, 1, 3)):
        h = np.tanh(x @ u + h @ w if np.ndim(h) else x @ u)
    graph = draw(h.sum()).graph
    assert [module.times for module in graph.modules] == [4] and len(graph.nodes) < 12
    adds_up(graph)


def chain_of_numbers(length: int) -> Tensor:
    """A chain in which nothing is shared and nothing has a name."""
    z = parameter(1.0)
    for number in range(length):
        z = np.tanh(z * parameter(1.0 + number % 3) + 0.5)
    return z


def test_a_chain_of_numbers_is_drawn_as_the_step_that_repeats() -> None:
    graph = draw(chain_of_numbers(30)).graph
    assert [module.times for module in graph.modules] == [30] and len(graph.nodes) == 5
    adds_up(graph)


def neurons_by_hand(*sizes: int) -> tuple[Tensor, list[Any]]:
    """A network written number by number, as in micrograd, and its weights."""
    rng, weights, x = np.random.default_rng(0), [], [parameter(1.0, "x0"), parameter(2.0, "x1")]
    for size in sizes:
        w = [[parameter(number) for number in rng.normal(size=len(x) + 1)] for _ in range(size)]
        x = [np.tanh(sum((a * b for a, b in zip(row, x, strict=False)), row[-1])) for row in w]
        weights.append(w)
    return x[0], weights


def test_a_network_written_number_by_number_is_its_neurons_in_columns() -> None:
    y, weights = neurons_by_hand(4, 4, 1)
    graph = draw(y).graph
    assert len(read(y).nodes) > 100 and len(graph.nodes) == 2 + 4 + 4 + 1
    assert [len(column) for column in graph.columns] == [2, 4, 4, 1]
    nodes = {node.id: node for node in graph.nodes}
    first = next(e for e in graph.edges if nodes[e.source].name == "x0")
    slope = 1 - float(nodes[first.target].value) ** 2
    assert first.local == pytest.approx(float(weights[0][0][0]) * slope)
    adds_up(graph)


def test_looking_for_a_step_that_repeats_compares_few_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared, same_work = [], layers.same_work

    def counted(*args: Any) -> bool:
        compared.append(args[2])
        return same_work(*args)

    monkeypatch.setattr(layers, "same_work", counted)
    graph = read(chain_of_numbers(1000))
    layers.fold_recurrences(graph, shared=False)
    assert len(graph.nodes) > 4000 and len(compared) < 2 * len(graph.nodes)


# Small things that were wrong


def frames(picture: Any) -> dict[str, tuple[float, float]]:
    """The top and the bottom of each frame, by its Module's id."""
    found = {}
    for group in ET.fromstring(picture.svg()).iter(f"{SVG}g"):
        if group.get("class", "").startswith("cluster"):
            path = group.find(f"{SVG}path")
            ys = [*map(float, re.findall(r"-?[\d.]+", path.get("d", ""))[1::2])]
            found[str(group.get("id"))] = min(ys), max(ys)
    return found


def test_what_follows_a_layer_stands_below_it_though_it_has_many_parameters() -> None:
    rng, x = np.random.default_rng(0), np.ones((1, 3, 8), np.float32)
    model = Block(rng)
    picture = draw(model(x).sum())
    at = frames(picture)
    norm, attention = (
        next(at[m.id] for m in picture.graph.modules if m.path == path)
        for path in ("model.norm_1", "model.attention")
    )
    assert norm[1] < attention[0]


def test_the_data_goes_down_the_middle_wherever_it_stands_in_a_product() -> None:
    w, x = parameter(np.ones(2), "w"), Tensor(np.ones(2), name="x")
    picture = draw(np.tanh(w @ x + 1.0))
    sheet = Sheet(picture.graph, THEMES["light"])
    spine = {sheet.nodes[edge.source].name for edge in sheet.spine.values()}
    assert "x" in spine and "w" not in spine


def test_an_image_keeps_its_shape_beside_a_long_caption() -> None:
    image = np.outer(np.linspace(0, 1, 9), np.linspace(0, 1, 9))[None, None] * 123456.0
    picture = draw(nn.Conv2d(1, 1, 3, rng=np.random.default_rng(0)), image, legend=False)
    shown = next(ET.fromstring(picture.svg()).iter(f"{SVG}image"))
    assert float(shown.get("width", 0)) == pytest.approx(float(shown.get("height", 0)), rel=0.1)


def test_every_bar_of_a_repeated_block_has_a_height() -> None:
    picture = draw(chain_of_numbers(30))
    sheet = Sheet(picture.graph, THEMES["light"])
    series, (least, greatest) = [x for node in sheet.sparkling for x in node.series], sheet.decades
    assert len(series) == 30
    assert all(least < np.log10(x) <= greatest for x in series)


def test_up_to_eight_numbers_are_written_as_numbers() -> None:
    w = parameter([-3.0, 1.0], "w")
    shown = texts(draw(w * np.arange(2.0)))
    assert {"−3.0", "1.0", "0, 1.0"} <= set(shown) and "±3.0" not in shown
    assert "±4.0" in texts(draw(parameter(np.linspace(-4, 1, 9), "w") * 1))


def bars(picture: Picture) -> dict[str, tuple[float, float]]:
    """How much of its box each bar's track fills, and how much of the track the bar, by id."""
    found = {}
    for group in ET.fromstring(picture.svg()).iter(f"{SVG}g"):
        cells = group.findall(f"{SVG}polygon")
        parts = [render.corners(cell)[0] for cell in cells if render.is_bar(cell)]
        if "node" in group.get("class", "") and parts:
            box = render.corners(cells[0])[0]
            ends = [x for part in parts for x in part]
            wide = max(ends) - min(ends)
            margins = min(ends) - min(box) + max(box) - max(ends)
            is_full = len(parts) == 1
            first = max(parts[0]) - min(parts[0])
            assert margins == pytest.approx(2 * (min(ends) - min(box)), abs=0.05)
            found[group.get("id", "")] = (wide, 1.0 if is_full else first / wide)
    return found


def test_a_bar_fills_a_wide_box_as_it_fills_a_narrow_one() -> None:
    a_long_name, w = parameter(2.0), parameter(1.0)
    picture = draw(a_long_name * 3.0 + w * 1.5 + a_long_name)
    graph, found = picture.graph, bars(picture)
    greatest = max(abs(float(n.gradient)) for n in graph.nodes if n.gradient is not None)
    assert max(wide for wide, _ in found.values()) > 140
    for node in graph.nodes:
        if node.gradient is not None:
            assert found[node.id][1] == pytest.approx(abs(node.gradient) / greatest, abs=0.01)


def test_a_folded_layer_of_a_model_without_a_name_is_called_after_the_model() -> None:
    picture = draw(nn.Sequential(layer(), nn.Tanh())(np.ones((2, 4))).sum(), depth=2)
    assert "sum(Sequential.1)" in next(text for text in texts(picture) if "sum(" in text)


def test_of_a_long_path_the_end_is_kept() -> None:
    inner = nn.Sequential(layer())
    outer = nn.Sequential(nn.Sequential(inner))
    the_whole_of_a_model_with_a_long_name = outer
    y = the_whole_of_a_model_with_a_long_name(np.ones((2, 4))).sum()
    drawn = texts(draw(y, depth=4))
    assert any(text.startswith("….") or text.endswith("0.0.0") for text in drawn)
    assert not any(text.endswith("…") for text in drawn)


def test_no_edge_runs_through_a_title_where_there_is_room_beside_it() -> None:
    x, model = parameter(np.ones((2, 4)), "x"), nn.Sequential(layer(), nn.Tanh())
    drawing = next(ET.fromstring(draw(model(x).sum()).svg()).iter(f"{SVG}g"))
    ways = render.edge_points(drawing)
    titles = [text for text in drawing.findall(f"{SVG}text") if text.get("paint-order")]
    assert titles
    for text in titles:
        x_, y_ = float(text.get("x", 0)), float(text.get("y", 0))
        wide = 0.5 * float(text.get("font-size", 0)) * len((text.text or "").strip())
        assert not [w for w in ways if x_ < w[0] < x_ + wide and y_ - 8 < w[1] < y_]


def test_numbers_of_an_empty_array_are_refused_as_numbers() -> None:
    with pytest.raises(ValueError, match=r"has none that was computed: its shape is \(2, 0\)"):
        draw(parameter(np.zeros((2, 0))) * 2, scalars=True)


# Two graphs as one, and paper


def trained(steps: int) -> Any:
    """A cost after so many steps of descent."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Tanh(), nn.Linear(4, 1, rng=rng))
    x, y = np.linspace(-1, 1, 6).reshape(2, 3), np.zeros((2, 1))
    for _ in range(steps):
        loss = nn.MSE()(model(x), y)
        loss.backward()
        for p in model.parameters():
            assert p.grad is not None
            p.data = p.data - 0.1 * p.grad
            p.grad = None
    return nn.MSE()(model(x), y)


@pytest.mark.parametrize("given", [lambda x: x, read, draw], ids=["Tensor", "graph", "picture"])
def test_two_graphs_are_drawn_as_one_with_the_change_of_each_value(given: Any) -> None:
    first, second = trained(0), trained(1)
    picture = draw(second, before=given(first))
    for node, old, new in zip(
        picture.graph.nodes, read(first).nodes, read(second).nodes, strict=True
    ):
        np.testing.assert_allclose(node.gradient, new.value - old.value, atol=1e-7)
    shown = texts(picture)
    assert "change" in shown and "grad" not in shown
    assert "change" in draw(second, before=given(first), depth=2).svg()
    assert '"second":"change"' in picture.html()


def test_graphs_of_two_computations_are_not_compared() -> None:
    x = parameter([1.0, 2.0], "x")
    for other, words in (
        (x * 2 + 1, "3 values before and 2 after"),
        (parameter([1.0, 2.0, 3.0]) * 2, "shape"),
        (x**2, "power"),
    ):
        with pytest.raises(ValueError, match=words):
            draw(x * 2, before=other)
    with pytest.raises(TypeError, match="before takes a graph, a picture or a Tensor"):
        draw(x * 2, before=3.0)  # type: ignore[arg-type]


def test_paper_has_its_width_its_font_and_no_legend() -> None:
    svg = small(width="8.5cm", font="STIX Two Text", legend=False).svg()
    root = ET.fromstring(svg)
    *_, width, height = map(float, root.get("viewBox", "").split())
    assert root.get("width") == "8.5cm"
    assert float(root.get("height", "").removesuffix("cm")) == pytest.approx(
        8.5 * height / width, rel=1e-3
    )
    assert {text.get("font-family") for text in root.iter(f"{SVG}text")} == {"STIX Two Text"}
    assert "operation" not in texts(small(legend=False)) and "operation" in texts(small())


def palette(png: bytes) -> list[bytes]:
    """The colours of the scale of a PNG."""
    start = png.index(b"PLTE") + 4
    return [png[start + 3 * i : start + 3 * i + 3] for i in range(2 * heat.HALF + 1)]


def test_a_plain_picture_has_no_colour() -> None:
    for picture in (small(style="plain"), small(style="plain", scalars=True)):
        colours = set(re.findall(r'"#([0-9a-f]{6})"', picture.svg()))
        assert {c for c in colours if len({*bytes.fromhex(c)}) > 1} == set()
        assert all(len({*grey}) == 1 for map in picture.thumbnails for grey in palette(map.png))


def test_one_file_is_light_or_dark_as_the_page_around_it() -> None:
    svg = images(theme="auto").svg()
    ET.fromstring(svg)
    assert "prefers-color-scheme: dark" in svg and 'fill="var(--ink)"' in svg
    light = re.sub(r"<style>.*?</style>", "", svg)
    assert not set(re.findall(r'fill="(#[0-9a-f]{6})"', light)) & {"#1b2733", "#ffffff"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"theme": "red"}, "light, dark, auto"),
        ({"style": "baroque"}, "colour or plain"),
        ({"width": "wide"}, "a text such as '8.6cm'"),
        ({"colour": 3}, "colour"),
    ],
)
def test_paper_that_does_not_exist_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        draw(parameter(1.0) * 2, **options)


# Scalar networks


def scalar_network(*sizes: int) -> Any:
    """A network of layers of so many neurons, and its layers' weights."""
    rng = np.random.default_rng(0)
    layers = [nn.Linear(a, b, rng=rng, dtype=float) for a, b in pairwise(sizes)]
    model = nn.Sequential(*[part for x in layers for part in (x, nn.Tanh())][:-1])
    x = rng.normal(size=(1, sizes[0]))
    y = model(x)
    return y, layers, draw(y, scalars=True)


def test_a_network_of_numbers_stands_in_columns_in_order_with_its_weights_on_the_edges() -> None:
    _, layers, picture = scalar_network(2, 3, 1)
    graph = picture.graph
    assert len(graph.nodes) == 9 and [len(column) for column in graph.columns] == [2, 3, 3, 1]
    names = {node.id: node.name for node in graph.nodes}
    weights = {(names[e.source], names[e.target]): e.local for e in graph.edges}
    for (j, i), w in np.ndenumerate(layers[0].weight.data):
        assert weights[f"x[0, {i}]", f"z1[0, {j}]"] == pytest.approx(w)
    adds_up(graph)
    svg = ET.fromstring(picture.svg())
    places = {
        group.get("id"): render.corners(group.find(f"{SVG}polygon"))
        for group in svg.iter(f"{SVG}g")
        if "node" in group.get("class", "")
    }
    for column in graph.columns:
        tops = [min(places[i][1]) for i in column]
        assert tops == sorted(tops) and len({round(sum(places[i][0])) for i in column}) == 1


def test_a_hundred_numbers_make_a_picture_that_fits_a_page() -> None:
    _, _, picture = scalar_network(3, 4, 4, 2)
    assert len(picture.graph.nodes) == 22
    width, height = map(float, render.POINTS.findall(picture.svg())[:2])
    assert width < 1700 and height < 600
    assert len(scalar_network(3, 4, 4, 2)[0].shape) == 2


def test_all_numbers_are_drawn_if_asked_for() -> None:
    y, _, folded = scalar_network(2, 3, 1)
    opened = draw(y, scalars="all").graph
    assert len(opened.nodes) > 30 > len(folded.graph.nodes) and not opened.columns
    adds_up(opened)


def test_parts_of_a_sequence_stand_in_time_s_order() -> None:
    rng = np.random.default_rng(0)
    states, _ = nn.RNN(3, 4, rng=rng)(rng.random((2, 4, 3), np.float32))
    picture = draw((states**2).sum(), depth=2)
    kept = {node.id for node in picture.graph.nodes if node.kind == "getitem"}
    boxes = re.findall(r'id="(\w+)"[^>]*class="node[^>]*>.*?points="([\d.-]+)', picture.svg(), re.S)
    places = [float(x) for name, x in boxes if name in kept]
    assert len(places) == 4 and places == sorted(places)
