"""The door and the house: a clone works, installed or not; imports are quick; arrows point one
way; what is read stays small, and a name means one thing."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections import defaultdict
from pathlib import Path

import pytest
from counting import code_characters, defined_names, function_lengths, words_of_code

import tinygrad_edu
from tinygrad_edu.graph.text.signs import PLAIN_SIGNS

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("tinygrad_edu/**/*.py"), *ROOT.glob("nn/*.py")])
CORE = sorted(ROOT.glob("tinygrad_edu/core/*.py"))

# What is not yet as it shall be, per test: an entry that is mended has to be taken out
PENDING = {
    "clock": set(),
    "arrows": set(),
    "tenants": set(),
    "characters": set(),
    "functions": set(),
    "names": set(),
}


def expected(test, cases, name=str):
    """The cases of a test, those in PENDING as strict expected failures."""
    marks = {case: [pytest.mark.xfail(strict=True)] for case in PENDING[test]}
    return [pytest.param(case, marks=marks.get(name(case), []), id=name(case)) for case in cases]


def test_what_is_pending_is_there():
    files = {file for test in PENDING if test != "names" for file in PENDING[test]}
    assert not [file for file in files if not (ROOT / file).is_file()]


def file_name(path):
    """The path within the repository: engine.py alone would not tell core's from another's."""
    return path.relative_to(ROOT).as_posix()


# 1. The door

USE = """
import numpy as np, tinygrad_edu
from tinygrad_edu import Tensor, nn, draw, stepper
model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
loss = model(np.ones((3, 2), np.float32)).sum()
loss.backward()
assert draw(loss).svg().startswith("<?xml") or "<svg" in draw(loss).svg()
assert "<svg" in stepper(loss).html
assert tinygrad_edu.errors.explain("shape-mismatch").startswith("## Shape")
print(tinygrad_edu.__file__)
"""


def run(*command, **options):
    """What a command prints; what it complains about, if it fails."""
    shown = {"check": False, "capture_output": True, "text": True, "encoding": "utf-8"}
    where = os.environ | {"PYTHONPATH": "", "PYTHONUTF8": "1"}  # no package from elsewhere
    done = subprocess.run(command, env=where, **shown, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_works_in_a_fresh_environment_outside_the_repository(tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT))
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    wheel = next(tmp_path.glob("*.whl"))
    run(str(python), "-m", "pip", "install", "--quiet", str(wheel), cwd=tmp_path)
    assert str(tmp_path) in run(str(python), "-c", USE, cwd=tmp_path)
    names = run(str(python), "-m", "zipfile", "-l", str(wheel)).splitlines()
    assert not [name for name in names if name.startswith(("examples/", "tests/", "nn/"))]


README_RUNS = r"""
import doctest, re, sys
import numpy as np
import tinygrad_edu
from tinygrad_edu import derivative, nn
page, options = sys.argv[1], {"module_relative": False, "encoding": "utf-8"}
failed, tried = doctest.testfile(page, optionflags=doctest.ELLIPSIS, **options)
assert tried and not failed
text = open(page, encoding="utf-8").read()
for block in re.findall(r"^```python\n((?!>>>).+?)^```", text, re.M | re.S):
    exec(block)
print(tinygrad_edu.__file__, nn.__file__, tinygrad_edu.__version__, sep="\n")
"""


def tracked_files():
    """What a clone would have."""
    names = run("git", "ls-files", "--cached", "-z", cwd=ROOT).split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def environment(folder):
    """A fresh environment with everything that the tests have, but for this package: its python."""
    venv.create(folder, with_pip=False)
    inside = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=inside))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))  # no .pth of it is read
    return Path(sysconfig.get_path("scripts", scheme="venv", vars=inside)) / "python", packages


@pytest.fixture(scope="module", params=["", ".", "-e ."], ids=["as it is", "installed", "editable"])
def clone(request, tmp_path_factory):
    """A fresh clone, how it was installed, and the environment that it was installed into."""
    folder = tmp_path_factory.mktemp("door")
    for path in tracked_files():
        if "data" not in path.parts:  # images
            (folder / "clone" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, folder / "clone" / path)
    python, packages = environment(folder / "environment")
    if request.param:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        flags = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        run(*pip, *flags, *request.param.split(), cwd=folder / "clone")
    (folder / "elsewhere").mkdir()
    return request.param, folder, python, packages


@pytest.mark.parametrize("where", ["clone", "elsewhere"])
def test_a_clone_works(clone, where):
    how, folder, python, packages = clone
    if where == "elsewhere" and not how:
        return  # who installed nothing has to be in the clone
    readme = str(folder / "clone" / "README.md")
    printed = run(str(python), "-c", README_RUNS, readme, cwd=folder / where).splitlines()
    package, nn, version = Path(printed[0]), Path(printed[1]), printed[2]
    if where == "elsewhere" and how == ".":
        home, layers = packages / "tinygrad_edu", packages / "tinygrad_edu" / "nn"
    else:
        home, layers = folder / "clone" / "tinygrad_edu", folder / "clone" / "nn"
    assert package.resolve() == (home / "__init__.py").resolve()
    assert nn.resolve() == (layers / "__init__.py").resolve()
    assert version == tinygrad_edu.__version__


def test_every_folder_of_the_package_is_installed():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = {path.parent.relative_to(ROOT) for path in SOURCES if path.name == "__init__.py"}
    names = {".".join(folder.parts) for folder in folders - {Path("nn")}} | {"tinygrad_edu.nn"}
    assert set(settings["tool"]["setuptools"]["packages"]) == names


def test_the_lock_names_a_version_with_hashes_for_each_requirement():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"], *extras["docs"], *extras["browser"]]
    names = {re.match(r"[\w-]+", x)[0].lower().replace("_", "-") for x in wanted}
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==\S+.*\n((?:    --hash=.*\n)+)", lock, re.MULTILINE))
    assert names - {"tinygrad-edu"} <= {*pinned}
    assert not re.search(r"^(?!#|    |[\w.-]+==)\S", lock, re.MULTILINE)  # no address, no path


def test_the_package_says_what_is_there():
    printed = run(sys.executable, "-m", "tinygrad_edu", cwd=ROOT)
    assert printed.startswith(f"tinygrad_edu {tinygrad_edu.__version__}: ")
    files = re.findall(r"core/\w+\.py", printed)
    assert files == [f"core/{n}.py" for n in ("engine", "derivatives", "functional", "gradcheck")]
    listed = re.findall(r"^  (\w+)  ", printed, re.MULTILINE)
    assert sorted(listed) == sorted(tinygrad_edu.__all__)
    assert max(map(len, printed.splitlines())) <= 100 or str(ROOT) in printed


@pytest.mark.parametrize("module", ["tinygrad_edu", "tinygrad_edu.exercises"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_the_signs_gets_plain_ones(module, encoding):
    shown = {"capture_output": True, "check": True, "cwd": ROOT}
    wanting = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    printed = subprocess.run([sys.executable, "-m", module], env=wanting, **shown).stdout
    wide = os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}
    whole = subprocess.run([sys.executable, "-m", module], env=wide, **shown).stdout.decode()
    assert printed.split() == whole.encode(encoding, PLAIN_SIGNS).split()


@pytest.mark.parametrize("module", ["tinygrad_edu", "tinygrad_edu.exercises"])
def test_what_is_there_is_said_without_docstrings_too(module):
    printed = run(sys.executable, "-OO", "-m", module, cwd=ROOT)
    assert "check_gradients" in printed or "Chapter 1" in printed


def test_the_readme_is_short_and_has_two_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.split()) <= 520
    assert re.findall(r"^make ([a-z-]+)", text, re.M) == ["mnist", "test"]


def test_the_readme_quotes_three_lines_of_the_table():
    def lines(path):
        found = re.findall(r"^derivative\(.*\)  +# .*", (ROOT / path).read_text("utf-8"), re.M)
        return {" ".join(line.split()) for line in found}

    quoted = lines("README.md")
    assert len(quoted) == 3
    assert quoted <= lines("tinygrad_edu/core/derivatives.py")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text("utf-8"))
    assert not [link for link in links if "://" not in link and not (ROOT / link).exists()]


def test_the_first_picture_is_what_the_code_above_it_draws():
    above, _, below = (ROOT / "README.md").read_text("utf-8").partition("\n![")
    shown = ROOT / re.search(r"\]\((\S+)\)", below)[1]
    drawn = runpy.run_path(str(ROOT / "docs" / "page_pictures.py"))["readme"]()
    assert ">>> draw(y)" in above
    assert drawn.svg() == shown.read_text("utf-8")


def test_every_test_that_holds_a_promise_is_there():
    text = (ROOT / "docs" / "promises.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 40
    lacking = [test for file, test in named if test not in {"", *defined_names(ROOT / file)}]
    assert not lacking


def test_the_changes_begin_with_this_version():
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^## (\S+)", changes, re.M)[1] == tinygrad_edu.__version__
    assert f"version: {tinygrad_edu.__version__}\n" in citation


def installs():
    """Every extra that a page or a source tells to install, with the file: `.[jax]`."""
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.py"),
        *SOURCES,
    ]
    for page in pages:
        text = " ".join(page.read_text("utf-8").split())
        for package, extras in re.findall(r"pip install [\"'{]*([\w.]*)\[([^\]]+)\]", text):
            yield file_name(page), package, {*extras.split(",")}


def test_what_is_told_to_install_is_in_a_clone():
    assert {package for _, package, _ in installs()} == {"."}  # the package is in no index


def test_the_page_about_installing_lists_each_extra_for_users():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = set(settings["project"]["optional-dependencies"])
    told = set().union(*[x for page, _, x in installs() if page == "docs/guides/installing.md"])
    assert told == extras - {"dev", "docs", "browser", "peers"}


SLOW = {
    "graphviz",
    "resvg_py",
    "safetensors",
    "matplotlib",
    "hypothesis",
    "numpy.random",
    "numpy.typing",
    "numpy.testing",
    "argparse",
    "copy",
    "dataclasses",
    "gzip",
    "hashlib",
    "importlib.metadata",
    "json",
    "logging",
    "subprocess",
    "tempfile",
    "uuid",
    "xml",
    "tinygrad_edu.debugging.anomaly",
    "tinygrad_edu.core.gradcheck",
    "tinygrad_edu.graph",
    "tinygrad_edu.nn",
    "tinygrad_edu.watching",
}


def test_importing_loads_nothing_slow_that_numpy_has_not_loaded():
    program = (
        "import sys, numpy; known = set(sys.modules); import tinygrad_edu; "
        "print(*set(sys.modules) - known)"
    )
    loaded = set(run(sys.executable, "-c", program).split())
    assert "tinygrad_edu.core.engine" in loaded
    assert not SLOW & loaded


@pytest.mark.parametrize(
    "first",
    [
        "import tinygrad_edu",
        "import tinygrad_edu.nn",
        "from tinygrad_edu import nn",
        "from tinygrad_edu.nn import optim",
        "from tinygrad_edu import *",
    ],
)
def test_nn_is_there_however_it_is_first_asked_for(first):
    run(sys.executable, "-c", f"{first}; import tinygrad_edu; tinygrad_edu.nn.Linear(1, 1)")


def test_names_and_derivatives_are_there_before_anything_was_asked_for():
    run(
        sys.executable,
        "-c",
        """if True:
        import tinygrad_edu
        from tinygrad_edu.core.arraylike import REGISTRY
        names, table = dir(tinygrad_edu), set(REGISTRY)
        from tinygrad_edu import *
        assert set(tinygrad_edu.__all__) <= set(names)
        later = {function.__module__ for function in set(REGISTRY) - table}
        assert all(name.startswith("tinygrad_edu.nn") for name in later)""",
    )


# 2. The house


def imported(path):
    """The names that a file imports from this package, each in full."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from [f"{node.module}.{name.name}" for name in node.names]
        elif isinstance(node, ast.Import):
            yield from [name.name for name in node.names]


def rooms_used(path):
    """The folders of the package from which a file imports; "" stands for the public names."""
    for name in imported(path):
        if name.partition(".")[0] == "tinygrad_edu":
            first = name.split(".")[1] if "." in name else ""
            yield first if first in BELOW else "" if first in tinygrad_edu.__all__ else first


PUBLIC_NAMES = ""
BELOW = {
    "core": set(),
    "operations": {"core"},
    "debugging": {"core"},
    "graph": {"core", "debugging"},
    "programs": {"core", "debugging"},
    "nn": {PUBLIC_NAMES},
    "watching": {PUBLIC_NAMES, "nn", "core", "graph", "debugging"},
    "playground": {PUBLIC_NAMES, "nn", "graph", "programs"},
    "exercises": {PUBLIC_NAMES, "nn", "core", "graph", "debugging"},  # they teach with all of it
}  # what each room may import, itself aside
ROOMS = [path for path in SOURCES if path.parent != ROOT / "tinygrad_edu"]


@pytest.mark.parametrize("path", expected("arrows", ROOMS, file_name))
def test_arrows_point_one_way(path):
    within = path.relative_to(ROOT).parts
    room = within[1] if within[0] == "tinygrad_edu" else "nn"
    assert set(rooms_used(path)) <= {room, *BELOW[room]}


READERS = sorted((ROOT / "tinygrad_edu" / "graph").rglob("*.py"))


@pytest.mark.parametrize("path", READERS, ids=file_name)
def test_readers_of_a_graph_know_the_graph_and_it_knows_none_of_them(path):
    folder, folders = path.parent.name, {"pictures", "text", "stepping"}
    allowed = {"graph": set(), "stepping": folders, "page": folders}.get(folder, {folder})
    if path.name != "__init__.py":
        known = [name for name in imported(path) if name.startswith("tinygrad_edu.graph.")]
        assert {name.split(".")[2] for name in known} & folders <= allowed


WITHIN_PROGRAMS = {
    "tracing": set(),
    "numpy": {"tracing"},
    "loops": {"tracing", "numpy"},
    "javascript": {"loops"},
    "jax": {"tracing", "loops"},
    "onnx": {"tracing", "loops"},
}  # what each reader of a program may import, itself aside


@pytest.mark.parametrize("folder", WITHIN_PROGRAMS)
def test_a_step_is_recorded_without_knowing_who_reads_it(folder):
    found = sorted((ROOT / "tinygrad_edu" / "programs" / folder).glob("*.py"))
    known = {name.split(".")[2] for f in found for name in imported(f) if name.count(".") > 2}
    assert known & WITHIN_PROGRAMS.keys() <= {folder, *WITHIN_PROGRAMS[folder]}


# Who leans on the engine; marks.py alone is there for recorded steps
TENANTS = re.compile(r"replay\w*|trac(e|es|ed|ing)|pictures?|programs?|draws?|drawn|drawing", re.I)
NUMPYS = {"arraylike.py": {"trace"}}  # np.trace, a method of arrays too


@pytest.mark.parametrize("path", expected("tenants", CORE, file_name))
def test_the_core_names_no_tenant(path):
    words = words_of_code(path) - NUMPYS.get(path.name, set())
    named = {word for word in words if TENANTS.fullmatch(word) or word in {"Module", "Modules"}}
    assert path.name == "marks.py" or not named


FOUR = [f"tinygrad_edu/core/{n}.py" for n in ("engine", "derivatives", "functional", "gradcheck")]
CEILINGS = {"tinygrad_edu/core/engine.py": 9_500}
MEASURED = sorted([*SOURCES, *ROOT.glob("examples/**/*.py"), *ROOT.glob("tests/benchmarks/*.py")])


@pytest.mark.parametrize("path", expected("characters", MEASURED, file_name))
def test_a_file_stays_below_its_ceiling(path):
    assert code_characters(path) <= CEILINGS.get(file_name(path), 13_000)


SCRIPTS = sorted(ROOT.glob("tinygrad_edu/**/*.js"))


@pytest.mark.parametrize("path", SCRIPTS, ids=file_name)
def test_a_script_has_six_hundred_lines_at_most(path):
    assert len(path.read_text("utf-8").splitlines()) <= 600


def test_the_four_files_stay_below_their_ceiling():
    assert sum(code_characters(ROOT / file) for file in FOUR) <= 34_000


@pytest.mark.parametrize("path", expected("functions", MEASURED, file_name))
def test_a_function_has_forty_lines_at_most(path):
    assert not {name: lines for name, lines in function_lengths(path) if lines > 40}


SAME_NAME = {  # what two modules may define, and why
    "__getattr__": "a module's own protocol",
    "explain": "both say more: of a Tensor how it was computed, in errors what a message means",
}


def homes():
    """The modules that define each top-level function and class of the package."""
    found = defaultdict(list)
    for path in SOURCES:
        for name in defined_names(path):
            found[name].append(file_name(path))
    return found


HOMES = homes()
SHARED = {name for name, files in HOMES.items() if len(files) > 1} | {*PENDING["names"]}


@pytest.mark.parametrize("name", expected("names", sorted(SHARED - {*SAME_NAME})))
def test_a_name_means_one_thing(name):
    assert len(HOMES[name]) < 2, HOMES[name]


CLOCKS = re.compile(r"perf_counter|monotonic|process_time|\btime\(\)")
TESTS = sorted(path for path in ROOT.glob("tests/test_*.py") if path != Path(__file__))


@pytest.mark.parametrize("path", expected("clock", TESTS, file_name))
def test_no_test_depends_on_the_clock(path):
    assert not CLOCKS.findall(path.read_text("utf-8"))


def without_encoding(path):
    """The lines at which a file reads or writes text in whatever encoding the machine has."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        texts = [x.value for x in node.args if isinstance(x, ast.Constant)]
        named = {keyword.arg for keyword in node.keywords}
        is_text = {"read_text": not texts, "write_text": True}.get(name, False)
        if name == "open" and isinstance(node.func, ast.Name):
            is_text = not any("b" in str(text) for text in texts[-1:])
        if is_text and "encoding" not in named and len(node.args) < 2:
            yield node.lineno


WITH_FILES = sorted([*SOURCES, *ROOT.glob("examples/**/*.py"), *ROOT.glob("docs/*.py")])


@pytest.mark.parametrize("path", WITH_FILES, ids=file_name)
def test_texts_are_read_and_written_in_a_known_encoding(path):
    assert not list(without_encoding(path))


def test_every_target_that_is_named_is_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    named = re.search(r"^\.PHONY: (.*)$", makefile, re.M)[1].split()
    for page in pages:
        named += re.findall(r"(?:^|`)make ([a-z][a-z-]+)\b", page.read_text("utf-8"), re.M)
    assert {*named} <= {*re.findall(r"^([a-z-]+):", makefile, re.M)}
