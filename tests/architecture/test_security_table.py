"""docs/security.md: threat → what stands against it → test. Each row must be true."""

import pytest

from tests.architecture.tables import check_tests, check_whole, rows_of

GROUPS = (
    "From the network",
    "Names and files",
    "The person",
    "The live page",
    "The metrics and the log",
)


@pytest.fixture(scope="module")
def text(root):
    return (root / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows(root):
    return rows_of(root, "security.md")


def test_each_row_is_whole(rows):
    assert len(rows) >= 20
    check_whole(rows, 3)


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_has_rows(text, group):
    _, _, rest = text.partition(f"\n## {group}\n")
    assert rest.partition("\n## ")[0].count("\n| ") >= 2, group


def test_each_row_names_a_test_that_exists(rows, root):
    for row in rows:
        check_tests(root, row[0], row[2])
