import math
from dataclasses import replace

import numpy as np
import pytest

from simulators import GradientEcho, TreatmentSimulator, carrier
from simulators.mrd import acquisition_head, acquisition_samples
from simulators.recording import write_hdf5


@pytest.fixture(scope="module")
def scan(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.h5"
    treatment = replace(
        small, n_frames=1, snr=200.0, n_noise_readouts=3, sequence=GradientEcho(matrix=(48, 48))
    )
    simulator = TreatmentSimulator(treatment)
    messages = [readout.message for readout in simulator.noise_readouts()]
    messages += [simulator.next_readout(sonicating=False).message for _ in range(48)]
    write_hdf5(path, simulator.header(), messages)
    return carrier.load(path), messages


RAD_PER_C = carrier.rad_per_c(alpha_ppm_per_c=-0.0094, h1_frequency_hz=123.25e6, echo_time_s=0.013)


def frames_of(readouts, n_rows, reconstruct):
    messages = [readout.message for readout in readouts]
    chunks = range(0, len(messages), n_rows)
    return np.stack([reconstruct(messages[start : start + n_rows]) for start in chunks])


def test_scan_is_loaded_whole(scan):
    loaded, messages = scan
    assert loaded.kspace.shape == (48, 4, 96)
    assert loaded.noise == tuple(messages[:3])
    assert np.array_equal(loaded.kspace[7], acquisition_samples(messages[10]))
    assert list(loaded.lines) == list(range(48))


def test_injected_heat_is_found_where_it_was_put(scan, reconstruct, difference_c):
    loaded, _ = scan
    y, x = np.mgrid[:48, :96]
    spot = np.exp(-((y - 24) ** 2 + (x - 50) ** 2) / 18.0)  # readout oversampling included

    def rise_c(frame):
        return 15.0 * spot * (frame > 0)

    readouts = carrier.repeat(loaded, n_frames=2, rise_c=rise_c, rad_per_c=RAD_PER_C)
    images = frames_of(readouts, 48, reconstruct)
    found = difference_c(images[1], images[0], RAD_PER_C)
    inside = np.abs(images[0]).sum(axis=0) > 0.3
    expected = 15.0 * spot[:, 24:72]
    assert np.abs(found - expected)[inside].max() < 0.05
    assert expected[inside].max() > 14


def test_drift_and_noise_are_added(scan, reconstruct, difference_c):
    loaded, _ = scan

    def none(_):
        return np.zeros((48, 96))

    def drift_rad(frame):
        return np.full((48, 96), 0.2 * frame)

    options = {"n_frames": 2, "rise_c": none, "rad_per_c": RAD_PER_C, "noise_std": 0.5}
    readouts = list(carrier.repeat(loaded, drift_rad=drift_rad, **options))
    assert [r.message for r in carrier.repeat(loaded, drift_rad=drift_rad, **options)] == [
        r.message for r in readouts
    ]
    images = frames_of(readouts, 48, reconstruct)
    inside = np.abs(images[0]).sum(axis=0) > 0.3
    phase = np.angle((images[1] * images[0].conj()).sum(axis=0))[inside]
    assert abs(np.median(phase) - 0.2) < 0.01
    quiet = list(carrier.repeat(loaded, drift_rad=drift_rad, **{**options, "noise_std": 0.0}))
    noise = np.stack(
        [
            acquisition_samples(a.message) - acquisition_samples(b.message)
            for a, b in zip(readouts, quiet, strict=True)
        ]
    )
    assert abs(noise.real.std() - 0.5) < 0.01
    assert abs(noise.imag.std() - 0.5) < 0.01


def test_counters_time_and_limits_move_on(scan):
    loaded, _ = scan
    readouts = list(
        carrier.repeat(
            loaded,
            n_frames=3,
            rise_c=lambda _: np.zeros((48, 96)),
            rad_per_c=RAD_PER_C,
            frame_time_s=2.0,
        )
    )
    heads = [acquisition_head(readout.message) for readout in readouts]
    assert [int(h["scan_counter"]) for h in heads] == list(range(4, 4 + 144))
    assert int(heads[96]["idx"]["repetition"]) == 2
    stamps = [int(h["acquisition_time_stamp"]) for h in heads]
    assert stamps[48] - stamps[0] == 800
    assert math.isclose(readouts[96].t_s, 4.0)
    assert [bool(int(h["flags"]) & 1 << 24) for h in heads].index(True) == 143
    header = carrier.repeated_header(loaded, n_frames=3).decode()
    assert "<repetition><minimum>0</minimum><maximum>2</maximum>" in header
    assert "<TE>20</TE>" in carrier.with_echo_time(loaded, 0.02).xml.decode()
