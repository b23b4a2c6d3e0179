"""Trajectories, waveforms and compression: as the standard lays them out."""

import io
import struct

import ismrmrd
import numpy as np
import pytest

from simulators.compression import compressed
from simulators.mrd import acquisition_head, acquisition_samples, acquisition_trajectory
from simulators.physiology import ECG, RESPIRATION, Physiology
from simulators.recording import write_hdf5
from simulators.scan import Scan
from simulators.sequences import Radial, Spiral
from simulators.waveforms import (
    WAVEFORM_HEAD,
    waveform_head,
    waveform_message,
    waveform_samples,
)

RADIAL = Radial(matrix=(16, 16), spokes_per_frame=2, n_frames=1)


@pytest.mark.parametrize("bits", [2, 7, 12, 31])
def test_compressed_readout_is_read_by_four_lines_of_numpy(bits):
    message = next(iter(Scan(RADIAL, n_coils=3).messages()))
    packed = compressed(message, bits=bits)
    head = acquisition_head(packed)
    assert int(head["flags"]) & 1 << 53
    start = 2 + 340 + 32 * 2 * 4
    assert packed[342:start] == acquisition_trajectory(message).tobytes()
    n_bytes, count, scale, width = struct.unpack_from("<IQfB", packed, start)
    assert (count, width) == (2 * 3 * 32, bits)
    assert start + 4 + n_bytes == len(packed)
    # the independent decoder
    stream = np.unpackbits(np.frombuffer(packed, np.uint8, offset=start + 17), bitorder="little")
    fields = stream[: count * bits].reshape(count, bits).astype(np.int64)
    places = 2 ** np.arange(bits, dtype=np.int64)
    places[-1] *= -1
    values = (fields @ places) / scale
    whole = acquisition_samples(message).ravel().view(np.float32)
    assert np.abs(values - whole).max() <= 0.51 / scale + 1e-6 * np.abs(whole).max()


def test_compression_refuses_a_width_that_holds_no_number():
    with pytest.raises(ValueError, match="2 to 31"):
        compressed(next(iter(Scan(RADIAL).messages())), bits=1)


def test_compressed_scan_does_not_go_into_hdf5(tmp_path):
    scan = Scan(RADIAL, compression_bits=12)
    with pytest.raises(ValueError, match="readout 1 is compressed"):
        write_hdf5(tmp_path / "scan.h5", scan.header_xml(), scan.messages())


def test_waveform_is_read_by_the_ismrmrd_package():
    assert WAVEFORM_HEAD.itemsize == 40
    samples = np.arange(6, dtype=np.uint32).reshape(2, 3)
    message = waveform_message(
        samples, waveform_id=2, sample_time_us=2500.0, time_stamp=77, scan_counter=5
    )
    assert struct.unpack_from("<H", message) == (1026,)
    assert len(message) == 2 + 40 + 24
    found = ismrmrd.Waveform.deserialize_from(io.BytesIO(message[2:]).read)
    assert np.array_equal(found.data, samples)
    assert (found.waveform_id, found.time_stamp, found.scan_counter) == (2, 77, 5)
    assert found.sample_time_us == 2500.0
    assert int(waveform_head(message)["channels"]) == 2
    assert np.array_equal(waveform_samples(message), samples)


def test_triggers_come_once_a_beat_and_once_a_breath():
    physiology = Physiology(beat_s=0.8, breath_s=4.0)
    played = physiology.readouts(ticks=lambda t_s: round(t_s * 400))
    stretches = {ECG: [], RESPIRATION: []}
    for _, readout in zip(range(2 * 160), played, strict=False):  # 16 s of both
        head = waveform_head(readout.message)
        stretches[int(head["waveform_id"])].append(waveform_samples(readout.message))
    ecg, breath = (np.concatenate(stretches[kind], axis=1) for kind in (ECG, RESPIRATION))
    assert (ecg[1].sum(), breath[1].sum()) == (20, 4)
    beats = np.flatnonzero(ecg[1]) * 0.0025
    assert np.diff(beats) == pytest.approx(0.8, abs=0.003)
    assert ecg[0].argmax() % 320 == pytest.approx(0.3 * 320, abs=1)
    assert 500 < ecg[0].min() < ecg[0].max() < 4096
    assert breath[0].max() - breath[0].min() == pytest.approx(1500, abs=2)


def test_spiral_keeps_within_its_gradients():
    spiral = Spiral()
    k_per_m = next(iter(spiral.readouts())).k_per_mm[:, :2] * 1e3
    gradient = np.diff(k_per_m, axis=0) / 3e-6 / 42.577e6  # T/m
    slew = np.diff(gradient, axis=0) / 3e-6
    away = slice(100, None)  # the analytic course overshoots at the very centre
    assert np.linalg.norm(gradient, axis=1)[away].max() < 1.02 * 0.024
    assert np.linalg.norm(slew, axis=1)[away].max() < 1.10 * 120
    assert np.linalg.norm(k_per_m, axis=1).max() == pytest.approx(200, rel=0.005)


def test_turns_of_all_arms_lie_one_field_of_view_apart():
    arms = list(Spiral(n_arms=8, repetition_time_s=0.05, n_frames=1).readouts())
    assert len(arms) == 8
    crossings = []
    for arm in arms:
        x, y, _ = arm.k_per_mm.T
        rises = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0) & (x[:-1] > 0))
        crossings += list(np.hypot(x[rises], y[rises]) * 240)
    gaps = np.diff(np.sort(crossings))
    assert np.allclose(gaps[1:], 1, atol=0.1)
