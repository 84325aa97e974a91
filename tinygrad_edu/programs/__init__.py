"""Run again: steps that are recorded once and run without building the graph again, as calls of
NumPy made into a program.

Reading order: tracing.py, state.py, recording.py, liveness.py, codegen.py, guards.py, replay.py.
"""
