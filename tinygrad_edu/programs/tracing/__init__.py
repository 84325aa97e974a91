"""Record a step: what it asks NumPy to do, and the world that it can see.

Reading order: traced.py, record.py; closed_list.py, places.py, generators.py, search.py, world.py,
recording.py.
"""
