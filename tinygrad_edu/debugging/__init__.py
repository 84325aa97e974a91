"""Ask why: anomaly.py (where a number went wrong), diagnosis.py (why a gradient is wrong),
caller.py (which line of yours)."""
