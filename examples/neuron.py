"""One neuron
==========

y = tanh(w·x + b): its gradients, and its computation graph as a picture::

    python examples/neuron.py docs/pictures/neuron.svg
"""

import sys

import numpy as np

from tinygrad_edu import Tensor, draw
from tinygrad_edu.graph.text.signs import printable

w1, w2 = Tensor(-3.0, requires_grad=True, name="w1"), Tensor(1.0, requires_grad=True, name="w2")
b = Tensor(6.88, requires_grad=True, name="b")
x1, x2 = Tensor(2.0, name="x1"), Tensor(0.0, name="x2")

y = np.tanh(w1 * x1 + w2 * x2 + b)
y.name = "y"
y.backward()

slopes = f"∂y/∂w1 = {w1.grad:.4f}, ∂y/∂w2 = {w2.grad:.4f}, ∂y/∂b = {b.grad:.4f}"
print(printable(f"y = {y:.4f}, {slopes}"))
draw(y).save(sys.argv[1] if len(sys.argv) > 1 else "neuron.svg")
