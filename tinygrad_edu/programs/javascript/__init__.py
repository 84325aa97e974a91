"""A program as a function in JavaScript. Reading order: spelling.py, function.py."""
