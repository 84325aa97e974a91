"""Every figure of the pages has a command that measured it, and no two places differ."""

import figures
import pytest

PAGES = figures.texts()


def test_every_figure_has_a_command_that_measured_it():
    found = [it for page, text in PAGES.items() for it in figures.figures(page, text)]
    assert len(found) > 200
    assert not [it for it in found if not it.command]


def test_no_two_places_differ():
    assert not [*figures.disagreements(PAGES)]


def test_what_figures_toml_says_is_about_something():
    every = [it for page, text in PAGES.items() for it in figures.figures(page, text)]
    for entry in figures.TOLD["figure"]:
        asked = {"figure": [entry]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(figures, "TOLD", asked)
            assert any(figures.explained(it.page, it.section, it.text) for it in every), entry


def changed(page, before, after):
    assert before in PAGES[page]
    return PAGES | {page: PAGES[page].replace(before, after)}


@pytest.mark.parametrize(
    ("page", "before", "after", "what"),
    [
        ("docs/speed.md", "under 3 minutes", "two minutes", "make bench has 2 durations"),
        ("docs/studies.md", "under 10 minutes", "5 minutes", "make learning has 2 durations"),
        ("docs/index.md", "eight labs", "six labs", "how many labs there are"),
        ("docs/exercises.md", "twenty-five short", "twenty short", "how many exercises there are"),
        ("docs/studies.md", "13 to 23 %", "13 to 24 %", "the cost of other starts"),
        ("docs/guides/fast-training.md", "116 µs", "126 µs", "a step of chapter 9"),
    ],
)
def test_a_difference_is_found(page, before, after, what):
    assert what in "\n".join(figures.disagreements(changed(page, before, after)))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("# A\n\n`make mnist` reaches 96 %.", "make mnist"),
        ("# A\n\n```sh\nmake mnist   # 17 s\n```", "make mnist"),
        ("# A\n\nIt takes 17 s.\n\n## B\n\n`make mnist`", ""),
        ("# A\n\n`make bench`\n\n## B\n\nIt takes 17 s.", "make bench"),
        ("# A\n\nIt is 1.25 times as fast.\n\n```python\n>>> ratio\n1.25\n```", "make docs-test"),
        ("# A\n\n```python\n>>> print('17 s')\n17 s\n```", None),
        ("| a | `x.py` | 3 % |\n| b | `y.py` | 4 % |", "x.py"),
    ],
)
def test_a_figure_s_command_stands_beside_it_or_above(text, command):
    found = [it.command for it in figures.figures("page.md", text)]
    assert found[:1] == ([] if command is None else [command])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("under 3 minutes", (0, 180)),
        ("5 to 10 minutes", (300, 600)),
        ("a minute", (60, 60)),
        ("less than a minute", (0, 60)),
        ("half an hour", (1800, 1800)),
        ("ten seconds", (10, 10)),
    ],
)
def test_a_duration_in_words_is_read(said, expected):
    assert figures.seconds(*figures.DURATION.search(said).groups()) == expected


def test_numbers_are_read_as_words():
    assert [figures.in_words(n) for n in (3, 19, 20, 25, 99)] == [
        "three",
        "nineteen",
        "twenty",
        "twenty-five",
        "ninety-nine",
    ]
