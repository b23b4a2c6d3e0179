"""When a readout was acquired, in scanner time."""

import math

import numpy as np
import pytest

from messages import Acquisition
from realtime.frame_times import FrameTimes
from realtime.streams.events import HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from tests.harness import Scan, small_protocol

SCAN = Scan(n_pixels=8, lines=tuple(range(8)))


def decoded(scan: Scan, n_frames: int, **changed: str):
    decoder = Decoder()
    frames = b"".join(b"".join(scan.frame(n)) for n in range(n_frames))
    decoder.feed(header_message(scan.header(**changed)) + frames)
    events = list(decoder.events())
    (header,) = [one.header for one in events if isinstance(one, HeaderReceived)]
    return header, [one for one in events if isinstance(one, Acquisition)]


def test_seconds_run_on_from_frame_to_frame_and_the_centre_is_the_centre_line():
    header, readouts = decoded(SCAN, 3)
    times = FrameTimes(small_protocol(), header)
    for frame in range(3):
        for acquisition in readouts[8 * frame : 8 * frame + 8]:
            times.note(frame, acquisition)
        seconds, centre_s = times.settle(frame)
        assert np.allclose(seconds, 0.08 * frame + 0.01 * np.arange(8))
        assert centre_s == pytest.approx(0.08 * frame + 0.04)
        assert times.latest_s == seconds[-1]


def test_without_the_centre_line_the_nearest_counts():
    header, readouts = decoded(SCAN, 1)
    times = FrameTimes(small_protocol(), header)
    for acquisition in readouts[:3]:
        times.note(0, acquisition)
    seconds, centre_s = times.settle(0)
    assert centre_s == seconds[2]


def test_interleaved_frames_keep_their_own_times():
    header, readouts = decoded(SCAN, 2)
    times = FrameTimes(small_protocol(), header)
    for one, two in zip(readouts[:8], readouts[8:], strict=True):
        times.note(0, one)
        times.note(1, two)
    first, _ = times.settle(0)
    second, _ = times.settle(1)
    assert np.allclose(second - first, 0.08)


def test_a_frame_without_readouts_has_no_time():
    header, _ = decoded(SCAN, 1)
    times = FrameTimes(small_protocol(), header)
    seconds, centre_s = times.settle(5)
    assert seconds.size == 0
    assert math.isnan(centre_s)


def test_a_frame_is_forgotten_once_it_is_settled():
    header, readouts = decoded(SCAN, 1)
    times = FrameTimes(small_protocol(), header)
    times.note(0, readouts[0])
    times.settle(0)
    assert times.settle(0)[0].size == 0


def test_averages_are_dated_by_the_mean_of_their_centres():
    header, readouts = decoded(SCAN, 2)
    times = FrameTimes(small_protocol(), header)
    for acquisition in readouts:
        times.note(0, acquisition)
    _, centre_s = times.settle(0)
    assert centre_s == pytest.approx((0.04 + 0.12) / 2)
