import numpy as np
import pytest

from simulators.lease import PowerOff
from simulators.overshoot import FrameTimes, split_overshoot
from simulators.truth import TruthLog

FRAMES = [FrameTimes(2 * k + 1.0, 2 * k + 2.0) for k in range(10)]


def ramp(off_s):
    """1 °C/s from 50 °C until the power goes off, then cooling."""
    log = TruthLog()
    times = np.unique(np.append(np.arange(0, 20.001, 0.1), off_s))
    log.sample_time_s = [float(t) for t in times]
    log.peak_c = [float(50 + t if t <= off_s else 50 + off_s - (t - off_s)) for t in times]
    return log


@pytest.mark.parametrize(
    ("off", "frame_c", "detection_c", "processing_c", "lease_c", "not_stopped_c"),
    [
        # crossing 60 °C at 10.0 s; frame 5 has its centre at 11 s and its end at 12 s
        (PowerOff(12.05, "held", 5), 2.0, 0.0, 0.05, 0.0, 0.0),
        (PowerOff(16.2, "held", 7), 2.0, 4.0, 0.2, 0.0, 0.0),
        (PowerOff(15.0, "lapse", 5), 2.0, 0.0, 0.0, 3.0, 0.0),
        (PowerOff(15.0, "silence"), 2.0, 0.0, 0.0, 3.0, 0.0),
        (PowerOff(14.0, "plan"), 2.0, 0.0, 0.0, 0.0, 2.0),
        (PowerOff(11.0, "held", 4), 1.0, 0.0, 0.0, 0.0, 0.0),
    ],
)
def test_parts_are_right(off, frame_c, detection_c, processing_c, lease_c, not_stopped_c):
    split = split_overshoot(ramp(off.t_s), FRAMES, limit_c=60.0, offs=[off])
    assert split.crossed_s == pytest.approx(10.0)
    assert split.overshoot_c == pytest.approx(off.t_s - 10.0)
    assert split.due_to_frame_time_c == pytest.approx(frame_c)
    assert split.due_to_detection_c == pytest.approx(detection_c, abs=1e-9)
    assert split.due_to_processing_c == pytest.approx(processing_c, abs=1e-9)
    assert split.due_to_lease_c == pytest.approx(lease_c, abs=1e-9)
    assert split.not_stopped_c == pytest.approx(not_stopped_c, abs=1e-9)


def test_frame_whose_centre_came_before_the_crossing_cannot_show_it():
    off = PowerOff(14.05, "held", 6)
    split = split_overshoot(ramp(off.t_s), FRAMES, limit_c=61.5, offs=[off])
    assert split.due_to_frame_time_c == pytest.approx(2.5)  # from 11.5 s, in frame 5, to 14 s
    assert split.due_to_detection_c == pytest.approx(0.0, abs=1e-9)


def test_below_the_limit_there_is_no_overshoot():
    off = PowerOff(5.0, "held", 1)
    split = split_overshoot(ramp(5.0), FRAMES, limit_c=60.0, offs=[off])
    assert split.overshoot_c == 0
    assert split.crossed_s is None
    assert split.power_off == off
    assert split.peak_c == pytest.approx(55.0)
