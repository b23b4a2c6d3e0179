"""An imaging session is patient: every frame becomes an image, however long the worker takes."""

import pytest

from realtime import control
from realtime.permit_right import places
from realtime.protocol import load_protocol
from realtime.session import Session
from realtime.session_setup import RunIdentity
from tests.realtime.test_session import READY, SCAN, Bench, Worker

IMAGING = load_protocol("imaging")
STALL_MS = IMAGING.stream.stall_ms


class Patient(Bench):
    """The same bench with an imaging protocol."""

    def __init__(self, scan=SCAN, *, n_frames: int = 60) -> None:
        super().__init__(scan, n_frames=n_frames)
        run = RunIdentity("run", "test", "2026", "machine", {})
        self.session = Session(
            IMAGING, self.session.header, run, self.sink, self.worker,
            is_lossless=False, may_treat=False,
        )  # fmt: skip

    def fill(self) -> int:
        """Send until the source has to wait; return how many readouts went."""
        n = 0
        while self.session.accepts() and self._next < len(self.readouts):
            self.send(1)
            n += 1
        return n


def test_no_image_is_lost_to_a_slow_worker_and_each_verdict_tells_its_age():
    bench = Patient().admitted()
    while bench._next < len(bench.readouts):
        bench.fill()
        bench.pass_ms(3000)  # three times the protocol's deadline, for each frame
        bench.says(bench.worker.done())
    bench.session.end(now_ns=bench.now_ns)
    while bench.session.state != "over":
        bench.pass_ms(3000)
        bench.says(bench.worker.done())
        bench.session.tick(bench.now_ns)
    assert [(one.frame_id, one.outcome) for one in bench.verdicts] == [
        (n, "COMPUTED") for n in range(60)
    ]
    assert min(one.age_ms for one in bench.verdicts) >= 3000
    assert {one.permit for one in bench.verdicts} == {"HELD"}


def test_a_source_that_is_made_to_wait_is_not_silent():
    bench = Patient().admitted()
    bench.fill()
    assert not bench.session.accepts()
    assert bench.session.assembler.open
    bench.pass_ms(2 * STALL_MS)
    assert bench.session.next_ns() > bench.now_ns
    assert bench.session.answers.counts.n_incomplete == 0


def test_a_source_that_falls_silent_inside_a_frame_ends_it():
    bench = Patient().admitted()
    bench.send(3)
    bench.pass_ms(STALL_MS)
    bench.says(bench.worker.done())
    assert [one.outcome for one in bench.verdicts] == ["COMPUTED"]
    assert bench.session.answers.counts.n_incomplete == 1


def test_the_source_waits_while_a_lost_worker_is_replaced():
    bench = Patient().admitted()
    bench.session.worker_lost("gone", now_ns=0)
    assert not bench.session.accepts()
    bench.worker = Worker()
    bench.session.worker_back(bench.worker, now_ns=0)
    bench.says(READY)
    assert bench.session.accepts()


def test_the_worker_refuses_no_imaging_for_its_pace_and_waits_for_no_calibration():
    given = Patient().admitted().worker.configuration
    assert isinstance(given, control.Configuration)
    assert not given.is_deadline_enforced
    assert not given.awaits_refinement


@pytest.mark.parametrize(
    ("therapy", "most", "is_held", "expected"),
    [
        ("imaging", 4, False, 3),
        ("imaging", 4, True, 4),
        ("imaging", 1, False, 1),
        ("mrgfus", 4, False, 4),
        ("mrgfus", 4, True, 4),
    ],
)
def test_one_place_is_kept_for_a_treatment_while_nobody_treats(therapy, most, is_held, expected):
    assert places(therapy, most, is_held=is_held) == expected
