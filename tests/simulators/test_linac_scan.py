"""Raw data of a patient in the MR-linac: what images, independent of the reconstruction, show."""

import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy.special import j1

from simulators import Patient, Scan
from simulators.linac import (
    LINAC_PATIENTS,
    LINAC_SEQUENCES,
    Body,
    CosFour,
    Gain,
    LinacScan,
    Scene,
    Sinusoid,
    Still,
    linac_scan,
    write_linac_truth,
)
from simulators.linac.lines import line_samples
from simulators.mrd import acquisition_head, acquisition_samples
from simulators.points import ellipse_samples
from simulators.sequences import Cartesian, Radial
from tests.simulators.linac_images import centroid_mm, direct_image

PIXEL_MM = 380 / 128


def lone_tumour(motion, *, sequence="cartesian", n_coils=2, **of_sequence):
    """A tumour in the dark: nothing about it biases its centroid."""
    patient = LINAC_PATIENTS["lung-sagittal"]
    scene = replace(patient.scene(motion=motion, gain=None), bodies=patient.bodies()[:1])
    return LinacScan(patient.played_by(sequence, **of_sequence), scene, n_coils=n_coils)


@pytest.mark.parametrize("sequence", ["cartesian", "radial"])
def test_the_tumour_in_the_image_lies_where_the_truth_says(sequence):
    more = {"spokes_per_frame": 120} if sequence == "radial" else {}
    step = np.array([0.0, 2.7, -6.3])  # it moves between frames, not within
    for moved in (0 * step, step):
        motion = replace(Sinusoid(), amplitude_mm=tuple(moved), phase_rad=math.pi / 2, period_s=1e9)
        scan = lone_tumour(motion, sequence=sequence, n_frames=1, **more)
        image, y_mm, x_mm = direct_image(scan, 0)
        seen = centroid_mm(image, y_mm, x_mm, background=0.0)
        assert seen == pytest.approx(scan.truth(0).center_mm, abs=0.1 * PIXEL_MM)


def test_a_breathing_tumour_in_the_image_lies_where_it_was_at_the_centre_of_k_space():
    scan = lone_tumour(CosFour(), n_frames=8)
    for frame in (2, 5):
        seen = centroid_mm(*direct_image(scan, frame), background=0.0)
        # within the frame of 250 ms it moves by several mm; the lines about the centre tell
        assert seen == pytest.approx(scan.truth(frame).center_mm, abs=0.4 * PIXEL_MM)


def test_a_patient_who_lies_still_is_the_old_scan():
    bodies = LINAC_PATIENTS["liver-sagittal"].bodies()
    sequence = Cartesian(matrix=(32, 32), fov_mm=(380, 380), n_frames=1)
    scan = LinacScan(sequence, Scene(bodies=bodies, motion=Still()), n_coils=1)
    old = Scan(sequence, patient=Patient(bodies=scan.views[0].ellipses(0.0)), n_coils=1)
    for planned in sequence.frame_readouts(0, 0.0)[::5]:
        size = abs(old.samples(planned)).max()
        assert abs(scan.samples(planned) - old.samples(planned)).max() < 1e-5 * size


@pytest.mark.parametrize("kind", [Cartesian, Radial])
def test_lines_of_samples_are_the_closed_form(kind):
    scan = linac_scan("liver-sagittal", sequence="radial", n_frames=1)
    view, waves = scan.views[0], scan.coils[0].waves_per_mm
    sequence = kind(matrix=(256, 256), fov_mm=(300, 300), n_frames=1)
    planned = sequence.frame_readouts(0, 0.0)[7]
    weights = np.array([body.weight for body in scan.scene.bodies], complex)
    fast = line_samples(weights, view.cut(1.3), planned.k_per_mm, waves)
    for wave, samples in zip(waves, fast, strict=True):
        k_per_mm = planned.k_per_mm.copy()
        k_per_mm[:, :2] -= wave
        slow = ellipse_samples(view.ellipses(1.3), k_per_mm)
        assert abs(samples - slow).max() < 1e-8 * math.pi * 108 * 188  # of the body's area


def test_a_curved_readout_is_refused():
    cut = lone_tumour(Still(), n_frames=1).views[0].cut(0.0)
    curved = np.linspace(0, 0.1, 32)[:, None] ** np.array([1, 2])
    with pytest.raises(ValueError, match="straight lines"):
        line_samples(np.ones(1, complex), cut, curved, np.zeros((1, 2)))


def test_a_cut_of_a_turned_ellipsoid_is_what_membership_says():
    body = Body(1.0, (4.0, 13.0, 9.0), (12.0, 20.0, 33.0), 35.0)
    rng = np.random.default_rng(1)
    scan = LinacScan(
        LINAC_PATIENTS["sagittal-coronal"].played_by("cartesian", n_frames=2),
        Scene(bodies=(body,), origin_mm=(-62.0, -11.0, 43.0)),
    )
    turn = np.deg2rad(35.0)
    own = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    for index, plane in enumerate(scan.sequence.planes):
        xy = rng.uniform(-60, 60, (500, 2))
        place = np.array(plane.position_mm) + xy @ np.array([plane.read_dir, plane.phase_dir])
        away = (place - np.array(scan.scene.origin_mm) - np.array(body.center_mm)) @ own.T
        inside = ((away / np.array(body.semi_axes_mm)) ** 2).sum(1) <= 1
        assert 0.02 < inside.mean() < 0.5
        assert np.array_equal(scan.views[index].cut(0.0).holds(0, *xy.T), inside)


def test_the_sinusoid_has_its_phase_at_the_centre_of_k_space_to_a_millisecond():
    motion = Sinusoid(amplitude_mm=(0.0, 0.0, 8.0), period_s=3.0, phase_rad=0.4)
    scan = lone_tumour(motion, sequence="cartesian-r2", n_frames=96, matrix=(32, 32))
    rows = [scan.truth(frame) for frame in range(96)]
    times = np.array([row.t_s for row in rows])
    down = np.array([row.center_mm[0] for row in rows])
    turns = 2 * np.pi * times / 3.0
    design = np.stack([np.sin(turns), np.cos(turns), np.ones_like(turns)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(design, -down, rcond=None)[0]
    late_s = (0.4 - math.atan2(cosine, sine)) * 3.0 / (2 * math.pi)
    assert abs(late_s) < 1e-3
    assert math.hypot(sine, cosine) == pytest.approx(8.0, abs=0.01)


def test_images_of_a_sinusoid_have_its_phase():
    motion = Sinusoid(amplitude_mm=(0.0, 0.0, 8.0), period_s=3.0)
    scan = lone_tumour(motion, n_frames=16, n_coils=1, repetition_time_s=0.001,
                       echo_times_s=(0.0005,))  # fmt: skip
    down = np.array([
        centroid_mm(*direct_image(scan, frame), background=0.0)[0] for frame in range(16)
    ])  # fmt: skip
    turns = 2 * np.pi * np.array([scan.center_time_s(frame) for frame in range(16)]) / 3.0
    design = np.stack([np.sin(turns), np.cos(turns), np.ones_like(turns)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(design, -down, rcond=None)[0]
    late_s = -math.atan2(cosine, sine) * 3.0 / (2 * math.pi)
    assert abs(late_s) < 1e-3
    assert math.hypot(sine, cosine) == pytest.approx(8.0, abs=0.15)


def test_planes_in_turn_say_where_they_lie():
    scan = linac_scan("sagittal-coronal", n_frames=4, n_coils=2, matrix=(32, 32))
    heads = {}
    for readout in scan.readouts():
        if readout.frame >= 0:
            heads.setdefault(readout.frame, acquisition_head(readout.message))
    target = np.add(scan.scene.target_mm, scan.scene.origin_mm)
    for frame, head in heads.items():
        assert head["idx"]["slice"] == frame % 2
        assert head["idx"]["repetition"] == frame // 2
        axes = head["read_dir"], head["phase_dir"], head["slice_dir"]
        assert np.cross(axes[0], axes[1]) == pytest.approx(axes[2])
        assert axes[0].tolist() == ([1, 0, 0] if frame % 2 else [0, 1, 0])
        assert axes[1].tolist() == [0, 0, -1]
        # both planes go through the target's resting place
        assert np.dot(target - head["position"], axes[2]) == pytest.approx(0, abs=1e-4)
    assert len(heads) == 4


def test_both_planes_show_the_same_target_in_the_patient():
    scan = linac_scan("sagittal-coronal", n_frames=6)
    for frame in (2, 3):
        truth, plane = scan.truth(frame), scan.sequence.planes[frame % 2]
        y, x = truth.center_mm
        place = np.array(plane.position_mm) + x * np.array(plane.read_dir)
        place = place + y * np.array(plane.phase_dir)
        off = truth.through_plane_mm * np.array(plane.slice_dir)
        # a turned ellipsoid's cut beside its middle is not centred there
        assert place + off == pytest.approx(truth.center_lps_mm, abs=0.8)
        expected = scan.target_displacement_lps_mm(truth.t_s, since_s=scan.center_time_s(frame % 2))
        assert truth.displacement_mm[0] == pytest.approx(-expected[2])
        assert truth.displacement_mm[1] == pytest.approx(expected[0 if frame % 2 else 1])


def test_the_gain_moves_all_of_the_signal():
    still, moved = (
        linac_scan("lung-sagittal", motion=Still(), gain=gain, n_frames=1)
        for gain in (None, Gain(depth=0.1, period_s=4.0))
    )
    planned = still.sequence.frame_readouts(0, 1.0 - 0.06)[30]
    ratio = moved.samples(planned) / still.samples(planned)
    assert ratio == pytest.approx(1 + 0.1 * math.sin(2 * math.pi * planned.t_s / 4.0), abs=1e-4)


@pytest.mark.parametrize("sequence", sorted(LINAC_SEQUENCES))
def test_the_same_seed_plays_the_same_bytes(sequence):
    first, again = (
        b"".join(linac_scan("prostate-sagittal", sequence=sequence, n_frames=2, n_coils=2,
                            matrix=(32, 32), has_waveforms=True).messages())
        for _ in range(2)
    )  # fmt: skip
    assert first == again


def test_the_breath_in_the_waveforms_is_the_targets():
    scan = linac_scan("lung-sagittal", n_frames=40, matrix=(32, 32), n_coils=1, has_waveforms=True)
    drive = scan._player.physiology.drive
    times = np.linspace(0, 1, 20)
    down = -scan.scene.displacement_mm(times)[:, 2]
    assert np.corrcoef([drive(t) for t in times], down)[0, 1] > 0.999


def test_the_snr_is_that_of_the_target():
    scan = linac_scan("lung-sagittal", sequence="cartesian", motion=Still(), gain=None, snr=20.0,
                      n_frames=1)  # fmt: skip
    x, y, signal = scan.views[0].spot()
    maps = scan.sensitivity(np.array(x), np.array(y))
    covariance = scan._noise.covariance / (128 * 128 * 2)  # of an image's pixel
    weights = np.linalg.solve(covariance, maps)
    power = np.real(maps.conj() @ weights)
    assert signal * math.sqrt(2 * power) == pytest.approx(20.0, rel=1e-6)
    assert signal == pytest.approx(abs(0.5 + 0.04j + 0.72 - 0.3 - 0.35), rel=1e-6)


def test_truth_is_written_for_every_frame(tmp_path):
    scan = linac_scan("lung-sagittal", n_frames=5, matrix=(32, 32))
    write_linac_truth(tmp_path / "truth.h5", scan)
    with h5py.File(tmp_path / "truth.h5") as file:
        assert file["mask"].shape == (5, 32, 32)
        assert file["contour_mm"].shape == (5, 128, 2)
        assert file["displacement_mm"][0].tolist() == [0.0, 0.0]
        at = np.interp(file["frame_time_s"][:], file["path_time_s"][:],
                       file["path_displacement_lps_mm"][:, 2])  # fmt: skip
        assert at == pytest.approx(file["displacement_lps_mm"][:, 2], abs=0.01)
        assert -at == pytest.approx(file["displacement_mm"][:, 0], abs=0.01)
        pixel = (380 / 32) ** 2
        assert file["mask"][0].sum() * pixel == pytest.approx(file["area_mm2"][0], rel=0.4)


def test_area_is_that_of_the_contour_and_of_the_mask():
    truth = linac_scan("lung-sagittal", sequence="cartesian", n_frames=9, matrix=(512, 512)).truth(
        8
    )
    y, x = truth.contour_mm.T
    shoelace = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert shoelace == pytest.approx(truth.area_mm2, rel=1e-3)
    assert truth.mask.sum() * (380 / 512) ** 2 == pytest.approx(truth.area_mm2, rel=0.02)


def test_every_patient_has_a_target_to_see():
    for name in LINAC_PATIENTS:
        scan = linac_scan(name, n_frames=1)
        truth = scan.truth(0)
        grid = np.stack(np.broadcast_arrays(scan.sequence.columns_mm[None, :],
                                            scan.sequence.rows_mm[:, None]))  # fmt: skip
        assert abs(truth.through_plane_mm) < 0.2
        assert truth.mask.sum() > 30
        assert grid[:, truth.mask].mean(1)[::-1] == pytest.approx(truth.center_mm, abs=1.5)


def test_noise_readouts_come_first():
    scan = linac_scan("lung-sagittal", n_frames=1, matrix=(32, 32), n_coils=3)
    frames = [readout.frame for readout in scan.readouts()]
    assert frames == [-1] * 64 + [0] * 16
    first = next(iter(scan.readouts()))
    assert acquisition_samples(first.message).shape == (3, 64)


def test_the_disc_is_what_the_table_says():
    scan = lone_tumour(Still(), n_frames=1)
    cut = scan.views[0].cut(0.0)
    k = np.stack([np.linspace(-0.3, 0.3, 200), np.zeros(200)], axis=-1)
    got = line_samples(np.ones(1, complex), cut, k, np.zeros((1, 2)))[0]
    kappa = np.linalg.norm((k @ cut.shapes_mm[0]) * cut.sizes[0], axis=1)
    disc = j1(2 * np.pi * kappa) / kappa * abs(np.linalg.det(cut.shapes_mm[0]))
    assert abs(got) == pytest.approx(abs(disc), abs=1e-6)
