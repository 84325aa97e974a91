"""A training that is watched: it is the same training, and what is noted of it is right."""

import gc
import math
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import IMAGES, LABELS, Clock, batches, classifier, training, watched

from tinygrad_edu import Tensor, nn, no_grad, replay, special
from tinygrad_edu.watching import watch
from tinygrad_edu.watching.curves import MOST_BUCKETS, Curve
from tinygrad_edu.watching.encoding import packed_map
from tinygrad_edu.watching.maps import SHADES, make_map
from tinygrad_edu.watching.pace import Pace, superfluous

X, Y = IMAGES[:32].reshape(32, 64), LABELS[:32]


# Watching changes nothing

OPTIMIZERS = {
    "SGD": lambda p: nn.optim.SGD(p, lr=0.1),
    "momentum": lambda p: nn.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: nn.optim.Adam(p, lr=0.01),
}
LAYERS = {
    "plain": lambda: (),
    "dropout": lambda: (nn.Dropout(0.5, rng=np.random.default_rng(3)),),
    "BatchNorm": lambda: (nn.BatchNorm1d(8),),
}


@pytest.mark.parametrize("recorded", [False, True], ids=["eager", "replayed"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_weights_are_the_same_watched_or_not(optimizer, layer, recorded, monkeypatch):
    Clock(monkeypatch, tick=0.1)  # a frame is due whenever there may be one
    states = []
    for is_watched in (False, True):
        model = classifier(extra=LAYERS[layer]())
        descent = OPTIMIZERS[optimizer](model.parameters())
        if is_watched:
            run = watched(20, model, descent, recorded, every=0.0, share=1.0)
            assert len(run.frames) > 8
        else:
            step = training(model, descent, recorded)
            for batch in batches(20):
                step(*batch)
        states.append(model.state_dict())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_a_look_leaves_modes_gradients_and_graph_as_they_were():
    model = classifier(extra=(nn.Dropout(0.5), nn.BatchNorm1d(8)))
    model[1].training = False
    before = [dict(vars(module)) for _, module in model.named_modules()]
    with no_grad():
        run = watch(model, lambda: nn.CrossEntropy()(model(X), Y))
    assert [dict(vars(module)) for _, module in model.named_modules()] == before
    assert all(p.grad is None for p in model.parameters())
    assert run.frames[0].maps["0.weight|gradient"].greatest > 0  # the probe's


def test_no_graph_is_kept_alive_by_log():
    run = watched(5)
    graph = weakref.ref(loss := nn.CrossEntropy()(classifier()(X), Y))
    run.log(loss=loss, again=loss)
    del loss
    gc.collect()
    assert graph() is None


# What is logged


def test_a_call_with_a_loss_is_a_step_and_others_belong_to_the_step_before():
    run = watched(0)
    run.log(loss=2.0, other=5)
    run.log(loss=Tensor(1.0))
    run.log(accuracy=np.float32(0.5))
    run.flush()
    assert run.steps == 2
    assert run.curves["loss"].data()["mean"] == [2.0, 1.0]
    assert run.curves["other"].data()["step"] == [1]
    assert run.curves["accuracy"].data()["step"] == [2]


def test_what_is_no_number_is_refused_with_its_name():
    with pytest.raises(TypeError, match=r"found loss=an array of shape \(2,\)"):
        watched(0).log(loss=np.ones(2))


def test_log_within_a_recorded_step_is_refused_with_its_line():
    run, x = watched(3), Tensor(np.ones(2), requires_grad=True)

    @replay
    def step():
        loss = (x * x).sum()
        run.log(loss=loss)
        return loss

    with pytest.raises(RuntimeError, match=r"test_watching.py:\d+: run.log\(loss=loss\)"):
        step()
        step()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda m: watch(lambda x: x), "takes an nn.Module"),
        (lambda m: watch(nn.ReLU()), "has no parameters"),
        (lambda m: watch(m, 3.0), "a function without arguments"),
        (lambda m: watch(m, lambda: 3.0), "the probe gave 3.0"),
        (lambda m: watch(m, lambda: m(X)), r"the probe gave a Tensor of shape \(32, 4\)"),
        (lambda m: watch(m, share=0.0), "0 < share"),
        (lambda m: watch(m, save="run.txt"), "saved as .html, and not as .txt"),
    ],
)
def test_what_cannot_be_watched_is_refused(wrong, error):
    with pytest.raises((TypeError, ValueError), match=error):
        wrong(classifier())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 50))
def test_a_curve_s_buckets_are_numpy_s_and_lose_no_spike(values, pieces):
    curve, x = Curve(), np.array(values)
    for part in np.array_split(np.arange(len(x)), pieces):
        curve.add(part + 1, x[part])
    b, w = curve.buckets, curve.width
    assert math.isclose(b[:, 2].sum(), x.sum(), abs_tol=1e-3)
    assert b[:, 3].min() == x.min() and b[:, 4].max() == x.max() and b[:, 1].sum() == len(x)
    place = (np.arange(len(x)) + 1) // w
    assert all(x[place == row[0]].max() == row[4] for row in b)


def test_a_long_curve_has_a_bounded_number_of_buckets():
    curve = Curve()
    for start in range(0, 100_000, 10_000):
        curve.add(np.arange(start, start + 10_000), np.ones(10_000))
    assert len(curve.buckets) <= MOST_BUCKETS and curve.buckets[:, 1].sum() == 100_000
    assert len(curve.data()["step"]) <= 400


def test_the_first_value_that_is_not_finite_keeps_its_step():
    curve = Curve()
    curve.add([1, 2, 3, 4], [1.0, np.nan, 2.0, np.inf])
    assert (curve.broken, curve.broken_value, curve.last) == (2, "NaN", 2.0)


# When there is a frame, and which stay


def test_frames_come_at_powers_of_two_and_then_by_the_clock(monkeypatch):
    clock = Clock(monkeypatch)
    run = watched(0, every=0.5)
    for _ in range(4096):
        run.log(loss=1.0)
    assert [f.step for f in run.frames] == [0, *[2**i for i in range(13)]]
    for _ in range(40):
        clock.now += 0.2
        run.log(loss=1.0)
    assert 8 <= len(run.frames) - 14 <= 14  # in 8 seconds


def test_all_frames_together_stay_within_their_share():
    pace = Pace(every=0.0, share=0.02)
    for _ in range(100):
        pace.spent(0.001)
    assert pace.due == pytest.approx(pace.start + (100 - 14) * 0.001 / 0.02, abs=0.05)
    pace.spent(10.0)  # a stall is charged as three usual frames
    assert pace.due == pytest.approx(pace.start + (100 - 14 + 3) * 0.001 / 0.02, abs=0.05)


@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=30, unique=True), st.data())
def test_the_first_the_last_two_and_events_stay(steps, data):
    steps = sorted(steps)
    events = {data.draw(st.sampled_from(steps[1:-2]))} if len(steps) > 5 else set()
    gone = superfluous(steps, events)
    assert 1 <= gone < len(steps) - 2 and steps[gone] not in events


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("tinygrad_edu.watching.run.MEMORY", 40_000)
    Clock(monkeypatch, tick=0.1)
    run = watched(100, every=0.0, share=1.0)
    assert sum(f.nbytes for f in run.frames) <= 40_000
    assert run.frames[0].step == 0 and len(run.pace.costs) > 2 * len(run.frames)


DIGITS = Path(__file__).parents[1] / "examples" / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"


def test_a_run_of_two_minutes_is_a_file_of_a_megabyte_and_a_half(monkeypatch, tmp_path):
    clock = Clock(monkeypatch)
    x = nn.data.read_idx(DIGITS).reshape(-1, 784)[:4000] / np.float32(255)
    y = (x.sum(axis=1) % 10).astype(int)  # nothing to learn: the weights never come to rest
    rng = np.random.default_rng(0)
    layers = [nn.Linear(784, 16, rng=rng), nn.ReLU(), nn.Linear(16, 10, rng=rng)]
    model, cost = nn.Sequential(*layers), nn.CrossEntropy()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.5)
    step = training(model, optimizer, recorded=True)
    run = watch(model, lambda: cost(model(x[:64]), y[:64]), optimizer, terminal=False)
    while clock.now < 120:
        at = run.steps * 32 % 3968
        run.log(loss=step(x[at : at + 32], y[at : at + 32]), accuracy=rng.random())
        clock.now += 0.07
    run.save(tmp_path / "run.html")
    assert len(run.pace.costs) > 300 and len(run.frames) > 100
    assert 1_000_000 < (tmp_path / "run.html").stat().st_size <= 1_500_000
    assert run.table(run.frames[5].step).step == run.frames[5].step  # in memory there are more


# What a frame has


@given(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=50))
def test_a_map_is_right_to_half_a_shade(numbers):
    x = np.array([numbers])
    m = make_map(x)
    assert np.abs(m.array() - x).max() <= 2.0**m.exponent / SHADES / 2 * (1 + 1e-9)


def test_a_map_knows_what_is_not_a_number():
    m = make_map(np.array([[np.nan, 2.0, -np.inf]]))
    assert m.numbers.tolist() == [[-128, 127, -127]] and math.isnan(m.greatest)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_step_by_weight_is_what_the_step_was(optimizer):
    model = classifier()
    descent, states = OPTIMIZERS[optimizer](model.parameters()), []
    run = watch(model, lambda: nn.CrossEntropy()(model(X), Y), descent)
    step = training(model, descent)
    for batch in batches(4):
        states.append(model.state_dict())
        run.log(loss=step(*batch))
    w, after = states[-1]["0.weight"].astype(float), model.state_dict()["0.weight"].astype(float)
    ratio = np.linalg.norm(after - w) / np.linalg.norm(w)
    stats = run.frames[-1].stats["0.weight"]
    assert run.frames[-1].step == 4 and stats["ratio"] == pytest.approx(ratio)
    assert stats["norm"] == pytest.approx(np.linalg.norm(model[0].weight.grad.astype(float)))
    assert ("0.weight|update" in run.frames[-1].maps) == (optimizer != "SGD")


def test_outputs_and_gradients_are_the_probe_s():
    model = classifier()
    run = watch(model, lambda: nn.CrossEntropy()(model(X), Y))
    hidden = model[0](X)
    loss = nn.CrossEntropy()(model[2](np.maximum(hidden, 0)), Y)
    g = loss.gradient(hidden).numpy()
    row = next(row for row in run.observer.flow.rows if row.name == "0")
    maps, stats = run.frames[0].maps, run.frames[0].stats[row.id]
    np.testing.assert_allclose(maps[f"{row.id}|output"].array(), hidden.numpy()[:16], atol=0.05)
    assert stats["back"] == pytest.approx(np.linalg.norm(g.astype(float)))
    assert run.frames[0].stats[run.observer.flow.rows[-1].id]["value"] == pytest.approx(loss.item())


def test_the_table_has_the_frame_s_numbers():
    run = watched(9)
    table = run.table(step=5)
    assert table.step == 4
    assert table["0.weight"]["rms"] == pytest.approx(run.frames[3].stats["0.weight"]["rms"], 1e-3)
    assert "1 ReLU" in repr(table) and "step 4" in repr(table)


def unpacked(packed, frames):
    """A packed map's frames as numbers, as the page has them."""
    import base64
    import zlib

    cells = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"]), -15), np.uint8)
    cells = cells.reshape(frames, -1)
    cells = np.cumsum(cells, axis=0, dtype=np.uint8) if packed["delta"] else cells
    units = [2.0**e / packed["shades"] for e in packed["exponents"]]
    return cells.view(np.int8) * np.array(units)[:, None]


def test_a_packed_map_is_right_to_half_of_its_shades():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 6)) * 3**i + i for i in range(20)]
    maps = [make_map(x) for x in arrays]
    found = unpacked(packed_map("0.weight|value", maps), 20)
    for x, m, y in zip(arrays, maps, found, strict=True):
        assert np.abs(y - x.ravel()).max() <= 2.0**m.exponent * (0.5 / 63 + 0.5 / 127) + 1e-9


# The graph


class Block(nn.Module):
    def __init__(self, rng):
        self.inner, self.scale = nn.Linear(6, 6, rng=rng), Tensor(np.ones(6), requires_grad=True)

    def forward(self, x):
        return x + special.relu(self.inner(x)) * self.scale


def rows_of(model, probe):
    return watch(model, probe).observer.flow.rows


def test_operations_outside_of_modules_have_rows_and_their_parameters():
    block = Block(np.random.default_rng(0))
    rows = rows_of(block, lambda: (block(np.ones((3, 6))) ** 2).mean())
    named = [(row.kind, row.parameters) for row in rows]
    assert ("Linear", ["inner.weight", "inner.bias"]) in named
    assert ("multiply", ["scale"]) in named
    assert any(row.kind == "relu" for row in rows) and rows[-1].role == "output"


def test_many_blocks_that_repeat_become_one_row():
    rng = np.random.default_rng(0)
    model = nn.Sequential(*[Block(rng) for _ in range(30)])
    rows = rows_of(model, lambda: (model(np.ones((3, 6))) ** 2).mean())
    assert len(rows) < 10


class Standard(nn.Module):
    """The CSV guide's: it has buffers, and nothing in it needs a gradient."""

    def __init__(self, examples):
        self.mean, self.scale = Tensor(examples.mean(axis=0)), Tensor(examples.std(axis=0))

    def forward(self, x):
        return (x - self.mean) / self.scale


class Regression(nn.Module):
    def __init__(self, rng):
        self.inputs, self.outputs = Standard(X), Standard(Y[:, None].astype(np.float32))
        self.layers = nn.Sequential(nn.Linear(64, 8, rng=rng), nn.Tanh(), nn.Linear(8, 1, rng=rng))

    def forward(self, x):
        return self.layers(self.inputs(x)) * self.outputs.scale + self.outputs.mean


class Skipping(nn.Module):
    """What it takes is prepared, and then goes two ways."""

    def __init__(self, rng):
        self.inner, self.last = nn.Linear(64, 64, rng=rng), nn.Linear(64, 4, rng=rng)

    def forward(self, x):
        z = np.log1p(x)
        return self.last(z + self.inner(z))


class Frozen(nn.Module):
    """A part that was trained before, and one that is trained now."""

    def __init__(self, rng):
        self.before, self.head = nn.Linear(64, 8, rng=rng), nn.Linear(8, 4, rng=rng)
        for p in self.before.parameters():
            p.requires_grad = False

    def forward(self, x):
        return self.head(self.before(x))


class Language(nn.Module):
    def __init__(self, rng):
        self.embed, self.place = nn.Embedding(9, 8, rng=rng), Tensor(rng.random((6, 8)))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, rng=rng)
        self.head = nn.Linear(8, 4, rng=rng)

    def forward(self, x):
        return self.head(self.block(self.embed(x) + self.place)[:, -1])


class Recurrent(nn.Module):
    def __init__(self, rng):
        self.cells, self.last = nn.GRU(8, 5, rng=rng), nn.Linear(5, 4, rng=rng)

    def forward(self, x):
        return self.last(self.cells(x * 2)[0][:, -1])


class Convolution(nn.Module):
    def __init__(self, rng):
        self.conv, self.last = nn.Conv2d(1, 2, 3, rng=rng), nn.Linear(72, 4, rng=rng)

    def forward(self, x):
        return self.last(special.relu(self.conv((x - 0.5) / 2)).reshape(len(x), -1))


def flow_drawn(kind):
    x = {
        Language: np.arange(192).reshape(32, 6) % 9,
        Recurrent: IMAGES[:32],
        Convolution: IMAGES[:32, None],
    }.get(kind, X)
    model = kind(np.random.default_rng(0))
    if kind is Regression:
        return watch(model, lambda: nn.MSE()(model(x), Y[:, None])).observer.flow
    return watch(model, lambda: nn.CrossEntropy()(model(x), Y)).observer.flow


def edges_drawn(flow):
    """The edges, each row by its name, or its symbol; with a "?" where one was not recorded."""
    names = {row.id: row.kind if row.is_line else row.name for row in flow.rows}
    return [names[s] + ("" if seen else "?") + " " + names[t] for s, t, seen in flow.edges]


def test_x_goes_to_what_takes_it_however_it_is_prepared():
    assert edges_drawn(flow_drawn(Regression)) == [
        "x? layers.0",
        "layers.0 layers.1",
        "layers.1 layers.2",
        "layers.2 multiply",
        "outputs.scale multiply",
        "multiply add",
        "outputs.mean add",
        "y z7",
        "add z7",
    ]
    assert edges_drawn(flow_drawn(Skipping))[:4] == ["x? inner", "x? add", "inner add", "add last"]
    assert edges_drawn(flow_drawn(Frozen))[0] == "x? head"
    assert edges_drawn(flow_drawn(Recurrent))[0] == "x? cells"
    assert edges_drawn(flow_drawn(Convolution))[:2] == ["x? conv", "conv z6"]


DRAWN = [Regression, Skipping, Frozen, Language, Recurrent, Convolution]


@pytest.mark.parametrize("kind", DRAWN, ids=lambda kind: kind.__name__)
def test_all_but_inputs_and_buffers_come_from_somewhere_and_those_do_not(kind):
    flow = flow_drawn(kind)
    given = {row.id for row in flow.rows if row.role in ("input", "buffer")}
    rows = {row.id for row in flow.rows}
    assert {target for _, target, _ in flow.edges} == rows - given
    assert {source for source, _, _ in flow.edges} == rows - {flow.rows[-1].id}
    assert [row.name for row in flow.rows if row.role == "input"] == ["x", "y"]


def test_what_is_computed_from_parameters_alone_belongs_to_what_takes_it():
    rows = flow_drawn(Language).rows
    assert "getitem" in [row.kind for row in rows]  # of the block's result, not of its weights
    assert [row.shape for row in rows if row.kind == "getitem"] == [(32, 8)]
    held = [row.parameters for row in rows if row.kind == "linear"]
    assert held == [["block.self_attn.in_proj_weight", "block.self_attn.in_proj_bias"], [], []]
    block = Block(np.random.default_rng(0))
    penalty = rows_of(block, lambda: block(np.ones((3, 6))).mean() + (block.scale**2).sum())
    assert [row.kind for row in penalty if row.is_line] == ["add", "sum", "divide", "power", "sum"]


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_recurrent_model_has_a_graph(kind):
    rng = np.random.default_rng(0)

    class Model(nn.Module):
        def __init__(self):
            self.cells, self.last = kind(3, 5, rng=rng), nn.Linear(5, 2, rng=rng)

        def forward(self, x):
            return self.last(self.cells(x)[0][:, -1])

    model, x = Model(), np.ones((4, 6, 3), np.float32)
    rows = rows_of(model, lambda: nn.CrossEntropy()(model(x), np.zeros(4, int)))
    held = [p for row in rows for p in row.parameters]
    assert sorted(held) == sorted(dict(model.named_parameters()))


def test_a_convolution_shows_the_images_that_it_takes_apart():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4))
    run = watch(model, lambda: nn.CrossEntropy()(model(IMAGES[:32, None]), Y))
    rows = run.observer.flow.rows
    assert [row.kind for row in rows if row.role != "input"][:2] == ["Conv2d", "ReLU"]
    assert rows[0].role == "input" and rows[0].shape == (32, 1, 8, 8)
    assert run.observer.flow.images.shape == (8, 8, 8)
    assert run.observer.flow.labels == Y[:8].tolist()


def test_one_hot_answers_are_labels_and_cross_entropy_knows_what_guessing_costs():
    model = classifier()
    run = watch(model, lambda: nn.MSE()(model(X), nn.data.one_hot(Y, 4)))
    assert run.observer.flow.labels == Y[:8].tolist() and run.observer.flow.guess is None
    run = watch(model, lambda: nn.CrossEntropy()(model(X), Y))
    assert run.observer.flow.guess == pytest.approx(math.log(4))


def test_without_a_probe_there_are_parameters_and_curves():
    model = classifier()
    run = watch(model)
    run.log(loss=1.0)
    assert [row.name for row in run.observer.flow.rows] == ["0", "2"]
    assert set(run.frames[1].stats) == set(dict(model.named_parameters()))


def test_another_graph_becomes_an_event_and_is_drawn_anew():
    model, size = classifier(), [32]
    run = watch(model, lambda: nn.CrossEntropy()(model(X[: size[0]]), Y[: size[0]]))
    size[0] = 16
    run.log(loss=1.0)
    assert [event["kind"] for event in run.events] == ["graph"]
    assert run.observer.flow.rows[0].shape == (16, 64)
    run.kept()


# When something goes wrong


def test_a_probe_that_raises_becomes_an_event_and_the_loop_goes_on():
    model, broken = classifier(), []
    run = watch(model, lambda: broken[0] if broken else nn.CrossEntropy()(model(X), Y))
    broken += [lambda: 1 / 0]
    for _ in range(4):
        run.log(loss=1.0)
    assert [event["text"][:26] for event in run.events] == ["the probe raised TypeError"]
    assert run.frames[-1].step == 4 and model.training


def softmax_by_hand(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def test_nan_is_an_event_with_its_step_and_line_and_rewind_goes_back_before_it():
    model = classifier()

    def probe():
        p = softmax_by_hand(model(X))
        return -np.log(p[np.arange(32), Y]).mean()

    run = watch(model, probe)
    good = model.state_dict()
    run.log(loss=1.0)
    for p in model.parameters():
        p.data = p.data * 1000  # exp overflows
    run.log(loss=np.nan)
    assert [(event["kind"], event["step"]) for event in run.events] == [("nan", 2), ("nan", 2)]
    for event in run.events:
        assert "exp(" in event["detail"] and "e = np.exp(z)" in event["detail"]
    assert run.rewind() == 1
    assert all(np.array_equal(good[name], x) for name, x in model.state_dict().items())


def test_weights_that_are_lost_are_said_to_be_and_the_last_good_ones_are_tried():
    model = classifier()
    run = watch(model, lambda: nn.CrossEntropy()(model(X), Y))
    run.log(loss=1.0)
    lost = [p.data * np.nan for p in model.parameters()]
    for p, x in zip(model.parameters(), lost, strict=True):
        p.data = x
    run.log(loss=np.nan)
    assert "With the weights of step 1 the watched examples" in run.events[0]["detail"]
    assert all(p.data is x for p, x in zip(model.parameters(), lost, strict=True))
    assert [f["rule"] for f in run.findings.data()] == ["nan", "nan"]


def test_finish_takes_the_last_step_and_writes_once(tmp_path):
    with watched(5, save=tmp_path / "run.html") as run:
        run.log(loss=1.0)
    assert run.frames[-1].step == 6 and "ratio" in run.frames[-1].stats["0.weight"]
    written = (tmp_path / "run.html").read_bytes()
    (tmp_path / "run.html").unlink()
    run.finish()
    assert not (tmp_path / "run.html").exists()
    run.log(loss=1.0)  # and on it goes
    run.finish()
    assert (tmp_path / "run.html").read_bytes() != written


def test_a_page_is_saved_into_a_folder_that_is_made(tmp_path):
    run = watched(2)
    run.finish()
    for number, page in enumerate((run, watch.compare(run, run))):
        page.save(tmp_path / f"new{number}" / "run.html")
        assert watch.load(tmp_path / f"new{number}" / "run.html").table().step == 2
