"""Look up: composed.py, scans.py, linalg.py, special.py and convolution.py, all built from the table.

errors.py has what they say when they cannot go on.
"""
