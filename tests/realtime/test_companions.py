"""Navigators and calibration lines travel with the frame that they belong to."""

from dataclasses import replace

import numpy as np
import pytest

from messages import Alert, EncodingCounters, MonitorError, RunStop
from messages.acquisition import (
    LAST_IN_SLICE,
    NAVIGATION,
    PARALLEL_CALIBRATION,
    PARALLEL_CALIBRATION_AND_IMAGING,
    PHASE_CORRECTION,
    REAL_TIME_FEEDBACK,
    is_imaging,
)
from realtime.companions import is_companion
from realtime.session import Session
from realtime.session_setup import RunIdentity
from tests.harness import Scan
from tests.realtime.test_session import PROTOCOL, READY, Sink, Worker, decoded

NAVIGATOR = PHASE_CORRECTION | NAVIGATION | REAL_TIME_FEEDBACK  # as in real ep2d_bold
SCAN = Scan(n_pixels=8, lines=tuple(range(8)), noise_std=0.0, n_slices=2)


class Bench:
    """A session of an accelerated or EPI header, fed readout by readout."""

    def __init__(self, **changed) -> None:
        frames = [one for n in range(3) for s in range(2) for one in SCAN.frame(n, slice_=s)]
        header, self.readouts = decoded(SCAN, frames)
        header = replace(header, encodings=(replace(header.encodings[0], **changed),))
        self.sink, self.worker = Sink(), Worker()
        run = RunIdentity("run", "test", "2026", "machine", {})
        self.session = Session(PROTOCOL, header, run, self.sink, self.worker, is_lossless=False)
        self.n = 0

    def imaging(self, frame: int, slice_: int, line: int, **changed) -> None:
        self.send(self.readouts[16 * frame + 8 * slice_ + line], **changed)

    def companion(self, flags: int, *, frame=0, value=1.0, **idx) -> None:
        idx = {"repetition": frame, **idx}
        self.send(
            self.readouts[0],
            flags=flags,
            idx=EncodingCounters(**idx),
            samples=np.full((2, 16), value, np.complex64),
        )

    def send(self, acquisition, **changed) -> None:
        self.n += 1
        whole = {"scan_counter": self.n, **changed}
        self.session.readout(replace(acquisition, **whole), received_ns=0)
        if self.session.state == "admitting":
            self.session.worker_said(READY, now_ns=0)

    def rows(self):
        """Flags and lines of the frame that the worker has, and its samples."""
        slot = self.worker.orders[-1].slot
        n = int(self.worker.mailbox.slots[slot]["n_landed"])
        table = self.worker.mailbox.readouts[slot, :n]
        return table, self.worker.mailbox.samples[slot, :n]


def test_real_flag_mixtures_are_told_apart():
    assert is_companion(NAVIGATOR)
    assert not is_imaging(NAVIGATOR)
    assert is_companion(PARALLEL_CALIBRATION)
    both = PARALLEL_CALIBRATION | PARALLEL_CALIBRATION_AND_IMAGING
    for flags in (PARALLEL_CALIBRATION_AND_IMAGING, both, 0):
        assert not is_companion(flags)
        assert is_imaging(flags)
    assert not is_companion(NAVIGATION)


def test_navigators_come_first_in_their_own_slice_s_frame_and_count_for_nothing():
    bench = Bench(trajectory="epi")
    for slice_ in (1, 0):
        for value in (1, 2, 3):
            bench.companion(NAVIGATOR | LAST_IN_SLICE, slice=slice_, value=10 * slice_ + value)
    for line in range(8):
        bench.imaging(0, 0, line)
    table, samples = bench.rows()
    assert list(table["flags"] & np.uint64(PHASE_CORRECTION) != 0) == [True] * 3 + [False] * 8
    assert list(samples[:3, 0, 0].real) == [1, 2, 3]
    assert list(table["kspace_encode_step_1"][3:]) == list(range(8))
    assert bench.worker.is_closed()
    slot = bench.worker.orders[-1].slot
    assert bench.worker.mailbox.slots[slot]["is_complete"]
    assert np.isfinite(table["time_s"]).all()


def test_a_navigator_in_mid_frame_goes_straight_in():
    bench = Bench(trajectory="epi", n_segments=2)
    for line in range(8):
        if line in (0, 4):
            bench.companion(NAVIGATOR)
        bench.imaging(0, 0, line)
    table, _ = bench.rows()
    assert list(np.flatnonzero(table["flags"] & np.uint64(PHASE_CORRECTION))) == [0, 5]
    assert bench.worker.is_closed()


def test_the_next_repetition_s_navigator_waits_though_a_line_was_lost():
    bench = Bench(trajectory="epi")
    for line in range(7):
        bench.imaging(0, 0, line)
    bench.companion(NAVIGATOR, frame=1)
    assert len(bench.rows()[0]) == 7
    bench.imaging(1, 0, 0)
    assert bench.worker.is_closed()
    bench.session.worker_said(bench.worker.done(), now_ns=0)
    assert len(bench.rows()[0]) == 2


def test_calibration_lines_of_another_space_go_to_the_slice_s_next_frame():
    bench = Bench(acceleration=(2, 1), calibration_mode="separate")
    for line in range(2, 6):
        bench.companion(PARALLEL_CALIBRATION, kspace_encode_step_1=line, contrast=1, set=1)
    bench.n -= 4
    for line in range(0, 8, 2):
        bench.imaging(0, 0, line)
    table, _ = bench.rows()
    assert list(table["kspace_encode_step_1"]) == [2, 3, 4, 5, 0, 2, 4, 6]
    assert bench.worker.is_closed()


def test_a_companion_of_another_shape_is_refused_in_words():
    bench = Bench(trajectory="epi")
    bench.imaging(0, 0, 0)
    big = np.zeros((2, 64), np.complex64)
    with pytest.raises(MonitorError, match=r"readout 2: .* 2 channels × 64 samples"):
        bench.send(bench.readouts[0], flags=NAVIGATOR, samples=big)
    bench.send(bench.readouts[0], flags=NAVIGATOR, samples=big[:, :4])


def test_more_companions_than_a_frame_has_lines_are_refused_in_words():
    bench = Bench(trajectory="epi")
    bench.imaging(0, 0, 0)
    for _ in range(8):
        bench.companion(NAVIGATOR)
    with pytest.raises(MonitorError, match="more than 8 navigators"):
        bench.companion(NAVIGATOR)


def test_unexpected_navigators_and_other_spaces_are_counted_and_told_once():
    bench = Bench()
    for line in range(8):
        bench.imaging(0, 0, line)
        bench.companion(NAVIGATOR)
        bench.imaging(0, 0, line, encoding_space_ref=1)
    told = [one for one in bench.sink.of(Alert) if one.state == "raised"]
    assert [one.event for one in told] == ["readouts-unused.inform"] * 2
    assert bench.worker.is_closed()
    assert len(bench.rows()[0]) == 8
    bench.session.stop("completed", "", ended_utc="", now_ns=0)
    (stop,) = bench.sink.of(RunStop)
    assert (stop.n_unused_readouts, stop.n_readouts, stop.n_lost_readouts) == (16, 24, 0)
