"""The playground: draw a digit, watch the engine's own program run forward and backward, train.

`playground(model, images, labels)` makes the page of a model; on the command line
`python -m tinygrad_edu.playground` that of a checkpoint of examples/mnist.py.
"""

from tinygrad_edu.playground.page import Playground, playground

__all__ = ["Playground", "playground"]
