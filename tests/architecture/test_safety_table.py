"""docs/safety.md: hazard → rule → limit and its source → test. Each row must be true."""

import re

import pytest

from realtime.alerts.events import EVENTS
from tests.architecture.tables import check_tests, check_whole, rows_of


@pytest.fixture(scope="module")
def rows(root):
    return rows_of(root, "safety.md")


def test_each_row_is_whole(rows):
    assert len(rows) >= len(EVENTS)
    check_whole(rows, 4)


def test_each_rule_named_is_in_the_event_table(rows):
    for row in rows:
        for event in _events(row):
            assert event in EVENTS, f"{row[0]}: {event}"


def test_each_event_has_a_row(rows):
    told = {event for row in rows for event in _events(row)}
    assert set(EVENTS) <= told, set(EVENTS) - told


def test_each_row_names_a_test_that_exists(rows, root):
    for row in rows:
        check_tests(root, row[0], row[3])


def _events(row):
    return re.findall(r"`([a-z-]+\.(?:inform|warn|hold))`", row[1])
