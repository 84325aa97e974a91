"""A graph in words and formulas: the walk as a table, the paths to a value, and the equations.

Reading order: signs.py → table.py → explain.py, paths.py; typeset.py → formula.py → calculus.py →
latex.py.
"""
