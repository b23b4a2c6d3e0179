import io
import math
from dataclasses import replace
from itertools import islice

import ismrmrd
import numpy as np
import pytest
from ismrmrd.xsd import CreateFromDocument

from simulators.mrd import (
    LAST_IN_MEASUREMENT,
    LAST_IN_SLICE,
    NOISE_MEASUREMENT,
    PARALLEL_CALIBRATION,
    PARALLEL_CALIBRATION_AND_IMAGING,
    PHASE_CORRECTION,
    REVERSE,
    acquisition_head,
    acquisition_samples,
    acquisition_trajectory,
)
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.scan import Scan
from simulators.sequences import GOLDEN_ANGLE_RAD, Cartesian, Epi, Radial

DISC = Patient(bodies=(Ellipse(1.0, (6.0, -9.0), (40.0, 55.0), 20.0),))


def heads(scan):
    return [acquisition_head(message) for message in scan.messages()]


def steps(found, name="kspace_encode_step_1"):
    return [int(head["idx"][name]) for head in found]


def flagged(found, flag):
    return [index for index, head in enumerate(found) if int(head["flags"]) & flag]


def brute_force(scan, k_per_mm, *, step_mm=0.25):
    """Sum coil · object over a fine grid: the definition, without a Bessel function."""
    x = np.arange(-60, 72, step_mm)
    y = np.arange(-80, 62, step_mm)
    seen = scan.coil_image(x[None, :], y[:, None])
    dx, dy, _ = scan.sequence.voxel_mm
    values = []
    for kx, ky, _ in k_per_mm:
        wave = np.exp(-2j * np.pi * (kx * x[None, :] + ky * y[:, None]))
        values.append((seen * wave).sum(axis=(1, 2)) * step_mm**2 / (dx * dy))
    return np.stack(values, axis=1)


def test_samples_are_the_integral_over_coil_and_object_wherever_they_lie():
    scan = Scan(Radial(matrix=(48, 48), n_frames=1, spokes_per_frame=7), patient=DISC, n_coils=3)
    planned = list(scan.sequence.readouts())[5]
    some = [3, 40, 48, 49, 61]
    found = scan.samples(planned)[:, some]
    expected = brute_force(scan, planned.k_per_mm[some])
    area = math.pi * 40 * 55 / 25
    assert np.abs(found - expected).max() < 1e-3 * area


def test_full_grid_has_the_energy_of_the_image():
    # what the truncated k-space lacks: an edge's energy falls as 1/k, so a few per cent here
    scan = Scan(Cartesian(matrix=(128, 128), n_frames=1), patient=DISC, n_coils=1)
    kspace = np.stack([acquisition_samples(message) for message in scan.messages()])
    energy = (np.abs(kspace) ** 2).sum() / kspace.size
    area_px = math.pi * 40 * 55 / (1.875**2)
    assert 0.96 * area_px < energy < area_px


def test_inverse_fft_gives_the_coil_image():
    scan = Scan(Cartesian(n_frames=1), n_coils=2)
    kspace = np.stack([acquisition_samples(message) for message in scan.messages()], axis=1)
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=(1, 2))), axes=(1, 2))
    sequence = scan.sequence
    truth = scan.coil_image(sequence.columns_mm[None, :], sequence.rows_mm[:, None])
    error = np.abs(image[:, :, 64:192] - truth)
    assert np.median(error) < 0.01  # only Gibbs ringing, and pixels that an edge crosses


def test_undersampling_keeps_the_centre_and_flags_what_calibrates():
    scan = Scan(
        Cartesian(matrix=(16, 32), acceleration=3, calibration="embedded", n_calibration_lines=8)
    )
    found = [head for head in heads(scan) if head["idx"]["repetition"] == 1]
    both = [steps(found)[i] for i in flagged(found, PARALLEL_CALIBRATION_AND_IMAGING)]
    extra = [steps(found)[i] for i in flagged(found, PARALLEL_CALIBRATION)]
    assert both == [13, 16, 19]
    assert extra == [12, 14, 15, 17, 18]
    plain = set(steps(found)) - set(both) - set(extra)
    assert plain == set(range(1, 32, 3)) - set(both)


def test_separate_calibration_comes_once_before_the_first_frame():
    sequence = Cartesian(
        matrix=(16, 32), acceleration=2, calibration="separate", n_calibration_lines=6
    )
    found = heads(Scan(sequence))
    assert flagged(found, PARALLEL_CALIBRATION) == list(range(6))
    assert steps(found)[:6] == list(range(13, 19))
    assert flagged(found, LAST_IN_SLICE) == [6 + 15, 6 + 31]
    assert flagged(found, PARALLEL_CALIBRATION_AND_IMAGING) == []
    stamps = [int(head["acquisition_time_stamp"]) for head in found]
    assert stamps == sorted(stamps)


def test_interleaved_calibration_moves_the_lines_with_each_frame():
    sequence = Cartesian(matrix=(16, 12), acceleration=4, calibration="interleaved", n_frames=4)
    found = heads(Scan(sequence))
    rows = [
        {
            step
            for step, frame in zip(steps(found), steps(found, "repetition"), strict=True)
            if frame == repetition
        }
        for repetition in range(4)
    ]
    assert rows[0] == {2, 6, 10}
    assert set().union(*rows) == set(range(12))
    assert sum(map(len, rows)) == 12


def test_partial_fourier_counts_from_its_first_line():
    scan = Scan(Cartesian(matrix=(16, 32), partial_fourier=0.75, n_frames=1))
    limit = CreateFromDocument(scan.header_xml()).encoding[0].encodingLimits.kspace_encoding_step_1
    assert (limit.minimum, limit.maximum, limit.center) == (0, 23, 8)
    assert steps(heads(scan)) == list(range(24))
    planned = list(scan.sequence.readouts())
    assert planned[8].k_per_mm[0, 1] == 0
    assert planned[0].k_per_mm[0, 1] == pytest.approx(-8 / 240)


def test_spokes_turn_by_the_golden_angle_through_all_frames():
    scan = Scan(Radial(matrix=(32, 32), spokes_per_frame=8))
    angles = [math.atan2(*each.k_per_mm[-1, 1::-1]) for each in scan.sequence.readouts()]
    turns = np.mod(np.diff(angles), 2 * np.pi)
    assert np.allclose(turns, np.deg2rad(111.2461179749811))
    assert pytest.approx(np.deg2rad(111.2461179749811)) == GOLDEN_ANGLE_RAD


@pytest.mark.parametrize(
    ("unit", "farthest"), [("cycles/FOV", 16), ("[-0.5,0.5]", 0.5), ("1/m", 16 / 0.24)]
)
def test_trajectory_is_reported_in_its_unit(unit, farthest):
    sequence = Radial(matrix=(32, 32), trajectory_unit=unit, angles="uniform", n_frames=1)
    message = next(iter(Scan(sequence).messages()))
    trajectory = acquisition_trajectory(message)
    assert trajectory.shape == (64, 2)
    assert trajectory[0] == pytest.approx([-farthest, 0])
    assert trajectory[32] == pytest.approx([0, 0])


def test_delayed_gradients_move_the_samples_and_not_what_is_reported():
    sequence = Radial(matrix=(32, 32), spokes_per_frame=4, angles="uniform", n_frames=1)
    late = replace(sequence, delay_samples=(0.5, -0.25))
    right, up = (next(each for i, each in enumerate(late.readouts()) if i == n) for n in (0, 2))
    step = 1 / 480
    assert right.k_per_mm[32, :2] == pytest.approx([-0.5 * step, 0])
    assert up.k_per_mm[32, :2] == pytest.approx([0, 0.25 * step])
    for asked, played in zip(sequence.readouts(), late.readouts(), strict=True):
        assert np.array_equal(asked.trajectory, played.trajectory)


@pytest.mark.parametrize(
    ("counting", "expected", "repetitions", "n_ends"),
    [
        ("restarting", [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1], 2),
        ("running", [0, 1, 2, 3, 4, 5], [0] * 6, 0),
        ("zero", [0] * 6, [0] * 6, 0),
    ],
)
def test_spokes_are_counted_as_asked(counting, expected, repetitions, n_ends):
    found = heads(Scan(Radial(matrix=(8, 8), spokes_per_frame=3, counting=counting)))
    assert steps(found) == expected
    assert steps(found, "repetition") == repetitions
    assert len(flagged(found, LAST_IN_SLICE)) == n_ends
    assert flagged(found, LAST_IN_MEASUREMENT) == [5]


def test_epi_positions_are_the_area_of_the_trapezoid():
    epi = Epi()
    time_us = np.linspace(0, 560, 56_001)
    gradient = np.interp(time_us, [0, 160, 400, 560], [0, 1, 1, 0])
    area = np.concatenate([[0], np.cumsum((gradient[1:] + gradient[:-1]) / 2)]) * 0.01
    at = np.interp(epi.sample_times_us(), time_us, area) - area[-1] / 2
    found = epi.readout_per_mm(epi.sample_times_us())
    assert np.allclose(found / found[-1], at / at[-1], atol=1e-6)
    opened, closed = epi.readout_per_mm(np.array([32.0, 528.0]))
    assert closed - opened == pytest.approx(80 / 240)
    assert np.allclose(found, -found[::-1])
    steps_ = np.diff(found)
    assert steps_[0] < 0.4 * steps_[80]  # on the ramp


def test_epi_is_counted_and_flagged_as_a_real_one():
    scan = Scan(Epi(matrix=(80, 80), n_frames=1), n_coils=2)
    found = heads(scan)
    assert [int(head["flags"]) for head in found[:6]] == [
        # of skyra_epi_2ch.h5, but for the bit that the simulator adds at a repetition's begin
        148897856 | 1 << 12, 146800640, 148897792, 64, 2097152, 0,
    ]  # fmt: skip
    assert steps(found)[:6] == [40, 40, 40, 0, 1, 2]
    assert steps(found, "segment")[:6] == [1, 0, 1, 0, 1, 0]
    assert steps(found, "average")[:6] == [0, 0, 1, 0, 0, 0]
    assert int(found[-1]["flags"]) == 1 << 7 | 1 << 13 | 1 << 21 | 1 << 24
    assert {int(head["number_of_samples"]) for head in found} == {160}
    assert {int(head["center_sample"]) for head in found} == {80}
    assert int(found[0]["idx"]["user"][5]) == 40
    encoding = CreateFromDocument(scan.header_xml()).encoding[0]
    assert encoding.encodedSpace.matrixSize.x == 80
    told = encoding.trajectoryDescription
    assert told.identifier == "ConventionalEPI"
    assert {each.name: each.value for each in told.userParameterLong} == {
        "etl": 80,
        "numberOfNavigators": 3,
        "rampUpTime": 160,
        "rampDownTime": 160,
        "flatTopTime": 240,
        "acqDelayTime": 32,
        "numSamples": 160,
    }
    assert {each.name: each.value for each in told.userParameterDouble} == {"dwellTime": 3.1}


def test_odd_even_errors_are_seen_by_the_navigators():
    def navigators(**errors):
        played = Scan(Epi(matrix=(40, 40), sample_time_us=6.2, **errors), patient=DISC, n_coils=1)
        lines = [acquisition_samples(message)[0] for message in islice(played.messages(), 3)]
        return lines[0][::-1], lines[1]

    reverse, forward = navigators()
    assert np.allclose(reverse, forward)
    reverse, forward = navigators(odd_even_phase_rad=0.6)
    assert np.angle(np.vdot(reverse, forward)) == pytest.approx(0.6, abs=1e-4)
    reverse, forward = navigators(gradient_delay_us=4.0)
    peaks = [
        (np.abs(line) ** 2 @ np.arange(80)) / (np.abs(line) ** 2).sum()
        for line in (reverse, forward)
    ]
    assert peaks[1] - peaks[0] == pytest.approx(2 * 4.0 / 6.2, rel=0.05)


def test_shots_share_the_lines_between_them():
    scan = Scan(Epi(matrix=(40, 40), sample_time_us=6.2, n_shots=4, n_frames=1))
    found = heads(scan)
    navigators = flagged(found, PHASE_CORRECTION)
    assert len(navigators) == 12
    lines = [step for i, step in enumerate(steps(found)) if i not in navigators]
    assert lines[:10] == list(range(0, 40, 4))
    assert sorted(lines) == list(range(40))
    assert len(flagged(found, LAST_IN_SLICE)) == 1
    assert not int(found[3]["flags"]) & REVERSE


def test_noise_scan_comes_first_and_the_counters_go_on():
    scan = Scan(Radial(matrix=(16, 16), spokes_per_frame=3), snr=30.0, n_noise_readouts=4)
    found = heads(scan)
    assert flagged(found, NOISE_MEASUREMENT) == [0, 1, 2, 3]
    assert [int(head["scan_counter"]) for head in found] == list(range(1, 11))
    again = Scan(scan.sequence, snr=30.0, n_noise_readouts=4)
    assert list(again.messages()) == list(scan.messages())


def test_readouts_are_read_by_the_ismrmrd_package():
    scan = Scan(Radial(matrix=(16, 16), spokes_per_frame=3, n_frames=1), n_coils=2)
    message = next(iter(scan.messages()))
    found = ismrmrd.Acquisition.deserialize_from(io.BytesIO(message[2:]).read)
    assert found.data.shape == (2, 32)
    assert np.array_equal(found.traj, acquisition_trajectory(message))
    assert np.array_equal(found.data, acquisition_samples(message))


def test_centre_of_a_frame_is_when_its_image_is_taken():
    epi = Scan(Epi(n_frames=2))
    assert epi.center_time_s(1) == pytest.approx(0.1 + 0.027)  # not a navigator
    radial = Scan(Radial(spokes_per_frame=5))
    assert radial.center_time_s(1) == pytest.approx(7 * 0.0156 + 0.013)  # the middle spoke
    line = Scan(Cartesian(matrix=(8, 32), acceleration=2, calibration="embedded"))
    assert line.center_time_s(0) == pytest.approx(14 * 0.0156 + 0.013)  # 2 + 12 before row 16
