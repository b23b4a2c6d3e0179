"""docs/security.md: threat → what stands against it → test. Each row must be true."""

import ast
import re

import pytest

GROUPS = ("From the network", "Names and files", "The person", "The live page")


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(text):
    table = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in cells if row[0] != "threat" and set(row[0]) != {"-"}]


def test_each_row_is_whole(rows):
    assert len(rows) >= 20
    for row in rows:
        assert len(row) == 3, row
        assert all(row), f"an empty cell: {row}"


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_has_rows(text, group):
    _, _, rest = text.partition(f"\n## {group}\n")
    assert rest.partition("\n## ")[0].count("\n| ") >= 2, group


def test_each_row_names_a_test_that_exists(rows, root):
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])
        assert named, f"{row[0]}: no test"
        for path, name in named:
            assert name in _tests(root / path), f"{row[0]}: {path}::{name}"


def _tests(path):
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {name for name in found if name.startswith("test_")}
