"""What builds the pages: links are followed, and what has read nothing new is not run again."""

import subprocess
import sys
from pathlib import Path

import gallery_runs
import kept
import links
import pytest

ROOT = Path(__file__).parents[1]


def pages(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return links.broken(folder)


@pytest.mark.parametrize(
    ("link", "what"),
    [
        ("b.html", ""),
        ("b.html#here", ""),
        ("#there", ""),
        ("b.html#view=train", ""),  # a state, which the page reads
        ("https://example.org/nowhere", ""),
        ("mailto:a@example.org", ""),
        ("c.html", "a.html: c.html: there is no such file"),
        ("b.html#nowhere", "a.html: b.html#nowhere: there is no such place"),
        ("#nowhere", "a.html: #nowhere: there is no such place"),
    ],
)
def test_a_link_leads_to_a_file_and_to_a_place_in_it(link, what, tmp_path):
    text = f'<p id="there"><a href="{link}">x</a></p>'
    found = pages(tmp_path, a=text, b='<a name="here"></a>')[1]
    assert found == ([what] if what else [])


def test_pictures_and_frames_are_links_too(tmp_path):
    text = '<img src="a.png"><iframe src="b.html"></iframe><script src="c.js"></script>'
    assert len(pages(tmp_path, a=text)[1]) == 3


def test_links_in_a_folder_of_ones_own_are_followed(tmp_path):
    pages(tmp_path, a='<a href="b.html">x</a>')
    tmp_path.chmod(0o700)
    command = [sys.executable, str(ROOT / "docs" / "links.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 links, 1 of them lead nowhere")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a script that imports a module and reads a file, after it has run once."""
    monkeypatch.setattr(kept, "ROOT", tmp_path)
    (tmp_path / "helper.py").write_text("WORD = 'hello'")
    (tmp_path / "data.txt").write_text("1")
    (tmp_path / "other.txt").write_text("1")
    script = "import helper, sys; print(helper.WORD, open(sys.argv[1]).read())"
    (tmp_path / "script.py").write_text(script)
    code = "import sys, kept; from pathlib import Path; kept.ROOT = Path(sys.argv[1])"
    run = "kept.run(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])"
    files = [tmp_path, tmp_path / "note.json", tmp_path / "script.py", tmp_path / "data.txt"]
    command = [sys.executable, "-c", f"{code}; {run}", *map(str, files)]
    subprocess.run(command, check=True, cwd=ROOT / "docs")
    return tmp_path


def test_what_has_read_nothing_new_is_kept(project):
    note = project / "note.json"
    assert kept.is_valid(note)
    assert '"printed": "hello 1\\n"' in note.read_text()
    (project / "other.txt").write_text("2")
    assert kept.is_valid(note)


@pytest.mark.parametrize("file", ["helper.py", "data.txt", "script.py"])
def test_what_has_read_something_that_changed_is_not_kept(file, project):
    (project / file).write_text("2")
    assert not kept.is_valid(project / "note.json")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": {}}'])
def test_a_note_that_says_nothing_keeps_nothing(text, tmp_path):
    (tmp_path / "note.json").write_text(text)
    assert not kept.is_valid(tmp_path / "note.json")
    assert not kept.is_valid(tmp_path / "none.json")


def test_the_gallery_has_every_example_and_tells_no_folder_of_this_machine(tmp_path, monkeypatch):
    found = {path.stem for path in gallery_runs.examples()}
    every = {path.stem for path in ROOT.glob("examples/**/*.py")}
    assert found == every - {*gallery_runs.PARTS}
    monkeypatch.setattr(gallery_runs, "figure_text", lambda *args: "")
    text = gallery_runs.page_text(ROOT / "examples" / "moons.py", f"see {ROOT}/build/x", tmp_path)
    assert "see build/x" in text and str(ROOT) not in text
    assert text.startswith("A decision boundary while it is learned\n===")
