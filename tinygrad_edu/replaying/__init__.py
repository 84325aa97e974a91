"""Steps that run again without building the graph again: the calls of NumPy, made into a program.

Reading order: replayed.py → recording.py → state.py → plan.py → program.py → compiled.py; before them all: tracing.py, one floor
below, which the engine's own arrays pass through while a step is recorded.
"""

from tinygrad_edu.replaying.replayed import replay as replay
