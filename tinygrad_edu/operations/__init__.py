"""Look up what you need: what NumPy's functions and options are made of, and our own functions.

composed.py has single numbers, order, joining and cutting; selecting.py insertions, blocks and
grids; options.py `where=`, `dtype=` and their kind; statistics.py, sequences.py, padding.py,
scans.py, polynomials.py and lengths.py what their names say; constants.py what has no gradient;
linalg.py, norms.py and solving.py linear algebra; special.py and convolution.py our own functions.
All are built on the table of derivatives. errors.py has what they say when they cannot go on.
"""
