"""What stands out: each rule on both sides of its threshold, on frames that are made up."""

import math

import numpy as np
import pytest
from watched import IMAGES, LABELS, batches, classifier, training, watched

from tinygrad_edu import nn
from tinygrad_edu.watching import watch
from tinygrad_edu.watching.curves import Curve
from tinygrad_edu.watching.flow import Row
from tinygrad_edu.watching.health import Finding, Findings, all_findings
from tinygrad_edu.watching.sentence import state_sentence, terminal_line

LAYERS = [
    Row(f"m{i}", str(i), "Linear", "module", None, None, (), [f"{i}.weight", f"{i}.bias"])
    for i in range(3)
]
HEALTHY = {
    f"{i}.{part}": {"rms": 0.1, "norm": 1.0, "ratio": 1e-3}
    for i in range(3)
    for part in ("weight", "bias")
}


def rules(rate=1.0, **changes):
    """The rules that hold, each with its row, if a place's numbers are changed."""
    stats = {place: dict(known) for place, known in HEALTHY.items()}
    for place, numbers in changes.items():  # layer1 or p1_weight: a name of Python's for each
        place = place.replace("_", ".").replace("layer", "m").removeprefix("p")
        stats.setdefault(place, {}).update(numbers)
    return [(f.rule, f.place, f.weight) for f in all_findings(stats, LAYERS, rate)]


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
        ({"p1_weight": {"norm": 99.0}}, []),
        ({"p1_weight": {"norm": 101.0}}, [("exploding", "m1", 2)]),
        ({"p1_weight": {"norm": math.inf}}, [("nan", "m1", 3)]),
        ({"p1_weight": {"norm": 0.0}}, [("nothing", "m1", 2)]),
        ({"p0_weight": {"norm": 1.1e-4}}, []),
        ({"p0_weight": {"norm": 0.9e-4}}, [("vanishing", "m0", 2)]),
        ({"p1_weight": {"ratio": 0.049}}, []),
        ({"p1_weight": {"ratio": 0.051}}, [("large", "m1", 2)]),
        ({"p1_weight": {"ratio": 1.1e-6}}, []),
        ({"p1_weight": {"ratio": 0.9e-6}}, [("small", "m1", 1)]),
        ({"p1_weight": {"ratio": 0.9e-6}, "rate": 0.009}, []),
        ({"p1_weight": {"ratio": 0.9e-6}, "rate": 0.011}, [("small", "m1", 1)]),
        ({"p1_bias": {"ratio": 5.0}}, []),
        (
            {"p1_weight": {"rms": NAN}, "p2_bias": {"rms": NAN}},
            [("nan", "m1", 3), ("nan", "m2", 3)],
        ),
    ],
)
def test_a_rule_holds_beyond_its_threshold(changes, expected):
    assert rules(**changes) == expected


def test_a_sentence_says_what_where_and_what_to_try():
    stats = {**HEALTHY, "1.weight": {"norm": 1e5}, "m1": UNITS | {"dead": 23}}
    dead, exploding = all_findings(stats, LAYERS)
    assert dead.alone(LAYERS).startswith("1 Linear: 23 of 32 units are 0 for all 64 examples, and")
    assert exploding.alone(LAYERS) == (
        "1.weight: its gradient has length 1e5: clip it, or lower the rate"
    )
    assert exploding.at_row.startswith("weight: its gradient has length 1e5")
    lost = all_findings({**HEALTHY, "0.bias": {"rms": NAN}, "2.weight": {"rms": NAN}}, LAYERS)
    assert lost[0].text == "parameters are not finite, and so are those of 1 other module"


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
