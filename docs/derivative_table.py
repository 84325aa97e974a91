"""Writes derivatives.md while the pages are built: every registered operation, its partials' own lines, and its domain."""

from pathlib import Path

import numpy as np

from tinygrad_edu import special
from tinygrad_edu.engine import REGISTRY, Operation
from tinygrad_edu.graph.model import source

HEAD = """# The derivative table

Every operation that the engine knows, with the lines that say what its derivative is, taken from the registry and the source
when this page was built. `g` is the gradient that has arrived, `z` the result, `x, y` the arguments; a partial returns what
is passed back to one argument. What is not here is composed of these. `make table` checks every one of them.
"""


def title(function):
    """np.tanh, np.linalg.inv, special.sigmoid; None for the building blocks of others."""
    for prefix, module in (("np.", np), ("np.linalg.", np.linalg), ("special.", special)):
        if getattr(module, function.__name__, None) is function: return prefix + function.__name__
    return None


def interval(bounds):
    low, high = bounds
    return "any number" if np.isinf(low) and np.isinf(high) else f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"


def entry(name, run):
    """A heading, the partials' lines, and where the function is defined if not everywhere."""
    partials = [*run.partials.values(), run.partials.each]
    lines = dict.fromkeys(source(partial) for partial in partials if partial)
    code = "\n".join(text for text, _ in lines)
    places = ", ".join(f"`{place}`" for _, place in lines)
    where = f"Domain: {', '.join(map(interval, run.domain))}. " if run.domain else ""
    return f"## {name}\n\n```python\n{code}\n```\n\n{where}Source: {places}.\n"


def write(folder):
    found = {title(f): run for f, run in REGISTRY.items() if isinstance(run, Operation)}
    entries = [entry(name, found[name]) for name in sorted(filter(None, found), key=str.lower)]
    Path(folder, "derivatives.md").write_text("\n".join([HEAD, *entries]))
