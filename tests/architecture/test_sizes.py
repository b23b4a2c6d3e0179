"""Files and functions that a reader can hold in the head."""

import ast

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def test_no_file_is_too_long(product, root):
    lengths = {path: len((root / path).read_text().splitlines()) for path in product}
    too_long = {path: n for path, n in lengths.items() if n > MAX_FILE_LINES}
    assert not too_long


def test_no_function_is_too_long(product):
    too_long = {
        f"{path}::{node.name}": length
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := _length_without_docstring(node)) > MAX_FUNCTION_LINES
    }
    assert not too_long


def test_one_place_catches_everything(product):
    # the worker turns a frame that fails into a FAULT; anywhere else this would hide a fault
    found = {
        path
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    }
    assert found == {"realtime/worker.py"}


def _catches_everything(handler):
    kind = handler.type
    return kind is None or (
        isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")
    )


def _length_without_docstring(function):
    first = function.body[0]
    start = function.lineno
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = first.end_lineno - first.lineno + 1 if is_docstring else 0
    return function.end_lineno - start + 1 - docstring
