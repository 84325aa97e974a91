"""The recorded graph as data, and what reads it: pictures, a stepper, words and formulas.

Reading order: modules.py → model.py → expression.py, which all share. fold.py and scalars.py make smaller and larger graphs.
Pictures: heat.py → themes.py → markup.py → sheet.py → boxes.py → arrays.py → folded.py → legend.py → dot.py → render.py →
picture.py. Words: table.py → steps.py → explain.py, paths.py. Formulas: formula.py → calculus.py → latex.py. The stepper:
stepper_picture.py → stepper_markup.py → stepper_panels.py → stepper.py. JSON: data.py.
"""

from tinygrad_edu.graph.data import plain
from tinygrad_edu.graph.explain import Explanation, explain
from tinygrad_edu.graph.latex import Formulas, latex
from tinygrad_edu.graph.model import Edge, Graph, Node, trace
from tinygrad_edu.graph.paths import Path, Paths, paths
from tinygrad_edu.graph.picture import Picture, draw
from tinygrad_edu.graph.stepper import Stepper, stepper

__all__ = ["Edge", "Explanation", "Formulas", "Graph", "Node", "Path", "Paths", "Picture", "Stepper", "draw", "explain",
           "latex", "paths", "plain", "stepper", "trace"]
