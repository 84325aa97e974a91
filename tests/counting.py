"""What counts as code, for the ceilings of our files and for the table of other libraries."""

import ast
import io
import re
import tokenize


def documented(node):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return isinstance(node, kinds) and ast.get_docstring(node) is not None


def code_lines(path):
    """The numbers of the lines that are neither blank nor a comment nor a docstring."""
    text = path.read_text(encoding="utf-8")
    docs = [node.body[0] for node in ast.walk(ast.parse(text)) if documented(node)]
    without = {line for node in docs for line in range(node.lineno, node.end_lineno + 1)}
    return {
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    } - without


def code_characters(path):
    """How many characters of code a file has: no docstrings, comments, blanks or indentation."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    return sum(len(lines[number - 1].strip()) for number in code_lines(path))


def function_lengths(path):
    """(name, lines of code) of every function: its signature counts, its docstring does not."""
    code = code_lines(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, len(code & set(range(node.lineno, node.end_lineno + 1)))


def defined_names(path):
    """The functions and classes that a file defines at its top level."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, kinds)}


def words_of_code(path):
    """Every word in a file's code, docstrings and comments aside: `as_array` has two."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in filter(documented, ast.walk(tree)):
        node.body[0].value.value = ""
    return set(re.findall(r"[A-Za-z][a-z]*", ast.unparse(tree)))
