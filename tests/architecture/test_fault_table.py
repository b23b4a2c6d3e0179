"""docs/faults.md: each of the 26 faults of the reference has its row and a test that exists."""

import ast
import re

import pytest

N_FAULTS = 26


@pytest.fixture(scope="module")
def rows(root):
    lines = (root / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in table]
    return {int(row[0].split()[0]): row for row in cells if row[0][:1].isdigit()}


def test_each_fault_has_one_whole_row(rows):
    assert sorted(rows) == list(range(1, N_FAULTS + 1))
    for row in rows.values():
        assert len(row) == 4, row
        assert all(row), f"an empty cell: {row}"


def test_each_row_names_tests_that_exist(rows, root):
    for number, row in rows.items():
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
        assert named, f"fault {number}: no test"
        for path, name in named:
            assert name in _tests(root / path), f"fault {number}: {path}::{name}"


def _tests(path):
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in ast.walk(tree) if isinstance(n, kinds) and n.name.startswith("test_")}
