"""The tables of docs/ that promise something and name the tests that show it."""

import ast
import re


def rows_of(root, name):
    """Return the cells of each row of a page's tables, headings and rules left out."""
    lines = (root / "docs" / name).read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    rules = [number for number, row in enumerate(cells) if set(row[0]) == {"-"}]
    left_out = {number + step for number in rules for step in (-1, 0)}
    return [row for number, row in enumerate(cells) if number not in left_out]


def check_whole(rows, n_cells):
    for row in rows:
        assert len(row) == n_cells, row
        assert all(row), f"an empty cell: {row}"


def check_tests(root, said, cell):
    """Check that a cell names tests, and that each of them exists."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cell)
    assert named, f"{said}: no test"
    for path, name in named:
        assert name in _tests(root / path), f"{said}: {path}::{name}"


def _tests(path):
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in ast.walk(tree) if isinstance(n, kinds) and n.name.startswith("test_")}
