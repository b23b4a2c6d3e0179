"""Waveforms: bounded, in order, with the frames and to subscribers; none stops the monitor."""

import math
from dataclasses import replace

import h5py
import numpy as np
import pytest

from messages import MonitorError, Waveform
from realtime.mailbox import WAVEFORM_BYTES
from realtime.outputs.waveform_file import WaveformFile
from realtime.signals import Signals
from realtime.waveform_queue import WaveformQueue, unpack_waveforms


def waveform(n: int, *, n_channels: int = 2, n_samples: int = 50) -> Waveform:
    samples = np.arange(n_channels * n_samples, dtype=np.uint32).reshape(n_channels, n_samples) + n
    return Waveform(1 << 40, 7, n, 100 + n, 2500.0, 1, samples)


def key(one: Waveform) -> tuple:
    return (one.flags, one.measurement_uid, one.scan_counter, one.time_stamp, one.waveform_id)


@pytest.mark.parametrize("shape", [(2, 50), (1, 1), (3, 0), (0, 0)])
def test_what_is_packed_comes_out_as_it_went_in(shape):
    queue = WaveformQueue(WAVEFORM_BYTES)
    given = [waveform(n, n_channels=shape[0], n_samples=shape[1]) for n in range(3)]
    for one in given:
        queue.add(one)
    packed = queue.take(lambda ticks: ticks / 400)
    found = unpack_waveforms(packed)
    assert [key(one) for one in found] == [key(one) for one in given]
    assert [one.time_s for one in found] == [one.time_stamp / 400 for one in given]
    for one, other in zip(found, given, strict=True):
        assert np.array_equal(one.samples.reshape(-1), other.samples.reshape(-1))
    assert queue.take(lambda ticks: ticks / 400) == b""
    assert unpack_waveforms(b"") == ()


def test_the_oldest_give_way_and_what_is_left_fits():
    queue = WaveformQueue(10_000)
    for n in range(100):
        queue.add(waveform(n))
    packed = queue.take(lambda ticks: ticks / 400)
    found = [one.scan_counter for one in unpack_waveforms(packed)]
    assert len(packed) <= 10_000
    assert found == list(range(100 - len(found), 100))
    assert queue.n_dropped == 100 - len(found) > 0
    queue.add(waveform(0, n_samples=10_000))
    assert queue.take(lambda ticks: ticks / 400) == b""


def test_subscribers_are_told_a_few_at_a_time_in_order():
    signals = Signals()
    for n in range(250):
        signals.add(waveform(n, n_samples=1))
    told = []
    while some := signals.take_untold():
        assert len(some) <= 100
        told += [one.scan_counter for one in some]
    assert told == list(range(250))


def test_a_flood_of_signals_is_bounded_and_counted():
    signals = Signals()
    for n in range(10_100):
        signals.add(waveform(n, n_samples=1))
    told = signals.take_untold(all_at_once=True)
    assert told[0].scan_counter == 100
    assert signals.n_dropped >= 100


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sampling_time_that_is_no_number_is_refused(bad):
    with pytest.raises(MonitorError, match="waveform 3: sample_time_us"):
        Signals().add(replace(waveform(3), sample_time_us=bad))


def test_the_file_keeps_each_packet_and_is_readable_while_it_grows(tmp_path):
    written = WaveformFile(tmp_path / "waveforms.h5")
    given = [waveform(n, n_channels=1 + n % 3, n_samples=10 * n) for n in range(5)]
    for one in given:
        written.append(one)
    with h5py.File(tmp_path / "waveforms.h5", "r", libver="latest", swmr=True) as file:
        packets, values = file["packets"][:], file["values"][:]
    written.close()
    assert list(packets["scan_counter"]) == [0, 1, 2, 3, 4]
    for row, one in zip(packets, given, strict=True):
        n = int(row["n_channels"]) * int(row["n_samples"])
        found = values[int(row["first"]) :][:n].reshape(row["n_channels"], row["n_samples"])
        assert np.array_equal(found, one.samples)
