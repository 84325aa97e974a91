"""The recorded graph as data, and its pictures.

Reading order: modules.py → model.py → expression.py; fold.py and scalars.py make smaller and larger graphs of one; heat.py →
themes.py → markup.py → sheet.py → boxes.py → arrays.py → folded.py → legend.py → dot.py → render.py → picture.py draw it.
"""

from tinygrad_edu.graph.model import Edge, Graph, Node, trace
from tinygrad_edu.graph.picture import Picture, draw

__all__ = ["Edge", "Graph", "Node", "Picture", "draw", "trace"]
