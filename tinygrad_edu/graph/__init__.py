"""The recorded graph as data, and what reads it: pictures, a stepper, words and formulas.

Reading order: modules.py → read.py → expression.py → steps.py. fold.py makes a smaller graph of a
graph, scalars.py a larger one, data.py JSON. Then pictures/ draws the graph, text/ explains it and
writes its formulas, stepping/ goes through it step by step, page/ lets it be walked through.
"""

from tinygrad_edu.graph.data import as_json
from tinygrad_edu.graph.pictures.picture import Picture, draw
from tinygrad_edu.graph.read import Edge, Graph, Node, read
from tinygrad_edu.graph.stepping.stepper import Stepper, stepper
from tinygrad_edu.graph.text.explain import Explanation, explain
from tinygrad_edu.graph.text.latex import Formulas, latex
from tinygrad_edu.graph.text.paths import Path, Paths, paths

__all__ = [
    "Edge",
    "Explanation",
    "Formulas",
    "Graph",
    "Node",
    "Path",
    "Paths",
    "Picture",
    "Stepper",
    "as_json",
    "draw",
    "explain",
    "latex",
    "paths",
    "read",
    "stepper",
]
