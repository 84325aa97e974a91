"""A program as lines of NumPy whose results go into buffers: what `replay` runs.

Reading order: buffers.py, codegen.py, compiled.py; picture.py shows the memory.
"""
