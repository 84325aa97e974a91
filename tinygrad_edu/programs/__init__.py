"""Run again: a step is recorded as data, and its calls of NumPy run again without a graph.

Reading order: calls.py, program.py, passes.py; tracing/, where a step becomes a program; then what
every reader needs, names.py, nested.py, functions.py, checking.py, guards.py, stopping.py,
refusals.py; numpy/, the first reader; away.py, audit.py, backends.py, replay.py. The other readers:
loops/, javascript/, jax/, onnx/.
"""
