"""The stepper: a page that goes through one forward and one backward pass.

Reading order: layout.py (the graph), pieces.py → panels.py (what happens at each step), update.py →
last_act.py (an optimizer's step), quiz.py, stepper.py (the page), assets/stepper.js.
"""
