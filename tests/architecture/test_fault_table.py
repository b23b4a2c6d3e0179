"""docs/faults.md: each of the 26 faults of the reference has its row and a test that exists."""

import pytest

from tests.architecture.tables import check_tests, check_whole, rows_of

N_FAULTS = 26


@pytest.fixture(scope="module")
def rows(root):
    cells = rows_of(root, "faults.md")
    return {int(row[0].split()[0]): row for row in cells if row[0][:1].isdigit()}


def test_each_fault_has_one_whole_row(rows):
    assert sorted(rows) == list(range(1, N_FAULTS + 1))
    check_whole(rows.values(), 4)


def test_each_row_names_tests_that_exist(rows, root):
    for number, row in rows.items():
        check_tests(root, f"fault {number}", row[3])
