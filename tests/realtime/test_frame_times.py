"""When a readout was acquired, in scanner time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from messages import Acquisition, Pose
from realtime.frame_times import FrameTimes
from realtime.protocol import parse_protocol
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
        assert times.now_s(0) == seconds[-1]


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


def as_trajectory(header, name: str):
    return replace(header, encodings=(replace(header.encodings[0], trajectory=name),))


def test_every_spoke_crosses_the_centre_so_a_frame_is_dated_by_their_mean():
    header, readouts = decoded(SCAN, 1)
    times = FrameTimes(small_protocol(), as_trajectory(header, "radial"))
    for acquisition in readouts:
        times.note(0, acquisition)
    assert times.centre(0).ticks == readouts[4].acquisition_time_stamp
    _, centre_s = times.settle(0)
    assert centre_s == pytest.approx(0.035)


def test_companions_are_dated_but_are_no_centre_and_move_no_clock():
    header, readouts = decoded(SCAN, 2)
    times = FrameTimes(small_protocol(), as_trajectory(header, "epi"))
    plain = FrameTimes(small_protocol(), as_trajectory(header, "epi"))
    for frame in range(2):
        lines = readouts[8 * frame : 8 * frame + 8]
        # from before the frame, and the k-space centre by its counters
        stamp = lines[0].acquisition_time_stamp - 2
        centre = replace(lines[4], acquisition_time_stamp=stamp)
        times.note(frame, centre, is_companion=True)
        for acquisition in lines:
            times.note(frame, acquisition)
            plain.note(frame, acquisition)
        assert times.centre(frame) == plain.centre(frame)
        seconds, centre_s = times.settle(frame)
        expected, expected_s = plain.settle(frame)
        assert np.allclose(seconds[1:], expected)
        assert seconds[0] == pytest.approx(expected[0] - 0.005)
        assert centre_s == expected_s


def test_the_pose_of_a_frame_is_that_of_its_centre():
    header, readouts = decoded(SCAN, 1)
    times = FrameTimes(small_protocol(), header)
    for n, acquisition in enumerate(readouts):
        times.note(0, replace(acquisition, pose=Pose(position_mm=(float(n), 0.0, 0.0))))
    assert times.centre(0).pose.position_mm[0] == 4.0
    assert times.centre(7).pose == Pose()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"systemVendor": "nobody", "TR": "1234"}, "set stream.time_stamp_unit"),
        ({"systemVendor": "SIEMENS"}, ""),
    ],
)
def test_a_doubtful_clock_is_told_once(changed, said):
    header, readouts = decoded(SCAN, 2, **changed)
    times = FrameTimes(small_protocol(), header)
    told = []
    for frame in range(2):
        for acquisition in readouts[8 * frame : 8 * frame + 8]:
            times.note(frame, acquisition)
        times.settle(frame)
        told.append(times.take_remark())
    assert said in told[0]
    assert bool(told[0]) == bool(said)
    assert told[1] == ""


@pytest.mark.parametrize("is_interleaved", [True, False])
def test_an_echo_train_is_dated_by_the_mean_of_its_echoes(is_interleaved):
    """TR 10 ms, 3 echoes, and no vendor that tells the unit: the first echo's steps tell it."""
    protocol = parse_protocol(small_protocol().text.replace("single-baseline", "multi-echo"))
    header, (one, *_) = decoded(SCAN, 1, systemVendor="", TE="2</TE><TE>4</TE><TE>6")
    header = replace(header, encodings=(replace(header.encodings[0], n_contrasts=3),))
    times = FrameTimes(protocol, header)
    for frame in range(2):
        train = [(line, echo) for line in range(8) for echo in range(3)]
        if not is_interleaved:
            train.sort(key=lambda each: each[1])
        for line, echo in train:
            # ms; separate echoes are a third of the frame apart
            since_ms = 10 * line + (2 * echo if is_interleaved else 80 * echo)
            ticks = 5000 + 80 * (1 if is_interleaved else 3) * frame + since_ms
            idx = replace(one.idx, kspace_encode_step_1=line, contrast=echo)
            times.note(frame, replace(one, acquisition_time_stamp=ticks, idx=idx))
        seconds, centre_s = times.settle(frame)
        began_s = 0.08 * (1 if is_interleaved else 3) * frame
        assert seconds[0] == pytest.approx(began_s)
        assert centre_s == pytest.approx(began_s + 0.04 + (0.002 if is_interleaved else 0.08))
        assert times.now_s(0) == pytest.approx(seconds[-1])
        assert seconds[-1] == pytest.approx(began_s + 0.07 + (0.004 if is_interleaved else 0.16))


def test_scanner_time_goes_on_between_readouts():
    header, readouts = decoded(SCAN, 2)
    times = FrameTimes(small_protocol(), header)
    times.note(0, readouts[0])
    # what a tick is, a frame's end tells
    assert math.isnan(times.now_s(0))
    for acquisition in readouts[1:8]:
        times.note(0, acquisition)
    times.settle(0)
    for acquisition in readouts[8:11]:
        times.note(1, acquisition)
    # within the next frame, 2.5 s after its third readout came
    assert times.now_s(2_500_000_000) == pytest.approx(0.08 + 0.02 + 2.5)
