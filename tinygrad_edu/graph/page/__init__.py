"""A picture as a page that can be walked through: zoom, folding, search, values, paths.

Reading order: levels.py lays the graph out at every depth, details.py says what each value and edge
has to tell, page.py puts both into the template in assets/.
"""
