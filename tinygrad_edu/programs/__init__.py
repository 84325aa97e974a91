"""Run again: a step is recorded, and its calls of NumPy run again without a graph.

Reading order: traced.py, live.py, tracing.py, state.py, recording.py; liveness.py, buffers.py,
codegen.py, guards.py, program.py; replay.py.
"""
