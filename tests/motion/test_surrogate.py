"""The belt is a second opinion: it agrees while it moves with the target, and no longer after."""

import pickle

import numpy as np
import pytest

from messages import Waveform
from motion.surrogate import RESPIRATION, Breathing, Surrogate, breathing_of

BELT_HZ = 50.0


def target(time_s):
    """Return (y, x) mm."""
    rise = 10 * np.sin(np.pi * time_s / 4) ** 4
    return rise, 0.3 * rise


def belt(times, *, lag_s=0.25):
    """Return what the belt says: another size, sooner, and a little nonlinear."""
    rise = np.sin(np.pi * (times + lag_s) / 4) ** 4
    return 2000 + 900 * rise + 100 * rise**2


def played(seconds, *, signal=belt, seen=target):
    """Return the last state and the readings of 8 images a second."""
    surrogate, rng = Surrogate(), np.random.default_rng(3)
    state, readings = surrogate.start(), []
    for i in range(1, int(8 * seconds)):
        times = (i - 1) / 8 + np.arange(round(BELT_HZ / 8)) / BELT_HZ
        state = surrogate.heard(state, Breathing(times, signal(times)))
        time_s = (i - 1) / 8
        noise = 0.3 * rng.standard_normal(2)
        place = tuple(float(one) for one in np.add(seen(time_s), noise))
        state, reading = surrogate.step(state, time_s=time_s, displacement_mm=place)
        readings.append(reading)
    return state, readings


def test_tells_where_the_target_is():
    _, readings = played(60.0)
    late = [one for one in readings if one is not None and one.time_s > 30]
    error = np.array([np.subtract(one.displacement_mm, target(one.time_s)) for one in late])
    assert (np.sqrt(np.mean(error**2, axis=0)) < 0.6).all()
    assert all(one.is_trusted and not one.is_doubted for one in late)
    assert np.mean([one.agreement for one in late]) > 0.9


def test_says_nothing_before_it_has_heard_a_breath():
    _, readings = played(20.0)
    assert readings[40] is None
    assert not any(one.is_trusted for one in readings if one is not None and one.time_s < 15)


@pytest.mark.parametrize(
    "broken",
    [
        lambda times: np.where(times < 40, belt(times), belt(np.array(40.0))),  # fell off
        lambda times: np.where(times < 40, belt(times), belt(times * 1.37)),  # another rhythm
    ],
)
def test_a_surrogate_that_agrees_no_more_is_doubted(broken):
    _, readings = played(60.0, signal=broken)
    assert readings[300].is_trusted
    assert any(one.is_doubted for one in readings if one is not None and 42 < one.time_s < 55)
    assert not any(one.is_doubted for one in readings if one is not None and one.time_s < 40)


def test_a_signal_that_stopped_gives_no_reading():
    surrogate = Surrogate()
    state, readings = played(40.0)
    assert readings[-1] is not None
    _, reading = surrogate.step(state, time_s=42.0, displacement_mm=(1.0, 1.0))
    assert reading is None


def test_a_signal_that_never_moves_teaches_nothing():
    _, readings = played(30.0, signal=lambda times: np.full(len(times), 5.0))
    assert readings == [None] * len(readings)


def test_its_state_is_small_and_picklable():
    state, _ = played(40.0)
    surrogate = Surrogate()
    thawed = pickle.loads(pickle.dumps(state))
    one = surrogate.step(state, time_s=39.7, displacement_mm=None)[1]
    assert surrogate.step(thawed, time_s=39.7, displacement_mm=None)[1] == one
    assert len(pickle.dumps(state)) < 10_000


def test_reads_a_respiratory_waveform_and_no_other():
    samples = np.array([[10, 20, 30], [1, 1, 1]], np.uint32)
    wave = Waveform(0, 1, 0, 400, 20_000.0, RESPIRATION, samples, time_s=1.0)
    breathing = breathing_of(wave)
    assert breathing.time_s == pytest.approx([1.0, 1.02, 1.04])
    assert breathing.value.tolist() == [10.0, 20.0, 30.0]
    assert breathing_of(Waveform(0, 1, 0, 400, 20_000.0, 0, samples, time_s=1.0)) is None
    assert breathing_of(Waveform(0, 1, 0, 400, 20_000.0, RESPIRATION, samples)) is None
