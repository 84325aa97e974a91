"""A program as loops over single numbers, which Numba compiles and JavaScript runs.

Reading order: statements.py, nests.py, loops.py; numbers.py, text.py, fused.py, looped.py;
elementary.py, numba_loops.py, cache.py, and slow.py, which needs no compiler.
"""
