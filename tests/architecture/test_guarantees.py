"""docs/guarantees.md: twelve promises, each with tests that exist and with what was measured."""

import re

import pytest

from tests.architecture.tables import check_tests, check_whole, rows_of

N_PROMISES = 12


@pytest.fixture(scope="module")
def rows(root):
    return [row for row in rows_of(root, "guarantees.md") if row[0].startswith("**G")]


def test_each_promise_has_one_whole_row(rows):
    named = [re.match(r"\*\*G(\d+)\*\*", row[0])[1] for row in rows]
    assert named == [str(n) for n in range(1, N_PROMISES + 1)]
    check_whole(rows, 4)
    for row in rows:
        assert "FIGURE" not in row[3], "a figure that was never measured"


def test_each_promise_names_tests_that_exist(rows, root):
    for row in rows:
        check_tests(root, row[0], row[2])
