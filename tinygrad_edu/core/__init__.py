"""Read first, in this order: engine.py, derivatives.py, functional.py, gradcheck.py.

They lean on arraylike.py (the operators and methods of a Tensor), sparse.py (what flows back
through x[i]) and errors.py."""
