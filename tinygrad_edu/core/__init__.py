"""Read first, in this order: engine.py, derivatives.py, functional.py, gradcheck.py.

They lean on arraylike.py (what makes a Tensor an array), signatures.py (how functions are called),
sparse.py (what flows back through x[i]), switches.py (whether calls are recorded, and who is told),
marks.py (two marks that do nothing outside a recorded step) and errors.py (what errors say).
"""
