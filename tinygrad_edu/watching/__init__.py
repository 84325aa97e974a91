"""Watch it learn: the graph, the activations, gradients and weights of a training, in frames.

Reading order: run.py (what a loop calls), looking.py, frames.py, flow.py and maps.py (what a frame
sees), curves.py, pace.py (when), health.py and sentence.py (what stands out), terminal.py, then
encoding.py, page.py and kept.py (what stays).
"""

from tinygrad_edu.watching.kept import FrameTable, Kept
from tinygrad_edu.watching.run import Run, watch

__all__ = ["FrameTable", "Kept", "Run", "watch"]
