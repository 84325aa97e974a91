"""The recorded graph as data, and its pictures.

Reading order: modules.py → model.py → expression.py → themes.py → dot.py → render.py → picture.py.
"""

from tinygrad_edu.graph.model import Edge, Graph, Node, trace
from tinygrad_edu.graph.picture import Picture, draw

__all__ = ["Edge", "Graph", "Node", "Picture", "draw", "trace"]
