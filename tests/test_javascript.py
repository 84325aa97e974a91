import json
import shutil
import subprocess

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, replay, special
from tinygrad_edu.programs.javascript.function import Writer
from tinygrad_edu.programs.refusals import NotReplayable

RNG = np.random.default_rng(0)
STEPS = {
    "arithmetic": lambda x, y: (x + y * 2 - 1) / (y * y + 1) - -x,
    "powers": lambda x, y: np.sqrt(x * x + 1) + (x * x + 1) ** 1.5 + np.square(y) + 2.0 ** (x - y),
    "exponentials": lambda x, y: np.exp(x) + np.log(y * y + 1) + np.expm1(y) + np.log1p(x * x),
    "circles": lambda x, y: np.sin(x) * np.cos(y) + np.tan(x / 4) + np.arctan2(x, y),
    "hyperbolas": lambda x, y: np.tanh(x) + np.sinh(y) - np.cosh(x) + np.arctanh(np.tanh(y)),
    "extremes": lambda x, y: np.maximum(x, y) - np.minimum(x, 0.5) + np.clip(y, -0.5, 0.5),
    "decisions": lambda x, y: np.where(x > y, x, 3.0) + (x <= 0) * y + np.where(~(x > 0), y, 0),
    "remainders": lambda x, y: np.floor(x) + np.ceil(y) + x % 0.7 + y // 0.3 + np.sign(x),
    "broadcasting": lambda x, y: x + y[0] + y[:, :1] + x.mean(axis=0, keepdims=True),
    "sums": lambda x, y: (x.sum(), y.sum(axis=0), x.sum(axis=1), (x * y).sum(axis=(0, 1))),
    "means": lambda x, y: (
        x.mean(),
        y.mean(axis=1, keepdims=True),
        np.square(x - x.mean(axis=0)).sum(axis=0),
    ),
    "greatest": lambda x, y: (x.max(), y.max(axis=0), np.min(x, axis=1), np.prod(y, axis=1)),
    "products": lambda x, y: (x @ y.T, x.T @ y, np.dot(x[0], y[0]), x @ y[1], y[:, 0] @ x),
    "stacks": lambda x, y: np.matmul(x[None] * [[[1.0]], [[2.0]]], y.T),
    "views": lambda x, y: x[::-1] + y[:, ::-1] + x.T.T + x[1:2] + x[..., None][..., 0],
    "shapes": lambda x, y: x.reshape(-1) * y.T.reshape(-1) + x.T.copy().reshape(-1),
    "joined": lambda x, y: (np.concatenate([x, y]), np.concatenate([x, y[:, 1:]], axis=1)),
    "rows": lambda x, y: (x[np.array([2, 0, -1])], y[np.arange(3), np.array([1, 0, 3])]),
    "constants": lambda x, y: x * np.arange(4.0) + np.eye(3)[:, :1] + np.ones_like(y),
    "softmax": lambda x, y: special.softmax(x) + special.log_softmax(y, axis=0),
    "normal": lambda x, y: special.gelu(x * y) + special.normal_cdf(2 * x - 1),
    "parts": lambda x, y: with_parts(x, y),
    "later parts of inputs": lambda x, y: x[1:, 2:] * y[2, 1],
    "infinities": lambda x, y: (x * np.inf, x / (y * 0), np.isfinite(x / 0)),
}


def with_parts(x, y):
    z = np.zeros_like(x)
    z[1:, ::2] = y[:2, 1:3]
    z[0] = x[0] * 2
    z[2, 3] = 7.0
    return z


def arrays(dtype=np.float64):
    return [RNG.normal(size=(3, 4)).astype(dtype) for _ in range(2)]


def recorded(function, *inputs):
    step = replay(function)
    with np.errstate(all="ignore"):
        for _ in range(3):
            step(*inputs)
    return step


def literal(x):
    kind = {"i": "Int32Array", "f": "Float64Array" if x.dtype == np.float64 else "Float32Array"}
    return f"new {kind[x.dtype.kind]}({json.dumps(x.reshape(-1).tolist())})"


def script(programs):
    """A script whose `text` is what each gives; `programs` are (text, name, inputs, calls)."""
    lines = ["const out = {};"]
    for key, (text, name, inputs, calls) in programs.items():
        given = ", ".join(map(literal, inputs))
        lines += [f"{{ {text}", f"const {{run, state, stored}} = {name}(); let z;"]
        lines += [f"for (let i = 0; i < {calls}; i++) z = run({given});"]
        lines += [f"out[{json.dumps(key)}] = [z, state, stored]; }}"]
    spelled = "(k, x) => ArrayBuffer.isView(x) ? [...x] : Number.isFinite(x) ? x : "
    lines += [f"const text = JSON.stringify(out, {spelled}typeof x === 'number' ? String(x) : x);"]
    return "\n".join(lines)


def in_node(programs):
    """What each function gives in Node, by name."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed; tests/browser/ runs the same in Chromium")
    told = f"{script(programs)}\nconsole.log(text);"
    ran = subprocess.run([node, "-"], input=told, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def assert_same(found, expected):
    pairs = (
        zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
    )
    for theirs, ours in pairs:
        numbers = np.array(theirs, np.float64).reshape(-1)
        np.testing.assert_allclose(numbers, np.reshape(np.asarray(ours), -1), rtol=1e-5, atol=1e-6)


def every_step():
    """The steps as programs, and what NumPy gives for the same inputs."""
    programs, expected = {}, {}
    for key, function in STEPS.items():
        for dtype in (np.float64, np.float32):
            step, inputs = recorded(function, *arrays(dtype)), arrays(dtype)
            name = f"{key} {dtype.__name__}"
            programs[name] = (step.program.javascript(), "_lambda_", inputs, 1)
            with np.errstate(all="ignore"):
                expected[name] = function(*inputs)
    return programs, expected


@pytest.fixture(scope="module")
def results():
    programs, expected = every_step()
    return in_node(programs), expected


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("key", STEPS)
def test_loops_in_javascript_give_numpys_numbers(results, key, dtype):
    found, expected = results
    assert_same(found[f"{key} {dtype}"][0], expected[f"{key} {dtype}"])


ACTIVATIONS = {name: getattr(nn, name) for name in nn.activations.__all__}


@pytest.fixture(scope="module")
def bent():
    """Each activation and its slopes, in Node and by the engine, also far from 0."""
    x = np.array([[-50.0, -6.0, -2.6, -2.0, -1.0, -1e-9], [0.0, 0.4, 2.0, 2.6, 7.0, 50.0]])
    programs, expected = {}, {}
    for name, kind in ACTIVATIONS.items():
        activation = kind()

        def bend(z, activation=activation):
            place = Tensor(z, requires_grad=True)
            a = activation(place)
            return a, a.sum().gradient(place)

        programs[name] = (recorded(bend, x).program.javascript(), "bend", [x], 1)
        expected[name] = bend(x)
    return in_node(programs), expected


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_and_its_slope_are_ours(bent, name):
    for theirs, ours in zip(bent[0][name][0], bent[1][name], strict=True):
        found = np.array(theirs).reshape(ours.shape)
        np.testing.assert_allclose(found, np.asarray(ours.data), rtol=1e-13, atol=1e-300)


def network(*layers, cost, optimizer):
    model = nn.Sequential(*layers)
    parameters = optimizer(model.parameters())

    def step(x, y):
        parameters.zero_grad()
        loss = cost(model(x), y)
        loss.backward()
        parameters.step()
        return loss

    return model, step


def linear(*sizes):
    return nn.Linear(*sizes, rng=np.random.default_rng(1), dtype=np.float64)


NETWORKS = {
    "the video's": ([linear(6, 4), nn.Sigmoid(), linear(4, 3), nn.Sigmoid()], nn.MSE()),
    "classes": ([linear(6, 4), nn.ReLU(), linear(4, 3)], nn.CrossEntropy()),
    "deeper": ([linear(6, 5), nn.Tanh(), linear(5, 4), nn.Softplus(), linear(4, 3)], nn.Huber()),
    "normed": (
        [linear(6, 4), nn.LayerNorm(4, dtype=np.float64), nn.SiLU(), linear(4, 3)],
        nn.BCEWithLogits(),
    ),
}


@pytest.mark.parametrize("key", NETWORKS)
def test_a_hundred_steps_in_javascript_train_as_ours(key):
    layers, cost = NETWORKS[key]
    rng = np.random.default_rng(0)  # for some data the normed network doubles rounding at each step
    x = rng.normal(size=(5, 6))
    labels = isinstance(cost, nn.CrossEntropy)
    y = rng.integers(0, 3, 5) if labels else rng.random((5, 3))
    model, function = network(*layers, cost=cost, optimizer=lambda p: nn.optim.SGD(p, lr=0.1))
    step = recorded(function, x, y)
    text = step.program.javascript()
    loss, state, stored = in_node({"a": (text, "step", [x, y], 100)})["a"]
    for _ in range(100):
        ours = step(x, y)
    assert_same(loss, ours.data)
    for name, p in model.named_parameters():
        assert_same(state[f"model.{name}"], p.data.reshape(-1))
        assert_same(stored[f"model.{name}.grad"], p.grad.reshape(-1))


def test_a_label_of_no_class_is_an_error_in_javascript_too():
    layers, cost = NETWORKS["classes"]
    x, y = np.ones((2, 6)), np.array([0, 2])
    _, function = network(*layers, cost=cost, optimizer=lambda p: nn.optim.SGD(p, lr=0.1))
    text = recorded(function, x, y).program.javascript()
    with pytest.raises(AssertionError, match="label 3 is not a class from 0 to 2"):
        in_node({"a": (text, "step", [x, y + 1], 1)})


def test_what_is_used_within_one_loop_only_has_no_array():
    text = recorded(lambda x: np.tanh(x * 2) + 1, np.ones(5)).program.javascript()
    text, _ = text.split("  return {run")
    assert text.count("for (") == 1 and text.count("new Float64Array(5)") == 1


def test_one_example_is_one_loop_as_many_are():
    def loops(n):
        step = recorded(lambda x: np.tanh((x + np.arange(5.0)) * 2) + 1, np.ones((n, 5)))
        return step.program.javascript().count("Math.tanh"), len(Writer(step.program, True).parts())

    assert loops(1) == loops(3) == (1, 1)


def test_equal_numbers_are_written_once_and_functions_only_if_called():
    text = recorded(lambda x: x * np.full(9, 2.5), np.ones(9)).program.javascript()
    assert "new Float64Array(9).fill(2.5)" in text
    assert "numbersOf" not in text and "function product" not in text


def test_every_line_belongs_to_the_calls_that_it_does():
    program = recorded(STEPS["products"], *arrays()).program
    parts = Writer(program, True).parts()
    body = "".join(program.javascript().split()).split("functionrun(")[1]
    assert all("".join("".join(lines).split()) in body for _, lines in parts)
    made = [call.name for calls, _ in parts for call in calls]
    assert made.count("matmul") + made.count("dot") == 5


@pytest.mark.parametrize(
    ("function", "name"),
    [(lambda x: np.sort(x), "sort"), (lambda x: np.linalg.inv(x[:, :3]), "inv")],
)
def test_what_has_no_loops_is_refused_by_name(function, name):
    step = recorded(function, RNG.normal(size=(3, 4)))
    with pytest.raises(NotReplayable, match=f"^{name} has no loops"):
        step.program.javascript()


def test_dropout_in_training_says_to_call_eval():
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5, rng=np.random.default_rng(0)))
    step = recorded(lambda x: model(x), RNG.normal(size=(3, 4)))
    with pytest.raises(NotReplayable, match=r"Dropout's mask.*call model\.eval\(\) before"):
        step.program.javascript()


def test_the_state_is_what_it_is_now_or_left_out():
    w = Tensor([1.0, 2.0], requires_grad=True)
    step = recorded(lambda x: x * w, np.ones(2))
    w.data[0] = 5.0
    text = step.program.javascript()
    assert_same(in_node({"a": (text, "_lambda_", [np.ones(2)], 1)})["a"][0], np.array([5.0, 2.0]))
    assert "numbersOf(" not in step.program.javascript(values=False).split("function numbersOf")[0]
