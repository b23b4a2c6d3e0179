"""docs/safety.md: hazard → rule → limit and its source → test. Each row must be true."""

import ast
import re

import pytest

from realtime.alerts.events import EVENTS


@pytest.fixture(scope="module")
def rows(root):
    lines = (root / "docs" / "safety.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in cells if row[0] not in ("hazard", "") and set(row[0]) != {"-"}]


def test_each_row_is_whole(rows):
    assert len(rows) >= len(EVENTS)
    for row in rows:
        assert len(row) == 4, row
        assert all(row), f"an empty cell: {row}"


def test_each_rule_named_is_in_the_event_table(rows):
    for row in rows:
        for event in _events(row):
            assert event in EVENTS, f"{row[0]}: {event}"


def test_each_event_has_a_row(rows):
    told = {event for row in rows for event in _events(row)}
    assert set(EVENTS) <= told, set(EVENTS) - told


def test_each_row_names_a_test_that_exists(rows, root):
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[3])
        assert named, f"{row[0]}: no test"
        for path, name in named:
            assert name in _tests(root / path), f"{row[0]}: {path}::{name}"


def _events(row):
    return re.findall(r"`([a-z-]+\.(?:inform|warn|hold))`", row[1])


def _tests(path):
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
