"""A program as one function of jax.numpy, on one device or on many.

Reading order: xla_calls.py, xla.py, devices.py, on_devices.py.
"""
