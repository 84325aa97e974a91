"""Steps that run again without building the graph again: the calls of NumPy, made into a program.

Reading order: tracing.py, one floor below, through which the engine's arrays pass while a step is recorded; then here state.py,
recording.py, plan.py, program.py, compiled.py, replayed.py.
"""

from tinygrad_edu.replaying.replayed import replay as replay
