"""Writes derivatives.md while the pages are built: every registered operation, its formula, its partials' own lines.

A formula is read off the partials, as `latex` does it. Those that move elements, or are about whole arrays, have theirs here.
"""

import inspect
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
from latex2mathml.converter import convert

from tinygrad_edu import Tensor, engine, latex
from tinygrad_edu.engine import REGISTRY, Operation
from tinygrad_edu.functional import vjp
from tinygrad_edu.graph.model import source

PACKAGE = Path(engine.__file__).parent
sys.path.append(str(PACKAGE.parent / "tests"))
from table import title  # np.tanh, np.linalg.inv, special.sigmoid; (length) for a building block of others

HEAD = """# The derivative table

Every operation that the engine knows, taken from the registry and the source when this page was built. `g` is the gradient
∂L/∂z that has arrived, `z` the result, `x, y` the arguments; a partial, `lambda g, z, x, y: …`, returns ∂L/∂x, which is g · ∂z/∂x where
the operation works number by number. [x > y] is 1 where that is true and 0 elsewhere. Names in brackets are building blocks: `np.clip`,
`np.concatenate` and all others that have no entry are composed of what is here. Slopes at kinks were computed by the engine.
`make table` checks every entry against numerical differences, to second order.
"""

BACK = r"\frac{\partial L}{\partial x} = "
SAME = BACK + r"g \quad\text{in the shape of } x"
MOVED = r"z_i = x_{s(i)} \qquad \frac{\partial L}{\partial x_j} = \sum_{s(i) = j} g_i"
CHOSEN = r"\frac{\partial L}{\partial x_i} = \frac{[x_i = z]}{\sum_j [x_j = z]} \, g"
SAMPLES = (r"z_{ij} = \sum_{k} x_{ik} \, y_{kj} \qquad \frac{\partial L}{\partial X} = G \, Y^T \qquad "
           r"\frac{\partial L}{\partial Y} = X^T G")
FORMULAS = {
    "remainder": r"z = x - y \lfloor x / y \rfloor \qquad \frac{\partial z}{\partial x} = 1 \qquad "
                 r"\frac{\partial z}{\partial y} = -\lfloor x / y \rfloor",
    "fmod": r"z = x - y \, \mathrm{trunc}(x / y) \qquad \frac{\partial z}{\partial x} = 1 \qquad "
            r"\frac{\partial z}{\partial y} = -\mathrm{trunc}(x / y)",
    "fmax": r"z = \max(x, y) \qquad \frac{\partial z}{\partial x} = [x > y] \qquad \frac{\partial z}{\partial y} = [y > x]",
    "fmin": r"z = \min(x, y) \qquad \frac{\partial z}{\partial x} = [x < y] \qquad \frac{\partial z}{\partial y} = [y < x]",
    "where": r"z = \begin{cases} x & \text{where } c \\ y & \text{elsewhere} \end{cases} \qquad "
             r"\frac{\partial z}{\partial x} = [c] \qquad \frac{\partial z}{\partial y} = 1 - [c]",
    "nan_to_num": r"\frac{\partial z}{\partial x} = [x \text{ is finite}]",
    "clip": r"z = \min(\max(x, a), b) \qquad \frac{\partial z}{\partial x} = [a \le x \le b] \qquad "
            r"\frac{\partial z}{\partial a} = [x < a] \qquad \frac{\partial z}{\partial b} = [x > b]",
    "sum": r"z = \sum_i x_i \qquad \frac{\partial L}{\partial x_i} = g",
    "max": r"z = \max_i x_i \qquad " + CHOSEN, "amax": r"z = \max_i x_i \qquad " + CHOSEN,
    "min": r"z = \min_i x_i \qquad " + CHOSEN, "amin": r"z = \min_i x_i \qquad " + CHOSEN,
    "prod": r"z = \prod_i x_i \qquad \frac{\partial L}{\partial x_i} = g \prod_{j \ne i} x_j",
    "length": r"z = \sqrt{\sum_i x_i^2} \qquad \frac{\partial L}{\partial x_i} = g \, \frac{x_i}{z}",
    "cumsum": r"z_i = \sum_{j \le i} x_j \qquad \frac{\partial L}{\partial x_j} = \sum_{i \ge j} g_i",
    "cumprod": r"z_i = \prod_{j \le i} x_j \qquad "
               r"\frac{\partial L}{\partial x_j} = \sum_{i \ge j} g_i \prod_{k \le i, \, k \ne j} x_k",
    **dict.fromkeys(["reshape", "ravel", "flatten", "expand_dims", "squeeze"], SAME),
    **dict.fromkeys(["swapaxes", "transpose", "moveaxis"], BACK + r"g \quad\text{with its axes moved back}"),
    "matrix_transpose": r"Z = X^T \qquad \frac{\partial L}{\partial X} = G^T",
    "broadcast_to": BACK + r"\sum g \quad\text{over the axes along which } x \text{ was repeated}",
    "astype": BACK + r"g \quad\text{in the type of } x", "copy": BACK + "g",
    "join": r"z = (x_1, \dots, x_n) \qquad \frac{\partial L}{\partial x_k} = \text{the part of } g \text{ where } x_k \text{ went}",
    "pile": r"z_k = x_k \qquad \frac{\partial L}{\partial x_k} = g_k",
    "getitem": r"z_i = x_{s(i)} \qquad \frac{\partial L}{\partial x_j} = \sum_{s(i) = j} g_i",
    "scatter": r"z_j = \sum_{s(i) = j} x_i \qquad \frac{\partial L}{\partial x_i} = g_{s(i)}",
    **dict.fromkeys(["flip", "fliplr", "flipud", "rot90", "roll", "rollaxis", "repeat", "tile", "take", "take_along_axis", "diag",
                     "diagonal", "tril", "triu", "padded"], MOVED),
    "matmul": SAMPLES,
    "einsum": r"z_{ik} = \sum_j x_{ij} \, y_{jk} \qquad \frac{\partial L}{\partial x_{ij}} = \sum_k g_{ik} \, y_{jk}",
    "tensordot": r"z_{ik} = \sum_j x_{ij} \, y_{jk} \qquad \frac{\partial L}{\partial x_{ij}} = \sum_k g_{ik} \, y_{jk} \qquad "
                 r"\frac{\partial L}{\partial y_{jk}} = \sum_i x_{ij} \, g_{ik}",
    "cross": r"z = x \times y \qquad \frac{\partial L}{\partial x} = y \times g \qquad \frac{\partial L}{\partial y} = g \times x",
    "trace": r"z = \sum_i x_{ii} \qquad \frac{\partial L}{\partial X} = g \, I",
    "solve": r"X Z = Y \qquad \frac{\partial L}{\partial Y} = X^{-T} G \qquad "
             r"\frac{\partial L}{\partial X} = -\frac{\partial L}{\partial Y} \, Z^T",
    "inv": r"Z = X^{-1} \qquad \frac{\partial L}{\partial X} = -Z^T G \, Z^T",
    "det": r"z = \det X \qquad \frac{\partial L}{\partial X} = g \, z \, X^{-T}",
    "slogdet": r"z = \ln |\det X| \qquad \frac{\partial L}{\partial X} = g \, X^{-T}",
    "cholesky": r"X = L L^T \qquad \frac{\partial L}{\partial X} = \mathrm{sym}\left(L^{-T} \, \Phi(L^T G) \, L^{-1}\right)",
    "vectors": r"z = V \text{ of } (\lambda, V) \qquad \frac{\partial L}{\partial (\lambda, V)} = (0, G)",
    "eigh": r"X = V \Lambda V^T \qquad \frac{\partial L}{\partial X} = \mathrm{sym}\left(V \left(G_\Lambda + F \circ V^T G_V\right) "
            r"V^T\right) \qquad F_{ij} = \frac{1}{\lambda_j - \lambda_i}",
    "svd": r"X = U S V^T \qquad \frac{\partial L}{\partial X} = U C V^T + (1 - U U^T) \, G_U S^{-1} V^T + "
           r"U S^{-1} G_V^T (1 - V V^T)",
    "windows": BACK + r"\text{the windows of } g \text{, each added where it was cut out}",
    "overlap_add": BACK + r"\text{the windows of } g",
    "linear": r"Z = X W^T + b \qquad \frac{\partial L}{\partial X} = G W \qquad \frac{\partial L}{\partial W} = G^T X \qquad "
              r"\frac{\partial L}{\partial b} = \sum_i g_i",
    "squared_error": r"z = \sum_i (x_i - y_i)^2 \qquad \frac{\partial L}{\partial x_i} = 2 g \, (x_i - y_i) \qquad "
                     r"\frac{\partial L}{\partial y_i} = 2 g \, (y_i - x_i)",
    "nll": r"z = -\sum_i x_{i, t_i} \qquad \frac{\partial L}{\partial x_{ik}} = -g \, [k = t_i]",
    "logsumexp": r"z = \ln \sum_i e^{x_i} \qquad \frac{\partial L}{\partial x_i} = g \, e^{x_i - z}",
    "softmax": r"z_i = \frac{e^{x_i}}{\sum_j e^{x_j}} \qquad \frac{\partial L}{\partial x_i} = z_i \left(g_i - \sum_j g_j z_j\right)",
    "log_softmax": r"z_i = x_i - \ln \sum_j e^{x_j} \qquad \frac{\partial L}{\partial x_i} = g_i - e^{z_i} \sum_j g_j",
    "normal_cdf": r"z = \Phi(x) \qquad \frac{\partial z}{\partial x} = \varphi(x)",
    "normal_pdf": r"z = \varphi(x) = \frac{1}{\sqrt{2 \pi}} \, e^{-x^2 / 2} \qquad \frac{\partial z}{\partial x} = -x z",
}

KINKS = {  # points at which calculus leaves the slope open, or infinite
    "absolute": [0.0], "fabs": [0.0], "relu": [0.0], "sqrt": [0.0], "cbrt": [0.0], "hypot": [0.0, 0.0], "power": [0.0, 0.0],
    "float_power": [0.0, 0.0], "maximum": [1.0, 1.0], "minimum": [1.0, 1.0], "fmax": [1.0, 1.0], "fmin": [1.0, 1.0],
    "clip": [2.0, 0.0, 2.0], "length": [[0.0, 0.0]], "prod": [[0.0, 2.0, 3.0]],
    **dict.fromkeys(["max", "amax"], [[1.0, 3.0, 3.0]]), **dict.fromkeys(["min", "amin"], [[1.0, 1.0, 3.0]]),
}


def partials_of(run):
    return [f for f in (*run.partials.values(), run.partials.each) if f]


def names_of(run):
    """What the partials call the arguments: x, y."""
    return list(inspect.signature(partials_of(run)[0]).parameters)[2:]


def formula(run):
    """As MathML: written down above, or read off the partials with numbers from within the domain."""
    if run.name in FORMULAS: return convert(FORMULAS[run.name], display="block")
    inside = [max(low, -1.0) + 0.7 for low, _ in run.domain] or [0.3, 0.7]
    given = zip(names_of(run), inside, range(len(run.partials)), strict=False)
    z = run(*[Tensor(x, requires_grad=True, name=name) for name, x, _ in given])
    z.name = "z"
    equations = latex(z)
    if equations.latex.count("&=") != 1 + len(run.partials): raise ValueError(f"no formula for {run.name}: add it to FORMULAS")
    return equations.mathml.replace("</mtr><mtr>", '<mtd style="width: 2em"></mtd>')  # in one row


def slopes(run):
    """At x = 0, ∂z/∂x = 0: what the engine gives at a kink."""
    point = list(map(np.array, KINKS[run.name]))
    with np.errstate(all="ignore"): found = vjp(run, *point)[1](np.ones(()))
    def number(x): return str(np.round(x, 4).tolist()).replace("inf", "∞").replace("-", "−").replace(".0", "")
    names = names_of(run)
    where = ", ".join(f"{name} = {number(x)}" for name, x in zip(names, point, strict=False))
    return f"At {where}: " + ", ".join(f"∂z/∂{name} = {number(g)}" for name, g in zip(names, found, strict=False)) + ". "


def bounds(name, interval):
    low, high = interval
    if np.isinf(low): return f"any {name}"
    return f"{name} > {low:g}" if np.isinf(high) else f"{low:g} < {name} < {high:g}"


def lines_of(run):
    """The source of the partials, and file:line of each."""
    return dict(source(f) for f in partials_of(run))


def place(run):
    file, line = next(iter(lines_of(run).values())).split(":")
    return file, int(line)


def section(run):
    """The heading comment above the partials: one line of its own between empty ones."""
    file, line = place(run)
    above = ["", *(PACKAGE / file).read_text().splitlines()[:line]]
    titles = [text for before, text, after in zip(above, above[1:], above[2:], strict=False)
              if not before and text.startswith("# ") and (not after or "def " in after)]
    heading = titles[-1][2:].split(":")[0].split(".")[0] if titles else "Windows"
    return heading if file == "derivatives.py" else f"{heading}, in {file}"


def entry(functions, run):
    """A heading, the formula, the partials' lines, and where the function is defined if not everywhere."""
    lines = lines_of(run)
    where = ", ".join(map(bounds, names_of(run), run.domain))
    domain = f"Domain: {where.replace('-', '−')}. " if run.domain else ""
    kink = slopes(run) if run.name in KINKS else ""
    heading = ", ".join(dict.fromkeys(map(title, functions)))
    return (f"### {heading}\n\n{formula(run)}\n\n```python\n" + "\n".join(lines) + f"\n```\n\n{domain}{kink}"
            f"Source: {', '.join(f'`{place}`' for place in lines.values())}.\n")


def sections():
    """(heading, [(functions, operation) …]): what has the same lines stands together, in the order of the source."""
    files = ["derivatives.py", "linalg.py", "special.py", "convolution.py"]
    found = [(f, run) for f, run in REGISTRY.items() if isinstance(run, Operation)]
    found.sort(key=lambda pair: (files.index(place(pair[1])[0]), place(pair[1])[1]))
    groups = [list(group) for _, group in groupby(found, key=lambda pair: (lines_of(pair[1]), FORMULAS.get(pair[1].name)))]
    return groupby([([f for f, _ in group], group[0][1]) for group in groups], key=lambda pair: section(pair[1]))


def write(folder):
    pages = [f"## {heading}\n\n" + "\n".join(entry(*pair) for pair in pairs) for heading, pairs in sections()]
    Path(folder, "derivatives.md").write_text("\n".join([HEAD, *pages]))
