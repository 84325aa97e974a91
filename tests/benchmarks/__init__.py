"""Benchmarks: the same work by several contenders, timed in turn.

`python -m tests.benchmarks` runs them.

Reading order: numpy_by_hand.py, a lesson in backpropagation without an engine;
numpy_with_buffers.py, the same as fast as NumPy goes; ours_eager.py; workloads.py, what is timed;
race.py, how; fresh.py, report.py, figure.py.

A contender is a module with a `NAME`, with `array(x)` and `numpy(x)`, which turn NumPy's arrays
into its own and back, and with a function for each kind of work that it can do: `mlp(work)` … makes
a step, a function of one batch that changes its weights and returns the cost (or the products, or
value and gradient). A kind that it lacks is a dash in the table.
"""
