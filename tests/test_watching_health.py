"""What stands out: each rule on both sides of its threshold, on frames that are made up."""

import math

import numpy as np
import pytest
from watched import IMAGES, LABELS, batches, classifier, training, watched

from tinygrad_edu import nn, replay
from tinygrad_edu.watching import watch
from tinygrad_edu.watching.before import Added, median_change
from tinygrad_edu.watching.curves import Curve
from tinygrad_edu.watching.flow import Row
from tinygrad_edu.watching.health import Finding, Findings, Training, all_findings, brief
from tinygrad_edu.watching.sentence import brief3, state_sentence, terminal_line

LAYERS = [
    Row(f"m{i}", str(i), "Linear", "module", None, None, (), [f"{i}.weight", f"{i}.bias"])
    for i in range(3)
]
HEALTHY = {
    f"{i}.{part}": {"rms": 0.1, "norm": 1.0, "ratio": 1e-3}
    for i in range(3)
    for part in ("weight", "bias")
}


EARLIER = [HEALTHY] * 3


def rules(rate=1.0, added=None, idle=(), **changes):
    """The rules that hold, each with its row, if a place's numbers are changed."""
    stats = {place: dict(known) for place, known in HEALTHY.items()}
    for place, numbers in changes.items():  # layer1 or p1_weight: a name of Python's for each
        place = place.replace("_", ".").replace("layer", "m").removeprefix("p")
        stats.setdefault(place, {}).update(numbers)
    training = Training(rate, EARLIER, added, idle)
    return [(f.rule, f.place, f.weight) for f in all_findings(stats, LAYERS, training)]


def test_nothing_stands_out_of_what_is_healthy():
    assert rules() == []


UNITS = {"of": 32, "examples": 64}
NAN = math.nan


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layer1": UNITS | {"dead": 3}}, []),
        ({"layer1": UNITS | {"dead": 4}}, [("dead", "m1", 1)]),
        ({"layer1": UNITS | {"dead": 15}}, [("dead", "m1", 1)]),
        ({"layer1": UNITS | {"dead": 16}}, [("dead", "m1", 2)]),
        ({"layer1": UNITS | {"saturated": 0.49}}, []),
        ({"layer1": UNITS | {"saturated": 0.50}}, [("saturated", "m1", 2)]),
        ({"p1_weight": {"norm": 1e6}}, []),  # Adam's step is as long as ever
        ({"p1_weight": {"norm": 99.0, "ratio": 0.21}}, [("large", "m1", 2)]),
        ({"p1_weight": {"norm": 101.0, "ratio": 0.21}}, [("exploding", "m1", 2)]),
        ({"p1_weight": {"norm": math.inf}}, [("nan", "m1", 3)]),
        ({"p1_weight": {"norm": 0.0}}, [("nothing", "m1", 2)]),
        ({"p0_weight": {"norm": 1.1e-4}}, []),
        ({"p0_weight": {"norm": 0.9e-4}}, [("vanishing", "m0", 2)]),
        ({"p1_weight": {"ratio": 0.19}}, []),
        ({"p1_weight": {"ratio": 0.21}}, [("large", "m1", 2)]),
        ({"p1_weight": {"ratio": 1.1e-6}}, []),
        ({"p1_weight": {"ratio": 0.9e-6}}, [("small", "m1", 1)]),
        ({"p1_weight": {"ratio": 0.9e-6}, "rate": 0.009}, []),
        ({"p1_weight": {"ratio": 0.9e-6}, "rate": 0.011}, [("small", "m1", 1)]),
        ({"p1_bias": {"ratio": 5.0}}, []),
        ({"p1_weight": {"ratio": 0.0}}, [("still", "m1", 1)]),
        ({"p1_weight": {"ratio": 0.0}, "rate": 0.009}, []),
        ({"p1_weight": {"ratio": 0.0, "rms": 0.10001}}, []),  # a step of several has moved it
        ({name: {"ratio": 0.0} for name in HEALTHY}, [("still", "m0", 2)]),
        ({"added": Added(0.29, 1.0, 0.9)}, [("added", "m0", 2)]),
        ({"added": Added(0.31, 1.0, 0.9)}, []),
        ({"added": Added(0.1, 0.29, 0.9)}, []),
        ({"added": Added(0.1, 3.1, 0.9)}, []),
        ({"added": Added(0.1, 1.0, 0.19)}, []),
        ({"idle": ("Dropout",)}, [("eval", "m0", 1)]),
        (
            {"p1_weight": {"rms": NAN}, "p2_bias": {"rms": NAN}},
            [("nan", "m1", 3), ("nan", "m2", 3)],
        ),
    ],
)
def test_a_rule_holds_beyond_its_threshold(changes, expected):
    assert rules(**changes) == expected


def test_a_sentence_says_what_where_and_what_to_try():
    dead, exploding = all_findings(
        {**HEALTHY, "1.weight": {"norm": 300.0, "ratio": 0.4}, "m1": UNITS | {"dead": 23}},
        LAYERS,
        Training(earlier=EARLIER),
    )
    assert dead.alone(LAYERS).startswith("1 Linear: 23 of 32 units are 0 for all 64 examples, and")
    assert exploding.alone(LAYERS) == (
        "1.weight: its gradient is 300 times as long as before, and a step changes it by 40%: "
        "clip it, or lower the rate"
    )
    assert exploding.at_row.startswith("weight: its gradient is 300 times as long")
    lost = all_findings({**HEALTHY, "0.bias": {"rms": NAN}, "2.weight": {"rms": NAN}}, LAYERS)
    assert lost[0].text == "parameters are not finite, and so are those of 1 other module"


def test_few_digits_are_written_as_a_number_where_that_is_short():
    found = [brief(x) for x in (0.2199, 104.0, 750.0, 999.0, 1234.0, 3e-5, 0.0)]
    assert found == ["0.22", "100", "750", "1000", "1e3", "3e-5", "0"]
    found = [brief3(x) for x in (0.21994, 104.04, 999.6, 8698.4, 99999.0, 1e5, 3e-5)]
    assert found == ["0.22", "104", "1,000", "8,698", "99,999", "1e5", "3e-5"]


def test_a_change_of_gradients_is_the_median_of_frames():
    seen = [Added(0.1, 1.0, 0.5), None, Added(0.9, 2.0, -0.5), Added(0.2, 9.0, 0.4)]
    assert median_change(seen) == Added(0.2, 2.0, 0.4)
    assert median_change(seen[:3]) is None


# Over the frames


def spans(*frames):
    """From and to of what is kept, if a rule of this weight holds (or None) in each frame."""
    findings = Findings()
    for step, weight in enumerate(frames):
        findings.look(step, [Finding("m0", "rule", weight, "text")] if weight else [])
    return [(span["from"], span["to"]) for span in findings.data()]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ((2, 2), []),
        ((2, 2, 2), [(0, 2)]),
        ((None, 2, None, 2, None, 2), []),
        ((2, 2, 2, None, None, 2), [(0, 5)]),
        ((2, 2, 2, None, None, None, 2, 2, 2), [(0, 2), (6, 8)]),
        ((None, 3), [(1, 1)]),
    ],
)
def test_a_finding_holds_for_three_frames_before_it_begins_and_is_gone_for_three(frames, expected):
    assert spans(*frames) == expected


# How the training stands


def state(values, guess=None, start=None, rate=1.0, **others):
    curves = {"loss": Curve()}
    curves["loss"].add(np.arange(1, len(values) + 1), values)
    for name, value in others.items():
        curves.setdefault(name, Curve()).add([1], [value])
    return str(state_sentence(len(values), curves, guess, start, rate))


FALLING = np.geomspace(2.0, 0.1, 100)
LN10 = math.log(10)


@pytest.mark.parametrize(
    ("values", "options", "begins"),
    [
        ([], {}, "Before the first step."),
        ([], {"start": 2.4, "guess": LN10}, "Before the first step: loss 2.4 where guessing"),
        ([1.59 * LN10] * 9, {"guess": LN10}, "No better than guessing: loss 3.66"),
        ([1.61 * LN10] * 9, {"guess": LN10}, "Worse than guessing: loss 3.71"),
        ([0.92 * LN10] * 9, {"guess": LN10}, "Learning: loss 2.12"),
        (FALLING, {"guess": LN10, "accuracy": 0.934}, "Learning: loss 0.119 where guessing c"),
        (FALLING, {"start": 2.0}, "Learning: loss 0.119, it began at 2."),
        ([*FALLING, *[0.35] * 20], {"rate": 0.001}, "Loss 0.35"),
        ([*FALLING, *[0.42] * 20], {}, "Getting worse: loss 0.42, at best it was 0.12"),
        ([*FALLING, *[0.1] * 100], {}, "On a plateau: the last quarter"),
        ([*FALLING, *[0.1] * 100], {"rate": 0.001}, "Loss 0.1"),
        ([1.0, NAN, 2.0], {}, "The loss is NaN since step 2."),
    ],
)  # fmt: skip
def test_a_sentence_says_how_the_training_stands(values, options, begins):
    assert state(values, **options).startswith(begins)


# Trainings that are broken on purpose


def findings(run):
    return {(span["rule"]) for span in run.findings.data()}


def test_a_rate_that_is_too_large_or_too_small_is_said():
    for rate, rule in [(3.0, "large"), (1e-6, "small")]:
        model = classifier()
        run = watched(30, model, nn.optim.SGD(model.parameters(), lr=rate))
        assert rule in findings(run)


def test_the_last_frame_says_so_too_wherever_the_training_ends():
    for steps in (8, 10, 13):
        model = classifier()
        optimizer = nn.optim.SGD(model.parameters(), lr=1e-6)
        run = watched(steps, model, optimizer, every=60.0)
        run.finish()
        assert "0.weight: a step changes it by" in run.report(), steps


def told(run):
    """All that was ever said, without where; but for the unit that begins dead in `classifier`."""
    spans = [span for span in run.findings.data() if span["rule"] != "dead"]
    return {(span["rule"], text) for span in spans for *_, text in span["texts"]}


def run_of(step, model, probe, optimizer=None, steps=64, **options):
    """A run with a frame whenever one fits."""
    run = watch(model, probe, optimizer, terminal=False, every=0.0, share=1.0, **options)
    for batch in batches(steps):
        run.log(loss=step(*batch))
    run.finish()
    return run


def test_long_gradients_of_a_loss_in_large_units_are_healthy():
    """Targets around 1,000, as the CSV guide's are around 100: Adam does not mind."""
    rng, x = np.random.default_rng(0), IMAGES.reshape(-1, 64)
    model = nn.Sequential(nn.Linear(64, 8, rng=rng), nn.Tanh(), nn.Linear(8, 1, rng=rng))
    cost, optimizer = nn.MSE(), nn.optim.AdamW(model.parameters(), lr=0.002)

    def step(x, y):
        loss = cost(model(x), 1000.0 * y[:, None].astype(np.float32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    y = 1000.0 * LABELS[:32, None].astype(np.float32)
    run = run_of(step, model, lambda: cost(model(x[:32]), y), optimizer)
    assert run.frames[-1].stats["0.weight"]["norm"] > 500
    assert told(run) == set()


def broken(recorded=False, extra=(), stepping=True, zeroing=True, of=None, watching=None):
    """A training that leaves out what its user may forget."""
    model, cost = classifier(extra=extra), nn.CrossEntropy()
    optimizer = nn.optim.SGD((of or model).parameters(), lr=0.1)

    def step(x, y):
        loss = cost(model(x), y)
        if zeroing:
            optimizer.zero_grad()
        loss.backward()
        if stepping:
            optimizer.step()
        return loss

    if watching:
        watching(model)
    x, y = IMAGES[:32].reshape(32, 64), LABELS[:32]
    return run_of(replay(step) if recorded else step, model, lambda: cost(model(x), y), optimizer)


NOTHING_MOVES = (
    "still",
    "nothing moves, here or elsewhere: is optimizer.step() called, with these parameters?",
)


ADDED_UP = ("added", "each step's gradient is added to those before it: is zero_grad() called?")


@pytest.mark.parametrize("recorded", [False, True], ids=["eager", "replayed"])
def test_a_forgotten_step_or_zero_grad_is_said(recorded):
    assert told(broken(recorded)) == set()
    assert told(broken(recorded, stepping=False)) == {NOTHING_MOVES}
    assert ADDED_UP in told(broken(recorded, zeroing=False))


def test_an_optimizer_of_other_parameters_is_said():
    assert told(broken(of=classifier(seed=1))) == {NOTHING_MOVES, ADDED_UP}  # zeroed neither
    model = classifier()
    optimizer = nn.optim.SGD(model[2].parameters(), lr=0.1)
    run = watched(30, model, optimizer, terminal=False)
    text = "weight and bias do not move: has the optimizer these parameters?"
    assert told(run) == {("still", text)}


def test_an_optimizer_that_steps_now_and_then_is_not_said_to_stand_still():
    model, steps, cost = classifier(), iter(range(1, 999)), nn.CrossEntropy()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x, y):
        loss = cost(model(x), y) / 3
        loss.backward()
        if next(steps) % 3 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    x, y = IMAGES[:32].reshape(32, 64), LABELS[:32]
    assert told(run_of(step, model, lambda: cost(model(x), y))) == set()


KINDS = {
    "Dropout": lambda: (nn.Dropout(0.5, rng=np.random.default_rng(3)),),
    "BatchNorm1d": lambda: (nn.BatchNorm1d(8),),
}


@pytest.mark.parametrize("recorded", [False, True], ids=["eager", "replayed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_in_eval_is_said(kind, recorded):
    at_work = f"{kind} is not at work: call model.train()"
    text = f"the model is in eval() while it trains, and {at_work}"
    asleep = broken(recorded, KINDS[kind](), watching=lambda model: model.eval())
    assert told(asleep) == {("eval", text)}
    assert "eval" not in findings(broken(recorded, KINDS[kind]()))


def test_a_model_that_is_in_eval_only_between_its_steps_trains():
    model, cost = classifier(extra=KINDS["Dropout"]()), nn.CrossEntropy()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    train = training(model, optimizer)

    def step(x, y):
        model.train()
        loss = train(x, y)
        model.eval()  # and the validation
        return loss

    x, y = IMAGES[:32].reshape(32, 64), LABELS[:32]
    assert told(run_of(step, model, lambda: cost(model(x), y), optimizer)) == set()


def test_dead_units_are_said():
    model = classifier()
    model[0].bias.data = np.full(8, -100.0, np.float32)
    run = watched(30, model)
    assert {"dead", "nothing"} <= findings(run)
    run.finish()
    assert "\n▲ 1 ReLU: all 8 units are 0 for all 32 examples" in run.report()


def test_saturated_units_are_said():
    model = classifier(hidden=(nn.Tanh,))
    model[0].weight.data = model[0].weight.data * 100
    assert "saturated" in findings(watched(30, model))


def test_a_gradient_that_fades_through_many_sigmoids_is_said():
    rng = np.random.default_rng(0)
    layers = [part for _ in range(9) for part in (nn.Linear(8, 8, rng=rng), nn.Sigmoid())]
    model = nn.Sequential(
        nn.Linear(64, 8, rng=rng), nn.Sigmoid(), *layers, nn.Linear(8, 4, rng=rng)
    )
    x, y = IMAGES[:32].reshape(32, 64), LABELS[:32]
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    run = watch(model, lambda: nn.CrossEntropy()(model(x), y), optimizer)
    step = training(model, optimizer)
    for batch in batches(8):
        run.log(loss=step(*batch))
    assert "vanishing" in findings(run)


def test_a_healthy_training_has_no_warning():
    run = watched(60)
    assert not [s for s in run.findings.data() if max(w for _, w, _ in s["texts"]) > 1]


# The terminal


def test_the_terminal_s_line_says_the_same_and_fits():
    curve = Curve()
    curve.add(np.arange(1, 101), FALLING)
    grave = [Finding("m1", "dead", 2, "23 of 32 units are 0")]
    line = terminal_line(100, 2.0, {"loss": curve}, grave, LAYERS, 200)
    assert line.startswith("step 100  loss 0.1 █") and "  50 steps/s  " in line
    assert line.endswith("▲ 1 Linear: 23 of 32 units are 0")
    assert len(terminal_line(100, 2.0, {"loss": curve}, grave, LAYERS, 40)) == 40


def test_without_a_terminal_there_are_plain_lines_and_where_the_file_is(capsys, tmp_path):
    watched(9, save=tmp_path / "run.html", name="digits").finish()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("watching digits: 556 parameters, and 32 examples; the run goes to")
    assert lines[1].startswith("step 9  loss 1.") and "\r" not in "".join(lines)
    assert "run.html: 9 steps, 6 frames" in lines[2] and lines[2].endswith(" KB")


def test_nan_is_said_in_the_terminal_with_what_to_do(capsys):
    model = classifier()
    run = watched(3, model)
    model[0].weight.data = model[0].weight.data * np.nan
    run.log(loss=np.nan)
    told = capsys.readouterr().err
    assert "step 4: loss is NaN\n  With the weights of step 2 the watched examples" in told
