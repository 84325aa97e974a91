"""Ask why: anomaly.py (where a number went wrong), diagnosis.py (why a gradient is wrong).

caller.py finds the line of your code that led there.
"""
