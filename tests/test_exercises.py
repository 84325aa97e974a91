"""The exercises: solutions pass, typical mistakes are told so, and nothing ends in a traceback.

Everything goes the learner's way: `start` writes a file, the file is changed, `check` grades it.
"""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import replay
from tinygrad_edu.exercises import CHAPTERS, EXERCISES, files, process
from tinygrad_edu.exercises.__main__ import main
from tinygrad_edu.exercises.descent import OLD_GRADIENTS, WHOLE_ARRAY, WITHOUT_KEEPDIMS
from tinygrad_edu.exercises.exercise import docstring
from tinygrad_edu.exercises.further import weighted_tanh_gradient
from tinygrad_edu.exercises.grading import grade
from tinygrad_edu.exercises.process import grade_apart as apart_itself

COURSE = Path(__file__).parents[1] / "docs" / "course"
ALL = pytest.mark.parametrize(
    "number", EXERCISES, ids=[exercise.name for exercise in EXERCISES.values()]
)
TYPICAL = [(number, hint) for number, exercise in EXERCISES.items() for hint in exercise.typical]
RIGHT = "def polynomial_slope(x): return 3 * x ** 2 - 4 * x\n"


@pytest.fixture(autouse=True)
def fresh_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Grade in this process, which is quick; what the process is for has tests of its own."""
    monkeypatch.setattr("tinygrad_edu.exercises.__main__.grade_apart", grade)


@pytest.fixture
def apart(monkeypatch):
    """Grade as the learner's command does, with as much time as is given."""

    def with_limit(seconds):
        monkeypatch.setattr("tinygrad_edu.exercises.__main__.grade_apart", apart_itself)
        monkeypatch.setattr("tinygrad_edu.exercises.process.SECONDS", seconds)

    return with_limit


@pytest.fixture
def run(capsys):
    """Run a command: its exit code, and what it printed, with all white space alike."""

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, " ".join(capsys.readouterr().out.split())

    return command


@pytest.fixture
def checked(run):
    """Check a learner's file with this text."""

    def check(number, text):
        files.FOLDER.mkdir(exist_ok=True)
        path(number).write_bytes(text if isinstance(text, bytes) else text.encode())
        return run("check", number)

    return check


def path(number):
    return files.path_of(number, EXERCISES[number])


def started(number):
    return files.template(number, EXERCISES[number])


def hole(number):
    return files.parts(EXERCISES[number].given)[1] if EXERCISES[number].given else files.HOLE


def solution(number):
    return started(number).replace(hole(number), files.parts(EXERCISES[number].solution)[1])


def progress(number):
    return json.loads(files.PROGRESS.read_text())[EXERCISES[number].name]


def test_there_are_twenty_five_and_every_chapter_has_one():
    assert len(EXERCISES) == 25
    assert {exercise.chapter for exercise in EXERCISES.values()} == set(CHAPTERS)


def test_every_chapter_of_the_course_names_its_exercises():
    for chapter in {exercise.chapter for exercise in EXERCISES.values()}:
        [page] = COURSE.glob(f"{chapter}-*.md")
        numbers = [str(n) for n, exercise in EXERCISES.items() if exercise.chapter == chapter]
        line = f"to this chapter: [{', '.join(numbers)}](../exercises.md)"
        assert line in page.read_text("utf-8")


def test_chapters_are_called_what_the_course_calls_them():
    titles = {page.read_text().split("\n")[0] for page in COURSE.glob("[1-9]*-*.md")}
    assert titles == {f"# {number}. {title}" for number, title in CHAPTERS.items()}


@ALL
def test_a_solution_passes_from_the_file_that_start_wrote(number, run):
    assert run("start", number)[0] == 0
    solved = files.parts(EXERCISES[number].solution)[1]
    path(number).write_text(path(number).read_text().replace(hole(number), solved))
    code, said = run("check", number)
    assert (code, "solved, 1 attempt" in said) == (0, True), said


@ALL
def test_an_untouched_file_fails_and_says_what_to_do(number, run):
    run("start", number)
    code, said = run("check", number)
    assert code == 1
    to_mend = EXERCISES[number].given and "expected" in said
    assert "nothing is written there yet" in said or to_mend


@ALL
def test_the_learners_file_has_no_line_of_the_solution_and_imports_alone(number):
    text = started(number)
    solved = files.parts(EXERCISES[number].solution)[1].splitlines()
    assert not [line for line in solved if line.strip() and line in text]
    exec(text, {})


@ALL
def test_an_exercise_has_three_hints_and_two_typical_mistakes_at_least(number):
    assert len(EXERCISES[number].hints) == 3 and len(EXERCISES[number].typical) >= 2


@pytest.mark.parametrize(
    ("number", "hint"), TYPICAL, ids=[f"{n}-{hint[:30]}" for n, hint in TYPICAL]
)
def test_a_typical_mistake_is_shown_with_its_input_the_expected_number_and_its_hint(
    number, hint, checked
):
    wrong = f"{EXERCISES[number].name} = EXERCISES[{number}].typical[{hint!r}]"
    code, said = checked(number, f"from tinygrad_edu.exercises import EXERCISES\n{wrong}\n")
    assert code == 1
    assert re.search(r"input .* = .* came .* expected .* differs .* hint ", said)
    assert said.endswith(f"hint {hint}")


def test_solutions_are_judged_by_something_else_but_for_two_that_are_definitions():
    own = {exercise.name for exercise in EXERCISES.values() if exercise.expected is None}
    assert own == {"central_difference", "momentum_step"}


def test_the_step_with_momentum_is_the_optimizers():
    from tinygrad_edu import Tensor, nn

    w, v, g = Tensor([1.0, 2.0], requires_grad=True), np.zeros(2), np.array([1.0, -3.0])
    optimizer, expected = nn.optim.SGD([w], lr=0.1, momentum=0.9), w.data.copy()
    for _ in range(3):
        w.grad = g
        optimizer.step()
        expected, v = EXERCISES[5].solution(expected, v, g, 0.1, 0.9)
    np.testing.assert_allclose(w.data, expected)


def test_the_smallest_input_that_fails_is_shown(checked):
    _, said = checked(1, "def polynomial_slope(x): return 4 if x > 0 else 3 * x ** 2 - 4 * x")
    assert "input x = 1 came 4 expected -1 differs by 5" in said


def test_one_number_in_common_with_a_typical_mistake_is_not_enough_for_its_hint(checked):
    assert checked(1, "def polynomial_slope(x): return 0")[1].endswith(EXERCISES[1].hints[0])


BROKEN = [  # a file, what is said of it, and the line that is named
    ("def polynomial_slope(x):\n    return x +\n", "SyntaxError: invalid syntax", ":2: return x +"),
    ("def polynomial_slope(x):\nreturn x\n", "IndentationError", ":2: return x"),
    ("import numpy as np\nx = 1 / 0\n", "ZeroDivisionError: division by zero", ":2: x = 1 / 0"),
    ("import nonsense\n", "No module named 'nonsense'", ":1: import nonsense"),
    (b"x = 1\n\xff = 2\n", "SyntaxError", ":"),
    ("\0", "null bytes", ":1"),
    ("", "came no polynomial_slope expected a function", ""),
    ("polynomial_slope = 5\n", "polynomial_slope is 5 expected a function", ""),
    (
        "\ndef polynomial_slope(): return 1\n",
        "takes 0 positional arguments",
        ":2: def polynomial_slope()",
    ),
    (
        "def polynomial_slope(x):\n    y = x\n    return y.slope\n",
        "AttributeError",
        ":3: return y.slope",
    ),
    ("def polynomial_slope(x):\n    return polynomial_slope(x)\n", "RecursionError", ":2: return"),
    ("def polynomial_slope(x):\n    assert x < 0\n", "came AssertionError", ":2: assert x < 0"),
    ("def polynomial_slope(x):\n    exit()\n", "SystemExit", ":2: exit()"),
    (
        "def polynomial_slope(x):\n    raise KeyboardInterrupt\n",
        "came KeyboardInterrupt hint It was stopped",
        ":2: raise",
    ),
    (
        "def polynomial_slope(x): print(x)\n",
        "nothing was returned: is there a `return`? printed 2.0",
        "",
    ),
    ("def polynomial_slope(x): return 'four'\n", "a str came, not a number", ""),
    ("def polynomial_slope(x): return [[1], [2, 3]]\n", "a list came, not a number", ""),
    ("def polynomial_slope(x): return [x]\n", "shape (1,) came, () was expected", ""),
    (
        "def polynomial_slope(x): return float('inf')\n",
        "came inf expected 4 differs not a finite number",
        "",
    ),
    (
        "def polynomial_slope(x): return 3 * x ** 2 - 4 * x,\n",
        "one number: a comma after it makes a tuple",
        "",
    ),
    ("def polynomial_slope(x): return 3 * x ^ 2\n", "hint A power is written x ** 2", ":1: def"),
    (
        "import numpy as np\ndef polynomial_slope(x): return np.array([x]) ^ 2\n",
        "hint A power is written x ** 2",
        ":2: def",
    ),
    (
        "def polynomial_slope(x):\n    return cos(x)\n",
        "hint NumPy's functions need np in front: np.cos.",
        ":2: return",
    ),
    (
        "def polynomial_slope(x): raise NotImplementedError('no forward')\n",
        "came NotImplementedError: no forward",
        "",
    ),
]


@pytest.mark.parametrize(("text", "what", "line"), BROKEN)
def test_a_broken_file_is_told_what_is_wrong_and_where(text, what, line, checked):
    code, said = checked(1, text)
    assert code == 1
    assert what in said and f"{path(1)}{line}" in said
    assert "Traceback" not in said and "grading.py" not in said


def test_an_argument_that_was_changed_is_named(checked):
    body = "    v *= momentum\n    v += g\n    return w - rate * v, v\n"
    code, said = checked(5, started(5).replace(files.HOLE, body))
    assert (code, "v was changed, to [2] expected v left as it was" in said) == (1, True)


@pytest.mark.parametrize(
    "form", ["np.float32(z)", "np.array(z)", "Tensor(z)", "np.asarray(z).tolist()"]
)
@pytest.mark.parametrize("number", [2, 3, 7])
def test_a_right_answer_in_another_form_passes(number, form, checked):
    name = EXERCISES[number].name
    other = (
        "from tinygrad_edu import Tensor\n"
        f"solved = {name}\n"
        f"def {name}(*args):\n"
        "    z = solved(*args)\n"
        f"    return {form}\n"
    )
    assert checked(number, solution(number) + other)[0] == 0


@pytest.mark.parametrize("results", ["1 / y", "(1 / y,)", "(1 / y, -x / y ** 2, 0.0)"])
def test_one_result_or_three_where_two_are_expected_are_told_so(results, checked):
    said = checked(2, f"def quotient_partials(x, y): return {results}")[1]
    assert "2 results were expected" in said


def test_an_answer_that_prints_and_warns_is_right_all_the_same(checked):
    code, said = checked(1, "import warnings\nprint('hello')\nwarnings.warn('careful')\n" + RIGHT)
    assert (code, "hello" in said) == (0, False)


def test_a_partial_that_has_no_derivative_itself_is_refused_by_check_gradients(checked):
    detached = "    x = getattr(x, 'numpy', lambda: x)()\n"
    code, said = checked(22, solution(22).replace("    return (g", f"{detached}    return (g"))
    assert code == 1
    assert "Tensors, to be differentiated once more" in said
    assert "right to order 1 only" in said


def test_hints_go_on_with_the_attempts_and_end_with_the_last(checked):
    said = [checked(1, "def polynomial_slope(x): return 0")[1] for _ in range(5)]
    first, second, last = EXERCISES[1].hints
    assert [text.rpartition("hint ")[2] for text in said] == [first, second, last, last, last]


@pytest.mark.parametrize(
    "text",
    [
        started(1),
        "return",
        "def polynomial_slope(x): x",
        "def polynomial_slope(x): return slope",
        "def polynomial_slope(x): import nonsense",
    ],
)
def test_a_file_without_an_answer_is_no_attempt_and_gets_no_hint_about_the_task(text, checked):
    assert "hint" not in checked(1, text)[1]
    checked(1, "def polynomial_slope(x): return 0")
    assert progress(1) == {"attempts": 1}


@pytest.mark.parametrize(
    ("number", "body", "hint"),
    [
        (1, "return 4 * x - 3 * x ** 2", "Every number is -1 times what is right."),
        (23, "return 0.5 * hvp(f, x, v)", "Every number is 0.5 times what is right."),
        (5, "v = momentum * v + g; return v, w - rate * v", "The results are exchanged."),
        (3, "return float('nan')", EXERCISES[3].hints[0]),
    ],
)
def test_mistakes_that_are_possible_everywhere_have_a_hint(number, body, hint, checked):
    arguments = ", ".join(inspect.signature(EXERCISES[number].solution).parameters)
    head = f"from tinygrad_edu import hvp\ndef {EXERCISES[number].name}({arguments}): "
    assert checked(number, head + body)[1].endswith(f"hint {hint}")


TRAIN = """from tinygrad_edu import nn
def train(model, x, y):
    optimizer = nn.optim.{optimizer}
    {before}
    for _ in range({steps}):
        loss = ((model(x) - y) ** 2).mean()
        {each}loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    "optimizer",
    ["SGD(model.parameters(), lr=0.5)", "SGD(model.parameters(), lr=0.2, momentum=0.9)"],
)
@pytest.mark.parametrize("before", ["pass", "model.zero_grad()"])
def test_a_forgotten_zero_grad_is_recognised_with_any_optimizer(optimizer, before, checked):
    text = TRAIN.format(optimizer=optimizer, before=before, steps=100, each="")
    code, said = checked(9, text)
    assert (code, said.endswith(f"hint {OLD_GRADIENTS}")) == (1, True), said


def test_who_forgot_nothing_but_trained_too_little_is_not_told_so(checked):
    for each in ("model.zero_grad(); ", "for p in model.parameters(): p.grad = None\n        "):
        optimizer = "SGD(model.parameters(), lr=0.01)"
        text = TRAIN.format(optimizer=optimizer, before="pass", steps=20, each=each)
        assert OLD_GRADIENTS not in checked(9, text)[1]


DOWN, WRONG_MAXIMUM = "Each column adds up to 1: axis=0", "numbers lost different ones before"
AXES = [  # the axis of the maximum, that of the sum, and what is said
    ("axis=0, keepdims=True", "axis=0, keepdims=True", DOWN),
    ("axis=0", "axis=0", DOWN),
    ("axis=-1, keepdims=True", "axis=0", DOWN),
    ("", "axis=0", DOWN),
    ("axis=0", "axis=-1, keepdims=True", WRONG_MAXIMUM),
    ("axis=-1", "axis=-1", WITHOUT_KEEPDIMS),
    ("axis=-1, keepdims=True", "axis=-1", WITHOUT_KEEPDIMS),
    ("axis=-1", "axis=-1, keepdims=True", WITHOUT_KEEPDIMS),
    ("axis=-1, keepdims=True", "", WHOLE_ARRAY),
    ("", "", WHOLE_ARRAY),
    ("axis=1, keepdims=True", "axis=1, keepdims=True", "A vector has one axis, number 0."),
    ("axis=-1, keepdims=True", "axis=1", "A vector has one axis, number 0."),
]


@pytest.mark.parametrize(("maximum", "total", "what"), AXES)
def test_a_mistaken_axis_of_softmax_is_recognised(maximum, total, what, checked):
    code, said = checked(
        6,
        f"import numpy as np\ndef stable_softmax(x):\n    z = np.exp(x - x.max({maximum}))\n"
        f"    return z / z.sum({total})\n",
    )
    assert (code, what in said.rpartition(" hint ")[2]) == (1, True), said


def test_a_wrong_softmax_whose_axes_are_right_is_not_told_of_axes(checked):
    said = checked(6, "def stable_softmax(x): return x - x")[1]
    assert said.endswith(EXERCISES[6].hints[0])


def test_the_program_of_the_exercise_is_what_the_compiler_writes():
    step = replay(weighted_tanh_gradient)
    for _ in range(3):
        step(np.ones((3, 2)), np.ones(2), np.ones(3))
    lines = str(step.program).splitlines()[1:]
    shown = [line.strip() for line in docstring(EXERCISES[20].solution).splitlines()]
    assert [line for line in shown if "b0" in line or "t0" in line or "result" in line][1:] == lines


LAYER = """import numpy as np
from tinygrad_edu import Tensor, nn
class Layer(nn.Module):
    def __init__(self, features): self.mean = {start}
    def forward(self, x):
        if not self.training: return x - self.mean
        mean = x.mean(axis=0)
        {move}
        return x - mean
def centring_layer(features): return {made}
"""
MOVE = "self.mean.data = 0.9 * self.mean.data + 0.1 * mean.data"
ZEROS = "Tensor(np.zeros(features))"
NEW_ANSWERS = [  # the exercise, an answer, and what is said of it
    (24, "def gradient_through_a_step(f, w, rate): return grad(f)", "not a number"),
    (24, "def gradient_through_a_step(f, w, rate): return w - rate * grad(f)(w)", "differs"),
    (24, "def gradient_through_a_step(f, w, rate): return f(w).backward()", "came AttributeError"),
    (24, "def gradient_through_a_step(f, w, rate): w -= rate * grad(f)(w)", "nothing was returned"),
    (25, LAYER.format(start=ZEROS, move=MOVE, made="Layer"), "returned Layer, and a Module"),
    (25, LAYER.format(start=ZEROS, move=MOVE, made="None"), "returned None, and a Module"),
    (25, LAYER.format(start="0.0", move="pass", made="Layer(features)"), "differs"),
    (25, LAYER.format(start=ZEROS, move="self.mean = mean", made="Layer(features)"), "differs"),
    (25, LAYER.format(start="Tensor(0.0)", move=MOVE, made="Layer(features)"), "came ValueError"),
    (20, "def read_a_program(x, w, g): return x", "shape (1, 1) came"),
    (20, "def read_a_program(x, w, g): return x @ (g * np.tanh(w))", "differs"),
    (20, "def read_a_program(x, w, g): return b1", "b1' is not defined"),
    (19, "def first_dead_neuron(run, place): return run.table()[place]['dead']", "2 results were"),
    (19, "def first_dead_neuron(run, place): return run[place]", "came TypeError"),
    (19, "def first_dead_neuron(run, place): return -1, 0", "result 1 of 2: by -9"),
    (19, "def first_dead_neuron(run, place): return run.table()['ReLU']", "came KeyError"),
    (21, "def attention_step(q, k, v): return q @ k.T @ v", "came [10] expected [5]"),
    (21, "def attention_step(q, k, v): return v.mean(axis=0)", "differs"),
    (21, "def attention_step(q, k, v): return 0 * v", "shape (1, 1) came, (1,) was expected"),
]


@pytest.mark.parametrize(("number", "text", "what"), NEW_ANSWERS)
def test_wrong_answers_of_many_kinds_are_told_what_is_wrong(number, text, what, checked):
    code, said = checked(number, f"import numpy as np\nfrom tinygrad_edu import grad\n{text}\n")
    assert (code, what in said) == (1, True), said


def test_hints_come_one_at_a_call_and_the_last_again(run):
    said = [run("hint", 10)[1] for _ in range(4)]
    hints = [*EXERCISES[10].hints, EXERCISES[10].hints[-1]]
    for text, hint, step in zip(said, hints, (1, 2, 3, 3), strict=True):
        assert f"step {step} of 3 hint {hint}" in text
    assert [("solution 10 shows one" in text) for text in said] == [False, False, True, True]


def test_a_hint_is_no_attempt_and_an_attempt_no_hint(run, checked):
    run("hint", 1)
    assert "attempt" not in run()[1] and progress(1) == {"attempts": 0, "hints": 1}
    checked(1, "def polynomial_slope(x): return 0")
    assert progress(1) == {"attempts": 1, "hints": 1}
    assert EXERCISES[1].hints[1] in run("hint", 1)[1]


def test_a_solution_comes_after_two_attempts_or_now(run, checked):
    asked = run("solution", 1)
    assert asked[0] == 1 and "after 2 attempts, and you made 0" in asked[1]
    assert run("solution", 1, "--now") == (
        0,
        "def polynomial_slope(x): return 3 * x**2 - 4 * x",
    )
    for _ in range(2):
        assert run("solution", 1)[0] == 1
        checked(1, "def polynomial_slope(x): return 0")
    assert run("solution", 1)[0] == 0


def test_who_solved_it_sees_the_solution(run, checked):
    checked(1, RIGHT)
    assert run("solution", 1)[0] == 0


@ALL
def test_a_printed_solution_passes_in_place_of_the_function(number, capsys, checked):
    assert main(["solution", str(number), "--now"]) == 0
    printed, text = capsys.readouterr().out, started(number)
    assert checked(number, text[: text.index("def ")] + printed)[0] == 0


def test_a_report_is_no_wider_than_a_terminal(checked, capsys):
    for _ in EXERCISES[22].hints:
        checked(22, solution(22).replace("    return (", "    return (0.1 + "))
    main(["check", "22"])
    assert max(map(len, capsys.readouterr().out.splitlines()[1:])) <= 80


def test_a_terminal_that_cannot_print_every_character_is_no_reason_to_stop(run):
    run("start", 3)
    for arguments in ([], ["check", "3"]):
        command = [sys.executable, "-m", "tinygrad_edu.exercises", *arguments]
        ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, text=True, env=ascii_only)
        assert "sin(x^2)" in done.stdout and not done.stderr


def test_progress_is_remembered_with_the_date_and_the_attempts(checked, run):
    checked(1, "def polynomial_slope(x): return 0"), checked(1, RIGHT), checked(1, RIGHT)
    assert progress(1)["attempts"] == 2
    assert re.search(r"1 The slope of a polynomial solved \d{4}-\d\d-\d\d, 2 attempts 2 ", run()[1])
    assert "1 of 25 solved. Next: python -m tinygrad_edu.exercises start 2" in run()[1]


def test_a_solved_one_that_is_broken_later_stays_solved_and_check_says_so(checked, run):
    checked(1, RIGHT)
    code, said = checked(1, "def polynomial_slope(x): return 0")
    assert (code, "It was solved on" in said, "1 of 25 solved" in run()[1]) == (1, True, True)


def test_all_that_were_started_are_checked_and_one_mistake_is_enough_to_fail(checked, run):
    checked(1, "def polynomial_slope(x): return 0"), checked(3, solution(3))
    code, said = run("check")
    assert code == 1
    assert "The slope of a polynomial: not right yet" in said and "sin(x²): solved" in said
    path(1).write_text(RIGHT)
    assert run("check")[0] == 0


def test_start_never_overwrites(run):
    run("start", 1)
    path(1).write_text("mine")
    assert "stays as it is" in run("start", 1)[1]
    assert path(1).read_text() == "mine"


def test_what_is_not_started_is_not_checked(run):
    start, missing = "python -m tinygrad_edu.exercises start", "is not in this directory"
    assert run("check", 4) == (1, f"{path(4)} {missing}: {start} 4")
    assert run("check") == (1, f"No exercise is started in this directory: {start} 1")


@pytest.mark.parametrize("number", ["0", "26", "-1", "four", "²"])
@pytest.mark.parametrize("command", ["start", "check", "hint", "solution"])
def test_an_unknown_number_is_refused(command, number, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--", number])
    assert stopped.value.code == 2
    assert f"there is no exercise '{number}': they are 1 to 25" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"train": 3}',
        '{"train": {}}',
        '{"train": {"attempts": "x"}}',
        '{"train": {"attempts": 1, "hints": "x"}}',
    ],
)
def test_damaged_progress_is_refused_by_name(text, run):
    run("start", 1)
    files.PROGRESS.write_text(text)
    with pytest.raises(SystemExit, match=r"progress\.json is damaged"):
        run()


def test_a_file_in_the_place_of_the_folder_is_named():
    files.FOLDER.write_text("")
    with pytest.raises(SystemExit, match="exercises: File exists"):
        main(["start", "1"])


def test_grading_leaves_the_inputs_as_they_were(checked):
    before = repr(EXERCISES[5].inputs)
    body = "    w += 1\n    v += 1\n    g += 1\n    return w, v\n"
    checked(5, started(5).replace(files.HOLE, body))
    assert repr(EXERCISES[5].inputs) == before


@ALL
def test_a_task_names_its_arguments_as_its_inputs_do(number):
    exercise = EXERCISES[number]
    assert {len(args) for args in exercise.inputs} == {len(exercise.arguments)}
    named = {*inspect.signature(exercise.solution).parameters}
    assert {*exercise.arguments} <= named | {*re.findall(r"\w+", docstring(exercise.solution))}


HEAD = "import os, sys, threading, time\nimport numpy as np\n"
ENDLESS = "no result after 0.5 seconds, and it was ended hint Is there a loop that never ends?"
HOSTILE = {  # an answer to the first exercise, and what is said of it
    "an endless loop": ("def polynomial_slope(x):\n    while True: pass\n", ENDLESS),
    "from the second input on": (
        "def polynomial_slope(x):\n    while x != 2: pass\n    return 4\n",
        "input x = 1 came no result",
    ),
    "an endless loop beside the function": ("while True: pass\n", ENDLESS),
    "one that holds on": (
        "def polynomial_slope(x):\n"
        "    while True:\n"
        "        try: time.sleep(9)\n"
        "        except BaseException: pass\n",
        ENDLESS,
    ),
    "no way to interrupt": ("def polynomial_slope(x): return 9 ** 9 ** 9\n", ENDLESS),
    "a program that waits": (
        "import subprocess\ndef polynomial_slope(x):\n"
        "    subprocess.run([sys.executable, '-c', 'import time; time.sleep(1000)'])\n",
        ENDLESS,
    ),
    "a thread that never ends": (
        RIGHT + "threading.Thread(target=time.sleep, args=(1000,)).start()\n",
        "a thread that it began has not ended",
    ),
    "a question": ("def polynomial_slope(x): return float(input('x? '))\n", "nobody to ask"),
    "a question beside the function": ("n = input()\n" + RIGHT, "nobody to ask"),
    "huge arrays": (
        "def polynomial_slope(x): return np.ones((10**6, 10**6))\n",
        "hint It takes more",
    ),
    "a huge list": ("def polynomial_slope(x): return [x] * 10**12\n", "MemoryError hint It takes"),
    "a huge result": (
        "def polynomial_slope(x): return np.broadcast_to(x, (10**6, 10**6))\n",
        "shape (1000000, 1000000) came, () was expected",
    ),
    "its own end": ("def polynomial_slope(x): os._exit(0)\n", "ended the whole process"),
    "its own end by a signal": ("def polynomial_slope(x): os.abort()\n", "ended the whole process"),
    "SystemExit": ("def polynomial_slope(x): sys.exit('bye')\n", "came SystemExit: bye"),
    "SystemExit beside the function": ("sys.exit()\n", "came SystemExit"),
    "BaseException": (
        "class Stop(BaseException): pass\ndef polynomial_slope(x): raise Stop('now')\n",
        "came Stop: now",
    ),
    "GeneratorExit": ("def polynomial_slope(x): raise GeneratorExit\n", "came GeneratorExit"),
    "an error that can't be told": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError('odd')\n"
        "def polynomial_slope(x): raise Odd\n",
        "came Odd, whose text raises ValueError",
    ),
    "a result that can't be told": (
        "class Odd:\n    def __repr__(self): raise ValueError('odd')\n"
        "def polynomial_slope(x): return Odd()\n",
        "came Odd, whose text raises ValueError",
    ),
    "a result that is no array": (
        "class Odd:\n    def __array__(self, *args, **options): raise KeyError('odd')\n"
        "def polynomial_slope(x): return Odd()\n",
        "came KeyError",
    ),
    "the terminal itself": (
        "def polynomial_slope(x): os.write(1, b'{}\\n'); os.write(2, b'boo'); return 0\n",
        "came 0 expected 4",
    ),
    "no output": ("sys.stdout = sys.__stdout__ = None\nos.close(1)\n" + RIGHT, "solved"),
    "another directory": ("os.chdir('/')\n" + RIGHT, "solved"),
}


@pytest.mark.parametrize(("text", "what"), HOSTILE.values(), ids=HOSTILE)
def test_whatever_an_answer_does_there_is_a_sentence(text, what, checked, apart):
    if "array" in what or "hint It takes" in what:
        pytest.importorskip("resource")
    ends = what != ENDLESS and "no result" not in what and "thread" not in what
    apart(600.0 if ends else 0.5)
    code, said = checked(1, HEAD + text)
    assert what in said and code == int("solved" not in said)
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [1, 14, 22])
def test_a_process_of_its_own_comes_to_the_same(number, checked, apart):
    apart(600.0)
    assert checked(number, solution(number))[0] == 0
    wrong = f"from tinygrad_edu.exercises import EXERCISES\n{EXERCISES[number].name} = "
    hint = next(iter(EXERCISES[number].typical))
    code, said = checked(number, f"{wrong}EXERCISES[{number}].typical[{hint!r}]\n")
    assert (code, f"hint {hint} note It was solved" in said) == (1, True)


def test_an_endless_loop_has_ten_seconds():
    assert process.SECONDS == 10.0
    said = process.unfinished({}, in_time=False).said
    assert said == {"came": "no result after 10 seconds, and it was ended"}


def test_an_answer_that_does_not_end_is_an_attempt(checked, apart):
    apart(0.5)
    checked(1, "def polynomial_slope(x):\n    while True: pass\n")
    assert progress(1) == {"attempts": 1}


def test_ctrl_c_ends_the_answer_and_says_so(checked, apart, monkeypatch):
    apart(600.0)

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_edu.exercises.process.wait", interrupted)
    assert "It was stopped before it came to an end." in checked(1, "while True: pass\n")[1]


def test_without_docstrings_the_exercises_keep_their_texts(run):
    stripped = [sys.executable, "-OO", "-m", "tinygrad_edu.exercises"]
    for environment in (os.environ, os.environ | {"PYTHONOPTIMIZE": "2"}):
        done = subprocess.run(stripped, capture_output=True, env=environment, check=True)
        assert " ".join(done.stdout.decode().split()) == run()[1]
    for number in (1, 14, 22):
        subprocess.run([*stripped, "start", str(number)], capture_output=True, check=True)
        assert path(number).read_text("utf-8") == started(number)
    path(1).write_text("def polynomial_slope(x):\n    assert x < 0, 'small'\n", "utf-8")
    path(14).write_text(solution(14), "utf-8"), path(22).write_text(solution(22), "utf-8")
    done = subprocess.run([*stripped, "check"], capture_output=True, text=True, check=False)
    assert "came      AssertionError: small" in done.stdout
    assert done.stdout.count(": solved, 1 attempt") == 2 and not done.stderr
