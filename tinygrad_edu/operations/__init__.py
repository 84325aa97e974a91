"""Look up: functions that are built from the table. composed.py, linalg.py, special.py,
convolution.py."""
