"""Writes derivatives.md while the pages are built: operations, formulas, the partials' own lines.

A formula is read off the partials, as `latex` does it, or stands in formulas.toml: of those that
are about whole arrays.
"""

import inspect
import tomllib
from itertools import groupby
from pathlib import Path
from textwrap import indent

import numpy as np
from latex2mathml.converter import convert

import tinygrad_edu
from tinygrad_edu import Tensor, latex, special
from tinygrad_edu.core.engine import REGISTRY, Operation
from tinygrad_edu.core.functional import vjp
from tinygrad_edu.graph.read import source_of_partial

PACKAGE = Path(tinygrad_edu.__path__[0])
PUBLIC = {"np.": np, "np.linalg.": np.linalg, "special.": special}

HEAD = """# The derivative table

Every operation that the engine knows, taken from the registry and the source when this page was
built. `g` is the gradient ∂L/∂z that has arrived, `z` the result, `x, y` the arguments; a partial,
`lambda g, z, x, y: …`, returns ∂L/∂x, which is g · ∂z/∂x where the operation works number by
number. [x > y] is 1 where that is true and 0 elsewhere. Names in brackets are building blocks:
`np.clip`, `np.concatenate` and all others that have no entry are composed of what is here. Slopes
at kinks were computed by the engine. `make table` checks every entry against numerical differences,
to second order.
"""

FILES = [
    "derivatives.py",
    "lengths.py",
    "scans.py",
    "linalg.py",
    "solving.py",
    "composed.py",
    "selecting.py",
    "sequences.py",
    "special.py",
    "convolution.py",
]  # the order of the page
TOLD = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text("utf-8"))
FORMULAS = {name: told for names, told in TOLD["formulas"].items() for name in names.split()}
KINKS = {name: told for names, told in TOLD["kinks"].items() for name in names.split()}


def title(function):
    """np.tanh, np.linalg.inv, special.sigmoid; (norm) for a building block."""
    for prefix, module in PUBLIC.items():
        if getattr(module, function.__name__, None) is function:
            return prefix + function.__name__
    return f"({function.__qualname__})"


def names_of(run):
    """What the partials call the arguments: x, y."""
    return list(inspect.signature(run.every()[0]).parameters)[2:]


def formula(run):
    """As MathML: as formulas.toml has it, or read off the partials at a point of the domain."""
    if run.name in FORMULAS:
        return convert(FORMULAS[run.name], display="block")
    inside = [max(low, -1.0) + 0.7 for low, _ in run.domain] or [0.3, 0.7]
    given = zip(names_of(run), inside, range(len(run.partials)), strict=False)
    z = run(*[Tensor(x, requires_grad=True, name=name) for name, x, _ in given])
    z.name = "z"
    equations = latex(z)
    if equations.latex.count("&=") != 1 + len(run.partials):
        raise ValueError(f"no formula for {run.name}: write it into formulas.toml")
    return equations.mathml.replace("</mtr><mtr>", '<mtd style="width: 2em"></mtd>')  # in one row


def slopes(run):
    """At x = 0, ∂z/∂x = 0: what the engine gives at a kink."""
    point = list(map(np.array, KINKS[run.name]))
    with np.errstate(all="ignore"):
        found = vjp(run, *point)[1](np.ones(()))

    def number(x):
        form = {"float_kind": "{:g}".format}
        text = np.array2string(np.asarray(x, float), formatter=form, separator=", ")
        return text.replace("inf", "∞").replace("-", "−")

    names = names_of(run)
    where = [f"{name} = {number(x)}" for name, x in zip(names, point, strict=False)]
    gives = [f"∂z/∂{name} = {number(g)}" for name, g in zip(names, found, strict=False)]
    return f"At {', '.join(where)}: {', '.join(gives)}. "


def bounds(name, interval):
    low, high = interval
    if np.isinf(low):
        return f"any {name}"
    return f"{name} > {low:g}" if np.isinf(high) else f"{low:g} < {name} < {high:g}"


def lines_of(run):
    """The source of the partials, and file:line of each."""
    return dict(map(source_of_partial, run.every()))


def place(run):
    file, line = next(iter(lines_of(run).values())).split(":")
    return file, int(line)


def section(run):
    """The heading comment above the partials: one line of its own between empty ones."""
    file, line = place(run)
    above = ["", *next(PACKAGE.rglob(file)).read_text("utf-8").splitlines()[:line]]
    titles = [
        text
        for before, text, after in zip(above, above[1:], above[2:], strict=False)
        if not before and text.startswith("# ") and (not after or "def " in after)
    ]
    heading = titles[-1][2:].split(":")[0].split(".")[0] if titles else "Windows"
    return heading if file == "derivatives.py" else f"{heading}, in {file}"


def entry(functions, run):
    """A heading, the formula, the partials' lines, and where the function is defined."""
    lines = lines_of(run)
    where = ", ".join(map(bounds, names_of(run), run.domain))
    domain = f"Domain: {where.replace('-', '−')}. " if run.domain else ""
    kink = slopes(run) if run.name in KINKS else ""
    heading = ", ".join(dict.fromkeys(map(title, functions)))
    first, *others = lines
    column = " " * first.find("lambda")
    below = [indent(line, column) if line.startswith("lambda") else line for line in others]
    places = ", ".join(f"`{place}`" for place in lines.values())
    shown = "\n".join(["```python", first, *below, "```"])
    return f"### {heading}\n\n{formula(run)}\n\n{shown}\n\n{domain}{kink}Source: {places}.\n"


def sections():
    """(heading, [(functions, operation) …]), in the order of the source.

    What has the same lines stands together.
    """

    def order(pair):
        file, line = place(pair[1])
        return FILES.index(file), line

    def same(pair):
        return lines_of(pair[1]), FORMULAS.get(pair[1].name)

    found = [(f, run) for f, run in REGISTRY.items() if isinstance(run, Operation)]
    groups = [list(group) for _, group in groupby(sorted(found, key=order), key=same)]
    entries = [([f for f, _ in group], group[0][1]) for group in groups]
    return groupby(entries, key=lambda pair: section(pair[1]))


def write(folder):
    pages = [
        f"## {heading}\n\n" + "\n".join(entry(*pair) for pair in pairs)
        for heading, pairs in sections()
    ]
    Path(folder, "derivatives.md").write_text("\n".join([HEAD, *pages]), "utf-8")
