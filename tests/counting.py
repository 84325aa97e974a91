"""What counts as a line of code, for the ceilings of our files and for the table of other
libraries."""

import ast


def documented(node):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


def code_lines(path):
    """The numbers of the lines that are neither blank nor a comment nor a docstring."""
    text = path.read_text()
    docs = [node.body[0] for node in ast.walk(ast.parse(text)) if documented(node)]
    without = {line for node in docs for line in range(node.lineno, node.end_lineno + 1)}
    return {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    } - without
