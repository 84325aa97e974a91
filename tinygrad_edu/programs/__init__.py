"""Run again: a step is recorded as data, and its calls of NumPy run again without a graph.

Reading order: calls.py, program.py; traced.py, record.py; closed_list.py, places.py, world.py,
recording.py; passes.py, buffers.py, codegen.py, checking.py, guards.py, functions.py, stopping.py,
compiled.py; audit.py, backends.py, replay.py. Readers of a program: loops.py, javascript.py,
onnx_calls.py, onnx.py, picture.py.
"""
