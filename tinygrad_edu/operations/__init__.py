"""Look up what you need: composed.py, scans.py, linalg.py, special.py and convolution.py.

All are built on the table of derivatives. errors.py has what they say when they cannot go on.
"""
