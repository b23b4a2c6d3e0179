"""Tissue in which nothing happens is what the closed-form `Scan` plays, in every sequence."""

import math

import numpy as np
import pytest

from simulators.field import Field
from simulators.mrd import NOISE_MEASUREMENT, acquisition_head, acquisition_samples
from simulators.patient import Patient
from simulators.phantom import HEAD, Ellipse
from simulators.scan import Scan
from simulators.sequences import Cartesian, EncodedPairs, Epi, Radial, Spiral, Undersampled
from simulators.tissue import Breathing, MagnetField, Part, Tissue
from simulators.tissue_scan import TissueScan
from tests.simulators.tissue_images import images

STILL = Tissue(parts=(Part(water=HEAD),))
SEQUENCES = (
    Cartesian(n_frames=1),
    Cartesian(n_frames=2, acceleration=2, calibration="interleaved"),
    Undersampled(n_frames=4, acceleration=4),
    Cartesian(n_frames=1, echo_times_s=(0.004, 0.008, 0.012), is_bipolar=True),
    EncodedPairs(n_frames=2),
    Epi(n_frames=1),
    Radial(n_frames=1, spokes_per_frame=12),
    Spiral(n_frames=1),
)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda one: type(one).__name__)
def test_still_tissue_has_the_k_space_of_its_ellipses(sequence):
    scan, exact = TissueScan(sequence, STILL, n_coils=4), Scan(sequence, n_coils=4)
    planned = list(sequence.readouts())[:: max(1, len(list(sequence.readouts())) // 12)]
    found = np.stack([scan.samples(each) for each in planned])
    expected = np.stack([exact.samples(each) for each in planned])
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 3e-3  # what edges leave on points that are a third of a pixel apart


def test_an_image_differs_from_the_closed_form_at_edges_only():
    sequence = Cartesian(n_frames=1)
    found = images(TissueScan(sequence, STILL, n_coils=8))[0]
    expected = images(Scan(sequence, n_coils=8))[0]
    error = np.abs(found - expected)
    assert np.sqrt((error**2).mean()) < 5e-4 * np.abs(expected).max()
    assert error.max() < 0.03 * np.abs(expected).max()  # fissures 2.6 mm wide, points 0.7 mm apart


def test_offset_and_slope_in_an_echo_train_are_exact():
    # Scan shifts k-space by the slope at each sample: another way to the same integral
    field = MagnetField(order0_hz=37.0, order1_hz=(60.0, -45.0))
    epi = Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1)
    scan = TissueScan(epi, Tissue(parts=(Part(water=HEAD),), field=field), n_coils=3)
    exact = Scan(epi, patient=Patient(field=Field(37.0, 0.0, (0.6, -0.45))), n_coils=3)
    for planned in list(epi.readouts())[3::6]:
        found, expected = scan.samples(planned), exact.samples(planned)
        assert np.abs(found - expected).max() < 2e-3 * np.abs(exact.samples(planned)).max() + 0.05


@pytest.mark.parametrize(
    "sequence",
    [
        Cartesian(matrix=(64, 64), n_frames=1, sample_time_us=20.0),
        Radial(matrix=(64, 64), n_frames=1, spokes_per_frame=4, sample_time_us=20.0),
        Epi(matrix=(40, 40), sample_time_us=6.2, n_frames=1),
    ],
    ids=lambda one: type(one).__name__,
)
def test_samples_are_the_sum_over_moving_points_that_precess(sequence):
    disc = (Ellipse(1.0, (8.0, -6.0), (50.0, 60.0)),)
    strong = MagnetField(order1_hz=(400.0, 250.0), order2_hz=(150.0, -90.0, 200.0))
    breathing = Breathing(reach_mm=15.0, across_mm=4.0, trace=((0.0,), (0.7,)))
    tissue = Tissue(parts=(Part(water=disc, moves=True),), field=strong, breathing=breathing)
    scan = TissueScan(sequence, tissue, n_coils=2)
    (points,) = scan.points
    planned = list(sequence.readouts())[-20 % len(list(sequence.readouts()))]
    x = points.x_mm[None, :] + 0.7 * 4.0
    y = (points.y_mm + breathing.along_mm(points.y_mm, 0.0))[:, None]
    coils, hz = scan._coils.sensitivity(x, y), strong.hz(x, y)
    dx, dy, _ = sequence.voxel_mm
    weights = points.weights(planned.k_per_mm) / (dx * dy)
    found, n = scan.samples(planned), len(planned.k_per_mm)
    since_s = planned.since_excitation_s
    if isinstance(since_s, float):
        since_s = since_s + (np.arange(n) - n // 2) * 20e-6
    for sample in (0, n // 4, n // 2, 2 * n // 3, n - 1):
        kx, ky, _ = planned.k_per_mm[sample]
        wave = np.exp(2j * np.pi * (hz * since_s[sample] - kx * x - ky * y))
        expected = (coils * points.water * wave).sum(axis=(1, 2)) * weights[sample]
        assert np.abs(found[:, sample] - expected).max() < 2e-4 * np.abs(found).max()


def test_noise_is_that_of_the_scan_and_repeats_with_its_seed():
    sequence = Cartesian(matrix=(32, 32), n_frames=1)

    def play(seed):
        return [one.message for one in TissueScan(sequence, STILL, snr=30.0, seed=seed).readouts()]

    first, again, other = play(1), play(1), play(2)
    assert first == again
    assert first != other
    scanned = Scan(sequence, snr=30.0, seed=1)
    mine, theirs = (
        np.hstack(
            [
                acquisition_samples(message)
                for message in messages
                if int(acquisition_head(message)["flags"]) & NOISE_MEASUREMENT
            ]
        )
        for messages in (first, scanned.messages())
    )
    assert np.array_equal(mine, theirs)


def test_what_it_cannot_play_is_said():
    with pytest.raises(ValueError, match="one slice"):
        TissueScan(Cartesian(partitions=4), STILL)
    with pytest.raises(ValueError, match="no tissue"):
        TissueScan(Cartesian(), STILL, snr=20.0, snr_at_mm=(110.0, 110.0))


def test_pauses_pass_without_readouts():
    sequence = Cartesian(matrix=(16, 16), n_frames=3, time_stamp_unit="ms")
    scan = TissueScan(sequence, STILL, n_coils=1, pause_s=100.0)
    readouts = list(scan.readouts())
    stamps = [int(acquisition_head(one.message)["acquisition_time_stamp"]) for one in readouts]
    assert readouts[32].t_s - readouts[0].t_s == pytest.approx(200 + 32 * 0.0156)
    assert stamps[32] - stamps[0] == pytest.approx(1000 * (200 + 32 * 0.0156), abs=2)
    assert scan.center_time_s(2) == pytest.approx(readouts[40].t_s)
    assert math.isclose(scan.truth(np.zeros(1), np.zeros(1), frame=1).t_s, scan.center_time_s(1))
