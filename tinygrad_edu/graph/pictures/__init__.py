"""Pictures of a graph.

Reading order: themes.py → markup.py → heat.py → sheet.py, what all boxes share; boxes.py (numbers),
arrays.py, folded.py (Modules) and legend.py; dot.py puts them together, render.py lays them out,
picture.py has `draw`.
"""
