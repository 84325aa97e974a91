"""Run again: a step is recorded as data, and its calls of NumPy run again without a graph.

Reading order: calls.py, program.py; traced.py, record.py; closed_list.py, places.py, world.py,
recording.py; passes.py, buffers.py, codegen.py, checking.py, guards.py, functions.py, stopping.py,
compiled.py; away.py, audit.py, backends.py, replay.py. Readers of a program: statements.py,
nests.py, loops.py, javascript.py; numbers.py, loop_text.py, fused.py, looped.py, elementary.py,
numba_loops.py, loop_cache.py, slow_loops.py; onnx_calls.py, onnx.py; xla_calls.py, xla.py,
devices.py, on_devices.py; picture.py.
"""
