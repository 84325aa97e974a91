import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from test_javascript import in_node

from tinygrad_edu import nn, special
from tinygrad_edu.playground import playground
from tinygrad_edu.playground.__main__ import model_from, write_page
from tinygrad_edu.playground.images import PageImages, examples_from
from tinygrad_edu.playground.listing import Listing
from tinygrad_edu.playground.network import Network
from tinygrad_edu.playground.points import points_from
from tinygrad_edu.playground.steps import RATE, Steps

ASSETS = Path(playground.__code__.co_filename).parent / "assets"
RNG = np.random.default_rng(0)


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, rng=np.random.default_rng(inputs))


Sigmoid, Softplus, Tanh = nn.Sigmoid, nn.Softplus, nn.Tanh
MODELS = {
    "the video's": [linear(64, 8), Sigmoid(), linear(8, 6), Sigmoid(), linear(6, 3), Sigmoid()],
    "classes": [nn.Flatten(), linear(64, 20), nn.ReLU(), linear(20, 12), nn.ReLU(), linear(12, 3)],
    "no hidden layer": [linear(64, 3)],
    "deep": [linear(64, 9), Tanh(), linear(9, 7), nn.SiLU(), linear(7, 5), nn.ELU(), linear(5, 2)],
    "curves": [linear(64, 6), nn.GELU(), linear(6, 5), nn.SELU(), linear(5, 3)],
    "wide": [linear(64, 40), nn.LeakyReLU(), linear(40, 5), Softplus(), linear(5, 3), Sigmoid()],
}


def network(name):
    return Network(nn.Sequential(*MODELS[name]))


def costs(name, model, x, y):
    """The cost as the layers of nn have it, another way than the page's steps."""
    a = model(x)
    if name in ("the video's", "wide"):
        return nn.MSE("sum")(a, y) / len(x)
    return nn.CrossEntropy()(a, y.argmax(axis=1))


def gradient(name, own, x, y):
    parameters = [*own.model.parameters()]
    cost = costs(name, own.model, x, y)
    return cost.item(), np.concatenate([g.data.ravel() for g in cost.gradient(*parameters)])


# The programs


@pytest.fixture(scope="module")
def looked():
    """What each look says in Node, for one image, and the engine's cost and gradient."""
    programs, expected = {}, {}
    for name in MODELS:
        own = network(name)
        x, y = RNG.random((1, 64)), np.eye(own.classes)[[1]]
        program = Steps(own).look()
        programs[name] = (program.javascript(), "look", [x, y], 1)
        expected[name] = (own, *gradient(name, own, x, y))
    return in_node(programs), expected


@pytest.mark.parametrize("name", MODELS)
def test_the_recorded_look_gives_the_engines_cost_and_gradient(looked, name):
    (seen, _, stored), (own, cost, expected) = looked[0][name], looked[1][name]
    names = [key for key, _ in own.model.named_parameters()]
    found = [stored[next(k for k in stored if k.endswith(f"model.{key}.grad"))] for key in names]
    assert seen["cost"] == pytest.approx(cost, rel=1e-12)
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-9, atol=1e-12)
    assert [len(a) for a in seen["a"]] == [layer.sizes[1] for layer in own.layers]
    assert sum(seen["parts"]) == pytest.approx(cost) and 0 <= min(seen["answers"]) <= 1


def test_to_look_moves_no_weight_and_a_step_moves_all():
    own = network("classes")
    x, y = RNG.random((1, 64)), np.eye(3)[[2]]
    before = own.model[1].weight.data.copy()
    program = Steps(own).look()
    assert np.array_equal(own.model[1].weight.data, before) and RATE in program.lives
    text = program.javascript()
    moved = text.replace(f"{RATE}: 0", f"{RATE}: 0.5")
    found = in_node({"at rest": (text, "look", [x, y], 2), "moved": (moved, "look", [x, y], 2)})
    assert found["at rest"][0]["cost"] > found["moved"][0]["cost"]


@pytest.mark.parametrize("name", MODELS)
def test_lines_run_at_the_stop_whose_results_they_make(name):
    own = network(name)
    listing = Listing(Steps(own).look())
    lines, last = listing.numpy(), len(own.layers)
    assert [stop for stop, _ in lines] == sorted(stop for stop, _ in lines)
    assert {stop for stop, _ in lines} == {*range(1, 2 * last + 4)}
    first = {text.split(" = ")[0]: stop for stop, text in reversed(lines)}
    assert first["z1"] == 1 and first["C"] == last + 1 and first["dw1"] == 2 * last + 2
    assert first[f"dw{last}"] == last + 3
    assert not any("#" in text for _, text in lines)


@pytest.mark.parametrize("name", MODELS)
def test_loops_run_in_the_order_of_the_stops(name):
    rows = Listing(Steps(network(name)).look()).javascript()
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(first <= last for first, last, _ in rows)


# Points of the plane


def two_clouds(n=200):
    labels = np.arange(n) % 2
    return RNG.normal(size=(n, 2)) * 0.4 + labels[:, None], labels


def on_points(*layers):
    return Network(nn.Sequential(*layers))


def test_on_points_a_network_is_told_features_and_answers_as_before():
    layers = [linear(2, 5), nn.Tanh(), linear(5, 3)]
    own, points = on_points(*layers), RNG.normal(size=(4, 2))
    before = nn.Sequential(*layers)(points)
    given = points_from(points, np.zeros(4, int), 3).inputs
    assert given.shape == (4, 7) and not given[:, 2:].any()
    np.testing.assert_allclose(own.model(given).data, before.data, rtol=1e-6)


def test_one_output_becomes_the_share_of_class_one():
    layers = [linear(2, 4), nn.Tanh(), linear(4, 1)]
    own, points = on_points(*layers), RNG.normal(size=(4, 2))
    shares = special.softmax(own.model(points_from(points, np.zeros(4, int), 2).inputs))
    np.testing.assert_allclose(
        shares.data[:, 1:], special.sigmoid(nn.Sequential(*layers)(points)).data, rtol=1e-5
    )


def test_what_is_told_of_points_is_computed_by_a_program():
    own = on_points(linear(2, 4), nn.ReLU(), linear(4, 2))
    program = Steps(own).told(3)
    points, noise = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2))
    chosen = np.array([1.0, 0, 1, 1, 1, 1, 0])
    inputs = [points, noise, np.array([0.3]), chosen]
    told = in_node({"a": (program.javascript(), "told_3", inputs, 1)})["a"][0]
    x, y = (points + 0.3 * noise).T
    expected = np.stack([x, 0 * y, x * x, y * y, x * y, np.sin(np.pi * x), 0 * y], axis=1)
    np.testing.assert_allclose(told["features"], expected.ravel(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(told["points"], np.stack([x, y], axis=1).ravel(), rtol=1e-12)


def test_the_penalty_pulls_weights_to_zero_as_ours_does():
    own = on_points(linear(2, 4), nn.GELU(), linear(4, 2))
    x, y = RNG.normal(size=(8, 7)), np.eye(2)[RNG.integers(0, 2, 8)]
    text = Steps(own).train(8).javascript().replace(f"{RATE}: 0", f"{RATE}: 0.5")
    cost, state, _ = in_node({"a": (text, "train_8", [x, y, np.array([0.1])], 2)})["a"]
    optimizer = nn.optim.SGD(own.model.parameters(), lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        found = nn.CrossEntropy()(own.model(x), y.argmax(axis=1))
        weights = [p for name, p in own.model.named_parameters() if name.endswith("weight")]
        (found + 0.05 * sum((w * w).sum() for w in weights)).backward()
        optimizer.step()
    assert cost == pytest.approx(found.item())
    ours = own.model[0].weight.data.ravel()
    theirs = next(x for name, x in state.items() if name.endswith("model.0.weight"))
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)


def test_a_page_of_points_is_one_file(tmp_path):
    model = nn.Sequential(linear(2, 6), nn.Tanh(), linear(6, 2))
    page = playground(model, *two_clouds(), save=tmp_path / "page.html").html
    data = json.loads(re.search(r'json">(.*?)</script>', page, re.S)[1])
    assert len(page) < 400_000 and "default-src 'none'" in page
    assert data["picked"] == 100 and data["names"] == ["class 0", "class 1"]
    assert len(data["features"]) == 7 and sum(data["chosen"]) == 2
    x, y, half = data["plane"]
    points = np.frombuffer(base64.b64decode(data["images"]), np.float32).reshape(-1, 2)
    assert (np.abs(points - [x, y]) < half).all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((4, 3)), r"points of shape \(n, 2\); found \(4, 3\)"),
        (np.full((4, 2), 100.0), "between −6 and 6; found 100: scale them"),
        (np.full((4, 2), np.nan), "found nan"),
    ],
)
def test_points_that_do_not_fit_are_said_to(points, message):
    with pytest.raises(ValueError, match=message):
        playground(nn.Sequential(linear(2, 2)), points, np.zeros(4, int))


# The page


@pytest.mark.parametrize("name", MODELS)
def test_a_page_is_one_file_that_asks_for_nothing_and_fits(tmp_path, name):
    classes = network(name).classes
    images, labels = RNG.integers(0, 256, (900, 8, 8), np.uint8), RNG.integers(0, classes, 900)
    playground(nn.Sequential(*MODELS[name]), images, labels, save=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert len(page.encode()) <= 700_000 and "://" not in page.replace("http://www.w3.org", "")
    (style,), scripts = (
        re.findall("<style>(.*?)</style>", page, re.S),
        re.findall("<script>(.*?)</script>", page, re.S),
    )
    for content in (style, *scripts):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page
    assert "default-src 'none'" in page and not re.search(
        r"\son\w+=|\sstyle=", page.split("<script")[0]
    )


def test_what_is_drawn_of_a_wide_layer_are_its_strongest():
    own = network("wide")
    drawn = own.drawn(0)
    onward = np.linalg.norm(own.layers[1].linear.weight.data, axis=0)
    assert len(drawn) == 32 and drawn == sorted(drawn)
    assert onward[drawn].min() >= np.delete(onward, drawn).max()
    assert own.drawn(1) == [*range(5)]


REFUSED = [
    (nn.Linear(4, 2, rng=RNG), "found Linear"),
    (np.tanh, "found ufunc"),
    (nn.Sequential(nn.ReLU()), "found ReLU at position 0"),
    (nn.Sequential(linear(64, 3), nn.Softmax()), "found Softmax at position 1"),
    (nn.Sequential(nn.Conv2d(1, 2, 3, rng=RNG)), "found Conv2d at position 0"),
    (nn.Sequential(linear(64, 4), nn.BatchNorm1d(4), linear(4, 2)), "found BatchNorm1d"),
    (nn.Sequential(nn.Linear(64, 3, bias=False, rng=RNG)), "without bias at position 0"),
    (nn.Sequential(linear(60, 3)), "a first layer of 60 inputs"),
    (nn.Sequential(linear(33**2, 3)), "a first layer of 1089 inputs"),
    (nn.Sequential(linear(64, 13)), "13 outputs"),
    (nn.Sequential(linear(2, 7)), "7 outputs"),
    (nn.Sequential(linear(64, 1)), "1 outputs"),
    (nn.Sequential(linear(784, 90)), "90 outputs"),
    (nn.Sequential(linear(784, 90), nn.ReLU(), linear(90, 10)), "71,560 parameters"),
    (nn.Sequential(*[linear(64, 64) for _ in range(4)], linear(64, 4)), "4 hidden layers"),
]


@pytest.mark.parametrize(("model", "found"), REFUSED, ids=[found for _, found in REFUSED])
def test_other_models_are_refused_with_what_can_be_shown(model, found):
    with pytest.raises((TypeError, ValueError), match=f"up to 32 × 32, with 2 to 12 .*{found}"):
        Network(model)


IMAGES = np.zeros((4, 8, 8))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((4, 9, 8)), np.zeros(4, int), r"of shape \(n, 8, 8\) or \(n, 64\); found"),
        (IMAGES, np.zeros(3, int), r"each of the 4 images needs a class"),
        (IMAGES, np.zeros(4), "found labels of shape .* and type float64"),
        (IMAGES, np.array([0, 1, 2, 3]), "the classes 0 to 2; found 0 to 3"),
        (IMAGES - 1, np.zeros(4, int), "numbers from 0 to 1; found -1 to -1"),
        (IMAGES + 255, np.zeros(4, int), "divide by the largest"),
    ],
)
def test_images_that_do_not_fit_are_said_to(images, labels, message):
    with pytest.raises(ValueError, match=message):
        playground(nn.Sequential(linear(64, 3)), images, labels)


def test_yes_and_no_are_classes():
    model = nn.Sequential(linear(2, 4), nn.Tanh(), linear(4, 2))
    points, labels = two_clouds()
    assert playground(model, points, labels == 1).html == playground(model, points, labels).html


@pytest.mark.parametrize(("classes", "first"), [(10, "0"), (3, "class 0")])
def test_only_ten_classes_of_images_are_digits_unless_they_have_names(classes, first):
    images, labels = RNG.random((300, 16)), np.arange(300) % classes
    page = playground(nn.Sequential(linear(16, classes)), images, labels).html
    data = json.loads(re.search(r'json">(.*?)</script>', page, re.S)[1])
    assert data["names"][0] == first and ("digits" in data["title"]) == (classes == 10)


def test_the_module_may_be_called_as_its_function():
    from tinygrad_edu import playground as module

    images, labels = RNG.random((300, 16)), np.arange(300) % 3
    model = nn.Sequential(linear(16, 3))
    assert module(model, images, labels).html == playground(model, images, labels).html


def test_the_sheet_has_rows_of_a_class_and_as_many_misread_as_on_average():
    labels = np.repeat(np.arange(10), 60)
    reads = np.where(np.arange(600) % 25 == 0, (labels + 1) % 10, labels)  # 4 %
    tested = examples_from(RNG.random((600, 64)), labels, 8, 10)
    images = PageImages.of(tested, None, reads, 10, 10**6)
    pixels = images.examples.pixels[: images.picked]
    found = [np.flatnonzero((tested.pixels == row).all(axis=1))[0] for row in pixels]
    assert (labels[found] == np.repeat(np.arange(10), 10)).all()
    assert (reads[found] != labels[found]).sum() == 4
    assert images.measured % images.picked == 0 and images.training > 100


# The scripts

SCRIPTS = {path.name: path.read_text("utf-8") for path in sorted(ASSETS.glob("*.js"))}


def test_nothing_of_the_networks_mathematics_is_written_by_hand():
    code = "\n".join(text for name, text in SCRIPTS.items() if name != "words.js")
    assert not re.findall(
        r"Math\.(?:tanh|exp|expm1|log1p)\b|[Ss]igmoid\(|[Ss]oftmax\(|1 - a\b|2 \* \(a", code
    )


def test_the_page_has_no_words_but_in_one_file():
    template = (ASSETS / "page.html").read_text("utf-8")
    texts = re.findall(r">([^<>]+)<", template.partition("</style>")[2])
    said = {text.strip() for text in texts if re.search("[a-z]{4}", text) and "{{" not in text}
    assert said == {"This page computes with JavaScript, which is switched off."}
    keys = set(re.findall(r'data-(?:say|name|hint)="([^"]+)"', template))
    known = re.search(r"const TEXTS = .*?^}\);", SCRIPTS["words.js"], re.S | re.M)[0]
    assert keys <= set(re.findall(r'^  "?([\w -]+)"?:', known, re.M))
    for name in SCRIPTS.keys() - {"words.js"}:
        code = re.sub(r"//.*", "", SCRIPTS[name])
        sentences = re.findall(r'["`][A-Z][a-z]+ [a-z ]+["`]', code)
        assert not sentences, name


def test_the_data_end_no_script():
    page = playground(nn.Sequential(linear(64, 2)), RNG.random((200, 64)), RNG.integers(0, 2, 200),
                      names=["</script><script>alert(1)//", "<!--"])  # fmt: skip
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.html, re.S)[
        1
    ]
    assert json.loads(data)["names"][0].startswith("</script>")
    assert page.html.count("<script") == 2


# The command line


def save(path, *layers, **settings):
    nn.save(path, nn.Sequential(*layers), {"settings": json.dumps(settings)})
    return path


@pytest.mark.parametrize(
    ("activation", "loss", "kinds"),
    [("relu", "cross-entropy", ["ReLU", ""]), ("tanh", "squared", ["Tanh", "Sigmoid"])],
)
def test_a_checkpoint_says_its_activations(tmp_path, activation, loss, kinds):
    layers = [linear(64, 5), nn.ReLU(), linear(5, 3)]
    path = save(tmp_path / "net.safetensors", *layers, activation=activation, loss=loss)
    found = Network(model_from(path))
    assert [layer.kind for layer in found.layers] == kinds
    assert np.array_equal(found.layers[1].linear.weight.data, layers[2].weight.data)


def test_another_checkpoint_is_refused(tmp_path):
    layers = [linear(64, 5), nn.ReLU(), linear(5, 3)]
    with pytest.raises(ValueError, match="does not say its activation, as those of"):
        model_from(save(tmp_path / "plain.safetensors", *layers))
    with pytest.raises(ValueError, match="holds no layers 0, 2, 4"):
        model_from(save(tmp_path / "other.safetensors", nn.Sequential(*layers)))


def test_the_command_says_what_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit):
        write_page(["--checkpoint", str(tmp_path / "none.safetensors")])
    assert "there is none; `make mnist` trains one" in capsys.readouterr().err
