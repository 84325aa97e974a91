"""The stepper's page: its numbers are the engine's, it asks for nothing, and names are text in it
whatever they contain."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_graph import HOSTILE, network, neuron, parameter

from tinygrad_edu import Tensor, nn, special, stepper
from tinygrad_edu.graph import opening, read
from tinygrad_edu.graph.expression import number_text
from tinygrad_edu.graph.pictures import render
from tinygrad_edu.graph.read import values_behind

HOSTILE = [
    *HOSTILE,
    "{{data}}",
    "{{script}}",
    "</style>",
    "\u2028\u2029",
    "';}</text><foreignObject/>",
]
PROGRAM = """
import numpy as np
from tinygrad_edu import Tensor, stepper
x, w = Tensor([[1.0, -2.0]], name="x"), Tensor([[0.5], [0.25]], requires_grad=True, name="w")
print(ascii(stepper(np.tanh(x @ w * np.ones((3, 1))).sum() * 2).html))
"""


def twice() -> dict[str, Tensor]:
    """s is used twice: L = s tanh(s), s = w + b."""
    w, b = parameter(-1.2, "w"), parameter(1.9, "b")
    s = w + b
    t: Any = np.tanh(s)
    s.name, t.name = "s", "t"
    return {"w": w, "b": b, "s": s, "t": t, "L": s * t}


def classifier(images: int = 4) -> Any:
    """784 pixels, two hidden layers of 16, ten outputs, and its squared error."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(784, 16, rng=rng),
        nn.Sigmoid(),
        nn.Linear(16, 16, rng=rng),
        nn.Sigmoid(),
        nn.Linear(16, 10, rng=rng),
        nn.Sigmoid(),
    )
    return nn.MSE()(
        model(rng.random((images, 784), np.float32)), np.eye(images, 10, dtype=np.float32)
    )


def residual(blocks: int) -> Any:
    rng = np.random.default_rng(0)

    def layer() -> nn.Linear:
        return nn.Linear(3, 3, rng=rng, dtype=float)

    return nn.MSE()(
        nn.Sequential(*[nn.Residual(layer(), nn.Tanh()) for _ in range(blocks)])(np.ones((2, 3))),
        np.zeros((2, 3)),
    )


def data(page: str) -> Any:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def steps(output: Tensor, phase: str) -> list[Any]:
    return [step for step in data(stepper(output).html)["steps"] if step["phase"] == phase]


def panels(output: Tensor) -> list[str]:
    return re.findall(r"<article hidden>(.*?)</article>", stepper(output).html, re.DOTALL)


class Tags(HTMLParser):
    """Every element with its attributes, but for those that hold words or places; `texts` has what
    is in <text>."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        free = (
            "aria-label",
            "alt",
            "viewbox",
            "width",
            "height",
            "x",
            "y",
            "d",
            "points",
            "data-image",
        )
        self.tags.append((tag, [(name, name not in free and value) for name, value in attrs]))


# The numbers


def test_every_value_and_gradient_is_the_engine_s() -> None:
    values = twice()
    nodes = {
        node.id: values[node.name] if node.name in values else values["L"]
        for node in read(values["L"]).nodes
    }
    for step in steps(values["L"], "forward"):
        assert step["numbers"]["value"] == nodes[step["node"]].item()
    last = {step["node"]: step["numbers"]["after"] for step in steps(values["L"], "backward")}
    assert last == {key: values["L"].gradient(x).item() for key, x in nodes.items()}


def test_upstream_times_local_is_the_share_and_shares_add_up() -> None:
    for step in steps(neuron()[0], "backward")[1:]:
        n = step["numbers"]
        assert n["upstream"] * n["local"] == n["share"]
        assert n.get("before", 0.0) + n["share"] == n["after"]


def test_the_numbers_of_arrays_are_the_engine_s() -> None:
    graph = read(output := classifier())
    gradients: dict[str, Any] = {node.id: node.gradient for node in graph.nodes}
    last = {step["node"]: step["numbers"]["after"] for step in steps(output, "backward")}
    assert set(last) == {key for key, gradient in gradients.items() if gradient is not None}
    for key, numbers in last.items():
        g = gradients[key]
        ends = {"shape": [*g.shape], "least": float(g.min()), "greatest": float(g.max())}
        assert numbers == (ends if g.shape else float(g))


def test_values_appear_forward_and_gradients_backward_inputs_first() -> None:
    phases = [step["phase"] for step in data(stepper(network()).html)["steps"]]
    assert phases == sorted(phases, key=["start", "forward", "backward"].index)
    seen: set[str] = set()
    for step in steps(network(), "forward"):
        assert seen >= set(step["near"])
        seen.add(step["node"])


def test_what_is_shown_are_the_same_numbers_with_four_digits() -> None:
    found = [*steps(-neuron()[0], "forward"), *steps(-neuron()[0], "backward")]
    for step, kind, number in [
        (step, *pair) for step in found for pair in (("value", "value"), ("gradient", "after"))
    ]:
        if kind in step:
            assert step[kind] == number_text(step["numbers"][number]).replace("-", "−")
    assert any(step.get("gradient", "").startswith("−") for step in found)


def test_an_infinite_gradient_and_one_that_is_none_are_told() -> None:
    assert steps(parameter(0.0).sqrt(), "backward")[-1]["numbers"]["after"] == "inf"
    assert not steps(Tensor(2.0, name="x") * 3, "backward")


def test_no_grad_is_touched_and_variables_name_values() -> None:
    slope, rise = parameter(2.0), parameter(1.0)
    assert repr(stepper(slope * 3 + rise)) == "<Stepper of z2 = z1 + rise: 4 values, 3 edges>"
    assert slope.grad is None and rise.grad is None


# The panels


def test_where_a_value_is_used_twice_it_says_what_is_added() -> None:
    added = [panel for panel in panels(twice()["L"]) if "Added to what was there:" in panel]
    assert len(added) == 1 and "0.6044 + 0.4443 = 1.049" in added[0] and "<mo>+=</mo>" in added[0]


def test_a_panel_has_the_formula_the_source_and_its_place() -> None:
    tanh = next(panel for panel in panels(twice()["L"]) if ">t passes its gradient to s" in panel)
    assert "<mn>1</mn><mo>−</mo><msup><mi>t</mi>" in tanh
    assert "lambda g, z, x: g * (1 - z * z)" in tanh and re.search(
        r"<code>derivatives\.py:\d+</code>", tanh
    )


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: np.ones((4, 2)) * parameter([1.0, 2.0], "b"),
            "b (2,) was repeated for 4 rows, so its gradient is summed over",
        ),
        (
            lambda: np.ones((4, 2)) + parameter(np.ones((4, 1)), "c"),
            "c (4, 1) was repeated for 2 columns, so its gradient is",
        ),
        (
            lambda: np.ones((4, 2)) * parameter(3.0, "k"),
            "k () was repeated along axis 0, 4 times and axis 1, 2 times, so its",
        ),
    ],
)
def test_it_says_why_an_axis_is_summed(made: Any, words: str) -> None:
    assert words in steps(made(), "backward")[-1]["text"]


def test_elementwise_local_derivatives_are_heat_maps_and_matrices_show_the_other_factor() -> None:
    x = parameter([[1.0, -2.0]], "x")
    assert "<figcaption>local" in panels(np.tanh(x).sum())[-1]
    product = panels((np.array([[1.0, 2.0]]) @ parameter([[1.0], [3.0]], "w")).sum())[-1]
    assert (
        "<figcaption>local" not in product
        and 'class="sign">with<' in product
        and product.count("<img") == 3
    )


def test_a_leaf_of_numbers_shows_its_paths_once_its_gradient_is_complete() -> None:
    backward = steps(twice()["L"], "backward")
    assert [len(step.get("ways", [])) for step in backward] == [
        0,
        0,
        0,
        0,
        4,
        4,
    ]  # 4 edges, on the 2 paths to each
    x = parameter(3.0)
    assert [len(step.get("ways", [])) for step in steps(x * x, "backward")] == [0, 0, 2]


def test_every_image_is_there_and_none_twice() -> None:
    page = stepper(classifier()).html
    images = data(page)["images"]
    shown = re.findall(r'data-image="(\w+)"', page)
    assert set(shown) == set(images) and len(shown) > len(images) == len(set(images.values())) > 20


# Large graphs


def test_the_classifier_s_page_is_small() -> None:
    assert len(stepper(classifier()).html.encode()) < 500_000
    assert len(stepper(classifier(32)).html.encode()) < 500_000


def test_more_than_40_values_are_stepped_through_by_module() -> None:
    output = residual(12)
    assert len(read(output).nodes) > 40
    folded = stepper(output).graph
    assert len(folded.nodes) <= 40 and sum(bool(node.members) for node in folded.nodes) >= 12
    assert len(steps(output, "forward")) == len(folded.nodes)


def test_more_than_40_values_without_modules_are_refused() -> None:
    z = parameter(1.0)
    for _ in range(39):
        z = z + 1
    assert len(stepper(z).graph.nodes) == 40
    with pytest.raises(
        ValueError, match=r"41 values, and a stepper goes through at most 40.*nn\.Modules"
    ):
        stepper(z + 1)


# The page


def test_the_policy_allows_this_script_and_style_and_nothing_else() -> None:
    page = stepper(neuron()[0]).html
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])  # type: ignore[index]
    allowed = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", page, re.DOTALL)
        for text in text
        if text
    }
    assert (
        policy.startswith("default-src 'none';")
        and set(re.findall("sha256-([^']*)", policy)) == allowed
    )
    assert " style=" not in page and "javascript:" not in page and "onclick" not in page
    assert set(re.findall(r"https?://[^\s\"<]*", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_changes_nothing_but_its_own_text(name: str) -> None:
    def page(name: str) -> str:
        z: Any = np.exp(parameter(1.0, name) - 2) * np.ones((2, 1))
        z.name = f"{name}z"
        return stepper(z).html

    found, plain = page(name), page("p0" if name == "n0" else "plain")
    assert Tags(found).tags == Tags(plain).tags
    assert [{**step, "text": ""} for step in data(found)["steps"]] == [
        {**step, "text": ""} for step in data(plain)["steps"]
    ]


def test_data_in_a_page_has_no_character_that_could_end_it() -> None:
    page = stepper(parameter(1.0, "</script>&\u2028<!--") * 2).html
    inside = page.partition('type="application/json">')[2].partition("</script>")[0]
    assert (
        not set("<>&\u2028\u2029") & set(inside)
        and "</script>& <!--" in data(page)["steps"][1]["text"]
    )


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
    assert first.startswith(b"'<!DOCTYPE html>") and first == run("2")


def test_the_page_follows_the_reader_s_theme() -> None:
    style = re.search(r"<style>(.*?)</style>", stepper(neuron()[0]).html, re.DOTALL)[1]  # type: ignore[index]
    light, _, dark = style.partition("prefers-color-scheme: dark")
    assert (
        "--background: #ffffff" in light
        and "--background: #12181f" in dark
        and "--positive: #56b4e9" in dark
    )
    assert not re.findall(r'(?:fill|stroke)="#', stepper(neuron()[0]).html)


# Files, notebooks, errors


def test_a_stepper_is_saved_as_html(tmp_path: Path) -> None:
    (made := stepper(neuron()[0])).save(tmp_path / "new" / "steps.html")
    assert (tmp_path / "new" / "steps.html").read_text(encoding="utf-8") == made.html
    with pytest.raises(ValueError, match=r"saved as \.html, and not as \.svg"):
        made.save(tmp_path / "steps.svg")


def test_a_notebook_shows_the_page_in_a_sandbox() -> None:
    bundle = (made := stepper(neuron()[0]))._repr_mimebundle_(include=None, exclude=None)
    assert list(bundle) == ["text/html", "text/plain"] and bundle["text/plain"] == repr(made)
    [(tag, attributes)] = list(elements(bundle["text/html"]))
    assert (
        tag == "iframe"
        and attributes["sandbox"] == "allow-scripts"
        and attributes["srcdoc"] == made.html
    )


def test_show_opens_the_browser_and_in_a_notebook_is_the_stepper_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(opening.webbrowser, "open", opened.append)
    made = stepper(neuron()[0])
    assert made.show() is None
    assert Path(opened[0].removeprefix("file://")).read_text("utf-8") == made.html
    monkeypatch.setattr(opening, "runs_in_notebook", lambda: True)
    assert made.show() is made and len(opened) == 1


def elements(markup: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    parser, found = HTMLParser(), list[tuple[str, dict[str, str | None]]]()
    parser.handle_starttag = lambda tag, attrs: found.append((tag, dict(attrs)))  # type: ignore[method-assign]
    parser.feed(markup)
    yield from found


def test_without_a_renderer_a_notebook_shows_the_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINYGRAD_EDU_DOT", raising=False)
    monkeypatch.setattr(render, "packaged_program", lambda: None)
    monkeypatch.setenv("PATH", "")
    bundle = stepper(neuron()[0])._repr_mimebundle_()
    assert list(bundle) == ["text/plain"] and "pip install graphviz-pure" in bundle["text/plain"]


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match=r"stepper takes a Tensor that was computed, and got 3\.0"):
        stepper(3.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"got a Linear: write stepper\(model\(x\)\)$"):
        stepper(nn.Linear(2, 1))  # type: ignore[arg-type]


def test_empty_arrays_and_what_has_no_formula_have_panels() -> None:
    assert "(0, 3), empty" in panels(parameter(np.zeros((0, 3)), "x") * 2)[1]
    assert "<img" in panels(special.softmax(parameter([1.0, 2.0]))[0])[-1]


# The last act


def line(optimizer: Any = nn.optim.SGD, taken: int = 0, **options: Any) -> tuple[Tensor, Any]:
    """L = (w x + b − y)², after some steps, and its optimizer."""
    w, b = parameter(-0.8, "w"), parameter(1.9, "b")
    made = optimizer([w, b], **({"lr": 0.02} | options))
    for _ in range(taken + 1):
        loss = (w * 1.5 + b - 0.2) ** 2
        if _ < taken:
            made.zero_grad()
            loss.backward()
            made.step()
    return loss, made


def last_steps(output: Tensor, optimizer: Any) -> tuple[list[Any], Any]:
    """The updates of a page, and its last step."""
    *found, again = data(stepper(output, optimizer).html)["steps"]
    return [step for step in found if step["phase"] == "update"], again


OPTIMIZERS: list[Any] = [
    nn.optim.SGD,
    lambda p, lr: nn.optim.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.1),
    nn.optim.Adam,
    nn.optim.AdamW,
    lambda p, lr: nn.optim.RMSprop(p, lr, momentum=0.5, centered=True),
    nn.optim.Adagrad,
]


@pytest.mark.parametrize("taken", [0, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_last_act_is_the_step_that_the_optimizer_then_takes(optimizer: Any, taken: int) -> None:
    loss, made = line(optimizer, taken)
    updates, again = last_steps(loss, made)
    [w, b] = made.param_groups[0]["params"]
    made.zero_grad()
    loss.backward()
    made.step()
    assert [step["numbers"]["value"] for step in updates] == [w.item(), b.item()]
    assert again["numbers"]["values"][again["node"]] == ((w * 1.5 + b - 0.2) ** 2).item()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_last_act_changes_nothing(optimizer: Any) -> None:
    loss, made = line(optimizer, 3)
    [w, b] = made.param_groups[0]["params"]

    def state() -> Any:
        kept = {name: [x.copy() for x in of.values()] for name, of in made.memory.items()}
        return w.item(), b.item(), w.grad, b.grad, kept, [*made.steps.values()]

    before, arrays = state(), (w.data, b.data)
    assert stepper(loss, made).html
    assert state() == before and (w.data, b.data) == arrays


def test_a_whole_model_s_weights_are_the_same_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(3, 4, rng=rng), nn.Dropout(0.5, rng=rng), nn.Linear(4, 1, rng=rng)
    )
    made = nn.optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.MSE()(model(np.ones((2, 3), np.float32)), np.zeros((2, 1), np.float32))
    before = [p.data.tobytes() for p in model.parameters()]
    updates, again = last_steps(loss, made)
    assert len(updates) == 4 and again["numbers"]["came"] < 0
    assert [p.data.tobytes() for p in model.parameters()] == before
    assert not made.steps and not made.memory and all(p.grad is None for p in model.parameters())


def test_the_promise_is_the_slopes_times_the_steps_and_the_outcome_the_change() -> None:
    loss, made = line()
    _, again = last_steps(loss, made)
    [w, b] = made.param_groups[0]["params"]
    slopes = [g.item() for g in loss.gradient(w, b)]
    assert again["numbers"]["promised"] == pytest.approx(-0.02 * sum(g * g for g in slopes))
    after = again["numbers"]["values"][again["node"]]
    assert again["numbers"]["came"] == pytest.approx(after - loss.item())


@pytest.mark.parametrize(
    ("lr", "words"),
    [(1e-4, "held nearly all"), (0.1, "the curve bends"), (1.0, "jumped over"), (1e200, "finite")],
)
def test_it_says_what_came_of_the_step(lr: float, words: str) -> None:
    assert words in last_steps(*line(lr=lr))[1]["text"]


def test_a_curve_that_bends_downwards_brings_more_than_promised() -> None:
    loss = np.cos(w := parameter(0.5, "w"))
    assert "brings more" in last_steps(loss, nn.optim.SGD([w], lr=0.5))[1]["text"]


def test_momentum_may_lead_against_the_slope() -> None:
    loss, made = line(taken=3, lr=0.05, momentum=0.95)
    updates, again = last_steps(loss, made)
    assert "Yet w goes" in updates[0]["text"] and "against the slope" in again["text"]


def test_the_rule_is_the_optimizer_s_update_on_formulas() -> None:
    update = next(panel for panel in panels_of(*line(taken=1, momentum=0.9)) if "update" in panel)
    assert "<mi>velocity</mi><mo>←</mo><mrow><mrow><mn>0.9</mn>" in update
    assert "p.data -= lr * g" in update and re.search(r"<code>optim\.py:\d+</code>", update)
    assert "momentum = 0.9".replace(" ", "\N{NO-BREAK SPACE}") in update


def panels_of(output: Tensor, optimizer: Any) -> list[str]:
    page = stepper(output, optimizer).html
    return re.findall(r"<article hidden>(.*?)</article>", page, re.DOTALL)


class Signs(nn.optim.Optimizer):
    def update(self, p: Any, g: Any, lr: float) -> None:
        """Go a fixed way."""
        p.data -= lr * np.sign(g)


class Rounds(nn.optim.Optimizer):
    def update(self, p: Any, g: Any, lr: float) -> None:
        p.data[...] = np.round(p.data - lr * g, 1)


def test_an_optimizer_of_one_s_own_has_a_rule_and_one_without_formulas_its_lines() -> None:
    updates = [panel for panel in panels_of(*line(Signs)) if "takes a step" in panel]
    assert "<mi>sign</mi>" in updates[0] and "Go a fixed way" not in updates[0]
    rounded = panels_of(*line(Rounds, lr=0.05))[-3]
    assert 'class="ruled"' not in rounded and "np.round" in rounded and "−0.9000" in rounded


def test_arrays_show_what_is_kept_of_them() -> None:
    w = parameter(np.ones((3, 4)), "w")
    loss = (w * np.arange(12.0).reshape(3, 4)).sum()
    update = panels_of(loss, nn.optim.Adam([w], lr=0.1))[-2]
    assert update.count("<img") == 7 and "m, before" in update and "v, after" in update
    assert "10.00 % as long as w" not in update and "% as long as w itself" in update


def test_parameters_of_folded_modules_take_their_steps_too() -> None:
    output = residual(12)
    parameters = [x for x in values_behind(output) if isinstance(x, Tensor) and x.requires_grad
                  and x.operation is None]  # fmt: skip
    updates, again = last_steps(output, nn.optim.SGD(parameters, lr=0.1))
    shown = {node.id for node in stepper(output).graph.nodes}
    assert len(updates) == len(parameters) and {x["node"] for x in updates} <= shown
    assert set(again["values"]) == shown


def test_what_an_optimizer_cannot_go_down_is_refused() -> None:
    loss, made = line()
    with pytest.raises(TypeError, match=r"takes an optimizer, such as nn\.optim\.SGD.*got 0\.1"):
        stepper(loss, 0.1)
    with pytest.raises(ValueError, match=r"goes down one number.*shape \(2,\).*output\.mean"):
        stepper(parameter([1.0, 2.0]) * 2, made)
    with pytest.raises(ValueError, match=r"none of the optimizer's parameters has a gradient"):
        stepper(parameter(1.0) * 2, made)
    loss.backward()
    made.step()
    with pytest.raises(ValueError, match=r"this loss was 0\.25, and.*before optimizer\.step\(\)"):
        stepper(loss, made)


# One element of a product


def matrix(page: Any, name: str, transposed: bool = False) -> Any:
    found = page["matrices"][name]
    x = np.frombuffer(base64.b64decode(found["data"]), "<f4").reshape(found["shape"])
    return x.T if transposed else x


def products(output: Tensor) -> list[Any]:
    """Factors, bias and result of each product in a page."""
    page = data(stepper(output).html)
    found = [step["product"] for step in page["steps"] if "product" in step]
    for product in found:
        assert {product[side]["image"] for side in ("left", "right", "result")} <= {*page["images"]}
    return [
        (
            *[matrix(page, x["numbers"], x["transposed"]) for x in (p["left"], p["right"])],
            matrix(page, p["bias"]) if "bias" in p else 0,
            matrix(page, p["result"]["numbers"]),
        )
        for p in found
    ]


def attention() -> Any:
    """softmax(q kᵀ) v, times itself."""
    rng = np.random.default_rng(0)
    q, k, v = (parameter(rng.normal(size=(3, 2)), name) for name in "qkv")
    return (special.softmax(q @ k.T) @ v @ np.ones((2, 4))).sum()


@pytest.mark.parametrize(("make", "count"), [(classifier, 8), (attention, 8)])
def test_the_numbers_of_a_product_add_up_to_its_result(make: Any, count: int) -> None:
    found = products(make())
    assert len(found) == count
    for left, right, bias, result in found:
        assert np.allclose(left @ right + bias, result, atol=1e-5)


def test_a_product_whose_factors_are_large_keeps_its_numbers_out_of_the_page() -> None:
    wide = parameter(np.ones((130, 130)), "w")
    assert not products((wide @ np.ones((130, 2))).sum())
    assert products((wide[:2] @ np.ones((130, 2))).sum())


# The quiz


def questions(output: Tensor) -> dict[int, Any]:
    found = data(stepper(output, quiz=True).html)["questions"]
    return {int(number): question for number, question in found.items()}


def test_every_edge_between_numbers_is_asked_for_with_the_engine_s_numbers() -> None:
    values = twice()["L"]
    asked, walk = questions(values), data(stepper(values).html)["steps"]
    assert set(asked) == {i for i, step in enumerate(walk) if "share" in step.get("numbers", {})}
    for number, question in asked.items():
        assert question["known"].items() <= walk[number]["numbers"].items()
        assert question["answer"] == walk[number]["numbers"][question["ask"]]
    assert [question["ask"] for question in asked.values()].count("after") == 1


def test_where_a_value_is_used_twice_the_whole_gradient_is_asked() -> None:
    page = html.unescape(stepper(twice()["L"], quiz=True).html)
    assert "s is used twice, and 0.6044 was there already. 0.7000 arrives at t, and" in page
    assert "0.6044 + 0.7000 × 0.6347" in page


def test_a_local_derivative_has_its_rule_and_the_rule_with_numbers_as_hints() -> None:
    page = stepper(np.tanh(parameter(0.5, "s")), quiz=True).html
    form = re.search(r'<section class="question".*?</section>', page, re.DOTALL)
    assert form and "How much does" in form[0] and form[0].count('class="ruled" hidden') == 2
    assert "<mtext>0.4621</mtext>" in form[0]


def test_without_a_quiz_there_is_no_question() -> None:
    page = stepper(neuron()[0]).html
    assert data(page)["questions"] == {} and 'class="question"' not in page


def test_numbers_that_are_none_are_not_asked_for() -> None:
    x = parameter(0.0, "x")
    assert len(questions(x.sqrt() + x)) == 2  # and not for ∂√x/∂x, nor for the sum with it


def test_a_quiz_of_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="none of this graph's edges lies between two finite"):
        stepper(parameter([1.0, 2.0]) * 2, quiz=True)
