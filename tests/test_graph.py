"""Pictures of graphs: what they show is what the engine computed, and nothing that a name says can
break them."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import Tensor, derivative, nn, operation, special
from tinygrad_edu.graph import Graph, Picture, draw, read
from tinygrad_edu.graph.expression import equations, number_text
from tinygrad_edu.graph.pictures import render

HOSTILE = [
    "</script><script>alert(1)</script>",
    "\"quoted'",
    "back\\slash \\N \\G \\",
    "<<B>bold</B>>",
    "]]>",
    "a -> b; c [x=1]",
    "&amp; &#0; <!-- --> -- -1",
    "line\nfeed\ttab\r\0\x1b\x7f\ud800\ufffe",
    " ",
    "\0",
    "q" * 10_000,
    "n0",
    "…",
    "σ₁ 変数 −",
]
PROGRAM = """
import numpy as np
from tinygrad_edu import Tensor
from tinygrad_edu.graph import draw
x, w = Tensor([[1.0, -2.0]], name="x"), Tensor([[0.5], [0.25]], requires_grad=True, name="w")
print(ascii(draw(np.tanh(x @ w * np.ones((1, 1))).sum() * 2).svg()))
"""


def parameter(value: object, name: str | None = None) -> Tensor:
    return Tensor(value, requires_grad=True, name=name)


def neuron() -> tuple[Any, dict[str, Tensor]]:
    """Karpathy's neuron, L = tanh(w1 x1 + w2 x2 + b), and its values by their names."""
    x1, x2 = Tensor(2.0, name="x1"), Tensor(0.0, name="x2")
    w1, w2, b = parameter(-3.0, "w1"), parameter(1.0, "w2"), parameter(6.8813735870195432, "b")
    p1, p2 = w1 * x1, w2 * x2
    s = p1 + p2
    n = s + b
    L: Any = np.tanh(n)
    for tensor, name in zip((p1, p2, s, n, L), ("p1", "p2", "s", "n", "L"), strict=True):
        tensor.name = name
    return L, {str(tensor.name): tensor for tensor in (x1, x2, w1, w2, b, p1, p2, s, n, L)}


def network() -> Any:
    """A layer of arrays: (4, 3) @ (3, 2) + (2,), and its squared error."""
    x = Tensor(np.linspace(-1, 1, 12).reshape(4, 3), name="x")
    w, b = parameter(np.ones((3, 2)), "w"), parameter([0.1, 0.2], "b")
    return ((special.sigmoid(x @ w + b) - np.eye(4, 2)) ** 2).sum()


def texts(picture: Picture) -> list[str]:
    return [
        (text.text or "").strip()
        for text in ET.fromstring(picture.svg()).iter("{http://www.w3.org/2000/svg}text")
    ]


def named(graph: Graph) -> dict[str, object]:
    return {node.name: node for node in graph.nodes}


# The data


def test_every_number_is_the_engine_s() -> None:
    L, values = neuron()
    for node in read(L).nodes:
        assert node.value == values[node.name].data
        if values[node.name].requires_grad:
            assert node.gradient == L.gradient(values[node.name]).data
        else:
            assert node.gradient is None


def test_an_option_that_is_off_is_not_written() -> None:
    written = " ".join(
        equations(read(np.std(Tensor([3.0, 4.0], requires_grad=True, name="x")))).values()
    )
    assert "keepdims=True" in written
    assert "None" not in written


def test_the_local_derivatives_along_a_path_multiply_to_the_gradient() -> None:
    graph = read(neuron()[0])
    gradients: dict[str, Any] = {node.id: node.gradient for node in graph.nodes}
    for edge in graph.edges:
        if edge.local is None:
            continue
        assert (
            gradients[edge.source] == gradients[edge.target] * edge.local
        )  # each value is used once


@pytest.mark.parametrize(
    "made",
    [
        lambda: neuron()[0],
        network,
        lambda: special.softmax(parameter([[1.0, 2.0]]))[0] * 3,
        lambda: np.stack([x := parameter([1.0, 2.0]), x * x]).std(),
    ],
)
def test_what_arrives_along_the_edges_adds_up_to_the_gradient(made: Callable[[], Any]) -> None:
    graph = read(made())
    for node in graph.nodes[:-1]:
        passed = [
            edge.share for edge in graph.edges if edge.source == node.id and edge.share is not None
        ]
        if node.gradient is not None:
            np.testing.assert_allclose(sum(passed), node.gradient, rtol=1e-12)


def test_the_source_of_a_partial_that_moves_elements_is_ours_not_numpys() -> None:
    edge = read(np.flip(Tensor([1.0, 2.0], requires_grad=True))).edges[0]
    assert edge.place.startswith("derivatives.py") and "rearrangement_vjp" in edge.partial_text


@pytest.mark.parametrize("f", [special.linear, np.multiply, np.log, np.matmul, special.relu])
def test_the_quoted_partial_closes_the_brackets_that_it_opens(f: Any) -> None:
    arguments = [parameter(np.ones(shape)) for shape in ((2, 2), (2, 2), (2,))]
    counts = {special.linear: 3, np.multiply: 2, np.matmul: 2}
    for edge in read(f(*arguments[: counts.get(f, 1)])).edges:
        text = str(edge.partial_text)
        assert all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}")), text


QUOTED = [
    (np.add, ["lambda g, z, x, y: g"] * 2),
    (np.multiply, [f"lambda g, z, x, y: g * {a}  # ∂(x y)/∂{b} = {a}" for a, b in ("yx", "xy")]),
    (np.log, ["lambda g, z, x: g / x  # (ln x)′ = 1/x"]),
    (
        special.softmax,
        [
            "lambda g, z, x, axis=-1:                  # ∂zᵢ/∂xⱼ = zᵢ (δᵢⱼ − zⱼ)\n"
            "    z * (g - (g * z).sum(axis=axis, keepdims=True))"
        ],
    ),
]


@pytest.mark.parametrize(("f", "texts"), QUOTED, ids=lambda x: getattr(x, "__name__", ""))
def test_the_quoted_partial_ends_where_the_lambda_does(f: Any, texts: list[str]) -> None:
    value = 2.0 if f is not special.softmax else [2.0, 3.0]
    graph = read(f(*[parameter(value) for _ in texts]))
    assert [edge.partial_text for edge in graph.edges] == texts


def test_of_several_lambdas_on_a_line_each_edge_quotes_its_own() -> None:
    @operation
    def difference(x: Any, y: Any) -> Any:
        return x - y

    # fmt: off
    derivative(difference, lambda g, z, x, y: g, lambda g, z, x, y: -g, elementwise=True)  # of −
    # fmt: on
    found = [edge.partial_text for edge in read(difference(parameter(2.0), parameter(3.0))).edges]
    assert found == ["lambda g, z, x, y: g  # of −", "lambda g, z, x, y: -g  # of −"]


def test_an_edge_shows_the_source_of_its_partial_and_what_was_summed() -> None:
    graph = read((np.ones((4, 2)) * parameter([1.0, 2.0])).sum())
    edge = next(edge for edge in graph.edges if edge.before)
    assert edge.before == (4, 2) and edge.partial_text is not None and edge.place is not None
    assert "lambda g, z, x, y: g * x" in edge.partial_text and edge.place.startswith(
        "derivatives.py:"
    )


def test_a_value_used_twice_has_two_edges_and_its_gradients_add_up() -> None:
    graph = read((x := parameter(3.0, "x")) * x + x)
    assert [(edge.source, edge.target, edge.argument, edge.local) for edge in graph.edges] == [
        ("n0", "n1", 0, 3.0),
        ("n0", "n1", 1, 3.0),
        ("n1", "n2", 0, 1.0),
        ("n0", "n2", 1, 1.0),
    ]
    assert graph.nodes[0].gradient == 3 + 3 + 1


def test_roles_are_what_the_values_are_for() -> None:
    graph = read((Tensor([1.0], name="x") * parameter([2.0], "w") + np.array([3.0])) * 4)
    assert [(node.name, node.role) for node in graph.nodes] == [
        ("x", "input"),
        ("w", "parameter"),
        ("z1", "operation"),
        ("c1", "constant"),
        ("z2", "operation"),
        ("z3", "output"),
    ]


def test_generated_names_avoid_those_that_were_given() -> None:
    z = parameter(1.0, "z1") * parameter(2.0) * parameter(3.0, "x1")
    assert sorted(named(read(z))) == ["x1", "x2", "z1", "z2", "z3"]


# Modules


class Twice(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        self.inner = nn.Linear(2, 2, rng=np.random.default_rng(0))

    def forward(self, x: Any) -> Any:
        return self.inner(np.tanh(self.inner(x)))


def owners(graph: Graph) -> dict[str, str]:
    """The path of the Module that each node is part of."""
    paths = {module.id: module.path for module in graph.modules}
    return {node.name: paths[node.module] if node.module else "" for node in graph.nodes}


def test_every_value_knows_the_module_that_computed_it_and_the_path_to_it() -> None:
    model, x = (
        nn.Sequential(nn.Linear(3, 2), nn.Residual(nn.Tanh(), nn.Linear(2, 2))),
        np.ones((4, 3), np.float32),
    )
    found = owners(read(nn.MSE()(model(x), np.zeros((4, 2))), {"model": model, "x": x}))
    assert found == {
        "model.0.weight": "model.0",
        "model.0.bias": "model.0",
        "x": "",
        "z1": "model.0",
        "z2": "model.1.0",
        "model.1.1.weight": "model.1.1",
        "model.1.1.bias": "model.1.1",
        "z3": "model.1.1",
        "z4": "model.1",
        "y1": "",
        "z5": "MSE",
        "z6": "MSE",
    }


def test_the_modules_are_a_tree_with_levels_and_parameter_counts() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Residual(nn.Linear(2, 2)))
    modules = {
        module.path: module
        for module in read(model(np.ones((4, 3), np.float32)), {"model": model}).modules
    }
    assert [(path, m.kind, m.level, m.parameters) for path, m in sorted(modules.items())] == [
        ("model", "Sequential", 1, 14),
        ("model.0", "Linear", 2, 8),
        ("model.1", "Residual", 2, 6),
        ("model.1.0", "Linear", 3, 6),
    ]
    assert [modules[path].parent for path in ("model.1.0", "model.1", "model")] == [
        modules["model.1"].id,
        modules["model"].id,
        None,
    ]


def test_a_layer_that_is_called_twice_is_there_twice_and_its_weights_are_outside_both_calls() -> (
    None
):
    graph = read(Twice()(np.ones((1, 2), np.float32)))
    assert sorted(module.path for module in graph.modules) == ["Twice", "inner", "inner"]
    assert owners(graph)["weight"] == "Twice"


def test_every_result_of_a_layer_with_several_is_part_of_it() -> None:
    output, (h, c) = nn.LSTM(3, 2)(np.ones((1, 4, 3), np.float32))
    graph = read(output.sum() + h.sum() + c.sum())
    assert [module.kind for module in graph.modules] == ["LSTM"]
    assert (
        sum(not node.module for node in graph.nodes if node.kind) == 5
    )  # three sums, two additions


def test_a_module_that_returns_its_argument_computes_nothing() -> None:
    x = parameter([1.0, 2.0], "x")
    graph = read(nn.Dropout(0.0).eval()(x * 2))
    assert graph.modules == () and owners(graph) == {"x": "", "z1": ""}


def test_variables_name_what_has_no_name_unless_two_hold_it() -> None:
    a, b = parameter(2.0), parameter(3.0)
    same, _hidden = b, parameter(4.0)
    assert sorted(named(read(a * b * _hidden, locals()))) == ["a", "x1", "x2", "z1", "z2"]
    assert same is b


def test_draw_knows_the_variables_of_its_caller() -> None:
    slope, rise = parameter(2.0), parameter(1.0)
    assert repr(draw(slope + rise)) == "<Computation graph of z1 = slope + rise: 3 values, 2 edges>"


def test_a_graph_with_modules_is_freed_at_once() -> None:
    gc.disable()
    try:
        model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        y = model(np.ones((1, 2), np.float32))
        dead = weakref.ref(y)
        del y
        assert dead() is None
    finally:
        gc.enable()


# Words


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (lambda x, w: x + 7, "x + 7"),
        (lambda x, w: 0.5 - x, "0.5 − x"),
        (lambda x, w: x * 6.88137358, "x × 6.881"),
        (lambda x, w: w * x, "w × x"),
        (lambda x, w: x / w, "x / w"),
        (lambda x, w: -x, "−x"),
        (lambda x, w: abs(x), "|x|"),
        (lambda x, w: x**2, "x²"),
        (lambda x, w: x**10, "x¹⁰"),
        (lambda x, w: x**0.5, "x ** 0.5"),
        (lambda x, w: 2**x, "2 ** x"),
        (lambda x, w: x**w, "x ** w"),
        (lambda x, w: x @ w.T, "x @ z1"),
        (lambda x, w: x * np.array(0.1 + 0.2), "x × 0.3"),
        (lambda x, w: x[[0, 0], :1], "x[[0, 0], :1]"),
        (lambda x, w: np.tanh(x), "tanh(x)"),
        (lambda x, w: x.sum(axis=0, keepdims=True), "sum(x, axis=0, keepdims=True)"),
        (lambda x, w: x[0, 1:], "x[0, 1:]"),
        (lambda x, w: x[..., ::-1], "x[…, ::-1]"),
        (lambda x, w: x.reshape(-1), "reshape(x, -1)"),
        (lambda x, w: np.where(x.data > 0, x, w), "where(c1, x, w)"),
    ],
)
def test_an_operation_is_written_as_a_formula(made: Callable[..., Tensor], written: str) -> None:
    graph = read(made(parameter([[1.0, 2.0]], "x"), parameter([[3.0, 4.0]], "w")))
    assert equations(graph)[graph.output.id].split(" = ", 1)[1] == written


def test_an_output_of_many_numbers_is_seeded_with_ones() -> None:
    graph = read(parameter([1.0, 2.0], "x") * 3)
    assert graph.nodes[0].gradient is not None and graph.nodes[0].gradient.tolist() == [3.0, 3.0]


def test_a_graph_shows_the_values_that_were_recorded() -> None:
    z = (w := parameter(2.0, "w")) * 3
    w.data = np.array(100.0)
    assert [float(node.value) for node in read(z).nodes] == [2.0, 6.0]


def test_what_requires_no_gradient_is_one_node() -> None:
    graph = read(Tensor(2.0, name="x") * 3)
    assert [(node.role, node.gradient) for node in graph.nodes] == [
        ("output", None)
    ] and not graph.edges


def test_a_deep_graph_is_traced_without_recursion() -> None:
    z = parameter(1.0)
    for _ in range(5000):
        z = z * 1.0
    assert len(read(z).nodes) == 5001


def test_an_infinite_gradient_is_drawn() -> None:
    assert "inf" in texts(draw(parameter(0.0, "x").sqrt()))


# The picture


@pytest.mark.parametrize("output", [neuron()[0], network()])
def test_backward_changes_no_picture_and_a_picture_no_grad(output: Tensor) -> None:
    before = draw(output).source
    assert all(x.grad is None for x in leaves(output))
    output.backward()
    grads = [x.grad for x in leaves(output)]
    copies = [grad.copy() for grad in grads if grad is not None]
    assert draw(output).source == before
    assert all(x.grad is grad for x, grad in zip(leaves(output), grads, strict=True))
    assert all(
        np.array_equal(x, y)
        for x, y in zip([grad for grad in grads if grad is not None], copies, strict=True)
    )


def leaves(z: Tensor) -> list[Tensor]:
    return [leaf for _, x in z.inputs for leaf in leaves(x)] if z.inputs else [z]


def test_the_picture_holds_every_number() -> None:
    picture = draw(neuron()[0])
    shown = texts(picture)
    for node in picture.graph.nodes:
        for number in (node.value, node.gradient):
            assert number is None or number_text(number[()]).replace("-", "−") in shown
    assert [shown.count(f"× {local}") for local in ("2.00", "0", "1.00", "0.500")] == [
        2,
        1,
        4,
        1,
    ]  # 2.00: legend too
    assert shown.count("not required") == 2


def test_arrays_have_shapes_and_ranges() -> None:
    shown = texts(draw(network()))
    assert {"(4, 3)", "(3, 2)", "(2,)", "(4, 3) @ (3, 2)", "±1.0", "0.10", "0.20"} <= set(shown)
    assert shown.count("(4, 3)") == 2  # in the box and on the edge
    assert (
        texts(draw(parameter(np.zeros((0, 3))) * 2)).count("empty") == 3
    )  # in x, value and gradient of x * 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_but_text(name: str) -> None:
    def tags(name: str) -> list[tuple[str, str | None]]:
        picture = draw(np.exp(parameter(1.0, name) - 2))
        return [
            (element.tag, element.get("class")) for element in ET.fromstring(picture.svg()).iter()
        ]

    assert tags(name) == tags("plain")


def test_a_name_is_shown_as_it_is_but_for_control_characters_and_length() -> None:
    assert '</script> \\N "&" a-b − c' in texts(
        draw(parameter(1.0, '</script>\0\n\\N "&" a-b − c') * 2)
    )
    assert "q" * 12 + "…" + "q" * 19 in texts(draw(parameter(1.0, "q" * 10_000) * 2))


def test_an_svg_speaks_and_shows_no_id() -> None:
    root = ET.fromstring(draw(neuron()[0]).svg())
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert root.get("role") == "graphics-document" and root.get("aria-label") == titles[0]
    assert (
        titles[0] == "Computation graph of L = tanh(n): 10 values, 9 edges"
        and len(titles) == 1 + 10 + 9
    )
    assert (
        {group.get("aria-label") for group in root.iter("{http://www.w3.org/2000/svg}g")}
        >= {*titles[1:]}
        and "w1, parameter, value −3.000, gradient 1.000" in titles
        and "w1 → p1, local derivative 2.000" in titles
    )


def test_layout_sees_numbers_in_ascii_and_readers_a_true_minus() -> None:
    picture = draw(parameter(-1e-9, "a-1") * -3)
    assert ">-1.000e-9<" in picture.source and " × -3.00 " in picture.source
    assert {"−1.000e−9", "a-1", "= a-1 × −3", "× −3.00"} <= set(texts(picture))


def test_an_svg_needs_nothing_from_outside() -> None:
    svg = draw(neuron()[0]).svg()
    assert "<script" not in svg and "<!DOCTYPE" not in svg and "-3.000" not in svg
    assert set(re.findall(r'font-family="([^"]*)"', svg)) == {"Helvetica, Arial, sans-serif"}
    assert set(re.findall(r"https?://[^\"]*", svg)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


@pytest.mark.parametrize(("theme", "background"), [("light", "#ffffff"), ("dark", "#12181f")])
def test_a_picture_carries_its_background(theme: str, background: str) -> None:
    root = ET.fromstring(draw(neuron()[0], theme=theme).svg())
    rect = next(child for child in root if child.tag.endswith("rect"))
    assert rect.attrib == {"width": "100%", "height": "100%", "fill": background}


def test_numbers_flow_to_the_right_and_arrays_down_unless_told() -> None:
    assert "rankdir=LR" in draw(neuron()[0]).source and "rankdir=TB" in draw(network()).source
    assert "rankdir=TB" in draw(neuron()[0], direction="TB").source


def test_more_than_400_nodes_are_refused() -> None:
    z = parameter(1.0)
    for _ in range(399):
        z = z + 1
    assert len(draw(z, depth=1).graph.nodes) == 400
    with pytest.raises(ValueError, match=r"401 nodes.*draw a smaller case"):
        draw(z + 1, depth=1)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        (3.0, {}, "draw takes a Tensor"),
        (Tensor(1.0), {"theme": "red"}, "theme is one of light, dark, auto"),
        (Tensor(1.0), {"direction": "RL"}, "direction is LR or TB"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    output: Tensor, options: dict[str, str], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        draw(output, **options)


def test_an_error_of_a_model_that_is_drawn_names_no_copy() -> None:
    for inputs, came in [((np.zeros((2, 3)),), "Tensor (2, 3) of float64"), ((), "nothing")]:
        with pytest.raises((TypeError, ValueError)) as caught:
            draw(nn.Sequential(nn.Linear(4, 1)), *inputs)
        (note,) = caught.value.__notes__
        assert note.startswith("in model") and note.endswith(f"called with {came}")


def test_the_same_program_gives_the_same_bytes() -> None:
    def run(seed: str) -> bytes:
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[1],
        ).stdout

    first = run("1")
    assert first.startswith(b"'<svg") and first == run("2")


# Files, notebooks, renderers


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".svg", b"<svg"),
        (".dot", b"digraph"),
        (".png", b"\x89PNG\r\n\x1a\n"),
        (".PNG", b"\x89PNG\r\n\x1a\n"),
        (".pdf", b"%PDF-1.4\n"),
    ],
)
def test_a_picture_is_saved_as_its_suffix_says(tmp_path: Path, suffix: str, start: bytes) -> None:
    draw(neuron()[0]).save(tmp_path / f"graph{suffix}")
    assert (tmp_path / f"graph{suffix}").read_bytes().startswith(start)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.dot, \.html, \.png, \.pdf, and not as \.gif"):
        draw(Tensor(1.0)).save(tmp_path / "graph.gif")


def stand_in(folder: Path, statement: str) -> Path:
    """A program named dot that runs one Python statement."""
    if os.name == "nt":
        pytest.skip("the stand-in for dot is a script")
    program = folder / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\n{statement}\n")
    program.chmod(0o755)
    return program


def test_a_dot_on_the_path_lays_out_where_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = stand_in(tmp_path, "print(sys.argv[1])")
    monkeypatch.setattr(render, "packaged_program", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for named, found in ((None, program), ("another", "another")):
        if named:
            monkeypatch.setenv("TINYGRAD_EDU_DOT", named)
        assert render.find_renderer() == str(found)


def test_what_dot_calls_the_graph_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><g id='graph0'><title>%3</title></g></svg>"
    monkeypatch.setenv("TINYGRAD_EDU_DOT", str(stand_in(tmp_path, f'print("{svg}")')))
    assert "%3" not in draw(Tensor(1.0)).svg()


def test_a_notebook_shows_svg_and_words() -> None:
    bundle = (picture := draw(neuron()[0]))._repr_mimebundle_(include=None, exclude=None)
    assert bundle == {"image/svg+xml": picture.svg(), "text/plain": repr(picture)}
    assert repr(picture) == "<Computation graph of L = tanh(n): 10 values, 9 edges>"


def test_without_a_renderer_a_notebook_shows_the_hint_and_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TINYGRAD_EDU_DOT", raising=False)
    monkeypatch.setattr(render, "packaged_program", lambda: None)
    monkeypatch.setenv("PATH", "")
    bundle = (picture := draw(neuron()[0]))._repr_mimebundle_()
    assert list(bundle) == ["text/plain"] and "pip install graphviz-pure" in bundle["text/plain"]
    assert bundle["text/plain"].endswith(picture.source)


def test_a_renderer_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGRAD_EDU_DOT", str(tmp_path / "missing"))
    with pytest.raises(render.RendererError, match="missing cannot be run"):
        draw(Tensor(1.0)).svg()
    monkeypatch.setenv("TINYGRAD_EDU_DOT", sys.executable)
    with pytest.raises(render.RendererError, match="-Tsvg failed"):
        draw(Tensor(1.0)).svg()


def test_importing_the_package_imports_no_renderer() -> None:
    heavy = "{'graphviz', 'subprocess', 'xml', 'importlib.metadata', 'http', 'urllib.request'}"
    program = f"import sys, tinygrad_edu.graph, tinygrad_edu.nn; found = {heavy} & set(sys.modules)"
    program += "; assert not found, found"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])
