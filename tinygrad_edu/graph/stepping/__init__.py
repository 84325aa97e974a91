"""The stepper: a page that goes through one forward and one backward pass.

Reading order: layout.py (the graph), pieces.py → panels.py (what happens at each step), stepper.py
(the page), stepper.js.
"""
