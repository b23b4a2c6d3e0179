"""docs/guarantees.md: twelve promises, each with tests that exist and with what was measured."""

import ast
import re

import pytest

N_PROMISES = 12


@pytest.fixture(scope="module")
def rows(root):
    lines = (root / "docs" / "guarantees.md").read_text(encoding="utf-8").splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("| **G")]
    return [[cell.strip() for cell in row] for row in table]


def test_each_promise_has_one_whole_row(rows):
    named = [re.match(r"\*\*G(\d+)\*\*", row[0])[1] for row in rows]
    assert named == [str(n) for n in range(1, N_PROMISES + 1)]
    for row in rows:
        assert len(row) == 4, row
        assert all(row), f"an empty cell: {row}"
        assert "FIGURE" not in row[3], "a figure that was never measured"


def test_each_promise_names_tests_that_exist(rows, root):
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
        assert named, f"{row[0]}: no test"
        for path, name in named:
            assert name in _tests(root / path), f"{row[0]}: {path}::{name}"


def _tests(path):
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in ast.walk(tree) if isinstance(n, kinds) and n.name.startswith("test_")}
