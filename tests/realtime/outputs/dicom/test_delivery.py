"""The queue in front of a place that may be down: bounded, newest first kept, nobody waits."""

import threading
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from messages import MonitorError, RunStop
from realtime.outputs.dicom import delivery as under_test
from realtime.outputs.dicom.delivery import MOST_WAITING, MOST_WAITING_BYTES, Delivery
from realtime.outputs.dicom.live import Live
from realtime.outputs.dicom.peer import UnreachableError
from realtime.outputs.dicom.study import kind_of
from tests.realtime.outputs.dicom.made import START, frame

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No test waits for a back-off."""
    monkeypatch.setattr(under_test, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(under_test, "_LONGEST_WAIT_S", 0.002)


class Place:
    """Takes objects while it is open; says so by events."""

    def __init__(self):
        self.is_open = threading.Event()
        self.was_asked = threading.Event()
        self.got = []
        self.refused = []
        self.told = []

    def put(self, run_id, instances):
        self.was_asked.set()
        if not self.is_open.is_set():
            raise UnreachableError("it is down")
        self.got.append((run_id, [one.InstanceNumber for one in instances]))
        return self.refused


def job(number):
    one = Dataset()
    one.InstanceNumber = number
    return lambda: [one]


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def line(place):
    it = Delivery("there", place.put, place.told.append)
    yield it
    place.is_open.set()
    it.close(PATIENCE_S)


def test_what_is_submitted_is_delivered_in_order(place, line):
    place.is_open.set()
    for n in range(5):
        line.submit("run", job(n), n_bytes=1000)
    assert line.close(PATIENCE_S) == 0
    assert place.got == [("run", [n]) for n in range(5)]
    assert (line.n_delivered, line.n_dropped, place.told) == (5, 0, [])


def test_while_it_is_down_the_newest_wait_and_the_others_are_counted(place, line):
    line.submit("run", job(0), n_bytes=1000)
    assert place.was_asked.wait(PATIENCE_S)  # number 0 is in hand
    for n in range(1, 101):
        line.submit("run", job(n), n_bytes=1000)
    place.is_open.set()
    assert line.close(PATIENCE_S) == 0
    assert [numbers[0] for _, numbers in place.got] == [0, *range(101 - MOST_WAITING, 101)]
    assert line.n_dropped == 100 - MOST_WAITING
    assert place.told == [
        f"it is down; tried again, the newest {MOST_WAITING} frames wait",
        f"there: takes objects again; {100 - MOST_WAITING} frames were dropped",
    ]


def test_large_volumes_wait_within_a_bound_of_bytes(place, line):
    line.submit("run", job(0), n_bytes=1000)
    assert place.was_asked.wait(PATIENCE_S)
    for n in range(1, 6):
        line.submit("run", job(n), n_bytes=MOST_WAITING_BYTES // 2)
    line.submit("run", job(6), n_bytes=2 * MOST_WAITING_BYTES)  # alone too large, and the newest
    place.is_open.set()
    assert line.close(PATIENCE_S) == 0
    assert [numbers[0] for _, numbers in place.got] == [0, 6]
    assert line.n_dropped == 5


def test_at_the_end_what_was_not_delivered_is_counted(place, line):
    for n in range(3):
        line.submit("run", job(n), n_bytes=1000)
    assert place.was_asked.wait(PATIENCE_S)
    assert line.close(PATIENCE_S) == 3


def test_what_cannot_be_made_or_is_refused_is_told_once_and_the_rest_goes_on(place, line):
    def bad():
        raise MonitorError("has no place in the patient")

    place.is_open.set()
    place.refused = ["takes no maps"]
    for n in range(3):
        line.submit("run", bad, n_bytes=1000)
        line.submit("run", job(n), n_bytes=1000)
    assert line.close(PATIENCE_S) == 0
    assert len(place.got) == 3
    assert place.told == ["has no place in the patient", "takes no maps"]


class Kept:
    """Stands for a delivery."""

    def __init__(self):
        self.jobs = []

    def submit(self, run_id, make, *, n_bytes):
        assert n_bytes > 8 * frame().magnitude.size
        self.jobs.append((run_id, make))

    def numbers(self):
        return [make()[0].AcquisitionNumber - 1 for _, make in self.jobs]


def test_of_a_running_treatment_every_nth_frame_and_at_its_end_the_last():
    kept = Kept()
    live = Live([kept], every=3)
    live.hear(START)
    for n in range(6):
        live.hear(frame(frame_id=n))
    assert kept.numbers() == [0, 3]
    live.hear(RunStop(START.run_id, "completed", "end", "2026", 6, 0, 0, 0, 1, 0))
    assert kept.numbers() == [0, 3, 5]
    live.end()
    assert kept.numbers() == [0, 3, 5]


def test_a_monitor_that_ends_in_mid_run_has_its_last_frame_delivered():
    kept = Kept()
    live = Live([kept], every=0)
    live.hear(START)
    live.hear(frame(frame_id=0))
    live.end()
    assert kept.numbers() == [0]


def test_two_runs_are_two_patients_and_one_whose_start_was_not_heard_is_none():
    kept = Kept()
    live = Live([kept], every=1)
    live.hear(START)
    live.hear(replace(START, run_id="other"))
    live.hear(frame())
    live.hear(replace(frame(), run_id="other"))
    live.hear(replace(frame(), run_id="stranger"))
    assert [run_id for run_id, _ in kept.jobs] == [START.run_id, "other"]
    first, second = (make() for _, make in kept.jobs)
    assert first[0].PatientID != second[0].PatientID
    assert kind_of(first[0]) == ("magnitude", 0)
    assert live.n_strange == 1
